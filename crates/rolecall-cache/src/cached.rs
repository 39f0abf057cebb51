//! The slot at work: a thin async shell around the state machine.

mod in_flight;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use rolecall_core::{Clock, ErrorKind, FetchContext, FetchError, Moment, Session, SessionSource};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use self::in_flight::InFlight;
use crate::schedule::GRACE;
use crate::slot::{Decision, SameSession, Slot, Tick, Wait};
use crate::sync::{ArcSwapOption, AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};

/// Who keeps a session fresh.
///
/// ```
/// use rolecall_cache::Refresh;
/// assert_eq!(Refresh::default(), Refresh::WhileUsed);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refresh {
    /// A timer refreshes a session that was handed out at least once since it was fetched; an unused one lapses.
    #[default]
    WhileUsed,
    /// A timer refreshes it whether or not anybody asks.
    Always,
    /// Nothing does: it is handed out to its end, and who comes then waits for the next. For sessions that a person is
    /// asked for, by an MFA code.
    Never,
}

/// A source with a slot around it: it hands out the session that it holds, and keeps it fresh.
///
/// Clones share the slot. It is a `ProvideCredentials` for the SDK and a [`SessionSource`] to build on. It needs a Tokio
/// runtime with timers; the last handle's drop ends its timer. A fetch goes on when the caller that began it gives up.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_core::FetchError> {
/// use aws_credential_types::Credentials;
/// use rolecall_cache::{Cached, Refresh};
/// use rolecall_core::{FetchContext, ProviderSource, SessionSource};
///
/// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
/// let cached = Cached::builder(ProviderSource::new(keys)).refresh(Refresh::Always).build();
/// let session = cached.session(FetchContext::caller()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Cached<S: SessionSource>(Arc<Shared<S>>);

impl<S: SessionSource> Clone for Cached<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Shared<S> {
    source: S,
    clock: Clock,
    refresh: Refresh,
    /// What the hit path reads. Written under the lock alone.
    snapshot: ArcSwapOption<Snapshot>,
    state: Mutex<State>,
    /// The state changed: the timer looks again.
    changed: Arc<Notify>,
}

struct Snapshot {
    session: Session,
    quiet_until: Moment,
    /// Whether the session has been handed out: one flag for all snapshots of it, so that no mark is lost.
    used: Arc<AtomicBool>,
}

struct State {
    slot: Slot<Session, FetchError>,
    /// The outcome of the fetch that runs; closed without one when its task is gone.
    outcome: Option<watch::Receiver<Option<Outcome>>>,
    timer: Option<AbortHandle>,
}

/// The session and its end, or why there is none: what all waiters share.
type Outcome = Result<(Session, Moment), FetchError>;

/// How often one caller looks at the state: each look but the first means that a fetch was lost or overdue, or that
/// its session ended before the caller was polled again.
const LOOKS: u32 = 4;

impl SameSession for Session {
    fn same(&self, other: &Self) -> bool {
        self.access_key_id() == other.access_key_id()
    }
}

impl<S: SessionSource> Cached<S> {
    /// A slot on the machine's clock that refreshes while it is used.
    pub fn new(source: S) -> Self {
        Self::builder(source).build()
    }

    /// A slot with another clock or way to refresh.
    pub fn builder(source: S) -> CachedBuilder<S> {
        CachedBuilder { source, clock: Clock::system(), refresh: Refresh::default() }
    }

    /// The source within.
    pub fn source(&self) -> &S {
        &self.0.source
    }

    async fn obtain(&self, cx: FetchContext) -> Result<Session, FetchError> {
        match self.0.hit(Session::clone) {
            Some(session) => Ok(session),
            None => self.0.obtain(cx).await,
        }
    }
}

#[async_trait]
impl<S: SessionSource> SessionSource for Cached<S> {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        self.obtain(cx).await
    }

    fn reject(&self, rejected: &Session) {
        let mut state = self.0.lock();
        let is_news = state.slot.reject(self.0.clock.now(), rejected);
        if is_news {
            self.0.publish(&state, false);
        }
        drop(state);
        if is_news {
            tracing::warn!(
                access_key_id = rejected.access_key_id(),
                "a service rejected the session"
            );
        }
        // What is within may hold it too.
        self.0.source.reject(rejected);
    }

    fn limit(&self) -> Duration {
        // One fetch that fails, or is taken over.
        self.0.source.limit() + GRACE
    }
}

impl<S: SessionSource> ProvideCredentials for Cached<S> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.0.hit(|session| session.credentials().clone()) {
            Some(credentials) => future::ProvideCredentials::ready(Ok(credentials)),
            None => future::ProvideCredentials::new(async {
                let session = self.0.obtain(FetchContext::caller()).await?;
                provider::Result::Ok(session.credentials().clone())
            }),
        }
    }
}

impl<S: SessionSource> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("source", &self.0.source)
            .field("refresh", &self.0.refresh)
            .finish_non_exhaustive()
    }
}

/// Sets up a [`Cached`].
///
/// ```
/// # use rolecall_core::SessionSource;
/// use rolecall_cache::{Cached, Refresh};
/// use rolecall_core::ManualClock;
///
/// # fn show(source: impl SessionSource) {
/// let hands = ManualClock::new();
/// let cached = Cached::builder(source).clock(hands.clock()).refresh(Refresh::Always).build();
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct CachedBuilder<S> {
    source: S,
    clock: Clock,
    refresh: Refresh,
}

impl<S: SessionSource> CachedBuilder<S> {
    /// The clock to count by.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Who keeps the session fresh.
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// The slot, empty: the first call fetches.
    pub fn build(self) -> Cached<S> {
        let slot = Slot::new(self.source.limit() + GRACE, self.refresh != Refresh::Never);
        Cached(Arc::new(Shared {
            source: self.source,
            clock: self.clock,
            refresh: self.refresh,
            snapshot: ArcSwapOption::empty(),
            state: Mutex::new(State { slot, outcome: None, timer: None }),
            changed: Arc::new(Notify::new()),
        }))
    }
}

impl<S> Shared<S> {
    #[inline]
    fn hit<T>(&self, take: impl FnOnce(&Session) -> T) -> Option<T> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        if self.clock.now() >= snapshot.quiet_until {
            return None;
        }
        snapshot.mark_used();
        Some(take(&snapshot.session))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is changed by functions that do not panic: a poisoned lock holds a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the state to the hit path and the timer. Called under the lock.
    fn publish(&self, state: &State, used: bool) {
        let snapshot = state.slot.session().map(|session| {
            let flag = self.used_flag(session).unwrap_or_default();
            if used {
                flag.store(true, Ordering::Relaxed);
            }
            let quiet_until = state.slot.quiet_until();
            Arc::new(Snapshot { session: session.clone(), quiet_until, used: flag })
        });
        self.snapshot.store(snapshot);
        self.changed.notify_one();
    }

    /// The flag of the snapshot that is shown, if it is of this session.
    fn used_flag(&self, session: &Session) -> Option<Arc<AtomicBool>> {
        let shown = self.snapshot.load();
        let shown = shown.as_ref().filter(|shown| shown.session.same(session))?;
        Some(Arc::clone(&shown.used))
    }

    /// Whether this session has been handed out.
    fn is_used(&self, session: &Session) -> bool {
        self.used_flag(session).is_some_and(|used| used.load(Ordering::Relaxed))
    }
}

impl Snapshot {
    #[inline]
    fn mark_used(&self) {
        // A store at every call would bounce the cache line between cores.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

impl<S: SessionSource> Shared<S> {
    async fn obtain(self: &Arc<Self>, cx: FetchContext) -> Result<Session, FetchError> {
        for _ in 0..LOOKS {
            let (wait, mut outcome) = match self.plan(cx)? {
                Plan::Hand(session) => return Ok(session),
                Plan::Wait(wait, outcome) => (wait, outcome),
            };
            let waited = self.clock.until(wait.until, outcome.wait_for(Option::is_some)).await;
            let now = self.clock.now();
            let done = match &waited {
                Ok(Ok(done)) => done.as_ref(),
                // The time for it is over, or its task is gone: the next look takes over what is lost or overdue.
                Ok(Err(_)) | Err(_) => None,
            };
            match done {
                Some(Ok((session, end))) if now < *end => return Ok(session.clone()),
                _ => {}
            }
            if let Some((held, _)) = wait.otherwise.filter(|(_, end)| now < *end) {
                self.mark_used();
                return Ok(held);
            }
            if let Some(Err(error)) = done {
                return Err(error.clone());
            }
        }
        Err(gone("the tasks that fetch a session end without one"))
    }

    /// One look at the state, and what it sets off.
    fn plan(self: &Arc<Self>, cx: FetchContext) -> Result<Plan, FetchError> {
        let mut state = self.lock();
        match (state.slot.decide(self.clock.now()), Handle::try_current()) {
            (Decision::Hand { session, refresh }, runtime) => {
                self.mark_used();
                if refresh && let Ok(runtime) = runtime {
                    let fetch = self.start(&mut state, &runtime);
                    drop(state);
                    fetch.send(&runtime, FetchContext::background());
                }
                Ok(Plan::Hand(session))
            }
            (Decision::Fail(error), _) => Err(error),
            (Decision::Wait(wait), Ok(runtime)) => {
                let fetch = wait.start.then(|| self.start(&mut state, &runtime));
                state.slot.waited_for();
                let outcome = state.outcome.clone();
                drop(state);
                if let Some(fetch) = fetch {
                    fetch.send(&runtime, cx);
                }
                match outcome {
                    Some(outcome) => Ok(Plan::Wait(wait, outcome)),
                    // What runs has an outcome to wait for.
                    None => Err(gone("the fetch that runs has no outcome")),
                }
            }
            // No timers here, so no waiting either.
            (Decision::Wait(wait), Err(_)) => {
                let (session, _) = wait.otherwise.ok_or_else(outside_a_runtime)?;
                self.mark_used();
                Ok(Plan::Hand(session))
            }
        }
    }

    fn mark_used(&self) {
        if let Some(snapshot) = &*self.snapshot.load() {
            snapshot.mark_used();
        }
    }

    /// A fetch begins. It must be sent on its way once the lock is released: a runtime that is shutting down drops it
    /// there and then, and its drop takes the lock.
    fn start(self: &Arc<Self>, state: &mut State, runtime: &Handle) -> InFlight<S> {
        let started = self.clock.now();
        let generation = state.slot.start(started);
        let (tell, outcome) = watch::channel(None);
        state.outcome = Some(outcome);
        self.publish(state, false);
        self.keep_timer(state, runtime);
        let limit = started + self.source.limit();
        InFlight { shared: Arc::clone(self), generation, limit, tell }
    }

    fn keep_timer(self: &Arc<Self>, state: &mut State, runtime: &Handle) {
        // A timer that has ended went with its runtime.
        if state.timer.as_ref().is_none_or(AbortHandle::is_finished) {
            let timer = runtime.spawn(timer(Arc::downgrade(self)));
            state.timer = Some(timer.abort_handle());
        }
    }

    /// The timer's look at the state: until when to sleep.
    fn tick(self: &Arc<Self>) -> Moment {
        let mut state = self.lock();
        let now = self.clock.now();
        let always = self.refresh == Refresh::Always;
        let used = || state.slot.session().is_some_and(|session| self.is_used(session));
        let wanted = match self.refresh {
            Refresh::Always => true,
            Refresh::WhileUsed => used(),
            Refresh::Never => false,
        };
        match (state.slot.tick(now, wanted, always), Handle::try_current()) {
            (Tick::SleepUntil(moment), _) => moment,
            (Tick::Refresh, Ok(runtime)) => {
                let fetch = self.start(&mut state, &runtime);
                drop(state);
                fetch.send(&runtime, FetchContext::background());
                now + self.source.limit() + GRACE
            }
            (Tick::Refresh, Err(_)) => Moment::MAX,
        }
    }
}

impl<S> Drop for Shared<S> {
    fn drop(&mut self) {
        if let Some(timer) = &self.lock().timer {
            timer.abort();
        }
    }
}

enum Plan {
    Hand(Session),
    Wait(Wait<Session>, watch::Receiver<Option<Outcome>>),
}

/// Refreshes ahead. Holds no handle while it sleeps, so that it does not keep the slot alive.
async fn timer<S: SessionSource>(shared: Weak<Shared<S>>) {
    loop {
        let (clock, changed, wake) = match shared.upgrade() {
            Some(shared) => (shared.clock.clone(), Arc::clone(&shared.changed), shared.tick()),
            None => return,
        };
        tokio::select! {
            () = changed.notified() => {}
            () = clock.sleep_until(wake) => {}
        }
    }
}

fn gone(what: impl Into<String>) -> FetchError {
    FetchError::new(ErrorKind::Unavailable, what)
}

fn outside_a_runtime() -> FetchError {
    FetchError::new(ErrorKind::InvalidConfig, "no session is held, and this is no Tokio runtime")
        .with_hint("call it from a task of a Tokio runtime with timers (enable_all)")
}

#[cfg(test)]
mod tests;

//! The slot at work: a thin async shell around the state machine, for whatever has a session in it.

mod error;
mod in_flight;
mod origin;

use std::time::Duration;

use rolecall_core::{Clock, Event, FetchContext, FetchMode, Moment, Session, SessionError};
use tokio::sync::watch;

use self::error::{outside_a_runtime, removed, too_short, unavailable};
use self::in_flight::InFlight;
pub(crate) use self::origin::{Item, Origin};
use crate::observed::Observed;
use crate::refresh::Refresh;
use crate::schedule::GRACE;
use crate::slot::{Ask, Decision, Failure, Fetched, Refused, SameSession, Slot, Tick, Wait};
use crate::status::Status;
use crate::sync::{
    Arc, ArcSwapOption, AtomicU8, Mutex, MutexGuard, Ordering, PoisonError, Runtime, Task, Weak,
};
use crate::timer::{Timed, Timer};

/// One slot and what is around it, of an [`Origin`] and its items. (With no bound here, so that
/// whoever holds one across an await is `Send` whatever the lifetimes.)
pub(crate) struct Shared<O, I> {
    /// What the hit path reads. Written under the lock alone.
    snapshot: ArcSwapOption<Snapshot<I>>,
    clock: Clock,
    origin: Arc<O>,
    refresh: Refresh,
    state: Mutex<State<I>>,
    timer: Arc<Timer>,
    id: u64,
    observed: Observed,
}

struct Snapshot<I> {
    item: I,
    quiet_until: Moment,
    end: Moment,
    /// What became of the session: one for all snapshots of it, so that no mark is lost.
    marks: Arc<AtomicU8>,
}

/// The session was handed out.
const USED: u8 = 1;
/// It was handed out since somebody looked.
const TOUCHED: u8 = 2;

pub(crate) struct State<I> {
    slot: Slot<I, SessionError>,
    /// Where the outcome of the fetch that runs is told; closed without one when its task is gone.
    outcome: Option<watch::Sender<Option<Outcome<I>>>>,
    /// Its task.
    task: Option<Task>,
    /// When the timer looks.
    armed: Moment,
    /// The access key id of the session before the one that is held.
    before: Option<Box<str>>,
}

/// What was fetched and its end, or why there is none: what all waiters share.
type Outcome<I> = Result<(I, Moment), SessionError>;

/// How often one caller looks at the state: each look but the first means that a fetch was lost or
/// overdue, or that its session ended, or is too short, before the caller was polled again.
const LOOKS: u32 = 4;

/// What a slot is set up with.
pub(crate) struct Setup {
    pub(crate) refresh: Refresh,
    pub(crate) timer: Arc<Timer>,
    pub(crate) observed: Observed,
}

impl<O: Origin> Shared<O, O::Item> {
    pub(crate) fn new(origin: O, setup: Setup) -> Arc<Self> {
        let Setup { refresh, timer, observed } = setup;
        let slot = Slot::new(origin.timeout().saturating_add(GRACE), refresh != Refresh::Never);
        Arc::new(Self {
            snapshot: ArcSwapOption::empty(),
            clock: timer.clock().clone(),
            origin: Arc::new(origin),
            refresh,
            state: Mutex::new(State {
                slot,
                outcome: None,
                task: None,
                armed: Moment::MAX,
                before: None,
            }),
            id: timer.id(),
            timer,
            observed,
        })
    }

    pub(crate) fn origin(&self) -> &O {
        &self.origin
    }

    pub(crate) fn refresh(&self) -> Refresh {
        self.refresh
    }

    /// What is held, if it can be handed out with no look at the state.
    #[inline]
    pub(crate) fn hit<T>(&self, take: impl FnOnce(&O::Item) -> T) -> Option<T> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        if self.clock.now() >= snapshot.quiet_until {
            return None;
        }
        snapshot.mark(USED | TOUCHED);
        Some(take(&snapshot.item))
    }

    /// [`hit`](Self::hit), if it is good for this long.
    fn hit_for(&self, least: Duration) -> Option<O::Item> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        let now = self.clock.now();
        if now >= snapshot.quiet_until || snapshot.end - now < least {
            return None;
        }
        snapshot.mark(USED | TOUCHED);
        Some(snapshot.item.clone())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<O::Item>> {
        // The state is changed by functions that do not panic: a poisoned lock holds a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the state to the hit path and the timer. Called under the lock.
    fn publish(self: &Arc<Self>, state: &mut State<O::Item>, marks: u8) {
        let snapshot = state.slot.session().map(|item| {
            let flags = self.marks_of(item).unwrap_or_else(|| Arc::new(self.marks_of_another()));
            let quiet_until = state.slot.quiet_until();
            let end = state.slot.end();
            Arc::new(Snapshot { item: item.clone(), quiet_until, end, marks: flags })
        });
        if let Some(snapshot) = &snapshot {
            snapshot.mark(marks);
        }
        self.snapshot.store(snapshot);
        let wake = match self.next_tick(state) {
            Tick::Refresh => self.clock.now(),
            Tick::SleepUntil(moment) => moment,
        };
        self.arm(state, wake);
    }

    fn arm(self: &Arc<Self>, state: &mut State<O::Item>, wake: Moment) {
        if state.armed != wake {
            let who: Weak<Self> = Arc::downgrade(self);
            self.timer.arm(self.id, state.armed, wake, who);
            state.armed = wake;
        }
    }

    /// What the timer does now.
    fn next_tick(&self, state: &State<O::Item>) -> Tick {
        let used = || state.slot.session().is_some_and(|item| self.is_used(item));
        let wanted = match self.refresh {
            Refresh::Always => true,
            Refresh::WhileUsed => used(),
            Refresh::Never => false,
        };
        match self.refresh {
            Refresh::Never => Tick::SleepUntil(Moment::MAX),
            _ if self.origin.unattended().is_none() => Tick::SleepUntil(Moment::MAX),
            _ => state.slot.tick(self.clock.now(), wanted, self.refresh == Refresh::Always),
        }
    }

    /// The marks of the snapshot that is shown, if it is of this session.
    fn marks_of(&self, item: &O::Item) -> Option<Arc<AtomicU8>> {
        let shown = self.snapshot.load();
        let shown = shown.as_ref().filter(|shown| shown.item.same(item))?;
        Some(Arc::clone(&shown.marks))
    }

    /// The marks of a session that takes the place of the one that is shown: that one was handed
    /// out since somebody looked is a matter of the slot, and stays.
    fn marks_of_another(&self) -> AtomicU8 {
        let shown = self.snapshot.load();
        let marks = shown.as_ref().map_or(0, |shown| shown.marks.load(Ordering::Relaxed));
        AtomicU8::new(marks & TOUCHED)
    }

    /// Whether this session has been handed out.
    fn is_used(&self, item: &O::Item) -> bool {
        self.marks_of(item).is_some_and(|marks| marks.load(Ordering::Relaxed) & USED != 0)
    }

    /// Whether a session was handed out since this was last asked.
    pub(crate) fn was_touched(&self) -> bool {
        let snapshot = self.snapshot.load();
        snapshot
            .as_ref()
            .is_some_and(|shown| shown.marks.fetch_and(!TOUCHED, Ordering::Relaxed) & TOUCHED != 0)
    }

    fn mark_used(&self) {
        if let Some(snapshot) = self.snapshot.load().as_ref() {
            snapshot.mark(USED | TOUCHED);
        }
    }

    pub(crate) async fn obtain(
        self: &Arc<Self>,
        ask: Ask,
        cx: FetchContext,
        with: impl Fn() -> O::With,
    ) -> Result<O::Item, SessionError> {
        if let Ask::ValidFor(least) = ask
            && let Some(item) = self.hit_for(least)
        {
            return Ok(item);
        }
        let callers = cx.mode() == FetchMode::Foreground;
        // Until when a caller waits who has a session otherwise, over all looks.
        let mut patience = Moment::MAX;
        for look in 1..=LOOKS {
            let (wait, mut outcome) = match self.plan(ask, &cx, &with)? {
                Plan::Hand(item) => return Ok(item),
                Plan::Wait(wait, outcome) => (wait, outcome),
            };
            let until = wait.until.min(patience);
            let waited = self.clock.until(until, outcome.wait_for(Option::is_some)).await;
            let now = self.clock.now();
            let done = match &waited {
                Ok(Ok(done)) => done.as_ref(),
                // The time for it is over, or its task is gone: the next look takes over what is
                // lost or overdue.
                Ok(Err(_)) | Err(_) => None,
            };
            match done {
                Some(Ok((item, end))) if ask.is_met(now, *end) => return Ok(item.clone()),
                // It was one in the background that this caller joined: at the next look it waits
                // for a turn.
                Some(Err(error)) if callers && error.is_deferred() && look < LOOKS => {
                    if wait.otherwise.is_some() {
                        patience = until;
                    }
                    continue;
                }
                _ => {}
            }
            if let Some((held, _)) = wait.otherwise.filter(|(_, end)| ask.is_met(now, *end))
                && !self.is_removed()
            {
                self.mark_used();
                return Ok(held);
            }
            if let Some(Err(error)) = done {
                return Err(error.clone());
            }
        }
        Err(unavailable(format!("{LOOKS} fetches ended without a session that is still valid")))
    }

    /// One look at the state, and what it sets off.
    fn plan(
        self: &Arc<Self>,
        ask: Ask,
        cx: &FetchContext,
        with: &impl Fn() -> O::With,
    ) -> Result<Plan<O::Item>, SessionError> {
        let mut state = self.lock();
        let now = self.clock.now();
        match (state.slot.decide_for(ask, cx.mode(), now), Runtime::current()) {
            (Decision::Hand { session, refresh }, runtime) => {
                self.mark_used();
                if refresh && let Some(runtime) = runtime {
                    let fetch = self.start(&mut state, &runtime, FetchMode::Background);
                    drop(state);
                    self.send(fetch, &runtime, with());
                }
                Ok(Plan::Hand(session))
            }
            (Decision::Fail(error), _) => Err(error),
            (Decision::TooShort(left), _) => {
                let held = state.slot.session().cloned();
                drop(state);
                let held = held.as_ref().and_then(Item::session);
                Err(too_short(self.origin.name(), ask, left, held))
            }
            (Decision::Removed, _) => {
                drop(state);
                Err(removed(self.origin.name()))
            }
            (Decision::Wait(wait), Some(runtime)) => {
                let fetch = wait.start.then(|| self.start(&mut state, &runtime, cx.mode()));
                state.slot.waited_for();
                let outcome = state.outcome.as_ref().map(watch::Sender::subscribe);
                drop(state);
                if let Some(fetch) = fetch {
                    self.send(fetch, &runtime, with());
                }
                match outcome {
                    Some(outcome) => Ok(Plan::Wait(wait, outcome)),
                    // What runs has an outcome to wait for.
                    None => Err(unavailable("the running fetch has no result to wait for")),
                }
            }
            // No timers here, so no waiting either.
            (Decision::Wait(wait), None) => {
                let (item, _) =
                    wait.otherwise.ok_or_else(|| outside_a_runtime(self.origin.name()))?;
                self.mark_used();
                Ok(Plan::Hand(item))
            }
        }
    }

    /// A fetch begins. It must be sent on its way once the lock is released: a runtime that is
    /// shutting down drops it there and then, and its drop takes the lock.
    fn start(
        self: &Arc<Self>,
        state: &mut State<O::Item>,
        runtime: &Runtime,
        mode: FetchMode,
    ) -> InFlight<O> {
        let started = self.clock.now();
        let generation = state.slot.start(started);
        let tell = watch::Sender::new(None);
        state.outcome = Some(tell.clone());
        // One that was overdue is given up.
        if let Some(before) = state.task.take() {
            before.abort();
        }
        self.publish(state, 0);
        self.timer.keep(runtime);
        InFlight::new(self, generation, started, mode, tell)
    }

    fn send(self: &Arc<Self>, fetch: InFlight<O>, runtime: &Runtime, with: O::With) {
        let generation = fetch.generation();
        let task = runtime.spawn(fetch.run(with));
        let mut state = self.lock();
        if state.slot.awaits(generation) {
            state.task = Some(task);
            return;
        }
        drop(state);
        // It is done, or it came too late: the slot was removed, or another took over.
        task.abort();
    }

    /// What a fetch brought, under its generation. What callers share of it; nothing, if another
    /// took over.
    fn complete_fetch(
        self: &Arc<Self>,
        generation: u64,
        result: Result<O::Item, SessionError>,
    ) -> Option<(Outcome<O::Item>, Option<Duration>)> {
        let mut state = self.lock();
        if !state.slot.awaits(generation) {
            return None;
        }
        let now = self.clock.now();
        let result = result.and_then(|item| {
            let session = item.session();
            let end = session.map_or(Moment::MAX, |session| session.expiration(&self.clock));
            let since = session.and_then(Session::requested_at).unwrap_or(now);
            let fetched = Fetched { session: item, since, end };
            match state.slot.check(now, &fetched) {
                Ok(()) => Ok(fetched),
                // The wall clock was set since the cached session came in, so that the same time
                // now reads as sooner. The provider has no session that expires later.
                Err(Refused::ExpiresSooner)
                    if state.slot.session().is_some_and(|held| {
                        !held.same(&fetched.session) && expires_with(held, &fetched.session)
                    }) =>
                {
                    Ok(fetched)
                }
                Err(refused) => Err(in_flight::no_use(refused, fetched.session.session())),
            }
        });
        let (outcome, marks) = match result {
            Ok(fetched) => {
                let outcome = Ok((fetched.session.clone(), fetched.end));
                if let Some(held) = state.slot.session().filter(|held| !held.same(&fetched.session))
                {
                    state.before = held.access_key_id().map(Box::from);
                }
                // What callers waited for counts as handed out, though they may have gone since.
                let waited_for = state.slot.succeeded(now, fetched, fastrand::f64());
                (outcome, if waited_for { USED | TOUCHED } else { 0 })
            }
            Err(error) => {
                if error.is_deferred() {
                    state.slot.deferred(now, error.clone(), fastrand::f64());
                } else {
                    let failure = Failure { error: error.clone(), retryable: error.is_retryable() };
                    state.slot.failed(now, failure, fastrand::f64());
                }
                (Err(error), 0)
            }
        };
        state.outcome = None;
        state.task = None;
        self.publish(&mut state, marks);
        let left = match &outcome {
            Err(_) => Some(state.slot.end() - now).filter(|left| !left.is_zero()),
            Ok(_) => None,
        };
        Some((outcome, left))
    }

    /// The task of a fetch is gone without a result.
    fn lost(self: &Arc<Self>, generation: u64, asked: bool) {
        let mut state = self.lock();
        if !state.slot.awaits(generation) {
            return;
        }
        if !state.slot.lost(asked) {
            let error = unavailable("the Tokio runtime of the fetch shut down before it completed")
                .with_hint(
                    "keep one runtime for the life of the process, or call ready() on it first",
                );
            let failure = Failure { error, retryable: true };
            state.slot.failed(self.clock.now(), failure, fastrand::f64());
        }
        state.outcome = None;
        state.task = None;
        self.publish(&mut state, 0);
    }

    /// A service refused the session with this key. Whether that is news, and which session it is.
    pub(crate) fn invalidate(self: &Arc<Self>, access_key_id: &str) -> Option<Session> {
        let mut state = self.lock();
        let held = state.slot.session().cloned()?;
        if held.access_key_id() != Some(access_key_id)
            || !state.slot.invalidate(self.clock.now(), &held)
        {
            return None;
        }
        self.publish(&mut state, 0);
        drop(state);
        let provider = self.origin.name();
        tracing::warn!(provider, access_key_id, "a service rejected the cached session");
        self.observed.tell(provider, &Event::invalidated(access_key_id));
        held.session().cloned()
    }

    /// Whether the session with this key was here, and a call now gets another, or waits for
    /// another. A key that was never here, or so long ago that nobody can have it any more, is
    /// somebody else's.
    pub(crate) fn replaces(&self, access_key_id: &str) -> bool {
        let state = self.lock();
        let held = state.slot.session().and_then(Item::access_key_id);
        match held == Some(access_key_id) {
            _ if state.slot.is_removed() => false,
            false => state.before.as_deref() == Some(access_key_id),
            true => matches!(state.slot.decide(self.clock.now()), Decision::Wait(_)),
        }
    }

    /// Closes the slot: whoever holds it is told so, and what is on its way is dropped. Whether it
    /// was open.
    #[cfg(any(feature = "pool", test))]
    pub(crate) fn remove(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        if state.slot.is_removed() {
            return false;
        }
        state.slot.remove();
        let (outcome, task) = (state.outcome.take(), state.task.take());
        self.publish(&mut state, 0);
        drop(state);
        // Whoever waits hears of it now: the task may be on a runtime that stands still.
        if let Some(outcome) = outcome {
            outcome.send_replace(Some(Err(removed(self.origin.name()))));
        }
        if let Some(task) = task {
            task.abort();
        }
        self.observed.tell(self.origin.name(), &Event::Removed);
        true
    }

    /// Whether a fetch runs, or somebody waits for one.
    pub(crate) fn is_loading(&self) -> bool {
        self.lock().outcome.is_some()
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.lock().slot.is_removed()
    }

    pub(crate) fn evicted(&self) {
        self.observed.tell(self.origin.name(), &Event::Evicted);
    }

    #[cfg(feature = "pool")]
    pub(crate) fn look(&self) -> crate::slot::Look<SessionError> {
        self.lock().slot.look(self.clock.now())
    }

    pub(crate) fn status(&self) -> Status {
        let now = self.clock.now();
        let look = self.lock().slot.look(now);
        let wall = self.clock.wall();
        let by_the_wall = |moment: Moment| match moment >= now {
            true => wall.checked_add(moment - now),
            false => wall.checked_sub(now - moment),
        };
        Status {
            provider: self.origin.name().to_owned(),
            state: look.state,
            expires_at: look.ends.filter(|end| *end != Moment::MAX).and_then(by_the_wall),
            next_attempt: look.next_attempt.and_then(by_the_wall),
            consecutive_failures: look.consecutive_failures,
            last_error: look.last_error,
        }
    }
}

impl<O: Origin> Timed for Shared<O, O::Item> {
    fn tick(self: Arc<Self>) {
        let mut state = self.lock();
        // The timer forgot what it looks at.
        state.armed = Moment::MAX;
        match (self.next_tick(&state), Runtime::current(), self.origin.unattended()) {
            (Tick::SleepUntil(moment), _, _) => self.arm(&mut state, moment),
            (Tick::Refresh, Some(runtime), Some(with)) => {
                let fetch = self.start(&mut state, &runtime, FetchMode::Background);
                drop(state);
                self.send(fetch, &runtime, with);
            }
            (Tick::Refresh, _, _) => {}
        }
    }
}

impl<I> Snapshot<I> {
    #[inline]
    fn mark(&self, marks: u8) {
        // A store at every call would bounce the cache line between cores.
        if self.marks.load(Ordering::Relaxed) & marks != marks {
            self.marks.fetch_or(marks, Ordering::Relaxed);
        }
    }
}

impl<O, I> Drop for Shared<O, I> {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (armed, task) = (state.armed, state.task.take());
        drop(state);
        self.timer.disarm(self.id, armed);
        // Nobody is left to whom its result could go.
        if let Some(task) = task {
            task.abort();
        }
    }
}

/// Returns `true` if both sessions expire at the same wall time.
fn expires_with<I: Item>(one: &I, other: &I) -> bool {
    let expires_at = |item: &I| item.session().and_then(Session::expires_at);
    expires_at(one).is_some() && expires_at(one) == expires_at(other)
}

enum Plan<I> {
    Hand(I),
    Wait(Wait<I>, watch::Receiver<Option<Outcome<I>>>),
}

#[cfg(shuttle)]
#[cfg(test)]
mod model;

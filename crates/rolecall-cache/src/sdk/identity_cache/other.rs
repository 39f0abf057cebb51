//! Identities that are not credentials, such as bearer tokens.

use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{Identity, IdentityFuture};
use rolecall_core::{Clock, ErrorKind, Moment, SessionError};
use tokio::sync::watch;

use super::copied_error::copy_error;
use crate::entry::OVERDUE_GRACE;
use crate::sync::{
    Arc, ArcSwapOption, AtomicU8, AtomicU64, Mutex, MutexGuard, Ordering, PoisonError,
};

/// Time before its expiration from which the next call resolves another identity: that of the SDK's
/// cache.
const BUFFER: Duration = Duration::from_secs(10);

/// Longest time that hits do not compare the expiration with the wall clock.
///
/// The expiration is known by the wall clock only. The clock of deadlines stands still while a
/// virtual machine is paused, and does not notice that the wall clock was set.
const MAX_QUIET: Duration = Duration::from_secs(60);

/// The identity of a partition, cached if it has an expiration.
///
/// It is resolved in the task of a caller, since the resolver may read the configuration of the
/// call. Concurrent callers wait for one attempt and share its identity or its error: a service
/// that fails is not called once for each of them. Nothing remembers an error, so that the next
/// call after a failure makes an attempt of its own.
pub(super) struct OtherIdentity {
    cached: ArcSwapOption<Cached>,
    /// The attempt that concurrent callers wait for.
    running: Mutex<Option<Running>>,
    flags: AtomicU8,
    timeout: Duration,
}

struct Cached {
    identity: Identity,
    /// When the identity expires on the clock of deadlines, as of the time when it was resolved.
    expires_at: Moment,
    /// The moment until which hits do not compare the expiration with the wall clock.
    quiet_until: AtomicU64,
}

/// An attempt to resolve the identity, as those see it that wait for it.
#[derive(Clone)]
struct Running {
    /// When another caller takes over: the caller that makes the attempt may not be polled any
    /// longer.
    overdue_at: Moment,
    /// Closed without an outcome if the caller that makes the attempt is cancelled.
    outcome: watch::Receiver<Option<Outcome>>,
}

/// What an attempt means for the callers that waited for it.
enum Outcome {
    Resolved(Identity),
    /// The identity has no expiration, and is resolved by each call.
    NotShared,
    /// A copy of the error. The original is that of the caller that made the attempt.
    Failed(BoxError),
}

/// What a caller does without a cached identity that is fresh.
enum Joined<'a> {
    Return(Identity),
    Wait(Running),
    /// On behalf of others, too, if this is an attempt.
    Resolve(Option<Attempt<'a>>),
}

/// Callers do not wait for each other: the last identity had no expiration.
const NOT_SHARED: u8 = 1;
/// Used since the last call of [`OtherIdentity::take_touched`].
const TOUCHED: u8 = 2;

impl OtherIdentity {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            cached: ArcSwapOption::empty(),
            running: Mutex::new(None),
            flags: AtomicU8::new(0),
            timeout,
        }
    }

    /// Returns what `take` reads from the cached identity, if neither its expiration nor the wall
    /// clock is to be looked at yet.
    #[inline]
    pub(super) fn hit<T>(&self, clock: &Clock, take: impl FnOnce(&Identity) -> T) -> Option<T> {
        let cached = self.cached.load();
        let cached = cached.as_ref()?;
        if !cached.is_quiet(clock.now()) {
            return None;
        }
        if self.flags.load(Ordering::Relaxed) & TOUCHED == 0 {
            self.flags.fetch_or(TOUCHED, Ordering::Relaxed);
        }
        Some(take(&cached.identity))
    }

    /// Returns the cached identity if it need not be resolved again yet by either clock.
    fn fresh(&self, clock: &Clock) -> Option<Identity> {
        let cached = self.cached.load();
        let cached = cached.as_ref()?;
        let remaining = cached.remaining(clock);
        if remaining <= BUFFER {
            return None;
        }
        cached.keep_quiet(clock.now(), remaining);
        Some(cached.identity.clone())
    }

    fn unexpired(&self, clock: &Clock) -> Option<Identity> {
        let cached = self.cached.load();
        let cached = cached.as_ref().filter(|cached| !cached.remaining(clock).is_zero())?;
        Some(cached.identity.clone())
    }

    pub(super) fn take_touched(&self) -> bool {
        self.flags.fetch_and(!TOUCHED, Ordering::Relaxed) & TOUCHED != 0
    }

    /// Returns the cached identity, or the one that `resolve` returns.
    pub(super) async fn obtain<'a>(
        &self,
        clock: &Clock,
        resolve: impl FnOnce() -> IdentityFuture<'a>,
    ) -> Result<Identity, BoxError> {
        self.flags.fetch_or(TOUCHED, Ordering::Relaxed);
        let attempt = loop {
            match self.join(clock) {
                Joined::Return(identity) => return Ok(identity),
                Joined::Resolve(attempt) => break attempt,
                Joined::Wait(running) => match running.wait(clock).await {
                    Some(Outcome::Resolved(identity)) => return Ok(identity),
                    Some(Outcome::Failed(error)) => return Err(error),
                    // Those that waited with this caller resolve theirs at the same time.
                    Some(Outcome::NotShared) => break None,
                    // The attempt was cancelled or is overdue: one of its callers takes over.
                    None => {}
                },
            }
        };
        let result = match clock.until(clock.now() + self.timeout, resolve()).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out()),
        };
        let share = |outcome: &dyn Fn() -> Outcome| {
            if let Some(attempt) = attempt {
                attempt.complete(outcome);
            }
        };
        match result {
            Ok(identity) => {
                match self.store(&identity, clock) {
                    true => share(&|| Outcome::Resolved(identity.clone())),
                    false => share(&|| Outcome::NotShared),
                }
                Ok(identity)
            }
            Err(error) => {
                share(&|| Outcome::Failed(copy_error(&*error)));
                self.unexpired(clock).ok_or(error)
            }
        }
    }

    fn join(&self, clock: &Clock) -> Joined<'_> {
        let mut running = self.lock();
        // Read under the lock, since an attempt stores its identity before it ends.
        if let Some(identity) = self.fresh(clock) {
            return Joined::Return(identity);
        }
        if self.flags.load(Ordering::Relaxed) & NOT_SHARED != 0 {
            return Joined::Resolve(None);
        }
        let now = clock.now();
        if let Some(running) = running.as_ref().filter(|running| now < running.overdue_at) {
            // While another caller resolves the next identity, this one is still valid.
            return match self.unexpired(clock) {
                Some(identity) => Joined::Return(identity),
                None => Joined::Wait(running.clone()),
            };
        }
        let (sender, outcome) = watch::channel(None);
        // The grace lets the attempt report its own timeout.
        *running = Some(Running { overdue_at: now + self.timeout + OVERDUE_GRACE, outcome });
        Joined::Resolve(Some(Attempt { of: self, sender }))
    }

    /// Caches an identity. Returns `false` if it has no expiration.
    fn store(&self, identity: &Identity, clock: &Clock) -> bool {
        let Some(expires_at) = identity.expiration() else {
            self.flags.fetch_or(NOT_SHARED, Ordering::Relaxed);
            return false;
        };
        let now = clock.now();
        let remaining = expires_at.duration_since(clock.wall()).unwrap_or_default();
        let cached = Cached {
            identity: identity.clone(),
            expires_at: now + remaining,
            quiet_until: AtomicU64::new(0),
        };
        cached.keep_quiet(now, remaining);
        self.cached.store(Some(Arc::new(cached)));
        self.flags.fetch_and(!NOT_SHARED, Ordering::Relaxed);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        // Nothing panics while the lock is held.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn timed_out(&self) -> BoxError {
        let message =
            format!("the identity provider did not return an identity within {:?}", self.timeout);
        SessionError::new(ErrorKind::Unavailable, message)
            .with_hint("check the network between this process and the provider")
            .into()
    }
}

impl Cached {
    #[inline]
    fn is_quiet(&self, now: Moment) -> bool {
        now.as_nanos() < self.quiet_until.load(Ordering::Relaxed)
    }

    fn keep_quiet(&self, now: Moment, remaining: Duration) {
        let quiet_until = now + remaining.saturating_sub(BUFFER).min(MAX_QUIET);
        self.quiet_until.store(quiet_until.as_nanos(), Ordering::Relaxed);
    }

    /// Returns the remaining lifetime, by the clock on which the identity expires first.
    ///
    /// The wall clock notices a pause of the machine. The clock of deadlines notices that the wall
    /// clock was set back.
    fn remaining(&self, clock: &Clock) -> Duration {
        let expires_at = self.identity.expiration();
        let by_wall = expires_at.and_then(|at| at.duration_since(clock.wall()).ok());
        by_wall.unwrap_or_default().min(self.expires_at - clock.now())
    }
}

impl Running {
    /// Returns the outcome, or `None` if the attempt was cancelled or is overdue.
    async fn wait(mut self, clock: &Clock) -> Option<Outcome> {
        let outcome = self.outcome.wait_for(Option::is_some);
        match &*clock.until(self.overdue_at, outcome).await.ok()?.ok()? {
            Some(Outcome::Resolved(identity)) => Some(Outcome::Resolved(identity.clone())),
            Some(Outcome::NotShared) => Some(Outcome::NotShared),
            Some(Outcome::Failed(error)) => Some(Outcome::Failed(copy_error(&**error))),
            None => None,
        }
    }
}

/// An attempt of a caller, on behalf of those that wait for it. Dropping it has one of them take
/// over.
struct Attempt<'a> {
    of: &'a OtherIdentity,
    sender: watch::Sender<Option<Outcome>>,
}

impl Attempt<'_> {
    fn complete(self, outcome: impl FnOnce() -> Outcome) {
        // Left first: a call that begins from now on makes an attempt of its own.
        self.leave();
        if self.sender.receiver_count() > 0 {
            self.sender.send_replace(Some(outcome()));
        }
    }

    /// Ends the attempt, unless another caller has taken over.
    fn leave(&self) {
        let mut running = self.of.lock();
        let own = self.sender.subscribe();
        if running.as_ref().is_some_and(|running| running.outcome.same_channel(&own)) {
            *running = None;
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

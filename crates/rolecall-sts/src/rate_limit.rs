//! The rate limit of calls to STS, whose quota is per account and Region and shared by all callers.

mod pace;
mod queue;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rolecall_core::{Clock, ErrorKind, FetchMode, Moment, SessionError};

use self::queue::{Admission, Queue, Ticket};

/// Limits the calls of one client to STS. Defaults to 200 calls per second and 64 in flight.
///
/// By default, STS answers 600 calls per second for each account and Region, to all callers
/// together. Callers wait for a permit in the order in which they arrive, and background refreshes
/// wait until no caller does.
///
/// # Adaptive rate
///
/// A process does not know how many others share the quota, so the rate adapts to the responses of
/// STS. If STS throttles a call, the rate halves, at most once per second and down to one call per
/// second. Each second of successful calls raises it by a sixtieth of
/// [`calls_per_second`](Self::calls_per_second) until it has reached that value again.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroU32;
/// use rolecall_sts::RateLimit;
///
/// let mut limit = RateLimit::default();
/// assert_eq!(limit.calls_per_second.get(), 200);
/// limit.calls_per_second = NonZeroU32::new(50).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// Maximum number of calls per second, on average over more than a tenth of a second. Defaults
    /// to 200.
    pub calls_per_second: NonZeroU32,
    /// Maximum number of concurrent calls. Defaults to 64.
    pub in_flight: NonZeroU32,
}

impl Default for RateLimit {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self { calls_per_second: number(200), in_flight: number(64) }
    }
}

/// Enforces a [`RateLimit`]: each call acquires a permit and holds it until the call completes.
///
/// Every [`StsClient`](crate::StsClient) has one and acquires a permit for each attempt. A custom
/// provider that shares the quota of STS, such as one that calls GetFederationToken, acquires
/// permits from the same limiter or from one of its own. It reports the outcome of each call with
/// [`Permit::complete`], because the limiter lowers the rate when STS throttles.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rolecall_core::SessionError> {
/// use std::time::Duration;
/// use rolecall_core::{Clock, FetchMode};
/// use rolecall_sts::{RateLimit, RateLimiter};
///
/// let limiter = RateLimiter::new(RateLimit::default(), Clock::system());
/// let permit = limiter.acquire(FetchMode::Foreground, Duration::from_secs(9)).await?;
/// // Call the service here.
/// permit.complete(Ok(()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RateLimiter {
    limit: RateLimit,
    clock: Clock,
    queue: Mutex<Queue>,
}

impl RateLimiter {
    /// Creates a limiter whose permits are all available.
    pub fn new(limit: RateLimit, clock: Clock) -> Self {
        Self { limit, clock, queue: Mutex::new(Queue::new(limit)) }
    }

    /// Acquires a permit, to be held until the call completes.
    ///
    /// Waits for up to `timeout`. Foreground calls get their permits in the order of arrival.
    /// Background calls do so too, but none gets one while a foreground call waits. A call that
    /// cannot get a permit in time, even if the rate recovers as fast as possible, fails without
    /// waiting.
    ///
    /// If the future is not polled for 5 seconds after its turn, another call may receive its
    /// permit. It then waits for the next one, before the calls that arrived after it.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Throttled`] if no permit becomes available in time. In the background,
    /// the error is [deferred](SessionError::is_deferred).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the queue and has no other effect: the calls
    /// behind it move up.
    pub async fn acquire(
        &self,
        mode: FetchMode,
        timeout: Duration,
    ) -> Result<Permit<'_>, SessionError> {
        let now = self.clock.now();
        let deadline = now + timeout;
        let Some((ticket, wakeup)) = self.update(|queue| queue.enter(mode, now, deadline)) else {
            return Err(self.exhausted(mode));
        };
        let _waiting = Waiting { limiter: self, ticket };
        loop {
            let now = self.clock.now();
            let wake_at = match self.update(|queue| queue.check(ticket, now)) {
                Admission::Granted => return Ok(Permit { limiter: self, sent_at: now }),
                Admission::At(start) => start.min(deadline),
                Admission::Blocked => deadline,
            };
            if now >= deadline {
                return Err(self.exhausted(mode));
            }
            // Woken early or late makes no difference: the queue decides again.
            let _ = self.clock.until(wake_at, wakeup.notified()).await;
        }
    }

    /// Returns the current rate, in calls per second.
    ///
    /// It is [`RateLimit::calls_per_second`], or less after STS has throttled calls. A rate that
    /// stays low shows that the quota of the account is exhausted.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), rolecall_core::SessionError> {
    /// use std::time::Duration;
    /// use rolecall_core::{Clock, ErrorKind, FetchMode};
    /// use rolecall_sts::{RateLimit, RateLimiter};
    ///
    /// let limiter = RateLimiter::new(RateLimit::default(), Clock::system());
    /// assert_eq!(limiter.current_rate(), 200.0);
    /// let permit = limiter.acquire(FetchMode::Foreground, Duration::from_secs(9)).await?;
    /// permit.complete(Err(ErrorKind::Throttled));
    /// assert_eq!(limiter.current_rate(), 100.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn current_rate(&self) -> f64 {
        self.update(|queue| queue.pace.rate())
    }

    fn exhausted(&self, mode: FetchMode) -> SessionError {
        let (is_full, rate) = self.update(|queue| (queue.is_full(), queue.pace.rate()));
        let configured = self.limit.calls_per_second;
        let lowered = rate < f64::from(configured.get());
        let (limit, hint) = if is_full {
            (format!("{} in flight", count_calls(self.limit.in_flight)), RAISE_LIMIT)
        } else if lowered {
            // Raising the limit would not help: STS has answered that the account's quota is
            // exhausted.
            (format!("{rate:.0} of {configured} calls per second, since STS throttled"), USE_LESS)
        } else {
            (format!("{} per second", count_calls(configured)), RAISE_LIMIT)
        };
        let message = format!("rolecall's rate limit for STS is exhausted ({limit})");
        let error = match mode {
            FetchMode::Background => SessionError::deferred(message),
            _ => SessionError::new(ErrorKind::Throttled, message),
        };
        error.with_hint(hint)
    }

    fn update<T>(&self, update: impl FnOnce(&mut Queue) -> T) -> T {
        let (result, woken) = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            (update(&mut queue), queue.take_woken())
        };
        // Outside the lock: waking a task can drop another one, whose call then leaves the queue.
        for notify in woken {
            notify.notify_one();
        }
        result
    }
}

const RAISE_LIMIT: &str =
    "use fewer roles at once, or raise the limit (rate_limit of ChainBuilder or StsClientBuilder)";
const USE_LESS: &str =
    "use fewer roles at once, or check what else calls STS in this account and Region";

fn count_calls(calls: NonZeroU32) -> String {
    format!("{calls} {}", if calls.get() == 1 { "call" } else { "calls" })
}

/// A call that waits for its permit. Dropping it removes it from the queue.
struct Waiting<'a> {
    limiter: &'a RateLimiter,
    ticket: Ticket,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let now = self.limiter.clock.now();
        self.limiter.update(|queue| queue.leave(self.ticket, now));
    }
}

/// A permit of a [`RateLimiter`]. Dropping it releases it.
///
/// # Examples
///
/// ```
/// # async fn show(limiter: &rolecall_sts::RateLimiter) -> Result<(), rolecall_core::SessionError> {
/// use std::time::Duration;
/// use rolecall_core::FetchMode;
/// use rolecall_sts::Permit;
///
/// let permit: Permit<'_> = limiter.acquire(FetchMode::Background, Duration::ZERO).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Permit<'a> {
    limiter: &'a RateLimiter,
    sent_at: Moment,
}

impl Permit<'_> {
    /// Releases the permit and adapts the rate to the outcome of the call.
    ///
    /// [`ErrorKind::Throttled`] lowers the rate, and success raises it. Other errors do not change
    /// it, as an outage says nothing about the quota. Use this method for responses of STS only: an
    /// error of a rate limiter is no reason to lower the rate.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn show(limiter: &rolecall_sts::RateLimiter) -> Result<(), rolecall_core::SessionError> {
    /// # async fn call_service() -> Result<String, rolecall_core::SessionError> { Ok(String::new()) }
    /// use std::time::Duration;
    /// use rolecall_core::FetchMode;
    ///
    /// let permit = limiter.acquire(FetchMode::Foreground, Duration::from_secs(9)).await?;
    /// let result = call_service().await;
    /// permit.complete(result.as_ref().map(drop).map_err(|error| error.kind()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn complete(self, outcome: Result<(), ErrorKind>) {
        let now = self.limiter.clock.now();
        let lowered = self.limiter.update(|queue| match outcome {
            Ok(()) => {
                queue.pace.record_success(now);
                None
            }
            Err(ErrorKind::Throttled) => {
                let halved = queue.pace.record_throttled(self.sent_at, now);
                halved.then(|| queue.pace.rate())
            }
            Err(_) => None,
        });
        if let Some(calls_per_second) = lowered {
            tracing::debug!(calls_per_second, "STS throttled a call; lowered the rate");
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let now = self.limiter.clock.now();
        self.limiter.update(|queue| queue.release(now));
    }
}

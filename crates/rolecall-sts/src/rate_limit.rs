//! The rate limit for calls to STS, whose quota applies to an account and Region as a whole.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rolecall_core::{Clock, ErrorKind, FetchMode, Moment, SessionError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Limits the calls of one client to STS. Defaults to 200 calls per second and 64 in flight.
///
/// The default quota of STS is 600 calls per second for each account and Region, shared by all
/// callers. Foreground fetches wait for a permit in the order of arrival. A background fetch for
/// which no permit is available is deferred.
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
    /// Maximum number of calls per second. Defaults to 200.
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
/// An [`StsClient`](crate::StsClient) acquires a permit for each attempt. A custom provider that
/// uses the same quota of STS, for example to call GetFederationToken, acquires permits from the
/// client's [`rate_limiter`](crate::StsClient::rate_limiter), or from a limiter that it creates.
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
/// drop(permit);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RateLimiter {
    limit: RateLimit,
    clock: Clock,
    /// Reserves a time for each call on arrival, so that a call whose wait would be longer than its
    /// timeout fails at once instead of after the timeout.
    queue: Mutex<Schedule>,
    in_flight: Semaphore,
    /// Spaces the calls that have a permit. Without it, calls that waited for hanging calls would
    /// all start at the moment when those complete, far above the rate.
    pace: Mutex<Schedule>,
}

impl RateLimiter {
    /// Creates a limiter that measures time with `clock`. All permits are available.
    pub fn new(limit: RateLimit, clock: Clock) -> Self {
        let schedule = || Mutex::new(Schedule::new(limit));
        let permits = usize::try_from(limit.in_flight.get()).unwrap_or(Semaphore::MAX_PERMITS);
        let in_flight = Semaphore::new(permits.min(Semaphore::MAX_PERMITS));
        Self { limit, clock, queue: schedule(), in_flight, pace: schedule() }
    }

    /// Acquires a permit, which the caller holds until the call completes.
    ///
    /// A foreground fetch waits for up to `timeout`, in the order of arrival. It fails immediately
    /// if the rate alone requires a longer wait. A background fetch does not wait.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Throttled`] if no permit becomes available in time. For a background
    /// fetch, the error is [deferred](SessionError::is_deferred).
    ///
    /// # Cancel safety
    ///
    /// Cancelling this future gives up its place in the order of arrival. The reserved time is not
    /// returned to the limit.
    pub async fn acquire(
        &self,
        mode: FetchMode,
        timeout: Duration,
    ) -> Result<Permit<'_>, SessionError> {
        let timeout = match mode {
            FetchMode::Foreground => timeout,
            _ => Duration::ZERO,
        };
        let deadline = self.clock.now() + timeout;
        self.wait_in(&self.queue, mode, deadline).await?;
        let no_permit = || exhausted(mode, self.limit.in_flight, "in flight");
        let permit = match self.in_flight.try_acquire() {
            Ok(permit) => permit,
            Err(_) if timeout.is_zero() => return Err(no_permit()),
            Err(_) => match self.clock.until(deadline, self.in_flight.acquire()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_)) | Err(_) => return Err(no_permit()),
            },
        };
        self.wait_in(&self.pace, mode, deadline).await?;
        Ok(Permit(permit))
    }

    async fn wait_in(
        &self,
        schedule: &Mutex<Schedule>,
        mode: FetchMode,
        deadline: Moment,
    ) -> Result<(), SessionError> {
        let start = {
            let now = self.clock.now();
            let mut schedule = schedule.lock().unwrap_or_else(PoisonError::into_inner);
            schedule.reserve(now, deadline - now)
        };
        let Some(start) = start else {
            return Err(exhausted(mode, self.limit.calls_per_second, "per second"));
        };
        self.clock.sleep_until(start).await;
        Ok(())
    }
}

/// A permit of a [`RateLimiter`], which is released when it is dropped.
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
pub struct Permit<'a>(#[expect(dead_code, reason = "held for its drop")] SemaphorePermit<'a>);

fn exhausted(mode: FetchMode, calls: NonZeroU32, unit: &str) -> SessionError {
    let noun = if calls.get() == 1 { "call" } else { "calls" };
    let message = format!("rolecall's rate limit for STS is exhausted ({calls} {noun} {unit})");
    let error = match mode {
        FetchMode::Background => SessionError::deferred(message),
        _ => SessionError::new(ErrorKind::Throttled, message),
    };
    error.with_hint(
        "use fewer roles at once, or raise the limit (rate_limit of ChainBuilder or \
         StsClientBuilder)",
    )
}

/// Assigns evenly spaced start times, in the order of the reservations.
#[derive(Debug)]
struct Schedule {
    interval: Duration,
    /// Idle time that later calls may use: the size of a burst.
    burst: Duration,
    next: Moment,
}

impl Schedule {
    fn new(limit: RateLimit) -> Self {
        let interval = Duration::from_secs(1) / limit.calls_per_second.get();
        Self { interval, burst: Duration::from_millis(100), next: Moment::ZERO }
    }

    /// Reserves the next start time. Returns `None`, and reserves nothing, if that is later than
    /// `timeout` from now.
    fn reserve(&mut self, now: Moment, timeout: Duration) -> Option<Moment> {
        let start = self.next.max(now.earlier_by(self.burst));
        if start > now + timeout {
            return None;
        }
        self.next = start + self.interval;
        Some(start.max(now))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rolecall_core::ManualClock;

    use super::*;

    fn limit(calls_per_second: u32, in_flight: u32) -> RateLimit {
        let number = |n| NonZeroU32::new(n).unwrap();
        RateLimit { calls_per_second: number(calls_per_second), in_flight: number(in_flight) }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn schedule_spaces_calls_evenly_in_order() {
        let start = Moment::ZERO + MINUTE;
        let mut schedule = Schedule::new(limit(50, 1));
        let waits: Vec<u128> = (0..100)
            .map(|_| (schedule.reserve(start, MINUTE).unwrap() - start).as_millis())
            .collect();
        // Six at once (a burst of a tenth of a second and one on time), then one every 20 ms.
        let expected: Vec<u128> = (0..100_u128).map(|n| (n * 20).saturating_sub(100)).collect();
        assert_eq!(waits, expected);
        // A call whose wait would exceed its timeout reserves no start time.
        assert_eq!(schedule.reserve(start, Duration::from_millis(1899)), None);
        assert_eq!(
            schedule.reserve(start, Duration::from_millis(1900)),
            Some(start + Duration::from_millis(1900))
        );
        // An idle hour allows no larger burst than an idle tenth of a second.
        let later = start + 60 * MINUTE;
        let at_once =
            (0..100).filter(|_| schedule.reserve(later, Duration::ZERO).is_some()).count();
        assert_eq!(at_once, 6);
    }

    #[tokio::test]
    async fn background_call_is_deferred_and_foreground_waits() {
        let clock = ManualClock::new();
        let limiter = Arc::new(RateLimiter::new(limit(1, 64), clock.clock()));
        drop(limiter.acquire(FetchMode::Background, MINUTE).await.unwrap());
        // A call that waited here would never complete, because the clock does not advance.
        let acquire = limiter.acquire(FetchMode::Background, MINUTE);
        let deferred = tokio::time::timeout(MINUTE / 6, acquire).await.unwrap().unwrap_err();
        assert_eq!(deferred.kind(), ErrorKind::Throttled);
        assert!(deferred.is_deferred());
        assert_eq!(
            deferred.to_string(),
            "rolecall's rate limit for STS is exhausted (1 call per second); hint: use fewer roles at \
             once, or raise the limit (rate_limit of ChainBuilder or StsClientBuilder)"
        );
        let waiting = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.acquire(FetchMode::Foreground, MINUTE).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(Duration::from_secs(1));
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn calls_behind_hanging_calls_keep_the_rate() {
        let clock = ManualClock::new();
        let limiter = Arc::new(RateLimiter::new(limit(10, 20), clock.clock()));
        let mut hanging = Vec::new();
        for _ in 0..20 {
            clock.advance(Duration::from_millis(100));
            hanging.push(limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap());
        }
        let acquired = Arc::new(AtomicUsize::new(0));
        for _ in 0..40 {
            let (limiter, acquired) = (Arc::clone(&limiter), Arc::clone(&acquired));
            tokio::spawn(async move {
                drop(limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap());
                acquired.fetch_add(1, Ordering::Relaxed);
            });
        }
        let count_acquired = || async {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            acquired.load(Ordering::Relaxed)
        };
        assert_eq!(count_acquired().await, 0);
        clock.advance(10 * Duration::from_secs(1));
        assert_eq!(count_acquired().await, 0);
        hanging.clear();
        // The burst of an idle tenth of a second, then ten per second.
        assert_eq!(count_acquired().await, 2);
        for second in 1..=3 {
            for _ in 0..10 {
                clock.advance(Duration::from_millis(100));
                count_acquired().await;
            }
            assert_eq!(count_acquired().await, 2 + 10 * second);
        }
    }

    #[tokio::test]
    async fn timeout_covers_both_waits() {
        let clock = ManualClock::new();
        let limiter = Arc::new(RateLimiter::new(limit(10, 1), clock.clock()));
        let _hanging = limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap();
        let second = Duration::from_secs(1);
        let waits: Vec<_> = (0..10)
            .map(|_| {
                let limiter = Arc::clone(&limiter);
                tokio::spawn(async move {
                    limiter.acquire(FetchMode::Foreground, second).await.map(drop)
                })
            })
            .collect();
        tokio::task::yield_now().await;
        for _ in 0..10 {
            clock.advance(second / 10);
            tokio::task::yield_now().await;
        }
        for wait in waits {
            assert!(wait.is_finished());
            assert_eq!(wait.await.unwrap().unwrap_err().kind(), ErrorKind::Throttled);
        }
    }

    #[tokio::test]
    async fn calls_in_flight_are_limited() {
        let limiter = RateLimiter::new(limit(1000, 2), Clock::system());
        let one = limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap();
        let _two = limiter.acquire(FetchMode::Foreground, MINUTE).await.unwrap();
        let third = limiter.acquire(FetchMode::Background, MINUTE).await.unwrap_err();
        assert!(third.message().contains("2 calls in flight"), "{third}");
        let timed_out = limiter.acquire(FetchMode::Foreground, Duration::from_millis(20)).await;
        assert_eq!(timed_out.unwrap_err().kind(), ErrorKind::Throttled);
        drop(one);
        drop(limiter.acquire(FetchMode::Background, MINUTE).await.unwrap());
    }
}

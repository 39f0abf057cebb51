//! Access to time: a monotonic clock for deadlines, the wall clock, and sleep.

#[cfg(any(test, feature = "test-util"))]
mod manual;

use std::fmt;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::pin;
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;

#[cfg(any(test, feature = "test-util"))]
pub use self::manual::ManualClock;

/// A point in time of a [`Clock`], in nanoseconds. It has no relation to the wall clock.
///
/// Moments of different clocks must not be compared. Arithmetic saturates: a deadline that is too
/// far in the future is [`Moment::MAX`], which is never reached.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use rolecall_core::{Clock, Moment};
///
/// let start = Clock::system().now();
/// assert_eq!((start + Duration::from_secs(5)) - start, Duration::from_secs(5));
/// assert_eq!(start - (start + Duration::from_secs(5)), Duration::ZERO);
/// assert_eq!(start + Duration::MAX, Moment::MAX);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The earliest moment.
    pub const ZERO: Self = Self(0);
    /// The moment that is never reached.
    pub const MAX: Self = Self(u64::MAX);

    /// Creates the moment that is `nanos` nanoseconds after [`Moment::ZERO`].
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since [`Moment::ZERO`].
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the moment that is `duration` earlier, but not before [`Moment::ZERO`].
    #[must_use]
    pub fn earlier_by(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(to_nanos(duration)))
    }
}

fn to_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(to_nanos(duration)))
    }
}

impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX {
            return f.write_str("never");
        }
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

/// A source of time, with a monotonic clock for deadlines, the wall clock, and sleep.
///
/// Sessions, lifetimes and refreshes use the time of a `Clock`. The timeouts and the back-off of a
/// single call to STS use Tokio's time.
///
/// [`Clock::system`] measures deadlines on a clock that cannot be set and that continues while the
/// machine is suspended: `CLOCK_BOOTTIME` on Linux, `CLOCK_MONOTONIC` on macOS, and
/// [`std::time::Instant`] on other systems. A wall clock that is wrong or adjusted does not affect
/// deadlines.
///
/// Tests use the clock of a `ManualClock` (feature `test-util`). Tokio's paused time
/// (`start_paused`) does not advance a `Clock`: a sleep on the system clock would not end.
///
/// `Clock` implements [`TimeSource`]: pass it to an SDK client's `time_source(..)` in tests that
/// control the time.
///
/// # Runtime
///
/// Sleeps on the system clock require a Tokio runtime with time enabled, and panic without one.
///
/// # Examples
///
/// ```
/// use rolecall_core::Clock;
/// let clock = Clock::system();
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    #[cfg(any(test, feature = "test-util"))]
    Manual(ManualClock),
}

/// Longest sleep before [`Clock::sleep_until`] reads the clock again.
///
/// Tokio's timers stop while the machine is suspended. A single long sleep would overshoot its
/// deadline by the time of the suspension.
const MAX_SLEEP: Duration = Duration::from_secs(60);

impl Clock {
    /// Returns the system clock.
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// Returns the current moment of the monotonic clock.
    #[inline]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Kind::System => system::now(),
            #[cfg(any(test, feature = "test-util"))]
            Kind::Manual(clock) => clock.now(),
        }
    }

    /// Returns the current time of the wall clock.
    pub fn wall(&self) -> SystemTime {
        match &self.0 {
            Kind::System => SystemTime::now(),
            #[cfg(any(test, feature = "test-util"))]
            Kind::Manual(clock) => clock.wall(),
        }
    }

    /// Sleeps until `deadline`. Never completes if `deadline` is [`Moment::MAX`].
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime with time enabled if this is the system clock and
    /// `deadline` has not passed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the sleep and has no other effect.
    pub async fn sleep_until(&self, deadline: Moment) {
        if deadline == Moment::MAX {
            return std::future::pending().await;
        }
        match &self.0 {
            Kind::System => loop {
                let remaining = deadline - system::now();
                if remaining.is_zero() {
                    return;
                }
                tokio::time::sleep(remaining.min(MAX_SLEEP)).await;
            },
            #[cfg(any(test, feature = "test-util"))]
            Kind::Manual(clock) => clock.sleep_until(deadline).await,
        }
    }

    /// Runs `future` until it completes or `deadline` passes.
    ///
    /// The future is polled at least once, even if `deadline` has already passed.
    ///
    /// # Errors
    ///
    /// Returns [`Elapsed`] if `deadline` passes first, and drops the future.
    ///
    /// # Panics
    ///
    /// Panics under the conditions of [`sleep_until`](Self::sleep_until).
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future drops `future`.
    pub async fn until<F: Future>(
        &self,
        deadline: Moment,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut sleep = pin!(self.sleep_until(deadline));
        std::future::poll_fn(|cx| {
            use std::task::Poll;
            // The future first: a result that is ready at the deadline is a result, not a timeout.
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
        })
        .await
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        self.wall()
    }
}

/// An error returned by [`Clock::until`] when the deadline passes before the future completes.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use rolecall_core::{Clock, Elapsed};
/// let clock = Clock::system();
/// let pending = std::future::pending::<()>();
/// assert_eq!(clock.until(clock.now(), pending).await, Err(Elapsed));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
mod system {
    use super::Moment;
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(not(target_os = "macos"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(target_os = "macos")]
    const CLOCK: ClockId = ClockId::Monotonic;

    #[inline]
    pub(super) fn now() -> Moment {
        let time = clock_gettime(CLOCK);
        // Neither field is negative on these clocks, which count from the boot of the machine.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        Moment::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
mod system {
    use super::Moment;
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    pub(super) fn now() -> Moment {
        static START: OnceLock<Instant> = OnceLock::new();
        // Starts above zero, as `ManualClock` does: a moment before the first call must be
        // representable, such as the request time of a session that is an hour old.
        Moment::ZERO + Duration::from_secs(1_000_000) + START.get_or_init(Instant::now).elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn until_completed_future_returns_output() {
        let clock = ManualClock::new().clock();
        let deadline = clock.now() + Duration::from_secs(1);
        assert_eq!(clock.until(deadline, async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn system_clock_sleeps_until_the_deadline() {
        let clock = Clock::system();
        let start = clock.now();
        clock.sleep_until(start + Duration::from_millis(20)).await;
        assert!(clock.now() - start >= Duration::from_millis(20));
    }

    #[test]
    fn moment_arithmetic_saturates() {
        let second = Duration::from_secs(1);
        let moment = Moment::from_nanos(2_000_000_000);
        assert_eq!((moment + second).as_nanos(), 3_000_000_000);
        assert_eq!(moment.earlier_by(second).as_nanos(), 1_000_000_000);
        assert_eq!(moment.earlier_by(3 * second), Moment::ZERO);
        assert_eq!(moment - Moment::from_nanos(500_000_000), Duration::from_millis(1500));
        assert_eq!(Moment::ZERO - moment, Duration::ZERO);
        assert_eq!(moment + Duration::MAX, Moment::MAX);
        assert_eq!(format!("{moment:?} {:?}", Moment::MAX), "2s never");
    }

    #[tokio::test]
    async fn until_passed_deadline_returns_elapsed() {
        let clock = ManualClock::new().clock();
        let never = std::future::pending::<()>();
        assert_eq!(clock.until(clock.now(), never).await, Err(Elapsed));
        assert_eq!(clock.until(clock.now(), async { 7 }).await, Ok(7), "polled at least once");
        assert_eq!(Elapsed.to_string(), "the deadline has elapsed");
    }

    #[tokio::test]
    async fn sleep_until_max_never_returns() {
        let clock = Clock::system();
        let sleep = clock.sleep_until(Moment::MAX);
        assert!(tokio::time::timeout(Duration::from_millis(20), sleep).await.is_err());
    }

    #[test]
    fn system_clock_reports_system_time() {
        let clock = Clock::default();
        assert!(matches!(clock.0, Kind::System));
        let before = SystemTime::now();
        let wall = clock.wall();
        assert!(before <= wall && wall <= SystemTime::now());
        let start = clock.now();
        std::thread::sleep(Duration::from_millis(5));
        let elapsed = clock.now() - start;
        assert!(elapsed >= Duration::from_millis(5) && elapsed < Duration::from_secs(60));
    }
}

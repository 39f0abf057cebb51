//! Time: a clock for deadlines that nobody can set, the wall clock for people, and sleep.

mod manual;

use std::fmt;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::pin;
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;

pub use self::manual::ManualClock;

/// A point on a [`Clock`]'s own time line, to the nanosecond. It has no relation to the wall clock.
///
/// Arithmetic saturates: a deadline too far away is [`Moment::MAX`], which never comes.
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
    /// The beginning of the time line.
    pub const ZERO: Self = Self(0);
    /// The moment that never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// The moment this many nanoseconds after the beginning of the time line.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the beginning of the time line.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `duration` earlier, or [`Moment::ZERO`].
    #[must_use]
    pub fn earlier_by(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
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

/// The only way in which rolecall asks for the time.
///
/// [`Clock::system`] counts deadlines on a clock that nobody can set and that goes on while the machine is suspended
/// (`CLOCK_BOOTTIME` on Linux, `CLOCK_MONOTONIC` on macOS, [`std::time::Instant`] elsewhere), so that a wrong or
/// stepped wall clock changes nothing. Tests take a [`ManualClock`]'s: Tokio's paused time (`start_paused`) does not move
/// this one, and a sleep on it would never end. Its sleeps need a Tokio runtime with timers (`enable_time` or
/// `enable_all`): without them, they panic, as Tokio's own do.
///
/// It is also the SDK's time source: give it to a client's `time_source(..)` where a test turns the clock.
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
    Manual(ManualClock),
}

/// How long [`Clock::sleep_until`] sleeps before it looks at the clock again: timers do not count through suspend.
const LONGEST_NAP: Duration = Duration::from_secs(60);

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// Now, on the time line that deadlines use.
    #[inline]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Kind::System => system::now(),
            Kind::Manual(clock) => clock.now(),
        }
    }

    /// Now, by the wall clock.
    pub fn wall(&self) -> SystemTime {
        match &self.0 {
            Kind::System => SystemTime::now(),
            Kind::Manual(clock) => clock.wall(),
        }
    }

    /// Sleeps until `deadline`; for ever if that is [`Moment::MAX`].
    pub async fn sleep_until(&self, deadline: Moment) {
        if deadline == Moment::MAX {
            return std::future::pending().await;
        }
        match &self.0 {
            Kind::System => loop {
                let left = deadline - system::now();
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LONGEST_NAP)).await;
            },
            Kind::Manual(clock) => clock.sleep_until(deadline).await,
        }
    }

    /// Runs `work` until `deadline` at most.
    pub async fn until<F: Future>(&self, deadline: Moment, work: F) -> Result<F::Output, Elapsed> {
        let mut work = pin!(work);
        let mut sleep = pin!(self.sleep_until(deadline));
        std::future::poll_fn(|cx| {
            use std::task::Poll;
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
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

/// The time ran out before the work was done.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use rolecall_core::{Clock, Elapsed};
/// let clock = Clock::system();
/// let hung = std::future::pending::<()>();
/// assert_eq!(clock.until(clock.now(), hung).await, Err(Elapsed));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time for it ran out")]
pub struct Elapsed;

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
        // Both are non-negative on these clocks.
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
        // As ManualClock: "an hour ago" is a moment too.
        Moment::ZERO + Duration::from_secs(1_000_000) + START.get_or_init(Instant::now).elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_is_done_in_time_gives_its_output() {
        let clock = ManualClock::new().clock();
        let deadline = clock.now() + Duration::from_secs(1);
        assert_eq!(clock.until(deadline, async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn the_system_clock_sleeps_at_least_as_long_as_asked() {
        let clock = Clock::system();
        let start = clock.now();
        clock.sleep_until(start + Duration::from_millis(20)).await;
        assert!(clock.now() - start >= Duration::from_millis(20));
    }
}

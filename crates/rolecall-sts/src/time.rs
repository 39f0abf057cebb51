//! What time it is at STS.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rolecall_core::{Clock, Moment};

/// More than this, and the SDK's client signs by STS's time, from the next call on: STS takes five minutes.
const MOST_OFF: Duration = Duration::from_secs(4 * 60);

/// STS's time, from the `Date` of its last answer and the time that has gone by since, by a clock that nobody can set.
#[derive(Clone, Debug)]
pub(crate) struct ServerTime {
    clock: Clock,
    last: Arc<Mutex<Option<(SystemTime, Moment)>>>,
}

impl ServerTime {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, last: Arc::default() }
    }

    pub(crate) fn seen(&self, date: SystemTime) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((date, self.clock.now()));
    }

    /// `None` before it has answered.
    pub(crate) fn now(&self) -> Option<SystemTime> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (date, seen) = last?;
        date.checked_add(self.clock.now() - seen)
    }

    /// Whether this machine's time is known to be too far from STS's for a signature by it.
    pub(crate) fn is_off(&self) -> bool {
        self.now().is_some_and(|there| apart(self.clock.wall(), there) > MOST_OFF)
    }
}

impl ServerTime {
    /// What to look at when STS refuses a signature, as far as the times of both are known.
    pub(crate) fn blame(&self) -> Option<String> {
        let (here, there) = (self.clock.wall(), self.now()?);
        let (off, side) = match here.duration_since(there) {
            Ok(ahead) => (ahead, "ahead of"),
            Err(behind) => (behind.duration(), "behind"),
        };
        Some(match off {
            off if off > MOST_OFF => format!(
                "this machine's clock, which is {} min {side} STS's (it takes five minutes at most)",
                off.as_secs() / 60
            ),
            _ => "the secret access key: this machine's clock and STS's agree".to_owned(),
        })
    }
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

#[cfg(test)]
mod tests {
    use rolecall_core::ManualClock;

    use super::*;

    #[test]
    fn this_machines_clock_is_off_from_four_minutes_on() {
        let minute = Duration::from_secs(60);
        let start = SystemTime::UNIX_EPOCH + 1_000_000 * minute;
        for (apart, off) in [(0, false), (4, false), (5, true), (600, true)] {
            for there in [start + apart * minute, start - apart * minute] {
                let hands = ManualClock::at(start);
                let time = ServerTime::new(hands.clock());
                assert_eq!((time.now(), time.is_off()), (None, false));
                time.seen(there);
                assert_eq!(time.is_off(), off, "{apart}");
                // It goes on by a clock that nobody sets.
                hands.advance(minute);
                hands.set_wall(SystemTime::UNIX_EPOCH);
                assert_eq!((time.now(), time.is_off()), (Some(there + minute), true));
            }
        }
    }
}

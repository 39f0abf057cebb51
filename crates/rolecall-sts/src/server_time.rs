//! The time by the clock of STS, and how far this machine's clock is from it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rolecall_core::{Clock, Moment};

/// The skew from which the SDK's client signs by the time of STS, from the next call on.
///
/// This is lower than [`ALLOWED_SKEW`] because the SDK applies one threshold to all services, and
/// some of them (Secrets Manager, ECR) allow only five minutes. It decides whether another attempt
/// is signed differently; it does not say that STS rejected a signature because of its time.
const CORRECTED_SKEW: Duration = Duration::from_secs(4 * 60);

/// The skew that STS allows. It decides whether a hint names the clock or the secret key.
const ALLOWED_SKEW: Duration = crate::StsClient::MAX_CLOCK_SKEW;

/// The time of STS: the `Date` of its last response plus the time since then on the monotonic
/// clock, which a change to the wall clock does not affect.
#[derive(Clone, Debug)]
pub(crate) struct ServerTime {
    clock: Clock,
    last: Arc<Mutex<Option<(SystemTime, Moment)>>>,
}

impl ServerTime {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, last: Arc::default() }
    }

    pub(crate) fn record(&self, date: SystemTime) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((date, self.clock.now()));
    }

    /// Returns the current time of STS, or `None` before its first response.
    pub(crate) fn now(&self) -> Option<SystemTime> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (date, received_at) = last?;
        date.checked_add(self.clock.now() - received_at)
    }

    /// Returns `true` if the SDK's client is known to sign by the time of STS instead of this
    /// machine's.
    pub(crate) fn is_skew_corrected(&self) -> bool {
        self.now().is_some_and(|server| difference(self.clock.wall(), server) > CORRECTED_SKEW)
    }

    /// Returns the hint for a rejected signature, or `None` before the first response of STS.
    pub(crate) fn signature_hint(&self) -> Option<String> {
        let (local, server) = (self.clock.wall(), self.now()?);
        let skew = difference(local, server);
        // A clock within the allowed skew cannot be the cause: a hint that named it would hide the
        // wrong secret key.
        if skew <= ALLOWED_SKEW {
            return Some(
                "check the secret access key: this machine's clock is within the 15 minutes that \
                 STS allows"
                    .to_owned(),
            );
        }
        let side = if local > server { "ahead of" } else { "behind" };
        let minutes = skew.as_secs() / 60;
        Some(format!(
            "set this machine's clock: it is {minutes} min {side} the time of STS, which allows 15"
        ))
    }
}

fn difference(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

#[cfg(test)]
mod tests {
    use rolecall_core::ManualClock;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + 1_000_000 * MINUTE
    }

    #[test]
    fn sdk_corrects_skew_above_four_minutes() {
        for (minutes, corrected) in [(0, false), (4, false), (5, true), (600, true)] {
            for server in [start() + minutes * MINUTE, start() - minutes * MINUTE] {
                let clock = ManualClock::at(start());
                let time = ServerTime::new(clock.clock());
                assert_eq!((time.now(), time.is_skew_corrected()), (None, false));
                time.record(server);
                assert_eq!(time.is_skew_corrected(), corrected, "{minutes}");
                // The server's time advances by the monotonic clock alone.
                clock.advance(MINUTE);
                clock.set_wall(SystemTime::UNIX_EPOCH);
                let expected = (Some(server + MINUTE), true);
                assert_eq!((time.now(), time.is_skew_corrected()), expected);
            }
        }
    }

    #[test]
    fn signature_hint_names_clock_above_fifteen_minutes() {
        for (minutes, names_clock) in [(0, false), (5, false), (15, false), (16, true)] {
            for (server, side) in
                [(start() - minutes * MINUTE, "ahead of"), (start() + minutes * MINUTE, "behind")]
            {
                let time = ServerTime::new(ManualClock::at(start()).clock());
                assert_eq!(time.signature_hint(), None);
                time.record(server);
                let hint = time.signature_hint().unwrap();
                let expected = match names_clock {
                    true => format!("it is {minutes} min {side} the time of STS, which allows 15"),
                    false => "check the secret access key".to_owned(),
                };
                assert!(hint.contains(&expected), "{minutes}: {hint}");
            }
        }
    }
}

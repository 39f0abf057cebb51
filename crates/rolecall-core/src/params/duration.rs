use std::fmt;
use std::time::Duration;

use super::{InvalidParameter, limits};

/// How long a session is asked for: 900 to 43,200 whole seconds.
///
/// The role's own `MaxSessionDuration` may be lower, and a session assumed by a role's session ends after one hour at
/// most: STS refuses more than that, it does not shorten it.
///
/// ```
/// use std::time::Duration;
/// use rolecall_core::SessionDuration;
///
/// assert_eq!(SessionDuration::from_secs(900).unwrap().as_secs(), 900);
/// assert!(SessionDuration::from_secs(899).is_err());
/// assert!(SessionDuration::try_from(Duration::from_secs(5_000_000_000)).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionDuration(u32);

impl SessionDuration {
    /// What STS takes when nothing is asked for: one hour.
    pub const DEFAULT: Self = Self(limits::DEFAULT_DURATION_SECONDS);

    /// The most that a role's session is granted when it assumes another role: one hour.
    pub const LONGEST_IN_A_CHAIN: Self = Self(limits::LONGEST_IN_A_CHAIN_SECONDS);

    /// From whole seconds.
    pub fn from_secs(seconds: u64) -> Result<Self, InvalidParameter> {
        match u32::try_from(seconds) {
            Ok(whole) if limits::DURATION_SECONDS.contains(&whole) => Ok(Self(whole)),
            _ => Err(invalid(&format!("{seconds} s"), "it is out of range")),
        }
    }

    /// In seconds.
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// As a duration.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

fn invalid(value: &str, fault: &str) -> InvalidParameter {
    let (from, to) = (limits::DURATION_SECONDS.start(), limits::DURATION_SECONDS.end());
    let rule = format!("a session is asked for {from} to {to} whole seconds");
    InvalidParameter::new("session duration", value, fault, rule)
}

impl TryFrom<Duration> for SessionDuration {
    type Error = InvalidParameter;

    fn try_from(duration: Duration) -> Result<Self, Self::Error> {
        if duration.subsec_nanos() != 0 {
            return Err(invalid(&format!("{duration:?}"), "it is not in whole seconds"));
        }
        Self::from_secs(duration.as_secs())
    }
}

impl fmt::Display for SessionDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

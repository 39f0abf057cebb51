use std::fmt;
use std::time::Duration;

use super::{InvalidParameter, limits, parse_from_text};

/// The requested duration of a session: 900 to 43,200 whole seconds.
///
/// The `MaxSessionDuration` of a role may be lower, and the session of a role that is assumed with
/// another role's session lasts at most one hour. STS rejects a request for a longer session.
///
/// As text, a duration is a number with the unit `s`, `m` or `h`, or without a unit for seconds.
/// With serde, it is a number of seconds.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use rolecall_core::SessionDuration;
///
/// assert_eq!(SessionDuration::from_secs(900)?.as_secs(), 900);
/// assert_eq!("1h".parse::<SessionDuration>()?.to_string(), "3600s");
/// assert!(SessionDuration::from_secs(899).is_err());
/// assert!(SessionDuration::try_from(Duration::from_secs(5_000_000_000)).is_err());
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionDuration(u32);

parse_from_text!(SessionDuration);

impl SessionDuration {
    /// The duration that STS uses if the request contains none: one hour.
    pub const DEFAULT: Self = Self(limits::DEFAULT_DURATION_SECONDS);

    /// The maximum duration: 12 hours. The `MaxSessionDuration` of a role may be lower.
    pub const MAX: Self = Self(limits::MAX_DURATION_SECONDS);

    /// The maximum duration if the session of a role assumes another role: one hour.
    pub const MAX_IN_ROLE_CHAIN: Self = Self(limits::MAX_IN_ROLE_CHAIN_SECONDS);

    /// Parses a duration such as `3600`, `3600s`, `60m` or `1h`.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not a whole number with one of these units, or
    /// is out of range.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        let unit_at = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
        let (number, unit) = value.split_at(unit_at);
        let seconds_per_unit = match unit {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => 0,
        };
        if number.is_empty() || seconds_per_unit == 0 {
            return Err(invalid(value, "it is not a whole number of seconds, minutes or hours"));
        }
        // A number of digits only fails to parse if it is too large.
        let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds_per_unit));
        seconds.and_then(Self::in_range).ok_or_else(|| out_of_range(value))
    }

    /// Creates a duration from whole seconds.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the number is not from 900 to 43,200.
    pub fn from_secs(seconds: u64) -> Result<Self, InvalidParameter> {
        Self::in_range(seconds).ok_or_else(|| out_of_range(&format!("{seconds}s")))
    }

    fn in_range(seconds: u64) -> Option<Self> {
        let seconds = u32::try_from(seconds).ok()?;
        limits::DURATION_SECONDS.contains(&seconds).then_some(Self(seconds))
    }

    /// Returns the number of seconds.
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// Returns the duration as a [`Duration`].
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

fn out_of_range(value: &str) -> InvalidParameter {
    invalid(value, "it is out of range")
}

fn invalid(value: &str, fault: &str) -> InvalidParameter {
    let (min, max) = (limits::DURATION_SECONDS.start(), limits::DURATION_SECONDS.end());
    let rule = format!("{min} to {max} whole seconds, such as 3600s, 60m or 1h");
    InvalidParameter::new("session duration", value, fault, rule)
}

impl TryFrom<Duration> for SessionDuration {
    type Error = InvalidParameter;

    fn try_from(duration: Duration) -> Result<Self, Self::Error> {
        if duration.subsec_nanos() != 0 {
            let fault = "it is not a whole number of seconds";
            return Err(invalid(&format!("{duration:?}"), fault));
        }
        Self::from_secs(duration.as_secs())
    }
}

/// Formats the duration in seconds, such as `900s`.
impl fmt::Display for SessionDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

impl serde::Serialize for SessionDuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for SessionDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = <u64 as serde::Deserialize>::deserialize(deserializer)?;
        Self::from_secs(seconds).map_err(serde::de::Error::custom)
    }
}

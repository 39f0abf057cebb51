//! Times in results.

use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// Formats a time as in RFC 3339, in whole seconds and UTC.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let seconds = DateTime::from(time).secs();
    DateTime::from_secs(seconds).fmt(Format::DateTime).unwrap_or_else(|_| format!("@{seconds}"))
}

/// Formats a time and its distance from now: `2026-01-02T03:04:05Z (in 59 minutes)`.
pub(crate) fn timestamp_and_distance(time: SystemTime, now: SystemTime) -> String {
    format!("{} ({})", timestamp(time), distance(time, now))
}

/// Formats a distance from now in words: `in 59 minutes`, `3 hours ago`.
pub(crate) fn distance(time: SystemTime, now: SystemTime) -> String {
    match time.duration_since(now) {
        Ok(ahead) => format!("in {}", duration(ahead)),
        Err(error) => format!("{} ago", duration(error.duration())),
    }
}

/// Formats a duration in its largest unit, and in the next one below ten of it.
pub(crate) fn duration(duration: Duration) -> String {
    const UNITS: [(&str, u64); 4] =
        [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let seconds = duration.as_secs();
    let index = UNITS.iter().position(|(_, size)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let named = |(name, size): (&str, u64), seconds: u64| {
        let count = seconds / size;
        (count, format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
    };
    let (count, text) = named(UNITS[index], seconds);
    match UNITS.get(index + 1) {
        Some(unit) if count < 10 => match named(*unit, seconds % UNITS[index].1) {
            (0, _) => text,
            (_, rest) => format!("{text} {rest}"),
        },
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_has_at_most_two_units() {
        for (seconds, text) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (61, "1 minute 1 second"),
            (600, "10 minutes"),
            (601, "10 minutes"),
            (3_600, "1 hour"),
            (5_400, "1 hour 30 minutes"),
            (86_400 * 2 + 3_599, "2 days"),
            (86_400 * 30, "30 days"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn timestamp_has_whole_seconds() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_900);
        assert_eq!(timestamp(time), "2026-01-02T03:04:05Z");
    }
}

//! The serialized forms of the status types.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use rolecall_core::SessionError;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

#[cfg(feature = "pool")]
use crate::PoolStatus;
use crate::status::{State, Status};

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut status = serializer.serialize_struct("Status", 7)?;
        status.serialize_field("provider", &self.provider)?;
        status.serialize_field("state", &self.state)?;
        status.serialize_field("expires_at", &self.expires_at.and_then(format_time))?;
        status.serialize_field("next_attempt", &self.next_attempt.and_then(format_time))?;
        status.serialize_field("consecutive_failures", &self.consecutive_failures)?;
        status.serialize_field("refused_responses", &self.refused_responses)?;
        status
            .serialize_field("last_error", &self.last_error.as_ref().map(SessionError::report))?;
        status.end()
    }
}

/// Formats a time by RFC 3339. Returns `None` if its year does not have four digits.
fn format_time(time: SystemTime) -> Option<String> {
    DateTime::from_secs(DateTime::from(time).secs()).fmt(Format::DateTime).ok()
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(feature = "pool")]
impl Serialize for PoolStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut status = serializer.serialize_struct("PoolStatus", 6)?;
        status.serialize_field("entries", &self.entries())?;
        status.serialize_field("by_state", &self.by_state)?;
        status.serialize_field("ready", &self.ready)?;
        status.serialize_field("failing", &self.failing)?;
        status.serialize_field("refused", &self.refused)?;
        status
            .serialize_field("last_error", &self.last_error.as_ref().map(SessionError::report))?;
        status.end()
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;
    use crate::status::tests::{status_in, unavailable};

    #[test]
    fn status_serializes_times_as_rfc_3339() {
        let status = Status {
            expires_at: Some(UNIX_EPOCH + Duration::from_millis(1_767_323_045_678)),
            consecutive_failures: 2,
            last_error: Some(unavailable()),
            ..status_in(State::Stale)
        };
        let expected = json!({
            "provider": "vault",
            "state": "stale",
            "expires_at": "2026-01-02T03:04:05Z",
            "next_attempt": null,
            "consecutive_failures": 2,
            "refused_responses": 0,
            "last_error": "cannot reach STS: connection reset",
        });
        assert_eq!(serde_json::to_value(&status).unwrap(), expected);
    }

    #[test]
    fn status_without_printable_time_serializes_null() {
        let beyond = UNIX_EPOCH.checked_add(Duration::from_secs(1 << 40));
        let status = Status { expires_at: beyond, ..status_in(State::Fresh) };
        assert_eq!(serde_json::to_value(&status).unwrap()["expires_at"], json!(null));
    }
}

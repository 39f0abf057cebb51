use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Test;
use super::check::{fault, role_id, session_name};
use super::permission::{Grant, Resource};
use crate::error::PolicyError;
use crate::model::Effect;

/// Sessions of a role that are denied everything from now on.
///
/// STS cannot take a session back: it stays valid until it expires. A Deny in the role's policies
/// has the same effect. Attach the policy to the role as an inline policy named
/// [`POLICY_NAME`](Self::POLICY_NAME). It takes effect within seconds to minutes, and does not
/// reach sessions that a revoked session has created by assuming other roles: revoke those there.
///
/// # How a session is recognized
///
/// By the time that it was issued, `aws:TokenIssueTime`, as the IAM console does
/// ("Revoke active sessions"); requests by long-term credentials do not have the key, and are not
/// denied. By its name, only through `aws:userid`, which is `<role id>:<session name>` in every
/// request of a session. `sts:RoleSessionName` is present where the role is assumed and not
/// afterwards, `aws:PrincipalArn` is the ARN of the role, and the policies of a role cannot name a
/// principal.
///
/// (IAM User Guide, "Revoke IAM role temporary security credentials", "Disabling permissions for
/// temporary security credentials" and "Principal key values".)
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use rolecall_policy::{PermissionPolicy, RevokedSessions};
/// let leaked = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
/// let older = RevokedSessions::issued_before(leaked)?;
/// let policy = PermissionPolicy::builder().revoke_sessions(older).build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Sid": "RevokeSessions",
///       "Effect": "Deny",
///       "Action": "*",
///       "Resource": "*",
///       "Condition": {
///         "DateLessThan": {
///           "aws:TokenIssueTime": "2026-09-21T14:13:20Z"
///         }
///       }
///     }
///   ]
/// }"#);
///
/// let pod = RevokedSessions::named("AROADBQP57FF2AEXAMPLE", "pod-7f9c")?;
/// let policy = PermissionPolicy::builder().revoke_sessions(pod).build()?;
/// assert!(policy.to_compact_json().contains(
///     r#""Condition":{"StringEquals":{"aws:userid":"AROADBQP57FF2AEXAMPLE:pod-7f9c"}}"#,
/// ));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RevokedSessions {
    tests: Vec<Test>,
}

impl RevokedSessions {
    /// The name under which the IAM console attaches its policy to a role. A policy with this name
    /// replaces an earlier revocation, and is replaced by the next one.
    pub const POLICY_NAME: &str = "AWSRevokeOlderSessions";

    /// Creates the sessions that were issued before a time. A fraction of a second counts as a
    /// whole one, since STS states the time of issue in seconds.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `time` is before 1970 or after the year 9999.
    pub fn issued_before(time: SystemTime) -> Result<Self, PolicyError> {
        Ok(Self { tests: vec![before(time)?] })
    }

    /// Creates the sessions with a name, by the unique id of their role and the session name. Later
    /// sessions with the same name are denied as well, unless the time is restricted by
    /// [`only_issued_before`](Self::only_issued_before).
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `role` is not the unique id of a role, such as
    /// `AROADBQP57FF2AEXAMPLE`, or if `session` is not the name of a session.
    pub fn named(role: &str, session: &str) -> Result<Self, PolicyError> {
        role_id(role)?;
        session_name("session name", session)?;
        Ok(Self { tests: vec![Test::equals("aws:userid", [format!("{role}:{session}")])] })
    }

    /// Creates the sessions with an assumed role id, which AssumeRole returns: the unique id of the
    /// role, a colon and the session name. Otherwise the same as [`named`](Self::named).
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `id` is not an assumed role id.
    pub fn assumed_role_id(id: &str) -> Result<Self, PolicyError> {
        let Some((role, session)) = id.split_once(':') else {
            let hint = "hint: write <role id>:<session name>";
            return Err(fault("assumed role id", format!("{id:?} has no colon; {hint}")));
        };
        Self::named(role, session)
    }

    /// Excepts the sessions that were issued at a time or later.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`issued_before`](Self::issued_before) does.
    pub fn only_issued_before(mut self, time: SystemTime) -> Result<Self, PolicyError> {
        let before = before(time)?;
        self.tests.retain(|test| test.key != before.key);
        self.tests.push(before);
        Ok(self)
    }

    pub(super) fn grant(self) -> Grant {
        let grant = Grant::allow("RevokeSessions", vec!["*"]).on(vec![Resource::All]);
        Grant { effect: Effect::Deny, tests: self.tests, ..grant }
    }
}

fn before(time: SystemTime) -> Result<Test, PolicyError> {
    let text = date(time).ok_or_else(|| {
        let message = "is not between 1970 and the year 9999; hint: pass the time of the incident";
        fault("time", format!("{time:?} {message}"))
    })?;
    Ok(Test::new("DateLessThan", "aws:TokenIssueTime", [text]))
}

/// Writes a time in ISO 8601. A fraction of a second is rounded up.
fn date(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let up = Duration::from_secs(u64::from(since.subsec_nanos() > 0));
    let seconds = since.checked_add(up)?.as_secs();
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
        if year > 9_999 {
            return None;
        }
    }
    let february = days_in_year(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    Some(format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1))
}

fn days_in_year(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

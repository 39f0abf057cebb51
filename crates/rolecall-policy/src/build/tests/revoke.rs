use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::RevokedSessions;

const ROLE_ID: &str = "AROADBQP57FF2AEXAMPLE";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn denies(revoked: &RevokedSessions, context: &Context) -> bool {
    let policy = PermissionPolicy::builder().revoke_sessions(revoked.clone()).build().unwrap();
    assert_eq!(PermissionPolicy::parse(&policy.to_json()), Ok(policy.clone()));
    let policies = [all(), policy];
    let request = Request::new(session_of(CHECKOUT), "s3:GetObject", "arn:aws:s3:::shop/a");
    let request = request.context(context.clone());
    !evaluate(&request, &Policies::new().identity(&policies)).is_allowed()
}

fn issued(time: &str) -> Context {
    Context::new().with("aws:TokenIssueTime", time)
}

#[test]
fn sessions_issued_before_a_time_are_denied() {
    let revoked = RevokedSessions::issued_before(at(1_790_000_000)).unwrap();
    for (name, context, expected) in [
        ("older", issued("2026-09-21T14:13:19Z"), true),
        ("much older", issued("2025-12-31T23:59:59Z"), true),
        ("the same second", issued("2026-09-21T14:13:20Z"), false),
        ("newer", issued("2026-09-21T14:13:21Z"), false),
        ("long-term credentials", Context::new(), false),
    ] {
        assert_eq!(denies(&revoked, &context), expected, "{name}");
    }
    // A session of the same second may be older than the time.
    let fraction = at(1_790_000_000) + Duration::from_millis(1);
    let revoked = RevokedSessions::issued_before(fraction).unwrap();
    assert!(denies(&revoked, &issued("2026-09-21T14:13:20Z")));
}

#[test]
fn sessions_with_a_name_are_denied() {
    let user = |id: &str| Context::new().with("aws:userid", id);
    let named = RevokedSessions::named(ROLE_ID, "pod-1").unwrap();
    let same = RevokedSessions::assumed_role_id(&format!("{ROLE_ID}:pod-1")).unwrap();
    for (name, context, expected) in [
        ("session", user(&format!("{ROLE_ID}:pod-1")), true),
        ("other session", user(&format!("{ROLE_ID}:pod-12")), false),
        ("other role", user("AROACLKWSDQRAOEXAMPLE:pod-1"), false),
        ("name of the request alone", Context::new().with("sts:RoleSessionName", "pod-1"), false),
    ] {
        assert_eq!(denies(&named, &context), expected, "{name}");
        assert_eq!(denies(&same, &context), expected, "{name}, by assumed role id");
    }
    let older = named.only_issued_before(at(1_790_000_000)).unwrap();
    let older = older.only_issued_before(at(1_790_000_060)).unwrap();
    let session = |time: &str| issued(time).with("aws:userid", format!("{ROLE_ID}:pod-1"));
    assert!(denies(&older, &session("2026-09-21T14:14:00Z")));
    assert!(!denies(&older, &session("2026-09-21T14:15:00Z")));
}

/// The dates are those of `date -u -d @<seconds>`.
#[test]
fn times_are_written_as_dates() {
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_709_251_199, "2024-02-29T23:59:59Z"),
        (1_709_251_200, "2024-03-01T00:00:00Z"),
        (1_735_689_599, "2024-12-31T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ] {
        let revoked = RevokedSessions::issued_before(at(seconds)).unwrap();
        let policy = PermissionPolicy::builder().revoke_sessions(revoked).build().unwrap();
        let written = value(&policy.to_json());
        let date = &written["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"];
        assert_eq!(date, expected);
    }
}

#[test]
fn invalid_revocations_are_errors() {
    let named = |role: &str, session: &str| RevokedSessions::named(role, session);
    let before_1970 = UNIX_EPOCH - Duration::from_secs(1);
    assert_errors([
        ("name", named(ROLE_ID, "pod-1"), None),
        ("role name", named("checkout", "pod-1"), Some("\"checkout\" is not the unique id")),
        ("user id", named("AIDADBQP57FF2AEXAMPLE", "pod-1"), Some("is not the unique id")),
        ("star", named("AROA*", "pod-1"), Some("is not the unique id")),
        ("session star", named(ROLE_ID, "*"), Some("contains a wildcard")),
        ("session colon", named(ROLE_ID, "a:b"), Some("is not valid")),
        ("session short", named(ROLE_ID, "a"), Some("is not valid")),
        ("no colon", RevokedSessions::assumed_role_id(ROLE_ID), Some("has no colon")),
        ("before 1970", RevokedSessions::issued_before(before_1970), Some("is not between")),
        ("year 10000", RevokedSessions::issued_before(at(253_402_300_800)), Some("is not between")),
    ]);
}

//! The status by table.

use super::*;
use crate::status::State;

#[test]
fn status_by_table() {
    let (t, m, e) = (REFRESH_AT, MANDATORY_AT, EXPIRES_AT);
    let window = running(holding(), BACKGROUND, t);
    let deferred = |entry, when| failing_with(entry, BACKGROUND, Failure::Deferred, when);
    let rejected = || invalidated(holding(), 5);
    let half = |seconds| Some(at(seconds) + millis(500));
    let next = |seconds| Some(at(seconds));
    let (fg, bg) = (FOREGROUND, BACKGROUND);
    // (case, entry, time, state, expiration, next attempt, failures)
    let cases = [
        ("none", empty(), 0, State::Empty, None, None, 0),
        ("none, fetch", running(empty(), fg, 0), 1, State::Loading, None, None, 0),
        ("none, overdue", running(empty(), fg, 0), 16, State::Empty, None, None, 0),
        ("none, failed", failing(empty(), fg, 0), 0, State::Failing, None, next(1), 1),
        ("none, background", failing(empty(), bg, 5), 5, State::Failing, None, next(5), 1),
        ("none, deferred", deferred(empty(), 0), 0, State::Empty, None, None, 0),
        ("fresh", holding(), 5, State::Fresh, next(e), next(t), 0),
        ("fresh, fetch", running(holding(), fg, 5), 5, State::Refreshing, next(e), None, 0),
        ("due", holding(), t, State::Due, next(e), next(t), 0),
        ("mandatory", holding(), m, State::Due, next(e), next(m), 0),
        ("refreshing", window, t, State::Refreshing, next(e), None, 0),
        ("failed", failing(holding(), bg, t), t, State::Stale, next(e), half(t), 1),
        ("mandatory, failed", failing(holding(), bg, m), m, State::Stale, next(e), half(m), 1),
        ("deferred", deferred(holding(), t), t, State::Due, next(e), half(t), 0),
        ("invalidated", rejected(), 5, State::Invalidated, next(e), next(5), 0),
        (
            "invalidated, failed",
            failing(rejected(), fg, 5),
            6,
            State::Invalidated,
            next(e),
            next(6),
            1,
        ),
        (
            "invalidated, deferred",
            deferred(rejected(), 5),
            6,
            State::Invalidated,
            next(e),
            next(6),
            0,
        ),
        ("expired", holding(), e, State::Expired, next(e), None, 0),
        ("expired, failed", failing(holding(), fg, e), e, State::Failing, next(e), next(e + 1), 1),
        ("removed", removed(holding()), 5, State::Removed, None, None, 0),
    ];
    for (name, entry, when, state, expires_at, next_attempt, failures) in cases {
        let Report { last_error, .. } = entry.report(now(when));
        assert_eq!(last_error.is_some(), failures > 0, "{name}");
        let expected = Report {
            state,
            expires_at,
            next_attempt,
            consecutive_failures: failures,
            refused_responses: 0,
            last_error,
        };
        assert_eq!(entry.report(now(when)), expected, "{name}");
    }
}

#[test]
fn status_of_unlimited_keys_has_next_attempt() {
    let entry = adopting(empty(), 0, unlimited(1, 0));
    let report = entry.report(now(5));
    assert_eq!((report.expires_at, report.next_attempt), (Some(Moment::MAX), Some(at(900))));
    let entry = adopting(empty(), 0, Fetched { is_static: true, ..unlimited(1, 0) });
    assert_eq!(entry.report(now(5)).next_attempt, None, "static");
}

#[test]
fn status_after_wall_clock_step_names_next_attempt() {
    let failed = failing(holding(), BACKGROUND, 100);
    let report = failed.report(now_with_wall(100, EXPIRES_AT));
    assert_eq!((report.state, report.next_attempt), (State::Stale, Some(at(100) + millis(500))));
}

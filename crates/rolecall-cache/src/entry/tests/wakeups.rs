//! The next wake-up of the timer, and the quiet period of the hit path.

use super::*;

const NEVER: Wakeup = Wakeup::At(Moment::MAX);

fn until(seconds: u64) -> Wakeup {
    Wakeup::At(at(seconds))
}

#[test]
fn wakeups_by_table() {
    let (t, m, e) = (REFRESH_AT, MANDATORY_AT, EXPIRES_AT);
    let half = |seconds| Wakeup::At(at(seconds) + millis(500));
    let window = running(holding(), BACKGROUND, t);
    let failed = |when| failing(holding(), BACKGROUND, when);
    let rejected = || invalidated(holding(), 5);
    // (case, entry, time, wanted, always, what the timer does)
    for (name, entry, when, wanted, always, expected) in [
        ("none", empty(), 0, true, true, NEVER),
        ("none, fetch", running(empty(), FOREGROUND, 0), 1, true, false, until(16)),
        ("none, overdue", running(empty(), FOREGROUND, 0), 16, true, false, NEVER),
        ("none, overdue, always", running(empty(), BACKGROUND, 0), 16, true, true, Wakeup::Refresh),
        ("none, failed", failing(empty(), FOREGROUND, 0), 0, true, false, NEVER),
        ("none, failed, always", failing(empty(), FOREGROUND, 0), 0, true, true, until(1)),
        ("the same, later", failing(empty(), FOREGROUND, 0), 1, true, true, Wakeup::Refresh),
        ("fresh", holding(), 1, true, false, until(t)),
        ("fresh, unused", holding(), 1, false, false, until(t)),
        ("fresh, failed", failed(t - 1), t - 1, true, false, until(t)),
        ("due", holding(), t, true, false, Wakeup::Refresh),
        ("due, unused", holding(), t, false, false, until(e)),
        ("due, queued", queued(holding()), t, true, true, NEVER),
        ("due, fetch", window.clone(), t, true, false, until(t + 16)),
        ("due, overdue", window, t + 16, true, false, Wakeup::Refresh),
        ("due, failed", failed(t), t, true, false, half(t)),
        ("due, failed, later", failed(t), t + 1, true, false, Wakeup::Refresh),
        ("mandatory", holding(), m, true, false, Wakeup::Refresh),
        ("mandatory, unused", holding(), m, false, false, until(e)),
        ("mandatory, failed", failed(m), m, true, false, half(m)),
        ("invalidated", rejected(), 5, true, false, Wakeup::Refresh),
        ("invalidated, unused", rejected(), 5, false, false, until(e)),
        ("invalidated, failed", failing(rejected(), BACKGROUND, 5), 5, true, true, until(6)),
        ("lapsed", holding(), e, true, false, NEVER),
        ("expired, always", holding(), e, true, true, Wakeup::Refresh),
        ("expired, always, failed", failing(holding(), FOREGROUND, e), e, true, true, until(e + 1)),
        ("removed", removed(holding()), t, true, true, NEVER),
    ] {
        assert_eq!(entry.next_wakeup(now(when), wanted, always), expected, "{name}");
    }
}

#[test]
fn quiet_periods_by_table() {
    let (t, m, e) = (REFRESH_AT, MANDATORY_AT, EXPIRES_AT);
    let half = |seconds| at(seconds) + millis(500);
    let failed = |mode, when| failing(holding(), mode, when);
    let rejected = || invalidated(holding(), 5);
    for (name, entry, when, expected) in [
        ("none", empty(), 0, Moment::ZERO),
        ("fresh", holding(), 0, at(t)),
        ("fresh, fetch", running(holding(), FOREGROUND, 5), 5, at(t)),
        ("fresh, fetch into the window", running(holding(), FOREGROUND, t - 1), t - 1, at(t + 15)),
        ("advisory, fetch", running(holding(), BACKGROUND, t), t, at(t + 16)),
        ("advisory, fetch into mandatory", running(holding(), BACKGROUND, m - 1), m - 1, at(m)),
        ("advisory, queued", queued(holding()), t, at(t + 60)),
        ("advisory, queued before mandatory", queued(holding()), m - 1, at(m)),
        ("advisory, failed", failed(BACKGROUND, t), t, half(t)),
        ("advisory, failed before mandatory", failed(FOREGROUND, m - 1), m - 1, half(m - 1)),
        ("mandatory", holding(), m, at(1)),
        ("mandatory, fetch", running(holding(), BACKGROUND, m), m, Moment::ZERO),
        ("mandatory, background failed", failed(BACKGROUND, m), m, at(1)),
        ("mandatory, foreground failed", failed(FOREGROUND, m), m, at(m + 1)),
        ("mandatory, failed, expires", failed(FOREGROUND, e - 1), e - 1, at(e)),
        ("invalidated", rejected(), 5, Moment::ZERO),
        ("invalidated, failed", failing(rejected(), FOREGROUND, 5), 5, at(6)),
        ("expired", holding(), e, Moment::ZERO),
        ("removed", removed(holding()), 5, Moment::ZERO),
    ] {
        assert_eq!(entry.quiet_until(now(when)), expected, "{name}");
    }
}

#[test]
fn quiet_period_after_invalidation_lasts_for_spacing() {
    let entry = adopting(invalidated(holding(), 50), 50, fetched(2, 50, 3650));
    let entry = invalidated(entry, 52);
    assert_eq!(entry.quiet_until(now(52)), at(60));
    assert_eq!(entry.next_wakeup(now(52), true, false), until(60));
    assert_eq!(entry.next_wakeup(now(60), true, false), Wakeup::Refresh);
}

/// A rejected session may expire before the spacing of its replacements ends, which concerns no
/// entry without a session.
#[test]
fn timer_wakes_at_expiration_within_spacing() {
    let end = EXPIRES_AT;
    let rejected = invalidated(holding(), end - 5);
    let entry = failing_with(rejected, FOREGROUND, Failure::Refused, end - 5);
    for always in [false, true] {
        assert_eq!(entry.next_wakeup(now(end - 5), true, always), until(end), "{always}");
    }
    assert_eq!(entry.next_wakeup(now(end), true, true), Wakeup::Refresh);
    assert_eq!(entry.next_wakeup(now(end), true, false), NEVER);
}

#[test]
fn queue_place_ends_with_fetch() {
    let mut entry = queued(holding());
    entry.begin_fetch(now(REFRESH_AT), FOREGROUND, false);
    assert!(entry.fail(now(REFRESH_AT), Failure::Retryable, "unavailable", 0.0));
    assert_eq!(call(&entry, REFRESH_AT + 1), session_and_refresh(1));
    let entry = queued(running(holding(), BACKGROUND, 100));
    let mut entry = entry;
    complete(&mut entry, 101, fetched(2, 101, 3701));
    assert_eq!(call(&entry, 101 + REFRESH_AT), session_and_refresh(2));
}

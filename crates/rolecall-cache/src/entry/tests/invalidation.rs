//! What a service's rejection of the cached session changes.

use super::*;

const EXPIRED: InvalidSession = InvalidSession::Expired;
const UNKNOWN: InvalidSession = InvalidSession::Unknown;

/// Returns `true` if a caller starts a fetch, in either mode.
fn may_fetch(entry: &Entry, when: u64) -> bool {
    let foreground = starts(&call(entry, when));
    assert_eq!(foreground, starts(&call_in_background(entry, when)), "{when}");
    foreground
}

#[test]
fn classes_by_table() {
    // (reason, age in seconds, measured, what changes)
    for (reason, age, measured, expected) in [
        (EXPIRED, 0, true, Invalidation::New),
        (EXPIRED, 9, true, Invalidation::New),
        (UNKNOWN, 0, true, Invalidation::TooRecent),
        (UNKNOWN, 9, true, Invalidation::TooRecent),
        (UNKNOWN, 10, true, Invalidation::New),
        (UNKNOWN, 0, false, Invalidation::New),
        (EXPIRED, 0, false, Invalidation::New),
    ] {
        let keys = Fetched { measured, ..fetched(1, 100, 3700) };
        let mut entry = adopting(empty(), 100, keys);
        let name = format!("{reason:?}, {age} s, {measured}");
        assert_eq!(entry.invalidate(now(100 + age), reason), expected, "{name}");
        // A session that is too recent is not replaced.
        let is_new = expected == Invalidation::New;
        assert_eq!(may_fetch(&entry, 100 + age), is_new, "{name}");
        assert_eq!(entry.is_suspected(), is_new && reason == UNKNOWN, "{name}");
    }
}

#[test]
fn repeated_invalidation_is_no_news() {
    for (first, second, suspected) in [
        (EXPIRED, EXPIRED, false),
        (EXPIRED, UNKNOWN, false),
        (UNKNOWN, UNKNOWN, true),
        // Another service has said that the session is definitely of no use.
        (UNKNOWN, EXPIRED, false),
    ] {
        let mut entry = invalidated_as(holding(), first, 50);
        assert_eq!(entry.invalidate(now(51), second), Invalidation::Repeated);
        assert_eq!(entry.is_suspected(), suspected, "{first:?}, {second:?}");
    }
    assert_eq!(empty().invalidate(now(0), EXPIRED), Invalidation::Repeated, "no session");
}

#[test]
fn suspicion_is_cleared_by_acceptance() {
    let mut entry = invalidated_as(holding(), UNKNOWN, 50);
    assert!(entry.clear_suspicion());
    assert_eq!(call(&entry, 51), session(1));
    assert!(!entry.clear_suspicion(), "no suspicion");
    assert_eq!(entry.invalidate(now(52), UNKNOWN), Invalidation::New, "rejected again");

    let mut entry = invalidated_as(holding(), EXPIRED, 50);
    assert!(!entry.clear_suspicion(), "definite");
    assert_eq!(call(&entry, 51), start_or(53, 1, EXPIRES_AT));
    assert!(!empty().clear_suspicion() && !holding().clear_suspicion());
}

/// Rejected again at once, each time by an expired-class code.
#[test]
fn spacing_doubles_from_ten_seconds_to_five_minutes() {
    let (mut entry, mut t) = (holding(), 50);
    for (id, spacing) in (2..).zip([10, 20, 40, 80, 160, 300, 300]) {
        entry = invalidated(entry, t);
        assert!(may_fetch(&entry, t), "{t}");
        entry = adopting(entry, t, fetched(id, t, t + 3600));
        let rejected = invalidated(entry.clone(), t);
        assert!(!may_fetch(&rejected, t + spacing - 1), "{spacing}");
        assert_eq!(call(&rejected, t + spacing - 1), session(id));
        t += spacing;
        assert!(may_fetch(&rejected, t), "{spacing}");
    }
}

#[test]
fn failed_fetches_are_not_charged() {
    let entry = failing(invalidated(holding(), 50), FOREGROUND, 50);
    assert!(!may_fetch(&entry, 50));
    assert!(may_fetch(&entry, 51), "the back-off of an entry without a session");
    let denied = failing_with(invalidated(holding(), 50), FOREGROUND, Failure::Permanent, 50);
    assert!(may_fetch(&denied, 51));
    let entry = adopting(entry, 51, fetched(2, 51, 3651));
    let entry = invalidated(entry, 52);
    assert_eq!((may_fetch(&entry, 60), may_fetch(&entry, 61)), (false, true));
}

#[test]
fn spacing_holds_only_after_replacing_invalidated_session() {
    let entry = adopting(holding(), 100, fetched(2, 100, 3700));
    assert!(may_fetch(&invalidated(entry, 101), 101));
    // The fetch replaced a session that had expired.
    let entry = running(invalidated(holding(), EXPIRES_AT - 1), FOREGROUND, EXPIRES_AT);
    let mut entry = entry;
    complete(&mut entry, EXPIRES_AT, fetched(2, EXPIRES_AT, 2 * EXPIRES_AT));
    assert!(may_fetch(&invalidated(entry, EXPIRES_AT + 1), EXPIRES_AT + 1));
}

#[test]
fn spacing_does_not_hold_for_expired_session() {
    let short = fetched(2, 50, 55);
    let entry = adopting(invalidated(holding(), 50), 50, short);
    let entry = invalidated(entry, 52);
    assert!(!may_fetch(&entry, 54));
    assert_eq!(call(&entry, 55), start(71));
}

/// A slow fetch: requests that were signed with the old session are accepted before it completes.
#[test]
fn acceptance_during_fetch_keeps_the_charge() {
    let mut entry = running(invalidated_as(holding(), UNKNOWN, 50), FOREGROUND, 50);
    assert!(entry.clear_suspicion());
    complete(&mut entry, 53, fetched(2, 50, 3650));
    let entry = invalidated(entry, 54);
    assert_eq!((may_fetch(&entry, 62), may_fetch(&entry, 63)), (false, true));
}

#[test]
fn acceptance_does_not_reset_spacing() {
    let mut entry = holding();
    for (id, t) in [(2, 50), (3, 60)] {
        entry = adopting(invalidated(entry, t), t, fetched(id, t, t + 3600));
    }
    // The spacing is 20 s from 60 on, and rejections continue.
    for t in (71..80).step_by(2) {
        entry = invalidated_as(entry, UNKNOWN, t);
        assert!(!may_fetch(&entry, t));
        assert!(entry.clear_suspicion());
    }
    let entry = adopting(invalidated(entry, 80), 80, fetched(4, 80, 3680));
    let entry = invalidated(entry, 81);
    assert_eq!((may_fetch(&entry, 119), may_fetch(&entry, 120)), (false, true), "40 s");
}

#[test]
fn spacing_resets_after_quiet_time() {
    // The second spacing is 20 s from 60 on, so that 380 is the end of the quiet time.
    for (again, spacing) in [(379, 40), (380, 10)] {
        let mut entry = holding();
        for (id, t) in [(2, 50), (3, 60), (4, again)] {
            entry = adopting(invalidated(entry, t), t, fetched(id, t, t + 3600));
        }
        let entry = invalidated(entry, again + 1);
        assert!(!may_fetch(&entry, again + spacing - 1), "{again}");
        assert!(may_fetch(&entry, again + spacing), "{again}");
    }
}

/// One service accepts the session and another one rejects it, while STS cannot be reached.
#[test]
fn cleared_rejections_are_no_quiet_time() {
    let mut entry = holding();
    for (id, t) in [(2, 50), (3, 60)] {
        entry = adopting(invalidated(entry, t), t, fetched(id, t, t + 3600));
    }
    for t in (70..400).step_by(5) {
        entry = invalidated_as(entry, UNKNOWN, t);
        assert!(entry.clear_suspicion());
    }
    let entry = adopting(invalidated(entry, 400), 400, fetched(4, 400, 4000));
    let entry = invalidated(entry, 401);
    assert_eq!((may_fetch(&entry, 439), may_fetch(&entry, 440)), (false, true), "40 s");
}

#[test]
fn invalidation_opens_gate_of_unchanged_session() {
    let entry = adopting(holding(), REFRESH_AT, fetched(1, 0, EXPIRES_AT));
    assert!(!may_fetch(&entry, REFRESH_AT + 1));
    let mut entry = invalidated_as(entry, UNKNOWN, REFRESH_AT + 1);
    assert!(may_fetch(&entry, REFRESH_AT + 1));
    // Without the suspicion, the provider still has no newer session.
    assert!(entry.clear_suspicion());
    assert!(!may_fetch(&entry, REFRESH_AT + 2));
}

#[test]
fn invalidation_leaves_gates_of_failures_closed() {
    let t = REFRESH_AT;
    let denied = failing_with(holding(), BACKGROUND, Failure::Permanent, t);
    let entry = invalidated(denied, t + 1);
    assert_eq!(call_in_background(&entry, t + 1), session(1));
    assert_eq!(call(&entry, t + 1), start_or(t + 3, 1, EXPIRES_AT), "callers are not bound");
    let failed = failing(holding(), FOREGROUND, t);
    assert!(!may_fetch(&invalidated(failed, t), t));
}

#[test]
fn invalidation_leaves_deferred_refresh_deferred() {
    let t = REFRESH_AT;
    let entry = invalidated(failing_with(holding(), BACKGROUND, Failure::Deferred, t), t);
    assert_eq!(call_in_background(&entry, t), session(1));
    assert_eq!(call(&entry, t), start_or(t + 2, 1, EXPIRES_AT));
    assert_eq!(entry.next_wakeup(now(t), true, true), Wakeup::At(at(t) + millis(500)));
}

#[test]
fn same_session_is_refused_after_invalidation() {
    let entry = running(invalidated(holding(), 50), FOREGROUND, 50);
    let check = |keys| check_session(&entry, now(51), &keys);
    assert!(check(fetched(1, 51, EXPIRES_AT)).is_err());
    assert!(check(fetched(1, 51, 9999)).is_err(), "with a later expiration");
    assert_eq!(check(fetched(2, 51, 99)), Ok(()), "another one that expires sooner");
    assert_eq!(check(read(2, 51, 99)), Ok(()));
}

/// One service accepts each session and another one rejects it, each called every half second, and
/// a fetch takes three seconds. Returns when the fetches began, in seconds.
fn fetches_between_two_services(seconds: u64) -> Vec<u64> {
    let (mut entry, mut fetches, mut completes_at) = (holding(), Vec::new(), None);
    for half in 100..2 * seconds {
        let passed = millis(500 * half);
        let start = now(0);
        let now = Now { at: start.at + passed, wall: start.wall + passed };
        if completes_at == Some(half) {
            let generation = entry.newest_generation();
            let next = fetched(generation as u32, half / 2 - 3, half / 2 + 43_200);
            assert_eq!(check_session(&entry, now, &next), Ok(()));
            entry.succeed(now, generation, next, true, 0.0);
            completes_at = None;
        }
        entry.invalidate(now, UNKNOWN);
        match entry.decide(Request::Session, FOREGROUND, now) {
            Decision::Wait(Wait { start: true, .. }) => {
                entry.begin_fetch(now, FOREGROUND, false);
                fetches.push(half / 2);
                completes_at = Some(half + 6);
            }
            Decision::Wait(_) => {}
            // Signed after the invalidation with the old session, and accepted.
            _ => {
                entry.clear_suspicion();
            }
        }
    }
    fetches
}

#[test]
fn accepting_service_does_not_defeat_spacing() {
    let fetches = fetches_between_two_services(3600);
    let pauses: Vec<u64> = fetches.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The spacing counts from the end of a fetch of three seconds.
    assert_eq!(pauses[..6], [13, 23, 43, 83, 163, 303]);
    assert!(pauses[6..].iter().all(|pause| *pause == 303), "{pauses:?}");
}

//! Expirations that were measured, that the wall clock states, and that are not known.

use super::*;
use crate::entry::fetched::Refusal;

const SOONER: Result<(), Refusal> = Err(Refusal::ExpiresSooner);

/// A wall clock that was ten hours behind when the keys were loaded, and was corrected since.
const HOURS_10: u64 = 36_000;

#[test]
fn responses_are_checked_by_table() {
    let measured = holding();
    let unmeasured = adopting(empty(), 0, read(1, 0, EXPIRES_AT));
    for (name, entry, when, response, expected) in [
        ("already expired", &empty(), 10, fetched(2, 0, 10), Err(Refusal::Expired)),
        ("expired, one cached", &measured, 10, fetched(2, 0, 9), Err(Refusal::Expired)),
        ("expires at once", &empty(), 10, fetched(2, 0, 11), Err(Refusal::Expired)),
        ("first", &empty(), 10, fetched(2, 0, 12), Ok(())),
        ("sooner", &measured, 10, fetched(2, 10, EXPIRES_AT - 11), SOONER),
        ("sooner by the wall", &measured, 10, read(2, 10, EXPIRES_AT - 11), SOONER),
        ("sooner, advisory", &measured, REFRESH_AT, fetched(2, 10, EXPIRES_AT - 11), SOONER),
        ("sooner, mandatory", &measured, MANDATORY_AT, fetched(2, 10, EXPIRES_AT - 11), SOONER),
        ("equal, read sooner", &measured, 10, fetched(2, 10, EXPIRES_AT - 10), Ok(())),
        ("equal", &measured, 10, fetched(2, 10, EXPIRES_AT), Ok(())),
        ("unchanged", &measured, 10, fetched(1, 10, EXPIRES_AT), Ok(())),
        ("without expiration", &measured, 10, unlimited(2, 10), Ok(())),
        ("sooner, but expired", &measured, EXPIRES_AT, fetched(2, 10, EXPIRES_AT + 2), Ok(())),
        ("newer reading", &unmeasured, 10, read(2, 10, 99), Ok(())),
        ("measured", &unmeasured, 10, fetched(2, 10, 99), Ok(())),
        ("newer reading, expired", &unmeasured, 10, read(2, 10, 10), Err(Refusal::Expired)),
        ("same keys, newer reading", &unmeasured, 10, read(1, 10, 99), Ok(())),
    ] {
        assert_eq!(check_session(entry, now(when), &response), expected, "{name}");
    }
}

#[test]
fn forced_refresh_replaces_by_sooner_expiration() {
    for (forced, expected) in [(false, SOONER), (true, Ok(()))] {
        let mut entry = holding();
        entry.begin_fetch(now(100), FOREGROUND, forced);
        assert_eq!(check_session(&entry, now(101), &fetched(2, 100, 1000)), expected, "{forced}");
        assert_eq!(check_session(&entry, now(101), &fetched(2, 100, 101)), Err(Refusal::Expired));
    }
}

#[test]
fn refused_responses_are_counted() {
    let mut entry = holding();
    for count in 1..4 {
        entry = failing_with(entry, BACKGROUND, Failure::Refused, 100);
        assert_eq!(entry.report(now(100)).refused_responses, count);
    }
    assert_eq!(entry.report(now(100)).consecutive_failures, 3);
    let other = failing(entry.clone(), BACKGROUND, 100);
    assert_eq!(other.report(now(100)).refused_responses, 0);
    let adopted = adopting(entry, 100, fetched(2, 100, 3700));
    assert_eq!(adopted.report(now(100)).refused_responses, 0);
}

#[test]
fn unchanged_session_is_no_failure() {
    // (when it is returned again, the pause: a quarter of the rest, at least 30 s)
    for (when, pause) in [(2800, 200), (3500, 30), (3560, 30)] {
        let entry = failing(holding(), FOREGROUND, REFRESH_AT);
        let entry = adopting(entry, when, fetched(1, 0, EXPIRES_AT));
        let report = entry.report(now(when));
        assert_eq!((report.consecutive_failures, report.last_error), (0, None), "{when}");
        assert_eq!(call(&entry, when + pause - 1), session(1), "{when}");
        assert!(starts(&call(&entry, when + pause)), "{when}");
    }
}

#[test]
fn unchanged_session_is_looked_for_until_it_expires() {
    let entry = adopting(holding(), EXPIRES_AT - 20, fetched(1, 0, EXPIRES_AT));
    let wakeup = |when| entry.next_wakeup(now(when), true, true);
    assert_eq!(call(&entry, EXPIRES_AT - 1), session(1));
    assert_eq!(call(&entry, EXPIRES_AT), start(EXPIRES_AT + 16));
    assert_eq!(wakeup(EXPIRES_AT - 20), Wakeup::At(at(EXPIRES_AT)));
    assert_eq!(wakeup(EXPIRES_AT), Wakeup::Refresh, "kept warm");
}

#[test]
fn equal_expiration_with_new_keys_is_adopted() {
    for expires_at in [EXPIRES_AT - 10, EXPIRES_AT, EXPIRES_AT + 10] {
        let entry = adopting(holding(), 2800, fetched(2, 2800, expires_at));
        assert_eq!(call(&entry, 2800), session(2), "{expires_at}");
        assert_eq!(entry.expires_at(), at(expires_at));
        assert_eq!(entry.report(now(2800)).consecutive_failures, 0);
    }
}

#[test]
fn same_keys_with_later_expiration_are_adopted() {
    for (later, adopted) in [(10, false), (11, true), (3600, true)] {
        let entry = adopting(holding(), REFRESH_AT, fetched(1, 0, EXPIRES_AT + later));
        let expected = EXPIRES_AT + if adopted { later } else { 0 };
        assert_eq!(entry.expires_at(), at(expected), "{later}");
    }
    // An expiration that is read a little later each time does not move.
    let mut entry = holding();
    for step in 1..20 {
        entry = adopting(entry, 100 * step, read(1, 100 * step, EXPIRES_AT + step % 10));
    }
    assert_eq!(entry.expires_at(), at(EXPIRES_AT));
}

#[test]
fn unmeasured_keys_with_sooner_reading_are_adopted() {
    for (sooner, adopted) in [(10, false), (11, true)] {
        let entry = adopting(empty(), 0, read(1, 0, EXPIRES_AT));
        let entry = adopting(entry, 100, read(1, 100, EXPIRES_AT - sooner));
        let expected = EXPIRES_AT - if adopted { sooner } else { 0 };
        assert_eq!(entry.expires_at(), at(expected), "{sooner}");
    }
}

#[test]
fn expired_keys_that_return_are_cached_again() {
    for later in [2, 5, 10] {
        let entry = adopting(holding(), EXPIRES_AT, fetched(1, EXPIRES_AT, EXPIRES_AT + later));
        let expires_at = EXPIRES_AT + later;
        assert_eq!(call(&entry, EXPIRES_AT), session(1), "{later}");
        assert_eq!(entry.expires_at(), at(expires_at), "{later}");
        assert_eq!(call(&entry, expires_at), start(expires_at + 16), "{later}");
    }
}

#[test]
fn keys_without_expiration_are_reloaded_every_15_minutes() {
    let entry = adopting(empty(), 0, unlimited(1, 0));
    assert_eq!((call(&entry, 899), call(&entry, 900)), (session(1), session_and_refresh(1)));
    assert_eq!(entry.next_wakeup(now(0), true, false), Wakeup::At(at(900)));
    assert_eq!(entry.next_wakeup(now(900), true, false), Wakeup::Refresh);
    // The old value stays if the reload fails, and callers do not wait.
    let failed = failing_with(entry.clone(), BACKGROUND, Failure::Permanent, 900);
    assert_eq!((call(&failed, 914), call(&failed, 915)), (session(1), session_and_refresh(1)));
    assert_eq!(call(&failed, 1_000_000), session_and_refresh(1));
    // The same keys start another 15 minutes, and are no failure.
    for id in [1, 2] {
        let reloaded = adopting(entry.clone(), 900, unlimited(id, 900));
        assert_eq!((call(&reloaded, 1799), call(&reloaded, 1800)).0, session(id));
        assert_eq!(call(&reloaded, 1800), session_and_refresh(id));
        assert_eq!(reloaded.report(now(900)).consecutive_failures, 0);
    }
}

#[test]
fn static_keys_are_never_reloaded() {
    let entry = adopting(empty(), 0, Fetched { is_static: true, ..unlimited(1, 0) });
    assert_eq!(call(&entry, 10_000_000_000), session(1));
    assert_eq!(entry.next_wakeup(now(0), true, true), Wakeup::At(Moment::MAX));
    assert_eq!(entry.quiet_until(now(0)), Moment::MAX);
    // A static session with an expiration is refreshed as any other.
    let entry = adopting(empty(), 0, Fetched { is_static: true, ..read(1, 0, EXPIRES_AT) });
    assert_eq!(call(&entry, REFRESH_AT), session_and_refresh(1));
}

#[test]
fn session_without_refresh_is_fresh_until_it_expires() {
    for (expires_at, fetched) in [(at(3600), fetched(1, 0, 3600)), (Moment::MAX, unlimited(1, 0))] {
        let mut entry = running(empty(), FOREGROUND, 0);
        entry.succeed(now(0), 1, fetched, false, 0.0);
        for when in [0, 1800, 3599] {
            assert_eq!(call(&entry, when), session(1));
            assert_eq!(entry.next_wakeup(now(when), false, false), Wakeup::At(expires_at));
        }
    }
}

#[test]
fn late_session_starts_no_refresh_for_a_second() {
    let entry = adopting(empty(), 3000, fetched(1, 0, EXPIRES_AT));
    assert_eq!(call(&entry, 3000), session(1));
    assert_eq!(entry.next_wakeup(now(3000), true, false), Wakeup::At(at(3001)));
    assert_eq!(call(&entry, 3001), session_and_refresh(1));
}

#[test]
fn wall_clock_set_forward_makes_session_mandatory() {
    for keys in [fetched(1, 0, EXPIRES_AT), read(1, 0, EXPIRES_AT)] {
        let entry = adopting(empty(), 0, keys);
        let answer = |wall| entry.decide(Request::Session, FOREGROUND, now_with_wall(100, wall));
        assert_eq!(answer(EXPIRES_AT - 1), session(1));
        assert_eq!(answer(EXPIRES_AT), start_or(102, 1, EXPIRES_AT));
        assert_eq!(answer(EXPIRES_AT + 50_000), start_or(102, 1, EXPIRES_AT));
        let restored = now_with_wall(100, EXPIRES_AT);
        assert_eq!(entry.next_wakeup(restored, true, false), Wakeup::Refresh);
        assert_eq!(entry.quiet_until(restored), at(1), "past: each call decides");
        // Set back, the session is as fresh as before.
        assert_eq!(answer(0), session(1));
        // A session that expires sooner on the clock of deadlines replaces it.
        let next = fetched(2, 100, 200);
        assert_eq!(check_session(&entry, restored, &next), Ok(()));
    }
}

#[test]
fn wall_clock_does_not_expire_unlimited_keys() {
    let entry = adopting(empty(), 0, unlimited(1, 0));
    let centuries = 20_000_000_000;
    let far = now_with_wall(1, centuries);
    assert_eq!(entry.decide(Request::Session, FOREGROUND, far), session(1));
}

/// One-hour keys loaded while the wall clock was ten hours behind seem to expire in eleven hours.
#[test]
fn corrected_wall_clock_limits_hits_and_timer() {
    let mut entry = running(empty(), FOREGROUND, 0);
    let behind = now_with_wall(0, 0);
    entry.succeed(behind, 1, read(1, 0, HOURS_10 + 3600), true, 0.0);
    assert!(entry.quiet_until(behind) > at(3600), "not known yet");

    let corrected = |when| now_with_wall(when, HOURS_10 + when);
    // The timer calls the entry when the wall clock is set. Both count on the wall clock from then.
    assert!(entry.quiet_until(corrected(60)) <= at(3600));
    let Wakeup::At(wakeup) = entry.next_wakeup(corrected(60), true, false) else {
        panic!("not yet")
    };
    assert!(wakeup <= at(3600), "{wakeup:?}");
    let expired = entry.decide(Request::Session, FOREGROUND, corrected(3600));
    assert_eq!(expired, start_or(3602, 1, HOURS_10 + 3600));
    assert_eq!(entry.next_wakeup(corrected(3600), true, false), Wakeup::Refresh);
    // The next keys have a true expiration, and are not refused as sooner.
    let next = read(2, 3600, 7200);
    assert_eq!(check_session(&entry, corrected(3600), &next), Ok(()));
    entry.begin_fetch(corrected(3600), BACKGROUND, false);
    entry.succeed(corrected(3600), 2, next, true, 0.0);
    assert_eq!(entry.expires_at(), at(7200));
}

#[test]
fn corrected_wall_clock_limits_an_advisory_session() {
    let mut entry = running(empty(), FOREGROUND, 0);
    entry.succeed(now_with_wall(0, 0), 1, read(1, 0, HOURS_10), true, 0.0);
    let advisory = now_with_wall(33_000, HOURS_10 - 50);
    assert_eq!(entry.decide(Request::Session, FOREGROUND, advisory), session_and_refresh(1));
    let entry = queued(entry);
    assert_eq!(entry.quiet_until(advisory), at(33_050));
    assert_eq!(queued(entry).next_wakeup(advisory, true, false), Wakeup::At(Moment::MAX));
}

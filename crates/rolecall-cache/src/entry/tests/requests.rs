//! Requests for a session that remains valid for long enough, and for a newer one.

use super::*;

fn valid_for(entry: &Entry, min_remaining: u64, when: u64) -> Answer {
    entry.decide(Request::ValidFor(secs(min_remaining)), FOREGROUND, now(when))
}

fn newer_than(entry: &Entry, generation: u64, when: u64) -> Answer {
    entry.decide(Request::NewerThan(generation), FOREGROUND, now(when))
}

/// The provider returned the cached session again.
fn unchanged(entry: Entry, when: u64) -> Entry {
    adopting(entry, when, fetched(1, 0, EXPIRES_AT))
}

fn too_short(remaining: u64) -> Answer {
    Decision::TooShort(secs(remaining))
}

#[test]
fn valid_for_without_session_answers_as_session() {
    assert_eq!(valid_for(&empty(), 60, 0), start(16));
    assert_eq!(valid_for(&failing(empty(), FOREGROUND, 0), 60, 0), error("unavailable"));
    assert_eq!(valid_for(&failing(empty(), BACKGROUND, 0), 60, 0), start(16));
    assert_eq!(valid_for(&holding(), 60, EXPIRES_AT), start(EXPIRES_AT + 16));
}

#[test]
fn valid_for_returns_session_that_is_long_enough() {
    assert_eq!(valid_for(&holding(), 3500, 100), session(1));
    assert_eq!(valid_for(&holding(), 900, REFRESH_AT), session_and_refresh(1));
    let failed = failing(holding(), FOREGROUND, REFRESH_AT);
    assert_eq!(valid_for(&failed, 900, REFRESH_AT), session(1));
}

#[test]
fn valid_for_fetches_if_session_too_short() {
    assert_eq!(valid_for(&holding(), 3501, 100), start(116));
    assert_eq!(valid_for(&holding(), 901, REFRESH_AT), start(REFRESH_AT + 16));
    let entry = running(holding(), BACKGROUND, REFRESH_AT);
    assert_eq!(valid_for(&entry, 1000, REFRESH_AT + 1), join(REFRESH_AT + 2));
    assert_eq!(valid_for(&entry, 1000, REFRESH_AT + 2), start(REFRESH_AT + 18), "takes over");
    let entry = running(holding(), FOREGROUND, REFRESH_AT);
    assert_eq!(valid_for(&entry, 1000, REFRESH_AT + 5), join(REFRESH_AT + 16));
    assert_eq!(valid_for(&queued(holding()), 1000, REFRESH_AT), start(REFRESH_AT + 16));
    // A background failure does not keep a caller from a fetch of its own.
    let failed = failing_with(holding(), BACKGROUND, Failure::Permanent, REFRESH_AT);
    assert_eq!(valid_for(&failed, 1000, REFRESH_AT), start(REFRESH_AT + 16));
}

#[test]
fn valid_for_with_new_session_is_too_short() {
    assert_eq!(valid_for(&holding(), 3601, 29), too_short(3571));
    assert_eq!(valid_for(&holding(), 3601, 30), start(46));
    // The next session is as long as this one was, which is what the caller needs.
    assert_eq!(valid_for(&holding(), 3600, 1), start(17));
    // No fetch starts in the first second after one.
    let entry = adopting(empty(), 1, fetched(1, 0, EXPIRES_AT));
    assert_eq!(valid_for(&entry, 3600, 1), too_short(3599));
    // The provider has no newer session. It is asked again after a quarter of the remaining time.
    let entry = unchanged(holding(), REFRESH_AT);
    assert_eq!(valid_for(&entry, 1000, REFRESH_AT + 224), too_short(676));
    assert_eq!(valid_for(&entry, 1000, REFRESH_AT + 225), start(REFRESH_AT + 241));
}

#[test]
fn valid_for_remembers_error_for_ten_seconds() {
    let failed = failing(holding(), FOREGROUND, REFRESH_AT);
    assert_eq!(valid_for(&failed, 901, REFRESH_AT), error("unavailable"));
    let running_again = running(failed, BACKGROUND, REFRESH_AT);
    assert_eq!(valid_for(&running_again, 901, REFRESH_AT), error("unavailable"));
    let failed = (0..9).fold(holding(), |entry, _| failing(entry, FOREGROUND, 100));
    assert_eq!(valid_for(&failed, 3500, 109), error("unavailable"));
    assert_eq!(valid_for(&failed, 3500, 110), start(126));
}

#[test]
fn valid_for_in_mandatory_window_by_table() {
    let t = MANDATORY_AT;
    assert_eq!(valid_for(&holding(), 58, t), start_or(t + 2, 1, EXPIRES_AT));
    // Too short after the wait: the session at once, and a background fetch.
    assert_eq!(valid_for(&holding(), 59, t), session_and_refresh(1));
    let entry = running(holding(), BACKGROUND, t);
    assert_eq!(valid_for(&entry, 58, t + 1), join_or(t + 2, 1, EXPIRES_AT));
    assert_eq!(valid_for(&entry, 59, t + 1), session(1));
    assert_eq!(valid_for(&entry, 58, t + 2), session(1));
}

#[test]
fn valid_for_starts_no_refresh_against_background_gate() {
    let t = MANDATORY_AT;
    for failure in [Failure::Retryable, Failure::Permanent, Failure::Deferred] {
        let failed = failing_with(holding(), BACKGROUND, failure, t);
        assert_eq!(valid_for(&failed, 60, t), session(1), "{failure:?}");
    }
    assert_eq!(valid_for(&queued(holding()), 60, t), session(1), "queued");
}

#[test]
fn valid_for_after_invalidation_waits() {
    let entry = invalidated(holding(), 50);
    for min_remaining in [60, 3549] {
        assert_eq!(valid_for(&entry, min_remaining, 50), start_or(52, 1, EXPIRES_AT));
    }
    assert_eq!(valid_for(&entry, 3551, 50), start(66));
    // The spacing holds for callers that need a longer session, too.
    let entry = [(2, 50), (3, 60), (4, 80)].into_iter().fold(holding(), |entry, (id, t)| {
        adopting(invalidated(entry, t), t, fetched(id, t, t + 600))
    });
    let entry = invalidated(entry, 81);
    assert_eq!(valid_for(&entry, 700, 119), too_short(561));
    assert_eq!(valid_for(&entry, 700, 120), start(136));
}

#[test]
fn valid_for_in_background_respects_background_gate() {
    let failed = failing(holding(), BACKGROUND, 100);
    let answer = |when| failed.decide(Request::ValidFor(secs(3599)), BACKGROUND, now(when));
    assert_eq!((answer(100), answer(101)), (error("unavailable"), start(117)));
}

#[test]
fn newer_session_is_fetched_in_every_state() {
    assert_eq!(newer_than(&empty(), 0, 0), start(16));
    assert_eq!(newer_than(&holding(), 1, 0), start(16));
    assert_eq!(newer_than(&holding(), 1, REFRESH_AT), start(REFRESH_AT + 16));
    assert_eq!(newer_than(&holding(), 1, EXPIRES_AT), start(EXPIRES_AT + 16));
    assert_eq!(newer_than(&invalidated(holding(), 50), 1, 50), start(66));
    // An earlier failure says nothing about a fetch that begins now.
    assert_eq!(newer_than(&failing(empty(), FOREGROUND, 0), 1, 0), start(16));
}

#[test]
fn newer_session_waits_for_older_fetch_first() {
    let entry = running(holding(), BACKGROUND, 100);
    assert_eq!(newer_than(&entry, 2, 101), join(102));
    assert_eq!(newer_than(&entry, 2, 102), start(118), "takes over");
    let of_a_caller = running(holding(), FOREGROUND, 100);
    assert_eq!(newer_than(&of_a_caller, 2, 105), join(116));
    assert_eq!(newer_than(&of_a_caller, 2, 116), start(132), "overdue");
    let mut entry = entry;
    complete(&mut entry, 105, fetched(2, 100, 3700));
    assert_eq!(newer_than(&entry, 2, 105), start(121), "the session of the older fetch");
}

#[test]
fn newer_session_is_returned_once_adopted() {
    let mut entry = holding();
    let generation = entry.begin_fetch(now(100), FOREGROUND, true);
    complete(&mut entry, 101, fetched(2, 100, 3700));
    assert_eq!(newer_than(&entry, generation - 1, 101), session(2));
    assert_eq!(newer_than(&entry, generation, 101), start(117));
    assert_eq!(newer_than(&entry, generation - 1, 3700), start(3716), "expired since");
}

#[test]
fn cached_session_is_known_in_each_phase() {
    assert_eq!((empty().session(), empty().expires_at()), (None, Moment::ZERO));
    assert_eq!((holding().session(), holding().expires_at()), (Some(&Keys(1)), at(EXPIRES_AT)));
    assert_eq!(invalidated(holding(), 50).session(), Some(&Keys(1)));
    assert_eq!(removed(holding()).session(), None);
}

#[test]
fn request_is_met_by_table() {
    let minute = Request::ValidFor(secs(60));
    for (request, when, expires_at, expected) in [
        (Request::Session, 0, 1, true),
        (Request::Session, 1, 1, false),
        (Request::NewerThan(7), 0, 1, true),
        (Request::NewerThan(7), 1, 1, false),
        (minute, 0, 61, true),
        (minute, 0, 60, true),
        (minute, 0, 59, false),
        (Request::ValidFor(secs(0)), 1, 1, false),
    ] {
        assert_eq!(request.is_met(at(when), at(expires_at)), expected, "{request:?} {when}");
    }
}

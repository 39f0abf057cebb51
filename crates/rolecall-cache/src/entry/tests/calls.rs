//! What a call of `session()` receives in each state, by the design's table.

use super::*;

/// A case: name, state, time in seconds, what a caller receives, and what a background fetch of
/// another entry receives.
type Case = (&'static str, Entry, u64, Answer, Answer);

fn check(cases: Vec<Case>) {
    for (name, entry, when, foreground, background) in cases {
        assert_eq!(call(&entry, when), foreground, "{name}, foreground");
        assert_eq!(call_in_background(&entry, when), background, "{name}, background");
    }
}

fn both(name: &'static str, entry: Entry, when: u64, answer: Answer) -> Case {
    (name, entry, when, answer.clone(), answer)
}

#[test]
fn fresh_session_is_returned() {
    let refreshing = running(holding(), FOREGROUND, 100);
    check(vec![
        both("new", holding(), 0, session(1)),
        both("one second old", holding(), 1, session(1)),
        both("last second", holding(), REFRESH_AT - 1, session(1)),
        both("a fetch runs", refreshing.clone(), 101, session(1)),
        both("a fetch is overdue", refreshing, 120, session(1)),
        both("a foreground fetch failed", failing(holding(), FOREGROUND, 100), 100, session(1)),
        both("a background fetch failed", failing(holding(), BACKGROUND, 100), 100, session(1)),
    ]);
}

#[test]
fn advisory_session_is_returned_and_refreshed() {
    let at_window = REFRESH_AT;
    let background = running(holding(), BACKGROUND, at_window);
    let foreground = running(holding(), FOREGROUND, at_window);
    let deferred = failing_with(holding(), BACKGROUND, Failure::Deferred, at_window);
    check(vec![
        both("begins", holding(), at_window, session_and_refresh(1)),
        both("ends", holding(), MANDATORY_AT - 1, session_and_refresh(1)),
        both("background fetch, 0 s", background.clone(), at_window, session(1)),
        both("background fetch, 15 s", background.clone(), at_window + 15, session(1)),
        both("background fetch, overdue", background, at_window + 16, session_and_refresh(1)),
        both("foreground fetch", foreground.clone(), at_window + 5, session(1)),
        both("foreground fetch, overdue", foreground, at_window + 16, session_and_refresh(1)),
        both("queued", queued(holding()), at_window, session(1)),
        both("deferred", deferred.clone(), at_window, session(1)),
        both("deferred, gate opens", deferred, at_window + 1, session_and_refresh(1)),
    ]);
}

#[test]
fn advisory_refresh_waits_for_background_gate() {
    for mode in [FOREGROUND, BACKGROUND] {
        let entry = failing(holding(), mode, REFRESH_AT);
        check(vec![
            both("closed", entry.clone(), REFRESH_AT, session(1)),
            both("open", entry, REFRESH_AT + 1, session_and_refresh(1)),
        ]);
    }
}

#[test]
fn mandatory_caller_waits_two_seconds_from_fetch_start() {
    let t = MANDATORY_AT;
    let either = |name, entry, when, answer| both(name, entry, when, answer);
    for mode in [FOREGROUND, BACKGROUND] {
        let entry = running(holding(), mode, t);
        check(vec![
            either("0 s", entry.clone(), t, join_or(t + 2, 1, EXPIRES_AT)),
            either("1 s", entry.clone(), t + 1, join_or(t + 2, 1, EXPIRES_AT)),
            either("2 s", entry.clone(), t + 2, session(1)),
            either("15 s", entry.clone(), t + 15, session(1)),
            either("overdue", entry, t + 16, start_or(t + 18, 1, EXPIRES_AT)),
        ]);
        // A fetch that began in the advisory window.
        let entry = running(holding(), mode, t - 1);
        check(vec![
            either("started before, 1 s", entry.clone(), t, join_or(t + 1, 1, EXPIRES_AT)),
            either("started before, 2 s", entry, t + 1, session(1)),
        ]);
    }
}

#[test]
fn mandatory_caller_starts_fetch_if_gate_open() {
    let t = MANDATORY_AT;
    let started = start_or(t + 2, 1, EXPIRES_AT);
    let late = start_or(EXPIRES_AT + 1, 1, EXPIRES_AT);
    let deferred = failing_with(holding(), BACKGROUND, Failure::Deferred, t);
    let failed_in_background = failing(holding(), BACKGROUND, t);
    let failed = failing(holding(), FOREGROUND, t);
    check(vec![
        both("both gates open", holding(), t, started.clone()),
        both("last second", holding(), EXPIRES_AT - 1, late),
        both("queued", queued(holding()), t, started.clone()),
        // The background gate binds background fetches alone.
        ("deferred", deferred, t, started.clone(), session(1)),
        ("background failed", failed_in_background, t, started, session(1)),
        both("foreground failed", failed.clone(), t, session(1)),
        both("gates open again", failed, t + 1, start_or(t + 3, 1, EXPIRES_AT)),
    ]);
}

#[test]
fn invalidated_session_is_handled_as_mandatory() {
    let entry = || invalidated(holding(), 50);
    let started = start_or(52, 1, EXPIRES_AT);
    for mode in [FOREGROUND, BACKGROUND] {
        let entry = running(entry(), mode, 50);
        check(vec![
            both("0 s", entry.clone(), 50, join_or(52, 1, EXPIRES_AT)),
            both("1 s", entry.clone(), 51, join_or(52, 1, EXPIRES_AT)),
            both("2 s", entry.clone(), 52, session(1)),
            both("overdue", entry, 66, start_or(68, 1, EXPIRES_AT)),
        ]);
    }
    let deferred = failing_with(entry(), BACKGROUND, Failure::Deferred, 50);
    let failed_in_background = failing(entry(), BACKGROUND, 50);
    let failed = failing(entry(), FOREGROUND, 50);
    check(vec![
        both("both gates open", entry(), 50, started.clone()),
        both("queued", queued(entry()), 50, started.clone()),
        ("deferred", deferred, 50, started.clone(), session(1)),
        ("background failed", failed_in_background, 50, started, session(1)),
        both("foreground failed", failed.clone(), 50, session(1)),
        both("gates open again", failed, 51, start_or(53, 1, EXPIRES_AT)),
        both("expired", entry(), EXPIRES_AT, start(EXPIRES_AT + 16)),
    ]);
}

#[test]
fn caller_without_session_waits_for_one_fetch() {
    for (name, entry, t) in [("none", empty(), 0), ("expired", holding(), EXPIRES_AT)] {
        check(vec![both(name, entry.clone(), t, start(t + 16))]);
        let foreground = running(entry.clone(), FOREGROUND, t);
        check(vec![
            both("0 s", foreground.clone(), t, join(t + 16)),
            both("7 s", foreground.clone(), t + 7, join(t + 16)),
            both("15 s", foreground.clone(), t + 15, join(t + 16)),
            both("overdue", foreground, t + 16, start(t + 32)),
        ]);
        // A background fetch may wait for a permit: callers replace it after 2 s.
        let background = running(entry, BACKGROUND, t);
        check(vec![
            ("0 s", background.clone(), t, join(t + 2), join(t + 16)),
            ("1 s", background.clone(), t + 1, join(t + 2), join(t + 16)),
            ("2 s", background.clone(), t + 2, start(t + 18), join(t + 16)),
            ("15 s", background.clone(), t + 15, start(t + 31), join(t + 16)),
            both("overdue", background, t + 16, start(t + 32)),
        ]);
    }
}

#[test]
fn fetch_that_outlives_session_is_joined() {
    let entry = running(holding(), BACKGROUND, EXPIRES_AT - 1);
    let (caller, background) = (join(EXPIRES_AT + 1), join(EXPIRES_AT + 15));
    check(vec![("expired meanwhile", entry, EXPIRES_AT, caller, background)]);
}

#[test]
fn caller_without_session_receives_remembered_error() {
    for (entry, t) in [(empty(), 0), (holding(), EXPIRES_AT)] {
        let failed = failing(entry.clone(), FOREGROUND, t);
        let denied = failing_with(entry.clone(), FOREGROUND, Failure::Permanent, t);
        let running_again = running(failed.clone(), BACKGROUND, t);
        let running_for_callers = running(failed.clone(), FOREGROUND, t);
        check(vec![
            both("foreground gate closed", failed.clone(), t, error("unavailable")),
            both("denied", denied, t, error("denied")),
            both("gate opens", failed, t + 1, start(t + 17)),
            // A background fetch brings its own callers a session, and no error to others.
            ("a background fetch runs", running_again, t, error("unavailable"), join(t + 16)),
            // `refresh()` starts a fetch at once.
            both("a foreground fetch runs", running_for_callers, t, join(t + 16)),
        ]);
        // Callers never receive the error of a fetch that no caller waited for.
        for failure in [Failure::Retryable, Failure::Permanent, Failure::Refused, Failure::Deferred]
        {
            let failed = failing_with(entry.clone(), BACKGROUND, failure, t);
            let remembered = error(error_of(failure));
            check(vec![("background gate closed", failed, t, start(t + 16), remembered)]);
        }
    }
}

#[test]
fn remembered_error_grows_to_ten_seconds() {
    let (mut entry, mut t) = (empty(), 0);
    for pause in [1, 2, 4, 8, 10, 10] {
        entry = failing(entry, FOREGROUND, t);
        assert_eq!(call(&entry, t + pause - 1), error("unavailable"), "{pause}");
        t += pause;
        assert_eq!(call(&entry, t), start(t + 16), "{pause}");
    }
}

#[test]
fn removed_entry_answers_removed() {
    for entry in [empty(), holding(), running(holding(), FOREGROUND, 5), invalidated(holding(), 5)]
    {
        let entry = removed(entry);
        check(vec![both("removed", entry.clone(), 5, Decision::Removed)]);
        for request in [Request::ValidFor(secs(1)), Request::NewerThan(0)] {
            assert_eq!(entry.decide(request, FOREGROUND, now(5)), Decision::Removed);
        }
    }
}

//! What a caller may ask for beside "a session", by table.

use super::*;
use crate::status::State;

fn removed(mut slot: Machine) -> Machine {
    slot.remove();
    slot
}

/// So many failures, one after the other, the last at `when`.
fn failing(mut slot: Machine, when: u64, times: usize) -> Machine {
    for _ in 0..times {
        slot = failed(slot, when);
    }
    slot
}

/// Looked at again at `when`, and it was the same.
fn unchanged(slot: Machine, when: u64) -> Machine {
    let mut slot = running(slot, when);
    slot.succeeded(at(when), fetched(1, 0, END), 0.0);
    slot
}

#[test]
fn a_session_that_is_good_for_so_long_by_table() {
    let none = || Machine::new(OVERDUE, true);
    let too_short = |left| Decision::TooShort(secs(left));
    // (case, state, now, good for, decision)
    for (case, slot, now, least, expected) in [
        ("none", none(), 0, 60, wait(true, 16, None)),
        ("none, failed a moment ago", failed(none(), 0), 0, 60, Decision::Fail("no")),
        ("over", holding(), END, 60, wait(true, END + 16, None)),
        ("early", holding(), 100, 3500, hand(FIRST, false)),
        ("early, too short", holding(), 100, 3501, wait(true, 116, None)),
        ("just in, too short", holding(), 29, 3600, too_short(3571)),
        ("just in a moment ago, too short", holding(), 30, 3600, wait(true, 46, None)),
        ("window", holding(), REFRESH_AT, 900, hand(FIRST, true)),
        ("window, too short", holding(), REFRESH_AT, 901, wait(true, REFRESH_AT + 16, None)),
        (
            "window, too short, a refresh runs",
            running(holding(), REFRESH_AT),
            REFRESH_AT + 5,
            1000,
            wait(false, REFRESH_AT + 16, None),
        ),
        (
            "window, too short, failed a moment ago",
            failed(holding(), REFRESH_AT),
            REFRESH_AT,
            901,
            Decision::Fail("no"),
        ),
        (
            "window, long enough, failed a moment ago",
            failed(holding(), REFRESH_AT),
            REFRESH_AT,
            900,
            hand(FIRST, false),
        ),
        (
            "window, too short, unchanged a moment ago",
            unchanged(holding(), REFRESH_AT),
            REFRESH_AT + 200,
            1000,
            too_short(700),
        ),
        ("hard", holding(), HARD_AT, 58, wait(true, HARD_AT + 2, Some(FIRST))),
        (
            "too short, failing for long, failed a moment ago",
            failing(holding(), 100, 9),
            109,
            3500,
            Decision::Fail("no"),
        ),
        (
            "too short, failing for long, not remembered any more",
            failing(holding(), 100, 9),
            110,
            3500,
            wait(true, 126, None),
        ),
        ("hard, too short after the wait", holding(), HARD_AT, 59, hand(FIRST, true)),
        (
            "hard, too short after the wait, a refresh runs",
            running(holding(), HARD_AT),
            HARD_AT + 1,
            58,
            hand(FIRST, false),
        ),
        ("rejected", rejected(holding(), 5), 5, 3579, wait(true, 21, Some(FIRST))),
        (
            "rejected, too short after the wait",
            rejected(holding(), 5),
            5,
            3580,
            wait(true, 21, Some(FIRST)),
        ),
        ("removed", removed(holding()), 5, 60, Decision::Removed),
    ] {
        assert_eq!(
            slot.decide_for(Ask::ValidFor(secs(least)), FetchMode::Foreground, at(now)),
            expected,
            "{case}"
        );
    }
}

#[test]
fn another_session_now_by_table() {
    let none = || Machine::new(OVERDUE, true);
    // (case, state, now, decision)
    for (case, slot, now, expected) in [
        ("none", none(), 0, wait(true, 16, None)),
        ("none, failed a moment ago", failed(none(), 0), 0, Decision::Fail("no")),
        ("just in", holding(), 0, hand(FIRST, false)),
        ("just in a second ago", holding(), 1, wait(true, 17, None)),
        ("a fetch runs", running(holding(), 100), 105, wait(false, 116, None)),
        (
            "just in, rejected, a fetch runs",
            running(rejected(holding(), 0), 0),
            0,
            wait(false, 16, None),
        ),
        ("a fetch is overdue", running(holding(), 100), 116, wait(true, 132, None)),
        ("failed a moment ago", failed(holding(), 100), 100, Decision::Fail("no")),
        ("failed a second ago", failed(holding(), 100), 101, wait(true, 117, None)),
        ("put off a moment ago", deferred(holding(), 100), 100, wait(true, 116, None)),
        ("rejected", rejected(holding(), 5), 5, wait(true, 21, None)),
        ("over", holding(), END, wait(true, END + 16, None)),
        ("removed", removed(holding()), 5, Decision::Removed),
    ] {
        assert_eq!(slot.decide_for(Ask::Now, FetchMode::Foreground, at(now)), expected, "{case}");
    }
}

#[test]
fn how_it_stands_by_table() {
    let none = || Machine::new(OVERDUE, true);
    let window = running(holding(), REFRESH_AT);
    let next = |seconds| Some(at(seconds));
    // (case, state, now, in a word, the end, the next attempt, failures in a row)
    for (case, slot, now, state, ends, next_attempt, failures) in [
        ("none", none(), 0, State::Empty, None, None, 0),
        ("none, a fetch runs", running(none(), 0), 1, State::Loading, None, None, 0),
        ("none, failed", failed(none(), 0), 0, State::Failing, None, next(1), 1),
        ("early", holding(), 5, State::Fresh, next(END), next(REFRESH_AT), 0),
        ("due", holding(), REFRESH_AT, State::Due, next(END), next(REFRESH_AT), 0),
        ("a refresh runs", window, REFRESH_AT, State::Refreshing, next(END), None, 0),
        (
            "the refresh failed",
            failed(holding(), REFRESH_AT),
            REFRESH_AT,
            State::Stale,
            next(END),
            next(REFRESH_AT + 1),
            1,
        ),
        (
            "the refresh was put off",
            deferred(holding(), REFRESH_AT),
            REFRESH_AT,
            State::Due,
            next(END),
            next(REFRESH_AT + 1),
            0,
        ),
        ("none, put off", deferred(none(), 0), 0, State::Empty, None, None, 0),
        ("rejected", rejected(holding(), 5), 5, State::Invalidated, next(END), next(5), 0),
        (
            "rejected, and the fetch was put off",
            deferred(rejected(holding(), 5), 5),
            6,
            State::Invalidated,
            next(END),
            next(5),
            0,
        ),
        (
            "rejected, and the fetch failed",
            failed(rejected(holding(), 5), 5),
            6,
            State::Invalidated,
            next(END),
            next(15),
            1,
        ),
        ("over", holding(), END, State::Expired, next(END), None, 0),
        (
            "over, and the fetch failed",
            failed(holding(), END),
            END,
            State::Failing,
            next(END),
            next(END + 1),
            1,
        ),
        ("removed", removed(holding()), 5, State::Removed, None, None, 0),
    ] {
        let look = slot.look(at(now));
        assert_eq!(
            (look.state, look.ends, look.next_attempt, look.consecutive_failures),
            (state, ends, next_attempt, failures),
            "{case}"
        );
        let trouble = matches!(state, State::Failing | State::Invalidated) && failures > 0;
        assert_eq!(look.is_failing(), trouble, "{case}");
    }
}

#[test]
fn what_came_in_is_what_was_asked_for_by_table() {
    let for_a_minute = Ask::ValidFor(secs(60));
    // (case, ask, now, end, met)
    for (case, ask, now, end, met) in [
        ("a session", Ask::Session, 0, 1, true),
        ("a session that has ended", Ask::Session, 1, 1, false),
        ("another", Ask::Now, 0, 1, true),
        ("another that has ended", Ask::Now, 1, 1, false),
        ("good for longer", for_a_minute, 0, 61, true),
        ("good for just as long", for_a_minute, 0, 60, true),
        ("good for less", for_a_minute, 0, 59, false),
        ("good for no time, and it has ended", Ask::ValidFor(secs(0)), 1, 1, false),
    ] {
        assert_eq!(ask.is_met(at(now), at(end)), met, "{case}");
    }
}

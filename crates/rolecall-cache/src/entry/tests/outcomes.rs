//! What each outcome of a fetch changes, by the state of the entry when it arrives.

use super::*;

/// The state of an entry when the result of its fetch arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Fresh,
    Advisory,
    Mandatory,
    /// Invalidated while the fetch ran.
    Invalidated,
    /// The session expired while the fetch ran.
    Expired,
    /// Removed while the fetch ran.
    Removed,
}

use State::{Advisory, Empty, Expired, Fresh, Invalidated, Mandatory, Removed};

const STATES: [State; 7] = [Empty, Fresh, Advisory, Mandatory, Invalidated, Expired, Removed];
const MODES: [FetchMode; 2] = [FOREGROUND, BACKGROUND];

impl State {
    /// Returns when the fetch started.
    fn started(self) -> u64 {
        match self {
            Empty | Fresh | Invalidated | Removed => 100,
            Advisory => REFRESH_AT,
            Mandatory => MANDATORY_AT,
            Expired => EXPIRES_AT - 1,
        }
    }

    /// Returns an entry in this state with a running fetch.
    fn entry(self, mode: FetchMode) -> Entry {
        let cached = if self == Empty { empty() } else { holding() };
        let entry = running(cached, mode, self.started());
        match self {
            Invalidated => invalidated(entry, 100),
            Removed => removed(entry),
            _ => entry,
        }
    }

    /// Returns what callers receive that start a fetch if they need one.
    fn answer_with_open_gate(self, when: u64) -> Answer {
        match self {
            Empty | Expired => start(when + 16),
            Fresh => session(1),
            Advisory => session_and_refresh(1),
            Mandatory | Invalidated => start_or(when + 2, 1, EXPIRES_AT),
            Removed => Decision::Removed,
        }
    }

    /// Returns what callers receive after a failed fetch closed their gate.
    fn answer_with_closed_gate(self, remembered: &'static str) -> Answer {
        match self {
            Empty | Expired => error(remembered),
            Fresh | Advisory | Mandatory | Invalidated => session(1),
            Removed => Decision::Removed,
        }
    }
}

fn gate(entry: &Entry, mode: FetchMode) -> Moment {
    entry.gate(mode).opens_at
}

/// Returns for how long the gate of a mode is closed.
fn closed_for(entry: &Entry, mode: FetchMode, when: u64) -> Duration {
    gate(entry, mode) - at(when)
}

#[test]
fn success_replaces_session_in_every_state() {
    for (state, mode) in STATES.into_iter().flat_map(|state| MODES.map(|mode| (state, mode))) {
        let mut entry = state.entry(mode);
        let (name, when) = (format!("{state:?}, {mode:?}"), state.started() + 2);
        if state == Removed {
            assert_eq!((entry.running_fetch(), entry.accepts_session(1)), (None, false), "{name}");
            continue;
        }
        complete(&mut entry, when, fetched(2, when, when + 3600));
        assert!(!entry.is_fetching(now(when)), "{name}");
        assert_eq!(call(&entry, when), session(2), "{name}");
        assert_eq!(call_in_background(&entry, when), session(2), "{name}");
        let report = entry.report(now(when));
        assert_eq!((report.consecutive_failures, report.last_error), (0, None), "{name}");
        for mode in MODES {
            assert_eq!(closed_for(&entry, mode, when), secs(1), "{name}");
        }
    }
}

/// Expected: for how long each gate is closed, the shortest draw, in milliseconds.
#[test]
fn background_failure_closes_background_gate_only() {
    let cases = [
        (Failure::Retryable, [1000, 500, 500, 500, 1000, 1000]),
        (Failure::Refused, [1000, 500, 500, 500, 1000, 1000]),
        (Failure::Deferred, [1000, 500, 500, 500, 1000, 1000]),
        // The last: a quarter of the remaining 59 s, halved.
        (Failure::Permanent, [1000, 15_000, 15_000, 7375, 1000, 1000]),
    ];
    for (failure, closed) in cases {
        for (state, closed) in STATES.into_iter().zip(closed) {
            let mut entry = state.entry(BACKGROUND);
            let (name, when) = (format!("{state:?}, {failure:?}"), state.started() + 1);
            let before = gate(&entry, FOREGROUND);
            assert!(entry.fail(now(when), failure, error_of(failure), 0.0), "{name}");
            assert_eq!(gate(&entry, FOREGROUND), before, "{name}");
            assert_eq!(closed_for(&entry, BACKGROUND, when), millis(closed), "{name}");
            let foreground = match state {
                // The background refresh of the advisory window waits for the background gate.
                Advisory => session(1),
                state => state.answer_with_open_gate(when),
            };
            assert_eq!(call(&entry, when), foreground, "{name}");
            let background = state.answer_with_closed_gate(error_of(failure));
            assert_eq!(call_in_background(&entry, when), background, "{name}");
        }
    }
}

#[test]
fn foreground_failure_closes_both_gates() {
    let cases = [
        (Failure::Retryable, [1000, 500, 500, 500, 1000, 1000]),
        (Failure::Refused, [1000, 500, 500, 500, 1000, 1000]),
        // With a caller that waits, the rate limit does not defer. If a provider does, it failed.
        (Failure::Deferred, [1000, 500, 500, 500, 1000, 1000]),
        (Failure::Permanent, [1000, 15_000, 15_000, 7375, 1000, 1000]),
    ];
    for (failure, closed) in cases {
        for (state, closed) in STATES.into_iter().zip(closed) {
            let mut entry = state.entry(FOREGROUND);
            let (name, when) = (format!("{state:?}, {failure:?}"), state.started() + 1);
            assert!(entry.fail(now(when), failure, error_of(failure), 0.0), "{name}");
            assert_eq!(closed_for(&entry, FOREGROUND, when), secs(1), "{name}");
            assert_eq!(closed_for(&entry, BACKGROUND, when), millis(closed), "{name}");
            let expected = state.answer_with_closed_gate(error_of(failure));
            assert_eq!(call(&entry, when), expected, "{name}");
            assert_eq!(call_in_background(&entry, when), expected, "{name}");
        }
    }
}

#[test]
fn pauses_are_drawn_up_to_the_longest() {
    for (mode, foreground) in [(FOREGROUND, 1250), (BACKGROUND, 0)] {
        for (entry, when, background) in [(empty(), 100, 1250), (holding(), 100, 1000)] {
            let mut entry = running(entry, mode, when);
            entry.fail(now(when), Failure::Retryable, "unavailable", 1.0);
            assert_eq!(closed_for(&entry, FOREGROUND, when), millis(foreground));
            assert_eq!(closed_for(&entry, BACKGROUND, when), millis(background));
        }
    }
}

#[test]
fn failure_of_removed_entry_changes_nothing() {
    for mode in MODES {
        let mut entry = Removed.entry(mode);
        assert!(!entry.fail(now(101), Failure::Retryable, "unavailable", 0.0));
        assert_eq!(entry.report(now(101)).consecutive_failures, 0);
        assert_eq!(call(&entry, 101), Decision::Removed);
    }
}

#[test]
fn late_failure_frees_the_entry_only() {
    for late in [OVERDUE, OVERDUE + 10, 5000] {
        for (state, mode) in STATES.into_iter().flat_map(|state| MODES.map(|mode| (state, mode))) {
            for failure in [Failure::Retryable, Failure::Permanent, Failure::Deferred] {
                let mut entry = state.entry(mode);
                let when = state.started() + late;
                let name = format!("{state:?}, {mode:?}, {failure:?}, {late}");
                let gates = MODES.map(|mode| gate(&entry, mode));
                assert!(!entry.fail(now(when), failure, error_of(failure), 0.5), "{name}");
                assert_eq!(MODES.map(|mode| gate(&entry, mode)), gates, "{name}");
                assert_eq!(entry.report(now(when)).consecutive_failures, 0, "{name}");
                assert!(!entry.is_fetching(now(when)), "{name}");
                let then = match state {
                    Removed | Empty => state,
                    _ if when >= EXPIRES_AT => Expired,
                    _ => state,
                };
                for mode in MODES {
                    let answer = entry.decide(Request::Session, mode, now(when));
                    assert_eq!(answer, then.answer_with_open_gate(when), "{name}");
                }
            }
        }
    }
}

#[test]
fn failure_in_time_is_a_failure() {
    let mut entry = Empty.entry(FOREGROUND);
    assert!(entry.fail(now(100 + OVERDUE - 1), Failure::Retryable, "unavailable", 0.0));
}

#[test]
fn late_success_is_adopted_while_another_fetch_runs() {
    for (state, mode) in STATES.into_iter().flat_map(|state| MODES.map(|mode| (state, mode))) {
        let mut entry = state.entry(mode);
        let (name, when) = (format!("{state:?}, {mode:?}"), state.started() + OVERDUE);
        if state == Removed {
            assert!(!entry.accepts_session(1), "{name}");
            continue;
        }
        let late = entry.newest_generation();
        let newer = entry.begin_fetch(now(when), mode, false);
        assert!(entry.accepts_session(late) && !entry.is_current(late), "{name}");
        let session_late = fetched(2, when - OVERDUE, when + 3600);
        assert_eq!(check_session(&entry, now(when), &session_late), Ok(()), "{name}");
        // The callers of the fetch that took over have waited for this session.
        let joined = entry.succeed(now(when), late, session_late, true, 0.0);
        assert_eq!(joined, mode == FOREGROUND, "{name}");
        assert_eq!(call(&entry, when), session(2), "{name}");
        // The fetch that took over is still the running one, and its session replaces the late one.
        assert!(entry.is_current(newer) && entry.accepts_session(newer), "{name}");
        assert!(!entry.accepts_session(late), "{name}");
        complete(&mut entry, when + 1, fetched(3, when, when + 3602));
        assert_eq!(call(&entry, when + 1), session(3), "{name}");
    }
}

#[test]
fn late_success_is_not_adopted_after_newer_one() {
    let entry = Empty.entry(FOREGROUND);
    let late = entry.newest_generation();
    let mut entry = running(entry, FOREGROUND, 100 + OVERDUE);
    complete(&mut entry, 120, fetched(2, 116, 4000));
    assert!(!entry.accepts_session(late));
    assert!(entry.accepts_session(entry.newest_generation() + 1));
}

#[test]
fn late_success_keeps_newer_fetch_for_its_callers() {
    let mut entry = Advisory.entry(BACKGROUND);
    let late = entry.newest_generation();
    let when = REFRESH_AT + OVERDUE;
    entry.begin_fetch(now(when), FOREGROUND, true);
    entry.succeed(now(when), late, fetched(2, REFRESH_AT, REFRESH_AT + 3600), true, 0.0);
    // The caller of refresh() waits for the newer fetch.
    let request = Request::NewerThan(late);
    assert_eq!(entry.decide(request, FOREGROUND, now(when + 1)), join(when + 16));
}

#[test]
fn success_after_failures_opens_both_gates() {
    let entry = (0..5).fold(holding(), |entry, _| failing(entry, FOREGROUND, 100));
    let entry = adopting(entry, 200, fetched(2, 200, 3800));
    for mode in MODES {
        assert_eq!(closed_for(&entry, mode, 200), secs(1));
        assert_eq!((entry.gate(mode).failures, entry.gate(mode).error), (0, None));
    }
    let failed = failing(entry, FOREGROUND, 300);
    assert_eq!(closed_for(&failed, FOREGROUND, 300), secs(1), "begins again");
}

#[test]
fn joined_fetch_is_known_to_have_callers() {
    let joins: [(FetchMode, bool, bool); 4] = [
        (FOREGROUND, false, true),
        (FOREGROUND, true, true),
        (BACKGROUND, false, false),
        (BACKGROUND, true, true),
    ];
    for (mode, joins, expected) in joins {
        let mut entry = running(empty(), mode, 0);
        if joins {
            entry.join_fetch();
        }
        let joined = entry.succeed(now(1), 1, fetched(1, 0, EXPIRES_AT), true, 0.0);
        assert_eq!(joined, expected, "{mode:?}");
        // The refresh after a fetch that callers waited for is drawn from a wider range.
        let refresh_at = if expected { EXPIRES_AT / 3 } else { REFRESH_AT };
        assert_eq!(entry.next_wakeup(now(1), true, true), Wakeup::At(at(refresh_at)));
    }
}

#[test]
fn deferrals_do_not_hide_or_add_failures() {
    let failed = failing(empty(), BACKGROUND, 0);
    let deferred = failing_with(failed, BACKGROUND, Failure::Deferred, 2);
    assert_eq!(call_in_background(&deferred, 2), error("unavailable"));
    assert_eq!(deferred.report(now(2)).consecutive_failures, 1);

    let deferred =
        (0..6).fold(empty(), |entry, _| failing_with(entry, BACKGROUND, Failure::Deferred, 0));
    assert_eq!(closed_for(&deferred, BACKGROUND, 0), secs(32), "doubles");
    assert_eq!(deferred.report(now(0)).consecutive_failures, 0);
    // The pauses of failures are counted apart from those of deferrals, and the reverse.
    let failed = failing(deferred, BACKGROUND, 0);
    assert_eq!(closed_for(&failed, BACKGROUND, 0), secs(1));
    assert_eq!(call_in_background(&failed, 0), error("unavailable"));
    let deferred = failing_with(failed, BACKGROUND, Failure::Deferred, 0);
    assert_eq!(closed_for(&deferred, BACKGROUND, 0), secs(1));
}

use super::*;

/// As of a source that takes 15 s at most.
const OVERDUE: Duration = Duration::from_secs(16);

mod asking;
mod ends;
mod histories;

/// A session as the machine sees it: its keys, and its end by the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keys {
    id: u32,
    end: Moment,
}

impl SameSession for Keys {
    fn same(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

type Machine = Slot<Keys, &'static str>;

/// Of the session that `holding` holds, an hour from 0 on: nobody waited for it, the draw is 0.0.
const REFRESH_AT: u64 = 2700;
const HARD_AT: u64 = 3540;
const END: u64 = 3600;
const FIRST: Keys = Keys { id: 1, end: at(END) };

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn at(seconds: u64) -> Moment {
    Moment::from_nanos((1_000_000 + seconds) * 1_000_000_000)
}

fn fetched(id: u32, since: u64, end: u64) -> Fetched<Keys> {
    Fetched { session: Keys { id, end: at(end) }, since: at(since), end: at(end) }
}

fn holding() -> Machine {
    let mut slot = Machine::new(OVERDUE, true);
    slot.start(at(0));
    slot.succeeded(at(0), fetched(1, 0, END), 0.0);
    slot
}

fn running(mut slot: Machine, since: u64) -> Machine {
    slot.start(at(since));
    slot
}

fn failed(mut slot: Machine, when: u64) -> Machine {
    slot.start(at(when));
    slot.failed(at(when), Failure { error: "no", retryable: true }, 0.0);
    slot
}

fn deferred(mut slot: Machine, when: u64) -> Machine {
    slot.start(at(when));
    slot.deferred(at(when), "put off", 0.0);
    slot
}

fn rejected(mut slot: Machine, when: u64) -> Machine {
    let held = *slot.session().unwrap();
    assert!(slot.invalidate(at(when), &held));
    slot
}

fn hand(session: Keys, refresh: bool) -> Decision<Keys, &'static str> {
    Decision::Hand { session, refresh }
}

fn wait(start: bool, until: u64, otherwise: Option<Keys>) -> Decision<Keys, &'static str> {
    let otherwise = otherwise.map(|session| (session, session.end));
    Decision::Wait(Wait { start, until: at(until), otherwise })
}

#[test]
fn before_refresh_at_the_session_is_handed_out_and_nothing_else_happens() {
    for now in [0, 1, REFRESH_AT - 1] {
        assert_eq!(holding().decide(at(now)), hand(FIRST, false), "{now}");
    }
}

#[test]
fn in_the_refresh_window_the_session_is_handed_out_at_once_and_a_refresh_starts() {
    for now in [REFRESH_AT, HARD_AT - 1] {
        assert_eq!(holding().decide(at(now)), hand(FIRST, true), "{now}");
    }
}

#[test]
fn in_the_refresh_window_no_second_refresh_starts_beside_the_running_one() {
    let slot = running(holding(), REFRESH_AT);
    assert_eq!(slot.decide(at(REFRESH_AT + 15)), hand(FIRST, false));
}

#[test]
fn in_the_refresh_window_no_refresh_starts_while_backoff_forbids() {
    let slot = failed(holding(), REFRESH_AT);
    assert_eq!(slot.decide(at(REFRESH_AT)), hand(FIRST, false));
    assert_eq!(slot.decide(at(REFRESH_AT + 1)), hand(FIRST, true));
}

#[test]
fn in_the_hard_window_a_caller_waits_two_seconds_for_the_running_refresh() {
    let slot = running(holding(), HARD_AT);
    assert_eq!(slot.decide(at(HARD_AT + 5)), wait(false, HARD_AT + 7, Some(FIRST)));
}

#[test]
fn in_the_hard_window_a_caller_starts_the_refresh_it_waits_for() {
    assert_eq!(holding().decide(at(HARD_AT)), wait(true, HARD_AT + 2, Some(FIRST)));
    assert_eq!(holding().decide(at(END - 1)), wait(true, END + 1, Some(FIRST)));
}

/// It binds whoever fetches in the background. A caller who must wait anyway waits for a turn.
#[test]
fn a_refresh_that_was_put_off_by_table() {
    let none = || Machine::new(OVERDUE, true);
    let twice = |slot, when| deferred(deferred(slot, when), when);
    // (case, state, now, for a caller, in the background)
    for (case, slot, now, caller, background) in [
        (
            "window",
            deferred(holding(), REFRESH_AT),
            REFRESH_AT,
            hand(FIRST, false),
            hand(FIRST, false),
        ),
        (
            "window, a second later",
            deferred(holding(), REFRESH_AT),
            REFRESH_AT + 1,
            hand(FIRST, true),
            hand(FIRST, true),
        ),
        (
            "hard",
            deferred(holding(), HARD_AT),
            HARD_AT,
            wait(true, HARD_AT + 2, Some(FIRST)),
            hand(FIRST, false),
        ),
        (
            "hard, put off in the window",
            twice(holding(), HARD_AT - 1),
            HARD_AT,
            wait(true, HARD_AT + 2, Some(FIRST)),
            wait(true, HARD_AT + 2, Some(FIRST)),
        ),
        (
            "rejected",
            deferred(rejected(holding(), 5), 5),
            5,
            wait(true, 21, Some(FIRST)),
            hand(FIRST, false),
        ),
        (
            "put off, and then rejected",
            rejected(deferred(holding(), REFRESH_AT), REFRESH_AT),
            REFRESH_AT,
            wait(true, REFRESH_AT + 16, Some(FIRST)),
            hand(FIRST, false),
        ),
        ("none", deferred(none(), 0), 0, wait(true, 16, None), Decision::Fail("put off")),
        (
            "over",
            deferred(holding(), END),
            END,
            wait(true, END + 16, None),
            Decision::Fail("put off"),
        ),
        (
            "failed, and remembered",
            failed(deferred(none(), 0), 0),
            0,
            Decision::Fail("no"),
            Decision::Fail("no"),
        ),
    ] {
        assert_eq!(slot.decide(at(now)), caller, "{case}");
        let in_the_background = slot.decide_for(Ask::Session, FetchMode::Background, at(now));
        assert_eq!(in_the_background, background, "{case}, in the background");
    }
}

#[test]
fn a_failure_after_refreshes_that_were_put_off_is_the_first() {
    let mut slot = holding();
    for _ in 0..6 {
        slot = deferred(slot, REFRESH_AT);
    }
    let slot = failed(slot, REFRESH_AT);
    assert_eq!(slot.look(at(REFRESH_AT)).consecutive_failures, 1);
    assert_eq!(slot.decide(at(REFRESH_AT + 1)), hand(FIRST, true));
}

#[test]
fn in_the_hard_window_the_session_is_handed_out_at_once_while_backoff_forbids() {
    let slot = failed(holding(), HARD_AT);
    assert_eq!(slot.decide(at(HARD_AT)), hand(FIRST, false));
    assert_eq!(slot.decide(at(HARD_AT + 1)), wait(true, HARD_AT + 3, Some(FIRST)));
}

#[test]
fn in_the_hard_window_a_refresh_that_fails_leaves_the_session_until_its_end() {
    let Decision::Wait(wait) = holding().decide(at(HARD_AT)) else { panic!("no wait") };
    assert_eq!(wait.otherwise, Some((FIRST, at(END))));
}

#[test]
fn with_none_a_caller_starts_the_one_fetch_and_others_wait_for_it() {
    let slot = Machine::new(OVERDUE, true);
    assert_eq!(slot.decide(at(0)), wait(true, 16, None));
    assert_eq!(running(slot, 0).decide(at(7)), wait(false, 16, None));
}

#[test]
fn an_expired_session_is_as_good_as_none() {
    assert_eq!(holding().decide(at(END)), wait(true, END + 16, None));
    let slot = running(holding(), END - 1);
    assert_eq!(slot.decide(at(END)), wait(false, END + 15, None));
}

#[test]
fn with_none_the_error_of_a_moment_ago_is_remembered_and_then_tried_again() {
    let slot = failed(Machine::new(OVERDUE, true), 0);
    assert_eq!(slot.decide(at(0)), Decision::Fail("no"));
    assert_eq!(slot.decide(at(1)), wait(true, 17, None));
    let slot = failed(slot, 1);
    assert_eq!(slot.decide(at(2)), Decision::Fail("no"), "the second for two seconds");
    assert_eq!(slot.decide(at(3)), wait(true, 19, None));
    let slot = running(slot, 3);
    assert_eq!(slot.decide(at(4)), wait(false, 19, None), "no error while there is hope");
}

#[test]
fn an_expired_session_is_never_handed_out_for_the_error() {
    assert_eq!(failed(holding(), END).decide(at(END)), Decision::Fail("no"));
}

#[test]
fn an_error_that_is_not_retryable_is_remembered_for_longer() {
    // (held, when, until when nothing starts)
    for (slot, when, until) in
        [(Machine::new(OVERDUE, true), 0, 5), (holding(), REFRESH_AT, REFRESH_AT + 15)]
    {
        let mut slot = running(slot, when);
        slot.failed(at(when), Failure { error: "denied", retryable: false }, 0.0);
        let starts = |now| match slot.decide(at(now)) {
            Decision::Hand { refresh, .. } => refresh,
            Decision::Wait(wait) => wait.start,
            _ => false,
        };
        assert_eq!((starts(until - 1), starts(until)), (false, true), "{when}");
    }
}

#[test]
fn with_a_rejected_session_a_caller_waits_as_if_there_were_none() {
    assert_eq!(rejected(holding(), 5).decide(at(5)), wait(true, 21, Some(FIRST)));
}

#[test]
fn with_a_rejected_session_a_caller_waits_for_the_fetch_that_runs() {
    let slot = running(rejected(holding(), 5), 5);
    assert_eq!(slot.decide(at(9)), wait(false, 21, Some(FIRST)));
}

#[test]
fn a_rejected_session_is_handed_out_while_the_limiter_allows_no_fetch() {
    let mut slot = running(rejected(holding(), 5), 5);
    let next = fetched(2, 6, END);
    slot.succeeded(at(6), next.clone(), 0.0);
    let slot = rejected(slot, 7);
    assert_eq!(slot.decide(at(14)), hand(next.session, false));
    assert_eq!(slot.decide(at(15)), wait(true, 31, Some(next.session)));
}

#[test]
fn a_rejected_session_is_handed_out_after_the_fetch_failed() {
    let slot = failed(rejected(holding(), 5), 5);
    assert_eq!(slot.decide(at(6)), hand(FIRST, false));
    assert_eq!(slot.decide(at(15)), wait(true, 31, Some(FIRST)));
}

#[test]
fn a_rejection_of_another_session_is_old_news() {
    let mut slot = holding();
    assert!(!slot.invalidate(at(5), &Keys { id: 7, ..FIRST }));
    assert_eq!(slot.decide(at(5)), hand(FIRST, false));
}

#[test]
fn a_second_rejection_of_the_held_session_is_no_news() {
    assert!(!rejected(holding(), 5).invalidate(at(6), &FIRST));
}

#[test]
fn a_rejected_session_that_has_ended_is_as_good_as_none() {
    assert_eq!(rejected(holding(), 5).decide(at(END)), wait(true, END + 16, None));
}

#[test]
fn fetches_on_account_of_rejections_are_ever_farther_apart_up_to_five_minutes() {
    let (mut slot, mut now) = (holding(), 5);
    for (id, spacing) in (2..).zip([10, 20, 40, 80, 160, 300, 300]) {
        slot = rejected(slot, now);
        assert!(matches!(slot.decide(at(now)), Decision::Wait(Wait { start: true, .. })), "{now}");
        slot.start(at(now));
        slot.succeeded(at(now), fetched(id, now, now + END), 0.0);
        let shown = rejected(slot.clone(), now);
        assert!(matches!(shown.decide(at(now + spacing - 1)), Decision::Hand { .. }), "{spacing}");
        now += spacing;
    }
}

#[test]
fn after_a_quiet_time_as_long_as_the_spacing_a_rejection_is_a_new_story() {
    // Of the second spacing, 20 s from 20 on: quiet until 60.
    for (again, spacing) in [(59, 40), (60, 10)] {
        let mut slot = holding();
        for (id, now) in [(2, 10), (3, 20)] {
            slot = running(rejected(slot, now), now);
            slot.succeeded(at(now), fetched(id, now, END), 0.0);
        }
        slot = running(rejected(slot, again), again);
        slot.succeeded(at(again), fetched(4, again, END), 0.0);
        slot = rejected(slot, again);
        let starts = |now| matches!(slot.decide(at(now)), Decision::Wait(_));
        assert_eq!(
            (starts(again + spacing - 1), starts(again + spacing)),
            (false, true),
            "{again}"
        );
    }
}

#[test]
fn a_result_is_awaited_under_the_generation_of_the_running_fetch_alone() {
    let mut slot = Machine::new(OVERDUE, true);
    let old = slot.start(at(0));
    assert!(slot.awaits(old));
    let new = slot.start(at(16));
    assert_eq!((slot.awaits(old), slot.awaits(new)), (false, true));
    slot.succeeded(at(17), fetched(1, 16, END), 0.0);
    assert!(!slot.awaits(new), "it was handed in");
}

#[test]
fn a_lost_fetch_makes_room_at_once_and_one_lost_after_the_other_is_a_failure() {
    let mut slot = Machine::new(OVERDUE, true);
    let first = slot.start(at(0));
    assert!(slot.lost(true));
    assert!(!slot.awaits(first));
    assert_eq!(slot.decide(at(1)), wait(true, 17, None));
    slot.start(at(1));
    assert!(!slot.lost(true), "the second in a row");
    slot.start(at(2));
    slot.succeeded(at(2), fetched(1, 2, END), 0.0);
    slot.start(at(3));
    assert!(slot.lost(true), "another story");
}

#[test]
fn a_fetch_that_was_lost_before_it_asked_is_none() {
    let mut slot = rejected(holding(), 5);
    for lost in 5..9 {
        slot.start(at(lost));
        assert!(slot.lost(false));
        assert_eq!(slot.decide(at(lost)), wait(true, lost + 16, Some(FIRST)), "{lost}");
    }
    slot.start(at(9));
    assert!(slot.lost(true), "the first");
    assert_eq!(slot.decide(at(18)), hand(FIRST, false));
    assert_eq!(slot.decide(at(19)), wait(true, 35, Some(FIRST)));
}

#[test]
fn an_overdue_fetch_is_taken_over() {
    let cold = running(Machine::new(OVERDUE, true), 0);
    assert_eq!(cold.decide(at(15)), wait(false, 16, None));
    assert_eq!(cold.decide(at(16)), wait(true, 32, None));
    let warm = running(holding(), REFRESH_AT);
    assert_eq!(warm.decide(at(REFRESH_AT + 15)), hand(FIRST, false));
    assert_eq!(warm.decide(at(REFRESH_AT + 16)), hand(FIRST, true));
}

#[test]
fn an_unchanged_session_is_no_failure_and_is_looked_at_again_after_a_part_of_what_is_left() {
    // (when, pause: a quarter of what is left, 30 s at least)
    for (when, pause) in [(2800, 200), (3500, 30), (3560, 30)] {
        let mut slot = running(failed(holding(), REFRESH_AT), when);
        slot.succeeded(at(when), fetched(1, 0, END), 0.5);
        assert_eq!((slot.failures.in_a_row, slot.failures.last), (0, None), "{when}");
        assert_eq!(slot.decide(at(when + pause - 1)), hand(FIRST, false), "{when}");
        let again = slot.decide(at(when + pause));
        assert_ne!(again, hand(FIRST, false), "{when}");
    }
}

#[test]
fn a_session_with_other_keys_or_another_end_takes_the_place_of_the_held_one() {
    for (id, end) in [(2, END), (2, END + 100), (1, END + 100)] {
        let mut slot = running(failed(holding(), REFRESH_AT), 2800);
        let next = fetched(id, 2800, end);
        assert_eq!(slot.check(at(2800), &next), Ok(()));
        slot.succeeded(at(2800), next.clone(), 0.0);
        assert_eq!(slot.decide(at(2800)), hand(next.session, false));
        assert_eq!((slot.failures.in_a_row, slot.failures.last), (0, None));
    }
}

#[test]
fn answers_that_are_no_use_are_refused() {
    let held = holding();
    let shunned = rejected(holding(), 5);
    let none = Machine::new(OVERDUE, true);
    for (case, slot, now, answer, expected) in [
        ("ended already", &none, 10, fetched(2, 0, 10), Err(Refused::Expired)),
        ("ended, while one is held", &held, 10, fetched(2, 0, 9), Err(Refused::Expired)),
        ("ends at once", &none, 10, fetched(2, 0, 11), Err(Refused::Expired)),
        ("first", &none, 10, fetched(2, 0, 12), Ok(())),
        ("sooner", &held, 10, fetched(2, 10, END - 11), Err(Refused::ExpiresSooner)),
        ("as late, read a little sooner", &held, 10, fetched(2, 10, END - 10), Ok(())),
        ("as late", &held, 10, fetched(2, 10, END), Ok(())),
        ("unchanged", &held, 10, fetched(1, 10, END), Ok(())),
        ("sooner, but the held one is over", &held, END + 9, fetched(2, 10, END + 11), Ok(())),
        ("sooner, but the held one is rejected", &shunned, 10, fetched(2, 10, 99), Ok(())),
        ("rejected", &shunned, 10, fetched(1, 10, END), Err(Refused::Rejected)),
        ("rejected, later end", &shunned, 10, fetched(1, 10, 9999), Err(Refused::Rejected)),
    ] {
        assert_eq!(slot.check(at(now), &answer), expected, "{case}");
    }
}

#[test]
fn keys_without_an_end_are_never_refreshed() {
    let mut slot = running(Machine::new(OVERDUE, true), 0);
    slot.waited_for();
    let keys = Keys { id: 1, end: Moment::MAX };
    slot.succeeded(at(0), Fetched { session: keys, since: at(0), end: Moment::MAX }, 0.5);
    assert_eq!(slot.quiet_until(), Moment::MAX);
    let centuries = at(10_000_000_000);
    assert_eq!(slot.decide(centuries), hand(keys, false));
    assert_eq!(slot.tick(centuries, true, true), Tick::SleepUntil(Moment::MAX));
}

#[test]
fn the_refresh_after_a_fetch_that_callers_waited_for_is_drawn_from_a_third_of_the_lifetime_on() {
    for (waited_for, refresh_at) in [(true, END / 3), (false, REFRESH_AT)] {
        let mut slot = running(Machine::new(OVERDUE, true), 0);
        if waited_for {
            slot.waited_for();
        }
        slot.succeeded(at(0), fetched(1, 0, END), 0.0);
        assert_eq!(slot.quiet_until(), at(refresh_at), "{waited_for}");
    }
}

#[test]
fn the_timer_by_table() {
    const NEVER: Tick = Tick::SleepUntil(Moment::MAX);
    let until = |seconds| Tick::SleepUntil(at(seconds));
    let window = running(holding(), REFRESH_AT);
    // (case, state, now, wanted, even when over, what the timer does)
    for (case, slot, now, wanted, always, expected) in [
        ("none", Machine::new(OVERDUE, true), 0, true, true, NEVER),
        ("none, fetch runs", running(Machine::new(OVERDUE, true), 0), 1, true, false, until(16)),
        ("early", holding(), 1, true, false, until(REFRESH_AT)),
        ("early and unused", holding(), 1, false, false, until(REFRESH_AT)),
        ("due", holding(), REFRESH_AT, true, false, Tick::Refresh),
        ("due and unused", holding(), REFRESH_AT, false, false, NEVER),
        ("due and running", window.clone(), REFRESH_AT, true, false, until(REFRESH_AT + 16)),
        ("due and overdue", window, REFRESH_AT + 16, true, false, Tick::Refresh),
        ("backoff", failed(holding(), REFRESH_AT), REFRESH_AT, true, false, until(REFRESH_AT + 1)),
        ("hard", holding(), HARD_AT, true, false, Tick::Refresh),
        ("lapsed", holding(), END, true, false, NEVER),
        ("over, always", holding(), END, true, true, Tick::Refresh),
        ("over, always, backoff", failed(holding(), END), END, true, true, until(END + 1)),
    ] {
        assert_eq!(slot.tick(at(now), wanted, always), expected, "{case}");
    }
}

#[test]
fn the_quiet_time_by_table() {
    for (case, slot, until) in [
        ("none", Machine::new(OVERDUE, true), Moment::ZERO),
        ("held", holding(), at(REFRESH_AT)),
        ("a refresh runs", running(holding(), REFRESH_AT), at(REFRESH_AT + 16)),
        ("a refresh runs into the hard window", running(holding(), HARD_AT - 1), at(HARD_AT)),
        ("backoff", failed(holding(), REFRESH_AT), at(REFRESH_AT + 1)),
        ("backoff past the end", failed(holding(), END - 1), at(END)),
        ("rejected", rejected(holding(), 5), Moment::ZERO),
    ] {
        assert_eq!(slot.quiet_until(), until, "{case}");
    }
}

#[test]
fn an_unchanged_session_that_turns_out_to_last_longer_is_held_for_longer() {
    // The wall clock was wrong when the first came: the same keys, the same end by the calendar.
    for now in [END - 1, END] {
        let mut slot = running(holding(), now);
        let longer = Fetched { session: FIRST, since: at(now), end: at(2 * END) };
        assert_eq!(slot.check(at(now), &longer), Ok(()));
        slot.succeeded(at(now), longer, 0.0);
        assert_eq!(slot.decide(at(END + 60)), hand(FIRST, false), "{now}");
    }
}

#[test]
fn a_rejection_does_not_wait_for_the_look_at_an_unchanged_session() {
    let mut slot = running(holding(), REFRESH_AT);
    slot.succeeded(at(REFRESH_AT), fetched(1, 0, END), 0.0);
    let slot = rejected(slot, REFRESH_AT + 1);
    assert!(matches!(slot.decide(at(REFRESH_AT + 1)), Decision::Wait(_)));
}

#[test]
fn an_unchanged_session_whose_end_was_read_a_little_later_is_unchanged() {
    let mut slot = running(holding(), REFRESH_AT);
    let read_later = Fetched { session: FIRST, since: at(REFRESH_AT), end: at(END + 1) };
    slot.succeeded(at(REFRESH_AT), read_later, 0.0);
    assert_eq!(slot.quiet_until(), at(REFRESH_AT + 225));
}

#[test]
fn a_session_that_comes_in_late_in_its_own_window_starts_no_other_at_once() {
    let mut slot = running(Machine::new(OVERDUE, true), 3000);
    slot.succeeded(at(3000), fetched(1, 0, END), 0.0);
    assert_eq!(slot.decide(at(3000)), hand(FIRST, false));
    assert_eq!(slot.tick(at(3000), true, false), Tick::SleepUntil(at(3001)));
    assert_eq!(slot.decide(at(3001)), hand(FIRST, true));
}

#[test]
fn a_first_load_that_failed_is_tried_again_by_the_timer_only_if_it_always_refreshes() {
    let slot = failed(Machine::new(OVERDUE, true), 0);
    assert_eq!(slot.tick(at(0), true, true), Tick::SleepUntil(at(1)));
    assert_eq!(slot.tick(at(1), true, true), Tick::Refresh);
    assert_eq!(slot.tick(at(1), true, false), Tick::SleepUntil(Moment::MAX));
}

#[test]
fn the_same_keys_with_an_end_read_a_little_sooner_are_unchanged() {
    let mut slot = running(holding(), 2800);
    let sooner = fetched(1, 2800, END - 1);
    assert_eq!(slot.check(at(2800), &sooner), Ok(()));
    slot.succeeded(at(2800), sooner, 0.0);
    assert_eq!(slot.session(), Some(&FIRST));
    assert_eq!(slot.decide(at(2999)), hand(FIRST, false), "looked at again after a quarter");
    let much_sooner = fetched(1, 2800, END - 11);
    assert_eq!(slot.check(at(2800), &much_sooner), Err(Refused::ExpiresSooner));
}

#[test]
fn further_tries_on_account_of_one_rejection_keep_its_spacing() {
    let mut slot = rejected(holding(), 5);
    for now in [5, 15, 25, 60] {
        let decision = slot.decide(at(now));
        assert!(
            matches!(decision, Decision::Wait(Wait { start: true, .. })),
            "{now}: {decision:?}"
        );
        slot = failed(slot, now);
    }
}

#[test]
fn without_refresh_a_session_is_handed_out_to_its_end() {
    let mut slot = Machine::new(OVERDUE, false);
    slot.start(at(0));
    let end = at(3600);
    let keys = Keys { id: 1, end };
    slot.succeeded(at(0), Fetched { session: keys, since: at(0), end }, 0.0);
    for second in [0, 1800, 3599] {
        assert_eq!(slot.decide(at(second)), Decision::Hand { session: keys, refresh: false });
        assert_eq!(slot.tick(at(second), false, false), Tick::SleepUntil(end));
    }
    assert!(matches!(slot.decide(end), Decision::Wait(Wait { start: true, otherwise: None, .. })));
}

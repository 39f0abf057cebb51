//! How soon a session is fetched after an outage, with callers at every moment.

use super::*;

/// Runs callers every 100 ms on an entry whose provider denies each of the first attempts at once.
/// Returns when the attempts began, in milliseconds after `from`; the last one succeeds.
fn attempts(entry: &mut Entry, from: u64, denials: usize, draw: f64) -> Vec<u64> {
    let mut attempts = Vec::new();
    for tick in 0.. {
        let passed = millis(100 * tick);
        let start = now(from);
        let now = Now { at: start.at + passed, wall: start.wall + passed };
        if !starts(&entry.decide(Request::Session, FOREGROUND, now)) {
            continue;
        }
        let generation = entry.begin_fetch(now, FOREGROUND, false);
        attempts.push(100 * tick);
        if attempts.len() > denials {
            let session = Fetched {
                session: Keys(generation as u32),
                since: now.at,
                expires_at: now.at + secs(3600),
                measured: true,
                is_static: false,
            };
            assert_eq!(check_session(entry, now, &session), Ok(()));
            entry.succeed(now, generation, session, true, draw);
            return attempts;
        }
        assert!(entry.fail(now, Failure::Permanent, "denied", draw));
    }
    unreachable!()
}

fn seconds(attempts: &[u64]) -> Vec<u64> {
    attempts.iter().map(|millis| millis / 1000).collect()
}

#[test]
fn recreated_role_is_recovered_as_without_session() {
    for entry in [empty(), invalidated(holding(), 100)] {
        let all = |denials, draw| attempts(&mut entry.clone(), 100, denials, draw);
        assert_eq!(seconds(&all(4, 0.0)), [0, 1, 3, 7, 15]);
        assert_eq!(seconds(&all(8, 0.0)), [0, 1, 3, 7, 15, 25, 35, 45, 55]);
        let latest = |denials| *all(denials, 1.0).last().unwrap();
        assert!(latest(4) <= 20_000, "{}", latest(4));
        assert!(latest(8) <= 60_000, "{}", latest(8));
    }
}

#[test]
fn denials_before_invalidation_do_not_delay_callers() {
    let entry = (0..8).fold(holding(), |entry, _| {
        failing_with(entry, BACKGROUND, Failure::Permanent, REFRESH_AT)
    });
    let mut entry = invalidated(entry, REFRESH_AT + 1);
    assert_eq!(attempts(&mut entry, REFRESH_AT + 1, 0, 0.0), [0]);
}

#[test]
fn pauses_of_callers_last_ten_seconds_at_most() {
    let mut entry = empty();
    let attempts = attempts(&mut entry, 0, 500, 1.0);
    let longest = attempts.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert_eq!(longest, Some(10_000));
}

/// Returns the pauses of the timer, in whole seconds, while a provider fails `count` times.
fn timer_pauses(mut entry: Entry, from: u64, failure: Failure, count: usize) -> Vec<u64> {
    let (mut pauses, mut now) = (Vec::new(), now(from));
    for _ in 0..count {
        entry.begin_fetch(now, BACKGROUND, false);
        assert!(entry.fail(now, failure, "unavailable", 0.0));
        let Wakeup::At(next) = entry.next_wakeup(now, true, true) else { panic!("no pause") };
        pauses.push((next - now.at).as_secs());
        now = Now { at: next, wall: now.wall + (next - now.at) };
        assert_eq!(entry.next_wakeup(now, true, true), Wakeup::Refresh);
    }
    pauses
}

#[test]
fn refresh_always_backs_off_to_five_minutes() {
    let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
    for failure in [Failure::Retryable, Failure::Permanent] {
        assert_eq!(timer_pauses(empty(), 0, failure, 11), expected);
        assert_eq!(timer_pauses(invalidated(holding(), 0), 0, failure, 11), expected);
    }
}

#[test]
fn background_backs_off_while_session_is_valid() {
    let keys = || adopting(empty(), 0, unlimited(1, 0));
    assert_eq!(
        timer_pauses(keys(), 1000, Failure::Retryable, 11),
        [0, 1, 2, 4, 8, 16, 32, 64, 128, 150, 150]
    );
    assert_eq!(timer_pauses(keys(), 1000, Failure::Permanent, 6), [15, 30, 60, 120, 150, 150]);
    assert_eq!(timer_pauses(keys(), 1000, Failure::Deferred, 5), [0, 1, 2, 4, 8]);
}

/// Calls each second while every fetch hangs until its timeout of 15 s. Returns how many calls
/// wait, and how many fetches begin.
fn waits_for_hanging_fetches(mut entry: Entry, from: u64, seconds: u64) -> (usize, usize) {
    let (mut waits, mut fetches, mut times_out) = (0, 0, None);
    for when in from..from + seconds {
        if times_out == Some(when) {
            assert!(entry.fail(now(when), Failure::Retryable, "timed out", 0.0));
        }
        match call(&entry, when) {
            Decision::Wait(Wait { start, until, fallback }) => {
                assert!(until <= at(when + 2) && fallback.is_some(), "{when}");
                waits += 1;
                if start {
                    fetches += 1;
                    entry.begin_fetch(now(when), FOREGROUND, false);
                    times_out = Some(when + 15);
                }
            }
            answer => assert_eq!(answer, session(1), "{when}"),
        }
    }
    (waits, fetches)
}

#[test]
fn hanging_fetch_delays_calls_for_two_seconds() {
    // Fetches begin at 0, 16, 33 and 52 s, and later 10 s after the one before timed out.
    let mandatory = waits_for_hanging_fetches(holding(), MANDATORY_AT, 60);
    assert_eq!(mandatory, (8, 4));
    let invalidated = waits_for_hanging_fetches(invalidated(holding(), 50), 50, 300);
    assert_eq!(invalidated, (2 * 13, 13));
}

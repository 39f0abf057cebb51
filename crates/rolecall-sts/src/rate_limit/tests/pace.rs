//! Tests of the pace, which is a state machine of the time and of what happens.

use std::time::Duration;

use proptest::prelude::*;
use rolecall_core::Moment;

use super::{MINUTE, limit};
use crate::rate_limit::pace::Pace;

const BEGIN: Moment = Moment::from_nanos(3_600_000_000_000);

fn pace(calls_per_second: u32) -> Pace {
    Pace::new(limit(calls_per_second, 1).calls_per_second)
}

fn at(millis: u64) -> Moment {
    BEGIN + Duration::from_millis(millis)
}

/// Starts a call as soon as possible.
fn start_next(pace: &mut Pace, now: Moment) -> Moment {
    let start = pace.next_start(now);
    assert!(pace.start(start).is_some());
    start
}

#[test]
fn pace_spaces_calls_evenly_in_order() {
    let mut pace = pace(50);
    // Six at once (a burst of a tenth of a second and one on time), then one every 20 ms.
    let expected: Vec<u128> = (0..100_u128).map(|n| (n * 20).saturating_sub(100)).collect();
    let estimated: Vec<u128> =
        (0..100).map(|ahead| (pace.earliest_start(ahead, BEGIN) - BEGIN).as_millis()).collect();
    assert_eq!(estimated, expected);
    let mut now = BEGIN;
    let starts: Vec<u128> = (0..100)
        .map(|_| {
            now = start_next(&mut pace, now);
            (now - BEGIN).as_millis()
        })
        .collect();
    assert_eq!(starts, expected);
    assert!(pace.start(at(1899)).is_none());
    assert_eq!((pace.next_start(at(1899)), pace.earliest_start(0, at(1899))), (at(1900), at(1900)));
    // An idle hour allows no larger burst than an idle tenth of a second.
    let later = BEGIN + 60 * MINUTE;
    assert_eq!((0..100).filter(|_| pace.start(later).is_some()).count(), 6);
}

#[test]
fn start_taken_back_is_available_again() {
    let mut pace = pace(10);
    let first = pace.start(BEGIN).unwrap();
    let second = pace.start(BEGIN).unwrap();
    assert!(pace.start(BEGIN).is_none());
    // Another call has started after the first one, and after the second one none.
    pace.take_back(&first);
    assert!(pace.start(BEGIN).is_none());
    pace.take_back(&second);
    assert!(pace.start(BEGIN).is_some());
    assert!(pace.start(BEGIN).is_none());
}

#[test]
fn rate_follows_the_outcomes_of_calls() {
    enum Outcome {
        Success,
        /// Throttled, and sent at this time.
        SentAt(u64),
    }
    use Outcome::{SentAt, Success};
    /// The time in milliseconds, what happens then, and the rate after it.
    type Step = (u64, Outcome, f64);
    let cases: &[(&str, &[Step])] = &[
        ("a success at the configured rate", &[(0, Success, 120.0), (5000, Success, 120.0)]),
        (
            "a burst of throttled calls counts once",
            &[
                (100, SentAt(0), 60.0),
                (110, SentAt(20), 60.0),
                (1500, SentAt(99), 60.0),
                (1500, SentAt(100), 60.0),
            ],
        ),
        (
            "throttled calls that were sent later",
            &[(0, SentAt(0), 60.0), (999, SentAt(1), 60.0), (1000, SentAt(2), 30.0)],
        ),
        (
            "the lowest rate is one call per second",
            &[
                (0, SentAt(0), 60.0),
                (1000, SentAt(999), 30.0),
                (2000, SentAt(1999), 15.0),
                (3000, SentAt(2999), 7.5),
                (4000, SentAt(3999), 3.75),
                (5000, SentAt(4999), 1.875),
                (6000, SentAt(5999), 1.0),
                (7000, SentAt(6999), 1.0),
            ],
        ),
        (
            "two calls per second more for each second of successes",
            &[
                (0, SentAt(0), 60.0),
                (500, Success, 61.0),
                (500, Success, 61.0),
                (750, Success, 61.5),
                (1750, Success, 63.5),
            ],
        ),
        (
            "a success after an idle time counts as one second",
            &[(0, SentAt(0), 60.0), (60_000, Success, 62.0), (60_500, Success, 63.0)],
        ),
        (
            "successes before a halving do not raise the rate after it",
            &[(0, SentAt(0), 60.0), (1000, SentAt(1), 30.0), (1500, Success, 31.0)],
        ),
    ];
    for (name, steps) in cases {
        // The slope is two calls per second per second.
        let mut pace = pace(120);
        for (index, (now, outcome, expected)) in steps.iter().enumerate() {
            match outcome {
                Success => pace.record_success(at(*now)),
                SentAt(sent_at) => {
                    let before = pace.rate();
                    let halved = pace.record_throttled(at(*sent_at), at(*now));
                    assert_eq!(halved, pace.rate() < before || before == 1.0, "{name}: {index}");
                }
            }
            assert!((pace.rate() - expected).abs() < 1e-9, "{name}: {index}: {}", pace.rate());
        }
    }
}

#[test]
fn rate_recovers_from_the_floor_in_a_minute() {
    for configured in [1, 2, 10, 200, 4_000_000_000] {
        let mut pace = pace(configured);
        let mut now = BEGIN;
        for _ in 0..40 {
            now = now + Duration::from_secs(1);
            pace.record_throttled(now, now);
        }
        assert_eq!(pace.rate(), 1.0);
        for _ in 0..60 {
            now = now + Duration::from_secs(1);
            pace.record_success(now);
        }
        assert_eq!(pace.rate(), f64::from(configured));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Start,
    StartAndTakeBack,
    Success,
    /// A call that was sent this many milliseconds ago was throttled.
    Throttled(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..300_u64).prop_map(Step::Advance),
        1 => (0..5000_u64).prop_map(Step::Advance),
        8 => Just(Step::Start),
        1 => Just(Step::StartAndTakeBack),
        3 => Just(Step::Success),
        2 => (0..3000_u64).prop_map(Step::Throttled),
    ];
    proptest::collection::vec(step, 1..300)
}

fn apply(pace: &mut Pace, now: &mut Moment, step: &Step) -> bool {
    match step {
        Step::Advance(millis) => *now = *now + Duration::from_millis(*millis),
        Step::Start => return pace.start(*now).is_some(),
        Step::StartAndTakeBack => {
            if let Some(start) = pace.start(*now) {
                pace.take_back(&start);
            }
        }
        Step::Success => pace.record_success(*now),
        Step::Throttled(ago) => {
            pace.record_throttled(now.earlier_by(Duration::from_millis(*ago)), *now);
        }
    }
    false
}

proptest! {
    /// Whatever happens, the calls of every window keep the configured rate, the rate stays within
    /// its limits, falls at most once per second, and rises by at most its slope.
    #[test]
    fn rate_stays_within_its_limits(configured in 1..500_u32, steps in steps()) {
        let (mut pace, mut now) = (pace(configured), BEGIN);
        let configured = f64::from(configured);
        let (mut starts, mut halvings) = (Vec::new(), Vec::<Moment>::new());
        let mut lowest: Option<(Moment, f64)> = None;
        for step in &steps {
            let before = pace.rate();
            if apply(&mut pace, &mut now, step) {
                starts.push(now);
            }
            let rate = pace.rate();
            prop_assert!((1.0..=configured).contains(&rate));
            if rate < before {
                prop_assert_eq!(rate, (before / 2.0).max(1.0));
                if let Some(last) = halvings.last() {
                    prop_assert!(now - *last >= Duration::from_secs(1));
                }
                halvings.push(now);
                lowest = Some((now, rate));
            }
            if let Some((since, lowest)) = lowest {
                let risen = (now - since).as_secs_f64() * configured / 60.0;
                prop_assert!(rate <= lowest + risen + 1e-6);
            }
        }
        for (first, from) in starts.iter().enumerate() {
            for (last, to) in starts.iter().enumerate().skip(first) {
                let window = (*to - *from).as_secs_f64() + 0.1;
                prop_assert!((last - first + 1) as f64 <= window * configured + 1.0 + 1e-6);
            }
        }
    }

    /// No sequence of successes starts a call earlier than estimated: a call that fails at once
    /// would have failed in any case. At the configured rate, the estimate is exact.
    #[test]
    fn estimated_start_is_never_too_late(
        configured in 1..500_u32,
        steps in steps(),
        ahead in 0..400_usize,
    ) {
        let (mut pace, mut now) = (pace(configured), BEGIN);
        for step in &steps {
            apply(&mut pace, &mut now, step);
        }
        let estimate = pace.earliest_start(ahead, now);
        let is_exact = pace.rate() == f64::from(configured);
        let mut start = now;
        for _ in 0..=ahead {
            let next = pace.next_start(start);
            // A success each tenth of a millisecond, more than any STS sends.
            let mut time = start;
            while !is_exact && time < next {
                pace.record_success(time);
                time = time + Duration::from_micros(100).max((next - time) / 50);
            }
            if !is_exact {
                pace.record_success(next);
            }
            start = start_next(&mut pace, next);
        }
        prop_assert!(estimate <= start + Duration::from_micros(1), "{estimate:?} {start:?}");
        if is_exact {
            prop_assert!(start <= estimate + Duration::from_micros(1), "{estimate:?} {start:?}");
        }
    }
}

//! What a day shows, beside its goals.

use std::time::Duration;

use rolecall::sts::StsClient;

use super::{Day, Fared, Tally};
use crate::figures::{Figure, Goal};

const HOUR: usize = 3600;

/// The figures of a day, each name ending in `at`.
pub fn figures(day: &Day, tally: &Tally, at: &str) -> Vec<Figure> {
    let name = |name: &str| format!("{name}{at}");
    let number = |count: u64| count as f64;
    let never =
        |what: &str, count: u64| Figure::with_goal(name(what), number(count), Goal::Exactly(0.0));
    let plain = |what: &str, value: f64| Figure::of(name(what), value);
    let Spread { busiest, mean, refreshes } = spread(day, tally);
    let back = tally.recovered.unwrap_or(day.length);
    let (out, after) = (second(day.outage.start), second(day.outage.end));
    let busiest_second = |from: usize, to: usize| {
        let seconds = tally.attempts.iter().skip(from).take(to - from);
        f64::from(seconds.copied().max().unwrap_or(0))
    };
    // What a quiet time saves up, and one that falls on the second.
    let pace = Goal::AtMost(f64::from(day.budget.calls_per_second.get()) * 1.1 + 1.0);
    // One call's, with its wait for a turn and its attempts.
    let patience = Goal::AtMost(StsClient::CALL_LIMIT.as_secs_f64());
    let least = least_recovery(day);
    vec![
        Figure::with_goal(name("busiest_to_mean"), busiest / mean, Goal::Below(2.5)),
        Figure::with_goal(name("refreshes_a_role_and_hour"), refreshes, Goal::AtMost(1.35)),
        never("served_past_their_end", tally.past_their_end),
        never("served_under_another_key", tally.under_another_key),
        never("second_fetches_of_a_role", tally.two_at_once),
        never("failed_while_a_session_was_held", tally.failed_while_held),
        never("waited_over_2_s_while_a_session_was_held", tally.waited_long_while_held),
        plain("longest_wait_while_a_session_was_held_s", tally.longest_while_held.as_secs_f64()),
        never("failed_for_no_outage", tally.otherwise.failed),
        never("waited_for_no_outage", tally.otherwise.waited),
        plain("calls", number(tally.calls)),
        plain("sts_calls", tally.attempts.iter().copied().map(f64::from).sum()),
        plain("sessions", number(tally.sessions)),
        plain("first_load_waited", number(tally.first_load.waited)),
        plain("first_load_failed", number(tally.first_load.failed)),
        plain("first_load_mean_wait_s", mean_wait(&tally.first_load)),
        Figure::with_goal(
            name("first_load_longest_wait_s"),
            tally.first_load.longest.as_secs_f64(),
            patience,
        ),
        plain("outage_waited", number(tally.outage.waited)),
        plain("outage_failed", number(tally.outage.failed)),
        plain("outage_mean_wait_s", mean_wait(&tally.outage)),
        Figure::with_goal(
            name("outage_longest_wait_s"),
            tally.outage.longest.as_secs_f64(),
            patience,
        ),
        plain("outage_sts_calls_a_second", mean_in_outage(day, tally)),
        Figure::with_goal(name("outage_busiest_second"), busiest_second(out, after), pace),
        Figure::with_goal(
            name("recovery_to_least_possible"),
            back.as_secs_f64() / least,
            Goal::AtMost(1.5),
        ),
        plain("recovery_s", back.as_secs_f64()),
        plain("recovery_failed", number(tally.failed_after_outage)),
        Figure::with_goal(
            name("recovery_busiest_second"),
            busiest_second(after, after + second(back) + 1),
            pace,
        ),
    ]
}

/// How long it takes at least until every role has a session again: one call a role, at the budget's pace; and the error
/// of a moment before the end of the outage is remembered for up to 12.5 s, so that it is the second of the calls after
/// it, every 10 s, that asks again.
fn least_recovery(day: &Day) -> f64 {
    let pace = f64::from(day.budget.calls_per_second.get());
    (day.roles as f64 / pace).max(2.0 * super::BETWEEN_CALLS.as_secs_f64())
}

fn mean_wait(fared: &Fared) -> f64 {
    fared.together.as_secs_f64() / (fared.waited.max(1) as f64)
}

struct Spread {
    /// Calls in the busiest piece.
    busiest: f64,
    /// Calls in a piece, on average.
    mean: f64,
    /// Sessions of a role in an hour, on average.
    refreshes: f64,
}

/// From the second hour on, but for the outage and its end.
fn spread(day: &Day, tally: &Tally) -> Spread {
    let piece = second(day.piece);
    let from = second(day.outage.start) / piece;
    let to = second(day.outage.end + tally.recovered.unwrap_or_default()) / piece + 1;
    let pieces = |by_second: &[u32]| -> Vec<f64> {
        let sum = |number: usize| {
            let seconds = by_second.iter().skip(number * piece).take(piece);
            seconds.copied().map(f64::from).sum()
        };
        let all = HOUR / piece..second(day.length) / piece;
        all.filter(|number| !(from..to).contains(number)).map(sum).collect()
    };
    let calls = pieces(&tally.attempts);
    let granted: f64 = pieces(&tally.granted).iter().sum();
    let hours = (calls.len() * piece) as f64 / HOUR as f64;
    Spread {
        busiest: calls.iter().copied().fold(0.0, f64::max),
        mean: calls.iter().sum::<f64>() / calls.len() as f64,
        refreshes: granted / hours / day.roles as f64,
    }
}

fn mean_in_outage(day: &Day, tally: &Tally) -> f64 {
    let (from, to) = (second(day.outage.start), second(day.outage.end));
    let calls: f64 = tally.attempts[from..to].iter().copied().map(f64::from).sum();
    calls / (to - from) as f64
}

fn second(time: Duration) -> usize {
    usize::try_from(time.as_secs()).unwrap_or(usize::MAX)
}

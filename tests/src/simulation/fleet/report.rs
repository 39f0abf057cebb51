//! The figures of a simulated day of a fleet, with their goals.

use std::ops::Range;
use std::time::Duration;

use rolecall::sts::{RateLimit, StsClient};

use super::{CALL_INTERVAL, FleetDay, FleetTally, NETWORK_LOSS, Phase};
use crate::figures::{Figure, Goal};
use crate::simulation::oracle::most_fetches_because_of_rejections;
use crate::simulation::seconds;
use crate::simulation::sts::LIFETIME;

/// Longest permitted wait of a caller while a valid session is cached.
const MAX_WAIT_WITH_VALID_SESSION: Goal = Goal::AtMost(2.0);
/// Longest permitted wait of the first request of a role after a freeze.
const MAX_WAIT_AFTER_THAW: Goal = Goal::AtMost(5.0);

pub(super) fn figures(day: &FleetDay, tally: &FleetTally) -> Vec<Figure> {
    let by_phase = tally.by_phase.iter();
    let total = |count: fn(&super::CallStats) -> u64| by_phase.clone().map(count).sum();
    let longest = by_phase.clone().map(|stats| stats.longest_wait_with_valid_session).max();
    let mut figures = vec![
        zero("expired_sessions_served", tally.expired_sessions_served),
        zero("sessions_of_another_key_served", tally.sessions_of_another_key),
        zero("concurrent_fetches_of_a_role", tally.sts.concurrent_fetches),
        zero("failed_with_valid_session", total(|stats| stats.failed_with_valid_session)),
        zero("waited_needlessly", total(|stats| stats.waited_needlessly)),
        Figure::with_goal(
            "fleet_longest_wait_with_valid_session_s",
            longest.unwrap_or_default().as_secs_f64(),
            MAX_WAIT_WITH_VALID_SESSION,
        ),
        zero("steady_failed", tally.by_phase[Phase::Steady as usize].failed),
        plain("calls", total(|stats| stats.calls) as f64),
        plain("sts_calls", tally.sts.attempts.iter().copied().map(f64::from).sum()),
        plain("sessions", tally.sts.sessions as f64),
    ];
    figures.extend(cold_start(day, tally));
    figures.extend(freeze(tally));
    figures.extend(brown_out(day, tally));
    figures.extend(outage(day, tally));
    figures.extend(rejections(day, tally));
    figures
}

fn cold_start(day: &FleetDay, tally: &FleetTally) -> [Figure; 4] {
    let stats = tally.by_phase[Phase::ColdStart as usize];
    // The first refresh comes after a third of the lifetime at the earliest.
    let refreshes = LIFETIME / 3..day.freeze.start - NETWORK_LOSS;
    let per_interval = per_interval(&tally.sts.attempts, &refreshes, day.interval);
    let busiest = per_interval.iter().copied().fold(0.0, f64::max);
    let mean = per_interval.iter().sum::<f64>() / per_interval.len() as f64;
    let longest_wait = stats.longest_wait.as_secs_f64();
    let call_timeout = Goal::AtMost(StsClient::CALL_TIMEOUT.as_secs_f64());
    [
        with_goal("cold_start_busiest_to_mean", busiest / mean, Goal::Below(2.5)),
        zero("cold_start_failed", stats.failed),
        plain("cold_start_waited", stats.waited as f64),
        with_goal("cold_start_longest_wait_s", longest_wait, call_timeout),
    ]
}

fn freeze(tally: &FleetTally) -> [Figure; 7] {
    let (all, first) = (tally.by_phase[Phase::Freeze as usize], tally.first_after_thaw);
    [
        plain("freeze_fetches_in_flight", tally.in_flight_at_freeze as f64),
        plain("freeze_sessions_expired", tally.expired_during_freeze as f64),
        plain("thaw_first_requests", first.calls as f64),
        zero("thaw_first_requests_failed", first.failed),
        plain("thaw_first_requests_waited", first.waited as f64),
        with_goal("thaw_longest_wait_s", first.longest_wait.as_secs_f64(), MAX_WAIT_AFTER_THAW),
        // Failures of the calls that follow, while an error of the freeze is remembered.
        zero("freeze_failed", all.failed - first.failed),
    ]
}

fn brown_out(day: &FleetDay, tally: &FleetTally) -> [Figure; 4] {
    let stats = tally.by_phase[Phase::BrownOut as usize];
    let calls = count_in(&tally.sts.attempts, &day.brown_out);
    let sessions = count_in(&tally.sts.issued, &day.brown_out);
    [
        plain("brown_out_sessions", sessions),
        // Every second call is throttled: two calls for each session are the minimum.
        with_goal("brown_out_calls_per_session", calls / sessions, Goal::AtMost(2.5)),
        zero("brown_out_failed", stats.failed),
        zero("brown_out_waited", stats.waited),
    ]
}

fn outage(day: &FleetDay, tally: &FleetTally) -> [Figure; 5] {
    let stats = tally.by_phase[Phase::Outage as usize];
    let recovery = tally.recovery.unwrap_or(day.length).as_secs_f64();
    // As for a single pool: a role needs one call to STS at the rate limit of its process, and the
    // call after the one that found a remembered error.
    let rate = f64::from(RateLimit::default().calls_per_second.get());
    let minimum = (day.roles as f64 / rate).max(2.0 * CALL_INTERVAL.as_secs_f64());
    let calls = count_in(&tally.sts.attempts, &day.outage);
    [
        plain("outage_failed", stats.failed as f64),
        plain(
            "outage_sts_calls_per_second",
            calls / (day.outage.end - day.outage.start).as_secs_f64(),
        ),
        plain("outage_longest_wait_s", stats.longest_wait.as_secs_f64()),
        plain("outage_recovery_s", recovery),
        with_goal("outage_recovery_to_minimum", recovery / minimum, Goal::AtMost(1.5)),
    ]
}

fn rejections(day: &FleetDay, tally: &FleetTally) -> [Figure; 4] {
    let stats = tally.by_phase[Phase::Rejections as usize];
    let most = most_fetches_because_of_rejections(day.rejections.end - day.rejections.start);
    let fetches = tally.most_fetches_of_rejected_role as f64;
    [
        plain("rejections", tally.rejections as f64),
        with_goal("rejections_most_fetches_of_a_role", fetches, Goal::AtMost(most as f64)),
        zero("rejections_failed", stats.failed),
        with_goal(
            "rejections_longest_wait_s",
            stats.longest_wait.as_secs_f64(),
            MAX_WAIT_WITH_VALID_SESSION,
        ),
    ]
}

fn with_goal(name: &str, value: f64, goal: Goal) -> Figure {
    Figure::with_goal(format!("fleet_{name}"), value, goal)
}

fn zero(name: &str, count: u64) -> Figure {
    with_goal(name, count as f64, Goal::Exactly(0.0))
}

fn plain(name: &str, value: f64) -> Figure {
    Figure::informational(format!("fleet_{name}"), value)
}

fn count_in(by_second: &[u32], range: &Range<Duration>) -> f64 {
    let (from, to) = (seconds(range.start), seconds(range.end));
    by_second.iter().skip(from).take(to - from).copied().map(f64::from).sum()
}

/// Returns the counts of the whole intervals within `range`.
fn per_interval(by_second: &[u32], range: &Range<Duration>, interval: Duration) -> Vec<f64> {
    let intervals = (range.end - range.start).as_secs() / interval.as_secs();
    let starts =
        (0..intervals).map(|number| range.start + interval * u32::try_from(number).unwrap_or(0));
    starts.map(|start| count_in(by_second, &(start..start + interval))).collect()
}

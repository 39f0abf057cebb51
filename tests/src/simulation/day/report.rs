//! The figures of a simulated day, with their goals.

use std::time::Duration;

use rolecall::sts::StsClient;

use super::{Day, Tally, WaitStats};
use crate::figures::{Figure, Goal};
use crate::simulation::{STEP, seconds};

const HOUR: usize = 3600;
const MINUTE: usize = 60;

/// Returns the figures of a day. `suffix` is appended to each name.
pub fn figures(day: &Day, tally: &Tally, suffix: &str) -> Vec<Figure> {
    let name = |name: &str| format!("{name}{suffix}");
    let number = |count: u64| count as f64;
    let zero =
        |what: &str, count: u64| Figure::with_goal(name(what), number(count), Goal::Exactly(0.0));
    let plain = |what: &str, value: f64| Figure::informational(name(what), value);
    let Load { busiest, mean, sessions_per_role_hour } = load_outside_outage(day, tally);
    let recovery = tally.recovery.unwrap_or(day.length);
    let (outage_start, outage_end) = (seconds(day.outage.start), seconds(day.outage.end));
    let busiest_second = |from: usize, to: usize| {
        let attempts = tally.sts.attempts.iter().skip(from).take(to - from);
        f64::from(attempts.copied().max().unwrap_or(0))
    };
    // The rate limiter lets a tenth of a second's permits accumulate, and one more call may fall on
    // the boundary between two seconds.
    let rate = Goal::AtMost(f64::from(day.rate_limit.calls_per_second.get()) * 1.1 + 1.0);
    // The STS client's timeout for a call covers the wait for a permit and all attempts.
    let call_timeout = Goal::AtMost(StsClient::CALL_TIMEOUT.as_secs_f64());
    // A caller may wait for a background fetch for 2 s before its own begins, and the simulated
    // clock advances in steps.
    let longest_wait = StsClient::CALL_TIMEOUT + Duration::from_secs(2) + 5 * STEP;
    vec![
        Figure::with_goal(name("busiest_to_mean"), busiest / mean, Goal::Below(2.5)),
        Figure::with_goal(
            name("sessions_per_role_hour"),
            sessions_per_role_hour,
            Goal::AtMost(1.35),
        ),
        zero("expired_sessions_served", tally.expired_sessions_served),
        zero("sessions_of_another_key_served", tally.sessions_of_another_key),
        zero("concurrent_fetches_of_a_role", tally.sts.concurrent_fetches),
        zero("failed_with_valid_session", tally.failed_with_valid_session),
        zero("waited_over_2_s_with_valid_session", tally.long_waits_with_valid_session),
        plain(
            "longest_wait_with_valid_session_s",
            tally.longest_wait_with_valid_session.as_secs_f64(),
        ),
        zero("unexplained_failed", tally.unexplained.failed),
        zero("unexplained_waited", tally.unexplained.waited),
        plain("calls", number(tally.calls)),
        plain("sts_calls", tally.sts.attempts.iter().copied().map(f64::from).sum()),
        plain("sessions", number(tally.sts.sessions)),
        plain("first_load_waited", number(tally.first_load.waited)),
        plain("first_load_failed", number(tally.first_load.failed)),
        plain("first_load_mean_wait_s", mean_wait(&tally.first_load)),
        Figure::with_goal(
            name("first_load_longest_wait_s"),
            tally.first_load.longest.as_secs_f64(),
            call_timeout,
        ),
        plain("outage_waited", number(tally.outage.waited)),
        plain("outage_failed", number(tally.outage.failed)),
        plain("outage_mean_wait_s", mean_wait(&tally.outage)),
        Figure::with_goal(
            name("outage_longest_wait_s"),
            tally.outage.longest.as_secs_f64(),
            Goal::AtMost(longest_wait.as_secs_f64()),
        ),
        plain("outage_sts_calls_per_second", outage_calls_per_second(day, tally)),
        Figure::with_goal(
            name("outage_busiest_second"),
            busiest_second(outage_start, outage_end),
            rate,
        ),
        Figure::with_goal(
            name("recovery_to_minimum"),
            recovery.as_secs_f64() / minimum_recovery(day),
            Goal::AtMost(1.5),
        ),
        plain("recovery_s", recovery.as_secs_f64()),
        plain("recovery_failed", number(tally.failed_after_outage)),
        Figure::with_goal(
            name("recovery_busiest_second"),
            busiest_second(outage_end, outage_end + seconds(recovery) + 1),
            rate,
        ),
    ]
}

/// Returns the number of attempts to call STS in each minute of the day.
///
/// Retries count as well: this is the load that STS sees. Minutes without attempts are zero, so the
/// length is the length of the day in minutes.
pub fn fetches_per_minute(day: &Day, tally: &Tally) -> Vec<u32> {
    let minutes = seconds(day.length).div_ceil(MINUTE);
    let attempts_in = |minute: usize| {
        tally.sts.attempts.iter().skip(minute * MINUTE).take(MINUTE).copied().sum::<u32>()
    };
    (0..minutes).map(attempts_in).collect()
}

/// Returns the time, in seconds, that recovery takes at least.
///
/// Every role needs one call to STS, at the rate that the limit permits. With a rate high enough
/// for all roles, another bound applies: a role whose fetch failed just before the outage ended
/// keeps that error for up to 12.5 s, so that it is the second of its calls, which come every 10 s,
/// that starts the next fetch.
fn minimum_recovery(day: &Day) -> f64 {
    let rate = f64::from(day.rate_limit.calls_per_second.get());
    (day.roles as f64 / rate).max(2.0 * super::CALL_INTERVAL.as_secs_f64())
}

fn mean_wait(stats: &WaitStats) -> f64 {
    stats.total.as_secs_f64() / (stats.waited.max(1) as f64)
}

/// The load on STS outside startup and outage.
struct Load {
    /// Calls in the busiest interval.
    busiest: f64,
    /// Calls in an interval, on average.
    mean: f64,
    /// Sessions issued per role and hour, on average.
    sessions_per_role_hour: f64,
}

/// Computes the load in the steady state: the first hour, in which the sessions of the startup are
/// replaced, and the outage with its recovery are left out.
fn load_outside_outage(day: &Day, tally: &Tally) -> Load {
    let interval = seconds(day.interval);
    let outage_from = seconds(day.outage.start) / interval;
    let outage_to = seconds(day.outage.end + tally.recovery.unwrap_or_default()) / interval + 1;
    let per_interval = |by_second: &[u32]| -> Vec<f64> {
        let sum = |number: usize| {
            let seconds = by_second.iter().skip(number * interval).take(interval);
            seconds.copied().map(f64::from).sum()
        };
        let after_first_hour = HOUR / interval..seconds(day.length) / interval;
        let outage = outage_from..outage_to;
        after_first_hour.filter(|number| !outage.contains(number)).map(sum).collect()
    };
    let calls = per_interval(&tally.sts.attempts);
    let issued: f64 = per_interval(&tally.sts.issued).iter().sum();
    let hours = (calls.len() * interval) as f64 / HOUR as f64;
    Load {
        busiest: calls.iter().copied().fold(0.0, f64::max),
        mean: calls.iter().sum::<f64>() / calls.len() as f64,
        sessions_per_role_hour: issued / hours / day.roles as f64,
    }
}

fn outage_calls_per_second(day: &Day, tally: &Tally) -> f64 {
    let (from, to) = (seconds(day.outage.start), seconds(day.outage.end));
    let calls: f64 = tally.sts.attempts[from..to].iter().copied().map(f64::from).sum();
    calls / (to - from) as f64
}

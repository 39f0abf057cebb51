//! 100,000 entries that are due for a refresh at once, at 200 calls per second: the attempts per
//! session, the CPU time of the timer, and the calls of entries that have a session.
//!
//! Time is real and the CPU time is that of the whole process, so that wake-ups and system calls
//! are part of it. All entries would need 500 seconds; a run measures the first 20, which begin
//! with the start of all refreshes. The control run before each has the same entries and callers,
//! but no entry is due. The difference is the timer, the fetches, the rate limit and a provider
//! that only creates a session.

use std::time::{Duration, Instant};

use aws_credential_types::provider::ProvideCredentials;
use rolecall::CachedProvider;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::due::{Counts, Entries, LoadedPool};
use crate::hit::median;
use crate::peers::Outcome;
use crate::report::{Goal, print_figure, print_row, print_table, show_progress};

const ENTRIES: u64 = 100_000;
const CALLS_PER_SECOND: u32 = 200;
const DURATION: Duration = Duration::from_secs(20);
/// Pairs of a control run and one whose entries are due. The machine changes its speed from run to
/// run by as much as the difference between the two.
const ROUNDS: usize = 5;

const CALLERS: u64 = 20;
/// Time between two batches of a caller.
const PERIOD: Duration = Duration::from_millis(10);
const CALLS_PER_BATCH: usize = 5;
/// Entries of each caller. Together they are too many for the CPU cache.
const ENTRIES_PER_CALLER: u64 = 500;
/// A batch that completes later than this after its time counts as delayed. The runtime's timer is
/// late by one or two milliseconds.
const DELAY: Duration = Duration::from_millis(10);

struct Run {
    counts: Counts,
    seconds: f64,
    /// The duration of each call in nanoseconds, in ascending order.
    calls: Vec<f64>,
    delayed: usize,
    failed: usize,
}

impl Run {
    fn cpu_percent(&self) -> f64 {
        self.counts.cpu / self.seconds * 100.0
    }

    fn attempts_per_session(&self) -> f64 {
        self.counts.attempts as f64 / self.counts.sessions as f64
    }

    /// Returns the duration below which this share of the calls are.
    fn quantile(&self, share: f64) -> f64 {
        let index = (self.calls.len().saturating_sub(1)) as f64 * share;
        self.calls.get(index as usize).copied().unwrap_or(f64::NAN)
    }
}

/// A control run, and one whose entries are due.
struct Round {
    control: Run,
    due: Run,
}

impl Round {
    fn measure() -> Outcome<Self> {
        let round = Self { control: run(Entries::Fresh)?, due: run(Entries::Due)? };
        if round.control.counts.attempts > 0 || round.due.counts.sessions == 0 {
            return Err("a control run refreshed, or the other one did not".into());
        }
        match round.control.failed + round.due.failed {
            0 => Ok(round),
            failed => Err(format!("{failed} calls failed although each has a session").into()),
        }
    }

    /// Returns the CPU time that the refreshes took, in percent of a core.
    fn timer_cpu_percent(&self) -> f64 {
        self.due.cpu_percent() - self.control.cpu_percent()
    }

    fn call_ratio(&self) -> f64 {
        self.due.quantile(0.5) / self.control.quantile(0.5)
    }

    /// Returns the number of batches that were delayed more often than in the control run.
    fn slow_callers(&self) -> usize {
        self.due.delayed.saturating_sub(self.control.delayed)
    }
}

pub(crate) fn measure() -> Outcome {
    let rounds = (0..ROUNDS).map(|_| Round::measure()).collect::<Outcome<Vec<_>>>()?;
    let of_rounds = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let timer_cpu = of_rounds(Round::timer_cpu_percent);
    print_figure("timer_cpu_percent", timer_cpu, Goal::AtMost(2.0));
    let attempts = of_rounds(|round| round.due.attempts_per_session());
    print_figure("attempts_per_session_rate_limited", attempts, Goal::AtMost(1.2));
    let ratio = of_rounds(Round::call_ratio);
    print_figure("rate_limited_call_ratio_to_control", ratio, Goal::AtMost(1.15));
    let delayed = of_rounds(|round| round.slow_callers() as f64);
    print_figure("rate_limited_slow_callers", delayed, Goal::Exactly(0.0));

    let name = "100,000 entries due at once, at 200 calls per second, for 20 seconds";
    let heads = [
        "run",
        "sessions",
        "attempts",
        "CPU, % of a core",
        "ns per call, median",
        "99.9 %",
        "batches of callers more than 10 ms late",
        "beyond the control run",
    ];
    print_table(name, &heads);
    for round in &rounds {
        // The figure is the median of these numbers. The table shows a run that was disturbed.
        let beyond_control = round.slow_callers().to_string();
        for (label, run, beyond_control) in [
            ("control", &round.control, String::new()),
            ("all entries are due", &round.due, beyond_control),
        ] {
            print_row(
                name,
                &[
                    label.to_owned(),
                    run.counts.sessions.to_string(),
                    run.counts.attempts.to_string(),
                    format!("{:.2}", run.cpu_percent()),
                    format!("{:.0}", run.quantile(0.5)),
                    format!("{:.0}", run.quantile(0.999)),
                    run.delayed.to_string(),
                    beyond_control,
                ],
            );
        }
    }
    Ok(())
}

fn run(entries: Entries) -> Outcome<Run> {
    let pool = LoadedPool::new(entries, ENTRIES, CALLS_PER_SECOND)?;
    show_progress(format_args!(
        "{ENTRIES} entries at {CALLS_PER_SECOND} calls per second: {entries:?}"
    ));
    let end = Instant::now() + DURATION;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let step = ENTRIES / (CALLERS * ENTRIES_PER_CALLER);
        let keys = (0..ENTRIES_PER_CALLER).map(|entry| (entry * CALLERS + caller) * step);
        let providers: Vec<_> = keys.map(|key| pool.get(key)).collect();
        // Callers are spread over the period, as independent requests are.
        let first = Instant::now() + PERIOD * u32::try_from(caller)? / u32::try_from(CALLERS)?;
        let call = async move {
            let (mut calls, mut delayed, mut failed) = (Vec::new(), 0, 0);
            let (mut due, mut next) = (first, 0);
            while due < end {
                sleep_until(due.into()).await;
                for _ in 0..CALLS_PER_BATCH {
                    let provider: &CachedProvider = &providers[next % providers.len()];
                    next += 1;
                    let start = Instant::now();
                    let result = provider.provide_credentials().await;
                    calls.push(start.elapsed().as_nanos() as f64);
                    failed += usize::from(result.is_err());
                }
                // Counted from the time at which the batch was to start: a timer that keeps the
                // runtime busy delays its callers before they can call.
                delayed += usize::from(due.elapsed() > DELAY);
                due = (due + PERIOD).max(Instant::now());
            }
            (calls, delayed, failed)
        };
        callers.spawn_on(call, pool.runtime.handle());
    }
    let (before, start) = (pool.start(), Instant::now());
    std::thread::sleep(end.saturating_duration_since(start));
    let (counts, seconds) = (pool.finish()?.since(before), start.elapsed().as_secs_f64());
    let mut run = Run { counts, seconds, calls: Vec::new(), delayed: 0, failed: 0 };
    for (calls, delayed, failed) in pool.runtime.block_on(callers.join_all()) {
        run.calls.extend(calls);
        run.delayed += delayed;
        run.failed += failed;
    }
    run.calls.sort_by(f64::total_cmp);
    Ok(run)
}

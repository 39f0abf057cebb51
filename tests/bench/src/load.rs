//! Many concurrent callers: during a refresh, at the first load, when the first load fails, and
//! with a timeout that is shorter than a call to STS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::peers::{AssumeRole, Cache, ObjectStore, Outcome, Peer, Reqsign, Rolecall, Sdk};
use crate::report::{Goal, print_figure, print_row, print_table, show_progress};
use crate::sts::{HOUR, Sts};

pub(crate) fn measure() -> Outcome {
    measure_refresh()?;
    measure_first_load()?;
    measure_failing_first_load()?;
    measure_timeouts()
}

const TASKS: usize = 10_000;
/// Duration from which a call counts as delayed.
const DELAY: Duration = Duration::from_millis(10);
const SLOW_STS: Duration = Duration::from_millis(500);

/// Lifetime of rolecall's session in the benchmark of a refresh.
///
/// rolecall refreshes between a half and five sixths of a lifetime this short, and callers wait
/// from nine tenths on. With an STS that takes 500 ms, the refresh completes before that, as it
/// does for the shortest lifetime that STS permits.
const SHORT_LIFETIME: Duration = Duration::from_secs(9);
/// Time after which the peers refresh: the lifetime of their sessions without their margin.
const PEER_LIFETIME: Duration = Duration::from_secs(3);

/// What the callers of one run observed.
struct LoadResult {
    /// Tasks with at least one call that took longer than [`DELAY`].
    delayed: usize,
    longest: Duration,
    calls: usize,
    failed: usize,
    sts_calls: usize,
    elapsed: Duration,
}

fn measure_refresh() -> Outcome {
    // `cargo xtask bench` draws a chart from the first three columns of the table with this name.
    let name = "A refresh under load";
    print_table(
        name,
        &[
            "cache",
            "callers delayed by more than 10 ms, of 10,000",
            "in a control run",
            "longest call",
            "STS calls",
            "delayed beyond the control run, worst of the runs",
        ],
    );
    // Callers are delayed by the machine as well. The control run, without a refresh, shows how
    // many: only those beyond are due to the refresh, and a refresh that delays callers does so in
    // every round.
    let mut rounds = (0..ROUNDS)
        .map(|_| run_undisturbed::<Rolecall>(SHORT_LIFETIME))
        .collect::<Outcome<Vec<_>>>()?;
    rounds.sort_by_key(delayed_by_refresh);
    let sts_calls = rounds.iter().map(|(result, _)| result.sts_calls).max().unwrap_or_default();
    // The median hides a run that was disturbed. The table shows it.
    let worst = rounds.last().map(delayed_by_refresh).unwrap_or_default();
    let median = rounds.swap_remove(ROUNDS / 2);
    let delayed = delayed_by_refresh(&median);
    print_figure("refresh_slow_callers", delayed as f64, Goal::Exactly(0.0));
    print_figure("refresh_sts_calls", sts_calls as f64, Goal::Exactly(1.0));
    print_refresh::<Rolecall>(name, &median, worst);
    print_single_refresh::<Sdk>(name)?;
    print_single_refresh::<Reqsign>(name)?;
    print_single_refresh::<ObjectStore>(name)
}

/// Returns the number of callers that were delayed by a refresh, and not by the machine.
fn delayed_by_refresh((result, control): &(LoadResult, LoadResult)) -> usize {
    result.delayed.saturating_sub(control.delayed)
}

/// Measures a candidate once.
fn print_single_refresh<P: Peer>(table: &str) -> Outcome {
    let run = run_with_control::<P>(PEER_LIFETIME)?;
    print_refresh::<P>(table, &run, delayed_by_refresh(&run));
    Ok(())
}

/// Number of runs, of which the median is reported.
const ROUNDS: usize = 3;
const MAX_TRIES: usize = 5;
/// Delayed callers in a control run from which the run says nothing: with a busy machine, any
/// number of delayed callers would be excused.
const MAX_DELAYED_IN_CONTROL: usize = TASKS / 100;

/// Repeats the benchmark until the machine was idle enough during the control run.
fn run_undisturbed<P: Peer>(lifetime: Duration) -> Outcome<(LoadResult, LoadResult)> {
    for _ in 0..MAX_TRIES {
        let (result, control) = run_with_control::<P>(lifetime)?;
        if result.failed > 0 {
            return Err(
                format!("{}: {} calls failed during a refresh", P::NAME, result.failed).into()
            );
        }
        if control.delayed <= MAX_DELAYED_IN_CONTROL {
            return Ok((result, control));
        }
    }
    Err(format!("{}: the machine is too busy to tell what delays callers", P::NAME).into())
}

fn print_refresh<P: Peer>(table: &str, (result, control): &(LoadResult, LoadResult), worst: usize) {
    print_row(
        table,
        &[
            P::NAME.to_owned(),
            result.delayed.to_string(),
            control.delayed.to_string(),
            format!("{:.1} ms", result.longest.as_secs_f64() * 1e3),
            result.sts_calls.to_string(),
            worst.to_string(),
        ],
    );
}

/// Runs all tasks during one refresh, and again without a refresh for the same time.
///
/// The control run is made twice, and the one with more delayed callers is returned: a machine that
/// was disturbed in only one of three runs must not count against the candidate.
fn run_with_control<P: Peer>(lifetime: Duration) -> Outcome<(LoadResult, LoadResult)> {
    show_progress(format_args!("{}: {TASKS} tasks during a refresh", P::NAME));
    let sts = Sts::new(SLOW_STS, lifetime + P::MARGIN);
    let is_refreshed = |sts: &Sts| sts.completed_calls() >= 2;
    let result = run_tasks::<P>(&sts, |_| is_refreshed(&sts))?;
    let sts = Sts::new(SLOW_STS, HOUR);
    let run_control = || run_tasks::<P>(&sts, |elapsed| elapsed >= result.elapsed);
    let (first, second) = (run_control()?, run_control()?);
    let control = if first.delayed > second.delayed { first } else { second };
    if control.sts_calls != 0 || result.calls < TASKS || control.calls < TASKS {
        return Err(format!("{}: the control run refreshed, or tasks made no call", P::NAME).into());
    }
    Ok((result, control))
}

/// Fetches a session, then lets all tasks call and yield in turn until `is_done`, and a little
/// longer.
fn run_tasks<P: Peer>(sts: &Sts, is_done: impl Fn(Duration) -> bool) -> Outcome<LoadResult> {
    let runtime = multi_thread_runtime()?;
    let cache = Arc::new(runtime.block_on(P::create(sts))?);
    if !runtime.block_on(cache.call()) {
        return Err(format!("{}: no session", P::NAME).into());
    }
    let before = sts.calls();
    let stop = Arc::new(AtomicBool::new(false));
    let (calls, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (cache, stop) = (Arc::clone(&cache), Arc::clone(&stop));
        let (calls, failed) = (Arc::clone(&calls), Arc::clone(&failed));
        let caller = async move {
            let mut longest = Duration::ZERO;
            let (mut task_succeeded, mut task_failed) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                let succeeded = cache.call().await;
                longest = longest.max(start.elapsed());
                task_succeeded += usize::from(succeeded);
                task_failed += usize::from(!succeeded);
                tokio::task::yield_now().await;
            }
            // Shared counters are updated once per task. Updating them per call would make the
            // tasks contend for them and hide the contention in the cache.
            calls.fetch_add(task_succeeded, Ordering::Relaxed);
            failed.fetch_add(task_failed, Ordering::Relaxed);
            longest
        };
        tasks.spawn_on(caller, runtime.handle());
    }
    // This thread does not belong to the runtime, so it may block.
    while !is_done(start.elapsed()) {
        std::thread::sleep(Duration::from_millis(5));
        if start.elapsed() > Duration::from_secs(60) {
            return Err(format!("{}: not finished after 60 seconds", P::NAME).into());
        }
    }
    let elapsed = start.elapsed();
    // The callers that waited for the refresh, and calls to STS that should not happen, come after.
    std::thread::sleep(Duration::from_millis(200));
    let sts_calls = sts.calls() - before;
    stop.store(true, Ordering::Relaxed);
    let longest = runtime.block_on(tasks.join_all());
    Ok(LoadResult {
        delayed: longest.iter().filter(|time| **time > DELAY).count(),
        longest: longest.into_iter().max().unwrap_or_default(),
        calls: calls.load(Ordering::Relaxed),
        failed: failed.load(Ordering::Relaxed),
        sts_calls,
        elapsed,
    })
}

fn measure_first_load() -> Outcome {
    show_progress(format_args!("{TASKS} tasks at the first load"));
    let name = "A first load by 10,000 tasks";
    print_table(name, &["cache", "STS calls"]);
    let rolecall = count_first_load_calls::<Rolecall>()?;
    print_figure("first_load_sts_calls", rolecall as f64, Goal::Exactly(1.0));
    for (cache, calls) in [
        (Rolecall::NAME, rolecall),
        (Sdk::NAME, count_first_load_calls::<Sdk>()?),
        (AssumeRole::NAME, count_first_load_calls::<AssumeRole>()?),
        (Reqsign::NAME, count_first_load_calls::<Reqsign>()?),
        (ObjectStore::NAME, count_first_load_calls::<ObjectStore>()?),
    ] {
        print_row(name, &[cache.to_owned(), calls.to_string()]);
    }
    Ok(())
}

fn count_first_load_calls<P: Peer>() -> Outcome<usize> {
    let runtime = multi_thread_runtime()?;
    let sts = Sts::new(Duration::from_millis(100), HOUR);
    let cache = Arc::new(runtime.block_on(P::create(&sts))?);
    let results = runtime.block_on(call_concurrently(&cache, TASKS));
    match results.iter().all(|(succeeded, _)| *succeeded) {
        true => Ok(sts.calls()),
        false => Err(format!("{}: a first load failed", P::NAME).into()),
    }
}

/// Calls the cache from this number of tasks at once. Returns, for each, `true` if it received a
/// session, and how long it waited.
async fn call_concurrently<C: Cache>(cache: &Arc<C>, callers: usize) -> Vec<(bool, Duration)> {
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let cache = Arc::clone(cache);
        tasks.spawn(async move {
            let start = Instant::now();
            let succeeded = cache.call().await;
            (succeeded, start.elapsed())
        });
    }
    tasks.join_all().await
}

/// Number of callers of a failing first load, and the time after which STS fails.
const FAILING: (usize, Duration) = (1000, Duration::from_millis(100));
/// The same for the comparison. Both are smaller, since some peers call STS once per caller, one
/// after the other.
const FAILING_COMPARISON: (usize, Duration) = (200, Duration::from_millis(50));

fn measure_failing_first_load() -> Outcome {
    show_progress("a first load that fails");
    let runtime = multi_thread_runtime()?;
    let (calls, longest) = runtime.block_on(fail_first_load::<Rolecall>(FAILING))?;
    print_figure("failing_first_load_calls", calls as f64, Goal::Exactly(1.0));
    print_figure("failing_first_load_max_ms", longest.as_secs_f64() * 1e3, Goal::AtMost(250.0));
    let name = "A first load that fails after 50 ms, 200 callers";
    print_table(name, &["cache", "STS calls", "time until the last caller had its error"]);
    // The candidates run concurrently: they spend nearly all of the time in a sleep.
    let (rolecall, sdk, reqsign, object_store) = runtime.block_on(async {
        tokio::join!(
            fail_first_load::<Rolecall>(FAILING_COMPARISON),
            fail_first_load::<Sdk>(FAILING_COMPARISON),
            fail_first_load::<Reqsign>(FAILING_COMPARISON),
            fail_first_load::<ObjectStore>(FAILING_COMPARISON),
        )
    });
    for (cache, result) in [
        (Rolecall::NAME, rolecall),
        (Sdk::NAME, sdk),
        (Reqsign::NAME, reqsign),
        (ObjectStore::NAME, object_store),
    ] {
        let (calls, longest) = result?;
        let longest = format!("{:.2} s", longest.as_secs_f64());
        print_row(name, &[cache.to_owned(), calls.to_string(), longest]);
    }
    Ok(())
}

/// Returns the number of STS calls, and the time until the last caller received its error.
async fn fail_first_load<P: Peer>(
    (callers, latency): (usize, Duration),
) -> Outcome<(usize, Duration)> {
    let sts = Sts::unavailable(latency);
    let cache = Arc::new(P::create(&sts).await?);
    let results = call_concurrently(&cache, callers).await;
    if results.iter().any(|(succeeded, _)| *succeeded) {
        return Err(format!("{}: a session although STS is unavailable", P::NAME).into());
    }
    let longest = results.into_iter().map(|(_, time)| time).max();
    Ok((sts.calls(), longest.unwrap_or_default()))
}

const CALLERS_WITH_TIMEOUT: usize = 50;

/// Calls with a timeout that is shorter than a call to STS, one after the other. A fetch that ends
/// with its caller never completes; one that continues serves the callers that follow.
fn measure_timeouts() -> Outcome {
    show_progress("callers with a timeout");
    let runtime = multi_thread_runtime()?;
    let rolecall = runtime.block_on(call_with_timeout::<Rolecall>())?;
    // The first call starts the fetch, and the second may still come too early for its result.
    let third_succeeded = rolecall.succeeded.iter().skip(2).all(|succeeded| *succeeded);
    let value = if third_succeeded { 1.0 } else { 0.0 };
    print_figure("impatient_second_caller_ok", value, Goal::Yes);
    let name = "50 callers, one after the other, with a timeout of 40 ms, while STS takes 50 ms";
    print_table(name, &["cache", "succeeded", "STS calls"]);
    let (sdk, reqsign, object_store) = runtime.block_on(async {
        tokio::join!(
            call_with_timeout::<Sdk>(),
            call_with_timeout::<Reqsign>(),
            call_with_timeout::<ObjectStore>(),
        )
    });
    for (cache, result) in [
        (Rolecall::NAME, rolecall),
        (Sdk::NAME, sdk?),
        (Reqsign::NAME, reqsign?),
        (ObjectStore::NAME, object_store?),
    ] {
        let succeeded = result.succeeded.iter().filter(|succeeded| **succeeded).count();
        let succeeded = format!("{succeeded} of {CALLERS_WITH_TIMEOUT}");
        print_row(name, &[cache.to_owned(), succeeded, result.sts_calls.to_string()]);
    }
    Ok(())
}

struct TimeoutResult {
    succeeded: Vec<bool>,
    sts_calls: usize,
}

async fn call_with_timeout<P: Peer>() -> Outcome<TimeoutResult> {
    let sts = Sts::new(Duration::from_millis(50), HOUR);
    let cache = P::create(&sts).await?;
    let mut succeeded = Vec::new();
    for _ in 0..CALLERS_WITH_TIMEOUT {
        let call = tokio::time::timeout(Duration::from_millis(40), cache.call());
        succeeded.push(call.await.unwrap_or(false));
    }
    Ok(TimeoutResult { succeeded, sts_calls: sts.calls() })
}

fn multi_thread_runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

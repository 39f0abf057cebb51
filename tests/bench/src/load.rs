//! Many callers at once: over a refresh, at the first load, when that fails, and when they have no patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::peers::{AssumeRole, Cache, ObjectStore, Outcome, Peer, Reqsign, Rolecall, Sdk};
use crate::report::{Goal, figure, progress, row, table};
use crate::sts::{HOUR, Sts};

pub(crate) fn measure() -> Outcome {
    refresh_under_load()?;
    first_load()?;
    failing_first_load()?;
    impatient()
}

const TASKS: usize = 10_000;
/// A caller that takes longer was held up.
const SLOW: Duration = Duration::from_millis(10);
const SLOW_STS: Duration = Duration::from_millis(500);

/// A refresh of rolecall's begins between a half and five sixths of this, and its callers wait from nine tenths on: with
/// 500 ms for STS it is done before that, as it is for the shortest session that STS issues.
const SHORT: Duration = Duration::from_secs(9);
/// The others refresh at the end, less their margin.
const TILL_THEIRS: Duration = Duration::from_secs(3);

/// What the callers saw.
struct Seen {
    slow: usize,
    longest: Duration,
    calls: usize,
    failed: usize,
    sts_calls: usize,
    took: Duration,
}

fn refresh_under_load() -> Outcome {
    let name = "A refresh under load";
    table(
        name,
        &["who", "callers held up, of 10,000", "in a control run", "longest call", "STS calls"],
    );
    let (seen, control) = undisturbed::<Rolecall>(SHORT)?;
    // One that was held up by the machine is held up in a control run as well.
    let more = seen.slow.saturating_sub(control.slow);
    figure("refresh_slow_callers", more as f64, Goal::Exactly(0.0));
    figure("refresh_sts_calls", seen.sts_calls as f64, Goal::Exactly(1.0));
    told::<Rolecall>(name, &seen, &control);
    let (seen, control) = over_a_refresh::<Sdk>(TILL_THEIRS)?;
    told::<Sdk>(name, &seen, &control);
    let (seen, control) = over_a_refresh::<Reqsign>(TILL_THEIRS)?;
    told::<Reqsign>(name, &seen, &control);
    let (seen, control) = over_a_refresh::<ObjectStore>(TILL_THEIRS)?;
    told::<ObjectStore>(name, &seen, &control);
    Ok(())
}

/// How many control runs the machine may disturb, and how many callers in one that counts.
const TRIES: usize = 5;
const DISTURBED: usize = TASKS / 100;

/// Beside a control run in which the machine held up next to nobody: else it would excuse whatever was seen.
fn undisturbed<P: Peer>(lifetime: Duration) -> Outcome<(Seen, Seen)> {
    for _ in 0..TRIES {
        let (seen, control) = over_a_refresh::<P>(lifetime)?;
        if seen.failed > 0 {
            return Err(format!("{}: {} calls failed over a refresh", P::NAME, seen.failed).into());
        }
        if control.slow <= DISTURBED {
            return Ok((seen, control));
        }
    }
    Err(format!("{}: the machine is too busy to see who holds up callers", P::NAME).into())
}

fn told<P: Peer>(table: &str, seen: &Seen, control: &Seen) {
    row(
        table,
        &[
            P::NAME.to_owned(),
            seen.slow.to_string(),
            control.slow.to_string(),
            format!("{:.1} ms", seen.longest.as_secs_f64() * 1e3),
            seen.sts_calls.to_string(),
        ],
    );
}

/// All tasks call while one refresh begins and ends; and again for as long without one, twice: of both the one in which the
/// machine disturbed more.
fn over_a_refresh<P: Peer>(lifetime: Duration) -> Outcome<(Seen, Seen)> {
    progress(format_args!("{}: {TASKS} tasks over a refresh", P::NAME));
    let sts = Sts::new(SLOW_STS, lifetime + P::MARGIN);
    let refreshed = |sts: &Sts| sts.answers() >= 2;
    let seen = under_load::<P>(&sts, |_| refreshed(&sts))?;
    let sts = Sts::new(SLOW_STS, HOUR);
    let without = || under_load::<P>(&sts, |so_far| so_far >= seen.took);
    let (one, other) = (without()?, without()?);
    let control = if one.slow > other.slow { one } else { other };
    if control.sts_calls != 0 || seen.calls < TASKS || control.calls < TASKS {
        return Err(format!("{}: no run over one refresh beside one without", P::NAME).into());
    }
    Ok((seen, control))
}

/// All tasks call and yield, in turn, until it is over and a little longer. A session is held when they begin.
fn under_load<P: Peer>(sts: &Sts, is_over: impl Fn(Duration) -> bool) -> Outcome<Seen> {
    let runtime = threads()?;
    let cache = Arc::new(runtime.block_on(P::on(sts))?);
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
            let (mut succeeded, mut without) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                let there = cache.call().await;
                longest = longest.max(start.elapsed());
                succeeded += usize::from(there);
                without += usize::from(!there);
                tokio::task::yield_now().await;
            }
            calls.fetch_add(succeeded, Ordering::Relaxed);
            failed.fetch_add(without, Ordering::Relaxed);
            longest
        };
        tasks.spawn_on(caller, runtime.handle());
    }
    // This thread is none of the runtime's.
    while !is_over(start.elapsed()) {
        std::thread::sleep(Duration::from_millis(5));
        if start.elapsed() > Duration::from_secs(60) {
            return Err(format!("{}: it did not come to an end", P::NAME).into());
        }
    }
    let took = start.elapsed();
    std::thread::sleep(Duration::from_millis(200));
    let sts_calls = sts.calls() - before;
    stop.store(true, Ordering::Relaxed);
    let longest = runtime.block_on(tasks.join_all());
    Ok(Seen {
        slow: longest.iter().filter(|time| **time > SLOW).count(),
        longest: longest.into_iter().max().unwrap_or_default(),
        calls: calls.load(Ordering::Relaxed),
        failed: failed.load(Ordering::Relaxed),
        sts_calls,
        took,
    })
}

fn first_load() -> Outcome {
    progress(format_args!("{TASKS} tasks at the first load"));
    let name = "A first load by 10,000 tasks";
    table(name, &["who", "STS calls"]);
    let ours = loaded_at_once::<Rolecall>()?;
    figure("first_load_sts_calls", ours as f64, Goal::Exactly(1.0));
    for (who, calls) in [
        (Rolecall::NAME, ours),
        (Sdk::NAME, loaded_at_once::<Sdk>()?),
        (AssumeRole::NAME, loaded_at_once::<AssumeRole>()?),
        (Reqsign::NAME, loaded_at_once::<Reqsign>()?),
        (ObjectStore::NAME, loaded_at_once::<ObjectStore>()?),
    ] {
        row(name, &[who.to_owned(), calls.to_string()]);
    }
    Ok(())
}

fn loaded_at_once<P: Peer>() -> Outcome<usize> {
    let runtime = threads()?;
    let sts = Sts::new(Duration::from_millis(100), HOUR);
    let cache = Arc::new(runtime.block_on(P::on(&sts))?);
    let answers = runtime.block_on(all_at_once(&cache, TASKS));
    match answers.iter().all(|(there, _)| *there) {
        true => Ok(sts.calls()),
        false => Err(format!("{}: a first load failed", P::NAME).into()),
    }
}

/// Whether each of so many callers got a session, and after how long.
async fn all_at_once<C: Cache>(cache: &Arc<C>, callers: usize) -> Vec<(bool, Duration)> {
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let cache = Arc::clone(cache);
        tasks.spawn(async move {
            let start = Instant::now();
            let there = cache.call().await;
            (there, start.elapsed())
        });
    }
    tasks.join_all().await
}

/// How a first load fails: how many ask, and how long STS takes to fail.
const FAILING: (usize, Duration) = (1000, Duration::from_millis(100));
/// Fewer and shorter, for the sake of those that ask one after the other.
const FAILING_FOR_ALL: (usize, Duration) = (200, Duration::from_millis(50));

fn failing_first_load() -> Outcome {
    progress("a first load that fails");
    let runtime = threads()?;
    let (calls, longest) = runtime.block_on(failed::<Rolecall>(FAILING))?;
    figure("failing_first_load_calls", calls as f64, Goal::Exactly(1.0));
    figure("failing_first_load_max_ms", longest.as_secs_f64() * 1e3, Goal::AtMost(250.0));
    let name = "A first load that fails after 50 ms, 200 callers";
    table(name, &["who", "STS calls", "the last was answered after"]);
    // They wait, mostly: together they disturb each other little.
    let (ours, lazy, reqsign, object_store) = runtime.block_on(async {
        tokio::join!(
            failed::<Rolecall>(FAILING_FOR_ALL),
            failed::<Sdk>(FAILING_FOR_ALL),
            failed::<Reqsign>(FAILING_FOR_ALL),
            failed::<ObjectStore>(FAILING_FOR_ALL),
        )
    });
    for (who, failed) in [
        (Rolecall::NAME, ours),
        (Sdk::NAME, lazy),
        (Reqsign::NAME, reqsign),
        (ObjectStore::NAME, object_store),
    ] {
        let (calls, longest) = failed?;
        let longest = format!("{:.2} s", longest.as_secs_f64());
        row(name, &[who.to_owned(), calls.to_string(), longest]);
    }
    Ok(())
}

/// How often STS was asked, and when the last of all callers had its error.
async fn failed<P: Peer>((callers, latency): (usize, Duration)) -> Outcome<(usize, Duration)> {
    let sts = Sts::down(latency);
    let cache = Arc::new(P::on(&sts).await?);
    let answers = all_at_once(&cache, callers).await;
    if answers.iter().any(|(there, _)| *there) {
        return Err(format!("{}: a session, though STS is down", P::NAME).into());
    }
    let longest = answers.into_iter().map(|(_, time)| time).max();
    Ok((sts.calls(), longest.unwrap_or_default()))
}

const IMPATIENT: usize = 50;

fn impatient() -> Outcome {
    progress("callers without patience");
    let runtime = threads()?;
    let ours = runtime.block_on(without_patience::<Rolecall>())?;
    let from_the_third = ours.got.iter().skip(2).all(|there| *there);
    let ok = if from_the_third { 1.0 } else { 0.0 };
    figure("impatient_second_caller_ok", ok, Goal::Yes);
    let name = "50 callers, one after the other, with 40 ms of patience, and 50 ms for STS";
    table(name, &["who", "succeeded", "STS calls"]);
    let (lazy, reqsign, object_store) = runtime.block_on(async {
        tokio::join!(
            without_patience::<Sdk>(),
            without_patience::<Reqsign>(),
            without_patience::<ObjectStore>(),
        )
    });
    for (who, one) in [
        (Rolecall::NAME, ours),
        (Sdk::NAME, lazy?),
        (Reqsign::NAME, reqsign?),
        (ObjectStore::NAME, object_store?),
    ] {
        let got = one.got.iter().filter(|there| **there).count();
        row(name, &[who.to_owned(), format!("{got} of {IMPATIENT}"), one.calls.to_string()]);
    }
    Ok(())
}

struct Impatient {
    got: Vec<bool>,
    calls: usize,
}

async fn without_patience<P: Peer>() -> Outcome<Impatient> {
    let sts = Sts::new(Duration::from_millis(50), HOUR);
    let cache = P::on(&sts).await?;
    let mut got = Vec::new();
    for _ in 0..IMPATIENT {
        let call = tokio::time::timeout(Duration::from_millis(40), cache.call());
        got.push(call.await.unwrap_or(false));
    }
    Ok(Impatient { got, calls: sts.calls() })
}

fn threads() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

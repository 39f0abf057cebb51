//! A session in hand: what one call costs, beside the floor.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use rolecall::Cached;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::task::unconstrained;

use crate::peers::{
    AssumeRole, Cache, ObjectStore, Outcome, Peer, Provider, Reqsign, Sdk, components, ours,
};
use crate::pool;
use crate::report::{Goal, figure, progress, row, table};
use crate::sts::{HOUR, Sts, keys};

/// Rounds of all, one after the other: what disturbs one disturbs its neighbours.
const ROUNDS: usize = 1000;
const CALLS_A_ROUND: u32 = 2000;
const ROUNDS_ON_TWO_THREADS: usize = 60;
/// Few enough that peers whose threads put each other to sleep come to an end: that takes them microseconds a call.
const CALLS_A_THREAD: u32 = 5_000;
const COUNTED_CALLS: u32 = 1000;

/// The least that a fresh session can cost through the SDK's trait: find it, look at the clock, clone it.
#[derive(Debug)]
struct Floor(ArcSwap<Credentials>);

impl ProvideCredentials for Floor {
    #[inline]
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let held = self.0.load();
        // One number of it: the whole of it would be written to memory and read again in pieces, which stalls.
        black_box(clock_gettime(ClockId::Boottime).tv_nsec);
        future::ProvideCredentials::ready(Ok(Credentials::clone(&held)))
    }
}

pub(crate) fn measure() -> Outcome {
    let runtime = one_thread()?;
    let all = runtime.block_on(everybody())?;
    for one in &all {
        // Loads the session, and shows that there is one.
        if !one.run(&runtime, 10) {
            return Err(format!("{}: no session", one.name()).into());
        }
    }
    let times = on_one_thread(&all, &runtime);
    // Within a round: what disturbs the one disturbs the other.
    let ratio =
        |one: usize, to: usize| median(times[one].iter().zip(&times[to]).map(|(one, to)| one / to));
    let double = on_two_threads(&all)?;
    let allocations: Vec<u64> = all.iter().map(|one| allocations(one.as_ref(), &runtime)).collect();

    let of = |name: &str| all.iter().position(|one| one.name() == name).ok_or("not measured");
    let (floor, slot, handle) = (of(FLOOR)?, of(SLOT)?, of(HANDLE)?);
    figure("hit_ratio_to_floor", ratio(slot, floor), Goal::AtMost(1.15));
    figure("pool_hit_ratio_to_floor", ratio(handle, floor), Goal::AtMost(1.15));
    figure("hit_two_thread_ratio_to_floor", double[slot], Goal::AtLeast(0.9));
    figure("pool_hit_two_thread_ratio_to_floor", double[handle], Goal::AtLeast(0.9));
    figure("hit_allocations", (allocations[slot] + allocations[handle]) as f64, Goal::Exactly(0.0));
    let (in_the_sdk, lazy) = (of(OURS_IN_THE_SDK)?, of(Sdk::NAME)?);
    figure("identity_cache_speedup", ratio(lazy, in_the_sdk), Goal::AtLeast(3.0));

    let name = "A session in hand";
    table(
        name,
        &[
            "who",
            "time of a call : floor",
            "ns",
            "throughput on two threads : floor's",
            "allocations",
        ],
    );
    for (index, one) in all.iter().enumerate() {
        row(
            name,
            &[
                one.name().to_owned(),
                format!("{:.2}", ratio(index, floor)),
                format!("{:.0}", median(times[index].iter().copied())),
                format!("{:.2}", double[index]),
                format!("{:.0}", allocations[index] as f64 / f64::from(COUNTED_CALLS)),
            ],
        );
    }
    Ok(())
}

const FLOOR: &str = "the floor";
const SLOT: &str = "rolecall, Cached";
const HANDLE: &str = "rolecall, a pool's handle";
const OURS_IN_THE_SDK: &str = "rolecall, identity_cache()";

async fn everybody() -> Outcome<Vec<Box<dyn Measured>>> {
    let sts = Sts::new(Duration::ZERO, HOUR);
    let floor = Floor(ArcSwap::from_pointee(keys(0, None)));
    let all: Vec<Box<dyn Measured>> = vec![
        named(FLOOR, Provider::new(floor)),
        named(SLOT, Provider::new(Cached::new(sts.clone()))),
        named(HANDLE, Provider::new(pool::of_one(&sts)?)),
        named(OURS_IN_THE_SDK, Sdk::new(ours(), sts.clone(), components().await?)),
        of::<Sdk>(&sts).await?,
        of::<AssumeRole>(&sts).await?,
        of::<Reqsign>(&sts).await?,
        of::<ObjectStore>(&sts).await?,
    ];
    Ok(all)
}

async fn of<P: Peer>(sts: &Sts) -> Outcome<Box<dyn Measured>> {
    Ok(named(P::NAME, P::on(sts).await?))
}

fn named<C: Cache>(name: &'static str, cache: C) -> Box<dyn Measured> {
    Box::new(Named { name, cache })
}

struct Named<C> {
    name: &'static str,
    cache: C,
}

/// A cache of any type, called in one and the same loop.
trait Measured: Send + Sync {
    fn name(&self) -> &'static str;

    /// So many calls: whether there was a session at each.
    fn run(&self, runtime: &Runtime, calls: u32) -> bool;
}

impl<C: Cache> Measured for Named<C> {
    fn name(&self) -> &'static str {
        self.name
    }

    #[inline(never)]
    fn run(&self, runtime: &Runtime, calls: u32) -> bool {
        // Tokio's locks and semaphores would yield at every 128th call, and what a yield costs is the loop's affair.
        runtime.block_on(unconstrained(async {
            let mut all = true;
            for _ in 0..calls {
                all &= self.cache.call().await;
            }
            all
        }))
    }
}

/// The time of one call in each round, in nanoseconds.
fn on_one_thread(all: &[Box<dyn Measured>], runtime: &Runtime) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(ROUNDS); all.len()];
    for round in 0..ROUNDS {
        if round % (ROUNDS / 4) == 0 {
            progress(format_args!("a session in hand: round {round} of {ROUNDS}"));
        }
        for turn in 0..all.len() {
            // Each comes after each of its neighbours as often.
            let index = if round % 2 == 0 { turn } else { all.len() - 1 - turn };
            let start = Instant::now();
            black_box(all[index].run(runtime, CALLS_A_ROUND));
            times[index].push(start.elapsed().as_nanos() as f64 / f64::from(CALLS_A_ROUND));
        }
    }
    times
}

/// The throughput of two threads that share one provider, as its ratio to the floor's on two threads.
fn on_two_threads(all: &[Box<dyn Measured>]) -> Outcome<Vec<f64>> {
    let runtimes = [one_thread()?, one_thread()?];
    let mut ratios = vec![Vec::with_capacity(ROUNDS_ON_TWO_THREADS); all.len()];
    for round in 0..ROUNDS_ON_TWO_THREADS {
        if round % (ROUNDS_ON_TWO_THREADS / 3) == 0 {
            progress(format_args!("on two threads: round {round} of {ROUNDS_ON_TWO_THREADS}"));
        }
        let mut times = vec![0.0; all.len()];
        for turn in 0..all.len() {
            let index = if round % 2 == 0 { turn } else { all.len() - 1 - turn };
            times[index] = together(all[index].as_ref(), &runtimes).as_secs_f64();
        }
        for (ratios, time) in ratios.iter_mut().zip(&times) {
            // Twice the time is half the throughput.
            ratios.push(times[0] / time);
        }
    }
    Ok(ratios.into_iter().map(median).collect())
}

/// How long two threads take for their calls, from when both are there until the last is done.
fn together(one: &dyn Measured, runtimes: &[Runtime; 2]) -> Duration {
    let barrier = Arc::new(Barrier::new(runtimes.len()));
    std::thread::scope(|scope| {
        let threads = runtimes.each_ref().map(|runtime| {
            let barrier = Arc::clone(&barrier);
            scope.spawn(move || {
                barrier.wait();
                let start = Instant::now();
                black_box(one.run(runtime, CALLS_A_THREAD));
                (start, Instant::now())
            })
        });
        let spans = threads.map(|thread| thread.join().ok());
        let starts = spans.iter().flatten().map(|(start, _)| *start).min();
        let ends = spans.iter().flatten().map(|(_, end)| *end).max();
        starts.zip(ends).map_or(Duration::MAX, |(start, end)| end - start)
    })
}

fn allocations(one: &dyn Measured, runtime: &Runtime) -> u64 {
    let counted = |calls: u32| {
        allocation_counter::measure(|| {
            black_box(one.run(runtime, calls));
        })
    };
    // Entering the runtime is no part of a call.
    let entering = counted(0).count_total;
    counted(COUNTED_CALLS).count_total.saturating_sub(entering)
}

fn one_thread() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

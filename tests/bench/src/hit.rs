//! The cost of a cache hit, relative to the floor.
//!
//! All candidates run one after the other in each of many rounds. A ratio is computed within a
//! round, in which a disturbance of the machine affects both sides alike, and the median over all
//! rounds is reported, which single disturbed rounds do not change.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use rolecall::CachedProvider;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::task::unconstrained;

use crate::peers::{
    AssumeRole, Cache, ObjectStore, Outcome, Peer, Provider, Reqsign, Sdk, capture_components,
    rolecall_cache,
};
use crate::pool;
use crate::report::{Goal, print_figure, print_row, print_table, show_progress};
use crate::sts::{HOUR, Sts, keys};

const ROUNDS: usize = 1000;
const CALLS_PER_ROUND: u32 = 2000;
const TWO_THREAD_ROUNDS: usize = 60;
/// Calls per thread in a round of two threads. The number is low, since peers with a lock between
/// their threads need microseconds per call.
const CALLS_PER_THREAD: u32 = 5_000;
const COUNTED_CALLS: u32 = 1000;

/// The least that a cached session can cost through the SDK's trait: load it, read the clock and
/// clone it.
#[derive(Debug)]
struct Floor(ArcSwap<Credentials>);

impl ProvideCredentials for Floor {
    #[inline]
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let credentials = self.0.load();
        // Only one field passes through the black box. The whole value would be written to memory
        // and read back in parts of another size, which stalls the CPU and slows the floor down.
        black_box(clock_gettime(ClockId::Boottime).tv_nsec);
        future::ProvideCredentials::ready(Ok(Credentials::clone(&credentials)))
    }
}

/// The least that a cached identity can cost through the SDK's trait. An identity shares its
/// credentials, so that its clone is cheaper than that of [`Floor`], and the caller of either
/// clones its resolver.
#[derive(Debug)]
struct IdentityFloor(ArcSwap<Identity>);

impl ResolveCachedIdentity for IdentityFloor {
    #[inline]
    fn resolve_cached_identity<'a>(
        &'a self,
        _: SharedIdentityResolver,
        _: &'a RuntimeComponents,
        _: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let identity = self.0.load();
        black_box(clock_gettime(ClockId::Boottime).tv_nsec);
        IdentityFuture::ready(Ok(Identity::clone(&identity)))
    }
}

pub(crate) fn measure() -> Outcome {
    let runtime = single_thread_runtime()?;
    let candidates = runtime.block_on(create_candidates())?;
    for candidate in &candidates {
        // The first call fetches the session. A candidate that fails would only measure errors.
        if !candidate.run(&runtime, 10) {
            return Err(format!("{}: no session", candidate.name()).into());
        }
    }
    let times = time_one_thread(&candidates, &runtime);
    let two_thread_times = time_two_threads(&candidates)?;
    let ratio = |candidate: usize, floor: usize| median_ratio(&times[candidate], &times[floor]);
    // Throughput is the inverse of time: twice the time is half the throughput.
    let throughput = |candidate: usize, floor: usize| {
        median_ratio(&two_thread_times[floor], &two_thread_times[candidate])
    };
    let allocations: Vec<u64> = candidates
        .iter()
        .map(|candidate| count_allocations(candidate.as_ref(), &runtime))
        .collect();

    let index_of = |name: &str| {
        candidates.iter().position(|candidate| candidate.name() == name).ok_or("not measured")
    };
    let (floor, cached, handle) = (index_of(FLOOR)?, index_of(CACHED)?, index_of(HANDLE)?);
    print_figure("hit_ratio_to_floor", ratio(cached, floor), Goal::AtMost(1.15));
    print_figure("pool_hit_ratio_to_floor", ratio(handle, floor), Goal::AtMost(1.15));
    print_figure("hit_two_thread_ratio_to_floor", throughput(cached, floor), Goal::AtLeast(0.9));
    print_figure(
        "pool_hit_two_thread_ratio_to_floor",
        throughput(handle, floor),
        Goal::AtLeast(0.9),
    );
    let allocated = (allocations[cached] + allocations[handle]) as f64;
    print_figure("hit_allocations", allocated, Goal::Exactly(0.0));
    let (rolecall, sdk) = (index_of(IDENTITY_CACHE)?, index_of(Sdk::NAME)?);
    let identity_floor = index_of(IDENTITY_FLOOR)?;
    print_figure(
        "identity_cache_ratio_to_floor",
        ratio(rolecall, identity_floor),
        Goal::AtMost(1.15),
    );
    print_figure(
        "identity_cache_two_thread_ratio_to_floor",
        throughput(rolecall, identity_floor),
        Goal::AtLeast(0.9),
    );
    print_figure("identity_cache_speedup", ratio(sdk, rolecall), Goal::AtLeast(3.0));

    let name = "A cache hit";
    print_table(
        name,
        &[
            "cache",
            "time per call, relative to the floor",
            "ns",
            "throughput of two threads, relative to the floor's",
            "allocations",
        ],
    );
    for (index, candidate) in candidates.iter().enumerate() {
        print_row(
            name,
            &[
                candidate.name().to_owned(),
                format!("{:.2}", ratio(index, floor)),
                format!("{:.0}", median(times[index].iter().copied())),
                format!("{:.2}", throughput(index, floor)),
                format!("{:.0}", allocations[index] as f64 / f64::from(COUNTED_CALLS)),
            ],
        );
    }
    Ok(())
}

const FLOOR: &str = "the floor";
const CACHED: &str = "rolecall, CachedProvider";
const HANDLE: &str = "rolecall, a handle of a pool";
const IDENTITY_FLOOR: &str = "the floor of an identity cache";
const IDENTITY_CACHE: &str = "rolecall, identity_cache()";

async fn create_candidates() -> Outcome<Vec<Box<dyn Candidate>>> {
    let sts = Sts::new(Duration::ZERO, HOUR);
    let floor = Floor(ArcSwap::from_pointee(keys(0, None)));
    let components = capture_components().await?;
    let identity = Identity::from(keys(0, None));
    let identity_floor = SharedIdentityCache::new(IdentityFloor(ArcSwap::from_pointee(identity)));
    let identity_floor = Sdk::new(identity_floor, sts.clone(), &components)?;
    let identity_cache = Sdk::new(rolecall_cache(), sts.clone(), &components)?;
    let candidates: Vec<Box<dyn Candidate>> = vec![
        with_name(FLOOR, Provider::new(floor)),
        with_name(CACHED, Provider::new(CachedProvider::new(sts.clone()))),
        with_name(HANDLE, Provider::new(pool::single_handle(&sts)?)),
        // Next to its floor, so that both inherit similar cache state in each round.
        with_name(IDENTITY_FLOOR, identity_floor),
        with_name(IDENTITY_CACHE, identity_cache),
        create_peer::<Sdk>(&sts).await?,
        create_peer::<AssumeRole>(&sts).await?,
        create_peer::<Reqsign>(&sts).await?,
        create_peer::<ObjectStore>(&sts).await?,
    ];
    Ok(candidates)
}

async fn create_peer<P: Peer>(sts: &Sts) -> Outcome<Box<dyn Candidate>> {
    Ok(with_name(P::NAME, P::create(sts).await?))
}

fn with_name<C: Cache>(name: &'static str, cache: C) -> Box<dyn Candidate> {
    Box::new(Named { name, cache })
}

struct Named<C> {
    name: &'static str,
    cache: C,
}

/// A cache of any type that is called in the same loop as all others.
trait Candidate: Send + Sync {
    fn name(&self) -> &'static str;

    /// Makes this number of calls and returns `true` if each received a session.
    fn run(&self, runtime: &Runtime, calls: u32) -> bool;
}

impl<C: Cache> Candidate for Named<C> {
    fn name(&self) -> &'static str {
        self.name
    }

    // Dynamic dispatch happens once per round, outside of the loop, and the loop itself is compiled
    // for each type. Inlining it into the caller would let the optimizer treat candidates
    // differently.
    #[inline(never)]
    fn run(&self, runtime: &Runtime, calls: u32) -> bool {
        // Tokio's cooperative budget makes its locks and semaphores yield at every 128th call. The
        // cost of that belongs to this loop and not to the candidate that uses such a lock.
        runtime.block_on(unconstrained(async {
            let mut all_succeeded = true;
            for _ in 0..calls {
                all_succeeded &= self.cache.call().await;
            }
            all_succeeded
        }))
    }
}

/// Returns the position of the `position`-th candidate to run. Odd rounds run in reverse, so that
/// each candidate runs after both of its neighbors equally often and inherits their cache state.
fn position_in_round(round: usize, position: usize, candidates: usize) -> usize {
    if round.is_multiple_of(2) { position } else { candidates - 1 - position }
}

/// Returns the time per call of each candidate in each round, in nanoseconds.
fn time_one_thread(candidates: &[Box<dyn Candidate>], runtime: &Runtime) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(ROUNDS); candidates.len()];
    for round in 0..ROUNDS {
        if round % (ROUNDS / 4) == 0 {
            show_progress(format_args!("cache hits: round {round} of {ROUNDS}"));
        }
        for position in 0..candidates.len() {
            let index = position_in_round(round, position, candidates.len());
            let start = Instant::now();
            black_box(candidates[index].run(runtime, CALLS_PER_ROUND));
            times[index].push(start.elapsed().as_nanos() as f64 / f64::from(CALLS_PER_ROUND));
        }
    }
    times
}

/// Returns the time in which two threads that share one candidate make their calls, for each
/// candidate in each round, in seconds.
fn time_two_threads(candidates: &[Box<dyn Candidate>]) -> Outcome<Vec<Vec<f64>>> {
    let runtimes = [single_thread_runtime()?, single_thread_runtime()?];
    let mut times = vec![Vec::with_capacity(TWO_THREAD_ROUNDS); candidates.len()];
    for round in 0..TWO_THREAD_ROUNDS {
        if round % (TWO_THREAD_ROUNDS / 3) == 0 {
            show_progress(format_args!("on two threads: round {round} of {TWO_THREAD_ROUNDS}"));
        }
        for position in 0..candidates.len() {
            let index = position_in_round(round, position, candidates.len());
            let time = time_round_of_two_threads(candidates[index].as_ref(), &runtimes);
            times[index].push(time.as_secs_f64());
        }
    }
    Ok(times)
}

/// Returns the time from the first thread's first call until both threads have finished.
fn time_round_of_two_threads(candidate: &dyn Candidate, runtimes: &[Runtime; 2]) -> Duration {
    // Without the barrier, the first thread could finish before the second has been created.
    let barrier = Arc::new(Barrier::new(runtimes.len()));
    std::thread::scope(|scope| {
        let threads = runtimes.each_ref().map(|runtime| {
            let barrier = Arc::clone(&barrier);
            scope.spawn(move || {
                barrier.wait();
                let start = Instant::now();
                black_box(candidate.run(runtime, CALLS_PER_THREAD));
                (start, Instant::now())
            })
        });
        let spans = threads.map(|thread| thread.join().ok());
        let starts = spans.iter().flatten().map(|(start, _)| *start).min();
        let ends = spans.iter().flatten().map(|(_, end)| *end).max();
        starts.zip(ends).map_or(Duration::MAX, |(start, end)| end - start)
    })
}

fn count_allocations(candidate: &dyn Candidate, runtime: &Runtime) -> u64 {
    let count = |calls: u32| {
        allocation_counter::measure(|| {
            black_box(candidate.run(runtime, calls));
        })
        .count_total
    };
    // Entering the runtime allocates as well, and is not part of a call.
    let without_calls = count(0);
    count(COUNTED_CALLS).saturating_sub(without_calls)
}

fn single_thread_runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Returns the median over all rounds of the ratio within a round.
pub(crate) fn median_ratio(times: &[f64], baseline: &[f64]) -> f64 {
    median(times.iter().zip(baseline).map(|(time, baseline)| time / baseline))
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

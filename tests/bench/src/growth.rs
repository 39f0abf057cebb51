//! What 10,000, 100,000 and 1,000,000 entries cost each: memory, the time to get a handle, and the
//! CPU time of a refresh.
//!
//! Costs grow with the number of entries even if no work does, because a larger pool does not fit
//! into the CPU's caches. The handle is therefore compared with moka's own lookup of the same key
//! among as many entries.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use rolecall::{Chain, Role, RolePool};
use tokio::runtime::{Builder, Runtime};

use crate::due::{Entries, LoadedPool};
use crate::hit::{median, median_ratio};
use crate::peers::Outcome;
use crate::pool::{
    chain_in_process, create_loaded_pool, fetch_sessions, measure_live_bytes, tenant_roles,
};
use crate::report::{Goal, print_figure, print_row, print_table, show_progress};
use crate::sts::Sts;

const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// Rounds of lookups, and lookups of each candidate per round.
const ROUNDS: usize = 200;
const LOOKUPS_PER_ROUND: usize = 10_000;
/// Distance of consecutive lookups, a prime number. Entries that were created one after the other
/// are adjacent in memory, and reading them in this order would hide the cost of a cache miss.
const STEP: usize = 7919;

/// How often the refreshes of each size are measured, in turn. What else the machine does only adds
/// to their CPU time, so the least of them is compared.
const REFRESH_ROUNDS: usize = 3;
/// Rate of the refreshes. The smallest pool lasts for the whole run, and sessions outlive it.
const REFRESHES_PER_SECOND: u32 = 1000;
const SECONDS: usize = 8;

/// What the entries of one pool cost.
struct Costs {
    /// Bytes per role without its session.
    bytes: f64,
    /// Resident memory of the process, in megabytes.
    resident: f64,
    handle: f64,
    moka: f64,
    handle_ratio: f64,
    refreshes: Vec<Refresh>,
}

impl Costs {
    fn least(&self, cost: fn(&Refresh) -> f64) -> f64 {
        self.refreshes.iter().map(cost).fold(f64::INFINITY, f64::min)
    }
}

/// The CPU time of refreshes.
struct Refresh {
    /// Microseconds per refresh: the median of all seconds.
    micros: f64,
    /// Milliseconds of the first second, in which all entries become due.
    first_second: f64,
}

pub(crate) fn measure() -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let chain = chain_in_process(&Sts::with_short_tokens())?;
    runtime.block_on(chain.provider().ready())?;
    let roles = tenant_roles(SIZES[0])?;
    let (sessions, bytes) = measure_live_bytes(|| fetch_sessions(&chain, &roles, &runtime))?;
    let bytes_per_session = bytes / sessions.len() as f64;
    drop((sessions, roles));

    let mut all = Vec::new();
    for size in SIZES {
        all.push(measure_size(&chain, size, bytes_per_session, &runtime)?);
    }
    for _ in 0..REFRESH_ROUNDS {
        for (size, costs) in SIZES.into_iter().zip(&mut all) {
            costs.refreshes.push(measure_refresh(size)?);
        }
    }
    let [small, medium, large] = &all[..] else { return Err("three sizes are measured".into()) };
    print_figure("handle_ratio_to_moka", small.handle_ratio, Goal::AtMost(2.0));
    print_figure("handle_ratio_to_moka_100k", medium.handle_ratio, Goal::AtMost(2.0));
    print_figure("handle_ratio_to_moka_1m", large.handle_ratio, Goal::AtMost(2.0));
    let grown = |cost: fn(&Costs) -> f64| {
        let largest = all.iter().map(cost).fold(f64::NEG_INFINITY, f64::max);
        largest / all.iter().map(cost).fold(f64::INFINITY, f64::min)
    };
    print_figure("growth_bytes_ratio", grown(|costs| costs.bytes), Goal::AtMost(1.3));
    print_figure("megabytes_per_1000000_roles", large.resident, Goal::AtMost(3000.0));
    print_figure(
        "growth_timer_ratio",
        grown(|costs| costs.least(|refresh| refresh.micros)),
        Goal::AtMost(1.3),
    );

    let name = "Growth";
    let heads = [
        "entries",
        "bytes per role without its session",
        "resident MB of the process, session tokens of 100 characters",
        "ns per handle",
        "ns per lookup in moka",
        "handle, relative to moka",
        "us of CPU per refresh",
        "ms of CPU in the first second of all refreshes",
    ];
    print_table(name, &heads);
    for (size, costs) in SIZES.iter().zip(&all) {
        let numbers =
            [costs.bytes, costs.resident, costs.handle, costs.moka].map(|n| format!("{n:.0}"));
        let mut cells = vec![size.to_string()];
        cells.extend(numbers);
        cells.push(format!("{:.2}", costs.handle_ratio));
        cells.push(format!("{:.1}", costs.least(|refresh| refresh.micros)));
        cells.push(format!("{:.0}", costs.least(|refresh| refresh.first_second)));
        print_row(name, &cells);
    }
    Ok(())
}

fn measure_size(
    chain: &Chain,
    size: usize,
    bytes_per_session: f64,
    runtime: &Runtime,
) -> Outcome<Costs> {
    show_progress(format_args!("{size} roles: memory"));
    let ((pool, roles), bytes) = measure_live_bytes(|| create_loaded_pool(chain, size, runtime))?;
    let resident = resident_megabytes()?;
    show_progress(format_args!("{size} roles: handles"));
    let (handle, moka, handle_ratio) = compare_handle_with_moka(&pool, &roles);
    drop((pool, roles));
    let bytes = bytes / size as f64 - bytes_per_session;
    Ok(Costs { bytes, resident, handle, moka, handle_ratio, refreshes: Vec::new() })
}

/// Returns the nanoseconds of a handle and of a lookup in moka, and their ratio.
fn compare_handle_with_moka(pool: &RolePool, roles: &[Role]) -> (f64, f64, f64) {
    let cache: Cache<Role, Arc<usize>> = Cache::new(roles.len() as u64);
    for (number, role) in roles.iter().enumerate() {
        cache.insert(role.clone(), Arc::new(number));
    }
    cache.run_pending_tasks();
    let (mut handle_times, mut moka_times) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        // Each candidate finds in the CPU's caches what the other one left there: they take turns,
        // and look up different roles, so that neither reads the roles for the other.
        let keys = |round: usize| {
            let first = round * LOOKUPS_PER_ROUND;
            (first..first + LOOKUPS_PER_ROUND).map(|lookup| &roles[lookup * STEP % roles.len()])
        };
        let handle = time_lookups(keys(round), |role| drop(black_box(pool.role(role))));
        let other_keys = keys(round + ROUNDS / 2);
        let moka = time_lookups(other_keys, |role| drop(black_box(cache.get(role))));
        // The first round fills the CPU's caches, and may find pending work of the insertions.
        if round > 0 {
            handle_times.push(handle);
            moka_times.push(moka);
        }
    }
    let ratio = median_ratio(&handle_times, &moka_times);
    (median(handle_times), median(moka_times), ratio)
}

/// Returns the nanoseconds per lookup.
fn time_lookups<'a>(keys: impl Iterator<Item = &'a Role>, look_up: impl Fn(&Role)) -> f64 {
    let start = Instant::now();
    for role in keys {
        look_up(role);
    }
    start.elapsed().as_nanos() as f64 / LOOKUPS_PER_ROUND as f64
}

/// Measures refreshes of a pool whose entries are all due at once, at a fixed rate.
///
/// The CPU time is that of the whole process, which does nothing else. That all entries become due
/// costs some time once, which the median of single seconds leaves out.
fn measure_refresh(size: usize) -> Outcome<Refresh> {
    let pool = LoadedPool::new(Entries::Due, size as u64, REFRESHES_PER_SECOND)?;
    show_progress(format_args!("{size} entries due at once"));
    let mut last = pool.start();
    let (mut per_refresh, mut first_second) = (Vec::new(), 0.0);
    for second in 0..SECONDS {
        std::thread::sleep(Duration::from_secs(1));
        let counts = pool.finish()?;
        let delta = counts.since(last);
        last = counts;
        per_refresh.push(delta.cpu * 1e6 / delta.sessions as f64);
        if second == 0 {
            first_second = delta.cpu * 1e3;
        }
    }
    Ok(Refresh { micros: median(per_refresh), first_second })
}

/// Returns the resident memory of this process, in megabytes.
fn resident_megabytes() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
    Ok(kibibytes.parse::<f64>()? * 1024.0 / 1e6)
}

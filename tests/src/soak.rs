//! A soak test of a session pool: many tasks, short sessions and random faults, while invariants
//! are checked.
//!
//! A pool of AssumeRole hops on a web identity runs against the local AWS over real HTTP. Its
//! callers (`callers`) get sessions, abandon calls, invalidate sessions, refresh and remove
//! entries; a schedule (`fault_schedule`) injects faults into STS; and a monitor
//! (`invariants`) reports every call that violated an invariant. At the end, no task of the
//! client may be left, and the memory in use must not have grown.
//!
//! Two more clients, with pools of their own, stand still for seconds, across expirations: one
//! whose runtime is not driven (`freeze`), and one in a process that is stopped
//! (`stopped_process`). Their first calls afterwards must not receive the error of a fetch that
//! began before.
//!
//! The clock of both sides runs sixty times as fast as real time, so that a session of 15 minutes
//! lasts 15 seconds and an outage can outlast it. Network and scheduler are real: no two runs are
//! the same, although a seed repeats the faults and the actions of the callers.

mod callers;
mod fault_schedule;
mod freeze;
mod invariants;
mod stopped_process;

use std::error::Error;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rolecall::cache::SessionPool;
use rolecall::observe::Observer;
use rolecall::params::{RoleArn, SessionDuration, SessionName};
use rolecall::provider::AssumeRoleProvider;
use rolecall::time::{Clock, ManualClock};
use rolecall::web_identity::WebIdentityRequest;
use rolecall::web_identity::{TokenFn, WebIdentityToken};
use rolecall::{ErrorKind, ProvideSession, Role, SessionError};
use tokio::runtime::{Builder, Runtime};

use self::fault_schedule::FaultSchedule;
use self::invariants::{InvariantMonitor, MonitoredProvider};
use crate::figures::{Figure, Goal};
use crate::{CHECKOUT, HUB, World};

pub use self::invariants::Counts;
pub use self::stopped_process::StoppedClient;

/// Speed of the session clock relative to real time.
const SPEED: u32 = 60;
/// Largest step of the session clock. If the machine stalls, sessions do not age meanwhile: callers
/// could not have used them either.
const MAX_CLOCK_STEP: Duration = Duration::from_millis(600);
/// Lifetime of a session in seconds, the shortest that STS permits.
const LIFETIME: u64 = 900;
/// Number of tenants, each with a cache entry of its own.
const TENANTS: usize = 100;
/// Number of entries that the pool retains. It is lower than the number of tenants, so that the
/// pool evicts.
const RETAINED: usize = 98;
/// Number of calls, and of sessions, that the local AWS keeps. It is in this process; without a
/// limit, its record would look like a leak. The limit exceeds the number of sessions in use.
const RECORD_LIMIT: usize = 1500;
/// Number of fetched sessions from which the memory of the local AWS is constant: its record is
/// full, and its maps have reached their final capacity.
const RECORD_FULL: u64 = 3000;
/// Permitted growth of the memory in use, in bytes per minute.
///
/// Without a leak, the measured growth is less, since pauses differ in both directions. Keeping one
/// session per fetch would amount to five times as much; keeping a few bytes per call exceeds it,
/// too.
const MAX_GROWTH_PER_MINUTE: f64 = 1.5 * 1_048_576.0;
/// Number of pauses in which memory must have been measured.
const MIN_PAUSES: usize = 8;
/// How much longer than requested a soak may run, beyond twice its length, to measure that often.
const MAX_EXTRA_TIME: Duration = Duration::from_secs(60);
/// Time that background tasks have to end after the last handle is dropped.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Parameters of a soak.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// Length in real time. A run takes longer if the long outage, or the number of pauses in which
    /// memory is compared, requires it.
    pub length: Duration,
    /// Number of calling tasks.
    pub tasks: usize,
    /// Seed of the faults and of the callers' actions.
    pub seed: u64,
    /// Returns the number of allocated bytes of this process.
    pub live_bytes: fn() -> usize,
}

/// Progress of a running soak.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Real time since the start.
    pub elapsed: Duration,
    /// Events so far.
    pub counts: Counts,
    /// Calls that reached the local STS.
    pub sts_calls: usize,
    /// Calls that the local STS answered with an error or an injected fault.
    pub faults: usize,
    /// Allocated bytes.
    pub live_bytes: usize,
}

/// Result of a soak.
#[derive(Debug)]
pub struct SoakReport {
    /// Figures, with a goal of zero for each invariant.
    pub figures: Vec<Figure>,
    /// Description of the first violation of each invariant.
    pub violations: Vec<String>,
}

impl Soak {
    /// Runs the soak. `on_progress` is called once per second.
    ///
    /// # Errors
    ///
    /// Returns an error if the local AWS or the pool cannot be set up.
    pub fn run(
        self,
        on_progress: impl FnMut(&Progress),
    ) -> Result<SoakReport, Box<dyn Error + Send + Sync>> {
        // Servers and clients have runtimes of their own: every task that is left on the client
        // runtime at the end was started by rolecall or the callers.
        let servers = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let clients = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let world = Arc::new(servers.block_on(World::with_record_limit(RECORD_LIMIT))?);
        let monitor = Arc::new(InvariantMonitor::new(TENANTS, world.clock.clock()));
        let connection = Connection::to(&world);
        let pool = {
            let _guard = clients.enter();
            create_pool(&connection, &monitor)?
        };
        servers.spawn(advance_clock(world.clock.clone()));
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..self.tasks)
            .map(|task| {
                let seed = self.seed.wrapping_add(u64::try_from(task).unwrap_or(0));
                let (pool, monitor, stop) = (pool.clone(), Arc::clone(&monitor), Arc::clone(&stop));
                clients.spawn(callers::run(pool, monitor, stop, seed))
            })
            .collect();
        let frozen_monitor = freeze::new_monitor(&connection);
        let frozen = std::thread::spawn({
            let (monitor, stop) = (Arc::clone(&frozen_monitor), Arc::clone(&stop));
            move || freeze::run(&connection, &monitor, &stop, self.seed)
        });
        let stopped = std::thread::spawn({
            let (world, stop) = (Arc::clone(&world), Arc::clone(&stop));
            move || stopped_process::run(&world, &stop, self.seed)
        });
        let (quiet_memory, long_outage_finished) = (Vec::new(), false);
        let mut supervisor = Supervisor {
            soak: self,
            world: &world,
            monitors: [&monitor, &frozen_monitor],
            quiet_memory,
            long_outage_finished,
        };
        let last = supervisor.inject_faults_and_measure(on_progress)?;
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            clients.block_on(caller)?;
        }
        let panicked = |_| "the thread of a client that is frozen panicked";
        let frozen_tasks = frozen.join().map_err(panicked)??;
        let stopped_figures = stopped.join().map_err(panicked)??;
        let entries = count_remaining_entries(&pool);
        drop(pool);
        let tasks = count_remaining_tasks(&clients);
        let mut figures = monitor.figures();
        let zero = |name: &str, value: f64| Figure::with_goal(name, value, Goal::Exactly(0.0));
        let plain = Figure::informational;
        figures.extend([
            zero("remaining_tasks", tasks as f64),
            zero("frozen_remaining_tasks", frozen_tasks as f64),
            Figure::with_goal("remaining_entries", entries as f64, Goal::AtMost(RETAINED as f64)),
            zero("missing_long_outages", f64::from(!supervisor.long_outage_finished)),
            Figure::with_goal(
                "live_bytes_growth_per_minute",
                memory_growth(&supervisor.quiet_memory).unwrap_or(f64::INFINITY),
                Goal::AtMost(MAX_GROWTH_PER_MINUTE),
            ),
            plain("pauses_compared", supervisor.quiet_memory.len() as f64),
            plain("live_bytes", last.live_bytes as f64),
            plain("sts_calls", last.sts_calls as f64),
            plain("sts_calls_with_a_fault", last.faults as f64),
            plain("simulated_hours", (last.elapsed * SPEED).as_secs_f64() / 3600.0),
        ]);
        figures.extend(frozen_monitor.figures().into_iter().map(|mut figure| {
            figure.name.insert_str(0, "frozen_");
            figure
        }));
        figures.extend(stopped_figures);
        let mut violations = monitor.violations();
        violations.extend(frozen_monitor.violations());
        Ok(SoakReport { figures, violations })
    }
}

/// What a client needs to know of the local AWS.
struct Connection {
    endpoint_url: String,
    clock: Clock,
    sign_token: Arc<dyn Fn() -> Result<String, String> + Send + Sync>,
}

impl Connection {
    fn to(world: &Arc<World>) -> Self {
        // A strong reference would keep the servers alive after the end of the soak.
        let issuer = Arc::downgrade(world);
        let sign_token = move || {
            let world = issuer.upgrade().ok_or("the issuer has stopped".to_owned())?;
            let token = world.cluster.service_account_token("shop", "checkout");
            token.sign().map_err(|error| error.to_string())
        };
        Self {
            endpoint_url: world.aws.endpoint_url().to_owned(),
            clock: world.clock.clock(),
            sign_token: Arc::new(sign_token),
        }
    }
}

/// Creates a pool of AssumeRole hops on a web identity, with monitored providers.
fn create_pool(
    connection: &Connection,
    monitor: &Arc<InvariantMonitor>,
) -> Result<SessionPool<usize>, Box<dyn Error + Send + Sync>> {
    let duration = SessionDuration::from_secs(LIFETIME)?;
    let mut request =
        WebIdentityRequest::new(RoleArn::parse(CHECKOUT)?, SessionName::parse("soak")?);
    request.duration = Some(duration);
    let sign_token = Arc::clone(&connection.sign_token);
    let tokens = TokenFn::new("of the cluster", move || {
        std::future::ready(match sign_token() {
            Ok(token) => WebIdentityToken::parse(&token),
            Err(why) => Err(SessionError::new(ErrorKind::TokenUnavailable, why)),
        })
    });
    let mut rate_limit = rolecall::sts::RateLimit::default();
    // The rate limiter counts in real time, in which sessions expire sixty times as often as they
    // should. The default limit would defer most fetches, and other faults would not be noticed.
    rate_limit.calls_per_second = NonZeroU32::new(1000).unwrap_or(NonZeroU32::MIN);
    let region = rolecall::sts::Region::parse("eu-west-1")?;
    let endpoint = rolecall::sts::Endpoint::custom(&connection.endpoint_url, region)?;
    let sts = rolecall::sts::StsClient::builder(endpoint)
        .clock(connection.clock.clone())
        .rate_limit(rate_limit);
    let observer: Arc<dyn Observer> = Arc::clone(monitor) as Arc<dyn Observer>;
    let builder =
        rolecall::Chain::builder().sts_client(sts.build()).observer(Arc::clone(&observer));
    let chain = builder.from_token_provider(tokens, request)?;
    let sts = chain.sts_client()?.clone();
    let hub = Role::new(HUB)?.duration(duration)?;
    let names: Result<Vec<_>, _> =
        (0..TENANTS).map(|tenant| SessionName::parse(&invariants::session_name(tenant))).collect();
    let names = names?;
    let monitor = Arc::clone(monitor);
    let provider = move |tenant: &usize| {
        let (hub, name) = (hub.clone(), names[*tenant].clone());
        let hop = AssumeRoleProvider::new(chain.base_provider(), hub, sts.clone(), name);
        Arc::new(MonitoredProvider::new(hop, *tenant, &monitor)) as Arc<dyn ProvideSession>
    };
    Ok(SessionPool::builder(provider)
        .clock(connection.clock.clone())
        .capacity(RETAINED as u64)
        .idle(Duration::from_secs(2 * LIFETIME))
        .observer(observer)
        .build())
}

/// Advances the session clock with real time, [`SPEED`] times as fast.
async fn advance_clock(clock: ManualClock) {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let passed = last.elapsed();
        last += passed;
        clock.advance((passed * SPEED).min(MAX_CLOCK_STEP));
    }
}

/// Returns the number of tasks on the client runtime after the last handle was dropped and the
/// tasks had time to end.
fn count_remaining_tasks(clients: &Runtime) -> usize {
    let start = Instant::now();
    loop {
        let tasks = clients.metrics().num_alive_tasks();
        if tasks == 0 || start.elapsed() > SHUTDOWN_TIMEOUT {
            return tasks;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the number of the pool's entries when no caller holds a handle and the pool's periodic
/// maintenance has had time to evict those beyond its capacity.
fn count_remaining_entries(pool: &SessionPool<usize>) -> usize {
    let start = Instant::now();
    loop {
        let entries = pool.status().entries();
        if entries <= RETAINED || start.elapsed() > SHUTDOWN_TIMEOUT {
            return entries;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Injects the faults of the schedule while the callers run, and measures memory in the pauses.
struct Supervisor<'a> {
    soak: Soak,
    world: &'a World,
    /// The monitors of the clients in this process, first that of the main one.
    monitors: [&'a InvariantMonitor; 2],
    /// Time in seconds, and the lowest number of allocated bytes, of each pause. The lowest is the
    /// number at a moment at which no fetch was running.
    quiet_memory: Vec<(f64, f64)>,
    long_outage_finished: bool,
}

impl Supervisor<'_> {
    fn inject_faults_and_measure(
        &mut self,
        mut on_progress: impl FnMut(&Progress),
    ) -> Result<Progress, Box<dyn Error + Send + Sync>> {
        let mut schedule = FaultSchedule::new(self.soak.seed);
        let (began, mut next_second, mut faults, mut seen_calls) = (Instant::now(), 1, 0, 0);
        let mut lowest: Option<usize> = None;
        loop {
            let excused = schedule.update(self.world, began.elapsed())?;
            self.monitors.iter().for_each(|monitor| monitor.excuse_waits_until(excused));
            std::thread::sleep(Duration::from_millis(50));
            let elapsed = began.elapsed();
            let live_bytes = (self.soak.live_bytes)();
            if schedule.is_quiet(elapsed) {
                lowest = Some(lowest.map_or(live_bytes, |lowest| lowest.min(live_bytes)));
            } else if let Some(lowest) = lowest.take() {
                // Earlier pauses are not comparable: the record of the local AWS grows with each
                // call and session until it is full, and the long outage fills the error state of
                // every entry.
                if self.monitors[0].counts().fetched >= RECORD_FULL
                    && schedule.long_outage_finished()
                {
                    self.quiet_memory.push((elapsed.as_secs_f64(), lowest as f64));
                }
            }
            let enough_pauses = self.quiet_memory.len() >= MIN_PAUSES
                || elapsed >= 2 * self.soak.length + MAX_EXTRA_TIME;
            let finished = elapsed >= self.soak.length && enough_pauses;
            if elapsed < Duration::from_secs(next_second) && !finished {
                continue;
            }
            next_second += 1;
            let sts_calls: usize = self.world.aws.counts().values().sum();
            let calls = self.world.aws.calls();
            let new_calls = calls.iter().rev().take(sts_calls - seen_calls);
            faults += new_calls.filter(|call| call.error.is_some()).count();
            seen_calls = sts_calls;
            drop(calls);
            let counts = self.monitors[0].counts();
            let progress = Progress { elapsed, counts, sts_calls, faults, live_bytes };
            on_progress(&progress);
            if finished {
                self.long_outage_finished = schedule.long_outage_finished();
                return Ok(progress);
            }
        }
    }
}

/// Returns the growth of the memory in use, in bytes per minute, from the time in seconds and the
/// bytes of each pause.
///
/// It is the lower quartile of the slopes between all pairs of pauses. A leak shows between nearly
/// all of them. Without one, the slopes go both ways, and on a busy machine, whose pauses differ
/// most, their median alone may exceed the limit.
fn memory_growth(pauses: &[(f64, f64)]) -> Option<f64> {
    let mut slopes: Vec<f64> = Vec::new();
    for (number, (time, bytes)) in pauses.iter().enumerate() {
        let later = pauses.iter().skip(number + 1);
        slopes.extend(
            later.map(|(later_time, later_bytes)| {
                (later_bytes - bytes) / (later_time - time) * 60.0
            }),
        );
    }
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 4).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns pauses 6 s apart, with these differences from a leak of so many bytes per minute.
    fn pauses(leak: f64, noise: [f64; MIN_PAUSES]) -> Vec<(f64, f64)> {
        let times = (0..MIN_PAUSES).map(|number| number as f64 * 6.0);
        times.zip(noise).map(|(time, noise)| (time, 5e6 + time / 60.0 * leak + noise)).collect()
    }

    #[test]
    fn growth_shows_leak_and_no_noise() {
        let rises = [0.0, 2e5, -1e5, 9e5, 1e5, 8e5, 5e5, 4e5];
        let falls = rises.map(|noise| -noise);
        for noise in [rises, falls, [0.0; MIN_PAUSES]] {
            let growth = |leak| memory_growth(&pauses(leak, noise)).unwrap();
            assert!(growth(0.0) < MAX_GROWTH_PER_MINUTE, "{noise:?}: {}", growth(0.0));
            let leak = 5.0 * MAX_GROWTH_PER_MINUTE;
            assert!(growth(leak) > MAX_GROWTH_PER_MINUTE, "{noise:?}: {}", growth(leak));
        }
        assert_eq!(memory_growth(&[]), None);
    }
}

//! Many tasks, a pool on a chain, short sessions, and whatever can go wrong at STS: what must never be is looked for.
//!
//! The clock of both sides goes sixty times as fast as the machine's, so that a session of 15 minutes lasts 15 seconds and
//! an outage outlasts it. Network and scheduler are real, and so no two runs are the same; a seed repeats the faults and
//! what the callers do.

mod callers;
mod ledger;
mod weather;

use std::error::Error;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rolecall::cache::SessionPool;
use rolecall::sts::WebIdentityRequest;
use rolecall::{
    AssumeRole, ErrorKind, FetchError, ManualClock, Observer, Role, RoleArn, SessionDuration,
    SessionName, SessionSource, TokenFn, WebIdentityToken,
};
use tokio::runtime::{Builder, Runtime};

use self::ledger::{Ledger, Watched};
use self::weather::Weather;
use crate::figures::{Figure, Goal};
use crate::{CHECKOUT, HUB, World};

pub use self::ledger::Counts;

/// How much faster than the machine's the clock of both sides goes.
const SPEED: u32 = 60;
/// What it goes at once at most: a machine that stands still for a moment makes no session older.
const MOST_AT_ONCE: Duration = Duration::from_millis(600);
/// How long a session is good: STS's least.
const LIFETIME: u64 = 900;
/// How many roles' sessions are asked for, of which the pool retains fewer.
const TENANTS: usize = 100;
const RETAINED: usize = 98;

/// A soak.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// How long, in real time: longer if it takes that to see the outage, and to compare the memory in use.
    pub length: Duration,
    /// How many tasks call.
    pub tasks: usize,
    /// Repeats the faults, and what the callers do.
    pub seed: u64,
    /// How many bytes are allocated and not freed.
    pub live_bytes: fn() -> usize,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Of real time.
    pub elapsed: Duration,
    /// What happened so far.
    pub counts: Counts,
    /// Calls that reached the local STS.
    pub sts_calls: usize,
    /// Those of them that it answered with an error or a fault.
    pub faults: usize,
    /// The bytes that are allocated.
    pub live_bytes: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Soaked {
    /// With goals for what must never be.
    pub figures: Vec<Figure>,
    /// What was not as it must be, in words; the first of each kind.
    pub violations: Vec<String>,
}

impl Soak {
    /// Soaks. `progress` hears of it every second.
    ///
    /// # Errors
    ///
    /// The local AWS cannot be set up.
    pub fn run(self, progress: impl FnMut(&Progress)) -> Result<Soaked, Box<dyn Error>> {
        // Each side has a runtime of its own: what is left on the client's at the end is the client's.
        let servers = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let clients = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let world = Arc::new(servers.block_on(World::that_remembers(REMEMBERED))?);
        let ledger = Arc::new(Ledger::new(TENANTS, world.hands.clock()));
        let pool = {
            let _within = clients.enter();
            pool(&world, &ledger)?
        };
        servers.spawn(turn(world.hands.clone()));
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..self.tasks)
            .map(|task| {
                let seed = self.seed.wrapping_add(u64::try_from(task).unwrap_or(0));
                let (pool, ledger, stop) = (pool.clone(), Arc::clone(&ledger), Arc::clone(&stop));
                clients.spawn(callers::call(pool, ledger, stop, seed))
            })
            .collect();
        let (lulls, had_its_outage) = (Vec::new(), false);
        let mut watch = Watch { soak: self, world: &world, ledger: &ledger, lulls, had_its_outage };
        let last = watch.through_the_weather(progress)?;
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            clients.block_on(caller)?;
        }
        let slots = slots_left(&pool);
        drop(pool);
        let left = tasks_left(&clients);
        let mut figures = ledger.figures();
        let exactly = |name: &str, value: f64| Figure::with_goal(name, value, Goal::Exactly(0.0));
        figures.extend([
            exactly("tasks_left", left as f64),
            Figure::with_goal("slots_left", slots as f64, Goal::AtMost(RETAINED as f64)),
            exactly("outages_longer_than_a_session_missing", f64::from(!watch.had_its_outage)),
            Figure::with_goal(
                "live_bytes_grown_a_minute",
                watch.growth().unwrap_or(f64::INFINITY),
                Goal::AtMost(GROWN_A_MINUTE),
            ),
            Figure::of("lulls_compared", watch.lulls.len() as f64),
            Figure::of("live_bytes", last.live_bytes as f64),
            Figure::of("sts_calls", last.sts_calls as f64),
            Figure::of("sts_calls_with_a_fault", last.faults as f64),
            Figure::of("simulated_hours", (last.elapsed * SPEED).as_secs_f64() / 3600.0),
        ]);
        Ok(Soaked { figures, violations: ledger.violations() })
    }
}

/// A pool of hops on a web identity, whose sources are watched.
fn pool(world: &Arc<World>, ledger: &Arc<Ledger>) -> Result<SessionPool<usize>, Box<dyn Error>> {
    let duration = SessionDuration::from_secs(LIFETIME)?;
    let mut request =
        WebIdentityRequest::new(RoleArn::parse(CHECKOUT)?, SessionName::parse("soak")?);
    request.duration = Some(duration);
    let tokens = TokenFn::new("of the cluster", {
        let world = Arc::downgrade(world);
        move || {
            let token = world.upgrade().ok_or("the world is gone".to_owned()).and_then(|world| {
                let token = world.cluster.service_account_token("shop", "checkout");
                token.sign().map_err(|error| error.to_string())
            });
            std::future::ready(match token {
                Ok(token) => WebIdentityToken::parse(&token),
                Err(why) => Err(FetchError::new(ErrorKind::TokenUnavailable, why)),
            })
        }
    });
    let mut budget = rolecall::Budget::default();
    // In real time, which is sixty times as slow.
    budget.calls_per_second = NonZeroU32::new(1000).unwrap_or(NonZeroU32::MIN);
    let region = rolecall::Region::parse("eu-west-1")?;
    let endpoint = rolecall::Endpoint::custom(world.aws.endpoint_url(), region)?;
    let sts = rolecall::StsClient::builder(endpoint).clock(world.hands.clock()).budget(budget);
    let observer: Arc<dyn Observer> = Arc::clone(ledger) as Arc<dyn Observer>;
    let builder = rolecall::builder().sts(sts.build()).observer(Arc::clone(&observer));
    let chain = builder.from_tokens(tokens, request)?;
    let hub = Role::new(HUB)?.duration(duration)?;
    // By its own name, a tenant's session says whose it is.
    let names: Result<Vec<_>, _> =
        (0..TENANTS).map(|tenant| SessionName::parse(&ledger::session_name(tenant))).collect();
    let names = names?;
    let ledger = Arc::clone(ledger);
    let source = move |tenant: &usize| {
        let (hub, name) = (hub.clone(), names[*tenant].clone());
        let hop = AssumeRole::new(chain.base(), hub, chain.sts().clone(), name);
        Arc::new(Watched::new(hop, *tenant, &ledger)) as Arc<dyn SessionSource>
    };
    Ok(SessionPool::builder(source)
        .clock(world.hands.clock())
        .capacity(RETAINED as u64)
        .idle(Duration::from_secs(2 * LIFETIME))
        .observer(observer)
        .build())
}

async fn turn(hands: ManualClock) {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let passed = last.elapsed();
        last += passed;
        hands.advance((passed * SPEED).min(MOST_AT_ONCE));
    }
}

/// How many tasks of the client's there are when its last handle is gone, and they had time to end.
fn tasks_left(clients: &Runtime) -> usize {
    let patience = Instant::now();
    loop {
        let left = clients.metrics().num_alive_tasks();
        if left == 0 || patience.elapsed() > Duration::from_secs(10) {
            return left;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many slots the pool has when nobody holds a handle: its own look lets go of those for which there is no room.
fn slots_left(pool: &SessionPool<usize>) -> usize {
    let patience = Instant::now();
    loop {
        let slots = pool.status().slots();
        if slots <= RETAINED || patience.elapsed() > Duration::from_secs(10) {
            return slots;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// By how much the memory in use may grow in a minute. Of a sound minute it is a third of this, up or down, as lulls
/// differ; of one that keeps a session for each fetch, five times as much, and of one that keeps a few bytes for each
/// call, more than this.
const GROWN_A_MINUTE: f64 = 1.5 * 1_048_576.0;
/// In how many lulls the memory is compared at least, and how much longer it takes for that at most.
const LEAST_LULLS: usize = 5;
const MORE: Duration = Duration::from_secs(60);

struct Watch<'a> {
    soak: Soak,
    world: &'a World,
    ledger: &'a Ledger,
    /// The least that was allocated in each lull, and when: what a fetch takes while it runs has gone again.
    lulls: Vec<(f64, f64)>,
    had_its_outage: bool,
}

/// The local AWS is in this process, and remembers this many calls, and as many sessions: more than are in use.
const REMEMBERED: usize = 1500;
/// From how many sessions on it forgets as many as it learns, and its maps have the size that they keep.
const FILLED: u64 = 3000;

impl Watch<'_> {
    fn through_the_weather(
        &mut self,
        mut progress: impl FnMut(&Progress),
    ) -> Result<Progress, Box<dyn Error>> {
        let mut weather = Weather::new(self.soak.seed);
        let (begun, mut next, mut faults, mut known) = (Instant::now(), 1, 0, 0);
        let mut least: Option<usize> = None;
        loop {
            weather.blow(&self.world.aws, begun.elapsed(), self.ledger.clock().now())?;
            std::thread::sleep(Duration::from_millis(50));
            let elapsed = begun.elapsed();
            let live_bytes = (self.soak.live_bytes)();
            if weather.is_calm(elapsed) {
                least = Some(least.map_or(live_bytes, |least| least.min(live_bytes)));
            } else if let Some(least) = least.take() {
                // Before, what the local AWS remembers grows: with each call, and each session.
                if self.ledger.counts().fetched >= FILLED && weather.had_its_outage() {
                    self.lulls.push((elapsed.as_secs_f64(), least as f64));
                }
            }
            let seen = self.lulls.len() >= LEAST_LULLS || elapsed >= 2 * self.soak.length + MORE;
            let over = elapsed >= self.soak.length && seen;
            if elapsed < Duration::from_secs(next) && !over {
                continue;
            }
            next += 1;
            let sts_calls: usize = self.world.aws.counts().values().sum();
            let calls = self.world.aws.calls();
            let new = calls.iter().rev().take(sts_calls - known);
            faults += new.filter(|call| call.error.is_some()).count();
            known = sts_calls;
            drop(calls);
            let counts = self.ledger.counts();
            let now = Progress { elapsed, counts, sts_calls, faults, live_bytes };
            progress(&now);
            if over {
                self.had_its_outage = weather.had_its_outage();
                return Ok(now);
            }
        }
    }

    /// By how many bytes the memory in use grows in a minute: the median of the slopes between all lulls, so that one of
    /// them in which something was amiss does not count.
    fn growth(&self) -> Option<f64> {
        let mut slopes: Vec<f64> = Vec::new();
        for (number, (at, bytes)) in self.lulls.iter().enumerate() {
            let later = self.lulls.iter().skip(number + 1);
            slopes.extend(later.map(|(then, more)| (more - bytes) / (then - at) * 60.0));
        }
        slopes.sort_by(f64::total_cmp);
        slopes.get(slopes.len() / 2).copied()
    }
}

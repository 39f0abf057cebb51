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
const RETAINED: u64 = 98;

/// A soak.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// How long, in real time.
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
        drop(pool);
        let mut watch = Watch { soak: self, world: &world, ledger: &ledger, samples: Vec::new() };
        let last = watch.through_the_weather(progress)?;
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            clients.block_on(caller)?;
        }
        let left = tasks_left(&clients);
        let growth = watch.growth();
        let mut figures = ledger.figures();
        let exactly = |name: &str, value: f64| Figure::with_goal(name, value, Goal::Exactly(0.0));
        figures.extend([
            exactly("tasks_left", left as f64),
            Figure::with_goal("live_bytes_grown", growth.bytes, Goal::AtMost(growth.allowed)),
            Figure::of("live_bytes", growth.at_the_end),
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
    let name = SessionName::parse("soak")?;
    let ledger = Arc::clone(ledger);
    let source = move |tenant: &usize| {
        let hop = AssumeRole::new(chain.base(), hub.clone(), chain.sts().clone(), name.clone());
        Arc::new(Watched::new(hop, *tenant, &ledger)) as Arc<dyn SessionSource>
    };
    Ok(SessionPool::builder(source)
        .clock(world.hands.clock())
        .capacity(RETAINED)
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

struct Watch<'a> {
    soak: Soak,
    world: &'a World,
    ledger: &'a Ledger,
    /// Of each second: the bytes that are allocated, and how many calls the local AWS remembers.
    samples: Vec<(usize, usize)>,
}

/// How much more memory is in use at the end than after the beginning.
struct Growth {
    bytes: f64,
    allowed: f64,
    at_the_end: f64,
}

/// The local AWS is in this process, and remembers this many calls, and as many sessions.
const REMEMBERED: usize = 3000;
/// What one of them takes there, at most: about 2 kB of strings, and its part of maps that double.
const BYTES_REMEMBERED: f64 = 4096.0;
/// What comes and goes: fetches under way, connections that hang, answers; more of it on a machine that is busy otherwise.
/// Of a task for each fetch, let alone a session for each call, a minute would leave several times as much behind.
const NOISE: f64 = 4.0 * 1_048_576.0;

impl Watch<'_> {
    fn through_the_weather(
        &mut self,
        mut progress: impl FnMut(&Progress),
    ) -> Result<Progress, Box<dyn Error>> {
        let mut weather = Weather::new(self.soak.seed);
        let (begun, mut next, mut faults, mut known) = (Instant::now(), 1, 0, 0);
        loop {
            weather.blow(&self.world.aws, begun.elapsed())?;
            std::thread::sleep(Duration::from_millis(50));
            let elapsed = begun.elapsed();
            let over = elapsed >= self.soak.length;
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
            let live_bytes = (self.soak.live_bytes)();
            self.samples.push((live_bytes, sts_calls.min(REMEMBERED)));
            let counts = self.ledger.counts();
            let now = Progress { elapsed, counts, sts_calls, faults, live_bytes };
            progress(&now);
            if over {
                return Ok(now);
            }
        }
    }

    /// The medians of two parts of the run: after the first third, and at the end.
    fn growth(&self) -> Growth {
        let all = self.samples.len();
        let part = all.div_ceil(6);
        let median = |from: usize| {
            let mut part: Vec<_> = self.samples.iter().skip(from).take(part).copied().collect();
            part.sort_unstable();
            part.get(part.len() / 2)
                .map_or((0.0, 0.0), |(bytes, calls)| (*bytes as f64, *calls as f64))
        };
        let ((before, knew), (at_the_end, knows)) = (median(all / 3), median(all - part));
        let allowed = NOISE + BYTES_REMEMBERED * (knows - knew);
        Growth { bytes: at_the_end - before, allowed, at_the_end }
    }
}

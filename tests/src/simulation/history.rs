//! Thousands of histories of one cache entry around an outage of STS.
//!
//! A history is drawn from a seed: the lifetime of the sessions, the time at which the outage
//! begins in the life of a session, its length between a minute and a day (all orders of magnitude
//! alike), and whether STS refuses calls or does not answer. The entry is called every ten seconds
//! before the outage, every second during it, and without a pause from the return of STS until a
//! call receives a session. The histories of one simulation share its clock and nothing else.

mod caller;
mod report;

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rolecall::time::{Clock, ManualClock, Moment};

use self::caller::Caller;
use super::client::Client;
use super::sts::{Conditions, Health, Outage, Sts};
use super::{STEP, new_runtime, oracle, steps_in, to_usize};
use crate::figures::Figure;

/// Interval between two calls before the outage.
const CALL_INTERVAL: Duration = Duration::from_secs(10);
/// Interval between two calls during the outage.
const OUTAGE_CALL_INTERVAL: Duration = Duration::from_secs(1);
/// Number of histories that are simulated together.
const BATCH: usize = 2500;
/// Lifetimes of the sessions: the shortest, the default, and the longest that is common.
const LIFETIMES: [Duration; 3] =
    [Duration::from_secs(900), Duration::from_secs(3600), Duration::from_secs(4 * 3600)];
/// Time until the first call of a history.
const MAX_START: f64 = 600.0;
/// Time after the return of STS after which a history ends, even without a session.
const MAX_RECOVERY: Duration = Duration::from_secs(600);

/// Parameters of the histories.
#[derive(Clone, Copy, Debug)]
pub struct Histories {
    /// Number of histories.
    pub count: usize,
    /// Longest outage. The shortest lasts one minute.
    pub longest_outage: Duration,
    /// Seed of all randomness. The same seed repeats the same histories.
    pub seed: u64,
}

/// What happens to one entry.
#[derive(Clone, Debug)]
struct History {
    lifetime: Duration,
    first_call: Duration,
    outage: Range<Duration>,
    mode: Outage,
}

impl History {
    fn draw(longest_outage: Duration) -> Self {
        let lifetime = LIFETIMES[fastrand::usize(..LIFETIMES.len())];
        let first_call = round(Duration::from_secs_f64(MAX_START * fastrand::f64()));
        // The session of the first call may expire before the outage, and so may the next one.
        let start = first_call + Duration::from_secs(60) + lifetime.mul_f64(1.2 * fastrand::f64());
        let orders = longest_outage.as_secs_f64() / 60.0;
        let length = Duration::from_secs_f64(60.0 * orders.powf(fastrand::f64()));
        let mode = if fastrand::bool() { Outage::Unavailable } else { Outage::Hangs };
        Self { lifetime, first_call, outage: round(start)..round(start + length), mode }
    }
}

/// Rounds down to a step of the clock.
fn round(time: Duration) -> Duration {
    STEP * u32::try_from(steps_in(time)).unwrap_or(u32::MAX)
}

/// What the histories of one kind of outage showed.
#[derive(Clone, Copy, Debug, Default)]
struct ModeTally {
    histories: u64,
    /// Histories in which the session expired during the outage.
    expired: u64,
    /// Histories whose recovery took longer than permitted.
    late: u64,
    longest_recovery: Duration,
}

/// What the histories showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct HistoryTally {
    refused: ModeTally,
    hung: ModeTally,
    calls: u64,
    fetches: u64,
    failed_with_valid_session: u64,
    expired_sessions_served: u64,
    longest_wait_with_valid_session: Duration,
    /// Histories with more fetches than the design's back-off allows.
    too_many_fetches: u64,
    /// The largest share of the permitted fetches that a history used.
    largest_share_of_permitted: f64,
}

impl HistoryTally {
    fn of(&mut self, mode: Outage) -> &mut ModeTally {
        match mode {
            Outage::Unavailable => &mut self.refused,
            Outage::Hangs => &mut self.hung,
        }
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.refused, other.refused), (&mut self.hung, other.hung)] {
            mine.histories += theirs.histories;
            mine.expired += theirs.expired;
            mine.late += theirs.late;
            mine.longest_recovery = mine.longest_recovery.max(theirs.longest_recovery);
        }
        self.calls += other.calls;
        self.fetches += other.fetches;
        self.failed_with_valid_session += other.failed_with_valid_session;
        self.expired_sessions_served += other.expired_sessions_served;
        self.too_many_fetches += other.too_many_fetches;
        let wait = &mut self.longest_wait_with_valid_session;
        *wait = other.longest_wait_with_valid_session.max(*wait);
        let share = &mut self.largest_share_of_permitted;
        *share = other.largest_share_of_permitted.max(*share);
    }
}

impl Histories {
    /// Simulates the histories, in several threads, and returns what was observed.
    ///
    /// # Errors
    ///
    /// Returns the error of the operating system if a runtime cannot be created.
    pub fn run(&self) -> io::Result<HistoryTally> {
        // Which thread simulates a batch does not matter: each batch has a seed of its own.
        let batches = self.count.div_ceil(BATCH);
        let next = AtomicUsize::new(0);
        let simulate = || -> io::Result<HistoryTally> {
            let mut tally = HistoryTally::default();
            loop {
                let batch = next.fetch_add(1, Ordering::Relaxed);
                if batch >= batches {
                    return Ok(tally);
                }
                fastrand::seed(self.seed.wrapping_add(super::to_u64(batch)));
                let count = BATCH.min(self.count - batch * BATCH);
                let draw = |_| History::draw(self.longest_outage);
                tally.add(&Batch::new((0..count).map(draw).collect()).run()?);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut tally = HistoryTally::default();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(simulate)).collect();
            for thread in threads {
                let joined = thread.join().map_err(|_| io::Error::other("a thread panicked"))?;
                tally.add(&joined?);
            }
            Ok(tally)
        })
    }
}

impl HistoryTally {
    /// Returns the figures of the histories, with their goals.
    pub fn figures(&self) -> Vec<Figure> {
        report::figures(self)
    }
}

/// STS as each history sees it.
#[derive(Debug)]
struct HistoryConditions(Vec<History>);

impl Conditions for HistoryConditions {
    fn health(&self, role: usize, time: Duration) -> Health {
        let history = &self.0[role];
        match history.outage.contains(&time) {
            true => Health::Out(history.mode),
            false => Health::Healthy,
        }
    }

    fn lifetime(&self, role: usize) -> Duration {
        self.0[role].lifetime
    }
}

/// Histories that are simulated on one clock.
struct Batch {
    manual: ManualClock,
    clock: Clock,
    start: Moment,
    sts: Arc<Sts>,
    client: Arc<Client>,
    conditions: Arc<HistoryConditions>,
    tally: HistoryTally,
}

impl Batch {
    fn new(histories: Vec<History>) -> Self {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let conditions = Arc::new(HistoryConditions(histories));
        let shown: Arc<dyn Conditions> = Arc::clone(&conditions) as Arc<dyn Conditions>;
        let sts = Arc::new(Sts::new(conditions.0.len(), clock.clone(), shown));
        // The histories are independent: no rate limit of the client may connect them.
        let mut rate_limit = rolecall::sts::RateLimit::default();
        rate_limit.calls_per_second = std::num::NonZeroU32::MAX;
        rate_limit.in_flight = std::num::NonZeroU32::MAX;
        let client = Arc::new(Client::new(&sts, &clock, rate_limit));
        let (start, tally) = (clock.now(), HistoryTally::default());
        Self { manual, clock, start, sts, client, conditions, tally }
    }

    fn run(mut self) -> io::Result<HistoryTally> {
        let runtime = new_runtime()?;
        let _guard = runtime.enter();
        // Callers by the step of their next call, of which none is farther ahead than an interval.
        let slots = to_usize(steps_in(Duration::from_secs_f64(MAX_START))) + 1;
        let mut due: Vec<Vec<Caller>> = (0..slots).map(|_| vec![]).collect();
        let mut active = self.conditions.0.len();
        for role in 0..active {
            let caller = Caller::new(role, &self.client, &self.clock);
            let first_call = self.conditions.0[role].first_call;
            due[to_usize(steps_in(first_call))].push(caller);
        }
        for step in 0.. {
            let time = self.clock.now() - self.start;
            for mut caller in std::mem::take(&mut due[step % slots]) {
                match self.call(&mut caller, time) {
                    Some(next) => due[(step + to_usize(steps_in(next))) % slots].push(caller),
                    None => active -= 1,
                }
            }
            if active == 0 {
                break;
            }
            runtime.block_on(self.client.activity().settle());
            self.manual.advance(STEP);
        }
        Ok(self.tally)
    }

    /// Makes a call of a history. Returns the time until the next one, or `None` if the history has
    /// ended.
    fn call(&mut self, caller: &mut Caller, time: Duration) -> Option<Duration> {
        let role = caller.role();
        let history = &self.conditions.0[role];
        let Range { start, end } = history.outage;
        let expires_at = self.sts.expires_at(role);
        if time >= start && caller.fetches_before.is_none() {
            caller.fetches_before = Some(self.sts.fetches(role));
            caller.remaining = expires_at.map_or(Duration::ZERO, |end| end - self.clock.now());
        }
        let valid_until = expires_at.filter(|end| *end > self.clock.now());
        let has_session = caller.call(&self.clock, &self.client, valid_until, &mut self.tally);
        let next = match () {
            () if time < start => CALL_INTERVAL.min(start - time),
            () if time < end => OUTAGE_CALL_INTERVAL.min(end - time),
            () if has_session || time >= end + MAX_RECOVERY => {
                self.record_end(role, caller, time);
                return None;
            }
            () => STEP,
        };
        Some(next)
    }

    fn record_end(&mut self, role: usize, caller: &Caller, time: Duration) {
        let History { lifetime, outage, mode, .. } = self.conditions.0[role].clone();
        let (recovery, length) = (time - outage.end, outage.end - outage.start);
        let tally = self.tally.of(mode);
        tally.histories += 1;
        tally.expired += u64::from(caller.remaining < length);
        tally.late += u64::from(recovery > report::max_recovery(mode));
        tally.longest_recovery = recovery.max(tally.longest_recovery);
        let fetches = self.sts.fetches(role) - caller.fetches_before.unwrap_or(0);
        // The recovery belongs to the time in which fetches keep the back-off.
        let time = length + recovery;
        let most = oracle::most_fetches_in_outage(mode, time, caller.remaining, lifetime);
        self.tally.fetches += fetches;
        self.tally.too_many_fetches += u64::from(fetches > most);
        let share = &mut self.tally.largest_share_of_permitted;
        *share = (fetches as f64 / most as f64).max(*share);
    }
}

//! A day of many roles on a hand-turned clock, in seconds: the pool as it ships, its timer, and the budget of the STS
//! client, in front of an STS that has an outage.
//!
//! Only STS and the callers are played. The clock is turned by a tenth of a second at a time, and all that runs comes to
//! rest before the next turn; with a seed, a day is the same each time.

mod report;
mod sts;

use std::future::Future;
use std::num::NonZeroU32;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use rolecall::cache::{Pooled, SessionPool};
use rolecall::{Budget, Clock, ManualClock, Moment, SessionSource};

use self::sts::{Sts, StsOfRole};

pub use self::report::figures;
pub use self::sts::Outage;

/// How far the clock is turned at a time.
const STEP: Duration = Duration::from_millis(100);
/// How often each role is called.
const BETWEEN_CALLS: Duration = Duration::from_secs(10);
/// Within what time all roles are called first.
const FIRST_CALLS: Duration = Duration::from_secs(60);
/// How long a call may wait whose role has a session: in the hard window.
const WAIT_WHILE_HELD: Duration = Duration::from_secs(2);

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Day {
    /// How many roles: each is called every 10 s, first within the first minute.
    pub roles: usize,
    /// How long the day is.
    pub length: Duration,
    /// From when to when STS gives no session, after the beginning.
    pub outage: Range<Duration>,
    /// What it does then.
    pub answers: Outage,
    /// What may be asked of STS.
    pub budget: Budget,
    /// How long the pieces of the day are of which the busiest is looked for: a minute, or, with fewer roles, longer, so
    /// that it is not chance that is measured.
    pub piece: Duration,
    /// The same seed, the same day.
    pub seed: u64,
}

impl Day {
    /// 10,000 roles, 24 hours, and an outage in the thirteenth, at this budget of calls a second.
    pub fn of_10_000_roles(calls_per_second: u32) -> Self {
        let hour = Duration::from_secs(3600);
        let mut budget = Budget::default();
        budget.calls_per_second = NonZeroU32::new(calls_per_second).unwrap_or(NonZeroU32::MIN);
        let (roles, length, outage) = (10_000, 24 * hour, 12 * hour..13 * hour);
        let (answers, piece, seed) = (Outage::Refuses, hour / 60, 4711);
        Self { roles, length, outage, answers, budget, piece, seed }
    }
}

/// Why a call could not be answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Its role had no session yet.
    FirstLoad,
    /// Its role's session ended, or was about to, while STS was out.
    Outage,
    /// There is none.
    None,
}

/// How calls of one cause fared that were not answered at once.
#[derive(Clone, Copy, Debug, Default)]
struct Fared {
    waited: u64,
    failed: u64,
    longest: Duration,
    /// Of all that waited, together.
    together: Duration,
}

/// What happened on a day.
#[derive(Debug, Default)]
pub struct Tally {
    calls: u64,
    first_load: Fared,
    outage: Fared,
    otherwise: Fared,
    /// Those of `outage` that failed when STS was back.
    failed_after_outage: u64,
    /// Whatever the cause: their role's session had not ended.
    failed_while_held: u64,
    /// The longest that one waited whose role's session had not ended, up to that end.
    longest_while_held: Duration,
    /// Those that waited so for longer than they may.
    waited_long_while_held: u64,
    past_their_end: u64,
    under_another_key: u64,
    /// Fetches of a role that began while another of it ran.
    two_at_once: u64,
    /// Attempts at STS, by the second.
    attempts: Vec<u32>,
    sessions: u64,
    /// Sessions granted, by the second.
    granted: Vec<u32>,
    /// When every role had a session again, after the end of the outage.
    recovered: Option<Duration>,
}

impl Tally {
    fn of(&mut self, cause: Cause) -> &mut Fared {
        match cause {
            Cause::FirstLoad => &mut self.first_load,
            Cause::Outage => &mut self.outage,
            Cause::None => &mut self.otherwise,
        }
    }
}

/// Lives through the day. `progress` hears of each hour that is over.
///
/// # Errors
///
/// No runtime can be made.
pub fn run(day: &Day, progress: impl FnMut(u64)) -> std::io::Result<Tally> {
    fastrand::seed(day.seed);
    // One yield of the main task lets all others run until they have nothing to do.
    let runtime = tokio::runtime::Builder::new_current_thread().event_interval(u32::MAX).build()?;
    Ok(runtime.block_on(Simulation::new(day).live(progress)))
}

/// A role as its callers have it.
struct Called {
    handle: Pooled,
    index: usize,
    /// How the access key ids of its sessions begin.
    key: String,
    first: u64,
}

/// A call that had to wait, at its end.
struct Waited {
    index: usize,
    cause: Cause,
    began: Moment,
    /// When the session ended that its role had then.
    held_until: Option<Moment>,
    answer: Result<Credentials, CredentialsError>,
}

struct Simulation<'a> {
    day: &'a Day,
    hands: ManualClock,
    clock: Clock,
    start: Moment,
    sts: Arc<Sts>,
    /// Who is called at the same tenth of a second of every ten seconds.
    phases: Vec<Vec<Called>>,
    waited: Arc<Mutex<Vec<Waited>>>,
    tally: Tally,
    _pool: SessionPool<usize>,
}

impl<'a> Simulation<'a> {
    fn new(day: &'a Day) -> Self {
        let hands = ManualClock::new();
        let clock = hands.clock();
        let sts = Arc::new(Sts::new(day, clock.clone()));
        let pool = SessionPool::builder({
            let sts = Arc::clone(&sts);
            move |index: &usize| {
                Arc::new(StsOfRole::new(Arc::clone(&sts), *index)) as Arc<dyn SessionSource>
            }
        })
        .clock(clock.clone())
        .build();
        let mut phases: Vec<Vec<Called>> = (0..in_steps(BETWEEN_CALLS)).map(|_| vec![]).collect();
        let spread = in_steps(FIRST_CALLS);
        for index in 0..day.roles {
            let first = u64_of(index) * spread / u64_of(day.roles);
            let phase = usize_of(first % in_steps(BETWEEN_CALLS));
            let key = sts::key_of(index);
            phases[phase].push(Called { handle: pool.get(&index), index, key, first });
        }
        let (start, waited) = (clock.now(), Arc::default());
        let tally = Tally::default();
        Self { day, hands, clock, start, sts, phases, waited, tally, _pool: pool }
    }

    async fn live(mut self, mut progress: impl FnMut(u64)) -> Tally {
        let hour = in_steps(Duration::from_secs(3600));
        for step in 0..in_steps(self.day.length) {
            let time = self.clock.now() - self.start;
            self.sts.is_out(self.day.outage.contains(&time));
            self.call_all(step);
            self.settle().await;
            self.hands.advance(STEP);
            if time >= self.day.outage.end && self.tally.recovered.is_none() {
                self.look_for_recovery(time);
            }
            if (step + 1) % hour == 0 {
                progress((step + 1) / hour);
            }
        }
        self.sts.hand_over(&mut self.tally);
        self.tally
    }

    /// The calls of this tenth of a second.
    fn call_all(&mut self, step: u64) {
        let Self { phases, clock, sts, waited, tally, start, day, .. } = self;
        let (now, wall) = (clock.now(), clock.wall());
        let mut context = Context::from_waker(Waker::noop());
        let phase = &phases[usize_of(step % u64_of(phases.len()))];
        for role in phase.iter().filter(|role| role.first <= step) {
            tally.calls += 1;
            let answer = {
                let call = pin!(role.handle.provide_credentials());
                call.poll(&mut context)
            };
            match answer {
                Poll::Ready(Ok(credentials)) => {
                    tally.past_their_end += u64::from(credentials.expiry() <= Some(wall));
                    tally.under_another_key +=
                        u64::from(!credentials.access_key_id().starts_with(&role.key));
                }
                Poll::Ready(Err(_)) => {
                    let end = sts.end_of(role.index);
                    let cause = cause(end, now, *start, &day.outage);
                    tally.of(cause).failed += 1;
                    tally.failed_while_held += u64::from(end > Some(now));
                    let after = now >= *start + day.outage.end && cause == Cause::Outage;
                    tally.failed_after_outage += u64::from(after);
                }
                Poll::Pending => {
                    // What was polled once set the fetch off; a task of its own waits for it.
                    let held_until = sts.end_of(role.index).filter(|end| *end > now);
                    let cause = cause(sts.end_of(role.index), now, *start, &day.outage);
                    let (index, handle) = (role.index, role.handle.clone());
                    let (waited, sts) = (Arc::clone(waited), Arc::clone(sts));
                    tokio::spawn(async move {
                        let answer = handle.provide_credentials().await;
                        sts.something_happened();
                        let waiter = Waited { index, cause, began: now, held_until, answer };
                        waited.lock().unwrap_or_else(PoisonError::into_inner).push(waiter);
                    });
                }
            }
        }
    }

    /// Lets everything come to rest, and hears of those who waited.
    async fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            let before = self.sts.happenings();
            tokio::task::yield_now().await;
            quiet = if self.sts.happenings() == before { quiet + 1 } else { 0 };
        }
        let waited =
            std::mem::take(&mut *self.waited.lock().unwrap_or_else(PoisonError::into_inner));
        let (now, wall) = (self.clock.now(), self.clock.wall());
        for Waited { index, cause, began, held_until, answer } in waited {
            if let Some(end) = held_until {
                let while_held = now.min(end) - began;
                self.tally.longest_while_held = self.tally.longest_while_held.max(while_held);
                self.tally.waited_long_while_held += u64::from(while_held > WAIT_WHILE_HELD);
            }
            let fared = self.tally.of(cause);
            fared.waited += 1;
            fared.longest = fared.longest.max(now - began);
            fared.together += now - began;
            match answer {
                Ok(credentials) => {
                    self.tally.past_their_end += u64::from(credentials.expiry() <= Some(wall));
                    let key = sts::key_of(index);
                    self.tally.under_another_key +=
                        u64::from(!credentials.access_key_id().starts_with(&key));
                }
                Err(_) => {
                    fared.failed += 1;
                    self.tally.failed_while_held += u64::from(self.sts.end_of(index) > Some(now));
                    let after = now >= self.start + self.day.outage.end && cause == Cause::Outage;
                    self.tally.failed_after_outage += u64::from(after);
                }
            }
        }
    }

    fn look_for_recovery(&mut self, time: Duration) {
        let now = self.clock.now();
        let has_one = |index| self.sts.end_of(index).is_some_and(|end| end > now);
        if (0..self.day.roles).all(has_one) {
            self.tally.recovered = Some(time - self.day.outage.end);
        }
    }
}

/// Why a role whose session ends then has a call that is not answered at once.
fn cause(end: Option<Moment>, now: Moment, start: Moment, outage: &Range<Duration>) -> Cause {
    // A refresh in the hard window is what callers wait for a moment, and it fails: the end is a minute ahead at most.
    let out = start + outage.start..=start + outage.end;
    match end {
        None => Cause::FirstLoad,
        Some(end) if out.contains(&end) && now >= start + outage.start => Cause::Outage,
        Some(_) => Cause::None,
    }
}

fn in_steps(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / STEP.as_millis()).unwrap_or(u64::MAX)
}

fn u64_of(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

//! One day of a session pool with thousands of roles, and one outage of STS.

mod report;

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use rolecall::CachedProvider;
use rolecall::cache::SessionPool;
use rolecall::sts::RateLimit;
use rolecall::time::{Clock, ManualClock, Moment};

use super::client::Client;
use super::sts::{self, Conditions, Health, Outage, Sts};
use super::{STEP, new_runtime, poll_once, steps_in, to_u64, to_usize};

pub use self::report::{fetches_per_minute, figures};

/// Interval between two calls of the same role.
const CALL_INTERVAL: Duration = Duration::from_secs(10);
/// Time over which the first calls of all roles are spread.
const STARTUP: Duration = Duration::from_secs(60);
/// Longest permitted wait of a caller while a valid session is cached: the cache's limit for calls
/// in the mandatory refresh window.
const MAX_WAIT_WITH_VALID_SESSION: Duration = Duration::from_secs(2);

/// Parameters of a simulated day.
#[derive(Clone, Debug)]
pub struct Day {
    /// Number of roles. Each is called every ten seconds; the first calls fall into the first
    /// minute.
    pub roles: usize,
    /// Length of the day.
    pub length: Duration,
    /// Time of the STS outage, relative to the start of the day.
    pub outage: Range<Duration>,
    /// Behavior of STS during the outage.
    pub outage_mode: Outage,
    /// Rate limit of the STS client.
    pub rate_limit: RateLimit,
    /// Length of the intervals of which the busiest is compared with the mean.
    ///
    /// A minute suits 10,000 roles. With fewer roles it must be longer, since the calls of a minute
    /// are then too few for the comparison to measure anything but chance.
    pub interval: Duration,
    /// Seed of all randomness. The same seed repeats the same day.
    pub seed: u64,
}

impl Day {
    /// Returns a day of 24 hours with 10,000 roles, an outage during the thirteenth hour, and the
    /// default rate limit with this number of calls per second.
    pub fn of_10_000_roles(calls_per_second: u32) -> Self {
        let hour = Duration::from_secs(3600);
        let mut rate_limit = RateLimit::default();
        rate_limit.calls_per_second = NonZeroU32::new(calls_per_second).unwrap_or(NonZeroU32::MIN);
        let (roles, length, outage) = (10_000, 24 * hour, 12 * hour..13 * hour);
        let (outage_mode, interval, seed) = (Outage::Unavailable, hour / 60, 4711);
        Self { roles, length, outage, outage_mode, rate_limit, interval, seed }
    }
}

impl Conditions for Day {
    fn health(&self, _role: usize, time: Duration) -> Health {
        match self.outage.contains(&time) {
            true => Health::Out(self.outage_mode),
            false => Health::Healthy,
        }
    }
}

/// Explains why a call did not receive a session immediately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitCause {
    /// No session of the role had been fetched yet.
    FirstLoad,
    /// The role's session expired, or was about to expire, during the outage.
    Outage,
    /// Neither: a defect, which the figures report.
    Unexplained,
}

/// Statistics of the calls with one [`WaitCause`].
#[derive(Clone, Copy, Debug, Default)]
struct WaitStats {
    waited: u64,
    failed: u64,
    longest: Duration,
    total: Duration,
}

/// Observations of a simulated day, from which [`figures`] are computed.
#[derive(Debug, Default)]
pub struct Tally {
    calls: u64,
    first_load: WaitStats,
    outage: WaitStats,
    unexplained: WaitStats,
    /// Calls counted in `outage` that failed after the outage was over.
    failed_after_outage: u64,
    /// Failed calls, of any cause, whose role had a valid session.
    failed_with_valid_session: u64,
    /// Longest wait of a caller whose role had a valid session, counted until that session expired.
    longest_wait_with_valid_session: Duration,
    /// Waits of that kind that exceeded [`MAX_WAIT_WITH_VALID_SESSION`].
    long_waits_with_valid_session: u64,
    expired_sessions_served: u64,
    sessions_of_another_key: u64,
    /// What STS was asked for.
    sts: sts::Record,
    /// Time from the end of the outage until every role had a valid session.
    recovery: Option<Duration>,
}

impl Tally {
    fn stats_of(&mut self, cause: WaitCause) -> &mut WaitStats {
        match cause {
            WaitCause::FirstLoad => &mut self.first_load,
            WaitCause::Outage => &mut self.outage,
            WaitCause::Unexplained => &mut self.unexplained,
        }
    }
}

/// Simulates the day and returns what was observed.
///
/// `on_hour` is called with the number of simulated hours that have passed, once per hour.
///
/// # Errors
///
/// Returns the error of the operating system if the runtime cannot be created.
pub fn run(day: &Day, on_hour: impl FnMut(u64)) -> std::io::Result<Tally> {
    fastrand::seed(day.seed);
    Ok(new_runtime()?.block_on(Simulation::new(day).run(on_hour)))
}

/// A role and the handle through which it is called.
struct SimulatedRole {
    handle: CachedProvider,
    index: usize,
    /// Prefix of the access key ids of this role's sessions.
    key_prefix: String,
    /// Step of the role's first call.
    first_call: u64,
}

/// A call that had to wait and has completed.
struct CompletedWait {
    index: usize,
    cause: WaitCause,
    began: Moment,
    /// Expiration of the session that was valid when the call began.
    valid_until: Option<Moment>,
    result: Result<Credentials, CredentialsError>,
}

struct Simulation<'a> {
    day: &'a Day,
    manual: ManualClock,
    clock: Clock,
    start: Moment,
    sts: Arc<Sts>,
    client: Arc<Client>,
    /// The roles, grouped by the step within [`CALL_INTERVAL`] at which they are called.
    cohorts: Vec<Vec<SimulatedRole>>,
    completed: Arc<Mutex<Vec<CompletedWait>>>,
    tally: Tally,
    _pool: SessionPool<usize>,
}

impl<'a> Simulation<'a> {
    fn new(day: &'a Day) -> Self {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let sts = Arc::new(Sts::new(day.roles, clock.clone(), Arc::new(day.clone())));
        let client = Arc::new(Client::new(&sts, &clock, day.rate_limit));
        let pool = client.create_pool();
        let mut cohorts: Vec<Vec<SimulatedRole>> =
            (0..steps_in(CALL_INTERVAL)).map(|_| vec![]).collect();
        let startup = steps_in(STARTUP);
        for index in 0..day.roles {
            let first_call = to_u64(index) * startup / to_u64(day.roles);
            let cohort = to_usize(first_call % steps_in(CALL_INTERVAL));
            let key_prefix = sts::access_key_prefix(index);
            let handle = pool.get(&index);
            cohorts[cohort].push(SimulatedRole { handle, index, key_prefix, first_call });
        }
        let (start, completed) = (clock.now(), Arc::default());
        let tally = Tally::default();
        Self { day, manual, clock, start, sts, client, cohorts, completed, tally, _pool: pool }
    }

    async fn run(mut self, mut on_hour: impl FnMut(u64)) -> Tally {
        let hour = steps_in(Duration::from_secs(3600));
        for step in 0..steps_in(self.day.length) {
            let time = self.clock.now() - self.start;
            self.call_roles(step);
            self.settle().await;
            self.manual.advance(STEP);
            if time >= self.day.outage.end && self.tally.recovery.is_none() {
                self.check_recovery(time);
            }
            if (step + 1) % hour == 0 {
                on_hour((step + 1) / hour);
            }
        }
        self.tally.sts = self.sts.record();
        self.tally
    }

    /// Calls the roles that are due at this step.
    fn call_roles(&mut self, step: u64) {
        let Self { cohorts, clock, sts, client, completed, tally, start, day, .. } = self;
        let (now, wall) = (clock.now(), clock.wall());
        let cohort = &cohorts[to_usize(step % to_u64(cohorts.len()))];
        for role in cohort.iter().filter(|role| role.first_call <= step) {
            tally.calls += 1;
            let answer = poll_once(role.handle.provide_credentials());
            let expires_at = sts.expires_at(role.index);
            let cause = wait_cause(expires_at, now, *start, &day.outage);
            match answer {
                Some(Ok(credentials)) => {
                    tally.expired_sessions_served += u64::from(credentials.expiry() <= Some(wall));
                    tally.sessions_of_another_key +=
                        u64::from(!credentials.access_key_id().starts_with(&role.key_prefix));
                }
                Some(Err(_)) => {
                    tally.stats_of(cause).failed += 1;
                    tally.failed_with_valid_session += u64::from(expires_at > Some(now));
                    let after_outage = now >= *start + day.outage.end && cause == WaitCause::Outage;
                    tally.failed_after_outage += u64::from(after_outage);
                }
                None => {
                    // The dropped call has started the fetch, which continues without it. A second
                    // call, in a task of its own, joins that fetch and measures the wait.
                    let valid_until = expires_at.filter(|expires_at| *expires_at > now);
                    let (index, handle) = (role.index, role.handle.clone());
                    let (completed, client) = (Arc::clone(completed), Arc::clone(client));
                    tokio::spawn(async move {
                        let result = handle.provide_credentials().await;
                        client.activity().record();
                        let wait = CompletedWait { index, cause, began: now, valid_until, result };
                        completed.lock().unwrap_or_else(PoisonError::into_inner).push(wait);
                    });
                }
            }
        }
    }

    /// Runs all tasks until none has anything left to do at this time, then records the waits that
    /// have completed.
    async fn settle(&mut self) {
        self.client.activity().settle().await;
        let completed =
            std::mem::take(&mut *self.completed.lock().unwrap_or_else(PoisonError::into_inner));
        let (now, wall) = (self.clock.now(), self.clock.wall());
        for CompletedWait { index, cause, began, valid_until, result } in completed {
            if let Some(expires_at) = valid_until {
                // A caller may well wait longer once its session has expired: only the time up to
                // the expiration counts as a wait despite a valid session.
                let waited = now.min(expires_at) - began;
                let longest = &mut self.tally.longest_wait_with_valid_session;
                *longest = waited.max(*longest);
                self.tally.long_waits_with_valid_session +=
                    u64::from(waited > MAX_WAIT_WITH_VALID_SESSION);
            }
            let stats = self.tally.stats_of(cause);
            stats.waited += 1;
            stats.longest = stats.longest.max(now - began);
            stats.total += now - began;
            match result {
                Ok(credentials) => {
                    self.tally.expired_sessions_served +=
                        u64::from(credentials.expiry() <= Some(wall));
                    let key_prefix = sts::access_key_prefix(index);
                    self.tally.sessions_of_another_key +=
                        u64::from(!credentials.access_key_id().starts_with(&key_prefix));
                }
                Err(_) => {
                    stats.failed += 1;
                    self.tally.failed_with_valid_session +=
                        u64::from(self.sts.expires_at(index) > Some(now));
                    let after_outage =
                        now >= self.start + self.day.outage.end && cause == WaitCause::Outage;
                    self.tally.failed_after_outage += u64::from(after_outage);
                }
            }
        }
    }

    /// Records the time of recovery once every role has a valid session again.
    fn check_recovery(&mut self, time: Duration) {
        let now = self.clock.now();
        let has_session =
            |index| self.sts.expires_at(index).is_some_and(|expires_at| expires_at > now);
        if (0..self.day.roles).all(has_session) {
            self.tally.recovery = Some(time - self.day.outage.end);
        }
    }
}

/// Returns why a call at `now` is not served immediately, given when the role's newest session
/// expires.
fn wait_cause(
    expires_at: Option<Moment>,
    now: Moment,
    start: Moment,
    outage: &Range<Duration>,
) -> WaitCause {
    // In the mandatory window, callers wait for a refresh although the session is still valid. An
    // outage that begins then makes that refresh fail, so calls count as affected from the start of
    // the outage and not only from the expiration, which is at most a minute later.
    let outage_time = start + outage.start..=start + outage.end;
    match expires_at {
        None => WaitCause::FirstLoad,
        Some(expires_at) if outage_time.contains(&expires_at) && now >= start + outage.start => {
            WaitCause::Outage
        }
        Some(_) => WaitCause::Unexplained,
    }
}

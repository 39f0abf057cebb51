//! STS and the providers in front of it, modelled on the simulation's clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use rolecall::provider::{FetchContext, FetchMode};
use rolecall::sts::{RateLimiter, StsClient};
use rolecall::time::{Clock, Moment};
use rolecall::{ErrorKind, ProvideSession, Session, SessionError};

use super::{Day, Tally};

/// Time that STS takes to answer.
const LATENCY: Duration = Duration::from_millis(100);
/// Lifetime of the sessions that STS issues.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Behavior of STS during an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// STS answers after its usual latency that it is unavailable.
    Unavailable,
    /// STS does not answer: every attempt ends in a timeout.
    Hangs,
}

/// Returns the prefix of the access key ids of a role's sessions. It shows to which role a session
/// belongs.
pub(super) fn access_key_prefix(role: usize) -> String {
    format!("ASIA{role:06}")
}

/// An STS that issues a session per attempt, and a record of what it was asked for.
#[derive(Debug)]
pub(super) struct Sts {
    clock: Clock,
    start: Moment,
    limiter: RateLimiter,
    outage_mode: Outage,
    in_outage: AtomicBool,
    /// Expiration of each role's newest session, in nanoseconds; 0 before the first one.
    expirations: Vec<AtomicU64>,
    /// Number of running fetches of each role.
    running: Vec<AtomicU64>,
    activity: AtomicU64,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    attempts: Vec<u32>,
    issued: Vec<u32>,
    sessions: u64,
    concurrent_fetches: u64,
}

impl Sts {
    pub(super) fn new(day: &Day, clock: Clock) -> Self {
        let zeros = || (0..day.roles).map(|_| AtomicU64::new(0)).collect();
        Self {
            limiter: RateLimiter::new(day.rate_limit, clock.clone()),
            start: clock.now(),
            clock,
            outage_mode: day.outage_mode,
            in_outage: AtomicBool::new(false),
            expirations: zeros(),
            running: zeros(),
            activity: AtomicU64::new(0),
            record: Mutex::default(),
        }
    }

    pub(super) fn set_outage(&self, in_outage: bool) {
        self.in_outage.store(in_outage, Ordering::Relaxed);
    }

    /// Returns when the role's newest session expires, or `None` before the first one.
    pub(super) fn expires_at(&self, role: usize) -> Option<Moment> {
        match self.expirations[role].load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Moment::from_nanos(nanos)),
        }
    }

    /// Returns a counter that grows whenever a task makes progress. While it grows, some task may
    /// have made another one ready.
    pub(super) fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    pub(super) fn record_activity(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed);
    }

    /// Moves everything recorded so far into `tally`.
    pub(super) fn move_record_into(&self, tally: &mut Tally) {
        let record = self.update_record(std::mem::take);
        tally.attempts = record.attempts;
        tally.issued = record.issued;
        tally.sessions = record.sessions;
        tally.concurrent_fetches = record.concurrent_fetches;
    }

    fn update_record<T>(&self, update: impl FnOnce(&mut Record) -> T) -> T {
        update(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes one attempt to obtain a session.
    async fn assume_role(&self, role: usize) -> Result<Session, SessionError> {
        let requested_at = self.clock.now();
        self.update_record(|record| {
            count_at(&mut record.attempts, requested_at - self.start);
        });
        // The state at the time of the request decides, as if STS failed before it began to work.
        let in_outage = self.in_outage.load(Ordering::Relaxed);
        let duration = match self.outage_mode {
            Outage::Hangs if in_outage => StsClient::ATTEMPT_TIMEOUT,
            _ => LATENCY,
        };
        self.clock.sleep_until(requested_at + duration).await;
        self.record_activity();
        if in_outage {
            return Err(SessionError::new(ErrorKind::Unavailable, "STS is unavailable"));
        }
        let number = self.update_record(|record| {
            count_at(&mut record.issued, requested_at - self.start);
            record.sessions += 1;
            record.sessions
        });
        let id = format!("{}{number:010}", access_key_prefix(role));
        let keys = Credentials::new(id, "secret", Some("token".into()), None, "simulation");
        self.expirations[role].store((requested_at + LIFETIME).as_nanos(), Ordering::Relaxed);
        let session = Session::builder(keys).base("simulation");
        Ok(session.lifetime(requested_at, LIFETIME, &self.clock).build())
    }
}

/// Increments the counter of the second in which `time` falls.
fn count_at(by_second: &mut Vec<u32>, time: Duration) {
    let second = usize::try_from(time.as_secs()).unwrap_or(usize::MAX);
    if by_second.len() <= second {
        by_second.resize(second + 1, 0);
    }
    by_second[second] += 1;
}

/// The provider of one role: the rate limit and the retries of the STS client, without HTTP.
///
/// The real client retries on the Tokio clock, which a manual clock does not drive, so its policy
/// is repeated here. The limits come from [`StsClient`]'s constants.
#[derive(Debug)]
pub(super) struct RoleProvider {
    sts: Arc<Sts>,
    role: usize,
}

impl RoleProvider {
    pub(super) fn new(sts: Arc<Sts>, role: usize) -> Self {
        Self { sts, role }
    }
}

#[async_trait]
impl ProvideSession for RoleProvider {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        let Self { sts, role } = self;
        let _running = RunningFetch::begin(sts, *role);
        let began = sts.clock.now();
        let max_attempts = match cx.mode() {
            FetchMode::Foreground => StsClient::FOREGROUND_ATTEMPTS,
            _ => 1,
        };
        let mut last_error = None;
        let mut attempt = 1;
        loop {
            // A permit that arrives too late for a whole attempt within the call's timeout is of no
            // use, so the wait for it ends earlier.
            let permit_timeout = StsClient::CALL_TIMEOUT
                .saturating_sub(sts.clock.now() - began + StsClient::ATTEMPT_TIMEOUT);
            let permit = match sts.limiter.acquire(cx.mode(), permit_timeout).await {
                Ok(permit) => permit,
                // An error of STS says more than the limit that prevented the retry.
                Err(limited) => return Err(last_error.unwrap_or(limited)),
            };
            let result = sts.assume_role(*role).await;
            drop(permit);
            let Err(error) = result else { return result };
            let backoff =
                (StsClient::INITIAL_BACKOFF * 2_u32.pow(attempt - 1)).mul_f64(fastrand::f64());
            let in_time = sts.clock.now() - began + backoff + StsClient::ATTEMPT_TIMEOUT
                <= StsClient::CALL_TIMEOUT;
            if attempt >= max_attempts || !in_time {
                return Err(error);
            }
            sts.clock.sleep_until(sts.clock.now() + backoff).await;
            last_error = Some(error);
            attempt += 1;
        }
    }
}

/// Counts a fetch of a role as running until it is dropped, and detects concurrent ones.
struct RunningFetch<'a> {
    sts: &'a Sts,
    role: usize,
}

impl<'a> RunningFetch<'a> {
    fn begin(sts: &'a Sts, role: usize) -> Self {
        if sts.running[role].fetch_add(1, Ordering::Relaxed) > 0 {
            sts.update_record(|record| record.concurrent_fetches += 1);
        }
        sts.record_activity();
        Self { sts, role }
    }
}

impl Drop for RunningFetch<'_> {
    fn drop(&mut self) {
        self.sts.running[self.role].fetch_sub(1, Ordering::Relaxed);
        self.sts.record_activity();
    }
}

//! STS, modelled on the simulation's clock.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use rolecall::sts::StsClient;
use rolecall::time::{Clock, Moment};
use rolecall::{ErrorKind, Session, SessionError};

/// Time that STS takes to answer.
pub(super) const LATENCY: Duration = Duration::from_millis(100);
/// Lifetime of the sessions that STS issues, unless a scenario says otherwise.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

/// Behavior of STS during an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// STS answers after its usual latency that it is unavailable.
    Unavailable,
    /// STS does not answer: every attempt ends in a timeout.
    Hangs,
}

/// How STS answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Healthy,
    /// Every second call is throttled.
    BrownOut,
    /// The role does not exist.
    Denied,
    Out(Outage),
}

/// The behavior of STS in a scenario.
pub(super) trait Conditions: fmt::Debug + Send + Sync {
    /// Returns how STS answers a request for `role` that is sent at `time`, which counts from the
    /// start of the scenario.
    fn health(&self, role: usize, time: Duration) -> Health;

    /// Returns the lifetime of the role's sessions.
    fn lifetime(&self, role: usize) -> Duration {
        let _ = role;
        LIFETIME
    }
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
    conditions: Arc<dyn Conditions>,
    roles: Vec<RoleRecord>,
    record: Mutex<Record>,
}

/// What STS and the providers of one role know.
#[derive(Debug, Default)]
struct RoleRecord {
    /// Expiration of the newest session that its provider received, in nanoseconds; 0 before the
    /// first one.
    expires_at: AtomicU64,
    /// When the running fetch began, in nanoseconds; 0 if none runs.
    running: AtomicU64,
    fetches: AtomicU64,
}

/// What STS was asked for, by all roles together.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Attempts to call STS, by the second of the scenario.
    pub(super) attempts: Vec<u32>,
    /// Sessions issued, by the second of the scenario.
    pub(super) issued: Vec<u32>,
    pub(super) sessions: u64,
    /// Fetches of a role that began while another fetch of the same role was running.
    pub(super) concurrent_fetches: u64,
    /// Calls during brown-outs, of which every second one is throttled.
    brown_out_calls: u64,
}

impl Sts {
    pub(super) fn new(roles: usize, clock: Clock, conditions: Arc<dyn Conditions>) -> Self {
        let roles = (0..roles).map(|_| RoleRecord::default()).collect();
        Self { start: clock.now(), clock, conditions, roles, record: Mutex::default() }
    }

    /// Returns when the role's newest session expires, or `None` before the first one.
    pub(super) fn expires_at(&self, role: usize) -> Option<Moment> {
        match self.roles[role].expires_at.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Moment::from_nanos(nanos)),
        }
    }

    /// Returns the number of fetches of a role so far. Each makes one to three attempts.
    pub(super) fn fetches(&self, role: usize) -> u64 {
        self.roles[role].fetches.load(Ordering::Relaxed)
    }

    /// Returns `true` if a fetch of the role is running.
    pub(super) fn is_fetching(&self, role: usize) -> bool {
        self.roles[role].running.load(Ordering::Relaxed) != 0
    }

    pub(super) fn record(&self) -> Record {
        self.update_record(|record| record.clone())
    }

    fn update_record<T>(&self, update: impl FnOnce(&mut Record) -> T) -> T {
        update(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes one attempt to obtain a session.
    pub(super) async fn assume_role(&self, role: usize) -> Result<Session, SessionError> {
        let requested_at = self.clock.now();
        let time = requested_at - self.start;
        // The state at the time of the request decides, as if STS failed before it began to work.
        let health = self.conditions.health(role, time);
        let throttled = self.update_record(|record| {
            count_at(&mut record.attempts, time);
            record.brown_out_calls += u64::from(health == Health::BrownOut);
            health == Health::BrownOut && record.brown_out_calls.is_multiple_of(2)
        });
        let duration = match health {
            Health::Out(Outage::Hangs) => StsClient::ATTEMPT_TIMEOUT,
            _ => LATENCY,
        };
        self.clock.sleep_until(requested_at + duration).await;
        if matches!(health, Health::Out(_)) {
            return Err(SessionError::new(ErrorKind::Unavailable, "STS is unavailable"));
        }
        if health == Health::Denied {
            return Err(SessionError::new(ErrorKind::Denied, "the role does not exist"));
        }
        if throttled {
            return Err(SessionError::new(ErrorKind::Throttled, "Rate exceeded"));
        }
        // The process stood still during this attempt. Whether the response or the timeout is
        // noticed first when it continues is a matter of chance.
        let late = self.clock.now() - requested_at > StsClient::ATTEMPT_TIMEOUT;
        if late && fastrand::bool() {
            return Err(SessionError::new(ErrorKind::Unavailable, "the attempt timed out"));
        }
        let number = self.update_record(|record| {
            count_at(&mut record.issued, time);
            record.sessions += 1;
            record.sessions
        });
        let id = format!("{}{number:010}", access_key_prefix(role));
        let keys = Credentials::new(id, "secret", Some("token".into()), None, "simulation");
        let lifetime = self.conditions.lifetime(role);
        let expires_at = requested_at + lifetime;
        self.roles[role].expires_at.store(expires_at.as_nanos(), Ordering::Relaxed);
        let session = Session::builder(keys).base("simulation");
        Ok(session.lifetime(requested_at, lifetime, &self.clock).build())
    }
}

/// Increments the counter of the second in which `time` falls.
fn count_at(by_second: &mut Vec<u32>, time: Duration) {
    let second = super::seconds(time);
    if by_second.len() <= second {
        by_second.resize(second + 1, 0);
    }
    by_second[second] += 1;
}

/// Marks a fetch of a role as running until it is dropped, and detects concurrent ones.
pub(super) struct RunningFetch<'a> {
    role: &'a RoleRecord,
    began: Moment,
}

impl<'a> RunningFetch<'a> {
    /// `timeout` is the time after which the cache abandons a fetch: another one may begin then,
    /// although the task of the first has not ended.
    pub(super) fn begin(sts: &'a Sts, role: usize, timeout: Duration) -> Self {
        let (role, began) = (&sts.roles[role], sts.clock.now());
        role.fetches.fetch_add(1, Ordering::Relaxed);
        let previous = role.running.swap(began.as_nanos(), Ordering::Relaxed);
        if previous != 0 && began - Moment::from_nanos(previous) < timeout {
            sts.update_record(|record| record.concurrent_fetches += 1);
        }
        Self { role, began }
    }
}

impl Drop for RunningFetch<'_> {
    fn drop(&mut self) {
        // Another fetch may have replaced this one in the meantime.
        let began = self.began.as_nanos();
        let (order, running) = (Ordering::Relaxed, &self.role.running);
        let _ = running.compare_exchange(began, 0, order, order);
    }
}

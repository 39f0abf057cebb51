//! A service that accepts or rejects sessions, and an operation that calls it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use rolecall::CachedProvider;
use rolecall::provider::InvalidSession;
use rolecall::sdk::{InvalidSessionAnswer, ReportSessionUse};
use rolecall::time::{Clock, Moment};

use super::PROPAGATION;
use super::report_use::{RejectionClass, report_rejection};
use crate::simulation::client::Client;

/// Number of attempts of an operation, the default of the SDK's retry configuration.
const MAX_ATTEMPTS: u32 = 3;

/// Which sessions a service accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceKind {
    Accepting,
    /// Accepts a session from three seconds after it first saw it.
    Late,
    /// Accepts each session until the revocation, and then those only that it has not seen before.
    Revoking,
    Never,
}

/// A service, and the sessions that it has seen.
pub(super) struct Service {
    kind: ServiceKind,
    revoked_at: Moment,
    first_seen: Mutex<BTreeMap<String, Moment>>,
}

impl Service {
    pub(super) fn new(kind: ServiceKind, revoked_at: Moment) -> Self {
        Self { kind, revoked_at, first_seen: Mutex::default() }
    }

    /// Returns `true` if the service accepts the session with this access key id.
    fn accepts(&self, access_key_id: &str, now: Moment) -> bool {
        let mut seen = lock(&self.first_seen);
        let first_seen = *seen.entry(access_key_id.to_owned()).or_insert(now);
        match self.kind {
            ServiceKind::Accepting => true,
            ServiceKind::Late => now - first_seen >= PROPAGATION,
            ServiceKind::Revoking => now < self.revoked_at || first_seen >= self.revoked_at,
            ServiceKind::Never => false,
        }
    }
}

/// The outcomes of the operations of an experiment.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// The time at which each operation ended, the service, and whether it succeeded.
    ended: Vec<(Duration, ServiceKind, bool)>,
    first_rejection: Option<Duration>,
}

impl Outcomes {
    pub(super) fn calls(&self) -> usize {
        self.ended.len()
    }

    pub(super) fn failed(&self) -> usize {
        self.ended.iter().filter(|(_, _, succeeded)| !succeeded).count()
    }

    pub(super) fn failed_at(&self, service: ServiceKind) -> usize {
        let at_service = self.ended.iter().filter(|(_, kind, _)| *kind == service);
        at_service.filter(|(_, _, succeeded)| !succeeded).count()
    }

    pub(super) fn first_rejection(&self) -> Option<Duration> {
        self.first_rejection
    }

    pub(super) fn first_success_after(&self, time: Duration) -> Option<Duration> {
        let ended = self.ended.iter().filter(|(_, _, succeeded)| *succeeded);
        ended.map(|(ended, ..)| *ended).filter(|ended| *ended >= time).min()
    }
}

/// A call of an SDK client: attempts that are signed, sent and, after a rejection, retried.
pub(super) struct Operation {
    pub(super) provider: CachedProvider,
    pub(super) service: Arc<Service>,
    pub(super) class: RejectionClass,
    pub(super) retries: bool,
    pub(super) clock: Clock,
    pub(super) start: Moment,
    pub(super) client: Arc<Client>,
    pub(super) outcomes: Arc<Mutex<Outcomes>>,
}

impl Operation {
    pub(super) async fn run(self) {
        let succeeded = self.attempt_until_done().await;
        self.client.activity().record();
        let ended = self.clock.now() - self.start;
        lock(&self.outcomes).ended.push((ended, self.service.kind, succeeded));
    }

    async fn attempt_until_done(&self) -> bool {
        let Self { provider, service, class, clock, .. } = self;
        let (mut attempt, mut replaced, mut pauses) = (1, false, 0);
        loop {
            let Ok(credentials) = provider.provide_credentials().await else { return false };
            let (key, suspicion) = (credentials.access_key_id(), provider.suspicion());
            if service.accepts(key, clock.now()) {
                provider.report_accepted(key, suspicion);
                return true;
            }
            let rejected = clock.now() - self.start;
            lock(&self.outcomes).first_rejection.get_or_insert(rejected);
            match report_rejection(provider, key, *class) {
                _ if !self.retries || attempt == MAX_ATTEMPTS => return false,
                // An operation is retried once with another session: a service that rejects every
                // session would otherwise cost a fetch for each attempt.
                InvalidSessionAnswer::Replaced if !replaced => replaced = true,
                InvalidSessionAnswer::RetryAfter(_) => {
                    let pause = InvalidSession::retry_pause(pauses);
                    pauses += 1;
                    clock.sleep_until(clock.now() + pause).await;
                }
                _ => return false,
            }
            self.client.activity().record();
            attempt += 1;
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The caller of one history.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use rolecall::time::{Clock, Moment};
use rolecall::{CachedProvider, ProvideSession};

use super::HistoryTally;
use crate::simulation::client::{Client, RoleProvider};
use crate::simulation::poll_once;

type CallResult = Result<Credentials, CredentialsError>;

pub(super) struct Caller {
    role: usize,
    provider: CachedProvider,
    waiting: Option<Waiting>,
    /// The number of the entry's fetches at the beginning of the outage.
    pub(super) fetches_before: Option<u64>,
    /// The remaining lifetime of its session at the beginning of the outage.
    pub(super) remaining: Duration,
}

/// A call that waits.
struct Waiting {
    began: Moment,
    /// The expiration of the session that was valid when it began.
    valid_until: Option<Moment>,
    result: Arc<Mutex<Option<CompletedCall>>>,
}

struct CompletedCall {
    ended: Moment,
    result: CallResult,
}

impl Caller {
    pub(super) fn new(role: usize, client: &Arc<Client>, clock: &Clock) -> Self {
        let provider: Arc<dyn ProvideSession> = Arc::new(RoleProvider::new(client, role));
        let provider = CachedProvider::builder_from_arc(provider).clock(clock.clone()).build();
        let remaining = Duration::ZERO;
        Self { role, provider, waiting: None, fetches_before: None, remaining }
    }

    pub(super) fn role(&self) -> usize {
        self.role
    }

    /// Makes a call, or looks whether the one that waits has completed. Returns `true` if a session
    /// was received.
    pub(super) fn call(
        &mut self,
        clock: &Clock,
        client: &Arc<Client>,
        valid_until: Option<Moment>,
        tally: &mut HistoryTally,
    ) -> bool {
        let mut received = false;
        if let Some(Waiting { began, valid_until, result: slot }) = self.waiting.take() {
            let completed = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(CompletedCall { ended, result }) = completed else {
                self.waiting = Some(Waiting { began, valid_until, result: slot });
                return false;
            };
            if let Some(expires_at) = valid_until {
                let wait = &mut tally.longest_wait_with_valid_session;
                *wait = (ended.min(expires_at) - began).max(*wait);
            }
            let valid = valid_until.is_some_and(|expires_at| expires_at > ended);
            received = record(&result, wall_at(clock, ended), valid, tally);
        }
        tally.calls += 1;
        if let Some(result) = poll_once(self.provider.provide_credentials()) {
            return received | record(&result, clock.wall(), valid_until.is_some(), tally);
        }
        let (slot, provider) = (Arc::default(), self.provider.clone());
        let (began, result) = (clock.now(), Arc::clone(&slot));
        self.waiting = Some(Waiting { began, valid_until, result });
        let (clock, client) = (clock.clone(), Arc::clone(client));
        tokio::spawn(async move {
            let result = provider.provide_credentials().await;
            let completed = CompletedCall { ended: clock.now(), result };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(completed);
            client.activity().record();
        });
        received
    }
}

/// Records the result of a call. Returns `true` if it is a session.
fn record(
    result: &CallResult,
    wall: std::time::SystemTime,
    has_valid_session: bool,
    tally: &mut HistoryTally,
) -> bool {
    match result {
        Ok(credentials) => {
            tally.expired_sessions_served += u64::from(credentials.expiry() <= Some(wall));
        }
        Err(_) => tally.failed_with_valid_session += u64::from(has_valid_session),
    }
    result.is_ok()
}

/// Returns the wall time at an earlier moment.
fn wall_at(clock: &Clock, moment: Moment) -> std::time::SystemTime {
    clock.wall() - (clock.now() - moment)
}

//! The STS client of a process and the providers of its roles, on the simulation's clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rolecall::cache::SessionPool;
use rolecall::provider::{FetchContext, FetchMode};
use rolecall::sts::{RateLimit, RateLimiter, StsClient};
use rolecall::time::Clock;
use rolecall::{ProvideSession, Session, SessionError};

use super::Activity;
use super::sts::{RunningFetch, Sts};

/// The STS client of one process: its rate limit, and a counter of what its tasks do.
#[derive(Debug)]
pub(super) struct Client {
    sts: Arc<Sts>,
    clock: Clock,
    limiter: RateLimiter,
    activity: Activity,
}

impl Client {
    pub(super) fn new(sts: &Arc<Sts>, clock: &Clock, rate_limit: RateLimit) -> Self {
        Self {
            sts: Arc::clone(sts),
            clock: clock.clone(),
            limiter: RateLimiter::new(rate_limit, clock.clone()),
            activity: Activity::default(),
        }
    }

    /// Creates a pool of the roles of this client, by their number.
    pub(super) fn create_pool(self: &Arc<Self>) -> SessionPool<usize> {
        let client = Arc::clone(self);
        let provider = move |role: &usize| {
            Arc::new(RoleProvider::new(&client, *role)) as Arc<dyn ProvideSession>
        };
        SessionPool::builder(provider).clock(self.clock.clone()).build()
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }
}

/// The provider of one role: the rate limit and the retries of the STS client, without HTTP.
///
/// The real client retries on the Tokio clock, which a manual clock does not drive, so its policy
/// is repeated here. The limits come from [`StsClient`]'s constants.
#[derive(Debug)]
pub(super) struct RoleProvider {
    client: Arc<Client>,
    role: usize,
}

impl RoleProvider {
    pub(super) fn new(client: &Arc<Client>, role: usize) -> Self {
        Self { client: Arc::clone(client), role }
    }

    async fn fetch(&self, mode: FetchMode) -> Result<Session, SessionError> {
        let Client { sts, clock, limiter, activity } = &*self.client;
        let began = clock.now();
        let max_attempts = match mode {
            FetchMode::Foreground => StsClient::FOREGROUND_ATTEMPTS,
            _ => 1,
        };
        let mut last_error = None;
        let mut attempt = 1;
        loop {
            // A permit that arrives too late for a whole attempt within the call's timeout is of no
            // use, so the wait for it ends earlier.
            let permit_timeout = StsClient::CALL_TIMEOUT
                .saturating_sub(clock.now() - began + StsClient::ATTEMPT_TIMEOUT);
            let permit = match limiter.acquire(mode, permit_timeout).await {
                Ok(permit) => permit,
                // An error of STS says more than the limit that prevented the retry.
                Err(limited) => return Err(last_error.unwrap_or(limited)),
            };
            let result = sts.assume_role(self.role).await;
            activity.record();
            permit.complete(result.as_ref().map(drop).map_err(SessionError::kind));
            let Err(error) = result else { return result };
            let backoff =
                (StsClient::INITIAL_BACKOFF * 2_u32.pow(attempt - 1)).mul_f64(fastrand::f64());
            let in_time = clock.now() - began + backoff + StsClient::ATTEMPT_TIMEOUT
                <= StsClient::CALL_TIMEOUT;
            if attempt >= max_attempts || !in_time {
                return Err(error);
            }
            clock.sleep_until(clock.now() + backoff).await;
            last_error = Some(error);
            attempt += 1;
        }
    }
}

#[async_trait]
impl ProvideSession for RoleProvider {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        let _active = Active::begin(self.client.activity());
        let _running = RunningFetch::begin(&self.client.sts, self.role, self.timeout());
        self.fetch(cx.mode()).await
    }

    fn timeout(&self) -> Duration {
        StsClient::CALL_TIMEOUT + Duration::from_secs(1)
    }
}

/// Records the beginning and the end of a fetch as activity.
struct Active<'a>(&'a Activity);

impl<'a> Active<'a> {
    fn begin(activity: &'a Activity) -> Self {
        activity.record();
        Self(activity)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.record();
    }
}

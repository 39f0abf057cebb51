//! Calls to a chain (a web identity and two roles on top) during faults: the result of each call,
//! whether it waited, and the number of requests to STS.

mod clocks;
mod identities;
mod invalidations;
mod outages;

use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rolecall::cache::State;
use rolecall::provider::FetchContext;
use rolecall::time::ManualClock;
use rolecall::{
    CachedProvider, Chain, Environment, ErrorKind, ProvideSession, Role, Session, SessionError,
};
use rolecall_testkit::FaultRule;
use rolecall_tests::{HUB, ORDERS, World};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// A service that uses sessions of `orders`, assumed through `hub` and a web identity.
struct Service {
    world: World,
    /// The service's clock.
    clock: ManualClock,
    /// `true` if the service's clock is not the clock of STS and the cluster.
    has_own_clock: bool,
    token: PathBuf,
    _folder: tempfile::TempDir,
    /// The cached providers of the web identity, `hub` and `orders`.
    providers: [CachedProvider; 3],
}

/// The result of one call.
#[derive(Debug)]
struct CallOutcome {
    session: Result<Session, SessionError>,
    waited: bool,
}

impl CallOutcome {
    /// Returns the session of a call that did not wait.
    #[track_caller]
    fn expect_immediate(self) -> Session {
        assert!(!self.waited, "the call waited: {self:?}");
        self.session.unwrap()
    }

    /// Returns the session of a call that waited.
    #[track_caller]
    fn expect_waited(self) -> Session {
        assert!(self.waited, "the call did not wait: {self:?}");
        self.session.unwrap()
    }

    #[track_caller]
    fn expect_error(self, kind: ErrorKind) {
        assert_eq!(self.session.unwrap_err().kind(), kind);
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Service {
    /// Creates a service without sessions, on the clock of STS.
    async fn new() -> Self {
        Self::with_clock(World::new().await.unwrap(), None)
    }

    /// Creates a service that uses `own_clock`, or else the clock of STS.
    fn with_clock(world: World, own_clock: Option<ManualClock>) -> Self {
        let has_own_clock = own_clock.is_some();
        let clock = own_clock.unwrap_or_else(|| world.clock.clone());
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        let environment = Environment::fixed(world.variables(&token));
        let builder = rolecall::Chain::builder().environment(environment).clock(clock.clock());
        let providers = Self::providers(builder.from_env().unwrap());
        let service = Self { world, clock, has_own_clock, token, _folder: folder, providers };
        service.renew_token();
        service
    }

    /// Returns the cached providers of `base`, `hub` and `orders`.
    fn providers(base: Chain) -> [CachedProvider; 3] {
        let hub = base.clone().assume_role(Role::new(HUB).unwrap());
        let orders = hub.clone().assume_role(Role::new(ORDERS).unwrap());
        [base.provider(), hub.provider(), orders.provider()]
    }

    /// Creates a service that has a session and no running fetch.
    async fn with_session() -> Self {
        let service = Self::new().await;
        service.call().await.expect_waited();
        assert_eq!(service.sts_calls(), 3);
        service
    }

    /// Writes a token that is valid for a day. (A kubelet's is valid for an hour and renewed.)
    fn renew_token(&self) {
        let token = self.world.cluster.service_account_token("shop", "checkout");
        let token = token.expires_in(seconds(24 * HOUR)).sign().unwrap();
        std::fs::write(&self.token, token).unwrap();
    }

    fn orders(&self) -> &CachedProvider {
        &self.providers[2]
    }

    /// Returns the remaining lifetime by the service's clock.
    fn remaining(&self, session: &Session) -> Duration {
        let clock = self.clock.clock();
        session.expiration(&clock) - clock.now()
    }

    /// Returns the number of requests for sessions that STS received.
    fn sts_calls(&self) -> usize {
        self.world.aws.count("AssumeRole") + self.world.aws.count("AssumeRoleWithWebIdentity")
    }

    /// Makes a call and waits for the fetches it started.
    async fn call(&self) -> CallOutcome {
        let outcome = self.call_without_settling().await;
        self.settle().await;
        outcome
    }

    /// Makes a call. Its background fetches may still run afterwards.
    async fn call_without_settling(&self) -> CallOutcome {
        let mut call = pin!(self.orders().provide_session(FetchContext::foreground()));
        let outcome = match poll(&mut call) {
            Some(session) => CallOutcome { session, waited: false },
            None => CallOutcome { session: with_timeout(call).await, waited: true },
        };
        if let Ok(session) = &outcome.session {
            assert!(!self.remaining(session).is_zero(), "the session has expired");
        }
        outcome
    }

    /// Advances the clocks of the service and of STS.
    fn advance(&self, duration: u64) {
        self.world.clock.advance(seconds(duration));
        if self.has_own_clock {
            self.clock.advance(seconds(duration));
        }
    }

    /// Waits until no fetch is running.
    async fn settle(&self) {
        with_timeout(async {
            loop {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                let is_fetching = |provider: &CachedProvider| {
                    matches!(provider.status().state, State::Loading | State::Refreshing)
                };
                if !self.providers.iter().any(is_fetching) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Makes a call every `step` seconds for `duration` seconds.
    async fn calls_every(&self, step: u64, duration: u64) -> Vec<CallOutcome> {
        let mut outcomes = Vec::new();
        for _ in 0..duration / step {
            self.advance(step);
            outcomes.push(self.call().await);
        }
        outcomes
    }

    fn inject(&self, rule: FaultRule) {
        self.world.aws.inject(rule).unwrap();
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Fails the test if `work` does not complete within a minute.
async fn with_timeout<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(seconds(60), work).await.expect("completes within a minute")
}

#[track_caller]
fn expect_all_immediate(outcomes: Vec<CallOutcome>) {
    for outcome in outcomes {
        outcome.expect_immediate();
    }
}

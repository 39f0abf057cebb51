//! What callers see of a chain (a web identity, and two roles on it) while something is wrong: what each call got,
//! whether it waited, and how often STS was asked.

mod clocks;
mod identities;
mod outages;
mod rejections;

use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rolecall::cache::State;
use rolecall::{
    Chain, Environment, ErrorKind, FetchContext, FetchError, ManualClock, Provider, Role, Session,
    SessionSource,
};
use rolecall_testkit::FaultRule;
use rolecall_tests::{HUB, ORDERS, World};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// A service that has the sessions of `orders`, by way of `hub`, by way of a token.
struct Service {
    world: World,
    /// The service's clock.
    hands: ManualClock,
    /// Whether it is another than that of STS and the cluster.
    apart: bool,
    token: PathBuf,
    _folder: tempfile::TempDir,
    /// Of the web identity, of `hub` and of `orders`.
    slots: [Provider; 3],
}

/// What a call got.
#[derive(Debug)]
struct Got {
    session: Result<Session, FetchError>,
    waited: bool,
}

impl Got {
    /// It got a session, and did not wait for it.
    #[track_caller]
    fn at_once(self) -> Session {
        assert!(!self.waited, "it waited: {self:?}");
        self.session.unwrap()
    }

    #[track_caller]
    fn after_waiting(self) -> Session {
        assert!(self.waited, "it did not wait: {self:?}");
        self.session.unwrap()
    }

    #[track_caller]
    fn failed(self, kind: ErrorKind) {
        assert_eq!(self.session.unwrap_err().kind(), kind);
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Service {
    async fn new() -> Self {
        Self::on(World::new().await.unwrap(), None)
    }

    /// With a clock of its own, if one is given.
    fn on(world: World, own: Option<ManualClock>) -> Self {
        let apart = own.is_some();
        let hands = own.unwrap_or_else(|| world.hands.clone());
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        let environment = Environment::fixed(world.variables(&token));
        let builder = rolecall::builder().environment(environment).clock(hands.clock());
        let slots = Self::slots(builder.from_env().unwrap());
        let service = Self { world, hands, apart, token, _folder: folder, slots };
        service.renew_token();
        service
    }

    fn slots(base: Chain) -> [Provider; 3] {
        let hub = base.clone().assume(Role::new(HUB).unwrap());
        let orders = hub.clone().assume(Role::new(ORDERS).unwrap());
        [base.cached(), hub.cached(), orders.cached()]
    }

    /// With a session, and all at rest.
    async fn started() -> Self {
        let service = Self::new().await;
        service.call().await.after_waiting();
        assert_eq!(service.asked(), 3);
        service
    }

    /// A day's: the kubelet's are good for an hour, and renewed.
    fn renew_token(&self) {
        let token = self.world.cluster.service_account_token("shop", "checkout");
        let token = token.good_for(seconds(24 * HOUR)).sign().unwrap();
        std::fs::write(&self.token, token).unwrap();
    }

    fn orders(&self) -> &Provider {
        &self.slots[2]
    }

    fn left(&self, session: &Session) -> Duration {
        let clock = self.hands.clock();
        session.ends(&clock) - clock.now()
    }

    /// How often STS was asked for a session.
    fn asked(&self) -> usize {
        self.world.aws.count("AssumeRole") + self.world.aws.count("AssumeRoleWithWebIdentity")
    }

    /// A call, and what it sets off.
    async fn call(&self) -> Got {
        let got = self.call_alone().await;
        self.rest().await;
        got
    }

    async fn call_alone(&self) -> Got {
        let mut call = pin!(self.orders().session(FetchContext::caller()));
        let got = match poll(&mut call) {
            Some(session) => Got { session, waited: false },
            None => Got { session: patiently(call).await, waited: true },
        };
        if let Ok(session) = &got.session {
            assert!(!self.left(session).is_zero(), "a session past its end");
        }
        got
    }

    /// Time passes for all.
    fn pass(&self, time: u64) {
        self.world.hands.advance(seconds(time));
        if self.apart {
            self.hands.advance(seconds(time));
        }
    }

    /// Until nothing is on its way any more.
    async fn rest(&self) {
        patiently(async {
            loop {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                let runs = |slot: &Provider| {
                    matches!(slot.status().state, State::Loading | State::Refreshing)
                };
                if !self.slots.iter().any(runs) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// A call in every so many seconds, for so long.
    async fn calls_every(&self, step: u64, time: u64) -> Vec<Got> {
        let mut all = Vec::new();
        for _ in 0..time / step {
            self.pass(step);
            all.push(self.call().await);
        }
        all
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

/// Makes a failure of what would hang.
async fn patiently<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(seconds(60), work).await.expect("it hangs")
}

#[track_caller]
fn all_at_once(calls: Vec<Got>) {
    for got in calls {
        got.at_once();
    }
}

//! Long chains, slow parents, and many roles on one base.

use std::time::Duration;

use rolecall::provider::FetchContext;
use rolecall::sts::{Endpoint, RateLimit, Region, StsClient};
use rolecall::time::{Clock, ManualClock};
use rolecall::{Chain, Environment, ErrorKind, ProvideSession, Role, Session, SessionError};
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
use rolecall_tests::{HUB, SHOP, World};
use serde_json::json;
use tokio::task::JoinSet;

#[cfg(target_os = "linux")]
use crate::isolated::{open_descriptors, run_isolated};

const ALLOW_STS: &str = r#"{"Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}}"#;

fn trust_policy(account: &str) -> String {
    json!({ "Statement": {
        "Effect": "Allow", "Principal": { "AWS": account }, "Action": "sts:AssumeRole",
    } })
    .to_string()
}

/// Returns an account with roles `r0`, `r1`, ... that trust all of the account.
fn account_with_roles(roles: usize) -> Account {
    let shop = Account::new(SHOP).user(IamUser::new("ann").policy(ALLOW_STS));
    (0..roles).fold(shop, |shop, n| {
        shop.role(IamRole::new(format!("r{n}")).trust(trust_policy(SHOP)).policy(ALLOW_STS))
    })
}

fn role(n: usize) -> Role {
    Role::new(format!("arn:aws:iam::{SHOP}:role/r{n}")).unwrap()
}

fn chain_from_ann(aws: &LocalAws, clock: Clock, sts: Option<StsClient>) -> Chain {
    let environment =
        Environment::fixed([("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", aws.endpoint_url())]);
    let builder = rolecall::Chain::builder().environment(environment);
    // A client brings its own clock.
    let builder = match sts {
        Some(sts) => builder.sts_client(sts),
        None => builder.clock(clock),
    };
    builder.from_sdk_provider("ann", aws.user_credentials(SHOP, "ann").unwrap()).unwrap()
}

#[tokio::test]
async fn five_hop_chain_refreshes_only_expired_hop() {
    let clock = ManualClock::new();
    let aws = LocalAws::builder()
        .clock(clock.clock())
        .account(account_with_roles(5))
        .start()
        .await
        .unwrap();
    let quarter = Duration::from_secs(900);
    let chain = chain_from_ann(&aws, clock.clock(), None);
    let chain = (0..4).fold(chain, |chain, n| chain.assume_role(role(n)));
    let chain = chain.assume_role(role(4).duration(quarter).unwrap());
    let first = chain.provider().provide_session(FetchContext::foreground()).await.unwrap();
    assert_eq!(aws.count("AssumeRole"), 5);
    assert_eq!(first.lineage().to_string().matches(" -> ").count(), 5);
    clock.advance(quarter);
    let second = chain.provider().provide_session(FetchContext::foreground()).await.unwrap();
    assert_ne!(first.access_key_id(), second.access_key_id());
    assert_eq!(aws.count("AssumeRole"), 6, "the other four sessions are still valid");
}

/// A provider that needs `delay` for each session and notifies `started` when it starts.
#[derive(Debug)]
struct SlowProvider {
    clock: Clock,
    delay: Duration,
    started: std::sync::Arc<tokio::sync::Notify>,
    session: Session,
}

#[async_trait::async_trait]
impl ProvideSession for SlowProvider {
    fn name(&self) -> &str {
        "slow"
    }

    async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
        let deadline = self.clock.now() + self.delay;
        self.started.notify_one();
        self.clock.sleep_until(deadline).await;
        Ok(self.session.clone())
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }
}

#[tokio::test]
async fn parent_wait_is_excluded_from_hop_timeout() {
    for (delay, succeeds) in [(29, true), (31, false)] {
        let world = World::new().await.unwrap();
        let ann = world.aws.user_credentials(SHOP, "ann").unwrap();
        let started = std::sync::Arc::new(tokio::sync::Notify::new());
        let slow = SlowProvider {
            clock: world.clock.clock(),
            delay: Duration::from_secs(delay),
            started: std::sync::Arc::clone(&started),
            session: Session::builder(ann).build(),
        };
        let chain = world.builder().unwrap().from_provider(slow).unwrap();
        let hub = chain.assume_role(Role::new(HUB).unwrap()).provider();
        let call =
            tokio::spawn(async move { hub.provide_session(FetchContext::foreground()).await });
        started.notified().await;
        // Not beyond the timeout: a session that arrives by then is used.
        world.clock.advance(Duration::from_secs(delay.min(30)));
        let result = call.await.unwrap();
        match succeeds {
            true => assert!(result.is_ok(), "{result:?}"),
            false => {
                let error = result.unwrap_err();
                let text = "slow did not return a session within 30s";
                assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, text));
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn thousand_roles_share_descriptors() {
    let name = "chain_scale::thousand_roles_share_descriptors";
    run_isolated(name, || tokio::runtime::Runtime::new().unwrap().block_on(fetch_thousand_roles()));
}

#[cfg(target_os = "linux")]
async fn fetch_thousand_roles() {
    let aws = LocalAws::builder().account(account_with_roles(1000)).start().await.unwrap();
    let base = chain_from_ann(&aws, Clock::system(), None);
    let mut providers = Vec::new();
    // The first requests open the connections that all later ones share.
    let mut after_ten_roles = 0;
    for n in 0..1000 {
        let provider = base.clone().assume_role(role(n)).provider();
        provider.provide_session(FetchContext::foreground()).await.unwrap();
        providers.push(provider);
        if n == 9 {
            after_ten_roles = open_descriptors();
        }
    }
    assert_eq!(aws.count("AssumeRole"), 1000);
    assert!(
        after_ten_roles > 0 && open_descriptors() <= after_ten_roles,
        "{after_ten_roles} -> {}",
        open_descriptors()
    );
}

#[tokio::test]
async fn rate_limit_bounds_concurrent_sts_calls() {
    let aws = LocalAws::builder().account(account_with_roles(40)).start().await.unwrap();
    let region = Region::parse("eu-west-1").unwrap();
    let mut rate_limit = RateLimit::default();
    rate_limit.in_flight = 4.try_into().unwrap();
    let endpoint = Endpoint::custom(aws.endpoint_url(), region).unwrap();
    let base = chain_from_ann(
        &aws,
        Clock::system(),
        Some(StsClient::builder(endpoint).rate_limit(rate_limit).build()),
    );
    aws.set_latency(Duration::from_millis(20));
    let mut calls = JoinSet::new();
    for n in 0..40 {
        let provider = base.clone().assume_role(role(n)).provider();
        calls.spawn(
            async move { provider.provide_session(FetchContext::foreground()).await.map(drop) },
        );
    }
    for result in calls.join_all().await {
        result.unwrap();
    }
    assert_eq!(aws.count("AssumeRole"), 40);
    assert!((1..=4).contains(&aws.max_concurrent_calls()), "{}", aws.max_concurrent_calls());
}

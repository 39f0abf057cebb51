//! Long chains, slow parents, and many roles on one base.

use std::time::Duration;

use rolecall::sts::Budget;
use rolecall::{
    Chain, Clock, Endpoint, Environment, ErrorKind, FetchContext, FetchError, Region, Role,
    Session, SessionSource, StsClient,
};
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
use rolecall_tests::{HUB, SHOP, World};
use serde_json::json;
use tokio::task::JoinSet;

const ANYTHING: &str = r#"{"Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}}"#;

fn trusting(account: &str) -> String {
    json!({ "Statement": {
        "Effect": "Allow", "Principal": { "AWS": account }, "Action": "sts:AssumeRole",
    } })
    .to_string()
}

/// An account whose roles `r0`, `r1`, ... trust it as a whole.
fn account(roles: usize) -> Account {
    let shop = Account::new(SHOP).user(IamUser::new("ann").policy(ANYTHING));
    (0..roles).fold(shop, |shop, n| {
        shop.role(IamRole::new(format!("r{n}")).trust(trusting(SHOP)).policy(ANYTHING))
    })
}

fn role(n: usize) -> Role {
    Role::new(format!("arn:aws:iam::{SHOP}:role/r{n}")).unwrap()
}

fn on_ann(aws: &LocalAws, clock: Clock, sts: Option<StsClient>) -> Chain {
    let environment =
        Environment::fixed([("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", aws.endpoint_url())]);
    let builder = rolecall::builder().environment(environment).clock(clock);
    let builder = match sts {
        Some(sts) => builder.sts(sts),
        None => builder,
    };
    builder.from_provider("ann", aws.user_credentials(SHOP, "ann").unwrap()).unwrap()
}

#[tokio::test]
async fn a_chain_of_five_hops_refreshes_one_hop_with_one_call() {
    let hands = rolecall::ManualClock::new();
    let aws = LocalAws::builder().clock(hands.clock()).account(account(5)).start().await.unwrap();
    let quarter = Duration::from_secs(900);
    let chain = on_ann(&aws, hands.clock(), None);
    let chain = (0..4).fold(chain, |chain, n| chain.assume(role(n)));
    let chain = chain.assume(role(4).duration(quarter).unwrap());
    let first = chain.cached().session(FetchContext::caller()).await.unwrap();
    assert_eq!(aws.count("AssumeRole"), 5);
    assert_eq!(first.lineage().to_string().matches(" -> ").count(), 5);
    hands.advance(quarter);
    let second = chain.cached().session(FetchContext::caller()).await.unwrap();
    assert_ne!(first.access_key_id(), second.access_key_id());
    assert_eq!(aws.count("AssumeRole"), 6, "the other four are still good");
}

/// A base that takes its time, and says so.
#[derive(Debug)]
struct Slow {
    clock: Clock,
    takes: Duration,
    asked: std::sync::Arc<tokio::sync::Notify>,
    key: Session,
}

#[async_trait::async_trait]
impl SessionSource for Slow {
    async fn session(&self, _: FetchContext) -> Result<Session, FetchError> {
        let end = self.clock.now() + self.takes;
        self.asked.notify_one();
        self.clock.sleep_until(end).await;
        Ok(self.key.clone())
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(30)
    }
}

#[tokio::test]
async fn the_wait_for_the_parent_does_not_count_against_the_hop() {
    for (takes, comes) in [(29, true), (31, false)] {
        let world = World::new().await.unwrap();
        let ann = world.aws.user_credentials(SHOP, "ann").unwrap();
        let asked = std::sync::Arc::new(tokio::sync::Notify::new());
        let slow = Slow {
            clock: world.hands.clock(),
            takes: Duration::from_secs(takes),
            asked: std::sync::Arc::clone(&asked),
            key: Session::builder(ann).build(),
        };
        let chain = world.builder().unwrap().from_source("slow", slow).unwrap();
        let hub = chain.assume(Role::new(HUB).unwrap()).cached();
        let call = tokio::spawn(async move { hub.session(FetchContext::caller()).await });
        asked.notified().await;
        // Not beyond the limit: what is done by then counts.
        world.hands.advance(Duration::from_secs(takes.min(30)));
        let result = call.await.unwrap();
        match comes {
            true => assert!(result.is_ok(), "{result:?}"),
            false => {
                let error = result.unwrap_err();
                let text = "slow took longer than 30s";
                assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, text));
            }
        }
    }
}

#[cfg(target_os = "linux")]
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_roles_on_one_base_have_no_descriptor_each() {
    let name = "chains::a_thousand_roles_on_one_base_have_no_descriptor_each";
    alone(name, || tokio::runtime::Runtime::new().unwrap().block_on(of_a_thousand_roles()));
}

/// Runs a test in a process of its own: others open descriptors and take memory, too.
pub(crate) fn alone(name: &str, test: impl FnOnce()) {
    const ALONE: &str = "ROLECALL_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

#[cfg(target_os = "linux")]
async fn of_a_thousand_roles() {
    let aws = LocalAws::builder().account(account(1000)).start().await.unwrap();
    let base = on_ann(&aws, Clock::system(), None);
    let mut providers = Vec::new();
    let mut after_ten = 0;
    for n in 0..1000 {
        let provider = base.clone().assume(role(n)).cached();
        provider.session(FetchContext::caller()).await.unwrap();
        providers.push(provider);
        if n == 9 {
            after_ten = descriptors();
        }
    }
    assert_eq!(aws.count("AssumeRole"), 1000);
    assert!(after_ten > 0 && descriptors() <= after_ten, "{after_ten} -> {}", descriptors());
}

#[tokio::test]
async fn the_budget_bounds_what_sts_is_asked_at_once_and_fails_nobody() {
    let aws = LocalAws::builder().account(account(40)).start().await.unwrap();
    let region = Region::parse("eu-west-1").unwrap();
    let mut budget = Budget::default();
    budget.in_flight = 4.try_into().unwrap();
    let endpoint = Endpoint::custom(aws.endpoint_url(), region).unwrap();
    let base =
        on_ann(&aws, Clock::system(), Some(StsClient::builder(endpoint).budget(budget).build()));
    aws.set_latency(Duration::from_millis(20));
    let mut calls = JoinSet::new();
    for n in 0..40 {
        let provider = base.clone().assume(role(n)).cached();
        calls.spawn(async move { provider.session(FetchContext::caller()).await.map(drop) });
    }
    for result in calls.join_all().await {
        result.unwrap();
    }
    assert_eq!(aws.count("AssumeRole"), 40);
    assert!((1..=4).contains(&aws.most_at_once()), "{}", aws.most_at_once());
}

//! Behind the SDK's own lazy cache: it asks seconds before the end, and the next session is already there.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use rolecall::cache::State;
use rolecall::{Provider, Role};
use rolecall_tests::{HUB, World};

/// Counts what a cache asks of a provider, and how often that was not there at the first poll.
#[derive(Clone, Debug)]
struct Watched {
    provider: Provider,
    asked: Arc<AtomicUsize>,
    waited: Arc<AtomicUsize>,
}

impl ProvideCredentials for Watched {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let mut answer = pin!(self.provider.provide_credentials());
            let mut polls = 0;
            std::future::poll_fn(|cx| {
                polls += 1;
                if polls == 2 {
                    self.waited.fetch_add(1, Ordering::Relaxed);
                }
                answer.as_mut().poll(cx)
            })
            .await
        })
    }
}

/// Answers every call of GetCallerIdentity, for thousands of calls.
#[derive(Clone, Debug)]
struct Canned;

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account>\
                        </GetCallerIdentityResult></GetCallerIdentityResponse>";

impl HttpConnector for Canned {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let ok = StatusCode::try_from(200).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(ok, SdkBody::from(IDENTITY))))
    }
}

impl HttpClient for Canned {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A call every so often over three sessions, by a client with the SDK's default cache: how often that asked, how often
/// it waited, and how often STS was asked.
async fn a_call_every(step: Duration) -> (usize, usize, usize) {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_provider("ann", ann(&world)).unwrap();
    let provider = chain.assume(Role::new(HUB).unwrap()).cached();
    let watched =
        Watched { provider: provider.clone(), asked: Arc::default(), waited: Arc::default() };
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.hands.clock())
        .credentials_provider(watched.clone());
    // The local STS checks the signature, and whether the session has ended.
    let config = match step < Duration::from_secs(60) {
        true => config.http_client(Canned),
        false => config,
    };
    let client = aws_sdk_sts::Client::from_conf(config.build());
    let mut passed = Duration::ZERO;
    while passed <= 3 * Duration::from_secs(3600) {
        client.get_caller_identity().send().await.unwrap();
        // Timers run in between.
        let mut left = step;
        while !left.is_zero() {
            let next = left.min(Duration::from_secs(30));
            world.hands.advance(next);
            rest(&provider).await;
            left -= next;
        }
        passed += step;
    }
    let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    (load(&watched.asked), load(&watched.waited), world.aws.count("AssumeRole"))
}

fn ann(world: &World) -> aws_credential_types::Credentials {
    world.aws.user_credentials(rolecall_tests::SHOP, "ann").unwrap()
}

/// Until the timer's refresh, if one is due, is done: calls are farther apart than it takes.
async fn rest(provider: &Provider) {
    let mut done = pin!(async {
        loop {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            if provider.status().state != State::Refreshing {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    tokio::time::timeout(Duration::from_secs(60), done.as_mut()).await.expect("it hangs");
}

#[tokio::test]
async fn a_call_every_20_minutes_never_waits_after_the_first() {
    let (asked, waited, sts) = a_call_every(Duration::from_secs(20 * 60)).await;
    assert_eq!(waited, 1, "the first");
    assert!((3..=6).contains(&asked) && (3..=6).contains(&sts), "{asked} {sts}");
}

#[tokio::test]
async fn a_call_every_5_minutes_never_waits_after_the_first() {
    let (asked, waited, sts) = a_call_every(Duration::from_secs(5 * 60)).await;
    assert_eq!(waited, 1, "the first");
    assert!((3..=6).contains(&asked) && (3..=6).contains(&sts), "{asked} {sts}");
}

#[tokio::test]
async fn a_call_every_second_never_waits_after_the_first() {
    let (asked, waited, sts) = a_call_every(Duration::from_secs(1)).await;
    assert_eq!(waited, 1, "the first");
    assert!((3..=6).contains(&asked) && (3..=6).contains(&sts), "{asked} {sts}");
}

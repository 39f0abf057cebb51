//! A cached provider behind the SDK's lazy identity cache. That cache asks for new credentials only
//! seconds before the expiration; by then the provider has refreshed its session.

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
use rolecall::{CachedProvider, Role};
use rolecall_tests::{HUB, World};

/// Counts the requests for credentials, and those that were not ready at the first poll.
#[derive(Clone, Debug)]
struct CountingProvider {
    provider: CachedProvider,
    requests: Arc<AtomicUsize>,
    waits: Arc<AtomicUsize>,
}

impl ProvideCredentials for CountingProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let mut credentials = pin!(self.provider.provide_credentials());
            let mut polls = 0;
            std::future::poll_fn(|cx| {
                polls += 1;
                if polls == 2 {
                    self.waits.fetch_add(1, Ordering::Relaxed);
                }
                credentials.as_mut().poll(cx)
            })
            .await
        })
    }
}

/// Answers each GetCallerIdentity call without a server, since a test makes thousands of them.
#[derive(Clone, Debug)]
struct CannedIdentity;

const IDENTITY_RESPONSE: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account>\
                        </GetCallerIdentityResult></GetCallerIdentityResponse>";

impl HttpConnector for CannedIdentity {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let ok = StatusCode::try_from(200).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(ok, SdkBody::from(IDENTITY_RESPONSE))))
    }
}

impl HttpClient for CannedIdentity {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Makes a call every `interval` over three session lifetimes, with the SDK's default identity
/// cache. Returns the numbers of requests from that cache, of those that waited, and of calls to
/// STS.
async fn call_at_interval(interval: Duration) -> (usize, usize, usize) {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_sdk_provider("ann", ann(&world)).unwrap();
    let provider = chain.assume_role(Role::new(HUB).unwrap()).provider();
    let counting = CountingProvider {
        provider: provider.clone(),
        requests: Arc::default(),
        waits: Arc::default(),
    };
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.clock.clock())
        .credentials_provider(counting.clone());
    // The local STS checks the signature and the expiration of the session, so use it where the
    // number of calls permits.
    let config = match interval < Duration::from_secs(60) {
        true => config.http_client(CannedIdentity),
        false => config,
    };
    let client = aws_sdk_sts::Client::from_conf(config.build());
    let mut elapsed = Duration::ZERO;
    while elapsed <= 3 * Duration::from_secs(3600) {
        client.get_caller_identity().send().await.unwrap();
        // Advance in small steps, so that timers run in between.
        let mut remaining = interval;
        while !remaining.is_zero() {
            let next = remaining.min(Duration::from_secs(30));
            world.clock.advance(next);
            settle(&provider).await;
            remaining -= next;
        }
        elapsed += interval;
    }
    let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    (load(&counting.requests), load(&counting.waits), world.aws.count("AssumeRole"))
}

fn ann(world: &World) -> aws_credential_types::Credentials {
    world.aws.user_credentials(rolecall_tests::SHOP, "ann").unwrap()
}

/// Waits until the timer's refresh, if one is due, has completed: it takes less time than passes
/// between calls.
async fn settle(provider: &CachedProvider) {
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
    tokio::time::timeout(Duration::from_secs(60), done.as_mut())
        .await
        .expect("completes within a minute");
}

#[tokio::test]
async fn calls_every_20_minutes_wait_only_once() {
    let (requests, waits, sts_calls) = call_at_interval(Duration::from_secs(20 * 60)).await;
    assert_eq!(waits, 1, "only the first call waits");
    assert!((3..=6).contains(&requests) && (3..=6).contains(&sts_calls), "{requests} {sts_calls}");
}

#[tokio::test]
async fn calls_every_5_minutes_wait_only_once() {
    let (requests, waits, sts_calls) = call_at_interval(Duration::from_secs(5 * 60)).await;
    assert_eq!(waits, 1, "only the first call waits");
    assert!((3..=6).contains(&requests) && (3..=6).contains(&sts_calls), "{requests} {sts_calls}");
}

#[tokio::test]
async fn calls_every_second_wait_only_once() {
    let (requests, waits, sts_calls) = call_at_interval(Duration::from_secs(1)).await;
    assert_eq!(waits, 1, "only the first call waits");
    assert!((3..=6).contains(&requests) && (3..=6).contains(&sts_calls), "{requests} {sts_calls}");
}

//! The comparison with the SDK's providers in README: each row of its table is a test here, which
//! shows the behaviour of both.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_types::retry::RetryConfig;
use rolecall::{CachedProvider, Environment, Role};
use rolecall_tests::{CLOSED, HUB, ORDERS, SHOP, World};
use tokio::task::JoinSet;

fn user_key(world: &World) -> Credentials {
    world.aws.user_credentials(SHOP, "ann").unwrap()
}

/// Returns an SDK configuration with `credentials` and the SDK's default identity cache.
fn sdk_config(world: &World, credentials: impl ProvideCredentials + 'static) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
            aws_smithy_async::rt::sleep::TokioSleep::new(),
        ))
        .time_source(world.clock.clock())
        .retry_config(RetryConfig::disabled())
        .identity_cache(aws_config::identity::IdentityCache::lazy().build())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Returns the SDK's provider of `role`, with the user's key as base credentials.
async fn sdk_role(world: &World, role: &str) -> AssumeRoleProvider {
    let config = sdk_config(world, user_key(world));
    AssumeRoleProvider::builder(role).session_name("test").configure(&config).build().await
}

/// Returns rolecall's provider of `roles`, with the user's key as base credentials.
fn rolecall_role(world: &World, roles: &[Role]) -> CachedProvider {
    let environment = Environment::fixed([
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", world.aws.endpoint_url()),
    ]);
    let builder = rolecall::Chain::builder().environment(environment).clock(world.clock.clock());
    let base = builder.from_sdk_provider("ann", user_key(world)).unwrap();
    roles.iter().fold(base, |chain, role| chain.assume_role(role.clone())).provider()
}

/// Returns an STS client. Each of its calls is a request that needs the configured credentials.
fn sts_client(config: &SdkConfig) -> aws_sdk_sts::Client {
    aws_sdk_sts::Client::new(config)
}

/// Makes concurrent requests and returns the number of those that succeeded.
async fn count_successful_requests(client: &aws_sdk_sts::Client, callers: usize) -> usize {
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let client = client.clone();
        tasks.spawn(async move { client.get_caller_identity().send().await.is_ok() });
    }
    tasks.join_all().await.into_iter().filter(|ok| *ok).count()
}

#[tokio::test]
async fn failed_first_fetch_is_shared_by_callers() {
    let world = World::new().await.unwrap();
    let sdk_client = sts_client(&sdk_config(&world, sdk_role(&world, CLOSED).await));
    assert_eq!(count_successful_requests(&sdk_client, 20).await, 0);
    assert_eq!(world.aws.count("AssumeRole"), 20, "the SDK");

    let world = World::new().await.unwrap();
    let provider = rolecall_role(&world, &[Role::new(CLOSED).unwrap()]);
    let rolecall_client = sts_client(&sdk_config(&world, provider));
    assert_eq!(count_successful_requests(&rolecall_client, 20).await, 0);
    assert_eq!(world.aws.count("AssumeRole"), 1, "rolecall");
}

#[tokio::test]
async fn fetch_outlives_cancelled_caller() {
    // The latency is far above the caller's timeout, so that the test is reliable on a slow
    // machine.
    let (latency, caller_timeout) = (Duration::from_secs(2), Duration::from_millis(100));
    let call_with_timeout = |client: aws_sdk_sts::Client| async move {
        tokio::time::timeout(caller_timeout, client.get_caller_identity().send()).await.is_ok()
    };
    let world = World::new().await.unwrap();
    let sdk_client = sts_client(&sdk_config(&world, sdk_role(&world, HUB).await));
    world.aws.set_latency(latency);
    for _ in 0..5 {
        assert!(!call_with_timeout(sdk_client.clone()).await, "the SDK");
    }

    let world = World::new().await.unwrap();
    let provider = rolecall_role(&world, &[Role::new(HUB).unwrap()]);
    world.aws.set_latency(latency);
    let mut attempts = 1;
    while tokio::time::timeout(caller_timeout, provider.provide_credentials()).await.is_err() {
        attempts += 1;
    }
    assert!(attempts > 1, "the first caller timed out");
    assert_eq!(world.aws.count("AssumeRole"), 1, "rolecall");
}

#[tokio::test]
async fn chain_refresh_calls_sts_once() {
    let lifetime = Duration::from_secs(900);
    let world = World::new().await.unwrap();
    let hub = sdk_role(&world, HUB).await;
    let orders = AssumeRoleProvider::builder(ORDERS).session_name("test").session_length(lifetime);
    let orders =
        orders.configure(&sdk_config(&world, user_key(&world))).build_from_provider(hub).await;
    let sdk_client = sts_client(&sdk_config(&world, orders));
    assert_eq!(count_successful_requests(&sdk_client, 1).await, 1);
    assert_eq!(world.aws.count("AssumeRole"), 2);
    world.clock.advance(lifetime);
    assert_eq!(count_successful_requests(&sdk_client, 1).await, 1);
    assert_eq!(world.aws.count("AssumeRole"), 4, "the SDK");

    let world = World::new().await.unwrap();
    let orders = Role::new(ORDERS).unwrap().duration(lifetime).unwrap();
    let provider = rolecall_role(&world, &[Role::new(HUB).unwrap(), orders]);
    let rolecall_client = sts_client(&sdk_config(&world, provider));
    assert_eq!(count_successful_requests(&rolecall_client, 1).await, 1);
    assert_eq!(world.aws.count("AssumeRole"), 2);
    world.clock.advance(lifetime);
    assert_eq!(count_successful_requests(&rolecall_client, 1).await, 1);
    assert_eq!(world.aws.count("AssumeRole"), 3, "rolecall");
}

#[tokio::test]
async fn invalid_external_id_fails_before_sts_call() {
    let world = World::new().await.unwrap();
    let config = sdk_config(&world, user_key(&world));
    let provider = AssumeRoleProvider::builder(HUB).session_name("test").external_id("a b");
    let provider = provider.configure(&config).build().await;
    assert!(provider.provide_credentials().await.is_err());
    assert_eq!(world.aws.count("AssumeRole"), 1, "the SDK calls STS");
    let error = Role::new(HUB).unwrap().external_id("a b").unwrap_err();
    assert!(
        error.to_string().starts_with("`a b` is not a valid external id: the character ' '"),
        "{error}"
    );
}

/// Runs a program of this package with the environment of a pod, and returns its output.
async fn run_in_pod(world: &World, program: &str, argument: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let token_text = world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    std::fs::write(&token, token_text).unwrap();
    let mut command = rolecall_tests::clean(std::process::Command::new(program));
    command.arg(argument).envs(world.variables(&token));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn sdk_web_identity_providers_work_with_local_sts() {
    let world = World::new().await.unwrap();
    let with_sdk = env!("CARGO_BIN_EXE_first_session_sdk");
    let with_rolecall = env!("CARGO_BIN_EXE_first_session_rolecall");
    for (count, (program, argument)) in
        [(with_sdk, ""), (with_sdk, "provider"), (with_rolecall, "")].iter().enumerate()
    {
        let output = run_in_pod(&world, program, argument).await;
        assert!(output.starts_with("ASIA") && output.len() == 21, "{program} {argument}: {output}");
        assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), count + 1);
    }
}

//! What README says beside the SDK's own providers: each row of its table is a test here, which shows both sides.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_types::retry::RetryConfig;
use rolecall::{Environment, Provider, Role};
use rolecall_tests::{CLOSED, HUB, ORDERS, SHOP, World};
use tokio::task::JoinSet;

fn ann(world: &World) -> Credentials {
    world.aws.user_credentials(SHOP, "ann").unwrap()
}

/// The SDK as it comes: its own cache, and these credentials.
fn sdk(world: &World, credentials: impl ProvideCredentials + 'static) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
            aws_smithy_async::rt::sleep::TokioSleep::new(),
        ))
        .time_source(world.hands.clock())
        .retry_config(RetryConfig::disabled())
        .identity_cache(aws_config::identity::IdentityCache::lazy().build())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// The SDK's own provider for a role, on the user ann.
async fn sdk_role(world: &World, role: &str) -> AssumeRoleProvider {
    let config = sdk(world, ann(world));
    AssumeRoleProvider::builder(role).session_name("test").configure(&config).build().await
}

/// Ours.
fn our_role(world: &World, roles: &[Role]) -> Provider {
    let environment = Environment::fixed([
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", world.aws.endpoint_url()),
    ]);
    let builder = rolecall::builder().environment(environment).clock(world.hands.clock());
    let base = builder.from_provider("ann", ann(world)).unwrap();
    roles.iter().fold(base, |chain, role| chain.assume(role.clone())).cached()
}

/// An STS client whose credentials these are: each call of it is a request that needs them.
fn service(config: &SdkConfig) -> aws_sdk_sts::Client {
    aws_sdk_sts::Client::new(config)
}

async fn requests_at_once(client: &aws_sdk_sts::Client, callers: usize) -> usize {
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let client = client.clone();
        tasks.spawn(async move { client.get_caller_identity().send().await.is_ok() });
    }
    tasks.join_all().await.into_iter().filter(|ok| *ok).count()
}

#[tokio::test]
async fn a_first_load_that_fails_is_one_call_for_all_and_not_one_for_each() {
    let world = World::new().await.unwrap();
    let theirs = service(&sdk(&world, sdk_role(&world, CLOSED).await));
    assert_eq!(requests_at_once(&theirs, 20).await, 0);
    assert_eq!(world.aws.count("AssumeRole"), 20, "the SDK");

    let world = World::new().await.unwrap();
    let ours = our_role(&world, &[Role::new(CLOSED).unwrap()]);
    let ours = service(&sdk(&world, ours));
    assert_eq!(requests_at_once(&ours, 20).await, 0);
    assert_eq!(world.aws.count("AssumeRole"), 1, "rolecall");
}

#[tokio::test]
async fn a_load_outlives_the_caller_who_gives_up() {
    // Nobody waits as long as STS takes, by far: a machine may be slow.
    let (latency, patience) = (Duration::from_secs(2), Duration::from_millis(100));
    let impatient = |client: aws_sdk_sts::Client| async move {
        tokio::time::timeout(patience, client.get_caller_identity().send()).await.is_ok()
    };
    let world = World::new().await.unwrap();
    let theirs = service(&sdk(&world, sdk_role(&world, HUB).await));
    world.aws.set_latency(latency);
    for _ in 0..5 {
        assert!(!impatient(theirs.clone()).await, "the SDK");
    }

    let world = World::new().await.unwrap();
    let provider = our_role(&world, &[Role::new(HUB).unwrap()]);
    world.aws.set_latency(latency);
    let mut tries = 1;
    while tokio::time::timeout(patience, provider.provide_credentials()).await.is_err() {
        tries += 1;
    }
    assert!(tries > 1, "the first gave up");
    assert_eq!(world.aws.count("AssumeRole"), 1, "rolecall");
}

#[tokio::test]
async fn the_next_session_of_a_chain_is_one_call_and_not_one_for_each_hop() {
    let quarter = Duration::from_secs(900);
    let world = World::new().await.unwrap();
    let hub = sdk_role(&world, HUB).await;
    let orders = AssumeRoleProvider::builder(ORDERS).session_name("test").session_length(quarter);
    let orders = orders.configure(&sdk(&world, ann(&world))).build_from_provider(hub).await;
    let theirs = service(&sdk(&world, orders));
    assert_eq!(requests_at_once(&theirs, 1).await, 1);
    assert_eq!(world.aws.count("AssumeRole"), 2);
    world.hands.advance(quarter);
    assert_eq!(requests_at_once(&theirs, 1).await, 1);
    assert_eq!(world.aws.count("AssumeRole"), 4, "the SDK");

    let world = World::new().await.unwrap();
    let orders = Role::new(ORDERS).unwrap().duration(quarter).unwrap();
    let ours = our_role(&world, &[Role::new(HUB).unwrap(), orders]);
    let ours = service(&sdk(&world, ours));
    assert_eq!(requests_at_once(&ours, 1).await, 1);
    assert_eq!(world.aws.count("AssumeRole"), 2);
    world.hands.advance(quarter);
    assert_eq!(requests_at_once(&ours, 1).await, 1);
    assert_eq!(world.aws.count("AssumeRole"), 3, "rolecall");
}

#[tokio::test]
async fn an_external_id_that_is_none_is_refused_before_the_call() {
    let world = World::new().await.unwrap();
    let config = sdk(&world, ann(&world));
    let theirs = AssumeRoleProvider::builder(HUB).session_name("test").external_id("a b");
    let theirs = theirs.configure(&config).build().await;
    assert!(theirs.provide_credentials().await.is_err());
    assert_eq!(world.aws.count("AssumeRole"), 1, "the SDK asks STS");
    let ours = Role::new(HUB).unwrap().external_id("a b").unwrap_err();
    assert!(ours.to_string().starts_with("external id \"a b\": the character ' '"), "{ours}");
}

/// What a program of this package says, as a pod that has a token would run it.
async fn in_a_pod(world: &World, program: &str, argument: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let good = world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    std::fs::write(&token, good).unwrap();
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
async fn the_sdks_own_default_chain_and_web_identity_provider_work_on_the_local_sts() {
    let world = World::new().await.unwrap();
    let sdk = env!("CARGO_BIN_EXE_first_session_sdk");
    let ours = env!("CARGO_BIN_EXE_first_session_rolecall");
    for (count, (program, argument)) in
        [(sdk, ""), (sdk, "provider"), (ours, "")].iter().enumerate()
    {
        let said = in_a_pod(&world, program, argument).await;
        assert!(said.starts_with("ASIA") && said.len() == 21, "{program} {argument}: {said}");
        assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), count + 1);
    }
}

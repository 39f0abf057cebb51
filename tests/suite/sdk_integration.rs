//! rolecall's providers in the SDK's clients and caches, and the SDK's providers in rolecall.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::error::DisplayErrorContext;
use rolecall::{ErrorKind, Role, SessionError};
use rolecall_tests::{CLOSED, HUB, SHOP, World};

/// Returns a service client from `sdk_config`, as an application creates it.
async fn client(world: &World, provider: rolecall::CachedProvider) -> aws_sdk_sts::Client {
    let config = rolecall::sdk_config(provider)
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.clock.clock())
        .load()
        .await;
    aws_sdk_sts::Client::new(&config)
}

#[tokio::test]
async fn sdk_config_client_signs_with_session() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume_role(Role::new(HUB).unwrap());
    let client = client(&world, chain.provider()).await;
    for _ in 0..3 {
        let identity = client.get_caller_identity().send().await.unwrap();
        assert_eq!(identity.arn(), Some("arn:aws:sts::444455556666:assumed-role/hub/suite"));
    }
    assert_eq!(world.aws.count("AssumeRole"), 1);
}

#[tokio::test]
async fn sdk_config_client_uses_refreshed_session() {
    let world = World::new().await.unwrap();
    let client = client(&world, world.builder().unwrap().from_env().unwrap().provider()).await;
    client.get_caller_identity().send().await.unwrap();
    // Not past the hour, after which the token in the file has expired, too.
    world.clock.advance(Duration::from_secs(3590));
    client.get_caller_identity().send().await.unwrap();
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 2);
}

#[tokio::test]
async fn service_error_contains_session_error() {
    let world = World::new().await.unwrap();
    let chain =
        world.builder().unwrap().from_env().unwrap().assume_role(Role::new(CLOSED).unwrap());
    let client = client(&world, chain.provider()).await;
    let error = client.get_caller_identity().send().await.unwrap_err();
    let text = DisplayErrorContext(&error).to_string();
    assert!(text.contains("hop 1 of 1 (arn:aws:iam::777788889999:role/closed): User: "), "{text}");
    assert_eq!(SessionError::find(&error).map(SessionError::kind), Some(ErrorKind::Denied));
}

#[tokio::test]
async fn sdk_lazy_cache_reuses_session() {
    let world = World::new().await.unwrap();
    let provider = world.builder().unwrap().from_env().unwrap().provider();
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.clock.clock())
        .credentials_provider(provider)
        .build();
    let client = aws_sdk_sts::Client::from_conf(config);
    for _ in 0..3 {
        client.get_caller_identity().send().await.unwrap();
    }
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 1);
}

#[tokio::test]
async fn sdk_provider_serves_as_chain_base() {
    let world = World::new().await.unwrap();
    let ann = world.aws.user_credentials(SHOP, "ann").unwrap();
    let chain = world.builder().unwrap().from_sdk_provider("ann's keys", ann).unwrap();
    let chain = chain.assume_role(Role::new(HUB).unwrap());
    let identity = chain.caller_identity().await.unwrap();
    assert_eq!(identity.arn, "arn:aws:sts::444455556666:assumed-role/hub/suite");
    assert_eq!(chain.description(), format!("ann's keys (set in code) -> {HUB}"));
}

#[tokio::test]
async fn denied_role_maps_to_provider_error() {
    use aws_credential_types::provider::ProvideCredentials;
    let world = World::new().await.unwrap();
    let denied =
        world.builder().unwrap().from_env().unwrap().assume_role(Role::new(CLOSED).unwrap());
    let error = denied.provider().provide_credentials().await.unwrap_err();
    assert!(matches!(error, CredentialsError::ProviderError(_)), "{error:?}");
}

#[tokio::test]
async fn sdk_accepts_provider_in_every_setting() {
    use aws_config::meta::credentials::CredentialsProviderChain;
    let world = World::new().await.unwrap();
    let base = world.builder().unwrap().from_env().unwrap();
    let hub_provider = base.clone().assume_role(Role::new(HUB).unwrap()).provider();
    let (checkout, hub) = (
        "arn:aws:sts::111122223333:assumed-role/checkout/suite",
        "arn:aws:sts::444455556666:assumed-role/hub/suite",
    );
    let caller_arn = |client: aws_sdk_sts::Client| async move {
        let identity = client.get_caller_identity().send().await.unwrap();
        identity.arn().unwrap().to_owned()
    };

    // `aws_config::defaults(..).credentials_provider(..)`.
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.clock.clock())
        .credentials_provider(base.provider())
        .load()
        .await;
    let client = aws_sdk_sts::Client::new(&config);
    assert_eq!(caller_arn(client.clone()).await, checkout);

    // The configuration of a service client.
    let client_config =
        aws_sdk_sts::config::Builder::from(&config).credentials_provider(hub_provider.clone());
    assert_eq!(caller_arn(aws_sdk_sts::Client::from_conf(client_config.build())).await, hub);

    // The configuration of a single operation.
    let operation_config = aws_sdk_sts::Config::builder()
        .credentials_provider(hub_provider.clone())
        .identity_cache(aws_sdk_sts::config::IdentityCache::no_cache());
    let call = client.get_caller_identity().customize().config_override(operation_config);
    assert_eq!(call.send().await.unwrap().arn(), Some(hub));
    assert_eq!(
        caller_arn(client).await,
        checkout,
        "the next call uses the client's provider again"
    );

    // A chain of SDK providers.
    let chain = CredentialsProviderChain::first_try("hub", hub_provider.clone())
        .or_else("base", base.provider());
    let chain_config = config.into_builder();
    let chain_config = chain_config.credentials_provider(
        aws_credential_types::provider::SharedCredentialsProvider::new(chain),
    );
    assert_eq!(caller_arn(aws_sdk_sts::Client::new(&chain_config.build())).await, hub);

    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 1);
    assert_eq!(world.aws.count("AssumeRole"), 1);
}

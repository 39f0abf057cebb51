//! rolecall under the SDK's own clients and caches, and the SDK's providers under rolecall.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::error::DisplayErrorContext;
use rolecall::{ErrorKind, FetchError, Role};
use rolecall_tests::{CLOSED, HUB, SHOP, World};

/// As a user would: our provider in the SDK's configuration, and a service client from it.
async fn client(world: &World, provider: rolecall::Provider) -> aws_sdk_sts::Client {
    let config = rolecall::sdk_config(provider)
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.hands.clock())
        .load()
        .await;
    aws_sdk_sts::Client::new(&config)
}

#[tokio::test]
async fn a_service_client_on_sdk_config_signs_with_our_session() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume(Role::new(HUB).unwrap());
    let client = client(&world, chain.cached()).await;
    for _ in 0..3 {
        let me = client.get_caller_identity().send().await.unwrap();
        assert_eq!(me.arn(), Some("arn:aws:sts::444455556666:assumed-role/hub/suite"));
    }
    assert_eq!(world.aws.count("AssumeRole"), 1);
}

#[tokio::test]
async fn after_the_sessions_end_a_client_on_sdk_config_signs_with_the_next() {
    let world = World::new().await.unwrap();
    let client = client(&world, world.builder().unwrap().from_env().unwrap().cached()).await;
    client.get_caller_identity().send().await.unwrap();
    // The token in the file is good for an hour, too.
    world.hands.advance(Duration::from_secs(3590));
    client.get_caller_identity().send().await.unwrap();
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 2);
}

#[tokio::test]
async fn the_error_reaches_the_user_of_a_service_client_whole() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume(Role::new(CLOSED).unwrap());
    let client = client(&world, chain.cached()).await;
    let error = client.get_caller_identity().send().await.unwrap_err();
    let text = DisplayErrorContext(&error).to_string();
    assert!(text.contains("hop 1 of 1, arn:aws:iam::777788889999:role/closed: User: "), "{text}");
    assert_eq!(FetchError::find(&error).map(FetchError::kind), Some(ErrorKind::Denied));
}

#[tokio::test]
async fn it_works_under_the_sdks_own_lazy_cache_too() {
    let world = World::new().await.unwrap();
    let provider = world.builder().unwrap().from_env().unwrap().cached();
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.hands.clock())
        .credentials_provider(provider)
        .build();
    let client = aws_sdk_sts::Client::from_conf(config);
    for _ in 0..3 {
        client.get_caller_identity().send().await.unwrap();
    }
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 1);
}

#[tokio::test]
async fn any_provider_of_the_sdk_is_a_base() {
    let world = World::new().await.unwrap();
    let ann = world.aws.user_credentials(SHOP, "ann").unwrap();
    let chain = world.builder().unwrap().from_provider("ann's keys", ann).unwrap();
    let chain = chain.assume(Role::new(HUB).unwrap());
    let me = chain.caller_identity().await.unwrap();
    assert_eq!(me.arn, "arn:aws:sts::444455556666:assumed-role/hub/suite");
    assert_eq!(chain.describe(), format!("ann's keys (given) -> {HUB}"));
}

#[tokio::test]
async fn a_provider_chain_goes_on_from_nothing_configured_and_from_nothing_else() {
    use aws_credential_types::provider::ProvideCredentials;
    let world = World::new().await.unwrap();
    let denied = world.builder().unwrap().from_env().unwrap().assume(Role::new(CLOSED).unwrap());
    let error = denied.cached().provide_credentials().await.unwrap_err();
    assert!(matches!(error, CredentialsError::ProviderError(_)), "{error:?}");
}

#[tokio::test]
async fn each_place_of_the_sdk_that_takes_a_provider() {
    use aws_config::meta::credentials::CredentialsProviderChain;
    let world = World::new().await.unwrap();
    let base = world.builder().unwrap().from_env().unwrap();
    let hub = base.clone().assume(Role::new(HUB).unwrap()).cached();
    let (checkout, of_hub) = (
        "arn:aws:sts::111122223333:assumed-role/checkout/suite",
        "arn:aws:sts::444455556666:assumed-role/hub/suite",
    );
    let who = |client: aws_sdk_sts::Client| async move {
        let me = client.get_caller_identity().send().await.unwrap();
        me.arn().unwrap().to_owned()
    };

    // aws_config::defaults(..).credentials_provider(..)
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.hands.clock())
        .credentials_provider(base.cached())
        .load()
        .await;
    let client = aws_sdk_sts::Client::new(&config);
    assert_eq!(who(client.clone()).await, checkout);

    // A service client's own
    let of_client = aws_sdk_sts::config::Builder::from(&config).credentials_provider(hub.clone());
    assert_eq!(who(aws_sdk_sts::Client::from_conf(of_client.build())).await, of_hub);

    // For one call
    let for_a_call = aws_sdk_sts::Config::builder()
        .credentials_provider(hub.clone())
        .identity_cache(aws_sdk_sts::config::IdentityCache::no_cache());
    let call = client.get_caller_identity().customize().config_override(for_a_call);
    assert_eq!(call.send().await.unwrap().arn(), Some(of_hub));
    assert_eq!(who(client).await, checkout, "the next is as before");

    // In a chain of providers
    let chain =
        CredentialsProviderChain::first_try("hub", hub.clone()).or_else("base", base.cached());
    let of_chain = config.into_builder();
    let of_chain = of_chain.credentials_provider(
        aws_credential_types::provider::SharedCredentialsProvider::new(chain),
    );
    assert_eq!(who(aws_sdk_sts::Client::new(&of_chain.build())).await, of_hub);

    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 1);
    assert_eq!(world.aws.count("AssumeRole"), 1);
}

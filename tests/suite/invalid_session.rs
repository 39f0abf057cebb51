//! A service rejects the session as invalid: the client fetches a new session and retries the call
//! once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use rolecall::policy::{PermissionPolicy, S3Access, SecretsAccess};
use rolecall::provider::FetchContext;
use rolecall::sdk::{InvalidSessionRetry, ReportSessionUse, retry_invalid_session};
use rolecall::time::ManualClock;
use rolecall::{
    CachedProvider, Environment, ProvideSession, Session, SessionError, identity_cache,
};
use rolecall_testkit::{Account, FaultRule, IamRole, IamUser, LocalAws};
use serde_json::json;

const SHOP: &str = "111122223333";
const REGION: &str = "eu-west-1";

struct World {
    aws: LocalAws,
    clock: ManualClock,
}

impl World {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let permissions = PermissionPolicy::builder()
            .s3(S3Access::under("shop-data", ["orders/"]).unwrap().list().read().write())
            .secrets(SecretsAccess::under(REGION, ["shop/"]).unwrap().read())
            .build()
            .unwrap();
        let trust = json!({ "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": { "AWS": format!("arn:aws:iam::{SHOP}:user/ann") },
        } });
        let aws = LocalAws::builder()
            .clock(clock.clock())
            .account(
                Account::new(SHOP)
                    .user(IamUser::new("ann").policy(permissions.clone()))
                    .role(IamRole::new("reader").trust(trust.to_string()).policy(permissions))
                    .bucket("shop-data")
                    .secret(REGION, "shop/db", "swordfish"),
            )
            .start()
            .await
            .unwrap();
        Self { aws, clock }
    }

    fn user_key(&self) -> Credentials {
        self.aws.user_credentials(SHOP, "ann").unwrap()
    }

    /// Returns Ann's key after `unknown` keys that no service knows.
    fn keys_after_unknown(&self, unknown: usize) -> Keys {
        let mut keys: Vec<_> = (0..unknown).map(unknown_key).collect();
        keys.push(self.user_key());
        Keys::new(keys)
    }

    /// Returns a role's session without its expiration.
    async fn role_session(&self) -> Credentials {
        let config = self.config(self.user_key()).await;
        let assume = aws_sdk_sts::Client::new(&config)
            .assume_role()
            .role_arn(format!("arn:aws:iam::{SHOP}:role/reader"))
            .role_session_name("ann")
            .duration_seconds(900);
        let role_session = assume.send().await.unwrap().credentials.unwrap();
        let token = Some(role_session.session_token);
        Credentials::new(
            role_session.access_key_id,
            role_session.secret_access_key,
            token,
            None,
            "test",
        )
    }

    /// Returns a session that has expired.
    async fn expired_session(&self) -> Credentials {
        let role_session = self.role_session().await;
        self.clock.advance(Duration::from_secs(901));
        role_session
    }

    fn cached(&self, keys: Keys) -> CachedProvider<Keys> {
        CachedProvider::builder(keys).clock(self.clock.clock()).build()
    }

    async fn config(&self, provider: impl ProvideCredentials + 'static) -> SdkConfig {
        rolecall::sdk_config(provider)
            .region(Region::new(REGION))
            .endpoint_url(self.aws.endpoint_url())
            .time_source(self.clock.clock())
            .load()
            .await
    }

    /// Returns an S3 client that retries invalid sessions.
    async fn s3_client<P>(&self, provider: &P) -> aws_sdk_s3::Client
    where
        P: ProvideCredentials + ReportSessionUse + Clone,
    {
        let config = self.config(provider.clone()).await;
        aws_sdk_s3::Client::from_conf(retry_invalid_session!(s3_config(&config), provider).build())
    }

    async fn sts_client(&self, provider: &CachedProvider<Keys>) -> aws_sdk_sts::Client {
        let config = self.config(provider.clone()).await;
        let sts = aws_sdk_sts::config::Builder::from(&config);
        aws_sdk_sts::Client::from_conf(retry_invalid_session!(sts, provider).build())
    }

    async fn read_secret(&self, provider: &CachedProvider<Keys>) {
        let config = self.config(provider.clone()).await;
        let secrets = aws_sdk_secretsmanager::config::Builder::from(&config);
        let secrets = retry_invalid_session!(secrets, provider).build();
        let client = aws_sdk_secretsmanager::Client::from_conf(secrets);
        let secret = client.get_secret_value().secret_id("shop/db").send().await.unwrap();
        assert_eq!(secret.secret_string(), Some("swordfish"));
    }

    /// Returns the error codes of all responses in order, "ok" for a success.
    fn response_codes(&self) -> Vec<String> {
        let code = |error: Option<String>| error.unwrap_or_else(|| "ok".into());
        self.aws.calls().into_iter().map(|call| code(call.error)).collect()
    }
}

fn unknown_key(number: usize) -> Credentials {
    Credentials::new(format!("AKIAIOSFODNN7EXAMPL{number}"), "secret", None, None, "test")
}

/// Provides the given keys one after the other, then the last one for each further fetch.
#[derive(Debug)]
struct Keys {
    remaining: Mutex<Vec<Credentials>>,
    fetches: AtomicUsize,
}

impl Keys {
    fn new(mut keys: Vec<Credentials>) -> Self {
        keys.reverse();
        Self { remaining: Mutex::new(keys), fetches: AtomicUsize::new(0) }
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    fn next(&self) -> Credentials {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let mut remaining = self.remaining.lock().unwrap();
        if remaining.len() > 1 { remaining.pop().unwrap() } else { remaining[0].clone() }
    }
}

#[async_trait::async_trait]
impl ProvideSession for Keys {
    async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
        Ok(Session::builder(self.next()).base("test").build())
    }
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Ok::<_, CredentialsError>(self.next()))
    }
}

fn s3_config(config: &SdkConfig) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::from(config).force_path_style(true)
}

async fn list_orders(client: &aws_sdk_s3::Client) -> Result<(), String> {
    let call = client.list_objects_v2().bucket("shop-data").prefix("orders/");
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.code().unwrap_or("no code").to_owned()),
    }
}

#[tokio::test]
async fn each_service_client_retries_with_new_session() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let client = world.s3_client(&provider).await;
    list_orders(&client).await.unwrap();
    let body = ByteStream::from_static(b"1 apple");
    let put = client.put_object().bucket("shop-data").key("orders/1").body(body);
    put.send().await.unwrap();
    assert_eq!(world.response_codes(), ["InvalidAccessKeyId", "ok", "ok"]);
    assert_eq!(provider.inner().fetches(), 2);

    // An operation with a streamed response.
    let other_provider = world.cached(world.keys_after_unknown(1));
    let client = world.s3_client(&other_provider).await;
    let get = client.get_object().bucket("shop-data").key("orders/1").send().await.unwrap();
    assert_eq!(get.body.collect().await.unwrap().to_vec(), b"1 apple");
    assert_eq!(world.response_codes()[3..], ["InvalidAccessKeyId", "ok"]);

    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    world.read_secret(&provider).await;
    assert_eq!(world.response_codes(), ["UnrecognizedClientException", "ok"]);

    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    world.sts_client(&provider).await.get_caller_identity().send().await.unwrap();
    assert_eq!(world.response_codes(), ["InvalidClientTokenId", "ok"]);
}

#[tokio::test]
async fn expired_session_is_retried_once_per_service() {
    let world = World::new().await;
    let provider = world.cached(Keys::new(vec![world.expired_session().await, world.user_key()]));
    let client = world.s3_client(&provider).await;
    list_orders(&client).await.unwrap();
    assert_eq!(world.response_codes(), ["ok", "ExpiredToken", "ok"]);
    assert_eq!(provider.inner().fetches(), 2);

    let world = World::new().await;
    let provider = world.cached(Keys::new(vec![world.expired_session().await, world.user_key()]));
    world.read_secret(&provider).await;
    assert_eq!(world.response_codes(), ["ok", "ExpiredTokenException", "ok"]);
    assert_eq!(provider.inner().fetches(), 2);

    let world = World::new().await;
    let provider = world.cached(Keys::new(vec![world.expired_session().await, world.user_key()]));
    world.sts_client(&provider).await.get_caller_identity().send().await.unwrap();
    assert_eq!(world.response_codes(), ["ok", "ExpiredToken", "ok"]);
    assert_eq!(provider.inner().fetches(), 2);
}

#[tokio::test]
async fn mismatched_session_token_is_retried_once() {
    let world = World::new().await;
    let role_session = world.role_session().await;
    let (id, secret) = (role_session.access_key_id(), role_session.secret_access_key());
    let garbled =
        Credentials::new(id, secret, Some("token-of-another-session".into()), None, "test");
    let provider = world.cached(Keys::new(vec![garbled, world.user_key()]));
    let client = world.s3_client(&provider).await;
    list_orders(&client).await.unwrap();
    assert_eq!(world.response_codes(), ["ok", "InvalidToken", "ok"]);
    assert_eq!(provider.inner().fetches(), 2);
}

#[tokio::test]
async fn only_invalid_session_codes_are_retried() {
    for (status, code, invalidates) in [
        (403, "ExpiredToken", true),
        (400, "ExpiredTokenException", true),
        (400, "InvalidToken", true),
        (403, "InvalidClientTokenId", true),
        (403, "AccessDenied", false),
        (400, "AccessDeniedException", false),
    ] {
        let world = World::new().await;
        let rule = FaultRule::error(status, code, "Injected.");
        world.aws.inject(rule.on("GetCallerIdentity").nth(1)).unwrap();
        let provider = world.cached(Keys::new(vec![world.role_session().await, world.user_key()]));
        let client = world.sts_client(&provider).await;
        let result = client.get_caller_identity().send().await;
        let response_codes = world.response_codes()[1..].to_vec();
        if invalidates {
            result.unwrap();
            assert_eq!(
                (response_codes, provider.inner().fetches()),
                (vec![code.into(), "ok".into()], 2)
            );
        } else {
            assert_eq!(result.unwrap_err().code(), Some(code));
            assert_eq!((response_codes, provider.inner().fetches()), (vec![code.to_owned()], 1));
            client.get_caller_identity().send().await.unwrap();
            assert_eq!(provider.inner().fetches(), 1, "{code}: the session stays cached");
        }
    }
}

#[tokio::test]
async fn client_without_interceptor_keeps_invalid_session() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let config = world.config(provider.clone()).await;
    let client = aws_sdk_s3::Client::from_conf(s3_config(&config).build());
    for _ in 0..3 {
        assert_eq!(list_orders(&client).await.unwrap_err(), "InvalidAccessKeyId");
    }
    assert_eq!(provider.inner().fetches(), 1);
}

#[tokio::test]
async fn only_replayable_bodies_are_retried() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let client = world.s3_client(&provider).await;
    let put = |body| client.put_object().bucket("shop-data").key("orders/1").body(body).send();
    put(ByteStream::from_static(b"1 apple")).await.unwrap();
    assert_eq!(world.response_codes(), ["InvalidAccessKeyId", "ok"]);

    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let client = world.s3_client(&provider).await;
    let single_use = ByteStream::new(SdkBody::from_body_1_x(http_body_util::Full::from("1 apple")));
    let put =
        client.put_object().bucket("shop-data").key("orders/1").body(single_use).content_length(7);
    let error = put.send().await.unwrap_err();
    let shown = DisplayErrorContext(&error).to_string();
    assert_eq!(error.code(), Some("InvalidAccessKeyId"), "{shown}");
    list_orders(&client).await.unwrap();
    assert_eq!(provider.inner().fetches(), 2);
}

#[tokio::test]
async fn disabled_retries_still_invalidate_session() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let config = world.config(provider.clone()).await;
    let single_use = s3_config(&config).retry_config(RetryConfig::disabled());
    let client =
        aws_sdk_s3::Client::from_conf(retry_invalid_session!(single_use, &provider).build());
    assert_eq!(list_orders(&client).await.unwrap_err(), "InvalidAccessKeyId");
    list_orders(&client).await.unwrap();
    assert_eq!(world.response_codes(), ["InvalidAccessKeyId", "ok"]);
}

#[tokio::test]
async fn adaptive_retry_uses_new_session() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let config = world.config(provider.clone()).await;
    let adaptive = s3_config(&config).retry_config(RetryConfig::adaptive());
    let client = aws_sdk_s3::Client::from_conf(retry_invalid_session!(adaptive, &provider).build());
    list_orders(&client).await.unwrap();
    assert_eq!(world.response_codes(), ["InvalidAccessKeyId", "ok"]);
}

/// Records the durations that a client sleeps for, without sleeping.
#[derive(Clone, Debug, Default)]
struct Sleeps(Arc<Mutex<Vec<Duration>>>);

impl AsyncSleep for Sleeps {
    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.lock().unwrap().push(duration);
        Sleep::new(std::future::ready(()))
    }
}

#[tokio::test]
async fn retry_with_new_session_has_no_delay() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let (config, sleeps) = (world.config(provider.clone()).await, Sleeps::default());
    // With these disabled, only the delay before another attempt sleeps.
    let config = s3_config(&config)
        .sleep_impl(sleeps.clone())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let client = aws_sdk_s3::Client::from_conf(retry_invalid_session!(config, &provider).build());
    list_orders(&client).await.unwrap();
    assert_eq!(world.response_codes(), ["InvalidAccessKeyId", "ok"]);
    assert_eq!(*sleeps.0.lock().unwrap(), [Duration::ZERO]);
}

#[tokio::test]
async fn single_operation_can_enable_retry() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let config = world.config(world.user_key()).await;
    let client = aws_sdk_s3::Client::from_conf(s3_config(&config).build());
    let operation_config = aws_sdk_s3::Config::builder()
        .credentials_provider(provider.clone())
        .identity_cache(aws_sdk_s3::config::IdentityCache::no_cache());
    let operation_config = retry_invalid_session!(operation_config, &provider);
    let call = client.list_objects_v2().bucket("shop-data").prefix("orders/");
    call.customize().config_override(operation_config).send().await.unwrap();
    assert_eq!(world.response_codes(), ["InvalidAccessKeyId", "ok"]);
}

#[tokio::test]
async fn access_denied_does_not_invalidate_session() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(0));
    let client = world.s3_client(&provider).await;
    for _ in 0..3 {
        let call = client.list_objects_v2().bucket("shop-data").prefix("invoices/");
        assert_eq!(call.send().await.unwrap_err().code(), Some("AccessDenied"));
    }
    assert_eq!(world.response_codes(), ["AccessDenied"; 3]);
    assert_eq!(provider.inner().fetches(), 1);
}

#[tokio::test]
async fn repeated_rejections_are_spaced_apart() {
    let world = World::new().await;
    let provider = world.cached(Keys::new((0..10).map(unknown_key).collect()));
    let client = world.s3_client(&provider).await;
    for _ in 0..20 {
        assert_eq!(list_orders(&client).await.unwrap_err(), "InvalidAccessKeyId");
    }
    // The first call is retried with another session. Then none is fetched for 10 s, and a retry
    // would be futile.
    assert_eq!((provider.inner().fetches(), world.response_codes().len()), (2, 21));
    for _ in 0..360 {
        world.clock.advance(Duration::from_secs(10));
        assert_eq!(list_orders(&client).await.unwrap_err(), "InvalidAccessKeyId");
    }
    let fetches = provider.inner().fetches();
    assert!(
        fetches <= 2 + 5 + 12,
        "{fetches} fetches in an hour, after 10, 20, 40, 80, 160, then 300 s"
    );
}

// Thirty callers at most: the SDK's quota of retry tokens bounds the retries of a client.
#[tokio::test]
async fn concurrent_rejections_share_one_fetch() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let client = world.s3_client(&provider).await;
    let callers: Vec<_> = (0..30)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { list_orders(&client).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(provider.inner().fetches(), 2);
}

#[tokio::test]
async fn identity_cache_retries_for_any_sdk_provider() {
    let world = World::new().await;
    let cache = identity_cache();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.clock.clock())
        .credentials_provider(SharedCredentialsProvider::new(world.keys_after_unknown(1)))
        .identity_cache(cache.clone())
        .load()
        .await;
    let client =
        aws_sdk_s3::Client::from_conf(retry_invalid_session!(s3_config(&config), &cache).build());
    for _ in 0..3 {
        list_orders(&client).await.unwrap();
    }
    assert_eq!(world.response_codes(), ["InvalidAccessKeyId", "ok", "ok", "ok"]);
    let sts = aws_sdk_sts::Client::new(&config);
    sts.get_caller_identity().send().await.unwrap();
    assert_eq!(cache.statuses().len(), 1, "all services share one cache entry per provider");
}

#[tokio::test]
async fn sdk_lazy_cache_keeps_invalid_session() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(1));
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.clock.clock())
        .credentials_provider(provider.clone())
        .load()
        .await;
    let client = aws_sdk_s3::Client::from_conf(
        retry_invalid_session!(s3_config(&config), &provider).build(),
    );
    assert_eq!(list_orders(&client).await.unwrap_err(), "InvalidAccessKeyId");
    assert_eq!(
        list_orders(&client).await.unwrap_err(),
        "InvalidAccessKeyId",
        "sdk_config disables the identity cache for this reason"
    );
}

// A call with credentials of another provider, which this one cannot replace.
#[tokio::test]
async fn foreign_access_key_is_not_retried() {
    let world = World::new().await;
    let provider = world.cached(world.keys_after_unknown(0));
    let client = world.s3_client(&provider).await;
    list_orders(&client).await.unwrap();
    let operation_config = aws_sdk_s3::Config::builder()
        .credentials_provider(unknown_key(1))
        .identity_cache(aws_sdk_s3::config::IdentityCache::no_cache());
    let call = client.list_objects_v2().bucket("shop-data").customize();
    let error = call.config_override(operation_config).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidAccessKeyId"));
    assert_eq!(world.response_codes(), ["ok", "InvalidAccessKeyId"]);
    assert_eq!(provider.inner().fetches(), 1);
}

// The provider of a chain, with interceptor and classifier registered by hand.
#[tokio::test]
async fn macro_equals_manual_registration() {
    let world = World::new().await;
    let environment = [("AWS_REGION", REGION), ("AWS_ENDPOINT_URL", world.aws.endpoint_url())];
    let chain = rolecall::Chain::builder()
        .environment(Environment::fixed(environment))
        .clock(world.clock.clock())
        .from_provider(world.keys_after_unknown(1))
        .unwrap();
    let provider: CachedProvider = chain.provider();
    let config = world.config(provider.clone()).await;
    let rejected = InvalidSessionRetry::new(provider);
    let manual = s3_config(&config).interceptor(rejected.clone()).retry_classifier(rejected);
    list_orders(&aws_sdk_s3::Client::from_conf(manual.build())).await.unwrap();
    assert_eq!(world.response_codes(), ["InvalidAccessKeyId", "ok"]);
}

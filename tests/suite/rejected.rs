//! A service refuses the session as such: another is asked for, and the call is tried once more.

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
use rolecall::{
    Cached, Environment, FetchContext, FetchError, HoldsSessions, ManualClock, Provider,
    RejectedSession, Session, SessionSource, identity_cache, retry_rejected,
};
use rolecall_testkit::{Account, FaultRule, IamRole, IamUser, LocalAws};
use serde_json::json;

const SHOP: &str = "111122223333";
const REGION: &str = "eu-west-1";

struct World {
    aws: LocalAws,
    hands: ManualClock,
}

impl World {
    async fn new() -> Self {
        let hands = ManualClock::new();
        let may = PermissionPolicy::builder()
            .s3(S3Access::under("shop-data", ["orders/"]).unwrap().list().read().write())
            .secrets(SecretsAccess::under(REGION, ["shop/"]).unwrap().read())
            .build()
            .unwrap();
        let by_ann = json!({ "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": { "AWS": format!("arn:aws:iam::{SHOP}:user/ann") },
        } });
        let aws = LocalAws::builder()
            .clock(hands.clock())
            .account(
                Account::new(SHOP)
                    .user(IamUser::new("ann").policy(may.clone()))
                    .role(IamRole::new("reader").trust(by_ann.to_string()).policy(may))
                    .bucket("shop-data")
                    .secret(REGION, "shop/db", "swordfish"),
            )
            .start()
            .await
            .unwrap();
        Self { aws, hands }
    }

    fn ann(&self) -> Credentials {
        self.aws.user_credentials(SHOP, "ann").unwrap()
    }

    /// Ann's key, after so many that no service knows.
    fn after_unknown(&self, unknown: usize) -> Keys {
        let mut keys: Vec<_> = (0..unknown).map(unknown_key).collect();
        keys.push(self.ann());
        Keys::new(keys)
    }

    /// A role's session, of which nobody is told when it ends.
    async fn session(&self) -> Credentials {
        let config = self.config(self.ann()).await;
        let assume = aws_sdk_sts::Client::new(&config)
            .assume_role()
            .role_arn(format!("arn:aws:iam::{SHOP}:role/reader"))
            .role_session_name("ann")
            .duration_seconds(900);
        let session = assume.send().await.unwrap().credentials.unwrap();
        let token = Some(session.session_token);
        Credentials::new(session.access_key_id, session.secret_access_key, token, None, "test")
    }

    /// One that is over.
    async fn ended(&self) -> Credentials {
        let session = self.session().await;
        self.hands.advance(Duration::from_secs(901));
        session
    }

    fn cached(&self, keys: Keys) -> Cached<Keys> {
        Cached::builder(keys).clock(self.hands.clock()).build()
    }

    async fn config(&self, provider: impl ProvideCredentials + 'static) -> SdkConfig {
        rolecall::sdk_config(provider)
            .region(Region::new(REGION))
            .endpoint_url(self.aws.endpoint_url())
            .time_source(self.hands.clock())
            .load()
            .await
    }

    /// A client that goes on when its session is refused; so are the others.
    async fn s3_client<P>(&self, provider: &P) -> aws_sdk_s3::Client
    where
        P: ProvideCredentials + HoldsSessions + Clone,
    {
        let config = self.config(provider.clone()).await;
        aws_sdk_s3::Client::from_conf(retry_rejected!(s3(&config), provider).build())
    }

    async fn sts_client(&self, provider: &Cached<Keys>) -> aws_sdk_sts::Client {
        let config = self.config(provider.clone()).await;
        let sts = aws_sdk_sts::config::Builder::from(&config);
        aws_sdk_sts::Client::from_conf(retry_rejected!(sts, provider).build())
    }

    async fn read_a_secret(&self, provider: &Cached<Keys>) {
        let config = self.config(provider.clone()).await;
        let secrets = aws_sdk_secretsmanager::config::Builder::from(&config);
        let secrets = retry_rejected!(secrets, provider).build();
        let client = aws_sdk_secretsmanager::Client::from_conf(secrets);
        let secret = client.get_secret_value().secret_id("shop/db").send().await.unwrap();
        assert_eq!(secret.secret_string(), Some("swordfish"));
    }

    /// The codes of the answers, in order.
    fn codes(&self) -> Vec<String> {
        let code = |error: Option<String>| error.unwrap_or_else(|| "ok".into());
        self.aws.calls().into_iter().map(|call| code(call.error)).collect()
    }
}

fn unknown_key(number: usize) -> Credentials {
    Credentials::new(format!("AKIAIOSFODNN7EXAMPL{number}"), "secret", None, None, "test")
}

/// Gives these one after the other; the last for ever.
#[derive(Debug)]
struct Keys {
    left: Mutex<Vec<Credentials>>,
    fetches: AtomicUsize,
}

impl Keys {
    fn new(mut keys: Vec<Credentials>) -> Self {
        keys.reverse();
        Self { left: Mutex::new(keys), fetches: AtomicUsize::new(0) }
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    fn next(&self) -> Credentials {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let mut left = self.left.lock().unwrap();
        if left.len() > 1 { left.pop().unwrap() } else { left[0].clone() }
    }
}

#[async_trait::async_trait]
impl SessionSource for Keys {
    async fn session(&self, _: FetchContext) -> Result<Session, FetchError> {
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

fn s3(config: &SdkConfig) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::from(config).force_path_style(true)
}

async fn list(client: &aws_sdk_s3::Client) -> Result<(), String> {
    let call = client.list_objects_v2().bucket("shop-data").prefix("orders/");
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.code().unwrap_or("no code").to_owned()),
    }
}

#[tokio::test]
async fn each_services_client_goes_on_with_the_next_session() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let client = world.s3_client(&provider).await;
    list(&client).await.unwrap();
    let body = ByteStream::from_static(b"1 apple");
    let put = client.put_object().bucket("shop-data").key("orders/1").body(body);
    put.send().await.unwrap();
    assert_eq!(world.codes(), ["InvalidAccessKeyId", "ok", "ok"]);
    assert_eq!(provider.source().fetches(), 2);

    // An operation whose answer is streamed
    let another = world.cached(world.after_unknown(1));
    let client = world.s3_client(&another).await;
    let get = client.get_object().bucket("shop-data").key("orders/1").send().await.unwrap();
    assert_eq!(get.body.collect().await.unwrap().to_vec(), b"1 apple");
    assert_eq!(world.codes()[3..], ["InvalidAccessKeyId", "ok"]);

    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    world.read_a_secret(&provider).await;
    assert_eq!(world.codes(), ["UnrecognizedClientException", "ok"]);

    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    world.sts_client(&provider).await.get_caller_identity().send().await.unwrap();
    assert_eq!(world.codes(), ["InvalidClientTokenId", "ok"]);
}

#[tokio::test]
async fn a_session_that_is_over_costs_one_more_try_at_each_service() {
    let world = World::new().await;
    let provider = world.cached(Keys::new(vec![world.ended().await, world.ann()]));
    let client = world.s3_client(&provider).await;
    list(&client).await.unwrap();
    assert_eq!(world.codes(), ["ok", "ExpiredToken", "ok"]);
    assert_eq!(provider.source().fetches(), 2);

    let world = World::new().await;
    let provider = world.cached(Keys::new(vec![world.ended().await, world.ann()]));
    world.read_a_secret(&provider).await;
    assert_eq!(world.codes(), ["ok", "ExpiredTokenException", "ok"]);
    assert_eq!(provider.source().fetches(), 2);

    let world = World::new().await;
    let provider = world.cached(Keys::new(vec![world.ended().await, world.ann()]));
    world.sts_client(&provider).await.get_caller_identity().send().await.unwrap();
    assert_eq!(world.codes(), ["ok", "ExpiredToken", "ok"]);
    assert_eq!(provider.source().fetches(), 2);
}

#[tokio::test]
async fn a_token_that_is_not_that_of_the_key_costs_one_more_try() {
    let world = World::new().await;
    let session = world.session().await;
    let (id, secret) = (session.access_key_id(), session.secret_access_key());
    let garbled = Credentials::new(id, secret, Some("of another".into()), None, "test");
    let provider = world.cached(Keys::new(vec![garbled, world.ann()]));
    let client = world.s3_client(&provider).await;
    list(&client).await.unwrap();
    assert_eq!(world.codes(), ["ok", "InvalidToken", "ok"]);
    assert_eq!(provider.source().fetches(), 2);
}

/// STS answers with whatever code it is told to.
#[tokio::test]
async fn of_the_codes_of_an_answer_those_that_refuse_the_session_cost_one_more_try_and_no_other() {
    for (status, code, refuses) in [
        (403, "ExpiredToken", true),
        (400, "ExpiredTokenException", true),
        (400, "InvalidToken", true),
        (403, "InvalidClientTokenId", true),
        (403, "AccessDenied", false),
        (400, "AccessDeniedException", false),
    ] {
        let world = World::new().await;
        let rule = FaultRule::refused(status, code, "As it is told to.");
        world.aws.inject(rule.on("GetCallerIdentity").nth(1)).unwrap();
        let provider = world.cached(Keys::new(vec![world.session().await, world.ann()]));
        let client = world.sts_client(&provider).await;
        let answer = client.get_caller_identity().send().await;
        let codes = world.codes()[1..].to_vec();
        if refuses {
            answer.unwrap();
            assert_eq!((codes, provider.source().fetches()), (vec![code.into(), "ok".into()], 2));
        } else {
            assert_eq!(answer.unwrap_err().code(), Some(code));
            assert_eq!((codes, provider.source().fetches()), (vec![code.to_owned()], 1));
            client.get_caller_identity().send().await.unwrap();
            assert_eq!(provider.source().fetches(), 1, "{code}: the session stays");
        }
    }
}

#[tokio::test]
async fn without_it_the_service_is_asked_with_the_rejected_session_for_ever() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let config = world.config(provider.clone()).await;
    let client = aws_sdk_s3::Client::from_conf(s3(&config).build());
    for _ in 0..3 {
        assert_eq!(list(&client).await.unwrap_err(), "InvalidAccessKeyId");
    }
    assert_eq!(provider.source().fetches(), 1);
}

#[tokio::test]
async fn a_body_is_sent_again_if_it_can_be_and_one_that_cannot_leaves_the_next_call_well() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let client = world.s3_client(&provider).await;
    let put = |body| client.put_object().bucket("shop-data").key("orders/1").body(body).send();
    put(ByteStream::from_static(b"1 apple")).await.unwrap();
    assert_eq!(world.codes(), ["InvalidAccessKeyId", "ok"]);

    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let client = world.s3_client(&provider).await;
    let once = ByteStream::new(SdkBody::from_body_1_x(http_body_util::Full::from("1 apple")));
    let put = client.put_object().bucket("shop-data").key("orders/1").body(once).content_length(7);
    let error = put.send().await.unwrap_err();
    let shown = DisplayErrorContext(&error).to_string();
    assert_eq!(error.code(), Some("InvalidAccessKeyId"), "{shown}");
    list(&client).await.unwrap();
    assert_eq!(provider.source().fetches(), 2);
}

#[tokio::test]
async fn a_client_that_does_not_retry_rejects_for_those_who_come_after_it() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let config = world.config(provider.clone()).await;
    let once = s3(&config).retry_config(RetryConfig::disabled());
    let client = aws_sdk_s3::Client::from_conf(retry_rejected!(once, &provider).build());
    assert_eq!(list(&client).await.unwrap_err(), "InvalidAccessKeyId");
    list(&client).await.unwrap();
    assert_eq!(world.codes(), ["InvalidAccessKeyId", "ok"]);
}

#[tokio::test]
async fn adaptive_retries_go_on_with_the_next_session_too() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let config = world.config(provider.clone()).await;
    let adaptive = s3(&config).retry_config(RetryConfig::adaptive());
    let client = aws_sdk_s3::Client::from_conf(retry_rejected!(adaptive, &provider).build());
    list(&client).await.unwrap();
    assert_eq!(world.codes(), ["InvalidAccessKeyId", "ok"]);
}

/// Notes how long a client sleeps for, and does not.
#[derive(Clone, Debug, Default)]
struct Sleeps(Arc<Mutex<Vec<Duration>>>);

impl AsyncSleep for Sleeps {
    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.lock().unwrap().push(duration);
        Sleep::new(std::future::ready(()))
    }
}

#[tokio::test]
async fn the_call_goes_on_with_the_next_session_without_a_pause() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let (config, sleeps) = (world.config(provider.clone()).await, Sleeps::default());
    // What is left that sleeps is the pause before another attempt.
    let config = s3(&config)
        .sleep_impl(sleeps.clone())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let client = aws_sdk_s3::Client::from_conf(retry_rejected!(config, &provider).build());
    list(&client).await.unwrap();
    assert_eq!(world.codes(), ["InvalidAccessKeyId", "ok"]);
    assert_eq!(*sleeps.0.lock().unwrap(), [Duration::ZERO]);
}

/// Says that there is another session, whatever was refused.
#[derive(Clone, Debug)]
struct AlwaysAnother;

impl HoldsSessions for AlwaysAnother {
    fn replace_rejected(&self, _: &str) -> bool {
        true
    }
}

#[tokio::test]
async fn a_call_is_tried_twice_though_there_is_always_another_session() {
    let world = World::new().await;
    let config = world.config(world.after_unknown(3)).await;
    let config = retry_rejected!(s3(&config), &AlwaysAnother).build();
    let client = aws_sdk_s3::Client::from_conf(config);
    assert_eq!(list(&client).await.unwrap_err(), "InvalidAccessKeyId");
    assert_eq!(world.codes(), ["InvalidAccessKeyId"; 2]);
}

#[tokio::test]
async fn one_call_alone_may_have_it() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let config = world.config(world.ann()).await;
    let client = aws_sdk_s3::Client::from_conf(s3(&config).build());
    let of_this_call = aws_sdk_s3::Config::builder()
        .credentials_provider(provider.clone())
        .identity_cache(aws_sdk_s3::config::IdentityCache::no_cache());
    let of_this_call = retry_rejected!(of_this_call, &provider);
    let call = client.list_objects_v2().bucket("shop-data").prefix("orders/");
    call.customize().config_override(of_this_call).send().await.unwrap();
    assert_eq!(world.codes(), ["InvalidAccessKeyId", "ok"]);
}

#[tokio::test]
async fn what_a_policy_denies_rejects_no_session() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(0));
    let client = world.s3_client(&provider).await;
    for _ in 0..3 {
        let call = client.list_objects_v2().bucket("shop-data").prefix("invoices/");
        assert_eq!(call.send().await.unwrap_err().code(), Some("AccessDenied"));
    }
    assert_eq!(world.codes(), ["AccessDenied"; 3]);
    assert_eq!(provider.source().fetches(), 1);
}

#[tokio::test]
async fn a_service_that_always_rejects_costs_one_try_more_in_ten_seconds_and_ever_fewer() {
    let world = World::new().await;
    let provider = world.cached(Keys::new((0..10).map(unknown_key).collect()));
    let client = world.s3_client(&provider).await;
    for _ in 0..20 {
        assert_eq!(list(&client).await.unwrap_err(), "InvalidAccessKeyId");
    }
    // The first call is tried again with another session; then there is no other for 10 s, and no use in trying.
    assert_eq!((provider.source().fetches(), world.codes().len()), (2, 21));
    for _ in 0..360 {
        world.hands.advance(Duration::from_secs(10));
        assert_eq!(list(&client).await.unwrap_err(), "InvalidAccessKeyId");
    }
    let fetches = provider.source().fetches();
    assert!(fetches <= 2 + 5 + 12, "10, 20, 40, 80, 160, then 300 s: {fetches} in an hour");
}

/// Not more of them: what a client may retry is bounded by the SDK's own quota of retries.
#[tokio::test]
async fn thirty_callers_with_a_rejected_session_cost_one_fetch() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let client = world.s3_client(&provider).await;
    let callers: Vec<_> = (0..30)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { list(&client).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(provider.source().fetches(), 2);
}

#[tokio::test]
async fn under_our_identity_cache_any_provider_of_the_sdk_has_the_same() {
    let world = World::new().await;
    let cache = identity_cache();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.hands.clock())
        .credentials_provider(SharedCredentialsProvider::new(world.after_unknown(1)))
        .identity_cache(cache.clone())
        .load()
        .await;
    let client = aws_sdk_s3::Client::from_conf(retry_rejected!(s3(&config), &cache).build());
    for _ in 0..3 {
        list(&client).await.unwrap();
    }
    assert_eq!(world.codes(), ["InvalidAccessKeyId", "ok", "ok", "ok"]);
    let sts = aws_sdk_sts::Client::new(&config);
    sts.get_caller_identity().send().await.unwrap();
    assert_eq!(cache.statuses().len(), 1, "one provider, one slot, whatever the service");
}

#[tokio::test]
async fn the_sdks_own_lazy_cache_keeps_the_rejected_session() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(1));
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.hands.clock())
        .credentials_provider(provider.clone())
        .load()
        .await;
    let client = aws_sdk_s3::Client::from_conf(retry_rejected!(s3(&config), &provider).build());
    assert_eq!(list(&client).await.unwrap_err(), "InvalidAccessKeyId");
    assert_eq!(
        list(&client).await.unwrap_err(),
        "InvalidAccessKeyId",
        "that is why sdk_config has no cache"
    );
}

/// A call with somebody else's credentials: nothing here can get others of that kind.
#[tokio::test]
async fn a_key_that_is_not_the_providers_is_not_tried_again() {
    let world = World::new().await;
    let provider = world.cached(world.after_unknown(0));
    let client = world.s3_client(&provider).await;
    list(&client).await.unwrap();
    let of_this_call = aws_sdk_s3::Config::builder()
        .credentials_provider(unknown_key(1))
        .identity_cache(aws_sdk_s3::config::IdentityCache::no_cache());
    let call = client.list_objects_v2().bucket("shop-data").customize();
    let error = call.config_override(of_this_call).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidAccessKeyId"));
    assert_eq!(world.codes(), ["ok", "InvalidAccessKeyId"]);
    assert_eq!(provider.source().fetches(), 1);
}

/// Interceptor and classifier by hand are what the macro gives, and a chain's provider is what it takes.
#[tokio::test]
async fn the_macro_is_the_two_calls() {
    let world = World::new().await;
    let environment = [("AWS_REGION", REGION), ("AWS_ENDPOINT_URL", world.aws.endpoint_url())];
    let chain = rolecall::builder()
        .environment(Environment::fixed(environment))
        .clock(world.hands.clock())
        .from_source("keys", world.after_unknown(1))
        .unwrap();
    let provider: Provider = chain.cached();
    let config = world.config(provider.clone()).await;
    let rejected = RejectedSession::new(provider);
    let by_hand = s3(&config).interceptor(rejected.clone()).retry_classifier(rejected);
    list(&aws_sdk_s3::Client::from_conf(by_hand.build())).await.unwrap();
    assert_eq!(world.codes(), ["InvalidAccessKeyId", "ok"]);
}

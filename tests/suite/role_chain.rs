//! Role chains from base credentials over hops to a session, and the errors of each step.

use std::sync::Mutex;
use std::time::Duration;

use aws_credential_types::Credentials;
use rolecall::params::RoleArn;
use rolecall::provider::{ErrorLocation, FetchContext};
use rolecall::sts::CallerPrincipal;
use rolecall::time::ManualClock;
use rolecall::web_identity::{WebIdentityConfig, WebIdentityProvider};
use rolecall::{CachedProvider, Chain, ErrorKind, ProvideSession, Role, Session, SessionError};
use rolecall_tests::{CHECKOUT, CLOSED, HUB, ORDERS, World};

fn role(arn: &str) -> Role {
    Role::new(arn).unwrap()
}

/// Returns the chain from the web identity over `hub` to `orders`.
fn two_hops(world: &World) -> Chain {
    let base = world.builder().unwrap().from_env().unwrap();
    base.assume_role(role(HUB)).assume_role(role(ORDERS))
}

fn foreground() -> FetchContext {
    FetchContext::foreground()
}

#[tokio::test]
async fn two_hop_session_reports_identity_and_lineage() {
    let world = World::new().await.unwrap();
    let chain = two_hops(&world);
    let session = chain.provider().provide_session(foreground()).await.unwrap();
    let lineage = format!("web identity as {CHECKOUT} -> {HUB} -> {ORDERS}");
    assert_eq!(session.lineage().to_string(), lineage);
    assert_eq!(session.account().unwrap().as_str(), "777788889999");
    assert_eq!(session.lifetime(), Some(Duration::from_secs(3600)));
    let identity = chain.caller_identity().await.unwrap();
    let CallerPrincipal::AssumedRole { role, session: name, .. } = &identity.principal else {
        panic!("{identity:?}");
    };
    assert_eq!((role.as_str(), name.as_str()), ("orders", "suite"));
    assert_eq!(identity.account.as_str(), "777788889999");
    assert_eq!(identity.user_id, session.role().unwrap().id());
}

#[tokio::test]
async fn each_hop_is_cached_separately() {
    let world = World::new().await.unwrap();
    let chain = two_hops(&world);
    for _ in 0..3 {
        chain.provider().provide_session(foreground()).await.unwrap();
        chain.base_provider().provide_session(foreground()).await.unwrap();
    }
    // Another branch on the same base costs one more call.
    chain
        .clone()
        .assume_role(role(CLOSED))
        .provider()
        .provide_session(foreground())
        .await
        .unwrap_err();
    let counts = (world.aws.count("AssumeRoleWithWebIdentity"), world.aws.count("AssumeRole"));
    assert_eq!(counts, (1, 3));
}

#[tokio::test]
async fn error_names_failing_hop() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_env().unwrap();
    let chain = chain.assume_role(role(HUB)).assume_role(role(CLOSED)).assume_role(role(ORDERS));
    let error = chain.provider().provide_session(foreground()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!(
            "hop 2 of 3 ({CLOSED}): User: arn:aws:sts::444455556666:assumed-role/hub/suite"
        )),
        "{text}"
    );
    assert!(matches!(error.location(), Some(ErrorLocation::Hop { index: 2, of: 3, .. })));
    assert!(error.request_id().is_some());
}

/// Provides the given sessions one after the other, then the last one for each further fetch.
#[derive(Debug)]
struct SessionSequence(Mutex<Vec<Session>>);

#[async_trait::async_trait]
impl ProvideSession for SessionSequence {
    async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
        let mut remaining = self.0.lock().unwrap();
        Ok(if remaining.len() > 1 { remaining.remove(0) } else { remaining[0].clone() })
    }
}

fn session_of(credentials: Credentials) -> Session {
    Session::builder(credentials).base("test").build()
}

fn unknown_key() -> Session {
    session_of(Credentials::new("AKIAIOSFODNN7EXAMPLE", "x", None, None, "test"))
}

#[tokio::test]
async fn rejected_signer_is_replaced_and_retried() {
    let world = World::new().await.unwrap();
    let ann = session_of(world.aws.user_credentials(rolecall_tests::SHOP, "ann").unwrap());
    let base = SessionSequence(Mutex::new(vec![unknown_key(), ann]));
    let chain = world.builder().unwrap().from_provider(base).unwrap().assume_role(role(HUB));
    chain.provider().provide_session(foreground()).await.unwrap();
    assert_eq!(world.aws.count("AssumeRole"), 2);
    let errors: Vec<_> = world.aws.calls().into_iter().map(|call| call.error).collect();
    assert_eq!(errors, [Some("InvalidClientTokenId".into()), None]);
}

#[tokio::test]
async fn unchanged_signer_is_not_retried() {
    let world = World::new().await.unwrap();
    let base = SessionSequence(Mutex::new(vec![unknown_key()]));
    let chain = world.builder().unwrap().from_provider(base).unwrap().assume_role(role(HUB));
    let error = chain.provider().provide_session(foreground()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::TokenRejected, Some("InvalidClientTokenId"))
    );
    assert!(
        error.to_string().starts_with("hop 1 of 1 (arn:aws:iam::444455556666:role/hub)"),
        "{error}"
    );
    assert_eq!(world.aws.count("AssumeRole"), 1);
}

#[derive(Debug)]
struct NotConfigured;

#[async_trait::async_trait]
impl ProvideSession for NotConfigured {
    async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
        Err(SessionError::new(ErrorKind::NotConfigured, "no credentials"))
    }
}

#[tokio::test]
async fn missing_base_credentials_return_invalid_config() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_provider(NotConfigured).unwrap();
    let bare = chain.provider().provide_session(foreground()).await.unwrap_err();
    assert_eq!(bare.kind(), ErrorKind::NotConfigured);
    let hop =
        chain.assume_role(role(HUB)).provider().provide_session(foreground()).await.unwrap_err();
    assert_eq!(hop.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn wrong_wall_clock_keeps_lifetime() {
    let world = World::new().await.unwrap();
    let hour = Duration::from_secs(3600);
    for wall in [world.clock.clock().wall() - 10 * hour, world.clock.clock().wall() + hour] {
        let machine_clock = ManualClock::at(wall);
        let chain = world.builder().unwrap().clock(machine_clock.clock()).from_env().unwrap();
        let session = chain.provider().provide_session(foreground()).await.unwrap();
        assert_eq!(session.lifetime(), Some(hour));
        assert_eq!(session.expires_at(), Some(wall + hour), "by this machine's wall clock");
    }
}

#[tokio::test]
async fn requested_duration_becomes_session_lifetime() {
    let world = World::new().await.unwrap();
    let quarter = Duration::from_secs(900);
    let chain = world.builder().unwrap().from_env().unwrap();
    let chain =
        chain.assume_role(role(HUB).duration(quarter).unwrap().session_name("mine").unwrap());
    let session = chain.provider().provide_session(foreground()).await.unwrap();
    assert_eq!(session.lifetime(), Some(quarter));
    assert_eq!(session.role().unwrap().session_name(), Some("mine"));
}

#[tokio::test]
async fn token_file_is_read_for_each_fetch() {
    let world = World::new().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let write = |subject: &str| {
        let token = world.cluster.service_account_token("shop", subject).sign().unwrap();
        std::fs::write(&file, format!("  {token}\n")).unwrap();
    };
    let env = rolecall::Environment::fixed(world.variables(&file));
    let config = WebIdentityConfig::from_environment(&env).unwrap().unwrap();
    let chain = world.builder().unwrap().from_env().unwrap();
    let provider = WebIdentityProvider::new(config, chain.sts_client().unwrap().clone(), env);
    write("basket");
    assert_eq!(provider.provide_session(foreground()).await.unwrap_err().kind(), ErrorKind::Denied);
    write("checkout");
    provider.provide_session(foreground()).await.unwrap();
}

#[tokio::test]
async fn used_session_is_refreshed_before_expiration() {
    let world = World::new().await.unwrap();
    let provider = world.builder().unwrap().from_env().unwrap().provider();
    let first = provider.provide_session(foreground()).await.unwrap();
    // Past any possible time of the refresh, which is random within the advisory refresh window,
    // and before the mandatory window, which is the last minute.
    world.clock.advance(Duration::from_secs(3600 - 120));
    let refreshed = async {
        while world.aws.count("AssumeRoleWithWebIdentity") < 2 {
            tokio::task::yield_now().await;
        }
        while provider.provide_session(foreground()).await.unwrap().access_key_id()
            == first.access_key_id()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refreshed).await.expect("the timer refreshed it");
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 2);
}

#[tokio::test]
async fn unreachable_sts_error_names_endpoint() {
    let world = World::new().await.unwrap();
    // Bound, so that no other process gets the port, but not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let mut variables = world.variables("/token".as_ref());
    variables.push(("AWS_ENDPOINT_URL_STS".into(), url.clone()));
    let env = rolecall::Environment::fixed(variables).with_file("/token", "some-token");
    let chain =
        rolecall::Chain::builder().environment(env).clock(world.clock.clock()).from_env().unwrap();
    let error = chain.provider().provide_session(foreground()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.report();
    let role: RoleArn = CHECKOUT.parse().unwrap();
    let expected = format!(
        "base credentials (web identity as {role}): cannot connect to STS at {url}; hint: check that this machine can reach {url} \
         (address, proxy, firewall): "
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn custom_provider_can_be_cached() {
    let provider = SessionSequence(Mutex::new(vec![unknown_key()]));
    let cached = CachedProvider::new(provider);
    let session = cached.provide_session(foreground()).await.unwrap();
    assert_eq!(session.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
}

#[tokio::test]
async fn wrong_wall_clock_costs_one_extra_call() {
    let world = World::new().await.unwrap();
    let hour = Duration::from_secs(3600);
    let key = || world.aws.user_credentials(rolecall_tests::SHOP, "ann").unwrap();
    let correct = world.clock.clock().wall();
    for (wall, calls) in [(correct, 2), (correct + 10 * hour, 3), (correct - 10 * hour, 3)] {
        let before = world.aws.count("AssumeRole");
        let machine_clock = ManualClock::at(wall);
        let builder = world.builder().unwrap().clock(machine_clock.clock());
        let chain = builder.from_sdk_provider("ann", key()).unwrap();
        let chain = chain.assume_role(role(HUB)).assume_role(role(ORDERS));
        let session = chain.provider().provide_session(foreground()).await.unwrap();
        assert_eq!(session.expires_at(), Some(wall + hour), "by this machine's wall clock");
        assert_eq!(world.aws.count("AssumeRole") - before, calls, "{wall:?}");
    }
    // A wrong secret has nothing to do with the clock: the call is not repeated.
    let wrong = Credentials::new(
        key().access_key_id(),
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        None,
        None,
        "wrong",
    );
    let before = world.aws.count("AssumeRole");
    let chain = world.builder().unwrap().from_sdk_provider("wrong", wrong).unwrap();
    let error =
        chain.assume_role(role(HUB)).provider().provide_session(foreground()).await.unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
    assert_eq!(world.aws.count("AssumeRole") - before, 1);
}

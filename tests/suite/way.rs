//! From a base over hops to a session, and what the errors on the way say.

use std::sync::Mutex;
use std::time::Duration;

use aws_credential_types::Credentials;
use rolecall::{
    Cached, ErrorKind, FetchContext, FetchError, Place, Principal, Role, RoleArn, Session,
    SessionSource,
};
use rolecall_tests::{CHECKOUT, CLOSED, HUB, ORDERS, World};

fn role(arn: &str) -> Role {
    Role::new(arn).unwrap()
}

fn cx() -> FetchContext {
    FetchContext::caller()
}

#[tokio::test]
async fn a_chain_of_two_hops_says_who_it_is_and_how_it_came_about() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume(role(HUB)).assume(role(ORDERS));
    let session = chain.cached().session(cx()).await.unwrap();
    let lineage = format!("web identity as {CHECKOUT} -> {HUB} -> {ORDERS}");
    assert_eq!(session.lineage().to_string(), lineage);
    assert_eq!(session.account().unwrap().as_str(), "777788889999");
    assert_eq!(session.lifetime(), Some(Duration::from_secs(3600)));
    let me = chain.caller_identity().await.unwrap();
    let expected = Principal::AssumedRole { role: "orders".into(), session: "suite".into() };
    assert_eq!((me.principal, me.account.as_str()), (expected, "777788889999"));
    assert_eq!(me.user_id, session.role().unwrap().id());
}

#[tokio::test]
async fn every_hop_is_cached_by_itself() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume(role(HUB)).assume(role(ORDERS));
    for _ in 0..3 {
        chain.cached().session(cx()).await.unwrap();
        chain.base().session(cx()).await.unwrap();
    }
    // Another branch on the same base costs one call more.
    chain.clone().assume(role(CLOSED)).cached().session(cx()).await.unwrap_err();
    let counts = (world.aws.count("AssumeRoleWithWebIdentity"), world.aws.count("AssumeRole"));
    assert_eq!(counts, (1, 3));
}

#[tokio::test]
async fn an_error_names_the_hop_where_it_happened() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_env().unwrap();
    let chain = chain.assume(role(HUB)).assume(role(CLOSED)).assume(role(ORDERS));
    let error = chain.cached().session(cx()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!(
            "hop 2 of 3, {CLOSED}: User: arn:aws:sts::444455556666:assumed-role/hub/suite"
        )),
        "{text}"
    );
    assert!(matches!(error.place(), Some(Place::Hop { index: 2, of: 3, .. })));
    assert!(error.request_id().is_some());
}

/// Gives these one after the other; the last for ever.
#[derive(Debug)]
struct OneAfterTheOther(Mutex<Vec<Session>>);

#[async_trait::async_trait]
impl SessionSource for OneAfterTheOther {
    async fn session(&self, _: FetchContext) -> Result<Session, FetchError> {
        let mut left = self.0.lock().unwrap();
        let next = if left.len() > 1 { left.remove(0) } else { left[0].clone() };
        Ok(next)
    }
}

fn long_lived(credentials: Credentials) -> Session {
    Session::builder(credentials).base("test").build()
}

fn unknown_key() -> Session {
    long_lived(Credentials::new("AKIAIOSFODNN7EXAMPLE", "x", None, None, "test"))
}

#[tokio::test]
async fn a_signer_that_sts_refuses_is_rejected_and_the_call_is_made_once_more() {
    let world = World::new().await.unwrap();
    let ann = long_lived(world.aws.user_credentials(rolecall_tests::SHOP, "ann").unwrap());
    let base = OneAfterTheOther(Mutex::new(vec![unknown_key(), ann]));
    let chain = world.builder().unwrap().from_source("test", base).unwrap().assume(role(HUB));
    chain.cached().session(cx()).await.unwrap();
    assert_eq!(world.aws.count("AssumeRole"), 2);
    let errors: Vec<_> = world.aws.calls().into_iter().map(|call| call.error).collect();
    assert_eq!(errors, [Some("InvalidClientTokenId".into()), None]);
}

#[tokio::test]
async fn a_parent_that_has_no_other_signer_is_not_asked_for_ever() {
    let world = World::new().await.unwrap();
    let base = OneAfterTheOther(Mutex::new(vec![unknown_key()]));
    let chain = world.builder().unwrap().from_source("test", base).unwrap().assume(role(HUB));
    let error = chain.cached().session(cx()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::TokenRejected, Some("InvalidClientTokenId"))
    );
    assert!(
        error.to_string().starts_with("hop 1 of 1, arn:aws:iam::444455556666:role/hub"),
        "{error}"
    );
    assert_eq!(world.aws.count("AssumeRole"), 1);
}

#[derive(Debug)]
struct NotConfigured;

#[async_trait::async_trait]
impl SessionSource for NotConfigured {
    async fn session(&self, _: FetchContext) -> Result<Session, FetchError> {
        Err(FetchError::new(ErrorKind::NotConfigured, "nothing here"))
    }
}

#[tokio::test]
async fn a_chain_on_nothing_is_wrongly_configured_and_no_reason_to_try_another_identity() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_source("nothing", NotConfigured).unwrap();
    let bare = chain.cached().session(cx()).await.unwrap_err();
    assert_eq!(bare.kind(), ErrorKind::NotConfigured);
    let below = chain.assume(role(HUB)).cached().session(cx()).await.unwrap_err();
    assert_eq!(below.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn a_wrong_wall_clock_changes_no_lifetime() {
    let world = World::new().await.unwrap();
    let hour = Duration::from_secs(3600);
    for wall in [world.hands.clock().wall() - 10 * hour, world.hands.clock().wall() + hour] {
        let own = rolecall::ManualClock::at(wall);
        let chain = world.builder().unwrap().clock(own.clock()).from_env().unwrap();
        let session = chain.cached().session(cx()).await.unwrap();
        assert_eq!(session.lifetime(), Some(hour));
        assert_eq!(session.expires_at(), Some(wall + hour), "by this machine's own wall clock");
    }
}

#[tokio::test]
async fn a_duration_goes_to_sts_and_comes_back_as_the_lifetime() {
    let world = World::new().await.unwrap();
    let quarter = Duration::from_secs(900);
    let chain = world.builder().unwrap().from_env().unwrap();
    let chain = chain.assume(role(HUB).duration(quarter).unwrap().session_name("mine").unwrap());
    let session = chain.cached().session(cx()).await.unwrap();
    assert_eq!(session.lifetime(), Some(quarter));
    assert_eq!(session.role().unwrap().session_name(), Some("mine"));
}

#[tokio::test]
async fn the_token_file_is_read_anew_for_each_fetch() {
    let world = World::new().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let write = |subject: &str| {
        let token = world.cluster.service_account_token("shop", subject).sign().unwrap();
        std::fs::write(&file, format!("  {token}\n")).unwrap();
    };
    let env = rolecall::Environment::fixed(world.variables(&file));
    let config = rolecall::WebIdentityConfig::from_environment(&env).unwrap().unwrap();
    let chain = world.builder().unwrap().from_env().unwrap();
    let source = rolecall::WebIdentity::new(config, chain.sts().clone(), env);
    write("basket");
    assert_eq!(source.session(cx()).await.unwrap_err().kind(), ErrorKind::Denied);
    write("checkout");
    source.session(cx()).await.unwrap();
}

#[tokio::test]
async fn a_used_session_is_refreshed_ahead_of_its_end_and_no_caller_waits() {
    let world = World::new().await.unwrap();
    let provider = world.builder().unwrap().from_env().unwrap().cached();
    let first = provider.session(cx()).await.unwrap();
    // Into the refresh window, wherever refresh-at was drawn; the hard window begins a minute before the end.
    world.hands.advance(Duration::from_secs(3600 - 120));
    let patience = async {
        while world.aws.count("AssumeRoleWithWebIdentity") < 2 {
            tokio::task::yield_now().await;
        }
        while provider.session(cx()).await.unwrap().access_key_id() == first.access_key_id() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), patience).await.expect("the timer refreshed it");
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 2);
}

#[tokio::test]
async fn an_sts_that_cannot_be_reached_is_named() {
    let world = World::new().await.unwrap();
    // Bound, so that nobody else gets the port; it does not listen.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    let mut variables = world.variables("/token".as_ref());
    variables.push(("AWS_ENDPOINT_URL_STS".into(), url.clone()));
    let env = rolecall::Environment::fixed(variables).with_file("/token", "some-token");
    let chain = rolecall::builder().environment(env).clock(world.hands.clock()).from_env().unwrap();
    let error = chain.cached().session(cx()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.report();
    let role: RoleArn = CHECKOUT.parse().unwrap();
    let expected = format!(
        "base (web identity, {role}): cannot reach STS at {url}; look at: whether this machine reaches {url} \
         (address, proxy, firewall): "
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_source_of_ones_own_is_cached_like_any_other() {
    let source = OneAfterTheOther(Mutex::new(vec![unknown_key()]));
    let cached = Cached::new(source);
    let session = cached.session(cx()).await.unwrap();
    assert_eq!(session.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
}

#[tokio::test]
async fn a_wrong_wall_clock_costs_one_call_more_and_then_none() {
    let world = World::new().await.unwrap();
    let hour = Duration::from_secs(3600);
    let key = || world.aws.user_credentials(rolecall_tests::SHOP, "ann").unwrap();
    let right = world.hands.clock().wall();
    for (wall, calls) in [(right, 2), (right + 10 * hour, 3), (right - 10 * hour, 3)] {
        let before = world.aws.count("AssumeRole");
        let own = rolecall::ManualClock::at(wall);
        let builder = world.builder().unwrap().clock(own.clock());
        let chain = builder.from_provider("ann", key()).unwrap();
        let chain = chain.assume(role(HUB)).assume(role(ORDERS));
        let session = chain.cached().session(cx()).await.unwrap();
        assert_eq!(session.expires_at(), Some(wall + hour), "by this machine's own wall clock");
        assert_eq!(world.aws.count("AssumeRole") - before, calls, "{wall:?}");
    }
    // A wrong secret is no matter of time: it is not tried again.
    let wrong = Credentials::new(
        key().access_key_id(),
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        None,
        None,
        "wrong",
    );
    let before = world.aws.count("AssumeRole");
    let chain = world.builder().unwrap().from_provider("wrong", wrong).unwrap();
    let error = chain.assume(role(HUB)).cached().session(cx()).await.unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
    assert_eq!(world.aws.count("AssumeRole") - before, 1);
}

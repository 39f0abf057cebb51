//! Web identity tokens that are renewed, expired, or rejected.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rolecall::params::{RoleArn, SessionName};
use rolecall::provider::FetchContext;
use rolecall::sts::{Endpoint, StsClient};
use rolecall::web_identity::{
    TokenFn, UnverifiedClaims, WebIdentityProvider, WebIdentityRequest, WebIdentityToken,
};
use rolecall::{Environment, ErrorKind, ProvideSession, Session, SessionError};
use rolecall_testkit::SigningKey;
use rolecall_tests::{CHECKOUT, World};

/// Provides the given tokens one after the other, then the last one for each further read. Counts
/// the reads.
#[derive(Clone)]
struct Tokens(Arc<Mutex<(VecDeque<String>, usize)>>);

impl Tokens {
    fn of<const N: usize>(tokens: [String; N]) -> Self {
        Self(Arc::new(Mutex::new((tokens.into(), 0))))
    }

    fn next(&self) -> Result<WebIdentityToken, SessionError> {
        let (tokens, reads) = &mut *self.0.lock().unwrap();
        *reads += 1;
        let next = if tokens.len() > 1 { tokens.pop_front() } else { tokens.front().cloned() };
        WebIdentityToken::parse(&next.unwrap())
    }

    fn reads(&self) -> usize {
        self.0.lock().unwrap().1
    }

    /// Returns a provider without a cache, so that each call fetches a session.
    fn provider(&self, world: &World) -> WebIdentityProvider {
        let environment = Environment::fixed([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", world.aws.endpoint_url()),
        ]);
        let role = RoleArn::parse(CHECKOUT).unwrap();
        let request = WebIdentityRequest::new(role, SessionName::parse("pod").unwrap());
        let tokens = self.clone();
        let tokens = TokenFn::new("of the test", move || std::future::ready(tokens.next()));
        let endpoint = Endpoint::from_environment(&environment).unwrap();
        let clock = world.clock.clock();
        let sts = StsClient::builder(endpoint).clock(clock.clone()).build();
        WebIdentityProvider::with_tokens(tokens, request, sts).clock(clock)
    }

    async fn session(&self, world: &World) -> Result<Session, SessionError> {
        self.provider(world).provide_session(FetchContext::foreground()).await
    }
}

fn valid_token(world: &World) -> String {
    world.cluster.service_account_token("shop", "checkout").sign().unwrap()
}

/// Returns a token that is signed by a key unknown to the cluster.
fn forged_token(world: &World) -> String {
    let key = SigningKey::generate().unwrap();
    world.cluster.service_account_token("shop", "checkout").signed_by(&key).sign().unwrap()
}

fn sts_calls(world: &World) -> usize {
    world.aws.count("AssumeRoleWithWebIdentity")
}

#[tokio::test]
async fn rejected_token_is_resent_only_if_changed() {
    let world = World::new().await.unwrap();
    let tokens = Tokens::of([forged_token(&world), valid_token(&world)]);
    assert!(tokens.session(&world).await.is_ok());
    assert_eq!((tokens.reads(), sts_calls(&world)), (2, 2));

    let world = World::new().await.unwrap();
    let tokens = Tokens::of([forged_token(&world)]);
    let error = tokens.session(&world).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidIdentityToken"));
    assert_eq!((tokens.reads(), sts_calls(&world)), (2, 1), "an unchanged token is not sent again");

    let world = World::new().await.unwrap();
    let tokens = Tokens::of([forged_token(&world), forged_token(&world), valid_token(&world)]);
    let error = tokens.session(&world).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenRejected);
    assert_eq!(
        (tokens.reads(), sts_calls(&world)),
        (2, 2),
        "a changed token is sent once more only"
    );
}

#[tokio::test]
async fn expired_token_is_not_sent() {
    let world = World::new().await.unwrap();
    let token = valid_token(&world);
    let expires_at = UnverifiedClaims::of(&token).unwrap().expires_at().unwrap();
    let tokens = Tokens::of([token]);
    let remaining = expires_at.duration_since(world.clock.clock().wall()).unwrap();
    world.clock.advance(remaining - Duration::from_secs(1));
    let provider = tokens.provider(&world);
    assert!(
        provider.provide_session(FetchContext::foreground()).await.is_ok(),
        "a second before the expiration"
    );
    // Two seconds, since the Date of a response is rounded down.
    world.clock.advance(Duration::from_secs(2));
    let error = provider.provide_session(FetchContext::foreground()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TokenUnavailable, None));
    let text = error.to_string();
    let prefix = format!(
        "base credentials (web identity as {CHECKOUT}): the web identity token of the test has expired (iss "
    );
    assert!(
        text.starts_with(&prefix) && text.contains("hint: check the process that renews the token"),
        "{text}"
    );
    assert_eq!(sts_calls(&world), 1);

    // A new provider does not know the time of STS yet. This machine's clock alone does not make a
    // token expired.
    let error = tokens.session(&world).await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredTokenException"));
    assert_eq!(sts_calls(&world), 2);
}

#[tokio::test]
async fn unreachable_issuer_keys_retry_same_token() {
    let world = World::new().await.unwrap();
    let tokens = Tokens::of([valid_token(&world)]);
    world.cluster.withdraw_keys();
    let error = tokens.session(&world).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, Some("InvalidIdentityToken"))
    );
    assert_eq!(
        (tokens.reads(), sts_calls(&world)),
        (1, 3),
        "the request is retried with the same token"
    );
}

#[tokio::test]
async fn expired_token_error_reports_file_age() {
    let world = World::new().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, valid_token(&world)).unwrap();
    let environment = Environment::fixed(world.variables(&file));
    let builder = rolecall::Chain::builder().environment(environment).clock(world.clock.clock());
    let provider = builder.from_env().unwrap().provider();
    assert!(provider.provide_session(FetchContext::foreground()).await.is_ok());
    world.clock.advance(Duration::from_secs(2 * 3600));
    let error = provider.provide_session(FetchContext::foreground()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    let text = error.to_string();
    let expired = format!("token in {} has expired", file.display());
    assert!(text.contains(&expired), "{text}");
    // The test itself takes some time.
    let ages = [119, 120, 121].map(|age| format!("(it was last written {age} min ago)"));
    assert!(ages.iter().any(|age| text.contains(age)), "{text}");
}

fn provider_of<F>(
    world: &World,
    tokens: impl Fn() -> F + Send + Sync + 'static,
) -> WebIdentityProvider
where
    F: Future<Output = Result<WebIdentityToken, SessionError>> + Send + 'static,
{
    let role = RoleArn::parse(CHECKOUT).unwrap();
    let request = WebIdentityRequest::new(role, SessionName::parse("pod").unwrap());
    let region = rolecall::sts::Region::parse("eu-west-1").unwrap();
    let sts = StsClient::new(Endpoint::custom(world.aws.endpoint_url(), region).unwrap());
    WebIdentityProvider::with_tokens(TokenFn::new("of the broker", tokens), request, sts)
}

#[tokio::test]
async fn missing_broker_token_returns_invalid_config() {
    let world = World::new().await.unwrap();
    let missing =
        || std::future::ready(Err(SessionError::new(ErrorKind::NotConfigured, "no broker")));
    let error =
        provider_of(&world, missing).provide_session(FetchContext::foreground()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn pending_token_times_out() {
    let world = World::new().await.unwrap();
    let error =
        provider_of(&world, std::future::pending).provide_session(FetchContext::foreground()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    assert_eq!(error.message(), "the web identity token of the broker was not available within 5s");
}

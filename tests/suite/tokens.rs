//! Web identity tokens that are renewed, have ended, or are refused.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rolecall::sts::WebIdentityRequest;
use rolecall::{
    Endpoint, Environment, ErrorKind, FetchContext, FetchError, RoleArn, Session, SessionName,
    SessionSource, StsClient, TokenFn, WebIdentity, WebIdentityToken,
};
use rolecall_testkit::SigningKey;
use rolecall_tests::{CHECKOUT, World};

/// One token after the other; the last for ever. Says how often it was asked.
#[derive(Clone)]
struct Tokens(Arc<Mutex<(VecDeque<String>, usize)>>);

impl Tokens {
    fn of<const N: usize>(tokens: [String; N]) -> Self {
        Self(Arc::new(Mutex::new((tokens.into(), 0))))
    }

    fn next(&self) -> Result<WebIdentityToken, FetchError> {
        let (tokens, asked) = &mut *self.0.lock().unwrap();
        *asked += 1;
        let next = if tokens.len() > 1 { tokens.pop_front() } else { tokens.front().cloned() };
        WebIdentityToken::parse(&next.unwrap())
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().1
    }

    /// Without a cache: each session is asked for.
    fn source(&self, world: &World) -> WebIdentity {
        let environment = Environment::fixed([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", world.aws.endpoint_url()),
        ]);
        let role = RoleArn::parse(CHECKOUT).unwrap();
        let request = WebIdentityRequest::new(role, SessionName::parse("pod").unwrap());
        let tokens = self.clone();
        let tokens = TokenFn::new("of the test", move || std::future::ready(tokens.next()));
        let endpoint = Endpoint::from_environment(&environment).unwrap();
        let clock = world.hands.clock();
        let sts = StsClient::builder(endpoint).clock(clock.clone()).build();
        WebIdentity::with_tokens(tokens, request, sts).clock(clock)
    }

    async fn session(&self, world: &World) -> Result<Session, FetchError> {
        self.source(world).session(FetchContext::caller()).await
    }
}

fn good(world: &World) -> String {
    world.cluster.service_account_token("shop", "checkout").sign().unwrap()
}

/// Signed by a key that the cluster has not.
fn bad(world: &World) -> String {
    let key = SigningKey::generate().unwrap();
    world.cluster.service_account_token("shop", "checkout").signed_by(&key).sign().unwrap()
}

fn calls(world: &World) -> usize {
    world.aws.count("AssumeRoleWithWebIdentity")
}

#[tokio::test]
async fn a_token_that_is_refused_is_read_again_and_sent_once_more_if_it_changed() {
    let world = World::new().await.unwrap();
    let tokens = Tokens::of([bad(&world), good(&world)]);
    assert!(tokens.session(&world).await.is_ok());
    assert_eq!((tokens.asked(), calls(&world)), (2, 2));

    let world = World::new().await.unwrap();
    let tokens = Tokens::of([bad(&world)]);
    let error = tokens.session(&world).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidIdentityToken"));
    assert_eq!((tokens.asked(), calls(&world)), (2, 1), "the same is not sent again");

    let world = World::new().await.unwrap();
    let tokens = Tokens::of([bad(&world), bad(&world), good(&world)]);
    let error = tokens.session(&world).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenRejected);
    assert_eq!((tokens.asked(), calls(&world)), (2, 2), "once more, and no more");
}

#[tokio::test]
async fn a_token_that_has_ended_is_not_sent() {
    let world = World::new().await.unwrap();
    let token = good(&world);
    let end = rolecall::UnverifiedClaims::of(&token).unwrap().expires_at().unwrap();
    let tokens = Tokens::of([token]);
    let left = end.duration_since(world.hands.clock().wall()).unwrap();
    world.hands.advance(left - Duration::from_secs(1));
    let source = tokens.source(&world);
    assert!(source.session(FetchContext::caller()).await.is_ok(), "a second before");
    // Rounded down, as the Date of an answer is.
    world.hands.advance(Duration::from_secs(2));
    let error = source.session(FetchContext::caller()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TokenUnavailable, None));
    let text = error.to_string();
    let begin = format!(
        "base (web identity, {CHECKOUT}): the web identity token of the test has expired (iss "
    );
    assert!(text.starts_with(&begin) && text.contains("look at: who renews it"), "{text}");
    assert_eq!(calls(&world), 1);

    // Before STS has said what time it is, this machine's clock alone ends no token.
    let error = tokens.session(&world).await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredTokenException"));
    assert_eq!(calls(&world), 2);
}

#[tokio::test]
async fn a_token_whose_keys_cannot_be_had_is_not_read_again() {
    let world = World::new().await.unwrap();
    let tokens = Tokens::of([good(&world)]);
    world.cluster.withdraw_keys();
    let error = tokens.session(&world).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, Some("InvalidIdentityToken"))
    );
    assert_eq!((tokens.asked(), calls(&world)), (1, 3), "it is tried again as it is");
}

#[tokio::test]
async fn how_old_an_expired_tokens_file_is_is_said() {
    let world = World::new().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, good(&world)).unwrap();
    let environment = Environment::fixed(world.variables(&file));
    let builder = rolecall::builder().environment(environment).clock(world.hands.clock());
    let provider = builder.from_env().unwrap().cached();
    assert!(provider.session(FetchContext::caller()).await.is_ok());
    world.hands.advance(Duration::from_secs(2 * 3600));
    let error = provider.session(FetchContext::caller()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    let text = error.to_string();
    let expired = format!("token in {} has expired", file.display());
    assert!(text.contains(&expired), "{text}");
    // Give or take the time that the test has taken.
    let ages = [119, 120, 121].map(|age| format!("(it was last written {age} min ago)"));
    assert!(ages.iter().any(|age| text.contains(age)), "{text}");
}

fn from_tokens<F>(world: &World, tokens: impl Fn() -> F + Send + Sync + 'static) -> WebIdentity
where
    F: Future<Output = Result<WebIdentityToken, FetchError>> + Send + 'static,
{
    let role = RoleArn::parse(CHECKOUT).unwrap();
    let request = WebIdentityRequest::new(role, SessionName::parse("pod").unwrap());
    let region = rolecall::Region::parse("eu-west-1").unwrap();
    let sts = StsClient::new(Endpoint::custom(world.aws.endpoint_url(), region).unwrap());
    WebIdentity::with_tokens(TokenFn::new("of the broker", tokens), request, sts)
}

#[tokio::test]
async fn a_broker_that_has_no_token_lets_no_other_identity_take_its_place() {
    let world = World::new().await.unwrap();
    let none = || std::future::ready(Err(FetchError::new(ErrorKind::NotConfigured, "no broker")));
    let error = from_tokens(&world, none).session(FetchContext::caller()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn a_token_that_does_not_come_is_waited_for_in_bounds() {
    let world = World::new().await.unwrap();
    let error = from_tokens(&world, std::future::pending).session(FetchContext::caller()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    assert_eq!(error.message(), "the web identity token of the broker did not come within 5s");
}

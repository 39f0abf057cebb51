use std::collections::VecDeque;
use std::io::Write;
use std::sync::Mutex;
use std::time::SystemTime;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rolecall_core::ManualClock;
use rolecall_sts::{Endpoint, Region};

use super::*;
use crate::TokenFn;

const ROLE: &str = "arn:aws:iam::111122223333:role/checkout";
const SESSION: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
    <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
    <SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>\
    </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

/// An STS that rejects the tokens in `rejected` and issues a session for all others.
#[derive(Clone, Debug, Default)]
struct FakeSts {
    rejected: Vec<String>,
    date: Option<&'static str>,
    sent: Arc<Mutex<Vec<String>>>,
}

impl FakeSts {
    fn client(&self) -> StsClient {
        let connector = SharedHttpConnector::new(self.clone());
        let endpoint = Endpoint::regional(Region::parse("eu-west-1").unwrap());
        let http = http_client_fn(move |_, _| connector.clone());
        StsClient::builder(endpoint).http_client(http).build()
    }

    fn provider(&self, tokens: impl ProvideWebIdentityToken) -> WebIdentityProvider {
        let request = WebIdentityRequest::new(ROLE.parse().unwrap(), "test".parse().unwrap());
        WebIdentityProvider::with_tokens(tokens, request, self.client())
    }

    fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

impl HttpConnector for FakeSts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        let token = form.split("WebIdentityToken=").nth(1).unwrap().split('&').next().unwrap();
        let rejected = self.rejected.iter().any(|rejected| rejected == token);
        self.sent.lock().unwrap().push(token.to_owned());
        let (status, body) = match rejected {
            true => (
                400,
                "<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>",
            ),
            false => (200, SESSION),
        };
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        if let Some(date) = self.date {
            response.headers_mut().insert("date", date);
        }
        HttpConnectorFuture::new(async move {
            // Lets a concurrent fetch send its request before this one completes.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            Ok(response)
        })
    }
}

fn token(issuer: &str, subject: &str, id: u32) -> String {
    let claims = format!(r#"{{"iss":"{issuer}","sub":"{subject}","jti":"{id}"}}"#);
    format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims))
}

/// Returns one token after the other, and the last one from then on.
fn function<const N: usize>(tokens: [String; N]) -> TokenFn {
    let tokens = Mutex::new(VecDeque::from(tokens));
    TokenFn::new("of the test", move || {
        let mut tokens = tokens.lock().unwrap();
        let next = if tokens.len() > 1 { tokens.pop_front() } else { tokens.front().cloned() };
        std::future::ready(WebIdentityToken::parse(&next.unwrap()))
    })
}

async fn fetch(provider: &WebIdentityProvider) -> Result<Session, SessionError> {
    provider.provide_session(FetchContext::background()).await
}

#[tokio::test]
async fn function_token_of_another_identity_is_rejected() {
    let ann = || token("https://a.example", "ann", 1);
    for other in [
        token("https://a.example", "bob", 2),
        token("https://b.example", "ann", 2),
        "an-opaque-token".to_owned(),
    ] {
        let sts = FakeSts::default();
        let provider = sts.provider(function([ann(), other.clone()]));
        fetch(&provider).await.unwrap();
        // A clone shares the identity.
        let error = fetch(&provider.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRejected, None), "{error}");
        let message = error.message();
        assert!(message.contains("(iss https://a.example, sub ann)"), "{message}");
        assert!(error.hint().unwrap().starts_with("create a provider for each identity"));
        assert!(!format!("{error} {error:?}").contains("c2lnbmF0dXJl"), "{error}");
        assert_eq!(sts.sent(), 1, "the token is not sent: {other}");
    }
}

#[tokio::test]
async fn renewed_function_token_is_accepted() {
    let sts = FakeSts::default();
    let tokens = [1, 2, 3].map(|id| token("https://a.example", "ann", id));
    let provider = sts.provider(function(tokens));
    for _ in 0..3 {
        fetch(&provider).await.unwrap();
    }
    let provider = sts.provider(function(["opaque-1".to_owned(), "opaque-2".to_owned()]));
    for _ in 0..2 {
        fetch(&provider).await.unwrap();
    }
    assert_eq!(sts.sent(), 5);
}

#[tokio::test]
async fn rejected_token_does_not_set_the_identity() {
    let (ann, bob) = (token("https://a.example", "ann", 1), token("https://a.example", "bob", 1));
    let sts = FakeSts { rejected: vec![bob.clone()], ..FakeSts::default() };
    // The first fetch reads twice: a rejected token is read again.
    let provider = sts.provider(function([bob.clone(), bob.clone(), ann.clone(), ann, bob]));
    let error = fetch(&provider).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidIdentityToken"));
    fetch(&provider).await.unwrap();
    fetch(&provider).await.unwrap();
    assert_eq!(fetch(&provider).await.unwrap_err().code(), None);
    assert_eq!(sts.sent(), 3);
}

#[tokio::test]
async fn concurrent_first_tokens_set_one_identity() {
    let sts = FakeSts::default();
    let tokens = [token("https://a.example", "ann", 1), token("https://a.example", "bob", 1)];
    let provider = sts.provider(function(tokens));
    let (one, other) = tokio::join!(fetch(&provider), fetch(&provider));
    assert_eq!(sts.sent(), 2, "both are sent before one is accepted");
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
    let error = one.err().or(other.err()).unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRejected, None));
}

#[tokio::test]
async fn replaced_token_is_sent_once_more() {
    let tokens = [1, 2, 3].map(|id| token("https://a.example", "ann", id));
    let sts = FakeSts { rejected: vec![tokens[0].clone()], ..FakeSts::default() };
    fetch(&sts.provider(function(tokens.clone()))).await.unwrap();
    assert_eq!(*sts.sent.lock().unwrap(), tokens[..2]);

    let sts = FakeSts { rejected: tokens.to_vec(), ..FakeSts::default() };
    let error = fetch(&sts.provider(function(tokens.clone()))).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidIdentityToken"));
    assert_eq!(sts.sent(), 2, "once more, and not again");
    let hint = error.hint().unwrap();
    assert!(hint.contains("iss https://a.example") && hint.contains("111122223333"), "{hint}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn warnings(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn file_token_of_another_identity_is_logged_and_accepted() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let sts = FakeSts::default();
    let provider = sts.provider(TokenFile::new(&path, Environment::process()));
    let mut warnings = Vec::new();
    for (issuer, id) in [("a", 1), ("a", 2), ("b", 3), ("b", 4), ("a", 5)] {
        std::fs::write(&path, token(issuer, "ann", id)).unwrap();
        fetch(&provider).await.unwrap();
        warnings.push(log.warnings().len());
    }
    assert_eq!(warnings, [0, 0, 1, 1, 2], "one warning for each change");
    let warning = &log.warnings()[0];
    for part in
        ["the identity of the web identity token changed", "iss a, sub ann", "iss b, sub ann"]
    {
        assert!(warning.contains(part), "{part:?} is not in {warning}");
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("c2lnbmF0dXJl"), "the log contains a token");
}

#[tokio::test]
async fn token_expired_by_both_clocks_is_not_sent() {
    let claims = r#"{"iss":"a","sub":"ann","exp":1770120000}"#;
    let expired = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
    // The first token has no expiration, and brings the first Date.
    for (date, wall, sent) in [
        ("Tue, 03 Feb 2026 12:00:00 GMT", 1_770_120_000, 1),
        ("Tue, 03 Feb 2026 12:00:00 GMT", 1_770_119_999, 2),
        ("Tue, 03 Feb 2026 11:59:00 GMT", 1_770_120_000, 2),
    ] {
        let sts = FakeSts { date: Some(date), ..FakeSts::default() };
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(wall);
        let tokens = function([token("a", "ann", 1), expired.clone()]);
        let provider = sts.provider(tokens).clock(ManualClock::at(wall).clock());
        fetch(&provider).await.unwrap();
        let result = fetch(&provider).await;
        assert_eq!(sts.sent(), sent, "{date}");
        if sent == 1 {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
            let text = error.to_string();
            assert!(
                text.contains("the web identity token of the test has expired (iss a, sub ann")
            );
            assert_eq!(error.hint(), Some("check the process that renews the token"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hanging_token_function_times_out() {
    let provider = FakeSts::default().provider(TokenFn::new("of the broker", std::future::pending));
    let error = fetch(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    assert_eq!(error.message(), "the web identity token of the broker was not available within 5s");
    assert!(provider.timeout() >= Duration::from_secs(19), "a cache waits for both steps");
}

#[tokio::test]
async fn unconfigured_function_does_not_fall_through() {
    let none = || std::future::ready(Err(SessionError::new(ErrorKind::NotConfigured, "no broker")));
    let provider = FakeSts::default().provider(TokenFn::new("of the broker", none));
    let error = fetch(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.location().unwrap().to_string().contains(ROLE), "{error}");
    assert_eq!((provider.name(), provider.role().as_str()), (ROLE, ROLE));
}

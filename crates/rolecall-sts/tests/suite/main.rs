//! What the client sends, and what it makes of answers: good, odd, and no answers at all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod environment;
mod properties;

use std::time::Duration;

use aws_credential_types::Credentials;
use rolecall_core::{
    ErrorKind, ExternalId, FetchContext, FetchError, ManualClock, RoleArn, Session,
    SessionDuration, SessionName,
};
use rolecall_sts::{AssumeRoleRequest, Endpoint, Region, StsClient, WebIdentityRequest};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const ROLE: &str = "arn:aws:iam::444455556666:role/orders";
const DATE: &str = "Tue, 03 Feb 2026 12:00:00 GMT";
const AN_HOUR_LATER: &str = "2026-02-03T13:00:00Z";
const USER: &str = "<AssumedRoleUser><Arn>arn:aws:sts::444455556666:assumed-role/orders/test</Arn>\
                    <AssumedRoleId>AROAEXAMPLE:test</AssumedRoleId></AssumedRoleUser>";

fn granted(secret: &str, expiration: &str, user: &str) -> String {
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>the-token</SessionToken><Expiration>{expiration}</Expiration></Credentials>{user}\
         <PackedPolicySize>6</PackedPolicySize></AssumeRoleResult></AssumeRoleResponse>"
    )
}

fn refused(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>the-request-id</RequestId></ErrorResponse>"
    )
}

fn answer(status: u16, body: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(status).insert_header("date", DATE).set_body_string(body)
}

/// A server that always answers so, and a client of it.
async fn sts(answer: ResponseTemplate, hands: &ManualClock) -> (MockServer, StsClient) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let endpoint = Endpoint::custom(&server.uri(), Region::parse("eu-west-1").unwrap()).unwrap();
    (server, StsClient::builder(endpoint).clock(hands.clock()).build())
}

fn signer() -> Session {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    Session::builder(Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, None, None, "test"))
        .base("static keys")
        .build()
}

fn request() -> AssumeRoleRequest {
    AssumeRoleRequest::new(ROLE.parse().unwrap(), "test".parse().unwrap())
}

async fn assumed(answer: ResponseTemplate) -> Result<Session, FetchError> {
    let (_server, sts) = sts(answer, &ManualClock::new()).await;
    sts.assume_role(&signer(), &request(), FetchContext::background()).await
}

async fn form(server: &MockServer) -> String {
    let requests = server.received_requests().await.unwrap();
    String::from_utf8(requests.last().unwrap().body.clone()).unwrap()
}

#[tokio::test]
async fn assume_role_sends_every_parameter_and_signs() {
    let (server, sts) =
        sts(answer(200, granted("s", AN_HOUR_LATER, USER)), &ManualClock::new()).await;
    let mut request = request();
    request.external_id = Some(ExternalId::parse("shop/4711").unwrap());
    request.duration = Some(SessionDuration::from_secs(900).unwrap());
    sts.assume_role(&signer(), &request, FetchContext::caller()).await.unwrap();
    let form = form(&server).await;
    for part in [
        "Action=AssumeRole&",
        "Version=2011-06-15",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Forders",
        "RoleSessionName=test",
        "ExternalId=shop%2F4711",
        "DurationSeconds=900",
    ] {
        assert!(form.contains(part), "{part} is not in {form}");
    }
    let sent = server.received_requests().await.unwrap();
    let authorization = sent[0].headers.get("authorization").unwrap().to_str().unwrap();
    assert!(authorization.contains("Credential=AKIAIOSFODNN7EXAMPLE/"), "{authorization}");
    assert!(authorization.contains("/eu-west-1/sts/aws4_request"), "{authorization}");
}

#[tokio::test]
async fn web_identity_sends_the_token_and_signs_nothing() {
    let body =
        granted("s", AN_HOUR_LATER, USER).replace("AssumeRoleRes", "AssumeRoleWithWebIdentityRes");
    let (server, sts) = sts(answer(200, body), &ManualClock::new()).await;
    let role: RoleArn = ROLE.parse().unwrap();
    let request = WebIdentityRequest::new(role, SessionName::parse("test").unwrap());
    let cx = FetchContext::caller();
    sts.assume_role_with_web_identity("the.web.token", &request, cx).await.unwrap();
    let form = form(&server).await;
    assert!(form.contains("Action=AssumeRoleWithWebIdentity&"), "{form}");
    assert!(form.contains("WebIdentityToken=the.web.token"), "{form}");
    assert!(!form.contains("DurationSeconds"), "{form}");
    let sent = server.received_requests().await.unwrap();
    assert!(!sent[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn the_lifetime_is_by_the_servers_date_whatever_this_machines_clock_says() {
    for (expiration, lifetime) in [
        (AN_HOUR_LATER, 3600),
        // With fractional seconds, as some servers write it.
        ("2026-02-03T12:15:00.250Z", 900),
        // Never more than what was asked for: an hour.
        ("2026-02-04T12:00:00Z", 3600),
    ] {
        let session = assumed(answer(200, granted("s", expiration, USER))).await.unwrap();
        assert_eq!(session.lifetime().unwrap().as_secs(), lifetime, "{expiration}");
        assert_eq!(session.packed_policy_size(), Some(6));
    }
}

#[tokio::test]
async fn a_server_that_does_not_say_who_the_session_is() {
    let session = assumed(answer(200, granted("s", AN_HOUR_LATER, ""))).await.unwrap();
    assert_eq!(session.role(), None);
    assert_eq!(session.account().unwrap().as_str(), "444455556666", "the role's own");
}

#[tokio::test]
async fn answers_that_are_no_session() {
    let cases = [
        (granted("", AN_HOUR_LATER, USER), "has an incomplete set of credentials"),
        (granted("hidden", "2026-02-03T12:00:00Z", USER), "is a session that has ended already"),
        (granted("hidden", "1999-01-01T00:00:00Z", USER), "is a session that has ended already"),
        (granted("hidden", "tomorrow", USER), "makes no sense"),
        ("<html>hidden</html>".into(), "makes no sense"),
        ("hidden".into(), "makes no sense"),
        (String::new(), "makes no sense"),
        (
            granted("hidden", AN_HOUR_LATER, USER)[..220].into(),
            "does not say when the session ends",
        ),
        (
            "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>".into(),
            "has no credentials",
        ),
    ];
    for (body, what) in cases {
        let error = assumed(answer(200, body.clone())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{body}: {error}");
        assert!(error.to_string().contains(what), "{body}: {error}");
        let shown = format!("{error:?} {}", error.report());
        assert!(!shown.contains("hidden") && !shown.contains("the-token"), "{shown}");
    }
}

#[tokio::test]
async fn an_error_keeps_code_message_and_request_id() {
    let body = refused("AccessDenied", "User: x is not authorized");
    let answer = answer(403, body).insert_header("x-amzn-requestid", "the-request-id");
    let error = assumed(answer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let told = (error.code(), error.message(), error.request_id());
    assert_eq!(told, (Some("AccessDenied"), "User: x is not authorized", Some("the-request-id")));
}

#[tokio::test]
async fn a_proxys_error_page_goes_by_its_status() {
    for (status, kind) in [
        (429, ErrorKind::Throttled),
        (500, ErrorKind::Unavailable),
        (502, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (403, ErrorKind::Denied),
    ] {
        let error = assumed(answer(status, "<html>Bad Gateway</html>")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
    }
}

/// How often STS is called when it always answers so; on a clock that stands still.
async fn attempts(status: u16, body: String, cx: FetchContext) -> usize {
    let (server, sts) = sts(answer(status, body), &ManualClock::new()).await;
    sts.assume_role(&signer(), &request(), cx).await.unwrap_err();
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn an_answer_that_quotes_the_request_shows_no_secret_of_it() {
    let keys = |token: &str| {
        Credentials::new("ASIAIOSFODNN7EXAMPLE", "the-secret", Some(token.into()), None, "test")
    };
    let signer = Session::builder(keys("the-session-token")).base("test").build();
    let quote = "does not match the-secret, nor x-amz-security-token:the-session-token or the.web.token. \
                 The Canonical String for this request should have been 'POST the-session-token'";
    let (_server, sts) =
        sts(answer(403, refused("SignatureDoesNotMatch", quote)), &ManualClock::new()).await;
    let cx = FetchContext::caller();
    let web = WebIdentityRequest::new(ROLE.parse().unwrap(), "test".parse().unwrap());
    let by_token = sts.assume_role_with_web_identity("the.web.token", &web, cx).await.unwrap_err();
    assert!(!format!("{by_token} {by_token:?}").contains("the.web.token"), "{by_token}");
    let signed = [
        sts.assume_role(&signer, &request(), cx).await.unwrap_err(),
        sts.caller_identity(&signer, cx).await.unwrap_err(),
    ];
    for error in signed {
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("does not match ***"), "{shown}");
        assert!(!shown.contains("the-secret") && !shown.contains("the-session-token"), "{shown}");
    }
}

#[tokio::test]
async fn a_quoted_signature_is_not_shown() {
    let quoting =
        "Credential=AKIAIOSFODNN7EXAMPLE/x, SignedHeaders=host, Signature=0123456789abcdef";
    let error = assumed(answer(403, refused("IncompleteSignature", quoting))).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("0123456789abcdef"), "{error}");
    assert_eq!(error.message(), "Credential=AKIAIOSFODNN7EXAMPLE/x, SignedHeaders=host,");
}

#[tokio::test]
async fn keys_with_a_line_break_are_an_error_and_no_panic() {
    for (id, token, what) in [
        ("AKIAIOSFODNN7EXAMPLE\n", None, "the access key id"),
        ("AKIAIOSFODNN7EXAMPLE", Some("the-t0ken\n"), "the session token"),
    ] {
        let keys = Credentials::new(id, "x", token.map(str::to_owned), None, "test");
        let signer = Session::builder(keys).base("test").build();
        let (_server, sts) = sts(answer(200, ""), &ManualClock::new()).await;
        let cx = FetchContext::caller();
        let error = sts.assume_role(&signer, &request(), cx).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().starts_with(what), "{error}");
        assert!(!error.to_string().contains("the-t0ken"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_sts_that_accepts_and_says_nothing_is_named_within_a_fetchs_limit() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let endpoint = Endpoint::custom(&url, Region::parse("eu-west-1").unwrap()).unwrap();
    let begun = tokio::time::Instant::now();
    let error = StsClient::new(endpoint)
        .assume_role(&signer(), &request(), FetchContext::caller())
        .await
        .unwrap_err();
    assert_eq!(error.message(), format!("STS at {url} did not answer in time"));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_proxys_refusal_is_not_blamed_on_a_policy() {
    let error = assumed(answer(403, "<html>blocked</html>")).await.unwrap_err();
    assert!(error.hint().unwrap().contains("proxy or a firewall"), "{error}");
}

#[tokio::test]
async fn who_waits_is_worth_three_attempts_and_nobody_is_worth_one() {
    let throttled = || refused("Throttling", "Rate exceeded");
    assert_eq!(attempts(400, throttled(), FetchContext::caller()).await, 3);
    assert_eq!(attempts(400, throttled(), FetchContext::background()).await, 1);
    assert_eq!(attempts(503, String::new(), FetchContext::caller()).await, 3);
    assert_eq!(attempts(403, refused("AccessDenied", "no"), FetchContext::caller()).await, 1);
    assert_eq!(attempts(400, refused("ExpiredToken", "no"), FetchContext::caller()).await, 1);
}

#[tokio::test]
async fn an_identity_that_is_none_is_an_invalid_response() {
    let body = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>nobody</Arn><UserId>u</UserId>\
                <Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let (_server, sts) = sts(answer(200, body), &ManualClock::new()).await;
    let error = sts.caller_identity(&signer(), FetchContext::caller()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(error.to_string().contains("\"nobody\""), "{error}");
}

#[tokio::test]
async fn every_field_of_an_answer_is_read() {
    let more = format!("{USER}<SourceIdentity>ann@shop</SourceIdentity>");
    let session = assumed(answer(200, granted("the-secret", AN_HOUR_LATER, &more))).await.unwrap();
    let keys = session.credentials();
    assert_eq!(keys.access_key_id(), "ASIAIOSFODNN7EXAMPLE");
    assert_eq!((keys.secret_access_key(), keys.session_token()), ("the-secret", Some("the-token")));
    assert_eq!(session.lifetime(), Some(Duration::from_secs(3600)));
    let role = session.role().unwrap();
    assert_eq!(role.arn(), "arn:aws:sts::444455556666:assumed-role/orders/test");
    assert_eq!(role.id(), "AROAEXAMPLE:test");
    assert_eq!(session.packed_policy_size(), Some(6));
    assert_eq!(session.source_identity().unwrap().as_str(), "ann@shop");
    assert_eq!((session.role_arn().unwrap().as_str(), session.web_identity()), (ROLE, None));

    let more = format!(
        "{more}<SubjectFromWebIdentityToken>system:serviceaccount:shop:checkout</SubjectFromWebIdentityToken>\
         <Provider>https://issuer.example</Provider><Audience>sts.amazonaws.com</Audience>"
    );
    let body =
        granted("s", AN_HOUR_LATER, &more).replace("AssumeRoleRes", "AssumeRoleWithWebIdentityRes");
    let (_server, sts) = sts(answer(200, body), &ManualClock::new()).await;
    let request = WebIdentityRequest::new(ROLE.parse().unwrap(), "test".parse().unwrap());
    let cx = FetchContext::caller();
    let session = sts.assume_role_with_web_identity("the.web.token", &request, cx).await.unwrap();
    let token = session.web_identity().unwrap();
    assert_eq!(token.subject.as_deref(), Some("system:serviceaccount:shop:checkout"));
    assert_eq!(token.provider.as_deref(), Some("https://issuer.example"));
    assert_eq!(token.audience.as_deref(), Some("sts.amazonaws.com"));
    assert_eq!(session.source_identity().unwrap().as_str(), "ann@shop");
}

//! The requests of the client, and its handling of valid, invalid and missing responses.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod environment;
mod fleet;
mod properties;
mod retries;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use aws_credential_types::Credentials;
use rolecall_core::{
    ErrorKind, ExternalId, FetchMode, ManualClock, MfaCode, MfaSerial, PolicyArn, ProvidedContext,
    RoleArn, Session, SessionDuration, SessionError, SessionName, SessionPolicy, SessionTags,
};
use rolecall_sts::{AssumeRoleRequest, Endpoint, Region, StsClient, WebIdentityRequest};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const ROLE: &str = "arn:aws:iam::444455556666:role/orders";
const DATE: &str = "Tue, 03 Feb 2026 12:00:00 GMT";
const AN_HOUR_LATER: &str = "2026-02-03T13:00:00Z";
const USER: &str = "<AssumedRoleUser><Arn>arn:aws:sts::444455556666:assumed-role/orders/test</Arn>\
                    <AssumedRoleId>AROAEXAMPLE:test</AssumedRoleId></AssumedRoleUser>";

fn session_body(secret: &str, expiration: &str, user: &str) -> String {
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>the-token</SessionToken><Expiration>{expiration}</Expiration></Credentials>{user}\
         <PackedPolicySize>6</PackedPolicySize></AssumeRoleResult></AssumeRoleResponse>"
    )
}

fn error_body(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>the-request-id</RequestId></ErrorResponse>"
    )
}

fn response(status: u16, body: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(status).insert_header("date", DATE).set_body_string(body)
}

/// Starts a server that always sends `response`, and creates a client of it.
async fn sts(response: ResponseTemplate, clock: &ManualClock) -> (MockServer, StsClient) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).mount(&server).await;
    let endpoint = Endpoint::custom(&server.uri(), Region::parse("eu-west-1").unwrap()).unwrap();
    (server, StsClient::builder(endpoint).clock(clock.clock()).build())
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

fn context() -> ProvidedContext {
    ProvidedContext::new("arn:aws:iam::aws:contextProvider/Sso", "the-assertion").unwrap()
}

async fn assume_role(response: ResponseTemplate) -> Result<Session, SessionError> {
    let (_server, sts) = sts(response, &ManualClock::new()).await;
    sts.assume_role(&signer(), &request(), FetchMode::Background).await
}

async fn last_form(server: &MockServer) -> String {
    let requests = server.received_requests().await.unwrap();
    String::from_utf8(requests.last().unwrap().body.clone()).unwrap()
}

#[tokio::test]
async fn assume_role_sends_and_signs_all_parameters() {
    let (server, sts) =
        sts(response(200, session_body("s", AN_HOUR_LATER, USER)), &ManualClock::new()).await;
    let mut request = request();
    request.external_id = Some(ExternalId::parse("shop/4711").unwrap());
    request.duration = Some(SessionDuration::from_secs(900).unwrap());
    request.tags = SessionTags::new().tag("team", "shop").unwrap().transitive("team").unwrap();
    request.source_identity = Some("ann@shop".try_into().unwrap());
    request.policy = Some(SessionPolicy::parse("{}").unwrap());
    request.policy_arns = vec![PolicyArn::parse("arn:aws:iam::aws:policy/ReadOnly").unwrap()];
    let serial = MfaSerial::parse("arn:aws:iam::111122223333:mfa/ann").unwrap();
    request.mfa = Some((serial, MfaCode::parse("123456").unwrap()));
    request.provided_contexts = vec![context()];
    sts.assume_role(&signer(), &request, FetchMode::Foreground).await.unwrap();
    let form = last_form(&server).await;
    for part in [
        "Action=AssumeRole&",
        "Version=2011-06-15",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Forders",
        "RoleSessionName=test",
        "ExternalId=shop%2F4711",
        "DurationSeconds=900",
        "Tags.member.1.Key=team&Tags.member.1.Value=shop",
        "TransitiveTagKeys.member.1=team",
        "SourceIdentity=ann%40shop",
        "Policy=%7B%7D",
        "PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnly",
        "SerialNumber=arn%3Aaws%3Aiam%3A%3A111122223333%3Amfa%2Fann",
        "TokenCode=123456",
        "ProvidedContexts.member.1.ProviderArn=arn%3Aaws%3Aiam%3A%3Aaws%3AcontextProvider%2FSso",
        "ProvidedContexts.member.1.ContextAssertion=the-assertion",
    ] {
        assert!(form.contains(part), "{part} is not in {form}");
    }
    let sent = server.received_requests().await.unwrap();
    let authorization = sent[0].headers.get("authorization").unwrap().to_str().unwrap();
    assert!(authorization.contains("Credential=AKIAIOSFODNN7EXAMPLE/"), "{authorization}");
    assert!(authorization.contains("/eu-west-1/sts/aws4_request"), "{authorization}");
}

#[tokio::test]
async fn unset_parameters_are_left_out() {
    let (server, sts) =
        sts(response(200, session_body("s", AN_HOUR_LATER, USER)), &ManualClock::new()).await;
    sts.assume_role(&signer(), &request(), FetchMode::Foreground).await.unwrap();
    let form = last_form(&server).await;
    let mut names: Vec<&str> =
        form.split('&').map(|part| part.split('=').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Action", "RoleArn", "RoleSessionName", "Version"]);
}

#[tokio::test]
async fn web_identity_request_has_token_and_no_signature() {
    let body = session_body("s", AN_HOUR_LATER, USER)
        .replace("AssumeRoleRes", "AssumeRoleWithWebIdentityRes");
    let (server, sts) = sts(response(200, body), &ManualClock::new()).await;
    let role: RoleArn = ROLE.parse().unwrap();
    let request = WebIdentityRequest::new(role, SessionName::parse("test").unwrap());
    let mode = FetchMode::Foreground;
    sts.assume_role_with_web_identity("the.web.token", &request, mode).await.unwrap();
    let form = last_form(&server).await;
    assert!(form.contains("Action=AssumeRoleWithWebIdentity&"), "{form}");
    assert!(form.contains("WebIdentityToken=the.web.token"), "{form}");
    assert!(!form.contains("DurationSeconds"), "{form}");
    let sent = server.received_requests().await.unwrap();
    assert!(!sent[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn role_of_another_partition_is_not_sent() {
    let (server, sts) = sts(response(200, ""), &ManualClock::new()).await;
    let role: RoleArn = "arn:aws-cn:iam::444455556666:role/orders".parse().unwrap();
    let name = SessionName::parse("test").unwrap();
    let mode = FetchMode::Foreground;
    let request = AssumeRoleRequest::new(role.clone(), name.clone());
    let web = WebIdentityRequest::new(role, name);
    for error in [
        sts.assume_role(&signer(), &request, mode).await.unwrap_err(),
        sts.assume_role_with_web_identity("the.web.token", &web, mode).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        let expected = "the role is in the partition aws-cn, but the Region eu-west-1 is in aws; hint: check \
             the role's ARN, or set the Region of the STS client (AWS_REGION, or in code) to one in aws-cn";
        assert_eq!(error.to_string(), expected);
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn client_knows_server_time_after_a_response() {
    let clock = ManualClock::at(std::time::UNIX_EPOCH);
    let (_server, sts) = sts(response(403, error_body("AccessDenied", "no")), &clock).await;
    assert_eq!(sts.server_time(), None);
    sts.caller_identity(&signer(), FetchMode::Background).await.unwrap_err();
    clock.advance(Duration::from_secs(60));
    let date = std::time::UNIX_EPOCH + Duration::from_secs(1_770_120_000);
    assert_eq!(sts.server_time(), Some(date + Duration::from_secs(60)));
    assert_eq!(sts.clock().wall(), std::time::UNIX_EPOCH + Duration::from_secs(60));
}

#[tokio::test]
async fn lifetime_is_measured_by_server_date() {
    for (expiration, lifetime) in [
        (AN_HOUR_LATER, 3600),
        // Some servers send fractional seconds.
        ("2026-02-03T12:15:00.250Z", 900),
        // At most the requested lifetime, which defaults to one hour.
        ("2026-02-04T12:00:00Z", 3600),
    ] {
        let session =
            assume_role(response(200, session_body("s", expiration, USER))).await.unwrap();
        assert_eq!(session.lifetime().unwrap().as_secs(), lifetime, "{expiration}");
        assert_eq!(session.packed_policy_size(), Some(6));
    }
}

#[tokio::test]
async fn response_without_user_has_account_of_role() {
    let session = assume_role(response(200, session_body("s", AN_HOUR_LATER, ""))).await.unwrap();
    assert_eq!(session.role(), None);
    assert_eq!(session.account().unwrap().as_str(), "444455556666");
}

#[tokio::test]
async fn invalid_session_response_is_rejected() {
    let cases = [
        (session_body("", AN_HOUR_LATER, USER), "has incomplete credentials"),
        (
            session_body("hidden", "2026-02-03T12:00:00Z", USER),
            "has a session that has already expired",
        ),
        (
            session_body("hidden", "1999-01-01T00:00:00Z", USER),
            "has a session that has already expired",
        ),
        (session_body("hidden", "tomorrow", USER), "sent an invalid response (status 200)"),
        ("<html>hidden</html>".into(), "sent an invalid response (status 200)"),
        ("hidden".into(), "sent an invalid response (status 200)"),
        (String::new(), "sent an invalid response (status 200)"),
        (session_body("hidden", AN_HOUR_LATER, USER)[..220].into(), "has no expiration"),
        (
            "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>".into(),
            "has no credentials",
        ),
    ];
    for (body, fault) in cases {
        let error = assume_role(response(200, body.clone())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{body}: {error}");
        assert!(error.to_string().contains(fault), "{body}: {error}");
        let shown = format!("{error:?} {}", error.report());
        assert!(!shown.contains("hidden") && !shown.contains("the-token"), "{shown}");
    }
}

#[tokio::test]
async fn error_keeps_code_message_and_request_id() {
    let body = error_body("AccessDenied", "User: x is not authorized");
    let response = response(403, body).insert_header("x-amzn-requestid", "the-request-id");
    let error = assume_role(response).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let parts = (error.code(), error.message(), error.request_id());
    assert_eq!(parts, (Some("AccessDenied"), "User: x is not authorized", Some("the-request-id")));
}

#[tokio::test]
async fn error_page_is_classified_by_status() {
    for (status, kind) in [
        (429, ErrorKind::Throttled),
        (500, ErrorKind::Unavailable),
        (502, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (403, ErrorKind::Denied),
    ] {
        let error = assume_role(response(status, "<html>Bad Gateway</html>")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
    }
}

#[tokio::test]
async fn error_page_of_proxy_is_never_deferred() {
    for (status, kind) in [(429, ErrorKind::Throttled), (503, ErrorKind::Unavailable)] {
        for mode in [FetchMode::Foreground, FetchMode::Background] {
            let page = response(status, "<html>Try again later</html>");
            let (_server, sts) = sts(page, &ManualClock::new()).await;
            let error = sts.assume_role(&signer(), &request(), mode).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (kind, None), "{status} {mode:?}: {error}");
            // A deferred fetch is no failure to the cache, which would hide an outage.
            assert!(!error.is_deferred() && error.is_retryable(), "{status} {mode:?}: {error}");
        }
    }
}

#[tokio::test]
async fn wrong_secret_is_named_within_allowed_skew() {
    let date = std::time::UNIX_EPOCH + Duration::from_secs(1_770_120_000);
    for (minutes, hint) in [
        (10, "check the secret access key: "),
        (20, "set this machine's clock: it is 20 min ahead of the time of STS"),
    ] {
        let clock = ManualClock::at(date + Duration::from_secs(60 * minutes));
        let body = error_body("SignatureDoesNotMatch", "The signature does not match.");
        let (_server, sts) = sts(response(403, body), &clock).await;
        let error =
            sts.assume_role(&signer(), &request(), FetchMode::Background).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.hint().unwrap().starts_with(hint), "{minutes} min: {error}");
    }
}

/// Returns the number of calls to an STS that always sends this response. The clock does not
/// advance.
async fn count_attempts(status: u16, body: String, mode: FetchMode) -> usize {
    let (server, sts) = sts(response(status, body), &ManualClock::new()).await;
    sts.assume_role(&signer(), &request(), mode).await.unwrap_err();
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn error_that_quotes_request_hides_secrets() {
    let keys = |token: &str| {
        Credentials::new("ASIAIOSFODNN7EXAMPLE", "the-secret", Some(token.into()), None, "test")
    };
    let signer = Session::builder(keys("the-session-token")).base("test").build();
    let quote = "does not match the-secret, nor x-amz-security-token:the-session-token or the.web.token. \
                 The Canonical String for this request should have been 'POST the-session-token'";
    let (_server, sts) =
        sts(response(403, error_body("SignatureDoesNotMatch", quote)), &ManualClock::new()).await;
    let mode = FetchMode::Foreground;
    let web = WebIdentityRequest::new(ROLE.parse().unwrap(), "test".parse().unwrap());
    let web_error =
        sts.assume_role_with_web_identity("the.web.token", &web, mode).await.unwrap_err();
    assert!(!format!("{web_error} {web_error:?}").contains("the.web.token"), "{web_error}");
    let signed_errors = [
        sts.assume_role(&signer, &request(), mode).await.unwrap_err(),
        sts.caller_identity(&signer, mode).await.unwrap_err(),
    ];
    for error in signed_errors {
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("does not match ***"), "{shown}");
        assert!(!shown.contains("the-secret") && !shown.contains("the-session-token"), "{shown}");
    }
}

#[tokio::test]
async fn error_that_quotes_code_or_assertion_hides_it() {
    let mut request = request();
    let serial = MfaSerial::parse("arn:aws:iam::111122223333:mfa/ann").unwrap();
    request.mfa = Some((serial, MfaCode::parse("123456").unwrap()));
    request.provided_contexts = vec![context()];
    let quote = error_body("AccessDenied", "neither 123456 nor the-assertion is valid");
    let (_server, sts) = sts(response(403, quote), &ManualClock::new()).await;
    let error = sts.assume_role(&signer(), &request, FetchMode::Background).await.unwrap_err();
    assert_eq!(error.message(), "neither *** nor *** is valid");
}

#[tokio::test]
async fn error_that_quotes_signature_hides_it() {
    let quoting =
        "Credential=AKIAIOSFODNN7EXAMPLE/x, SignedHeaders=host, Signature=0123456789abcdef";
    let error =
        assume_role(response(403, error_body("IncompleteSignature", quoting))).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("0123456789abcdef"), "{error}");
    assert_eq!(error.message(), "Credential=AKIAIOSFODNN7EXAMPLE/x, SignedHeaders=host,");
}

#[tokio::test]
async fn signing_key_with_line_break_is_rejected() {
    for (id, token, field) in [
        ("AKIAIOSFODNN7EXAMPLE\n", None, "the access key id of the signing session"),
        ("AKIAIOSFODNN7EXAMPLE", Some("the-t0ken\n"), "the session token of the signing session"),
    ] {
        let keys = Credentials::new(id, "x", token.map(str::to_owned), None, "test");
        let signer = Session::builder(keys).base("test").build();
        let (_server, sts) = sts(response(200, ""), &ManualClock::new()).await;
        let mode = FetchMode::Foreground;
        let error = sts.assume_role(&signer, &request(), mode).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().starts_with(field), "{error}");
        assert!(!error.to_string().contains("the-t0ken"), "{error}");
    }
}

#[tokio::test]
async fn incomplete_response_is_classified_by_status() {
    for (status, kind) in [
        ("503 Service Unavailable", ErrorKind::Unavailable),
        ("403 Forbidden", ErrorKind::Denied),
        ("200 OK", ErrorKind::InvalidResponse),
    ] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            // A response that precedes its request is not a response to the client.
            stream.read_exact(&mut [0; 16]).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 90\r\n\r\n<html>").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // Until the client closes the connection: to close it with unread data would reset it.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let endpoint = Endpoint::custom(&url, Region::parse("eu-west-1").unwrap()).unwrap();
        let sts = StsClient::new(endpoint);
        let error = sts.caller_identity(&signer(), FetchMode::Background).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
        let expected = format!("sent an invalid response (status {})", &status[..3]);
        assert!(error.message().ends_with(&expected), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn silent_sts_times_out_within_fetch_timeout() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let endpoint = Endpoint::custom(&url, Region::parse("eu-west-1").unwrap()).unwrap();
    let started = tokio::time::Instant::now();
    let error = StsClient::new(endpoint)
        .assume_role(&signer(), &request(), FetchMode::Foreground)
        .await
        .unwrap_err();
    assert_eq!(error.message(), format!("STS at {url} did not respond in time"));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn forbidden_error_page_hints_at_proxy() {
    let error = assume_role(response(403, "<html>blocked</html>")).await.unwrap_err();
    assert!(error.hint().unwrap().contains("proxy or a firewall"), "{error}");
}

#[tokio::test]
async fn foreground_makes_three_attempts_background_one() {
    let throttled = || error_body("Throttling", "Rate exceeded");
    assert_eq!(count_attempts(400, throttled(), FetchMode::Foreground).await, 3);
    assert_eq!(count_attempts(400, throttled(), FetchMode::Background).await, 1);
    assert_eq!(count_attempts(503, String::new(), FetchMode::Foreground).await, 3);
    assert_eq!(
        count_attempts(403, error_body("AccessDenied", "no"), FetchMode::Foreground).await,
        1
    );
    assert_eq!(
        count_attempts(400, error_body("ExpiredToken", "no"), FetchMode::Foreground).await,
        1
    );
}

#[tokio::test]
async fn invalid_caller_identity_is_invalid_response() {
    let body = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>nobody</Arn><UserId>u</UserId>\
                <Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let (_server, sts) = sts(response(200, body), &ManualClock::new()).await;
    let error = sts.caller_identity(&signer(), FetchMode::Foreground).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(error.to_string().contains("\"nobody\""), "{error}");
}

#[tokio::test]
async fn session_has_every_field_of_response() {
    let more = format!("{USER}<SourceIdentity>ann@shop</SourceIdentity>");
    let session =
        assume_role(response(200, session_body("the-secret", AN_HOUR_LATER, &more))).await.unwrap();
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
    let body = session_body("s", AN_HOUR_LATER, &more)
        .replace("AssumeRoleRes", "AssumeRoleWithWebIdentityRes");
    let (_server, sts) = sts(response(200, body), &ManualClock::new()).await;
    let request = WebIdentityRequest::new(ROLE.parse().unwrap(), "test".parse().unwrap());
    let mode = FetchMode::Foreground;
    let session = sts.assume_role_with_web_identity("the.web.token", &request, mode).await.unwrap();
    let token = session.web_identity().unwrap();
    assert_eq!(token.subject.as_deref(), Some("system:serviceaccount:shop:checkout"));
    assert_eq!(token.provider.as_deref(), Some("https://issuer.example"));
    assert_eq!(token.audience.as_deref(), Some("sts.amazonaws.com"));
    assert_eq!(session.source_identity().unwrap().as_str(), "ann@shop");
}

#[tokio::test]
async fn throttling_response_lowers_the_rate_limit() {
    let clock = ManualClock::new();
    for (throttled, expected) in [
        (response(400, error_body("Throttling", "Rate exceeded")), 100.0),
        // A proxy or load balancer throttles without an error code.
        (response(429, ""), 100.0),
        (response(503, error_body("ServiceUnavailable", "try again")), 200.0),
        (response(403, error_body("AccessDenied", "no")), 200.0),
    ] {
        let (_server, sts) = sts(throttled, &clock).await;
        assert_eq!(sts.rate_limiter().current_rate(), 200.0);
        // The attempts of a call are a burst, which counts once.
        sts.assume_role(&signer(), &request(), FetchMode::Foreground).await.unwrap_err();
        assert_eq!(sts.rate_limiter().current_rate(), expected);
    }
}

#[tokio::test]
async fn successful_response_raises_the_rate_limit() {
    let server = MockServer::start().await;
    let body = session_body("the-secret", AN_HOUR_LATER, USER);
    let throttled = response(400, error_body("Throttling", "Rate exceeded"));
    Mock::given(any()).respond_with(throttled).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(response(200, body)).mount(&server).await;
    let endpoint = Endpoint::custom(&server.uri(), Region::parse("eu-west-1").unwrap()).unwrap();
    let sts = StsClient::builder(endpoint).clock(ManualClock::new().clock()).build();
    sts.assume_role(&signer(), &request(), FetchMode::Foreground).await.unwrap();
    let rate = sts.rate_limiter().current_rate();
    assert!(rate > 100.0 && rate < 200.0, "{rate}");
}

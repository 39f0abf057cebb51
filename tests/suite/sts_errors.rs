//! The errors of STS: the error that the caller receives, and the number of requests to STS.

use std::time::Duration;

use rolecall::params::{MfaCode, MfaSerial, ProvideMfaCode};
use rolecall::provider::FetchContext;
use rolecall::time::ManualClock;
use rolecall::{ErrorKind, ProvideSession, Role, SessionError};
use rolecall_testkit::{Cut, FaultRule};
use rolecall_tests::{HUB, World};

const ROLE: &str = "AssumeRole";
const TOKEN: &str = "AssumeRoleWithWebIdentity";

/// Makes a foreground call with `fault` injected. Returns its error and the number of requests that
/// STS received.
async fn fetch_error(operation: &str, fault: FaultRule) -> (SessionError, usize) {
    let world = World::new().await.unwrap();
    world.aws.inject(fault.on(operation)).unwrap();
    let chain = world.builder().unwrap().from_env().unwrap();
    let provider = match operation {
        TOKEN => chain.provider(),
        _ => chain.assume_role(Role::new(HUB).unwrap()).provider(),
    };
    let error = provider.provide_session(FetchContext::foreground()).await.unwrap_err();
    (error, world.aws.count(operation))
}

/// Makes a call that STS answers with an error of this status, code and message.
async fn sts_error(
    operation: &str,
    status: u16,
    code: &str,
    message: &str,
) -> (SessionError, usize) {
    fetch_error(operation, FaultRule::error(status, code, message)).await
}

/// Checks the kind, code, message and hint of an error, and that it has a location and a request
/// id.
#[track_caller]
fn assert_error(
    error: &SessionError,
    kind: ErrorKind,
    code: &str,
    message: &str,
    hint: Option<&str>,
) {
    assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{error}");
    let id = error.request_id().unwrap();
    let location = error.location().unwrap();
    let suffix = hint.map(|hint| format!("; hint: {hint}")).unwrap_or_default();
    assert_eq!(
        error.to_string(),
        format!("{location}: {message} ({code}, request id {id}){suffix}")
    );
}

#[tokio::test]
async fn throttling_codes_are_retried() {
    for (status, code) in [
        (400, "Throttling"),
        (429, "Throttling"),
        (400, "ThrottlingException"),
        (429, "ThrottlingException"),
        (400, "RequestLimitExceeded"),
    ] {
        let (error, calls) = sts_error(ROLE, status, code, "Rate exceeded").await;
        let hint = "lower the rate limit of the STS client, raise the duration of the sessions, or \
                    request a higher quota from AWS";
        assert_error(&error, ErrorKind::Throttled, code, "Rate exceeded", Some(hint));
        assert_eq!(calls, 3, "{code}");
    }
}

#[tokio::test]
async fn server_errors_are_retried() {
    for status in [500, 502, 503, 504] {
        let (error, calls) = fetch_error(ROLE, FaultRule::unavailable(status)).await;
        assert_eq!((error.kind(), calls), (ErrorKind::Unavailable, 3), "{error}");
        assert!(error.message().contains(&status.to_string()), "{error}");
        let (error, calls) =
            sts_error(ROLE, status, "InternalFailure", "We encountered an error").await;
        assert_error(
            &error,
            ErrorKind::Unavailable,
            "InternalFailure",
            "We encountered an error",
            None,
        );
        assert_eq!(calls, 3);
    }
}

#[tokio::test]
async fn connection_errors_return_unavailable() {
    for cut in [Cut::BeforeProcessing, Cut::BeforeResponse, Cut::WithinResponse] {
        let (error, calls) = fetch_error(ROLE, FaultRule::cut(cut)).await;
        assert_eq!((error.kind(), calls), (ErrorKind::Unavailable, 3), "{cut:?}: {error}");
        let text = error.to_string();
        assert!(text.contains("closed before the response was complete"), "{cut:?}: {text}");
        assert!(
            text.contains("hint: check that this machine can reach http://127.0.0.1:"),
            "{text}"
        );
    }
    // A port that no process listens on.
    let world = World::new().await.unwrap();
    let builder = world.builder().unwrap();
    drop(world);
    let error = builder
        .from_env()
        .unwrap()
        .provider()
        .provide_session(FetchContext::foreground())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.report().to_lowercase().contains("connection refused"),
        "the report names the cause: {}",
        error.report()
    );
}

#[tokio::test]
async fn timeout_returns_unavailable() {
    let world = World::new().await.unwrap();
    world.aws.inject(FaultRule::hung().on(TOKEN)).unwrap();
    // A background fetch makes one attempt.
    let base = world.builder().unwrap().from_env().unwrap().base_provider();
    let error = base.inner().provide_session(FetchContext::background()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().ends_with("did not respond in time"), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn idp_communication_error_is_retried() {
    let message = "Unable to communicate with the identity provider";
    let (error, calls) = sts_error(TOKEN, 400, "IDPCommunicationError", message).await;
    assert_error(&error, ErrorKind::Unavailable, "IDPCommunicationError", message, None);
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn invalid_identity_token_retries_only_key_failures() {
    let message = "No OpenIDConnect provider found in your account for https://x";
    let (error, calls) = sts_error(TOKEN, 400, "InvalidIdentityToken", message).await;
    assert_eq!(
        (error.kind(), calls),
        (ErrorKind::TokenRejected, 1),
        "an unchanged token is not sent again"
    );
    let text = error.to_string();
    for part in [
        " (iss http://127.0.0.1:",
        "sub system:serviceaccount:shop:checkout",
        "aud sts.amazonaws.com",
        "account 111122223333 needs an OIDC provider for its iss, with its aud as a client id",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // Failing to fetch the verification key is a temporary error.
    let message = "Couldn't retrieve verification key from your identity provider,  please reference \
                   AssumeRoleWithWebIdentity documentation for requirements";
    let (error, calls) = sts_error(TOKEN, 400, "InvalidIdentityToken", message).await;
    let hint =
        "check that the token's issuer serves its keys (the jwks_uri of its discovery document)";
    assert_error(&error, ErrorKind::Unavailable, "InvalidIdentityToken", message, Some(hint));
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn expired_web_identity_token_is_not_retried() {
    let message = "Token expired: current date/time 1 must be before the expiration date/time 0";
    let (error, calls) = sts_error(TOKEN, 400, "ExpiredTokenException", message).await;
    assert_eq!(
        (error.kind(), calls),
        (ErrorKind::TokenRejected, 1),
        "an unchanged token is not sent again"
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.contains(", expires 2") && hint.contains("check the process that renews the token"),
        "{hint}"
    );
}

#[tokio::test]
async fn rejected_signer_is_replaced_or_retried() {
    // An expired signer is replaced once. The signer that STS does not know was issued a moment
    // ago: STS is called three times more with it.
    for (status, code, expected) in
        [(403, "ExpiredToken", 2), (403, "InvalidClientTokenId", 4), (400, "ExpiredToken", 2)]
    {
        let message = "The security token included in the request is no good";
        let (error, calls) = sts_error(ROLE, status, code, message).await;
        let hint = "check the access key that signed the request: it expired, was deleted, or belongs to another \
             partition";
        assert_error(&error, ErrorKind::TokenRejected, code, message, Some(hint));
        assert_eq!(calls, expected, "{code}");
    }
}

#[tokio::test]
async fn replaced_signer_completes_call() {
    let world = World::new().await.unwrap();
    world.aws.inject(FaultRule::error(403, "ExpiredToken", "expired").on(ROLE).first(1)).unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume_role(Role::new(HUB).unwrap());
    chain.provider().provide_session(FetchContext::foreground()).await.unwrap();
    assert_eq!((world.aws.count(TOKEN), world.aws.count(ROLE)), (2, 2));
}

#[tokio::test]
async fn idp_rejected_claim_returns_denied() {
    let message = "The identity provider rejected the claim";
    let (error, calls) = sts_error(TOKEN, 403, "IDPRejectedClaim", message).await;
    assert_eq!(
        (error.kind(), calls),
        (ErrorKind::Denied, 1),
        "an unchanged token is not sent again"
    );
    assert!(error.hint().unwrap().contains("sub system:serviceaccount:shop:checkout"), "{error}");
}

#[tokio::test]
async fn access_denied_hints_at_required_permissions() {
    let caller = "arn:aws:sts::111122223333:assumed-role/checkout/suite";
    let message =
        format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {HUB}");
    let (error, calls) = sts_error(ROLE, 403, "AccessDenied", &message).await;
    let hint = format!(
        "allow {caller} in the trust policy of {HUB}; check that it has no sts:ExternalId condition (no external id was \
         sent); allow sts:AssumeRole on the role in the caller's own policies; check that the role exists"
    );
    assert_error(&error, ErrorKind::Denied, "AccessDenied", &message, Some(&hint));
    assert_eq!(calls, 1);
    // Session tags require a permission of their own.
    let message = message.replace("sts:AssumeRole", "sts:TagSession");
    let (error, _) = sts_error(ROLE, 403, "AccessDenied", &message).await;
    let hint = error.hint().unwrap();
    assert!(
        hint.starts_with(&format!("allow {caller} sts:TagSession in the trust policy of {HUB}; ")),
        "{hint}"
    );
    assert!(
        hint.contains("; allow sts:TagSession on the role in the caller's own policies"),
        "{hint}"
    );
    let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let (error, calls) = sts_error(TOKEN, 403, "AccessDenied", message).await;
    assert_eq!((error.kind(), calls), (ErrorKind::Denied, 1));
    let hint = error.hint().unwrap();
    assert!(
        hint.starts_with("allow sts:AssumeRoleWithWebIdentity in the trust policy of"),
        "{hint}"
    );
}

#[tokio::test]
async fn session_policy_errors_return_invalid_config() {
    for (code, message, hint) in [
        ("MalformedPolicyDocument", "Syntax errors in policy.", "check the session policy"),
        (
            "PackedPolicyTooLarge",
            "Packed size of session tags consumes 112% of allotted space.",
            "shorten the session policy, or send fewer or shorter tags",
        ),
    ] {
        let (error, calls) = sts_error(ROLE, 400, code, message).await;
        assert_error(&error, ErrorKind::InvalidConfig, code, message, Some(hint));
        assert_eq!(calls, 1);
    }
}

#[tokio::test]
async fn disabled_region_returns_invalid_config() {
    let message = "STS is not activated in this region for account:111122223333";
    let (error, calls) = sts_error(ROLE, 403, "RegionDisabledException", message).await;
    let hint = "enable STS for this Region in the account's settings, or use the endpoint of another Region";
    assert_error(&error, ErrorKind::InvalidConfig, "RegionDisabledException", message, Some(hint));
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn validation_error_returns_invalid_config() {
    let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    let (error, calls) = sts_error(ROLE, 400, "ValidationError", message).await;
    let hint = "correct the parameter that the message names; the duration of a session is at most \
                the MaxSessionDuration of its role";
    assert_error(&error, ErrorKind::InvalidConfig, "ValidationError", message, Some(hint));
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn signature_mismatch_returns_invalid_config() {
    let message = "The request signature we calculated does not match the signature you provided.";
    let (error, calls) = sts_error(ROLE, 403, "SignatureDoesNotMatch", message).await;
    let hint = "check the secret access key: this machine's clock is within the 15 minutes that STS \
                allows";
    assert_error(&error, ErrorKind::InvalidConfig, "SignatureDoesNotMatch", message, Some(hint));
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn signature_mismatch_reports_clock_skew() {
    let world = World::new().await.unwrap();
    let wall = world.clock.clock().wall() + Duration::from_secs(3600);
    let machine_clock = ManualClock::at(wall);
    // The request signed by the time of STS is rejected, too; the test is about the hint.
    let fault = FaultRule::error(403, "SignatureDoesNotMatch", "Signature not yet current");
    world.aws.inject(fault.on(ROLE)).unwrap();
    let chain = world.builder().unwrap().clock(machine_clock.clock()).from_env().unwrap();
    let chain = chain.assume_role(Role::new(HUB).unwrap());
    let error = chain.provider().provide_session(FetchContext::foreground()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let hint = error.hint().unwrap();
    assert_eq!(
        hint,
        "set this machine's clock: it is 60 min ahead of the time of STS, which allows 15"
    );
}

#[tokio::test]
async fn malformed_responses_return_invalid_response() {
    for fault in [FaultRule::garbage(), FaultRule::truncated(), FaultRule::expired_session()] {
        let (error, calls) = fetch_error(ROLE, fault.clone()).await;
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{fault:?}: {error}");
        assert!(calls >= 1, "{fault:?}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn unusual_valid_responses_are_accepted() {
    let hour = Duration::from_secs(3600);
    for fault in [
        FaultRule::fractional_seconds(),
        FaultRule::without_optional_fields(),
        FaultRule::without_date(),
        FaultRule::cut(Cut::AfterResponse),
        FaultRule::delayed(Duration::from_millis(50)),
        FaultRule::throttled().first(2),
        FaultRule::unavailable(503).first(2),
        FaultRule::cut(Cut::BeforeResponse).first(2),
    ] {
        let world = World::new().await.unwrap();
        world.aws.inject(fault.clone()).unwrap();
        let chain =
            world.builder().unwrap().from_env().unwrap().assume_role(Role::new(HUB).unwrap());
        let session = chain.provider().provide_session(FetchContext::foreground()).await;
        let session = session.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        let lifetime = session.lifetime().unwrap();
        // Without a Date the lifetime is measured by this machine's clock, to the second.
        assert!(
            lifetime <= hour && lifetime > hour - Duration::from_secs(2),
            "{fault:?}: {lifetime:?}"
        );
    }
}

#[tokio::test]
async fn provider_recovers_after_outage() {
    let world = World::new().await.unwrap();
    world.aws.inject(FaultRule::unavailable(503).lasting(Duration::from_secs(600))).unwrap();
    let provider = world.builder().unwrap().from_env().unwrap().provider();
    provider.provide_session(FetchContext::foreground()).await.unwrap_err();
    world.clock.advance(Duration::from_secs(599));
    provider.provide_session(FetchContext::foreground()).await.unwrap_err();
    // Past the outage and the time for which the error is remembered.
    world.clock.advance(Duration::from_secs(60));
    provider.provide_session(FetchContext::foreground()).await.unwrap();
}

#[tokio::test]
async fn caller_identity_replaces_rejected_session() {
    let world = World::new().await.unwrap();
    let fault = FaultRule::error(403, "InvalidClientTokenId", "unknown");
    world.aws.inject(fault.on("GetCallerIdentity").first(1)).unwrap();
    let chain = world.builder().unwrap().from_env().unwrap();
    chain.provider().session().await.unwrap();
    // STS may not know a newer session yet: the call would be repeated with it.
    world.clock.advance(Duration::from_secs(10));
    let identity = chain.caller_identity().await.unwrap();
    assert_eq!(identity.role_arn.unwrap().as_str(), rolecall_tests::CHECKOUT);
    assert_eq!((world.aws.count(TOKEN), world.aws.count("GetCallerIdentity")), (2, 2));
}

#[tokio::test]
async fn one_wrong_date_does_not_expire_token() {
    let world = World::new().await.unwrap();
    // As if a proxy with a wrong clock had answered.
    world.aws.inject(FaultRule::date_offset(2 * 86_400).on(TOKEN).first(1)).unwrap();
    let source = world.builder().unwrap().from_env().unwrap().base_provider();
    let cx = FetchContext::background();
    source.inner().provide_session(cx.clone()).await.unwrap_err();
    assert!(source.inner().provide_session(cx).await.is_ok());
    assert_eq!(world.aws.count(TOKEN), 2);
}

#[tokio::test]
async fn clock_correction_costs_one_extra_signed_call() {
    let world = World::new().await.unwrap();
    let now = world.clock.clock().wall();
    let minute = Duration::from_secs(60);
    let machine_clock = ManualClock::at(now - 20 * minute);
    let chain = world.builder().unwrap().clock(machine_clock.clock()).from_env().unwrap();
    let role = || chain.clone().assume_role(Role::new(HUB).unwrap()).provider();
    let count_calls = async || {
        let before = world.aws.count(ROLE);
        role().provide_session(FetchContext::background()).await.unwrap();
        world.aws.count(ROLE) - before
    };
    // The base's response had the time of STS, by which the SDK's client signs.
    let correcting = count_calls().await;
    assert!((1..=2).contains(&correcting), "{correcting}");
    assert_eq!(count_calls().await, 1);
    machine_clock.set_wall(now);
    assert_eq!(
        count_calls().await,
        2,
        "the first request was signed with the outdated clock correction"
    );
    assert_eq!(count_calls().await, 1);
}

#[tokio::test]
async fn mfa_code_is_sent_only_once() {
    #[derive(Debug)]
    struct FixedCode;
    #[async_trait::async_trait]
    impl ProvideMfaCode for FixedCode {
        async fn provide_mfa_code(&self, _: &MfaSerial) -> Result<MfaCode, SessionError> {
            Ok(MfaCode::parse("123456")?)
        }
    }
    let world = World::new().await.unwrap();
    world.aws.inject(FaultRule::unavailable(503).on(ROLE)).unwrap();
    let role = Role::new(HUB).unwrap().mfa_serial("arn:aws:iam::111122223333:mfa/ann").unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume_role_with_mfa(role, FixedCode);
    let error = chain.provider().provide_session(FetchContext::foreground()).await.unwrap_err();
    assert_eq!((error.kind(), world.aws.count(ROLE)), (ErrorKind::Unavailable, 1));
}

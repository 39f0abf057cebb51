//! The errors of STS, one after the other: what the caller is told, and how often STS was asked.

use std::time::Duration;

use rolecall::{ErrorKind, FetchContext, FetchError, Role, SessionSource};
use rolecall_testkit::{Cut, FaultRule};
use rolecall_tests::{HUB, World};

const ROLE: &str = "AssumeRole";
const TOKEN: &str = "AssumeRoleWithWebIdentity";

/// What came of a call that a caller waits for, under this fault: the error, and how often STS was asked.
async fn told(operation: &str, fault: FaultRule) -> (FetchError, usize) {
    let world = World::new().await.unwrap();
    world.aws.inject(fault.on(operation)).unwrap();
    let chain = world.builder().unwrap().from_env().unwrap();
    let provider = match operation {
        TOKEN => chain.cached(),
        _ => chain.assume(Role::new(HUB).unwrap()).cached(),
    };
    let error = provider.session(FetchContext::caller()).await.unwrap_err();
    (error, world.aws.count(operation))
}

async fn refused(operation: &str, status: u16, code: &str, message: &str) -> (FetchError, usize) {
    told(operation, FaultRule::refused(status, code, message)).await
}

/// An error of this hop, with the code and a request id: its message, and what to look at.
#[track_caller]
fn is(error: &FetchError, kind: ErrorKind, code: &str, message: &str, look_at: Option<&str>) {
    assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{error}");
    let id = error.request_id().unwrap();
    let place = error.place().unwrap();
    let hint = look_at.map(|hint| format!("; look at: {hint}")).unwrap_or_default();
    assert_eq!(error.to_string(), format!("{place}: {message} ({code}, request id {id}){hint}"));
}

#[tokio::test]
async fn throttling_throttling_exception_request_limit_exceeded() {
    for (status, code) in [
        (400, "Throttling"),
        (429, "Throttling"),
        (400, "ThrottlingException"),
        (429, "ThrottlingException"),
        (400, "RequestLimitExceeded"),
    ] {
        let (error, asked) = refused(ROLE, status, code, "Rate exceeded").await;
        is(&error, ErrorKind::Throttled, code, "Rate exceeded", None);
        assert_eq!(asked, 3, "{code}");
    }
}

#[tokio::test]
async fn status_500_502_503_504() {
    for status in [500, 502, 503, 504] {
        let (error, asked) = told(ROLE, FaultRule::unavailable(status)).await;
        assert_eq!((error.kind(), asked), (ErrorKind::Unavailable, 3), "{error}");
        assert!(error.message().contains(&status.to_string()), "{error}");
        let (error, asked) =
            refused(ROLE, status, "InternalFailure", "We encountered an error").await;
        is(&error, ErrorKind::Unavailable, "InternalFailure", "We encountered an error", None);
        assert_eq!(asked, 3);
    }
}

#[tokio::test]
async fn connection_errors() {
    for cut in [Cut::BeforeWork, Cut::BeforeAnswer, Cut::WithinAnswer] {
        let (error, asked) = told(ROLE, FaultRule::cut(cut)).await;
        assert_eq!((error.kind(), asked), (ErrorKind::Unavailable, 3), "{cut:?}: {error}");
        let text = error.to_string();
        assert!(text.contains("broke off before its answer was complete"), "{cut:?}: {text}");
        assert!(text.contains("look at: whether this machine reaches http://127.0.0.1:"), "{text}");
    }
    // Nobody listens.
    let world = World::new().await.unwrap();
    let builder = world.builder().unwrap();
    drop(world);
    let error =
        builder.from_env().unwrap().cached().session(FetchContext::caller()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.report().to_lowercase().contains("connection refused"),
        "why: {}",
        error.report()
    );
}

#[tokio::test]
async fn time_outs() {
    let world = World::new().await.unwrap();
    world.aws.inject(FaultRule::hung().on(TOKEN)).unwrap();
    // One attempt: nobody waits for it.
    let base = world.builder().unwrap().from_env().unwrap().base();
    let error = base.source().session(FetchContext::background()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().ends_with("did not answer in time"), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn idp_communication_error() {
    let message = "Unable to communicate with the identity provider";
    let (error, asked) = refused(TOKEN, 400, "IDPCommunicationError", message).await;
    is(&error, ErrorKind::Unavailable, "IDPCommunicationError", message, None);
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn invalid_identity_token() {
    let message = "No OpenIDConnect provider found in your account for https://x";
    let (error, asked) = refused(TOKEN, 400, "InvalidIdentityToken", message).await;
    assert_eq!((error.kind(), asked), (ErrorKind::TokenRejected, 1), "the token is the same");
    let text = error.to_string();
    for part in [
        "the token (iss http://127.0.0.1:",
        "sub system:serviceaccount:shop:checkout",
        "aud sts.amazonaws.com",
        "account 111122223333 must have an OIDC provider for its iss, with its aud as client id",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // Verification-key trouble passes.
    let message = "Couldn't retrieve verification key from your identity provider,  please reference \
                   AssumeRoleWithWebIdentity documentation for requirements";
    let (error, asked) = refused(TOKEN, 400, "InvalidIdentityToken", message).await;
    let look_at =
        "whether the token's issuer serves its keys (the jwks_uri of its discovery document)";
    is(&error, ErrorKind::Unavailable, "InvalidIdentityToken", message, Some(look_at));
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn expired_token_exception_web_identity() {
    let message = "Token expired: current date/time 1 must be before the expiration date/time 0";
    let (error, asked) = refused(TOKEN, 400, "ExpiredTokenException", message).await;
    assert_eq!((error.kind(), asked), (ErrorKind::TokenRejected, 1), "the token is the same");
    let hint = error.hint().unwrap();
    assert!(hint.contains(", ends 2") && hint.contains("who renews it"), "{hint}");
}

#[tokio::test]
async fn expired_token_invalid_client_token_id_signed_calls() {
    for (status, code) in
        [(403, "ExpiredToken"), (403, "InvalidClientTokenId"), (400, "ExpiredToken")]
    {
        let message = "The security token included in the request is no good";
        let (error, asked) = refused(ROLE, status, code, message).await;
        let look_at =
            "the access key that signed: it has ended, was deleted, or is of another partition";
        is(&error, ErrorKind::TokenRejected, code, message, Some(look_at));
        // With the signer, and once more with the next one.
        assert_eq!(asked, 2, "{code}");
    }
}

#[tokio::test]
async fn a_refused_signer_is_replaced_and_the_caller_sees_nothing_of_it() {
    let world = World::new().await.unwrap();
    world.aws.inject(FaultRule::refused(403, "ExpiredToken", "expired").on(ROLE).first(1)).unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume(Role::new(HUB).unwrap());
    chain.cached().session(FetchContext::caller()).await.unwrap();
    assert_eq!((world.aws.count(TOKEN), world.aws.count(ROLE)), (2, 2));
}

#[tokio::test]
async fn idp_rejected_claim() {
    let message = "The identity provider rejected the claim";
    let (error, asked) = refused(TOKEN, 403, "IDPRejectedClaim", message).await;
    assert_eq!((error.kind(), asked), (ErrorKind::Denied, 1), "the token is the same");
    assert!(error.hint().unwrap().contains("sub system:serviceaccount:shop:checkout"), "{error}");
}

#[tokio::test]
async fn access_denied() {
    let me = "arn:aws:sts::111122223333:assumed-role/checkout/suite";
    let message =
        format!("User: {me} is not authorized to perform: sts:AssumeRole on resource: {HUB}");
    let (error, asked) = refused(ROLE, 403, "AccessDenied", &message).await;
    let look_at = format!(
        "the trust policy of {HUB} must allow {me}; it must have no sts:ExternalId condition, since no external id was \
         sent; the caller's own policies must allow sts:AssumeRole on the role"
    );
    is(&error, ErrorKind::Denied, "AccessDenied", &message, Some(&look_at));
    assert_eq!(asked, 1);
    // Tags are an action of their own.
    let message = message.replace("sts:AssumeRole", "sts:TagSession");
    let (error, _) = refused(ROLE, 403, "AccessDenied", &message).await;
    let hint = error.hint().unwrap();
    assert!(
        hint.starts_with(&format!("the trust policy of {HUB} must allow {me} sts:TagSession; ")),
        "{hint}"
    );
    assert!(hint.ends_with("policies must allow sts:TagSession on the role"), "{hint}");
    let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let (error, asked) = refused(TOKEN, 403, "AccessDenied", message).await;
    assert_eq!((error.kind(), asked), (ErrorKind::Denied, 1));
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("must allow sts:AssumeRoleWithWebIdentity to the OIDC provider of its iss"),
        "{hint}"
    );
}

#[tokio::test]
async fn malformed_policy_document_packed_policy_too_large() {
    for (code, message, look_at) in [
        ("MalformedPolicyDocument", "Syntax errors in policy.", "the session policy"),
        (
            "PackedPolicyTooLarge",
            "Packed size of session tags consumes 112% of allotted space.",
            "the session policy and tags: fewer or shorter ones",
        ),
    ] {
        let (error, asked) = refused(ROLE, 400, code, message).await;
        is(&error, ErrorKind::InvalidConfig, code, message, Some(look_at));
        assert_eq!(asked, 1);
    }
}

#[tokio::test]
async fn region_disabled_exception() {
    let message = "STS is not activated in this region for account:111122223333";
    let (error, asked) = refused(ROLE, 403, "RegionDisabledException", message).await;
    let look_at =
        "enable STS for this Region in the account's settings, or use another Region's endpoint";
    is(&error, ErrorKind::InvalidConfig, "RegionDisabledException", message, Some(look_at));
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn validation_error() {
    let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    let (error, asked) = refused(ROLE, 400, "ValidationError", message).await;
    is(&error, ErrorKind::InvalidConfig, "ValidationError", message, None);
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn signature_does_not_match() {
    let message = "The request signature we calculated does not match the signature you provided.";
    let (error, asked) = refused(ROLE, 403, "SignatureDoesNotMatch", message).await;
    let look_at = "the secret access key: this machine's clock and STS's agree";
    is(&error, ErrorKind::InvalidConfig, "SignatureDoesNotMatch", message, Some(look_at));
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn signature_does_not_match_for_the_clock_says_by_how_much_it_is_off() {
    let world = World::new().await.unwrap();
    let wall = world.hands.clock().wall() + Duration::from_secs(3600);
    let own = rolecall::ManualClock::at(wall);
    // Also what is signed by STS's own time is refused: the hint is what counts.
    let fault = FaultRule::refused(403, "SignatureDoesNotMatch", "Signature not yet current");
    world.aws.inject(fault.on(ROLE)).unwrap();
    let chain = world.builder().unwrap().clock(own.clock()).from_env().unwrap();
    let chain = chain.assume(Role::new(HUB).unwrap());
    let error = chain.cached().session(FetchContext::caller()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let hint = error.hint().unwrap();
    assert_eq!(
        hint,
        "this machine's clock, which is 60 min ahead of STS's (it takes five minutes at most)"
    );
}

#[tokio::test]
async fn answers_that_are_no_answers() {
    for fault in [FaultRule::garbage(), FaultRule::truncated(), FaultRule::expired_session()] {
        let (error, asked) = told(ROLE, fault.clone()).await;
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{fault:?}: {error}");
        assert!(asked >= 1, "{fault:?}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn answers_that_are_odd_and_good() {
    let hour = Duration::from_secs(3600);
    for fault in [
        FaultRule::fractional_seconds(),
        FaultRule::without_optional_fields(),
        FaultRule::without_date(),
        FaultRule::cut(Cut::AfterAnswer),
        FaultRule::delayed(Duration::from_millis(50)),
        FaultRule::throttled().first(2),
        FaultRule::unavailable(503).first(2),
        FaultRule::cut(Cut::BeforeAnswer).first(2),
    ] {
        let world = World::new().await.unwrap();
        world.aws.inject(fault.clone()).unwrap();
        let chain = world.builder().unwrap().from_env().unwrap().assume(Role::new(HUB).unwrap());
        let session = chain.cached().session(FetchContext::caller()).await;
        let session = session.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        let lifetime = session.lifetime().unwrap();
        // Without a Date it is measured by this machine's clock, to the second.
        assert!(
            lifetime <= hour && lifetime > hour - Duration::from_secs(2),
            "{fault:?}: {lifetime:?}"
        );
    }
}

#[tokio::test]
async fn an_outage_that_ends() {
    let world = World::new().await.unwrap();
    world.aws.inject(FaultRule::unavailable(503).lasting(Duration::from_secs(600))).unwrap();
    let provider = world.builder().unwrap().from_env().unwrap().cached();
    provider.session(FetchContext::caller()).await.unwrap_err();
    world.hands.advance(Duration::from_secs(599));
    provider.session(FetchContext::caller()).await.unwrap_err();
    // Past the outage, and past the time for which the error is remembered.
    world.hands.advance(Duration::from_secs(60));
    provider.session(FetchContext::caller()).await.unwrap();
}

#[tokio::test]
async fn who_am_i_is_asked_with_another_session_if_the_first_is_refused() {
    let world = World::new().await.unwrap();
    let fault = FaultRule::refused(403, "InvalidClientTokenId", "unknown");
    world.aws.inject(fault.on("GetCallerIdentity").first(1)).unwrap();
    let chain = world.builder().unwrap().from_env().unwrap();
    let me = chain.caller_identity().await.unwrap();
    assert_eq!(me.role_arn.unwrap().as_str(), rolecall_tests::CHECKOUT);
    assert_eq!((world.aws.count(TOKEN), world.aws.count("GetCallerIdentity")), (2, 2));
}

#[tokio::test]
async fn a_wrong_date_of_one_answer_ends_no_token() {
    let world = World::new().await.unwrap();
    // As if a proxy with a clock of its own had answered.
    world.aws.inject(FaultRule::date_off(2 * 86_400).on(TOKEN).first(1)).unwrap();
    let source = world.builder().unwrap().from_env().unwrap().base();
    let cx = FetchContext::background();
    source.source().session(cx).await.unwrap_err();
    assert!(source.source().session(cx).await.is_ok());
    assert_eq!(world.aws.count(TOKEN), 2);
}

#[tokio::test]
async fn a_clock_that_is_put_right_costs_one_signed_call_more_and_then_none() {
    let world = World::new().await.unwrap();
    let now = world.hands.clock().wall();
    let minute = Duration::from_secs(60);
    let own = rolecall::ManualClock::at(now - 10 * minute);
    let chain = world.builder().unwrap().clock(own.clock()).from_env().unwrap();
    let role = || chain.clone().assume(Role::new(HUB).unwrap()).cached();
    let asked = async || {
        let before = world.aws.count(ROLE);
        role().session(FetchContext::background()).await.unwrap();
        world.aws.count(ROLE) - before
    };
    // The base has told the time: the SDK's client signs by it.
    let learnt = asked().await;
    assert!((1..=2).contains(&learnt), "{learnt}");
    assert_eq!(asked().await, 1);
    own.set_wall(now);
    assert_eq!(asked().await, 2, "it was signed as if the clock were still wrong");
    assert_eq!(asked().await, 1);
}

#[tokio::test]
async fn an_mfa_code_is_sent_once() {
    #[derive(Debug)]
    struct Fixed;
    #[async_trait::async_trait]
    impl rolecall::MfaCodes for Fixed {
        async fn code(&self, _: &rolecall::MfaSerial) -> Result<rolecall::MfaCode, FetchError> {
            Ok(rolecall::MfaCode::parse("123456")?)
        }
    }
    let world = World::new().await.unwrap();
    world.aws.inject(FaultRule::unavailable(503).on(ROLE)).unwrap();
    let role = Role::new(HUB).unwrap().mfa_serial("arn:aws:iam::111122223333:mfa/ann").unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume_with_mfa(role, Fixed);
    let error = chain.cached().session(FetchContext::caller()).await.unwrap_err();
    assert_eq!((error.kind(), world.aws.count(ROLE)), (ErrorKind::Unavailable, 1));
}

//! Every check of the local STS: what passes it, and what fails it alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[cfg(all(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
mod chunks;
#[cfg(all(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
mod ecr;
mod grants;
#[cfg(all(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
mod one_signature;
#[cfg(all(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
mod record;
mod recreated;
#[cfg(all(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
mod s3;
#[cfg(all(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
mod secrets;
#[cfg(all(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
mod services;
mod wire;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, IdentityCache, Region};
use aws_sdk_sts::error::ProvideErrorMetadata;
use rolecall_core::ManualClock;
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws, OidcIssuer, SigningKey, TokenBuilder};
use serde_json::json;

const SHOP: &str = "111122223333";
const ORDERS: &str = "444455556666";
const CHECKOUT: &str = "arn:aws:iam::111122223333:role/checkout";
const OPEN: &str = "arn:aws:iam::444455556666:role/open";
const GUARDED: &str = "arn:aws:iam::444455556666:role/team/guarded";
const NAMING: &str = "arn:aws:iam::111122223333:role/naming";
const DELEGATING: &str = "arn:aws:iam::111122223333:role/delegating";

struct World {
    aws: LocalAws,
    cluster: OidcIssuer,
    /// Known to no account.
    stranger: OidcIssuer,
    manual: ManualClock,
}

fn trust(principal: serde_json::Value, condition: serde_json::Value) -> String {
    let action = if principal.get("Federated").is_some() {
        "sts:AssumeRoleWithWebIdentity"
    } else {
        "sts:AssumeRole"
    };
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition,
    }]})
    .to_string()
}

fn may_assume(resource: &str) -> String {
    json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": resource}})
        .to_string()
}

impl World {
    async fn new() -> Self {
        let manual = ManualClock::new();
        let cluster = OidcIssuer::start_with_clock(manual.clock()).await.unwrap();
        let stranger = OidcIssuer::start_with_clock(manual.clock()).await.unwrap();
        let issuer = cluster.host_and_path();
        let checkout_trust = trust(
            json!({"Federated": cluster.provider_arn(SHOP)}),
            json!({"StringEquals": {
                format!("{issuer}:sub"): "system:serviceaccount:shop:checkout",
                format!("{issuer}:aud"): ["sts.amazonaws.com", "unregistered"],
            }}),
        );
        let shop = json!({"AWS": SHOP});
        let external_id = json!({"StringEquals": {"sts:ExternalId": "shop-4711"}});
        let naming = json!({"AWS": format!("arn:aws:iam::{SHOP}:user/bob")});
        let aws = LocalAws::builder()
            .clock(manual.clock())
            .account(
                Account::new(SHOP)
                    .oidc_provider(&cluster, ["sts.amazonaws.com", "vault"])
                    .user(IamUser::new("ann").policy(may_assume("*")))
                    .user(IamUser::new("bob"))
                    .role(
                        IamRole::new("checkout")
                            .trust(checkout_trust)
                            .policy(may_assume("arn:aws:iam::444455556666:role/*"))
                            .max_session_duration(Duration::from_secs(7200)),
                    )
                    .role(IamRole::new("naming").trust(trust(naming, json!({}))))
                    .role(IamRole::new("delegating").trust(trust(shop.clone(), json!({})))),
            )
            .account(
                Account::new(ORDERS)
                    .user(IamUser::new("eve").policy(may_assume("*")))
                    .role(
                        IamRole::new("open")
                            .trust(trust(shop.clone(), json!({})))
                            .max_session_duration(Duration::from_secs(43_200)),
                    )
                    .role(IamRole::new("team/guarded").trust(trust(shop, external_id)))
                    .role(IamRole::new("closed")),
            )
            .start()
            .await
            .unwrap();
        Self { aws, cluster, stranger, manual }
    }

    fn token(&self) -> TokenBuilder<'_> {
        self.cluster.service_account_token("shop", "checkout")
    }

    fn client(&self, credentials: Option<Credentials>) -> Client {
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(self.aws.endpoint_url())
            .time_source(self.manual.clock())
            .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
            .identity_cache(IdentityCache::no_cache());
        config.set_credentials_provider(
            credentials.map(aws_sdk_sts::config::SharedCredentialsProvider::new),
        );
        Client::from_conf(config.build())
    }

    fn user(&self, account: &str, name: &str) -> Credentials {
        self.aws.user_credentials(account, name).unwrap()
    }

    /// `Ok`: the granted session.
    async fn by_token(&self, token: &str) -> Result<Credentials, String> {
        self.by_token_as(CHECKOUT, token, None).await
    }

    async fn by_token_as(
        &self,
        role: &str,
        token: &str,
        seconds: Option<i32>,
    ) -> Result<Credentials, String> {
        let request = self.client(None).assume_role_with_web_identity();
        let request = request.role_arn(role).role_session_name("pod").web_identity_token(token);
        match request.set_duration_seconds(seconds).send().await {
            Ok(output) => Ok(granted(output.credentials().unwrap())),
            Err(error) => Err(told(&error.into_service_error())),
        }
    }

    async fn assume_role(
        &self,
        caller: Credentials,
        role: &str,
        external_id: Option<&str>,
    ) -> Result<Credentials, String> {
        self.assume_for(caller, role, external_id, None).await
    }

    async fn assume_for(
        &self,
        caller: Credentials,
        role: &str,
        external_id: Option<&str>,
        seconds: Option<i32>,
    ) -> Result<Credentials, String> {
        let request =
            self.client(Some(caller)).assume_role().role_arn(role).role_session_name("test");
        let request =
            request.set_external_id(external_id.map(str::to_owned)).set_duration_seconds(seconds);
        match request.send().await {
            Ok(output) => Ok(granted(output.credentials().unwrap())),
            Err(error) => Err(told(&error.into_service_error())),
        }
    }

    async fn who(&self, caller: Credentials) -> Result<String, String> {
        match self.client(Some(caller)).get_caller_identity().send().await {
            Ok(output) => Ok(output.arn().unwrap().to_owned()),
            Err(error) => Err(told(&error.into_service_error())),
        }
    }
}

fn granted(keys: &aws_sdk_sts::types::Credentials) -> Credentials {
    let token = Some(keys.session_token().to_owned());
    Credentials::new(keys.access_key_id(), keys.secret_access_key(), token, None, "test")
}

fn told(error: &impl ProvideErrorMetadata) -> String {
    format!("{}: {}", error.code().unwrap_or("?"), error.message().unwrap_or("?"))
}

/// The error that begins so.
#[track_caller]
fn refused<T>(result: Result<T, String>, beginning: &str) {
    match result {
        Ok(_) => panic!("it was allowed; expected {beginning:?}"),
        Err(told) => {
            assert!(told.starts_with(beginning), "{told:?} does not begin with {beginning:?}")
        }
    }
}

const NOT_BY_TOKEN: &str = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity";

#[tokio::test]
async fn valid_token_gets_session_of_role() {
    let world = World::new().await;
    let session = world.by_token(&world.token().sign().unwrap()).await.unwrap();
    let who = world.who(session).await.unwrap();
    assert_eq!(who, "arn:aws:sts::111122223333:assumed-role/checkout/pod");
}

#[tokio::test]
async fn token_signature_is_verified() {
    let world = World::new().await;
    let foreign = SigningKey::generate().unwrap();
    let forged = world.token().signed_by(&foreign).sign().unwrap();
    refused(world.by_token(&forged).await, "InvalidIdentityToken: The ID Token's signature");
    // The right signature, of other claims.
    let right = world.token().sign().unwrap();
    let other = world.cluster.service_account_token("shop", "basket").sign().unwrap();
    let parts: Vec<&str> = other.split('.').collect();
    let signature = right.rsplit('.').next().unwrap();
    let spliced = format!("{}.{}.{signature}", parts[0], parts[1]);
    refused(world.by_token(&spliced).await, "InvalidIdentityToken: The ID Token's signature");
}

#[tokio::test]
async fn unsigned_token_is_refused() {
    let world = World::new().await;
    let right = world.token().sign().unwrap();
    let payload = right.split('.').nth(1).unwrap();
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
    refused(world.by_token(&unsigned).await, "InvalidIdentityToken");
    refused(
        world.by_token("not-a-token").await,
        "InvalidIdentityToken: The ID Token provided is not a valid JWT",
    );
}

#[tokio::test]
async fn token_of_unknown_issuer_is_refused() {
    let world = World::new().await;
    // Signed by its own issuer, rightly; but no account knows that one.
    let token = world.stranger.service_account_token("shop", "checkout").sign().unwrap();
    let expected = format!(
        "InvalidIdentityToken: No OpenIDConnect provider found in your account for {}",
        world.stranger.url()
    );
    refused(world.by_token(&token).await, &expected);
    // A known issuer's name in it does not help: its keys did not sign it.
    let claimed =
        world.stranger.service_account_token("shop", "checkout").issuer(world.cluster.url());
    refused(
        world.by_token(&claimed.sign().unwrap()).await,
        "InvalidIdentityToken: Couldn't retrieve verification key",
    );
    // Known to one account is not known to another.
    let token = world.token().sign().unwrap();
    refused(
        world.by_token_as(OPEN, &token, None).await,
        "InvalidIdentityToken: No OpenIDConnect provider",
    );
}

#[tokio::test]
async fn token_audience_must_be_registered_client_id() {
    let world = World::new().await;
    let token = world.token().audience("unregistered").sign().unwrap();
    refused(world.by_token(&token).await, "InvalidIdentityToken: Incorrect token audience");
}

#[tokio::test]
async fn token_audience_is_checked_by_trust_policy() {
    let world = World::new().await;
    let token = world.token().audience("vault").sign().unwrap();
    refused(world.by_token(&token).await, NOT_BY_TOKEN);
}

#[tokio::test]
async fn unregistered_second_audience_is_ignored() {
    let world = World::new().await;
    let audiences = json!(["vault", "unregistered"]);
    let token = world.token().claim("aud", audiences).sign().unwrap();
    refused(world.by_token(&token).await, NOT_BY_TOKEN);
    let azp = world.token().claim("azp", json!("someone-else")).sign().unwrap();
    refused(
        world.by_token(&azp).await,
        "InvalidIdentityToken: The local STS does not know the claim azp",
    );
}

#[tokio::test]
async fn invalid_setup_is_refused() {
    let cluster = OidcIssuer::start().await.unwrap();
    let trusting = |condition: serde_json::Value| {
        Account::new(SHOP).role(IamRole::new("r").trust(trust(json!({"AWS": SHOP}), condition)))
    };
    for (account, fault) in [
        (
            trusting(json!({"Bool": {"aws:SecureTransport": "false"}})),
            "the condition key aws:SecureTransport is not known",
        ),
        (
            trusting(json!({"StringNotEquals": {"sts:externalID_typo": "x"}})),
            "sts:externalID_typo is not known",
        ),
        (
            trusting(json!({"StringNotEquals": {"shop.example:sub": "x"}})),
            "shop.example:sub is not known",
        ),
        (Account::new(SHOP).role(IamRole::new("a/r")).role(IamRole::new("b/r")), "used twice"),
        (Account::new(SHOP).user(IamUser::new("an n/:*")), "user \"an n/:*\": the character ' '"),
        (
            Account::new(SHOP).role(IamRole::new("r").max_session_duration(Duration::from_secs(1))),
            "MaxSessionDuration",
        ),
        (
            Account::new(SHOP).oidc_provider(&cluster, ["a"]).oidc_provider(&cluster, ["b"]),
            "two identity providers",
        ),
        (Account::new("1"), "it is not 12 digits"),
    ] {
        let error = LocalAws::builder().account(account).start().await.unwrap_err().to_string();
        assert!(error.contains(fault), "{fault:?} is not in {error:?}");
    }
}

#[tokio::test]
async fn token_subject_is_checked_by_trust_policy() {
    let world = World::new().await;
    let token = world.cluster.service_account_token("shop", "basket").sign().unwrap();
    refused(world.by_token(&token).await, NOT_BY_TOKEN);
}

#[tokio::test]
async fn token_expires_by_server_clock() {
    let world = World::new().await;
    let token = world.token().expires_in(Duration::from_secs(600)).sign().unwrap();
    world.manual.advance(Duration::from_secs(599));
    world.by_token(&token).await.unwrap();
    world.manual.advance(Duration::from_secs(1));
    refused(
        world.by_token(&token).await,
        "ExpiredTokenException: Token expired: current date/time ",
    );
}

#[tokio::test]
async fn token_before_its_nbf_is_refused() {
    let world = World::new().await;
    let token = world.token().claim("nbf", json!(4_000_000_000_u64)).sign().unwrap();
    refused(world.by_token(&token).await, "InvalidIdentityToken: The token is not good before");
}

#[tokio::test]
async fn issuer_without_keys_gets_transient_error() {
    let world = World::new().await;
    let token = world.token().sign().unwrap();
    world.cluster.withdraw_keys();
    refused(
        world.by_token(&token).await,
        "InvalidIdentityToken: Couldn't retrieve verification key from your identity provider,  please reference",
    );
}

#[tokio::test]
async fn external_id_is_checked() {
    let world = World::new().await;
    let ann = || world.user(SHOP, "ann");
    let denied = format!(
        "AccessDenied: User: arn:aws:iam::{SHOP}:user/ann is not authorized to perform: sts:AssumeRole on resource: {GUARDED}"
    );
    refused(world.assume_role(ann(), GUARDED, None).await, &denied);
    refused(world.assume_role(ann(), GUARDED, Some("shop-4712")).await, &denied);
    let session = world.assume_role(ann(), GUARDED, Some("shop-4711")).await.unwrap();
    let who = world.who(session).await.unwrap();
    assert_eq!(who, "arn:aws:sts::444455556666:assumed-role/guarded/test", "without the path");
}

#[tokio::test]
async fn caller_account_is_checked() {
    let world = World::new().await;
    world.assume_role(world.user(SHOP, "ann"), OPEN, None).await.unwrap();
    // Eve's own policies allow everything, and she is in the role's own account; it trusts another.
    refused(
        world.assume_role(world.user(ORDERS, "eve"), OPEN, None).await,
        "AccessDenied: User: arn:aws:iam::444455556666:user/eve",
    );
}

#[tokio::test]
async fn caller_identity_policies_are_checked() {
    let world = World::new().await;
    let bob = || world.user(SHOP, "bob");
    // Other account; own account by delegation; own account by name.
    refused(world.assume_role(bob(), OPEN, None).await, "AccessDenied");
    refused(world.assume_role(bob(), DELEGATING, None).await, "AccessDenied");
    world.assume_role(bob(), NAMING, None).await.unwrap();
}

#[tokio::test]
async fn absent_and_untrusting_roles_get_same_error() {
    let world = World::new().await;
    for role in ["arn:aws:iam::444455556666:role/closed", "arn:aws:iam::444455556666:role/none"] {
        let expected = format!(
            "AccessDenied: User: arn:aws:iam::{SHOP}:user/ann is not authorized to perform: sts:AssumeRole on resource: {role}"
        );
        refused(world.assume_role(world.user(SHOP, "ann"), role, None).await, &expected);
    }
    let reasons: Vec<_> = world.aws.calls().into_iter().filter_map(|call| call.reason).collect();
    assert_eq!(reasons, ["the role has no trust policy", "there is no such role"]);
}

#[tokio::test]
async fn request_signature_is_verified() {
    let world = World::new().await;
    let ann = world.user(SHOP, "ann");
    assert!(world.who(ann.clone()).await.is_ok());
    let wrong = Credentials::new(
        ann.access_key_id(),
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        None,
        None,
        "test",
    );
    refused(world.who(wrong).await, "SignatureDoesNotMatch: The request signature we calculated");
}

#[tokio::test]
async fn unknown_key_and_wrong_token_are_refused() {
    let world = World::new().await;
    let unknown = Credentials::new("AKIAIOSFODNN7EXAMPLE", "x", None, None, "test");
    refused(
        world.who(unknown).await,
        "InvalidClientTokenId: The security token included in the request is invalid",
    );
    let session = world.assume_role(world.user(SHOP, "ann"), OPEN, None).await.unwrap();
    for token in [None, Some("another".to_owned())] {
        let tampered = Credentials::new(
            session.access_key_id(),
            session.secret_access_key(),
            token,
            None,
            "test",
        );
        refused(world.who(tampered).await, "InvalidClientTokenId");
    }
    let with_token = world.user(SHOP, "ann");
    let with_token = Credentials::new(
        with_token.access_key_id(),
        with_token.secret_access_key(),
        Some("a user's key has none".into()),
        None,
        "test",
    );
    refused(world.who(with_token).await, "InvalidClientTokenId");
}

#[tokio::test]
async fn clock_skew_beyond_fifteen_minutes_is_refused() {
    let world = World::new().await;
    let client = world.client(Some(world.user(SHOP, "ann")));
    let signed_off_by = async |offset: i64| {
        // The client keeps the clock that it was made with, and the server has one of its own.
        let at = world.manual.clock().wall();
        let off = match offset {
            off if off < 0 => at - Duration::from_secs(off.unsigned_abs()),
            off => at + Duration::from_secs(off.unsigned_abs()),
        };
        let config = client.config().to_builder().time_source(ManualClock::at(off).clock());
        let request = Client::from_conf(config.build()).get_caller_identity().send().await;
        request.map(|_| ()).map_err(|error| told(&error.into_service_error()))
    };
    // The server's clock stands still, so the boundary can be tested to the second; signatures have
    // whole seconds, and the clock's fraction of one makes an old signature older.
    for seconds in [-899, 0, 900] {
        signed_off_by(seconds).await.unwrap();
    }
    for seconds in [-901, -3600] {
        refused(signed_off_by(seconds).await, "SignatureDoesNotMatch: Signature expired: ");
    }
    for seconds in [902, 3600] {
        let expected = "SignatureDoesNotMatch: Signature not yet current: ";
        refused(signed_off_by(seconds).await, expected);
    }
}

#[tokio::test]
async fn session_expires_by_server_clock() {
    let world = World::new().await;
    let session = world.assume_for(world.user(SHOP, "ann"), OPEN, None, Some(900)).await.unwrap();
    world.manual.advance(Duration::from_secs(899));
    world.who(session.clone()).await.unwrap();
    world.manual.advance(Duration::from_secs(2));
    refused(
        world.who(session).await,
        "ExpiredToken: The security token included in the request is expired",
    );
}

#[tokio::test]
async fn duration_is_limited_by_role_and_chain() {
    let world = World::new().await;
    let ann = || world.user(SHOP, "ann");
    refused(
        world.assume_for(ann(), OPEN, None, Some(899)).await,
        "ValidationError: 1 validation error",
    );
    refused(
        world.assume_for(ann(), OPEN, None, Some(43_201)).await,
        "ValidationError: 1 validation error",
    );
    world.assume_for(ann(), OPEN, None, Some(43_200)).await.unwrap();
    let max = "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration";
    refused(world.assume_for(ann(), DELEGATING, None, Some(3601)).await, max);
    let token = world.token().sign().unwrap();
    refused(world.by_token_as(CHECKOUT, &token, Some(7201)).await, max);
    let session = world.by_token_as(CHECKOUT, &token, Some(7200)).await.unwrap();
    world.assume_for(session.clone(), OPEN, None, Some(3600)).await.unwrap();
    let chained = world.assume_for(session, OPEN, None, Some(3601)).await;
    refused(
        chained,
        "ValidationError: The requested DurationSeconds exceeds the 1 hour session limit",
    );
}

#[tokio::test]
async fn malformed_parameter_is_named_in_error() {
    let world = World::new().await;
    let ann = || world.user(SHOP, "ann");
    refused(
        world.assume_role(ann(), "arn:aws:iam::1:role/x-and-some-more", None).await,
        "ValidationError: 1 validation error detected: Value 'arn:aws:iam::1:role/x-and-some-more' at 'roleArn'",
    );
    refused(
        world.assume_role(ann(), OPEN, Some("x")).await,
        "ValidationError: 1 validation error detected: Value 'x' at 'externalId'",
    );
    refused(
        world.by_token("x").await,
        "ValidationError: 1 validation error detected: Value '' at 'webIdentityToken'",
    );
}

#[tokio::test]
async fn unknown_operation_or_parameter_is_refused() {
    let world = World::new().await;
    let client = world.client(Some(world.user(SHOP, "ann")));
    let context = aws_sdk_sts::types::ProvidedContext::builder()
        .provider_arn("arn:aws:iam::aws:contextProvider/IdentityCenter")
        .context_assertion("assertion")
        .build();
    let request =
        client.assume_role().role_arn(OPEN).role_session_name("test").provided_contexts(context);
    let told_ = told(&request.send().await.unwrap_err().into_service_error());
    let expected =
        "ValidationError: the local STS does not know the parameter ProvidedContexts.member.1.";
    assert!(told_.starts_with(expected), "{told_}");
    let other = told(&client.get_session_token().send().await.unwrap_err().into_service_error());
    assert!(
        other.starts_with("InvalidAction: Could not find operation GetSessionToken"),
        "{other}"
    );
}

#[tokio::test]
async fn record_has_caller_and_outcome() {
    let world = World::new().await;
    let _ = world.assume_role(world.user(SHOP, "ann"), GUARDED, None).await;
    world.who(world.user(SHOP, "ann")).await.unwrap();
    let calls = world.aws.calls();
    let ann = Some(format!("arn:aws:iam::{SHOP}:user/ann"));
    assert_eq!((calls[0].operation.as_str(), &calls[0].caller), ("AssumeRole", &ann));
    assert_eq!(calls[0].error.as_deref(), Some("AccessDenied"));
    assert_eq!((calls[1].operation.as_str(), &calls[1].error), ("GetCallerIdentity", &None));
    assert_eq!((world.aws.count("AssumeRole"), world.aws.count("GetCallerIdentity")), (1, 1));
}

//! The limits of STS parameters. A value at the limit is accepted by rolecall and by the local STS.
//! A value beyond it is rejected by rolecall before the call, and by the local STS if the SDK's
//! client sends it.

use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder as Call;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use rolecall::params::{
    ExternalId, MfaCode, MfaSerial, PolicyArn, ProvidedContext, ProviderId, RoleArn,
    SessionDuration, SessionName, SessionPolicy, SessionTags, SourceIdentity,
};
use rolecall::provider::FetchContext;
use rolecall::web_identity::WebIdentityToken;
use rolecall::{Chain, Environment, ProvideSession, Role};
use rolecall_tests::{HUB, SHOP, World};

/// rolecall and the SDK's STS client on the same local STS.
struct Clients {
    world: World,
    chain: Chain,
    sdk: aws_sdk_sts::Client,
}

impl Clients {
    async fn new() -> Self {
        let world = World::new().await.unwrap();
        let ann = world.aws.user_credentials(SHOP, "ann").unwrap();
        let environment = Environment::fixed([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", world.aws.endpoint_url()),
        ]);
        let builder =
            rolecall::Chain::builder().environment(environment).clock(world.clock.clock());
        let chain = builder.from_sdk_provider("ann", ann.clone()).unwrap();
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(world.aws.endpoint_url())
            .time_source(world.clock.clock())
            .credentials_provider(ann)
            .build();
        Self { chain, sdk: aws_sdk_sts::Client::from_conf(config), world }
    }

    /// Checks that rolecall and the local STS accept `role`.
    async fn assert_accepted(&self, role: Role) {
        let session = self
            .chain
            .clone()
            .assume_role(role)
            .provider()
            .provide_session(FetchContext::foreground())
            .await;
        session.unwrap();
    }

    /// Sends a request with the SDK's client, which rolecall's parsers do not see. Returns the
    /// message of the local STS's error, if any.
    async fn sdk_error(&self, with: impl FnOnce(Call) -> Call) -> Option<String> {
        let call = self.sdk.assume_role().role_arn(HUB).role_session_name("other");
        let error = with(call).send().await.err()?;
        let error = error.into_service_error();
        let code = error.meta().code().unwrap();
        assert!(code == "ValidationError" || code == "PackedPolicyTooLarge", "{error:?}");
        Some(error.meta().message().unwrap().to_owned())
    }
}

fn hub() -> Role {
    Role::new(HUB).unwrap()
}

#[tokio::test]
async fn role_arn_limits_match_sts() {
    let clients = Clients::new().await;
    clients.assert_accepted(hub()).await;
    let long = |name: usize| format!("arn:aws:iam::{SHOP}:role/{}", "r".repeat(name));
    assert!(RoleArn::parse(&long(64)).is_ok());
    for invalid in [long(2048), "arn:aws:iam::1:role/r".into(), "arn:aws:iam::x".into()] {
        let error = RoleArn::parse(&invalid).unwrap_err().to_string();
        assert!(error.contains("` is not a valid role ARN") && error.len() < 400, "{error}");
        assert!(clients.sdk_error(|call| call.role_arn(&invalid)).await.is_some(), "{invalid}");
    }
}

#[tokio::test]
async fn session_name_and_source_identity_limits_match_sts() {
    let clients = Clients::new().await;
    for valid in ["ab".to_owned(), "n".repeat(64), "a_B1+=,.@-".to_owned()] {
        assert!(SourceIdentity::parse(&valid).is_ok());
        clients.assert_accepted(hub().session_name(&valid).unwrap()).await;
        assert_eq!(clients.sdk_error(|call| call.role_session_name(&valid)).await, None, "{valid}");
    }
    for invalid in ["a".to_owned(), "n".repeat(65), "a b".into(), "a/b".into(), "müller".into()] {
        assert!(
            SessionName::parse(&invalid).is_err() && SourceIdentity::parse(&invalid).is_err(),
            "{invalid}"
        );
        assert!(
            clients.sdk_error(|call| call.role_session_name(&invalid)).await.is_some(),
            "{invalid}"
        );
        assert!(
            clients.sdk_error(|call| call.source_identity(&invalid)).await.is_some(),
            "{invalid}"
        );
    }
}

#[tokio::test]
async fn external_id_limits_match_sts() {
    let clients = Clients::new().await;
    for valid in ["ab".to_owned(), "e".repeat(1224), "a_B1+=,.@:/-".to_owned()] {
        clients.assert_accepted(hub().external_id(&valid).unwrap()).await;
    }
    for invalid in ["a".to_owned(), "e".repeat(1225), "a b".into(), "a#b".into()] {
        assert!(ExternalId::parse(&invalid).is_err(), "{invalid}");
        assert!(clients.sdk_error(|call| call.external_id(&invalid)).await.is_some(), "{invalid}");
    }
}

#[tokio::test]
async fn duration_limits_match_sts() {
    let clients = Clients::new().await;
    for valid in [900, 3600] {
        clients
            .assert_accepted(hub().duration(std::time::Duration::from_secs(valid)).unwrap())
            .await;
    }
    assert!(SessionDuration::from_secs(43_200).is_ok());
    for invalid in [0_u64, 899, 43_201] {
        assert!(SessionDuration::from_secs(invalid).is_err(), "{invalid}");
        let seconds = i32::try_from(invalid).unwrap();
        assert!(
            clients.sdk_error(|call| call.duration_seconds(seconds)).await.is_some(),
            "{invalid}"
        );
    }
    assert!(SessionDuration::from_secs(5_000_000_000).is_err());
    let message = clients.sdk_error(|call| call.duration_seconds(3601)).await.unwrap();
    assert!(message.contains("MaxSessionDuration"), "{message}");
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

#[tokio::test]
async fn tag_limits_match_sts() {
    let clients = Clients::new().await;
    let many =
        |count: usize| -> Vec<Tag> { (0..count).map(|n| tag(&format!("k{n}"), "v")).collect() };
    let parse = |tags: &[Tag]| {
        tags.iter().try_fold(SessionTags::new(), |all, tag| all.tag(tag.key(), tag.value()))
    };
    let long = |key: usize, value: usize| vec![tag(&"k".repeat(key), &"v".repeat(value))];
    for valid in [many(50), long(128, 256), long(1, 0), vec![tag("Grüße 1_.:/=+-@", "ok")]] {
        assert!(parse(&valid).is_ok());
    }
    for invalid in [
        many(51),
        long(129, 1),
        long(1, 257),
        vec![tag("a#", "v")],
        vec![tag("a", "#")],
        vec![tag("aws:a", "v")],
        vec![tag("Key", "v"), tag("kEY", "v")],
    ] {
        assert!(parse(&invalid).is_err(), "{invalid:?}");
        assert!(
            clients.sdk_error(|call| call.set_tags(Some(invalid.clone()))).await.is_some(),
            "{invalid:?}"
        );
    }
}

#[tokio::test]
async fn transitive_tag_key_limits_match_sts() {
    let clients = Clients::new().await;
    clients
        .assert_accepted(hub().tag("team", "a").unwrap().transitive_tag_key("team").unwrap())
        .await;
    let keys = |count: usize| {
        (0..count).try_fold(SessionTags::new(), |tags, n| tags.transitive(format!("k{n}")))
    };
    assert!(keys(50).is_ok() && keys(51).is_err());
    // The key may be of an inherited tag, which only STS knows.
    assert!(hub().transitive_tag_key("other").is_ok());
    let message =
        clients.sdk_error(|call| call.tags(tag("team", "a")).transitive_tag_keys("other")).await;
    assert!(message.is_some());
}

#[tokio::test]
async fn policy_arn_limits_match_sts() {
    let clients = Clients::new().await;
    let arn = |n: usize| format!("arn:aws:iam::444455556666:policy/p{n}");
    let role = (0..10).try_fold(hub(), |role, n| role.policy_arn(arn(n))).unwrap();
    assert!(role.policy_arn(arn(10)).is_err());
    assert!(PolicyArn::parse("arn:aws:iam::444455556666:role/p").is_err());
    let eleven = (0..11).map(|n| PolicyDescriptorType::builder().arn(arn(n)).build()).collect();
    assert!(clients.sdk_error(|call| call.set_policy_arns(Some(eleven))).await.is_some());
}

#[tokio::test]
async fn session_policy_limits_match_sts() {
    let clients = Clients::new().await;
    let policy = |length: usize| {
        let frame = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
        format!("{frame}{}", " ".repeat(length - frame.len()))
    };
    assert_eq!(policy(2048).len(), 2048);
    clients.assert_accepted(hub().policy(policy(2048)).unwrap()).await;
    for invalid in [policy(2049), "no JSON".to_owned(), String::new()] {
        assert!(SessionPolicy::parse(&invalid).is_err(), "{}", invalid.len());
    }
    assert!(clients.sdk_error(|call| call.policy(policy(2049))).await.is_some());
    // The limit applies to the policy and the ARNs together.
    let arn = "arn:aws:iam::444455556666:policy/p";
    let at_limit = hub().policy(policy(2048 - arn.len())).unwrap();
    assert!(at_limit.clone().policy_arn(arn).is_ok());
    assert!(hub().policy(policy(2049 - arn.len())).unwrap().policy_arn(arn).is_err());
}

#[tokio::test]
async fn provided_context_count_is_limited() {
    let context =
        || ProvidedContext::new("arn:aws:iam::aws:contextProvider/IdentityCenter", "assertion");
    let five = (0..5).try_fold(hub(), |role, _| role.provided_context(context()?)).unwrap();
    assert!(five.provided_context(context().unwrap()).is_err());
}

#[tokio::test]
async fn mfa_parameter_limits_match_sts() {
    let clients = Clients::new().await;
    assert!(MfaSerial::parse("GAHT12345").is_ok() && MfaSerial::parse(&"s".repeat(256)).is_ok());
    for invalid in ["GAHT1234".to_owned(), "s".repeat(257)] {
        assert!(MfaSerial::parse(&invalid).is_err(), "{invalid}");
        assert!(
            clients
                .sdk_error(|call| call.serial_number(&invalid).token_code("123456"))
                .await
                .is_some()
        );
    }
    assert!(MfaCode::parse("012345").is_ok());
    for invalid in ["12345", "1234567", "12345a", ""] {
        assert!(MfaCode::parse(invalid).is_err(), "{invalid}");
        let serial = "arn:aws:iam::111122223333:mfa/ann";
        assert!(
            clients
                .sdk_error(|call| call.serial_number(serial).token_code(invalid))
                .await
                .is_some(),
            "{invalid}"
        );
    }
}

#[tokio::test]
async fn web_identity_limits_match_sts() {
    let clients = Clients::new().await;
    assert!(WebIdentityToken::parse("abcd").is_ok());
    assert!(WebIdentityToken::parse(&"t".repeat(20_000)).is_ok());
    for invalid in ["abc".to_owned(), "t".repeat(20_001)] {
        let error = WebIdentityToken::parse(&invalid).unwrap_err();
        assert!(!error.to_string().contains(&invalid), "the message contains the token");
        let call = clients.sdk.assume_role_with_web_identity().role_arn(HUB);
        let sdk_error = call.role_session_name("other").web_identity_token(&invalid).send().await;
        let error = sdk_error.unwrap_err().into_service_error();
        assert_eq!(error.meta().code(), Some("ValidationError"));
    }
    assert!(ProviderId::parse("abcd").is_ok() && ProviderId::parse(&"p".repeat(2048)).is_ok());
    assert!(ProviderId::parse("abc").is_err() && ProviderId::parse(&"p".repeat(2049)).is_err());
    assert_eq!(clients.world.aws.count("AssumeRole"), 0);
}

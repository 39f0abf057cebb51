//! STS's limits, one after the other: what is at the limit is taken by us and by the local STS, what is beyond it is refused
//! by us before the call, and by the local STS when another client sends it.

use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder as Call;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use rolecall::{
    Chain, Environment, ExternalId, FetchContext, MfaCode, MfaSerial, PolicyArn, ProvidedContext,
    ProviderId, Role, RoleArn, SessionDuration, SessionName, SessionPolicy, SessionSource,
    SessionTags, SourceIdentity, WebIdentityToken,
};
use rolecall_tests::{HUB, SHOP, World};

struct Both {
    world: World,
    ours: Chain,
    theirs: aws_sdk_sts::Client,
}

impl Both {
    async fn new() -> Self {
        let world = World::new().await.unwrap();
        let ann = world.aws.user_credentials(SHOP, "ann").unwrap();
        let environment = Environment::fixed([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", world.aws.endpoint_url()),
        ]);
        let builder = rolecall::builder().environment(environment).clock(world.hands.clock());
        let ours = builder.from_provider("ann", ann.clone()).unwrap();
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(world.aws.endpoint_url())
            .time_source(world.hands.clock())
            .credentials_provider(ann)
            .build();
        Self { ours, theirs: aws_sdk_sts::Client::from_conf(config), world }
    }

    /// The local STS takes what we send.
    async fn taken(&self, role: Role) {
        let taken = self.ours.clone().assume(role).cached().session(FetchContext::caller()).await;
        taken.unwrap();
    }

    /// The local STS takes or refuses what another client sends, without a word of our parsers.
    async fn sent(&self, with: impl FnOnce(Call) -> Call) -> Option<String> {
        let call = self.theirs.assume_role().role_arn(HUB).role_session_name("other");
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
async fn role_arn() {
    let both = Both::new().await;
    both.taken(hub()).await;
    let long = |name: usize| format!("arn:aws:iam::{SHOP}:role/{}", "r".repeat(name));
    assert!(RoleArn::parse(&long(64)).is_ok());
    for wrong in [long(2048), "arn:aws:iam::1:role/r".into(), "arn:aws:iam::x".into()] {
        let error = RoleArn::parse(&wrong).unwrap_err().to_string();
        assert!(error.starts_with("role ARN ") && error.len() < 400, "{error}");
        assert!(both.sent(|call| call.role_arn(&wrong)).await.is_some(), "{wrong}");
    }
}

#[tokio::test]
async fn role_session_name_and_source_identity() {
    let both = Both::new().await;
    for right in ["ab".to_owned(), "n".repeat(64), "a_B1+=,.@-".to_owned()] {
        assert!(SourceIdentity::parse(&right).is_ok());
        both.taken(hub().session_name(&right).unwrap()).await;
        assert_eq!(both.sent(|call| call.role_session_name(&right)).await, None, "{right}");
    }
    for wrong in ["a".to_owned(), "n".repeat(65), "a b".into(), "a/b".into(), "müller".into()] {
        assert!(
            SessionName::parse(&wrong).is_err() && SourceIdentity::parse(&wrong).is_err(),
            "{wrong}"
        );
        assert!(both.sent(|call| call.role_session_name(&wrong)).await.is_some(), "{wrong}");
        assert!(both.sent(|call| call.source_identity(&wrong)).await.is_some(), "{wrong}");
    }
}

#[tokio::test]
async fn external_id() {
    let both = Both::new().await;
    for right in ["ab".to_owned(), "e".repeat(1224), "a_B1+=,.@:/-".to_owned()] {
        both.taken(hub().external_id(&right).unwrap()).await;
    }
    for wrong in ["a".to_owned(), "e".repeat(1225), "a b".into(), "a#b".into()] {
        assert!(ExternalId::parse(&wrong).is_err(), "{wrong}");
        assert!(both.sent(|call| call.external_id(&wrong)).await.is_some(), "{wrong}");
    }
}

#[tokio::test]
async fn duration_seconds() {
    let both = Both::new().await;
    for right in [900, 3600] {
        both.taken(hub().duration(std::time::Duration::from_secs(right)).unwrap()).await;
    }
    assert!(SessionDuration::from_secs(43_200).is_ok());
    for wrong in [0_u64, 899, 43_201] {
        assert!(SessionDuration::from_secs(wrong).is_err(), "{wrong}");
        let seconds = i32::try_from(wrong).unwrap();
        assert!(both.sent(|call| call.duration_seconds(seconds)).await.is_some(), "{wrong}");
    }
    assert!(SessionDuration::from_secs(5_000_000_000).is_err());
    let message = both.sent(|call| call.duration_seconds(3601)).await.unwrap();
    assert!(message.contains("MaxSessionDuration"), "{message}");
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

#[tokio::test]
async fn tags() {
    let both = Both::new().await;
    let many =
        |count: usize| -> Vec<Tag> { (0..count).map(|n| tag(&format!("k{n}"), "v")).collect() };
    let ours = |tags: &[Tag]| {
        tags.iter().try_fold(SessionTags::new(), |all, tag| all.tag(tag.key(), tag.value()))
    };
    let long = |key: usize, value: usize| vec![tag(&"k".repeat(key), &"v".repeat(value))];
    for right in [many(50), long(128, 256), long(1, 0), vec![tag("Grüße 1_.:/=+-@", "ok")]] {
        assert!(ours(&right).is_ok());
    }
    for wrong in [
        many(51),
        long(129, 1),
        long(1, 257),
        vec![tag("a#", "v")],
        vec![tag("a", "#")],
        vec![tag("aws:a", "v")],
        vec![tag("Key", "v"), tag("kEY", "v")],
    ] {
        assert!(ours(&wrong).is_err(), "{wrong:?}");
        assert!(both.sent(|call| call.set_tags(Some(wrong.clone()))).await.is_some(), "{wrong:?}");
    }
}

#[tokio::test]
async fn transitive_tag_keys() {
    let both = Both::new().await;
    both.taken(hub().tag("team", "a").unwrap().transitive_tag_key("team").unwrap()).await;
    let keys = |count: usize| {
        (0..count).try_fold(SessionTags::new(), |tags, n| tags.transitive(format!("k{n}")))
    };
    assert!(keys(50).is_ok() && keys(51).is_err());
    // It may be an inherited one: STS alone knows.
    assert!(hub().transitive_tag_key("other").is_ok());
    let message = both.sent(|call| call.tags(tag("team", "a")).transitive_tag_keys("other")).await;
    assert!(message.is_some());
}

#[tokio::test]
async fn policy_arns() {
    let both = Both::new().await;
    let arn = |n: usize| format!("arn:aws:iam::444455556666:policy/p{n}");
    let role = (0..10).try_fold(hub(), |role, n| role.policy_arn(arn(n))).unwrap();
    assert!(role.policy_arn(arn(10)).is_err());
    assert!(PolicyArn::parse("arn:aws:iam::444455556666:role/p").is_err());
    let eleven = (0..11).map(|n| PolicyDescriptorType::builder().arn(arn(n)).build()).collect();
    assert!(both.sent(|call| call.set_policy_arns(Some(eleven))).await.is_some());
}

#[tokio::test]
async fn policy() {
    let both = Both::new().await;
    let policy = |length: usize| {
        let frame = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
        format!("{frame}{}", " ".repeat(length - frame.len()))
    };
    assert_eq!(policy(2048).len(), 2048);
    both.taken(hub().policy(policy(2048)).unwrap()).await;
    for wrong in [policy(2049), "no JSON".to_owned(), String::new()] {
        assert!(SessionPolicy::parse(&wrong).is_err(), "{}", wrong.len());
    }
    assert!(both.sent(|call| call.policy(policy(2049))).await.is_some());
    // Together with the ARNs.
    let arn = "arn:aws:iam::444455556666:policy/p";
    let just = hub().policy(policy(2048 - arn.len())).unwrap();
    assert!(just.clone().policy_arn(arn).is_ok());
    assert!(hub().policy(policy(2049 - arn.len())).unwrap().policy_arn(arn).is_err());
}

#[tokio::test]
async fn provided_contexts() {
    let context =
        || ProvidedContext::new("arn:aws:iam::aws:contextProvider/IdentityCenter", "assertion");
    let five = (0..5).try_fold(hub(), |role, _| role.provided_context(context()?)).unwrap();
    assert!(five.provided_context(context().unwrap()).is_err());
}

#[tokio::test]
async fn serial_number_and_token_code() {
    let both = Both::new().await;
    assert!(MfaSerial::parse("GAHT12345").is_ok() && MfaSerial::parse(&"s".repeat(256)).is_ok());
    for wrong in ["GAHT1234".to_owned(), "s".repeat(257)] {
        assert!(MfaSerial::parse(&wrong).is_err(), "{wrong}");
        assert!(both.sent(|call| call.serial_number(&wrong).token_code("123456")).await.is_some());
    }
    assert!(MfaCode::parse("012345").is_ok());
    for wrong in ["12345", "1234567", "12345a", ""] {
        assert!(MfaCode::parse(wrong).is_err(), "{wrong}");
        let serial = "arn:aws:iam::111122223333:mfa/ann";
        assert!(
            both.sent(|call| call.serial_number(serial).token_code(wrong)).await.is_some(),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn web_identity_token_and_provider_id() {
    let both = Both::new().await;
    assert!(WebIdentityToken::parse("abcd").is_ok());
    assert!(WebIdentityToken::parse(&"t".repeat(20_000)).is_ok());
    for wrong in ["abc".to_owned(), "t".repeat(20_001)] {
        let error = WebIdentityToken::parse(&wrong).unwrap_err();
        assert!(!error.to_string().contains(&wrong), "the token is not shown");
        let call = both.theirs.assume_role_with_web_identity().role_arn(HUB);
        let sent = call.role_session_name("other").web_identity_token(&wrong).send().await;
        let error = sent.unwrap_err().into_service_error();
        assert_eq!(error.meta().code(), Some("ValidationError"));
    }
    assert!(ProviderId::parse("abcd").is_ok() && ProviderId::parse(&"p".repeat(2048)).is_ok());
    assert!(ProviderId::parse("abc").is_err() && ProviderId::parse(&"p".repeat(2049)).is_err());
    assert_eq!(both.world.aws.count("AssumeRole"), 0);
}

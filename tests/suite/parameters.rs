//! Every parameter of a role, from the facade to the local STS, which checks it, and back.

use rolecall::policy::{PermissionPolicy, S3Access};
use rolecall::{
    Chain, Environment, ErrorKind, FetchContext, FetchError, MfaCode, MfaCodes, MfaSerial, Role,
    Session, SessionSource,
};
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
use serde_json::{Value, json};
use std::sync::Arc;

const SHOP: &str = "111122223333";

fn arn(name: &str) -> String {
    format!("arn:aws:iam::{SHOP}:role/{name}")
}

struct World {
    aws: Arc<LocalAws>,
    hands: rolecall::ManualClock,
}

impl World {
    async fn new() -> Self {
        let trust = |condition: Value| {
            json!({ "Statement": {
                "Effect": "Allow",
                "Principal": { "AWS": SHOP },
                "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
                "Condition": condition,
            } })
            .to_string()
        };
        let all = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
        let all = all.to_string();
        let role =
            |name: &str, condition: Value| IamRole::new(name).trust(trust(condition)).policy(&all);
        let hands = rolecall::ManualClock::new();
        let aws = LocalAws::builder()
            .clock(hands.clock())
            .account(
                Account::new(SHOP)
                    .user(IamUser::new("ann").policy(&all).mfa_device())
                    .role(role("any", json!({})))
                    .role(role(
                        "tagged",
                        json!({ "StringEquals": { "aws:PrincipalTag/Tenant": "4711" } }),
                    ))
                    .role(role("mfa", json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } })))
                    .bucket("shop-data"),
            )
            .start()
            .await
            .unwrap();
        Self { aws: Arc::new(aws), hands }
    }

    fn ann(&self) -> Chain {
        let environment = Environment::fixed([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", self.aws.endpoint_url()),
        ]);
        let key = self.aws.user_credentials(SHOP, "ann").unwrap();
        let builder = rolecall::builder().environment(environment).clock(self.hands.clock());
        builder.from_provider("ann", key).unwrap()
    }
}

async fn session(chain: &Chain) -> Result<Session, FetchError> {
    chain.cached().session(FetchContext::caller()).await
}

fn role(name: &str) -> Role {
    Role::new(arn(name)).unwrap()
}

#[tokio::test]
async fn tags_and_a_source_identity_are_handed_on_and_reported() {
    let world = World::new().await;
    let first = role("any")
        .tag("Tenant", "4711")
        .and_then(|role| role.tag("Team", "tea"))
        .and_then(|role| role.transitive_tag_key("Tenant"))
        .and_then(|role| role.source_identity("ann"))
        .unwrap();
    let chain = world.ann().assume(first).assume(role("tagged"));
    let last = session(&chain).await.unwrap();
    assert_eq!(last.tags().iter().collect::<Vec<_>>(), [("Tenant", "4711")]);
    assert_eq!(last.source_identity().map(|id| id.as_str()), Some("ann"));
    let error = session(&world.ann().assume(role("tagged"))).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, Some("AccessDenied")));
}

#[tokio::test]
async fn a_session_policy_written_by_a_builder_narrows_the_session() {
    let world = World::new().await;
    let tenant = S3Access::under("shop-data", ["tenants/4711/"]).unwrap().read().write();
    let policy = PermissionPolicy::builder().s3(tenant).build().unwrap();
    let policy = rolecall::session_policy(&policy).unwrap();
    let chain = world.ann().assume(role("any").policy(policy).unwrap());
    let config = rolecall::sdk_config(chain.cached())
        .region("eu-west-1")
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.hands.clock())
        .load()
        .await;
    let s3 = aws_sdk_s3::Client::new(&config);
    let put = |key: &str| s3.put_object().bucket("shop-data").key(key).send();
    assert!(put("tenants/4711/a").await.is_ok());
    assert!(put("tenants/4712/a").await.is_err());
}

/// Reads the code off the device.
#[derive(Debug)]
struct Device(Arc<LocalAws>);

#[async_trait::async_trait]
impl MfaCodes for Device {
    async fn code(&self, serial: &MfaSerial) -> Result<MfaCode, FetchError> {
        assert_eq!(serial.as_str(), "arn:aws:iam::111122223333:mfa/ann");
        Ok(MfaCode::parse(&self.0.mfa_code(SHOP, "ann").unwrap())?)
    }
}

#[tokio::test]
async fn mfa_by_a_source_of_codes() {
    let world = World::new().await;
    let with_mfa = || role("mfa").mfa_serial("arn:aws:iam::111122223333:mfa/ann").unwrap();
    let chain = world.ann().assume_with_mfa(with_mfa(), Device(Arc::clone(&world.aws)));
    assert!(session(&chain).await.is_ok());
    assert_eq!(
        session(&world.ann().assume(role("mfa"))).await.unwrap_err().kind(),
        ErrorKind::Denied
    );
    let error = session(&world.ann().assume(with_mfa())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert_eq!(
        error.to_string(),
        "hop 1 of 1, arn:aws:iam::111122223333:role/mfa: the role is asked for with MFA, and nothing gives codes of \
         arn:aws:iam::111122223333:mfa/ann; look at: assume_with_mfa, which takes a source of codes; a pool has none"
    );
}

#[tokio::test]
async fn what_sts_would_refuse_is_refused_before_the_call() {
    let world = World::new().await;
    let two_hours = std::time::Duration::from_secs(7200);
    let chain = world.ann().assume(role("any")).assume(role("any").duration(two_hours).unwrap());
    let error = session(&chain).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, None));
    assert!(
        error.to_string().contains("hop 2 of 2") && error.to_string().contains("one hour at most"),
        "{error}"
    );
    assert_eq!(world.aws.count("AssumeRole"), 1, "the first hop's alone");

    let elsewhere = Role::new("arn:aws-cn:iam::111122223333:role/any").unwrap();
    let error = session(&world.ann().assume(elsewhere)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, None));
    let text = error.to_string();
    assert!(text.contains("the partition aws-cn, and the Region eu-west-1 is in aws"), "{text}");
    assert_eq!(world.aws.count("AssumeRole"), 1);
}

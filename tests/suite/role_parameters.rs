//! Role parameters from the public API to the local STS, which checks them, and back.

mod mfa_chain;

use std::sync::Arc;
use std::time::Duration;

use rolecall::params::{MfaCode, MfaSerial, ProvideMfaCode};
use rolecall::policy::{PermissionPolicy, S3Access};
use rolecall::provider::FetchContext;
use rolecall::time::ManualClock;
use rolecall::{Chain, Environment, ErrorKind, ProvideSession, Role, Session, SessionError};
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
use serde_json::{Value, json};

const SHOP: &str = "111122223333";

fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{SHOP}:role/{name}")
}

struct World {
    aws: Arc<LocalAws>,
    clock: ManualClock,
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
        let allow_all =
            json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
        let allow_all = allow_all.to_string();
        let role = |name: &str, condition: Value| {
            IamRole::new(name).trust(trust(condition)).policy(&allow_all)
        };
        let clock = ManualClock::new();
        let aws = LocalAws::builder()
            .clock(clock.clock())
            .account(
                Account::new(SHOP)
                    .user(IamUser::new("ann").policy(&allow_all).mfa_device())
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
        Self { aws: Arc::new(aws), clock }
    }

    fn chain_from_ann(&self) -> Chain {
        let environment = Environment::fixed([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", self.aws.endpoint_url()),
        ]);
        let key = self.aws.user_credentials(SHOP, "ann").unwrap();
        let builder = rolecall::Chain::builder().environment(environment).clock(self.clock.clock());
        builder.from_sdk_provider("ann", key).unwrap()
    }
}

async fn session(chain: &Chain) -> Result<Session, SessionError> {
    chain.provider().provide_session(FetchContext::foreground()).await
}

fn role(name: &str) -> Role {
    Role::new(role_arn(name)).unwrap()
}

#[tokio::test]
async fn tags_and_source_identity_reach_next_hop() {
    let world = World::new().await;
    let first = role("any")
        .tag("Tenant", "4711")
        .and_then(|role| role.tag("Team", "tea"))
        .and_then(|role| role.transitive_tag_key("Tenant"))
        .and_then(|role| role.source_identity("ann"))
        .unwrap();
    let chain = world.chain_from_ann().assume_role(first).assume_role(role("tagged"));
    let session_of_last_hop = session(&chain).await.unwrap();
    assert_eq!(session_of_last_hop.tags().iter().collect::<Vec<_>>(), [("Tenant", "4711")]);
    assert_eq!(session_of_last_hop.source_identity().map(|id| id.as_str()), Some("ann"));
    let error = session(&world.chain_from_ann().assume_role(role("tagged"))).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, Some("AccessDenied")));
}

#[tokio::test]
async fn built_session_policy_narrows_session() {
    let world = World::new().await;
    let tenant = S3Access::under("shop-data", ["tenants/4711/"]).unwrap().read().write();
    let policy = PermissionPolicy::builder().s3(tenant).build().unwrap();
    let policy = rolecall::policy::session_policy(&policy).unwrap();
    let chain = world.chain_from_ann().assume_role(role("any").policy(policy).unwrap());
    let config = rolecall::sdk_config(chain.provider())
        .region("eu-west-1")
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.clock.clock())
        .load()
        .await;
    let s3 = aws_sdk_s3::Client::new(&config);
    let put = |key: &str| s3.put_object().bucket("shop-data").key(key).send();
    assert!(put("tenants/4711/a").await.is_ok());
    assert!(put("tenants/4712/a").await.is_err());
}

/// Reads the code from the simulated device.
#[derive(Debug)]
struct MfaDevice(Arc<LocalAws>);

#[async_trait::async_trait]
impl ProvideMfaCode for MfaDevice {
    async fn provide_mfa_code(&self, serial: &MfaSerial) -> Result<MfaCode, SessionError> {
        assert_eq!(serial.as_str(), "arn:aws:iam::111122223333:mfa/ann");
        Ok(MfaCode::parse(&self.0.mfa_code(SHOP, "ann").unwrap())?)
    }
}

#[tokio::test]
async fn mfa_role_requires_code_provider() {
    let world = World::new().await;
    let with_mfa = || role("mfa").mfa_serial("arn:aws:iam::111122223333:mfa/ann").unwrap();
    let chain =
        world.chain_from_ann().assume_role_with_mfa(with_mfa(), MfaDevice(Arc::clone(&world.aws)));
    assert!(session(&chain).await.is_ok());
    assert_eq!(
        session(&world.chain_from_ann().assume_role(role("mfa"))).await.unwrap_err().kind(),
        ErrorKind::Denied
    );
    let error = session(&world.chain_from_ann().assume_role(with_mfa())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert_eq!(
        error.to_string(),
        "hop 1 of 1 (arn:aws:iam::111122223333:role/mfa): the role requires MFA, but no provider of codes for \
         arn:aws:iam::111122223333:mfa/ann is set; hint: pass a provider of codes to assume_role_with_mfa; a pool cannot \
         have one"
    );
}

#[tokio::test]
async fn invalid_role_fails_before_sts_call() {
    let world = World::new().await;
    let two_hours = Duration::from_secs(7200);
    let chain = world
        .chain_from_ann()
        .assume_role(role("any"))
        .assume_role(role("any").duration(two_hours).unwrap());
    let error = session(&chain).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, None));
    assert!(
        error.to_string().contains("hop 2 of 2")
            && error.to_string().contains("limited to one hour"),
        "{error}"
    );
    assert_eq!(world.aws.count("AssumeRole"), 1, "only the first hop called STS");

    let other_partition = Role::new("arn:aws-cn:iam::111122223333:role/any").unwrap();
    let error = session(&world.chain_from_ann().assume_role(other_partition)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, None));
    let text = error.to_string();
    assert!(text.contains("the partition aws-cn, but the Region eu-west-1 is in aws"), "{text}");
    assert_eq!(world.aws.count("AssumeRole"), 1);
}

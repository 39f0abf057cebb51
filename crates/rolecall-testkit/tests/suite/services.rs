//! What the tests of S3, Secrets Manager and ECR share: a world, and configurations of the SDK.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use rolecall_core::ManualClock;
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
use serde_json::{Value, json};

pub(crate) const SHOP: &str = "111122223333";
pub(crate) const OTHER: &str = "444455556666";
pub(crate) const REGION: &str = "eu-west-1";
const ROLE: &str = "arn:aws:iam::111122223333:role/all";

/// Two accounts. In the shop's, ann may do all, bob may nothing, and carl what his policy says; eve
/// is in the other.
pub(crate) struct World {
    pub(crate) aws: LocalAws,
    pub(crate) manual: ManualClock,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_carl(json!([])).await
    }

    /// Carl has these statements, all of them `Allow`.
    pub(crate) async fn with_carl(statements: Value) -> Self {
        let manual = ManualClock::new();
        let all = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
        let all = all.to_string();
        let trust = json!({ "Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": SHOP },
        } });
        let mut carl = IamUser::new("carl");
        for mut statement in statements.as_array().unwrap().clone() {
            statement["Effect"] = "Allow".into();
            carl = carl.policy(json!({ "Statement": statement }).to_string());
        }
        let aws = LocalAws::builder()
            .clock(manual.clock())
            .account(
                Account::new(SHOP)
                    .user(IamUser::new("ann").policy(&all))
                    .user(IamUser::new("bob"))
                    .user(carl)
                    .role(IamRole::new("all").trust(trust.to_string()).policy(&all))
                    .bucket("shop-data")
                    .secret(REGION, "shop/db", "swordfish")
                    .repository(REGION, "shop/api"),
            )
            .account(Account::new(OTHER).user(IamUser::new("eve").policy(&all)).bucket("others"))
            .start()
            .await
            .unwrap();
        Self { aws, manual }
    }

    pub(crate) fn key(&self, user: &str) -> Credentials {
        let account = if user == "eve" { OTHER } else { SHOP };
        self.aws.user_credentials(account, user).unwrap()
    }

    pub(crate) fn config(&self, user: &str) -> SdkConfig {
        self.config_of(self.key(user))
    }

    pub(crate) fn config_of(&self, credentials: Credentials) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(self.aws.endpoint_url())
            .time_source(self.manual.clock())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .identity_cache(aws_sdk_s3::config::IdentityCache::no_cache())
            .build()
    }

    /// A session of a role that may do all.
    pub(crate) async fn session(&self) -> Credentials {
        let sts = aws_sdk_sts::Client::new(&self.config("ann"));
        let output = sts.assume_role().role_arn(ROLE).role_session_name("test").send().await;
        let output = output.unwrap();
        let got = output.credentials().unwrap();
        let token = Some(got.session_token().to_owned());
        Credentials::new(got.access_key_id(), got.secret_access_key(), token, None, "test")
    }

    /// The status of the answer to a request that no SDK would send, its head and its body.
    pub(crate) async fn raw(&self, request: &[u8]) -> (u16, String, Vec<u8>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = self.aws.endpoint_url().strip_prefix("http://").unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).unwrap();
        (head[9..12].parse().unwrap(), head, body)
    }

    /// Keys that are not right, and what is wrong with each.
    pub(crate) async fn wrong_keys(&self) -> [(&'static str, Credentials); 5] {
        let (ann, one, two) = (self.key("ann"), self.session().await, self.session().await);
        let with = |id: &str, secret: &str, token: Option<&str>| {
            Credentials::new(id, secret, token.map(str::to_owned), None, "test")
        };
        let foreign = with(one.access_key_id(), one.secret_access_key(), two.session_token());
        [
            ("wrong secret", with(ann.access_key_id(), two.secret_access_key(), None)),
            ("unknown key", with("AKIAIOSFODNN7EXAMPLE", ann.secret_access_key(), None)),
            ("no token", with(one.access_key_id(), one.secret_access_key(), None)),
            ("another session's token", foreign),
            (
                "token without need",
                with(ann.access_key_id(), ann.secret_access_key(), one.session_token()),
            ),
        ]
    }
}

/// The code of the error that must have come.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug, E>(result: Result<T, SdkError<E, HttpResponse>>) -> String
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    match result.unwrap_err() {
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16().to_string();
            refused.err().code().map_or(status, str::to_owned)
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn message<T: std::fmt::Debug, E>(result: Result<T, SdkError<E, HttpResponse>>) -> String
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    match result.unwrap_err() {
        SdkError::ServiceError(refused) => refused.err().message().unwrap_or_default().to_owned(),
        other => panic!("{other:?}"),
    }
}

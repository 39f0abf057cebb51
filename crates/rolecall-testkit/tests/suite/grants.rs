//! What a session carries beside its role, and what STS asks before it grants that.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, IdentityCache, Region};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use rolecall_core::ManualClock;
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws, OidcIssuer};
use serde_json::{Value, json};

const SHOP: &str = "111122223333";
const OTHER: &str = "444455556666";

struct World {
    aws: LocalAws,
    cluster: OidcIssuer,
    manual: ManualClock,
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::{SHOP}:role/{name}")
}

fn trust(actions: Value, condition: Value) -> String {
    json!({ "Statement": {
        "Effect": "Allow", "Principal": { "AWS": SHOP }, "Action": actions, "Condition": condition,
    } })
    .to_string()
}

fn may(actions: Value) -> String {
    json!({ "Statement": { "Effect": "Allow", "Action": actions, "Resource": "*" } }).to_string()
}

impl World {
    async fn new() -> Self {
        let manual = ManualClock::new();
        let cluster = OidcIssuer::start_with_clock(manual.clock()).await.unwrap();
        let all = json!(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);
        let alone = json!("sts:AssumeRole");
        let by_token = json!({ "Statement": {
            "Effect": "Allow",
            "Principal": { "Federated": cluster.provider_arn(SHOP) },
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
        } });
        let by_token_alone = json!({ "Statement": {
            "Effect": "Allow",
            "Principal": { "Federated": cluster.provider_arn(SHOP) },
            "Action": "sts:AssumeRoleWithWebIdentity",
        } });
        let made =
            |name: &str, trust: String| IamRole::new(name).trust(trust).policy(may(all.clone()));
        let equals = |key: &str, value: &str| json!({ "StringEquals": { key: value } });
        let account = Account::new(SHOP)
            .oidc_provider(&cluster, ["sts.amazonaws.com"])
            .user(IamUser::new("ann").policy(may(json!("sts:*"))).mfa_device())
            .role(made("all", trust(all.clone(), json!({}))))
            .role(made("untagged", trust(alone.clone(), json!({}))))
            .role(made("tenant", trust(all.clone(), equals("aws:RequestTag/Tenant", "4711"))))
            .role(made("of-tenant", trust(all.clone(), equals("aws:PrincipalTag/Tenant", "4711"))))
            .role(made("of-ann", trust(all.clone(), equals("sts:SourceIdentity", "ann"))))
            .role(made("after-ann", trust(all.clone(), equals("aws:SourceIdentity", "ann"))))
            .role(made(
                "with-mfa",
                trust(alone, json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } })),
            ))
            .role(made("by-token", by_token.to_string()))
            .role(made("by-token-alone", by_token_alone.to_string()))
            .managed_policy("team/assume-all-but-untagged", {
                json!({ "Statement": [
                    { "Effect": "Allow", "Action": "sts:*", "Resource": "*" },
                    { "Effect": "Deny", "Action": "sts:*", "Resource": role("untagged") },
                ] })
                .to_string()
            });
        let aws = LocalAws::builder()
            .clock(manual.clock())
            .account(account)
            .account(Account::new(OTHER).managed_policy("foreign", may(json!("sts:*"))))
            .start()
            .await
            .unwrap();
        Self { aws, cluster, manual }
    }

    fn client(&self, credentials: Credentials) -> Client {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(self.aws.endpoint_url())
            .time_source(self.manual.clock())
            .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        Client::from_conf(config.build())
    }

    fn ann(&self) -> Client {
        self.client(self.aws.user_credentials(SHOP, "ann").unwrap())
    }

    /// The session that was granted, as a client.
    fn next(&self, output: &AssumeRoleOutput) -> Client {
        let got = output.credentials().unwrap();
        let token = Some(got.session_token().to_owned());
        let keys =
            Credentials::new(got.access_key_id(), got.secret_access_key(), token, None, "test");
        self.client(keys)
    }
}

fn assume(client: &Client, name: &str) -> AssumeRoleFluentBuilder {
    client.assume_role().role_arn(role(name)).role_session_name("test")
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

async fn granted(call: AssumeRoleFluentBuilder) -> AssumeRoleOutput {
    call.send().await.unwrap()
}

/// The code and message that must have come.
async fn refused(call: AssumeRoleFluentBuilder) -> (String, String) {
    let error = call.send().await.unwrap_err().into_service_error();
    let meta = error.meta();
    (meta.code().unwrap().to_owned(), meta.message().unwrap().to_owned())
}

#[tokio::test]
async fn session_tags_require_trust_policy() {
    let world = World::new().await;
    let ann = world.ann();
    granted(assume(&ann, "all").tags(tag("Tenant", "1"))).await;
    granted(assume(&ann, "untagged")).await;
    let (code, message) = refused(assume(&ann, "untagged").tags(tag("Tenant", "1"))).await;
    assert_eq!(code, "AccessDenied");
    assert!(
        message.contains("is not authorized to perform: sts:TagSession on resource: "),
        "{message}"
    );
    granted(assume(&ann, "tenant").tags(tag("tenant", "4711"))).await;
    for call in [assume(&ann, "tenant"), assume(&ann, "tenant").tags(tag("Tenant", "4712"))] {
        assert_eq!(refused(call).await.0, "AccessDenied");
    }
    let twice = assume(&ann, "all").tags(tag("a", "1")).tags(tag("A", "2"));
    assert_eq!(refused(twice).await.0, "ValidationError");
    assert_eq!(refused(assume(&ann, "all").tags(tag("aws:a", "1"))).await.0, "ValidationError");
}

#[tokio::test]
async fn transitive_tags_are_inherited_unchanged() {
    let world = World::new().await;
    let first = assume(&world.ann(), "all").tags(tag("Tenant", "4711")).tags(tag("Team", "tea"));
    let first = world.next(&granted(first.transitive_tag_keys("tenant")).await);
    granted(assume(&first, "of-tenant")).await;
    let second = world.next(&granted(assume(&first, "all").tags(tag("Team", "coffee"))).await);
    granted(assume(&second, "of-tenant")).await;
    let (code, message) = refused(assume(&second, "all").tags(tag("TENANT", "1"))).await;
    assert_eq!(code, "InvalidParameterValue");
    assert!(message.contains("conflicts with a transitive tag key"), "{message}");

    let not_transitive = assume(&world.ann(), "all").tags(tag("Tenant", "4711"));
    let first = world.next(&granted(not_transitive).await);
    granted(assume(&first, "of-tenant")).await;
    let second = world.next(&granted(assume(&first, "all")).await);
    assert_eq!(refused(assume(&second, "of-tenant")).await.0, "AccessDenied");
    let unknown = assume(&world.ann(), "all").transitive_tag_keys("Tenant");
    assert_eq!(refused(unknown).await.0, "ValidationError");
}

#[tokio::test]
async fn source_identity_is_set_once() {
    let world = World::new().await;
    let ann = world.ann();
    assert_eq!(refused(assume(&ann, "of-ann")).await.0, "AccessDenied");
    assert_eq!(refused(assume(&ann, "of-ann").source_identity("bob")).await.0, "AccessDenied");
    let (code, message) = refused(assume(&ann, "untagged").source_identity("ann")).await;
    assert!(code == "AccessDenied" && message.contains("sts:SetSourceIdentity"), "{message}");
    let output = granted(assume(&ann, "of-ann").source_identity("ann")).await;
    assert_eq!(output.source_identity(), Some("ann"));
    let first = world.next(&output);
    let second = granted(assume(&first, "after-ann")).await;
    assert_eq!(second.source_identity(), Some("ann"), "it stays");
    let again = assume(&first, "all").source_identity("ann");
    assert_eq!(granted(again).await.source_identity(), Some("ann"));
    assert_eq!(refused(assume(&first, "all").source_identity("bob")).await.0, "AccessDenied");
    let inherited = refused(assume(&first, "untagged")).await;
    assert!(inherited.1.contains("sts:SetSourceIdentity"), "{inherited:?}");
}

#[tokio::test]
async fn session_policies_narrow_role_permissions() {
    let world = World::new().await;
    let ann = world.ann();
    let managed = |arn: &str| PolicyDescriptorType::builder().arn(arn).build();
    let own = "arn:aws:iam::111122223333:policy/team/assume-all-but-untagged";
    let only_all = json!({ "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role("all"),
    } })
    .to_string();

    let whole = world.next(&granted(assume(&ann, "all")).await);
    granted(assume(&whole, "untagged")).await;
    let inline = world.next(&granted(assume(&ann, "all").policy(&only_all)).await);
    granted(assume(&inline, "all")).await;
    assert_eq!(refused(assume(&inline, "untagged")).await.0, "AccessDenied");
    let by_arn = world.next(&granted(assume(&ann, "all").policy_arns(managed(own))).await);
    granted(assume(&by_arn, "tenant").tags(tag("Tenant", "4711"))).await;
    assert_eq!(refused(assume(&by_arn, "untagged")).await.0, "AccessDenied");
    let nothing = assume(&ann, "all")
        .policy(r#"{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}"#);
    let nothing = world.next(&granted(nothing).await);
    assert_eq!(refused(assume(&nothing, "all")).await.0, "AccessDenied");
    nothing.get_caller_identity().send().await.unwrap();

    for (call, code) in [
        (assume(&ann, "all").policy("{"), "MalformedPolicyDocument"),
        (assume(&ann, "all").policy(r#"{"Statement": []}"#), "MalformedPolicyDocument"),
        (
            assume(&ann, "all").policy_arns(managed("arn:aws:iam::111122223333:policy/none")),
            "ValidationError",
        ),
        (
            assume(&ann, "all").policy_arns(managed("arn:aws:iam::444455556666:policy/foreign")),
            "ValidationError",
        ),
        (assume(&ann, "all").policy_arns(managed("none-at-all-of-an-arn")), "ValidationError"),
    ] {
        assert_eq!(refused(call).await.0, code);
    }
}

#[tokio::test]
async fn policies_and_tags_share_packed_size() {
    let world = World::new().await;
    let ann = world.ann();
    let small = granted(assume(&ann, "all").tags(tag("a", "1"))).await;
    #[expect(deprecated, reason = "what the API has")]
    let size = small.packed_policy_size();
    assert_eq!(size, Some(1));
    let many = (0..20)
        .fold(assume(&ann, "all"), |call, n| call.tags(tag(&format!("k{n}"), &"v".repeat(256))));
    let (code, message) = refused(many).await;
    assert_eq!(code, "PackedPolicyTooLarge");
    assert!(message.starts_with("Packed size of session tags consumes 1"), "{message}");
}

#[tokio::test]
async fn mfa_code_of_callers_device_is_accepted_once() {
    let world = World::new().await;
    let ann = world.ann();
    let serial = "arn:aws:iam::111122223333:mfa/ann";
    let with =
        |serial: &str, code: &str| assume(&ann, "with-mfa").serial_number(serial).token_code(code);
    assert_eq!(refused(assume(&ann, "with-mfa")).await.0, "AccessDenied");
    let code = world.aws.mfa_code(SHOP, "ann").unwrap();
    let (_, message) = refused(with("arn:aws:iam::111122223333:mfa/bob", &code)).await;
    assert!(message.contains("unable to validate MFA code"), "{message}");
    granted(with(serial, &code)).await;
    let (error, message) = refused(with(serial, &code)).await;
    assert_eq!(error, "AccessDenied");
    assert!(message.contains("invalid MFA one time pass code"), "{message}");
    world.manual.advance(Duration::from_secs(60));
    granted(with(serial, &world.aws.mfa_code(SHOP, "ann").unwrap())).await;
    for call in [
        assume(&ann, "with-mfa").serial_number(serial),
        assume(&ann, "with-mfa").token_code("123456"),
        with(serial, "12345"),
        with("short", "123456"),
    ] {
        assert_eq!(refused(call).await.0, "ValidationError");
    }
}

#[tokio::test]
async fn token_claims_set_tags_and_source_identity() {
    let world = World::new().await;
    let nobody = world.ann();
    let by_token = |name: &str, tags: Value| {
        let token = world.cluster.service_account_token("shop", "checkout");
        let token = token.claim("https://aws.amazon.com/tags", tags);
        let token = token.claim("https://aws.amazon.com/source_identity", json!("ann")).sign();
        let call = nobody.assume_role_with_web_identity().role_arn(role(name));
        call.role_session_name("pod").web_identity_token(token.unwrap()).send()
    };
    let tags = json!({
        "principal_tags": { "Tenant": ["4711"] },
        "transitive_tag_keys": ["Tenant"],
    });
    let output = by_token("by-token", tags.clone()).await.unwrap();
    assert_eq!(output.source_identity(), Some("ann"));
    let got = output.credentials().unwrap();
    let token = Some(got.session_token().to_owned());
    let keys = Credentials::new(got.access_key_id(), got.secret_access_key(), token, None, "test");
    let first = world.client(keys);
    granted(assume(&first, "of-tenant")).await;
    granted(assume(&first, "after-ann")).await;

    let denied = by_token("by-token-alone", tags).await.unwrap_err().into_service_error();
    assert_eq!(denied.meta().code(), Some("AccessDenied"));
    let two = json!({ "principal_tags": { "Tenant": ["1", "2"] } });
    let wrong = by_token("by-token", two).await.unwrap_err().into_service_error();
    assert_eq!(wrong.meta().code(), Some("ValidationError"));
}

//! The reference arrangement: what its policies allow, proved by the evaluator.

use rolecall_policy::{
    Caller, Context, OidcProvider, Outcome, PermissionPolicy, Policies, PolicyError, PolicyKind,
    ReferenceArrangement, ReferenceArrangementBuilder, Request, TrustPolicy, TrustedPrincipal,
    WebIdentityClaims, evaluate,
};
use serde_json::json;

#[path = "../../examples/reference_arrangement.rs"]
#[allow(dead_code, reason = "a program")]
pub(crate) mod example;

const ACCOUNT: &str = "111122223333";
const ISSUER: &str = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";

fn arrangement() -> ReferenceArrangement {
    example::arrangement().unwrap()
}

fn accepts_token(issuer: &str, subject: &str, audience: &str) -> bool {
    let arrangement = arrangement();
    let token = json!({"iss": format!("https://{issuer}"), "sub": subject, "aud": audience});
    let claims = WebIdentityClaims::parse(token.as_object().unwrap()).unwrap();
    let role = arrangement.service_account_role();
    let trust = arrangement.service_account_trust();
    claims.check_trust(trust, role, "pod-1").unwrap().is_allowed()
}

#[test]
fn token_of_service_account_alone_is_accepted() {
    let (checkout, audience) = ("system:serviceaccount:shop:checkout", "sts.amazonaws.com");
    assert!(accepts_token(ISSUER, checkout, audience));
    let other_cluster = ISSUER.replace("EXAMPLE", "OTHER");
    for (issuer, subject, audience) in [
        (ISSUER, "system:serviceaccount:shop:cart", audience),
        (ISSUER, "system:serviceaccount:shop:checkout2", audience),
        (ISSUER, "system:serviceaccount:default:checkout", audience),
        (ISSUER, "system:serviceaccount:shop:*", audience),
        (ISSUER, "shop:checkout", audience),
        (ISSUER, checkout, "kubernetes.default.svc"),
        (&other_cluster, checkout, audience),
        ("oidc.eks.eu-west-1.amazonaws.com", checkout, audience),
    ] {
        assert!(!accepts_token(issuer, subject, audience), "{issuer} {subject} {audience}");
    }
}

fn assume(caller: Caller, identity: &[PermissionPolicy], external_id: Option<&str>) -> Outcome {
    let arrangement = arrangement();
    let mut context = Context::new();
    if let Some(id) = external_id {
        context = context.with("sts:ExternalId", id);
    }
    let role = arrangement.project_role();
    let request = Request::new(caller, "sts:AssumeRole", role).context(context);
    let policies = Policies::new().identity(identity).trust(arrangement.project_trust());
    evaluate(&request, &policies).outcome()
}

fn session(account: &str, name: &str) -> Caller {
    let role = format!("arn:aws:iam::{account}:role/{name}");
    Caller::role_session(account, role, name, "pod-1")
}

#[test]
fn chain_needs_external_id() {
    let permissions = [arrangement().assume_role_permissions().clone()];
    let pod = || session(ACCOUNT, "shop-service-account");
    assert_eq!(assume(pod(), &permissions, Some("shop-4711")), Outcome::Allowed);
    for wrong in [None, Some("shop-47111"), Some("SHOP-4711"), Some("*"), Some("")] {
        assert_eq!(assume(pod(), &permissions, wrong), Outcome::ImplicitlyDenied, "{wrong:?}");
    }
}

#[test]
fn project_role_trusts_named_principals_alone() {
    // Of the caller's account: it may assume every role.
    let all = r#"{"Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}}"#;
    let all = [PermissionPolicy::parse(all).unwrap()];
    let deploy = || session("444455556666", "deploy");
    assert_eq!(assume(deploy(), &all, Some("shop-4711")), Outcome::Allowed);
    assert_eq!(assume(deploy(), &all, None), Outcome::ImplicitlyDenied);
    for other in [
        session("444455556666", "deploy2"),
        session(ACCOUNT, "deploy"),
        session(ACCOUNT, "shop"),
        session("444455556666", "shop-service-account"),
        Caller::user(ACCOUNT, "arn:aws:iam::111122223333:user/ann"),
        Caller::federated(format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}")),
        Caller::service("ec2.amazonaws.com"),
    ] {
        let outcome = assume(other.clone(), &all, Some("shop-4711"));
        assert_eq!(outcome, Outcome::ImplicitlyDenied, "{other:?}");
    }
}

#[test]
fn service_account_role_may_assume_project_role_alone() {
    let permissions = [arrangement().assume_role_permissions().clone()];
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    let allows = |action: &str, resource: String| {
        let request = Request::new(session(ACCOUNT, "shop-service-account"), action, resource);
        // The trust policy of every role says yes.
        let trust = format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"AWS": "{ACCOUNT}"}},
                "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}}}}"#
        );
        let trust = TrustPolicy::parse(&trust).unwrap();
        evaluate(&request, &Policies::new().identity(&permissions).trust(&trust)).is_allowed()
    };
    assert!(allows("sts:AssumeRole", role("shop")));
    for name in ["shop2", "shop-service-account", "x/shop", "sho"] {
        assert!(!allows("sts:AssumeRole", role(name)), "{name}");
    }
    for action in ["sts:TagSession", "sts:SetSourceIdentity"] {
        assert!(!allows(action, role("shop")), "{action}");
    }
    assert!(!allows("s3:GetObject", "arn:aws:s3:::shop-data/a".to_owned()));
}

/// Actions, and the resources that each of them is allowed on.
const ALLOWED: [(&[&str], &[&str]); 5] = [
    (&["s3:ListBucket"], &["arn:aws:s3:::shop-data"]),
    (
        &["s3:GetObject", "s3:PutObject"],
        &["arn:aws:s3:::shop-data/a", "arn:aws:s3:::shop-data/orders/2026/1.json"],
    ),
    (
        &["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        &[
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:common/a/tls-AbCdEf",
            "arn:aws:secretsmanager:eu-west-1:444455556666:secret:common/tls-AbCdEf",
        ],
    ),
    (&["ecr:GetAuthorizationToken"], &["*"]),
    (
        &[
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:PutImage",
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
        ],
        &[
            "arn:aws:ecr:eu-west-1:111122223333:repository/shop/checkout",
            "arn:aws:ecr:eu-west-1:111122223333:repository/common/base/debian",
        ],
    ),
];

const OTHER_ACTIONS: [&str; 14] = [
    "s3:DeleteObject",
    "s3:GetObjectVersion",
    "s3:PutObjectAcl",
    "s3:ListBucketVersions",
    "s3:PutBucketPolicy",
    "secretsmanager:PutSecretValue",
    "secretsmanager:DeleteSecret",
    "secretsmanager:ListSecrets",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchDeleteImage",
    "ecr:CreateRepository",
    "ecr:DescribeRepositories",
    "iam:PassRole",
    "sts:GetSessionToken",
];

const OTHER_RESOURCES: [&str; 20] = [
    "arn:aws:s3:::shop",
    "arn:aws:s3:::shop-data2",
    "arn:aws:s3:::shop-data2/a",
    "arn:aws:s3:::common/a",
    "arn:aws:s3:::other/shop-data/a",
    "arn:aws-cn:s3:::shop-data/a",
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shopx/db-AbCdEf",
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop-AbCdEf",
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:commons/tls-AbCdEf",
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x/shop/db-AbCdEf",
    "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/db-AbCdEf",
    "arn:aws:secretsmanager:eu-west-1a:111122223333:secret:shop/db-AbCdEf",
    "arn:aws:ecr:eu-west-1:111122223333:repository/shopx/checkout",
    "arn:aws:ecr:eu-west-1:111122223333:repository/shop",
    "arn:aws:ecr:eu-west-1:111122223333:repository/common",
    "arn:aws:ecr:eu-west-1:111122223333:repository/team/shop/checkout",
    "arn:aws:ecr:eu-central-1:111122223333:repository/shop/checkout",
    "arn:aws:ecr-public::111122223333:repository/shop/checkout",
    "arn:aws:iam::111122223333:role/shop",
    "arn:aws:sqs:eu-west-1:111122223333:shop",
];

#[test]
fn project_role_allows_listed_actions_alone() {
    let arrangement = arrangement();
    let (mut actions, mut resources) = (OTHER_ACTIONS.to_vec(), OTHER_RESOURCES.to_vec());
    for (some, on) in ALLOWED {
        actions.extend(some);
        resources.extend(on);
    }
    let policies = Policies::new().identity(arrangement.project_permissions());
    let mut count = 0;
    for action in &actions {
        for resource in &resources {
            let listed =
                ALLOWED.iter().any(|row| row.0.contains(action) && row.1.contains(resource));
            // It is allowed on `*`, the only resource that its requests have: the grid's others
            // match it, too. That no other action is allowed on `*` is among the pairs.
            let expected = listed || *action == "ecr:GetAuthorizationToken";
            // A resource of another account needs a resource policy there as well.
            let request = Request::new(session(ACCOUNT, "shop"), *action, *resource)
                .resource_account(ACCOUNT);
            let allowed = evaluate(&request, &policies).is_allowed();
            assert_eq!(allowed, expected, "{action} {resource}");
            count += usize::from(allowed);
        }
    }
    assert_eq!(count, 1 + 2 * 2 + 2 * 3 + resources.len() + 6 * 2);
}

#[test]
fn documents_are_read_back_as_they_were() {
    let arrangement = arrangement();
    for trust in [arrangement.service_account_trust(), arrangement.project_trust()] {
        assert_eq!(TrustPolicy::parse(&trust.to_json()).as_ref(), Ok(trust));
    }
    let permissions = arrangement.project_permissions().iter();
    for policy in permissions.chain([arrangement.assume_role_permissions()]) {
        let read = PermissionPolicy::parse_as(PolicyKind::Managed, &policy.to_json());
        assert_eq!(read.as_ref(), Ok(policy));
    }
    let named = [
        arrangement.bucket_permissions(),
        arrangement.secret_permissions(),
        arrangement.image_permissions(),
    ];
    assert!(arrangement.project_permissions().iter().eq(named));
}

#[test]
fn example_prints_documents_as_json() {
    let printed: serde_json::Value = serde_json::from_str(&example::output(&[]).unwrap()).unwrap();
    let arrangement = arrangement();
    let names = [
        ("service-account-trust", arrangement.service_account_trust().to_json()),
        ("assume-role", arrangement.assume_role_permissions().to_json()),
        ("project-trust", arrangement.project_trust().to_json()),
        ("bucket", arrangement.bucket_permissions().to_json()),
        ("secrets", arrangement.secret_permissions().to_json()),
        ("images", arrangement.image_permissions().to_json()),
    ];
    assert_eq!(printed.as_object().unwrap().len(), names.len());
    for (name, json) in names {
        assert_eq!(printed[name], serde_json::from_str::<serde_json::Value>(&json).unwrap());
    }
    let error = example::output(&["--json".to_owned()]).unwrap_err().to_string();
    assert_eq!(error, "usage: reference_arrangement [--terraform]");
}

pub(crate) fn builder() -> ReferenceArrangementBuilder {
    let cluster = OidcProvider::eks("eu-west-1", "EXAMPLED539D4633E53DE1B716D3041E").unwrap();
    ReferenceArrangement::builder("shop")
        .account(ACCOUNT)
        .region("eu-west-1")
        .bucket("shop-data")
        .cluster(cluster.build().unwrap())
        .service_account("shop", "checkout")
        .external_id("shop-4711")
}

#[test]
fn service_account_role_is_trusted_once() {
    let alone = builder().build().unwrap();
    assert_eq!(alone.project_trust().document().statements().len(), 1);
    let own = TrustedPrincipal::role(alone.service_account_role()).unwrap();
    assert_eq!(builder().trusted_principal(own).build().unwrap(), alone);
    let own = TrustedPrincipal::role(alone.service_account_role()).unwrap();
    let named = builder().trusted_principal(own.source_identity(["checkout"]).unwrap());
    let statements = named.build().unwrap().project_trust().document().statements().len();
    assert_eq!(statements, 3, "the source identity has a statement of its own");
}

#[test]
fn role_names_can_be_set() {
    let default = builder().build().unwrap();
    let names = ["shop-service-account", "shop"];
    let set = builder().service_account_role_name(names[0]).project_role_name(names[1]);
    assert_eq!(set.build().as_ref(), Ok(&default));
    let named = builder().service_account_role_name("pods").project_role_name("data.access");
    let named = named.build().unwrap();
    assert_eq!(named.service_account_role(), "arn:aws:iam::111122223333:role/pods");
    assert_eq!(named.project_role(), "arn:aws:iam::111122223333:role/data.access");
    assert_eq!(named.service_account_role_name(), "pods");
    assert_eq!(named.project_role_name(), "data.access");
    // The policies name the roles, and the secrets and images are still those of the project.
    assert!(named.assume_role_permissions().to_json().contains(named.project_role()));
    assert!(named.project_trust().to_json().contains(named.service_account_role()));
    assert_eq!(named.project_permissions(), default.project_permissions());
}

#[test]
fn partition_follows_region() {
    let govcloud = builder().region("us-gov-west-1").build().unwrap();
    let arns = [govcloud.provider_arn(), govcloud.project_role(), govcloud.service_account_role()];
    assert!(arns.iter().all(|arn| arn.starts_with("arn:aws-us-gov:iam::111122223333:")));
    for policy in govcloud.project_permissions() {
        assert!(!policy.to_json().contains("arn:aws:"), "{}", policy.to_json());
    }
    let set = builder().region("us-gov-west-1").partition("aws-us-gov").build();
    assert_eq!(set, Ok(govcloud));
}

#[test]
fn invalid_input_is_an_error() {
    let project = |name: &str| {
        let ann = TrustedPrincipal::account("444455556666").unwrap();
        ReferenceArrangement::builder(name)
            .account(ACCOUNT)
            .region("eu-west-1")
            .bucket("shop-data")
            .cluster(OidcProvider::eks("eu-west-1", "EXAMPLE").unwrap().build().unwrap())
            .service_account("shop", "checkout")
            .external_id("shop-4711")
            .trusted_principal(ann)
    };
    let longest = "a".repeat(48);
    for name in ["a", "4", "shop.a_b-c", &longest] {
        assert!(project(name).build().is_ok(), "{name}");
    }
    let too_long = "a".repeat(49);
    for name in ["", "Shop", "shop-", "-shop", "a--b", "a/b", "a b", "é", "*", "common", &too_long]
    {
        let error = project(name).build().unwrap_err();
        assert_eq!(error.location, "project", "{error}");
    }
    let provider = |client_id: &str| {
        OidcProvider::builder("https://idp.example.com").client_id(client_id).build().unwrap()
    };
    let china = TrustedPrincipal::role("arn:aws-cn:iam::444455556666:role/deploy").unwrap();
    for (name, invalid, location) in [
        (
            "missing bucket",
            ReferenceArrangement::builder("shop").account("1").region("x"),
            "bucket",
        ),
        ("account", builder().account("1111"), "account"),
        ("partition", builder().partition("AWS"), "partition"),
        ("partition of region", builder().partition("aws-cn"), "partition"),
        ("region", builder().region("Ireland"), "Region"),
        ("bucket", builder().bucket("shop-data/*"), "bucket"),
        ("namespace", builder().service_account("*", "checkout"), "namespace"),
        ("service account", builder().service_account("shop", "*"), "service account"),
        ("external id", builder().external_id("*"), "external id"),
        ("client id", builder().cluster(provider("checkout")), "cluster"),
        ("partition of principal", builder().trusted_principal(china), "partition"),
        ("role name with path", builder().project_role_name("shop/data"), "role name"),
        ("long role name", builder().project_role_name("a".repeat(65)), "role name"),
        ("empty role name", builder().service_account_role_name(""), "role name"),
        ("equal role names", builder().service_account_role_name("shop"), "role name"),
    ] {
        let error: PolicyError = invalid.build().unwrap_err();
        assert_eq!(error.location, location, "{name}: {error}");
    }
    assert!(builder().cluster(provider("sts.amazonaws.com")).build().is_ok());
}

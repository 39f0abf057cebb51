use serde_json::{Value, json};

use super::*;
use crate::condition::Context;
use crate::evaluate::{Caller, Decision, Trust};
use crate::{PermissionPolicy, TrustPolicy};

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// Everything that the builders can grant.
fn everything() -> PermissionPolicy {
    let orders = S3Access::under("shop-data", ["orders/", "returns/"]).unwrap();
    let secrets = SecretsAccess::under("eu-west-1", ["shop/", "common/"]).unwrap();
    let images = EcrAccess::under("eu-west-1", ["shop/"]).unwrap().account("111122223333").unwrap();
    PermissionPolicy::builder()
        .s3(orders.list().read().write().delete())
        .secrets(secrets.read().write())
        .ecr(images.push().pull().delete())
        .assume_roles(["arn:aws:iam::444455556666:role/orders"])
        .unwrap()
        .build()
        .unwrap()
}

#[test]
fn the_document_is_what_people_write_by_hand() {
    let expected = json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "S3ListBucket",
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::shop-data",
                "Condition": { "StringLike": { "s3:prefix": ["orders/*", "returns/*"] } },
            },
            {
                "Sid": "S3Objects",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": ["arn:aws:s3:::shop-data/orders/*", "arn:aws:s3:::shop-data/returns/*"],
            },
            {
                "Sid": "Secrets",
                "Effect": "Allow",
                "Action": [
                    "secretsmanager:DescribeSecret",
                    "secretsmanager:GetSecretValue",
                    "secretsmanager:CreateSecret",
                    "secretsmanager:PutSecretValue",
                ],
                "Resource": [
                    "arn:aws:secretsmanager:eu-west-1:*:secret:shop/*",
                    "arn:aws:secretsmanager:eu-west-1:*:secret:common/*",
                ],
            },
            {
                "Sid": "EcrLogin",
                "Effect": "Allow",
                "Action": "ecr:GetAuthorizationToken",
                "Resource": "*",
            },
            {
                "Sid": "EcrImages",
                "Effect": "Allow",
                "Action": [
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:InitiateLayerUpload",
                    "ecr:UploadLayerPart",
                    "ecr:CompleteLayerUpload",
                    "ecr:PutImage",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchDeleteImage",
                ],
                "Resource": "arn:aws:ecr:eu-west-1:111122223333:repository/shop/*",
            },
            {
                "Sid": "AssumeRoles",
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Resource": "arn:aws:iam::444455556666:role/orders",
            },
        ],
    });
    assert_eq!(value(&everything().to_json()), expected);
}

#[test]
fn what_is_written_is_read_again_as_the_same() {
    let policy = everything();
    assert_eq!(PermissionPolicy::parse(&policy.to_json()), Ok(policy));
    for json in [
        r#"{"Version": "2008-10-17", "Id": "x", "Statement": {"Sid": "a", "Effect": "Deny", "NotAction": "a:*",
            "NotResource": ["arn:aws:s3:::${x}", "*"],
            "Condition": {"StringLike": {"a:b": "c", "a:d": ["e", "f"]}, "Bool": {"a:b": true}}}}"#,
        r#"{"Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": "*",
            "Condition": {"ArnLike": {"a:b": "arn:aws:iam::1:role/x"}, "stringequalsifexists": {"A:B": "1"}}}]}"#,
    ] {
        let policy = PermissionPolicy::parse(json).unwrap();
        assert_eq!(PermissionPolicy::parse(&policy.to_json()), Ok(policy), "{json}");
    }
    for principal in [
        r#""*""#,
        r#"{"AWS": ["*", "111122223333"]}"#,
        r#"{"AWS": "arn:aws:iam::111122223333:user/ann", "Federated": "x", "Service": ["a", "b"]}"#,
        r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/a/b"}"#,
    ] {
        let json = format!(
            r#"{{"Statement": {{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {principal}}}}}"#
        );
        let policy = TrustPolicy::parse(&json).unwrap();
        assert_eq!(TrustPolicy::parse(&policy.to_json()), Ok(policy), "{json}");
    }
}

#[test]
fn each_line_allows_what_it_names_and_nothing_beside_it() {
    let policy = everything();
    let listing = |prefix: Option<&str>| match prefix {
        Some(prefix) => Context::new().with("s3:prefix", prefix),
        None => Context::new(),
    };
    let bucket = "arn:aws:s3:::shop-data";
    for (prefix, allowed) in [
        (Some("orders/"), true),
        (Some("orders/2026"), true),
        (Some("returns/"), true),
        (Some("orders"), false),
        (Some("orders-old/"), false),
        (Some(""), false),
        (None, false),
    ] {
        let decision = policy.evaluate("s3:ListBucket", bucket, &listing(prefix));
        assert_eq!(decision == Decision::Allow, allowed, "{prefix:?}");
    }
    let secret = |rest: &str| format!("arn:aws:secretsmanager:{rest}");
    let repository = |rest: &str| format!("arn:aws:ecr:{rest}");
    let rows = [
        ("s3:GetObject", format!("{bucket}/orders/1"), true),
        ("s3:PutObject", format!("{bucket}/returns/a/b"), true),
        ("s3:DeleteObject", format!("{bucket}/orders/"), true),
        ("s3:GetObject", format!("{bucket}/orders-old/1"), false),
        ("s3:GetObject", format!("{bucket}-2/orders/1"), false),
        ("s3:PutObjectAcl", format!("{bucket}/orders/1"), false),
        ("s3:DeleteBucket", bucket.to_owned(), false),
        (
            "secretsmanager:GetSecretValue",
            secret("eu-west-1:111122223333:secret:shop/a-AAAAAA"),
            true,
        ),
        (
            "secretsmanager:PutSecretValue",
            secret("eu-west-1:999999999999:secret:common/a-AAAAAA"),
            true,
        ),
        (
            "secretsmanager:GetSecretValue",
            secret("eu-west-1:111122223333:secret:shopping/a-AAAAAA"),
            false,
        ),
        (
            "secretsmanager:GetSecretValue",
            secret("eu-west-2:111122223333:secret:shop/a-AAAAAA"),
            false,
        ),
        (
            "secretsmanager:DeleteSecret",
            secret("eu-west-1:111122223333:secret:shop/a-AAAAAA"),
            false,
        ),
        ("ecr:GetAuthorizationToken", "*".to_owned(), true),
        ("ecr:PutImage", repository("eu-west-1:111122223333:repository/shop/api"), true),
        ("ecr:PutImage", repository("eu-west-1:999999999999:repository/shop/api"), false),
        ("ecr:PutImage", repository("eu-west-1:111122223333:repository/shopping/api"), false),
        ("ecr:DeleteRepository", repository("eu-west-1:111122223333:repository/shop/api"), false),
        ("sts:AssumeRole", "arn:aws:iam::444455556666:role/orders".to_owned(), true),
        ("sts:AssumeRole", "arn:aws:iam::444455556666:role/orders2".to_owned(), false),
    ];
    for (action, resource, allowed) in rows {
        let decision = policy.evaluate(action, &resource, &Context::new());
        assert_eq!(decision == Decision::Allow, allowed, "{action} {resource}");
    }
}

/// Amazon ECR User Guide, "IAM permissions for pushing an image to an Amazon ECR private
/// repository".
#[test]
fn ecr_push_allows_the_six_actions_aws_lists() {
    let access = EcrAccess::under("eu-west-1", ["shop/"]).unwrap().push();
    let policy = PermissionPolicy::builder().ecr(access).build().unwrap();
    let actions = value(&policy.to_json())["Statement"][1]["Action"].clone();
    let expected = json!([
        "ecr:BatchCheckLayerAvailability",
        "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:PutImage",
        "ecr:BatchGetImage",
    ]);
    assert_eq!(actions, expected);
    // Pulling is another matter: it takes the layers' URLs too.
    let repository = "arn:aws:ecr:eu-west-1:111122223333:repository/shop/api";
    let layers = policy.evaluate("ecr:GetDownloadUrlForLayer", repository, &Context::new());
    assert_eq!(layers, Decision::ImplicitDeny);
}

#[test]
fn a_whole_bucket_and_another_partition() {
    let policy = PermissionPolicy::builder()
        .s3(S3Access::whole_bucket("shop-data").unwrap().list().read())
        .s3(S3Access::under("logs", ["a/"]).unwrap().write())
        .partition("aws-cn")
        .unwrap()
        .build()
        .unwrap();
    let written = value(&policy.to_json());
    assert_eq!(written["Statement"][0]["Condition"], Value::Null);
    assert_eq!(written["Statement"][1]["Resource"], "arn:aws-cn:s3:::shop-data/*");
    assert_eq!(written["Statement"][2]["Sid"], "S3Objects2");
}

#[test]
fn input_that_would_grant_more_is_an_error() {
    let s3 = |bucket: &str, prefix: &str| S3Access::under(bucket, [prefix]).map(|_| ());
    let secrets = |region: &str, prefix: &str| SecretsAccess::under(region, [prefix]).map(|_| ());
    let ecr = |region: &str, prefix: &str| EcrAccess::under(region, [prefix]).map(|_| ());
    let none: [&str; 0] = [];
    let long = "a".repeat(64);
    for (result, expected) in [
        (s3("shop", "orders/"), None),
        (s3("shop", "Grüße an/"), None),
        (s3("shop", "orders"), Some("ends in \"/\"")),
        (s3("shop", ""), Some("ends in \"/\"")),
        (s3("shop", "/"), Some("ends in \"/\"")),
        (s3("shop", "a*/"), Some("contains a wildcard")),
        (s3("shop", "a?/"), Some("contains a wildcard")),
        (s3("shop", "${aws:username}/"), Some("contains a wildcard")),
        (s3("shop", "a\n/"), Some("contains '\\n'")),
        (s3("*", "a/"), Some("is not a bucket name")),
        (s3("Shop", "a/"), Some("is not a bucket name")),
        (s3("-shop", "a/"), Some("is not a bucket name")),
        (s3("ab", "a/"), Some("is not a bucket name")),
        (s3(&long, "a/"), Some("is not a bucket name")),
        (S3Access::under("shop", none).map(|_| ()), Some("is given; hint: pass at least one")),
        (secrets("eu-west-1", "shop/"), None),
        (secrets("*", "shop/"), Some("is not a Region")),
        (secrets("", "shop/"), Some("is not a Region")),
        (secrets("eu-west-1", "Grüße/"), Some("contains 'ü'")),
        (
            SecretsAccess::under("eu-west-1", none).map(|_| ()),
            Some("is given; hint: pass at least one"),
        ),
        (ecr("eu-west-1", "shop/"), None),
        (ecr("eu-west-1", "Shop/"), Some("contains 'S'")),
        (
            SecretsAccess::under("eu-west-1", ["a/"]).unwrap().account("1").map(|_| ()),
            Some("is not an account id of 12 digits"),
        ),
        (
            EcrAccess::under("eu-west-1", ["a/"]).unwrap().account("*").map(|_| ()),
            Some("is not an account id of 12 digits"),
        ),
        (PermissionPolicy::builder().build().map(|_| ()), Some("no access is allowed")),
        (
            PermissionPolicy::builder().partition("gcp").map(|_| ()),
            Some("is not a partition, such as aws"),
        ),
        (
            PermissionPolicy::builder().assume_roles(none).map(|_| ()),
            Some("is given; hint: pass at least one"),
        ),
        (
            PermissionPolicy::builder().assume_roles(["111122223333"]).map(|_| ()),
            Some("is not the ARN of a role"),
        ),
        (
            PermissionPolicy::builder()
                .s3(S3Access::whole_bucket("shop").unwrap())
                .build()
                .map(|_| ()),
            Some("S3Objects: no action is allowed; hint: call list, read, write or delete"),
        ),
        (
            PermissionPolicy::builder()
                .ecr(EcrAccess::under("eu-west-1", ["shop/"]).unwrap())
                .build()
                .map(|_| ()),
            Some("EcrImages: no action is allowed; hint: call push, pull or delete"),
        ),
    ] {
        match (result, expected) {
            (Ok(()), None) => {}
            (Err(error), Some(part)) => {
                assert!(error.to_string().contains(part), "{error} is not {part}");
            }
            (result, expected) => panic!("{result:?}, not {expected:?}"),
        }
    }
}

const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/shop.example/cluster";
const CHECKOUT: &str = "arn:aws:iam::111122223333:role/checkout";
const ANN: &str = "arn:aws:iam::111122223333:user/ann";

#[test]
fn trust_policy_trusts_named_principals_only() {
    let service_account = TrustedServiceAccount::new(PROVIDER, "shop", "checkout").unwrap();
    let policy = TrustPolicy::builder()
        .principal(TrustedPrincipal::role(CHECKOUT).unwrap().external_id("shop-4711").unwrap())
        .principal(TrustedPrincipal::user(ANN).unwrap())
        .principal(TrustedPrincipal::account("444455556666").unwrap())
        .service_account(service_account)
        .build()
        .unwrap();
    let session = |role: &str| Caller::role_session("111122223333", role, "checkout", "pod");
    let id = |id: &str| Context::new().with("sts:ExternalId", id);
    let token = |sub: &str, aud: &str| {
        let context = Context::new().with("shop.example/cluster:sub", sub);
        context.with("shop.example/cluster:aud", aud)
    };
    let checkout = "system:serviceaccount:shop:checkout";
    let (assume, web) = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity");
    let bob = "arn:aws:iam::111122223333:user/bob";
    let elsewhere = "arn:aws:iam::444455556666:user/eve";
    for (caller, action, context, expected) in [
        (session(CHECKOUT), assume, id("shop-4711"), Trust::Named),
        (session(CHECKOUT), assume, id("shop-4712"), Trust::NotTrusted),
        (session(CHECKOUT), assume, Context::new(), Trust::NotTrusted),
        (session(CHECKOUT), web, id("shop-4711"), Trust::NotTrusted),
        (Caller::user("111122223333", ANN), assume, Context::new(), Trust::Named),
        (Caller::user("111122223333", bob), assume, Context::new(), Trust::NotTrusted),
        (Caller::user("444455556666", elsewhere), assume, Context::new(), Trust::Delegated),
        (Caller::federated(PROVIDER), web, token(checkout, "sts.amazonaws.com"), Trust::Named),
        (Caller::federated(PROVIDER), web, token(checkout, "vault"), Trust::NotTrusted),
        (
            Caller::federated(PROVIDER),
            web,
            token("system:serviceaccount:shop:basket", "sts.amazonaws.com"),
            Trust::NotTrusted,
        ),
        (Caller::federated(PROVIDER), web, Context::new(), Trust::NotTrusted),
        (
            Caller::federated("arn:aws:iam::111122223333:oidc-provider/other.example"),
            web,
            token(checkout, "sts.amazonaws.com"),
            Trust::NotTrusted,
        ),
    ] {
        assert_eq!(policy.evaluate(&caller, action, &context), expected, "{caller:?} {context:?}");
    }
    assert_eq!(TrustPolicy::parse(&policy.to_json()), Ok(policy));
}

#[test]
fn another_audience_takes_the_place_of_the_first() {
    let trusted = TrustedServiceAccount::new(PROVIDER, "shop", "checkout").unwrap();
    let policy = TrustPolicy::builder().service_account(trusted.audience("vault").unwrap());
    let written = value(&policy.build().unwrap().to_json());
    let equals = &written["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(equals["shop.example/cluster:aud"], "vault");
    assert_eq!(equals["shop.example/cluster:sub"], "system:serviceaccount:shop:checkout");
}

#[test]
fn invalid_principals_are_errors() {
    let service_account = |provider: &str, namespace: &str, name: &str| {
        TrustedServiceAccount::new(provider, namespace, name).map(|_| ())
    };
    let role = TrustedPrincipal::role(CHECKOUT).unwrap();
    for (result, expected) in [
        (TrustedPrincipal::account("1234").map(|_| ()), "is not an account id of 12 digits"),
        (TrustedPrincipal::account("*").map(|_| ()), "is not an account id of 12 digits"),
        (TrustedPrincipal::role(ANN).map(|_| ()), "is not the ARN of a role"),
        (TrustedPrincipal::user(CHECKOUT).map(|_| ()), "is not the ARN of a user"),
        (TrustedPrincipal::user("ann").map(|_| ()), "is not an account, user, role"),
        (role.clone().external_id("").map(|_| ()), "is empty"),
        (role.external_id("${aws:username}").map(|_| ()), "contains ${"),
        (service_account(CHECKOUT, "shop", "checkout"), "is not the ARN of an OIDC provider"),
        (
            service_account("https://shop.example", "shop", "checkout"),
            "is not the ARN of an OIDC provider",
        ),
        (service_account(PROVIDER, "*", "checkout"), "without wildcards"),
        (service_account(PROVIDER, "shop", ""), "without wildcards"),
        (service_account(PROVIDER, "Shop", "checkout"), "lower case"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error} is not {expected}");
    }
}

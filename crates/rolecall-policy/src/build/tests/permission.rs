use serde_json::{Value, json};

use super::*;
use crate::{AllowedSessionTags, AssumeRoleAccess, EcrAccess, PolicyKind, S3Access, SecretsAccess};

/// Everything that the builder can allow.
fn everything() -> PermissionPolicy {
    let orders = S3Access::under("shop-data", ["orders/", "returns/"]).unwrap();
    let secrets = SecretsAccess::under("eu-west-1", ["shop/", "common/"]).unwrap();
    let images = EcrAccess::under("eu-west-1", ["shop/"]).unwrap().account("111122223333").unwrap();
    PermissionPolicy::builder()
        .s3(orders.list().read().write().delete())
        .secrets(secrets.read().write())
        .ecr(images.push().pull().delete())
        .assume_roles([ORDERS])
        .unwrap()
        .build()
        .unwrap()
}

#[test]
fn policy_of_every_access_is_written_as_people_write_it() {
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
fn built_policy_equals_its_parsed_text() {
    let policy = everything();
    assert_eq!(PermissionPolicy::parse(&policy.to_json()), Ok(policy.clone()));
    let inline = PermissionPolicy::parse_as(PolicyKind::Session, &policy.to_compact_json());
    assert_eq!(inline, Ok(policy));
}

#[test]
fn listing_is_allowed_under_named_prefixes_only() {
    let policy = everything();
    for (prefix, expected) in [
        (Some("orders/"), true),
        (Some("orders/2026"), true),
        (Some("returns/"), true),
        (Some("orders"), false),
        (Some("orders-old/"), false),
        (Some(""), false),
        (None, false),
    ] {
        let context = Context::new();
        let context = prefix.map_or(context.clone(), |prefix| context.with("s3:prefix", prefix));
        let allowed = allows(&policy, "s3:ListBucket", "arn:aws:s3:::shop-data", &context);
        assert_eq!(allowed, expected, "{prefix:?}");
    }
}

#[test]
fn access_is_allowed_on_named_resources_only() {
    let policy = everything();
    for (action, resource, expected) in [
        ("s3:GetObject", "arn:aws:s3:::shop-data/orders/1", true),
        ("s3:PutObject", "arn:aws:s3:::shop-data/returns/a/b", true),
        ("s3:DeleteObject", "arn:aws:s3:::shop-data/orders/", true),
        ("s3:GetObject", "arn:aws:s3:::shop-data/orders-old/1", false),
        ("s3:GetObject", "arn:aws:s3:::shop-data-2/orders/1", false),
        ("s3:GetObject", "arn:aws-cn:s3:::shop-data/orders/1", false),
        ("s3:PutObjectAcl", "arn:aws:s3:::shop-data/orders/1", false),
        ("s3:DeleteBucket", "arn:aws:s3:::shop-data", false),
        (
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/a-AAAAAA",
            true,
        ),
        (
            "secretsmanager:PutSecretValue",
            "arn:aws:secretsmanager:eu-west-1:444455556666:secret:common/a-AAAAAA",
            true,
        ),
        (
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shopping/a-AAAAAA",
            false,
        ),
        (
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:eu-west-2:111122223333:secret:shop/a-AAAAAA",
            false,
        ),
        (
            "secretsmanager:DeleteSecret",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/a-AAAAAA",
            false,
        ),
        ("ecr:GetAuthorizationToken", "*", true),
        ("ecr:PutImage", "arn:aws:ecr:eu-west-1:111122223333:repository/shop/api", true),
        ("ecr:PutImage", "arn:aws:ecr:eu-west-1:444455556666:repository/shop/api", false),
        ("ecr:PutImage", "arn:aws:ecr:eu-west-1:111122223333:repository/shopping/api", false),
        ("ecr:DeleteRepository", "arn:aws:ecr:eu-west-1:111122223333:repository/shop/api", false),
        ("sts:AssumeRole", "arn:aws:iam::444455556666:role/orders2", false),
        ("sts:TagSession", ORDERS, false),
    ] {
        assert_eq!(
            allows(&policy, action, resource, &Context::new()),
            expected,
            "{action} {resource}"
        );
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
    // Pulling is another matter: it takes the URLs of the layers as well.
    let repository = "arn:aws:ecr:eu-west-1:111122223333:repository/shop/api";
    assert!(!allows(&policy, "ecr:GetDownloadUrlForLayer", repository, &Context::new()));
}

#[test]
fn repeated_access_is_written_once_and_sids_are_unique() {
    let read = || S3Access::under("logs", ["a/"]).unwrap().read();
    let ecr = |region: &str| EcrAccess::under(region, ["shop/"]).unwrap().pull();
    let policy = PermissionPolicy::builder()
        .s3(read())
        .s3(read())
        .s3(S3Access::whole_bucket("shop-data").unwrap().list().read())
        .ecr(ecr("eu-west-1"))
        .ecr_login()
        .ecr(ecr("eu-west-2"))
        .build()
        .unwrap();
    let statements = policy.document().statements();
    let sids: Vec<_> = statements.iter().filter_map(|statement| statement.sid()).collect();
    let expected =
        ["S3Objects", "S3ListBucket", "S3Objects2", "EcrLogin", "EcrImages", "EcrImages2"];
    assert_eq!(sids, expected);
    assert_eq!(value(&policy.to_json())["Statement"][1]["Condition"], Value::Null);
    assert_eq!(PermissionPolicy::parse(&policy.to_json()), Ok(policy));
}

#[test]
fn partition_follows_from_regions_and_arns() {
    let s3 = || PermissionPolicy::builder().s3(S3Access::whole_bucket("shop").unwrap().read());
    let secrets = |region: &str| SecretsAccess::under(region, ["shop/"]).unwrap().read();
    let china = "arn:aws-cn:iam::111122223333:role/orders";
    for (name, built, expected) in [
        ("default", s3().build(), "arn:aws:s3:::shop/*"),
        ("set", s3().partition("aws-cn").unwrap().build(), "arn:aws-cn:s3:::shop/*"),
        (
            "GovCloud Region",
            s3().secrets(secrets("us-gov-west-1")).build(),
            "arn:aws-us-gov:s3:::shop/*",
        ),
        ("role", s3().assume_roles([china]).unwrap().build(), "arn:aws-cn:s3:::shop/*"),
        (
            "all the same",
            s3().secrets(secrets("cn-north-1"))
                .assume_roles([china])
                .unwrap()
                .partition("aws-cn")
                .unwrap()
                .build(),
            "arn:aws-cn:s3:::shop/*",
        ),
    ] {
        let written = value(&built.unwrap().to_json());
        assert_eq!(written["Statement"][0]["Resource"], expected, "{name}");
    }
    assert_errors([
        (
            "set and Region",
            s3().secrets(secrets("eu-west-1")).partition("aws-cn").unwrap().build(),
            Some(r#""eu-west-1" belongs to the partition aws, and the policy to aws-cn"#),
        ),
        (
            "Region and role",
            s3().secrets(secrets("eu-west-1")).assume_roles([china]).unwrap().build(),
            Some(r#"role/orders" belongs to the partition aws-cn, and "eu-west-1" to aws"#),
        ),
    ]);
    assert_errors([
        ("upper case", s3().partition("AWS").map(|_| ()), Some("\"AWS\" is not a partition")),
        ("star", s3().partition("aws*").map(|_| ()), Some("is not a partition")),
        ("hyphen", s3().partition("aws-").map(|_| ()), Some("is not a partition")),
        ("empty", s3().partition("").map(|_| ()), Some("is not a partition")),
        ("new", s3().partition("aws-iso-f").map(|_| ()), None),
    ]);
}

#[test]
fn named_resources_are_those_of_the_name_only() {
    let secrets = SecretsAccess::named("eu-west-1", ["shop/db", "shop/key-a1b2c3"]).unwrap().read();
    let images = EcrAccess::named("eu-west-1", ["shop/web"]).unwrap().pull();
    let policy = PermissionPolicy::builder().secrets(secrets).ecr(images).build().unwrap();
    for (action, resource, expected) in [
        ("secretsmanager:GetSecretValue", "secretsmanager:eu-west-1:*:secret:shop/db-a1B2c3", true),
        ("secretsmanager:GetSecretValue", "secretsmanager:eu-west-1:*:secret:shop/db", false),
        ("secretsmanager:GetSecretValue", "secretsmanager:eu-west-1:*:secret:shop/db-a1b2c", false),
        (
            "secretsmanager:GetSecretValue",
            "secretsmanager:eu-west-1:*:secret:shop/db2-a1b2c3",
            false,
        ),
        (
            "secretsmanager:GetSecretValue",
            "secretsmanager:eu-west-1:*:secret:shop/db-old-a1b2c3",
            false,
        ),
        (
            "secretsmanager:GetSecretValue",
            "secretsmanager:eu-west-1:*:secret:shop/key-a1b2c3",
            false,
        ),
        (
            "secretsmanager:GetSecretValue",
            "secretsmanager:eu-west-1:*:secret:shop/key-a1b2c3-x1y2z3",
            true,
        ),
        ("ecr:BatchGetImage", "ecr:eu-west-1:*:repository/shop/web", true),
        ("ecr:BatchGetImage", "ecr:eu-west-1:*:repository/shop/web2", false),
        ("ecr:BatchGetImage", "ecr:eu-west-1:*:repository/shop/web/a", false),
    ] {
        let resource = format!("arn:aws:{}", resource.replace('*', "111122223333"));
        let allowed = allows(&policy, action, &resource, &Context::new());
        assert_eq!(allowed, expected, "{resource}");
    }
}

#[test]
fn input_that_would_grant_more_is_an_error() {
    let s3 = |bucket: &str, prefix: &str| S3Access::under(bucket, [prefix]).map(|_| ());
    let secrets = |region: &str, prefix: &str| SecretsAccess::under(region, [prefix]).map(|_| ());
    let ecr = |region: &str, prefix: &str| EcrAccess::under(region, [prefix]).map(|_| ());
    let secret = |name: &str| SecretsAccess::named("eu-west-1", [name]).map(|_| ());
    let repository = |name: &str| EcrAccess::named("eu-west-1", [name]).map(|_| ());
    let roles = |role: &str| PermissionPolicy::builder().assume_roles([role]).map(|_| ());
    let none: [&str; 0] = [];
    let long = "a".repeat(64);
    assert_errors([
        ("prefix", s3("shop", "orders/"), None),
        ("Latin-1", s3("shop", "Grüße an/"), None),
        ("no slash", s3("shop", "orders"), Some(r#"would include "orders-other""#)),
        ("empty prefix", s3("shop", ""), Some("\"\" is empty")),
        ("slash", s3("shop", "/"), Some(r#""/" is not a name that ends in "/""#)),
        ("slashes", s3("shop", "//"), Some("is not a name that ends in")),
        ("star", s3("shop", "a*/"), Some("\"a*/\" contains a wildcard")),
        ("question mark", s3("shop", "a?/"), Some("contains a wildcard")),
        ("variable", s3("shop", "${aws:username}/"), Some("contains a policy variable")),
        ("escape", s3("shop", "${$}/"), Some("contains a policy variable")),
        ("control", s3("shop", "a\n/"), Some("contains '\\n', which IAM refuses")),
        ("beyond Latin-1", s3("shop", "Ł/"), Some("contains 'Ł', which IAM refuses")),
        ("long", s3("shop", &format!("{}/", "a".repeat(2_048))), Some("more than 2048")),
        ("bucket star", s3("*", "a/"), Some("is not a bucket name")),
        ("bucket upper case", s3("Shop", "a/"), Some("\"Shop\" is not a bucket name")),
        ("bucket hyphen", s3("-shop", "a/"), Some("is not a bucket name")),
        ("bucket dots", s3("sh..op", "a/"), Some("is not a bucket name")),
        ("bucket short", s3("ab", "a/"), Some("is not a bucket name")),
        ("bucket long", s3(&long, "a/"), Some("is not a bucket name")),
        ("bucket key", s3("shop/*", "a/"), Some("is not a bucket name")),
        ("no prefixes", S3Access::under("shop", none).map(|_| ()), Some("no prefix is given")),
        ("secret", secrets("eu-west-1", "shop/"), None),
        ("Region star", secrets("*", "shop/"), Some("\"*\" is not a Region")),
        ("Region empty", secrets("", "shop/"), Some("is not a Region")),
        ("Region hyphen", secrets("-", "shop/"), Some("is not a Region")),
        ("Region colon", secrets("eu-west-1:*", "shop/"), Some("is not a Region")),
        ("secret character", secrets("eu-west-1", "shop:*/"), Some("contains a wildcard")),
        ("secret colon", secrets("eu-west-1", "shop:a/"), Some("contains ':'")),
        ("named secret", secret("shop/db_1+=.@-"), None),
        ("named secret star", secret("shop/*"), Some("contains a wildcard")),
        ("named secret suffix", secret("shop/db-??????"), Some("contains a wildcard")),
        ("named secret prefix", secret("shop/"), Some("is a prefix of names; hint: call under")),
        ("named secret colon", secret("shop:db"), Some("contains ':'")),
        ("named secret empty", secret(""), Some("is empty")),
        ("no names", SecretsAccess::named("eu-west-1", none).map(|_| ()), Some("no name is given")),
        ("named repository case", repository("Shop"), Some("contains 'S'")),
        ("named repository slash", repository("shop/"), Some("is a prefix of names")),
        ("repository", ecr("eu-west-1", "shop/"), None),
        ("repository case", ecr("eu-west-1", "Shop/"), Some("contains 'S'")),
        (
            "account",
            EcrAccess::under("eu-west-1", ["shop/"]).unwrap().account("*").map(|_| ()),
            Some("\"*\" is not an account id"),
        ),
        ("role", roles(ORDERS), None),
        ("role path", roles("arn:aws:iam::444455556666:role/team/orders"), None),
        ("role star", roles("arn:aws:iam::444455556666:role/*"), Some("contains a wildcard")),
        (
            "role variable",
            roles("arn:aws:iam::444455556666:role/${aws:username}"),
            Some("contains a policy variable"),
        ),
        ("role dollar", roles("arn:aws:iam::444455556666:role/a$"), Some("is not the ARN of")),
        ("role name", roles("arn:aws:iam::444455556666:role/a b"), Some("is not the ARN of")),
        ("role partition", roles("arn:x:iam::444455556666:role/a"), Some("is not the ARN of")),
        ("role region", roles("arn:aws:iam:x:444455556666:role/a"), Some("is not the ARN of")),
        ("user", roles(ANN), Some("is not the ARN of a role")),
        ("account root", roles("444455556666"), Some("is not the ARN of a role")),
        (
            "no roles",
            PermissionPolicy::builder().assume_roles(none).map(|_| ()),
            Some("no role is given"),
        ),
    ]);
}

#[test]
fn incomplete_or_oversized_policy_is_an_error() {
    let prefixes = |count: u32| (0..count).map(|number| format!("tenants/{number}/"));
    let s3 = |count| S3Access::under("shop-data", prefixes(count)).unwrap().read();
    let build = |count| PermissionPolicy::builder().s3(s3(count));
    assert_errors([
        ("nothing", PermissionPolicy::builder().build(), Some("no access is allowed")),
        (
            "no S3 action",
            PermissionPolicy::builder().s3(S3Access::whole_bucket("shop").unwrap()).build(),
            Some("S3Objects: no action is allowed; hint: call list, read, write or delete"),
        ),
        (
            "no ECR action",
            PermissionPolicy::builder()
                .ecr(EcrAccess::under("eu-west-1", ["shop/"]).unwrap())
                .build(),
            Some("EcrImages: no action is allowed; hint: call push, pull or delete"),
        ),
        (
            "no Secrets Manager action",
            PermissionPolicy::builder()
                .secrets(SecretsAccess::under("eu-west-1", ["shop/"]).unwrap())
                .build(),
            Some("Secrets: no action is allowed; hint: call read or write"),
        ),
        ("small", build(200).build(), None),
        ("large", build(300).build(), Some("characters, but an inline policy has at most 10240")),
        ("managed", build(200).build_as(PolicyKind::Managed), Some("at most 6144")),
        ("session", build(60).build_as(PolicyKind::Session), Some("at most 2048")),
        ("session policy", build(40).build_as(PolicyKind::Session), None),
    ]);
    let error = build(1).build_as(PolicyKind::Trust).unwrap_err();
    assert!(
        error.to_string().starts_with("kind: a trust policy is not a permission policy; hint: ")
    );
}

#[test]
fn assume_role_access_allows_named_tags_and_identities() {
    let tags = AllowedSessionTags::new().optional("team", ["blue"]).unwrap();
    let access = AssumeRoleAccess::new([ORDERS]).unwrap();
    let access = access.session_tags(tags).unwrap().source_identity(["ann"]).unwrap();
    let policy = PermissionPolicy::builder().assume_role(access).build().unwrap();
    let identity = |name: &str| Context::new().with("sts:SourceIdentity", name);
    let tag = |key: &str, value: &str| {
        let context = Context::new().with("aws:TagKeys", key);
        context.with(&format!("aws:RequestTag/{key}"), value)
    };
    let transitive = tag("team", "blue").with("sts:TransitiveTagKeys", "team");
    for (action, resource, context, expected) in [
        ("sts:AssumeRole", ORDERS, identity("ann"), true),
        ("sts:AssumeRole", ORDERS, identity("bob"), false),
        ("sts:AssumeRole", ORDERS, Context::new(), false),
        ("sts:AssumeRole", CHECKOUT, identity("ann"), false),
        ("sts:SetSourceIdentity", ORDERS, identity("ann"), true),
        ("sts:SetSourceIdentity", ORDERS, identity("bob"), false),
        ("sts:SetSourceIdentity", CHECKOUT, identity("ann"), false),
        ("sts:TagSession", ORDERS, tag("team", "blue"), true),
        ("sts:TagSession", ORDERS, tag("team", "red"), false),
        ("sts:TagSession", ORDERS, tag("cost", "blue"), false),
        ("sts:TagSession", ORDERS, transitive, false),
        ("sts:TagSession", CHECKOUT, tag("team", "blue"), false),
    ] {
        // Trust is on the other side.
        let policies = [policy.clone()];
        let trust = TrustPolicy::parse(
            r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "111122223333"},
                "Action": "sts:*"}}"#,
        );
        let trust = trust.unwrap();
        let request = Request::new(ann(), action, resource).context(context.clone());
        let policies = Policies::new().identity(&policies).trust(&trust);
        let allowed = evaluate(&request, &policies).is_allowed();
        assert_eq!(allowed, expected, "{action} {resource} {context:?}");
    }
    assert_eq!(PermissionPolicy::parse(&policy.to_json()), Ok(policy));
}

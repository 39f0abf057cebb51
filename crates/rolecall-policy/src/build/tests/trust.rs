use std::time::Duration;

use super::*;
use crate::{
    AllowedSessionTags, PolicyKind, TrustedGitHubActions, TrustedPodIdentity, TrustedPrincipal,
    TrustedService, TrustedServiceAccount, TrustedWebIdentity,
};

const ASSUME: &str = "sts:AssumeRole";
const WEB: &str = "sts:AssumeRoleWithWebIdentity";
const TAG: &str = "sts:TagSession";
const IDENTITY: &str = "sts:SetSourceIdentity";

fn built(builder: crate::TrustPolicyBuilder) -> TrustPolicy {
    let policy = builder.build().unwrap();
    assert_eq!(TrustPolicy::parse(&policy.to_json()), Ok(policy.clone()));
    policy
}

fn external_id(id: &str) -> Context {
    Context::new().with("sts:ExternalId", id)
}

/// The context of a token.
fn token(issuer: &str, sub: &str, aud: &str) -> Context {
    let context = Context::new().with(&format!("{issuer}:sub"), sub);
    context.with(&format!("{issuer}:aud"), aud)
}

#[test]
fn principals_are_trusted_as_named() {
    let service_account = TrustedServiceAccount::new(PROVIDER, "shop", "checkout").unwrap();
    let policy = built(
        TrustPolicy::builder()
            .principal(TrustedPrincipal::role(CHECKOUT).unwrap().external_id("shop-4711").unwrap())
            .principal(TrustedPrincipal::user(ANN).unwrap())
            .principal(TrustedPrincipal::account("444455556666").unwrap())
            .service_account(service_account),
    );
    let token = |sub: &str, aud: &str| token("shop.example/cluster", sub, aud);
    let checkout = "system:serviceaccount:shop:checkout";
    let bob = Caller::user("111122223333", "arn:aws:iam::111122223333:user/bob");
    let eve = Caller::user("444455556666", "arn:aws:iam::444455556666:user/eve");
    let pod = Caller::federated(PROVIDER);
    let other = Caller::federated("arn:aws:iam::111122223333:oidc-provider/other.example");
    let session = session_of(CHECKOUT);
    for (caller, action, context, expected) in [
        (&session, ASSUME, external_id("shop-4711"), true),
        (&session, ASSUME, external_id("shop-4712"), false),
        (&session, ASSUME, Context::new(), false),
        (&session, WEB, external_id("shop-4711"), false),
        (&session, TAG, external_id("shop-4711"), false),
        (&ann(), ASSUME, Context::new(), true),
        (&ann(), IDENTITY, Context::new(), false),
        (&bob, ASSUME, Context::new(), false),
        (&eve, ASSUME, Context::new(), true),
        (&pod, WEB, token(checkout, "sts.amazonaws.com"), true),
        (&pod, WEB, token(checkout, "vault"), false),
        (&pod, WEB, token("system:serviceaccount:shop:basket", "sts.amazonaws.com"), false),
        (&pod, WEB, Context::new(), false),
        (&pod, ASSUME, token(checkout, "sts.amazonaws.com"), false),
        (&other, WEB, token(checkout, "sts.amazonaws.com"), false),
    ] {
        assert_eq!(trusts(&policy, caller, action, &context), expected, "{caller:?} {context:?}");
    }
}

#[test]
fn account_delegates_to_its_own_policies() {
    let trusted = TrustedPrincipal::account("111122223333").unwrap();
    let policy = built(TrustPolicy::builder().principal(trusted));
    let request = Request::new(ann(), ASSUME, "arn:aws:iam::111122223333:role/target");
    assert!(!evaluate(&request, &Policies::new().trust(&policy)).is_allowed());
    assert!(trusts(&policy, &ann(), ASSUME, &Context::new()));
}

#[test]
fn mfa_is_required_with_its_age() {
    let ann_trusted = || TrustedPrincipal::user(ANN).unwrap();
    let hour = Duration::from_secs(3600);
    let any = built(TrustPolicy::builder().principal(ann_trusted().mfa().unwrap()));
    let young = built(TrustPolicy::builder().principal(ann_trusted().mfa_within(hour).unwrap()));
    let mfa = |present: &str| Context::new().with("aws:MultiFactorAuthPresent", present);
    let age = |seconds: &str| mfa("true").with("aws:MultiFactorAuthAge", seconds);
    for (name, context, with_any, with_young) in [
        ("absent", Context::new(), false, false),
        ("false", mfa("false"), false, false),
        ("true", mfa("true"), true, false),
        ("young", age("3599"), true, true),
        ("old", age("3600"), true, false),
    ] {
        assert_eq!(trusts(&any, &ann(), ASSUME, &context), with_any, "{name}");
        assert_eq!(trusts(&young, &ann(), ASSUME, &context), with_young, "{name}, with age");
    }
    let zero = Duration::ZERO;
    let fraction = Duration::from_millis(1500);
    assert_errors([
        ("role", TrustedPrincipal::role(CHECKOUT).unwrap().mfa(), Some("carry no MFA")),
        ("role", TrustedPrincipal::role(CHECKOUT).unwrap().mfa_within(hour), Some("carry no MFA")),
        ("account", TrustedPrincipal::account("111122223333").unwrap().mfa(), None),
        ("zero", ann_trusted().mfa_within(zero), Some("0ns is not an age of MFA")),
        ("fraction", ann_trusted().mfa_within(fraction), Some("1.5s is not an age of MFA")),
    ]);
}

/// Asks as STS does: for each tag and source identity of a call, in the context of the call.
fn may_assume(policy: &TrustPolicy, caller: &Caller, assume: &str, context: &Context) -> bool {
    let tagged = context.get("aws:TagKeys").is_some();
    let identified = context.get("sts:SourceIdentity").is_some();
    trusts(policy, caller, assume, context)
        && (!tagged || trusts(policy, caller, TAG, context))
        && (!identified || trusts(policy, caller, IDENTITY, context))
}

fn with_tags(context: Context, tags: &[(&str, &str)], transitive: &[&str]) -> Context {
    let context = tags.iter().fold(context, |context, (key, value)| {
        context.with("aws:TagKeys", *key).with(&format!("aws:RequestTag/{key}"), *value)
    });
    if transitive.is_empty() {
        return context;
    }
    context.with_values("sts:TransitiveTagKeys", transitive.iter().copied())
}

#[test]
fn session_tags_are_a_closed_list() {
    let tags = AllowedSessionTags::new()
        .required("team", ["blue", "green"])
        .unwrap()
        .required_with_any_value("tenant")
        .unwrap()
        .optional("stage", ["test"])
        .unwrap()
        .optional_with_any_value("ticket")
        .unwrap()
        .transitive(["team", "tenant"])
        .unwrap();
    let trusted = TrustedPrincipal::role(CHECKOUT).unwrap();
    let trusted = trusted.external_id("shop-4711").unwrap().session_tags(tags).unwrap();
    let policy = built(TrustPolicy::builder().principal(trusted));
    let required = [("team", "blue"), ("tenant", "x")];
    for (name, tags, transitive, expected) in [
        ("required", required.to_vec(), vec![], true),
        ("none", vec![], vec![], false),
        ("one of two", vec![("team", "blue")], vec![], false),
        ("other value", vec![("team", "red"), ("tenant", "x")], vec![], false),
        ("optional", [&required[..], &[("stage", "test"), ("ticket", "1")]].concat(), vec![], true),
        ("optional, other value", [&required[..], &[("stage", "prod")]].concat(), vec![], false),
        ("unnamed", [&required[..], &[("admin", "1")]].concat(), vec![], false),
        ("transitive", required.to_vec(), vec!["tenant"], true),
        ("transitive, unnamed", required.to_vec(), vec!["tenant", "stage"], false),
    ] {
        let context = with_tags(external_id("shop-4711"), &tags, &transitive);
        let caller = session_of(CHECKOUT);
        assert_eq!(may_assume(&policy, &caller, ASSUME, &context), expected, "{name}");
        let wrong_id = with_tags(external_id("other"), &tags, &transitive);
        assert!(!may_assume(&policy, &caller, ASSUME, &wrong_id), "{name}, other external id");
        let other = session_of(ORDERS);
        assert!(!may_assume(&policy, &other, ASSUME, &context), "{name}, other role");
    }
    // AWS documents an external id for the action that assumes the role alone.
    let context = with_tags(Context::new(), &required, &[]);
    assert!(trusts(&policy, &session_of(CHECKOUT), TAG, &context));
}

#[test]
fn tags_of_pods_are_allowed_in_chains() {
    let trusted = TrustedPrincipal::role(CHECKOUT).unwrap();
    let trusted = trusted.session_tags(AllowedSessionTags::eks_pod_identity()).unwrap();
    let policy = built(TrustPolicy::builder().principal(trusted));
    // The tags are those of the documentation, whatever the builder has.
    let pod = [
        ("eks-cluster-arn", CLUSTER),
        ("eks-cluster-name", "shop"),
        ("kubernetes-namespace", "shop"),
        ("kubernetes-service-account", "checkout"),
        ("kubernetes-pod-name", "checkout-1"),
        ("kubernetes-pod-uid", "0cda7f85-c1f9-4dee-b6e9-a0b50c8f3012"),
    ];
    let keys = pod.map(|(key, _)| key);
    let other = [&pod[..], &[("team", "blue")]].concat();
    for (name, context, expected) in [
        ("no tags", Context::new(), true),
        ("all", with_tags(Context::new(), &pod, &keys), true),
        ("inherited", Context::new().with_values("sts:TransitiveTagKeys", keys), true),
        ("another", with_tags(Context::new(), &other, &keys), false),
    ] {
        assert_eq!(
            may_assume(&policy, &session_of(CHECKOUT), ASSUME, &context),
            expected,
            "{name}"
        );
    }
    let inherited = Context::new().with_values("sts:TransitiveTagKeys", keys);
    assert!(trusts(&policy, &session_of(CHECKOUT), TAG, &inherited));
}

#[test]
fn no_tag_is_transitive_unless_named() {
    let tags = AllowedSessionTags::new().optional_with_any_value("team").unwrap();
    let trusted = TrustedPrincipal::role(CHECKOUT).unwrap().session_tags(tags).unwrap();
    let policy = built(TrustPolicy::builder().principal(trusted));
    let caller = session_of(CHECKOUT);
    let tags = [("team", "blue")];
    let without = with_tags(Context::new(), &tags, &[]);
    let with = with_tags(Context::new(), &tags, &["team"]);
    let empty = without.clone().with_values("sts:TransitiveTagKeys", [""; 0]);
    assert!(may_assume(&policy, &caller, ASSUME, &without));
    assert!(may_assume(&policy, &caller, ASSUME, &empty));
    assert!(!may_assume(&policy, &caller, ASSUME, &with));
    assert!(may_assume(&policy, &caller, ASSUME, &Context::new()));
}

#[test]
fn source_identity_is_required_or_free() {
    let trusted = || TrustedPrincipal::user(ANN).unwrap();
    let one_of = trusted().source_identity(["ann", "ann.m"]).unwrap();
    let one_of = built(TrustPolicy::builder().principal(one_of));
    let any = built(TrustPolicy::builder().principal(trusted().any_source_identity()));
    let none = built(TrustPolicy::builder().principal(trusted()));
    let identity = |name: &str| Context::new().with("sts:SourceIdentity", name);
    for (context, expected) in [
        (identity("ann"), [true, true, false]),
        (identity("ann.m"), [true, true, false]),
        (identity("bob"), [false, true, false]),
        (Context::new(), [false, true, true]),
    ] {
        let assumed =
            [&one_of, &any, &none].map(|policy| may_assume(policy, &ann(), ASSUME, &context));
        assert_eq!(assumed, expected, "{context:?}");
    }
}

#[test]
fn web_identity_is_trusted_with_its_claims() {
    let tags = AllowedSessionTags::new().required("team", ["blue"]).unwrap();
    let trusted = TrustedWebIdentity::new(PROVIDER, "deploy", "aws")
        .unwrap()
        .claim("org/id", ["7", "8"])
        .unwrap()
        .claim("amr", ["authenticated"])
        .unwrap()
        .session_tags(tags)
        .unwrap();
    let policy = built(TrustPolicy::builder().web_identity(trusted));
    let caller = Caller::federated(PROVIDER);
    let issuer = "shop.example/cluster";
    let claims = |sub: &str, aud: &str, id: &str, amr: &[&str]| {
        let context = token(issuer, sub, aud).with(&format!("{issuer}:org/id"), id);
        let context = context.with_values(&format!("{issuer}:amr"), amr.iter().copied());
        with_tags(context, &[("team", "blue")], &[])
    };
    let amr = ["authenticated", issuer];
    for (name, context, expected) in [
        ("all claims", claims("deploy", "aws", "7", &amr), true),
        ("second value", claims("deploy", "aws", "8", &amr), true),
        ("other subject", claims("deploy2", "aws", "7", &amr), false),
        ("other audience", claims("deploy", "gcp", "7", &amr), false),
        ("other claim", claims("deploy", "aws", "9", &amr), false),
        ("amr", claims("deploy", "aws", "7", &["unauthenticated"]), false),
        ("no claim", token(issuer, "deploy", "aws"), false),
    ] {
        assert_eq!(may_assume(&policy, &caller, WEB, &context), expected, "{name}");
        if !expected {
            assert!(!trusts(&policy, &caller, TAG, &context), "{name}: tags are not lent");
        }
    }
}

#[test]
fn google_is_trusted_by_its_name() {
    let trusted = TrustedWebIdentity::new("accounts.google.com", "1234", "app").unwrap();
    let policy = built(TrustPolicy::builder().web_identity(trusted));
    let context = token("accounts.google.com", "1234", "app");
    assert!(trusts(&policy, &Caller::federated("accounts.google.com"), WEB, &context));
    assert!(!trusts(&policy, &Caller::federated(PROVIDER), WEB, &context));
}

#[test]
fn audience_replaces_the_default() {
    let trusted = TrustedServiceAccount::new(PROVIDER, "shop", "checkout").unwrap();
    let policy = built(TrustPolicy::builder().service_account(trusted.audience("vault").unwrap()));
    let caller = Caller::federated(PROVIDER);
    for (audience, expected) in [("vault", true), ("sts.amazonaws.com", false)] {
        let subject = "system:serviceaccount:shop:checkout";
        let context = token("shop.example/cluster", subject, audience);
        assert_eq!(trusts(&policy, &caller, WEB, &context), expected, "{audience}");
    }
}

/// GitHub Docs, "OpenID Connect reference": "Example subject claims", "Immutable subject claims".
#[test]
fn github_subjects_are_trusted_by_table() {
    let repository = "octo-org/octo-repo";
    let immutable = "octo-org@123456/octo-repo@456789";
    let main = "repo:octo-org/octo-repo:ref:refs/heads/main";
    let subjects = [
        main,
        "repo:octo-org/octo-repo:ref:refs/heads/main2",
        "repo:octo-org/octo-repo:ref:refs/tags/demo-tag",
        "repo:octo-org/octo-repo:environment:Production",
        "repo:octo-org/octo-repo:environment:Production%3AV1",
        "repo:octo-org/octo-repo:pull_request",
        "repo:octo-org@123456/octo-repo@456789:ref:refs/heads/main",
        "repo:octo-org/octo-repo2:ref:refs/heads/main",
        "repo:octo-org2/octo-repo:ref:refs/heads/main",
    ];
    let caller = Caller::federated(GITHUB);
    let issuer = "token.actions.githubusercontent.com";
    for (name, trusted, expected) in [
        ("branch", TrustedGitHubActions::branch(GITHUB, repository, "main"), &subjects[..1]),
        ("tag", TrustedGitHubActions::tag(GITHUB, repository, "demo-tag"), &subjects[2..3]),
        (
            "environment",
            TrustedGitHubActions::environment(GITHUB, repository, "Production"),
            &subjects[3..4],
        ),
        (
            "environment with a colon",
            TrustedGitHubActions::environment(GITHUB, repository, "Production:V1"),
            &subjects[4..5],
        ),
        ("pull request", TrustedGitHubActions::pull_request(GITHUB, repository), &subjects[5..6]),
        (
            "immutable branch",
            TrustedGitHubActions::branch(GITHUB, immutable, "main"),
            &subjects[6..7],
        ),
        ("repository", TrustedGitHubActions::repository(GITHUB, repository), &subjects[..6]),
    ] {
        let policy = built(TrustPolicy::builder().github_actions(trusted.unwrap()));
        for subject in subjects {
            let context = token(issuer, subject, "sts.amazonaws.com");
            let trusted = trusts(&policy, &caller, WEB, &context);
            assert_eq!(trusted, expected.contains(&subject), "{name} {subject}");
            let other = token(issuer, subject, "other");
            assert!(!trusts(&policy, &caller, WEB, &other), "{name}: other audience");
        }
    }
}

#[test]
fn github_claims_and_audience_restrict_trust() {
    let trusted = TrustedGitHubActions::branch(GITHUB, "octo-org/octo-repo", "main").unwrap();
    let trusted = trusted.audience("sts.amazonaws.com.cn").unwrap();
    let trusted = trusted.claim("repository_id", ["456789"]).unwrap();
    let policy = built(TrustPolicy::builder().github_actions(trusted));
    let issuer = "token.actions.githubusercontent.com";
    let subject = "repo:octo-org/octo-repo:ref:refs/heads/main";
    let claims = |id: &str, aud: &str| {
        token(issuer, subject, aud).with(&format!("{issuer}:repository_id"), id)
    };
    let caller = Caller::federated(GITHUB);
    assert!(trusts(&policy, &caller, WEB, &claims("456789", "sts.amazonaws.com.cn")));
    assert!(!trusts(&policy, &caller, WEB, &claims("1", "sts.amazonaws.com.cn")));
    assert!(!trusts(&policy, &caller, WEB, &claims("456789", "sts.amazonaws.com")));
}

#[test]
fn pod_identity_is_restricted_by_its_tags() {
    let any = built(TrustPolicy::builder().pod_identity(TrustedPodIdentity::any_pod()));
    let checkout = TrustedPodIdentity::service_account("shop", "checkout").unwrap();
    let checkout = checkout.cluster(CLUSTER).unwrap();
    let checkout = built(TrustPolicy::builder().pod_identity(checkout));
    let eks = Caller::service("pods.eks.amazonaws.com");
    let pod = |namespace: &str, name: &str, cluster: &str| {
        let tags = [
            ("kubernetes-namespace", namespace),
            ("kubernetes-service-account", name),
            ("eks-cluster-arn", cluster),
        ];
        with_tags(Context::new(), &tags, &["kubernetes-namespace"])
    };
    let other_cluster = "arn:aws:eks:eu-west-1:111122223333:cluster/shop2";
    for (context, expected) in [
        (pod("shop", "checkout", CLUSTER), true),
        (pod("shop", "basket", CLUSTER), false),
        (pod("shop2", "checkout", CLUSTER), false),
        (pod("shop", "checkout", other_cluster), false),
        (Context::new(), false),
    ] {
        assert_eq!(may_assume(&checkout, &eks, ASSUME, &context), expected, "{context:?}");
        assert!(may_assume(&any, &eks, ASSUME, &context));
        let other = Caller::service("eks.amazonaws.com");
        assert!(!may_assume(&any, &other, ASSUME, &context));
    }
}

#[test]
fn service_is_trusted_for_its_source() {
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:checkout";
    let lambda = TrustedService::lambda().source_account("111122223333").unwrap();
    let lambda = built(TrustPolicy::builder().service(lambda.source_arn(arn).unwrap()));
    let ecs = TrustedService::ecs_tasks().source_region("eu-west-1", "111122223333").unwrap();
    let ecs = built(TrustPolicy::builder().service(ecs));
    let source = |account: &str, arn: &str| {
        Context::new().with("aws:SourceAccount", account).with("aws:SourceArn", arn)
    };
    let other = "arn:aws:lambda:eu-west-1:111122223333:function:checkout2";
    let task = "arn:aws:ecs:eu-west-1:111122223333:task/shop/1";
    let elsewhere = "arn:aws:ecs:eu-west-2:111122223333:task/shop/1";
    for (context, of_lambda, of_ecs) in [
        (source("111122223333", arn), true, false),
        (source("111122223333", other), false, false),
        (source("444455556666", arn), false, false),
        (source("111122223333", task), false, true),
        (source("111122223333", elsewhere), false, false),
        (source("444455556666", task), false, false),
        (Context::new(), false, false),
    ] {
        let service = |name: &str| Caller::service(format!("{name}.amazonaws.com"));
        let trusted = trusts(&lambda, &service("lambda"), ASSUME, &context);
        assert_eq!(trusted, of_lambda, "lambda {context:?}");
        assert_eq!(trusts(&ecs, &service("ecs-tasks"), ASSUME, &context), of_ecs, "{context:?}");
        assert!(!trusts(&ecs, &service("ecs"), ASSUME, &context));
    }
}

#[test]
fn service_names_follow_the_partition() {
    let principal = |builder: crate::TrustPolicyBuilder| {
        let built = builder.service(TrustedService::ec2()).build();
        built.map(|policy| {
            let written = value(&policy.to_json());
            let statements = written["Statement"].as_array().unwrap().clone();
            statements.last().unwrap()["Principal"]["Service"].as_str().unwrap().to_owned()
        })
    };
    let new = TrustPolicy::builder;
    let china = TrustedPrincipal::role("arn:aws-cn:iam::111122223333:role/a").unwrap();
    for (builder, expected) in [
        (new(), "ec2.amazonaws.com"),
        (new().partition("aws-us-gov").unwrap(), "ec2.amazonaws.com"),
        (new().partition("aws-cn").unwrap(), "ec2.amazonaws.com.cn"),
        (new().principal(china.clone()), "ec2.amazonaws.com.cn"),
    ] {
        assert_eq!(principal(builder).as_deref(), Ok(expected));
    }
    let ecs = TrustedService::ecs_tasks().source_region("cn-north-1", "111122223333").unwrap();
    let policy = built(new().service(ecs));
    assert!(policy.to_json().contains("arn:aws-cn:ecs:cn-north-1:111122223333:*"));
    let both = new().principal(TrustedPrincipal::user(ANN).unwrap()).principal(china);
    assert_errors([
        ("two partitions", principal(both), Some("belongs to the partition aws-cn, and")),
        ("unknown", principal(new().partition("aws-iso").unwrap()), Some("is not known")),
    ]);
}

#[test]
fn trust_policy_beyond_its_quota_is_an_error() {
    let builder = |count: u32| {
        (0..count).fold(TrustPolicy::builder(), |builder, number| {
            let name = format!("service-{number}");
            let trusted = TrustedServiceAccount::new(PROVIDER, "shop", &name).unwrap();
            builder.service_account(trusted)
        })
    };
    let raised = PolicyKind::TrustRaised;
    assert_errors([
        ("nothing", TrustPolicy::builder().build(), Some("no principal is trusted")),
        ("within the default", builder(6).build(), None),
        ("beyond the default", builder(8).build(), Some("but a trust policy has at most 2048")),
        ("within the raised quota", builder(8).build_as(raised), None),
        ("beyond the raised quota", builder(16).build_as(raised), Some("at most 4096")),
    ]);
    let error = builder(1).build_as(PolicyKind::Inline).unwrap_err();
    assert!(error.to_string().starts_with("kind: an inline policy is not a trust policy; hint: "));
}

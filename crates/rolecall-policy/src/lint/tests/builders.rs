//! What the builders write has neither errors nor security warnings.

use std::time::{Duration, SystemTime};

use super::*;
use crate::{
    AllowedSessionTags, AssumeRoleAccess, EcrAccess, RevokedSessions, S3Access, SecretsAccess,
    TrustPolicyBuilder, TrustedGitHubActions, TrustedPodIdentity, TrustedPrincipal, TrustedService,
    TrustedServiceAccount, TrustedWebIdentity,
};

const OWN: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::111122223333:role/checkout";
const USER: &str = "arn:aws:iam::111122223333:user/ann";
const STRANGER: &str = "444455556666";
const EKS: &str =
    "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A1B2";
const GITHUB: &str = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
const SERVER: &str = "arn:aws:iam::111122223333:oidc-provider/git.shop.example/_services/token";
const CLUSTER: &str = "arn:aws:eks:eu-west-1:111122223333:cluster/shop";

fn assert_clean(name: &str, findings: &[Finding], json: &str) {
    let severe = findings.iter().filter(|it| it.severity >= Severity::SecurityWarning);
    let severe: Vec<String> = severe.map(Finding::to_string).collect();
    assert!(severe.is_empty(), "{name}\n{json}\n{}", severe.join("\n"));
}

fn tags() -> AllowedSessionTags {
    let tags = AllowedSessionTags::new().required("team", ["shop", "ops"]).unwrap();
    let tags = tags.optional_with_any_value("cost").unwrap();
    tags.transitive(["team"]).unwrap()
}

#[test]
fn built_trust_policies_are_clean() {
    let start = || TrustPolicy::builder();
    let role = || TrustedPrincipal::role(ROLE).unwrap();
    let stranger =
        || TrustedPrincipal::account(STRANGER).unwrap().external_id("shop-4711").unwrap();
    let eks = || TrustedServiceAccount::new(EKS, "shop", "checkout").unwrap();
    let github = || TrustedGitHubActions::branch(GITHUB, "shop/web", "main").unwrap();
    let google = TrustedWebIdentity::new("accounts.google.com", "4711", "shop").unwrap();
    let cognito = "cognito-identity.amazonaws.com";
    let cognito = TrustedWebIdentity::new(cognito, "eu-west-1:4711", "eu-west-1:shop").unwrap();
    let slash = "arn:aws:iam::111122223333:oidc-provider/shop.example/";
    let slash = TrustedWebIdentity::new(slash, "4711", "shop").unwrap();
    let pods = AllowedSessionTags::eks_pod_identity();
    let hour = Duration::from_secs(3600);
    let policies: Vec<(&str, TrustPolicyBuilder)> = vec![
        ("account", start().principal(TrustedPrincipal::account(OWN).unwrap())),
        ("role", start().principal(role())),
        ("third party", start().principal(stranger())),
        ("tags", start().principal(role().session_tags(tags()).unwrap())),
        ("identity", start().principal(role().source_identity(["ann", "bob"]).unwrap())),
        ("any identity", start().principal(role().any_source_identity())),
        (
            "tags and identity",
            start().principal(
                stranger().session_tags(tags()).unwrap().source_identity(["ann"]).unwrap(),
            ),
        ),
        ("mfa", start().principal(TrustedPrincipal::user(USER).unwrap().mfa_within(hour).unwrap())),
        ("service account", start().service_account(eks())),
        ("audience", start().service_account(eks().audience("shop").unwrap())),
        ("github branch", start().github_actions(github())),
        (
            "github repository",
            start().github_actions(TrustedGitHubActions::repository(GITHUB, "shop/web").unwrap()),
        ),
        (
            "github server",
            start().github_actions(
                TrustedGitHubActions::environment(SERVER, "shop/web", "production").unwrap(),
            ),
        ),
        (
            "github claim",
            start().github_actions(github().claim("repository_id", ["4711"]).unwrap()),
        ),
        ("google", start().web_identity(google)),
        ("cognito", start().web_identity(cognito)),
        ("issuer with a slash", start().web_identity(slash)),
        ("tags of pods", start().principal(role().session_tags(pods).unwrap())),
        ("any pod", start().pod_identity(TrustedPodIdentity::any_pod())),
        (
            "pod",
            start().pod_identity(
                TrustedPodIdentity::service_account("shop", "checkout")
                    .and_then(|pod| pod.cluster(CLUSTER))
                    .unwrap(),
            ),
        ),
        ("ec2", start().service(TrustedService::ec2())),
        ("lambda", start().service(TrustedService::lambda())),
        (
            "ecs",
            start().service(TrustedService::ecs_tasks().source_region("eu-west-1", OWN).unwrap()),
        ),
        (
            "scheduler",
            start().service(
                TrustedService::new("scheduler.amazonaws.com")
                    .and_then(|service| service.source_account(OWN))
                    .unwrap(),
            ),
        ),
        ("several", start().principal(role()).service_account(eks()).github_actions(github())),
    ];
    for (name, builder) in policies {
        let policy = builder.build().unwrap();
        let options = LintOptions::new(PolicyKind::Trust).own_accounts([OWN]);
        assert_clean(name, &policy.lint(options.clone()), &policy.to_json());
        assert_clean(name, &lint_document(options, &policy.to_json()), &policy.to_json());
    }
}

#[test]
fn built_permission_policies_are_clean() {
    let start = || PermissionPolicy::builder();
    let s3 = || S3Access::under("shop-data", ["orders/"]).unwrap().list().read().write().delete();
    let secrets = SecretsAccess::under("eu-west-1", ["shop/"]).unwrap().read().write();
    let pull = EcrAccess::under("eu-west-1", ["shop/"]).unwrap().account(OWN).unwrap().pull();
    let push = EcrAccess::under("eu-west-1", ["shop/"]).unwrap().push().delete();
    let secret = SecretsAccess::named("eu-west-1", ["shop/db"]).unwrap();
    let repository = EcrAccess::named("eu-west-1", ["shop/web"]).unwrap();
    let roles = || AssumeRoleAccess::new([ROLE]).unwrap();
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_694_400);
    let revoked = RevokedSessions::named("AROADBQP57FF2AEXAMPLE", "pod-1").unwrap();
    for (name, builder) in [
        ("s3", start().s3(s3())),
        ("bucket", start().s3(S3Access::whole_bucket("shop-data").unwrap().list().read())),
        ("secrets", start().secrets(secrets)),
        ("pull", start().ecr(pull)),
        ("push", start().ecr(push).ecr_login()),
        ("named secret", start().secrets(secret.read())),
        ("named repository", start().ecr(repository.push().pull())),
        ("roles", start().assume_role(roles())),
        ("tags", start().assume_role(roles().session_tags(tags()).unwrap())),
        ("identity", start().assume_role(roles().source_identity(["ann"]).unwrap())),
        ("revoked", start().revoke_sessions(RevokedSessions::issued_before(past).unwrap())),
        ("named", start().revoke_sessions(revoked.only_issued_before(past).unwrap())),
        ("all", start().s3(s3()).assume_roles([ROLE]).unwrap()),
    ] {
        let policy = builder.build().unwrap();
        assert_clean(name, &policy.lint(PolicyKind::Inline), &policy.to_json());
        let findings = lint_document(PolicyKind::Session, &policy.to_json());
        assert_clean(name, &findings, &policy.to_json());
    }
}

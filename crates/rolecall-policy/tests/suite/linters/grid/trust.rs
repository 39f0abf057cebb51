//! Trust policies.

use std::time::Duration;

use rolecall_policy::{
    TrustPolicy, TrustPolicyBuilder, TrustedGitHubActions, TrustedPodIdentity, TrustedPrincipal,
    TrustedService, TrustedServiceAccount, TrustedWebIdentity,
};

use super::{IDENTITIES, OWN, Place, Policy, of_trust, tags};

const STRANGER: &str = "444455556666";
const EKS: &str = "oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A1B2C3D4";
const GITHUB: &str = "oidc-provider/token.actions.githubusercontent.com";
const GITHUB_SERVER: &str = "oidc-provider/git.shop.example/_services/token";
const OTHER: &str = "oidc-provider/idp.shop.example";

/// A builder with its name.
type Named = (String, TrustPolicyBuilder);

pub(super) fn all(place: Place) -> Vec<Policy> {
    let lists = [principals(place), web_identities(place), github(place), services(place)];
    lists
        .concat()
        .into_iter()
        .map(|(name, builder)| {
            let builder = builder.partition(place.partition).unwrap();
            of_trust(format!("{name}, {}", place.partition), &builder.build().unwrap())
        })
        .collect()
}

fn principals(place: Place) -> Vec<Named> {
    let hour = Duration::from_secs(3600);
    let trusted = [
        ("own account", TrustedPrincipal::account(OWN)),
        ("other account", TrustedPrincipal::account(STRANGER)),
        ("user", TrustedPrincipal::user(&place.iam("user/ann"))),
        ("user with MFA", TrustedPrincipal::user(&place.iam("user/ann")).and_then(|it| it.mfa())),
        ("account with MFA", TrustedPrincipal::account(OWN).and_then(|it| it.mfa_within(hour))),
        ("role", TrustedPrincipal::role(&place.iam("role/team/checkout"))),
    ];
    let mut builders = Vec::new();
    for (principal, trusted) in trusted {
        for external_id in [false, true] {
            for (tags, allowed) in tags() {
                for (identity, names) in IDENTITIES {
                    let mut trusted = trusted.clone().unwrap();
                    // A stranger is trusted with an external id only.
                    if !external_id && principal == "other account" {
                        continue;
                    }
                    if external_id {
                        trusted = trusted.external_id("shop-4711").unwrap();
                    }
                    if let Some(allowed) = &allowed {
                        trusted = trusted.session_tags(allowed.clone()).unwrap();
                    }
                    if !names.is_empty() {
                        trusted = trusted.source_identity(names.iter().copied()).unwrap();
                    }
                    let id = if external_id { "an id" } else { "no id" };
                    let name = format!("{principal}, {id}, {tags}, {identity}");
                    builders.push((name, TrustPolicy::builder().principal(trusted)));
                }
            }
        }
        let trusted = trusted.unwrap().external_id("shop-4711").unwrap().any_source_identity();
        let name = format!("{principal}, an id, no tags, any identity");
        builders.push((name, TrustPolicy::builder().principal(trusted)));
    }
    let both = TrustPolicy::builder()
        .principal(TrustedPrincipal::role(&place.iam("role/checkout")).unwrap())
        .principal(TrustedPrincipal::user(&place.iam("user/ann")).unwrap());
    builders.push(("role and user".to_owned(), both));
    builders
}

fn web_identities(place: Place) -> Vec<Named> {
    let eks = place.iam(EKS);
    let account = || TrustedServiceAccount::new(&eks, "shop", "checkout").unwrap();
    let other = || TrustedWebIdentity::new(&place.iam(OTHER), "checkout", "shop").unwrap();
    let google = TrustedWebIdentity::new("accounts.google.com", "4711", "shop").unwrap();
    let cognito = "cognito-identity.amazonaws.com";
    let cognito = TrustedWebIdentity::new(cognito, "eu-west-1:4711", "eu-west-1:shop").unwrap();
    let slash = place.iam("oidc-provider/shop.example/");
    let slash = TrustedWebIdentity::new(&slash, "4711", "shop").unwrap();
    let several = TrustPolicy::builder()
        .service_account(account())
        .service_account(TrustedServiceAccount::new(&eks, "shop", "basket").unwrap());
    let start = TrustPolicy::builder;
    let mut builders = vec![
        ("service account".to_owned(), start().service_account(account())),
        (
            "service account, audience".to_owned(),
            start().service_account(account().audience("vault").unwrap()),
        ),
        ("service accounts".to_owned(), several),
        ("google".to_owned(), start().web_identity(google)),
        ("cognito".to_owned(), start().web_identity(cognito)),
        ("web identity, issuer with a slash".to_owned(), start().web_identity(slash)),
        (
            "web identity, claim".to_owned(),
            start().web_identity(other().claim("amr", ["authenticated"]).unwrap()),
        ),
        ("web identity, any identity".to_owned(), {
            start().web_identity(other().any_source_identity())
        }),
    ];
    for (tags, allowed) in tags() {
        for (identity, names) in IDENTITIES {
            let mut trusted = other();
            if let Some(allowed) = &allowed {
                trusted = trusted.session_tags(allowed.clone()).unwrap();
            }
            if !names.is_empty() {
                trusted = trusted.source_identity(names.iter().copied()).unwrap();
            }
            let name = format!("web identity, {tags}, {identity}");
            builders.push((name, start().web_identity(trusted)));
        }
    }
    builders
}

fn github(place: Place) -> Vec<Named> {
    let mut builders = Vec::new();
    for (server, provider) in [("github", GITHUB), ("github server", GITHUB_SERVER)] {
        let provider = place.iam(provider);
        for (name, trusted) in [
            ("branch", TrustedGitHubActions::branch(&provider, "shop/web", "main")),
            ("tag", TrustedGitHubActions::tag(&provider, "shop/web", "v1")),
            ("environment", TrustedGitHubActions::environment(&provider, "shop/web", "prod")),
            ("pull request", TrustedGitHubActions::pull_request(&provider, "shop/web")),
            ("repository", TrustedGitHubActions::repository(&provider, "shop/web")),
        ] {
            let trusted = trusted.unwrap();
            let builder = TrustPolicy::builder().github_actions(trusted.clone());
            builders.push((format!("{server}, {name}"), builder));
            let trusted = trusted.audience("shop").unwrap();
            let builder = TrustPolicy::builder().github_actions(trusted.clone());
            builders.push((format!("{server}, {name}, audience"), builder));
            // STS knows further claims of the tokens of github.com alone.
            if provider.ends_with("token.actions.githubusercontent.com") {
                let trusted = trusted.claim("repository_id", ["4711", "4712"]).unwrap();
                let builder = TrustPolicy::builder().github_actions(trusted);
                builders.push((format!("{server}, {name}, claim"), builder));
            }
        }
    }
    builders
}

fn services(place: Place) -> Vec<Named> {
    let start = TrustPolicy::builder;
    let pod = || TrustedPodIdentity::service_account("shop", "checkout").unwrap();
    let cluster = place.arn("eks", "cluster/shop");
    let function = place.arn("lambda", "function:checkout");
    let lambda = || TrustedService::lambda().source_account(OWN).unwrap();
    let ecs = || TrustedService::ecs_tasks().source_region(place.region, OWN).unwrap();
    let scheduler = || TrustedService::new("scheduler.amazonaws.com").unwrap();
    let group = place.arn("scheduler", "schedule-group/shop");
    let builders = [
        ("any pod", start().pod_identity(TrustedPodIdentity::any_pod())),
        ("pod", start().pod_identity(pod())),
        ("pod, cluster", start().pod_identity(pod().cluster(&cluster).unwrap())),
        ("ec2", start().service(TrustedService::ec2())),
        ("lambda", start().service(TrustedService::lambda())),
        ("lambda, account", start().service(lambda())),
        ("lambda, source", start().service(lambda().source_arn(&function).unwrap())),
        ("ecs", start().service(TrustedService::ecs_tasks())),
        ("ecs, region", start().service(ecs())),
        ("scheduler, account", start().service(scheduler().source_account(OWN).unwrap())),
        ("scheduler, source", start().service(scheduler().source_arn(&group).unwrap())),
        ("services", start().service(TrustedService::ec2()).service(ecs())),
        (
            "of each kind",
            start()
                .principal(TrustedPrincipal::role(&place.iam("role/checkout")).unwrap())
                .service(TrustedService::lambda())
                .pod_identity(pod())
                .service_account(
                    TrustedServiceAccount::new(&place.iam(EKS), "shop", "basket").unwrap(),
                ),
        ),
    ];
    builders.into_iter().map(|(name, builder)| (name.to_owned(), builder)).collect()
}

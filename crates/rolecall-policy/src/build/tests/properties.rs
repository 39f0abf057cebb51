//! No input leads to a policy that allows anything beside what it names.
//!
//! Each property builds a policy from arbitrary texts, most of them valid or nearly so, and asks
//! the evaluator about requests that are close to them. What is named is decided by plain text
//! operations on the request.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{
    AllowedSessionTags, EcrAccess, S3Access, SecretsAccess, TrustedGitHubActions, TrustedPrincipal,
    TrustedServiceAccount, TrustedWebIdentity,
};

/// A text that is a name, or that looks like one and means more.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z][a-z0-9-]{1,5}[a-z0-9]",
        2 => "[a-zA-Z0-9*?${}:/.@ _-]{0,8}",
        1 => Just("${aws:username}".to_owned()),
        1 => Just("*".to_owned()),
        1 => "\\PC{0,4}",
    ]
}

fn prefix() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "([a-z]{1,3}/){1,2}",
        2 => name(),
        2 => name().prop_map(|name| format!("{name}/")),
        1 => "[a-z*?$/]{0,5}",
    ]
}

/// A text near another: the same, or longer, or shorter, or with other characters.
fn near(text: String) -> impl Strategy<Value = String> {
    let shorter: String = {
        let mut chars = text.chars();
        chars.next_back();
        chars.collect()
    };
    let longer = text.clone();
    prop_oneof![
        4 => Just(text.clone()),
        2 => "[a-z/*:-]{1,3}".prop_map(move |suffix| format!("{longer}{suffix}")),
        2 => "[a-z/-]{0,3}".prop_map(move |suffix| format!("{shorter}{suffix}")),
        1 => Just(text.to_uppercase()),
        2 => name(),
    ]
}

/// One of several texts, and a text near it.
fn near_one_of(texts: Vec<String>) -> impl Strategy<Value = String> {
    proptest::sample::select(texts).prop_flat_map(near)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn s3_access_is_exactly_what_is_named(
        ((bucket, prefixes), (asked, key)) in (name(), vec(prefix(), 1..3)).prop_flat_map(|named| {
            let asked = (near(named.0.clone()), near_one_of(named.1.clone()));
            (Just(named), asked)
        }),
        action in proptest::sample::select(vec!["s3:GetObject", "s3:PutObject", "s3:GetObjectAcl"]),
    ) {
        if let Ok(access) = S3Access::under(&bucket, prefixes.clone()) {
            let policy = PermissionPolicy::builder().s3(access.list().read()).build();
            let policy = policy.unwrap();
            prop_assert_eq!(PermissionPolicy::parse(&policy.to_json()), Ok(policy.clone()));
            let under = |text: &str| prefixes.iter().any(|prefix| text.starts_with(&**prefix));

            let path = format!("{asked}/{key}");
            let (asked_bucket, asked_key) = path.split_once('/').unwrap();
            let named = asked_bucket == bucket && under(asked_key) && action == "s3:GetObject";
            let resource = format!("arn:aws:s3:::{path}");
            let allowed = allows(&policy, action, &resource, &Context::new());
            prop_assert_eq!(allowed, named, "{} {}", action, resource);

            let listed = Context::new().with("s3:prefix", &key);
            let resource = format!("arn:aws:s3:::{asked}");
            let allowed = allows(&policy, "s3:ListBucket", &resource, &listed);
            prop_assert_eq!(allowed, asked == bucket && under(&key), "{} {}", resource, key);
        }
    }

    #[test]
    fn regional_access_is_exactly_what_is_named(
        (prefixes, asked) in vec(prefix(), 1..3)
            .prop_flat_map(|named| (Just(named.clone()), near_one_of(named))),
        region in prop_oneof![4 => Just("eu-west-1".to_owned()), 1 => name()],
        asked_region in prop_oneof![4 => Just("eu-west-1".to_owned()), 1 => name()],
        account in proptest::sample::select(vec!["111122223333", "444455556666"]),
    ) {
        let own = "111122223333";
        let under = prefixes.iter().any(|prefix| asked.starts_with(prefix.as_str()));
        let here = asked_region == region;
        if let Ok(access) = SecretsAccess::under(&region, prefixes.clone()) {
            let policy = PermissionPolicy::builder().secrets(access.read()).build().unwrap();
            prop_assert_eq!(PermissionPolicy::parse(&policy.to_json()), Ok(policy.clone()));
            let secret = format!("arn:aws:secretsmanager:{asked_region}:{account}:secret:{asked}");
            // A Region with a colon would shift the fields of the ARN.
            if !asked_region.contains(':') && policy.to_json().contains("arn:aws:") {
                let action = "secretsmanager:GetSecretValue";
                let allowed = allows(&policy, action, &secret, &Context::new());
                prop_assert_eq!(allowed, here && under, "{}", secret);
            }
            prop_assert!(!allows(&policy, "secretsmanager:DeleteSecret", &secret, &Context::new()));
        }
        if let Ok(access) = EcrAccess::under(&region, prefixes.clone()) {
            let access = access.account(own).unwrap().pull();
            let policy = PermissionPolicy::builder().ecr(access).build().unwrap();
            let repository = format!("arn:aws:ecr:{asked_region}:{account}:repository/{asked}");
            if policy.to_json().contains("arn:aws:") {
                let allowed = allows(&policy, "ecr:BatchGetImage", &repository, &Context::new());
                prop_assert_eq!(allowed, here && under && account == own, "{}", repository);
            }
            prop_assert!(!allows(&policy, "ecr:PutImage", &repository, &Context::new()));
        }
    }

    #[test]
    fn assumed_roles_are_exactly_those_named(
        (role, asked) in name().prop_flat_map(|name| (Just(name.clone()), near(name))),
    ) {
        let arn = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
        if let Ok(builder) = PermissionPolicy::builder().assume_roles([arn(&role)]) {
            let policy = builder.build().unwrap();
            prop_assert_eq!(PermissionPolicy::parse(&policy.to_json()), Ok(policy.clone()));
            let identity = [policy];
            // The role trusts the whole account, so that the permission decides.
            let trust = TrustPolicy::builder()
                .principal(TrustedPrincipal::account("111122223333").unwrap())
                .build()
                .unwrap();
            let context = Context::new().with("aws:username", &asked);
            let request = Request::new(ann(), "sts:AssumeRole", arn(&asked)).context(context);
            let policies = Policies::new().identity(&identity).trust(&trust);
            prop_assert_eq!(evaluate(&request, &policies).is_allowed(), asked == role);
        }
    }

    #[test]
    fn trusted_principals_are_exactly_those_named(
        ((role, id), (asked, asked_id)) in (name(), name()).prop_flat_map(|named| {
            let asked = (near(named.0.clone()), near(named.1.clone()));
            (Just(named), asked)
        }),
    ) {
        let arn = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
        let trusted = TrustedPrincipal::role(&arn(&role)).and_then(|role| role.external_id(&id));
        if let Ok(trusted) = trusted {
            let policy = TrustPolicy::builder().principal(trusted).build().unwrap();
            prop_assert_eq!(TrustPolicy::parse(&policy.to_json()), Ok(policy.clone()));
            let caller = session_of(&arn(&asked));
            let context = Context::new().with("sts:ExternalId", &asked_id);
            let context = context.with("aws:username", &asked_id);
            let allowed = trusts(&policy, &caller, "sts:AssumeRole", &context);
            prop_assert_eq!(allowed, asked == role && asked_id == id);
        }
    }

    #[test]
    fn trusted_web_identities_are_exactly_those_named(
        ((first, second), (asked, audience)) in (name(), name()).prop_flat_map(|named| {
            let subjects = vec![
                format!("system:serviceaccount:{}:{}", named.0, named.1),
                format!("repo:shop/{}:environment:{}", named.0, named.1),
                format!("repo:shop/{}:ref:refs/heads/{}", named.0, named.1),
                format!("{}{}", named.0, named.1),
            ];
            (Just(named), (near_one_of(subjects), near("sts.amazonaws.com".to_owned())))
        }),
    ) {
        let repository = format!("shop/{first}");
        let service_account = format!("system:serviceaccount:{first}:{second}");
        let branch = format!("repo:{repository}:ref:refs/heads/{second}");
        let encoded = second.replace(':', "%3A");
        let environment = format!("repo:{repository}:environment:{encoded}");
        let subject = format!("{first}{second}");
        let builder = TrustPolicy::builder;
        for (provider, trusted, named) in [
            (
                PROVIDER,
                TrustedServiceAccount::new(PROVIDER, &first, &second)
                    .map(|trusted| builder().service_account(trusted)),
                asked == service_account,
            ),
            (
                PROVIDER,
                TrustedWebIdentity::new(PROVIDER, &subject, "sts.amazonaws.com")
                    .map(|trusted| builder().web_identity(trusted)),
                asked == subject,
            ),
            (
                GITHUB,
                TrustedGitHubActions::branch(GITHUB, &repository, &second)
                    .map(|trusted| builder().github_actions(trusted)),
                asked == branch,
            ),
            (
                GITHUB,
                TrustedGitHubActions::environment(GITHUB, &repository, &second)
                    .map(|trusted| builder().github_actions(trusted)),
                asked == environment,
            ),
            (
                GITHUB,
                TrustedGitHubActions::repository(GITHUB, &repository)
                    .map(|trusted| builder().github_actions(trusted)),
                asked.strip_prefix(&format!("repo:{repository}:")).is_some(),
            ),
        ] {
            let Ok(builder) = trusted else { continue };
            let policy = builder.build().unwrap();
            prop_assert_eq!(TrustPolicy::parse(&policy.to_json()), Ok(policy.clone()));
            let issuer = provider.split_once("oidc-provider/").unwrap().1;
            let context = Context::new()
                .with(&format!("{issuer}:sub"), &asked)
                .with(&format!("{issuer}:aud"), &audience)
                .with("aws:username", &asked);
            let action = "sts:AssumeRoleWithWebIdentity";
            let allowed = trusts(&policy, &Caller::federated(provider), action, &context);
            let named = named && audience == "sts.amazonaws.com";
            prop_assert_eq!(allowed, named, "{} {}", asked, policy.to_compact_json());
        }
    }

    #[test]
    fn session_tags_are_exactly_those_named(
        (named, asked) in vec((name(), name()), 1..3).prop_flat_map(|named| {
            let keys = named.iter().map(|(key, _)| key.clone()).collect();
            let values = named.iter().map(|(_, value)| value.clone()).collect();
            (Just(named), vec((near_one_of(keys), near_one_of(values)), 0..3))
        }),
        required in any::<bool>(),
    ) {
        let tags = named.iter().try_fold(AllowedSessionTags::new(), |tags, (key, value)| {
            if required { tags.required(key, [value]) } else { tags.optional(key, [value]) }
        });
        if let Ok(tags) = tags {
            let trusted = TrustedPrincipal::role(CHECKOUT).unwrap().session_tags(tags).unwrap();
            let policy = TrustPolicy::builder().principal(trusted).build().unwrap();
            prop_assert_eq!(TrustPolicy::parse(&policy.to_json()), Ok(policy.clone()));
            // STS refuses an empty key, and two tags whose keys differ in their case alone.
            prop_assume!(asked.iter().all(|(key, _)| !key.is_empty()));
            let mut keys: Vec<String> = asked.iter().map(|(key, _)| key.to_lowercase()).collect();
            keys.sort();
            keys.dedup();
            prop_assume!(keys.len() == asked.len());
            let context = asked.iter().fold(Context::new(), |context, (key, value)| {
                context.with("aws:TagKeys", key).with(&format!("aws:RequestTag/{key}"), value)
            });
            let caller = session_of(CHECKOUT);
            let assumed = trusts(&policy, &caller, "sts:AssumeRole", &context);
            let tagged = trusts(&policy, &caller, "sts:TagSession", &context);
            let allowed = assumed && (asked.is_empty() || tagged);
            let every = asked.iter().all(|tag| named.contains(tag));
            let complete = named.iter().all(|tag| asked.contains(tag));
            prop_assert_eq!(allowed, every && (complete || !required), "{:?}", asked);
        }
    }
}

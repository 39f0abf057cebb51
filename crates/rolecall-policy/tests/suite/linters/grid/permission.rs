//! Policies of permissions.

use std::time::{Duration, SystemTime};

use rolecall_policy::{
    AssumeRoleAccess, EcrAccess, PermissionPolicy, PermissionPolicyBuilder, RevokedSessions,
    S3Access, SecretsAccess,
};

use super::{IDENTITIES, OWN, Place, Policy, of_permission, tags};

/// A builder with its name.
type Named = (String, PermissionPolicyBuilder);

/// A method of a builder of access, with a name.
type Method<T> = (&'static str, fn(T) -> T);

/// Prefixes of keys and names.
const PREFIXES: [(&str, &[&str]); 2] =
    [("a prefix", &["orders/"]), ("prefixes", &["shop/orders/", "common/"])];

pub(super) fn all(place: Place) -> Vec<Policy> {
    let lists = [
        s3(),
        secrets(place),
        ecr(place),
        named(place),
        roles(place),
        revocations(),
        together(place),
    ];
    let mut policies = Vec::new();
    for (name, builder) in lists.concat() {
        let policy = builder.partition(place.partition).unwrap().build().unwrap();
        policies.extend(of_permission(&format!("{name}, {}", place.partition), &policy));
    }
    policies
}

fn start() -> PermissionPolicyBuilder {
    PermissionPolicy::builder()
}

/// Returns the subsets of some options, without the empty one, and their names.
fn subsets<T>(options: &[Method<T>], of: impl Fn() -> T) -> Vec<(String, T)> {
    let numbers = 1..1_usize << options.len();
    numbers
        .map(|number| {
            let bits = options.iter().enumerate().filter(|(bit, _)| number >> bit & 1 == 1);
            bits.fold((String::new(), of()), |(name, access), (_, (option, set))| {
                (format!("{name} {option}"), set(access))
            })
        })
        .collect()
}

fn s3() -> Vec<Named> {
    let options: [Method<S3Access>; 4] = [
        ("list", S3Access::list),
        ("read", S3Access::read),
        ("write", S3Access::write),
        ("delete", S3Access::delete),
    ];
    let mut builders = Vec::new();
    for (name, access) in subsets(&options, || S3Access::whole_bucket("shop-data").unwrap()) {
        builders.push((format!("s3{name}, the bucket"), start().s3(access)));
    }
    for (under, prefixes) in PREFIXES {
        let of = || S3Access::under("shop-data", prefixes.iter().copied()).unwrap();
        for (name, access) in subsets(&options, of) {
            builders.push((format!("s3{name}, {under}"), start().s3(access)));
        }
    }
    builders
}

fn named(place: Place) -> Vec<Named> {
    let secret = SecretsAccess::named(place.region, ["shop/db"]).unwrap().read();
    let repository = EcrAccess::named(place.region, ["shop/web"]).unwrap().pull().push();
    vec![
        ("a named secret".to_owned(), start().secrets(secret)),
        ("a named repository".to_owned(), start().ecr(repository)),
    ]
}

fn secrets(place: Place) -> Vec<Named> {
    let options: [Method<SecretsAccess>; 2] =
        [("read", SecretsAccess::read), ("write", SecretsAccess::write)];
    let mut builders = Vec::new();
    for (under, prefixes) in PREFIXES {
        for account in [None, Some(OWN)] {
            let of = || {
                let prefixes = prefixes.iter().copied();
                let access = SecretsAccess::under(place.region, prefixes).unwrap();
                account.map_or(access.clone(), |id| access.account(id).unwrap())
            };
            let scope = account.unwrap_or("any account");
            for (name, access) in subsets(&options, of) {
                builders
                    .push((format!("secrets{name}, {under}, {scope}"), start().secrets(access)));
            }
        }
    }
    builders
}

fn ecr(place: Place) -> Vec<Named> {
    let options: [Method<EcrAccess>; 3] =
        [("pull", EcrAccess::pull), ("push", EcrAccess::push), ("delete", EcrAccess::delete)];
    let mut builders = vec![("ecr login".to_owned(), start().ecr_login())];
    for (under, prefixes) in PREFIXES {
        for account in [None, Some(OWN)] {
            let of = || {
                let access = EcrAccess::under(place.region, prefixes.iter().copied()).unwrap();
                account.map_or(access.clone(), |id| access.account(id).unwrap())
            };
            let scope = account.unwrap_or("any account");
            for (name, access) in subsets(&options, of) {
                builders.push((format!("ecr{name}, {under}, {scope}"), start().ecr(access)));
            }
        }
    }
    builders
}

fn roles(place: Place) -> Vec<Named> {
    let mut builders = Vec::new();
    for roles in [&["role/checkout"][..], &["role/checkout", "role/team/basket"]] {
        for (tags, allowed) in tags() {
            for (identity, names) in IDENTITIES {
                let arns = roles.iter().map(|role| place.iam(role));
                let mut access = AssumeRoleAccess::new(arns).unwrap();
                if let Some(allowed) = &allowed {
                    access = access.session_tags(allowed.clone()).unwrap();
                }
                if !names.is_empty() {
                    access = access.source_identity(names.iter().copied()).unwrap();
                }
                let name = format!("{} roles, {tags}, {identity}", roles.len());
                builders.push((name, start().assume_role(access)));
            }
        }
    }
    let any = AssumeRoleAccess::new([place.iam("role/checkout")]).unwrap().any_source_identity();
    builders.push(("1 roles, no tags, any identity".to_owned(), start().assume_role(any)));
    builders
}

fn revocations() -> Vec<Named> {
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_694_400);
    let named = || RevokedSessions::named("AROADBQP57FF2AEXAMPLE", "pod-1").unwrap();
    let revoked = [
        ("revoked before", RevokedSessions::issued_before(past).unwrap()),
        ("revoked by name", named()),
        ("revoked by name before", named().only_issued_before(past).unwrap()),
    ];
    revoked.into_iter().map(|(name, it)| (name.to_owned(), start().revoke_sessions(it))).collect()
}

fn together(place: Place) -> Vec<Named> {
    let prefixes = ["shop/"];
    let builder = start()
        .s3(S3Access::under("shop-data", prefixes).unwrap().list().read().write())
        .secrets(SecretsAccess::under(place.region, prefixes).unwrap().read())
        .ecr(EcrAccess::under(place.region, prefixes).unwrap().pull())
        .ecr_login()
        .assume_roles([place.iam("role/checkout")])
        .unwrap();
    vec![("together".to_owned(), builder)]
}

//! Two roles have one slot if, and only if, STS is asked for the same by both.

use std::cell::Cell;

use aws_credential_types::Credentials;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rolecall::{Chain, Environment, ProvidedContext, Role};

/// What STS is asked for: what has an order that means nothing is sorted, what is left out is filled in.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    arn: &'static str,
    external_id: Option<&'static str>,
    session_name: &'static str,
    duration: Option<u64>,
    tags: Vec<(&'static str, &'static str)>,
    transitive: Vec<&'static str>,
    source_identity: Option<&'static str>,
    policy: Option<&'static str>,
    policy_arns: Vec<&'static str>,
    mfa: Option<&'static str>,
    contexts: Vec<&'static str>,
}

const NAME: &str = "pool";
const ARNS: [&str; 2] = ["arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/b"];
const KEYS: [&str; 3] = ["Tenant", "Team", "tenants"];
// One is the beginning of another: what is put together without a border would be the same.
const TEXTS: [&str; 3] = ["ab", "abc", "cab"];
const POLICIES: [&str; 3] =
    [r#"{"Statement":[]}"#, r#"{"Statement": []}"#, r#"{"Statement":[],"Version":"2012-10-17"}"#];
const POLICY_ARNS: [&str; 3] = [
    "arn:aws:iam::aws:policy/A",
    "arn:aws:iam::aws:policy/AB",
    "arn:aws:iam::111122223333:policy/A",
];
const DEVICES: [&str; 2] =
    ["arn:aws:iam::111122223333:mfa/ann", "arn:aws:iam::111122223333:mfa/bob"];
const CONTEXTS: [&str; 2] = ["assertion one", "assertion two"];

fn optional<T: Clone + std::fmt::Debug + 'static>(
    of: &'static [T],
) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(select(of))
}

fn some<T: Clone + std::fmt::Debug + 'static>(of: &'static [T]) -> impl Strategy<Value = Vec<T>> {
    proptest::sample::subsequence(of, 0..=of.len())
}

fn asked() -> impl Strategy<Value = Asked> {
    let tags = some(&KEYS).prop_flat_map(|keys| {
        let values = proptest::collection::vec(select(&TEXTS[..]), keys.len());
        values.prop_map(move |values| keys.iter().copied().zip(values).collect::<Vec<_>>())
    });
    let names = select(&[NAME, "ab", "abc"][..]);
    let first = (select(&ARNS[..]), optional(&TEXTS), names, optional(&[900, 3600]));
    let second = (tags, some(&KEYS), optional(&TEXTS), optional(&POLICIES));
    let third = (some(&POLICY_ARNS), optional(&DEVICES), some(&CONTEXTS));
    (first, second, third).prop_map(|(first, second, third)| {
        let (arn, external_id, session_name, duration) = first;
        let (tags, transitive, source_identity, policy) = second;
        let (policy_arns, mfa, contexts) = third;
        Asked {
            arn,
            external_id,
            session_name,
            duration,
            tags,
            transitive,
            source_identity,
            policy,
            policy_arns,
            mfa,
            contexts,
        }
    })
}

/// The same, with one part of another.
fn with_part(mut asked: Asked, of: Asked, part: usize) -> Asked {
    match part {
        0 => asked.arn = of.arn,
        1 => asked.external_id = of.external_id,
        2 => asked.session_name = of.session_name,
        3 => asked.duration = of.duration,
        4 => asked.tags = of.tags,
        5 => asked.transitive = of.transitive,
        6 => asked.source_identity = of.source_identity,
        7 => asked.policy = of.policy,
        8 => asked.policy_arns = of.policy_arns,
        9 => asked.mfa = of.mfa,
        10 => asked.contexts = of.contexts,
        _ => {}
    }
    asked
}

/// Said in an order that `way` chooses; the name that all have is said or left out.
fn said(asked: &Asked, way: &[Index]) -> Role {
    let mut way = way.iter().cycle();
    let mut next = |most: usize| way.next().unwrap().index(most);
    let mut role = Role::new(asked.arn).unwrap();
    let mut parts: Vec<(u8, usize)> = Vec::new();
    parts.extend((0..asked.tags.len()).map(|n| (0, n)));
    parts.extend((0..asked.transitive.len()).map(|n| (1, n)));
    parts.extend((0..asked.policy_arns.len()).map(|n| (2, n)));
    parts.extend((3..9).map(|part| (part, 0)));
    while !parts.is_empty() {
        let (part, n) = parts.remove(next(parts.len()));
        let same = role.clone();
        role = match part {
            0 => role.tag(asked.tags[n].0, asked.tags[n].1),
            1 => role.transitive_tag_key(asked.transitive[n]),
            2 => role.policy_arn(asked.policy_arns[n]),
            3 => asked.external_id.map_or(Ok(same), |id| role.external_id(id)),
            4 if asked.session_name == NAME && next(2) == 0 => Ok(same),
            4 => role.session_name(asked.session_name),
            5 => match asked.duration {
                Some(seconds) => role.duration(std::time::Duration::from_secs(seconds)),
                None => Ok(same),
            },
            6 => asked.source_identity.map_or(Ok(same), |identity| role.source_identity(identity)),
            7 => asked.policy.map_or(Ok(same), |policy| role.policy(policy)),
            _ => asked.mfa.map_or(Ok(same), |serial| role.mfa_serial(serial)),
        }
        .unwrap();
    }
    // Their order is part of the request.
    asked.contexts.iter().fold(role, |role, assertion| {
        let provider = "arn:aws:iam::aws:contextProvider/IdentityCenter";
        role.provided_context(ProvidedContext::new(provider, *assertion).unwrap()).unwrap()
    })
}

fn chain() -> Chain {
    let keys = Credentials::new(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        None,
        None,
        "static",
    );
    let env = [("AWS_REGION", "eu-west-1"), ("AWS_ROLE_SESSION_NAME", NAME)];
    rolecall::builder().environment(Environment::fixed(env)).from_provider("keys", keys).unwrap()
}

#[test]
fn roles_have_one_slot_if_and_only_if_their_requests_are_the_same() {
    let chain = chain();
    let ways = || proptest::collection::vec(any::<Index>(), 20);
    let mut runner = proptest::test_runner::TestRunner::default();
    let (same, differ) = (Cell::new(0), Cell::new(0));
    let cases = (asked(), asked(), 0..14_usize, ways(), ways());
    runner
        .run(&cases, |(one, another, part, way, other_way)| {
            let other = with_part(one.clone(), another, part);
            let pool = chain.pool();
            let roles = [said(&one, &way), said(&other, &other_way)];
            let handles = roles.each_ref().map(|role| pool.role(role));
            let slots = if one == other { 1 } else { 2 };
            let count = if one == other { &same } else { &differ };
            count.set(count.get() + 1);
            prop_assert_eq!(pool.status().slots(), slots, "{:?}", roles);
            // What was found once is found again, by whatever handle.
            for role in &roles {
                prop_assert!(pool.status_of(role).is_some());
            }
            drop(handles);
            Ok(())
        })
        .unwrap();
    let (same, differ) = (same.get(), differ.get());
    assert!(same > 20 && differ > 20, "{same} the same, {differ} not");
}

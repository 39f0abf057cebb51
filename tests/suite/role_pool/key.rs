//! Two roles share a cache entry if, and only if, their requests to STS are the same.

use std::cell::Cell;

use aws_credential_types::Credentials;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rolecall::params::ProvidedContext;
use rolecall::{Chain, Environment, Role};

/// The parameters of a request to STS, in a form that can be compared: sorted where the order has
/// no meaning, with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
struct RequestParameters {
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
// One is a prefix of another: a key that joins values without a separator would be ambiguous.
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

fn subset<T: Clone + std::fmt::Debug + 'static>(of: &'static [T]) -> impl Strategy<Value = Vec<T>> {
    proptest::sample::subsequence(of, 0..=of.len())
}

fn parameters() -> impl Strategy<Value = RequestParameters> {
    let tags = subset(&KEYS).prop_flat_map(|keys| {
        let values = proptest::collection::vec(select(&TEXTS[..]), keys.len());
        values.prop_map(move |values| keys.iter().copied().zip(values).collect::<Vec<_>>())
    });
    let names = select(&[NAME, "ab", "abc"][..]);
    let first = (select(&ARNS[..]), optional(&TEXTS), names, optional(&[900, 3600]));
    let second = (tags, subset(&KEYS), optional(&TEXTS), optional(&POLICIES));
    let third = (subset(&POLICY_ARNS), optional(&DEVICES), subset(&CONTEXTS));
    (first, second, third).prop_map(|(first, second, third)| {
        let (arn, external_id, session_name, duration) = first;
        let (tags, transitive, source_identity, policy) = second;
        let (policy_arns, mfa, contexts) = third;
        RequestParameters {
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

/// Replaces one part of `parameters` with that of `of`.
fn with_part(
    mut parameters: RequestParameters,
    of: RequestParameters,
    part: usize,
) -> RequestParameters {
    match part {
        0 => parameters.arn = of.arn,
        1 => parameters.external_id = of.external_id,
        2 => parameters.session_name = of.session_name,
        3 => parameters.duration = of.duration,
        4 => parameters.tags = of.tags,
        5 => parameters.transitive = of.transitive,
        6 => parameters.source_identity = of.source_identity,
        7 => parameters.policy = of.policy,
        8 => parameters.policy_arns = of.policy_arns,
        9 => parameters.mfa = of.mfa,
        10 => parameters.contexts = of.contexts,
        _ => {}
    }
    parameters
}

/// Builds a role by setting `parameters` in an order that `choices` selects. The default session
/// name is set or left out.
fn build_role(parameters: &RequestParameters, choices: &[Index]) -> Role {
    let mut choices = choices.iter().cycle();
    let mut choose = |count: usize| choices.next().unwrap().index(count);
    let mut role = Role::new(parameters.arn).unwrap();
    let mut parts: Vec<(u8, usize)> = Vec::new();
    parts.extend((0..parameters.tags.len()).map(|n| (0, n)));
    parts.extend((0..parameters.transitive.len()).map(|n| (1, n)));
    parts.extend((0..parameters.policy_arns.len()).map(|n| (2, n)));
    parts.extend((3..9).map(|part| (part, 0)));
    while !parts.is_empty() {
        let (part, n) = parts.remove(choose(parts.len()));
        let unchanged = role.clone();
        role = match part {
            0 => role.tag(parameters.tags[n].0, parameters.tags[n].1),
            1 => role.transitive_tag_key(parameters.transitive[n]),
            2 => role.policy_arn(parameters.policy_arns[n]),
            3 => parameters.external_id.map_or(Ok(unchanged), |id| role.external_id(id)),
            4 if parameters.session_name == NAME && choose(2) == 0 => Ok(unchanged),
            4 => role.session_name(parameters.session_name),
            5 => match parameters.duration {
                Some(seconds) => role.duration(std::time::Duration::from_secs(seconds)),
                None => Ok(unchanged),
            },
            6 => parameters
                .source_identity
                .map_or(Ok(unchanged), |identity| role.source_identity(identity)),
            7 => parameters.policy.map_or(Ok(unchanged), |policy| role.policy(policy)),
            _ => parameters.mfa.map_or(Ok(unchanged), |serial| role.mfa_serial(serial)),
        }
        .unwrap();
    }
    // The order of contexts is part of the request.
    parameters.contexts.iter().fold(role, |role, assertion| {
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
    rolecall::Chain::builder()
        .environment(Environment::fixed(env))
        .from_sdk_provider("keys", keys)
        .unwrap()
}

#[test]
fn equal_requests_share_one_entry() {
    let chain = chain();
    let any_choices = || proptest::collection::vec(any::<Index>(), 20);
    let mut runner = proptest::test_runner::TestRunner::default();
    let (same, different) = (Cell::new(0), Cell::new(0));
    let cases = (parameters(), parameters(), 0..14_usize, any_choices(), any_choices());
    runner
        .run(&cases, |(first, third, part, choices, other_choices)| {
            let second = with_part(first.clone(), third, part);
            let pool = chain.pool();
            let roles = [build_role(&first, &choices), build_role(&second, &other_choices)];
            let handles = roles.each_ref().map(|role| pool.role(role));
            let entries = if first == second { 1 } else { 2 };
            let count = if first == second { &same } else { &different };
            count.set(count.get() + 1);
            prop_assert_eq!(pool.status().entries(), entries, "{:?}", roles);
            // Each role finds its entry.
            for role in &roles {
                prop_assert!(pool.status_of(role).is_some());
            }
            drop(handles);
            Ok(())
        })
        .unwrap();
    let (same, different) = (same.get(), different.get());
    assert!(same > 20 && different > 20, "{same} equal pairs, {different} different pairs");
}

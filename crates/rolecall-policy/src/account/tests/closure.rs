//! The paths to a role, compared with the shortest paths over the evaluation of every pair.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use super::world::{Documents, World, document, worlds};
use crate::Context;
use crate::account::{Assumer, Verdict};

const ROLES: usize = 5;
/// The length of a path that is not there.
const FAR: usize = 1_000;

fn role(account: &str, index: usize) -> String {
    format!("arn:aws:iam::{account}:role/n{index}")
}

fn named() -> BoxedStrategy<Value> {
    let mut values = vec!["*".to_owned(), "111122223333".to_owned(), "444455556666".to_owned()];
    for account in super::world::IDS {
        values.push(format!("arn:aws:iam::{account}:user/n0"));
        values.extend((2..2 + ROLES).map(|index| role(account, index)));
    }
    prop::collection::vec(select(values), 1..=2).prop_map(|it| json!({"AWS": it})).boxed()
}

fn documents() -> Documents {
    let mut targets = vec!["*".to_owned()];
    for account in super::world::IDS {
        targets.extend((2..2 + ROLES).map(|index| role(account, index)));
    }
    let identity = (select(vec!["sts:AssumeRole", "sts:*", "s3:*"]), select(targets))
        .prop_map(|(action, target)| json!({"Action": action, "Resource": target}))
        .boxed();
    // Conditions stand in statements that allow alone, and ask for the same external id: with it,
    // every condition is met, and without it, none.
    let trust = (named(), any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let trust = trust.prop_map(|(principal, conditional, deny, except)| {
        let key = if except { "NotPrincipal" } else { "Principal" };
        let mut statement = json!({
            "Effect": if deny { "Deny" } else { "Allow" }, "Action": "sts:AssumeRole",
        });
        statement[key] = principal;
        if conditional && !deny {
            statement["Condition"] = json!({"StringEquals": {"sts:ExternalId": "x"}});
        }
        statement
    });
    let trust = prop::collection::vec(trust, 1..=2)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
        .boxed();
    Documents { identity: document(identity), trust, bucket: Just(json!({})).boxed() }
}

/// The lengths of the shortest paths between all pairs.
fn distances(world: &World, external_id: Option<&str>) -> Vec<Vec<usize>> {
    let (identities, compiled) = (&world.identities, world.compile());
    let edge = |from: usize, to: usize| {
        let context = identities[from].keys();
        let context = match external_id {
            Some(id) => context.with("sts:ExternalId", id),
            None => context,
        };
        let to = &identities[to];
        to.trust.is_some()
            && compiled.outcomes(from, "sts:AssumeRole", &to.arn(), &[context]) == [true]
    };
    let count = identities.len();
    let mut distances: Vec<Vec<usize>> = (0..count)
        .map(|from| (0..count).map(|to| if edge(from, to) { 1 } else { FAR }).collect())
        .collect();
    for middle in 0..count {
        for from in 0..count {
            for to in 0..count {
                let through = distances[from][middle] + distances[middle][to];
                distances[from][to] = distances[from][to].min(through);
            }
        }
    }
    for row in &mut distances {
        row.iter_mut().for_each(|it| *it = (*it).min(FAR));
    }
    distances
}

fn check(world: &World) -> Result<(), TestCaseError> {
    let accounts = world.accounts();
    let possible = distances(world, Some("x"));
    let sure = distances(world, None);
    let identities = || world.identities.iter().enumerate();
    for (to, role) in identities().filter(|(_, it)| it.trust.is_some()) {
        let report = accounts.who_can_assume(&role.arn(), &Context::new()).unwrap();
        for (from, identity) in identities().filter(|(from, _)| *from != to) {
            let is_identity = |it: &&Assumer| it.subject.to_string().ends_with(&identity.arn());
            let (possible, sure) = (possible[from][to], sure[from][to]);
            let Some(found) = report.assumers.iter().find(is_identity) else {
                prop_assert_eq!(possible, FAR, "{} to {}", identity.arn(), role.arn());
                continue;
            };
            prop_assert_eq!(found.path.len(), possible, "{}", found);
            prop_assert_eq!(found.verdict == Verdict::Allowed, sure < FAR, "{}", found);
            let is_free = found.path.iter().all(|hop| hop.verdict == Verdict::Allowed);
            let longer = found.unconditional_path.as_ref();
            let free = if is_free { Some(&found.path) } else { longer };
            let expected = (sure < FAR).then_some(sure);
            prop_assert_eq!(free.map(Vec::len), expected, "{}", found);
            // Each hop begins where the one before ended.
            for (hop, next) in found.path.iter().zip(found.path.iter().skip(1)) {
                prop_assert!(next.subject.to_string().ends_with(&hop.resource));
            }
            prop_assert_eq!(found.path.last().map(|hop| hop.resource.clone()), Some(role.arn()));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn paths_equal_those_of_all_pairs(mut world in worlds(documents(), ROLES)) {
        world.bucket = None;
        check(&world)?;
    }
}

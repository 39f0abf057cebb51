//! Answers with unknown keys, compared with the evaluation of requests for all values of the keys.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use super::world::{Documents, Identity, World, document, worlds};
use crate::account::question::Question;
use crate::account::{Access, DecidingStatement, Requirement, Subject, Verdict};
use crate::knowledge::Case;
use crate::{Condition, Context, Pattern};

const ACTIONS: [&str; 2] = ["s3:GetObject", "s3:PutObject"];
const RESOURCES: [&str; 3] =
    ["arn:aws:s3:::a/x", "arn:aws:s3:::a/n0", "arn:aws:sqs:eu-west-1:111122223333:q"];

fn one_of(values: &[&str]) -> BoxedStrategy<Value> {
    select(values.iter().map(|it| Value::from(*it)).collect::<Vec<_>>()).boxed()
}

fn few_of(values: &[&str]) -> BoxedStrategy<Value> {
    prop::collection::vec(one_of(values), 1..=2).prop_map(Value::from).boxed()
}

fn actions() -> BoxedStrategy<(&'static str, Value)> {
    let key = prop_oneof![4 => Just("Action"), 1 => Just("NotAction")];
    (key, one_of(&["s3:GetObject", "s3:Put*", "s3:*", "*"])).boxed()
}

fn resources() -> BoxedStrategy<(&'static str, Value)> {
    let key = prop_oneof![4 => Just("Resource"), 1 => Just("NotResource")];
    let values = [
        "*",
        "arn:aws:s3:::a/x",
        "arn:aws:s3:::a/*",
        "arn:aws:s3:::a/${aws:username}",
        "arn:aws:s3:::a/${aws:userid, 'x'}",
        "arn:aws:s3:::${aws:RequestedRegion}/*",
        "arn:aws:s3:::${aws:PrincipalTag/team}/${aws:RequestedRegion}",
    ];
    (key, few_of(&values)).boxed()
}

fn conditions() -> BoxedStrategy<Value> {
    let operator = one_of(&[
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringEqualsIfExists",
        "ForAnyValue:StringEquals",
        "ForAllValues:StringNotEquals",
        "Null",
    ]);
    let key = one_of(&[
        "aws:RequestedRegion",
        "aws:PrincipalTag/team",
        "aws:userid",
        "aws:username",
        "aws:PrincipalType",
    ]);
    let value = one_of(&["a", "blue", "n0", "User", "true", "${aws:RequestedRegion}", "x*"]);
    (operator, key, value)
        .prop_map(|(operator, key, value)| {
            json!({(operator.as_str().unwrap()): {(key.as_str().unwrap()): value}})
        })
        .boxed()
}

fn principals() -> BoxedStrategy<(&'static str, Value)> {
    let key = prop_oneof![5 => Just("Principal"), 1 => Just("NotPrincipal")];
    let values = [
        "*",
        "111122223333",
        "444455556666",
        "arn:aws:iam::111122223333:user/n0",
        "arn:aws:iam::111122223333:role/n2",
        "arn:aws:sts::111122223333:assumed-role/n2/session",
        "arn:aws:sts::111122223333:assumed-role/n2/other",
    ];
    (key, few_of(&values)).prop_map(|(key, value)| (key, json!({"AWS": value}))).boxed()
}

fn documents(conditional: bool) -> Documents {
    let condition = if conditional {
        prop_oneof![1 => Just(None), 2 => conditions().prop_map(Some)].boxed()
    } else {
        Just(None).boxed()
    };
    let resources = if conditional {
        resources()
    } else {
        let key = prop_oneof![4 => Just("Resource"), 1 => Just("NotResource")];
        let values = ["*", "arn:aws:s3:::a/x", "arn:aws:s3:::a/${aws:username}"];
        (key, one_of(&values)).boxed()
    };
    let statement = (actions(), resources, condition)
        .prop_map(|((action_key, action), (resource_key, resource), condition)| {
            let mut statement = json!({});
            statement[action_key] = action;
            statement[resource_key] = resource;
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        })
        .boxed();
    let bucket = (principals(), statement.clone())
        .prop_map(|((key, value), mut statement)| {
            statement[key] = value;
            statement
        })
        .boxed();
    let trust = one_of(&["sts:AssumeRole", "sts:TagSession"]).prop_map(
        |action| json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": action}}),
    );
    Documents { identity: document(statement), trust: trust.boxed(), bucket: document(bucket) }
}

/// The values of the conditions.
const VALUES: [&str; 8] = ["a", "blue", "n0", "User", "true", "x*", "AIDAn0", "AssumedRole"];

/// The contexts that requests of the principal may have, where the keys have these values.
fn contexts(identity: &Identity, values: &[&'static str]) -> Vec<Context> {
    let mut contexts = vec![identity.keys()];
    let mut vary = |key: &str, values: &[Option<&str>]| {
        let varied = contexts.iter().flat_map(|context| {
            values.iter().map(|value| match value {
                Some(value) => context.clone().with(key, *value),
                None => context.clone(),
            })
        });
        contexts = varied.collect();
    };
    let values: Vec<Option<&str>> = values.iter().copied().map(Some).collect();
    let or_none: Vec<Option<&str>> = values.iter().copied().chain([None]).collect();
    vary("aws:RequestedRegion", &or_none);
    if identity.trust.is_some() {
        vary("aws:userid", &values);
    }
    if identity.takes_tags() {
        vary("aws:PrincipalTag/team", &or_none);
    }
    contexts
}

fn questions() -> impl Iterator<Item = (&'static str, &'static str)> {
    ACTIONS.into_iter().flat_map(|action| RESOURCES.map(|resource| (action, resource)))
}

/// Returns `true` if a request of the session `session` meets a requirement.
fn is_met(requirement: &Requirement, resource: &str, context: &Context) -> bool {
    match requirement {
        Requirement::Condition { operator, key, values } => {
            Condition::new(operator, key, values).unwrap().is_met(context)
        }
        Requirement::Resource { patterns, negated } => {
            let mut patterns = patterns.iter();
            patterns.any(|it| Pattern::with_variables(it).matches_in(resource, context)) != *negated
        }
        Requirement::Session { arns, negated } => {
            arns.iter().any(|it| it.ends_with("/session")) != *negated
        }
    }
}

/// Compares the answers without unknown keys. What is left unknown is which session of a role a
/// policy names, and policies that are not given.
fn check_known(world: &World) -> Result<(), TestCaseError> {
    let (accounts, compiled) = (world.accounts(), world.compile());
    let bucket = world.bucket.as_ref().map(Value::to_string).unwrap_or_default();
    for (action, resource) in questions() {
        let report = accounts.who_can(action, resource, &Context::new()).unwrap();
        for (index, identity) in world.identities.iter().enumerate() {
            let keys = [identity.keys()];
            let allowed = compiled.outcomes(index, action, resource, &keys) == [true];
            let is_identity = |it: &&Access| it.subject.to_string().ends_with(&identity.arn());
            match report.access.iter().find(is_identity) {
                None => prop_assert!(!allowed, "{action} {resource} {}", identity.arn()),
                Some(access) if access.verdict == Verdict::Allowed => {
                    prop_assert!(allowed, "{action} {resource} {access}");
                }
                Some(access) => {
                    let by_session = bucket.contains("assumed-role");
                    prop_assert!(by_session || !access.assumptions.is_empty(), "{access}");
                }
            }
        }
    }
    Ok(())
}

/// Compares the answers with the outcomes for all values of the unknown keys. An answer with
/// conditions must be right about each outcome.
fn check_unknown(world: &World) -> Result<(), TestCaseError> {
    let (accounts, compiled) = (world.accounts(), world.compile());
    for (action, resource) in questions() {
        let target = accounts.target(action, resource).unwrap();
        for (index, identity) in world.identities.iter().enumerate() {
            let described = accounts.identity(&identity.arn()).unwrap();
            let subject = Subject::of(described);
            let principal = accounts.principal(&subject, Some(described));
            let question = Question::new(principal, &target, &Context::new());
            let contexts = contexts(identity, &["a", "blue", "n0"]);
            let outcomes = compiled.outcomes(index, action, resource, &contexts);
            let access = question.access();
            match access.verdict {
                Verdict::Allowed => prop_assert!(outcomes.iter().all(|it| *it), "{access}"),
                Verdict::NotAllowed => prop_assert!(!outcomes.iter().any(|it| *it), "{access}"),
                Verdict::Conditional if !access.assumptions.is_empty() => {}
                Verdict::Conditional => {
                    let (ways, denies) = question.ways(Case::Best);
                    for (context, outcome) in contexts.iter().zip(outcomes) {
                        let applies = |statement: &DecidingStatement| {
                            let mut requirements = statement.requirements.iter();
                            requirements.all(|it| is_met(it, resource, context))
                        };
                        let any = |group: &Vec<DecidingStatement>| group.iter().any(applies);
                        let told = ways.iter().any(|way| way.iter().all(any)) && !any(&denies);
                        prop_assert_eq!(told, outcome, "{} {:?}", access, context);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Checks that a condition is not called unknown where it is known.
fn check_single(
    condition: &Value,
    deny: bool,
    trust: Option<&'static str>,
) -> Result<(), TestCaseError> {
    // Some operators have the same result for all values of a key.
    let text = condition.to_string();
    let compares_with_itself = text.matches("aws:RequestedRegion").count() == 2;
    if compares_with_itself || ["ForA", "Null"].iter().any(|it| text.contains(it)) {
        return Ok(());
    }
    let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let mut conditional = allow.clone();
    conditional["Condition"] = condition.clone();
    let statements = if deny {
        conditional["Effect"] = "Deny".into();
        json!([allow, conditional])
    } else {
        json!([conditional])
    };
    let trust = trust.map(
        |action| json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": action}}),
    );
    let identity = Identity {
        account: 0,
        name: "n0".to_owned(),
        trust,
        policies: [Some(json!({"Version": "2012-10-17", "Statement": statements})), None, None],
        boundary: None,
        team: Some("blue".to_owned()),
    };
    let world = World { identities: vec![identity.clone()], bucket: None };
    let (action, resource) = (ACTIONS[0], RESOURCES[0]);
    let accounts = world.accounts();
    let access = accounts.can(&identity.arn(), action, resource, &Context::new()).unwrap();
    let contexts = contexts(&identity, &VALUES);
    let outcomes = world.compile().outcomes(0, action, resource, &contexts);
    let differ = outcomes.iter().any(|it| *it) && !outcomes.iter().all(|it| *it);
    prop_assert_eq!(access.verdict == Verdict::Conditional, differ, "{} {:?}", access, outcomes);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn callers_that_can_are_those_that_evaluate(world in worlds(documents(false), 2)) {
        check_known(&world)?;
    }

    #[test]
    fn answers_hold_for_all_contexts(world in worlds(documents(true), 2)) {
        check_unknown(&world)?;
    }

    #[test]
    fn single_condition_is_open_only_if_outcomes_differ(
        condition in conditions(),
        deny in any::<bool>(),
        trust in select(vec![None, Some("sts:AssumeRole"), Some("sts:TagSession")]),
    ) {
        check_single(&condition, deny, trust)?;
    }
}

//! Cases that follow from the rules, by hand: each is named after the rule that decides it.

mod callers;
mod conditions;
mod deciding;
mod matching;
mod principals;

use serde_json::{Value, json};

use super::{ALLOWED, EXPLICITLY_DENIED, IMPLICITLY_DENIED, evaluate};

const USER: &str = "arn:aws:iam::111122223333:user/dev/alice";
const ROLE: &str = "arn:aws:iam::111122223333:role/app/orders";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/orders/build";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const FEDERATED_USER: &str = "arn:aws:sts::111122223333:federated-user/bob";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com";
const OTHER_ROOT: &str = "arn:aws:iam::444455556666:root";

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:orders/db-AbCdEf";
const OTHER_SECRET: &str = "arn:aws:secretsmanager:eu-west-1:444455556666:secret:orders/db-AbCdEf";
const TARGET_ROLE: &str = "arn:aws:iam::111122223333:role/target";
const OTHER_ROLE: &str = "arn:aws:iam::444455556666:role/target";

/// A named case, its policies, and its decision.
type Row = (&'static str, Value, &'static str);

/// Checks all rows before it reports those that fail.
fn check(rows: Vec<Row>) {
    let wrong: Vec<String> = rows
        .into_iter()
        .filter_map(|(name, case, expected)| {
            let decision = evaluate(&case);
            let right = decision.as_deref() == Ok(expected);
            (!right).then(|| format!("{name}: {decision:?}, not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns a case in which `principal` reads a secret.
fn read_secret(principal: &str, secret: &str, policies: Value) -> Value {
    request(principal, "secretsmanager:GetSecretValue", secret, policies)
}

/// Returns a case in which `principal` assumes a role.
fn assume(principal: &str, role: &str, policies: Value) -> Value {
    request(principal, "sts:AssumeRole", role, policies)
}

fn request(principal: &str, action: &str, resource: &str, policies: Value) -> Value {
    let mut case = policies;
    let context = case.as_object_mut().unwrap().remove("context").unwrap_or_else(|| json!({}));
    case["id"] = json!("table");
    case["request"] = json!({
        "action": action,
        "resource": resource,
        "principal": principal,
        "context": context,
    });
    case
}

/// Returns a policy of an identity with one statement about everything.
fn all(effect: &str) -> Value {
    policy(json!({ "Effect": effect, "Action": "*", "Resource": "*" }))
}

/// Returns a policy of an identity that is about something else than the cases are.
fn unrelated() -> Value {
    policy(json!({ "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*" }))
}

/// Returns the policy of a resource, with one statement about a principal.
fn resource(effect: &str, principal: Value) -> Value {
    policy(json!({ "Effect": effect, "Principal": principal, "Action": "*", "Resource": "*" }))
}

/// Returns a trust policy with one statement about a principal.
fn trust(effect: &str, principal: Value) -> Value {
    policy(json!({ "Effect": effect, "Principal": principal, "Action": "sts:*" }))
}

fn aws(names: impl Into<Value>) -> Value {
    json!({ "AWS": names.into() })
}

fn policy(statement: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

#[test]
fn malformed_policies_are_errors() {
    let refused = [
        json!({ "Effect": "allow", "Action": "*", "Resource": "*" }),
        json!({ "Effect": "Allow", "Resource": "*" }),
        json!({ "Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*" }),
        json!({ "Effect": "Allow", "Action": "*" }),
        json!({ "Effect": "Allow", "Action": 1, "Resource": "*" }),
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*" }),
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": { "StringIs": { "aws:username": "a" } } }),
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": { "NullIfExists": { "aws:username": "true" } } }),
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": { "Bool": { "a:b": "true", "A:B": "true" } } }),
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": { "Bool": { "a:b": "true" }, "bool": { "a:c": "true" } } }),
    ];
    for statement in refused {
        let case =
            read_secret(USER, SECRET, json!({ "identity_policies": [policy(statement.clone())] }));
        assert!(evaluate(&case).is_err(), "{statement}");
    }
    let refused = [
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }),
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "NotPrincipal": "*" }),
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "alice" }),
        json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": { "GCP": "*" } }),
    ];
    for statement in refused {
        let case =
            read_secret(USER, SECRET, json!({ "resource_policy": policy(statement.clone()) }));
        assert!(evaluate(&case).is_err(), "{statement}");
    }
}

#[test]
fn malformed_cases_are_errors() {
    let refused = [
        json!({ "request": {} }),
        request("arn:aws:iam::111122223333:group/x", "s3:GetObject", "*", json!({})),
        read_secret(USER, SECRET, json!({ "identity_policies": {} })),
        read_secret(USER, SECRET, json!({ "scps": [all("Allow"), [all("Allow")]] })),
        read_secret(USER, SECRET, json!({ "context": { "a:b": 1 } })),
        read_secret(USER, SECRET, json!({ "identity_policies": [{}] })),
        read_secret(
            USER,
            SECRET,
            json!({ "identity_policies": [{ "Version": "2025-01-01",
                                                                  "Statement": [] }] }),
        ),
    ];
    for case in refused {
        assert!(evaluate(&case).is_err(), "{case}");
    }
}

//! Statements: whether each element matches the request.

use serde_json::Value;

use super::case::{Policies, Request, strings};
use super::condition::condition_holds;
use super::pattern::{Variables, expand, glob, glob_text};
use super::principal::{Naming, is_excepted, namings};

/// Returns the statements of a policy, whose `Statement` is one or a list.
pub(super) fn statements(document: &Value) -> Vec<&Value> {
    match &document["Statement"] {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    }
}

/// Returns `true` if a policy without principals allows the request.
pub(super) fn allows(document: &Value, request: &Request<'_>) -> bool {
    applying(document, "Allow", request).next().is_some()
}

/// Returns `true` if a policy without principals denies the request.
pub(super) fn denies(document: &Value, request: &Request<'_>) -> bool {
    applying(document, "Deny", request).next().is_some()
}

/// Returns how the Allow statements that apply to the request name the caller.
pub(super) fn resource_policy_allows(document: &Value, request: &Request<'_>) -> Vec<Naming> {
    applying(document, "Allow", request)
        .flat_map(|statement| namings(&statement["Principal"], request))
        .collect()
}

/// Returns `true` if a Deny statement of a policy with principals applies to the caller.
pub(super) fn resource_policy_denies(
    document: &Value,
    request: &Request<'_>,
    policies: &Policies<'_>,
) -> bool {
    applying(document, "Deny", request).any(|statement| match &statement["NotPrincipal"] {
        Value::Null => !namings(&statement["Principal"], request).is_empty(),
        excepted => !is_excepted(excepted, request, policies),
    })
}

/// Returns the statements of an effect whose action, resource and condition match the request.
fn applying<'a>(
    document: &'a Value,
    effect: &'static str,
    request: &'a Request<'_>,
) -> impl Iterator<Item = &'a Value> {
    let variables = Variables::of_version(document["Version"].as_str());
    statements(document).into_iter().filter(move |statement| {
        statement["Effect"] == effect
            && action_applies(statement, request)
            && resource_applies(statement, request, variables)
            && condition_holds(&statement["Condition"], request, variables)
    })
}

fn action_applies(statement: &Value, request: &Request<'_>) -> bool {
    let any =
        |list: &Value| texts(list).iter().any(|pattern| action_matches(pattern, request.action));
    match &statement["NotAction"] {
        Value::Null => any(&statement["Action"]),
        excepted => !any(excepted),
    }
}

/// "Action: case-insensitive, service prefix and name; `*` may stand in the name (and alone), never
/// in the prefix: `s*:GetObject`, `*:GetBucket` match nothing."
fn action_matches(pattern: &str, action: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (Some((prefix, name)), Some((service, operation))) =
        (pattern.split_once(':'), action.split_once(':'))
    else {
        return false;
    };
    prefix.eq_ignore_ascii_case(service)
        && glob_text(&name.to_ascii_lowercase(), &operation.to_ascii_lowercase())
}

/// "A trust policy has no Resource": a policy without the element is about its own resource.
fn resource_applies(statement: &Value, request: &Request<'_>, variables: Variables) -> bool {
    let any = |list: &Value| {
        texts(list).iter().any(|pattern| resource_matches(pattern, request, variables))
    };
    match (&statement["Resource"], &statement["NotResource"]) {
        (Value::Null, Value::Null) => true,
        (Value::Null, excepted) => !any(excepted),
        (listed, _) => any(listed),
    }
}

/// "Resource [..]: case-sensitive. `*` in a Resource reaches over `/` and `:`, also in the resource
/// type; `?` is one character." A variable without a value: "the Resource matches nothing".
fn resource_matches(pattern: &str, request: &Request<'_>, variables: Variables) -> bool {
    let text: Vec<char> = request.resource.chars().collect();
    expand(pattern, variables, request).is_some_and(|pattern| glob(&pattern, &text))
}

/// Returns the strings of an element, which `shape` has checked.
fn texts(list: &Value) -> Vec<&str> {
    strings(list).unwrap_or_default()
}

//! The grammar of a policy, as far as the naive evaluator depends on it.

use serde_json::Value;

use super::case::{Policies, strings};
use super::condition::Operator;
use super::statement::statements;

/// Which elements a statement must have.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Identity, session, boundary and service control policies.
    Identity,
    /// Policies of resources, trust policies and resource control policies. "A trust policy has no
    /// Resource"; some resource policies have none either.
    Resource,
}

/// Checks the statements of all policies.
pub(super) fn check(policies: &Policies<'_>) -> Result<(), String> {
    let identity = policies
        .identity
        .iter()
        .chain(&policies.sessions)
        .chain(&policies.boundaries)
        .chain(policies.scps.iter().flatten())
        .flatten();
    for document in identity {
        check_document(document, Form::Identity)?;
    }
    for document in policies.resource.iter().chain(policies.rcps.iter().flatten().flatten()) {
        check_document(document, Form::Resource)?;
    }
    Ok(())
}

fn check_document(document: &Value, form: Form) -> Result<(), String> {
    match document["Version"].as_str() {
        None | Some("2008-10-17" | "2012-10-17") => {}
        Some(other) => return Err(format!("`{other}` is not a version")),
    }
    if !document["Statement"].is_array() && !document["Statement"].is_object() {
        return Err("the policy has no Statement".to_owned());
    }
    statements(document).iter().try_for_each(|statement| check_statement(statement, form))
}

fn check_statement(statement: &Value, form: Form) -> Result<(), String> {
    let effect = &statement["Effect"];
    if effect != "Allow" && effect != "Deny" {
        return Err(format!("`{effect}` is not an Effect"));
    }
    one_of(statement, "Action", "NotAction", true)?;
    one_of(statement, "Resource", "NotResource", form == Form::Identity)?;
    match form {
        Form::Resource => one_of(statement, "Principal", "NotPrincipal", true)?,
        Form::Identity if has(statement, "Principal") || has(statement, "NotPrincipal") => {
            return Err("a policy of an identity has no Principal".to_owned());
        }
        Form::Identity => {}
    }
    // "NotPrincipal belongs with Deny."
    if has(statement, "NotPrincipal") && effect == "Allow" {
        return Err("NotPrincipal is combined with Allow".to_owned());
    }
    for element in ["Action", "NotAction", "Resource", "NotResource"] {
        if has(statement, element) {
            strings(&statement[element])?;
        }
    }
    for element in ["Principal", "NotPrincipal"] {
        check_principal(&statement[element])?;
    }
    check_condition(&statement["Condition"])
}

fn has(statement: &Value, element: &str) -> bool {
    !statement[element].is_null()
}

fn one_of(statement: &Value, plain: &str, not: &str, required: bool) -> Result<(), String> {
    match (has(statement, plain), has(statement, not)) {
        (true, true) => Err(format!("a statement has both {plain} and {not}")),
        (false, false) if required => Err(format!("a statement has no {plain}")),
        _ => Ok(()),
    }
}

fn check_principal(principal: &Value) -> Result<(), String> {
    match principal {
        Value::Null => Ok(()),
        Value::String(text) if text == "*" => Ok(()),
        Value::Object(kinds) => {
            for (kind, names) in kinds {
                if !["AWS", "CanonicalUser", "Federated", "Service"].contains(&kind.as_str()) {
                    return Err(format!("`{kind}` is not a kind of principal"));
                }
                strings(names)?;
            }
            Ok(())
        }
        other => Err(format!("`{other}` is not a principal")),
    }
}

/// "Condition keys and operators: case-insensitive (two spellings of one operator or key in one
/// block are an error)."
fn check_condition(condition: &Value) -> Result<(), String> {
    let mut operators = Vec::new();
    for (operator, keys) in condition.as_object().into_iter().flatten() {
        Operator::read(operator).ok_or_else(|| format!("`{operator}` is not an operator"))?;
        check_new(&mut operators, operator)?;
        let keys = keys.as_object().ok_or_else(|| format!("`{keys}` is not a map of keys"))?;
        let mut names = Vec::new();
        for key in keys.keys() {
            check_new(&mut names, key)?;
        }
    }
    Ok(())
}

fn check_new(names: &mut Vec<String>, name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    if names.contains(&lower) {
        return Err(format!("`{name}` is given in two spellings"));
    }
    names.push(lower);
    Ok(())
}

//! The lints of policy variables.

use super::StatementLint;
use super::keys::{self, split_issuer};
use super::location::ElementPath;
use super::registry::{
    EMPTY_VARIABLE, INVALID_VARIABLE_FOR_OPERATOR, MISSING_BRACE_IN_VARIABLE,
    MISSING_QUOTE_IN_VARIABLE, MULTIVALUED_VARIABLE, UNKNOWN_VARIABLE,
    UNSUPPORTED_SPACE_IN_VARIABLE, VARIABLE_UNSUPPORTED_IN_VERSION,
};
use super::view::{Report, StatementView};
use crate::condition::OperatorType;
use crate::pattern::Version;

pub(super) const STATEMENT: &[StatementLint] = &[in_resources, in_conditions];

fn in_resources(statement: &StatementView<'_>, report: &mut Report) {
    for (index, resource) in statement.resources().iter().enumerate() {
        check(statement, resource.as_str(), statement.resource(index), report);
    }
}

fn in_conditions(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let operator = condition.operator();
        for (number, value) in condition.values().enumerate() {
            let place = statement.value(index, number);
            match operator.operator_type() {
                OperatorType::String | OperatorType::Arn => check(statement, value, place, report),
                _ if value.contains("${") => {
                    let message = format!("{operator} takes the variable in {value:?} literally");
                    let fix = "write a value: variables are for text and ARNs";
                    report.add(INVALID_VARIABLE_FOR_OPERATOR, place, message, fix);
                }
                _ => {}
            }
        }
    }
}

fn check(statement: &StatementView<'_>, text: &str, place: ElementPath, report: &mut Report) {
    if !text.contains("${") || report.is_full() {
        return;
    }
    // In other versions the text matches itself, so the form of its variables says nothing.
    if statement.document.version != Some(Version::V2012) {
        let message = format!("the variable in {text:?} is plain text in this version");
        let fix = "write \"Version\": \"2012-10-17\"";
        report.add(VARIABLE_UNSUPPORTED_IN_VERSION, place, message, fix);
        return;
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((inner, after)) = after.split_once('}') else {
            let message = format!("a variable in {text:?} has no closing brace");
            report.add(MISSING_BRACE_IN_VARIABLE, place, message, "add the brace");
            return;
        };
        if !matches!(inner, "*" | "?" | "$") {
            check_variable(inner, place, report);
        }
        rest = after;
    }
}

/// Checks what stands between the braces.
fn check_variable(inner: &str, place: ElementPath, report: &mut Report) {
    let (name, default) = match inner.split_once(',') {
        Some((name, default)) => (name, Some(default.trim())),
        None => (inner, None),
    };
    if name.trim().is_empty() {
        let message = "a variable has no name";
        report.add(EMPTY_VARIABLE, place, message, "write a key, as in ${aws:username}");
        return;
    }
    let quoted = |text: &str| text.len() >= 2 && text.starts_with('\'') && text.ends_with('\'');
    if default.is_some_and(|default| !quoted(default)) {
        let message = format!("the default value in \"${{{inner}}}\" is not in single quotes");
        let fix = format!("write ${{{}, 'default'}}", name.trim());
        report.add(MISSING_QUOTE_IN_VARIABLE, place, message, fix);
    }
    if name.contains(char::is_whitespace) {
        let message = format!("the name of the variable \"${{{inner}}}\" contains a space");
        report.add(UNSUPPORTED_SPACE_IN_VARIABLE, place, message, "remove the space");
        return;
    }
    match keys::value_type(name) {
        Some((_, true)) => {
            let message = format!("{name} may have several values, and then the variable has none");
            let fix = "use a key with one value";
            report.add(MULTIVALUED_VARIABLE, place, message, fix);
        }
        None if !is_service_variable(name) => {
            let message = format!("{name:?} is not a condition key, so the variable has no value");
            let fix = "use a condition key, as in ${aws:username}";
            report.add(UNKNOWN_VARIABLE, place, message, fix);
        }
        _ => {}
    }
}

/// Returns `true` for variables that a service sets itself, and for the claims of tokens.
fn is_service_variable(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // AWS Transfer Family replaces them in session policies, and AWS IoT in its own policies.
    name.starts_with("transfer:") || name.starts_with("iot:") || split_issuer(&name).is_some()
}

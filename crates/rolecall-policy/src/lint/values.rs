//! The lints of the values of conditions: whether an operator can compare them, and whether the
//! comparison says anything.

use super::StatementLint;
use super::registry::{
    EQUIVALENT_TO_NULL_FALSE, EQUIVALENT_TO_NULL_TRUE, INVALID_CONDITION_MULTIPLE_BOOLEAN,
    INVALID_DATE_VALUE, Lint, REDUNDANT_CONDITION_VALUE_NUM,
    REDUNDANT_KEY_DUE_TO_WILDCARD_IN_CONDITION, REDUNDANT_STATEMENT_DUE_TO_WILDCARD_IN_CONDITION,
    TYPE_MISMATCH_ARN, TYPE_MISMATCH_BOOLEAN, TYPE_MISMATCH_DATE, TYPE_MISMATCH_IP_RANGE,
    TYPE_MISMATCH_NUMBER, TYPE_MISMATCH_STRING, WILDCARD_WITHOUT_LIKE_OPERATOR,
};
use super::view::{Report, StatementView, is_star};
use crate::condition::{Comparison, Condition, OperatorType};
use crate::context::Context;

pub(super) const STATEMENT: &[StatementLint] =
    &[comparable, several_booleans, date, wildcard, several_numbers, always_or_never];

/// Values that the operator cannot compare.
fn comparable(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let (lint, message, fix): (&'static Lint, &str, &str) =
            match condition.operator().operator_type() {
                OperatorType::String => continue,
                OperatorType::Numeric => (TYPE_MISMATCH_NUMBER, "is not a number", "write digits"),
                OperatorType::Date => {
                    (TYPE_MISMATCH_DATE, "is not a date", "write a date such as 2026-11-26")
                }
                OperatorType::Bool | OperatorType::Null => {
                    (TYPE_MISMATCH_BOOLEAN, "is not a Boolean", "write true or false")
                }
                OperatorType::Binary => (TYPE_MISMATCH_STRING, "is not base64", "encode the value"),
                OperatorType::IpAddress => {
                    let fix = "write a range such as 203.0.113.0/24";
                    (TYPE_MISMATCH_IP_RANGE, "is not an address or a range", fix)
                }
                OperatorType::Arn => {
                    let fix = "write six fields, such as arn:aws:iam::*:role/app";
                    (TYPE_MISMATCH_ARN, "is not an ARN, and matches none", fix)
                }
            };
        for invalid in condition.invalid_values() {
            // A lint of its own reports variables.
            let is_variable = invalid.contains("${");
            let number = condition.values().position(|value| std::ptr::eq(value, invalid));
            let Some(number) = number.filter(|_| !is_variable) else { continue };
            let message = format!("{invalid:?} {message}");
            report.add(lint, statement.value(index, number), message, fix);
        }
    }
}

fn several_booleans(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let of = condition.operator().operator_type();
        let is_boolean = matches!(of, OperatorType::Bool | OperatorType::Null);
        if is_boolean && condition.values().len() > 1 {
            report.add(
                INVALID_CONDITION_MULTIPLE_BOOLEAN,
                statement.condition(index),
                format!("{} has several Boolean values", condition.key()),
                "leave one value",
            );
        }
    }
}

fn date(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let is_date = condition.operator().operator_type() == OperatorType::Date;
        // The values of aws:EpochTime are seconds by definition.
        if !is_date || condition.lower_case_key() == "aws:epochtime" {
            continue;
        }
        for (number, value) in condition.values().enumerate() {
            if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
                let message = format!("{value:?} is read as seconds since 1970");
                let fix = "write a date such as 2026-11-26";
                report.add(INVALID_DATE_VALUE, statement.value(index, number), message, fix);
            }
        }
    }
}

/// Returns a text without its variables and escapes, whose wildcards are plain characters.
pub(super) fn without_variables(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        plain.push_str(before);
        rest = match after.split_once('}') {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain.push_str(rest);
    plain
}

fn wildcard(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let operator = condition.operator();
        let is_plain = operator.operator_type() == OperatorType::String
            && operator.comparison() != Comparison::Like;
        if !is_plain {
            continue;
        }
        for (number, value) in condition.values().enumerate() {
            if without_variables(value).contains(['*', '?']) {
                let like = if operator.is_negated() { "StringNotLike" } else { "StringLike" };
                let message = format!("{operator} takes the wildcard in {value:?} literally");
                let place = statement.value(index, number);
                report.add(WILDCARD_WITHOUT_LIKE_OPERATOR, place, message, format!("write {like}"));
            }
        }
    }
}

fn several_numbers(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let operator = condition.operator();
        let (bound, is_negated) = match operator.comparison() {
            Comparison::Less | Comparison::LessOrEqual => ("greatest", operator.is_negated()),
            Comparison::Greater | Comparison::GreaterOrEqual => ("least", operator.is_negated()),
            _ => continue,
        };
        if condition.values().len() > 1 && !is_negated {
            report.add(
                REDUNDANT_CONDITION_VALUE_NUM,
                statement.condition(index),
                format!("of several values of {operator}, only the {bound} counts"),
                format!("leave the {bound} value"),
            );
        }
    }
}

/// Conditions with a value that matches all or, negated, no values of the request.
fn always_or_never(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let operator = condition.operator();
        let is_like = operator.operator_type() == OperatorType::String
            && operator.comparison() == Comparison::Like;
        if !is_like || !condition.values().any(is_star) {
            continue;
        }
        let key = condition.key();
        // The evaluator answers for a request with a value that only the star matches, and for one
        // without the key, so IfExists and the set operators need no cases of their own here.
        let with = condition.is_met(&Context::new().with(key, "\u{1}"));
        let without = condition.is_met(&Context::new());
        let place = statement.condition(index);
        let (lint, says, fix): (&'static Lint, _, _) = match (with, without) {
            (true, true) => (
                REDUNDANT_KEY_DUE_TO_WILDCARD_IN_CONDITION,
                "is always met",
                "remove the condition, or narrow its value".to_owned(),
            ),
            (false, false) => (
                REDUNDANT_STATEMENT_DUE_TO_WILDCARD_IN_CONDITION,
                "is never met",
                "remove the statement, or narrow the value".to_owned(),
            ),
            (true, false) => (
                EQUIVALENT_TO_NULL_FALSE,
                "is met if the key is there",
                format!("write \"Null\": {{\"{key}\": \"false\"}}"),
            ),
            (false, true) => (
                EQUIVALENT_TO_NULL_TRUE,
                "is met if the key is not there",
                format!("write \"Null\": {{\"{key}\": \"true\"}}"),
            ),
        };
        let message =
            format!("the condition {operator} on {key} {says}, because of the value \"*\"");
        report.add(lint, place, message, fix);
    }
}

/// Returns `true` if a condition lets only requests with chosen values of its key through.
pub(super) fn narrows(condition: &Condition) -> bool {
    names_values(condition) && super::condition_keys::requires_key(condition)
}

/// Returns `true` if a condition lets only chosen values through, where a request carries its key.
pub(super) fn names_values(condition: &Condition) -> bool {
    let operator = condition.operator();
    let is_null = operator.operator_type() == OperatorType::Null;
    !is_null && !operator.is_negated() && !condition.values().any(is_star)
}

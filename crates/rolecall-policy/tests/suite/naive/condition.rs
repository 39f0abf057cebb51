//! Conditions: operators, set prefixes, `IfExists`, and the comparison of single values.

use std::cmp::Ordering;

use serde_json::Value;

use super::address::{decode_base64, range_contains};
use super::case::Request;
use super::date::Date;
use super::number::Number;
use super::pattern::{Variables, arn_matches, expand, glob, plain};

/// How a listed value is compared with a value of the request.
#[derive(Clone, Copy, PartialEq)]
enum Test {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Comparison),
    Date(Comparison),
    Bool,
    Binary,
    IpAddress,
    Arn,
    Null,
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

#[derive(Clone, Copy, PartialEq)]
enum Set {
    None,
    ForAllValues,
    ForAnyValue,
}

/// An operator with its prefix and suffix.
pub(super) struct Operator {
    set: Set,
    test: Test,
    negated: bool,
    if_exists: bool,
}

impl Operator {
    /// "Condition keys and operators: case-insensitive". "Suffix IfExists (not on Null); prefixes
    /// ForAllValues, ForAnyValue."
    pub(super) fn read(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (set, name) = match name.split_once(':') {
            None => (Set::None, name.as_str()),
            Some(("forallvalues", name)) => (Set::ForAllValues, name),
            Some(("foranyvalue", name)) => (Set::ForAnyValue, name),
            Some(_) => return None,
        };
        let (name, if_exists) = match name.strip_suffix("ifexists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (test, negated) = base(name)?;
        let valid = test != Test::Null || !if_exists;
        valid.then_some(Self { set, test, negated, if_exists })
    }
}

/// Returns the test of an operator's name in lower case, and whether the operator negates it.
fn base(name: &str) -> Option<(Test, bool)> {
    let found = match name {
        "stringequals" => (Test::StringEquals, false),
        "stringnotequals" => (Test::StringEquals, true),
        "stringequalsignorecase" => (Test::StringEqualsIgnoreCase, false),
        "stringnotequalsignorecase" => (Test::StringEqualsIgnoreCase, true),
        "stringlike" => (Test::StringLike, false),
        "stringnotlike" => (Test::StringLike, true),
        "bool" => (Test::Bool, false),
        "binaryequals" => (Test::Binary, false),
        "ipaddress" => (Test::IpAddress, false),
        "notipaddress" => (Test::IpAddress, true),
        // "ArnEquals is ArnLike."
        "arnequals" | "arnlike" => (Test::Arn, false),
        "arnnotequals" | "arnnotlike" => (Test::Arn, true),
        "null" => (Test::Null, false),
        other => {
            if let Some(name) = other.strip_prefix("numeric") {
                let (comparison, negated) = comparison(name)?;
                (Test::Numeric(comparison), negated)
            } else {
                let (comparison, negated) = comparison(other.strip_prefix("date")?)?;
                (Test::Date(comparison), negated)
            }
        }
    };
    Some(found)
}

fn comparison(name: &str) -> Option<(Comparison, bool)> {
    match name {
        "equals" => Some((Comparison::Equals, false)),
        "notequals" => Some((Comparison::Equals, true)),
        "lessthan" => Some((Comparison::LessThan, false)),
        "lessthanequals" => Some((Comparison::LessThanEquals, false)),
        "greaterthan" => Some((Comparison::GreaterThan, false)),
        "greaterthanequals" => Some((Comparison::GreaterThanEquals, false)),
        _ => None,
    }
}

/// "Operators AND, keys AND".
pub(super) fn condition_holds(
    condition: &Value,
    request: &Request<'_>,
    variables: Variables,
) -> bool {
    condition.as_object().into_iter().flatten().all(|(operator, keys)| {
        let operator = Operator::read(operator);
        keys.as_object().into_iter().flatten().all(|(key, listed)| {
            operator.as_ref().is_some_and(|operator| {
                key_holds(operator, request.values(key), &listed_values(listed), &|text, value| {
                    test_holds(operator.test, text, value, request, variables)
                })
            })
        })
    })
}

/// The values that a policy lists: one or a list, of strings, numbers or booleans.
fn listed_values(listed: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match listed {
        Value::Array(list) => list.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

/// Whether an operator holds for the values of a key, by its prefix.
fn key_holds(
    operator: &Operator,
    values: Option<&[&str]>,
    listed: &[String],
    matches: &dyn Fn(&str, &str) -> bool,
) -> bool {
    // "Values OR".
    let is_listed = |value: &str| listed.iter().any(|text| matches(text, value));
    // "A negated operator [..] holds if some value is none of those listed".
    let holds = |value: &str| is_listed(value) != operator.negated;
    match (operator.set, values) {
        // "ForAllValues: true without the key, for no values, and for the empty string alone".
        (Set::ForAllValues, None | Some([""])) => true,
        (_, values) if operator.test == Test::Null => {
            null_holds(operator.set, values.is_some(), listed)
        }
        (Set::ForAllValues, Some(values)) => values.iter().all(|value| holds(value)),
        // "ForAnyValue: false without values, also with IfExists".
        (Set::ForAnyValue, None) => false,
        (Set::ForAnyValue, Some(values)) => values.iter().any(|value| holds(value)),
        // "A missing key is false; with a negated operator true; with IfExists true."
        (Set::None, None) => operator.negated || operator.if_exists,
        // "A bare operator on a key with several values matches any of them". "For a negated
        // operator: none of the values".
        (Set::None, Some(values)) => {
            values.iter().any(|value| is_listed(value)) != operator.negated
        }
    }
}

/// "Null under ForAnyValue is always false", and under ForAllValues always true. "The empty string
/// is a value like another, and not the same as no key."
fn null_holds(set: Set, present: bool, listed: &[String]) -> bool {
    let expected = if present { "false" } else { "true" };
    match set {
        Set::ForAllValues => true,
        Set::ForAnyValue => false,
        Set::None => listed.iter().any(|text| text.eq_ignore_ascii_case(expected)),
    }
}

/// Whether a value of the request matches one listed value.
fn test_holds(
    test: Test,
    listed: &str,
    value: &str,
    request: &Request<'_>,
    variables: Variables,
) -> bool {
    // "Variables [..] in Resource and in the values of string and ARN operators". Without a value,
    // "a positive operator is false, a negated one true".
    let pattern = || expand(listed, variables, request);
    match test {
        Test::StringEquals => pattern().is_some_and(|pattern| plain(&pattern) == value),
        Test::StringEqualsIgnoreCase => {
            pattern().is_some_and(|pattern| plain(&pattern).eq_ignore_ascii_case(value))
        }
        // "StringLike values: case-sensitive."
        Test::StringLike => {
            pattern().is_some_and(|pattern| glob(&pattern, &value.chars().collect::<Vec<_>>()))
        }
        Test::Arn => pattern().is_some_and(|pattern| arn_matches(&pattern, value)),
        // "What is no number matches nothing".
        Test::Numeric(comparison) => match (Number::read(value), Number::read(listed)) {
            (Some(value), Some(listed)) => compares(comparison, value.compare(&listed)),
            _ => false,
        },
        Test::Date(comparison) => match (Date::read(value), Date::read(listed)) {
            (Some(value), Some(listed)) => compares(comparison, value.compare(&listed)),
            _ => false,
        },
        Test::Bool => is_bool(value) && value.eq_ignore_ascii_case(listed),
        // "Binary compares bytes, given as base64."
        Test::Binary => match (decode_base64(value), decode_base64(listed)) {
            (Some(value), Some(listed)) => value == listed,
            _ => false,
        },
        Test::IpAddress => range_contains(listed, value),
        // The values of a key do not matter to `Null`.
        Test::Null => false,
    }
}

fn is_bool(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}

/// Whether the order of the request's value against the listed one is that of the operator.
fn compares(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equals => order == Ordering::Equal,
        Comparison::LessThan => order == Ordering::Less,
        Comparison::LessThanEquals => order != Ordering::Greater,
        Comparison::GreaterThan => order == Ordering::Greater,
        Comparison::GreaterThanEquals => order != Ordering::Less,
    }
}

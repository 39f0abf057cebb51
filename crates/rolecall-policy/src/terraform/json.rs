//! A policy's JSON, as an expression.

use hcl::expr::{FuncCall, ObjectKey};
use hcl::{Expression, Identifier, Number};

use crate::error::PolicyError;
use crate::json::{Json, JsonError, Member, Value};
use crate::limits::LAST_CHARACTER;
use crate::read::{json_error, parse_json};

/// What is written instead of a string, if anything.
pub(super) type Replace<'r> = &'r mut dyn FnMut(&str) -> Option<Expression>;

/// Parses a policy: a JSON object whose characters IAM accepts and Terraform does not change.
pub(super) fn parse(text: &str) -> Result<Vec<Member<'_>>, PolicyError> {
    let json = parse_json(text)?;
    check_characters(&json).map_err(|error| json_error(text, error))?;
    let kind = json.kind();
    match json.value {
        Value::Object(members) => Ok(members),
        _ => {
            let error = fault(json.offset, format!("expected an object, found {kind}"));
            Err(json_error(text, error))
        }
    }
}

fn fault(offset: usize, message: impl Into<String>) -> JsonError {
    JsonError { location: String::new(), offset, message: message.into() }
}

fn check_characters(json: &Json<'_>) -> Result<(), JsonError> {
    let check = |offset: usize, text: &str| match text.chars().find(|c| *c > LAST_CHARACTER) {
        None => Ok(()),
        Some(c) => {
            let hint = "hint: use characters up to U+00FF";
            Err(fault(offset, format!("IAM does not accept {c:?} in a policy; {hint}")))
        }
    };
    match &json.value {
        Value::String(text) => check(json.offset, text),
        Value::List(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            check_characters(item).map_err(|error| error.within(&format!("[{index}]")))
        }),
        Value::Object(members) => members.iter().try_for_each(|member| {
            check(member.offset, &member.key)?;
            check_characters(&member.value).map_err(|error| error.within(&member.key))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Returns the expression `jsonencode({...})` of a policy.
pub(super) fn encode(policy: &[Member<'_>], replace: Replace<'_>) -> Result<Expression, JsonError> {
    Ok(FuncCall::builder("jsonencode").arg(object(policy, replace)?).build().into())
}

fn expression(json: &Json<'_>, replace: Replace<'_>) -> Result<Expression, JsonError> {
    Ok(match &json.value {
        Value::Null => Expression::Null,
        Value::Bool(value) => Expression::Bool(*value),
        Value::Number(text) => Expression::Number(number(json.offset, text)?),
        Value::String(text) => {
            replace(text).unwrap_or_else(|| Expression::String(text.clone().into_owned()))
        }
        Value::List(items) => {
            let item = |(index, item)| {
                expression(item, replace).map_err(|error| error.within(&format!("[{index}]")))
            };
            Expression::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => object(members, replace)?,
    })
}

fn object(members: &[Member<'_>], replace: Replace<'_>) -> Result<Expression, JsonError> {
    let member = |member: &Member<'_>| {
        let value = expression(&member.value, replace);
        value.map(|value| (key(&member.key), value)).map_err(|error| error.within(&member.key))
    };
    Ok(Expression::Object(members.iter().map(member).collect::<Result<_, _>>()?))
}

/// Returns the key of an object, quoted where Terraform requires it.
pub(super) fn key(name: &str) -> ObjectKey {
    // `for` begins a comprehension, and hcl-rs takes the others for values.
    let is_keyword = matches!(name, "for" | "null" | "true" | "false");
    match super::arguments::is_name(name) && !is_keyword {
        true => ObjectKey::Identifier(Identifier::sanitized(name)),
        false => ObjectKey::Expression(name.into()),
    }
}

/// Converts a number. It is an error if the file would have another one: hcl-rs holds a number as
/// a 64-bit integer or float.
pub(super) fn number(offset: usize, text: &str) -> Result<Number, JsonError> {
    let integer = text.parse::<i64>().map(Number::from);
    let integer = integer.or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    let float = || text.parse::<f64>().ok().and_then(Number::from_f64);
    // A condition on a number that was rounded would compare with another one in silence.
    let written = integer.or_else(float).filter(|number| {
        let value = decimal(text);
        value.is_some() && value == decimal(&number.to_string())
    });
    let hint = "hint: write it as a string";
    written.ok_or_else(|| fault(offset, format!("the number {text} would be rounded; {hint}")))
}

/// The value of a decimal number: sign, digits without zeros at the ends, and exponent.
fn decimal(text: &str) -> Option<(bool, String, i128)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = i128::from(exponent.parse::<i64>().ok()?);
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all_digits = format!("{whole}{fraction}");
    let digits = all_digits.trim_end_matches('0');
    let shift = i128::try_from(all_digits.len() - digits.len()).ok()?;
    let exponent = exponent + shift - i128::try_from(fraction.len()).ok()?;
    match digits.trim_start_matches('0') {
        "" => Some((false, String::new(), 0)),
        digits => Some((mantissa.starts_with('-'), digits.to_owned(), exponent)),
    }
}

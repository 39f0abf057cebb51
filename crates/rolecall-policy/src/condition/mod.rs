//! Conditions: operators, their values, and how they compare with the request's context.
//!
//! All operators of the policy language are supported: `String`, `Numeric`, `Date`, `Bool`,
//! `BinaryEquals`, `IpAddress`, `Arn` and `Null`, with the suffix `IfExists` and the prefixes
//! `ForAllValues` and `ForAnyValue`. (IAM User Guide, "IAM JSON policy elements: Condition
//! operators" and "Set operators for multi-valued context keys".)

mod arn;
mod binary;
mod date;
mod ip;
mod numeric;
mod operator;
mod set;
mod string;

pub use operator::{Operator, OperatorType, SetOperator};

pub(crate) use binary::decode as decode_base64;
pub(crate) use operator::Comparison;
pub(crate) use set::ConditionResult;

use crate::context::Context;
use crate::error::{Located, PolicyError, Position};
use crate::pattern::{Syntax, Variable, Version};

/// One operator applied to one key. The values are alternatives.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Condition, Context};
/// let subjects = ["system:serviceaccount:shop:*"];
/// let condition = Condition::new("StringLike", "shop.example:sub", subjects)?;
/// let context = Context::new().with("shop.example:sub", "system:serviceaccount:shop:checkout");
/// assert!(condition.is_met(&context));
/// assert!(!condition.is_met(&Context::new()), "a missing key does not match");
///
/// let error = Condition::new("StringSame", "aws:username", ["ann"]).unwrap_err();
/// assert_eq!(error.to_string(), r#"condition: "StringSame" is not a condition operator"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    operator: Operator,
    key: Box<str>,
    /// The key in lower case, if its spelling differs: keys are case-insensitive.
    lower_case_key: Option<Box<str>>,
    values: Vec<Box<str>>,
    test: Test,
    pub(crate) at: Located,
}

/// The values, compiled for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    String(string::StringTest),
    Arn(Vec<arn::ArnPattern>),
    Numeric,
    Date,
    Bool,
    Binary,
    Ip(Vec<Option<ip::Network>>),
    Null,
}

impl Condition {
    /// Creates a condition from the IAM name of its operator, a key and the key's values. Policy
    /// variables have their meaning in the values, as in version 2012-10-17.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if there is no such operator, if `values` is empty, or if `key` is
    /// not a condition key.
    pub fn new<V: Into<String>>(
        operator: &str,
        key: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self, PolicyError> {
        let fail = |message: String| Err(PolicyError::new("condition", message));
        let operator = match Operator::parse(operator) {
            Ok(operator) => operator,
            Err(message) => return fail(message),
        };
        if let Some(message) = key_fault(key) {
            return fail(message);
        }
        let values: Vec<Box<str>> =
            values.into_iter().map(|value| value.into().into_boxed_str()).collect();
        if values.is_empty() {
            return fail(format!("the condition on {key} has no values"));
        }
        Ok(Self::compile(operator, key, values, Version::V2012, Located::default()))
    }

    /// Compiles a condition whose parts were checked.
    pub(crate) fn compile(
        operator: Operator,
        key: &str,
        values: Vec<Box<str>>,
        version: Version,
        at: Located,
    ) -> Self {
        // Before this version, `${aws:username}` is plain text. A policy that is read with
        // variables that IAM does not replace would match other requests than it does at AWS.
        let variables = version == Version::V2012;
        let test = match operator.operator_type() {
            OperatorType::String => {
                Test::String(string::StringTest::compile(&operator, &values, variables))
            }
            OperatorType::Arn => {
                let syntax = Syntax { wildcards: true, variables };
                let patterns = values.iter().map(|value| arn::ArnPattern::compile(value, syntax));
                Test::Arn(patterns.collect())
            }
            OperatorType::Numeric => Test::Numeric,
            OperatorType::Date => Test::Date,
            OperatorType::Bool => Test::Bool,
            OperatorType::Binary => Test::Binary,
            OperatorType::IpAddress => {
                Test::Ip(values.iter().map(|value| ip::Network::parse(value)).collect())
            }
            OperatorType::Null => Test::Null,
        };
        let lower_case = key.to_lowercase();
        let lower_case_key = (lower_case != key).then(|| lower_case.into_boxed_str());
        Self { operator, key: key.into(), lower_case_key, values, test, at }
    }

    /// Returns the operator.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Returns the condition key, in the spelling of the document.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the condition key in lower case.
    pub fn lower_case_key(&self) -> &str {
        self.lower_case_key.as_deref().unwrap_or(&self.key)
    }

    /// Returns the values, as they are written. Numbers and booleans have their JSON spelling.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &str> {
        self.values.iter().map(|value| &**value)
    }

    /// Returns where the condition begins in its document's text, if it was parsed from one.
    pub fn position(&self) -> Option<Position> {
        self.at.position()
    }

    /// Returns `true` if the condition is met by a request with this context.
    pub fn is_met(&self, context: &Context) -> bool {
        self.result(context).is_met()
    }

    pub(crate) fn result(&self, context: &Context) -> ConditionResult {
        set::combine(
            &self.operator,
            context.lookup(self.lower_case_key()),
            |value| self.matches_any(value, context),
            |absent| self.values().any(|value| parse_bool(value) == Some(absent)),
        )
    }

    /// Returns the variables in the values.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        let strings = match &self.test {
            Test::String(test) => test.patterns(),
            _ => &[],
        };
        let arns = match &self.test {
            Test::Arn(arns) => arns.as_slice(),
            _ => &[],
        };
        let wholes = arns.iter().map(|arn| arn.whole());
        strings.iter().chain(wholes).flat_map(|pattern| pattern.variables())
    }

    /// Returns the values that the operator cannot compare with any, and so match nothing.
    pub(crate) fn invalid_values(&self) -> impl Iterator<Item = &str> {
        self.values().enumerate().filter_map(|(index, value)| {
            let valid = match &self.test {
                Test::String(_) => true,
                Test::Arn(arns) => arns.get(index).is_some_and(|arn| arn.is_valid()),
                Test::Numeric => numeric::Decimal::parse(value).is_some(),
                Test::Date => date::parse(value).is_some(),
                Test::Bool | Test::Null => parse_bool(value).is_some(),
                Test::Binary => binary::is_base64(value),
                Test::Ip(networks) => networks.get(index).is_some_and(Option::is_some),
            };
            (!valid).then_some(value)
        })
    }

    /// Returns `true` if one of the condition's values matches `actual`, before a negation.
    fn matches_any(&self, actual: &str, context: &Context) -> bool {
        let comparison = self.operator.comparison();
        match &self.test {
            Test::String(test) => test.matches_any(actual, context),
            Test::Arn(patterns) => patterns.iter().any(|pattern| pattern.matches(actual, context)),
            Test::Numeric => self.values().any(|value| numeric::matches(actual, comparison, value)),
            Test::Date => self.values().any(|value| date::matches(actual, comparison, value)),
            Test::Bool => {
                // Two texts that are not Booleans would otherwise be equal, since both parse to
                // `None`.
                let actual = parse_bool(actual);
                actual.is_some() && self.values().any(|value| parse_bool(value) == actual)
            }
            Test::Binary => self.values().any(|value| binary::equals(value, actual)),
            Test::Ip(networks) => ip::contained_in_any(networks, actual),
            // Null asks about the key and not about its values: see `set`.
            Test::Null => false,
        }
    }
}

fn parse_bool(value: &str) -> Option<bool> {
    let is = |word: &str| value.eq_ignore_ascii_case(word);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

/// Returns what is wrong with a condition key. Its first part names a service, an identity provider
/// or `aws`.
pub(crate) fn key_fault(key: &str) -> Option<String> {
    let named = key.split_once(':').is_some_and(|(prefix, name)| {
        !prefix.is_empty() && !name.is_empty() && !prefix.contains(char::is_whitespace)
    });
    let expected = "expected a prefix and a name, such as aws:username";
    (!named).then(|| format!("{key:?} is not a condition key: {expected}"))
}

#[cfg(test)]
mod tests;

//! Conditions: operators, their values, and the request context that they test.
//!
//! Supported: `StringEquals`, `StringNotEquals`, `StringEqualsIgnoreCase`,
//! `StringNotEqualsIgnoreCase`, `StringLike`, `StringNotLike`, `ArnEquals`, `ArnLike`,
//! `ArnNotEquals`, `ArnNotLike`, `Bool`, `Null`, and the suffix `IfExists`. (IAM User Guide, "IAM
//! JSON policy elements: Condition operators".)

use std::collections::BTreeMap;

use crate::parse::PolicyError;
use crate::pattern::Pattern;

/// The condition keys of one request and their values. Keys are case-insensitive.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Context;
/// let context = Context::new().with("sts:ExternalId", "shop-4711");
/// assert_eq!(context.get("STS:externalid"), Some(&["shop-4711".to_owned()][..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Creates a context without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value to a key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.entry(key.to_lowercase()).or_default().push(value.into());
        self
    }

    /// Returns the values of a key, or `None` if the request does not have it.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_lowercase()).map(Vec::as_slice)
    }
}

/// One operator applied to one key. The values are alternatives.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Condition, Context};
/// let subjects = ["system:serviceaccount:shop:*"];
/// let condition = Condition::new("StringLike", "shop.example:sub", subjects)?;
/// let context = Context::new().with("shop.example:sub", "system:serviceaccount:shop:checkout");
/// assert!(condition.holds(&context));
/// assert!(!condition.holds(&Context::new()), "a missing key does not match");
///
/// let error = Condition::new("NumericEquals", "aws:MultiFactorAuthAge", ["60"]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"condition: the operator "NumericEquals" is not supported"#,
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// As it was written.
    operator: String,
    test: Test,
    negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Arn,
    Bool,
    Null,
}

/// Name in lower case, what it tests, and whether it is true where that is not.
const OPERATORS: &[(&str, Test, bool)] = &[
    ("stringequals", Test::Equals, false),
    ("stringnotequals", Test::Equals, true),
    ("stringequalsignorecase", Test::EqualsIgnoreCase, false),
    ("stringnotequalsignorecase", Test::EqualsIgnoreCase, true),
    ("stringlike", Test::Like, false),
    ("stringnotlike", Test::Like, true),
    // ArnEquals is ArnLike.
    ("arnequals", Test::Arn, false),
    ("arnlike", Test::Arn, false),
    ("arnnotequals", Test::Arn, true),
    ("arnnotlike", Test::Arn, true),
    ("bool", Test::Bool, false),
    ("null", Test::Null, false),
];

impl Condition {
    /// Creates a condition from the IAM name of its operator, a key and the key's values.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if the operator is not supported, if `values` is empty or does not
    /// suit the operator, or if `key` is not a condition key.
    pub fn new<V: Into<String>>(
        operator: &str,
        key: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self, PolicyError> {
        let fail = |message: String| Err(PolicyError::new("condition", message));
        let lower = operator.to_lowercase();
        let (name, if_exists) = match lower.strip_suffix("ifexists") {
            Some(name) => (name, true),
            None => (lower.as_str(), false),
        };
        let Some(&(_, test, negated)) = OPERATORS.iter().find(|(known, ..)| *known == name) else {
            return fail(format!("the operator {operator:?} is not supported"));
        };
        if if_exists && test == Test::Null {
            return fail("the operator Null does not accept IfExists".into());
        }
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        if values.is_empty() {
            return fail(format!("the condition on {key} has no values"));
        }
        let truth = |value: &String| {
            value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
        };
        if matches!(test, Test::Bool | Test::Null) && !values.iter().all(truth) {
            return fail(format!("{operator} accepts only \"true\" and \"false\""));
        }
        let arn = |value: &String| value.splitn(6, ':').count() == 6;
        if test == Test::Arn && !values.iter().all(arn) {
            return fail(format!(
                "{operator} accepts only ARNs, of six fields separated by colons"
            ));
        }
        if key.is_empty() || !key.contains(':') {
            return fail(format!("{key:?} is not a condition key"));
        }
        let (operator, key) = (operator.to_owned(), key.to_owned());
        Ok(Self { operator, test, negated, if_exists, key, values })
    }

    /// Returns the condition key.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn operator(&self) -> &str {
        &self.operator
    }

    pub(crate) fn values(&self) -> &[String] {
        &self.values
    }

    /// Returns `true` if the condition holds for a request with this context.
    pub fn holds(&self, context: &Context) -> bool {
        let present = context.get(&self.key);
        if self.test == Test::Null {
            let absent = if present.is_none() { "true" } else { "false" };
            return self.values.iter().any(|value| value.eq_ignore_ascii_case(absent));
        }
        let Some(present) = present else { return self.if_exists || self.negated };
        let any = present.iter().any(|have| self.values.iter().any(|want| self.same(want, have)));
        any != self.negated
    }

    fn same(&self, want: &str, have: &str) -> bool {
        match self.test {
            Test::Equals => want == have,
            Test::EqualsIgnoreCase => want.to_lowercase() == have.to_lowercase(),
            Test::Bool => want.eq_ignore_ascii_case(have),
            Test::Like => Pattern::new(want).matches(have),
            Test::Arn => same_arn(want, have),
            Test::Null => false,
        }
    }
}

/// ARNs match field by field: a wildcard does not reach over a colon, but for the last field.
fn same_arn(want: &str, have: &str) -> bool {
    let want: Vec<&str> = want.splitn(6, ':').collect();
    let have: Vec<&str> = have.splitn(6, ':').collect();
    want.len() == 6
        && have.len() == 6
        && want.iter().zip(&have).all(|(want, have)| Pattern::new(*want).matches(have))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_by_table() {
        // (operator, values, the key's value if it is there, holds)
        let cases: &[(&str, &[&str], Option<&str>, bool)] = &[
            ("StringEquals", &["a", "b"], Some("b"), true),
            ("StringEquals", &["a"], Some("A"), false),
            ("StringEquals", &["a*"], Some("ab"), false),
            ("StringEquals", &["a"], None, false),
            ("stringequals", &["a"], Some("a"), true),
            ("StringEqualsIfExists", &["a"], None, true),
            ("StringEqualsIfExists", &["a"], Some("b"), false),
            ("StringNotEquals", &["a", "b"], Some("c"), true),
            ("StringNotEquals", &["a", "b"], Some("b"), false),
            ("StringNotEquals", &["a"], None, true),
            ("StringEqualsIgnoreCase", &["aB"], Some("Ab"), true),
            ("StringNotEqualsIgnoreCase", &["aB"], Some("Ab"), false),
            ("StringLike", &["a*c", "x"], Some("abc"), true),
            ("StringLike", &["a?c"], Some("abbc"), false),
            ("StringNotLike", &["a*"], Some("abc"), false),
            ("StringNotLike", &["a*"], None, true),
            ("ArnLike", &["arn:aws:iam::*:role/x"], Some("arn:aws:iam::111122223333:role/x"), true),
            (
                "ArnLike",
                &["arn:aws:i*3:*:*:role/x"],
                Some("arn:aws:iam::111122223333:role/x"),
                false,
            ),
            ("ArnNotEquals", &["arn:aws:iam::1:role/x"], Some("arn:aws:iam::2:role/x"), true),
            ("Bool", &["true"], Some("TRUE"), true),
            ("Bool", &["true"], Some("false"), false),
            ("Bool", &["true"], None, false),
            ("BoolIfExists", &["true"], None, true),
            ("Null", &["true"], None, true),
            ("Null", &["true"], Some("x"), false),
            ("Null", &["false"], Some("x"), true),
        ];
        for (operator, values, present, expected) in cases {
            let condition = Condition::new(operator, "aws:k", values.iter().copied()).unwrap();
            let mut context = Context::new();
            if let Some(value) = present {
                context = context.with("AWS:K", *value);
            }
            assert_eq!(condition.holds(&context), *expected, "{operator} {values:?} {present:?}");
        }
    }

    #[test]
    fn what_is_not_covered_is_refused() {
        for (operator, key, values) in [
            ("NumericEquals", "aws:k", &["1"][..]),
            ("DateLessThan", "aws:k", &["2026-01-01"]),
            ("IpAddress", "aws:k", &["10.0.0.0/8"]),
            ("ForAllValues:StringEquals", "aws:k", &["a"]),
            ("ForAnyValue:StringLike", "aws:k", &["a"]),
            ("NullIfExists", "aws:k", &["true"]),
            ("Bool", "aws:k", &["yes"]),
            ("StringEquals", "aws:k", &[]),
            ("StringEquals", "k", &["a"]),
            ("ArnNotLike", "aws:k", &["arn:aws:iam::111122223333"]),
            ("ArnNotEquals", "aws:k", &["role/x"]),
            ("ArnLike", "aws:k", &["*"]),
        ] {
            let error = Condition::new(operator, key, values.iter().copied()).unwrap_err();
            assert_eq!(error.location, "condition", "{operator} {key} {values:?}");
            assert!(!error.message.is_empty(), "{operator} {key} {values:?}");
        }
    }
}

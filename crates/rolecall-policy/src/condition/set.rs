//! Whether a condition is met, given all values that the request has for its key: missing keys,
//! several values, and the set operators.

use super::operator::{Operator, OperatorType, SetOperator};

/// The result of a condition for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConditionResult {
    Met,
    /// The request does not have the key.
    KeyMissing,
    /// The request's values do not match.
    ValueMismatch,
}

impl ConditionResult {
    pub(crate) fn is_met(self) -> bool {
        self == Self::Met
    }
}

/// Combines the results of the request's values.
///
/// `matches` compares one value of the request with all values of the condition, before a negation.
/// `is_null` answers for the operator Null, which asks for the absence of the key, whether the
/// condition's values contain this answer.
pub(super) fn combine(
    operator: &Operator,
    actual: Option<&[String]>,
    matches: impl Fn(&str) -> bool,
    is_null: impl Fn(bool) -> bool,
) -> ConditionResult {
    let null = operator.operator_type() == OperatorType::Null;
    // Under a set operator, a negation applies to each value.
    let value_is_met = |value: &String| matches(value) != operator.is_negated();
    let met = match (operator.set_operator(), actual) {
        // No value fails where there is none. An Allow with ForAllValues alone therefore lets
        // requests without the key in, which FORALLVALUES_WITHOUT_NULL_CHECK reports.
        (Some(SetOperator::ForAllValues), None) => true,
        // The empty string alone counts as no value.
        (Some(SetOperator::ForAllValues), Some([only])) if only.is_empty() => true,
        // Null asks about no value, so it is met for all of them, and for none. (IAM User Guide,
        // "IAM policy validation check reference": null with qualifier.)
        (Some(set), _) if null => set == SetOperator::ForAllValues,
        (_, actual) if null => is_null(actual.is_none()),
        (Some(SetOperator::ForAllValues), Some(values)) => values.iter().all(value_is_met),
        // Also with IfExists.
        (Some(SetOperator::ForAnyValue), None) => false,
        (Some(SetOperator::ForAnyValue), Some(values)) => values.iter().any(value_is_met),
        // A missing key matches no value, which meets a negated operator: a Deny with
        // StringNotEquals also applies to requests without the key.
        (None, None) => operator.is_if_exists() || operator.is_negated(),
        // An operator without a set prefix on a key with several values matches any of them. AWS
        // does not document this.
        (None, Some(values)) => values.iter().any(|value| matches(value)) != operator.is_negated(),
    };
    match (met, actual) {
        (true, _) => ConditionResult::Met,
        (false, None) => ConditionResult::KeyMissing,
        (false, Some(_)) => ConditionResult::ValueMismatch,
    }
}

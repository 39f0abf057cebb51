//! The string operators.

use super::operator::{Comparison, Operator};
use crate::context::Context;
use crate::pattern::{Pattern, Syntax};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StringTest {
    patterns: Vec<Pattern>,
    ignore_case: bool,
}

impl StringTest {
    /// Only the Like operators have wildcards; all have variables.
    pub(super) fn compile(operator: &Operator, values: &[Box<str>], variables: bool) -> Self {
        let comparison = operator.comparison();
        let syntax = Syntax { wildcards: comparison == Comparison::Like, variables };
        Self {
            patterns: values.iter().map(|value| Pattern::compile(value, syntax)).collect(),
            ignore_case: comparison == Comparison::EqualIgnoringCase,
        }
    }

    pub(super) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    pub(super) fn matches_any(&self, actual: &str, context: &Context) -> bool {
        self.patterns.iter().any(|pattern| {
            if self.ignore_case {
                pattern.equals_ignoring_case(actual, context)
            } else {
                pattern.matches_in(actual, context)
            }
        })
    }
}

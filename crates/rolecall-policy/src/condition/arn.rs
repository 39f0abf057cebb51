//! The ARN operators, which match field by field.

use crate::context::Context;
use crate::pattern::{Pattern, Syntax, split_fields};

const FIELDS: usize = 6;

/// A value of an ARN operator: six patterns, since a wildcard does not reach over a colon, but for
/// the last field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArnPattern {
    /// The value as one pattern, which has the variables.
    whole: Pattern,
    /// `None` if the value does not have six fields outside its variables.
    fields: Option<Box<[Pattern; FIELDS]>>,
}

impl ArnPattern {
    pub(crate) fn compile(text: &str, syntax: Syntax) -> Self {
        let compile =
            |fields: [&str; FIELDS]| Box::new(fields.map(|field| Pattern::compile(field, syntax)));
        // The colon of a variable such as `${aws:username}` separates no fields.
        let fields = split_fields::<FIELDS>(text, syntax).map(compile);
        Self { whole: Pattern::compile(text, syntax), fields }
    }

    pub(crate) fn whole(&self) -> &Pattern {
        &self.whole
    }

    /// Returns `true` if the value can match an ARN: it has six fields, or a variable that may hold
    /// some of them.
    pub(crate) fn is_valid(&self) -> bool {
        self.fields.is_some() || !self.whole.variables().is_empty()
    }

    pub(crate) fn matches(&self, value: &str, context: &Context) -> bool {
        // The value of a variable may be a whole ARN, or several fields of one.
        if self.whole.value_contains(':', context) {
            let syntax = Syntax { wildcards: true, variables: true };
            let substituted = self.whole.substitute(context);
            return substituted.is_some_and(|text| {
                // What is left of `${..}` are escapes, so there is no variable to resolve again.
                Self::compile(&text, syntax).fields_match(value, context)
            });
        }
        self.fields_match(value, context)
    }

    fn fields_match(&self, value: &str, context: &Context) -> bool {
        let Some(patterns) = &self.fields else { return false };
        // The sixth field keeps its colons, as in `function:orders:live`.
        let mut fields = value.splitn(FIELDS, ':');
        patterns
            .iter()
            .all(|pattern| fields.next().is_some_and(|field| pattern.matches_in(field, context)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_in_their_field() {
        let syntax = Syntax { wildcards: true, variables: true };
        let context = Context::new()
            .with("aws:username", "a:b")
            .with("aws:PrincipalArn", "arn:aws:iam::1:role/*");
        for (pattern, value, expected) in [
            ("arn:aws:iam::*:role/x", "arn:aws:iam::111122223333:role/x", true),
            ("arn:aws:i*3:role/x", "arn:aws:iam::111122223333:role/x", false),
            ("arn:aws:i*:*:*:role/x", "arn:aws:iam::111122223333:role/x", true),
            ("arn:aws:iam::*:*", "arn:aws:iam::1:role:a:b", true),
            ("arn:aws:iam::1:${aws:username}", "arn:aws:iam::1:a:b", true),
            ("${aws:PrincipalArn}", "arn:aws:iam::1:role/*", true),
            ("${aws:PrincipalArn}", "arn:aws:iam::1:role/x", false),
            ("${aws:PrincipalArn}*", "arn:aws:iam::1:role/*x", true),
            ("arn:aws:iam:*", "arn:aws:iam::1:role/x", false),
            ("*", "arn:aws:iam::1:role/x", false),
            ("*:*:*:*:*:*", "arn:aws:iam::1:role/x", true),
            ("*:*:*:*:*:*", "arn:aws:iam::1", false),
            ("arn:aws:iam::1:role/X", "arn:aws:iam::1:role/x", false),
        ] {
            let compiled = ArnPattern::compile(pattern, syntax);
            assert_eq!(compiled.matches(value, &context), expected, "{pattern} {value}");
        }
    }
}

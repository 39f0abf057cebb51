//! Matching while the values of some variables are unknown.

use super::{Pattern, Piece, Shape, Values, matches_segments};
use crate::context::Context;

impl Pattern {
    /// Returns whether the pattern matches the whole of `text`, or `None` if that depends on a
    /// variable whose key is unknown.
    pub(crate) fn may_match_in(
        &self,
        text: &str,
        context: &Context,
        is_unknown: &dyn Fn(&str) -> bool,
    ) -> Option<bool> {
        let Shape::Segments(segments) = &self.shape else {
            return Some(self.matches_in(text, context));
        };
        if !self.variables.iter().any(|variable| is_unknown(variable.key())) {
            return Some(self.matches_in(text, context));
        }
        let known = self.variables.iter().map(|variable| match is_unknown(variable.key()) {
            true => Some(""),
            false => variable.resolve(context),
        });
        // A known variable without a value: the pattern matches nothing, whatever the others are.
        let Some(many) = known.collect::<Option<Vec<&str>>>() else { return Some(false) };
        let unknown = |piece: &Piece| match piece {
            Piece::Variable(index) => {
                self.variables.get(*index).is_some_and(|variable| is_unknown(variable.key()))
            }
            Piece::Literal(_) | Piece::Characters(_) => false,
        };
        // An unknown variable may be any text, as a star may: what the pattern does not match with
        // a star in its place, it matches with no value.
        let split = segments.iter().flat_map(|segment| segment.split(unknown));
        let widened: Vec<Vec<Piece>> = split.map(<[Piece]>::to_vec).collect();
        let values = Values { few: [""; super::FEW_VARIABLES], many };
        // A match is not certain, since the star also stands for texts that the variable may not
        // have.
        if matches_segments(&widened, text, &values) { None } else { Some(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unknown_variables_match_by_table() {
        let context = Context::new().with("k:known", "ann");
        let unknown = |key: &str| key == "k:unknown";
        for (pattern, text, expected) in [
            ("home/${k:unknown}/*", "home/ann/a", None),
            ("home/${k:unknown}/*", "away/ann/a", Some(false)),
            ("home/${k:known}/${k:unknown}", "home/ann/x", None),
            ("home/${k:known}/${k:unknown}", "home/bob/x", Some(false)),
            ("home/${k:known}/*", "home/ann/x", Some(true)),
            ("${k:absent}${k:unknown}", "x", Some(false)),
            ("${k:absent, 'x'}${k:unknown}", "xy", None),
            ("${k:unknown, 'x'}", "y", None),
            ("*", "x", Some(true)),
        ] {
            let pattern = Pattern::with_variables(pattern);
            assert_eq!(
                pattern.may_match_in(text, &context, &unknown),
                expected,
                "{pattern} {text}"
            );
        }
    }

    proptest! {
        /// Whatever the unknown values turn out to be, a known answer stays.
        #[test]
        fn known_answers_hold_for_all_values(
            parts in prop::collection::vec("a|b|\\*|\\?|\\$\\{k:u\\}|\\$\\{k:v\\}", 0..5),
            text in "[ab]{0,5}", u in "[ab]{0,3}", v in "[ab]{0,3}",
        ) {
            let pattern = Pattern::with_variables(parts.concat());
            let known = Context::new().with("k:v", v);
            let full = known.clone().with("k:u", u);
            if let Some(answer) = pattern.may_match_in(&text, &known, &|key| key == "k:u") {
                prop_assert_eq!(answer, pattern.matches_in(&text, &full));
            }
        }
    }
}

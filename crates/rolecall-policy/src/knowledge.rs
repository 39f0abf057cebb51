//! What is known of the condition keys of a request.
//!
//! A request that is evaluated carries the keys of its context and no others. A question about
//! future requests knows some keys, and for the rest there are two evaluations by the same rules:
//! one where each unknown key favours the request, and one where each is against it. What both say
//! holds whatever the keys are.

use crate::arn::Arn;
use crate::caller::{Caller, CallerKind};
use crate::condition::{Condition, ConditionResult, OperatorType};
use crate::context::Context;
use crate::model::{Effect, OneOf};
use crate::pattern::Pattern;
use crate::principal::Principal;

/// What is known of the condition keys of a request.
#[derive(Clone, Copy)]
pub(crate) enum Knowledge<'k> {
    /// The context has every key that the request carries.
    Complete,
    /// The context has some keys, and the others are unknown.
    Partial(Keys<'k>, Case),
}

/// How unknown keys are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// A statement that depends on one applies if it allows, and does not if it denies.
    Best,
    /// A statement that depends on one applies if it denies, and does not if it allows.
    Worst,
}

/// The keys that are known, beside those in the context.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'k> {
    /// Returns `true` for a key, in lower case, that the request cannot carry.
    pub(crate) is_absent: &'k dyn Fn(&str) -> bool,
}

impl<'k> Knowledge<'k> {
    /// Returns how the elements of a statement with this effect match.
    pub(crate) fn for_effect(self, effect: Effect) -> Matching<'k> {
        Matching(match self {
            Self::Complete => None,
            Self::Partial(keys, case) => {
                Some((keys, (case == Case::Best) == (effect == Effect::Allow)))
            }
        })
    }
}

/// How the elements of a statement match: with the keys that are known, and whether an element that
/// depends on another counts as matching.
#[derive(Clone, Copy)]
pub(crate) struct Matching<'k>(Option<(Keys<'k>, bool)>);

impl Matching<'_> {
    /// Returns `true` if the pattern matches. `negated` is `true` for a pattern that excludes.
    pub(crate) fn pattern(
        self,
        pattern: &Pattern,
        text: &str,
        context: &Context,
        negated: bool,
    ) -> bool {
        match self.0 {
            None => pattern.matches_in(text, context),
            Some((keys, counts)) => {
                keys.pattern(pattern, text, context).unwrap_or(counts != negated)
            }
        }
    }

    /// Returns the result of the condition.
    pub(crate) fn condition(self, condition: &Condition, context: &Context) -> ConditionResult {
        match self.0 {
            Some((keys, counts)) if keys.leave_open(condition, context) => match counts {
                true => ConditionResult::Met,
                false => ConditionResult::KeyMissing,
            },
            _ => condition.result(context),
        }
    }

    /// Returns `true` if the caller counts as a session that one of the principals names, though
    /// only its role is known.
    pub(crate) fn names_session(self, caller: &Caller, principals: &OneOf<Principal>) -> bool {
        self.0.is_some_and(|(_, counts)| {
            counts != principals.negated
                && principals.patterns.iter().any(|principal| may_be_session(caller, principal))
        })
    }
}

impl Keys<'_> {
    fn is_unknown(&self, key: &str, context: &Context) -> bool {
        context.lookup(key).is_none() && !(self.is_absent)(key)
    }

    /// Returns whether the pattern matches, or `None` if it depends on an unknown key.
    pub(crate) fn pattern(&self, pattern: &Pattern, text: &str, context: &Context) -> Option<bool> {
        pattern.may_match_in(text, context, &|key| self.is_unknown(key, context))
    }

    /// Returns `true` if the condition depends on an unknown key.
    pub(crate) fn leave_open(&self, condition: &Condition, context: &Context) -> bool {
        let key = condition.lower_case_key();
        match context.lookup(key) {
            None => !(self.is_absent)(key),
            Some(_) if condition.operator().operator_type() == OperatorType::Null => false,
            Some(_) => condition.variables().any(|it| self.is_unknown(it.key(), context)),
        }
    }
}

/// Returns `true` if the caller is a role, and the principal a session of it.
pub(crate) fn may_be_session(caller: &Caller, principal: &Principal) -> bool {
    let (CallerKind::Role, Principal::Session(session)) = (caller.kind(), principal) else {
        return false;
    };
    let (Some(role), Some(session)) = (Arn::parse(caller.arn()), Arn::parse(session)) else {
        return false;
    };
    // A session's ARN omits the role's path.
    role.partition == session.partition
        && role.account == session.account
        && role.resource.rsplit('/').next() == session.resource.split('/').nth(1)
}

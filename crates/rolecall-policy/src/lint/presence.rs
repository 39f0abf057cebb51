//! The lints of conditions that requests without the key meet, or do not meet, by surprise.

use super::StatementLint;
use super::keys::{self, Carrier, Caution, split_issuer};
use super::registry::{
    FORANYVALUE_IN_DENY, IF_EXISTS_IN_ALLOW, MFA_CONDITION_WITHOUT_EFFECT, REDUNDANT_IF_EXISTS,
};
use super::view::{Report, StatementView};
use crate::condition::{Condition, OperatorType, SetOperator};
use crate::context::Context;

pub(super) const STATEMENT: &[StatementLint] = &[mfa, if_exists, any_value];

const MFA: &str = "aws:multifactorauthpresent";

/// Long-term credentials do not carry the key, with or without a second factor.
fn mfa(statement: &StatementView<'_>, report: &mut Report) {
    let conditions = || statement.conditions().filter(|(_, it)| it.lower_case_key() == MFA);
    let is_met = |condition: &Condition, value: Option<&str>| {
        let context = value.map(|value| Context::new().with(MFA, value));
        condition.is_met(&context.unwrap_or_default())
    };
    let with_mfa = |condition: &Condition| is_met(condition, Some("true"));
    let without_mfa = |condition: &Condition| is_met(condition, Some("false"));
    let long_term = |condition: &Condition| is_met(condition, None);
    for (index, condition) in conditions() {
        let place = statement.condition(index);
        // With a test of its value beside it, Null says something.
        let is_null =
            condition.operator().operator_type() == OperatorType::Null && conditions().count() == 1;
        if statement.is_allow() {
            // All conditions together let the request through.
            let all = |met: &dyn Fn(&Condition) -> bool| conditions().all(|(_, it)| met(it));
            let callers = if all(&long_term) {
                "requests with long-term credentials"
            } else if all(&without_mfa) {
                "requests without a second factor"
            } else {
                continue;
            };
            let message =
                format!("{} on {} lets {callers} in", condition.operator(), condition.key());
            let fix = "write \"Bool\": {\"aws:MultiFactorAuthPresent\": \"true\"}";
            report.add(MFA_CONDITION_WITHOUT_EFFECT, place, message, fix);
        } else if without_mfa(condition) && !with_mfa(condition) && !long_term(condition) {
            let message = "requests with long-term credentials are not denied: they lack the key";
            let fix = "write \"BoolIfExists\": {\"aws:MultiFactorAuthPresent\": \"false\"}";
            report.add(MFA_CONDITION_WITHOUT_EFFECT, place, message, fix);
        } else if is_null && without_mfa(condition) && with_mfa(condition) && !long_term(condition)
        {
            let message = "requests with a second factor are denied as well, and those with \
                           long-term credentials are not";
            let fix = "write \"BoolIfExists\": {\"aws:MultiFactorAuthPresent\": \"false\"}";
            report.add(MFA_CONDITION_WITHOUT_EFFECT, place, message, fix);
        }
    }
}

/// IfExists on a key that identifies the caller, and on one that is always there.
fn if_exists(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let operator = condition.operator();
        if !operator.is_if_exists() || condition.lower_case_key() == MFA {
            continue;
        }
        let (key, place) = (condition.key(), statement.condition(index));
        let known = keys::find(key);
        if known.is_some_and(|key| matches!(key.carrier, Carrier::Every)) {
            let message = format!("every request carries {key}");
            report.add(REDUNDANT_IF_EXISTS, place, message, "remove IfExists");
            continue;
        }
        let lets_in = statement.is_allow() && !operator.is_negated();
        // Only a policy with principals lets requests in that are not signed.
        let is_signed = condition.lower_case_key() == "aws:principalarn"
            && statement.options.kind.has_principal();
        let tells = identifies(condition) || is_signed;
        if lets_in && tells && !is_checked(statement, condition) {
            let message = format!("{operator} lets requests without {key} in");
            let fix = "remove IfExists, or test with Null that the key is there";
            report.add(IF_EXISTS_IN_ALLOW, place, message, fix);
        }
    }
}

/// ForAnyValue in a Deny for all but some organizations: those that are in none are not denied.
fn any_value(statement: &StatementView<'_>, report: &mut Report) {
    if statement.is_allow() {
        return;
    }
    for (index, condition) in statement.conditions() {
        let (operator, key) = (condition.operator(), condition.key());
        let is_any = operator.set_operator() == Some(SetOperator::ForAnyValue);
        // The principals of the other kinds of policies are in one and the same organization.
        let is_own = condition.lower_case_key() == "aws:principalorgpaths"
            && !statement.options.kind.has_principal();
        let is_evaded = is_any && operator.is_negated() && identifies(condition) && !is_own;
        if is_evaded && !is_checked(statement, condition) {
            let message = format!("requests without {key} are not denied");
            let text = operator.to_string().replace("ForAnyValue", "ForAllValues");
            let fix = format!("write {text}, which such requests meet as well");
            report.add(FORANYVALUE_IN_DENY, statement.condition(index), message, fix);
        }
    }
}

/// Returns `true` for keys that tell the caller, the network it calls from, or the resource's
/// owner.
fn identifies(condition: &Condition) -> bool {
    let names = [
        "aws:principalorgpaths",
        "aws:resourceorgpaths",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgpaths",
        "aws:sourcevpcarn",
        "aws:vpcsourceip",
        "aws:vpceorgpaths",
        "sts:externalid",
        "sts:sourceidentity",
    ];
    let key = condition.lower_case_key();
    let is_sensitive = keys::find(key).is_some_and(|it| it.caution == Some(Caution::Sensitive));
    is_sensitive || names.contains(&key) || split_issuer(key).is_some()
}

/// Returns `true` if another condition tests that the key is there.
fn is_checked(statement: &StatementView<'_>, condition: &Condition) -> bool {
    let mut others = statement.conditions().map(|(_, other)| other);
    others.any(|other| {
        let is_null = other.operator().operator_type() == OperatorType::Null;
        let is_same = other.lower_case_key() == condition.lower_case_key();
        is_same && is_null && !other.is_met(&Context::new())
    })
}

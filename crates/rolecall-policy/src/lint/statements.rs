//! The lints that compare statements with each other.

use super::PolicyLint;
use super::cover::covers;
use super::registry::{ALLOW_IS_DENIED, REDUNDANT_STATEMENT, SUBSUMED_STATEMENT};
use super::view::{PolicyView, Report, StatementView, is_star};
use crate::model::{ActionPattern, OneOf, ResourcePattern, Statement};
use crate::pattern::Pattern;
use crate::principal::Principal;

pub(super) const POLICY: &[PolicyLint] = &[covered];

/// So many pairs of actions and resources are compared. This bounds the work on a document with
/// thousands of statements.
const MAX_PAIRS: usize = 1_000_000;

fn covered(policy: &PolicyView<'_>, report: &mut Report) {
    let mut pairs = 0_usize;
    for statement in &policy.statements {
        for other in policy.statements.iter().filter(|other| other.index != statement.index) {
            let (inner, outer) = (statement.statement, other.statement);
            pairs = pairs.saturating_add(size(inner).saturating_mul(size(outer)));
            if pairs > MAX_PAIRS || report.is_full() {
                return;
            }
            if compare(statement, other, report) {
                break;
            }
        }
    }
}

fn size(statement: &Statement) -> usize {
    let resources = statement.resources.as_ref().map_or(0, |it| it.patterns.len());
    statement.actions.patterns.len().saturating_add(resources)
}

/// Reports the first statement if the other one covers it.
fn compare(inner: &StatementView<'_>, outer: &StatementView<'_>, report: &mut Report) -> bool {
    let is_same_effect = inner.statement.effect == outer.statement.effect;
    let is_denied = inner.is_allow() && !outer.is_allow();
    let has_conditions = !outer.statement.conditions.is_empty();
    if !(is_same_effect || (is_denied && !has_conditions)) {
        return false;
    }
    // Fewer conditions let more requests through.
    let conditions = &inner.statement.conditions;
    let is_wider = outer.statement.conditions.iter().all(|it| conditions.contains(it));
    if !is_wider || !covers_elements(outer.statement, inner.statement) {
        return false;
    }
    let (number, place) = (name(outer), inner.place());
    if is_denied {
        let message = format!("{number} denies all that this one allows");
        let fix = "remove the statement, or narrow the Deny";
        report.add(ALLOW_IS_DENIED, place, message, fix);
        return true;
    }
    let is_equal = outer.statement.conditions.len() == conditions.len()
        && covers_elements(inner.statement, outer.statement);
    // Of two that are equal, the later one is reported.
    if is_equal && outer.index > inner.index {
        return false;
    }
    let (lint, message) = match is_equal {
        true => (REDUNDANT_STATEMENT, format!("the statement is the same as {number}")),
        false => (SUBSUMED_STATEMENT, format!("{number} covers all of this one")),
    };
    report.add(lint, place, message, "remove the statement");
    true
}

/// Names a statement in a message, by its Sid or by its number.
fn name(statement: &StatementView<'_>) -> String {
    match statement.statement.sid() {
        Some(sid) if !sid.is_empty() => format!("the statement {sid:?}"),
        _ => format!("statement {}", statement.index + 1),
    }
}

fn covers_elements(outer: &Statement, inner: &Statement) -> bool {
    covers_actions(&outer.actions, &inner.actions)
        && covers_resources(outer.resources.as_ref(), inner.resources.as_ref())
        && covers_principals(outer.principals.as_ref(), inner.principals.as_ref())
}

fn covers_actions(outer: &OneOf<ActionPattern>, inner: &OneOf<ActionPattern>) -> bool {
    let has_all = outer.patterns.iter().any(|it| it.service().is_none());
    match (outer.negated, inner.negated) {
        (false, _) if has_all => true,
        (false, false) => inner
            .patterns
            .iter()
            .all(|it| outer.patterns.iter().any(|other| covers_action(other, it))),
        // What the outer one excepts, the inner one excepts as well.
        (true, true) => outer
            .patterns
            .iter()
            .all(|it| inner.patterns.iter().any(|other| covers_action(other, it))),
        (true, false) | (false, true) => false,
    }
}

fn covers_action(outer: &ActionPattern, inner: &ActionPattern) -> bool {
    match (outer.service(), outer.name(), inner.service(), inner.name()) {
        (None, ..) => true,
        (Some(service), Some(name), Some(of), Some(inner)) => {
            service == of && covers(name, inner.as_str())
        }
        _ => false,
    }
}

fn covers_resources(
    outer: Option<&OneOf<ResourcePattern>>,
    inner: Option<&OneOf<ResourcePattern>>,
) -> bool {
    let (outer, inner) = match (outer, inner) {
        (None, None) => return true,
        (Some(outer), Some(inner)) => (outer, inner),
        _ => return false,
    };
    let has_all = outer.patterns.iter().any(|it| is_star(it.as_str()));
    let covers_one = |list: &OneOf<ResourcePattern>, text: &str| {
        // In `${*}` the star is a plain character.
        let is_escaped = |text: &str| text.contains("${*}") || text.contains("${?}");
        list.patterns.iter().any(|it| {
            it.as_str() == text
                || !is_escaped(it.as_str()) && covers(&Pattern::new(it.as_str()), text)
        })
    };
    match (outer.negated, inner.negated) {
        (false, _) if has_all => true,
        (false, false) => inner.patterns.iter().all(|it| covers_one(outer, it.as_str())),
        (true, true) => outer.patterns.iter().all(|it| covers_one(inner, it.as_str())),
        (true, false) | (false, true) => false,
    }
}

fn covers_principals(outer: Option<&OneOf<Principal>>, inner: Option<&OneOf<Principal>>) -> bool {
    let (outer, inner) = match (outer, inner) {
        (None, None) => return true,
        (Some(outer), Some(inner)) => (outer, inner),
        _ => return false,
    };
    let contains = |list: &OneOf<Principal>, it: &Principal| list.patterns.contains(it);
    match (outer.negated, inner.negated) {
        (false, false) => {
            contains(outer, &Principal::Anyone)
                || inner.patterns.iter().all(|it| contains(outer, it))
        }
        (true, true) => outer.patterns.iter().all(|it| contains(inner, it)),
        (true, false) | (false, true) => false,
    }
}

//! Whether a statement matches a request, and if not, the first element that does not.

use crate::caller::{CallerKind, Naming};
use crate::condition::{Condition, ConditionResult};
use crate::knowledge::{Knowledge, Matching};
use crate::model::{Effect, OneOf, Statement};
use crate::principal::Principal;
use crate::request::Request;

/// An element of a statement that does not match a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mismatch<'a> {
    Action,
    Resource,
    Principal,
    Condition(&'a Condition, ConditionResult),
}

/// Matches a statement with a request. A statement without a principal names every caller exactly.
///
/// Elements are compared in the order of their cost.
pub(crate) fn match_statement<'a>(
    statement: &'a Statement,
    request: &Request,
    has_boundary: bool,
    knowledge: Knowledge<'_>,
) -> Result<Naming, Mismatch<'a>> {
    let context = &request.context;
    // In the best case for the request, an element that depends on an unknown key matches in an
    // Allow and not in a Deny; in the worst case it is the reverse.
    let matching = knowledge.for_effect(statement.effect);
    let actions = &statement.actions;
    let action = actions.patterns.iter().any(|pattern| pattern.matches_action(&request.action));
    if action == actions.negated {
        return Err(Mismatch::Action);
    }
    if let Some(resources) = &statement.resources {
        let (mut patterns, negated) = (resources.patterns.iter(), resources.negated);
        let resource = patterns.any(|resource| {
            matching.pattern(&resource.pattern, &request.resource, context, negated)
        });
        if resource == negated {
            return Err(Mismatch::Resource);
        }
    }
    let naming = match &statement.principals {
        // A policy of an identity applies to whatever it is attached to.
        None => Some(Naming::Exactly),
        Some(principals) => {
            match_principals(principals, statement.effect, request, has_boundary, matching)
        }
    };
    let Some(naming) = naming else { return Err(Mismatch::Principal) };
    for condition in &statement.conditions {
        let result = matching.condition(condition, context);
        if !result.is_met() {
            return Err(Mismatch::Condition(condition, result));
        }
    }
    Ok(naming)
}

fn match_principals(
    principals: &OneOf<Principal>,
    effect: Effect,
    request: &Request,
    has_boundary: bool,
    matching: Matching<'_>,
) -> Option<Naming> {
    let namings = principals
        .patterns
        .iter()
        .filter_map(|principal| request.caller.named_by(principal, &request.context));
    // A list may name the caller's account and its ARN. The closer of the two counts, since the
    // account alone would ask for an identity policy as well.
    let mut closest = namings.max();
    if matching.names_session(&request.caller, principals) {
        closest = Some(Naming::Exactly);
    }
    if principals.negated {
        // An account does not name its users and roles, so they are not excepted by it. A Deny also
        // applies to every caller that has a permissions boundary, whatever it excepts. (IAM User
        // Guide, "IAM JSON policy elements: NotPrincipal".)
        let excepted = match closest {
            Some(Naming::Account) => request.caller.is_root(),
            Some(Naming::Anyone | Naming::Role | Naming::Exactly) => true,
            None => false,
        };
        let applies = !excepted || (effect == Effect::Deny && has_boundary);
        // An Allow for all but some names no caller closer than `"*"` does.
        let federated = matches!(request.caller.kind(), CallerKind::Federated);
        let naming = if federated { Naming::Anyone } else { Naming::Exactly };
        return effective(effect, applies.then_some(naming));
    }
    effective(effect, closest)
}

/// A federated identity is let in only by the name of its provider.
fn effective(effect: Effect, naming: Option<Naming>) -> Option<Naming> {
    naming.filter(|naming| effect == Effect::Deny || *naming != Naming::Anyone)
}

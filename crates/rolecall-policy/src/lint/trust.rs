//! The lints of the actions of trust policies.

use super::condition_keys::requires_key;
use super::location::ElementPath;
use super::registry::{
    MISMATCHED_ACTION_FOR_PRINCIPAL, MISSING_ACTION_FOR_CONDITION_KEY,
    MISSING_ACTION_FOR_ROLES_ANYWHERE_TRUST_POLICY, POD_IDENTITY_WITHOUT_TAG_SESSION,
    UNSUPPORTED_ACTION_IN_POLICY,
};
use super::view::{PolicyView, Report, StatementView};
use super::{PolicyLint, StatementLint};
use crate::condition::OperatorType;
use crate::principal::Principal;

pub(super) const STATEMENT: &[StatementLint] = &[foreign_action, mismatch];
pub(super) const POLICY: &[PolicyLint] = &[companion, services];

const ASSUME: &str = "sts:AssumeRole";
const SAML: &str = "sts:AssumeRoleWithSAML";
const WEB_IDENTITY: &str = "sts:AssumeRoleWithWebIdentity";
const TAG: &str = "sts:TagSession";
const SOURCE_IDENTITY: &str = "sts:SetSourceIdentity";
const CONTEXT: &str = "sts:SetContext";

fn foreign_action(statement: &StatementView<'_>, report: &mut Report) {
    if !statement.is_trust() || statement.has_not_action() {
        return;
    }
    for (index, action) in statement.actions.iter().enumerate() {
        let known = [ASSUME, SAML, WEB_IDENTITY, TAG, SOURCE_IDENTITY, CONTEXT];
        let is_known = known.iter().any(|known| action.pattern.matches(known));
        // One that does not exist is reported by a lint of its own.
        if is_known || action.matched.is_empty() {
            continue;
        }
        let message = format!("{:?} is not decided by a trust policy", action.pattern.as_str());
        let fix = "remove it, or write it in a policy of permissions";
        report.add(UNSUPPORTED_ACTION_IN_POLICY, statement.action(index), message, fix);
    }
}

/// Returns the action by which a principal assumes a role.
pub(super) fn action_of(principal: &Principal) -> &'static str {
    match principal {
        Principal::Federated(provider) if provider.contains(":saml-provider/") => SAML,
        Principal::Federated(_) => WEB_IDENTITY,
        _ => ASSUME,
    }
}

fn mismatch(statement: &StatementView<'_>, report: &mut Report) {
    let is_trust = statement.is_trust() && statement.is_allow();
    if !is_trust || statement.has_not_principal() || statement.has_not_action() {
        return;
    }
    let principals = statement.principals();
    let assumes = [ASSUME, SAML, WEB_IDENTITY];
    let mut found = false;
    for (index, action) in statement.actions.iter().enumerate() {
        let by_name =
            assumes.iter().find(|it| !action.has_wildcard() && action.pattern.matches(it));
        let Some(name) = by_name else { continue };
        // A statement may serve principals of several kinds, so an action is wrong only if none of
        // them can call it.
        if principals.iter().all(|principal| action_of(principal) != *name) {
            found = true;
            let message = format!("none of the principals can call {name}");
            let fix = match principals.first() {
                Some(first) => format!("write {}", action_of(first)),
                None => "name a principal".to_owned(),
            };
            report.add(MISMATCHED_ACTION_FOR_PRINCIPAL, statement.action(index), message, fix);
        }
    }
    // A statement for tags alone, beside another one, has no action to assume the role.
    if found || !assumes.iter().any(|action| statement.includes(action)) {
        return;
    }
    for (index, principal) in principals.iter().enumerate() {
        let needed = action_of(principal);
        if !statement.includes(needed) {
            let message = format!("the principal assumes roles by {needed}, which is not allowed");
            let fix = format!("move it to a statement with {needed}");
            report.add(MISMATCHED_ACTION_FOR_PRINCIPAL, statement.principal(index), message, fix);
        }
    }
}

/// The action that a request needs besides, to carry a key.
fn action_for(lower_case_key: &str) -> Option<&'static str> {
    let is_tag = lower_case_key.starts_with("aws:requesttag/")
        || ["aws:tagkeys", "sts:transitivetagkeys"].contains(&lower_case_key);
    let is_context = lower_case_key.starts_with("sts:requestcontext");
    match lower_case_key {
        _ if is_tag => Some(TAG),
        _ if is_context => Some(CONTEXT),
        "sts:sourceidentity" => Some(SOURCE_IDENTITY),
        _ => None,
    }
}

/// Conditions on tags, a source identity or a context that no statement permits to pass.
fn companion(policy: &PolicyView<'_>, report: &mut Report) {
    for statement in policy.allows().filter(|statement| statement.is_trust()) {
        for (index, condition) in statement.conditions() {
            let Some(needed) = action_for(condition.lower_case_key()) else { continue };
            let is_null = condition.operator().operator_type() == OperatorType::Null;
            // A test that the key is absent needs no permission.
            if is_null && !requires_key(condition) {
                continue;
            }
            if !policy.allows().any(|it| it.includes(needed)) {
                let key = condition.key();
                let message = format!("a request that carries {key} also needs {needed}");
                let place = statement.condition(index);
                let fix = format!("add {needed} to Action");
                report.add(MISSING_ACTION_FOR_CONDITION_KEY, place, message, fix);
            }
        }
    }
}

/// Services that pass tags or a source identity with each request.
fn services(policy: &PolicyView<'_>, report: &mut Report) {
    let needs = [
        ("pods.eks.amazonaws.com", POD_IDENTITY_WITHOUT_TAG_SESSION, &[ASSUME, TAG][..]),
        (
            "rolesanywhere.amazonaws.com",
            MISSING_ACTION_FOR_ROLES_ANYWHERE_TRUST_POLICY,
            &[ASSUME, SOURCE_IDENTITY, TAG][..],
        ),
    ];
    let is_trust = policy.statements.first().is_some_and(StatementView::is_trust);
    for (service, lint, actions) in needs.iter().filter(|_| is_trust) {
        let names = |principal: &Principal| *principal == Principal::Service((*service).to_owned());
        let trusting: Vec<&StatementView<'_>> =
            policy.allows().filter(|statement| statement.principals().iter().any(names)).collect();
        // The service passes tags or a source identity with every request, each of which is denied
        // without the permission, although the role can be assumed by hand.
        let lacking: Vec<&str> = actions
            .iter()
            .filter(|action| !trusting.iter().any(|statement| statement.includes(action)))
            .copied()
            .collect();
        let Some(first) = trusting.first().filter(|_| !lacking.is_empty()) else { continue };
        let message = format!("{service} needs {} as well", lacking.join(" and "));
        let fix = format!("add {} to Action", lacking.join(" and "));
        report.add(lint, ElementPath::Actions(first.index), message, fix);
    }
}

//! Principals: whether and how an element of a statement names the caller.

use serde_json::Value;

use super::case::{Caller, Kind, Policies, Request, strings};

/// How a statement names the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `"*"` or `{"AWS": "*"}`.
    Everyone,
    /// The root ARN of the caller's account, or its 12 digits.
    Account,
    /// The ARN of the caller's role.
    Role,
    /// The user, session, federated user, service or identity provider itself.
    Caller,
}

/// Returns the ways in which a principal element names the caller. "Lists are OR."
pub(super) fn namings(principal: &Value, request: &Request<'_>) -> Vec<Naming> {
    match principal {
        Value::Object(kinds) => kinds
            .iter()
            .flat_map(|(kind, names)| {
                strings(names)
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|name| naming(kind, name, request))
                    .collect::<Vec<_>>()
            })
            .collect(),
        // "Principal "*" or {"AWS":"*"} matches every caller."
        Value::String(_) => vec![Naming::Everyone],
        _ => Vec::new(),
    }
}

/// "`"*"` · {AWS: root ARN, 12 digits, user, role, assumed-role session ARN, "*"} · {Federated:
/// OIDC or SAML provider ARN, or accounts.google.com and the like} · {Service} · CanonicalUser."
fn naming(kind: &str, name: &str, request: &Request<'_>) -> Option<Naming> {
    let caller = &request.caller;
    match kind {
        "AWS" if name == "*" => Some(Naming::Everyone),
        "AWS" if names_account(name, caller) => Some(Naming::Account),
        "AWS" if names_role(name, request) => Some(Naming::Role),
        "AWS" if names_caller(name, caller) => Some(Naming::Caller),
        // "Federated matches exactly, never by prefix."
        "Federated" if caller.kind == Kind::WebIdentity && name == caller.name => {
            Some(Naming::Caller)
        }
        "Service" if caller.kind == Kind::Service && name == caller.name => Some(Naming::Caller),
        // The canonical id of an account is not a part of the request.
        _ => None,
    }
}

/// "The account (its root ARN or 12 digits)". A root ARN of another partition is another account.
fn names_account(name: &str, caller: &Caller<'_>) -> bool {
    !caller.account.is_empty()
        && (name == caller.account
            || name == format!("arn:{}:iam::{}:root", caller.partition, caller.account))
}

/// "A role ARN matches all its sessions". "A session's principal has no role path: a role ARN in a
/// policy matches it by the context key aws:PrincipalArn if present, else by account and role
/// name."
fn names_role(name: &str, request: &Request<'_>) -> bool {
    let caller = &request.caller;
    match (caller.kind, request.values("aws:PrincipalArn")) {
        (Kind::Role, _) => name == caller.name,
        (Kind::Session, Some(values)) => is_role(name) && values == [name],
        (Kind::Session, None) => {
            is_role(name)
                && name.starts_with(&format!("arn:{}:iam::{}:", caller.partition, caller.account))
                && name.rsplit('/').next() == Some(caller.session_role_name())
        }
        _ => false,
    }
}

fn is_role(name: &str) -> bool {
    name.split(':').nth(5).is_some_and(|resource| resource.starts_with("role/"))
}

/// "No partial wildcards, no groups". "Principals [..]: case-sensitive." The unique id of a deleted
/// user or role "matches no caller".
fn names_caller(name: &str, caller: &Caller<'_>) -> bool {
    matches!(caller.kind, Kind::User | Kind::Session | Kind::FederatedUser) && name == caller.name
}

/// "NotPrincipal with Deny applies to every caller except the named ones (an account alone does not
/// name its users), and always a caller that has a boundary." The root user is named by the ARN of
/// its account, which is its own.
pub(super) fn is_excepted(
    excepted: &Value,
    request: &Request<'_>,
    policies: &Policies<'_>,
) -> bool {
    let named = namings(excepted, request)
        .into_iter()
        .any(|naming| naming != Naming::Account || request.caller.kind == Kind::Root);
    let has_boundary = policies.boundaries.is_some() && !request.caller.account.is_empty();
    named && !has_boundary
}

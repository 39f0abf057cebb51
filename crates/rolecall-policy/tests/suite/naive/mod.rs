//! A deliberately naive evaluator of IAM policies, written from the rules alone.
//!
//! It shares no code with the crate and prefers the plainest formulation of each rule to speed: the
//! evaluator of the crate is compared with it on generated cases. Each function quotes the rule
//! that it implements. Policies are read as they are from JSON; apart from the checks of `shape`,
//! they are taken to be well-formed.

mod address;
mod case;
mod condition;
mod date;
mod number;
mod pattern;
mod principal;
mod shape;
mod statement;
mod tables;

use serde_json::Value;

use self::case::{Caller, Kind, Policies, Request};
use self::principal::Naming;

pub(crate) const ALLOWED: &str = "Allowed";
pub(crate) const IMPLICITLY_DENIED: &str = "ImplicitlyDenied";
pub(crate) const EXPLICITLY_DENIED: &str = "ExplicitlyDenied";

/// Decides the request of a case.
///
/// # Errors
///
/// Returns what is wrong with the case, or with a policy that IAM refuses.
pub(crate) fn evaluate(case: &Value) -> Result<&'static str, String> {
    let request = Request::read(case)?;
    let policies = Policies::read(case)?;
    shape::check(&policies)?;
    Ok(decide(&request, &policies))
}

/// "An explicit Deny wins; else an Allow; else implicit deny."
fn decide(request: &Request<'_>, policies: &Policies<'_>) -> &'static str {
    if is_caller_identity(request) {
        ALLOWED
    } else if is_explicitly_denied(request, policies) {
        EXPLICITLY_DENIED
    } else if is_allowed(request, policies) {
        ALLOWED
    } else {
        IMPLICITLY_DENIED
    }
}

/// "sts:GetCallerIdentity is always allowed, whatever denies it."
fn is_caller_identity(request: &Request<'_>) -> bool {
    request.action.eq_ignore_ascii_case("sts:GetCallerIdentity")
}

/// "An explicit Deny in any policy that applies": the caller's own policies and the service control
/// policies apply to callers that belong to an account, the resource's policies to every caller.
fn is_explicitly_denied(request: &Request<'_>, policies: &Policies<'_>) -> bool {
    let by_resource = policies
        .resource
        .iter()
        .chain(policies.rcps.iter().flatten().flatten())
        .any(|document| statement::resource_policy_denies(document, request, policies));
    let own = policies
        .identity
        .iter()
        .flatten()
        .chain(policies.sessions.iter().flatten())
        .chain(policies.boundaries.iter().flatten())
        .chain(policies.scps.iter().flatten().flatten());
    let by_own = belongs_to_account(&request.caller)
        && own.into_iter().any(|document| statement::denies(document, request));
    by_resource || by_own
}

/// "SCPs limit only callers that belong to an account (root, user, role, session, federated user),
/// not services, anonymous callers or a web identity's Federated principal."
fn belongs_to_account(caller: &Caller<'_>) -> bool {
    !matches!(caller.kind, Kind::Service | Kind::Anonymous | Kind::WebIdentity)
}

fn is_allowed(request: &Request<'_>, policies: &Policies<'_>) -> bool {
    match request.caller.kind {
        // Services, web identities and anonymous callers "need only the resource/trust policy".
        Kind::WebIdentity if request.is_trust() && !request.is_in_account_of_provider() => false,
        Kind::Service | Kind::Anonymous | Kind::WebIdentity => {
            !resource_namings(request, policies).is_empty()
        }
        Kind::Root => scps_allow(request, policies) && root_is_allowed(request, policies),
        Kind::User | Kind::Role | Kind::Session | Kind::FederatedUser => {
            scps_allow(request, policies) && identity_is_allowed(request, policies)
        }
    }
}

/// "SCPs: each level of the organisation must allow, on a level one document is enough." "No
/// `scps` means no organisation, `[]` allows nothing."
fn scps_allow(request: &Request<'_>, policies: &Policies<'_>) -> bool {
    match &policies.scps {
        None => true,
        Some(levels) => {
            !levels.is_empty()
                && levels
                    .iter()
                    .all(|level| level.iter().any(|document| statement::allows(document, request)))
        }
    }
}

/// "The root user has all permissions of its own account", "in another account the resource policy
/// must allow too; it cannot assume roles."
fn root_is_allowed(request: &Request<'_>, policies: &Policies<'_>) -> bool {
    if request.is_trust() {
        false
    } else if request.is_same_account() {
        true
    } else {
        !resource_namings(request, policies).is_empty()
    }
}

fn identity_is_allowed(request: &Request<'_>, policies: &Policies<'_>) -> bool {
    let namings = resource_namings(request, policies);
    let identity = identity_allows(request, policies);
    let limits = boundaries_allow(request, policies) && sessions_allow(request, policies);
    if !request.is_same_account() {
        // "Other account: both sides must allow, and the boundary limits." "Other account: trust
        // policy and identity policy both." "`Principal: "*"`: [..] other account does."
        return !namings.is_empty() && identity && limits;
    }
    if namings.iter().any(|naming| overcomes_limits(*naming, &request.caller)) {
        return true;
    }
    // "Naming a role's ARN or the account: both do [limit]."
    let names_role = namings.contains(&Naming::Role);
    let names_account = namings.contains(&Naming::Account);
    let granted = if request.is_trust() {
        // "Trust that names the exact user or role suffices; trust that names the account only
        // delegates, so the caller's identity policy must allow too. Identity policy alone never
        // suffices."
        names_role || (names_account && identity)
    } else {
        // "A resource policy (not trust) that names only the account in the same account delegates:
        // it adds nothing to the identity policy."
        names_role || identity
    };
    granted && limits
}

/// "Naming a session's ARN: neither session policy nor boundary limits by silence; naming a user's
/// ARN: its boundary does not". "Principal `*` counts as naming the caller": of a caller that is
/// given as a role, `*` names the session, and only the role's ARN names the role.
fn overcomes_limits(naming: Naming, caller: &Caller<'_>) -> bool {
    let direct = matches!(caller.kind, Kind::User | Kind::Session | Kind::FederatedUser);
    match naming {
        Naming::Caller => direct,
        Naming::Everyone => direct || caller.kind == Kind::Role,
        _ => false,
    }
}

fn identity_allows(request: &Request<'_>, policies: &Policies<'_>) -> bool {
    policies.identity.iter().flatten().any(|document| statement::allows(document, request))
}

/// "Several session policies or boundaries: one that allows is enough." None at all does not limit.
fn sessions_allow(request: &Request<'_>, policies: &Policies<'_>) -> bool {
    limit_allows(policies.sessions.as_deref(), request)
}

/// "Several session policies or boundaries: one that allows is enough." None at all does not limit.
fn boundaries_allow(request: &Request<'_>, policies: &Policies<'_>) -> bool {
    limit_allows(policies.boundaries.as_deref(), request)
}

/// "Absent is not empty": an empty list allows nothing.
fn limit_allows(documents: Option<&[&Value]>, request: &Request<'_>) -> bool {
    match documents {
        None => true,
        Some(documents) => documents.iter().any(|document| statement::allows(document, request)),
    }
}

/// The ways in which the Allow statements of the resource policy, that apply to the request, name
/// the caller.
fn resource_namings(request: &Request<'_>, policies: &Policies<'_>) -> Vec<Naming> {
    match policies.resource {
        None => Vec::new(),
        Some(document) => statement::resource_policy_allows(document, request)
            .into_iter()
            .filter(|naming| counts(*naming, request))
            .collect(),
    }
}

/// "In a trust policy a web identity is allowed only by a Federated principal that equals its
/// provider ARN."
fn counts(naming: Naming, request: &Request<'_>) -> bool {
    !(request.is_trust() && request.caller.kind == Kind::WebIdentity) || naming == Naming::Caller
}

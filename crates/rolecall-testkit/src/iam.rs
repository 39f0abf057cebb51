//! Whether a caller's policies let it do what it asks for.

use rolecall_core::RoleArn;
use rolecall_policy::{Caller, Context, Policies, Request, TrustPolicy, evaluate};
#[cfg(any(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
use rolecall_policy::{Decision, Outcome, PolicyType};

use crate::world::Key;

/// What every signed request tells of its caller.
pub(crate) fn context_of(key: &Key) -> Context {
    let caller = &key.owner.caller;
    let principal = key.owner.role.as_ref().map_or(caller.arn(), RoleArn::as_str);
    let context = Context::new()
        .with("aws:PrincipalArn", principal)
        .with("aws:PrincipalAccount", key.owner.account());
    key.owner.carried.context(context)
}

/// Whether a role's trust policy, and where it is needed the caller's own policies, allow an action
/// on the role. Without a trust policy, they do not. The error is the explanation.
pub(crate) fn authorize_trust(
    caller: Caller,
    own: Policies<'_>,
    trust: Option<&TrustPolicy>,
    action: &str,
    role: &RoleArn,
    context: &Context,
) -> Result<(), String> {
    let Some(trust) = trust else { return Err("the role has no trust policy".to_owned()) };
    let request = Request::new(caller, action, role.as_str()).context(context.clone());
    let policies = own.trust(trust);
    let decision = evaluate(&request, &policies);
    if decision.is_allowed() { Ok(()) } else { Err(decision.explain().to_string()) }
}

/// Whether the caller may do this to a resource of `account`. The error is AWS's message.
///
/// Resource policies are not implemented: a caller reaches another account through a role of it.
#[cfg(any(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
pub(crate) fn authorize(
    key: &Key,
    action: &str,
    resource: &str,
    account: &str,
    context: &Context,
) -> Result<(), String> {
    let caller = &key.owner.caller;
    let request = Request::new(caller.clone(), action, resource)
        .resource_account(account)
        .context(context.clone());
    let policies = key.owner.policies();
    let decision = evaluate(&request, &policies);
    if decision.is_allowed() {
        return Ok(());
    }
    let why = reason(&decision, action);
    let arn = caller.arn();
    Err(format!("User: {arn} is not authorized to perform: {action} on resource: {resource} {why}"))
}

/// The end of AWS's message. (IAM User Guide, "Troubleshoot access denied error messages".)
#[cfg(any(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
fn reason(decision: &Decision<'_>, action: &str) -> String {
    let policy = match decision.decided_by() {
        Some(PolicyType::Resource) => "resource-based policy",
        Some(PolicyType::Session) => "session policy",
        Some(PolicyType::Boundary) => "permissions boundary",
        _ => "identity-based policy",
    };
    match decision.outcome() {
        Outcome::ExplicitlyDenied => {
            let article = if policy.starts_with('i') { "an" } else { "a" };
            format!("with an explicit deny in {article} {policy}")
        }
        _ => format!("because no {policy} allows the {action} action"),
    }
}

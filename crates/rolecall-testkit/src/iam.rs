//! Whether a caller's own policies let it do what it asks for.

use rolecall_core::RoleArn;
use rolecall_policy::Context;
#[cfg(any(feature = "s3", feature = "secrets-manager", feature = "ecr"))]
use rolecall_policy::Decision;

use crate::world::Key;

/// What every signed request tells of its caller.
pub(crate) fn context_of(key: &Key) -> Context {
    let caller = &key.owner.caller;
    let principal = key.owner.role.as_ref().map_or(caller.arn(), RoleArn::as_str);
    let context = Context::new()
        .with("aws:PrincipalArn", principal)
        .with("aws:PrincipalAccount", caller.account());
    key.owner.carried.context(context)
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
    let why = match key.owner.identity_decision(action, resource, context) {
        Decision::ExplicitDeny => "with an explicit deny in an identity-based policy".to_owned(),
        Decision::ImplicitDeny => {
            format!("because no identity-based policy allows the {action} action")
        }
        Decision::Allow if caller.account() != account => {
            format!("because no resource-based policy allows the {action} action")
        }
        Decision::Allow => return Ok(()),
    };
    Err(format!(
        "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
        caller.arn()
    ))
}

//! IAM policies: builders for trust and permission policies, a parser and an evaluator.
//!
//! See the crate `rolecall-policy` for the whole language.

use rolecall_core::{InvalidParameter, SessionPolicy};
pub use rolecall_policy::{
    Caller, Condition, Context, Decision, EcrAccess, Effect, Pattern, PermissionPolicy,
    PermissionPolicyBuilder, PolicyError, Principal, S3Access, SecretsAccess, Trust, TrustPolicy,
    TrustPolicyBuilder, TrustedPrincipal, TrustedServiceAccount, Verdict, assume_role,
};

/// Converts a permission policy to a session policy, for [`Role::policy`](crate::Role::policy).
///
/// The JSON contains no white space, since STS limits it to 2,048 characters.
///
/// # Errors
///
/// Returns [`InvalidParameter`] if the policy is larger than STS accepts.
///
/// # Examples
///
/// ```
/// use rolecall::Role;
/// use rolecall::policy::{PermissionPolicy, S3Access, session_policy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tenant = S3Access::under("shop-data", ["tenants/4711/"])?.read();
/// let policy = PermissionPolicy::builder().s3(tenant).build()?;
/// let role = Role::new("arn:aws:iam::444455556666:role/tenants")?
///     .policy(session_policy(&policy)?)?;
/// # Ok(())
/// # }
/// ```
pub fn session_policy(policy: &PermissionPolicy) -> Result<SessionPolicy, InvalidParameter> {
    SessionPolicy::parse(&policy.to_compact_json())
}

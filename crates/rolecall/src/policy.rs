//! IAM policies: builders, a parser, an evaluator that explains its decisions, and lints.
//!
//! See the crate `rolecall-policy` for the whole language, queries over accounts and Terraform.

use rolecall_core::{InvalidParameter, SessionPolicy};
pub use rolecall_policy::{
    AllowedSessionTags, AssumeRoleAccess, Caller, Condition, Context, Decision, EcrAccess, Effect,
    Explanation, Outcome, PermissionPolicy, PermissionPolicyBuilder, Policies, PolicyError,
    PolicyKind, Principal, Request, ResourcePolicy, RevokedSessions, S3Access, SecretsAccess,
    TrustPolicy, TrustPolicyBuilder, TrustedGitHubActions, TrustedPodIdentity, TrustedPrincipal,
    TrustedService, TrustedServiceAccount, TrustedWebIdentity, WebIdentityClaims, evaluate,
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

//! IAM policies: builders, a parser, an evaluator that explains its decisions, lints, queries over
//! accounts, OIDC providers and Terraform.
//!
//! | task | start at |
//! |---|---|
//! | write a policy | [`TrustPolicy::builder`], [`PermissionPolicy::builder`] |
//! | limit the sessions of a [`Role`](crate::Role) | [`session_policy`], [`SessionPolicySize`] |
//! | parse a policy | [`TrustPolicy`], [`PermissionPolicy`], [`ResourcePolicy`] |
//! | decide a request, and learn why | [`evaluate`], [`Explanation`] |
//! | check a web identity token against a trust policy | [`WebIdentityClaims::check_trust`] |
//! | find faults of a policy | [`lint_document`] |
//! | ask what the policies of an account allow | [`account`] |
//! | register an OIDC provider | [`OidcProvider`] |
//! | write the policies of a service in an EKS cluster | [`ReferenceArrangement`] |
//!
//! With the feature `terraform`, the module `terraform` writes roles, policies and providers as
//! Terraform configuration. With the feature `thumbprint`, a [`Thumbprint`] is computed from the
//! certificates of a provider.

use rolecall_core::{InvalidParameter, SessionPolicy};
pub use rolecall_policy::account;
#[cfg(feature = "terraform")]
#[cfg_attr(docsrs, doc(cfg(feature = "terraform")))]
pub use rolecall_policy::terraform;
pub use rolecall_policy::{
    ActionPattern, AllowedSessionTags, AssumeRoleAccess, Caller, CallerKind, CheckedAction,
    Condition, Context, Decision, Document, EcrAccess, Effect, Explanation, Finding, Lint,
    LintOptions, MismatchedElement, OidcProvider, OidcProviderBuilder, OneOf, Operator,
    OperatorType, Outcome, Pattern, PermissionPolicy, PermissionPolicyBuilder, Policies,
    PolicyError, PolicyKind, PolicyType, Position, Principal, ReferenceArrangement,
    ReferenceArrangementBuilder, Request, ResourcePattern, ResourcePolicy, RevokedSessions,
    S3Access, SecretsAccess, SessionPolicySize, SetOperator, Severity, Simulation, SimulationId,
    Statement, StatementResult, Thumbprint, TokenCheck, TrustPolicy, TrustPolicyBuilder,
    TrustedGitHubActions, TrustedPodIdentity, TrustedPrincipal, TrustedService,
    TrustedServiceAccount, TrustedWebIdentity, Version, WebIdentityClaims, evaluate, lint_document,
    unknown_action,
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

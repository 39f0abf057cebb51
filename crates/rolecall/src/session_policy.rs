use rolecall_core::{InvalidParameter, SessionPolicy};
use rolecall_policy::PermissionPolicy;

/// A document of [`policy`](crate::policy) as a session policy, for [`Role::policy`](crate::Role::policy): written without
/// white space, since STS takes 2,048 characters.
///
/// ```
/// use rolecall::Role;
/// use rolecall::policy::{PermissionPolicy, S3Access};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tenant = S3Access::under("shop-data", ["tenants/4711/"])?.read();
/// let narrowed = PermissionPolicy::builder().s3(tenant).build()?;
/// let role = Role::new("arn:aws:iam::444455556666:role/tenants")?
///     .policy(rolecall::session_policy(&narrowed)?)?;
/// # Ok(())
/// # }
/// ```
pub fn session_policy(document: &PermissionPolicy) -> Result<SessionPolicy, InvalidParameter> {
    SessionPolicy::parse(&document.to_compact_json())
}

//! `aws_iam_role_policy_attachment`.

use super::block::{BlockWriter, Sealed};
use super::{IamRole, PolicyArn, Reference};
use crate::error::PolicyError;

/// The attachment of a managed policy to a role: `aws_iam_role_policy_attachment`.
///
/// # Examples
///
/// ```
/// use rolecall_policy::terraform::{Configuration, IamRole, RolePolicyAttachment};
/// use rolecall_policy::{TrustPolicy, TrustedService};
///
/// let mut configuration = Configuration::new();
/// let trust = TrustPolicy::builder().service(TrustedService::lambda()).build()?;
/// let role = configuration.add(IamRole::new("auditor", &trust))?;
/// let read = "arn:aws:iam::aws:policy/ReadOnlyAccess";
/// configuration.add(RolePolicyAttachment::new("auditor_reads", &role, read))?;
///
/// let file = configuration.to_string();
/// assert!(file.ends_with(r#"resource "aws_iam_role_policy_attachment" "auditor_reads" {
///   role       = aws_iam_role.auditor.name
///   policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
/// }
/// "#));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct RolePolicyAttachment {
    label: String,
    role: Reference<IamRole>,
    policy: PolicyArn,
}

impl RolePolicyAttachment {
    /// Creates a block that attaches `policy` to `role`.
    pub fn new(
        label: impl Into<String>,
        role: &Reference<IamRole>,
        policy: impl Into<PolicyArn>,
    ) -> Self {
        Self { label: label.into(), role: role.clone(), policy: policy.into() }
    }
}

impl Sealed for RolePolicyAttachment {
    const TYPE: &'static str = "aws_iam_role_policy_attachment";

    fn label(&self) -> &str {
        &self.label
    }

    fn write(&self, block: &mut BlockWriter<'_>) -> Result<(), PolicyError> {
        let role = block.refer(&self.role, "name").map_err(|error| error.within("role"))?;
        block.set("role", role);
        block.set_policy_arn("policy_arn", &self.policy)
    }
}

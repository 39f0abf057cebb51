//! `aws_iam_role`.

use std::time::Duration;

use super::block::{BlockWriter, Sealed};
use super::{PolicyArn, PolicyText, arguments};
use crate::error::PolicyError;
use crate::limits::{MAX_NAME, PolicyKind};
use crate::policy::TrustPolicy;

/// A role: `aws_iam_role`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use rolecall_policy::terraform::{Configuration, IamRole};
/// use rolecall_policy::{TrustPolicy, TrustedPrincipal};
///
/// let checkout = TrustedPrincipal::role("arn:aws:iam::111122223333:role/checkout")?;
/// let trust = TrustPolicy::builder().principal(checkout.external_id("shop-4711")?).build()?;
/// let mut configuration = Configuration::new();
/// configuration.add(
///     IamRole::new("orders", &trust)
///         .role_name("orders")
///         .path("/shop/")
///         .max_session_duration(Duration::from_secs(7200)),
/// )?;
/// assert_eq!(configuration.to_string(), r#"resource "aws_iam_role" "orders" {
///   name                 = "orders"
///   path                 = "/shop/"
///   max_session_duration = 7200
///
///   assume_role_policy = jsonencode({
///     Version = "2012-10-17"
///     Statement = [
///       {
///         Effect = "Allow"
///         Principal = {
///           AWS = "arn:aws:iam::111122223333:role/checkout"
///         }
///         Action = "sts:AssumeRole"
///         Condition = {
///           StringEquals = {
///             "sts:ExternalId" = "shop-4711"
///           }
///         }
///       },
///     ]
///   })
/// }
/// "#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct IamRole {
    label: String,
    assume_role_policy: PolicyText<TrustPolicy>,
    name: Option<String>,
    path: Option<String>,
    description: Option<String>,
    max_session_duration: Option<Duration>,
    permissions_boundary: Option<PolicyArn>,
    tags: Vec<(String, String)>,
}

impl IamRole {
    /// Creates a block for a role with this trust policy.
    pub fn new(label: impl Into<String>, trust: impl Into<PolicyText<TrustPolicy>>) -> Self {
        Self {
            label: label.into(),
            assume_role_policy: trust.into(),
            name: None,
            path: None,
            description: None,
            max_session_duration: None,
            permissions_boundary: None,
            tags: Vec::new(),
        }
    }

    /// Sets the name. Defaults to a name that Terraform generates.
    pub fn role_name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Sets the path. Defaults to `/`.
    pub fn path(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// Sets the description.
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// Sets the maximum session duration: whole seconds, from 1 to 12 hours. Defaults to one hour.
    pub fn max_session_duration(self, duration: Duration) -> Self {
        Self { max_session_duration: Some(duration), ..self }
    }

    /// Sets the policy that is the permissions boundary of the role.
    pub fn permissions_boundary(self, policy: impl Into<PolicyArn>) -> Self {
        Self { permissions_boundary: Some(policy.into()), ..self }
    }

    /// Adds a tag.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }
}

impl Sealed for IamRole {
    const TYPE: &'static str = "aws_iam_role";

    fn label(&self) -> &str {
        &self.label
    }

    fn write(&self, block: &mut BlockWriter<'_>) -> Result<(), PolicyError> {
        let check_name = |name: &str| arguments::check_iam_name(name, MAX_NAME);
        block.set_text("name", self.name.as_deref(), check_name)?;
        block.set_text("path", self.path.as_deref(), arguments::check_path)?;
        let description = self.description.as_deref();
        block.set_text("description", description, arguments::check_description)?;
        if let Some(duration) = self.max_session_duration {
            let argument = "max_session_duration";
            let seconds = arguments::check_session_duration(duration)
                .map_err(|message| PolicyError::new(argument, message))?;
            block.set(argument, seconds);
        }
        if let Some(policy) = &self.permissions_boundary {
            block.set_policy_arn("permissions_boundary", policy)?;
        }
        // The quota of the account, which may have been raised, is not known here.
        let kind = PolicyKind::TrustRaised;
        block.set_policy("assume_role_policy", kind, &self.assume_role_policy)?;
        // IAM User Guide, "Rules for tagging in IAM and AWS STS": the keys of a role's tags are not
        // case-sensitive.
        arguments::check_tags(&self.tags, str::eq_ignore_ascii_case)?;
        block.set_tags(self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        Ok(())
    }
}

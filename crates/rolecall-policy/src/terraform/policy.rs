//! `aws_iam_policy`, and the ARN of a policy in other blocks.

use super::block::{BlockWriter, Sealed};
use super::{PolicyText, Reference, arguments};
use crate::error::PolicyError;
use crate::limits::PolicyKind;
use crate::policy::PermissionPolicy;

/// A managed policy: `aws_iam_policy`.
///
/// # Examples
///
/// ```
/// use rolecall_policy::terraform::{Configuration, IamPolicy, IamRole};
/// use rolecall_policy::{PermissionPolicy, S3Access, TrustPolicy, TrustedService};
///
/// let orders = S3Access::under("shop-data", ["orders/"])?.read();
/// let permissions = PermissionPolicy::builder().s3(orders).build()?;
/// let trust = TrustPolicy::builder().service(TrustedService::ec2()).build()?;
///
/// let mut configuration = Configuration::new();
/// let boundary = configuration.add(IamPolicy::new("boundary", &permissions).path("/shop/"))?;
/// configuration.add(IamRole::new("orders", &trust).permissions_boundary(&boundary))?;
/// let file = configuration.to_string();
/// assert!(file.contains("permissions_boundary = aws_iam_policy.boundary.arn\n"));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct IamPolicy {
    label: String,
    policy: PolicyText<PermissionPolicy>,
    name: Option<String>,
    path: Option<String>,
    description: Option<String>,
    tags: Vec<(String, String)>,
}

impl IamPolicy {
    /// Creates a block for a managed policy.
    pub fn new(label: impl Into<String>, policy: impl Into<PolicyText<PermissionPolicy>>) -> Self {
        Self {
            label: label.into(),
            policy: policy.into(),
            name: None,
            path: None,
            description: None,
            tags: Vec::new(),
        }
    }

    /// Sets the name. Defaults to a name that Terraform generates.
    pub fn policy_name(self, name: impl Into<String>) -> Self {
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

    /// Adds a tag.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }
}

impl Sealed for IamPolicy {
    const TYPE: &'static str = "aws_iam_policy";

    fn label(&self) -> &str {
        &self.label
    }

    fn write(&self, block: &mut BlockWriter<'_>) -> Result<(), PolicyError> {
        let check_name = |name: &str| arguments::check_iam_name(name, arguments::MAX_POLICY_NAME);
        block.set_text("name", self.name.as_deref(), check_name)?;
        block.set_text("path", self.path.as_deref(), arguments::check_path)?;
        let description = self.description.as_deref();
        block.set_text("description", description, arguments::check_description)?;
        block.set_policy("policy", PolicyKind::Managed, &self.policy)?;
        arguments::check_tags(&self.tags, str::eq)?;
        block.set_tags(self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        Ok(())
    }
}

/// The ARN of a managed policy in another block.
///
/// # Examples
///
/// ```
/// use rolecall_policy::terraform::PolicyArn;
///
/// let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
/// assert_eq!(PolicyArn::from(arn), PolicyArn::Arn(arn.to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyArn {
    /// A policy of AWS, or one that exists already.
    Arn(String),
    /// A policy that was added before.
    Policy(Reference<IamPolicy>),
}

impl From<&str> for PolicyArn {
    fn from(arn: &str) -> Self {
        Self::Arn(arn.to_owned())
    }
}

impl From<String> for PolicyArn {
    fn from(arn: String) -> Self {
        Self::Arn(arn)
    }
}

impl From<Reference<IamPolicy>> for PolicyArn {
    fn from(policy: Reference<IamPolicy>) -> Self {
        Self::Policy(policy)
    }
}

impl From<&Reference<IamPolicy>> for PolicyArn {
    fn from(policy: &Reference<IamPolicy>) -> Self {
        Self::Policy(policy.clone())
    }
}

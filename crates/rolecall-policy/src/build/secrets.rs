use super::partition::Placed;
use super::permission::Grant;
use super::regional::Regional;
use crate::error::PolicyError;

/// Access to the secrets whose names begin with one of several prefixes, in one Region.
///
/// (Service Authorization Reference, "AWS Secrets Manager": a secret's ARN is
/// `arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<6 random characters>`.)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{PermissionPolicy, SecretsAccess};
/// let access = SecretsAccess::under("eu-west-1", ["shop/", "common/"])?;
/// let access = access.account("111122223333")?.read();
/// let policy = PermissionPolicy::builder().secrets(access).build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Sid": "Secrets",
///       "Effect": "Allow",
///       "Action": [
///         "secretsmanager:DescribeSecret",
///         "secretsmanager:GetSecretValue"
///       ],
///       "Resource": [
///         "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/*",
///         "arn:aws:secretsmanager:eu-west-1:111122223333:secret:common/*"
///       ]
///     }
///   ]
/// }"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SecretsAccess(Regional);

impl SecretsAccess {
    /// Creates access to the secrets under these prefixes in a Region, in every account. Each
    /// prefix ends in `/`. No action is allowed yet.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `region` is not the name of a Region, if there is no prefix, or
    /// if a prefix does not end in `/` or contains a character that secret names cannot contain.
    pub fn under<P: Into<String>>(
        region: &str,
        under: impl IntoIterator<Item = P>,
    ) -> Result<Self, PolicyError> {
        let known = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
        Regional::under(region, under, known).map(Self)
    }

    /// Restricts the access to the secrets of this account.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `id` does not have 12 digits.
    pub fn account(self, id: &str) -> Result<Self, PolicyError> {
        self.0.in_account(id).map(Self)
    }

    /// Allows describing secrets and reading their values: `DescribeSecret` and `GetSecretValue`.
    pub fn read(self) -> Self {
        Self(self.0.may(&["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]))
    }

    /// Allows creating secrets and writing their values: `CreateSecret` and `PutSecretValue`.
    pub fn write(self) -> Self {
        Self(self.0.may(&["secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"]))
    }

    pub(super) fn placed(&self) -> Placed {
        self.0.placed()
    }

    pub(super) fn grant(self) -> Grant {
        self.0.grant("Secrets", "secretsmanager", "secret:", "read or write")
    }
}

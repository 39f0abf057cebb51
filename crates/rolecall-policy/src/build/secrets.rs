use super::partition::Placed;
use super::permission::Grant;
use super::regional::Regional;
use crate::error::PolicyError;

/// Access to the secrets whose names begin with one of several prefixes, or to named secrets, in
/// one Region.
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
///
/// let database = SecretsAccess::named("eu-west-1", ["shop/db"])?.read();
/// let policy = PermissionPolicy::builder().secrets(database).build()?;
/// assert!(policy.to_json().contains(r#"eu-west-1:*:secret:shop/db-??????""#));
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
        Regional::under(region, under, is_name_character).map(Self)
    }

    /// Creates access to the secrets with these names in a Region, in every account. No action is
    /// allowed yet.
    ///
    /// A secret's ARN has six random characters after its name, which are not known before it is
    /// created: the policy has `-??????` in their place. With `-*`, it would also include secrets
    /// whose names continue after the hyphen. A secret that is deleted and created again with the
    /// same name is included. (Secrets Manager User Guide, "Limiting access to specific secrets".)
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `region` is not the name of a Region, if there is no name, or if
    /// a name ends in `/` or contains a character that secret names cannot contain.
    pub fn named<N: Into<String>>(
        region: &str,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, PolicyError> {
        Regional::named(region, names, is_name_character, "-??????").map(Self)
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

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/_+=.@-".contains(c)
}

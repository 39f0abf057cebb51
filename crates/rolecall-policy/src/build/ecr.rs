use super::partition::Placed;
use super::permission::{Grant, Resource};
use super::regional::Regional;
use crate::error::PolicyError;

/// Amazon ECR User Guide, "IAM permissions for pushing an image to an Amazon ECR private
/// repository": six actions, among them one that reads images.
const PUSH: &[&str] = &[
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
    "ecr:BatchGetImage",
];
const PULL: &[&str] =
    &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const DELETE: &[&str] = &["ecr:BatchDeleteImage"];

/// Access to the ECR repositories whose names begin with one of several prefixes, or to named ones,
/// in one Region.
///
/// Includes `ecr:GetAuthorizationToken`, with which clients log in. ECR supports it only on the
/// resource `*`.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{EcrAccess, PermissionPolicy};
/// let access = EcrAccess::under("eu-west-1", ["shop/"])?.account("111122223333")?.pull();
/// let policy = PermissionPolicy::builder().ecr(access).build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Sid": "EcrLogin",
///       "Effect": "Allow",
///       "Action": "ecr:GetAuthorizationToken",
///       "Resource": "*"
///     },
///     {
///       "Sid": "EcrImages",
///       "Effect": "Allow",
///       "Action": [
///         "ecr:BatchCheckLayerAvailability",
///         "ecr:BatchGetImage",
///         "ecr:GetDownloadUrlForLayer"
///       ],
///       "Resource": "arn:aws:ecr:eu-west-1:111122223333:repository/shop/*"
///     }
///   ]
/// }"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct EcrAccess(Regional);

impl EcrAccess {
    /// Creates access to the repositories under these prefixes in a Region, in every account.
    /// Each prefix ends in `/`. No action is allowed yet.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `region` is not the name of a Region, if there is no prefix, or
    /// if a prefix does not end in `/` or contains a character that repository names cannot
    /// contain.
    pub fn under<P: Into<String>>(
        region: &str,
        under: impl IntoIterator<Item = P>,
    ) -> Result<Self, PolicyError> {
        Regional::under(region, under, is_name_character).map(Self)
    }

    /// Creates access to the repositories with these names in a Region, in every account. No action
    /// is allowed yet.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `region` is not the name of a Region, if there is no name, or if
    /// a name ends in `/` or contains a character that repository names cannot contain.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{EcrAccess, PermissionPolicy};
    /// let access = EcrAccess::named("eu-west-1", ["shop/checkout"])?.account("111122223333")?;
    /// let policy = PermissionPolicy::builder().ecr(access.pull()).build()?;
    /// assert!(policy.to_json().contains(
    ///     r#""Resource": "arn:aws:ecr:eu-west-1:111122223333:repository/shop/checkout""#,
    /// ));
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn named<N: Into<String>>(
        region: &str,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, PolicyError> {
        Regional::named(region, names, is_name_character, "").map(Self)
    }

    /// Restricts the access to the registry of this account.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `id` does not have 12 digits.
    pub fn account(self, id: &str) -> Result<Self, PolicyError> {
        self.0.in_account(id).map(Self)
    }

    /// Allows pushing images: `BatchCheckLayerAvailability`, `InitiateLayerUpload`,
    /// `UploadLayerPart`, `CompleteLayerUpload`, `PutImage` and `BatchGetImage`.
    pub fn push(self) -> Self {
        Self(self.0.may(PUSH))
    }

    /// Allows pulling images: `BatchCheckLayerAvailability`, `BatchGetImage` and
    /// `GetDownloadUrlForLayer`.
    pub fn pull(self) -> Self {
        Self(self.0.may(PULL))
    }

    /// Allows deleting images: `BatchDeleteImage`.
    pub fn delete(self) -> Self {
        Self(self.0.may(DELETE))
    }

    pub(super) fn login() -> Grant {
        Grant::allow("EcrLogin", vec!["ecr:GetAuthorizationToken"]).on(vec![Resource::All])
    }

    pub(super) fn placed(&self) -> Placed {
        self.0.placed()
    }

    pub(super) fn grants(self) -> [Grant; 2] {
        let images = self.0.grant("EcrImages", "ecr", "repository/", "push, pull or delete");
        [Self::login(), images]
    }
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "/_.-".contains(c)
}

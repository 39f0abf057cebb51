use super::{Grant, Regional, Resource};
use crate::parse::PolicyError;

/// The actions of a push, of a pull, and of taking images away. (Amazon ECR User Guide, "Pushing a Docker image" and
/// "Repository policy examples".)
const PUSH: &[&str] = &[
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
];
const PULL: &[&str] =
    &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const DELETE: &[&str] = &["ecr:BatchDeleteImage"];

/// Access to the image repositories whose names begin with one of several prefixes, in one Region; and to the login,
/// `ecr:GetAuthorizationToken`, which IAM allows on `*` alone.
///
/// ```
/// use rolecall_policy::{EcrAccess, PermissionPolicy};
/// let access = EcrAccess::under("eu-west-1", ["shop/"])?.account("111122223333")?.pull();
/// let policy = PermissionPolicy::builder().ecr(access).build()?;
/// assert!(policy.to_json().contains("arn:aws:ecr:eu-west-1:111122223333:repository/shop/*"));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct EcrAccess(Regional);

impl EcrAccess {
    /// Access to repositories under these prefixes in a Region, in any registry whose repositories the role reaches.
    /// Each prefix ends in `/`.
    pub fn under<P: Into<String>>(
        region: &str,
        under: impl IntoIterator<Item = P>,
    ) -> Result<Self, PolicyError> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/_.-".contains(c);
        Regional::under(region, under, known).map(Self)
    }

    /// In this account's registry alone.
    pub fn account(self, id: &str) -> Result<Self, PolicyError> {
        self.0.in_account(id).map(Self)
    }

    /// May push images.
    pub fn push(self) -> Self {
        Self(self.0.may(PUSH))
    }

    /// May pull images.
    pub fn pull(self) -> Self {
        Self(self.0.may(PULL))
    }

    /// May delete images.
    pub fn delete(self) -> Self {
        Self(self.0.may(DELETE))
    }

    pub(super) fn grants(self) -> [Grant; 2] {
        let login = Grant {
            sid: "EcrLogin",
            actions: vec!["ecr:GetAuthorizationToken"],
            resources: vec![Resource::All],
            condition: None,
            methods: "",
        };
        [login, self.0.grant("EcrImages", "ecr", "repository/", "push, pull or delete")]
    }
}

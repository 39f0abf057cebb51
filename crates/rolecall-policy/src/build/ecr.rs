use super::{Grant, Resource, account, prefixes, region};
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
pub struct EcrAccess {
    region: String,
    account: Option<String>,
    prefixes: Vec<String>,
    actions: Vec<&'static str>,
}

impl EcrAccess {
    /// Access to repositories under these prefixes in a Region, in any registry whose repositories the role reaches.
    /// Each prefix ends in `/`.
    pub fn under<P: Into<String>>(
        region_name: &str,
        under: impl IntoIterator<Item = P>,
    ) -> Result<Self, PolicyError> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/_.-".contains(c);
        Ok(Self {
            region: region(region_name)?,
            account: None,
            prefixes: prefixes(under, known)?,
            actions: Vec::new(),
        })
    }

    /// In this account's registry alone.
    pub fn account(mut self, id: &str) -> Result<Self, PolicyError> {
        self.account = Some(account(id)?);
        Ok(self)
    }

    /// May push images.
    pub fn push(self) -> Self {
        self.may(PUSH)
    }

    /// May pull images.
    pub fn pull(self) -> Self {
        self.may(PULL)
    }

    /// May delete images.
    pub fn delete(self) -> Self {
        self.may(DELETE)
    }

    fn may(mut self, actions: &[&'static str]) -> Self {
        for action in actions {
            if !self.actions.contains(action) {
                self.actions.push(action);
            }
        }
        self
    }

    pub(super) fn grants(self) -> [Grant; 2] {
        let Self { region, account, prefixes, actions } = self;
        let account = account.unwrap_or_else(|| "*".into());
        let resource =
            |prefix| Resource::Arn(format!("ecr:{region}:{account}:repository/{prefix}*"));
        let login = Grant {
            sid: "EcrLogin",
            actions: vec!["ecr:GetAuthorizationToken"],
            resources: vec![Resource::All],
            condition: None,
            methods: "",
        };
        let images = Grant {
            sid: "EcrImages",
            actions,
            resources: prefixes.into_iter().map(resource).collect(),
            condition: None,
            methods: "push, pull or delete",
        };
        [login, images]
    }
}

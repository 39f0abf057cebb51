use super::{Grant, Resource, account, prefixes, region};
use crate::parse::PolicyError;

/// Access to the secrets whose names begin with one of several prefixes, in one Region.
///
/// (Service Authorization Reference, "AWS Secrets Manager": a secret's ARN is
/// `arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<6 random characters>`.)
///
/// ```
/// use rolecall_policy::{Context, Decision, PermissionPolicy, SecretsAccess};
/// let access = SecretsAccess::under("eu-west-1", ["shop/", "common/"])?.read();
/// let policy = PermissionPolicy::builder().secrets(access).build()?;
/// let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:common/tls-a1B2c3";
/// let decision = policy.evaluate("secretsmanager:GetSecretValue", secret, &Context::new());
/// assert_eq!(decision, Decision::Allow);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SecretsAccess {
    region: String,
    account: Option<String>,
    prefixes: Vec<String>,
    actions: Vec<&'static str>,
}

impl SecretsAccess {
    /// Access to secrets under these prefixes in a Region, in any account whose resources the role reaches. Each prefix
    /// ends in `/`.
    pub fn under<P: Into<String>>(
        region_name: &str,
        under: impl IntoIterator<Item = P>,
    ) -> Result<Self, PolicyError> {
        let known = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
        Ok(Self {
            region: region(region_name)?,
            account: None,
            prefixes: prefixes(under, known)?,
            actions: Vec::new(),
        })
    }

    /// In this account alone.
    pub fn account(mut self, id: &str) -> Result<Self, PolicyError> {
        self.account = Some(account(id)?);
        Ok(self)
    }

    /// May describe secrets and get their values: `DescribeSecret`, `GetSecretValue`.
    pub fn read(self) -> Self {
        self.may(&["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"])
    }

    /// May make secrets and give them values: `CreateSecret`, `PutSecretValue`.
    pub fn write(self) -> Self {
        self.may(&["secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"])
    }

    fn may(mut self, actions: &[&'static str]) -> Self {
        for action in actions {
            if !self.actions.contains(action) {
                self.actions.push(action);
            }
        }
        self
    }

    pub(super) fn grant(self) -> Grant {
        let Self { region, account, prefixes, actions } = self;
        let account = account.unwrap_or_else(|| "*".into());
        let resource =
            |prefix| Resource::Arn(format!("secretsmanager:{region}:{account}:secret:{prefix}*"));
        Grant {
            sid: "Secrets",
            actions,
            resources: prefixes.into_iter().map(resource).collect(),
            condition: None,
            methods: "read or write",
        }
    }
}

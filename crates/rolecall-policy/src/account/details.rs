//! The description of an account, as data.

use std::fmt;

use serde::Serialize;

use crate::model::{Action, Effect, Statement};
use crate::policy::{PermissionPolicy, TrustPolicy};

/// The users and roles of an account and their policies: the output of
/// `aws iam get-account-authorization-details`.
///
/// # Examples
///
/// ```
/// use rolecall_policy::account::AccountDetails;
///
/// let details = AccountDetails::parse(r#"{
///     "UserDetailList": [{
///         "UserName": "ann", "UserId": "AIDACKCEVSQ6C2EXAMPLE", "Path": "/",
///         "Arn": "arn:aws:iam::111122223333:user/ann",
///         "GroupList": ["developers"]
///     }],
///     "GroupDetailList": [{
///         "GroupName": "developers", "Arn": "arn:aws:iam::111122223333:group/developers",
///         "AttachedManagedPolicies": [{
///             "PolicyName": "ReadShop", "PolicyArn": "arn:aws:iam::111122223333:policy/ReadShop"
///         }]
///     }],
///     "RoleDetailList": [],
///     "Policies": []
/// }"#);
/// assert_eq!(
///     details.unwrap_err().to_string(),
///     "GroupDetailList[0].AttachedManagedPolicies[0] at line 9 column 37: the policy \
///      \"arn:aws:iam::111122223333:policy/ReadShop\" is not in Policies; hint: run `aws iam \
///      get-account-authorization-details` without --filter, --query and --max-items",
/// );
/// ```
#[derive(Clone, Debug)]
pub struct AccountDetails {
    pub(super) account: String,
    pub(super) identities: Vec<Identity>,
    pub(super) gaps: Vec<String>,
}

impl AccountDetails {
    /// Returns the account id.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Returns the ARNs of the users.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.identities.iter().filter(|it| it.role.is_none()).map(|it| &*it.arn)
    }

    /// Returns the ARNs of the roles.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.identities.iter().filter(|it| it.role.is_some()).map(|it| &*it.arn)
    }

    /// Returns what the description seems to lack, in sentences: a policy counts more users and
    /// roles than the description has for it.
    pub fn gaps(&self) -> &[String] {
        &self.gaps
    }
}

/// A user or a role.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) arn: String,
    pub(super) account: String,
    pub(super) name: String,
    /// The unique id, such as `AIDACKCEVSQ6C2EXAMPLE`.
    pub(super) id: Option<String>,
    /// `None` for a user.
    pub(super) role: Option<Role>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) policies: Vec<PermissionPolicy>,
    /// The name of each policy.
    pub(super) names: Vec<PolicyName>,
    /// The permissions boundary. A list, because the evaluator takes one.
    pub(super) boundary: Option<([PermissionPolicy; 1], PolicyName)>,
}

/// What a role has beside a user.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) trust: TrustPolicy,
    /// `true` if the role is linked to a service, which service control policies do not limit.
    pub(super) is_service_linked: bool,
    /// `true` if the role's sessions may have tags of their own, which replace the role's: its
    /// trust policy allows `sts:TagSession`.
    pub(super) takes_session_tags: bool,
}

impl Role {
    pub(super) fn new(trust: TrustPolicy, is_service_linked: bool) -> Self {
        let tag_session = Action::parse("sts:TagSession");
        let mut statements = trust.document().statements().iter();
        let takes_session_tags =
            statements.any(|it| it.effect() == Effect::Allow && it.is_for_action(&tag_session));
        Self { trust, is_service_linked, takes_session_tags }
    }
}

impl Identity {
    /// Returns `true` if the tags of the requests are those of the description.
    pub(super) fn has_own_tags(&self) -> bool {
        self.role.as_ref().is_none_or(|role| !role.takes_session_tags)
    }
}

impl Statement {
    /// Returns `true` if the element `Action` or `NotAction` matches.
    pub(super) fn is_for_action(&self, action: &Action) -> bool {
        let patterns = &self.actions.patterns;
        patterns.iter().any(|pattern| pattern.matches_action(action)) != self.actions.negated
    }
}

/// The name of a policy, and where it is attached.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// # use rolecall_policy::Context;
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let bob = "arn:aws:iam::111122223333:user/bob";
/// let access = accounts.can(bob, "s3:GetObject", "arn:aws:s3:::shop/a", &Context::new())?;
/// let policy = &access.statements[0].policy;
/// assert_eq!((policy.name.as_str(), policy.group.as_deref()), ("ReadShop", Some("developers")));
/// assert_eq!(policy.to_string(), "policy ReadShop of group developers");
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyName {
    /// The policy's name, or a description such as `level 1, policy 2` where it has none.
    pub name: String,
    /// The ARN of a managed policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The group that the policy is attached to, if it is not the user or role itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl PolicyName {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), arn: None, group: None }
    }

    /// Describes a policy of a level of the organisation, or of another list without names.
    pub(super) fn of_level(level: Option<usize>, index: usize) -> Self {
        let level = level.map(|level| format!("level {}, ", level + 1)).unwrap_or_default();
        Self::new(format!("{level}policy {}", index + 1))
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {}", self.name)?;
        match &self.group {
            Some(group) => write!(f, " of group {group}"),
            None => Ok(()),
        }
    }
}

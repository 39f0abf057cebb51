//! What a principal can do.

use std::fmt;

use serde::Serialize;

use super::access::{All, Requirement};
use super::accounts::Accounts;
use super::details::{Identity, PolicyName};
use super::subject::Subject;
use super::table::Table;
use crate::context::Context;
use crate::decision::PolicyType;
use crate::error::PolicyError;
use crate::knowledge::Keys;
use crate::model::{Document, Effect, Statement};

/// What a user, or any session of a role, can do.
///
/// The grants are those of its own policies and of its groups. What the policies of resources allow
/// it is not among them.
///
/// `Display` writes a table.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// # use rolecall_policy::Context;
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let bob = "arn:aws:iam::111122223333:user/bob";
/// let permissions = accounts.permissions_of(bob, &Context::new())?;
/// assert_eq!((permissions.grants.len(), permissions.denies.len()), (3, 1));
/// let table = permissions.to_string();
/// let deny = table.lines().find(|line| line.starts_with("deny")).unwrap();
/// assert!(deny.ends_with("statement 3 of policy ReadShop of group developers"));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Permissions {
    /// The user or role.
    pub subject: Subject,
    /// The statements that allow. Those that never match, by the known condition keys, are left
    /// out.
    pub grants: Vec<Grant>,
    /// The statements that deny, of the identity policies and of the limits.
    pub denies: Vec<Grant>,
    /// What must allow a request as well. A request that no grant of a limit matches is not
    /// allowed.
    pub limits: Vec<Limit>,
    /// What the answer leaves out, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A statement of a principal's policies.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// # use rolecall_policy::Context;
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let dave = "arn:aws:iam::111122223333:user/dave";
/// let permissions = accounts.permissions_of(dave, &Context::new())?;
/// let grant = &permissions.grants[0];
/// assert_eq!((grant.policy.name.as_str(), grant.index), ("Home", 0));
/// assert_eq!(grant.statement.sid(), Some("Home"));
/// assert!(grant.requirements.is_empty());
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Grant {
    /// The kind of the policy.
    pub policy_type: PolicyType,
    /// The level of the organisation, from 0 at its root, for service control policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// The policy.
    pub policy: PolicyName,
    /// The index of the statement in the policy.
    pub index: usize,
    /// The statement.
    pub statement: Statement,
    /// The conditions that are not known to be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
}

/// Policies that must allow a request beside the identity policies: a permissions boundary, or a
/// level of service control policies.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// # use rolecall_policy::Context;
/// use rolecall_policy::PolicyType;
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let erin = "arn:aws:iam::111122223333:user/erin";
/// let limits = accounts.permissions_of(erin, &Context::new())?.limits;
/// assert_eq!((limits.len(), limits[0].policy_type), (1, PolicyType::Boundary));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Limit {
    /// The kind of the policies.
    pub policy_type: PolicyType,
    /// The level of the organisation, from 0 at its root, for service control policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// The statements that allow.
    pub grants: Vec<Grant>,
}

impl Accounts {
    /// Returns what a user, or any session of a role, can do.
    ///
    /// `principal` is the ARN of the user or role. `context` has the condition keys that every
    /// request is known to carry. The others are unknown: see the [module](super).
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if the principal is not described.
    pub fn permissions_of(
        &self,
        principal: &str,
        context: &Context,
    ) -> Result<Permissions, PolicyError> {
        let identity = self.identity(principal)?;
        let subject = Subject::of(identity);
        let reader = Reader {
            identity,
            context: subject.context(Some(identity), context),
            subject: &subject,
        };
        let (mut grants, mut denies, mut limits) = (Vec::new(), Vec::new(), Vec::new());
        for (policy, name) in identity.policies.iter().zip(&identity.names) {
            let place = (PolicyType::Identity, None);
            reader.read(policy.document(), place, name, &mut grants, &mut denies);
        }
        if let Some(([policy], name)) = &identity.boundary {
            let mut allowed = Vec::new();
            let place = (PolicyType::Boundary, None);
            reader.read(policy.document(), place, name, &mut allowed, &mut denies);
            limits.push(Limit { policy_type: PolicyType::Boundary, level: None, grants: allowed });
        }
        let levels = self.principal(&subject, Some(identity)).service_control.unwrap_or_default();
        for (level, policies) in levels.iter().enumerate() {
            let mut allowed = Vec::new();
            let (policy_type, level) = (PolicyType::ServiceControl, Some(level));
            for (index, policy) in policies.iter().enumerate() {
                let name = PolicyName::of_level(level, index);
                let place = (policy_type, level);
                reader.read(policy.document(), place, &name, &mut allowed, &mut denies);
            }
            limits.push(Limit { policy_type, level, grants: allowed });
        }
        Ok(Permissions { subject, grants, denies, limits, notes: self.gaps.clone() })
    }
}

struct Reader<'a> {
    identity: &'a Identity,
    subject: &'a Subject,
    context: Context,
}

impl Reader<'_> {
    fn read(
        &self,
        document: &Document,
        (policy_type, level): (PolicyType, Option<usize>),
        policy: &PolicyName,
        grants: &mut Vec<Grant>,
        denies: &mut Vec<Grant>,
    ) {
        // Of which action the requests are is not known either.
        let is_absent = |key: &str| self.subject.never_carries(Some(self.identity), key, None);
        let keys = Keys { is_absent: &is_absent };
        for (index, statement) in document.statements().iter().enumerate() {
            let (open, known): (Vec<_>, Vec<_>) = statement
                .conditions()
                .iter()
                .partition(|condition| keys.leave_open(condition, &self.context));
            // A known condition that fails keeps the statement from ever applying; an open one is
            // reported as a requirement.
            if !known.iter().all(|condition| condition.is_met(&self.context)) {
                continue;
            }
            let list = match statement.effect() {
                Effect::Allow => &mut *grants,
                Effect::Deny => &mut *denies,
            };
            list.push(Grant {
                policy_type,
                level,
                policy: policy.clone(),
                index,
                statement: statement.clone(),
                requirements: open.into_iter().map(Requirement::of).collect(),
            });
        }
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["", "actions", "resources", "conditions", "policy"]);
        let limits = self.limits.iter().flat_map(|limit| &limit.grants);
        let rows = self.grants.iter().map(|it| ("allow", it));
        let rows = rows.chain(self.denies.iter().map(|it| ("deny", it)));
        for (what, grant) in rows.chain(limits.map(|it| ("limit to", it))) {
            let actions = grant.statement.actions();
            let texts = actions.patterns().iter().map(|pattern| pattern.as_str());
            let actions = list(actions.is_negated(), texts);
            let resources = grant.statement.resources().map_or(String::new(), |resources| {
                let texts = resources.patterns().iter().map(|pattern| pattern.as_str());
                list(resources.is_negated(), texts)
            });
            let conditions = All(&grant.requirements).to_string();
            table.push([what.to_owned(), actions, resources, conditions, grant.to_string()]);
        }
        writeln!(f, "{}", self.subject)?;
        write!(f, "{table}")?;
        for limit in self.limits.iter().filter(|limit| limit.grants.is_empty()) {
            writeln!(f, "note: the {} allows nothing", limit.policy_type)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {}", self.index + 1)?;
        match self.policy_type {
            PolicyType::Identity => write!(f, " of {}", self.policy),
            other => write!(f, " of {other} {}", self.policy.name),
        }
    }
}

fn list<'a>(negated: bool, texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.collect();
    format!("{}{}", if negated { "all but " } else { "" }, texts.join(", "))
}

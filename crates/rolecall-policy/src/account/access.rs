//! Answers: whether a subject may call an action, and what that depends on.

use std::fmt;

use serde::Serialize;

use super::details::PolicyName;
use super::subject::Subject;
use crate::condition::Condition;
use crate::decision::PolicyType;
use crate::explain::quoted;
use crate::model::Effect;

/// The answer to a question about a request whose condition keys are not all known.
///
/// The order is that of the permissions: an answer is as good as its worst part.
///
/// # Examples
///
/// ```
/// use rolecall_policy::account::Verdict;
/// assert!(Verdict::NotAllowed < Verdict::Conditional && Verdict::Conditional < Verdict::Allowed);
/// assert_eq!(Verdict::Conditional.to_string(), "allowed if conditions are met");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not allowed, whatever the unknown keys are.
    NotAllowed,
    /// Allowed if conditions on unknown keys are met, or if a policy that is not known allows it.
    Conditional,
    /// Allowed, whatever the unknown keys are.
    Allowed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "not allowed",
            Self::Conditional => "allowed if conditions are met",
            Self::Allowed => "allowed",
        })
    }
}

/// Whether a subject may call an action on a resource, and why.
///
/// `Display` writes a sentence.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// use rolecall_policy::Context;
/// use rolecall_policy::account::Verdict;
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let role = "arn:aws:iam::111122223333:role/checkout";
/// let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-a1b2c3";
/// let read = "secretsmanager:GetSecretValue";
/// let access = accounts.can(role, read, secret, &Context::new())?;
/// assert_eq!(access.verdict, Verdict::Conditional);
/// assert_eq!(
///     access.to_string(),
///     "role arn:aws:iam::111122223333:role/checkout: allowed if conditions are met: statement 1 \
///      (\"ReadSecrets\") of policy Secrets allows secretsmanager:GetSecretValue on \
///      arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-a1b2c3 if StringEquals \
///      aws:RequestedRegion \"eu-west-1\"",
/// );
/// let in_ireland = Context::new().with("aws:RequestedRegion", "eu-west-1");
/// assert_eq!(accounts.can(role, read, secret, &in_ireland)?.verdict, Verdict::Allowed);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Access {
    /// The principal.
    pub subject: Subject,
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// The answer.
    pub verdict: Verdict,
    /// The reason in a sentence.
    pub reason: String,
    /// The statements that the answer rests on: those that allow, of which [`reason`](Self::reason)
    /// tells which are alternatives, and then those that deny if their requirements are met.
    pub statements: Vec<DecidingStatement>,
    /// What is taken for granted about policies that are not known, in sentences without their
    /// ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<String>,
}

impl Access {
    /// Returns what the answer depends on, in a sentence. Empty if it depends on nothing.
    pub(super) fn conditions(&self) -> String {
        let mut parts = Vec::new();
        for statement in self.statements.iter().filter(|it| !it.requirements.is_empty()) {
            let unless = if statement.effect == Effect::Deny { "unless " } else { "" };
            parts.push(format!("{unless}{}", All(&statement.requirements)));
        }
        parts.extend(self.assumptions.iter().map(|assumed| format!("assuming that {assumed}")));
        parts.join("; ")
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.subject, self.verdict, self.reason)
    }
}

/// A statement that an answer rests on.
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
/// let statement = &access.statements[0];
/// assert_eq!((statement.statement, statement.sid.as_deref()), (0, Some("ReadShop")));
/// assert_eq!(
///     statement.to_string(),
///     r#"statement 1 ("ReadShop") of policy ReadShop of group developers"#,
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DecidingStatement {
    /// The kind of the policy.
    pub policy_type: PolicyType,
    /// The level of the organisation, from 0 at its root, for control policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// The policy. The name of a trust policy is that of its role, and the name of a resource
    /// policy the ARN of its resource.
    pub policy: PolicyName,
    /// The index of the statement in the policy.
    pub statement: usize,
    /// The statement's `Sid`, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The statement's effect.
    pub effect: Effect,
    /// What a request must meet for the statement to match it. Empty if it matches in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
}

impl fmt::Display for DecidingStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {}", self.statement + 1)?;
        if let Some(sid) = self.sid.as_deref().filter(|sid| !sid.is_empty()) {
            write!(f, " ({sid:?})")?;
        }
        match self.policy_type {
            PolicyType::Identity => write!(f, " of {}", self.policy),
            PolicyType::Boundary => write!(f, " of permissions boundary {}", self.policy.name),
            other => write!(f, " of the {other} of {}", self.policy.name),
        }
    }
}

/// What a request must meet for a statement to match it, where the description does not tell
/// whether it does.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// # use rolecall_policy::Context;
/// use rolecall_policy::account::Requirement;
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let role = "arn:aws:iam::111122223333:role/checkout";
/// let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-a1b2c3";
/// let access = accounts.can(role, "secretsmanager:GetSecretValue", secret, &Context::new())?;
/// let requirement = &access.statements[0].requirements[0];
/// let Requirement::Condition { key, .. } = requirement else { unreachable!() };
/// assert_eq!(key, "aws:RequestedRegion");
/// assert_eq!(requirement.to_string(), r#"StringEquals aws:RequestedRegion "eu-west-1""#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Requirement {
    /// A condition on a key that is not known, or with a value that contains one.
    #[non_exhaustive]
    Condition {
        /// The operator, such as `StringLike`.
        operator: String,
        /// The condition key, in the spelling of the document.
        key: String,
        /// The values in the policy.
        values: Vec<String>,
    },
    /// The resource must match one of these values of `Resource`, whose variables are not known.
    #[non_exhaustive]
    Resource {
        /// The values in the policy.
        patterns: Vec<String>,
        /// `true` if the resource must match none of them.
        negated: bool,
    },
    /// The caller must be one of these sessions of the role.
    #[non_exhaustive]
    Session {
        /// The ARNs in the policy.
        arns: Vec<String>,
        /// `true` if the caller must be none of them.
        negated: bool,
    },
}

impl Requirement {
    pub(super) fn of(condition: &Condition) -> Self {
        Self::Condition {
            operator: condition.operator().name(),
            key: condition.key().to_owned(),
            values: condition.values().map(str::to_owned).collect(),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { "not " } else { "" };
        match self {
            Self::Condition { operator, key, values } => {
                write!(f, "{operator} {key} {}", quoted(values))
            }
            Self::Resource { patterns, negated } => {
                write!(f, "the resource is {}{}", not(negated), quoted(patterns))
            }
            Self::Session { arns, negated } => {
                write!(f, "the session is {}{}", not(negated), quoted(arns))
            }
        }
    }
}

/// Writes requirements, all of which must be met.
pub(super) struct All<'a>(pub(super) &'a [Requirement]);

impl fmt::Display for All<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.0.iter().enumerate() {
            write!(f, "{}{requirement}", if index == 0 { "" } else { " and " })?;
        }
        Ok(())
    }
}

//! What a policy says.

use crate::condition::{Condition, Context};
use crate::json::{compact, written};
use crate::parse::{PolicyError, parse_permission, parse_trust};
use crate::pattern::Pattern;

/// Who may assume a role.
///
/// ```
/// use rolecall_policy::TrustPolicy;
/// let error = TrustPolicy::parse(r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}}"#);
/// assert_eq!(error.unwrap_err().to_string(), "Statement.Resource: a trust policy has no Resource");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicy {
    pub(crate) document: Document<TrustStatement>,
}

impl TrustPolicy {
    /// Parses a document; what is not understood is an error.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        parse_trust(json).map(|document| Self { document })
    }

    /// The document, as IAM takes it.
    pub fn to_json(&self) -> String {
        written(&self.document)
    }

    /// The condition keys that it looks at, as they stand there.
    pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.document.statements.iter().flat_map(|statement| statement.core.condition_keys())
    }
}

/// What a user's or a role's sessions may do.
///
/// ```
/// use rolecall_policy::{Context, Decision, PermissionPolicy};
/// let policy = PermissionPolicy::parse(r#"{
///     "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}
/// }"#)?;
/// let context = Context::new();
/// assert_eq!(policy.evaluate("s3:GetObject", "arn:aws:s3:::shop/a", &context), Decision::Allow);
/// assert_eq!(policy.evaluate("s3:GetObject", "arn:aws:s3:::other/a", &context), Decision::ImplicitDeny);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionPolicy {
    pub(crate) document: Document<PermissionStatement>,
}

impl PermissionPolicy {
    /// Parses a document; what is not understood is an error.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        parse_permission(json).map(|document| Self { document })
    }

    /// The document, as IAM takes it.
    pub fn to_json(&self) -> String {
        written(&self.document)
    }

    /// The document without white space: as a session policy each character counts.
    ///
    /// ```
    /// use rolecall_policy::PermissionPolicy;
    /// let text = r#"{ "Statement": { "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" } }"#;
    /// let policy = PermissionPolicy::parse(text)?;
    /// assert!(!policy.to_compact_json().contains(' '));
    /// assert_eq!(PermissionPolicy::parse(&policy.to_compact_json())?, policy);
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn to_compact_json(&self) -> String {
        compact(&self.document)
    }

    /// The condition keys that it looks at, as they stand there.
    pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.document.statements.iter().flat_map(|statement| statement.core.condition_keys())
    }
}

impl From<TrustPolicy> for String {
    fn from(policy: TrustPolicy) -> Self {
        policy.to_json()
    }
}

impl From<PermissionPolicy> for String {
    fn from(policy: PermissionPolicy) -> Self {
        policy.to_json()
    }
}

/// A policy's statements, and what stands beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document<S> {
    pub(crate) version: Version,
    pub(crate) id: Option<String>,
    pub(crate) statements: Vec<S>,
}

/// The version of the policy language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Also where the document names none: there are no policy variables.
    V2008,
    V2012,
}

/// Whether a statement allows or denies.
///
/// ```
/// assert_ne!(rolecall_policy::Effect::Allow, rolecall_policy::Effect::Deny);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Lets what matches.
    Allow,
    /// Stops what matches, whatever else allows it.
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustStatement {
    pub(crate) core: StatementCore,
    pub(crate) principals: Vec<Principal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PermissionStatement {
    pub(crate) core: StatementCore,
    pub(crate) resources: OneOf,
}

/// What both kinds of statement have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatementCore {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) actions: OneOf,
    pub(crate) conditions: Vec<Condition>,
}

impl StatementCore {
    fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(Condition::key)
    }

    pub(crate) fn applies(&self, action: &str, context: &Context) -> bool {
        self.actions.holds(|pattern| pattern.matches_ignoring_case(action))
            && self.conditions.iter().all(|condition| condition.holds(context))
    }
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOf {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) negated: bool,
}

impl OneOf {
    pub(crate) fn holds(&self, matches: impl Fn(&Pattern) -> bool) -> bool {
        self.patterns.iter().any(matches) != self.negated
    }
}

/// Whom a trust policy names.
///
/// ```
/// use rolecall_policy::Principal;
/// assert_eq!(Principal::aws("111122223333"), Ok(Principal::Account("111122223333".into())));
/// assert_eq!(Principal::aws("arn:aws:iam::111122223333:root"), Ok(Principal::Account("111122223333".into())));
/// assert!(Principal::aws("arn:aws:iam::111122223333:role/*").is_err());
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// `"*"`.
    Anyone,
    /// An account, by its root's ARN or its 12 digits: whom the account lets.
    Account(String),
    /// A user's ARN.
    User(String),
    /// A role's ARN: all its sessions.
    Role(String),
    /// One session of a role, by its ARN, which leaves the role's path out.
    Session(String),
    /// An OIDC or SAML provider's ARN, or a well-known provider's name.
    Federated(String),
    /// An AWS service, as `ec2.amazonaws.com`.
    Service(String),
}

impl Principal {
    /// The element that it stands under in a document, and its value there.
    pub(crate) fn kind_and_value(&self) -> (&'static str, &str) {
        match self {
            Self::Anyone => ("AWS", "*"),
            Self::Account(value) | Self::User(value) | Self::Role(value) | Self::Session(value) => {
                ("AWS", value)
            }
            Self::Federated(value) => ("Federated", value),
            Self::Service(value) => ("Service", value),
        }
    }

    /// What a value under `"AWS"` names. The error says why it names nobody.
    pub fn aws(value: &str) -> Result<Self, String> {
        if value == "*" {
            return Ok(Self::Anyone);
        }
        if is_account(value) {
            return Ok(Self::Account(value.to_owned()));
        }
        if value.contains(['*', '?']) {
            return Err(format!("{value:?}: a principal has no wildcard in it"));
        }
        let nobody = || Err(format!("{value:?} is no account, user, role or role session"));
        let fields: Vec<&str> = value.splitn(6, ':').collect();
        let &["arn", _, service, "", account, resource] = fields.as_slice() else {
            return nobody();
        };
        if !is_account(account) {
            return nobody();
        }
        let named = |kind: &str| resource.strip_prefix(kind).is_some_and(|name| !name.is_empty());
        let whole = value.to_owned();
        match service {
            "iam" if resource == "root" => Ok(Self::Account(account.to_owned())),
            "iam" if named("user/") => Ok(Self::User(whole)),
            "iam" if named("role/") => Ok(Self::Role(whole)),
            "sts" if named("assumed-role/") && resource.split('/').count() == 3 => {
                Ok(Self::Session(whole))
            }
            _ => nobody(),
        }
    }
}

pub(crate) fn is_account(value: &str) -> bool {
    value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit())
}

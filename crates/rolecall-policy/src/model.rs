//! The model of policies.

use crate::condition::{Condition, Context};
use crate::json::{compact, written};
use crate::parse::{PolicyError, parse_permission, parse_trust};
use crate::pattern::Pattern;

/// A trust policy: the callers that may assume a role.
///
/// # Examples
///
/// ```
/// use rolecall_policy::TrustPolicy;
/// let error = TrustPolicy::parse(
///     r#"{"Statement": {
///         "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"
///     }}"#,
/// );
/// assert_eq!(
///     error.unwrap_err().to_string(),
///     "Statement.Resource: a trust policy cannot have a Resource",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicy {
    pub(crate) document: Document<TrustStatement>,
}

impl TrustPolicy {
    /// Parses a policy document.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `json` is not a policy of this kind, or uses an element, an
    /// operator or a policy variable that is not supported.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        parse_trust(json).map(|document| Self { document })
    }

    /// Returns the document as JSON, indented.
    pub fn to_json(&self) -> String {
        written(&self.document)
    }

    /// Returns the condition keys that the policy tests, in the spelling of the document.
    pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.document.statements.iter().flat_map(|statement| statement.core.condition_keys())
    }
}

/// A permission policy: the actions that a user or the sessions of a role may take.
///
/// # Examples
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
    /// Parses a policy document.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `json` is not a policy of this kind, or uses an element, an
    /// operator or a policy variable that is not supported.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        parse_permission(json).map(|document| Self { document })
    }

    /// Returns the document as JSON, indented.
    pub fn to_json(&self) -> String {
        written(&self.document)
    }

    /// Returns the document as JSON without white space. The size of a session policy is limited.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::PermissionPolicy;
    /// let policy = PermissionPolicy::parse(
    ///     r#"{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"#,
    /// )?;
    /// assert!(!policy.to_compact_json().contains(' '));
    /// assert_eq!(PermissionPolicy::parse(&policy.to_compact_json())?, policy);
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn to_compact_json(&self) -> String {
        compact(&self.document)
    }

    /// Returns the condition keys that the policy tests, in the spelling of the document.
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
/// # Examples
///
/// ```
/// assert_ne!(rolecall_policy::Effect::Allow, rolecall_policy::Effect::Deny);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allows the requests that match.
    Allow,
    /// Denies the requests that match, whatever else allows them.
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

/// A principal of a trust policy.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Principal;
/// let account = Principal::Account("111122223333".into());
/// assert_eq!(Principal::aws("111122223333"), Ok(account.clone()));
/// assert_eq!(Principal::aws("arn:aws:iam::111122223333:root"), Ok(account));
///
/// let error = Principal::aws("arn:aws:iam::111122223333:role/*").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"principal: "arn:aws:iam::111122223333:role/*" contains a wildcard"#,
/// );
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Every caller, `"*"`.
    Anyone,
    /// An account, by the ARN of its root user or its id: the callers that the account allows.
    Account(String),
    /// A user, by its ARN.
    User(String),
    /// All sessions of a role, by the role's ARN.
    Role(String),
    /// One session of a role, by its ARN, which omits the role's path.
    Session(String),
    /// An OIDC or SAML provider, by its ARN, or a well-known provider, by its name.
    Federated(String),
    /// An AWS service, such as `ec2.amazonaws.com`.
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

    /// Parses a value of the element `"AWS"`: `*`, an account id, or an ARN.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `value` names no principal.
    pub fn aws(value: &str) -> Result<Self, PolicyError> {
        let fail = |fault: &str| Err(PolicyError::new("principal", format!("{value:?} {fault}")));
        if value == "*" {
            return Ok(Self::Anyone);
        }
        if is_account(value) {
            return Ok(Self::Account(value.to_owned()));
        }
        if value.contains(['*', '?']) {
            return fail("contains a wildcard");
        }
        let unknown = || fail("is not an account, user, role or role session");
        let fields: Vec<&str> = value.splitn(6, ':').collect();
        let &["arn", _, service, "", account, resource] = fields.as_slice() else {
            return unknown();
        };
        if !is_account(account) {
            return unknown();
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
            _ => unknown(),
        }
    }
}

pub(crate) fn is_account(value: &str) -> bool {
    value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit())
}

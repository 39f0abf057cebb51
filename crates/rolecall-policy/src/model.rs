//! The model of policy documents: data, and how to read it.

use crate::condition::Condition;
use crate::error::{Located, PolicyError, Position};
use crate::pattern::{Pattern, Syntax, Version};
use crate::principal::Principal;

/// A policy document of any kind.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Effect, PermissionPolicy};
/// let policy = PermissionPolicy::parse(r#"{
///     "Version": "2012-10-17",
///     "Statement": {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
/// }"#)?;
/// let statement = &policy.document().statements()[0];
/// assert_eq!((statement.sid(), statement.effect()), (Some("Read"), Effect::Allow));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub(crate) version: Option<Version>,
    pub(crate) id: Option<String>,
    pub(crate) statements: Vec<Statement>,
}

impl Document {
    /// Returns the version of the policy language, or `None` if the document names none.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Returns the element `Id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the statements.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Returns the condition keys that the policy tests, in the spelling of the document.
    pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(|statement| &statement.conditions).map(Condition::key)
    }
}

/// Whether a statement allows or denies.
///
/// # Examples
///
/// ```
/// assert_ne!(rolecall_policy::Effect::Allow, rolecall_policy::Effect::Deny);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Effect {
    /// Allows the requests that match.
    Allow,
    /// Denies the requests that match, whatever else allows them.
    Deny,
}

impl Effect {
    /// Returns the effect as it stands in a document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

/// A statement of a policy document.
///
/// # Examples
///
/// ```
/// use rolecall_policy::TrustPolicy;
/// let policy = TrustPolicy::parse(r#"{"Statement": [
///     {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole",
///      "Condition": {"StringEquals": {"sts:ExternalId": "shop-4711"}}}
/// ]}"#)?;
/// let statement = &policy.document().statements()[0];
/// assert_eq!(statement.actions().patterns()[0].as_str(), "sts:AssumeRole");
/// assert_eq!(statement.conditions()[0].key(), "sts:ExternalId");
/// assert!(statement.resources().is_none());
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) principals: Option<OneOf<Principal>>,
    pub(crate) actions: OneOf<ActionPattern>,
    pub(crate) resources: Option<OneOf<ResourcePattern>>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) at: Located,
}

impl Statement {
    /// Returns the element `Sid`.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Returns the element `Effect`.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns the element `Principal` or `NotPrincipal`, which identity policies do not have.
    pub fn principals(&self) -> Option<&OneOf<Principal>> {
        self.principals.as_ref()
    }

    /// Returns the element `Action` or `NotAction`.
    pub fn actions(&self) -> &OneOf<ActionPattern> {
        &self.actions
    }

    /// Returns the element `Resource` or `NotResource`, which trust policies do not have.
    pub fn resources(&self) -> Option<&OneOf<ResourcePattern>> {
        self.resources.as_ref()
    }

    /// Returns the conditions, all of which must be met.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Returns where the statement begins in its document's text, if it was parsed from one.
    pub fn position(&self) -> Option<Position> {
        self.at.position()
    }
}

/// The alternatives of an element such as `Action`, or what its negation such as `NotAction`
/// excludes.
///
/// # Examples
///
/// ```
/// use rolecall_policy::PermissionPolicy;
/// let policy = PermissionPolicy::parse(
///     r#"{"Statement": {"Effect": "Deny", "NotAction": ["sts:*", "s3:*"], "Resource": "*"}}"#,
/// )?;
/// let actions = policy.document().statements()[0].actions();
/// assert!(actions.is_negated());
/// assert_eq!(actions.patterns().len(), 2);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOf<T> {
    pub(crate) patterns: Vec<T>,
    pub(crate) negated: bool,
}

impl<T> OneOf<T> {
    /// Returns the values of the element.
    pub fn patterns(&self) -> &[T] {
        &self.patterns
    }

    /// Returns `true` for `NotPrincipal`, `NotAction` and `NotResource`.
    pub fn is_negated(&self) -> bool {
        self.negated
    }
}

/// A value of `Action` or `NotAction`, compared without regard to case.
///
/// # Examples
///
/// ```
/// use rolecall_policy::ActionPattern;
/// let get: ActionPattern = "s3:Get*".parse()?;
/// assert!(get.matches("S3:getObject"));
/// assert!(!get.matches("s3:PutObject"));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionPattern {
    text: Box<str>,
    /// In lower case, and without a pattern where the whole pattern is `*`.
    service_and_name: Option<(Box<str>, Pattern)>,
    pub(crate) at: Located,
}

impl ActionPattern {
    /// Parses a pattern. The error is a message without the value.
    pub(crate) fn parse_text(text: &str, at: Located) -> Result<Self, &'static str> {
        if !text.is_empty() && text.bytes().all(|b| b == b'*') {
            return Ok(Self { text: text.into(), service_and_name: None, at });
        }
        let Some((service, name)) = text.split_once(':') else {
            return Err("expected * or a service prefix and an action, such as s3:GetObject");
        };
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '?');
        if service.is_empty() || !service.chars().all(known) {
            return Err("the service prefix is empty or contains a character that no service has");
        }
        if name.is_empty() || !name.chars().all(known) {
            return Err("the action's name is empty or contains a character that no action has");
        }
        let service = service.to_lowercase().into_boxed_str();
        let name = Pattern::new(name.to_lowercase());
        Ok(Self { text: text.into(), service_and_name: Some((service, name)), at })
    }

    /// Returns the pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the service prefix in lower case, or `None` for `*`.
    pub fn service(&self) -> Option<&str> {
        self.service_and_name.as_ref().map(|(service, _)| &**service)
    }

    /// Returns the pattern of the action's name in lower case, or `None` for `*`.
    pub(crate) fn name(&self) -> Option<&Pattern> {
        self.service_and_name.as_ref().map(|(_, name)| name)
    }

    /// Returns where the value stands in its document's text, if it was parsed from one.
    pub fn position(&self) -> Option<Position> {
        self.at.position()
    }

    /// Returns `true` if the pattern matches an action, such as `s3:GetObject`.
    pub fn matches(&self, action: &str) -> bool {
        self.matches_action(&Action::parse(action))
    }

    /// A wildcard in the service prefix is a plain character, which no service has.
    pub(crate) fn matches_action(&self, action: &Action) -> bool {
        match &self.service_and_name {
            None => true,
            Some((service, name)) => **service == *action.service() && name.matches(action.name()),
        }
    }
}

impl std::str::FromStr for ActionPattern {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_text(text, Located::default()).map_err(|fault| {
            PolicyError::new("action", format!("{text:?} is not an action: {fault}"))
        })
    }
}

/// The action of a request, in lower case and split once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    lower_case: Box<str>,
    /// Where the name begins.
    name: usize,
}

impl Action {
    pub(crate) fn parse(text: &str) -> Self {
        let lower_case = text.to_lowercase().into_boxed_str();
        let name = lower_case.find(':').map_or(0, |colon| colon + 1);
        Self { lower_case, name }
    }

    pub(crate) fn as_lower_case(&self) -> &str {
        &self.lower_case
    }

    fn service(&self) -> &str {
        self.lower_case.get(..self.name.saturating_sub(1)).unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.lower_case.get(self.name..).unwrap_or_default()
    }
}

/// A value of `Resource` or `NotResource`: `*`, or an ARN with wildcards and policy variables.
///
/// # Examples
///
/// ```
/// use rolecall_policy::PermissionPolicy;
/// let policy = PermissionPolicy::parse(r#"{"Version": "2012-10-17", "Statement": {
///     "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/${aws:username}/*"
/// }}"#)?;
/// let resources = policy.document().statements()[0].resources().unwrap();
/// assert_eq!(resources.patterns()[0].as_str(), "arn:aws:s3:::shop/${aws:username}/*");
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePattern {
    pub(crate) pattern: Pattern,
    pub(crate) at: Located,
}

impl ResourcePattern {
    pub(crate) fn compile(text: &str, version: Version, at: Located) -> Self {
        let syntax = Syntax { wildcards: true, variables: version == Version::V2012 };
        Self { pattern: Pattern::compile(text, syntax), at }
    }

    /// Returns the value as it is written.
    pub fn as_str(&self) -> &str {
        self.pattern.as_str()
    }

    /// Returns the compiled pattern.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Returns where the value stands in its document's text, if it was parsed from one.
    pub fn position(&self) -> Option<Position> {
        self.at.position()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_match_by_table() {
        for (pattern, action, expected) in [
            ("*", "s3:GetObject", true),
            ("**", "s3:GetObject", true),
            ("S3:GETobject", "s3:GetObject", true),
            ("s3:Get*", "s3:GetObject", true),
            ("s3:?etObject", "s3:GetObject", true),
            ("s3:*", "s3-object-lambda:GetObject", false),
            ("s*:GetObject", "s3:GetObject", false),
            ("*:GetObject", "s3:GetObject", false),
            ("s3:GetObject", "GetObject", false),
            ("*", "GetObject", true),
        ] {
            let parsed: ActionPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(action), expected, "{pattern} {action}");
        }
    }

    #[test]
    fn malformed_actions_are_errors() {
        for action in ["", "GetObject", "s3:", ":Get", "s3:Get Object", "s3:Get:Object", "s 3:Get"]
        {
            let error = action.parse::<ActionPattern>().unwrap_err();
            assert!(error.message.contains(&format!("{action:?} is not an action")), "{error}");
        }
    }
}

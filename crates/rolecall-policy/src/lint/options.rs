use super::finding::Severity;
use crate::limits::PolicyKind;

/// Options of the lints. A [`PolicyKind`] converts into options with the defaults.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{LintOptions, PolicyKind, lint_document};
/// let options = LintOptions::new(PolicyKind::Trust).own_accounts(["111122223333"]);
/// let findings = lint_document(options, r#"{"Version": "2012-10-17", "Statement": {
///     "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "sts:AssumeRole"
/// }}"#);
/// assert_eq!(findings[0].code, "THIRD_PARTY_WITHOUT_EXTERNAL_ID");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct LintOptions {
    pub(super) kind: PolicyKind,
    pub(super) own_accounts: Vec<String>,
    pub(super) unknown_actions: Severity,
}

impl LintOptions {
    /// Creates options for a kind of policy.
    pub fn new(kind: PolicyKind) -> Self {
        Self { kind, own_accounts: Vec::new(), unknown_actions: Severity::Error }
    }

    /// Adds accounts that are yours. All others are third parties, which a role should trust with
    /// an external id only. Without any, trust in any account without an external id is a
    /// suggestion.
    pub fn own_accounts<A: Into<String>>(mut self, ids: impl IntoIterator<Item = A>) -> Self {
        self.own_accounts.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Sets the severity of actions and services that do not exist. Defaults to an error. AWS adds
    /// actions almost daily, and the list of rolecall is as old as its release.
    pub fn unknown_actions(mut self, severity: Severity) -> Self {
        self.unknown_actions = severity;
        self
    }

    /// Replaces the kind by `default` unless it is one of a type of policy.
    pub(super) fn of_kind(mut self, default: PolicyKind, is: impl Fn(PolicyKind) -> bool) -> Self {
        if !is(self.kind) {
            self.kind = default;
        }
        self
    }
}

impl From<PolicyKind> for LintOptions {
    fn from(kind: PolicyKind) -> Self {
        Self::new(kind)
    }
}

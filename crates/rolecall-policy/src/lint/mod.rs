//! Lints: faults of policies that the parser accepts, and those that it refuses.
//!
//! Each file holds the lints of one subject. A lint is a function over a statement or over the
//! whole policy; it reports what it finds with an entry of the table in `registry`.
//!
//! (IAM User Guide, "IAM policy validation check reference", for the lints that bear an issue code
//! of IAM Access Analyzer.)

mod actions;
mod addresses;
mod arns;
pub(crate) mod catalog;
mod condition_keys;
mod cover;
mod document;
mod elements;
mod escalation;
mod finding;
mod formats;
mod grammar;
pub(crate) mod keys;
mod location;
mod names;
mod oidc;
mod operators;
mod options;
mod presence;
mod principals;
mod registry;
mod resources;
mod services;
mod statements;
mod tags;
mod trust;
mod values;
mod variables;
mod view;

pub use actions::unknown_action;
pub use document::lint_document;
pub use finding::{Finding, Severity};
pub use options::LintOptions;
pub use registry::Lint;

use crate::limits::PolicyKind;
use crate::model::Document;
use crate::policy::{PermissionPolicy, ResourcePolicy, TrustPolicy};
use view::{PolicyView, Report, Reported, StatementView};

type StatementLint = fn(&StatementView<'_>, &mut Report);
type PolicyLint = fn(&PolicyView<'_>, &mut Report);

/// The lints that look at one statement.
const STATEMENT_LINTS: &[&[StatementLint]] = &[
    elements::STATEMENT,
    actions::STATEMENT,
    escalation::STATEMENT,
    arns::STATEMENT,
    resources::STATEMENT,
    condition_keys::STATEMENT,
    tags::STATEMENT,
    operators::STATEMENT,
    values::STATEMENT,
    formats::STATEMENT,
    addresses::STATEMENT,
    variables::STATEMENT,
    presence::STATEMENT,
    principals::STATEMENT,
    trust::STATEMENT,
    oidc::STATEMENT,
    services::STATEMENT,
];

/// The lints that compare statements.
const POLICY_LINTS: &[&[PolicyLint]] = &[
    elements::POLICY,
    resources::POLICY,
    principals::POLICY,
    trust::POLICY,
    services::POLICY,
    statements::POLICY,
];

/// Runs all lints on a document.
fn run(document: &Document, options: &LintOptions) -> Vec<Reported> {
    let policy = PolicyView::new(document, options);
    let mut report = Report::default();
    for statement in &policy.statements {
        for lint in STATEMENT_LINTS.iter().copied().flatten() {
            lint(statement, &mut report);
        }
    }
    for lint in POLICY_LINTS.iter().copied().flatten() {
        lint(&policy, &mut report);
    }
    report.findings
}

/// Lints a document without its text.
fn lint_model(document: &Document, options: &LintOptions) -> Vec<Finding> {
    let found = run(document, options).into_iter().map(|reported| {
        let location = reported.place.in_model(document);
        finding(reported, location)
    });
    let mut findings: Vec<Finding> = found.collect();
    sort(&mut findings);
    findings
}

fn finding(reported: Reported, (location, position): (String, Option<crate::Position>)) -> Finding {
    let Reported { lint, severity, message, fix, .. } = reported;
    Finding { code: lint.code, severity, location, position, message, fix }
}

/// Sorts findings by position, and removes those that two lints report alike.
fn sort(findings: &mut Vec<Finding>) {
    // The sort is stable: without positions, the order of the statements stays.
    findings.sort_by_key(|finding| (finding.position, std::cmp::Reverse(finding.severity)));
    findings.dedup();
}

impl TrustPolicy {
    /// Runs all lints on the policy. Returns the findings in the order of the document.
    ///
    /// A kind of another type of policy in `options` is replaced by [`PolicyKind::Trust`].
    /// [`lint_document`] also reports what the parser refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{PolicyKind, TrustPolicy};
    /// let policy = TrustPolicy::parse(r#"{"Version": "2012-10-17", "Statement": {
    ///     "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
    ///     "Action": "sts:AssumeRole"
    /// }}"#)?;
    /// let findings = policy.lint(PolicyKind::Trust);
    /// assert_eq!(findings[0].code, "POD_IDENTITY_WITHOUT_TAG_SESSION");
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn lint(&self, options: impl Into<LintOptions>) -> Vec<Finding> {
        let options = options.into().of_kind(PolicyKind::Trust, |kind| !kind.has_resource());
        lint_model(self.document(), &options)
    }
}

impl PermissionPolicy {
    /// Runs all lints on the policy. Returns the findings in the order of the document.
    ///
    /// A kind of another type of policy in `options` is replaced by [`PolicyKind::Inline`].
    /// [`lint_document`] also reports what the parser refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{PermissionPolicy, PolicyKind};
    /// let policy = PermissionPolicy::parse(r#"{"Version": "2012-10-17", "Statement": {
    ///     "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop"
    /// }}"#)?;
    /// let findings = policy.lint(PolicyKind::Inline);
    /// assert_eq!(findings[0].code, "OBJECT_ACTION_ON_BUCKETS");
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn lint(&self, options: impl Into<LintOptions>) -> Vec<Finding> {
        let is_permission = |kind: PolicyKind| kind.has_resource() && !kind.has_principal();
        lint_model(self.document(), &options.into().of_kind(PolicyKind::Inline, is_permission))
    }
}

impl ResourcePolicy {
    /// Runs all lints on the policy. Returns the findings in the order of the document.
    ///
    /// A kind of another type of policy in `options` is replaced by [`PolicyKind::Resource`].
    /// [`lint_document`] also reports what the parser refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{PolicyKind, ResourcePolicy};
    /// let policy = ResourcePolicy::parse(r#"{"Version": "2012-10-17", "Statement": {
    ///     "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
    ///     "Resource": "arn:aws:s3:::shop/*"
    /// }}"#)?;
    /// let findings = policy.lint(PolicyKind::Resource);
    /// assert_eq!(findings[0].code, "WILDCARD_PRINCIPAL");
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn lint(&self, options: impl Into<LintOptions>) -> Vec<Finding> {
        let is_resource = |kind: PolicyKind| kind.has_resource() && kind.has_principal();
        lint_model(self.document(), &options.into().of_kind(PolicyKind::Resource, is_resource))
    }
}

#[cfg(test)]
mod tests;

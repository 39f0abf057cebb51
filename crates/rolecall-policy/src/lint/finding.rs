//! Findings and their severities.

use std::fmt;

use serde::Serialize;

use crate::error::Position;

/// A fault of a policy, found by a lint.
///
/// `Display` writes one line, and the type implements `Serialize`.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{PolicyKind, Severity, lint_document};
/// let findings = lint_document(PolicyKind::Inline, r#"{
///     "Version": "2012-10-17",
///     "Statement": [{
///         "Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::shop/*"
///     }]
/// }"#);
/// let finding = &findings[0];
/// assert_eq!((finding.code, finding.severity), ("INVALID_ACTION", Severity::Error));
/// assert_eq!(finding.location, "Statement[0].Action");
/// assert_eq!(
///     finding.to_string(),
///     "error INVALID_ACTION: Statement[0].Action at line 4 column 38: \"s3:GetObjekt\" is not an \
///      action of Amazon S3; hint: write s3:GetObject",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The code of the lint, such as `INVALID_ACTION`.
    pub code: &'static str,
    /// The severity.
    pub severity: Severity,
    /// The location in the document, such as `Statement[0].Action`. Empty for the document as a
    /// whole.
    pub location: String,
    /// The position in the document's text, if the policy was parsed from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The fault at that location, in lower case.
    pub message: String,
    /// What to do about it, as an imperative.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = if self.location.is_empty() { "policy" } else { &self.location };
        write!(f, "{} {}: {location}", self.severity, self.code)?;
        if let Some(position) = self.position {
            write!(f, " at {position}")?;
        }
        write!(f, ": {}; hint: {}", self.message, self.fix)
    }
}

/// The severity of a finding, in the four classes of IAM Access Analyzer.
///
/// Serialized as in its API: `ERROR`, `SECURITY_WARNING`, `WARNING` and `SUGGESTION`.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Severity;
/// assert!(Severity::Error > Severity::SecurityWarning);
/// assert_eq!(Severity::SecurityWarning.to_string(), "security warning");
/// assert_eq!(serde_json::to_string(&Severity::SecurityWarning)?, "\"SECURITY_WARNING\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Severity {
    /// The policy works, and could be simpler.
    Suggestion,
    /// The policy may not do what was intended.
    Warning,
    /// The policy may allow more than was intended.
    SecurityWarning,
    /// The policy does not work, or not as it is written.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suggestion => "suggestion",
            Self::Warning => "warning",
            Self::SecurityWarning => "security warning",
            Self::Error => "error",
        })
    }
}

//! The lints of a document's text: what the parser refuses, what it does not keep, and the rest.

use super::finding::{Finding, Severity};
use super::location::Source;
use super::options::LintOptions;
use super::registry::Lint;
use super::{finding, grammar, run, sort};
use crate::limits::PolicyKind;
use crate::lines::Lines;
use crate::read::{Fault, Inspected, check_size, inspect};

/// Lints the text of a policy. Returns the findings in the order of the text.
///
/// What the parser refuses is a finding as well, and the statements without such a fault are linted
/// nevertheless.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{PolicyKind, lint_document};
/// let json = r#"{"Version": "2012-10-17",
///   "Statement": [{"Effect": "allow", "Action": "S3:Get Object", "Resource": "*"}]}"#;
/// let findings = lint_document(PolicyKind::Inline, json);
/// let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
/// assert_eq!(codes, ["INVALID_EFFECT", "INVALID_ACTION"]);
/// ```
pub fn lint_document(options: impl Into<LintOptions>, json: &str) -> Vec<Finding> {
    let options = options.into();
    let Inspected { json: parsed, document, indices, faults } = inspect(options.kind, json);
    let mut findings: Vec<Finding> = faults.into_iter().map(refused).collect();
    if let Some(parsed) = parsed {
        let source = Source { json: parsed, lines: Lines::of(json) };
        grammar::lint(&source, options.kind, &mut findings);
        // A document beyond every quota is no policy, and its lints would take long.
        let is_policy = check_size(PolicyKind::AwsManaged, json).is_ok();
        let Some(document) = document.filter(|_| is_policy) else { return findings };
        findings.extend(run(&document, &options).into_iter().map(|reported| {
            let location = reported.place.in_text(&document, &indices, &source);
            finding(reported, location)
        }));
    }
    sort(&mut findings);
    findings
}

/// A fault of the parser as a finding. The parser's message may contain a hint.
fn refused(fault: Fault) -> Finding {
    let Fault { code, error } = fault;
    let lint = Lint::find(code);
    let (message, fix) = match error.message.split_once("; hint: ") {
        Some((message, hint)) => (message.to_owned(), hint.to_owned()),
        None => (error.message, lint.map(|lint| lint.fix).unwrap_or_default().to_owned()),
    };
    // These lints also report what the parser accepts, each with its own fix.
    let fix = match code {
        "INVALID_ACTION" if fix.is_empty() => "write an action such as s3:GetObject".to_owned(),
        _ if fix.is_empty() => "write a name such as ec2.amazonaws.com".to_owned(),
        _ => fix,
    };
    let severity = Severity::Error;
    Finding { code, severity, location: error.location, position: error.position, message, fix }
}

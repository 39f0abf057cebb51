//! Findings of the lints: the kind of a document, and how findings are shown.

pub(crate) mod excerpt;
pub(crate) mod kind;
pub(crate) mod sarif;

use rolecall::policy::{Finding, Severity};
use serde::Serialize;

/// A document, and what the lints found in it.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The name of the file, or `-`.
    pub(crate) file: String,
    pub(crate) kind: kind::Kind,
    pub(crate) text: String,
    pub(crate) findings: Vec<Finding>,
}

/// How many findings of each severity there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    files: usize,
    errors: usize,
    security_warnings: usize,
    warnings: usize,
    suggestions: usize,
}

impl Summary {
    pub(crate) fn of(checked: &[Checked]) -> Self {
        let mut summary = Self { files: checked.len(), ..Self::default() };
        for finding in checked.iter().flat_map(|checked| &checked.findings) {
            *match finding.severity {
                Severity::Error => &mut summary.errors,
                Severity::SecurityWarning => &mut summary.security_warnings,
                Severity::Warning => &mut summary.warnings,
                _ => &mut summary.suggestions,
            } += 1;
        }
        summary
    }

    /// Returns `true` if the check fails.
    pub(crate) fn has_failed(self) -> bool {
        self.errors + self.security_warnings > 0
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |number: usize, what: &str| {
            format!("{number} {what}{}", if number == 1 { "" } else { "s" })
        };
        let counts = [
            (self.errors, "error"),
            (self.security_warnings, "security warning"),
            (self.warnings, "warning"),
            (self.suggestions, "suggestion"),
        ];
        let found = counts.iter().filter(|(number, _)| *number > 0);
        let found: Vec<String> = found.map(|(number, what)| count(*number, what)).collect();
        let found = if found.is_empty() { "no findings".to_owned() } else { found.join(", ") };
        write!(f, "{found} in {}", count(self.files, "file"))
    }
}

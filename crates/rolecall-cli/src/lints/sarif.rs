//! Findings as SARIF 2.1.0, the format of code scanning.
//!
//! (OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".)

use std::path::Path;

use rolecall::policy::{Finding, Lint, Severity};
use serde_json::{Value, json};

use super::Checked;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const LINTS_PAGE: &str = "/blob/main/crates/rolecall-policy/docs/lints.md";

/// Returns a log with one run.
pub(crate) fn log(checked: &[Checked]) -> Value {
    let mut rules: Vec<&'static str> = Vec::new();
    let mut results = Vec::new();
    for file in checked {
        for finding in &file.findings {
            let index = rules.iter().position(|code| *code == finding.code).unwrap_or_else(|| {
                rules.push(finding.code);
                rules.len() - 1
            });
            results.push(result(&file.file, finding, index));
        }
    }
    let rules: Vec<Value> = rules.into_iter().map(rule).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "rolecall",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            // Positions count characters.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &'static str) -> Value {
    let lint = Lint::find(code);
    let summary = lint.map_or(code, |lint| lint.summary);
    let level = level(lint.map_or(Severity::Error, |lint| lint.severity));
    json!({
        "id": code,
        "shortDescription": {"text": summary},
        "helpUri": format!("{}{LINTS_PAGE}", env!("CARGO_PKG_REPOSITORY")),
        "defaultConfiguration": {"level": level},
    })
}

fn result(file: &str, finding: &Finding, rule_index: usize) -> Value {
    // A finding about the document as a whole is about its first character.
    let (line, column) = finding.position.map_or((1, 1), |at| (at.line, at.column));
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(file)},
            "region": {"startLine": line, "startColumn": column},
        },
    });
    if !finding.location.is_empty() {
        location["logicalLocations"] = json!([{"fullyQualifiedName": finding.location}]);
    }
    json!({
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": level(finding.severity),
        "message": {"text": format!("{}; hint: {}", finding.message, finding.fix)},
        "locations": [location],
        "properties": {"severity": finding.severity},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::SecurityWarning | Severity::Warning => "warning",
        _ => "note",
    }
}

/// Returns a URI reference: relative for a relative path.
fn uri(file: &str) -> String {
    if file == "-" {
        return "stdin".to_owned();
    }
    let mut uri = if Path::new(file).is_absolute() { "file://".to_owned() } else { String::new() };
    // In a relative reference, a colon before the first slash would end a scheme.
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_uri_references() {
        for (file, expected) in [
            ("policies/a b.json", "policies/a%20b.json"),
            ("/srv/ä.json", "file:///srv/%C3%A4.json"),
            ("c:d.json", "c%3Ad.json"),
            ("-", "stdin"),
        ] {
            assert_eq!(uri(file), expected);
        }
    }
}

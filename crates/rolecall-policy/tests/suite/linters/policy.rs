//! Policies that the linters and rolecall check: the faulty ones of `tests/cases/faults`, and
//! what the builders make.

use rolecall_policy::{
    Finding, LintOptions, PermissionPolicy, PolicyKind, TrustPolicy, lint_document,
};

/// A policy, which its name describes: `identity: the name of an action is misspelled`.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    /// A kind that `lint.py` knows.
    pub(super) kind: &'static str,
    pub(super) document: String,
    /// The code of its fault, or `NONE`.
    pub(super) code: &'static str,
}

pub(super) const NONE: &str = "NONE";

const KINDS: [(&str, PolicyKind); 6] = [
    ("identity", PolicyKind::Managed),
    ("session", PolicyKind::Session),
    ("trust", PolicyKind::Trust),
    ("resource", PolicyKind::Resource),
    ("scp", PolicyKind::ServiceControl),
    ("rcp", PolicyKind::ResourceControl),
];

/// The account that is yours.
pub(super) const OWN: &str = "111122223333";

impl Policy {
    fn options(&self) -> LintOptions {
        let (_, kind) = KINDS.iter().find(|(name, _)| *name == self.kind).unwrap();
        LintOptions::new(*kind).own_accounts([OWN])
    }

    /// Returns what rolecall reports.
    pub(super) fn lint(&self) -> Vec<Finding> {
        lint_document(self.options(), &self.document)
    }

    /// Returns what rolecall reports for a policy of a builder, without its text.
    pub(super) fn lint_parsed(&self) -> Vec<Finding> {
        match self.kind {
            "trust" => TrustPolicy::parse(&self.document).unwrap().lint(self.options()),
            _ => PermissionPolicy::parse(&self.document).unwrap().lint(self.options()),
        }
    }

    /// Returns `true` if a builder made the policy.
    pub(super) fn is_built(&self) -> bool {
        self.name.starts_with("built ")
    }
}

/// Returns the number of the statement that a finding is about, or `None` if it is about the policy
/// as a whole.
pub(super) fn statement(finding: &Finding) -> Option<usize> {
    let rest = finding.location.strip_prefix("Statement")?;
    let number = rest.strip_prefix('[').and_then(|rest| rest.split(']').next());
    // A statement may stand without a list.
    Some(number.map_or(0, |number| number.parse().unwrap()))
}

const FILES: [&str; 6] = [
    include_str!("../../cases/faults/grammar.txt"),
    include_str!("../../cases/faults/actions.txt"),
    include_str!("../../cases/faults/resources.txt"),
    include_str!("../../cases/faults/conditions.txt"),
    include_str!("../../cases/faults/principals.txt"),
    include_str!("../../cases/faults/none.txt"),
];

/// Returns the faulty policies.
///
/// `## kind` starts a kind of policies. A policy is a line `CODE: description`, and below it, after
/// four spaces, the value of `Statement`, or `document:` and a whole document. The code `NONE` is
/// that of policies that only a linter thinks faulty.
pub(super) fn faulty() -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    for file in FILES {
        let mut kind = "";
        for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
            if let Some(name) = line.strip_prefix("## ") {
                kind = name;
            } else if let Some(text) = line.strip_prefix("    ") {
                policies.last_mut().unwrap().document = document(text);
            } else {
                let (code, name) = line.split_once(": ").unwrap();
                let (name, document) = (format!("{kind}: {name}"), String::new());
                policies.push(Policy { name, kind, document, code });
            }
        }
    }
    policies
}

fn document(text: &str) -> String {
    let document = match text.strip_prefix("document:") {
        Some(document) => document.trim_start().to_owned(),
        None => format!("{{\"Version\": \"2012-10-17\", \"Statement\": {text}}}"),
    };
    // Longer than the quota of any of the kinds.
    document.replace("$LONG", &"x".repeat(11_000))
}

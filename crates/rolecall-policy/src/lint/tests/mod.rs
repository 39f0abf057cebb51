//! Each lint has policies that it reports, and similar ones that it does not.

use std::collections::BTreeMap;

use super::*;

mod places;

/// The cases, by subject. A block is a line `# CODE kind`, and below it `bad` and `good` policies.
/// A policy that starts with `{"Effect"` or with `[` is the value of `Statement` in a document of
/// the version 2012-10-17; a policy may continue on indented lines.
const CASES: &[&str] = &[
    include_str!("grammar.txt"),
    include_str!("actions.txt"),
    include_str!("resources.txt"),
    include_str!("keys.txt"),
    include_str!("conditions.txt"),
    include_str!("trust.txt"),
    include_str!("statements.txt"),
];

struct Case {
    code: &'static str,
    options: LintOptions,
    is_bad: bool,
    document: String,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut head = ("", LintOptions::new(PolicyKind::Inline));
    for line in CASES.iter().flat_map(|file| file.lines()).filter(|line| !line.is_empty()) {
        if let Some(words) = line.strip_prefix("# ") {
            let words: Vec<&str> = words.split(' ').collect();
            head = (words[0], options(&words[1..]));
        } else if let Some((kind, policy)) =
            line.split_once(' ').filter(|(kind, _)| !kind.is_empty())
        {
            assert!(["bad", "good"].contains(&kind), "{line}");
            let (code, options) = head.clone();
            let document = policy.to_owned();
            cases.push(Case { code, options, is_bad: kind == "bad", document });
        } else {
            cases.last_mut().unwrap().document.push_str(line);
        }
    }
    for case in &mut cases {
        case.document = case.document.replace("$LONG", &"x".repeat(30_000));
        if case.document.starts_with("{\"Effect\"") || case.document.starts_with('[') {
            let statement = &case.document;
            case.document = format!("{{\"Version\": \"2012-10-17\", \"Statement\": {statement}}}");
        }
    }
    cases
}

fn options(words: &[&str]) -> LintOptions {
    let mut options = LintOptions::new(match words[0] {
        "inline" => PolicyKind::Inline,
        "session" => PolicyKind::Session,
        "scp" => PolicyKind::ServiceControl,
        "rcp" => PolicyKind::ResourceControl,
        "trust" => PolicyKind::Trust,
        "resource" => PolicyKind::Resource,
        other => panic!("{other}"),
    });
    for word in &words[1..] {
        options = options.own_accounts([word.strip_prefix("own=").unwrap()]);
    }
    options
}

#[test]
fn each_case_reports_what_it_should() {
    for Case { code, options, is_bad, document } in cases() {
        let findings = lint_document(options, &document);
        let is_reported = findings.iter().any(|finding| finding.code == code);
        let all: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert_eq!(is_reported, is_bad, "{code}\n{document}\n{}", all.join("\n"));
    }
}

#[test]
fn each_lint_has_a_case_and_a_near_miss() {
    let mut missing: BTreeMap<&str, [bool; 2]> =
        Lint::ALL.iter().map(|lint| (lint.code, [true; 2])).collect();
    for case in cases() {
        let entry = missing.get_mut(case.code).unwrap_or_else(|| panic!("{}", case.code));
        entry[usize::from(case.is_bad)] = false;
    }
    missing.retain(|_, missing| missing.contains(&true));
    assert!(missing.is_empty(), "{:?}", missing.keys());
}

#[test]
fn findings_state_fact_place_and_fix() {
    for Case { options, document, .. } in cases() {
        for finding in lint_document(options, &document) {
            let lint = Lint::find(finding.code).unwrap();
            assert!(finding.severity <= lint.severity, "{finding}");
            assert!(!finding.message.is_empty() && !finding.fix.is_empty(), "{finding}");
            assert!(!finding.message.ends_with('.') && !finding.fix.ends_with('.'), "{finding}");
            assert!(!finding.fix.starts_with(|c: char| c.is_ascii_uppercase()), "{finding}");
            assert!(!finding.to_string().contains('\n'), "{finding}");
            let is_sized = finding.code.starts_with("POLICY_SIZE");
            assert!(finding.position.is_some() || is_sized, "{finding}");
        }
    }
}

#[test]
fn codes_and_summaries_are_well_formed() {
    let mut codes: Vec<&str> = Lint::ALL.iter().map(|lint| lint.code).collect();
    codes.sort_unstable();
    let count = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), count);
    for lint in Lint::ALL {
        let known = |c: char| c.is_ascii_uppercase() || c == '_';
        assert!(lint.code.chars().all(known), "{}", lint.code);
        assert!(lint.summary.ends_with('.') && lint.summary.len() <= 100, "{}", lint.code);
    }
}

#[test]
fn codes_of_the_parser_are_in_the_table() {
    let sources = [
        include_str!("../../read.rs"),
        include_str!("../../read/document.rs"),
        include_str!("../../read/reader.rs"),
        include_str!("../../read/conditions.rs"),
        include_str!("../../limits.rs"),
    ];
    let mut found = 0;
    for text in sources.iter().flat_map(|source| source.split('"')) {
        let is_code = |c: char| c.is_ascii_uppercase() || c == '_';
        if text.len() > 8 && text.contains('_') && text.chars().all(is_code) {
            assert!(Lint::find(text).is_some(), "{text}");
            found += 1;
        }
    }
    assert!(found > 40, "{found}");
}

#[test]
fn access_analyzer_table_names_existing_lints() {
    let table = include_str!("../../../docs/access-analyzer-checks.md");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut named = std::collections::BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [issue, _, _, applies, lint] = cells[..] else { panic!("{row}") };
        let issue = issue.trim_matches(['|', ' ', '`']);
        match lint.split('`').nth(1) {
            None => assert!(applies.starts_with("no: "), "{row}"),
            Some(code) => {
                assert!(Lint::find(code).is_some() && !applies.starts_with("no"), "{row}");
                named.insert(code);
            }
        }
        // A lint that is the same check bears the same name.
        assert!(Lint::find(issue).is_none() || named.contains(issue), "{row}");
    }
    assert!(named.len() > 130, "{}", named.len());
}

/// The page of all lints.
fn page() -> String {
    let table = include_str!("../../../docs/access-analyzer-checks.md");
    let mut page = String::from(PAGE_HEAD);
    for severity in
        [Severity::Error, Severity::SecurityWarning, Severity::Warning, Severity::Suggestion]
    {
        let lints: Vec<&Lint> = Lint::ALL.iter().filter(|it| it.severity == severity).collect();
        let title = severity.to_string();
        let (first, rest) = title.split_at(1);
        page += &format!("\n## {}{rest}s ({})\n\n", first.to_uppercase(), lints.len());
        page += "| Code | Reports | Access Analyzer |\n|---|---|---|\n";
        let mut lints = lints;
        lints.sort_by_key(|lint| lint.code);
        for Lint { code, summary, .. } in lints {
            let is_shared = if table.contains(&format!("| `{code}` | ")) { "yes" } else { "" };
            page += &format!("| `{code}` | {summary} | {is_shared} |\n");
        }
    }
    page
}

const PAGE_HEAD: &str = "\
# Lints

`lint_document`, and the methods `lint` of the types of policies, report these faults. The page is
written by the test `page_of_lints_is_current`, from the table `Lint::ALL`: run it with the
environment variable `UPDATE_DOCS=1` to update the page.

- **Code**: the field `code` of a finding. Codes are stable.
- **Access Analyzer**: whether it has a check of this name; see
  [the list of its checks](access-analyzer-checks.md).

A finding may be less severe than its lint: an unknown action, as `LintOptions::unknown_actions`
says; trust in another account without an external id, if your accounts are not known; a key that a
service does not list for an action; an Allow that excepts everything; and a service that uses roles
of its own account alone.
";

#[test]
fn page_of_lints_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lints.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let is_current = std::fs::read_to_string(path).is_ok_and(|text| text == page());
    assert!(is_current, "docs/lints.md is not current; run this test with UPDATE_DOCS=1");
}

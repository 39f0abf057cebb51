//! The lints beside those of two published linters, parliament and iam-policy-validator.
//!
//! `docs/linters.md` says what each of their checks is to rolecall, and lists the differences.

mod grid;
mod page;
mod policy;
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use rolecall_policy::{Finding, Lint, Severity};

use page::{Check, Difference, Scope};
use policy::{NONE, Policy};
use program::Found;

/// What the linters, and rolecall, report for the policies. Starting the linters takes longer than
/// running them, so that all tests share one run.
struct Comparison {
    faulty: Vec<Compared>,
    built: Vec<Compared>,
    checks: Vec<Check>,
    differences: Vec<Difference>,
}

struct Compared {
    policy: Policy,
    found: Vec<Found>,
    reported: Vec<Finding>,
}

static COMPARISON: LazyLock<Comparison> = LazyLock::new(|| {
    let (faulty, built) = (policy::faulty(), grid::built());
    let mut found = program::run(&[faulty.clone(), built.clone()].concat());
    let of_built = found.split_off(faulty.len());
    let join = |policies: Vec<Policy>, found: Vec<Vec<Found>>| {
        let compared = policies.into_iter().zip(found).map(|(policy, found)| {
            let reported = policy.lint();
            Compared { policy, found, reported }
        });
        compared.collect()
    };
    Comparison {
        faulty: join(faulty, found),
        built: join(built, of_built),
        checks: page::checks(),
        differences: page::differences(),
    }
});

impl Comparison {
    fn all(&self) -> impl Iterator<Item = &Compared> {
        self.faulty.iter().chain(&self.built)
    }

    /// Returns the codes that stand for a check, or nothing if it is out of scope.
    fn codes(&self, found: &Found) -> &[&'static str] {
        let mut checks = self.checks.iter();
        let check = checks.find(|it| it.linter == found.linter && it.name == found.check);
        match check.map(|check| &check.scope) {
            Some(Scope::Codes(codes)) => codes,
            Some(Scope::Out | Scope::Never) | None => &[],
        }
    }

    /// Returns `true` if the page has to list a finding of a linter: rolecall does not report it,
    /// and has a lint for it. Of what the builders make, the page lists every finding.
    fn is_difference(&self, compared: &Compared, found: &Found) -> bool {
        let codes = self.codes(found);
        let is_reported = compared.reported.iter().any(|finding| {
            // What is about the policy as a whole is about each statement.
            let (of, other) = (policy::statement(finding), found.statement);
            let is_same = of == other || of.is_none() || other.is_none();
            is_same && codes.contains(&finding.code)
        });
        compared.policy.is_built() || (!codes.is_empty() && !is_reported)
    }

    /// Returns the differences that the page does not list.
    fn unlisted<'a>(&'a self, of: &'a [Compared]) -> Vec<(&'a Compared, &'a Found)> {
        let is_listed = |name: &str, found: &Found| {
            let mut differences = self.differences.iter();
            differences.any(|it| it.lists(&found.linter, &found.check, name))
        };
        let all = of.iter().flat_map(|it| it.found.iter().map(move |found| (it, found)));
        let differences = all.filter(|(compared, found)| self.is_difference(compared, found));
        differences.filter(|(it, found)| !is_listed(&it.policy.name, found)).collect()
    }
}

fn describe(compared: &Compared, found: &Found) -> String {
    let Compared { policy, reported, .. } = compared;
    let (linter, check, detail) = (&found.linter, &found.check, &found.detail);
    let expected = COMPARISON.codes(found).join(", ");
    let reported: Vec<String> = reported.iter().map(|it| format!("\n    {it}")).collect();
    let Policy { name, document, .. } = policy;
    format!(
        "{name}\n  {document}\n  {linter} {check}: {detail}\n  expected: {expected}\n  rolecall:{}",
        reported.concat()
    )
}

#[test]
fn faults_that_linters_report_are_reported() {
    if program::is_left_out() {
        return;
    }
    let missed = COMPARISON.unlisted(&COMPARISON.faulty);
    let missed: Vec<String> = missed.iter().map(|(it, found)| describe(it, found)).collect();
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn linters_report_built_policies_as_listed() {
    if program::is_left_out() {
        return;
    }
    let mut unlisted = BTreeMap::new();
    for (compared, found) in COMPARISON.unlisted(&COMPARISON.built) {
        // One policy for each check says enough.
        unlisted.entry((&found.linter, &found.check)).or_insert_with(|| describe(compared, found));
    }
    let unlisted: Vec<String> = unlisted.into_values().collect();
    assert!(unlisted.is_empty(), "{}", unlisted.join("\n"));
}

#[test]
fn every_listed_difference_occurs() {
    if program::is_left_out() {
        return;
    }
    let comparison = &*COMPARISON;
    let mut unused = Vec::new();
    for difference in &comparison.differences {
        for entry in difference.entries() {
            let occurs = comparison.all().any(|compared| {
                let mut found = compared.found.iter();
                found.any(|found| {
                    entry.lists(&found.linter, &found.check, &compared.policy.name)
                        && comparison.is_difference(compared, found)
                })
            });
            if !occurs {
                unused.push(format!("{}: {entry:?}", difference.title));
            }
        }
    }
    assert!(unused.is_empty(), "{unused:#?}");
}

/// A policy in which no linter finds a fault would compare nothing.
#[test]
fn every_faulty_policy_is_reported_by_a_linter() {
    if program::is_left_out() {
        return;
    }
    let comparison = &*COMPARISON;
    let is_unreported =
        |it: &&Compared| it.found.iter().all(|found| comparison.codes(found).is_empty());
    let unreported = comparison.faulty.iter().filter(is_unreported);
    let unreported: Vec<&str> = unreported.map(|it| it.policy.name.as_str()).collect();
    assert!(unreported.is_empty(), "{unreported:#?}");
}

#[test]
fn every_check_in_scope_is_triggered() {
    if program::is_left_out() {
        return;
    }
    let comparison = &*COMPARISON;
    let all = comparison.all().flat_map(|it| &it.found);
    let triggered: BTreeSet<(&str, &str)> =
        all.map(|found| (found.linter.as_str(), found.check.as_str())).collect();
    let names = |is: fn(&Scope) -> bool| -> BTreeSet<(&str, &str)> {
        let checks = comparison.checks.iter().filter(|check| is(&check.scope));
        checks.map(|check| (check.linter, check.name)).collect()
    };
    let known = names(|scope| !matches!(scope, Scope::Never));
    let unknown: Vec<_> = triggered.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "docs/linters.md lacks, or says that these never are: {unknown:#?}"
    );
    let in_scope = names(|scope| matches!(scope, Scope::Codes(_)));
    let missing: Vec<_> = in_scope.difference(&triggered).collect();
    assert!(missing.is_empty(), "no policy triggers {missing:#?}");
}

#[test]
fn faulty_policies_are_reported_by_their_code() {
    let policies = policy::faulty();
    let names: BTreeSet<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names.len(), policies.len(), "a name stands twice");
    let mut wrong = Vec::new();
    for policy in &policies {
        let mut findings = policy.lint();
        let is_right = match policy.code {
            NONE => {
                findings.retain(|finding| finding.severity > Severity::Suggestion);
                findings.is_empty()
            }
            code => findings.iter().any(|finding| finding.code == code),
        };
        if !is_right {
            let all: Vec<String> = findings.iter().map(|it| format!("\n    {it}")).collect();
            wrong.push(format!("{} {}{}", policy.code, policy.name, all.concat()));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Warnings about what is built, by the start of the policy's name: their options ask for what the
/// lint warns of.
const EXPECTED: [(&str, &str); 2] = [
    ("built trust: github, repository", "SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED"),
    ("built trust: github server, repository", "SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED"),
];

#[test]
fn built_policies_are_clean() {
    let mut faults: BTreeMap<&str, String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for policy in grid::built() {
        for finding in [policy.lint(), policy.lint_parsed()].concat() {
            if finding.severity <= Severity::Suggestion {
                continue;
            }
            let is_of = |(start, code): &&(&str, &str)| {
                policy.name.starts_with(start) && finding.code == *code
            };
            match EXPECTED.iter().find(is_of) {
                Some(expected) => _ = seen.insert(*expected),
                // One policy for each lint says enough.
                None => {
                    let text = format!("{}\n{}\n{finding}", policy.name, policy.document);
                    faults.entry(finding.code).or_insert(text);
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", Vec::from_iter(faults.into_values()).join("\n"));
    assert_eq!(seen, BTreeSet::from(EXPECTED), "a warning is expected, and does not occur");
}

#[test]
fn page_of_linters_is_well_formed() {
    let checks = page::checks();
    let names: BTreeSet<(&str, &str)> = checks.iter().map(|it| (it.linter, it.name)).collect();
    assert_eq!(names.len(), checks.len(), "a check stands twice");
    for check in &checks {
        if let Scope::Codes(codes) = &check.scope {
            assert!(!codes.is_empty(), "{}", check.name);
            for code in codes {
                assert!(Lint::find(code).is_some(), "{}: {code}", check.name);
            }
        }
    }
    for difference in page::differences() {
        let Difference { title, linter, right, source, .. } = difference;
        assert!(["rolecall", "the linter", "both"].contains(&right), "{title}: {right}");
        assert!(source.contains("AWS") || source.contains("IAM"), "{title}: {source}");
        for entry in difference.entries() {
            assert!(names.contains(&(linter, entry.check)), "{title}: {}", entry.check);
        }
    }
    let faulty = policy::faulty();
    let (wrong, right): (Vec<_>, Vec<_>) = faulty.iter().partition(|it| it.code != NONE);
    let counts =
        [(wrong.len(), "faulty"), (right.len(), "correct"), (grid::built().len(), "built")];
    for (count, kind) in counts {
        let text = format!("{count} {kind} policies");
        assert!(page::PAGE.contains(&text), "docs/linters.md lacks: {text}");
    }
    assert!(wrong.len() >= 120, "{}", wrong.len());
}

//! The page `docs/linters.md`: what each check of the linters is to rolecall, and where they
//! differ. The tests read it, so that it is the only place that says so.

pub(super) const PAGE: &str = include_str!("../../../docs/linters.md");

/// A check of a linter.
pub(super) struct Check {
    pub(super) linter: &'static str,
    /// As `lint.py` names it.
    pub(super) name: &'static str,
    pub(super) scope: Scope,
}

pub(super) enum Scope {
    /// rolecall reports the fault with one of these codes.
    Codes(Vec<&'static str>),
    /// rolecall has no such lint.
    Out,
    /// No policy can make the linter report it.
    Never,
}

/// Findings of a linter that rolecall does not share.
pub(super) struct Difference {
    pub(super) title: &'static str,
    pub(super) linter: &'static str,
    checks: Vec<&'static str>,
    policies: Vec<&'static str>,
    pub(super) right: &'static str,
    pub(super) source: &'static str,
}

/// One check of a difference, on the policies with a name, or with names that start alike.
#[derive(Debug)]
pub(super) struct Entry {
    linter: &'static str,
    pub(super) check: &'static str,
    policy: &'static str,
}

impl Entry {
    /// Returns `true` if it is for a check on a policy.
    pub(super) fn lists(&self, linter: &str, check: &str, policy: &str) -> bool {
        let is_policy = match self.policy.strip_suffix('*') {
            Some(start) => policy.starts_with(start),
            None => policy == self.policy,
        };
        is_policy && self.linter == linter && self.check == check
    }
}

impl Difference {
    /// Returns `true` if it is for a check on a policy.
    pub(super) fn lists(&self, linter: &str, check: &str, policy: &str) -> bool {
        self.entries().any(|entry| entry.lists(linter, check, policy))
    }

    /// Returns every check with every name of policies.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let linter = self.linter;
        self.checks.iter().flat_map(move |check| {
            let policies = self.policies.iter();
            policies.map(move |policy| Entry { linter, check, policy })
        })
    }
}

/// Returns the rows of the tables `Checks of ...`.
pub(super) fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for section in PAGE.split("\n## ") {
        let Some(rest) = section.strip_prefix("Checks of ") else { continue };
        let (linter, rest) = rest.split_once('\n').unwrap();
        for row in rest.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
            let [name, reports, rolecall] = cells[..] else { panic!("{row}") };
            assert!(reports.ends_with('.'), "{row}");
            let scope = if rolecall.starts_with("no: ") {
                Scope::Out
            } else if rolecall.starts_with("never: ") {
                Scope::Never
            } else {
                Scope::Codes(code_spans(rolecall))
            };
            checks.push(Check { linter, name: name.trim_matches('`'), scope });
        }
    }
    checks
}

/// Returns the sections `### ...`.
pub(super) fn differences() -> Vec<Difference> {
    let sections = PAGE.split("\n### ").skip(1);
    let difference = |section: &'static str| {
        let section = section.split("\n## ").next().unwrap();
        let title = section.lines().next().unwrap();
        let item = |name: &str| {
            let start = format!("\n- {name}: ");
            let (_, rest) = section.split_once(&start).unwrap_or_else(|| panic!("{title}: {name}"));
            // An item continues on indented lines.
            let ends = [rest.find("\n- "), rest.find("\n\n"), Some(rest.len())];
            let end = ends.into_iter().flatten().min().unwrap();
            rest[..end].trim_end()
        };
        Difference {
            title,
            linter: item("Linter"),
            checks: code_spans(item("Checks")),
            policies: code_spans(item("Policies")),
            right: item("Right"),
            source: item("Source"),
        }
    };
    sections.map(difference).collect()
}

fn code_spans(text: &'static str) -> Vec<&'static str> {
    text.split('`').skip(1).step_by(2).collect()
}

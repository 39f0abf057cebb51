//! The evaluator against that of ministack, which other authors wrote, on generated cases.
//!
//! The comparison has two steps. Each element of a statement, such as one condition, becomes a case
//! of its own, a probe, so that a difference has one cause. Then each case is compared as a whole,
//! with the elements that differ replaced by ones that both match as rolecall does, so that a
//! difference is one in the rules that combine policies. Differences that are known are listed in
//! [`known`], and described in `docs/evaluators.md`.

mod cases;
mod known;
mod ministack;
mod probe;

use std::collections::BTreeMap;
use std::path::Path;

use rolecall_policy::{Outcome, Simulation};
use serde_json::Value;

use crate::left_out::is_left_out;
use known::{DECISIONS, Disagreement, ELEMENTS};
use ministack::{Ministack, Verdict};
use probe::Probe;

/// Cases that every run compares. `ROLECALL_MINISTACK_CASES` sets another number.
const CASES: usize = 2_000;
/// Cases that one run of ministack decides, which bounds its time and the memory of this test.
const BATCH: usize = 2_000;

fn decide(case: &Value) -> Outcome {
    let simulation = Simulation::parse(&case.to_string());
    simulation.unwrap_or_else(|error| panic!("{error}: {case}")).evaluate().outcome()
}

/// What a comparison found.
#[derive(Debug, Default)]
struct Comparison {
    cases: usize,
    /// Cases on which both agree before any element is replaced.
    alike_unchanged: usize,
    alike: usize,
    /// What rolecall decides.
    outcomes: BTreeMap<&'static str, usize>,
    probes: usize,
    alike_probes: usize,
    /// How many differences each class explains.
    known: BTreeMap<&'static str, usize>,
    unknown: Vec<String>,
}

impl Comparison {
    /// Compares cases, and adds the result.
    fn add(&mut self, ministack: &Ministack, cases: &[Value]) {
        let mut settled = cases.to_vec();
        self.add_probes(ministack, &mut settled);
        let unchanged = ministack.decide(cases);
        let verdicts = ministack.decide(&settled);
        let mut explained = Vec::new();
        self.cases += cases.len();
        for (index, (case, verdict)) in settled.iter().zip(verdicts).enumerate() {
            let ours = decide(case);
            assert_eq!(ours, decide(&cases[index]), "settled as {case}: {}", cases[index]);
            *self.outcomes.entry(ours.as_str()).or_default() += 1;
            self.alike_unchanged += usize::from(unchanged[index].is(ours));
            if verdict.is(ours) {
                self.alike += 1;
                continue;
            }
            let disagreement = Disagreement { case, ours, theirs: verdict };
            let class = DECISIONS.iter().find(|class| (class.explains)(&disagreement));
            let describe = || format!("{ours}, ministack {verdict:?}: {case}");
            self.add_difference(class.map(|class| class.name), describe);
            if let Some((class, remove)) =
                class.and_then(|class| Some((class, class.remove_cause?)))
            {
                let mut without = case.clone();
                remove(&mut without);
                explained.push((class.name, ours, without));
            }
        }
        // A class that explains a difference by one cause must not conceal another.
        let verdicts = ministack.decide(explained.iter().map(|(_, _, case)| case));
        for ((name, ours, case), verdict) in explained.iter().zip(verdicts) {
            if !verdict.is(*ours) {
                let difference = format!("{ours}, ministack {verdict:?}: {case}");
                self.unknown.push(format!("not explained by {name}: {difference}"));
            }
        }
    }

    /// Compares the elements of cases, and replaces those that differ.
    fn add_probes(&mut self, ministack: &Ministack, cases: &mut [Value]) {
        let probes: Vec<(usize, Probe)> = cases
            .iter()
            .enumerate()
            .flat_map(|(index, case)| {
                probe::of_case(case).into_iter().map(move |probe| (index, probe))
            })
            .collect();
        let verdicts = ministack.decide(probes.iter().map(|(_, probe)| &probe.case));
        self.probes += probes.len();
        for ((index, probe), verdict) in probes.iter().zip(verdicts) {
            let ours = decide(&probe.case);
            // A probe denies what it matches.
            let matches = ours == Outcome::ExplicitlyDenied;
            if matches == (verdict == Verdict::ExplicitlyDenied) {
                self.alike_probes += 1;
                continue;
            }
            let element = probe.element(matches);
            let class = ELEMENTS.iter().find(|(_, explains)| explains(&element));
            let describe = || format!("{ours}, ministack {verdict:?}: {}", probe.case);
            self.add_difference(class.map(|(name, _)| *name), describe);
            if class.is_some() {
                probe.settle(&mut cases[*index], matches);
            }
        }
    }

    fn add_difference(&mut self, class: Option<&'static str>, describe: impl FnOnce() -> String) {
        match class {
            Some(name) => *self.known.entry(name).or_default() += 1,
            None => self.unknown.push(describe()),
        }
    }
}

#[test]
fn decisions_equal_those_of_ministack() {
    if is_left_out("python") {
        return;
    }
    let mut left = match std::env::var("ROLECALL_MINISTACK_CASES") {
        Ok(count) => count.parse().unwrap(),
        Err(_) => CASES,
    };
    let ministack = Ministack::new();
    let mut cases = cases::generate();
    let mut found = Comparison::default();
    while left > 0 && found.unknown.is_empty() {
        let batch: Vec<Value> = cases.by_ref().take(left.min(BATCH)).collect();
        left -= batch.len();
        found.add(&ministack, &batch);
    }
    let unknown = found.unknown.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(found.unknown.is_empty(), "{} unknown differences:\n{unknown}", found.unknown.len());

    println!("{found:#?}");
    // Classes that explain too much would compare nothing.
    let Comparison { cases, alike, probes, alike_probes, .. } = found;
    assert!(alike_probes * 10 >= probes * 9, "{alike_probes} of {probes} probes alike");
    assert!(alike * 100 >= cases * 85, "{alike} of {cases} cases alike");
    // Cases that all end alike would compare nothing.
    for outcome in [Outcome::Allowed, Outcome::ImplicitlyDenied, Outcome::ExplicitlyDenied] {
        let reached = found.outcomes.get(outcome.as_str()).copied().unwrap_or_default();
        assert!(reached * 6 >= cases, "{outcome}: {:?}", found.outcomes);
    }
}

#[test]
fn known_differences_are_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evaluators.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (page, _) = page.split_once("## Other evaluators").unwrap();
    let elements = ELEMENTS.iter().map(|(name, _)| *name);
    let names: Vec<&str> = elements.chain(DECISIONS.iter().map(|class| class.name)).collect();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let documented: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(documented, names);
    // Each row ends with the evaluator that is right, and why.
    for row in &rows {
        assert_eq!(row.len(), 6, "{row:?}");
        assert!(
            ["rolecall", "ministack", "open"].contains(&row[4]) && !row[5].is_empty(),
            "{row:?}"
        );
    }
}

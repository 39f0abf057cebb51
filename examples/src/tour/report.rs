use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, Write};
use std::time::Instant;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use rolecall::{ErrorKind, FetchError};
use serde::Serialize;
use serde_json::json;

use crate::plain::Plain;

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// A line of JSON for each step, and a last one that sums up.
    Json,
}

/// One step, and how it went.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What was done.
    #[serde(rename = "step")]
    pub name: String,
    /// What should come of it.
    pub expected: String,
    /// What came of it.
    pub got: String,
    /// Whether that is what should have; true of a step that was not asked for.
    pub ok: bool,
    /// Whether it was asked for; if not, nothing was done.
    pub asked: bool,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

/// All steps, and what the local AWS counted.
#[derive(Clone, Debug, Default)]
pub struct Report {
    steps: Vec<Step>,
    calls: BTreeMap<String, usize>,
}

/// A denial that should come: its kind, STS's code, and what the message must say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Denied<'a> {
    pub(crate) kind: ErrorKind,
    pub(crate) code: &'a str,
    pub(crate) says: &'a [&'a str],
}

/// What should come of a step that succeeds.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// Exactly this.
    Exactly(String),
    /// Something of this kind, which an account of one's own decides.
    Any(&'static str),
}

impl Report {
    pub(crate) fn count(&mut self, calls: BTreeMap<String, usize>) {
        self.calls = calls;
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many went another way than they should.
    pub fn failed(&self) -> usize {
        self.steps.iter().filter(|step| !step.ok).count()
    }

    /// A step that must give exactly this.
    pub(crate) async fn expect(
        &mut self,
        name: &str,
        expected: &str,
        work: impl Future<Output = Result<String, FetchError>>,
    ) {
        self.timed(name, expected.to_owned(), work, |result| match result {
            Ok(got) => (got.clone(), got == expected),
            Err(error) => (error.report(), false),
        })
        .await;
    }

    /// A step on a service that must succeed.
    pub(crate) async fn does(
        &mut self,
        name: &str,
        expected: Expected,
        work: impl Future<Output = Result<String, Plain>>,
    ) {
        let shown = match &expected {
            Expected::Exactly(text) => text.clone(),
            Expected::Any(kind) => (*kind).to_owned(),
        };
        self.timed(name, shown, work, |result| match (result, expected) {
            (Ok(got), Expected::Exactly(expected)) => (got.clone(), got == expected),
            (Ok(got), Expected::Any(_)) => (got, true),
            (Err(error), _) => (error.to_string(), false),
        })
        .await;
    }

    /// A step on a service that must be denied, as such: not for want of the thing.
    pub(crate) async fn is_denied(
        &mut self,
        name: &str,
        work: impl Future<Output = Result<String, Plain>>,
    ) {
        self.timed(name, "denied".into(), work, |result| match result {
            Ok(got) => (format!("allowed: {got}"), false),
            Err(error) => (error.to_string(), error.is_denied()),
        })
        .await;
    }

    /// A step for which an argument is missing.
    pub(crate) fn not_asked_for(&mut self, name: &str, missing: &str) {
        self.steps.push(Step {
            name: name.to_owned(),
            expected: String::new(),
            got: format!("not asked for: give {missing}"),
            ok: true,
            asked: false,
            ms: 0.0,
        });
    }

    /// A step that must be denied.
    pub(crate) async fn expect_denied(
        &mut self,
        name: &str,
        denied: Denied<'_>,
        work: impl Future<Output = Result<String, FetchError>>,
    ) {
        let Denied { kind, code, says } = denied;
        self.timed(name, format!("{kind} ({code})"), work, |result| match result {
            Ok(got) => (format!("allowed: {got}"), false),
            Err(error) => {
                let text = error.to_string();
                let right = error.kind() == kind && error.code() == Some(code);
                let missing: Vec<_> = says.iter().filter(|part| !text.contains(**part)).collect();
                if right && missing.is_empty() {
                    return (text, true);
                }
                (format!("{text} [kind {kind}, without {missing:?}]"), false)
            }
        })
        .await;
    }

    async fn timed<T>(
        &mut self,
        name: &str,
        expected: String,
        work: impl Future<Output = T>,
        judge: impl FnOnce(T) -> (String, bool),
    ) {
        let begun = Instant::now();
        let result = work.await;
        let ms = (begun.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
        let (got, ok) = judge(result);
        self.steps.push(Step { name: name.to_owned(), expected, got, ok, asked: true, ms });
    }

    /// Prints every step, and a sum.
    pub fn print(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Json => self.print_json(out),
            Format::Table => self.print_table(out),
        }
    }

    fn print_json(&self, out: &mut impl Write) -> io::Result<()> {
        for step in &self.steps {
            writeln!(out, "{}", serde_json::to_string(step)?)?;
        }
        let (steps, failed) = (self.steps.len(), self.failed());
        let line =
            json!({ "summary": true, "steps": steps, "failed": failed, "calls": self.calls });
        writeln!(out, "{line}")
    }

    fn print_table(&self, out: &mut impl Write) -> io::Result<()> {
        let mut table = Table::new();
        table
            .load_style(UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(120)
            .set_header(["step", "what", "result", "time"])
            .set_constraints([
                ColumnConstraint::ContentWidth,
                ColumnConstraint::UpperBoundary(Width::Fixed(32)),
                ColumnConstraint::LowerBoundary(Width::Fixed(60)),
                ColumnConstraint::ContentWidth,
            ]);
        for (index, step) in self.steps.iter().enumerate() {
            let result = match (step.asked, step.ok) {
                (false, _) => step.got.clone(),
                (true, true) => format!("ok: {}", step.got),
                (true, false) => {
                    format!("NOT AS IT SHOULD: {}\nexpected: {}", step.got, step.expected)
                }
            };
            let number = (index + 1).to_string();
            table.add_row([number, step.name.clone(), result, format!("{:.0} ms", step.ms)]);
        }
        writeln!(out, "{table}")?;
        if !self.calls.is_empty() {
            let calls = self.calls.iter();
            let counted: Vec<String> = calls.map(|(name, n)| format!("{n} {name}")).collect();
            writeln!(out, "The local AWS counted {}.", counted.join(", "))?;
        }
        let asked = self.steps.iter().filter(|step| step.asked).count();
        let (left_out, failed) = (self.steps.len() - asked, self.failed());
        match failed {
            0 => write!(out, "All {asked} steps did as they should")?,
            _ => write!(out, "{failed} of {asked} steps did not do as they should")?,
        }
        match left_out {
            0 => writeln!(out, "."),
            _ => writeln!(out, "; {left_out} were not asked for."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: Denied<'static> =
        Denied { kind: ErrorKind::Denied, code: "AccessDenied", says: &["hop 1"] };

    async fn judged(result: Result<String, FetchError>) -> bool {
        let mut report = Report::default();
        report.expect_denied("x", DENIED, async { result }).await;
        report.steps[0].ok
    }

    #[tokio::test]
    async fn a_denial_must_be_the_right_one() {
        let error = |kind, code: &str, text: &str| Err(FetchError::new(kind, text).with_code(code));
        assert!(judged(error(ErrorKind::Denied, "AccessDenied", "hop 1: no")).await);
        assert!(!judged(error(ErrorKind::Denied, "AccessDenied", "no")).await);
        assert!(!judged(error(ErrorKind::Denied, "Other", "hop 1: no")).await);
        assert!(!judged(error(ErrorKind::Throttled, "AccessDenied", "hop 1: no")).await);
        assert!(!judged(Ok("a session".into())).await);
    }

    #[tokio::test]
    async fn the_last_line_of_json_sums_up() {
        let mut report = Report::default();
        report.expect("first", "a", async { Ok("a".into()) }).await;
        report.expect("second", "a", async { Ok("b".into()) }).await;
        let mut out = Vec::new();
        report.count(BTreeMap::from([("AssumeRole".to_owned(), 3)]));
        report.print(Format::Json, &mut out).unwrap();
        let lines: Vec<serde_json::Value> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1]["ok"], false);
        let summary = json!({"summary": true, "steps": 2, "failed": 1, "calls": {"AssumeRole": 3}});
        assert_eq!(lines[2], summary);
    }
}

//! The report of the tour: one row per step, as a table or as JSON.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, Write};
use std::time::Instant;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};
use rolecall::{ErrorKind, SessionError};
use serde::Serialize;
use serde_json::json;

use crate::error::ExampleError;

/// Output format of a [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table for a terminal.
    Table,
    /// A line of JSON for each step, and a summary as the last line.
    Json,
}

/// A step and its result.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Name of the step.
    #[serde(rename = "step")]
    pub name: String,
    /// Expected result.
    pub expected: String,
    /// Actual result.
    pub got: String,
    /// `true` if the result was as expected, or if the step was skipped.
    pub ok: bool,
    /// `true` if the step was skipped, since an argument for it is missing.
    pub skipped: bool,
    /// Duration in milliseconds.
    pub ms: f64,
}

/// The steps of a tour, and the STS calls that the local AWS counted.
#[derive(Clone, Debug, Default)]
pub struct Report {
    steps: Vec<Step>,
    calls: BTreeMap<String, usize>,
}

/// An expected denial by STS: its kind, its code, and parts of its message.
///
/// The message must name what to fix, so a denial for another reason does not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpectedDenial<'a> {
    pub(crate) kind: ErrorKind,
    pub(crate) code: &'a str,
    pub(crate) says: &'a [&'a str],
}

/// Expected result of a step that succeeds.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// Exactly this text.
    Exactly(String),
    /// Any result of this kind: the value depends on the AWS account.
    Any(&'static str),
}

impl Report {
    pub(crate) fn set_calls(&mut self, calls: BTreeMap<String, usize>) {
        self.calls = calls;
    }

    /// Returns the steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the number of steps with an unexpected result.
    pub fn failed(&self) -> usize {
        self.steps.iter().filter(|step| !step.ok).count()
    }

    /// Runs a step on sessions that must return exactly `expected`.
    pub(crate) async fn expect_session(
        &mut self,
        name: &str,
        expected: &str,
        work: impl Future<Output = Result<String, SessionError>>,
    ) {
        self.run(name, expected.to_owned(), work, |result| match result {
            Ok(got) => (got.clone(), got == expected),
            Err(error) => (error.report(), false),
        })
        .await;
    }

    /// Runs a step on a service that must succeed.
    pub(crate) async fn expect_success(
        &mut self,
        name: &str,
        expected: Expected,
        work: impl Future<Output = Result<String, ExampleError>>,
    ) {
        let shown = match &expected {
            Expected::Exactly(text) => text.clone(),
            Expected::Any(kind) => (*kind).to_owned(),
        };
        self.run(name, shown, work, |result| match (result, expected) {
            (Ok(got), Expected::Exactly(expected)) => (got.clone(), got == expected),
            (Ok(got), Expected::Any(_)) => (got, true),
            (Err(error), _) => (error.to_string(), false),
        })
        .await;
    }

    /// Runs a step on a service that must be denied by a policy. Other errors, such as a missing
    /// resource, do not count.
    pub(crate) async fn expect_service_denial(
        &mut self,
        name: &str,
        work: impl Future<Output = Result<String, ExampleError>>,
    ) {
        self.run(name, "denied".into(), work, |result| match result {
            Ok(got) => (format!("allowed: {got}"), false),
            Err(error) => (error.to_string(), error.is_denied()),
        })
        .await;
    }

    /// Records a step as skipped, since the argument `missing` was not given.
    pub(crate) fn skip(&mut self, name: &str, missing: &str) {
        self.steps.push(Step {
            name: name.to_owned(),
            expected: String::new(),
            got: format!("skipped; hint: pass {missing}"),
            ok: true,
            skipped: true,
            ms: 0.0,
        });
    }

    /// Runs a step on sessions that STS must deny.
    pub(crate) async fn expect_sts_denial(
        &mut self,
        name: &str,
        denied: ExpectedDenial<'_>,
        work: impl Future<Output = Result<String, SessionError>>,
    ) {
        let ExpectedDenial { kind, code, says } = denied;
        self.run(name, format!("{kind} ({code})"), work, |result| match result {
            Ok(got) => (format!("allowed: {got}"), false),
            Err(error) => {
                let text = error.to_string();
                let matches = error.kind() == kind && error.code() == Some(code);
                let missing: Vec<_> = says.iter().filter(|part| !text.contains(**part)).collect();
                if matches && missing.is_empty() {
                    return (text, true);
                }
                (format!("{text} [kind {kind}, without {missing:?}]"), false)
            }
        })
        .await;
    }

    async fn run<T>(
        &mut self,
        name: &str,
        expected: String,
        work: impl Future<Output = T>,
        evaluate: impl FnOnce(T) -> (String, bool),
    ) {
        let start = Instant::now();
        let result = work.await;
        let ms = (start.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
        let (got, ok) = evaluate(result);
        self.steps.push(Step { name: name.to_owned(), expected, got, ok, skipped: false, ms });
    }

    /// Writes every step and a summary to `out`.
    ///
    /// # Errors
    ///
    /// Returns the error of `out`.
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
            .set_header(["step", "name", "result", "time"])
            .set_constraints([
                ColumnConstraint::ContentWidth,
                ColumnConstraint::UpperBoundary(Width::Fixed(32)),
                ColumnConstraint::LowerBoundary(Width::Fixed(60)),
                ColumnConstraint::ContentWidth,
            ]);
        for (index, step) in self.steps.iter().enumerate() {
            let result = match (step.skipped, step.ok) {
                (true, _) => step.got.clone(),
                (false, true) => format!("ok: {}", step.got),
                (false, false) => {
                    format!("FAILED: {}\nexpected: {}", step.got, step.expected)
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
        let skipped = self.steps.iter().filter(|step| step.skipped).count();
        let (done, failed) = (self.steps.len() - skipped, self.failed());
        match failed {
            0 => write!(out, "All {done} steps had the expected result")?,
            _ => write!(out, "{failed} of {done} steps had an unexpected result")?,
        }
        match skipped {
            0 => writeln!(out, "."),
            _ => writeln!(out, "; {skipped} were skipped."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: ExpectedDenial<'static> =
        ExpectedDenial { kind: ErrorKind::Denied, code: "AccessDenied", says: &["hop 1"] };

    async fn is_accepted(result: Result<String, SessionError>) -> bool {
        let mut report = Report::default();
        report.expect_sts_denial("x", DENIED, async { result }).await;
        report.steps[0].ok
    }

    #[tokio::test]
    async fn sts_denial_must_match_kind_code_and_text() {
        let error =
            |kind, code: &str, text: &str| Err(SessionError::new(kind, text).with_code(code));
        assert!(is_accepted(error(ErrorKind::Denied, "AccessDenied", "hop 1: no")).await);
        assert!(!is_accepted(error(ErrorKind::Denied, "AccessDenied", "no")).await);
        assert!(!is_accepted(error(ErrorKind::Denied, "Other", "hop 1: no")).await);
        assert!(!is_accepted(error(ErrorKind::Throttled, "AccessDenied", "hop 1: no")).await);
        assert!(!is_accepted(Ok("a session".into())).await);
    }

    #[tokio::test]
    async fn last_json_line_is_the_summary() {
        let mut report = Report::default();
        report.expect_session("first", "a", async { Ok("a".into()) }).await;
        report.expect_session("second", "a", async { Ok("b".into()) }).await;
        let mut out = Vec::new();
        report.set_calls(BTreeMap::from([("AssumeRole".to_owned(), 3)]));
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

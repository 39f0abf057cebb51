//! The checks and their results, printed as they complete.

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::OutputFormat;
use crate::error::Failure;
use crate::output::{self, Output, style};

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Ok,
    Warning,
    Error,
    /// An earlier failure left nothing to check.
    NotRun,
}

#[derive(Debug, Serialize)]
struct Check {
    check: String,
    status: Status,
    message: String,
    hint: Option<String>,
}

/// The results so far.
pub(super) struct Report<'a> {
    output: &'a mut Output,
    checks: Vec<Check>,
}

/// Width of the longest status, `warning` or `not run`.
const STATUS_WIDTH: usize = 7;
/// Width of the longest name of a check.
const NAME_WIDTH: usize = 16;

impl<'a> Report<'a> {
    pub(super) fn new(output: &'a mut Output) -> Self {
        Self { output, checks: Vec::new() }
    }

    /// Returns the output, for the progress of a check.
    pub(super) fn output(&self) -> &Output {
        self.output
    }

    pub(super) fn ok(&mut self, check: &str, message: impl Into<String>) -> Result<(), Failure> {
        self.add(check, Status::Ok, message.into(), None)
    }

    pub(super) fn warning(
        &mut self,
        check: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Result<(), Failure> {
        self.add(check, Status::Warning, message.into(), Some(hint.into()))
    }

    pub(super) fn error(
        &mut self,
        check: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Result<(), Failure> {
        self.add(check, Status::Error, message.into(), hint)
    }

    pub(super) fn not_run(&mut self, check: &str, reason: &str) -> Result<(), Failure> {
        self.add(check, Status::NotRun, reason.to_owned(), None)
    }

    fn add(
        &mut self,
        check: &str,
        status: Status,
        message: String,
        hint: Option<String>,
    ) -> Result<(), Failure> {
        let (message, hint) = (output::message(&message), hint.map(|hint| output::message(&hint)));
        if self.output.global().output == OutputFormat::Table {
            let (name, color) = match status {
                Status::Ok => ("ok", style::GOOD),
                Status::Warning => ("warning", style::WARNING),
                Status::Error => ("error", style::ERROR),
                Status::NotRun => ("not run", style::HINT),
            };
            let cells = [(name, STATUS_WIDTH), (check, NAME_WIDTH)];
            self.output.cells(color, cells, &message)?;
            if let Some(hint) = &hint {
                let cells = [("", STATUS_WIDTH), ("", NAME_WIDTH)];
                self.output.cells(style::HINT, cells, &format!("hint: {hint}"))?;
            }
        }
        self.checks.push(Check { check: check.to_owned(), status, message, hint });
        Ok(())
    }

    /// Prints the JSON, and returns the exit code.
    pub(super) fn finish(self) -> Result<ExitCode, Failure> {
        if self.output.global().output == OutputFormat::Json {
            self.output.json(&self.checks)?;
        }
        let failed = self.checks.iter().any(|check| check.status == Status::Error);
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

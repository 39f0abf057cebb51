//! `rolecall policy simulate`: evaluates requests that are described in JSON.

use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rolecall::policy::{Explanation, Outcome, Simulation, SimulationId, unknown_action};
use serde::Serialize;

use crate::error::Failure;
use crate::input::Input;
use crate::output::{Output, style};

/// The exit status of a program that SIGPIPE ends, as a shell reports it.
const NO_READER: u8 = 141;

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// Evaluate requests: one JSON object per line in, one per line out
///
/// A line has the members id, request (action, resource, principal, context, resource_account), and
/// the policies that decide: identity_policies, resource_policy, session_policies,
/// permission_boundaries, scps and rcps. The answer has id and decision, and the id is null for a
/// line without one. It also has a note if the action is not one of its service. The answer to a
/// line that cannot be read is an object with id and error; the others are still evaluated, and the
/// exit status is 1. On a terminal, or with --output table, the answers are text.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  rolecall policy simulate --explain requests.jsonl

A line of requests.jsonl, wrapped here:
  { \"id\": \"read\",
    \"request\": { \"principal\": \"arn:aws:iam::111122223333:user/ann\",
                 \"action\": \"s3:GetObject\", \"resource\": \"arn:aws:s3:::shop/1\",
                 \"context\": { \"aws:SecureTransport\": \"true\" } },
    \"identity_policies\": [{ \"Statement\": {
      \"Effect\": \"Allow\",
      \"Action\": \"s3:Get*\", \"Resource\": \"arn:aws:s3:::shop/*\" } }] }")]
pub(super) struct Simulate {
    /// File with the requests; - or no argument reads standard input
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true)]
    file: PathBuf,
    /// Explain each decision: the statements that match, and why the others do not
    #[arg(long)]
    explain: bool,
}

/// The answer to a line, as JSON.
#[derive(Debug, Serialize)]
struct Answer {
    id: Option<SimulationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Whether the action is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Simulate {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let input = Input::from(self.file.as_path());
        let mut lines = input.open(output, "requests, one JSON object per line,")?;
        let mut is_bad = false;
        output.go_on_without_reader();
        let mut line = Vec::new();
        loop {
            line.clear();
            // The next read may wait for the program that writes the requests, and that program
            // for the answers.
            if lines.buffer().is_empty() {
                output.finish()?;
            }
            // The input may have no end, so that whether a line of the rest is bad is not known.
            if output.has_no_reader() {
                return Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::from(NO_READER) });
            }
            let read = lines.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line);
            let read =
                read.map_err(|error| Failure::operation(format!("cannot read {input}: {error}")))?;
            if read == 0 {
                return Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS });
            }
            if line.len() as u64 > MAX_LINE && !line.ends_with(b"\n") {
                return Err(Failure::operation(format!(
                    "{input} has a line of more than {MAX_LINE} bytes, the most that is read"
                )));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let answer = self.answer(&line);
            is_bad |= answer.error.is_some();
            if output.is_table_if_read() {
                print(output, &answer)?;
            } else {
                output.json_line(&answer)?;
            }
        }
    }

    fn answer(&self, line: &[u8]) -> Answer {
        // The line break is no part of the object, and an error would be in the line after it.
        let line = line.trim_ascii_end();
        match Simulation::from_slice(line) {
            Ok(simulation) => {
                let decision = simulation.evaluate();
                Answer {
                    id: simulation.id().cloned(),
                    decision: Some(decision.outcome()),
                    explanation: self.explain.then(|| decision.explain()),
                    error: None,
                    note: unknown_action(simulation.request().action()),
                }
            }
            Err(error) => {
                let (id, error) = (Simulation::find_id(line), Some(error.to_string()));
                Answer { id, decision: None, explanation: None, error, note: None }
            }
        }
    }
}

fn print(output: &mut Output, answer: &Answer) -> Result<(), Failure> {
    let id = answer.id.as_ref().map_or_else(|| "(no id)".to_owned(), ToString::to_string);
    if let Some(error) = &answer.error {
        return output.paragraph(0, (style::ERROR, "error"), &format!("{id}: {error}"));
    }
    let Some(decision) = answer.decision else { return Ok(()) };
    let mark = if decision.is_allowed() { style::GOOD } else { style::ERROR };
    output.paragraph(0, (mark, decision.as_str()), &id)?;
    if let Some(explanation) = &answer.explanation {
        output.paragraph(2, (style::PLAIN, ""), &explanation.reason)?;
    }
    match &answer.note {
        Some(note) => output.paragraph(2, (style::HINT, "note:"), note),
        None => Ok(()),
    }
}

//! `rolecall policy check`: the lints.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use rolecall::policy::{Finding, LintOptions, Severity, lint_document};
use serde_json::json;

use crate::cli::OutputFormat;
use crate::error::Failure;
use crate::files::path_text;
use crate::input::{Input, check_stdin};
use crate::lints::excerpt::excerpt;
use crate::lints::kind::Kind;
use crate::lints::{Checked, Summary, sarif};
use crate::output::{Output, style};

/// The longest document that the parser reads is shorter.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Report faults of policies, with a position and a fix
///
/// The exit status is 1 if there is an error or a security warning. What the parser refuses is an
/// error as well. With --output sarif, the result is for code scanning.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rolecall policy check policies/*.json
  aws iam get-role --role-name shop --query Role.AssumeRolePolicyDocument | rolecall policy check -
  rolecall policy check --output sarif policies/*.json > rolecall.sarif")]
pub(super) struct Check {
    /// Files with one policy each; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Kind of the policies; defaults to the one that their elements show
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// Account that is yours, so that all others are third parties; repeat for more
    #[arg(long, value_name = "ID")]
    own_account: Vec<String>,
    /// Severity of actions and services that this version of rolecall does not know
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    unknown_actions: Unknown,
}

/// The severity of unknown actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Unknown {
    Error,
    Warning,
    Suggestion,
}

impl Check {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        check_stdin(self.files.iter().map(|path| ("FILE", path.as_path())))?;
        output.go_on_without_reader();
        let files = self.files.iter().map(|path| self.check(path, output));
        let checked = files.collect::<Result<Vec<_>, _>>()?;
        let summary = Summary::of(&checked);
        match output.global().output {
            OutputFormat::Json => {
                let files = checked
                    .iter()
                    .map(|it| json!({"file": it.file, "kind": it.kind, "findings": it.findings}));
                let files: Vec<_> = files.collect();
                output.json(&json!({"files": files, "summary": summary}))?;
            }
            OutputFormat::Sarif => output.json(&sarif::log(&checked))?,
            OutputFormat::Table => {
                for file in &checked {
                    file.findings.iter().try_for_each(|finding| print(output, file, finding))?;
                }
                output.line(&summary.to_string())?;
            }
        }
        Ok(if summary.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn check(&self, path: &Path, output: &Output) -> Result<Checked, Failure> {
        let input = Input::from(path);
        let text = input.read(output, "the policy", MAX_FILE)?;
        let kind = self.kind.or_else(|| Kind::guess(&text)).ok_or_else(|| {
            Failure::usage(format!("the kind of the policy in {input} is not clear"))
                .with_hint("pass --kind trust or --kind resource")
        })?;
        let options = LintOptions::new(kind.policy_kind())
            .own_accounts(&self.own_account)
            .unknown_actions(match self.unknown_actions {
                Unknown::Error => Severity::Error,
                Unknown::Warning => Severity::Warning,
                Unknown::Suggestion => Severity::Suggestion,
            });
        let findings = lint_document(options, &text);
        // A program that reads the result opens the file.
        let file = match output.is_table() {
            true => path.display().to_string(),
            false => path_text(path)?.to_owned(),
        };
        Ok(Checked { file, kind, text, findings })
    }
}

/// Prints a finding, and the line that it is about with a caret.
fn print(output: &mut Output, file: &Checked, finding: &Finding) -> Result<(), Failure> {
    let mark = match finding.severity {
        Severity::Error => style::ERROR,
        Severity::SecurityWarning | Severity::Warning => style::WARNING,
        _ => style::HINT,
    };
    let code = format!("{} {}:", finding.severity, finding.code);
    output.paragraph(0, (mark, &code), &finding.message)?;
    let Checked { file, text, .. } = file;
    let place = match finding.position {
        Some(at) => format!("{file}:{}:{}", at.line, at.column),
        None => file.clone(),
    };
    output.paragraph(2, (style::HINT, "-->"), &format!("{place} {}", finding.location))?;
    if let Some(at) = finding.position {
        let number = at.line.to_string();
        let margin = number.len();
        let width = output.width().saturating_sub(margin + 4);
        if let Some(part) = excerpt(text, at.line, at.column, width) {
            let (caret, note) = (part.caret, style::HINT);
            output.line(&format!(" {note}{number} |{note:#} {}", part.text))?;
            output
                .line(&format!(" {:margin$} {note}|{note:#} {:caret$}{mark}^{mark:#}", "", ""))?;
        }
    }
    output.paragraph(2, (style::HINT, "hint:"), &finding.fix)?;
    output.line("")
}

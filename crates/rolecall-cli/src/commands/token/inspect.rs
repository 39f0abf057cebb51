//! `rolecall token inspect`: what a token says, and what is wrong with it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use super::trust::{Trust, TrustArgs};
use crate::error::Failure;
use crate::input::{Input, check_stdin};
use crate::jwt::kind::Kind;
use crate::jwt::problems::{self, Problem, Severity};
use crate::jwt::{self, Jwt};
use crate::output::{Output, style};
use crate::time::{duration, timestamp, timestamp_and_distance};

/// Far beyond the 20,000 characters that STS accepts.
const MAX_FILE: u64 = 1024 * 1024;

/// Show the claims of a token and its problems, and whether a trust policy accepts it
///
/// The signature is neither verified nor printed. With --trust, the exit status is 1 if the policy
/// does not accept the token, or if this cannot be checked; the token's problems, such as its
/// expiration, do not count.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rolecall token inspect \"$AWS_WEB_IDENTITY_TOKEN_FILE\"
  kubectl create token checkout --audience sts.amazonaws.com | rolecall token inspect
  rolecall token inspect token --trust trust.json")]
pub(crate) struct Inspect {
    /// File with the token; - or no argument reads standard input
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true)]
    file: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
}

/// The result, as JSON.
#[derive(Debug, Serialize)]
struct Inspection<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    signature: &'static str,
    header: &'a Map<String, Value>,
    claims: &'a Map<String, Value>,
    issued_at: Option<String>,
    not_before: Option<String>,
    expires_at: Option<String>,
    lifetime_seconds: Option<u64>,
    problems: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<Trust>,
}

impl Inspect {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        if jwt::is_token(&self.file) && !self.file.exists() {
            // The message must not repeat the argument.
            return Err(Failure::usage(
                "the argument is a token, which other users of this machine can see in the list \
                 of processes",
            )
            .with_hint("pass the name of a file, or the token on standard input"));
        }
        let trust = self.trust.policy().map(|path| ("--trust", path));
        check_stdin([("FILE", self.file.as_path())].into_iter().chain(trust))?;
        let text = Input::from(self.file.as_path()).read(output, "the token", MAX_FILE)?;
        let jwt = Jwt::parse(&text)?;
        output.go_on_without_reader();
        let trust = self.trust.check(&jwt, output)?;
        let is_refused = trust.as_ref().is_some_and(|trust| !trust.accepts());
        let now = SystemTime::now();
        let lifetime = jwt.time("exp").zip(jwt.time("iat"));
        let lifetime = lifetime.and_then(|(end, start)| end.duration_since(start).ok());
        let Kind { name, details } = Kind::of(&jwt);
        let inspection = Inspection {
            kind: name,
            details,
            signature: "not verified",
            header: &jwt.header,
            claims: &jwt.claims,
            issued_at: jwt.time("iat").map(timestamp),
            not_before: jwt.time("nbf").map(timestamp),
            expires_at: jwt.time("exp").map(timestamp),
            lifetime_seconds: lifetime.map(|lifetime| lifetime.as_secs()),
            problems: problems::find(&jwt, now),
            trust,
        };
        let mut rows = vec![("Token", inspection.kind.to_owned())];
        rows.extend(inspection.details.iter().map(|detail| ("", detail.clone())));
        rows.push(("Signature", "not verified: any program can write such claims".to_owned()));
        let times = [("Issued", "iat"), ("Not before", "nbf"), ("Expires", "exp")];
        for (name, claim) in times {
            rows.extend(jwt.time(claim).map(|at| (name, timestamp_and_distance(at, now))));
        }
        rows.extend(lifetime.map(|lifetime| ("Lifetime", duration(lifetime))));
        output.record(&inspection, &rows)?;
        if output.is_table() {
            inspection.print(output)?;
        }
        Ok(if is_refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl Inspection<'_> {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        for (title, object) in [("Header", self.header), ("Claims", self.claims)] {
            output.line("")?;
            output.heading(title)?;
            print_object(output, 2, object)?;
        }
        output.line("")?;
        output.heading("Problems")?;
        if self.problems.is_empty() {
            output.line("  none")?;
        }
        for problem in &self.problems {
            let mark = match problem.severity {
                Severity::Error => (style::ERROR, "error:"),
                Severity::Warning => (style::WARNING, "warning:"),
            };
            output.paragraph(2, mark, &problem.message)?;
            output.paragraph(4, (style::HINT, "hint:"), problem.hint)?;
        }
        match &self.trust {
            Some(trust) => trust.print(output),
            None => Ok(()),
        }
    }
}

/// Prints the members of an object, those of objects in it below their names.
fn print_object(
    output: &mut Output,
    indent: usize,
    object: &Map<String, Value>,
) -> Result<(), Failure> {
    for (name, value) in object {
        let mark = format!("{name}:");
        match value {
            // A document can be nested so deeply that the indent would fill the line.
            Value::Object(members) if !members.is_empty() && indent < 8 => {
                output.paragraph(indent, (style::PLAIN, ""), &mark)?;
                print_object(output, indent + 2, members)?;
            }
            _ => output.paragraph(indent, (style::PLAIN, &mark), &value.to_string())?,
        }
    }
    Ok(())
}

//! `rolecall sandbox`: a local AWS for programs and shells.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rolecall::sts::Region;
use rolecall_testkit::Call;
use serde::Serialize;

use crate::error::Failure;
use crate::input::Input;
use crate::output::{Output, printable};
use crate::sandbox::{Event, SAMPLE, Sandbox as Running, Settings};
use crate::shell::{self, Syntax};
use crate::stderr;
use crate::time::timestamp;

/// Size limit of a configuration in bytes.
const MAX_CONFIG: u64 = 4 * 1024 * 1024;

/// Run a local AWS: STS, S3, Secrets Manager and ECR
///
/// It verifies signatures, tokens and policies as AWS does, listens on 127.0.0.1, and keeps
/// everything in memory. It ends by Ctrl-C or SIGTERM, or when what reads its output has ended. The
/// command prints the environment to use, then each call as a comment of that environment: time,
/// operation, caller and outcome. The environment removes the variables of other identities, except
/// in the formats nushell and dotenv, which cannot. With --output json, both are JSON lines, and
/// remove nothing.
///
/// Without --config, there are two accounts: 111122223333 with an OIDC issuer, the user ann and the
/// roles checkout and deploy, and 444455556666 with the role orders (external id shop-4711), the
/// bucket shop-orders, the secret shop/db and the repository shop/api. The environment is that of a
/// pod whose service account can assume the role checkout.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rolecall sandbox > aws.env &
  . ./aws.env      # once the file is written; `eval` would wait for the end of the sandbox
  rolecall sandbox --port 4000
  rolecall sandbox --user ann --format fish
  rolecall sandbox --print-config > world.json
  rolecall sandbox --config world.json --output json")]
pub(crate) struct Sandbox {
    /// File with the accounts, as --print-config prints one; - reads standard input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the configuration of the sample accounts, and start nothing
    #[arg(long, conflicts_with_all = ["config", "port", "user", "format"])]
    print_config: bool,
    /// Port on 127.0.0.1; 0 is any free port
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Region of the environment, and of secrets and repositories that name none
    #[arg(long, value_name = "REGION", value_parser = Region::parse, default_value = "eu-west-1")]
    region: Region,
    /// Print the access keys of this user instead of the web identity
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Syntax of the environment; defaults to export
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Syntax>,
}

/// A line of JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Ready {
        endpoint: &'a str,
        environment: BTreeMap<&'a str, &'a str>,
    },
    Call {
        time: String,
        service: &'a str,
        operation: &'a str,
        caller: Option<&'a str>,
        error: Option<&'a str>,
        reason: Option<&'a str>,
    },
}

impl Sandbox {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        if self.print_config {
            output.line(SAMPLE.trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.format.is_some() && !output.is_table() {
            return Err(Failure::usage("--format and --output json exclude each other")
                .with_hint("remove one of them"));
        }
        stderr::detach()?;
        let (config, origin) = match &self.config {
            Some(path) => {
                let input = Input::from(path.as_path());
                (input.read(output, "the configuration", MAX_CONFIG)?, input.to_string())
            }
            None => (SAMPLE.to_owned(), "the sample".to_owned()),
        };
        let (port, region) = (self.port, self.region.to_string());
        let user = self.user.clone();
        let running = Running::start(Settings { config, origin, port, region, user })?;
        for event in &running.events {
            match event {
                Event::Ready { endpoint, variables } => {
                    self.ready(output, &endpoint, &variables)?
                }
                Event::Call { call, missed } => {
                    if missed > 0 {
                        output.note(&format!("{missed} calls are not shown"));
                    }
                    show(output, &call)?;
                }
                Event::Stopped => break,
                Event::Failed(failure) => return Err(failure),
            }
            // A program may wait for this line.
            output.finish()?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn ready(
        &self,
        output: &mut Output,
        endpoint: &str,
        variables: &[(&'static str, String)],
    ) -> Result<(), Failure> {
        if !output.is_table() {
            let pairs = variables.iter().map(|(name, value)| (*name, value.as_str()));
            return output.json_line(&Line::Ready { endpoint, environment: pairs.collect() });
        }
        shell::print(output, self.format.unwrap_or(Syntax::Posix), variables)?;
        output.note(&format!("the local AWS listens at {endpoint}; Ctrl-C stops it"));
        Ok(())
    }
}

fn show(output: &mut Output, call: &Call) -> Result<(), Failure> {
    let Call { service, operation, .. } = call;
    let (error, reason) = (call.error.as_deref(), call.reason.as_deref());
    let time = timestamp(call.at);
    if !output.is_table() {
        let caller = call.caller.as_deref();
        return output.json_line(&Line::Call { time, service, operation, caller, error, reason });
    }
    let caller = call.caller.as_deref().unwrap_or("unknown caller");
    let outcome = match (error, reason) {
        (None, _) => "ok".to_owned(),
        (Some(error), None) => error.to_owned(),
        (Some(error), Some(reason)) => format!("{error} ({reason})"),
    };
    // One line, which shells read as a comment whatever it contains.
    let line = format!("# {time} {service} {operation}, {caller}: {outcome}");
    output.line(&printable(&line.split_whitespace().collect::<Vec<_>>().join(" ")))
}

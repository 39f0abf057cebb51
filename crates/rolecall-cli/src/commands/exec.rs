//! `rolecall exec`: runs a program with a session.

mod child;
mod region;

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use clap::Args;

use crate::cli::OutputFormat;
use crate::endpoint::{DEFAULT_ADDRESS, Routes, ServedRole, Server};
use crate::error::Failure;
use crate::identity::RoleArgs;
use crate::output::{Output, progress};
use crate::store::{self, StoreArgs};
use crate::{identity_variables, runtime, shell, stderr};

/// Run a program with a session of a role in its environment
///
/// The variables of every other AWS identity are removed. The program replaces this command, and
/// its session is not refreshed.
///
/// A session in the store of `rolecall credential-process` is used while 15 minutes or more remain
/// of it, or a third of its lifetime if that is less, whatever --duration says; one with an MFA
/// code, while a minute remains. If STS does not replace it then, it is used until it expires.
/// --no-store obtains a new one, which has its whole duration.
///
/// With --refresh, the program gets the address of a container credentials endpoint instead, which
/// refreshes the session for as long as the program runs. Its configuration files are empty ones,
/// since SDKs would prefer a profile. This command stays, forwards signals and returns the exit
/// status of the program. A signal that the terminal's keys send reaches the program directly.
/// SIGKILL of this command alone ends the endpoint and not the program, which has no new session
/// from then on, and leaves the folder with the endpoint's files in TMPDIR, or else in /tmp. The
/// token in it is of no use without the endpoint.
///
/// Exit status: that of the program, 128 plus the signal that ended it, 127 if it was not found,
/// 126 if it cannot be run, and 1 or 2 if this command failed before it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rolecall exec arn:aws:iam::111122223333:role/deploy -- aws s3 ls
  rolecall exec --refresh arn:aws:iam::111122223333:role/deploy -- terraform apply")]
pub(crate) struct Exec {
    #[command(flatten)]
    roles: RoleArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Refresh the session for as long as the program runs
    // A refreshed session is in the memory of this command.
    #[arg(long, help_heading = "Program", conflicts_with = "no_store")]
    #[cfg_attr(feature = "keyring", arg(conflicts_with = "store_key"))]
    refresh: bool,
    /// Program to run, and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Exec {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        // Standard output is the program's.
        output.require(&[OutputFormat::Table])?;
        match self.refresh {
            true => runtime::block_on(self.run_with_endpoint(output)),
            false => self.run_with_session(output),
        }
    }

    fn command(&self) -> Result<Command, Failure> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::usage("no program is given"));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        for name in identity_variables::to_remove(&[]) {
            command.env_remove(name);
        }
        Ok(command)
    }

    fn run_with_session(self, output: &Output) -> Result<ExitCode, Failure> {
        let mut command = self.command()?;
        let session = store::session(&self.roles, &self.store, output)?;
        command.envs(shell::variables(&session));
        command.envs(region::missing_variables(&self.roles.chain()?));
        child::replace(command)
    }

    async fn run_with_endpoint(self, output: &Output) -> Result<ExitCode, Failure> {
        let mut command = self.command()?;
        stderr::detach()?;
        let role = ServedRole::of_arguments(&self.roles)?;
        progress::show(output, "assuming the role", role.prepare()).await?;
        // Before there are files and a program: a signal must not end this process alone.
        let signals = child::Signals::install()?;
        let server = Server::start(DEFAULT_ADDRESS, None, Routes::single(role)).await?;
        for role in server.routes().iter() {
            command.envs(server.variables(role));
        }
        let ended = child::run(command, signals).await;
        let stopped = server.stop().await;
        // The status of the program is worth more than a folder that was not removed.
        match ended {
            Ok(code) => {
                if let Err(failure) = stopped {
                    output.warning(failure.message());
                }
                Ok(code)
            }
            Err(failure) => Err(failure),
        }
    }
}

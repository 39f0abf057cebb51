//! `rolecall policy`: writes, checks and evaluates IAM policies.

mod account;
mod accounts;
mod check;
mod document;
mod permission;
mod rules;
mod simulate;
mod trust;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Failure;
use crate::output::Output;

/// Write, check and evaluate IAM policies
///
/// No subcommand calls AWS.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    Trust(trust::Trust),
    S3(permission::S3),
    Secrets(permission::Secrets),
    Ecr(permission::Ecr),
    Assume(permission::AssumeRoles),
    Revoke(permission::Revoke),
    Check(check::Check),
    Simulate(simulate::Simulate),
    WhoCan(account::WhoCan),
    Can(account::Can),
}

impl Policy {
    /// Returns `true` if the result is available as SARIF.
    pub(crate) fn has_sarif(&self) -> bool {
        matches!(self.command, PolicyCommand::Check(_))
    }

    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        match self.command {
            PolicyCommand::Trust(command) => command.run(output)?,
            PolicyCommand::S3(command) => command.run(output)?,
            PolicyCommand::Secrets(command) => command.run(output)?,
            PolicyCommand::Ecr(command) => command.run(output)?,
            PolicyCommand::Assume(command) => command.run(output)?,
            PolicyCommand::Revoke(command) => command.run(output)?,
            PolicyCommand::Check(command) => return command.run(output),
            PolicyCommand::Simulate(command) => return command.run(output),
            PolicyCommand::WhoCan(command) => command.run(output)?,
            PolicyCommand::Can(command) => return command.run(output),
        }
        Ok(ExitCode::SUCCESS)
    }
}

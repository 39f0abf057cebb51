//! `rolecall token`: web identity tokens.

mod inspect;
mod trust;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Failure;
use crate::output::Output;

/// Read web identity tokens
#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    Inspect(inspect::Inspect),
}

impl Token {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        match self.command {
            TokenCommand::Inspect(command) => command.run(output),
        }
    }
}

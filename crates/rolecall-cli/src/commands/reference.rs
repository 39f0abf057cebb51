//! `rolecall __reference`: the reference of all commands, for the documentation of this program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};

use crate::cli::{Cli, OutputFormat};
use crate::error::Failure;
use crate::output::Output;
use crate::reference;

/// Print the reference of all commands
#[derive(Debug, Args)]
pub(crate) struct Reference {
    /// Format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "markdown")]
    format: Format,
    /// Existing folder of the man pages
    #[arg(long, value_name = "DIR", required_if_eq("format", "man"))]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Markdown,
    /// A man page for each command, in --out
    Man,
}

impl Reference {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        output.require(&[OutputFormat::Table])?;
        match (self.format, self.out) {
            (Format::Man, Some(folder)) => {
                clap_mangen::generate_to(Cli::command(), &folder).map_err(|error| {
                    Failure::operation(format!("cannot write to {}: {error}", folder.display()))
                })?;
            }
            _ => output.line(reference::markdown(Cli::command()).trim_end())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

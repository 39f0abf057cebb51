//! `rolecall completions`: the completion of command lines, for a shell.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::cli::OutputFormat;
use crate::completion;
use crate::error::Failure;
use crate::files::path_text;
use crate::output::Output;

/// Print a script that completes command lines in a shell
///
/// The shell completes commands, options and files, and from the shared configuration files the
/// names of profiles and the ARNs of their roles. The script calls rolecall for each completion:
/// load it when the shell starts, so that it fits the installed version.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  source <(rolecall completions bash)              # in ~/.bashrc
  source <(rolecall completions zsh)               # in ~/.zshrc, after compinit
  rolecall completions fish | source               # in ~/.config/fish/config.fish
  rolecall completions powershell | Out-String | Invoke-Expression
  eval (rolecall completions elvish | slurp)       # in ~/.config/elvish/rc.elv")]
pub(crate) struct Completions {
    /// Shell that runs the script
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

impl Completions {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        output.require(&[OutputFormat::Table])?;
        let shell = match self.shell {
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
            Shell::Powershell => "powershell",
            Shell::Elvish => "elvish",
        };
        output.line(&completion::script(shell, path_text(&program())?)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns how the shell calls this program: by its name if PATH has found it, else by its path.
fn program() -> PathBuf {
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    match called.components().count() {
        0 | 1 => PathBuf::from("rolecall"),
        // The shell changes its folder later.
        _ => std::path::absolute(&called).unwrap_or(called),
    }
}

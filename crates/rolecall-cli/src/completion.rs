//! The completion of command lines, which a script in the shell requests from this program.
//!
//! The script calls the program with [`VARIABLE`] and the words of the command line. The program
//! answers with candidates and ends. It reads the shared configuration files and calls no server.

mod bash;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use rolecall::Environment;

use crate::cli::Cli;
use crate::config_files::profiles_and_roles;
use crate::error::Failure;

/// The variable that requests candidates. It has a name of its own: `COMPLETE`, the default, could
/// be set for another program, and every command would end with an error.
const VARIABLE: &str = "ROLECALL_COMPLETE";
const NAME: &str = "rolecall";

const SHELLS: Shells<'static> =
    Shells(&[&bash::Bash as &dyn EnvCompleter, &Elvish, &Fish, &Powershell, &Zsh]);

/// Answers a request for candidates, and returns the exit code. Returns `None` if there is none.
pub(crate) fn answer() -> Option<ExitCode> {
    // The engine requires the name of the program.
    if std::env::args_os().len() == 0 {
        return None;
    }
    let engine = CompleteEnv::with_factory(Cli::command).var(VARIABLE).shells(SHELLS);
    let folder = std::env::current_dir().ok();
    match engine.try_complete(std::env::args_os(), folder.as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        // A message would stand in the middle of the line that a person types.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// Returns the script that makes a shell request candidates from `program`.
pub(crate) fn script(shell: &str, program: &str) -> Result<String, Failure> {
    let unknown = || Failure::usage(format!("there are no completions for {shell:?}"));
    let shell = SHELLS.completer(shell).ok_or_else(unknown)?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, NAME, NAME, program, &mut script)?;
    Ok(String::from_utf8_lossy(&script).trim().to_owned())
}

/// Returns the values of `--base` that begin like this one.
pub(crate) fn bases(current: &OsStr) -> Vec<CompletionCandidate> {
    let named = known().0.into_iter().map(|name| format!("profile:{name}"));
    let kinds = ["auto", "env", "web-identity"].map(str::to_owned);
    candidates(kinds.into_iter().chain(named), current)
}

/// Returns the roles of profiles whose ARNs begin like this one.
pub(crate) fn roles(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(known().1, current)
}

fn known() -> (BTreeSet<String>, BTreeSet<String>) {
    profiles_and_roles(&Environment::process())
}

fn candidates(
    values: impl IntoIterator<Item = String>,
    current: &OsStr,
) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let matches = values.into_iter().filter(|value| value.starts_with(current));
    matches.map(CompletionCandidate::new).collect()
}

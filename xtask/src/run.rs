//! Starting other programs, and saying what is wrong when they fail.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Why a chore failed: what, why, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// A command that runs the cargo that runs this program, in the workspace's root.
pub(crate) fn cargo() -> Outcome<Command> {
    let mut command = Command::new(cargo_path());
    command.current_dir(workspace_root()?);
    Ok(command)
}

/// Where the workspace is, seen from the directory that the chore was started in.
pub(crate) fn workspace_root() -> Outcome<PathBuf> {
    let mut command = Command::new(cargo_path());
    command.args(["locate-project", "--workspace", "--message-format", "plain"]);
    let manifest = PathBuf::from(read(&mut command)?.trim());
    manifest.parent().map(PathBuf::from).ok_or_else(|| {
        Failure::new("cargo names no workspace: run `cargo xtask` inside a checkout of rolecall")
    })
}

fn cargo_path() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Runs a command whose output the person at the terminal sees.
pub(crate) fn stream(command: &mut Command) -> Outcome {
    println!("$ {}", shown(command));
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` failed ({status}); its output is above", shown(command))))
}

/// Runs a command whose output the person at the terminal sees, and nothing but it.
pub(crate) fn pass(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("`{}` failed ({status})", shown(command)))),
    }
}

/// Runs a command for what it prints; its messages go to the terminal.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{}` failed ({})", shown(command), output.status)));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("`{}` printed something not UTF-8", shown(command))))
}

/// Runs a command that may fail, and returns all it said.
pub(crate) fn attempt(command: &mut Command) -> Outcome<Output> {
    command.output().map_err(|error| not_started(command, &error))
}

fn not_started(command: &Command, error: &io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    Failure::new(format!(
        "`{program}` cannot be started: {error}; install it, or put it on PATH, and try again"
    ))
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy();
    let args = command.get_args().map(|arg| quoted(&arg.to_string_lossy()));
    std::iter::once(name.into_owned()).chain(args).collect::<Vec<_>>().join(" ")
}

fn quoted(arg: &str) -> String {
    if arg.is_empty() || arg.contains(char::is_whitespace) {
        format!("'{arg}'")
    } else {
        arg.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_types_it() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.args(["test", "--", "a name", ""]);
        assert_eq!(shown(&command), "cargo test -- 'a name' ''");
    }

    #[test]
    fn a_missing_program_is_named_with_the_remedy() {
        let failure = stream(&mut Command::new("no-such-program-here")).unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("`no-such-program-here` cannot be started"), "{text}");
        assert!(text.contains("install it"), "{text}");
    }
}

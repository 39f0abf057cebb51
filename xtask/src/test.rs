//! `cargo xtask test`: sets up what the tests need and runs all of them.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;
use xshell::{Cmd, cmd};

use crate::watchdog;
use crate::workspace::{Outcome, Workspace, add_hint};

/// Time limit for one `cargo test` whose unit and integration tests have been built.
const LIMIT: Duration = Duration::from_secs(30 * 60);

const REQUIREMENTS: &str = "tests/python/requirements.txt";
/// Fails on a Python that is older than the pinned packages support.
const CHECK: &str = "import sys; print(sys.version); sys.exit(sys.version_info < (3, 10))";

/// Software that some tests need and that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// Tests against ministack, boto3 and the AWS CLI
    Python,
}

/// Runs all tests but those that need a tool of `without`. `args` are passed to `cargo test`.
pub(crate) fn run(workspace: &Workspace, without: &[Tool], args: &[String]) -> Outcome {
    let shell = &workspace.shell;
    let is_left_out = without.contains(&Tool::Python);
    let python = if is_left_out { PathBuf::new() } else { prepare_python(workspace)? };
    // A build is not subject to the limit: its duration depends on the machine.
    cmd!(shell, "cargo test --workspace --locked --no-run {args...}").run()?;
    let tests = cmd!(shell, "cargo test --workspace --locked {args...}");
    let left_out = run_watched(match is_left_out {
        true => tests.env("ROLECALL_WITHOUT", "python"),
        false => tests.env_remove("ROLECALL_WITHOUT").env("ROLECALL_PYTHON", python),
    })?;

    // The model checker replaces the cache's locks, so this is another build of the same code.
    let model = cmd!(shell, "cargo test --package rolecall-cache --lib --locked {args...}");
    let target = workspace.target().join("shuttle");
    run_watched(model.env("RUSTFLAGS", "--cfg shuttle").env("CARGO_TARGET_DIR", target))?;
    if is_left_out {
        println!("--without python left out {left_out} tests with ministack, boto3 or the AWS CLI");
    }
    Ok(())
}

/// Tests the facade with its default features only: in the workspace, other members add features.
pub(crate) fn run_facade(workspace: &Workspace) -> Outcome {
    run_watched(cmd!(workspace.shell, "cargo test --package rolecall --locked")).map(|_| ())
}

fn run_watched(command: Cmd<'_>) -> Outcome<usize> {
    eprintln!("$ {command}");
    watchdog::run(&mut Command::from(command), LIMIT)
}

/// Returns the Python of the environment `target/python`, creating or updating it if necessary.
///
/// # Errors
///
/// Returns an error if Python is missing or too old, or if a package cannot be installed.
pub(crate) fn prepare_python(workspace: &Workspace) -> Outcome<PathBuf> {
    let shell = &workspace.shell;
    let base = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let version = cmd!(shell, "{base} -c {CHECK}").quiet().read().map_err(add_hint(
        "install Python 3.10 or newer (Debian, Ubuntu: apt-get install python3 python3-venv; \
         Fedora: dnf install python3; macOS: xcode-select --install), set PYTHON to its path, or \
         leave out the tests that need it: cargo xtask test --without python",
    ))?;

    // The stamp is written last, so an installation that was interrupted is repeated.
    let folder = workspace.target().join("python");
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    let wanted = format!("{version}\n{}", shell.read_file(REQUIREMENTS)?);
    if python.is_file() && shell.read_file(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    let venv = cmd!(shell, "{base} -m venv --clear {folder}").run();
    venv.map_err(add_hint(
        "install its module venv (Debian, Ubuntu: apt-get install python3-venv)",
    ))?;
    // The list pins the whole tree: `--no-deps` keeps other packages out.
    let options = ["--disable-pip-version-check", "--no-input", "--quiet", "--no-deps"];
    let pip = cmd!(shell, "{python} -m pip install {options...} -r {REQUIREMENTS}").run();
    pip.map_err(add_hint(
        "check that PyPI, or the index that pip is configured with, is reachable",
    ))?;
    shell.write_file(stamp, wanted)?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_requirement_is_pinned() {
        let list = include_str!("../../tests/python/requirements.txt");
        let lines: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
        for name in ["ministack", "boto3", "awscli"] {
            assert!(lines.iter().any(|line| line.starts_with(&format!("{name}=="))), "{name}");
        }
        assert!(lines.iter().all(|line| line.contains("==")), "{list}");
    }
}

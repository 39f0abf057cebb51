//! rolecall's chores: `cargo xtask` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its terminal")]

mod bench;
mod ci;
mod deny;
mod fences;
mod metadata;
mod mutants;
mod package;
mod python;
mod run;
mod simulate;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::run::{Failure, Outcome};

/// rolecall's chores.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    chore: Option<Chore>,
}

/// One line each: it is what `cargo xtask` lists.
#[derive(Debug, Subcommand)]
enum Chore {
    /// Run every test: unit, integration and documentation
    Test {
        /// Arguments for `cargo test`
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Run every check, as CI does: stops at the first that fails
    Ci,
    /// Measure what docs/benchmarks.md says, and write it anew
    Bench {
        /// Print the figures as JSON, and write nothing
        #[arg(long)]
        json: bool,
    },
    /// Check licences, banned crates, fences and sources with cargo-deny
    Deny,
    /// Prove that the fences between crates hold: break each in a copy
    Fences,
    /// Break one rule after the other in a copy: a named test must fail for each
    Mutants {
        /// Only rules whose text contains this
        #[arg(value_name = "TEXT")]
        only: Option<String>,
    },
    /// Package and build each published crate as crates.io would see it
    Package,
    /// Simulate a day of 10,000 roles with an outage in it: exit status 1 when a goal is missed
    Simulate {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
        /// The same seed, the same day
        #[arg(long)]
        seed: Option<u64>,
        /// In the outage, STS does not answer, instead of saying that it is unavailable
        #[arg(long)]
        hangs: bool,
    },
    /// Call a pool on the local AWS with random faults: exit status 1 on anything that must never be
    Soak {
        /// How long
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Repeat the faults of an earlier run, and what its callers did
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Check what people forget: docs, READMEs, leftovers, sizes, troubleshooting entries
    Tidy,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(chore: Option<Chore>) -> Outcome {
    match chore {
        None => Cli::command()
            .print_help()
            .map_err(|error| Failure::new(format!("the list cannot be printed: {error}"))),
        Some(Chore::Test { args }) => test::run(&args),
        Some(Chore::Ci) => ci::run(),
        Some(Chore::Bench { json }) => bench::run(json),
        Some(Chore::Deny) => deny::run(),
        Some(Chore::Fences) => fences::run(),
        Some(Chore::Mutants { only }) => mutants::run(only.as_deref()),
        Some(Chore::Package) => package::run(),
        Some(Chore::Simulate { json, seed, hangs }) => {
            let seed = seed.map(|seed| format!("--seed={seed}"));
            let json = json.then(|| "--json".to_owned());
            let hangs = hangs.then(|| "--hangs".to_owned());
            let args: Vec<_> = [json, seed, hangs].into_iter().flatten().collect();
            simulate::simulate(&args)
        }
        Some(Chore::Soak { minutes, seed }) => simulate::soak(minutes, seed),
        Some(Chore::Tidy) => tidy::run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_chore_is_listed_with_a_line() {
        for chore in Cli::command().get_subcommands() {
            assert!(chore.get_about().is_some(), "{} says nothing", chore.get_name());
        }
    }

    #[test]
    fn what_follows_the_dashes_goes_to_cargo_test() {
        let cli = Cli::parse_from(["xtask", "test", "--", "a_name", "--", "--nocapture"]);
        let Some(Chore::Test { args }) = cli.chore else { panic!("not test: {cli:?}") };
        assert_eq!(args, ["a_name", "--", "--nocapture"]);
    }
}

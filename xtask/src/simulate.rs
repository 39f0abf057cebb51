//! `cargo xtask simulate` and `cargo xtask soak`: programs of the package rolecall-tests.

use std::process::{Command, Stdio};

use crate::metadata::Workspace;
use crate::run::{Failure, Outcome, cargo, pass};

/// The simulated day of 10,000 roles, in release: 86 million calls.
pub(crate) fn simulate(args: &[String]) -> Outcome {
    run("simulate", "release", args).map_err(|failure| {
        Failure::new(format!("{failure}: a goal is missed, as the figures above say"))
    })
}

/// The soak, as tests are built: with their assertions.
pub(crate) fn soak(minutes: f64, seed: Option<u64>) -> Outcome {
    let mut args = vec!["--minutes".to_owned(), minutes.to_string()];
    if let Some(seed) = seed {
        args.extend(["--seed".to_owned(), seed.to_string()]);
    }
    run("soak", "dev", &args).map_err(|failure| {
        Failure::new(format!("{failure}: something that must never be, as is said above"))
    })
}

/// Builds the program and runs it. What is printed on the standard output is the program's alone: it may be for another.
fn run(program: &str, profile: &str, args: &[String]) -> Outcome {
    let mut build = cargo()?;
    build.args(["build", "--quiet", "--locked", "--package", "rolecall-tests", "--bin", program]);
    pass(build.args(["--profile", profile]).stdout(Stdio::null()))?;
    let folder = if profile == "dev" { "debug" } else { profile };
    let built = Workspace::load()?.target.join(folder).join(program);
    pass(Command::new(built).args(args))
}

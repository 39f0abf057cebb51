//! `cargo xtask bench`: what the documentation says of speed, measured anew: ratios of two things in one run.

mod page;

use std::fs;
use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::metadata::Workspace;
use crate::run::{Failure, Outcome, cargo, read};

/// The package of the peers: a workspace of its own.
pub(crate) const PEERS: &str = "tests/bench/Cargo.toml";

/// Builds the programs of the measurement, runs them, and writes docs/benchmarks.md; or prints their lines of JSON alone.
pub(crate) fn run(json: bool) -> Outcome {
    let workspace = Workspace::load()?;
    let lines = measured(&workspace)?;
    if json {
        for line in lines.lines().filter(|line| !page::is_row(line)) {
            println!("{line}");
        }
        return Ok(());
    }
    let mut rustc = Command::new("rustc");
    let rustc = read(rustc.arg("--version"))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let from = page::From {
        day: page::day(seconds / 86_400),
        rustc: rustc.trim().to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        lock: text(&workspace.root.join("Cargo.lock"))?,
        peers_lock: text(&workspace.root.join(PEERS).with_extension("lock"))?,
    };
    let page = page::of(&lines, &from)?;
    let path = workspace.root.join("docs/benchmarks.md");
    fs::write(&path, &page)
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))?;
    print!("{page}");
    Ok(())
}

/// The lines of all programs. Cargo's own messages, and who watches the programs, are on standard error.
fn measured(workspace: &Workspace) -> Outcome<String> {
    let mut build = cargo()?;
    build.args(["build", "--release", "--locked", "--manifest-path", PEERS, "--target-dir"]);
    read(build.arg(&workspace.target))?;
    let mut build = cargo()?;
    build.args(["build", "--release", "--locked", "--package", "rolecall-tests", "--bins"]);
    read(&mut build)?;
    let mut lines = String::new();
    for (program, what) in [
        ("rolecall-bench", "the cache, beside its peers: about two minutes"),
        ("cold_start", "the cold start: about half a minute"),
    ] {
        if stderr().is_terminal() {
            eprintln!("{what}");
        }
        lines += &read(&mut Command::new(workspace.target.join("release").join(program)))?;
    }
    Ok(lines)
}

fn text(path: &Path) -> Outcome<String> {
    fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", path.display())))
}

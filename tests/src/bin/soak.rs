//! Runs the soak: 64 tasks on the local AWS with random faults, for some minutes.
//!
//! The exit status is 1 if an invariant was violated.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

use std::alloc::System;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use cap::Cap;
use clap::Parser;
use rolecall_tests::figures::{Figure, table};
use rolecall_tests::soak::{Progress, Soak};

/// Counts the allocated bytes. Its limit is never reached.
#[global_allocator]
static ALLOCATED: Cap<System> = Cap::new(System, usize::MAX);

/// Calls a session pool from 64 tasks, with random faults of STS, and checks its invariants.
#[derive(Debug, Parser)]
struct Arguments {
    /// Minutes to run; more if the long outage or the memory comparison needs them
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Seed of the faults and of the callers' actions; random if not given
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Arguments { minutes, seed } = Arguments::parse();
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let length = Duration::try_from_secs_f64(minutes * 60.0)?;
    let terminal = std::io::stderr().is_terminal();
    println!("{minutes} minutes, seed {seed}");
    let soak = Soak { length, tasks: 64, seed, live_bytes: || ALLOCATED.allocated() };
    let report = soak.run(|progress| {
        if terminal {
            eprint!("\r{}", format_progress(progress, length));
        }
    })?;
    if terminal {
        eprintln!();
    }
    print!("{}", table(&report.figures));
    if report.figures.iter().all(Figure::is_ok) {
        return Ok(ExitCode::SUCCESS);
    }
    for violation in report.violations {
        eprintln!("error: {violation}");
    }
    eprintln!("error: invariants marked MISSED were violated; hint: repeat with --seed {seed}");
    Ok(ExitCode::FAILURE)
}

fn format_progress(progress: &Progress, length: Duration) -> String {
    let Progress { elapsed, counts, sts_calls, faults, live_bytes } = progress;
    format!(
        "{} s of {}: {} calls, {} failed, {sts_calls} STS calls, {faults} faults, {} kB ",
        elapsed.as_secs(),
        length.as_secs(),
        counts.calls,
        counts.failed,
        live_bytes / 1024
    )
}

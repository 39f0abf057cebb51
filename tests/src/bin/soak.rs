//! Runs the soak: 64 tasks on the local AWS with random faults, for some minutes.
//!
//! The exit status is 1 if an invariant was violated.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

use std::alloc::System;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cap::Cap;
use clap::Parser;
use rolecall_tests::figures::{Figure, table};
use rolecall_tests::soak::{Progress, Soak, StoppedClient};

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
    /// Run only the client of a soak at this endpoint that is stopped; used by the soak itself
    #[arg(long, hide = true, requires_all = ["directory", "wall", "seed"])]
    stopped_client: Option<String>,
    #[arg(long, hide = true)]
    directory: Option<PathBuf>,
    #[arg(long, hide = true)]
    wall: Option<u64>,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error + Send + Sync>> {
    let Arguments { minutes, seed, stopped_client, directory, wall } = Arguments::parse();
    if let (Some(endpoint_url), Some(directory), Some(wall), Some(seed)) =
        (&stopped_client, &directory, wall, seed)
    {
        return run_stopped_client(StoppedClient { endpoint_url, directory, wall, seed });
    }
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

/// Runs the client that a soak stops, which prints its figures for the soak.
fn run_stopped_client(
    client: StoppedClient<'_>,
) -> Result<ExitCode, Box<dyn std::error::Error + Send + Sync>> {
    let (figures, violations) = client.run()?;
    print!("{figures}");
    for violation in violations {
        eprintln!("error: in the stopped process: {violation}");
    }
    Ok(ExitCode::SUCCESS)
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

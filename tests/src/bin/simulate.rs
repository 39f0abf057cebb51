//! Simulates a day of a session pool with 10,000 roles, at the default rate limit and at 50 calls
//! per second, and prints the figures.
//!
//! With `--json`, each figure is a line of JSON. For each of the two days, one more line has the
//! number of calls to STS per minute, from which the simulated day can be drawn. The exit status is
//! 1 if a goal is missed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use rolecall_tests::figures::{Figure, json_lines, table};
use rolecall_tests::simulation::{self, Day, Outage, Tally};
use serde_json::json;

/// Simulates a day of 10,000 roles with an outage of one hour, on a manual clock.
#[derive(Debug, Parser)]
struct Arguments {
    /// Print lines of JSON
    #[arg(long)]
    json: bool,
    /// Seed of all randomness; the same seed repeats the same day
    #[arg(long, default_value_t = 4711)]
    seed: u64,
    /// Let STS not answer at all during the outage, instead of answering that it is unavailable
    #[arg(long)]
    hangs: bool,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Arguments { json, seed, hangs } = Arguments::parse();
    let mut all_met = true;
    for calls_per_second in [200, 50] {
        let mut day = Day::of_10_000_roles(calls_per_second);
        day.seed = seed;
        day.outage_mode = if hangs { Outage::Hangs } else { Outage::Unavailable };
        let began = Instant::now();
        let hours = day.length.as_secs() / 3600;
        let tally = simulation::run(&day, |hour| {
            if std::io::stderr().is_terminal() {
                eprint!("\r{calls_per_second} calls per second: hour {hour} of {hours} ");
            }
        })?;
        if std::io::stderr().is_terminal() {
            eprint!("\r{:<50}\r", "");
        }
        let suffix = format!("_at_{calls_per_second}");
        let mut figures = simulation::figures(&day, &tally, &suffix);
        let elapsed = began.elapsed().as_secs_f64();
        figures.push(Figure::informational(format!("real_seconds{suffix}"), elapsed));
        all_met &= figures.iter().all(Figure::is_ok);
        if json {
            print!("{}", json_lines(&figures));
            println!("{}", series(&day, &tally, &suffix));
        } else {
            println!("a day of {} roles, at most {calls_per_second} calls per second", day.roles);
            println!("{}", table(&figures));
        }
    }
    Ok(match all_met {
        true => ExitCode::SUCCESS,
        false => {
            eprintln!("error: a goal was missed (seed {seed})");
            ExitCode::FAILURE
        }
    })
}

/// Returns a line of JSON with the calls to STS in each minute, and what a chart of them needs.
fn series(day: &Day, tally: &Tally, suffix: &str) -> serde_json::Value {
    json!({
        "name": format!("fetches_per_minute{suffix}"),
        "roles": day.roles,
        "calls_per_second": day.rate_limit.calls_per_second,
        "outage_minutes": [day.outage.start.as_secs() / 60, day.outage.end.as_secs() / 60],
        "fetches_per_minute": simulation::fetches_per_minute(day, tally),
    })
}

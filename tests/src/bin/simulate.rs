//! The day of 10,000 roles, at the budget that is the default, and at one of 50 calls a second: a table, or lines of
//! JSON. Exit status 1 when a goal is missed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use rolecall_tests::figures::{Figure, json_lines, table};
use rolecall_tests::simulation::{self, Day, Outage};

/// A day of 10,000 roles with an hour of outage in it, on a hand-turned clock.
#[derive(Debug, Parser)]
struct Arguments {
    /// Lines of JSON
    #[arg(long)]
    json: bool,
    /// The same seed, the same day
    #[arg(long, default_value_t = 4711)]
    seed: u64,
    /// In the outage, STS does not answer, instead of saying that it is unavailable
    #[arg(long)]
    hangs: bool,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Arguments { json, seed, hangs } = Arguments::parse();
    let mut met = true;
    for calls_per_second in [200, 50] {
        let mut day = Day::of_10_000_roles(calls_per_second);
        day.seed = seed;
        day.answers = if hangs { Outage::Hangs } else { Outage::Refuses };
        let begun = Instant::now();
        let hours = day.length.as_secs() / 3600;
        let tally = simulation::run(&day, |hour| {
            if std::io::stderr().is_terminal() {
                eprint!("\r{calls_per_second} calls a second: hour {hour} of {hours} ");
            }
        })?;
        if std::io::stderr().is_terminal() {
            eprint!("\r{:<50}\r", "");
        }
        let at = format!("_at_{calls_per_second}");
        let mut figures = simulation::figures(&day, &tally, &at);
        figures.push(Figure::of(format!("real_seconds{at}"), begun.elapsed().as_secs_f64()));
        met &= figures.iter().all(Figure::is_ok);
        if json {
            print!("{}", json_lines(&figures));
        } else {
            println!("a day of {} roles, {calls_per_second} calls a second at most", day.roles);
            println!("{}", table(&figures));
        }
    }
    Ok(match met {
        true => ExitCode::SUCCESS,
        false => {
            eprintln!("error: a goal is missed (seed {seed})");
            ExitCode::FAILURE
        }
    })
}

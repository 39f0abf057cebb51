//! Simulates days and scenarios on a manual clock, and prints their figures.
//!
//! - A day of a session pool with 10,000 roles and an outage, at the default rate limit and at 50
//!   calls per second.
//! - A day of a fleet of 20 processes with 500 roles each: a cold start, a freeze of a third of the
//!   fleet, an STS that throttles every second call, an outage, and a service that rejects
//!   sessions.
//! - Services that reject sessions for a while, for ever, or after a revocation.
//! - 10,000 histories of an entry around an outage of a minute to a day.
//!
//! With `--json`, each figure is a line of JSON. For each day, one more line has the number of
//! calls to STS per minute, from which the day can be drawn. The exit status is 1 if a goal is
//! missed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use rolecall_tests::figures::{Figure, json_lines, table};
use rolecall_tests::simulation::{
    self, Day, FleetDay, FleetTally, Histories, Outage, Tally, rejection_figures,
};
use serde_json::{Value, json};

/// Simulates days of 10,000 roles, rejecting services, and 10,000 outages, on a manual clock.
#[derive(Debug, Parser)]
struct Arguments {
    /// Print lines of JSON
    #[arg(long)]
    json: bool,
    /// Seed of all randomness; the same seed repeats the same simulations
    #[arg(long, default_value_t = 4711)]
    seed: u64,
    /// Let STS not answer at all during the day's outage, instead of answering that it is
    /// unavailable
    #[arg(long)]
    hangs: bool,
    /// Number of histories of an entry around an outage
    #[arg(long, default_value_t = 10_000)]
    histories: usize,
    /// Run only these simulations
    #[arg(long, value_enum)]
    only: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Day,
    Fleet,
    Rejections,
    Histories,
}

/// The result of one simulation.
struct Report {
    title: String,
    figures: Vec<Figure>,
    /// A line of JSON from which it can be drawn.
    series: Option<Value>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<ExitCode> {
    let arguments = Arguments::parse();
    let mut missed = 0;
    for part in [Part::Day, Part::Fleet, Part::Rejections, Part::Histories] {
        if !arguments.only.is_empty() && !arguments.only.contains(&part) {
            continue;
        }
        for report in run_part(part, &arguments)? {
            missed += report.figures.iter().filter(|figure| !figure.is_ok()).count();
            if arguments.json {
                print!("{}", json_lines(&report.figures));
                report.series.iter().for_each(|series| println!("{series}"));
            } else {
                println!("{}\n{}", report.title, table(&report.figures));
            }
        }
    }
    Ok(match missed {
        0 => ExitCode::SUCCESS,
        missed => {
            eprintln!("error: {missed} goals were missed (seed {})", arguments.seed);
            ExitCode::FAILURE
        }
    })
}

fn run_part(part: Part, arguments: &Arguments) -> Outcome<Vec<Report>> {
    let began = Instant::now();
    let with_time = |mut report: Report, name: &str| {
        let elapsed = began.elapsed().as_secs_f64();
        report.figures.push(Figure::informational(format!("real_seconds{name}"), elapsed));
        report
    };
    Ok(match part {
        Part::Day => [200, 50]
            .into_iter()
            .map(|calls_per_second| run_day(arguments, calls_per_second))
            .collect::<Outcome<_>>()?,
        Part::Fleet => vec![with_time(run_fleet(arguments)?, "_fleet")],
        Part::Rejections => {
            let title = "services that reject sessions".to_owned();
            let figures = rejection_figures(arguments.seed)?;
            vec![with_time(Report { title, figures, series: None }, "_rejections")]
        }
        Part::Histories => {
            let (count, day) = (arguments.histories, Duration::from_secs(24 * 3600));
            let histories = Histories { count, longest_outage: day, seed: arguments.seed };
            let title = format!("{count} histories around an outage of a minute to a day");
            let report = Report { title, figures: histories.run()?.figures(), series: None };
            vec![with_time(report, "_histories")]
        }
    })
}

fn run_day(arguments: &Arguments, calls_per_second: u32) -> Outcome<Report> {
    let mut day = Day::of_10_000_roles(calls_per_second);
    day.seed = arguments.seed;
    day.outage_mode = if arguments.hangs { Outage::Hangs } else { Outage::Unavailable };
    let began = Instant::now();
    let name = format!("{calls_per_second} calls per second");
    let tally = with_progress(&name, day.length, |on_hour| simulation::run(&day, on_hour))?;
    let suffix = format!("_at_{calls_per_second}");
    let mut figures = simulation::figures(&day, &tally, &suffix);
    let elapsed = began.elapsed().as_secs_f64();
    figures.push(Figure::informational(format!("real_seconds{suffix}"), elapsed));
    let title = format!("a day of {} roles, at most {name}", day.roles);
    Ok(Report { title, figures, series: Some(day_series(&day, &tally, &suffix)) })
}

fn run_fleet(arguments: &Arguments) -> Outcome<Report> {
    let mut day = FleetDay::of_20_processes();
    day.seed = arguments.seed;
    let tally = with_progress("fleet", day.length, |on_hour| day.run(on_hour))?;
    let title = format!("a day of {} processes with {} roles each", day.processes, day.roles);
    let (figures, series) = (day.figures(&tally), fleet_series(&day, &tally));
    Ok(Report { title, figures, series: Some(series) })
}

/// Runs a simulated day and shows its hours on a terminal.
fn with_progress<T>(
    name: &str,
    length: Duration,
    run: impl FnOnce(&mut dyn FnMut(u64)) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let (hours, terminal) = (length.as_secs() / 3600, std::io::stderr().is_terminal());
    let tally = run(&mut |hour| {
        if terminal {
            eprint!("\r{name}: hour {hour} of {hours} ");
        }
    });
    if terminal {
        eprint!("\r{:<50}\r", "");
    }
    tally
}

/// Returns a line of JSON with the calls to STS in each minute, and what a chart of them needs.
fn day_series(day: &Day, tally: &Tally, suffix: &str) -> Value {
    json!({
        "name": format!("fetches_per_minute{suffix}"),
        "roles": day.roles,
        "calls_per_second": day.rate_limit.calls_per_second,
        "outage_minutes": [day.outage.start.as_secs() / 60, day.outage.end.as_secs() / 60],
        "fetches_per_minute": simulation::fetches_per_minute(day, tally),
    })
}

/// Returns a line of JSON with the calls to STS and the sessions in each minute, and the phases.
fn fleet_series(day: &FleetDay, tally: &FleetTally) -> Value {
    let (calls, sessions) = day.calls_and_sessions_per_minute(tally);
    let minutes = |time: Duration| time.as_secs_f64() / 60.0;
    let phases = day.phases().map(|(name, range)| {
        json!({ "name": name, "minutes": [minutes(range.start), minutes(range.end)] })
    });
    json!({
        "name": "fleet_calls_per_minute",
        "processes": day.processes,
        "roles": day.processes * day.roles,
        "phases": phases,
        "calls_per_minute": calls,
        "sessions_per_minute": sessions,
    })
}

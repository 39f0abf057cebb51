//! `cargo xtask bench`: measures the figures of docs/benchmarks.md.

mod build;
mod first_byte;
mod page;
mod policy;
mod store;

use std::thread::available_parallelism;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use xshell::cmd;

use crate::chart;
use crate::workspace::{Outcome, Workspace};

/// The manifest of the benchmark, which is a workspace of its own.
pub(crate) const MANIFEST: &str = "tests/bench/Cargo.toml";
const PAGE: &str = "docs/benchmarks.md";
const CHART: &str = "docs/benchmarks.svg";

/// Options of the benchmark.
#[derive(Clone, Debug, Args)]
pub(crate) struct Arguments {
    /// Print the figures as JSON lines and write no file
    #[arg(long)]
    json: bool,
    /// Measure the CPU time of a build as well, which takes about twelve minutes
    #[arg(long)]
    build: bool,
    /// Measure only the command: the time of `rolecall whoami` to its first byte, and that of
    /// `rolecall credential-process` with its store. Prints the lines
    #[arg(long, conflicts_with_all = ["json", "build"])]
    first_byte: bool,
}

/// Runs the benchmark programs, and prints their figures as JSON or writes the page and its chart.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Outcome {
    let shell = &workspace.shell;
    if arguments.first_byte {
        println!("{}", measure_command(workspace)?);
        return Ok(());
    }
    let mut lines = run_programs(workspace)?;
    lines = [lines, policy::measure(workspace)?].join("\n");
    lines = [lines, measure_command(workspace)?].join("\n");
    lines = [lines, build::count_crates(workspace)?].join("\n");
    if arguments.build {
        lines = [lines, build::compare_builds(workspace)?].join("\n");
    }
    if arguments.json {
        let figures = lines.lines().filter(|line| !line.contains("\"table\":"));
        figures.for_each(|line| println!("{line}"));
        return Ok(());
    }
    let lines = page::parse_lines(&lines)?;
    let date = cmd!(shell, "date -u +%F").read()?;
    let (rustc, cores) = (cmd!(shell, "rustc --version").read()?, available_parallelism()?);
    let environment = page::Environment {
        description: format!("{date}: {rustc}, {cores} cores"),
        lock: shell.read_file("Cargo.lock")?,
        benchmark_lock: shell.read_file("tests/bench/Cargo.lock")?,
    };
    shell.write_file(PAGE, page::write_page(&lines, &environment)?)?;
    shell.write_file(CHART, chart::draw_delays(&page::read_delays(&lines)?)?)?;
    println!("{PAGE} and {CHART} were written");
    Ok(())
}

/// Returns the JSON lines of all programs. Cargo and the programs report progress on the standard
/// error.
fn run_programs(workspace: &Workspace) -> Outcome<String> {
    let shell = &workspace.shell;
    let build = ["build", "--release", "--locked"];
    let target = workspace.target();
    cmd!(shell, "cargo {build...} --manifest-path {MANIFEST} --target-dir {target}").run()?;
    cmd!(shell, "cargo {build...} -p rolecall-tests --bins").run()?;
    let program = |name| target.join("release").join(name);
    let (cache, cold_start) = (program("rolecall-bench"), program("cold_start"));
    Ok([cmd!(shell, "{cache}").read()?, cmd!(shell, "{cold_start}").read()?].join("\n"))
}

/// Returns the lines of the command `rolecall`.
fn measure_command(workspace: &Workspace) -> Outcome<String> {
    let shell = &workspace.shell;
    cmd!(shell, "cargo build --release --locked --package rolecall-cli").run()?;
    let rolecall = workspace.target().join("release/rolecall");
    let first_byte = first_byte::measure(workspace, &rolecall)?;
    Ok([first_byte, store::measure(workspace, &rolecall)?].join("\n"))
}

/// The times of two programs that ran in turn, in milliseconds, and their ratios.
struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
    ratios: Vec<f64>,
}

impl Pairs {
    fn measure(
        pairs: usize,
        ours: impl Fn() -> Outcome<Duration>,
        theirs: impl Fn() -> Outcome<Duration>,
    ) -> Outcome<Self> {
        let mut measured = Self { ours: Vec::new(), theirs: Vec::new(), ratios: Vec::new() };
        for pair in 0..=pairs {
            // The order alternates: whichever runs second finds the CPU caches warmer.
            let (ours, theirs) = match pair % 2 {
                0 => {
                    let ours = ours()?;
                    (ours, theirs()?)
                }
                _ => {
                    let theirs = theirs()?;
                    (ours()?, theirs)
                }
            };
            // The first pair reads the programs from disk and is not counted.
            if pair > 0 {
                measured.ours.push(ours.as_secs_f64() * 1e3);
                measured.theirs.push(theirs.as_secs_f64() * 1e3);
                measured.ratios.push(ours.as_secs_f64() / theirs.as_secs_f64());
            }
        }
        Ok(measured)
    }
}

/// Returns the row of a program whose times are milliseconds: median, quartiles and number.
fn write_times(table: &str, program: &str, times: Vec<f64>) -> String {
    let count = times.len().to_string();
    let [low, median, high] = quartiles(times).map(|time| format!("{time:.1}"));
    let cells = [program, &median, &format!("{low} to {high}"), &count];
    json!({"table": table, "cells": cells}).to_string()
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|number| values[(values.len() - 1) * number / 4])
}

/// Returns the line of a figure, in the format of the benchmark programs.
fn write_figure(name: &str, value: f64, most: f64) -> String {
    // The rounded value is compared, so that a figure never seems to meet a goal that it missed.
    let value = (value * 1000.0).round() / 1000.0;
    let shown = if value.fract() == 0.0 { json!(value as i64) } else { json!(value) };
    let (goal, ok) = (format!("<= {most}"), value <= most);
    format!(r#"{{"name": "{name}", "value": {shown}, "goal": "{goal}", "ok": {ok}}}"#)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn pairs_begin_after_the_first() {
        let (ours, theirs) = (Cell::new(0), Cell::new(0));
        let next = |count: &Cell<u64>, unit| {
            count.set(count.get() + 1);
            Ok(Duration::from_millis(count.get() * unit))
        };
        let pairs = Pairs::measure(2, || next(&ours, 1), || next(&theirs, 2)).unwrap();
        assert_eq!((pairs.ours, pairs.theirs), (vec![2.0, 3.0], vec![4.0, 6.0]));
        assert_eq!(pairs.ratios, [0.5, 0.5]);
    }

    #[test]
    fn row_of_times_has_quartiles_of_the_list() {
        assert_eq!(quartiles(vec![7.0]), [7.0; 3]);
        let times = vec![5.0, 1.0, 4.04, 2.0, 3.0];
        let row = r#"{"cells":["a","3.0","2.0 to 4.0","5"],"table":"t"}"#;
        assert_eq!(write_times("t", "a", times), row);
    }

    #[test]
    fn figure_line_compares_the_rounded_value() {
        for (value, line) in [
            (1.0504, r#"{"name": "a", "value": 1.05, "goal": "<= 1.05", "ok": true}"#),
            (1.0506, r#"{"name": "a", "value": 1.051, "goal": "<= 1.05", "ok": false}"#),
            (-2.0, r#"{"name": "a", "value": -2, "goal": "<= 1.05", "ok": true}"#),
        ] {
            assert_eq!(write_figure("a", value, 1.05), line);
        }
    }
}

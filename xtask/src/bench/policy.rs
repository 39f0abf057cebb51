//! The speed of rolecall-policy, from criterion and from the command `rolecall policy simulate`.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use xshell::cmd;

use super::{MANIFEST, write_figure};
use crate::workspace::{Outcome, Workspace};

const PACKAGE: &str = "rolecall-bench-policy";

const TABLE: &str = "Policies";

/// Lines of the file that the command reads.
const SIMULATIONS: u32 = 20_000;

/// Returns the lines of the figures.
pub(super) fn measure(workspace: &Workspace) -> Outcome<String> {
    let shell = &workspace.shell;
    let target = workspace.target();
    let options = ["--locked", "--manifest-path", MANIFEST, "--package", PACKAGE, "--target-dir"];
    // By default, criterion writes beside the manifest.
    let bench = cmd!(shell, "cargo bench {options...} {target}").ignore_stdout();
    bench.env("CRITERION_HOME", target.join("criterion")).run()?;
    let allocations = cmd!(shell, "cargo run --release {options...} {target}").read()?;

    let estimates = target.join("criterion/policy");
    let time = |name: &str| read_median(&estimates.join(name));
    let unit = time("serde_json")?;
    let mut hostile: f64 = 0.0;
    for entry in fs::read_dir(&estimates)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hostile_")) {
            hostile = hostile.max(read_median(&path)?);
        }
    }
    let lines = target.join("simulations.jsonl");
    let count = SIMULATIONS.to_string();
    let text = cmd!(shell, "cargo run --release {options...} {target} -- lines {count}").read()?;
    shell.write_file(&lines, text)?;
    let per_second = simulate(workspace, &lines)?;
    let (parse, evaluate) = (time("parse")?, time("evaluate")?);
    let row = |what: &str, value: String| json!({"table": TABLE, "cells": [what, value]});
    Ok([
        write_figure("policy_parse_ratio_to_serde_json", parse / unit, 4.0),
        write_figure("policy_evaluate_ratio_to_serde_json", evaluate / unit, 0.5),
        allocations,
        write_figure("policy_hostile_pattern_ms", hostile / 1e6, 50.0),
        json!({"table": TABLE, "heads": ["policies", "measured"]}).to_string(),
        row("parsing a policy of ten statements, in µs", format!("{:.1}", parse / 1e3)).to_string(),
        row("the same by serde_json, in µs", format!("{:.1}", unit / 1e3)).to_string(),
        row("evaluating a request with it, in µs", format!("{:.2}", evaluate / 1e3)).to_string(),
        row("lines per second of `rolecall policy simulate`", format!("{per_second:.0}"))
            .to_string(),
    ]
    .join("\n"))
}

/// Runs the command on a file, and returns lines per second.
fn simulate(workspace: &Workspace, lines: &Path) -> Outcome<f64> {
    let shell = &workspace.shell;
    let build = ["--release", "--locked", "--package", "rolecall-cli"];
    cmd!(shell, "cargo build {build...}").run()?;
    let program = workspace.target().join("release/rolecall");
    let begin = Instant::now();
    let output = std::process::Command::new(program)
        .args(["policy", "simulate"])
        .stdin(File::open(lines)?)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let seconds = begin.elapsed().as_secs_f64();
    let answers = String::from_utf8_lossy(&output.stdout);
    let decided = answers.lines().filter(|line| line.contains("\"decision\"")).count();
    if decided != SIMULATIONS as usize {
        let message = format!("rolecall policy simulate decided {decided} of {SIMULATIONS} lines");
        return Err(message.into());
    }
    Ok(f64::from(SIMULATIONS) / seconds)
}

/// Returns the median that criterion estimated, in nanoseconds.
fn read_median(directory: &Path) -> Outcome<f64> {
    let path = directory.join("new/estimates.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let estimates: Value = serde_json::from_str(&text)?;
    let median = estimates["median"]["point_estimate"].as_f64();
    median.ok_or_else(|| format!("{} has no median", path.display()).into())
}

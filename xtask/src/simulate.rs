//! `cargo xtask simulate` and `cargo xtask soak`: programs of the package rolecall-tests.

use clap::Args;
use xshell::cmd;

use crate::chart;
use crate::workspace::{Outcome, Workspace};

const CHART: &str = "docs/simulated-day.svg";

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Print the figures as JSON lines
    #[arg(long)]
    json: bool,
    /// Write docs/simulated-day.svg
    #[arg(long, conflicts_with = "json")]
    svg: bool,
    /// Seed; the same seed simulates the same day
    #[arg(long)]
    seed: Option<u64>,
    /// Let STS hang during the outage instead of answering that it is unavailable
    #[arg(long)]
    hangs: bool,
    /// Run only this simulation: day, fleet, rejections or histories
    #[arg(long, value_name = "SIMULATION", conflicts_with = "svg")]
    only: Vec<String>,
}

/// Simulates in a release build: each day has 86 million calls.
pub(crate) fn simulate(workspace: &Workspace, arguments: &Arguments) -> Outcome {
    let shell = &workspace.shell;
    let mut args = Vec::from_iter(arguments.seed.map(|seed| format!("--seed={seed}")));
    args.extend(arguments.hangs.then(|| "--hangs".to_owned()));
    args.extend(arguments.only.iter().map(|only| format!("--only={only}")));
    args.extend((arguments.json || arguments.svg).then(|| "--json".to_owned()));
    let profile = ["--quiet", "--release", "--locked"];
    // `--json` prints for other programs: cargo and xshell keep to the standard error.
    let run = cmd!(shell, "cargo run {profile...} -p rolecall-tests --bin simulate -- {args...}");
    if !arguments.svg {
        return Ok(run.quiet().run()?);
    }
    // The chart shows the day also if it missed a goal; the command fails then nevertheless.
    let output = run.arg("--only=fleet").ignore_status().output()?;
    let lines = String::from_utf8(output.stdout)?;
    // Lines of other shapes are figures.
    let day = lines.lines().find_map(|line| serde_json::from_str(line).ok());
    let day = day.ok_or("the simulation printed no `calls_per_minute`")?;
    shell.write_file(CHART, chart::draw_fleet_day(&day)?)?;
    println!("{CHART} was written");
    match output.status.success() {
        true => Ok(()),
        false => Err("the day missed a goal; hint: run `cargo xtask simulate --only fleet`".into()),
    }
}

/// Runs the soak test with the assertions of a debug build.
pub(crate) fn soak(workspace: &Workspace, minutes: f64, seed: Option<u64>) -> Outcome {
    let minutes = minutes.to_string();
    let seed = seed.map(|seed| format!("--seed={seed}"));
    let args = ["--minutes", &minutes].into_iter().chain(seed.as_deref());
    let soak = ["--quiet", "--locked", "-p", "rolecall-tests", "--bin", "soak", "--"];
    Ok(cmd!(workspace.shell, "cargo run {soak...} {args...}").run()?)
}

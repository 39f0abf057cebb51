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
}

/// Simulates the day in a release build: it has 86 million calls.
pub(crate) fn simulate(workspace: &Workspace, arguments: &Arguments) -> Outcome {
    let shell = &workspace.shell;
    let mut args = Vec::from_iter(arguments.seed.map(|seed| format!("--seed={seed}")));
    args.extend(arguments.hangs.then(|| "--hangs".to_owned()));
    args.extend((arguments.json || arguments.svg).then(|| "--json".to_owned()));
    let profile = ["--quiet", "--release", "--locked"];
    // `--json` prints for other programs: cargo and xshell keep to the standard error.
    let run = cmd!(shell, "cargo run {profile...} -p rolecall-tests --bin simulate -- {args...}");
    if !arguments.svg {
        return Ok(run.quiet().run()?);
    }
    let output = run.read()?;
    // Lines of other shapes are figures.
    let days = output.lines().filter_map(|line| serde_json::from_str(line).ok());
    shell.write_file(CHART, chart::draw_days(&days.collect::<Vec<_>>())?)?;
    println!("{CHART} was written");
    Ok(())
}

/// Runs the soak test with the assertions of a debug build.
pub(crate) fn soak(workspace: &Workspace, minutes: f64, seed: Option<u64>) -> Outcome {
    let minutes = minutes.to_string();
    let seed = seed.map(|seed| format!("--seed={seed}"));
    let args = ["--minutes", &minutes].into_iter().chain(seed.as_deref());
    let soak = ["--quiet", "--locked", "-p", "rolecall-tests", "--bin", "soak", "--"];
    Ok(cmd!(workspace.shell, "cargo run {soak...} {args...}").run()?)
}

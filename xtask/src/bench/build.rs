//! What rolecall adds to a build: crates, and CPU time.
//!
//! Two programs of `tests/bench/minimal` obtain a session, one by rolecall without its default
//! features and one by aws-config with the features that rolecall enables.

use std::collections::BTreeSet;
use std::fs;

use xshell::cmd;

use super::{MANIFEST, write_figure};
use crate::workspace::{Outcome, Workspace};

const ROLECALL: &str = "minimal-rolecall";
const SDK: &str = "minimal-sdk";

/// Pairs of builds. The median of their ratios is the figure.
const PAIRS: usize = 3;

/// Returns the line of the figure `crates_over_lean_sdk`.
pub(super) fn count_crates(workspace: &Workspace) -> Outcome<String> {
    let count = |package| Outcome::Ok(list_crates(workspace, package)?.len() as f64);
    Ok(write_figure("crates_over_lean_sdk", count(ROLECALL)? - count(SDK)?, 20.0))
}

/// Returns the crates that a program is linked from or that its macros run, for this platform.
fn list_crates(workspace: &Workspace, package: &str) -> Outcome<BTreeSet<String>> {
    let format = ["--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let tree = cmd!(
        workspace.shell,
        "cargo tree --locked --manifest-path {MANIFEST} --package {package} {format...}"
    );
    // A crate that was listed before is marked with `(*)`.
    let name = |line: &str| line.trim_end_matches(" (*)").to_owned();
    Ok(tree.read()?.lines().map(name).collect())
}

/// Builds both programs from nothing, and returns the line of the figure
/// `build_cpu_ratio_to_lean_sdk`.
pub(super) fn compare_builds(workspace: &Workspace) -> Outcome<String> {
    let mut ratios = Vec::new();
    for pair in 1..=PAIRS {
        let rolecall = time_build(workspace, ROLECALL)?;
        let sdk = time_build(workspace, SDK)?;
        eprintln!("builds {pair} of {PAIRS}: {rolecall:.1} s of CPU, {sdk:.1} s without rolecall");
        ratios.push(rolecall / sdk);
    }
    ratios.sort_by(f64::total_cmp);
    Ok(write_figure("build_cpu_ratio_to_lean_sdk", ratios[PAIRS / 2], 1.05))
}

/// Returns the CPU time of a build into an empty directory, in seconds.
fn time_build(workspace: &Workspace, package: &str) -> Outcome<f64> {
    let shell = &workspace.shell;
    // The sources are downloaded before the build, so that the time contains no download.
    cmd!(shell, "cargo fetch --quiet --locked --manifest-path {MANIFEST}").run()?;
    let target = workspace.target().join("bench-build");
    shell.remove_path(&target)?;
    let before = read_child_cpu()?;
    let build = ["build", "--release", "--quiet", "--locked", "--offline", "--package", package];
    cmd!(shell, "cargo {build...} --manifest-path {MANIFEST} --target-dir {target}")
        // A cache of compiled crates would hide what is measured.
        .env_remove("RUSTC_WRAPPER")
        .run()?;
    let seconds = read_child_cpu()? - before;
    shell.remove_path(&target)?;
    Ok(seconds)
}

/// Returns the CPU time of all child processes that have ended, and of their own, in seconds.
fn read_child_cpu() -> Outcome<f64> {
    parse_child_cpu(&fs::read_to_string("/proc/self/stat")?)
}

fn parse_child_cpu(stat: &str) -> Outcome<f64> {
    // The second field, the name of the program, may contain spaces and parentheses. Fields 16 and
    // 17 are the user and system time of children, in clock ticks of 10 ms.
    let fields = stat.rsplit_once(')').ok_or("/proc/self/stat has no program name")?.1;
    let mut times = fields.split_whitespace().skip(13);
    let mut next = || Outcome::Ok(times.next().ok_or("no CPU time")?.parse::<f64>()? / 100.0);
    Ok(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_cpu_is_read_after_the_program_name() {
        let fields: Vec<String> = (3..=52).map(|field| (field * 100).to_string()).collect();
        let stat = format!("7 (a ) b) {}", fields.join(" "));
        assert_eq!(parse_child_cpu(&stat).unwrap(), 33.0);
        assert!(parse_child_cpu("7 (a) S 1").is_err());
        assert!(read_child_cpu().unwrap() >= 0.0);
    }
}

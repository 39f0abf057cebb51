//! `cargo xtask ci`: every check, in an order that shows the most instructive failure first.

use std::time::Instant;

use xshell::cmd;

use crate::workspace::{Outcome, Workspace};
use crate::{bench, checks, simulate, test, tidy};

type Step = (&'static str, fn(&Workspace) -> Outcome);

const STEPS: [Step; 10] = [
    ("test", |workspace| test::run(workspace, &[], &[])),
    ("facade", test::run_facade),
    ("soak", |workspace| simulate::soak(workspace, 1.0, None)),
    ("fmt", format),
    ("clippy", clippy),
    ("features", checks::features),
    ("doc", document),
    ("tidy", tidy::run),
    ("deny", checks::deny),
    ("package", checks::package),
];

/// Runs all steps up to the first that fails, and prints how long each took.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let started = Instant::now();
    let mut durations = Vec::new();
    let mut result = Ok(());
    for (index, (name, step)) in STEPS.iter().enumerate() {
        println!("\n=== step {} of {}: {name}", index + 1, STEPS.len());
        let step_started = Instant::now();
        result = step(workspace).map_err(|error| format!("step `{name}` failed: {error}").into());
        durations.push((*name, step_started.elapsed()));
        if result.is_err() {
            break;
        }
    }
    durations.push(("total", started.elapsed()));
    for (name, duration) in durations {
        println!("{name:<10}{:>8.1} s", duration.as_secs_f64());
    }
    result
}

fn format(workspace: &Workspace) -> Outcome {
    cmd!(workspace.shell, "cargo fmt --all --check").run()?;
    let manifest = bench::MANIFEST;
    Ok(cmd!(workspace.shell, "cargo fmt --all --check --manifest-path {manifest}").run()?)
}

fn clippy(workspace: &Workspace) -> Outcome {
    let shell = &workspace.shell;
    cmd!(shell, "cargo clippy --workspace --all-targets --locked -- -D warnings").run()?;
    // The benchmark is a workspace of its own. It shares what it builds.
    let (manifest, target) = (bench::MANIFEST, workspace.target());
    let args = ["--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    cmd!(shell, "cargo clippy --manifest-path {manifest} --target-dir {target} {args...}").run()?;
    Ok(())
}

fn document(workspace: &Workspace) -> Outcome {
    let doc = cmd!(workspace.shell, "cargo doc --workspace --no-deps --all-features --locked");
    Ok(doc.env("RUSTDOCFLAGS", "-D warnings").run()?)
}

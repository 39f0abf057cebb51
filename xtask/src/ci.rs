//! `cargo xtask ci`: every check, in the order in which a fault is cheapest to understand.

use std::time::{Duration, Instant};

use crate::metadata::Workspace;
use crate::run::{Failure, Outcome, cargo, stream};
use crate::{bench, deny, fences, package, simulate, test, tidy};

/// One check, and how a person runs it alone.
struct Step {
    name: &'static str,
    alone: &'static str,
    run: fn() -> Outcome,
}

const STEPS: &[Step] = &[
    Step { name: "test", alone: "cargo xtask test", run: || test::run(&[]) },
    Step { name: "soak", alone: "cargo xtask soak --minutes 1", run: || simulate::soak(1.0, None) },
    Step {
        name: "fmt",
        alone: "cargo fmt --all --check; cargo fmt --check --manifest-path tests/bench/Cargo.toml",
        run: fmt,
    },
    Step {
        name: "clippy",
        alone: "cargo clippy --workspace --all-targets --locked -- -D warnings",
        run: clippy,
    },
    Step {
        name: "bench",
        alone: "cargo clippy --manifest-path tests/bench/Cargo.toml --all-targets --locked --target-dir target -- -D warnings",
        run: peers,
    },
    Step {
        name: "features",
        alone: "cargo clippy --package <one> --no-default-features [--features <one>] -- -D warnings",
        run: features,
    },
    Step {
        name: "doc",
        alone: "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked",
        run: doc,
    },
    Step { name: "tidy", alone: "cargo xtask tidy", run: tidy::run },
    Step { name: "deny", alone: "cargo xtask deny", run: deny::run },
    Step { name: "fences", alone: "cargo xtask fences", run: fences::run },
    Step { name: "package", alone: "cargo xtask package", run: package::run },
];

/// Runs every step, up to the first that fails; the last thing printed is the table of what ran.
pub(crate) fn run() -> Outcome {
    let start = Instant::now();
    let mut ran = Vec::new();
    for (index, step) in STEPS.iter().enumerate() {
        let clock = seconds(start.elapsed());
        println!("\n=== {}/{} {} (at {clock} s)", index + 1, STEPS.len(), step.name);
        let begun = Instant::now();
        let outcome = (step.run)();
        ran.push((step.name, begun.elapsed()));
        if let Err(failure) = outcome {
            println!("\n{}", table(&ran, start.elapsed()));
            return Err(failed(step, &failure));
        }
    }
    println!("\n{}\nevery step passed", table(&ran, start.elapsed()));
    Ok(())
}

fn fmt() -> Outcome {
    stream(cargo()?.args(["fmt", "--all", "--check"]))
        .and_then(|()| stream(cargo()?.args(["fmt", "--check", "--manifest-path", bench::PEERS])))
        .map_err(|failure| Failure::new(format!("{failure}; without `--check` it puts it right")))
}

fn clippy() -> Outcome {
    let mut clippy = cargo()?;
    clippy.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    stream(&mut clippy)
}

/// The package of the peers, which is no member of the workspace, is right too, though nothing of it runs here.
fn peers() -> Outcome {
    let target = Workspace::load()?.target;
    let mut clippy = cargo()?;
    clippy.args(["clippy", "--manifest-path", bench::PEERS, "--all-targets", "--locked"]);
    clippy.arg("--target-dir").arg(target).args(["--", "-D", "warnings"]);
    stream(&mut clippy)
}

/// What has features builds with none of them, and with each alone.
fn features() -> Outcome {
    for package in Workspace::load()?.packages.iter().filter(|package| !package.features.is_empty())
    {
        for feature in std::iter::once("").chain(package.features.iter().map(String::as_str)) {
            let mut clippy = cargo()?;
            clippy.args(["clippy", "--locked", "--no-default-features", "--features", feature]);
            clippy.args(["--package", &package.name, "--", "-D", "warnings"]);
            stream(&mut clippy)?;
        }
    }
    Ok(())
}

fn doc() -> Outcome {
    let mut doc = cargo()?;
    doc.env("RUSTDOCFLAGS", "-D warnings");
    doc.args(["doc", "--workspace", "--no-deps", "--locked"]);
    stream(&mut doc)
}

fn failed(step: &Step, failure: &Failure) -> Failure {
    Failure::new(format!("step `{}` failed: {failure}\nto run it alone: {}", step.name, step.alone))
}

fn table(ran: &[(&str, Duration)], total: Duration) -> String {
    let row = |name: &str, time: Duration| format!("{name:<10}{:>8}", seconds(time));
    let mut rows = vec![format!("{:<10}{:>8}", "step", "seconds")];
    rows.extend(ran.iter().map(|(name, time)| row(name, *time)));
    rows.push(row("total", total));
    rows.join("\n")
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up() {
        let ran = [("test", Duration::from_millis(61_240)), ("fmt", Duration::from_millis(900))];
        assert_eq!(
            table(&ran, Duration::from_secs(62)),
            "step       seconds\n\
             test          61.2\n\
             fmt            0.9\n\
             total         62.0"
        );
    }

    #[test]
    fn a_failure_names_the_step_and_how_to_run_it() {
        let text = failed(&STEPS[2], &Failure::new("not formatted")).to_string();
        assert_eq!(
            text,
            "step `fmt` failed: not formatted\nto run it alone: cargo fmt --all --check; \
             cargo fmt --check --manifest-path tests/bench/Cargo.toml"
        );
    }
}

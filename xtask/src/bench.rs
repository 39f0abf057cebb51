//! `cargo xtask bench`: what the documentation says of speed, measured anew: ratios of two things in one run.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::metadata::Workspace;
use crate::run::{Failure, Outcome, cargo, read, stream};

/// Builds the programs of the measurement, runs it, and writes docs/benchmarks.md; or prints its line of JSON alone.
pub(crate) fn run(json: bool) -> Outcome {
    let workspace = Workspace::load()?;
    let mut build = cargo()?;
    build.args(["build", "--release", "--locked", "--package", "rolecall-tests", "--bins"]);
    stream(&mut build)?;
    let mut cold_start = std::process::Command::new(workspace.target.join("release/cold_start"));
    let lines = read(&mut cold_start)?;
    if json {
        print!("{lines}");
        return Ok(());
    }
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock"))
        .map_err(|error| Failure::new(format!("Cargo.lock cannot be read: {error}")))?;
    let mut rustc = std::process::Command::new("rustc");
    let rustc = read(rustc.arg("--version"))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let page = page(&lines, &lock, rustc.trim(), cores, &day(seconds / 86_400))?;
    let path = workspace.root.join("docs/benchmarks.md");
    fs::write(&path, &page)
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))?;
    print!("{page}");
    Ok(())
}

/// What the figures are of, by their names.
const FIGURES: [(&str, &str); 2] = [
    (
        "cold_start_ratio_to_sdk",
        "from the start of the process to its first session by web identity, on a local STS",
    ),
    (
        "cold_start_with_tls_ratio_to_sdk",
        "the same on an HTTP client that is ready for TLS, which rolecall by itself sets up for `https://` alone",
    ),
];

fn page(lines: &str, lock: &str, rustc: &str, cores: usize, day: &str) -> Outcome<String> {
    let strange = || Failure::new(format!("the measurement printed something else: {lines:?}"));
    let mut rows = String::new();
    for (name, what) in FIGURES {
        let values = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let figure = values.into_iter().find(|value| value["name"] == name).ok_or_else(strange)?;
        let number = |value: &Value| value.as_f64().map(|n| format!("{n:.2}")).ok_or_else(strange);
        let quartiles = &figure["quartiles"];
        let pairs = figure["pairs"].as_u64().ok_or_else(strange)?;
        rows += &format!(
            "| {what} | {} | {} to {} | {pairs} |\n",
            number(&figure["value"])?,
            number(&quartiles[0])?,
            number(&quartiles[1])?
        );
    }
    let version = |package: &str| -> Outcome<String> {
        let after =
            lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map(|(_, rest)| rest);
        let version = after.and_then(|rest| rest.split('"').next());
        version
            .map(str::to_owned)
            .ok_or_else(|| Failure::new(format!("Cargo.lock does not know {package}")))
    };
    Ok(format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench` on {day}: {rustc}, aws-config {}, aws-sdk-sts {}, {cores} cores.\n\
         Ratios of two things in one run, since times differ from machine to machine.\n\n\
         | what | rolecall : aws-config's default chain (median) | quartiles | pairs |\n\
         |---|---|---|---|\n\
         {rows}",
        version("aws-config")?,
        version("aws-sdk-sts")?,
    ))
}

/// A day since 1970 as year, month and day. (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".)
fn day(since_1970: u64) -> String {
    let days = since_1970 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{:02}", of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_by_the_calendar() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_782, "2024-02-29"),
            (20_454, "2026-01-01"),
            (20_818, "2026-12-31"),
        ] {
            assert_eq!(day(days), expected);
        }
    }

    #[test]
    fn the_page_has_the_figure_and_its_versions() {
        let line = |name| {
            format!(
                r#"{{"name": "{name}", "value": 0.913, "quartiles": [0.851, 1.002], "pairs": 101}}"#
            )
        };
        let lines = format!("{}\n{}\n", line(FIGURES[0].0), line(FIGURES[1].0));
        let lock = "name = \"aws-config\"\nversion = \"1.2.3\"\nname = \"aws-sdk-sts\"\nversion = \"4.5.6\"\n";
        let page = page(&lines, lock, "rustc 1.0.0", 2, "2026-01-01").unwrap();
        assert!(page.contains("| 0.91 | 0.85 to 1.00 | 101 |"), "{page}");
        assert!(page.contains("aws-config 1.2.3, aws-sdk-sts 4.5.6, 2 cores"), "{page}");
        assert!(super::page("{}", lock, "", 2, "").is_err());
    }
}

//! The page that is made of what was measured.

use serde_json::Value;

use crate::run::{Failure, Outcome};

/// When, by what and on what it was measured.
pub(super) struct From {
    pub(super) day: String,
    pub(super) rustc: String,
    pub(super) cores: usize,
    pub(super) lock: String,
    pub(super) peers_lock: String,
}

/// What must be reached, by its name.
const FIGURES: [(&str, &str); 17] = [
    ("hit_ratio_to_floor", "time of a hit of `Cached` : the floor's"),
    ("pool_hit_ratio_to_floor", "time of a hit of a pool's handle : the floor's"),
    (
        "hit_two_thread_ratio_to_floor",
        "throughput of two threads on one `Cached` : the floor's on two threads",
    ),
    (
        "pool_hit_two_thread_ratio_to_floor",
        "throughput of two threads on one handle of a pool : the floor's on two threads",
    ),
    ("hit_allocations", "allocations in 2,000 hits"),
    ("identity_cache_speedup", "time of a hit of the SDK's lazy cache : `identity_cache()`'s"),
    (
        "refresh_slow_callers",
        "of 10,000 tasks over a refresh of 500 ms: how many more had a call of over 10 ms than in a control run",
    ),
    ("refresh_sts_calls", "STS calls over that refresh"),
    ("first_load_sts_calls", "STS calls of a first load by 10,000 tasks"),
    (
        "failing_first_load_calls",
        "STS calls of a first load by 1,000 tasks that fails after 100 ms",
    ),
    ("failing_first_load_max_ms", "ms until the last of them had the error"),
    (
        "impatient_second_caller_ok",
        "of 50 callers with 40 ms of patience and 50 ms for STS, all from the third on have a session",
    ),
    ("round_robin_1000_roles_sts_calls", "STS calls for 1,000 roles in turn, ten times"),
    ("bytes_per_role", "bytes of a role in a pool of 10,000, beyond its session"),
    ("megabytes_per_100000_roles", "MB of 100,000 roles in a pool, sessions and all"),
    ("descriptors_per_1000_roles", "open files more for 1,000 roles (a connection has two ends)"),
    ("handle_ns", "ns of the handle of a known role"),
];

/// The cold start's figures, by their names.
const COLD_STARTS: [(&str, &str); 2] = [
    (
        "cold_start_ratio_to_sdk",
        "from the start of the process to its first session by web identity, on a local STS",
    ),
    (
        "cold_start_with_tls_ratio_to_sdk",
        "the same on an HTTP client that is ready for TLS, which rolecall by itself sets up for `https://` alone",
    ),
];

/// What is worth a version.
const PEERS: [&str; 8] = [
    "aws-smithy-runtime",
    "aws-config",
    "aws-sdk-sts",
    "reqsign-aws-v4",
    "object_store",
    "moka",
    "arc-swap",
    "tokio",
];

/// Whether a line is of a table, and no figure.
pub(super) fn is_row(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|value| value["table"].is_string())
}

pub(super) fn of(lines: &str, from: &From) -> Outcome<String> {
    let values: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|_| strange(line)))
        .collect::<Outcome<_>>()?;
    let versions: Vec<String> = PEERS
        .iter()
        .map(|peer| Ok(format!("{peer} {}", version(&from.peers_lock, peer)?)))
        .collect::<Outcome<_>>()?;
    // The cold start is of the workspace's own versions.
    for both in ["aws-config", "aws-sdk-sts"] {
        let (ours, theirs) = (version(&from.lock, both)?, version(&from.peers_lock, both)?);
        if ours != theirs {
            return Err(Failure::new(format!(
                "{both} is {ours} in Cargo.lock and {theirs} in that of tests/bench: update that one"
            )));
        }
    }
    Ok(format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench` on {}: {}, {} cores; {}.\n\
         Ratios of two things in one run, since times differ from machine to machine.\n\n\
         ## What must be reached\n\n\
         The floor is a provider that does no more than must be: it loads an `ArcSwap`, reads the clock, clones the\n\
         `Credentials`, and answers with `ready()`. Medians over rounds in which all take their turns.\n\n\
         {}\n## Beside others\n\n\
         Each is called in the same loop, as it is set up by itself, on an STS in the same process. reqsign's signer signs\n\
         nothing here. Built by `cargo build --release` as it comes, over an allocator that counts.\n\n\
         {}## From the start of a process\n\n{}",
        from.day,
        from.rustc,
        from.cores,
        versions.join(", "),
        figures(&values)?,
        tables(&values)?,
        cold_starts(&values)?,
    ))
}

fn figures(values: &[Value]) -> Outcome<String> {
    let mut rows = String::from("| what | measured | goal | reached |\n|---|---|---|---|\n");
    for (name, what) in FIGURES {
        let Some(figure) = values.iter().find(|value| value["name"] == name) else {
            rows += &format!("| {what} | not measured | | no |\n");
            continue;
        };
        let (value, goal) = (&figure["value"], figure["goal"].as_str());
        let (Some(goal), Some(ok)) = (goal, figure["ok"].as_bool()) else {
            return Err(strange(&figure.to_string()));
        };
        let reached = if ok { "yes" } else { "**no**" };
        rows += &format!("| {what} | {value} | {goal} | {reached} |\n");
    }
    Ok(rows)
}

/// Each table as it was printed: its heads, then its rows.
fn tables(values: &[Value]) -> Outcome<String> {
    let mut text = String::new();
    for begun in values.iter().filter(|value| value["heads"].is_array()) {
        let name = begun["table"].as_str().ok_or_else(|| strange(&begun.to_string()))?;
        let heads = cells(begun, "heads")?;
        text += &format!("### {name}\n\n| {} |\n", heads.join(" | "));
        text += &format!("|{}\n", "---|".repeat(heads.len()));
        let of_this = |value: &&Value| value["table"] == name && value["cells"].is_array();
        for row in values.iter().filter(of_this) {
            let cells = cells(row, "cells")?;
            if cells.len() != heads.len() {
                return Err(strange(&row.to_string()));
            }
            text += &format!("| {} |\n", cells.join(" | "));
        }
        text.push('\n');
    }
    Ok(text)
}

fn cells<'a>(value: &'a Value, key: &str) -> Outcome<Vec<&'a str>> {
    let cells = value[key].as_array().into_iter().flatten();
    cells.map(|cell| cell.as_str().ok_or_else(|| strange(&value.to_string()))).collect()
}

fn cold_starts(values: &[Value]) -> Outcome<String> {
    let mut rows = String::from(
        "| what | rolecall : aws-config's default chain (median) | quartiles | pairs |\n|---|---|---|---|\n",
    );
    for (name, what) in COLD_STARTS {
        let figure = values.iter().find(|value| value["name"] == name);
        let figure = figure.ok_or_else(|| strange(&format!("nothing of {name}")))?;
        let strange = || strange(&figure.to_string());
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
    Ok(rows)
}

fn version(lock: &str, package: &str) -> Outcome<String> {
    let after =
        lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map(|(_, rest)| rest);
    let version = after.and_then(|rest| rest.split('"').next());
    version
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("Cargo.lock does not know {package}")))
}

fn strange(what: &str) -> Failure {
    Failure::new(format!("the measurement printed something else: {what:?}"))
}

/// A day since 1970 as year, month and day. (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".)
pub(super) fn day(since_1970: u64) -> String {
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

    fn from() -> From {
        let lock: String =
            PEERS.iter().map(|peer| format!("name = \"{peer}\"\nversion = \"1.2.3\"\n")).collect();
        let (day, rustc) = ("2026-01-01".to_owned(), "rustc 1.0.0".to_owned());
        From { day, rustc, cores: 2, lock: lock.clone(), peers_lock: lock }
    }

    fn lines() -> String {
        let cold = |name| {
            format!(
                r#"{{"name": "{name}", "value": 0.913, "quartiles": [0.851, 1.002], "pairs": 101}}"#
            )
        };
        [
            r#"{"name": "hit_ratio_to_floor", "value": 1.02, "goal": "<= 1.15", "ok": true}"#,
            r#"{"name": "handle_ns", "value": 1200, "goal": "<= 1000", "ok": false}"#,
            r#"{"table": "A hit", "heads": ["who", "ns"]}"#,
            r#"{"table": "A hit", "cells": ["the floor", "75"]}"#,
            &cold(COLD_STARTS[0].0),
            &cold(COLD_STARTS[1].0),
        ]
        .join("\n")
    }

    #[test]
    fn the_page_has_the_figures_the_tables_and_the_versions() {
        let page = of(&lines(), &from()).unwrap();
        for part in [
            "on 2026-01-01: rustc 1.0.0, 2 cores; aws-smithy-runtime 1.2.3, aws-config 1.2.3,",
            "| time of a hit of `Cached` : the floor's | 1.02 | <= 1.15 | yes |",
            "| ns of the handle of a known role | 1200 | <= 1000 | **no** |",
            "### A hit\n\n| who | ns |\n|---|---|\n| the floor | 75 |\n",
            "| 0.91 | 0.85 to 1.00 | 101 |",
        ] {
            assert!(page.contains(part), "{part}\nis not in\n{page}");
        }
    }

    #[test]
    fn a_figure_that_is_not_there_is_said_to_be_missing() {
        let page = of(&lines(), &from()).unwrap();
        assert!(page.contains("| allocations in 2,000 hits | not measured | | no |"), "{page}");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (right, wrong) in [
            ("{\"name\": \"handle_ns\"", "thread panicked"),
            ("\"ok\": true", "\"ok\": 1"),
            ("[\"the floor\", \"75\"]", "[\"the floor\"]"),
            ("cold_start_ratio_to_sdk", "another"),
        ] {
            assert!(lines().contains(right), "{right}");
            let lines = lines().replace(right, wrong);
            assert!(of(&lines, &from()).is_err(), "{lines}");
        }
    }

    #[test]
    fn both_locks_must_agree() {
        let mut from = from();
        from.peers_lock =
            from.peers_lock.replacen("config\"\nversion = \"1", "config\"\nversion = \"2", 1);
        let error = of(&lines(), &from).unwrap_err().to_string();
        assert!(error.contains("aws-config is 1.2.3 in Cargo.lock and 2.2.3"), "{error}");
    }

    #[test]
    fn rows_are_told_from_figures() {
        let rows: Vec<bool> = lines().lines().map(is_row).collect();
        assert_eq!(rows, [false, false, true, true, false, false]);
    }
}

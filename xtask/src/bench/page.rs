//! The page that shows the figures of a benchmark run, from the template `page.md`.

use serde::Deserialize;
use serde_json::Value;

use crate::chart::Delays;
use crate::workspace::Outcome;

const TEMPLATE: &str = include_str!("page.md");

/// The table whose first three columns are the candidate, its delayed callers during a refresh,
/// and those without one.
const REFRESH: &str = "A refresh under load";

/// When and where the figures were measured, and the lock files of what was measured.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    pub(super) description: String,
    pub(super) lock: String,
    pub(super) benchmark_lock: String,
}

/// A line of the output of the benchmark programs.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Table { table: String, heads: Vec<String> },
    Row { table: String, cells: Vec<String> },
    ColdStart { name: String, value: f64, quartiles: (f64, f64), pairs: u32 },
    Figure { name: String, value: Value, goal: String, ok: bool },
}

/// Parses lines of JSON.
pub(super) fn parse_lines(text: &str) -> Outcome<Vec<Line>> {
    let unexpected = |line| format!("unexpected output of the benchmark: {line}").into();
    text.lines().map(|line| serde_json::from_str(line).map_err(|_| unexpected(line))).collect()
}

/// Returns the delayed callers of each candidate.
pub(super) fn read_delays(lines: &[Line]) -> Outcome<Vec<Delays>> {
    let mut delays = Vec::new();
    for line in lines {
        let Line::Row { table, cells } = line else { continue };
        if let (REFRESH, [candidate, during, without, ..]) = (table.as_str(), &cells[..]) {
            let candidate = candidate.clone();
            let (during_refresh, without_refresh) = (during.parse()?, without.parse()?);
            delays.push(Delays { candidate, during_refresh, without_refresh });
        }
    }
    match delays.is_empty() {
        true => Err(format!("the benchmark printed no table `{REFRESH}`").into()),
        false => Ok(delays),
    }
}

/// Returns the page as Markdown.
pub(super) fn write_page(lines: &[Line], environment: &Environment) -> Outcome<String> {
    let mut parts = TEMPLATE.split('{');
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (placeholder, rest) = part.split_once('}').ok_or("page.md: `{` without `}`")?;
        page += &match placeholder.split_once(' ').unwrap_or((placeholder, "")) {
            ("environment", _) => environment.description.clone(),
            ("version", package) => find_version(environment, package)?,
            ("figure", name) => write_figure(lines, name)?,
            // Builds take minutes, and are measured only on request.
            ("build-figure", name) => write_figure(lines, name)
                .unwrap_or_else(|_| "not measured; see `cargo xtask bench --build` | |".to_owned()),
            ("tables", _) => lines.iter().map(write_table_line).collect(),
            _ => return Err(format!("page.md: unknown placeholder `{placeholder}`").into()),
        };
        page += rest;
    }
    Ok(page)
}

/// Returns all cells of a figure's row but the first.
fn write_figure(lines: &[Line], wanted: &str) -> Outcome<String> {
    let write_cells = |line: &Line| match line {
        Line::ColdStart { name, value, quartiles: (low, high), pairs } if name == wanted => {
            Some(format!("{value:.2} | {low:.2} to {high:.2} | {pairs}"))
        }
        Line::Figure { name, value, goal, ok } if name == wanted => {
            Some(format!("{value} | {goal} | {}", if *ok { "yes" } else { "**no**" }))
        }
        _ => None,
    };
    let cells = lines.iter().find_map(write_cells);
    cells.ok_or_else(|| format!("the benchmark printed no figure `{wanted}`").into())
}

fn write_table_line(line: &Line) -> String {
    match line {
        Line::Table { table, heads } => {
            let rule = "---|".repeat(heads.len());
            format!("\n### {table}\n\n| {} |\n|{rule}\n", heads.join(" | "))
        }
        Line::Row { cells, .. } => format!("| {} |\n", cells.join(" | ")),
        _ => String::new(),
    }
}

/// Returns the version that the benchmark is built with.
fn find_version(environment: &Environment, package: &str) -> Outcome<String> {
    let start = format!("name = \"{package}\"\nversion = \"");
    let find = |lock: &str| Some(lock.split_once(&start)?.1.split_once('"')?.0.to_owned());
    let version = find(&environment.benchmark_lock);
    let version = version.ok_or_else(|| format!("tests/bench/Cargo.lock has no `{package}`"))?;
    // The cold start is measured with the versions of the workspace.
    if let Some(other) = find(&environment.lock).filter(|other| *other != version) {
        let fact = format!("{package} {other} in Cargo.lock, {version} in tests/bench/Cargo.lock");
        return Err(format!("{fact}; hint: update one of them").into());
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names of the template's placeholders of this kind.
    fn names(kind: &str) -> impl Iterator<Item = &'static str> {
        let placeholders = TEMPLATE.split('{').filter_map(|part| part.split_once('}'));
        placeholders.filter_map(move |(placeholder, _)| placeholder.strip_prefix(kind))
    }

    fn environment() -> Environment {
        let lock: String = names("version ")
            .map(|name| format!("name = \"{name}\"\nversion = \"1.2.3\"\n"))
            .collect();
        let description = "2026-01-01: rustc 1.0.0, 2 cores".to_owned();
        Environment { description, lock: lock.clone(), benchmark_lock: lock }
    }

    fn output() -> String {
        let figure = |name: &str| match name.starts_with("cold_start") {
            true => format!(r#"{{"name": "{name}", "value": 2, "quartiles": [1, 3], "pairs": 9}}"#),
            false => format!(r#"{{"name": "{name}", "value": 0.9, "goal": "<= 1", "ok": true}}"#),
        };
        let mut lines: Vec<String> =
            names("figure ").chain(names("build-figure ")).map(figure).collect();
        let table = r#""table": "A refresh under load""#;
        lines.push(format!(r#"{{{table}, "heads": ["name", "during", "without"]}}"#));
        lines.push(format!(r#"{{{table}, "cells": ["rolecall", "75", "3"]}}"#));
        lines.join("\n")
    }

    fn write_all(output: &str) -> Outcome<(String, Vec<Delays>)> {
        let lines = parse_lines(output)?;
        Ok((write_page(&lines, &environment())?, read_delays(&lines)?))
    }

    #[test]
    fn page_has_figures_tables_and_versions() {
        let output = output().replacen("true", "false", 1);
        let (page, delays) = write_all(&output).unwrap();
        for part in [
            "on 2026-01-01: rustc 1.0.0, 2 cores.\n",
            "\n- aws-config 1.2.3\n",
            "time of a cache hit, relative to the baseline | 0.9 | <= 1 | **no** |",
            "| allocations in 2,000 cache hits | 0.9 | <= 1 | yes |",
            "\n\n### A refresh under load\n\n| name | during | without |\n|---|---|---|\n",
            "| rolecall | 75 | 3 |\n",
            "only | 2.00 | 1.00 to 3.00 | 9 |",
        ] {
            assert!(page.contains(part), "{part}\nis not in\n{page}");
        }
        assert!(!page.contains("not measured"), "{page}");
        let candidate = "rolecall".to_owned();
        assert_eq!(delays, [Delays { candidate, during_refresh: 75, without_refresh: 3 }]);
    }

    #[test]
    fn page_without_builds_says_so() {
        let output = output().replace("build_cpu_ratio_to_lean_sdk", "another");
        let (page, _) = write_all(&output).unwrap();
        assert!(page.contains("| not measured; see `cargo xtask bench --build` | | |\n"), "{page}");
    }

    #[test]
    fn missing_or_unexpected_output_is_an_error() {
        for (expected, replacement) in [
            ("{\"name\": \"handle_ns\"", "thread panicked"),
            ("\"handle_ns\"", "\"another\""),
            ("\"ok\": true", "\"ok\": 1"),
            ("\"rolecall\", \"75\"", "\"rolecall\""),
            ("\"75\"", "75"),
            ("\"75\"", "\"many\""),
            ("A refresh under load", "Another table"),
            ("cold_start_ratio_to_sdk", "another"),
        ] {
            assert!(output().contains(expected), "{expected}");
            let output = output().replace(expected, replacement);
            assert!(write_all(&output).is_err(), "{output}");
        }
    }

    #[test]
    fn different_versions_in_both_locks_are_an_error() {
        let mut environment = environment();
        let (old, new) = ("config\"\nversion = \"1", "config\"\nversion = \"2");
        environment.benchmark_lock = environment.benchmark_lock.replacen(old, new, 1);
        let error = find_version(&environment, "aws-config").unwrap_err().to_string();
        assert!(error.contains("aws-config 1.2.3 in Cargo.lock, 2.2.3"), "{error}");
    }
}

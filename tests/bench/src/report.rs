//! The output: a line of JSON for each figure and for each row of a table.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};

use serde_json::json;

/// Goal of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
    Yes,
}

impl Goal {
    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("<= {most}"),
            Self::AtLeast(least) => format!(">= {least}"),
            Self::Exactly(value) => format!("= {value}"),
            Self::Yes => "true".to_owned(),
        }
    }

    /// Returns `true` if `value` meets the goal.
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Exactly(expected) => (value - expected).abs() < f64::EPSILON,
            Self::Yes => value > 0.0,
        }
    }
}

/// Prints a figure with its goal.
pub(crate) fn print_figure(name: &str, value: f64, goal: Goal) {
    // The rounded value is compared, so that a figure never seems to meet a goal that it missed.
    let value = (value * 1000.0).round() / 1000.0;
    let shown = match goal {
        Goal::Yes => json!(goal.is_met(value)),
        _ if value.fract() == 0.0 => json!(value as i64),
        _ => json!(value),
    };
    // A JSON map would sort the keys; this order is easier to read.
    let (name, goal, ok) = (json!(name), json!(goal.text()), goal.is_met(value));
    print_line(format_args!(r#"{{"name": {name}, "value": {shown}, "goal": {goal}, "ok": {ok}}}"#));
}

/// Prints the name of a table and the headings of its columns. Rows follow.
pub(crate) fn print_table(name: &str, heads: &[&str]) {
    print_line(json!({ "table": name, "heads": heads }));
}

/// Prints a row of a table that [`print_table`] has begun.
pub(crate) fn print_row(table: &str, cells: &[String]) {
    print_line(json!({ "table": table, "cells": cells }));
}

/// Shows on a terminal what is being measured.
pub(crate) fn show_progress(what: impl Display) {
    if stderr().is_terminal() {
        eprintln!("  {what}");
    }
}

#[allow(clippy::print_stdout, reason = "a program talks to its terminal")]
fn print_line(value: impl Display) {
    println!("{value}");
}

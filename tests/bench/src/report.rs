//! What is printed: a line of JSON for each figure, and for each row of a table.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};

use serde_json::json;

/// A figure beside what it must reach.
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

    /// Whether this value reaches it.
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Exactly(expected) => (value - expected).abs() < f64::EPSILON,
            Self::Yes => value > 0.0,
        }
    }
}

/// A line of what must be reached.
pub(crate) fn figure(name: &str, value: f64, goal: Goal) {
    // What is shown is what is compared.
    let value = (value * 1000.0).round() / 1000.0;
    let shown = match goal {
        Goal::Yes => json!(goal.is_met(value)),
        _ if value.fract() == 0.0 => json!(value as i64),
        _ => json!(value),
    };
    // In this order, which a map of JSON does not keep.
    let (name, goal, ok) = (json!(name), json!(goal.text()), goal.is_met(value));
    line(format_args!(r#"{{"name": {name}, "value": {shown}, "goal": {goal}, "ok": {ok}}}"#));
}

/// A table: its name, and the heads of its columns.
pub(crate) fn table(name: &str, heads: &[&str]) {
    line(json!({ "table": name, "heads": heads }));
}

/// A row of a table that was begun.
pub(crate) fn row(table: &str, cells: &[String]) {
    line(json!({ "table": table, "cells": cells }));
}

/// What is being done, for who watches.
pub(crate) fn progress(what: impl Display) {
    if stderr().is_terminal() {
        eprintln!("  {what}");
    }
}

#[allow(clippy::print_stdout, reason = "a program talks to its terminal")]
fn line(value: impl Display) {
    println!("{value}");
}

//! What a measurement found, beside its goals: a table for people, or lines of JSON.

use std::fmt;

use serde_json::json;

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// Less than this.
    Below(f64),
    /// Exactly this: for what must never be, or must be all.
    Exactly(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(goal) => value <= goal,
            Self::Below(goal) => value < goal,
            Self::Exactly(goal) => value == goal,
        }
    }

    fn number(self) -> f64 {
        match self {
            Self::AtMost(goal) | Self::Below(goal) | Self::Exactly(goal) => goal,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self {
            Self::AtMost(_) => "<=",
            Self::Below(_) => "<",
            Self::Exactly(_) => "=",
        };
        write!(f, "{sign} {}", short(self.number()))
    }
}

/// A figure, and its goal if it has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What programs call it.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it must be.
    pub goal: Option<Goal>,
}

impl Figure {
    /// One with a goal.
    pub fn with_goal(name: impl Into<String>, value: f64, goal: Goal) -> Self {
        Self { name: name.into(), value, goal: Some(goal) }
    }

    /// One that is for information.
    pub fn of(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value, goal: None }
    }

    /// Whether it meets its goal.
    pub fn is_ok(&self) -> bool {
        self.goal.is_none_or(|goal| goal.is_met(self.value))
    }
}

/// A line of JSON for each: `{"name", "value", "goal", "ok"}`.
pub fn json_lines(figures: &[Figure]) -> String {
    let line = |figure: &Figure| {
        let line = json!({
            "name": figure.name, "value": figure.value,
            "goal": figure.goal.map(Goal::number), "ok": figure.is_ok(),
        });
        format!("{line}\n")
    };
    figures.iter().map(line).collect()
}

/// A table for people.
pub fn table(figures: &[Figure]) -> String {
    let width = figures.iter().map(|figure| figure.name.len()).max().unwrap_or(0);
    let row = |figure: &Figure| {
        let goal = figure.goal.map_or(String::new(), |goal| goal.to_string());
        let verdict = match (figure.goal, figure.is_ok()) {
            (None, _) => "",
            (Some(_), true) => "ok",
            (Some(_), false) => "MISSED",
        };
        let row =
            format!("{:<width$}  {:>14}  {goal:<9}  {verdict}", figure.name, short(figure.value));
        format!("{}\n", row.trim_end())
    };
    figures.iter().map(row).collect()
}

/// Whole numbers as such, others with three digits.
fn short(value: f64) -> String {
    match value.fract() == 0.0 {
        true => format!("{value}"),
        false => format!("{value:.3}"),
    }
}

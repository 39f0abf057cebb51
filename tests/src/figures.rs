//! Figures of a measurement with their goals, printed as a table or as lines of JSON.

use std::fmt;

use serde_json::json;

/// Condition that the value of a [`Figure`] must satisfy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The value must not exceed this number.
    AtMost(f64),
    /// The value must be less than this number.
    Below(f64),
    /// The value must equal this number, as the count of violations of an invariant does.
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
        write!(f, "{sign} {}", format_number(self.number()))
    }
}

/// A measured value with an optional goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Name for programs that read the figure.
    pub name: String,
    /// Measured value.
    pub value: f64,
    /// Goal that the value must meet.
    pub goal: Option<Goal>,
}

impl Figure {
    /// Creates a figure with a goal.
    pub fn with_goal(name: impl Into<String>, value: f64, goal: Goal) -> Self {
        Self { name: name.into(), value, goal: Some(goal) }
    }

    /// Creates a figure without a goal.
    pub fn informational(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value, goal: None }
    }

    /// Returns `true` if the figure meets its goal, or has none.
    pub fn is_ok(&self) -> bool {
        self.goal.is_none_or(|goal| goal.is_met(self.value))
    }
}

/// Formats each figure as a line of JSON: `{"name", "value", "goal", "ok"}`.
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

/// Formats the figures as a table for a terminal.
pub fn table(figures: &[Figure]) -> String {
    let width = figures.iter().map(|figure| figure.name.len()).max().unwrap_or(0);
    let row = |figure: &Figure| {
        let goal = figure.goal.map_or(String::new(), |goal| goal.to_string());
        let verdict = match (figure.goal, figure.is_ok()) {
            (None, _) => "",
            (Some(_), true) => "ok",
            (Some(_), false) => "MISSED",
        };
        let value = format_number(figure.value);
        let row = format!("{:<width$}  {value:>14}  {goal:<9}  {verdict}", figure.name);
        format!("{}\n", row.trim_end())
    };
    figures.iter().map(row).collect()
}

/// Formats integers without decimals, and other numbers with three.
fn format_number(value: f64) -> String {
    match value.fract() == 0.0 {
        true => format!("{value}"),
        false => format!("{value:.3}"),
    }
}

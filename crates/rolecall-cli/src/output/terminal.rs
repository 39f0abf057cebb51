//! What is known of the terminal: its width, and whether it has colors.

use std::io::{self, IsTerminal};

use anstream::ColorChoice;

use crate::cli::Color;

/// The width of tables that no terminal limits.
const DEFAULT_WIDTH: usize = 100;

/// Returns when a stream has colors: if the option and, by default, the terminal permit them.
pub(crate) fn choice(color: Color) -> ColorChoice {
    match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
}

/// Returns the width that COLUMNS sets, or that of the terminal. Output to a file or a pipe has a
/// fixed width otherwise, so that it does not depend on the window of the person that runs the
/// command.
pub(super) fn width() -> usize {
    if let Some(columns) = columns() {
        return columns;
    }
    if !io::stdout().is_terminal() {
        return DEFAULT_WIDTH;
    }
    let size = terminal_size::terminal_size();
    size.map_or(DEFAULT_WIDTH, |(terminal_size::Width(width), _)| width.into())
}

/// Returns the width of messages: that of COLUMNS, or that of the terminal. Without both, messages
/// are not wrapped, since they are for a log or a program.
pub(super) fn stderr_width() -> Option<usize> {
    let stderr = io::stderr();
    columns().or_else(|| {
        stderr.is_terminal().then(|| {
            let size = terminal_size::terminal_size_of(&stderr);
            size.map_or(DEFAULT_WIDTH, |(terminal_size::Width(width), _)| width.into())
        })
    })
}

/// Returns the width that COLUMNS sets.
fn columns() -> Option<usize> {
    let columns: u16 = std::env::var("COLUMNS").ok()?.parse().ok()?;
    (columns > 0).then_some(columns.into())
}

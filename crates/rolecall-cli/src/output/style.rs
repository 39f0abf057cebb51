//! The styles of text on a terminal.

use anstyle::{AnsiColor, Style};

/// Names of values.
pub(crate) const NAME: Style = Style::new().bold();
/// The word `error`, and failed checks.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The words `hint` and `note`.
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// Passed checks.
pub(crate) const OK: Style = AnsiColor::Green.on_default().bold();
/// Checks that are worth attention.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();

//! The styles of text on a terminal.

use anstyle::{AnsiColor, Style};

/// Names of values.
pub(crate) const NAME: Style = Style::new().bold();
/// The word `error`, and failed checks.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The words `hint` and `note`.
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// Passed checks, and the word `allowed`.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// The word `warning`, and checks that are worth attention.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Texts that are not marked.
pub(crate) const PLAIN: Style = Style::new();

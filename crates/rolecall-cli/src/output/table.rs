//! Tables whose last column is wrapped.

use std::io::Write;

use anstyle::Style;

use super::{Output, printable, style, terminal, wrap};
use crate::error::Failure;

/// The width that the last column has in a terminal that is too narrow for the others.
const MIN_WIDTH: usize = 20;

/// What stands between the columns of names and values.
const GAP: usize = 2;

impl Output {
    /// Prints a table of two columns: names and values.
    pub(crate) fn rows(&mut self, rows: &[(&str, String)]) -> Result<(), Failure> {
        let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let indent = names + GAP;
        let (bold, plain) = (style::NAME, anstyle::Reset);
        for (name, value) in rows {
            let lines = column(value, indent);
            match (*name, lines.first()) {
                (name, None) => writeln!(self.out, "{bold}{name}{plain}")?,
                ("", Some(line)) => writeln!(self.out, "{:indent$}{line}", "")?,
                (name, Some(line)) => {
                    writeln!(self.out, "{bold}{name:names$}{plain}{:GAP$}{line}", "")?
                }
            }
            for line in lines.iter().skip(1) {
                writeln!(self.out, "{:indent$}{line}", "")?;
            }
        }
        Ok(())
    }

    /// Prints cells of fixed widths and one last cell that is wrapped, and writes the line at once.
    /// The first cell has the style.
    pub(crate) fn cells(
        &mut self,
        style: Style,
        first: [(&str, usize); 2],
        last: &str,
    ) -> Result<(), Failure> {
        let indent: usize = first.iter().map(|(_, width)| width + 1).sum();
        let [(status, status_width), (name, name_width)] = first;
        let lines = column(last, indent);
        let line = lines.first().map(String::as_str).unwrap_or_default();
        writeln!(self.out, "{style}{status:status_width$}{style:#} {name:name_width$} {line}")?;
        for line in lines.iter().skip(1) {
            writeln!(self.out, "{:indent$}{line}", "")?;
        }
        self.finish()
    }
}

/// Returns the lines of a cell, beside columns of this width.
fn column(text: &str, others: usize) -> Vec<String> {
    let width = terminal::width().saturating_sub(others).max(MIN_WIDTH);
    wrap::column(&printable(text), width)
}

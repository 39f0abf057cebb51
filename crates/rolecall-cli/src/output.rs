//! Results on standard output: tables and JSON, colors, and the width of the terminal.

mod pipe;
mod printable;
pub(crate) mod progress;
pub(crate) mod style;
mod table;
mod terminal;
pub(crate) mod wrap;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::LazyLock;

use anstream::AutoStream;
use anstyle::Style;
use clap::ValueEnum;
use rolecall::params::{redact, secret_keys, shown};
use serde::Serialize;

use self::pipe::Pipe;
use self::printable::printable_json;
pub(crate) use self::printable::{Printable, is_unprintable, printable};
pub(crate) use self::terminal::choice;
use self::terminal::{stderr_width, width};
use crate::cli::{GlobalArgs, OutputFormat};
use crate::error::Failure;
use crate::stderr;

/// The bytes that are written at once, if nothing waits for them.
const BUFFER: usize = 64 * 1024;

/// Standard output, in the format that the global options select.
pub(crate) struct Output {
    global: GlobalArgs,
    // Not locked: the thread of another value may be waiting for the reader.
    out: BufWriter<Pipe<AutoStream<Stdout>>>,
}

impl Output {
    pub(crate) fn new(global: &GlobalArgs) -> Self {
        let out = AutoStream::new(io::stdout(), choice(global.color));
        Self { global: *global, out: BufWriter::with_capacity(BUFFER, Pipe::new(out)) }
    }

    pub(crate) fn global(&self) -> &GlobalArgs {
        &self.global
    }

    /// Prints one record: an object, or a table of two columns whose rows are the names and values.
    pub(crate) fn record(
        &mut self,
        record: &impl Serialize,
        rows: &[(&str, String)],
    ) -> Result<(), Failure> {
        match self.global.output {
            OutputFormat::Json => self.json(record),
            OutputFormat::Table => self.rows(rows),
            OutputFormat::Sarif => self.require(&[OutputFormat::Table, OutputFormat::Json]),
        }
    }

    /// Prints a value as indented JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::operation(format!("cannot write JSON: {error}")))?;
        self.json_text(&text)
    }

    /// Prints a value as JSON on one line.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::operation(format!("cannot write JSON: {error}")))?;
        self.json_text(&text)
    }

    /// Prints a JSON text.
    ///
    /// JSON lets unprintable characters such as those from U+007F to U+009F stand in a string. They
    /// could control a terminal, and what removes colors from the output would remove the first of
    /// them.
    pub(crate) fn json_text(&mut self, text: &str) -> Result<(), Failure> {
        self.line(&printable_json(text))
    }

    /// Prints a line as it is.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Refuses output formats that the command does not have.
    pub(crate) fn require(&self, formats: &[OutputFormat]) -> Result<(), Failure> {
        let format = self.global.output;
        if formats.contains(&format) {
            return Ok(());
        }
        let name = |format: OutputFormat| {
            format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let all: Vec<String> = formats.iter().map(|format| name(*format)).collect();
        Err(Failure::usage(format!("this command has no output format {:?}", name(format)))
            .with_hint(format!("use --output {}", all.join(" or --output "))))
    }

    /// Returns `true` if the result is for a person.
    pub(crate) fn is_table(&self) -> bool {
        self.global.output == OutputFormat::Table
    }

    /// Returns `true` if the result of a command that is JSON by default, except on a terminal, is
    /// for a person.
    pub(crate) fn is_table_if_read(&self) -> bool {
        self.is_table() && (self.global.is_output_set || io::stdout().is_terminal())
    }

    /// Prints a line in bold.
    pub(crate) fn heading(&mut self, text: &str) -> Result<(), Failure> {
        let (bold, plain) = (style::NAME, anstyle::Reset);
        Ok(writeln!(self.out, "{bold}{}{plain}", printable(text))?)
    }

    /// Prints a text in as many lines as the width of the terminal needs. `mark` is how it begins,
    /// such as `error:`, in a style of its own.
    pub(crate) fn paragraph(
        &mut self,
        indent: usize,
        mark: (Style, &str),
        text: &str,
    ) -> Result<(), Failure> {
        wrapped(indent, mark, text, width()).iter().try_for_each(|line| self.line(line))
    }

    /// Returns the width of the table in columns.
    pub(crate) fn width(&self) -> usize {
        width()
    }

    /// Prints a note to standard error, unless `--quiet` is set.
    pub(crate) fn note(&self, text: &str) {
        if self.global.quiet {
            return;
        }
        let note = message_lines((style::HINT, "note:"), text);
        stderr::write(note, choice(self.global.color));
    }

    /// Prints a warning to standard error.
    pub(crate) fn warning(&self, text: &str) {
        let warning = message_lines((style::WARNING, "warning:"), text);
        stderr::write(warning, choice(self.global.color));
    }

    /// Lets the command continue if the reader of the output is gone. It calls this if its exit
    /// status says whether something is as it should be.
    pub(crate) fn go_on_without_reader(&mut self) {
        self.out.get_mut().goes_on = true;
    }

    /// Returns `true` if the command has gone on without a reader.
    pub(crate) fn has_no_reader(&self) -> bool {
        self.out.get_ref().is_closed
    }

    /// Writes what is buffered.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }
}

/// The secret access keys among the arguments of this process, which a person has pasted in the
/// wrong place: no option takes one.
static PASTED: LazyLock<Vec<String>> = LazyLock::new(|| pasted_keys(std::env::args_os()));

/// Returns the values among arguments that may be secret access keys. An external id can look like
/// one. It is no secret, and a person compares it with that of a policy.
fn pasted_keys(arguments: impl Iterator<Item = OsString>) -> Vec<String> {
    let mut keys = Vec::new();
    let mut is_external_id = false;
    for argument in arguments {
        let argument = argument.to_string_lossy();
        if !is_external_id && !argument.starts_with("--external-id=") {
            keys.extend(secret_keys(&argument).map(str::to_owned));
        }
        is_external_id = argument == "--external-id";
    }
    keys
}

/// Formats a text about what went wrong. What a person has pasted in the wrong place can be a part
/// of it, and can be a secret, or a whole file.
pub(crate) fn message(text: &str) -> String {
    const LONGEST_WORD: usize = 1_000;
    const LONGEST_END: usize = 1_500;
    let words = redact(text);
    let words = PASTED.iter().fold(words, |words, key| match words.contains(key) {
        true => Cow::Owned(words.replace(key, &shown(key))),
        false => words,
    });
    let words = words.split_inclusive(char::is_whitespace);
    let shortened = words.map(|word| match word.char_indices().nth(LONGEST_WORD) {
        Some(_) => {
            // Quotes and spaces behind the value stay.
            let value = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            let end = word.get(value.len()..).filter(|end| end.len() < LONGEST_WORD);
            Cow::Owned(shown(value) + end.unwrap_or_default())
        }
        None => Cow::Borrowed(word),
    });
    let text: String = shortened.collect();
    // The value is usually between the subject and the fault.
    let head = text.char_indices().nth(LONGEST_END).and_then(|(end, _)| text.get(..end));
    let tail = text.char_indices().nth_back(LONGEST_END).and_then(|(start, _)| text.get(start..));
    match (head, tail) {
        (Some(head), Some(tail)) if head.len() + tail.len() < text.len() => {
            format!("{head} ... {tail}")
        }
        _ => text,
    }
}

/// Returns the lines of a text for standard error: an error, a hint, a note or a warning, after its
/// mark. Unlike a result, it is wrapped only for a person: on a terminal, or if COLUMNS is set.
pub(crate) fn message_lines((style, mark): (Style, &str), text: &str) -> String {
    let text = &message(text);
    let lines = match stderr_width() {
        Some(width) => wrapped(0, (style, mark), text, width),
        None => vec![format!("{style}{mark}{style:#} {}", printable(text))],
    };
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Returns an error of the parser, in lines as [`message_lines`] has them.
pub(crate) fn parser_message(text: &str) -> String {
    match stderr_width() {
        Some(width) => wrap::parser_text(text, width),
        None => text.to_owned(),
    }
}

/// Returns the lines of a paragraph.
fn wrapped(indent: usize, (style, mark): (Style, &str), text: &str, width: usize) -> Vec<String> {
    let whole = match mark.is_empty() {
        true => printable(text),
        false => printable(&format!("{mark} {text}")),
    };
    let mut lines = wrap::wrap(&whole, indent, width);
    if let Some(first) = lines.first_mut()
        && let Some(rest) = first.trim_start().strip_prefix(mark)
        && !mark.is_empty()
    {
        *first = format!("{:indent$}{style}{mark}{}{rest}", "", anstyle::Reset);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_keys_are_those_of_no_external_id() {
        let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let pasted = |arguments: &[&str]| pasted_keys(arguments.iter().map(OsString::from));
        for arguments in [
            &[key][..],
            &["--base", "profile:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
            &["--external-id", "shop-4711", key],
        ] {
            assert_eq!(pasted(arguments), [key], "{arguments:?}");
        }
        for arguments in [
            &["assume", "arn:aws:iam::111122223333:role/checkout"][..],
            &["--external-id", key],
            &["--external-id=2=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
        ] {
            assert!(pasted(arguments).is_empty(), "{arguments:?}");
        }
    }
}

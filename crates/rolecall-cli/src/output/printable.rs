//! Characters that must not reach a terminal as they are: a server, a token or a file could
//! otherwise control the terminal, or look like another text.

use std::io::{self, Write};

pub(crate) use rolecall::params::is_unprintable;

/// Replaces each unprintable character, such as U+202E, with its escape, such as `\u{202e}`. Line
/// breaks stay.
pub(crate) fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unprintable(c) && c != '\n' {
            true => printed.extend(c.escape_unicode()),
            false => printed.push(c),
        }
    }
    printed
}

/// Replaces unprintable characters in a JSON text with escapes of JSON, which only its strings
/// need: `serde_json` escapes those below U+0020 itself. Line breaks stay.
pub(super) fn printable_json(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unprintable(c) && c != '\n' {
            // JSON has escapes of UTF-16.
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                printed.push_str(&format!("\\u{unit:04x}"));
            }),
            false => printed.push(c),
        }
    }
    printed
}

/// A writer of UTF-8 text whose unprintable characters are replaced.
#[derive(Debug)]
pub(crate) struct Printable<W>(pub(crate) W);

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(printable(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters of the groups, and their neighbours.
    #[test]
    fn unprintable_characters_are_escaped() {
        for c in
            "\0\t\r\u{1b}\u{7f}\u{85}\u{9b}\u{9f}\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{202a}\
                  \u{202e}\u{2060}\u{2066}\u{2069}\u{ad}\u{180e}\u{feff}\u{fffb}"
                .chars()
        {
            let code = u32::from(c);
            assert_eq!(printable(&format!("a{c}b")), format!("a\\u{{{code:x}}}b"));
            assert_eq!(printable_json(&format!("a{c}b")), format!("a\\u{code:04x}b"));
        }
        for c in "\n ~\u{a0}\u{e9}\u{200a}\u{2010}\u{2027}\u{202f}\u{4e2d}\u{1f600}".chars() {
            let text = c.to_string();
            assert_eq!((printable(&text), printable_json(&text)), (text.clone(), text));
        }
    }

    #[test]
    fn characters_beyond_16_bits_are_escaped() {
        assert_eq!(printable("a\u{e0041}"), "a\\u{e0041}");
        assert_eq!(printable_json("\"a\u{e0041}\""), "\"a\\udb40\\udc41\"");
        let parsed: String = serde_json::from_str("\"a\\udb40\\udc41\"").unwrap();
        assert_eq!(parsed, "a\u{e0041}");
    }

    #[test]
    fn writer_escapes_text() {
        let mut written = Vec::new();
        Printable(&mut written).write_all("a\u{202e}b\n".as_bytes()).unwrap();
        assert_eq!(written, b"a\\u{202e}b\n");
    }
}

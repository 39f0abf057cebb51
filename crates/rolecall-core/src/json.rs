//! A reader of JSON text, for the claims of tokens, error responses and the syntax of policies.
//!
//! serde_json would do, but with its dependencies it adds seconds to the build of a program that
//! needs serde for nothing else.

use std::fmt;

/// A JSON value: the part of a text that contains it. Its syntax is valid.
///
/// Nothing is recursive, so that no depth of a text from elsewhere overflows the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<'a>(&'a [u8]);

/// An error returned for a text that is not JSON: what was expected, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidJson {
    expected: &'static str,
    line: usize,
    column: usize,
}

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at line {} column {}", self.expected, self.line, self.column)
    }
}

impl std::error::Error for InvalidJson {}

impl<'a> Json<'a> {
    /// Parses a text that contains one value.
    ///
    /// Strings are validated when they are read: see [`as_text`](Self::as_text).
    ///
    /// # Errors
    ///
    /// Returns [`InvalidJson`] if the syntax of the text is not valid.
    pub fn parse(text: &'a [u8]) -> Result<Self, InvalidJson> {
        let mut scanner = Scanner { text, at: 0 };
        scanner.skip_white_space();
        let value = scanner.value()?;
        scanner.skip_white_space();
        match scanner.peek() {
            None => Ok(value),
            Some(_) => Err(scanner.expected("the end of the text")),
        }
    }

    /// Returns `true` for `null`.
    pub fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// Returns the members of an object in their order, including those whose keys are equal.
    ///
    /// Returns `None` if the value is not an object, or if a key is not valid as text.
    pub fn members(self) -> Option<Vec<(String, Self)>> {
        let children = self.children(b'{')?;
        let member = |pair: &[Self]| match *pair {
            [key, value] => Some((key.as_text()?, value)),
            _ => None,
        };
        children.chunks(2).map(member).collect()
    }

    /// Returns the value of the last member with this key, or `None` if the value is not an object
    /// that has one.
    pub fn get(self, key: &str) -> Option<Self> {
        let mut members = self.members()?.into_iter();
        members.rfind(|(other, _)| other == key).map(|(_, value)| value)
    }

    /// Returns the elements of an array, or `None` for another value.
    pub fn elements(self) -> Option<Vec<Self>> {
        self.children(b'[')
    }

    /// Returns the text of a string.
    ///
    /// Returns `None` for another value, and for a string that is not UTF-8 or that has half of a
    /// surrogate pair.
    pub fn as_text(self) -> Option<String> {
        let quoted = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let mut rest = std::str::from_utf8(quoted).ok()?;
        let mut text = String::with_capacity(rest.len());
        while let Some((plain, escaped)) = rest.split_once('\\') {
            text.push_str(plain);
            let mut chars = escaped.chars();
            text.push(match chars.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let first = code_unit(&mut chars)?;
                    let mut units = [first, 0];
                    let is_pair = matches!(first, 0xd800..=0xdbff);
                    if is_pair {
                        chars.as_str().strip_prefix("\\u")?;
                        chars.nth(1);
                        units[1] = code_unit(&mut chars)?;
                    }
                    char::decode_utf16(units).next()?.ok()?
                }
                other => other,
            });
            rest = chars.as_str();
        }
        text.push_str(rest);
        Some(text)
    }

    /// Returns the value of a number. Returns `None` for another value, and for a number that is
    /// too large.
    pub fn as_f64(self) -> Option<f64> {
        matches!(self.0.first()?, b'-' | b'0'..=b'9').then_some(())?;
        std::str::from_utf8(self.0).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// Returns what is between the brackets: elements, or keys and values in turn.
    fn children(self, open: u8) -> Option<Vec<Self>> {
        let text = self.0;
        if *text.first()? != open {
            return None;
        }
        let mut scanner = Scanner { text, at: 1 };
        let mut children = Vec::new();
        loop {
            while matches!(scanner.peek(), Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b':')) {
                scanner.at += 1;
            }
            if matches!(scanner.peek(), None | Some(b'}' | b']')) {
                return Some(children);
            }
            children.push(scanner.value().ok()?);
        }
    }
}

/// Reads the four digits of an escaped code unit.
fn code_unit(chars: &mut std::str::Chars<'_>) -> Option<u16> {
    let digits = chars.as_str().get(..4)?;
    chars.nth(3);
    u16::from_str_radix(digits, 16).ok()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips the next character if it is `byte`.
    fn skip_if(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expected(&self, expected: &'static str) -> InvalidJson {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let lines = before.split(|byte| *byte == b'\n');
        let (line, last) = lines.fold((0, &[][..]), |(line, _), next| (line + 1, next));
        InvalidJson { expected, line, column: last.len() + 1 }
    }

    /// Skips a value that begins here, and returns it.
    fn value(&mut self) -> Result<Json<'a>, InvalidJson> {
        let start = self.at;
        // The ends of the arrays and objects that are open.
        let mut open = Vec::new();
        loop {
            self.skip_white_space();
            match self.peek() {
                Some(b'[') => {
                    self.at += 1;
                    open.push(b']');
                    self.skip_white_space();
                    if self.peek() != Some(b']') {
                        continue;
                    }
                }
                Some(b'{') => {
                    self.at += 1;
                    open.push(b'}');
                    self.skip_white_space();
                    if self.peek() != Some(b'}') {
                        self.skip_key()?;
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                Some(b'-' | b'0'..=b'9') => self.skip_number()?,
                _ => self.skip_literal()?,
            }
            // A value was completed, and with it perhaps the ones that contain it.
            loop {
                let Some(&end) = open.last() else {
                    return Ok(Json(self.text.get(start..self.at).unwrap_or_default()));
                };
                self.skip_white_space();
                if self.skip_if(end) {
                    open.pop();
                } else if !self.skip_if(b',') {
                    let is_array = end == b']';
                    return Err(self.expected(if is_array { "`,` or `]`" } else { "`,` or `}`" }));
                } else if end == b'}' {
                    self.skip_white_space();
                    self.skip_key()?;
                    break;
                } else {
                    break;
                }
            }
        }
    }

    /// Skips a key and its colon.
    fn skip_key(&mut self) -> Result<(), InvalidJson> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in quotes"));
        }
        self.skip_string()?;
        self.skip_white_space();
        if self.skip_if(b':') { Ok(()) } else { Err(self.expected("`:`")) }
    }

    fn skip_string(&mut self) -> Result<(), InvalidJson> {
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.expected("the end of a string")),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    self.skip_escape()?;
                }
                Some(0..=0x1f) => return Err(self.expected("no control character")),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Skips what follows a backslash.
    fn skip_escape(&mut self) -> Result<(), InvalidJson> {
        let is_valid = match self.peek() {
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5);
                let is_valid = digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit));
                self.at += if is_valid { 4 } else { 0 };
                is_valid
            }
            Some(byte) => b"\"\\/bfnrt".contains(&byte),
            None => false,
        };
        if !is_valid {
            return Err(self.expected("an escape sequence"));
        }
        self.at += 1;
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), InvalidJson> {
        self.skip_if(b'-');
        if !self.skip_if(b'0') {
            self.skip_digits()?;
        }
        if self.skip_if(b'.') {
            self.skip_digits()?;
        }
        if self.skip_if(b'e') || self.skip_if(b'E') {
            let _ = self.skip_if(b'-') || self.skip_if(b'+');
            self.skip_digits()?;
        }
        Ok(())
    }

    /// Skips one or more digits.
    fn skip_digits(&mut self) -> Result<(), InvalidJson> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.expected("a digit"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn skip_literal(&mut self) -> Result<(), InvalidJson> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        for literal in ["null", "true", "false"] {
            if rest.starts_with(literal.as_bytes()) {
                self.at += literal.len();
                return Ok(());
            }
        }
        Err(self.expected("a value"))
    }
}

#[cfg(test)]
mod tests;

//! The parser of JSON texts.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Json, JsonError, Member, Value};

/// The deepest nesting that is read. A policy nests seven levels; the bound keeps a hostile
/// document from exhausting the stack.
const MAX_DEPTH: usize = 32;

/// Up to this many members, duplicates are found by comparing every pair, which does not allocate.
const FEW_MEMBERS: usize = 16;

/// Parses a whole document.
pub(super) fn document(text: &str) -> Result<Json<'_>, JsonError> {
    let mut reader = Reader::new(text);
    let value = reader.value(0)?;
    reader.skip_white_space();
    // What follows the value would be ignored, though a reader of the file takes it for a part of
    // the policy.
    if reader.at < reader.bytes.len() {
        return reader.fail("expected the end of the document after its value");
    }
    Ok(value)
}

/// Returns the value of a member of the outermost object. What is malformed in the values before
/// it is skipped by its brackets, and what comes after it is not read.
pub(super) fn find_member<'a>(text: &'a str, key: &str) -> Option<Json<'a>> {
    let mut reader = Reader::new(text);
    reader.skip(b'{')?;
    loop {
        reader.skip_white_space();
        if reader.peek() != Some(b'"') {
            return None;
        }
        let found = reader.string().ok()? == key;
        reader.skip(b':')?;
        if found {
            return reader.value(0).ok();
        }
        reader.skip_value()?;
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        // A byte order mark is not part of JSON, but editors write one.
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, bytes: text.as_bytes(), at: start }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, JsonError> {
        Self::fail_at(self.at, message)
    }

    fn fail_at<T>(offset: usize, message: impl Into<String>) -> Result<T, JsonError> {
        let message = format!("not valid JSON: {}", message.into());
        Err(JsonError { location: String::new(), offset, message })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips a byte after white space.
    fn skip(&mut self, byte: u8) -> Option<()> {
        self.skip_white_space();
        if self.peek() != Some(byte) {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Skips a value, which may be malformed, and the comma after it.
    fn skip_value(&mut self) -> Option<()> {
        let (mut depth, mut in_string) = (0_usize, false);
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                // An escaped quote must not end the string, or the brackets inside it would be
                // counted.
                b'\\' if in_string => self.at += 1,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                b',' if depth == 0 => return Some(()),
                _ => {}
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.skip_white_space();
        let offset = self.at;
        let value = match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => {
                return self.fail(format!("nested deeper than {MAX_DEPTH} levels"));
            }
            Some(b'{') => self.object(depth + 1)?,
            Some(b'[') => self.list(depth + 1)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b't') => self.literal("true", Value::Bool(true))?,
            Some(b'f') => self.literal("false", Value::Bool(false))?,
            Some(b'n') => self.literal("null", Value::Null)?,
            Some(_) => return self.fail(format!("expected a value, found {}", self.found())),
            None => return self.fail("expected a value, found the end of the document"),
        };
        Ok(Json { value, offset })
    }

    /// The character at the current position, for a message.
    fn found(&self) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => format!("{c:?}"),
            None => "the end of the document".to_owned(),
        }
    }

    fn literal(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        match self.text.get(self.at..) {
            Some(rest) if rest.starts_with(word) => {
                self.at += word.len();
                Ok(value)
            }
            _ => self.fail("expected a value; hint: a string stands in double quotes"),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_white_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            let item = self.value(depth);
            items.push(item.map_err(|error| error.within(&format!("[{}]", items.len())))?);
            self.skip_white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(items));
                }
                _ => {
                    return self.fail(format!("expected , or ] in a list, found {}", self.found()));
                }
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.at += 1;
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut seen: HashSet<Cow<'a, str>> = HashSet::new();
        self.skip_white_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_white_space();
            let offset = self.at;
            if self.peek() != Some(b'"') {
                return self.fail(format!(
                    "expected a key in double quotes in an object, found {}",
                    self.found()
                ));
            }
            let key = self.string()?;
            // Comparing all pairs of a hostile object with thousands of keys would take quadratic
            // time.
            let repeated = if members.len() < FEW_MEMBERS {
                members.iter().any(|member| member.key == key)
            } else {
                if seen.is_empty() {
                    seen.extend(members.iter().map(|member| member.key.clone()));
                }
                !seen.insert(key.clone())
            };
            if repeated {
                let message = format!("the key {key:?} is repeated");
                return Err(JsonError { location: String::new(), offset, message });
            }
            self.skip_white_space();
            if self.peek() != Some(b':') {
                return self.fail(format!("expected : after a key, found {}", self.found()));
            }
            self.at += 1;
            let value = self.value(depth).map_err(|error| error.within(&key))?;
            members.push(Member { key, offset, value });
            self.skip_white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(members));
                }
                _ => {
                    return self
                        .fail(format!("expected , or }} in an object, found {}", self.found()));
                }
            }
        }
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let integer = self.digits();
        // JSON has no leading zeros, and other parsers read 010 as eight.
        let leading_zero = self.bytes.get(integer) == Some(&b'0') && self.at - integer > 1;
        if self.at == integer || leading_zero {
            return Self::fail_at(start, "not a valid number");
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == self.at {
                return Self::fail_at(start, "not a valid number");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == self.at {
                return Self::fail_at(start, "not a valid number");
            }
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// Skips digits and returns where they began.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        start
    }

    /// Borrows from the document unless the string contains an escape.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        let mut unescaped: Option<String> = None;
        let mut run = start;
        loop {
            match self.peek() {
                None => return Self::fail_at(start - 1, "the string is not closed"),
                Some(b'"') => {
                    let rest = self.text.get(run..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(rest),
                        Some(mut text) => {
                            text.push_str(rest);
                            Cow::Owned(text)
                        }
                    });
                }
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(self.text.get(run..self.at).unwrap_or_default());
                    let c = self.escape()?;
                    text.push(c);
                    run = self.at;
                }
                Some(0..=0x1f) => {
                    return self.fail("control character in a string; hint: write it as an escape");
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.at += 1;
        let escape = self.peek();
        self.at += 1;
        Ok(match escape {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return Self::fail_at(start, "unknown escape in a string"),
        })
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let unpaired = || Self::fail_at(start, "unpaired surrogate in a string");
        let first = self.four_digits(start)?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).map_or_else(unpaired, Ok);
        }
        let low_follows = self.bytes.get(self.at..self.at + 2) == Some(br"\u".as_slice());
        // Half of a pair is not a character. A replacement character in its place would make two
        // different names equal.
        if first >= 0xdc00 || !low_follows {
            return unpaired();
        }
        self.at += 2;
        let second = self.four_digits(start)?;
        if !(0xdc00..0xe000).contains(&second) {
            return unpaired();
        }
        let scalar = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(scalar).map_or_else(unpaired, Ok)
    }

    fn four_digits(&mut self, start: usize) -> Result<u32, JsonError> {
        // `from_str_radix` accepts a sign, which an escape cannot have.
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        match number {
            Some(number) => Ok(number),
            None => Self::fail_at(start, "expected four hexadecimal digits after \\u"),
        }
    }
}

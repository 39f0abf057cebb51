//! A JSON reader that keeps positions, and refuses what a policy must not contain in silence.
//!
//! serde_json cannot be used here: it keeps no positions, the last of two equal keys wins without a
//! word, and a number loses its spelling. Two equal keys would change the meaning of a policy
//! (the reader sees one statement, IAM another), so they are an error.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::error::join;

/// The deepest nesting that is read. A policy nests seven levels; the bound keeps a hostile
/// document from exhausting the stack.
const MAX_DEPTH: usize = 32;

/// Up to this many members, duplicates are found by comparing every pair, which does not allocate.
const FEW_MEMBERS: usize = 16;

/// A JSON value and the byte offset at which it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Json<'a> {
    pub(crate) value: Value<'a>,
    pub(crate) offset: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// The number as it is spelled in the document.
    Number(&'a str),
    String(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<Member<'a>>),
}

/// A key of an object, and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) offset: usize,
    pub(crate) value: Json<'a>,
}

/// A fault of the document's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    /// The value that holds the fault, such as `Statement[0].Condition`.
    pub(crate) location: String,
    /// The byte offset where it was found.
    pub(crate) offset: usize,
    pub(crate) message: String,
}

impl JsonError {
    /// Adds the key or index of the value that holds the fault, on the way out of the document.
    pub(crate) fn within(mut self, step: &str) -> Self {
        self.location = join(step, &self.location);
        self
    }
}

impl<'a> Json<'a> {
    /// Parses a whole document.
    pub(crate) fn parse(text: &'a str) -> Result<Self, JsonError> {
        // A byte order mark is not part of JSON, but editors write one.
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut reader = Reader { text, bytes: text.as_bytes(), at: start };
        let value = reader.value(0)?;
        reader.skip_white_space();
        if reader.at < reader.bytes.len() {
            return reader.fail("expected the end of the document after its value");
        }
        Ok(value)
    }

    /// Returns what the value is, for an error message.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
}

/// Returns the line and column, both from 1, of a byte offset. Columns count characters.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let lines = before.bytes().filter(|byte| *byte == b'\n').count();
    let columns = before.get(line_start..).map_or(0, |line| line.chars().count());
    (saturate(lines + 1), saturate(columns + 1))
}

fn saturate(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Counts the characters of a document without the white space between its tokens, as IAM does when
/// it compares a policy with a quota.
pub(crate) fn count_without_white_space(text: &str) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for c in text.chars() {
        if !in_string && matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        count += 1;
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    count
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to_serde(json: &Json<'_>) -> serde_json::Value {
        match &json.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(text) => serde_json::from_str(text).unwrap(),
            Value::String(text) => text.as_ref().into(),
            Value::List(items) => items.iter().map(to_serde).collect(),
            Value::Object(members) => members
                .iter()
                .map(|member| (member.key.to_string(), to_serde(&member.value)))
                .collect(),
        }
    }

    #[test]
    fn document_equals_serde_json_reading() {
        for text in [
            r#"{"a": [1, -2.5e3, true, false, null, "x\n\"\\\/é\ud83d\ude00é😀"], "b": {}}"#,
            " [ ] ",
            "\u{feff}{}",
            "0",
            r#""\u0000""#,
        ] {
            let ours = to_serde(&Json::parse(text).unwrap());
            let serde: serde_json::Value =
                serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
            assert_eq!(ours, serde, "{text}");
        }
    }

    #[test]
    fn malformed_documents_are_errors() {
        let deep = "[".repeat(100_000);
        for (text, message, offset) in [
            ("", "found the end", 0),
            ("{", "expected a key", 1),
            (r#"{"a":1,}"#, "expected a key", 7),
            (r#"{"a" 1}"#, "expected :", 5),
            ("[1,]", "expected a value", 3),
            ("[1 2]", "expected , or ]", 3),
            ("01", "not a valid number", 0),
            ("1.", "not a valid number", 0),
            ("-", "not a valid number", 0),
            ("1e", "not a valid number", 0),
            ("tru", "expected a value", 0),
            ("'a'", "expected a value", 0),
            (r#""a"#, "not closed", 0),
            ("\"a\nb\"", "control character", 2),
            (r#""\x""#, "unknown escape", 1),
            (r#""\ud800""#, "unpaired surrogate", 1),
            (r#""\ud800\u0041""#, "unpaired surrogate", 1),
            (r#""\udc00""#, "unpaired surrogate", 1),
            (r#""\u12g4""#, "four hexadecimal digits", 1),
            (r#""\u+123""#, "four hexadecimal digits", 1),
            (r#"{"a": 1, "\u0061": 2}"#, "\"a\" is repeated", 9),
            ("{} {}", "expected the end", 3),
            (deep.as_str(), "nested deeper", 32),
        ] {
            let error = Json::parse(text).unwrap_err();
            let shown = text.get(..20).unwrap_or(text);
            assert!(error.message.contains(message), "{shown}: {}", error.message);
            assert_eq!(error.offset, offset, "{shown}");
        }
    }

    #[test]
    fn error_names_value_that_holds_it() {
        for (text, location) in [
            (r#"{"a": {"b": [1, {"c": 1, "c": 2}]}}"#, "a.b[1]"),
            (r#"{"a": 1, "a": 2}"#, ""),
            (r#"{"a": [[x]]}"#, "a[0][0]"),
        ] {
            assert_eq!(Json::parse(text).unwrap_err().location, location, "{text}");
        }
    }

    #[test]
    fn repeated_key_among_many_is_an_error() {
        let mut members: Vec<String> = (0..40).map(|i| format!(r#""k{i}":0"#)).collect();
        assert!(Json::parse(&format!("{{{}}}", members.join(","))).is_ok());
        members.push(r#""k3":0"#.to_owned());
        let error = Json::parse(&format!("{{{}}}", members.join(","))).unwrap_err();
        assert!(error.message.contains("\"k3\" is repeated"), "{}", error.message);
    }

    #[test]
    fn positions_count_lines_and_characters() {
        let text = "{\n  \"é\": x\n}";
        let error = Json::parse(text).unwrap_err();
        assert_eq!(line_and_column(text, error.offset), (2, 8));
        assert_eq!(line_and_column(text, 0), (1, 1));
    }

    #[test]
    fn white_space_in_strings_counts() {
        assert_eq!(count_without_white_space("{ \"a b\" :\n\"c \\\" d\" }"), 16);
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_serde_json_reads_it(text in r#"[\[\]{}:,"a\\u0-9eE.+\- \ntrueflsn]{0,24}"#) {
            let ours = Json::parse(&text);
            let serde = serde_json::from_str::<serde_json::Value>(&text);
            match (&ours, &serde) {
                (Ok(ours), Ok(serde)) => prop_assert_eq!(&to_serde(ours), serde),
                (Err(error), Ok(_)) => {
                    prop_assert!(error.message.contains("repeated"), "{}: {}", text, error.message);
                }
                // serde_json refuses numbers that no f64 holds.
                (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{}", error),
                (Err(_), Err(_)) => {}
            }
        }
    }
}

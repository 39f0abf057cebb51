//! A JSON reader that keeps positions, and refuses what a policy must not contain in silence.
//!
//! serde_json cannot be used here: it keeps no positions, the last of two equal keys wins without a
//! word, and a number loses its spelling. Two equal keys would change the meaning of a policy
//! (the reader sees one statement, IAM another), so they are an error.

mod parse;

use std::borrow::Cow;

use crate::error::join;

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

/// A fault of the document's form, or a value of another type than expected.
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
        parse::document(text)
    }

    /// Returns the value of a member of the outermost object, for a text that may be malformed in
    /// other places.
    pub(crate) fn find_member(text: &'a str, key: &str) -> Option<Self> {
        parse::find_member(text, key)
    }

    /// Returns the members of an object.
    pub(crate) fn into_members(self) -> Result<Members<'a>, JsonError> {
        match self.value {
            Value::Object(list) => Ok(Members { list, offset: self.offset }),
            _ => Err(self.unexpected("an object")),
        }
    }

    /// Returns the items of a list.
    pub(crate) fn into_items(self) -> Result<Vec<Self>, JsonError> {
        match self.value {
            Value::List(items) => Ok(items),
            _ => Err(self.unexpected("a list")),
        }
    }

    /// Returns the text of a string.
    pub(crate) fn into_text(self) -> Result<Cow<'a, str>, JsonError> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(self.unexpected("a string")),
        }
    }

    /// Returns the text of a string, or a number or boolean in its JSON spelling.
    pub(crate) fn into_scalar(self) -> Result<Cow<'a, str>, JsonError> {
        match self.value {
            Value::String(text) => Ok(text),
            Value::Number(text) => Ok(Cow::Borrowed(text)),
            Value::Bool(true) => Ok(Cow::Borrowed("true")),
            Value::Bool(false) => Ok(Cow::Borrowed("false")),
            _ => Err(self.unexpected("a string, a number or a boolean")),
        }
    }

    fn unexpected(&self, expected: &str) -> JsonError {
        let message = format!("expected {expected}, found {}", self.kind());
        JsonError { location: String::new(), offset: self.offset, message }
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

/// The members of an object, taken out one by one: what is left is unknown.
pub(crate) struct Members<'a> {
    pub(crate) list: Vec<Member<'a>>,
    /// Where the object begins.
    pub(crate) offset: usize,
}

impl<'a> Members<'a> {
    pub(crate) fn take(&mut self, key: &str) -> Option<Member<'a>> {
        let index = self.list.iter().position(|member| member.key == key)?;
        Some(self.list.swap_remove(index))
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
            // An escaped quote does not end the string. If it did, the white space after it in the
            // string would not be counted, and a policy over its quota would pass.
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests;

//! Patterns, compiled once: literals, the wildcards `*` and `?`, policy variables and escapes.
//!
//! Matching does not allocate (beyond eight distinct variables in one pattern) and takes at most
//! pattern times text steps: a text between two stars is searched for from left to right, and what
//! was found is never given back, which is right because the stars match any text.

mod compile;
mod segments;
mod unknown;

use std::fmt;

use crate::context::Context;
use compile::Compiler;
use segments::matches_segments;

pub(crate) use compile::split_fields;

/// A text with the wildcards `*` (any number of characters, including `/` and `:`) and `?` (one
/// character), and, where the policy's version has them, policy variables such as
/// `${aws:username}`.
///
/// (IAM User Guide, "IAM JSON policy elements: Variables and tags".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Context, Pattern};
/// let pattern = Pattern::new("arn:aws:s3:::shop/*");
/// assert!(pattern.matches("arn:aws:s3:::shop/orders/2026/1"));
/// assert!(!pattern.matches("arn:aws:s3:::Shop/orders"));
///
/// let home = Pattern::with_variables("home/${aws:username, 'nobody'}/*");
/// let context = Context::new().with("aws:username", "ann");
/// assert!(home.matches_in("home/ann/notes", &context));
/// assert!(home.matches("home/nobody/notes"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    shape: Shape,
    variables: Vec<Variable>,
}

/// The version of the policy language.
///
/// # Examples
///
/// ```
/// assert_eq!(rolecall_policy::Version::V2012.as_str(), "2012-10-17");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// `2008-10-17`, which has no policy variables. Also the version of a document that names none.
    V2008,
    /// `2012-10-17`.
    V2012,
}

impl Version {
    /// Returns the version as it stands in a document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2008 => "2008-10-17",
            Self::V2012 => "2012-10-17",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which characters of a pattern have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) wildcards: bool,
    pub(crate) variables: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// `*`.
    Any,
    /// The text itself.
    Exact,
    /// The text without the star at its end.
    Prefix,
    /// What stands between the stars. The first is anchored at the start, the last at the end.
    Segments(Vec<Vec<Piece>>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    /// So many `?`.
    Characters(usize),
    /// The index of a variable.
    Variable(usize),
}

/// A policy variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The condition key in lower case.
    key: Box<str>,
    default: Option<Box<str>>,
}

impl Variable {
    /// Parses what stands between the braces, `key` or `key, 'default'`.
    fn parse(inner: &str) -> Self {
        let quoted = inner.match_indices(',').find_map(|(comma, _)| {
            let rest = inner.get(comma + 1..)?.trim().strip_prefix('\'')?;
            Some((inner.get(..comma)?, rest.strip_suffix('\'')?))
        });
        let (key, default) = match quoted {
            Some((key, default)) => (key, Some(default.into())),
            None => (inner, None),
        };
        Self { key: key.trim().to_lowercase().into(), default }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Returns the variable's value. A key with several values has none, even with a default.
    fn resolve<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        match context.lookup(&self.key) {
            Some([value]) => Some(value),
            None => self.default.as_deref(),
            // A default stands for a missing key only. IAM chooses none of several values.
            Some(_) => None,
        }
    }
}

/// The values of a pattern's variables.
struct Values<'a> {
    few: [&'a str; FEW_VARIABLES],
    many: Vec<&'a str>,
}

/// So many distinct variables are resolved without an allocation.
const FEW_VARIABLES: usize = 8;

impl<'a> Values<'a> {
    /// Returns `None` if a variable has no value: the pattern then matches nothing.
    fn resolve(variables: &'a [Variable], context: &'a Context) -> Option<Self> {
        let mut values = Self { few: [""; FEW_VARIABLES], many: Vec::new() };
        if variables.len() <= FEW_VARIABLES {
            for (value, variable) in values.few.iter_mut().zip(variables) {
                *value = variable.resolve(context)?;
            }
        } else {
            values.many = variables
                .iter()
                .map(|variable| variable.resolve(context))
                .collect::<Option<_>>()?;
        }
        Some(values)
    }

    fn get(&self, index: usize) -> &'a str {
        let values: &[&'a str] = if self.many.is_empty() { &self.few } else { &self.many };
        values.get(index).copied().unwrap_or_default()
    }
}

impl Pattern {
    /// Creates a pattern with wildcards and without variables. Every string is a valid pattern.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::compile(text.as_ref(), Syntax { wildcards: true, variables: false })
    }

    /// Creates a pattern with wildcards, variables, and the escapes `${*}`, `${?}` and `${$}`.
    pub fn with_variables(text: impl AsRef<str>) -> Self {
        Self::compile(text.as_ref(), Syntax { wildcards: true, variables: true })
    }

    pub(crate) fn compile(text: &str, syntax: Syntax) -> Self {
        let special = |c: char| {
            (syntax.wildcards && matches!(c, '*' | '?')) || (syntax.variables && c == '$')
        };
        let shape = match text.find(special) {
            None => Shape::Exact,
            Some(0) if text == "*" => Shape::Any,
            Some(at) if at + 1 == text.len() && text.ends_with('*') => Shape::Prefix,
            Some(_) => {
                let (segments, variables) = Compiler::default().compile(text, syntax);
                let shape = Shape::Segments(segments);
                return Self { text: text.into(), shape, variables };
            }
        };
        Self { text: text.into(), shape, variables: Vec::new() }
    }

    /// Returns the text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Returns `true` if the pattern matches the whole of `text`, with regard to case. Variables
    /// have their default values; a variable without one matches nothing.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_in(text, &Context::new())
    }

    /// Returns `true` if the pattern matches the whole of `text`, with regard to case, with the
    /// values that its variables have in `context`.
    ///
    /// Wildcards in these values are plain characters. A variable without a value, or with several,
    /// matches nothing.
    pub fn matches_in(&self, text: &str, context: &Context) -> bool {
        match &self.shape {
            Shape::Any => true,
            Shape::Exact => *self.text == *text,
            Shape::Prefix => {
                self.text.strip_suffix('*').is_some_and(|prefix| text.starts_with(prefix))
            }
            Shape::Segments(segments) => Values::resolve(&self.variables, context)
                .is_some_and(|values| matches_segments(segments, text, &values)),
        }
    }

    /// Returns `true` if a variable has a value with this character.
    pub(crate) fn value_contains(&self, character: char, context: &Context) -> bool {
        let mut values = self.variables.iter().filter_map(|variable| variable.resolve(context));
        values.any(|value| value.contains(character))
    }

    /// Returns the text with the values of its variables, in which they are escaped. Returns `None`
    /// if a variable has no value.
    pub(crate) fn substitute(&self, context: &Context) -> Option<String> {
        let Shape::Segments(segments) = &self.shape else { return Some(self.text.to_string()) };
        let values = Values::resolve(&self.variables, context)?;
        let mut text = String::new();
        // The result is compiled as a pattern again. A value that the caller chooses, such as a
        // session tag `*`, must not become a wildcard there.
        let push_escaped = |literal: &str, text: &mut String| {
            for c in literal.chars() {
                match c {
                    '*' | '?' | '$' => text.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]),
                    c => text.push(c),
                }
            }
        };
        for (index, segment) in segments.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "*" });
            for piece in segment {
                match piece {
                    Piece::Literal(literal) => push_escaped(literal, &mut text),
                    Piece::Variable(index) => push_escaped(values.get(*index), &mut text),
                    Piece::Characters(count) => text.push_str(&"?".repeat(*count)),
                }
            }
        }
        Some(text)
    }

    /// Returns `true` if the pattern equals `text` regardless of case. For patterns that were
    /// compiled without wildcards.
    pub(crate) fn equals_ignoring_case(&self, text: &str, context: &Context) -> bool {
        // The lower case of a character may be several, so the lengths of the texts tell nothing.
        let same = |pattern: &mut dyn Iterator<Item = char>| {
            pattern.flat_map(char::to_lowercase).eq(text.chars().flat_map(char::to_lowercase))
        };
        match &self.shape {
            Shape::Segments(segments) => {
                Values::resolve(&self.variables, context).is_some_and(|values| {
                    same(&mut segments.iter().flatten().flat_map(|piece| match piece {
                        Piece::Literal(literal) => literal.chars(),
                        Piece::Variable(index) => values.get(*index).chars(),
                        Piece::Characters(_) => "".chars(),
                    }))
                })
            }
            _ => same(&mut self.text.chars()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;

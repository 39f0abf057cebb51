//! Wildcards and variables: patterns are lists of characters, each of which is literal or not.

use super::case::Request;

/// A character of a pattern. One that is not literal is a wildcard if it is `*` or `?`.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    pub(super) character: char,
    literal: bool,
}

/// Whether `${..}` is a variable or plain text.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Variables {
    Replaced,
    PlainText,
}

impl Variables {
    /// "Only with Version 2012-10-17: before it (and without a Version) they are plain text."
    pub(super) fn of_version(version: Option<&str>) -> Self {
        if version == Some("2012-10-17") { Self::Replaced } else { Self::PlainText }
    }
}

/// Returns the pattern of a text. Returns `None` if a variable has no value.
pub(super) fn expand(
    text: &str,
    variables: Variables,
    request: &Request<'_>,
) -> Option<Vec<Symbol>> {
    if variables == Variables::PlainText {
        return Some(symbols(text, false));
    }
    let mut pattern = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, remaining)) = after.split_once('}') else { break };
        pattern.extend(symbols(before, false));
        // "Wildcards in the value that comes in are not wildcards."
        pattern.extend(symbols(&value_of(name, request)?, true));
        rest = remaining;
    }
    pattern.extend(symbols(rest, false));
    Some(pattern)
}

/// "Variables `${aws:username}`, `${key, 'default'}`, escapes `${*}` `${?}` `${$}`." "The key is
/// case-insensitive. [..] A key with several values, or none and no default, is no value."
fn value_of(name: &str, request: &Request<'_>) -> Option<String> {
    if matches!(name, "*" | "?" | "$") {
        return Some(name.to_owned());
    }
    let (key, default) = match name.split_once(',') {
        None => (name, None),
        Some((key, default)) => (key, Some(default.trim().trim_matches('\'').to_owned())),
    };
    match request.values(key.trim()) {
        None => default,
        Some([value]) => Some((*value).to_owned()),
        Some(_) => None,
    }
}

fn symbols(text: &str, literal: bool) -> Vec<Symbol> {
    text.chars().map(|character| Symbol { character, literal }).collect()
}

/// Returns `true` if a pattern with wildcards matches a text, by the textbook recursion.
pub(super) fn glob(pattern: &[Symbol], text: &[char]) -> bool {
    match (pattern, text) {
        ([], rest) => rest.is_empty(),
        ([Symbol { character: '*', literal: false }, others @ ..], rest) => {
            glob(others, rest) || (!rest.is_empty() && glob(pattern, &rest[1..]))
        }
        ([Symbol { character: '?', literal: false }, others @ ..], [_, rest @ ..]) => {
            glob(others, rest)
        }
        ([symbol, others @ ..], [character, rest @ ..]) => {
            symbol.character == *character && glob(others, rest)
        }
        (_, []) => false,
    }
}

/// Returns `true` if a pattern without variables matches a text.
pub(super) fn glob_text(pattern: &str, text: &str) -> bool {
    glob(&symbols(pattern, false), &text.chars().collect::<Vec<_>>())
}

/// Returns the text of a pattern whose wildcards stand for themselves.
pub(super) fn plain(pattern: &[Symbol]) -> String {
    pattern.iter().map(|symbol| symbol.character).collect()
}

/// "Arn operators match the six colon fields one by one (a wildcard stays in its field; the sixth
/// keeps its colons)."
pub(super) fn arn_matches(pattern: &[Symbol], arn: &str) -> bool {
    let patterns: Vec<&[Symbol]> = pattern.splitn(6, |symbol| symbol.character == ':').collect();
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    patterns.len() == 6
        && fields.len() == 6
        && patterns
            .iter()
            .zip(fields)
            .all(|(pattern, field)| glob(pattern, &field.chars().collect::<Vec<_>>()))
}

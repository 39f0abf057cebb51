//! How a value that was refused is shown in an error.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// The most characters of a value that are shown.
const MAX_SHOWN: usize = 80;
/// Shown in place of a JWT and of another secret.
const TOKEN: &str = "eyJ... (possibly a token)";
const SECRET: &str = "(possibly a secret)";

/// Formats a value that was refused for an error: without secrets, truncated to 80 characters, and
/// with unprintable characters escaped.
///
/// ```
/// assert_eq!(rolecall_core::shown("eu west\n1"), "eu west\\n1");
/// let pasted = "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// assert_eq!(rolecall_core::shown(pasted), "aws_secret_access_key=(possibly a secret)");
/// ```
pub fn shown(value: &str) -> String {
    // White space may divide a token, so that what follows its start is not shown.
    let value = match first_token(value) {
        Some((start, mark)) => Cow::Owned(format!("{}{mark}", value.get(..start).unwrap_or(""))),
        None => Cow::Borrowed(value),
    };
    let value =
        secret_keys(&value).fold(value.to_string(), |value, key| value.replace(key, SECRET));
    let mut shown = String::new();
    for c in value.chars().take(MAX_SHOWN) {
        if is_unprintable(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if value.chars().nth(MAX_SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Returns `true` for control and format characters and line separators, which could forge log
/// lines or reorder the text of an error.
pub fn is_unprintable(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Other
        || matches!(
            c.general_category(),
            GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator
        )
}

/// Returns `true` if a text may be a JWT, which is a secret and must not be shown.
///
/// All JWTs start with the same letters, the base64 encoding of `{"`.
///
/// ```
/// assert!(rolecall_core::looks_like_token(" \"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"));
/// assert!(!rolecall_core::looks_like_token("/var/run/secrets/token"));
/// ```
pub fn looks_like_token(text: &str) -> bool {
    text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
        .starts_with("eyJ")
}

/// Replaces the JWTs and session tokens in a text, which may be a whole message.
///
/// Secret access keys have no mark, and look like other random values, such as external ids: they
/// are only replaced by [`shown`].
///
/// ```
/// let text = "cannot read Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln: no such file";
/// assert_eq!(
///     rolecall_core::redact(text),
///     "cannot read Bearer eyJ... (possibly a token): no such file",
/// );
/// ```
pub fn redact(text: &str) -> Cow<'_, str> {
    let replace = |word: &str| {
        let (start, mark) = first_token(word)?;
        Some(format!("{}{mark}", word.get(..start)?))
    };
    replace_words(text, is_of_token, replace)
}

/// Returns `true` if a value contains a JWT, a session token or a secret access key.
pub fn contains_secret(value: &str) -> bool {
    first_token(value).is_some() || secret_keys(value).next().is_some()
}

/// Returns the parts of a value that may be secret access keys.
pub fn secret_keys(value: &str) -> impl Iterator<Item = &str> {
    value.split(|c| !is_base64(c)).flat_map(keys_of_word)
}

/// How session tokens begin: base64 of a few bytes, the version among them, and of a name.
const SESSION_TOKENS: [&str; 3] = ["IQoJb3JpZ2lu", "FwoGZXIvYXdz", "AQoDYXdz"];
/// The shortest header of a JWT, `{"alg":""}`, has more characters, and an excerpt of one as well.
const MIN_JWT: usize = 10;

/// Returns the position of the first JWT or session token, and what is shown in its place.
fn first_token(text: &str) -> Option<(usize, &'static str)> {
    let is_start = |at: usize| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_ascii_alphanumeric())
    };
    let jwt = text.match_indices("eyJ").map(|(at, _)| at).find(|at| {
        let word = text.get(*at..).unwrap_or_default();
        is_start(*at) && word.chars().take_while(|c| is_of_token(*c)).count() >= MIN_JWT
    });
    let session = SESSION_TOKENS.iter().filter_map(|start| text.find(start)).min();
    [jwt.map(|at| (at, TOKEN)), session.map(|at| (at, SECRET))].into_iter().flatten().min()
}

/// Replaces words, which consist of these characters.
fn replace_words<'a>(
    text: &'a str,
    is_of_word: fn(char) -> bool,
    replacement: impl Fn(&str) -> Option<String>,
) -> Cow<'a, str> {
    let mut replaced = String::new();
    let mut rest = text;
    let mut is_replaced = false;
    while let Some(start) = rest.find(is_of_word) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|c| !is_of_word(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        replaced.push_str(before);
        match replacement(word) {
            Some(other) => {
                is_replaced = true;
                replaced.push_str(&other);
            }
            None => replaced.push_str(word),
        }
        rest = after;
    }
    match is_replaced {
        true => Cow::Owned(replaced + rest),
        false => Cow::Borrowed(text),
    }
}

/// The characters of JWTs, which are base64url with dots, and of session tokens, which are base64,
/// also percent-encoded.
fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=' | '%')
}

/// Padding is left out: secret access keys have none, and it stands between the name of a variable
/// and its value.
fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/')
}

/// Returns the parts of a word of base64 characters that may be secret access keys: 40 characters
/// between the ends of the word and its slashes, which may be those of a path or of the key.
fn keys_of_word(word: &str) -> impl Iterator<Item = &str> {
    const LENGTH: usize = 40;
    let starts = std::iter::once(0).chain(word.match_indices('/').map(|(at, _)| at + 1));
    let is_end = |end: usize| word.as_bytes().get(end).is_none_or(|byte| *byte == b'/');
    starts
        .filter(move |start| is_end(start + LENGTH))
        .filter_map(move |start| word.get(start..start + LENGTH))
        .filter(|key| is_random(key))
}

/// Returns `true` for a text that changes between upper case, lower case and other characters as
/// often as random base64 does: in 40 characters 25 times, and fewer than 14 times in one key of
/// 5,000. Names of words have fewer changes, and paths or hexadecimal digits lack a kind.
fn is_random(text: &str) -> bool {
    const MIN_CHANGES: usize = 14;
    const MIN_OF_KIND: usize = 6;
    let kind = |byte: &u8| (byte.is_ascii_uppercase(), byte.is_ascii_lowercase());
    let count = |is_kind: fn(&u8) -> bool| text.bytes().filter(is_kind).count();
    let changes = text.as_bytes().windows(2).filter(|pair| match pair {
        [one, other] => kind(one) != kind(other),
        _ => false,
    });
    count(u8::is_ascii_uppercase) >= MIN_OF_KIND
        && count(u8::is_ascii_lowercase) >= MIN_OF_KIND
        && changes.count() >= MIN_CHANGES
}

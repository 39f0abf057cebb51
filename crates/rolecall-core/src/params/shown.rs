//! How a value that was refused is shown in an error.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// The most characters of a value that are shown.
const MAX_SHOWN: usize = 80;
/// Shown in place of a JWT and of another secret.
const TOKEN: &str = "eyJ... (possibly a token)";
const SECRET: &str = "(possibly a secret)";

/// Formats a value for an error: without secrets, truncated to 80 characters, and with unprintable
/// characters escaped.
///
/// ```
/// assert_eq!(rolecall_core::shown("eu west\n1"), "eu west\\n1");
/// let pasted = "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// assert_eq!(rolecall_core::shown(pasted), "aws_secret_access_key=(possibly a secret)");
/// ```
pub fn shown(value: &str) -> String {
    let redacted = redact(value);
    // A token that was configured in the wrong place is still a secret. White space may divide it,
    // so that what follows its start is not shown.
    let value = match redacted.split_once(TOKEN) {
        _ if looks_like_token(value) => Cow::Borrowed(TOKEN),
        Some((before, _)) => Cow::Owned(format!("{before}{TOKEN}")),
        None => redacted,
    };
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
fn is_unprintable(c: char) -> bool {
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

/// Replaces the parts of a text that may be a JWT, a secret access key or a session token.
///
/// ```
/// let text = "cannot read Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln: no such file";
/// assert_eq!(
///     rolecall_core::redact(text),
///     "cannot read Bearer eyJ... (possibly a token): no such file",
/// );
/// ```
pub fn redact(text: &str) -> Cow<'_, str> {
    let tokens = replace_words(text, is_token_character, |word| {
        let token = word.find("eyJ").and_then(|start| word.get(start..));
        // The shortest header of a JWT has more characters, and an excerpt of one as well.
        token.is_some_and(|token| token.len() > 9).then_some(TOKEN)
    });
    let secret = |word: &str| looks_like_secret(word).then_some(SECRET);
    let secrets = match replace_words(&tokens, is_secret_character, secret) {
        Cow::Owned(text) => Some(text),
        Cow::Borrowed(_) => None,
    };
    secrets.map_or(tokens, Cow::Owned)
}

/// Replaces words, which consist of these characters.
fn replace_words<'a>(
    text: &'a str,
    is_of_word: fn(char) -> bool,
    replacement: impl Fn(&str) -> Option<&'static str>,
) -> Cow<'a, str> {
    let words = || text.split_inclusive(|c| !is_of_word(c));
    let split = |part: &'a str| {
        let word = part.trim_end_matches(|c| !is_of_word(c));
        (word, part.get(word.len()..).unwrap_or_default())
    };
    if !words().any(|part| replacement(split(part).0).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut replaced = String::with_capacity(text.len());
    for (word, end) in words().map(split) {
        replaced.push_str(replacement(word).unwrap_or(word));
        replaced.push_str(end);
    }
    Cow::Owned(replaced)
}

/// The parts of a JWT have the characters of base64url.
fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Secret access keys and session tokens are base64. Its padding is also what stands between the
/// name of a variable and its value.
fn is_secret_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/')
}

/// Returns `true` for a word that may be a secret access key, which has 40 characters, or a session
/// token, which has hundreds. A name has up to 64 characters, and a path more slashes.
fn looks_like_secret(word: &str) -> bool {
    let has = |is_kind: fn(&u8) -> bool| word.bytes().any(|byte| is_kind(&byte));
    let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let folders = word.split('/').filter(|part| !part.is_empty()).count();
    (word.len() == 40 || word.len() > 64)
        && is_mixed
        && has(|byte| byte.is_ascii_digit() || *byte == b'+')
        && folders <= word.len() / 8
}

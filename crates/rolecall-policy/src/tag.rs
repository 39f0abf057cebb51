//! The rule for tags in IAM and STS.

use crate::error::{PolicyError, excerpt};

/// (IAM API Reference, "CreateOpenIDConnectProvider"; IAM User Guide, "Pass session tags in AWS
/// STS".)
pub(crate) const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

/// Checks one tag. Whether two keys are the same depends on the resource: the caller checks it.
///
/// (IAM API Reference, "Tag"; IAM User Guide, "Rules for tagging in IAM and AWS STS".)
pub(crate) fn check_tag(location: &str, key: &str, value: &str) -> Result<(), PolicyError> {
    check_tag_key(location, key)?;
    check_tag_value(location, value)
}

pub(crate) fn check_tag_key(location: &str, key: &str) -> Result<(), PolicyError> {
    check(location, "tag key", key, 1, MAX_KEY)
}

pub(crate) fn check_tag_value(location: &str, value: &str) -> Result<(), PolicyError> {
    check(location, "tag value", value, 0, MAX_VALUE)
}

fn check(
    location: &str,
    what: &str,
    text: &str,
    shortest: usize,
    longest: usize,
) -> Result<(), PolicyError> {
    let length = text.chars().count();
    let fault = if !(shortest..=longest).contains(&length) {
        format!("has {length} characters; hint: use {shortest} to {longest}")
    } else if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        "begins with aws:, which is reserved for AWS; hint: choose another prefix".to_owned()
    } else if let Some(other) = text.chars().find(|&c| !is_tag_character(c)) {
        format!("contains {other:?}; hint: use letters, numbers, spaces and _.:/=+-@")
    } else {
        return Ok(());
    };
    Err(PolicyError::new(location, format!("the {what} {} {fault}", excerpt(text))))
}

/// IAM's pattern is `[\p{L}\p{Z}\p{N}_.:/=+\-@]`. `is_alphanumeric` accepts a few more characters,
/// such as vowel signs, because the standard library has no test for `\p{L}` alone.
fn is_tag_character(c: char) -> bool {
    let is_separator = matches!(
        c,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    );
    c.is_alphanumeric() || is_separator || "_.:/=+-@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_by_table() {
        let long = "é".repeat(256);
        for (key, value, fault) in [
            ("Cost Centre", "München/7 a_.:/=+-@", None),
            ("k", "", None),
            ("k", long.as_str(), None),
            ("", "v", Some("the tag key \"\" has 0 characters; hint: use 1 to 128")),
            ("AWS:x", "v", Some("the tag key \"AWS:x\" begins with aws:, which is reserved")),
            ("k", "aws:x", Some("the tag value \"aws:x\" begins with aws:, which is reserved")),
            ("k*", "v", Some("the tag key \"k*\" contains '*'; hint: use letters, numbers")),
            ("k", "a\tb", Some("the tag value \"a\\tb\" contains '\\t'")),
            (&long[..258], "v", Some("has 129 characters; hint: use 1 to 128")),
            ("k", &format!("{long}x"), Some("has 257 characters; hint: use 0 to 256")),
        ] {
            let found = check_tag("tag", key, value).map_err(|error| error.to_string());
            match fault {
                None => assert_eq!(found, Ok(()), "{key:?} {value:?}"),
                Some(fault) => {
                    let text = found.unwrap_err();
                    assert!(text.starts_with("tag: ") && text.contains(fault), "{text}");
                }
            }
        }
    }
}

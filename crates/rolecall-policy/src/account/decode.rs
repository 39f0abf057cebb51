//! The encoding of the policy documents in the responses of IAM.

use std::borrow::Cow;

/// Decodes a document in a string: JSON text, plain or URL-encoded. The error is the end of a
/// sentence about the document.
///
/// (RFC 3986, "Percent-Encoding": a plus sign is a plus sign.)
pub(super) fn percent_decode(text: &str) -> Result<Cow<'_, str>, &'static str> {
    // Encoded, the brace would be `%7B`. A plain document may contain percent signs.
    if text.trim_start().starts_with('{') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => match (rest.next().and_then(digit), rest.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err("has a percent sign that is not followed by two digits"),
            },
            other => other,
        });
    }
    let decoded = String::from_utf8(bytes);
    decoded.map(Cow::Owned).map_err(|_| "is not valid UTF-8 after its decoding")
}

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_decode_by_table() {
        for (text, expected) in [
            ("%7B%22a%22%3A%20%22b%2bc+d%22%7D", Ok(r#"{"a": "b+c+d"}"#)),
            (r#" {"a": "100%"}"#, Ok(r#" {"a": "100%"}"#)),
            ("%7B%C3%A9", Ok("{é")),
            ("%7", Err("percent sign")),
            ("%+7", Err("percent sign")),
            ("%zz", Err("percent sign")),
            ("%C3", Err("UTF-8")),
        ] {
            match (percent_decode(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}

//! The operator BinaryEquals: bytes, given as base64.

/// Returns `true` if both texts are base64 of the same bytes.
pub(super) fn equals(a: &str, b: &str) -> bool {
    is_base64(a) && is_base64(b) && bytes(a).eq(bytes(b))
}

/// Returns `true` if `text` is base64: the standard alphabet, with or without padding.
pub(super) fn is_base64(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    let padding = text.len() - unpadded.len();
    unpadded.bytes().all(|b| digit(b).is_some())
        // One digit alone is not a byte.
        && unpadded.len() % 4 != 1
        && (padding == 0 || (padding <= 2 && text.len().is_multiple_of(4)))
}

/// Returns the bytes of a text in base64.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    is_base64(text).then(|| bytes(text).collect())
}

/// The bytes of a text that is base64. Bits that do not fill a byte are dropped.
fn bytes(text: &str) -> impl Iterator<Item = u8> {
    let digits = text.trim_end_matches('=').bytes().filter_map(digit);
    let mut digits = digits;
    let (mut bits, mut length) = (0_u32, 0_u32);
    std::iter::from_fn(move || {
        while length < 8 {
            bits = (bits << 6) | u32::from(digits.next()?);
            length += 6;
        }
        length -= 8;
        let byte = u8::try_from((bits >> length) & 0xff).unwrap_or_default();
        bits &= (1 << length) - 1;
        Some(byte)
    })
}

fn digit(b: u8) -> Option<u8> {
    Some(match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

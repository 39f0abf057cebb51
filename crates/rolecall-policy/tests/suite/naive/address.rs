//! Addresses as strings of bits, and base64.

use super::number::is_digits;

/// "Addresses: IPv4 and IPv6 with and without a prefix of any length, IPv6 in every spelling; a
/// range of one family holds none of the other."
pub(super) fn range_contains(range: &str, address: &str) -> bool {
    let (base, length) = match range.split_once('/') {
        None => (range, None),
        Some((base, length)) => (base, Some(length)),
    };
    let (Some(base), Some(address)) = (bits(base), bits(address)) else { return false };
    let length = match length {
        None => Some(base.len()),
        Some(length) if is_digits(length) => length.parse().ok(),
        Some(_) => None,
    };
    let Some(length) = length.filter(|length| *length <= base.len()) else { return false };
    base.len() == address.len() && base[..length] == address[..length]
}

/// Returns the 32 or 128 bits of an address.
fn bits(address: &str) -> Option<String> {
    if address.contains(':') { bits_of_v6(address) } else { bits_of_v4(address) }
}

fn bits_of_v4(address: &str) -> Option<String> {
    let parts: Vec<&str> = address.split('.').collect();
    if parts.len() != 4 {
        return None;
    }
    parts
        .into_iter()
        .map(|part| {
            let valid = is_digits(part) && (part == "0" || !part.starts_with('0'));
            let value: u8 = valid.then(|| part.parse().ok()).flatten()?;
            Some(format!("{value:08b}"))
        })
        .collect()
}

fn bits_of_v6(address: &str) -> Option<String> {
    // The last 32 bits may be written as an IPv4 address.
    let (head, tail) = match address.rsplit_once(':') {
        Some((head, last)) if last.contains('.') => (format!("{head}:"), Some(bits_of_v4(last)?)),
        _ => (address.to_owned(), None),
    };
    let tail = tail.unwrap_or_default();
    let wanted = 128 - tail.len();
    match head.split_once("::") {
        None => {
            // The colon before an IPv4 address ends the last group.
            let head = if tail.is_empty() { &head } else { head.strip_suffix(':')? };
            let bits = bits_of_groups(head)?;
            (bits.len() == wanted).then(|| bits + &tail)
        }
        Some((left, right)) => {
            let left = if left.is_empty() { String::new() } else { bits_of_groups(left)? };
            let right =
                if tail.is_empty() { right } else { right.strip_suffix(':').unwrap_or(right) };
            let right = if right.is_empty() { String::new() } else { bits_of_groups(right)? };
            // `::` stands for at least one group of zeros.
            let zeros =
                wanted.checked_sub(left.len() + right.len()).filter(|zeros| *zeros >= 16)?;
            Some(left + &"0".repeat(zeros) + &right + &tail)
        }
    }
}

fn bits_of_groups(groups: &str) -> Option<String> {
    groups
        .split(':')
        .map(|group| {
            let valid = (1..=4).contains(&group.len())
                && group.chars().all(|character| character.is_ascii_hexdigit());
            let value = valid.then(|| u16::from_str_radix(group, 16).ok()).flatten()?;
            Some(format!("{value:016b}"))
        })
        .collect()
}

/// Returns the bytes of a text in base64 with padding.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let bits: String = digits
        .chars()
        .map(|digit| Some(format!("{:06b}", ALPHABET.find(digit)?)))
        .collect::<Option<_>>()?;
    let bytes = bits.len() / 8;
    (0..bytes).map(|index| u8::from_str_radix(&bits[index * 8..index * 8 + 8], 2).ok()).collect()
}

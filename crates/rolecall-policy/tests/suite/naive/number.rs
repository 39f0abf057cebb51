//! Decimal numbers, compared by their digits.

use std::cmp::Ordering;

/// A decimal number: a sign, the digits before the point without leading zeros, and the digits
/// after it without trailing zeros.
pub(super) struct Number {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Number {
    /// "Numbers compare as decimals (10.0 is 10; negative; what is no number matches nothing)."
    pub(super) fn read(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        if !is_digits(whole) || !fraction.is_none_or(is_digits) {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.unwrap_or_default().trim_end_matches('0').to_owned();
        // There is one zero.
        let negative = negative && !(whole.is_empty() && fraction.is_empty());
        Some(Self { negative, whole, fraction })
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.compare_size(other),
            (true, true) => other.compare_size(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }

    /// More digits before the point are more; then the first digit that differs decides. The order
    /// of fractions is that of their texts.
    fn compare_size(&self, other: &Self) -> Ordering {
        self.whole
            .len()
            .cmp(&other.whole.len())
            .then_with(|| self.whole.cmp(&other.whole))
            .then_with(|| self.fraction.cmp(&other.fraction))
    }
}

/// Returns `true` if a text consists of at least one digit and nothing else.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| character.is_ascii_digit())
}

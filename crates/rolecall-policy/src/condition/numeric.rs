//! The numeric operators. Numbers compare as decimals, digit by digit: neither a large integer nor
//! a long fraction loses its last digits, as it would in a floating-point number.

use std::cmp::Ordering;

use super::operator::Comparison;

pub(super) fn matches(actual: &str, comparison: Comparison, value: &str) -> bool {
    match (Decimal::parse(actual), Decimal::parse(value)) {
        (Some(actual), Some(value)) => comparison.accepts(actual.compare(value)),
        _ => false,
    }
}

/// A decimal number, as its digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal<'a> {
    negative: bool,
    /// Without leading zeros.
    integer: &'a str,
    /// Without trailing zeros.
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    /// Parses an optional sign, digits, and an optional fraction.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let empty = integer.is_empty() && fraction.is_empty();
        if empty || !digits(integer) || !digits(fraction) {
            return None;
        }
        let integer = integer.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        // There is one zero: -0 equals 0.
        let zero = integer.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, integer, fraction })
    }

    fn compare(self, other: Self) -> Ordering {
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.compare_digits(other),
            (true, true) => other.compare_digits(self),
        }
    }

    /// More digits before the point are more; then the digits decide in the order of the text.
    fn compare_digits(self, other: Self) -> Ordering {
        let by_length = self.integer.len().cmp(&other.integer.len());
        by_length
            .then_with(|| self.integer.cmp(other.integer))
            .then_with(|| self.fraction.cmp(other.fraction))
    }
}

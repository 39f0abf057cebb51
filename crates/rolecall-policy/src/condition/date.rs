//! The date operators. (W3C, "Date and Time Formats", which the IAM User Guide names.)

use super::operator::Comparison;

pub(super) fn matches(actual: &str, comparison: Comparison, value: &str) -> bool {
    match (parse(actual), parse(value)) {
        (Some(actual), Some(value)) => comparison.accepts(actual.cmp(&value)),
        _ => false,
    }
}

/// A moment: seconds since 1970 and nanoseconds.
pub(super) type Moment = (i64, u32);

/// Parses an ISO 8601 date, or an integer, which is seconds since 1970. A day or month is its first
/// moment in UTC; a time of day needs an offset.
pub(super) fn parse(text: &str) -> Option<Moment> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // Digits alone are seconds, even four of them: 2026 is a moment in 1970 and not a year.
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(|seconds| (seconds, 0));
    }
    let mut rest = Rest(text);
    let year = rest.number(4)?;
    rest.skip('-')?;
    let month = rest.number(2)?;
    let day = if rest.skip('-').is_some() { rest.number(2)? } else { 1 };
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let midnight = days_since_1970(year, month, day) * 86_400;
    if rest.0.is_empty() {
        return Some((midnight, 0));
    }
    if rest.skip('T').is_none() {
        rest.skip('t')?;
    }
    let hour = rest.number(2)?;
    rest.skip(':')?;
    let minute = rest.number(2)?;
    let (mut second, mut nanos) = (0, 0);
    if rest.skip(':').is_some() {
        second = rest.number(2)?;
        if rest.skip('.').is_some() {
            nanos = rest.fraction()?;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // A time without an offset is not a moment. Taking it for UTC could end an access hours late.
    let offset = rest.offset()?;
    rest.0.is_empty().then_some((midnight + hour * 3600 + minute * 60 + second - offset, nanos))
}

/// What is left to parse.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn skip(&mut self, c: char) -> Option<()> {
        self.0 = self.0.strip_prefix(c)?;
        Some(())
    }

    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        let valid = number.bytes().all(|b| b.is_ascii_digit());
        if valid { number.parse().ok() } else { None }
    }

    /// The digits of a fraction of a second. Digits after the ninth are dropped.
    fn fraction(&mut self) -> Option<u32> {
        let length = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        if digits.is_empty() {
            return None;
        }
        let digit = |index: usize| digits.as_bytes().get(index).map_or(0, |b| u32::from(b - b'0'));
        Some((0..9).fold(0, |nanos, index| nanos * 10 + digit(index)))
    }

    /// `Z`, or hours and minutes with or without a colon. In seconds.
    fn offset(&mut self) -> Option<i64> {
        if self.skip('Z').is_some() || self.skip('z').is_some() {
            return Some(0);
        }
        let sign = if self.skip('+').is_some() {
            1
        } else {
            self.skip('-')?;
            -1
        };
        let hours = self.number(2)?;
        let _ = self.skip(':');
        let minutes = self.number(2)?;
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, for years from 0.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Counting years from March makes the leap day the last day of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let century_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + century_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

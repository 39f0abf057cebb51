//! Dates, as seconds since 1970 and a fraction.

use std::cmp::Ordering;

use super::number::is_digits;

/// A moment: whole seconds since 1970, and the digits of the fraction without trailing zeros.
pub(super) struct Date {
    seconds: i64,
    fraction: String,
}

impl Date {
    /// "Dates: ISO 8601 with an offset, a day is its first moment, an integer is seconds since
    /// 1970."
    pub(super) fn read(text: &str) -> Option<Self> {
        if is_digits(text.strip_prefix('-').unwrap_or(text)) {
            return Some(Self { seconds: text.parse().ok()?, fraction: String::new() });
        }
        match text.split_once('T') {
            None => Some(Self { seconds: read_day(text)? * 86_400, fraction: String::new() }),
            Some((day, time)) => read_moment(read_day(day)?, time),
        }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.seconds.cmp(&other.seconds).then_with(|| self.fraction.cmp(&other.fraction))
    }
}

/// Reads `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fraction`, followed by an offset.
fn read_moment(day: i64, time: &str) -> Option<Date> {
    let (clock, offset) = match time.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let sign = time.rfind(['+', '-'])?;
            let offset = read_clock_minutes(&time[sign + 1..])? * 60;
            (&time[..sign], if time[sign..].starts_with('-') { -offset } else { offset })
        }
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) if is_digits(fraction) && clock.len() == 8 => (clock, fraction),
        Some(_) => return None,
        None => (clock, ""),
    };
    let seconds = match clock.len() {
        5 => read_clock_minutes(clock)? * 60,
        8 => {
            let (minutes, seconds) = clock.rsplit_once(':')?;
            read_clock_minutes(minutes)? * 60 + two_digits(seconds, 0, 59)?
        }
        _ => return None,
    };
    Some(Date {
        seconds: day * 86_400 + seconds - offset,
        fraction: fraction.trim_end_matches('0').to_owned(),
    })
}

/// Reads `hh:mm`.
fn read_clock_minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    Some(two_digits(hours, 0, 23)? * 60 + two_digits(minutes, 0, 59)?)
}

fn two_digits(text: &str, least: i64, most: i64) -> Option<i64> {
    let valid = text.len() == 2 && is_digits(text);
    valid.then(|| text.parse().ok()).flatten().filter(|value| (least..=most).contains(value))
}

/// Reads `yyyy-mm-dd` into days since 1970.
fn read_day(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    if year.len() != 4 || !is_digits(year) {
        return None;
    }
    let year: i64 = year.parse().ok()?;
    let month = two_digits(month, 1, 12)?;
    let day = two_digits(day, 1, days_of_month(year, month))?;
    let before: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
    Some(days_before_year(year) - days_before_year(1970) + before + day - 1)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of the Gregorian calendar from the first of January of year 1.
fn days_before_year(year: i64) -> i64 {
    let years = year - 1;
    365 * years + years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400)
}

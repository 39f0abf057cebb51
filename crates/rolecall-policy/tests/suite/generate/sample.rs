//! Values of context keys, by kind, in the many spellings that mean the same.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::dice::Dice;
use super::scene::{ACCOUNTS, WORDS};

/// What the values of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Text of which a request has several.
    Texts,
    Number,
    Date,
    Bool,
    Binary,
    Address,
    Arn,
}

/// What a text means, for the kinds whose values have several spellings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    Text,
    /// Hundredths.
    Number(i64),
    /// Milliseconds since 1970.
    Date(i64),
    Address4(u32),
    Address6(u128),
}

/// A value of the context.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) text: String,
    pub(super) meaning: Meaning,
}

impl Sample {
    pub(super) fn text(text: String) -> Self {
        Self { text, meaning: Meaning::Text }
    }

    pub(super) fn draw(dice: &mut Dice, kind: Kind, partition: &str) -> Self {
        if dice.chance(3) {
            // What is no value of the kind.
            let junk = ["x", "12x", "2026-02-30T00:00:00Z", "10.0.0", "-", "2026-02-03T12:00:00"];
            return Self::text((*dice.pick(&junk)).to_owned());
        }
        match kind {
            Kind::Text | Kind::Texts => {
                let words = if dice.chance(60) { &WORDS[..7] } else { &WORDS };
                Self::text((*dice.pick(words)).to_owned())
            }
            Kind::Number => {
                let hundredths = draw_number(dice);
                let mut text = spell_number(dice, hundredths);
                if hundredths >= 0 && dice.chance(4) {
                    text = format!("{}{text}", if hundredths == 0 { "-" } else { "00" });
                }
                Self { text, meaning: Meaning::Number(hundredths) }
            }
            Kind::Date => {
                let millis = draw_date(dice);
                Self { text: spell_date(dice, millis), meaning: Meaning::Date(millis) }
            }
            Kind::Bool => Self::text((*dice.pick(&["true", "false"])).to_owned()),
            Kind::Binary => Self::text((*dice.pick(&BINARIES)).to_owned()),
            Kind::Address => draw_address(dice),
            Kind::Arn => Self::text(draw_arn(dice, partition)),
        }
    }
}

/// Bytes in base64, with and without padding.
pub(super) const BINARIES: [&str; 6] = ["AQID", "AQIE", "AQI=", "AQ==", "aqid", "/+8="];

fn draw_number(dice: &mut Dice) -> i64 {
    match dice.below(10) {
        0 => 0,
        1 => dice.between(-2_000, 2_000),
        // More digits than a floating-point number keeps.
        2 => 900_719_925_474_099_200 + dice.between(0, 3) * 100,
        3 | 4 => dice.between(0, 20_000),
        _ => dice.between(0, 36) * 10_000,
    }
}

/// Spells hundredths, with as many zeros at the end as come.
pub(super) fn spell_number(dice: &mut Dice, hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let (whole, fraction) = (hundredths.abs() / 100, hundredths.abs() % 100);
    let digits = format!("{fraction:02}");
    let shortest = digits.trim_end_matches('0');
    let digits = match dice.below(4) {
        0 | 1 => shortest.to_owned(),
        2 => digits,
        _ => format!("{digits}0"),
    };
    if digits.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{digits}") }
}

const DAY: i64 = 86_400_000;

fn draw_date(dice: &mut Dice) -> i64 {
    // From 1959 to 2100, mostly in 2026.
    let day = match dice.below(8) {
        0 => dice.between(-4_000, 47_000),
        _ => dice.between(20_454, 20_818),
    };
    let time = match dice.below(10) {
        0 | 1 => 0,
        2 | 3 => dice.between(0, 1_439) * 60_000,
        4 => dice.between(0, DAY - 1),
        _ => dice.between(0, 86_399) * 1_000,
    };
    day * DAY + time
}

/// Spells a moment: as seconds since 1970, as a day, or in ISO 8601 with an offset.
pub(super) fn spell_date(dice: &mut Dice, millis: i64) -> String {
    let is_whole = millis.rem_euclid(1_000) == 0;
    if is_whole && dice.chance(20) {
        return (millis / 1_000).to_string();
    }
    if millis.rem_euclid(DAY) == 0 && dice.chance(50) {
        return spell_day(millis.div_euclid(DAY));
    }
    let (minutes, offset) = dice.weigh(&[
        (6, (0, "Z")),
        (1, (60, "+01:00")),
        (1, (-300, "-05:00")),
        (1, (330, "+05:30")),
    ]);
    let local = millis + minutes * 60_000;
    let (day, rest) = (spell_day(local.div_euclid(DAY)), local.rem_euclid(DAY));
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    let fraction = match (milli, dice.below(6)) {
        (0, 0) => ".000".to_owned(),
        (0, _) => String::new(),
        (_, 0) => format!(".{milli:03}000"),
        _ => format!(".{milli:03}"),
    };
    if rest % 60_000 == 0 && dice.chance(15) {
        return format!("{day}T{hour:02}:{minute:02}{offset}");
    }
    format!("{day}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}")
}

/// Returns the date of a day since 1970, by counting eras of 400 years that start in March.
fn spell_day(day: i64) -> String {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let in_era = shifted.rem_euclid(146_097);
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn draw_address(dice: &mut Dice) -> Sample {
    if dice.chance(70) {
        let address = *dice.pick(&[0xcb00_7107_u32, 0x0a01_0203, 0xc633_6400, 0xcb00_7180]);
        let meaning = Meaning::Address4(address);
        return Sample { text: Ipv4Addr::from_bits(address).to_string(), meaning };
    }
    let prefix: u128 = *dice.pick(&[0x2001_0db8, 0x2001_0db8, 0x0064_ff9b, 0]);
    let low = *dice.pick(&[1, 0xcb00_7107, 0xffff_0000_0000, 0xffff_cb00_7107]);
    let address = prefix << 96 | low;
    Sample { text: spell_address6(dice, address), meaning: Meaning::Address6(address) }
}

/// Spells an IPv6 address in one of its spellings.
pub(super) fn spell_address6(dice: &mut Dice, address: u128) -> String {
    let address = Ipv6Addr::from_bits(address);
    match dice.below(6) {
        0 => address.segments().map(|group| format!("{group:04X}")).join(":"),
        1 => address.segments().map(|group| format!("{group:x}")).join(":"),
        2 => address.to_string().to_ascii_uppercase(),
        3 => {
            let [a, b, c, d, e, f, _, _] = address.segments();
            let last = Ipv4Addr::from_bits(address.to_bits() as u32);
            format!("{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}:{last}")
        }
        _ => address.to_string(),
    }
}

fn draw_arn(dice: &mut Dice, partition: &str) -> String {
    let account = dice.pick(&ACCOUNTS);
    match dice.below(4) {
        0 => format!("arn:{partition}:s3:::data-eu-west-1"),
        1 => format!("arn:{partition}:iam::{account}:role/app/orders"),
        2 => format!("arn:{partition}:sns:eu-west-1:{account}:orders:4f1c"),
        _ => format!("arn:{partition}:lambda:us-east-1:{account}:function:Orders:live"),
    }
}

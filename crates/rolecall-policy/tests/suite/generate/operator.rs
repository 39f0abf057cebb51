//! Operators of conditions, and values that they match or nearly match.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::dice::Dice;
use super::pattern::{self, Syntax};
use super::sample::{BINARIES, Kind, Meaning, Sample, spell_address6, spell_date, spell_number};
use super::scene::{ACCOUNTS, Scene};

/// How an operator compares a value of the request with a listed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Operator {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) comparison: Comparison,
    pub(super) negated: bool,
}

const fn operator(
    name: &'static str,
    kind: Kind,
    comparison: Comparison,
    negated: bool,
) -> Operator {
    Operator { name, kind, comparison, negated }
}

const OPERATORS: [Operator; 26] = {
    use Comparison::*;
    [
        operator("StringEquals", Kind::Text, Equals, false),
        operator("StringNotEquals", Kind::Text, Equals, true),
        operator("StringEqualsIgnoreCase", Kind::Text, EqualsIgnoreCase, false),
        operator("StringNotEqualsIgnoreCase", Kind::Text, EqualsIgnoreCase, true),
        operator("StringLike", Kind::Text, Like, false),
        operator("StringNotLike", Kind::Text, Like, true),
        operator("NumericEquals", Kind::Number, Equals, false),
        operator("NumericNotEquals", Kind::Number, Equals, true),
        operator("NumericLessThan", Kind::Number, Less, false),
        operator("NumericLessThanEquals", Kind::Number, LessOrEqual, false),
        operator("NumericGreaterThan", Kind::Number, Greater, false),
        operator("NumericGreaterThanEquals", Kind::Number, GreaterOrEqual, false),
        operator("DateEquals", Kind::Date, Equals, false),
        operator("DateNotEquals", Kind::Date, Equals, true),
        operator("DateLessThan", Kind::Date, Less, false),
        operator("DateLessThanEquals", Kind::Date, LessOrEqual, false),
        operator("DateGreaterThan", Kind::Date, Greater, false),
        operator("DateGreaterThanEquals", Kind::Date, GreaterOrEqual, false),
        operator("Bool", Kind::Bool, Equals, false),
        operator("BinaryEquals", Kind::Binary, Equals, false),
        operator("IpAddress", Kind::Address, Equals, false),
        operator("NotIpAddress", Kind::Address, Equals, true),
        operator("ArnEquals", Kind::Arn, Like, false),
        operator("ArnLike", Kind::Arn, Like, false),
        operator("ArnNotEquals", Kind::Arn, Like, true),
        operator("ArnNotLike", Kind::Arn, Like, true),
    ]
};

impl Operator {
    /// Picks an operator for values of a kind: most often one of the kind, sometimes one that
    /// compares them as text, and rarely any.
    pub(super) fn draw(dice: &mut Dice, kind: Kind) -> Self {
        let kind = match dice.below(100) {
            0..=2 => dice.pick(&OPERATORS).kind,
            3..=9 => Kind::Text,
            _ if kind == Kind::Texts => Kind::Text,
            _ => kind,
        };
        let first = dice.below(OPERATORS.len());
        let (before, after) = OPERATORS.split_at(first);
        *after
            .iter()
            .chain(before)
            .find(|operator| operator.kind == kind)
            .unwrap_or(&OPERATORS[first])
    }

    /// Returns a listed value that the operator, without its negation, matches or nearly matches.
    pub(super) fn list_value(
        &self,
        dice: &mut Dice,
        scene: &Scene,
        sample: &Sample,
        variables: bool,
        hit: bool,
    ) -> Value {
        let sample = match (self.kind, sample.meaning) {
            (Kind::Number, Meaning::Number(_))
            | (Kind::Date, Meaning::Date(_))
            | (Kind::Address, Meaning::Address4(_) | Meaning::Address6(_))
            | (Kind::Text | Kind::Texts, _) => sample.clone(),
            // A policy lists values of the operator's kind whatever the request has.
            (Kind::Number | Kind::Date | Kind::Address, _) => valid(dice, self.kind, scene),
            (Kind::Binary, _) if !BINARIES.contains(&sample.text.as_str()) => {
                valid(dice, self.kind, scene)
            }
            (Kind::Arn, _) if sample.text.split(':').count() < 6 => valid(dice, self.kind, scene),
            _ => sample.clone(),
        };
        match (self.kind, sample.meaning) {
            (Kind::Number, Meaning::Number(hundredths)) => {
                let step = *dice.pick(&[1, 10, 50, 100, 90_000]);
                let shifted = self.shift(dice, hundredths, step, hit);
                number(dice, shifted)
            }
            (Kind::Date, Meaning::Date(millis)) => {
                let step = *dice.pick(&[1, 500, 1_000, 60_000, 86_400_000]);
                let millis = self.shift(dice, millis, step, hit);
                let text = spell_date(dice, millis);
                match text.parse::<i64>() {
                    Ok(seconds) if dice.chance(30) => json!(seconds),
                    _ => json!(text),
                }
            }
            (Kind::Address, Meaning::Address4(address)) => json!(range4(dice, address, hit)),
            (Kind::Address, Meaning::Address6(address)) => json!(range6(dice, address, hit)),
            (Kind::Bool, _) => {
                let is_true = (sample.text == "true") == hit;
                if dice.chance(25) { json!(is_true) } else { json!(is_true.to_string()) }
            }
            (Kind::Binary, _) if hit => json!(sample.text),
            (Kind::Binary, _) => json!(dice.pick(&BINARIES)),
            (Kind::Arn, _) => json!(arn(dice, scene, &sample.text, variables, hit)),
            _ => {
                let wildcards = self.comparison == Comparison::Like;
                let syntax = Syntax { wildcards, variables };
                let text =
                    if self.comparison == Comparison::EqualsIgnoreCase && sample.text.is_ascii() {
                        dice.vary_case(&sample.text, 60)
                    } else {
                        sample.text.clone()
                    };
                json!(pattern::draw(dice, scene, &text, 0, syntax, hit))
            }
        }
    }

    /// Returns an amount such that the request's `amount` compares with it as `hit` says.
    fn shift(&self, dice: &mut Dice, amount: i64, step: i64, hit: bool) -> i64 {
        let either = if dice.chance(50) { step } else { -step };
        let equal_or = |dice: &mut Dice, step: i64| if dice.chance(40) { 0 } else { step };
        let delta = match (self.comparison, hit) {
            (Comparison::Less, true) | (Comparison::GreaterOrEqual, false) => step,
            (Comparison::Greater, true) | (Comparison::LessOrEqual, false) => -step,
            (Comparison::LessOrEqual, true) | (Comparison::Greater, false) => equal_or(dice, step),
            (Comparison::GreaterOrEqual, true) | (Comparison::Less, false) => equal_or(dice, -step),
            (_, true) => 0,
            (_, false) => either,
        };
        amount + delta
    }
}

/// Returns a value that is one of the kind.
fn valid(dice: &mut Dice, kind: Kind, scene: &Scene) -> Sample {
    loop {
        let sample = Sample::draw(dice, kind, scene.partition);
        let valid = match kind {
            Kind::Number | Kind::Date | Kind::Address => sample.meaning != Meaning::Text,
            Kind::Binary => BINARIES.contains(&sample.text.as_str()),
            Kind::Arn => sample.text.starts_with("arn:"),
            _ => true,
        };
        if valid {
            return sample;
        }
    }
}

/// A number in a policy is a string or a number of JSON.
fn number(dice: &mut Dice, hundredths: i64) -> Value {
    if hundredths % 100 == 0 && dice.chance(20) {
        json!(hundredths / 100)
    } else {
        json!(spell_number(dice, hundredths))
    }
}

/// Returns the address itself or a range that holds it, or one that nearly does.
fn range4(dice: &mut Dice, address: u32, hit: bool) -> String {
    if !hit && dice.chance(10) {
        return "::/0".to_owned();
    }
    let length = dice.below(33);
    let (base, length) = range(dice, u128::from(address) << 96, length, 32, hit);
    let base = Ipv4Addr::from_bits((base >> 96) as u32);
    if length == 32 && dice.chance(70) { base.to_string() } else { format!("{base}/{length}") }
}

/// Returns the address itself or a range that holds it, or one that nearly does.
fn range6(dice: &mut Dice, address: u128, hit: bool) -> String {
    if !hit && dice.chance(10) {
        return "0.0.0.0/0".to_owned();
    }
    let length = dice.below(129);
    let (base, length) = range(dice, address, length, 128, hit);
    let base = spell_address6(dice, base);
    if length == 128 && dice.chance(70) { base } else { format!("{base}/{length}") }
}

/// Returns a range by its base, in the highest bits, and its length.
fn range(
    dice: &mut Dice,
    address: u128,
    length: usize,
    longest: usize,
    hit: bool,
) -> (u128, usize) {
    let length = if dice.chance(35) { longest } else { length };
    let length = if hit { length } else { length.max(1) };
    // Without one of its bits within the prefix, the range does not hold the address.
    let flipped = if hit { 0 } else { 1 << (127 - dice.below(length)) };
    let within = if length == 0 { 0 } else { u128::MAX << (128 - length) };
    let family = u128::MAX << (128 - longest);
    let rest = if dice.chance(20) { dice.bits() & !within & family } else { 0 };
    (((address ^ flipped) & within) | rest, length)
}

/// Returns a pattern of six fields that matches an ARN field by field, or nearly does.
fn arn(dice: &mut Dice, scene: &Scene, text: &str, variables: bool, hit: bool) -> String {
    if variables && dice.chance(4) {
        return "${aws:PrincipalArn}".to_owned();
    }
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let [_, partition, service, region, account, rest] = fields[..] else { return text.to_owned() };
    let field = |dice: &mut Dice, text: &str| match dice.below(6) {
        0 => "*".to_owned(),
        1 if text.len() > 4 => format!("{}*", &text[..3]),
        _ => text.to_owned(),
    };
    let [mut account, region] = [field(dice, account), field(dice, region)];
    let failing = if hit { 0 } else { 1 + dice.below(4) };
    match failing {
        1 => account = (*dice.pick(&ACCOUNTS)).to_owned(),
        // A wildcard that would have to reach over a colon.
        2 => return format!("arn:{partition}:*:{rest}:*:*"),
        3 if rest.contains(':') => return format!("arn:{partition}:{service}:*:{rest}"),
        _ => {}
    }
    let syntax = Syntax { wildcards: true, variables };
    let rest = pattern::draw(dice, scene, rest, 0, syntax, failing == 0);
    let partition = if dice.chance(10) { "*" } else { partition };
    format!("arn:{partition}:{service}:{region}:{account}:{rest}")
}

//! The element Condition.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::operator::Operator;
use super::sample::{Kind, Sample};
use super::scene::{Given, Scene};

#[derive(Clone, Copy, PartialEq)]
enum Set {
    Bare,
    ForAllValues,
    ForAnyValue,
}

/// Returns a condition that holds for the request, or nearly does.
pub(super) fn draw(dice: &mut Dice, scene: &Scene, variables: bool, hit: bool) -> Value {
    let count = dice.weigh(&[(6, 1), (3, 2), (1, 3)]);
    let failing = if hit { count } else { dice.below(count) };
    let mut condition = Map::new();
    for index in 0..count {
        let (operator, key, listed) = draw_one(dice, scene, variables, index != failing);
        insert(dice, &mut condition, &operator, key, listed);
    }
    Value::Object(condition)
}

/// Adds a key to an operator. One operator or key has one spelling in a block.
fn insert(
    dice: &mut Dice,
    condition: &mut Map<String, Value>,
    operator: &str,
    key: &str,
    listed: Value,
) {
    let known = condition.keys().find(|name| name.eq_ignore_ascii_case(operator)).cloned();
    let spelling = known.unwrap_or_else(|| dice.vary_case(operator, 6));
    let keys = condition.entry(spelling).or_insert_with(|| json!({}));
    let Value::Object(keys) = keys else { return };
    if !keys.keys().any(|name| name.eq_ignore_ascii_case(key)) {
        keys.insert(dice.vary_case(key, 8), listed);
    }
}

/// Returns an operator, a key, and the values that the policy lists.
fn draw_one(
    dice: &mut Dice,
    scene: &Scene,
    variables: bool,
    hit: bool,
) -> (String, &'static str, Value) {
    let given = (!scene.context.is_empty() && dice.chance(82))
        .then(|| &scene.context[dice.below(scene.context.len())]);
    let (key, kind) = match given {
        Some(given) => (given.key, given.kind),
        None => scene.missing_key(dice),
    };
    let samples = given.map_or(&[] as &[Sample], |given: &Given| &given.samples);
    let several = kind == Kind::Texts || samples.len() > 1;
    let set = if dice.chance(if several { 75 } else { 12 }) {
        *dice.pick(&[Set::ForAllValues, Set::ForAnyValue])
    } else {
        Set::Bare
    };
    if dice.chance(7) {
        return draw_null(dice, key, set, !samples.is_empty(), hit);
    }
    let mut operator = Operator::draw(dice, kind);
    let mut if_exists = dice.chance(15);
    if samples.is_empty() && set == Set::Bare && dice.chance(70) {
        // The answer for a missing key depends on the suffix and the negation alone.
        if_exists = hit;
        while !hit && operator.negated {
            operator = Operator::draw(dice, kind);
        }
    }
    let listed = draw_listed(dice, scene, &operator, set, samples, variables, hit, kind);
    let prefix = match set {
        Set::Bare => "",
        Set::ForAllValues => "ForAllValues:",
        Set::ForAnyValue => "ForAnyValue:",
    };
    let suffix = if if_exists { "IfExists" } else { "" };
    (format!("{prefix}{}{suffix}", operator.name), key, listed)
}

fn draw_null(
    dice: &mut Dice,
    key: &'static str,
    set: Set,
    present: bool,
    hit: bool,
) -> (String, &'static str, Value) {
    let is_null = present != hit;
    let value = if dice.chance(25) { json!(is_null) } else { json!(is_null.to_string()) };
    let value = if dice.chance(10) { json!([value]) } else { value };
    let prefix = match set {
        Set::Bare => "",
        Set::ForAllValues => "ForAllValues:",
        Set::ForAnyValue => "ForAnyValue:",
    };
    (format!("{prefix}Null"), key, value)
}

/// Returns the listed values, by which of the request's values they must match.
#[allow(clippy::too_many_arguments, reason = "the parts of one condition")]
fn draw_listed(
    dice: &mut Dice,
    scene: &Scene,
    operator: &Operator,
    set: Set,
    samples: &[Sample],
    variables: bool,
    hit: bool,
    kind: Kind,
) -> Value {
    let chosen = if samples.is_empty() { 0 } else { dice.below(samples.len()) };
    let covered = |index: usize| match (set, operator.negated, hit) {
        // One of the values must be listed.
        (Set::Bare | Set::ForAnyValue, false, true)
        | (Set::Bare | Set::ForAllValues, true, false) => index == chosen,
        // None of them may be listed.
        (Set::Bare | Set::ForAnyValue, false, false)
        | (Set::Bare | Set::ForAllValues, true, true) => false,
        // All of them must be listed.
        (Set::ForAllValues, false, true) | (Set::ForAnyValue, true, false) => true,
        // All but one must be listed.
        (Set::ForAllValues, false, false) | (Set::ForAnyValue, true, true) => index != chosen,
    };
    let mut listed: Vec<Value> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        if covered(index) {
            listed.push(operator.list_value(dice, scene, sample, variables, true));
        }
    }
    while listed.is_empty() || dice.chance(20) {
        let drawn;
        let sample = if samples.is_empty() {
            drawn = Sample::draw(dice, kind, scene.partition);
            &drawn
        } else {
            &samples[chosen]
        };
        listed.push(operator.list_value(dice, scene, sample, variables, false));
    }
    dice.shuffle(&mut listed);
    if listed.len() == 1 && dice.chance(65) { listed.swap_remove(0) } else { Value::Array(listed) }
}

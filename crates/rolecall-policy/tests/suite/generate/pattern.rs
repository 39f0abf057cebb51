//! Patterns that match a text, and patterns that nearly do.

use super::dice::Dice;
use super::sample::Sample;
use super::scene::{Scene, WORDS};

/// What a pattern may consist of.
#[derive(Clone, Copy)]
pub(super) struct Syntax {
    pub(super) wildcards: bool,
    pub(super) variables: bool,
}

/// Returns a pattern that matches `text` after its first `fixed` characters, or nearly does.
///
/// Characters before `fixed` are kept, such as the part of an ARN that has no variables.
pub(super) fn draw(
    dice: &mut Dice,
    scene: &Scene,
    text: &str,
    fixed: usize,
    syntax: Syntax,
    hit: bool,
) -> String {
    let characters: Vec<char> = text.chars().collect();
    let (head, tail) = characters.split_at(fixed.min(characters.len()));
    let head: String = head.iter().collect();
    let tail = if hit {
        draw_hit(dice, scene, tail, syntax)
    } else {
        draw_miss(dice, scene, tail, syntax)
    };
    head + &tail
}

fn draw_hit(dice: &mut Dice, scene: &Scene, tail: &[char], syntax: Syntax) -> String {
    let at = dice.below(tail.len() + 1);
    let end = at + dice.below(tail.len() - at + 1);
    let part = |dice: &mut Dice, part: &[char]| spell(dice, part, syntax);
    match dice.below(11) {
        0 if syntax.wildcards => part(dice, &tail[..at]) + "*",
        1 if syntax.wildcards => part(dice, &tail[..at]) + "*" + &part(dice, &tail[end..]),
        2 if syntax.wildcards && at < tail.len() => {
            part(dice, &tail[..at]) + "?" + &part(dice, &tail[at + 1..])
        }
        3 if syntax.wildcards => part(dice, &tail[..at]) + "*" + &part(dice, &tail[at..]),
        4 if syntax.wildcards => "*".to_owned(),
        5..=7 if syntax.variables => match find_value(dice, scene, tail) {
            Some((start, end, key)) => {
                let default = if dice.chance(25) { ", 'none'" } else { "" };
                let key = dice.vary_case(key, 25);
                let before = part(dice, &tail[..start]);
                format!("{before}${{{key}{default}}}{}", part(dice, &tail[end..]))
            }
            None => part(dice, tail),
        },
        8 if syntax.variables && tail[at..end].iter().all(|c| is_plain(*c)) => {
            // A key with several values has no value, and does not take the default either.
            let several = find_several(scene).filter(|_| dice.chance(20));
            let key = several.unwrap_or_else(|| scene.missing_key(dice).0);
            let default: String = tail[at..end].iter().collect();
            let before = part(dice, &tail[..at]);
            format!("{before}${{{key}, '{default}'}}{}", part(dice, &tail[end..]))
        }
        9 if syntax.variables => match find_empty(scene) {
            Some(key) => part(dice, &tail[..at]) + "${" + key + "}" + &part(dice, &tail[at..]),
            None => part(dice, tail),
        },
        _ => part(dice, tail),
    }
}

fn draw_miss(dice: &mut Dice, scene: &Scene, tail: &[char], syntax: Syntax) -> String {
    let at = dice.below(tail.len() + 1);
    let part = spell(dice, &tail[..at], syntax);
    let whole = spell(dice, tail, syntax);
    match dice.below(10) {
        0 if at < tail.len() && tail[at].is_ascii_alphabetic() => {
            let letter = tail[at];
            let swapped = if letter.is_ascii_uppercase() {
                letter.to_ascii_lowercase()
            } else {
                letter.to_ascii_uppercase()
            };
            format!("{part}{swapped}{}", spell(dice, &tail[at + 1..], syntax))
        }
        1 if at < tail.len() => {
            format!("{part}_{}", spell(dice, &tail[at + 1..], syntax))
        }
        2 if !tail.is_empty() => spell(dice, &tail[..tail.len() - 1], syntax),
        3 if syntax.variables => {
            let key = scene.missing_key(dice).0;
            let star = if syntax.wildcards && dice.chance(50) { "*" } else { "" };
            format!("{part}${{{key}}}{star}")
        }
        4 if syntax.variables => format!("{part}${{*}}"),
        5 if syntax.variables => match find_several(scene) {
            Some(key) => format!("{part}${{{key}}}*"),
            None => format!("{whole}${{?}}"),
        },
        6 if syntax.wildcards => whole + "?",
        7 if !syntax.wildcards => part + "*",
        8 => (*dice.pick(&WORDS[..7])).to_owned(),
        _ => whole + "x",
    }
}

/// Spells a text as a pattern: with variables, special characters may be escaped.
fn spell(dice: &mut Dice, text: &[char], syntax: Syntax) -> String {
    let mut spelled = String::with_capacity(text.len() + 8);
    for (index, character) in text.iter().enumerate() {
        // A dollar sign before a brace, or before what follows the text, would begin a variable.
        let begins = *character == '$' && matches!(text.get(index + 1), None | Some('{'));
        let special = matches!(character, '*' | '?' | '$');
        if syntax.variables && special && (begins || dice.chance(60)) {
            spelled.extend(['$', '{', *character, '}']);
        } else {
            spelled.push(*character);
        }
    }
    spelled
}

fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '/' | ':')
}

/// Finds a key whose only value is a part of the text, and where.
fn find_value(
    dice: &mut Dice,
    scene: &Scene,
    text: &[char],
) -> Option<(usize, usize, &'static str)> {
    let first = if scene.context.is_empty() { 0 } else { dice.below(scene.context.len()) };
    let (before, after) = scene.context.split_at(first);
    after.iter().chain(before).find_map(|given| {
        let [sample] = given.samples.as_slice() else { return None };
        let value: Vec<char> = sample.text.chars().collect();
        let found = !value.is_empty() && value.len() <= text.len();
        let start = found.then(|| text.windows(value.len()).position(|part| part == value))??;
        Some((start, start + value.len(), given.key))
    })
}

fn find_empty(scene: &Scene) -> Option<&'static str> {
    let is_empty = |samples: &[Sample]| matches!(samples, [one] if one.text.is_empty());
    scene.context.iter().find(|given| is_empty(&given.samples)).map(|given| given.key)
}

fn find_several(scene: &Scene) -> Option<&'static str> {
    scene.context.iter().find(|given| given.samples.len() > 1).map(|given| given.key)
}

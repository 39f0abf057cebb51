//! Whether one text with wildcards matches all that another matches.

use crate::pattern::Pattern;

/// Stands for a character that no policy contains, which only a wildcard matches.
const OTHER: char = '\u{1}';

/// So many pairs of texts are compared in one element. This bounds the work on a list of thousands,
/// which no policy within its quota has.
const MAX_PAIRS: usize = 250_000;

/// Returns `true` if `outer` matches each text that `inner` matches. A policy variable is plain
/// text. The answer may be `false` where `inner` has more than one star.
pub(super) fn covers(outer: &Pattern, inner: &str) -> bool {
    if outer.as_str() == inner || outer.as_str() == "*" {
        return true;
    }
    let Some(wildcard) = outer.as_str().find(['*', '?']) else { return false };
    // A wildcard of the inner text matches more than the plain start of the outer one.
    if !outer.as_str().get(..wildcard).is_some_and(|start| inner.starts_with(start)) {
        return false;
    }
    // A text that only a wildcard matches is the hardest to match. For a star it may be empty, or
    // longer than all that the outer text can match without a star.
    let long: String = std::iter::repeat_n(OTHER, outer.as_str().len() + 1).collect();
    let stars = inner.matches('*').count();
    let with = |star: &dyn Fn(usize) -> bool| {
        let mut text = String::with_capacity(inner.len() + stars * long.len());
        let mut number = 0;
        for c in inner.chars() {
            match c {
                '*' => {
                    text.push_str(if star(number) { &long } else { "" });
                    number += 1;
                }
                '?' => text.push(OTHER),
                c => text.push(c),
            }
        }
        outer.matches(&text)
    };
    with(&|_| true)
        && with(&|_| false)
        && (stars < 2
            || (0..stars).all(|only| with(&|star| star == only) && with(&|star| star != only)))
}

/// Returns pairs of indices, of a text and of the first one that covers it. Of two texts that match
/// the same, the first covers the second.
pub(super) fn covered(texts: &[String]) -> Vec<(usize, usize)> {
    let mut outer: Vec<Option<usize>> = vec![None; texts.len()];
    let mut sorted: Vec<(&str, usize)> =
        texts.iter().enumerate().map(|(index, text)| (text.as_str(), index)).collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if let [(text, first), (next, index)] = pair {
            // The first of several equal texts stays.
            let first = outer.get(*first).copied().flatten().unwrap_or(*first);
            if let Some(slot) = outer.get_mut(*index).filter(|_| text == next) {
                *slot = Some(first);
            }
        }
    }
    let mut pairs = 0;
    for (index, text) in texts.iter().enumerate() {
        let Some(wildcard) = text.find(['*', '?']) else { continue };
        let start = text.get(..wildcard).unwrap_or_default();
        let pattern = Pattern::new(text);
        // Only the texts that begin like this one can be covered by it, and they are neighbours.
        let from = sorted.partition_point(|(other, _)| *other < start);
        let others = sorted.iter().skip(from).take_while(|(other, _)| other.starts_with(start));
        for (other, other_index) in others {
            pairs += 1;
            if pairs > MAX_PAIRS {
                break;
            }
            let Some(slot) = outer.get_mut(*other_index) else { continue };
            let is_first = slot.is_none_or(|known| index < known) && text != other;
            // Of two that cover each other, the later one is redundant.
            if is_first
                && covers(&pattern, other)
                && (index < *other_index || !covers(&Pattern::new(other), text))
            {
                *slot = Some(index);
            }
        }
    }
    outer.iter().enumerate().filter_map(|(index, outer)| Some((index, (*outer)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cover_by_table() {
        for (outer, inner, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("*", "a*b?", true),
            ("a*", "ab", true),
            ("a*", "a*", true),
            ("a*", "a?", true),
            ("a?", "a*", false),
            ("a*c", "a*b*c", true),
            ("a*b*c", "a*c", false),
            ("*b*", "*b", true),
            ("?*", "*", false),
            ("?*", "a*", true),
            ("a?*", "a*", false),
            ("get*", "getobject", true),
            ("ab", "a?", false),
        ] {
            assert_eq!(covers(&Pattern::new(outer), inner), expected, "{outer} {inner}");
        }
    }

    #[test]
    fn covered_texts_name_the_text_around_them() {
        let find =
            |texts: &[&str]| covered(&texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(find(&["a", "b", "a"]), [(2, 0)]);
        assert_eq!(find(&["ab", "a*"]), [(0, 1)]);
        assert_eq!(find(&["a*", "ab", "a*"]), [(1, 0), (2, 0)]);
        assert_eq!(find(&["a**", "a*"]), [(1, 0)]);
        assert_eq!(find(&["a*", "b*"]), []);
    }

    proptest! {
        #[test]
        fn cover_is_inclusion(
            outer in "[ab?*]{0,5}",
            inner in "[ab?*]{0,4}",
            texts in prop::collection::vec("[abc]{0,8}", 1..60),
        ) {
            let (outer_pattern, inner_pattern) = (Pattern::new(&outer), Pattern::new(&inner));
            if covers(&outer_pattern, &inner) {
                for text in texts.iter().filter(|text| inner_pattern.matches(text)) {
                    prop_assert!(outer_pattern.matches(text), "{} {} {}", outer, inner, text);
                }
            }
        }

        #[test]
        fn star_at_the_end_covers_what_it_begins(start in "[ab?*]{0,4}", rest in "[ab?*]{0,4}") {
            // The start may be matched by several texts, so it is compared with itself.
            let (outer, inner) = (Pattern::new(format!("{start}*")), format!("{start}{rest}"));
            prop_assert!(covers(&outer, &inner), "{}* {}", start, inner);
        }
    }
}

//! Matching a text with the segments of a pattern.

use super::{Piece, Values};

/// Returns `true` if the segments, with any text between them, are the whole of `text`.
pub(super) fn matches_segments(segments: &[Vec<Piece>], text: &str, values: &Values<'_>) -> bool {
    let Some((first, others)) = segments.split_first() else { return text.is_empty() };
    let Some(mut rest) = strip_start(first, text, values) else { return false };
    let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
    // The end is taken off before the middle is searched for, so that they cannot overlap.
    let Some(before_last) = strip_end(last, rest, values) else { return false };
    rest = before_last;
    // The leftmost occurrence leaves the most text to the segments after it, so no choice is ever
    // taken back. Trying each place of each star would take exponential time on a hostile pattern.
    for segment in middle {
        match strip_found(segment, rest, values) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

/// The text after the pieces, if it starts with them.
fn strip_start<'t>(pieces: &[Piece], text: &'t str, values: &Values<'_>) -> Option<&'t str> {
    let mut rest = text;
    for piece in pieces {
        rest = match piece {
            Piece::Literal(literal) => rest.strip_prefix(&**literal)?,
            Piece::Variable(index) => rest.strip_prefix(values.get(*index))?,
            Piece::Characters(count) => {
                let mut chars = rest.chars();
                chars.nth(count - 1)?;
                chars.as_str()
            }
        };
    }
    Some(rest)
}

/// The text before the pieces, if it ends with them.
fn strip_end<'t>(pieces: &[Piece], text: &'t str, values: &Values<'_>) -> Option<&'t str> {
    let mut rest = text;
    for piece in pieces.iter().rev() {
        rest = match piece {
            Piece::Literal(literal) => rest.strip_suffix(&**literal)?,
            Piece::Variable(index) => rest.strip_suffix(values.get(*index))?,
            Piece::Characters(count) => {
                let mut chars = rest.chars();
                chars.nth_back(count - 1)?;
                chars.as_str()
            }
        };
    }
    Some(rest)
}

/// A segment of so many pieces is compared piece by piece at each position of the text. A longer
/// one is laid out first, so that the comparison is a loop over numbers.
const FEW_PIECES: usize = 8;

/// The text after the leftmost occurrence of the pieces.
fn strip_found<'t>(pieces: &[Piece], text: &'t str, values: &Values<'_>) -> Option<&'t str> {
    if pieces.len() > FEW_PIECES {
        return strip_found_of_many(pieces, text, values);
    }
    let anchor = match pieces.first() {
        None => return Some(text),
        Some(Piece::Literal(literal)) => &**literal,
        Some(Piece::Variable(index)) => values.get(*index),
        Some(Piece::Characters(_)) => "",
    };
    let mut start = 0;
    loop {
        // The search for a literal is linear in the text, so it goes first.
        start += text.get(start..)?.find(anchor)?;
        let here = text.get(start..)?;
        if let Some(after) = strip_start(pieces, here, values) {
            return Some(after);
        }
        // A step of one byte could end inside a character, where there is no text to get, and an
        // occurrence after it would be missed.
        start += here.chars().next()?.len_utf8();
    }
}

/// The text after the leftmost occurrence of many pieces. It allocates.
fn strip_found_of_many<'t>(
    pieces: &[Piece],
    text: &'t str,
    values: &Values<'_>,
) -> Option<&'t str> {
    // A character of the pattern and a mask, which is zero for `?`. Comparing by masks has no
    // branch, so that the compiler compares several characters at once.
    let (mut wanted, mut masks) = (Vec::new(), Vec::new());
    for piece in pieces {
        let literal = match piece {
            Piece::Literal(literal) => &**literal,
            Piece::Variable(index) => values.get(*index),
            Piece::Characters(count) => {
                wanted.resize(wanted.len() + count, 0);
                masks.resize(masks.len() + count, 0);
                continue;
            }
        };
        wanted.extend(literal.chars().map(u32::from));
        masks.resize(wanted.len(), u32::MAX);
    }
    let characters: Vec<u32> = text.chars().map(u32::from).collect();
    if wanted.is_empty() {
        return Some(text);
    }
    let found = characters.windows(wanted.len()).position(|window| {
        let blocks = window.chunks(BLOCK).zip(wanted.chunks(BLOCK)).zip(masks.chunks(BLOCK));
        blocks.into_iter().all(|((window, wanted), masks)| {
            let pairs = window.iter().zip(wanted).zip(masks);
            pairs.fold(0, |differing, ((c, wanted), mask)| differing | ((c ^ wanted) & mask)) == 0
        })
    })?;
    let end = text.char_indices().map(|(at, _)| at).nth(found + wanted.len());
    text.get(end.unwrap_or(text.len())..)
}

/// How many characters are compared before the result is looked at.
const BLOCK: usize = 64;

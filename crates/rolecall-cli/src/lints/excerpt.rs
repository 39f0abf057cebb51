//! The part of a line that a finding is about.

use crate::output::is_unprintable;

/// A part of a line, and the column of a caret in it, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) text: String,
    pub(crate) caret: usize,
}

/// What stands for the rest of a line.
const CUT: &str = "...";

/// Returns the part of a line around a column, both of which count from 1, in `width` characters.
///
/// A document without line breaks is one line of many thousands of characters.
pub(crate) fn excerpt(text: &str, line: u32, column: u32, width: usize) -> Option<Excerpt> {
    let number = |number: u32| usize::try_from(number).ok()?.checked_sub(1);
    let line = text.split('\n').nth(number(line)?)?.trim_end_matches('\r');
    let column = number(column)?;
    // Tabs and other unprintable characters have no width that the caret could count on.
    let line: Vec<char> = line.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    let column = column.min(line.len());
    let width = width.max(4 * CUT.len());
    let start = if line.len() <= width { 0 } else { column.saturating_sub(width / 2) };
    let start = start.min(line.len().saturating_sub(width));
    let end = line.len().min(start + width);
    let mut part: Vec<char> = line.get(start..end)?.to_vec();
    let cut = CUT.chars().count();
    if start > 0 && column - start >= cut {
        part.splice(..cut, CUT.chars());
    }
    if end < line.len() && column < end - cut {
        part.splice(part.len() - cut.., CUT.chars());
    }
    Some(Excerpt { text: part.into_iter().collect(), caret: column - start })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, line: u32, column: u32, width: usize) -> (String, usize) {
        let Excerpt { text, caret } = excerpt(text, line, column, width).unwrap();
        (text, caret)
    }

    #[test]
    fn short_line_is_whole() {
        assert_eq!(shown("{\n\t\"a\": 1\r\n}", 2, 7, 40), (" \"a\": 1".to_owned(), 6));
        assert_eq!(shown("{", 1, 2, 40), ("{".to_owned(), 1));
        assert_eq!(excerpt("{", 2, 1, 40), None);
        assert_eq!(excerpt("{", 0, 0, 40), None);
    }

    #[test]
    fn caret_points_at_the_same_character_of_a_long_line() {
        let line: String = ('a'..='z').cycle().take(1000).collect();
        for width in [12, 40, 999, 1000, 2000] {
            for column in 1..=1000 {
                let (text, caret) = shown(&line, 1, column, width);
                let expected = line.chars().nth(column as usize - 1);
                assert_eq!(text.chars().nth(caret), expected, "{width} {column}");
                assert!(text.chars().count() <= width, "{width} {column}");
            }
        }
        assert_eq!(shown(&line, 1, 500, 20).0, "...yzabcdefghijkl...");
    }
}

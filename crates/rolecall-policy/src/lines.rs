//! Positions in a text, each found without reading the text from its start.

use crate::error::Position;

/// Where the lines of a text begin, and how many characters come before each block of it.
///
/// A position then costs a binary search, and the reading of two blocks: a document of many
/// megabytes may stand on one line. In an ASCII text, every byte is a character, and no block is
/// read.
pub(crate) struct Lines<'a> {
    text: &'a str,
    is_ascii: bool,
    starts: Vec<usize>,
    /// The number of characters before each multiple of [`BLOCK`]. Empty for an ASCII text.
    characters: Vec<usize>,
}

const BLOCK: usize = 128;

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let is_ascii = text.is_ascii();
        let counted = if is_ascii { &[] } else { text.as_bytes() };
        let blocks = counted.chunks(BLOCK).scan(0, |before, block| {
            let here = *before;
            *before += count_characters(block);
            Some(here)
        });
        Self { text, is_ascii, starts: starts.collect(), characters: blocks.collect() }
    }

    /// Returns the position of a byte offset.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.characters_before(offset) - self.characters_before(start) + 1;
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position { line: small(line), column: small(column) }
    }

    /// Grows with the offset.
    fn characters_before(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        if self.is_ascii {
            return offset;
        }
        // The end of a text of whole blocks belongs to the last of them.
        let block = (offset / BLOCK).min(self.characters.len().saturating_sub(1));
        let rest = self.text.as_bytes().get(block * BLOCK..offset).unwrap_or_default();
        self.characters.get(block).copied().unwrap_or(0) + count_characters(rest)
    }
}

/// Counts the bytes that begin a character.
fn count_characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::line_and_column;

    #[test]
    fn positions_equal_those_of_a_plain_count() {
        let line = "é".repeat(BLOCK * 2 + 1);
        let texts = [
            String::new(),
            "a".repeat(BLOCK),
            format!("{line}\n{line}x\n\nb"),
            format!("{}\n", "a".repeat(BLOCK - 1)),
        ];
        for text in &texts {
            let lines = Lines::of(text);
            for offset in (0..=text.len()).filter(|offset| text.is_char_boundary(*offset)) {
                let Position { line, column } = lines.position(offset);
                assert_eq!((line, column), line_and_column(text, offset), "{offset}");
            }
        }
    }
}

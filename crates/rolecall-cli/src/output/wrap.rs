//! Breaks texts into lines.

/// How much further than its first line a paragraph is indented.
const HANGING: usize = 2;

/// Breaks a paragraph, whose first line is indented, as [`column()`] breaks a text. The lines begin
/// with their indent.
pub(crate) fn wrap(text: &str, indent: usize, width: usize) -> Vec<String> {
    break_lines(text, indent, HANGING, width)
}

/// Breaks a text at its spaces, so that its lines have at most `width` characters.
///
/// A word that is longer, such as an ARN, stays whole: a person may want to copy it.
pub(super) fn column(text: &str, width: usize) -> Vec<String> {
    break_lines(text, 0, 0, width)
}

fn break_lines(text: &str, indent: usize, hanging: usize, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for part in text.lines() {
        let mut line = String::new();
        for word in part.split(' ').filter(|word| !word.is_empty()) {
            let length = line.chars().count();
            if !line.trim().is_empty() && length + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if line.is_empty() {
                let hanging = if lines.is_empty() { 0 } else { hanging };
                line = " ".repeat(indent + hanging);
            } else {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_long_words_stay_whole() {
        let arn = "arn:aws:iam::111122223333:role/checkout";
        let lines = wrap(&format!("statement 1 allows it on {arn} if"), 2, 20);
        assert_eq!(
            lines,
            [
                "  statement 1 allows",
                "    it on",
                "    arn:aws:iam::111122223333:role/checkout",
                "    if"
            ]
        );
        assert_eq!(wrap("a b", 0, 3), ["a b"]);
        assert_eq!(wrap("a\nb", 0, 80), ["a", "  b"]);
        assert_eq!(wrap("", 2, 80), Vec::<String>::new());
        assert_eq!(column(&format!("of {arn} in"), 20), ["of", arn, "in"]);
    }
}

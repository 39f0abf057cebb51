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
/// What a person may want to copy stays whole, even if it is longer: a word such as an ARN, a
/// command in backquotes, and an option with its value.
pub(super) fn column(text: &str, width: usize) -> Vec<String> {
    break_lines(text, 0, 0, width)
}

/// Breaks the lines of a text of the parser, which may have colors, that are wider than `width`.
/// The usage is a command and stays whole.
pub(super) fn parser_text(text: &str, width: usize) -> String {
    let mut lines = Vec::new();
    let mut is_usage = false;
    for line in text.lines() {
        let visible = anstream::adapter::strip_str(line).to_string();
        let indent = visible.chars().take_while(|c| *c == ' ').count();
        is_usage = visible.starts_with("Usage:") || is_usage && !visible.is_empty();
        match is_usage || visible.chars().count() <= width {
            true => lines.push(line.to_owned()),
            false => lines.extend(wrap(line, indent, width)),
        }
    }
    lines.join("\n") + "\n"
}

/// Returns the width of a text without its colors.
fn width_of(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|part| part.chars().count()).sum()
}

fn break_lines(text: &str, indent: usize, hanging: usize, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for part in text.lines() {
        let mut line = String::new();
        for word in units(part) {
            if !line.trim().is_empty() && width_of(&line) + 1 + width_of(&word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if line.is_empty() {
                let hanging = if lines.is_empty() { 0 } else { hanging };
                line = " ".repeat(indent + hanging);
            } else {
                line.push(' ');
            }
            line.push_str(&word);
        }
        lines.push(line);
    }
    lines
}

/// Divides a line at the spaces where it may be broken.
fn units(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    // A backquote that is not closed, in a text from elsewhere, opens nothing.
    let last_backquote = words.iter().rposition(|word| word.contains('`'));
    let (mut units, mut is_quoted, mut is_joined) = (Vec::<String>::new(), false, false);
    for (index, word) in words.into_iter().enumerate() {
        match units.last_mut() {
            Some(unit) if is_joined => {
                unit.push(' ');
                unit.push_str(word);
            }
            _ => units.push(word.to_owned()),
        }
        if word.matches('`').count() % 2 == 1 {
            is_quoted = !is_quoted && last_backquote > Some(index);
        }
        let is_option = word.len() > 1
            && word.starts_with('-')
            && !word.contains('=')
            && word.ends_with(|c: char| c.is_alphanumeric());
        is_joined = is_quoted || is_option;
    }
    units
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

    #[test]
    fn text_of_the_parser_keeps_colors_and_usage() {
        let text = "\u{1b}[31merror:\u{1b}[0m value \u{1b}[33mx\u{1b}[0m is bad\n\n\
                    \x20 tip: one two\n\n\
                    Usage: a b c d e f\n       g h i j k l\n\nFor more, see m\n";
        let expected = "\u{1b}[31merror:\u{1b}[0m value\n  \u{1b}[33mx\u{1b}[0m is bad\n\n\
                        \x20 tip: one\n    two\n\n\
                        Usage: a b c d e f\n       g h i j k l\n\nFor more,\n  see m\n";
        assert_eq!(parser_text(text, 12), expected);
        assert_eq!(parser_text(text, 80), text);
    }

    #[test]
    fn commands_and_options_stay_whole() {
        let text = "run `chmod 600 token`, or use --base env, --quiet, or -v 1 - see `it";
        let lines = column(text, 10);
        let expected = [
            "run",
            "`chmod 600 token`,",
            "or use",
            "--base env,",
            "--quiet,",
            "or -v 1 -",
            "see `it",
        ];
        assert_eq!(lines, expected);
        assert_eq!(column("a `b c` d `e f", 3), ["a", "`b c`", "d", "`e", "f"]);
        assert_eq!(column("--a=b c", 3), ["--a=b", "c"]);
    }
}

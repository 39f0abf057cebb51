//! A terminal with a command and its output, as SVG.

use std::fmt::Write;

use crate::workspace::Outcome;

/// Size of the text, and of the cell of a character, in pixels.
const FONT_SIZE: u32 = 14;
const CELL: (f64, usize) = (8.4, 20);
/// Distance of the text from the border, and the height of the bar above it.
const PADDING: usize = 16;
const BAR: usize = 32;
/// The least width in columns, so that pictures below each other look alike.
const MIN_COLUMNS: usize = 90;

/// The colors of GitHub's pages. `b` is bold, `d` dim, and the colors have their initials.
const STYLE: &str = r#"
text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
text { fill: #1f2328; white-space: pre; }
.window { fill: #f6f8fa; stroke: #d0d7de; }
.light { fill: #d0d7de; }
.b { font-weight: bold; }
.d { fill: #59636e; }
.r { fill: #cf222e; }
.g { fill: #1a7f37; }
.y { fill: #9a6700; }
.c { fill: #1b7c83; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.window { fill: #161b22; stroke: #30363d; }
.light { fill: #484f58; }
.d { fill: #9198a1; }
.r { fill: #ff7b72; }
.g { fill: #3fb950; }
.y { fill: #d29922; }
.c { fill: #39c5cf; }
}
"#;

/// Draws a command line, which begins with a prompt, and the output below it, with the styles that
/// its escape sequences set.
pub(crate) fn draw(text: &str) -> Outcome<String> {
    let lines: Vec<Vec<Span>> = parse(text)?;
    let columns = lines.iter().map(|line| count_columns(line)).max().unwrap_or(0).max(MIN_COLUMNS);
    let width = (columns as f64 * CELL.0).ceil() as usize + 2 * PADDING;
    let height = lines.len() * CELL.1 + BAR + PADDING;
    let title = escape(text.lines().next().unwrap_or_default().trim_start_matches("$ "));

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-size=\"{FONT_SIZE}\" xml:space=\"preserve\" \
         role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">Terminal: {title}</title>\n\
         <style>{STYLE}</style>\n<rect class=\"window\" x=\"0.5\" y=\"0.5\" width=\"{}\" \
         height=\"{}\" rx=\"8\"/>\n",
        width - 1,
        height - 1,
    );
    for number in 0..3 {
        let x = PADDING + 6 + number * 18;
        writeln!(svg, "<circle class=\"light\" cx=\"{x}\" cy=\"{PADDING}\" r=\"5\"/>")?;
    }
    for (row, line) in lines.iter().enumerate() {
        draw_line(&mut svg, row, line)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn draw_line(svg: &mut String, row: usize, line: &[Span]) -> Outcome {
    let columns = count_columns(line);
    if columns == 0 {
        return Ok(());
    }
    let y = BAR + row * CELL.1 + FONT_SIZE as usize;
    // Fonts differ in their width. Columns stay aligned by the length.
    let length = columns as f64 * CELL.0;
    write!(svg, "<text x=\"{PADDING}\" y=\"{y}\" textLength=\"{length:.1}\">")?;
    for Span { text, style } in line {
        let (text, class) = (escape(text), style.class());
        match class.is_empty() {
            true => svg.push_str(&text),
            false => write!(svg, "<tspan class=\"{class}\">{text}</tspan>")?,
        }
    }
    svg.push_str("</text>\n");
    Ok(())
}

fn count_columns(line: &[Span]) -> usize {
    line.iter().map(|span| span.text.chars().count()).sum()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text of one style.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    text: String,
    style: Style,
}

/// The style of text on a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Style {
    is_bold: bool,
    is_dim: bool,
    color: Option<char>,
}

impl Style {
    /// Applies a parameter of the escape sequence Select Graphic Rendition.
    fn apply(&mut self, parameter: &str) -> Outcome {
        match parameter {
            "" | "0" => *self = Self::default(),
            "1" => self.is_bold = true,
            "2" => self.is_dim = true,
            "22" => (self.is_bold, self.is_dim) = (false, false),
            "31" => self.color = Some('r'),
            "32" => self.color = Some('g'),
            "33" => self.color = Some('y'),
            "36" => self.color = Some('c'),
            "39" => self.color = None,
            _ => return Err(format!("the style {parameter} has no color in a recording").into()),
        }
        Ok(())
    }

    /// Returns the classes of [`STYLE`].
    fn class(self) -> String {
        let classes = [self.is_bold.then_some('b'), self.is_dim.then_some('d'), self.color];
        let classes: Vec<String> = classes.iter().flatten().map(char::to_string).collect();
        classes.join(" ")
    }
}

/// Splits lines of a terminal by their styles, which last beyond a line.
fn parse(text: &str) -> Outcome<Vec<Vec<Span>>> {
    let mut style = Style::default();
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut parts = line.split("\u{1b}[");
        let mut spans = vec![Span { text: parts.next().unwrap_or_default().to_owned(), style }];
        for part in parts {
            let (parameters, text) =
                part.split_once('m').ok_or("an escape sequence that sets no style")?;
            parameters.split(';').try_for_each(|parameter| style.apply(parameter))?;
            match spans.last_mut() {
                Some(last) if last.style == style => last.text.push_str(text),
                _ => spans.push(Span { text: text.to_owned(), style }),
            }
        }
        spans.retain(|span| !span.text.is_empty());
        lines.push(spans);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "$ a <b>\n\u{1b}[1mName\u{1b}[0m  1 & 2\n\n\u{1b}[1m\u{1b}[31merror:\u{1b}[0m \
                        no\n";

    #[test]
    fn picture_has_command_and_colored_output() {
        let svg = draw(TEXT).unwrap();
        for part in [
            "role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">Terminal: a &lt;b&gt;<",
            " x=\"16\" y=\"46\" textLength=\"58.8\">$ a &lt;b&gt;</text>\n",
            " y=\"66\" textLength=\"92.4\"><tspan class=\"b\">Name</tspan>  1 &amp; 2</text>\n",
            " y=\"106\" textLength=\"75.6\"><tspan class=\"b r\">error:</tspan> no</text>\n</svg>",
        ] {
            assert!(svg.contains(part), "{part}\nis not in\n{svg}");
        }
        assert!(!svg.contains('\u{1b}'), "{svg}");
    }

    #[test]
    fn picture_is_as_wide_as_its_longest_line() {
        let width = |columns: usize| draw(&format!("$ a\n{}", "x".repeat(columns))).unwrap();
        assert!(width(10).contains(" width=\"788\" "));
        assert!(width(100).contains(" width=\"872\" "));
    }

    #[test]
    fn style_lasts_beyond_its_line() {
        let lines = parse("\u{1b}[32ma\nb\u{1b}[39;2mc\u{1b}[md").unwrap();
        let classes = |line: &[Span]| line.iter().map(|it| it.style.class()).collect::<Vec<_>>();
        assert_eq!(classes(&lines[0]), ["g"]);
        assert_eq!(classes(&lines[1]), ["g", "d", ""]);
    }

    #[test]
    fn unknown_escape_sequence_is_an_error() {
        for text in ["\u{1b}[45ma", "\u{1b}[2Ja", "\u{1b}[38;5;1ma"] {
            assert!(draw(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_class_has_a_color_in_both_modes() {
        let (light, dark) = STYLE.split_once("@media").unwrap();
        for class in [".d", ".r", ".g", ".y", ".c", ".window", ".light", "text"] {
            assert!(light.contains(class) && dark.contains(class), "{class}");
        }
    }
}

//! The messages of the command rolecall, each of which has to be explained in TROUBLESHOOTING.md.

/// The sources of the command.
pub(crate) const SOURCES: &str = "crates/rolecall-cli/src/";

/// What precedes a message: the functions that create an error or report one, and the variables
/// that contain one.
const MARKS: [&str; 16] = [
    "Err(",
    "Failure::operation(",
    "Failure::usage(",
    "Refused(",
    "Self::operation(",
    "Unusable::Faulty(",
    "fail(",
    "failed(",
    "fault =",
    "message =",
    "not_a_jwt(",
    "note(",
    "ok_or(",
    "unavailable(",
    "unusable(",
    "warning(",
];
/// Functions whose first argument is the name of a check. The second one is the message.
const CHECKS: [&str; 2] = ["report.error(", "report.warning("];
/// A function that consists of messages.
const MESSAGES: &str = "fn message(self)";
/// Notes about what happens, which is no error.
const NOTES: [&str; 8] = [
    "..the console session lasts ..",
    "a role that another role assumes has sessions of at most one hour, and the console session \
     ends with it",
    "the federation endpoint refused a console session of 12 hours; it ends with the role's session",
    ".. calls are not shown",
    "the local AWS listens at ..; Ctrl-C stops it",
    "next: terraform -chdir=.. init",
    "serving .. roles of ..",
    "reading .. from the terminal; end it with Ctrl-D",
];

/// Returns a problem for each message of a source file that `entries` does not contain.
pub(crate) fn check(path: &str, source: &str, entries: &str) -> Vec<String> {
    let entries = normalize(entries);
    let mut missing: Vec<String> =
        messages(source).into_iter().filter(|text| !entries.contains(text.as_str())).collect();
    missing.sort();
    missing.dedup();
    missing.into_iter().map(|text| format!("{path}: TROUBLESHOOTING.md lacks `{text}`")).collect()
}

/// Returns the fixed texts of the messages in a source file, with `..` for each value.
fn messages(source: &str) -> Vec<String> {
    let source = without_tests_and_comments(source);
    let mut literals = Vec::new();
    for mark in MARKS {
        let found = after(&source, mark).filter_map(|rest| literal(argument(rest)));
        literals.extend(found.map(|(text, _)| text));
    }
    for mark in CHECKS {
        let second = |rest: &str| literal(argument(rest.split_once(',')?.1)).map(|it| it.0);
        literals.extend(after(&source, mark).filter_map(second));
    }
    if let Some((_, body)) = source.split_once(MESSAGES) {
        let mut rest = body.split_once("\n    }\n").map_or(body, |(body, _)| body);
        while let Some((text, end)) = rest.find('"').and_then(|at| literal(&rest[at..])) {
            literals.push(text);
            rest = end;
        }
    }
    let texts = literals.iter().map(|text| fixed_text(text));
    // One word, or values alone, is the start of the message of another error.
    texts.filter(|text| count_words(text) > 1 && !NOTES.contains(&text.as_str())).collect()
}

fn without_tests_and_comments(source: &str) -> String {
    let code = source.split("\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Returns what follows each occurrence of `mark` that is not the end of a longer name.
fn after<'a>(source: &'a str, mark: &str) -> impl Iterator<Item = &'a str> {
    let length = mark.len();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    source
        .match_indices(mark)
        .filter(move |(at, _)| !source[..*at].ends_with(is_name))
        .map(move |(at, _)| &source[at + length..])
}

/// Skips what stands between a parenthesis and the text of an argument.
fn argument(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let skipped =
            ["&", "format!(", "format_args!("].iter().find_map(|it| text.strip_prefix(it));
        match skipped {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// Returns the value of the string literal that a text begins with, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => return Some((value, rest)),
            '\\' if rest.starts_with('\n') => rest = rest.trim_start(),
            '\\' => {
                let escaped = rest.chars().next()?;
                value.push(if escaped == 'n' { ' ' } else { escaped });
                rest = &rest[escaped.len_utf8()..];
            }
            c => value.push(c),
        }
    }
}

/// Returns a message with `..` for each value, without a reason at its end.
fn fixed_text(message: &str) -> String {
    let mut text = String::new();
    let mut rest = message;
    while let Some((before, value)) = rest.split_once('{') {
        text.push_str(before);
        text.push_str("..");
        rest = value.split_once('}').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    let mut text = normalize(&text).replace("....", "..");
    while let Some(start) = text.strip_suffix(": ..").or(text.strip_suffix(" (..)")) {
        text = start.to_owned();
    }
    text
}

/// Removes what depends on the place of a text: line breaks, and quotes around code and values.
fn normalize(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace('`', "").replace("\"..\"", "..")
}

fn count_words(text: &str) -> usize {
    text.split_whitespace()
        .filter(|word| word.chars().filter(char::is_ascii_alphabetic).count() > 1)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_each_form_are_found() {
        for (source, expected) in [
            ("Failure::usage(\"no role is given\")", "no role is given"),
            (
                "Failure::operation(format!(\n    \"cannot read {self}: {error}\"\n))",
                "cannot read ..",
            ),
            ("let message = \"one \\\n    two\";", "one two"),
            ("let message = format!(\"{name:?} is not `it` ({why})\");", ".. is not it"),
            ("report.error(\"TLS\", \"the fault is here\", None)", "the fault is here"),
            ("report.error(check, format!(\"cannot read {x}: {y}\"), hint)", "cannot read .."),
            (
                "fn message(self) -> &str {\n match self {\n  A => \"some text\",\n }\n    }\n",
                "some text",
            ),
        ] {
            assert_eq!(messages(source), [expected], "{source}");
        }
        for source in [
            "not_failed(\"some text\")",
            "// Failure::usage(\"some text\")",
            "Failure::usage(error.to_string())",
            "Failure::usage(format!(\"{}: {error}\", path))",
            "report.error(\"one check\", message, hint)",
            "\nmod tests {\n Failure::usage(\"some text\")",
        ] {
            assert!(messages(source).is_empty(), "{source}");
        }
    }

    #[test]
    fn message_without_entry_is_reported() {
        let source = "Failure::usage(format!(\"the value {x:?} is wrong\"))";
        assert_eq!(check("a.rs", source, "### `the value\n\"..\" is wrong`: correct it"), [""; 0]);
        let expected = ["a.rs: TROUBLESHOOTING.md lacks `the value .. is wrong`"];
        assert_eq!(check("a.rs", source, "### `the value .. is`"), expected);
    }
}

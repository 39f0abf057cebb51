//! What no file may hold. The words are put together here, so that this file does not hold them.

use super::Fault;

/// A file that needs a table of contents is two files.
const LONGEST: usize = 600;

/// Macros that stand for work to do.
const LEFTOVERS: [&str; 3] =
    [concat!("to", "do!"), concat!("unimple", "mented!"), concat!("d", "bg!")];
const IGNORED: &str = concat!("#[", "ignore");

/// Directories of one machine.
const MACHINE: [&str; 2] = [concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// A number in a tracker: it explains nothing to those who read the file.
const TRACKER: &str = concat!("issue", " #");

/// The one shell script: what CI starts. All else is a subcommand here.
const SCRIPT: &str = ".ci/run";

/// Everything in one file that somebody forgot; `path` is relative to the root.
pub(super) fn faults(path: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let rust = path.ends_with(".rs");
    let length = text.lines().count();
    if rust && length > LONGEST {
        faults.push(Fault::new(path, format!("has {length} lines: over {LONGEST}, split it")));
    }
    if path != SCRIPT && is_shell(path, text) {
        faults.push(Fault::new(path, "is a shell script: make it a subcommand of xtask"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let place = format!("{path}:{number}");
        faults.extend(in_line(line, rust).into_iter().map(|what| Fault::new(&place, what)));
    }
    faults
}

fn in_line(line: &str, rust: bool) -> Vec<String> {
    let mut faults = Vec::new();
    if rust {
        for leftover in LEFTOVERS.into_iter().filter(|leftover| has_word(line, leftover)) {
            faults.push(format!("`{leftover}` is left over"));
        }
        if line.contains(IGNORED) {
            faults.push("a test that is skipped tests nothing: mend it or remove it".to_owned());
        }
    }
    for directory in MACHINE.into_iter().filter(|directory| has_path(line, directory)) {
        faults.push(format!("`{directory}` is there on one machine only"));
    }
    if line.to_ascii_lowercase().contains(TRACKER) {
        faults.push("names a number in a tracker: say in words what it is about".to_owned());
    }
    faults
}

/// Whether `word` is there, and not as the end of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    starts(line, word).any(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Whether a path begins with `directory`: `a/directory/` and `https://host/directory/` are others.
fn has_path(line: &str, directory: &str) -> bool {
    starts(line, directory)
        .any(|before| !before.ends_with(|c: char| c.is_alphanumeric() || "_-.~/}".contains(c)))
}

/// What stands before each place where `needle` is.
fn starts<'a>(line: &'a str, needle: &str) -> impl Iterator<Item = &'a str> {
    line.match_indices(needle).map(|(at, _)| &line[..at])
}

fn is_shell(path: &str, text: &str) -> bool {
    let by_name = [".sh", ".bash", ".zsh"].iter().any(|ending| path.ends_with(ending));
    let by_first_line = text.lines().next().is_some_and(|first| {
        first.starts_with("#!")
            && first.split(['/', ' ']).any(|word| ["sh", "bash", "zsh", "dash"].contains(&word))
    });
    by_name || by_first_line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        faults(path, text)
            .into_iter()
            .map(|fault| format!("{}: {}", fault.place, fault.what))
            .collect()
    }

    #[test]
    fn leftovers_are_found_in_rust_alone() {
        for leftover in LEFTOVERS {
            let text = format!("fn a() {{\n    {leftover}()\n}}\n");
            assert_eq!(whats("a.rs", &text), [format!("a.rs:2: `{leftover}` is left over")]);
            assert_eq!(whats("a.md", &text), [""; 0]);
            assert_eq!(whats("a.rs", &format!("my_{leftover}()")), [""; 0]);
        }
        assert_eq!(whats("a.rs", &format!("{IGNORED}]")).len(), 1);
        assert_eq!(whats("a.rs", &format!("{IGNORED} = \"slow\"]")).len(), 1);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for directory in MACHINE {
            for (line, found) in [
                (format!("see {directory}a"), true),
                (format!("\"{directory}a\""), true),
                (format!("{directory}a"), true),
                (format!("target{directory}a"), false),
                (format!("https://example.org{directory}a"), false),
                (format!("..{directory}a"), false),
                (format!("${{HOME}}{directory}a"), false),
            ] {
                assert_eq!(!whats("a.toml", &line).is_empty(), found, "{line}");
            }
        }
    }

    #[test]
    fn numbers_in_a_tracker_are_found() {
        assert_eq!(whats("a.md", &format!("see {TRACKER}12")).len(), 1);
        assert_eq!(whats("a.md", &format!("see {}12", TRACKER.to_uppercase())).len(), 1);
        assert_eq!(whats("a.md", "the issuer # is").len(), 0);
    }

    #[test]
    fn shell_scripts_are_found_by_name_and_first_line() {
        for (path, text, found) in [
            ("a.sh", "", true),
            ("tools/a", "#!/bin/sh\n", true),
            ("tools/a", "#!/usr/bin/env bash\n", true),
            (SCRIPT, "#!/usr/bin/env bash\n", false),
            ("tools/a", "#!/usr/bin/env python3\n", false),
            ("a.rs", "#![allow(unused)]\n", false),
        ] {
            assert_eq!(!faults(path, text).is_empty(), found, "{path}: {text}");
        }
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(whats("a.rs", &"\n".repeat(LONGEST)).len(), 0);
        assert_eq!(whats("a.rs", &"\n".repeat(LONGEST + 1)).len(), 1);
        assert_eq!(whats("a.json", &"\n".repeat(LONGEST + 1)).len(), 0);
    }
}

//! `cargo xtask tidy`: checks what no lint of the compiler, clippy or cargo-deny covers.

use cargo_metadata::Package;
use xshell::cmd;

use crate::workspace::{Outcome, Workspace};
use crate::{command_docs, command_errors, recordings};

const ERROR_KINDS: &str = "crates/rolecall-core/src/error.rs";
const TROUBLESHOOTING: &str = "TROUBLESHOOTING.md";

/// A longer source file should be split.
const MAX_LINES: usize = 600;
/// Text that no file may contain, and why. `concat!` keeps this file free of it.
const FORBIDDEN: [(&str, &str); 6] = [
    (concat!("TO", "DO"), "unfinished work"),
    (concat!("FIX", "ME"), "unfinished work"),
    (concat!("#[", "ignore"), "a skipped test; repair or remove it"),
    (concat!("issue", " #"), "a number in a tracker; describe the subject in words"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/wo", "rk/"), "a path of one machine"),
];

/// Checks the published packages, all files and the troubleshooting entries.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let shell = &workspace.shell;
    let mut problems: Vec<String> = workspace.published().flat_map(check_manifest).collect();
    // Tracked files, and new ones that are not ignored.
    let files = cmd!(shell, "git ls-files --cached --others --exclude-standard").quiet().read()?;
    let entries = shell.read_file(TROUBLESHOOTING)?;
    for file in files.lines() {
        // Binary files, and files that were deleted but not committed, have no text to check.
        if let Ok(text) = shell.read_file(file) {
            problems.extend(check_file(file, &text));
            if file.starts_with(command_errors::SOURCES) && !file.ends_with("tests.rs") {
                problems.extend(command_errors::check(file, &text, &entries));
            }
        }
    }
    let kinds = shell.read_file(ERROR_KINDS)?;
    problems.extend(check_error_kinds(&kinds, &entries));
    let snapshot = shell.read_file(command_docs::SNAPSHOT)?;
    problems.extend(command_docs::check(&snapshot, &shell.read_file(command_docs::FILE)?));
    problems.extend(recordings::check(shell));
    match problems.len() {
        0 => Ok(()),
        count => Err(format!("{count} problems:\n{}", problems.join("\n")).into()),
    }
}

/// Checks what crates.io and docs.rs show of a package.
fn check_manifest(package: &Package) -> Vec<String> {
    let fields = [
        ("description", package.description.is_some()),
        ("license", package.license.is_some()),
        ("readme", package.readme().is_some_and(|readme| readme.is_file())),
    ];
    let missing = fields.into_iter().filter(|(_, is_set)| !is_set);
    missing.map(|(field, _)| format!("{}: no {field}", package.manifest_path)).collect()
}

fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let length = text.lines().count();
    if path.ends_with(".rs") && length > MAX_LINES {
        problems.push(format!("{path}: {length} lines; split it, the limit is {MAX_LINES}"));
    }
    if path != ".ci/run" && (path.ends_with(".sh") || text.starts_with("#!/")) {
        problems.push(format!("{path}: a script; make it a command of xtask"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for (needle, reason) in FORBIDDEN {
            if contains_at_boundary(line, needle) {
                problems.push(format!("{path}:{number}: `{needle}` is {reason}"));
            }
        }
    }
    problems
}

/// Returns `true` if `needle` occurs, and not as the end of a longer word or path.
fn contains_at_boundary(line: &str, needle: &str) -> bool {
    let is_inside = |c: char| c.is_alphanumeric() || "_-.~/}".contains(c);
    line.match_indices(needle).any(|(at, _)| !line[..at].ends_with(is_inside))
}

/// Returns a problem for each variant of `ErrorKind` that is no heading of `entries`.
fn check_error_kinds(source: &str, entries: &str) -> Vec<String> {
    let body = source.split_once("pub enum ErrorKind {").and_then(|(_, rest)| rest.split_once('}'));
    let Some((body, _)) = body else {
        return vec![format!("{ERROR_KINDS}: no `pub enum ErrorKind`")];
    };
    let is_variant = |line: &&str| line.starts_with(|c: char| c.is_ascii_uppercase());
    let kinds = body.lines().map(|line| line.trim().trim_end_matches(',')).filter(is_variant);
    let is_heading =
        |line: &str, kind| line.starts_with('#') && line.trim_matches(['#', ' ']) == kind;
    kinds
        .filter(|kind| !entries.lines().any(|line| is_heading(line, *kind)))
        .map(|kind| format!("{TROUBLESHOOTING}: no heading `{kind}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_text_is_reported_with_its_line() {
        for (needle, reason) in FORBIDDEN {
            let expected = format!("a.md:2: `{needle}` is {reason}");
            assert_eq!(check_file("a.md", &format!("\n({needle}x)\n")), [expected]);
            assert!(check_file("a.md", &format!("my_{needle}")).is_empty(), "{needle}");
        }
    }

    #[test]
    fn long_sources_and_scripts_are_reported() {
        for (path, text, problems) in [
            ("a.rs", "\n".repeat(MAX_LINES), 0),
            ("a.rs", "\n".repeat(MAX_LINES + 1), 1),
            ("a.md", "#![allow(unused)]\n".repeat(MAX_LINES + 1), 0),
            ("tools/a", "#!/usr/bin/env bash".to_owned(), 1),
            (".ci/run", "#!/usr/bin/env bash".to_owned(), 0),
            ("a.sh", String::new(), 1),
        ] {
            assert_eq!(check_file(path, &text).len(), problems, "{path}");
        }
    }

    #[test]
    fn error_kind_without_heading_is_reported() {
        let source = "pub enum ErrorKind {\n /// Doc.\n Denied,\n #[x]\n Throttled,\n Removed,\n}";
        let entries = "## Denied\nThrottled\n### Removed\n## NotThrottledEither";
        let expected = "TROUBLESHOOTING.md: no heading `Throttled`";
        assert_eq!(check_error_kinds(source, entries), [expected]);
        assert_eq!(check_error_kinds("", entries).len(), 1);
    }
}

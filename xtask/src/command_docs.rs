//! `cargo xtask command-docs`: the reference of the command rolecall, from the command itself.

use xshell::cmd;

use crate::recordings;
use crate::workspace::{Outcome, Workspace};

/// The reference that readers see.
pub(crate) const FILE: &str = "docs/command.md";
/// The reference that a test of rolecall-cli compares with the command.
pub(crate) const SNAPSHOT: &str = "crates/rolecall-cli/tests/suite/snapshots/reference.md.snap";

const HEADER: &str = "<!-- Written by `cargo xtask command-docs`. -->\n\n";

/// Writes the reference to [`FILE`], and the man pages to `target/man`.
pub(crate) fn write(workspace: &Workspace) -> Outcome {
    let shell = &workspace.shell;
    let run = ["run", "--quiet", "--locked", "-p", "rolecall-cli", "--", "__reference"];
    let text = cmd!(shell, "cargo {run...}").quiet().read()?;
    shell.write_file(FILE, document(&text))?;
    let pages = workspace.target().join("man");
    shell.remove_path(&pages)?;
    shell.create_dir(&pages)?;
    cmd!(shell, "cargo {run...} --format man --out {pages}").quiet().run()?;
    println!("{FILE} and {} were written", pages.display());
    Ok(())
}

/// Returns a problem if the reference is not the one that the test compares with the command.
pub(crate) fn check(snapshot: &str, file: &str) -> Option<String> {
    let is_current = document(read_snapshot(snapshot)) == file;
    (!is_current)
        .then(|| format!("{FILE}: differs from {SNAPSHOT}; run `cargo xtask command-docs`"))
}

/// Returns the contents of a snapshot of insta.
pub(crate) fn read_snapshot(file: &str) -> &str {
    // It begins with its metadata, between two lines of hyphens.
    file.splitn(3, "---\n").nth(2).unwrap_or_default()
}

/// Returns the page, with the recordings above the usage of their subcommands.
fn document(text: &str) -> String {
    let mut page = format!("{HEADER}{}\n", text.trim());
    for subcommand in recordings::SUBCOMMANDS {
        let usage = format!("```text\nrolecall {subcommand} [");
        page = page.replacen(&usage, &format!("{}\n\n{usage}", recordings::show(subcommand)), 1);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outdated_reference_is_reported() {
        let snapshot = "---\nsource: a.rs\n---\n# a\n\n---\nb\n";
        assert_eq!(check(snapshot, &document("# a\n\n---\nb")), None);
        let problem = check(snapshot, &document("# a")).unwrap();
        assert!(problem.contains("run `cargo xtask command-docs`"), "{problem}");
        assert!(check("", &document("# a")).is_some());
    }

    #[test]
    fn recording_is_above_the_usage() {
        let page = document("## whoami\n\nShow it.\n\n```text\nrolecall whoami [OPTIONS]\n```");
        let expected = "Show it.\n\n![rolecall whoami in a terminal](recordings/whoami.svg)\n\n\
                        ```text\nrolecall whoami [OPTIONS]\n```\n";
        assert!(page.ends_with(expected), "{page}");
    }
}

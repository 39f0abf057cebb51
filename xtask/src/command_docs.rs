//! `cargo xtask command-docs`: the reference of the command rolecall, from the command itself.

use xshell::cmd;

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
    // A snapshot begins with its metadata, between two lines of hyphens.
    let text = snapshot.splitn(3, "---\n").nth(2).unwrap_or_default();
    let is_current = document(text) == file;
    (!is_current)
        .then(|| format!("{FILE}: differs from {SNAPSHOT}; run `cargo xtask command-docs`"))
}

fn document(text: &str) -> String {
    format!("{HEADER}{}\n", text.trim())
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
}

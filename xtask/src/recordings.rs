//! `cargo xtask recordings`: the command in a terminal, as pictures for the documentation.
//!
//! The tests of rolecall-cli run the command on the local AWS and compare what it prints with
//! snapshots. The pictures are drawn from the snapshots.

use xshell::{Shell, cmd};

use crate::command_docs::read_snapshot;
use crate::terminal;
use crate::workspace::{Outcome, Workspace};

/// The subcommands that are shown.
pub(crate) const SUBCOMMANDS: [&str; 4] = ["whoami", "assume", "token inspect", "policy simulate"];

/// The folder of the pictures, beside the documents that show them.
const FOLDER: &str = "recordings";

/// Runs the command, and writes a picture of each recording.
pub(crate) fn write(workspace: &Workspace) -> Outcome {
    let shell = &workspace.shell;
    let test = ["test", "--quiet", "--locked", "-p", "rolecall-cli", "--test", "suite"];
    cmd!(shell, "cargo {test...} recordings::").env("INSTA_UPDATE", "always").run()?;
    for subcommand in SUBCOMMANDS {
        shell.write_file(locate_picture(subcommand), draw(shell, subcommand)?)?;
    }
    println!("{} pictures were written to docs/{FOLDER}", SUBCOMMANDS.len());
    Ok(())
}

/// Returns a problem for each picture that is not the one of its snapshot.
pub(crate) fn check(shell: &Shell) -> Vec<String> {
    let check = |subcommand| {
        let file = locate_picture(subcommand);
        match draw(shell, subcommand) {
            Ok(picture) if shell.read_file(&file).is_ok_and(|found| found == picture) => None,
            Ok(_) => Some(format!("{file}: is not up to date; run `cargo xtask recordings`")),
            Err(error) => Some(format!("{file}: {error}")),
        }
    };
    SUBCOMMANDS.into_iter().filter_map(check).collect()
}

/// Returns the Markdown that shows the picture of a subcommand in a document of `docs`.
pub(crate) fn show(subcommand: &str) -> String {
    format!("![rolecall {subcommand} in a terminal]({FOLDER}/{}.svg)", name(subcommand))
}

fn draw(shell: &Shell, subcommand: &str) -> Outcome<String> {
    terminal::draw(read_snapshot(&shell.read_file(locate_snapshot(subcommand))?))
}

fn locate_snapshot(subcommand: &str) -> String {
    format!("crates/rolecall-cli/tests/suite/snapshots/recording-{}.snap", name(subcommand))
}

fn locate_picture(subcommand: &str) -> String {
    format!("docs/{FOLDER}/{}.svg", name(subcommand))
}

fn name(subcommand: &str) -> String {
    subcommand.replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outdated_and_missing_pictures_are_reported() {
        let shell = Shell::new().unwrap();
        let folder = shell.create_temp_dir().unwrap();
        shell.change_dir(folder.path());
        assert_eq!(check(&shell).len(), SUBCOMMANDS.len());
        for subcommand in SUBCOMMANDS {
            let snapshot = format!("---\nsource: a.rs\n---\n$ rolecall {subcommand}\n");
            shell.write_file(locate_snapshot(subcommand), snapshot).unwrap();
            let picture = draw(&shell, subcommand).unwrap();
            shell.write_file(locate_picture(subcommand), picture).unwrap();
        }
        assert_eq!(check(&shell), Vec::<String>::new());
        shell.write_file("docs/recordings/token-inspect.svg", "<svg/>").unwrap();
        shell.remove_path("docs/recordings/whoami.svg").unwrap();
        let outdated = ["whoami", "token-inspect"].map(|name| {
            format!("docs/recordings/{name}.svg: is not up to date; run `cargo xtask recordings`")
        });
        assert_eq!(check(&shell), outdated);
    }
}

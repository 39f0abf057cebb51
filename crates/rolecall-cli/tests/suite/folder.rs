//! A folder in which the command runs, without a server.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::command::{Finished, finish};

/// A folder with the files that a command reads and writes.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and returns the folder.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Returns the command in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
        command.current_dir(self.path()).args(arguments);
        command
    }

    /// Runs the command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        self.pipe(arguments, "").await
    }

    /// Runs the command with this standard input to its end.
    pub(crate) async fn pipe(&self, arguments: &[&str], input: &str) -> Finished {
        finish(self.command(arguments), input).await
    }

    /// Runs the command as in a terminal of 60 columns.
    pub(crate) async fn run_narrow(&self, arguments: &[&str]) -> Finished {
        let mut command = self.command(arguments);
        command.env("COLUMNS", "60");
        finish(command, "").await
    }
}

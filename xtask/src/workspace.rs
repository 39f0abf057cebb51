//! The workspace that the chores work on, and the result type that they share.

use std::error::Error;
use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand, Package};
use xshell::Shell;

/// The result of a chore.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A checkout of rolecall.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// A shell whose current directory is the root of the workspace.
    pub(crate) shell: Shell,
    metadata: Metadata,
}

impl Workspace {
    /// Loads the workspace of the current directory.
    pub(crate) fn load() -> Outcome<Self> {
        let mut command = MetadataCommand::new();
        command.no_deps().other_options(["--locked".to_owned()]);
        let metadata = command.exec()?;
        let shell = Shell::new()?;
        shell.change_dir(&metadata.workspace_root);
        Ok(Self { shell, metadata })
    }

    /// Returns cargo's target directory.
    pub(crate) fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Returns the packages that are published on crates.io.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Package> {
        self.metadata.packages.iter().filter(|package| package.publish != Some(Vec::new()))
    }
}

/// Returns a function that adds what to do to an error.
pub(crate) fn add_hint(hint: &str) -> impl Fn(xshell::Error) -> String {
    move |error| format!("{error}; hint: {hint}")
}

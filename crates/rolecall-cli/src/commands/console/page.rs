//! The page that signs in. It contains the sign-in token, so that only its owner can read it.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Failure;
use crate::private_files;

/// A page in a private folder. Both are removed when it is dropped.
#[derive(Debug)]
pub(super) struct Page {
    _folder: TempDir,
    path: PathBuf,
}

impl Page {
    pub(super) fn write(html: &str) -> Result<Self, Failure> {
        let cannot =
            |error: io::Error| Failure::operation(format!("cannot write the page: {error}"));
        let folder = private_files::temporary_folder("rolecall-console-").map_err(cannot)?;
        let path = folder.path().join("sign-in.html");
        private_files::write(&path, html.as_bytes()).map_err(cannot)?;
        Ok(Self { _folder: folder, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

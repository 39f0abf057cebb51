//! The page that signs in. It contains the sign-in token, so that only its owner can read it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Failure;

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
        let folder = create_private_folder().map_err(cannot)?;
        let path = folder.path().join("sign-in.html");
        let mut file = create_private(&path).map_err(cannot)?;
        file.write_all(html.as_bytes()).map_err(cannot)?;
        Ok(Self { _folder: folder, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Creates a folder that other users cannot enter. By default, it would have the permissions that
/// the umask leaves.
fn create_private_folder() -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("rolecall-console-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    builder.tempdir()
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

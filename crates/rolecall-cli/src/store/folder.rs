//! The folder of the store, whose files only their owner can read.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::private_files::{self, private};

/// The folder that contains the entries, the locks and the key.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// Why a file is not used.
#[derive(Debug)]
pub(super) enum Fault {
    Missing,
    Refused(String),
}

impl Folder {
    /// Finds the folder: `rolecall/store` in `$XDG_STATE_HOME`, or in `~/.local/state`.
    pub(super) fn locate(variables: &[(OsString, OsString)]) -> Result<Self, String> {
        let path = |name: &str| {
            let (_, value) = variables.iter().find(|(other, _)| other == name)?;
            // The specification of the XDG folders ignores paths that are relative. Such a path
            // would give each working directory a store of its own.
            Some(PathBuf::from(value)).filter(|path| path.is_absolute())
        };
        let state = path("XDG_STATE_HOME")
            .or_else(|| if cfg!(windows) { path("LOCALAPPDATA") } else { None })
            .or_else(|| path("HOME").map(|home| home.join(".local/state")));
        match state {
            Some(state) => Ok(Self { path: state.join("rolecall").join("store") }),
            None => Err("neither HOME nor XDG_STATE_HOME is an absolute path".to_owned()),
        }
    }

    #[cfg(test)]
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates the folder if it is missing. Returns a note if its permissions had to be changed.
    pub(super) fn create(&self) -> Result<Option<String>, String> {
        let cannot = |error: io::Error| format!("cannot use {}: {error}", self.path.display());
        let mut builder = DirBuilder::new();
        private_folder(builder.recursive(true)).create(&self.path).map_err(cannot)?;
        let metadata = fs::metadata(&self.path).map_err(cannot)?;
        if !is_owned(&metadata) {
            return Err(format!("{} belongs to another user", self.path.display()));
        }
        if is_private(&metadata) {
            return Ok(None);
        }
        make_private(&self.path, metadata).map_err(cannot)?;
        Ok(Some(format!(
            "other users had access to {}; they have it no longer",
            self.path.display()
        )))
    }

    /// Reads a file that must be private to the user.
    pub(super) fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, Fault> {
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Fault::Missing,
            _ => Fault::Refused(format!("it cannot be read: {error}")),
        };
        let file = private(OpenOptions::new().read(true)).open(path).map_err(unreadable)?;
        // Those of the open file: the path may name another one by now.
        let metadata = file.metadata().map_err(unreadable)?;
        let fault = if !metadata.is_file() {
            Some("it is not a regular file".to_owned())
        } else if !is_owned(&metadata) {
            Some("it belongs to another user".to_owned())
        } else if !is_private(&metadata) {
            Some("other users have access to it".to_owned())
        } else if metadata.len() > limit as u64 {
            Some(format!("it is larger than {limit} bytes"))
        } else {
            None
        };
        if let Some(fault) = fault {
            return Err(Fault::Refused(fault));
        }
        let mut contents = Vec::with_capacity(limit.min(metadata.len() as usize) + 1);
        file.take(limit as u64).read_to_end(&mut contents).map_err(unreadable)?;
        Ok(contents)
    }

    /// Writes a file as a whole.
    pub(super) fn write(&self, path: &Path, contents: &[u8]) -> Result<(), String> {
        private_files::write(path, contents)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// Returns the regular files of the folder, and the times of their last modification.
    pub(super) fn files(&self) -> Vec<(String, SystemTime)> {
        // Far more than the store itself writes.
        const LIMIT: usize = 10_000;
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let file = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok().filter(Metadata::is_file)?;
            Some((entry.file_name().into_string().ok()?, metadata.modified().ok()?))
        };
        entries.take(LIMIT).filter_map(file).collect()
    }
}

#[cfg(unix)]
mod permissions {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

    use super::{DirBuilder, Metadata, Path, fs, io};

    const OTHERS: u32 = 0o077;

    pub(super) fn private_folder(builder: &mut DirBuilder) -> &mut DirBuilder {
        builder.mode(0o700)
    }

    pub(super) fn make_private(path: &Path, metadata: Metadata) -> io::Result<()> {
        let mut permissions = metadata.permissions();
        permissions.set_mode(metadata.mode() & !OTHERS);
        fs::set_permissions(path, permissions)
    }

    pub(super) fn is_owned(metadata: &Metadata) -> bool {
        metadata.uid() == rustix::process::geteuid().as_raw()
    }

    pub(super) fn is_private(metadata: &Metadata) -> bool {
        metadata.mode() & OTHERS == 0
    }
}

/// Elsewhere, the folder inherits the access rules of the user's own folder.
#[cfg(not(unix))]
mod permissions {
    use super::{DirBuilder, Metadata, Path, io};

    pub(super) fn private_folder(builder: &mut DirBuilder) -> &mut DirBuilder {
        builder
    }

    pub(super) fn make_private(_: &Path, _: Metadata) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn is_owned(_: &Metadata) -> bool {
        true
    }

    pub(super) fn is_private(_: &Metadata) -> bool {
        true
    }
}

use self::permissions::{is_owned, is_private, make_private, private_folder};

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(variables: &[(&str, &str)]) -> Result<PathBuf, String> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Folder::locate(&variables).map(|folder| folder.path)
    }

    #[test]
    fn folder_follows_xdg_and_home() {
        let home = ("HOME", "/home/ann");
        let expected = PathBuf::from("/home/ann/.local/state/rolecall/store");
        assert_eq!(locate(&[home]), Ok(expected.clone()));
        assert_eq!(locate(&[home, ("XDG_STATE_HOME", "state")]), Ok(expected.clone()));
        assert_eq!(locate(&[home, ("XDG_STATE_HOME", "")]), Ok(expected));
        let state = locate(&[home, ("XDG_STATE_HOME", "/state")]);
        assert_eq!(state, Ok(PathBuf::from("/state/rolecall/store")));
        assert!(locate(&[("HOME", "")]).is_err());
        assert!(locate(&[]).is_err());
    }

    #[test]
    fn large_and_missing_files_are_told_apart() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::at(temporary.path());
        let path = folder.path("a.session");
        folder.write(&path, b"second").unwrap();
        assert_eq!(folder.read(&path, 100).unwrap(), b"second");
        assert!(matches!(folder.read(&path, 5), Err(Fault::Refused(_))));
        assert!(matches!(folder.read(&folder.path("b"), 5), Err(Fault::Missing)));
    }
}

//! Files that only their owner can read: entries, locks and key of the store, the files of an
//! endpoint, the page that signs in.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::TempDir;

use crate::files::{Draft, Existing};

/// The permissions of the owner alone.
const MODE: u32 = 0o600;

/// Writes a file as a whole: readers see the previous file or this one, and never a part.
///
/// No other user can read it at any moment, whatever the umask is. What was at the path is replaced
/// and not written to, since it could be a link.
pub(crate) fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    Draft::write(path, contents, MODE)?.publish(path, Existing::Replace)?;
    Ok(())
}

/// Writes a file as a whole, as [`write()`] does, but replaces nothing. Returns the open file.
pub(crate) fn write_new(path: &Path, contents: &[u8]) -> io::Result<File> {
    Draft::write(path, contents, MODE)?.publish(path, Existing::Refuse)
}

/// Creates a folder that other users cannot enter, and that is removed with the value.
pub(crate) fn temporary_folder(prefix: &str) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    // By default, it would have the permissions that the umask leaves.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir()
}

#[cfg(unix)]
mod open {
    use std::fs::{self, File, Metadata, OpenOptions};
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    use std::path::Path;

    use rustix::fs::OFlags;

    /// Opens without following a link, without waiting for the other end of a pipe, and creates
    /// files for this user alone.
    pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        options.mode(super::MODE).custom_flags(flags.cast_signed())
    }

    /// Returns `true` if this open file is the one at the path.
    pub(crate) fn is_at(file: &File, path: &Path) -> bool {
        let same =
            |one: Metadata, other: Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        match (file.metadata(), fs::symlink_metadata(path)) {
            (Ok(one), Ok(other)) => same(one, other),
            _ => false,
        }
    }
}

/// Elsewhere, files inherit the access rules of their folder.
#[cfg(not(unix))]
mod open {
    use std::fs::{File, OpenOptions};
    use std::path::Path;

    pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    pub(crate) fn is_at(_: &File, path: &Path) -> bool {
        path.exists()
    }
}

pub(crate) use self::open::{is_at, private};

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn readers_see_whole_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.session");
        write(&path, b"first").unwrap();
        let before = File::open(&path).unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(io::read_to_string(before).unwrap(), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file remains");
    }

    #[test]
    fn failed_write_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::create_dir_all(path.join("b")).unwrap();
        write(&path, b"secret").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(path.is_dir());
    }

    #[test]
    fn new_file_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = write_new(&path, b"secret").unwrap();
        assert!(is_at(&file, &path));
        let error = write_new(&path, b"other").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file remains");
    }

    #[cfg(unix)]
    #[test]
    fn link_is_replaced_and_not_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("token"), folder.path().join("target"));
        fs::write(&target, "of another user").unwrap();
        symlink(&target, &path).unwrap();
        write(&path, b"secret").unwrap();
        assert_eq!(fs::read_to_string(target).unwrap(), "of another user");
        let metadata = path.symlink_metadata().unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}

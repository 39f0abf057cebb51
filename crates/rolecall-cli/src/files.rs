//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::Failure;

/// The end of the names of files that are not complete.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// What happens to a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Refuse,
    Replace,
}

/// Writes files into a folder, which is created if it is absent.
///
/// Every file is complete before the first of them gets its name, so that a full disk leaves none.
pub(crate) fn write_all(
    folder: &Path,
    files: &[(&str, String)],
    existing: Existing,
) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| failed("create the folder", folder, &error))?;
    if existing == Existing::Refuse {
        let paths = files.iter().map(|(name, _)| folder.join(name));
        // A dangling symbolic link exists, too.
        let present: Vec<String> = paths
            .filter(|path| path.symlink_metadata().is_ok())
            .map(|path| path.display().to_string())
            .collect();
        if !present.is_empty() {
            return Err(refused(&present.join(", ")));
        }
    }
    let mut drafts = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        let draft = Draft::write(&path, text.as_bytes(), 0o666);
        drafts.push((draft.map_err(|error| failed("write", &path, &error))?, path));
    }
    drafts.into_iter().try_for_each(|(draft, path)| match draft.publish(&path, existing) {
        Ok(_) => {
            sync_folder(&path);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(refused(&path.display().to_string()))
        }
        Err(error) => Err(failed("write", &path, &error)),
    })
}

/// Returns a path that is printed for programs, which would not find the file by another text.
pub(crate) fn path_text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        let message =
            format!("the path {} is not UTF-8 text and cannot be printed", path.display());
        Failure::operation(message).with_hint("use a folder whose path is UTF-8 text")
    })
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::operation(format!("cannot {what} {}: {error}", path.display()))
}

fn refused(paths: &str) -> Failure {
    Failure::operation(format!("{paths} would be replaced"))
        .with_hint("choose another --out, or pass --force")
}

/// A complete file under a temporary name. It is removed unless it is published.
pub(crate) struct Draft(NamedTempFile);

impl Draft {
    /// Writes a file to the folder of `path`, since a rename from another one would be a copy. It
    /// is created with this mode, from which the umask removes permissions.
    pub(crate) fn write(path: &Path, contents: &[u8], mode: u32) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(TEMPORARY_SUFFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        #[cfg(not(unix))]
        let _ = mode;
        // Never follows a link that another user has left there.
        let mut draft = builder.tempfile_in(folder_of(path))?;
        draft.write_all(contents)?;
        // A rename may reach the disk before the contents do.
        draft.as_file().sync_all()?;
        Ok(Self(draft))
    }

    /// Gives the file its name. What is there is replaced, and not written to, since it could be a
    /// link.
    pub(crate) fn publish(self, path: &Path, existing: Existing) -> io::Result<File> {
        let published = match existing {
            Existing::Replace => self.0.persist(path),
            // Never replaces a file that has appeared in the meantime.
            Existing::Refuse => self.0.persist_noclobber(path),
        };
        Ok(published?)
    }
}

/// Makes the name of a file survive a power failure, where the file system supports it.
fn sync_folder(path: &Path) {
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_files_are_kept_unless_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a/b");
        let files = |text: &str| [("x.tf", text.to_owned()), ("y.tf", text.to_owned())];
        write_all(&out, &files("1"), Existing::Refuse).unwrap();
        fs::remove_file(out.join("x.tf")).unwrap();
        let Err(Failure::Operation { message, hint }) =
            write_all(&out, &files("2"), Existing::Refuse)
        else {
            panic!("y.tf exists");
        };
        assert!(message.ends_with("y.tf would be replaced"), "{message}");
        assert_eq!(hint.as_deref(), Some("choose another --out, or pass --force"));
        assert!(!out.join("x.tf").exists());
        write_all(&out, &files("3"), Existing::Replace).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["x.tf", "y.tf"]);
        assert_eq!(fs::read_to_string(out.join("y.tf")).unwrap(), "3");
    }
}

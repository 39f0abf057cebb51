//! The files that clients of the endpoint read: the token, and two empty configuration files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::token::AuthToken;
use crate::error::Failure;
use crate::private_files;

/// Mode of the folder. Others cannot even list it.
#[cfg(unix)]
const FOLDER_MODE: u32 = 0o700;

/// The folder with the files. Dropping it removes the files, and the folder if it is temporary.
#[derive(Debug)]
pub(crate) struct ClientFiles {
    folder: PathBuf,
    /// `None` for a folder that the user named, which is not removed.
    temporary: Option<TempDir>,
    removed: bool,
}

impl ClientFiles {
    /// Writes the files to this folder, or to a new temporary one.
    pub(crate) fn create(folder: Option<&Path>, token: &AuthToken) -> Result<Self, Failure> {
        let (folder, temporary) = match folder {
            Some(folder) => (named(folder)?, None),
            None => {
                let temporary = private_files::temporary_folder("rolecall-").map_err(|error| {
                    Failure::operation(format!("cannot create a temporary folder: {error}"))
                        .with_hint("set TMPDIR to a folder that this user can write to")
                })?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let files = Self { folder, temporary, removed: false };
        write(&files.token(), token.expose())?;
        write(&files.config(), "")?;
        write(&files.credentials(), "")?;
        Ok(files)
    }

    pub(crate) fn token(&self) -> PathBuf {
        self.folder.join("token")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("config")
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.folder.join("credentials")
    }

    /// Removes the files.
    pub(crate) fn remove(mut self) -> Result<(), Failure> {
        self.remove_files().map_err(|(path, error)| {
            Failure::operation(format!("cannot remove {}: {error}", path.display()))
        })
    }

    fn remove_files(&mut self) -> Result<(), (PathBuf, io::Error)> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        if let Some(temporary) = self.temporary.take() {
            return temporary.close().map_err(|error| (self.folder.clone(), error));
        }
        for path in [self.token(), self.config(), self.credentials()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err((path, error)),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for ClientFiles {
    fn drop(&mut self) {
        // The command is ending because of another error, which is the one to report.
        let _ = self.remove_files();
    }
}

/// Creates the folder if it does not exist, and checks that no other user can replace its files.
fn named(folder: &Path) -> Result<PathBuf, Failure> {
    let cannot = |fault: &dyn std::fmt::Display| {
        Failure::operation(format!("cannot use the folder {}: {fault}", folder.display()))
    };
    create_folder(folder).map_err(|error| cannot(&error))?;
    // Absolute, since clients have working directories of their own.
    let folder_path = fs::canonicalize(folder).map_err(|error| cannot(&error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let metadata = fs::metadata(&folder_path).map_err(|error| cannot(&error))?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(cannot(&"it belongs to another user"));
        }
        if metadata.mode() & 0o022 != 0 {
            let mode = metadata.mode() & 0o777;
            return Err(cannot(&format_args!("others can write to it (mode {mode:03o})"))
                .with_hint("chmod go-w it"));
        }
    }
    Ok(folder_path)
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, FOLDER_MODE);
    match builder.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    private_files::write(path, text.as_bytes())
        .map_err(|error| Failure::operation(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn temporary_folder_is_private_and_removed() {
        let token = AuthToken::random().unwrap();
        let files = ClientFiles::create(None, &token).unwrap();
        let folder = files.token().parent().unwrap().to_owned();
        assert_eq!(mode(&folder), 0o700);
        for (path, text) in
            [(files.token(), token.expose()), (files.config(), ""), (files.credentials(), "")]
        {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        files.remove().unwrap();
        assert!(!folder.exists());
        let files = ClientFiles::create(None, &token).unwrap();
        let folder = files.token().parent().unwrap().to_owned();
        drop(files);
        assert!(!folder.exists());
    }

    #[test]
    fn named_folder_keeps_other_files() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("endpoint");
        let token = AuthToken::random().unwrap();
        let files = ClientFiles::create(Some(&folder), &token).unwrap();
        assert_eq!(mode(&folder), 0o700);
        fs::write(folder.join("other"), "x").unwrap();
        files.remove().unwrap();
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(left, [folder.join("other")]);
    }

    #[test]
    fn left_over_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.path().join("token")).unwrap();
        let token = AuthToken::random().unwrap();
        let files = ClientFiles::create(Some(folder.path()), &token).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(files.token().symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let token = AuthToken::random().unwrap();
        let error = ClientFiles::create(Some(folder.path()), &token).unwrap_err();
        assert!(format!("{error:?}").contains("others can write to it (mode 777)"), "{error:?}");
    }
}

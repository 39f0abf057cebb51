//! The files that clients of the endpoint read: the token, and two empty configuration files.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rolecall::Environment;
use tempfile::TempDir;

use super::token::AuthToken;
use crate::error::Failure;
use crate::files::path_text;
use crate::lock::{Lock, LockError};
use crate::private_files::{self, is_at};

/// Mode of the folder. Others cannot even list it.
#[cfg(unix)]
const FOLDER_MODE: u32 = 0o700;

// Names that no other program uses: the folder may be one that has other files, such as ~/.aws.
const TOKEN: &str = "rolecall-token";
const CONFIG: &str = "rolecall-config";
const CREDENTIALS: &str = "rolecall-credentials";
const LOCK: &str = "rolecall-lock";

/// The time that an endpoint needs to remove its files when it ends.
const LOCK_LIMIT: Duration = Duration::from_secs(1);
/// Size limit of a file that this program may have created. The token is the largest.
const MAX_FILE: usize = 1024;

/// Refuses a folder whose path cannot be printed, before anything is in it. `None` is a temporary
/// one.
pub(crate) fn check_folder(folder: Option<&Path>) -> Result<(), Failure> {
    let path = match folder {
        // It is created later if it does not exist.
        Some(folder) => fs::canonicalize(folder).or_else(|_| std::path::absolute(folder)),
        None => std::path::absolute(std::env::temp_dir()),
    };
    // A folder that has no such path cannot be created, and is reported then.
    path.map_or(Ok(()), |path| path_text(&path).map(|_| ()))
}

/// The folder with the files. Dropping it removes the files, and the folder if it is temporary.
#[derive(Debug)]
pub(crate) struct ClientFiles {
    folder: PathBuf,
    /// `None` for a folder that the user named, which is not removed.
    temporary: Option<TempDir>,
    /// Keeps other endpoints out of a folder that the user named.
    lock: Option<Lock>,
    /// The files, open. Another program's file at the same path is a different one.
    created: Vec<(PathBuf, File)>,
}

impl ClientFiles {
    /// Writes the files to this folder, or to a new temporary one.
    pub(crate) fn create(folder: Option<&Path>, token: &AuthToken) -> Result<Self, Failure> {
        let mut files = match folder {
            Some(folder) => Self::named(named(folder)?)?,
            None => {
                let temporary = private_files::temporary_folder("rolecall-").map_err(|error| {
                    Failure::operation(format!("cannot create a temporary folder: {error}"))
                        .with_hint("set TMPDIR to a folder that this user can write to")
                })?;
                let folder = temporary.path().to_owned();
                Self { folder, temporary: Some(temporary), lock: None, created: Vec::new() }
            }
        };
        for (path, text) in
            [(files.token(), token.expose()), (files.config(), ""), (files.credentials(), "")]
        {
            let file = private_files::write_new(&path, text.as_bytes()).map_err(|error| {
                Failure::operation(format!("cannot write {}: {error}", path.display()))
            })?;
            files.created.push((path, file));
        }
        Ok(files)
    }

    /// Locks a folder, and removes what an endpoint that was killed has left in it.
    fn named(folder: PathBuf) -> Result<Self, Failure> {
        let lock = folder.join(LOCK);
        check_own(&lock, is_empty)?;
        let lock = Lock::acquire(&lock, LOCK_LIMIT).map_err(|error| match error {
            LockError::Timeout => {
                let message = format!(
                    "cannot use the folder {}: another endpoint has its files there",
                    folder.display()
                );
                Failure::operation(message)
                    .with_hint("stop the other endpoint, or use another --directory")
            }
            LockError::Io(error) => {
                Failure::operation(format!("cannot lock {}: {error}", lock.display()))
            }
        })?;
        let files = Self { folder, temporary: None, lock: Some(lock), created: Vec::new() };
        let mut left = Vec::new();
        for path in [files.token(), files.config(), files.credentials()] {
            let is_own = if path == files.token() { AuthToken::is_token } else { is_empty };
            if check_own(&path, is_own)? {
                left.push(path);
            }
        }
        for path in left {
            fs::remove_file(&path).map_err(|error| cannot_remove(&path, &error))?;
        }
        Ok(files)
    }

    pub(crate) fn token(&self) -> PathBuf {
        self.folder.join(TOKEN)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.folder.join(CREDENTIALS)
    }

    /// Removes the files.
    pub(crate) fn remove(mut self) -> Result<(), Failure> {
        self.remove_files()
    }

    fn remove_files(&mut self) -> Result<(), Failure> {
        let created = std::mem::take(&mut self.created);
        if let Some(temporary) = self.temporary.take() {
            return temporary.close().map_err(|error| cannot_remove(&self.folder, &error));
        }
        let mut removed = Ok(());
        for (path, file) in created {
            let is_own = if path == self.token() { AuthToken::is_token } else { is_empty };
            // A file that another program has put there, or has written to, is not removed.
            if is_at(&file, &path)
                && check_own(&path, is_own).is_ok_and(|exists| exists)
                && let Err(error) = fs::remove_file(&path)
            {
                removed = removed.and(Err(cannot_remove(&path, &error)));
            }
        }
        if let Some(lock) = self.lock.take() {
            lock.remove(&self.folder.join(LOCK));
        }
        removed
    }
}

impl Drop for ClientFiles {
    fn drop(&mut self) {
        // The command is ending because of another error, which is the one to report.
        let _ = self.remove_files();
    }
}

fn cannot_remove(path: &Path, error: &io::Error) -> Failure {
    Failure::operation(format!("cannot remove {}: {error}", path.display()))
}

/// Returns `true` if a file is at the path. Refuses one that this program did not create.
fn check_own(path: &Path, is_own: fn(&[u8]) -> bool) -> Result<bool, Failure> {
    // Of a link itself: this program creates none.
    let is_regular = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        metadata => metadata.is_ok_and(|metadata| metadata.is_file()),
    };
    let read = || Environment::process().read_file_now(path, MAX_FILE);
    match is_regular && read().is_ok_and(|contents| is_own(&contents)) {
        true => Ok(true),
        false => {
            let message = format!("{} is not a file of an endpoint", path.display());
            Err(Failure::operation(message).with_hint("move it away, or use another --directory"))
        }
    }
}

fn is_empty(contents: &[u8]) -> bool {
    contents.is_empty()
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
    fn files_of_other_programs_are_refused() {
        for name in [TOKEN, CONFIG, CREDENTIALS, LOCK] {
            let folder = tempfile::tempdir().unwrap();
            let (path, victim) = (folder.path().join(name), folder.path().join("victim"));
            fs::write(&victim, "").unwrap();
            let token = AuthToken::random().unwrap();
            let create = || {
                let error = ClientFiles::create(Some(folder.path()), &token).unwrap_err();
                let message = error.message();
                assert!(message.contains(name) && message.ends_with("not a file of an endpoint"));
            };
            fs::write(&path, "[default]").unwrap();
            create();
            assert_eq!(fs::read_to_string(&path).unwrap(), "[default]");
            fs::remove_file(&path).unwrap();
            // A link to a file with valid contents is refused as well.
            symlink(&victim, &path).unwrap();
            create();
            assert!(path.is_symlink() && victim.exists(), "{name}");
            fs::remove_file(&path).unwrap();
            let left: Vec<_> =
                fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
            assert_eq!(left, [victim], "{name}");
        }
    }

    #[test]
    fn files_that_others_replace_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let token = AuthToken::random().unwrap();
        let files = ClientFiles::create(Some(folder.path()), &token).unwrap();
        let (config, credentials) = (files.config(), files.credentials());
        // Written to in place, and replaced by another file.
        fs::write(&config, "[default]").unwrap();
        fs::rename(&credentials, folder.path().join("old")).unwrap();
        fs::write(&credentials, "").unwrap();
        files.remove().unwrap();
        assert_eq!(fs::read_to_string(config).unwrap(), "[default]");
        assert!(credentials.exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    }

    #[test]
    fn folder_in_use_is_refused_until_released() {
        let folder = tempfile::tempdir().unwrap();
        let create = || {
            let token = AuthToken::random().unwrap();
            ClientFiles::create(Some(folder.path()), &token).map(|files| (files, token))
        };
        let (first, token) = create().unwrap();
        let error = create().unwrap_err();
        assert!(error.message().contains("another endpoint has its files there"), "{error}");
        assert_eq!(fs::read_to_string(first.token()).unwrap(), token.expose());
        assert!(first.config().exists() && first.credentials().exists());
        first.remove().unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        create().unwrap();
    }

    #[test]
    fn files_of_a_killed_endpoint_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (AuthToken::random().unwrap(), AuthToken::random().unwrap());
        for (name, text) in [(TOKEN, first.expose()), (CONFIG, ""), (CREDENTIALS, ""), (LOCK, "")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let files = ClientFiles::create(Some(folder.path()), &second).unwrap();
        assert_eq!(fs::read_to_string(files.token()).unwrap(), second.expose());
        files.remove().unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
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

//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::Failure;
use crate::random;

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
        drafts.push((Draft::write(folder, name, text)?, folder.join(name)));
    }
    drafts.into_iter().try_for_each(|(draft, path)| draft.publish(&path, existing))
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::operation(format!("cannot {what} {}: {error}", path.display()))
}

fn refused(paths: &str) -> Failure {
    Failure::operation(format!("{paths} would be replaced"))
        .with_hint("choose another --out, or pass --force")
}

/// A complete file under a temporary name. It is removed unless it is published.
struct Draft(PathBuf);

impl Draft {
    fn write(folder: &Path, name: &str, text: &str) -> Result<Self, Failure> {
        let path = folder.join(format!(".{name}.{}", random::hex::<8>()?));
        // Never follows a link that another user has left there.
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = file.map_err(|error| failed("create", &path, &error))?;
        let draft = Self(path);
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| failed("write", &draft.0, &error))?;
        Ok(draft)
    }

    fn publish(self, path: &Path, existing: Existing) -> Result<(), Failure> {
        let published = match existing {
            Existing::Replace => fs::rename(&self.0, path),
            // Unlike a rename, a link never replaces a file that has appeared in the meantime.
            Existing::Refuse => fs::hard_link(&self.0, path),
        };
        match published {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(refused(&path.display().to_string()))
            }
            Err(error) => Err(failed("write", path, &error)),
            Ok(()) => {
                sync_folder(path);
                Ok(())
            }
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes the name of a file survive a power failure, where the file system supports it.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent() {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
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

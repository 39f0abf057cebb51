//! The removal of entries that are no longer needed.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::folder::Folder;
use crate::files::TEMPORARY_SUFFIX;
use crate::lock::Lock;

/// The number of sessions that are kept.
const MAX_ENTRIES: usize = 256;
/// A session of a role lasts 12 hours at most. An older file contains none that is valid.
const MAX_AGE: Duration = Duration::from_secs(13 * 3600);
/// A process that writes a file does so within seconds, and one that waits for the lock reads a
/// failure within minutes. An older one has ended.
const MAX_WRITE_TIME: Duration = Duration::from_secs(3600);

/// Removes expired sessions, the oldest ones above the limit, and what processes left that were
/// killed.
pub(super) fn prune(folder: &Folder, now: SystemTime) {
    let files = folder.files();
    // The age of a file of the future is zero: the wall clock was set back.
    let age = |modified: SystemTime| now.duration_since(modified).unwrap_or_default();
    let has_extension = |name: &str, extension: &str| {
        Path::new(name).extension().is_some_and(|other| other == extension)
    };
    let is_short_lived =
        |name: &str| name.ends_with(TEMPORARY_SUFFIX) || has_extension(name, "failure");
    let mut sessions = Vec::new();
    for (name, modified) in &files {
        if has_extension(name, "session") {
            sessions.push((age(*modified), name));
        } else if is_short_lived(name) && age(*modified) > MAX_WRITE_TIME {
            let _ = fs::remove_file(folder.path(name));
        }
    }
    sessions.sort();
    let is_kept =
        |(index, (age, _)): &(usize, (Duration, &String))| *index < MAX_ENTRIES && *age <= MAX_AGE;
    let (kept, removed): (Vec<_>, Vec<_>) = sessions.into_iter().enumerate().partition(is_kept);
    for (_, (_, name)) in removed {
        let _ = fs::remove_file(folder.path(name));
    }
    let mut kept: Vec<&str> = kept.iter().filter_map(|(_, (_, name))| stem(name)).collect();
    kept.sort_unstable();
    for (name, _) in files.iter().filter(|(name, _)| has_extension(name, "lock")) {
        if stem(name).is_none_or(|stem| kept.binary_search(&stem).is_err()) {
            Lock::remove_unheld(&folder.path(name));
        }
    }
}

fn stem(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn create(folder: &Folder, name: &str, modified: SystemTime) {
        let file = File::create(folder.path(name)).unwrap();
        file.set_modified(modified).unwrap();
    }

    fn names(folder: &Folder) -> Vec<String> {
        let mut names: Vec<_> = folder.files().into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    #[test]
    fn old_files_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::at(temporary.path());
        let now = SystemTime::now();
        let (hours, day) = (now - 2 * MAX_WRITE_TIME, now - 2 * MAX_AGE);
        for (name, modified) in [
            ("new.session", hours),
            ("new.lock", day),
            ("old.session", day),
            ("old.lock", now),
            ("none.lock", now),
            ("held.lock", day),
            ("new.session-1-1.tmp", now),
            ("new.session-2-2.tmp", hours),
            ("new.failure", now),
            ("old.failure", hours),
            ("future.session", now + MAX_AGE),
            ("key", day),
            ("other", day),
        ] {
            create(&folder, name, modified);
        }
        let held = Lock::acquire(&folder.path("held.lock"), Duration::ZERO).unwrap();
        prune(&folder, now);
        drop(held);
        let expected = [
            "future.session",
            "held.lock",
            "key",
            "new.failure",
            "new.lock",
            "new.session",
            "new.session-1-1.tmp",
            "other",
        ];
        assert_eq!(names(&folder), expected);
    }

    #[test]
    fn oldest_sessions_above_the_limit_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::at(temporary.path());
        let now = SystemTime::now();
        for index in 0..MAX_ENTRIES + 3 {
            let modified = now - Duration::from_secs(index as u64);
            create(&folder, &format!("{index:03}.session"), modified);
        }
        prune(&folder, now);
        let names = names(&folder);
        assert_eq!(names.len(), MAX_ENTRIES);
        assert_eq!(names.first().map(String::as_str), Some("000.session"));
        assert_eq!(names.last().map(String::as_str), Some("255.session"));
    }
}

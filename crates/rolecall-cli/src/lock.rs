//! Locks between processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::private_files::{is_at, private};

/// An exclusive lock on a file. It ends when the value is dropped, and when the process ends in any
/// way.
#[derive(Debug)]
pub(crate) struct Lock(File);

/// Why there is no lock.
#[derive(Debug)]
pub(crate) enum LockError {
    Timeout,
    Io(io::Error),
}

impl Lock {
    /// Creates the file if it is missing, and waits for the lock.
    pub(crate) fn acquire(path: &Path, limit: Duration) -> Result<Self, LockError> {
        let deadline = Instant::now() + limit;
        loop {
            let file = open(path).map_err(LockError::Io)?;
            if let Some(lock) = Self::on(file, path, deadline)? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(LockError::Timeout);
            }
        }
    }

    /// Waits for the lock of an open file. Returns `None` if another file is at the path.
    ///
    /// The file may have been removed before it was locked. Another process would then create a new
    /// one, and both would hold a lock.
    fn on(file: File, path: &Path, deadline: Instant) -> Result<Option<Self>, LockError> {
        let file = wait(file, deadline)?;
        Ok(is_at(&file, path).then_some(Self(file)))
    }

    /// Removes the file, and ends the lock.
    pub(crate) fn remove(self, path: &Path) {
        // While the lock is held: another process that waits for it sees that the file is gone.
        if is_at(&self.0, path) {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Removes the file of a lock that no process holds.
    pub(crate) fn remove_unheld(path: &Path) {
        let Ok(file) = OpenOptions::new().write(true).open(path) else { return };
        if file.try_lock().is_ok() && is_at(&file, path) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().write(true).create(true).truncate(false)).open(path)
}

fn wait(file: File, deadline: Instant) -> Result<File, LockError> {
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        Err(TryLockError::WouldBlock) => {}
    }
    // The system's lock has no time limit. If a thread outlives the limit, it ends with the
    // process, or drops the lock as soon as it gets it.
    let (sender, receiver) = mpsc::sync_channel(1);
    let wait = std::thread::Builder::new().name("lock".to_owned()).spawn(move || {
        let locked = file.lock().map(|()| file);
        let _ = sender.try_send(locked);
    });
    wait.map_err(LockError::Io)?;
    match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(locked) => locked.map_err(LockError::Io),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(LockError::Timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_lock_times_out_and_can_be_taken_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let held = Lock::acquire(&path, Duration::ZERO).unwrap();
        let waited = Lock::acquire(&path, Duration::from_millis(30));
        assert!(matches!(waited, Err(LockError::Timeout)), "{waited:?}");
        drop(held);
        // The thread that still waits may get the lock first, and drops it.
        Lock::acquire(&path, Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn removed_file_is_not_a_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let (first, second) = (open(&path).unwrap(), open(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(Lock::on(first, &path, Instant::now()).unwrap().is_none());
        let _held = Lock::acquire(&path, Duration::ZERO).unwrap();
        let lock = Lock::on(second, &path, Instant::now()).unwrap();
        assert!(lock.is_none(), "the new file is another one");
    }

    #[test]
    fn only_unheld_locks_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let held = Lock::acquire(&path, Duration::ZERO).unwrap();
        Lock::remove_unheld(&path);
        assert!(path.exists());
        drop(held);
        Lock::remove_unheld(&path);
        assert!(!path.exists());
    }

    #[test]
    fn missing_folder_is_an_error() {
        let error = Lock::acquire("/no/such/folder/a.lock".as_ref(), Duration::ZERO).unwrap_err();
        assert!(matches!(error, LockError::Io(_)), "{error:?}");
    }
}

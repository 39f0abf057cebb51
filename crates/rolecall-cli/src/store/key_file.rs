//! The key that encrypts the entries, in a file beside them.
//!
//! A program of the same user can read the key as well as the entries. The key protects copies of
//! entries: in backups, on synchronized folders, on disks that were thrown away. It does not if the
//! key was copied with them.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::folder::{Fault, Folder};
use super::lock::{Lock, LockError};

const NAME: &str = "key";
const LENGTH: usize = 32;
/// The time that another process needs to write a key.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// The key of the store.
pub(super) struct StoreKey(pub(super) RandomizedNonceKey);

impl StoreKey {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes).ok().map(Self)
    }

    pub(super) fn read(folder: &Folder) -> Result<Self, Fault> {
        let bytes = Zeroizing::new(folder.read(&folder.path(NAME), LENGTH)?);
        Self::parse(&bytes).ok_or_else(|| Fault::Refused("it is not a key".to_owned()))
    }

    /// Reads the key, or creates it if it is missing or refused. Returns a note if it was refused.
    pub(super) fn read_or_create(folder: &Folder) -> Result<(Self, Option<String>), String> {
        if let Ok(key) = Self::read(folder) {
            return Ok((key, None));
        }
        let lock = folder.path("key.lock");
        let _lock = Lock::acquire(&lock, LOCK_LIMIT).map_err(|error| {
            let fault = match error {
                LockError::Timeout => "another process holds the lock".to_owned(),
                LockError::Io(error) => error.to_string(),
            };
            format!("cannot lock {}: {fault}", lock.display())
        })?;
        // Another process may have created it meanwhile.
        let note = match Self::read(folder) {
            Ok(key) => return Ok((key, None)),
            Err(Fault::Missing) => None,
            // Others may have read a key that they had access to: it is replaced, too.
            Err(Fault::Refused(fault)) => {
                let path = folder.path(NAME);
                Some(format!("{} and all stored sessions are replaced: {fault}", path.display()))
            }
        };
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let created = rand::fill(bytes.as_mut_slice()).ok().and_then(|()| Self::parse(&*bytes));
        let key = created.ok_or("the system has no random numbers")?;
        folder.write(&folder.path(NAME), bytes.as_slice())?;
        Ok((key, note))
    }
}

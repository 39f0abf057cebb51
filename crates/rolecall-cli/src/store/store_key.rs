//! The key that encrypts the entries: in a file beside them, or in the desktop's keyring.
//!
//! A program of the same user can read the key file as well as the entries. The key protects copies
//! of entries: in backups, on synchronized folders, on disks that were thrown away. It does not if
//! the key file was copied with them.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::rand;
use clap::ValueEnum;
use zeroize::Zeroizing;

use super::folder::{Fault, Folder};
#[cfg(any(test, feature = "keyring"))]
use super::keyring;
use crate::lock::{Lock, LockError};

const FILE: &str = "key";
const LENGTH: usize = 32;
/// The time that another process needs to write a key. The keyring may ask for a password.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// Where the key of the store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyPlace {
    /// A file beside the sessions, which any program of the same user can read
    #[default]
    File,
    /// The desktop's keyring
    #[cfg(any(test, feature = "keyring"))]
    Keyring,
}

/// Why there is no key.
#[derive(Debug)]
pub(super) enum KeyFault {
    Missing,
    /// There is a key that is not used, and that a new one replaces.
    Refused(String),
    /// No key can be read or written.
    #[cfg(any(test, feature = "keyring"))]
    Unusable(String),
}

/// The key of the store.
pub(super) struct StoreKey(pub(super) RandomizedNonceKey);

impl StoreKey {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes).ok().map(Self)
    }

    pub(super) fn read(folder: &Folder, place: KeyPlace) -> Result<Self, KeyFault> {
        let bytes = match place {
            KeyPlace::File => match folder.read(&folder.path(FILE), LENGTH) {
                Ok(bytes) => Zeroizing::new(bytes),
                Err(Fault::Missing) => return Err(KeyFault::Missing),
                Err(Fault::Refused(fault)) => return Err(KeyFault::Refused(fault)),
            },
            #[cfg(any(test, feature = "keyring"))]
            KeyPlace::Keyring => keyring::read()?,
        };
        Self::parse(&bytes).ok_or_else(|| KeyFault::Refused("it is not a key".to_owned()))
    }

    /// Reads the key, or creates it if it is missing or refused. Returns a note if it was refused.
    pub(super) fn read_or_create(
        folder: &Folder,
        place: KeyPlace,
    ) -> Result<(Self, Option<String>), String> {
        if let Ok(key) = Self::read(folder, place) {
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
        let note = match Self::read(folder, place) {
            Ok(key) => return Ok((key, None)),
            Err(KeyFault::Missing) => None,
            // Others may have read a key that they had access to: it is replaced, too.
            Err(KeyFault::Refused(fault)) => {
                let key = match place {
                    KeyPlace::File => folder.path(FILE).display().to_string(),
                    #[cfg(any(test, feature = "keyring"))]
                    KeyPlace::Keyring => "the key in the keyring".to_owned(),
                };
                Some(format!("{key} and all stored sessions are replaced: {fault}"))
            }
            #[cfg(any(test, feature = "keyring"))]
            Err(KeyFault::Unusable(fault)) => return Err(fault),
        };
        let mut bytes = Zeroizing::new(vec![0; LENGTH]);
        let created = rand::fill(&mut bytes).ok().and_then(|()| Self::parse(&bytes));
        let key = created.ok_or("the system has no random numbers")?;
        match place {
            KeyPlace::File => folder.write(&folder.path(FILE), &bytes)?,
            #[cfg(any(test, feature = "keyring"))]
            KeyPlace::Keyring => keyring::write(bytes).map_err(|fault| match fault {
                KeyFault::Unusable(fault) | KeyFault::Refused(fault) => fault,
                KeyFault::Missing => "the keyring has no place for the key".to_owned(),
            })?,
        }
        Ok((key, note))
    }
}

//! The failure of the process that held a lock, for those that waited for it.
//!
//! Each of them would otherwise call a server that does not respond, one after the other. What a
//! call may use is a failure that was recorded after the call had begun. Clocks do not decide that:
//! a wall clock may be set back. The call remembers what was recorded before it began, and each
//! record has a nonce of its own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::cache_key::CacheKey;
use super::folder::{Fault, Folder};
use super::sealed;
use super::store_key::StoreKey;
use crate::error::Failure;

/// Size limit of a record in bytes.
const MAX_RECORD: usize = 64 * 1024;

/// The record of one key.
pub(super) struct Failures<'a> {
    folder: &'a Folder,
    key: &'a CacheKey,
    path: PathBuf,
    before: Contents,
}

/// What the file of a record contains.
enum Contents {
    Nothing,
    Record(Vec<u8>),
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    message: String,
    hint: Option<String>,
    is_usage: bool,
    is_of_limited_fetch: bool,
}

/// A failure that another process recorded since the call began.
pub(super) struct Recorded {
    pub(super) failure: Failure,
    /// The fetch had less time than usual, since there was a valid session.
    pub(super) is_of_limited_fetch: bool,
}

impl<'a> Failures<'a> {
    /// Remembers the record of before the call.
    pub(super) fn before_call(folder: &'a Folder, key: &'a CacheKey) -> Self {
        let path = folder.path(&key.file_name("failure"));
        let before = read(folder, &path);
        Self { folder, key, path, before }
    }

    /// Returns the failure that was recorded since the call began.
    pub(super) fn since(&self, store_key: &StoreKey) -> Option<Recorded> {
        let Contents::Record(sealed) = read(self.folder, &self.path) else { return None };
        match &self.before {
            Contents::Unknown => return None,
            Contents::Record(before) if *before == sealed => return None,
            Contents::Record(_) | Contents::Nothing => {}
        }
        let text = sealed::open(store_key, self.key, sealed)?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        let Record { message, hint, is_usage, is_of_limited_fetch } = record;
        let failure = match is_usage {
            true => Failure::Usage { message, hint },
            false => Failure::Operation { message, hint },
        };
        Some(Recorded { failure, is_of_limited_fetch })
    }

    /// Records the failure of this call. Without a record, those that wait call the server, too.
    pub(super) fn record(
        &self,
        store_key: &StoreKey,
        failure: &Failure,
        is_of_limited_fetch: bool,
    ) {
        let (message, hint, is_usage) = match failure {
            Failure::Usage { message, hint } => (message, hint, true),
            Failure::Operation { message, hint } => (message, hint, false),
            Failure::Program { .. } | Failure::Closed => return,
        };
        let (message, hint) = (message.clone(), hint.clone());
        let record = Record { message, hint, is_usage, is_of_limited_fetch };
        let Ok(text) = serde_json::to_vec(&record) else { return };
        if let Some(sealed) = sealed::seal(store_key, self.key, Zeroizing::new(text)) {
            let _ = self.folder.write(&self.path, &sealed);
        }
    }

    /// Removes the record: the server has answered since.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn read(folder: &Folder, path: &Path) -> Contents {
    match folder.read(path, MAX_RECORD) {
        Ok(sealed) => Contents::Record(sealed),
        Err(Fault::Missing) => Contents::Nothing,
        Err(Fault::Refused(_)) => Contents::Unknown,
    }
}

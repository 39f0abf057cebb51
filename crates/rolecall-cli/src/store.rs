//! The store: sessions that processes share, encrypted in files of the user.
//!
//! A session is stored under a [`CacheKey`], the hash of everything that decides which session a
//! command obtains. A call first reads the file of its key. If there is no usable session in it,
//! the call takes the lock of the key, reads again, and only then calls STS. Concurrent processes
//! thus make one call.
//!
//! The store never makes a command fail. Where it cannot be used, a note says why, and the command
//! obtains a session without it.

mod cache_key;
mod folder;
#[cfg(any(test, feature = "keyring"))]
mod keyring;
mod prune;
mod record;
mod sealed;
mod store_key;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use rolecall::Session;

use crate::error::Failure;
use crate::identity::RoleArgs;
use crate::lock::{Lock, LockError};
use crate::output::{Output, progress};
use crate::runtime;
use crate::time::{duration, timestamp_and_distance};

use self::cache_key::CacheKey;
use self::folder::{Fault, Folder};
use self::record::{Age, Record};
use self::store_key::{KeyPlace, StoreKey};

/// The time that a call waits for the process that obtains the session. STS usually answers within
/// a second.
const LOCK_LIMIT: Duration = Duration::from_secs(20);
/// The same if a person has to enter an MFA code meanwhile.
const MFA_LOCK_LIMIT: Duration = Duration::from_secs(120);
/// Size limit of an entry in bytes. A session token has at most 4,096 bytes at AWS today, and no
/// documented limit.
const MAX_ENTRY: usize = 64 * 1024;

/// The options of commands that use the store.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct StoreArgs {
    /// Obtain a new session, and neither read nor write the store
    #[arg(long, help_heading = "Session")]
    pub(crate) no_store: bool,
    /// Where the key of the store is
    #[cfg(feature = "keyring")]
    #[arg(long, value_enum, value_name = "PLACE", default_value = "file")]
    #[arg(help_heading = "Session")]
    store_key: KeyPlace,
}

impl StoreArgs {
    fn key_place(&self) -> KeyPlace {
        #[cfg(feature = "keyring")]
        return self.store_key;
        #[cfg(not(feature = "keyring"))]
        KeyPlace::File
    }
}

/// Returns a session of the last role: the stored one, or a new one, which is then stored.
///
/// A stored session has its credentials, role, account, lineage and expiration. It has no measured
/// lifetime, and no tags, source identity or claims.
///
/// Must not be called from asynchronous code: a new session is obtained in a runtime of its own,
/// and the wait for another process blocks the thread.
pub(crate) fn session(
    roles: &RoleArgs,
    store: &StoreArgs,
    output: &Output,
) -> Result<Session, Failure> {
    if store.no_store {
        return fetch(roles, output);
    }
    roles.check()?;
    // Before the lock: the same command as a descendant would wait for this one.
    if roles.token_file.is_none() {
        roles.base.check()?;
    }
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let place = store.key_place();
    let key = CacheKey::of(roles, &variables, place)?;
    match Folder::locate(&variables) {
        Ok(folder) => {
            let entry = Entry::new(folder, key, place, roles.mfa_serial.is_some());
            let fetch = || {
                let session = fetch(roles, output)?;
                // While the process waited, a file that is part of the key may have changed. The
                // session is then not that of the key.
                let variables: Vec<_> = std::env::vars_os().collect();
                let is_of_key = CacheKey::of(roles, &variables, place)? == key;
                Ok(Fetched { session, is_of_key })
            };
            entry.session(fetch, |note| output.note(note))
        }
        Err(fault) => {
            output.note(&format!("{fault}; the session is not stored"));
            fetch(roles, output)
        }
    }
}

/// Obtains a session of the last role.
fn fetch(roles: &RoleArgs, output: &Output) -> Result<Session, Failure> {
    let chain = roles.chain()?;
    runtime::block_on(async {
        let provider = chain.provider();
        let fetch = progress::show(output, "assuming the role", provider.session());
        Ok(fetch.await?)
    })
}

/// The file of one key.
struct Entry {
    folder: Folder,
    key: CacheKey,
    place: KeyPlace,
    path: PathBuf,
    /// A person has to enter an MFA code for a new session.
    asks_for_mfa: bool,
    lock_limit: Duration,
}

/// A new session.
struct Fetched {
    session: Session,
    /// The session may be stored under the key.
    is_of_key: bool,
}

/// What the file of a key contains.
enum Found {
    Missing,
    /// A session that is used.
    Fresh(Session),
    /// A session that is valid, and about to expire.
    Due(Session),
    Expired,
    /// The file is not used, for this reason.
    Refused(String),
}

impl Entry {
    fn new(folder: Folder, key: CacheKey, place: KeyPlace, asks_for_mfa: bool) -> Self {
        let path = folder.path(&key.file_name("session"));
        let lock_limit = if asks_for_mfa { MFA_LOCK_LIMIT } else { LOCK_LIMIT };
        Self { folder, key, place, path, asks_for_mfa, lock_limit }
    }

    /// Returns the stored session, or that of `fetch`. `note` gets what a person should know.
    fn session(
        &self,
        fetch: impl FnOnce() -> Result<Fetched, Failure>,
        note: impl Fn(&str),
    ) -> Result<Session, Failure> {
        // Faults of the key are reported under the lock, once for all processes.
        if let Ok(store_key) = StoreKey::read(&self.folder, self.place)
            && let Found::Fresh(session) = self.find(&store_key)
        {
            tracing::debug!(file = %self.path.display(), "the session comes from the store");
            return Ok(session);
        }
        let (store_key, _lock) = match self.lock(&note) {
            Ok(locked) => locked,
            // Without the lock, each waiting process would ask the person for a code, of which STS
            // accepts only one.
            Err(Unusable::Locked(_)) if self.asks_for_mfa => {
                let message = "another process waits for the MFA code of this session";
                return Err(Failure::operation(message)
                    .with_hint("enter the code there, or end that process"));
            }
            Err(unusable) => {
                note(&format!("{unusable}; the session is not stored"));
                return fetch().map(|fetched| fetched.session);
            }
        };
        let previous = match self.find(&store_key) {
            Found::Fresh(session) => return Ok(session),
            Found::Due(session) => Some(session),
            Found::Missing => None,
            Found::Expired => {
                let _ = std::fs::remove_file(&self.path);
                None
            }
            Found::Refused(fault) => {
                note(&format!("{} is replaced: {fault}", self.path.display()));
                None
            }
        };
        let result = match (fetch(), previous) {
            (Ok(Fetched { session, is_of_key }), _) => {
                if is_of_key && let Err(fault) = self.write(&store_key, &session) {
                    note(&format!("{fault}; the session is not stored"));
                }
                Ok(session)
            }
            (Err(failure), Some(session)) => {
                note(&still_used(&failure, &session));
                Ok(session)
            }
            (Err(failure), None) => Err(failure),
        };
        prune::prune(&self.folder, SystemTime::now());
        result
    }

    /// Creates the folder and the key if they are missing, and takes the lock of this entry.
    fn lock(&self, note: impl Fn(&str)) -> Result<(StoreKey, Lock), Unusable> {
        if let Some(change) = self.folder.create().map_err(Unusable::Faulty)? {
            note(&change);
        }
        let path = self.folder.path(&self.key.file_name("lock"));
        let lock = match Lock::acquire(&path, self.lock_limit) {
            Ok(lock) => lock,
            Err(LockError::Timeout) => return Err(Unusable::Locked(self.lock_limit)),
            Err(LockError::Io(error)) => {
                return Err(Unusable::Faulty(format!("cannot lock {}: {error}", path.display())));
            }
        };
        let (store_key, change) =
            StoreKey::read_or_create(&self.folder, self.place).map_err(Unusable::Faulty)?;
        if let Some(change) = change {
            note(&change);
        }
        Ok((store_key, lock))
    }

    fn find(&self, store_key: &StoreKey) -> Found {
        let sealed = match self.folder.read(&self.path, MAX_ENTRY) {
            Ok(sealed) => sealed,
            Err(Fault::Missing) => return Found::Missing,
            Err(Fault::Refused(fault)) => return Found::Refused(fault),
        };
        let Some(text) = sealed::open(store_key, &self.key, sealed) else {
            let fault = "it was changed, moved, or encrypted with another key";
            return Found::Refused(fault.to_owned());
        };
        let Some((record, session)) = Record::parse(&text) else {
            return Found::Refused("it contains no session".to_owned());
        };
        match record.age(SystemTime::now(), self.asks_for_mfa) {
            Age::Fresh => Found::Fresh(session),
            Age::Due => Found::Due(session),
            Age::Expired => Found::Expired,
        }
    }

    fn write(&self, store_key: &StoreKey, session: &Session) -> Result<(), String> {
        // A session without an expiration could never be replaced.
        let Some(record) = Record::new(session, SystemTime::now()) else { return Ok(()) };
        let sealed = record
            .to_json()
            .and_then(|text| sealed::seal(store_key, &self.key, text))
            .ok_or("cannot encrypt the session")?;
        tracing::debug!(file = %self.path.display(), "the session is stored");
        self.folder.write(&self.path, &sealed)
    }
}

/// Why the store is not used.
#[derive(Debug)]
enum Unusable {
    /// Another process has held the lock for longer than this limit.
    Locked(Duration),
    Faulty(String),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Locked(limit) => {
                let limit = duration(*limit);
                write!(f, "another process has held the lock of this session for {limit}")
            }
            Self::Faulty(fault) => f.write_str(fault),
        }
    }
}

fn still_used(failure: &Failure, session: &Session) -> String {
    let expires = session.expires_at().map(|at| timestamp_and_distance(at, SystemTime::now()));
    let expires = expires.unwrap_or_default();
    format!("the stored session, which expires at {expires}, is not replaced: {failure}")
}

#[cfg(test)]
mod tests;

//! The store: sessions that processes share, encrypted in files of the user.
//!
//! A session is stored under a [`CacheKey`], the hash of everything that decides which session a
//! command obtains. A call first reads the file of its key. If there is no usable session in it,
//! the call takes the lock of the key, reads again, and only then calls STS. Concurrent processes
//! thus make one call, and those that waited share its failure.
//!
//! A session that is valid and about to expire is replaced in the same way, but costs a call little
//! time: the call continues with it if there is no new one by then.
//!
//! The store never makes a command fail. Where it cannot be used, a note says why, and the command
//! obtains a session without it.

mod cache_key;
mod failure;
mod folder;
#[cfg(any(test, feature = "keyring"))]
mod keyring;
mod prune;
mod record;
mod sealed;
mod store_key;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use rolecall::Session;

use crate::error::Failure;
use crate::identity::RoleArgs;
use crate::lock::{Lock, LockError};
use crate::output::{Output, progress};
use crate::runtime;
use crate::time::{duration, timestamp_and_distance};

use self::cache_key::CacheKey;
use self::failure::Failures;
use self::folder::{Fault, Folder};
use self::record::{Age, Record};
use self::store_key::{KeyPlace, StoreKey};

/// The time that a call waits for the process that obtains the session. STS usually answers within
/// a second.
const LOCK_LIMIT: Duration = Duration::from_secs(20);
/// The time that the replacement of a valid session may cost a call, the wait for another process
/// included. It is that of the mandatory window of the cache.
const DUE_LIMIT: Duration = Duration::from_secs(2);
/// The same as `LOCK_LIMIT` if a person has to enter an MFA code meanwhile.
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
        return fetch(roles, output, None);
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
            let fetch = |limit| {
                let session = fetch(roles, output, limit)?;
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
            fetch(roles, output, None)
        }
    }
}

/// Obtains a session of the last role. `limit` is what is left of [`DUE_LIMIT`] if there is a valid
/// session.
fn fetch(roles: &RoleArgs, output: &Output, limit: Option<Duration>) -> Result<Session, Failure> {
    let chain = roles.chain()?;
    runtime::block_on(async {
        let provider = chain.provider();
        let fetch = progress::show(output, "assuming the role", provider.session());
        let Some(limit) = limit else { return Ok(fetch.await?) };
        match tokio::time::timeout(limit, fetch).await {
            Ok(fetched) => Ok(fetched?),
            Err(_) => {
                let limit = duration(DUE_LIMIT);
                Err(Failure::operation(format!("no new session was obtained within {limit}")))
            }
        }
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

    /// Returns the stored session, or that of `fetch`, whose argument is its time limit. `note`
    /// gets what a person should know.
    fn session(
        &self,
        fetch: impl FnOnce(Option<Duration>) -> Result<Fetched, Failure>,
        note: impl Fn(&str),
    ) -> Result<Session, Failure> {
        self.session_since(Failures::before_call(&self.folder, &self.key), fetch, note)
    }

    /// The same for a call that has begun: `failures` knows the failures of before.
    fn session_since(
        &self,
        failures: Failures<'_>,
        fetch: impl FnOnce(Option<Duration>) -> Result<Fetched, Failure>,
        note: impl Fn(&str),
    ) -> Result<Session, Failure> {
        let deadline = Instant::now() + DUE_LIMIT;
        // Faults of the key are reported under the lock, once for all processes.
        let found = StoreKey::read(&self.folder, self.place).map(|store_key| self.find(&store_key));
        let due = match found {
            Ok(Found::Fresh(session)) => {
                tracing::debug!(file = %self.path.display(), "the session comes from the store");
                return Ok(session);
            }
            Ok(Found::Due(session)) => Some(session),
            _ => None,
        };
        let lock_limit = match due {
            Some(_) => DUE_LIMIT.min(self.lock_limit),
            None => self.lock_limit,
        };
        let (store_key, _lock) = match self.lock(lock_limit, &note) {
            Ok(locked) => locked,
            Err(unusable) => {
                return self.session_without_lock(unusable, due, deadline, fetch, note);
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
        let limit = self.fetch_limit(previous.as_ref(), deadline);
        // A call with another code can succeed.
        let shared = if self.asks_for_mfa { None } else { failures.since(&store_key) };
        let fetched = match shared {
            Some(shared) if limit.is_some() || !shared.is_of_limited_fetch => Err(shared.failure),
            _ => {
                let fetched = fetch(limit);
                match &fetched {
                    Ok(_) => failures.remove(),
                    Err(failure) => failures.record(&store_key, failure, limit.is_some()),
                }
                fetched
            }
        };
        let result = fetched.map(|Fetched { session, is_of_key }| {
            if is_of_key && let Err(fault) = self.write(&store_key, &session) {
                note(&format!("{fault}; the session is not stored"));
            }
            session
        });
        prune::prune(&self.folder, SystemTime::now());
        or_previous(result, previous, note)
    }

    /// Returns a session if the store cannot be changed.
    fn session_without_lock(
        &self,
        unusable: Unusable,
        due: Option<Session>,
        deadline: Instant,
        fetch: impl FnOnce(Option<Duration>) -> Result<Fetched, Failure>,
        note: impl Fn(&str),
    ) -> Result<Session, Failure> {
        let is_locked = matches!(unusable, Unusable::Locked(_));
        if is_locked && due.is_some() {
            return or_previous(Err(Failure::operation(unusable.to_string())), due, note);
        }
        // Without the lock, each waiting process would ask the person for a code, of which STS
        // accepts only one.
        if is_locked && self.asks_for_mfa {
            let message = "another process waits for the MFA code of this session";
            return Err(
                Failure::operation(message).with_hint("enter the code there, or end that process")
            );
        }
        note(&format!("{unusable}; the session is not stored"));
        let fetched = fetch(self.fetch_limit(due.as_ref(), deadline));
        or_previous(fetched.map(|fetched| fetched.session), due, note)
    }

    /// Returns the time limit of a fetch that replaces a valid session. The person that enters a
    /// code takes longer.
    fn fetch_limit(&self, valid: Option<&Session>, deadline: Instant) -> Option<Duration> {
        let is_limited = valid.is_some() && !self.asks_for_mfa;
        is_limited.then(|| deadline.saturating_duration_since(Instant::now()))
    }

    /// Creates the folder and the key if they are missing, and takes the lock of this entry.
    fn lock(&self, limit: Duration, note: impl Fn(&str)) -> Result<(StoreKey, Lock), Unusable> {
        if let Some(change) = self.folder.create().map_err(Unusable::Faulty)? {
            note(&change);
        }
        let path = self.folder.path(&self.key.file_name("lock"));
        let lock = match Lock::acquire(&path, limit) {
            Ok(lock) => lock,
            Err(LockError::Timeout) => return Err(Unusable::Locked(limit)),
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

/// Returns the previous session in place of a failure, unless it has expired meanwhile.
fn or_previous(
    result: Result<Session, Failure>,
    previous: Option<Session>,
    note: impl Fn(&str),
) -> Result<Session, Failure> {
    let is_valid = |session: &Session| session.expires_at().is_none_or(|at| at > SystemTime::now());
    match (result, previous.filter(is_valid)) {
        (Err(failure), Some(session)) => {
            note(&still_used(&failure, &session));
            Ok(session)
        }
        (result, _) => result,
    }
}

fn still_used(failure: &Failure, session: &Session) -> String {
    let expires = session.expires_at().map(|at| timestamp_and_distance(at, SystemTime::now()));
    let expires = expires.unwrap_or_default();
    format!("the stored session, which expires at {expires}, is not replaced: {failure}")
}

#[cfg(test)]
mod tests;

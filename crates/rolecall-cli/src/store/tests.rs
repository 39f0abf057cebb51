//! The store with sessions of any age, which no server issues.

use std::cell::{Cell, RefCell};
use std::path::Path;

use rolecall::provider::Credentials;
use tempfile::TempDir;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A session with this access key id, of which this much remains.
fn session_of(id: &str, remaining: Duration) -> Session {
    let expires_at = SystemTime::now() + remaining;
    let credentials =
        Credentials::new(id, "the-secret", Some("the-token".to_owned()), Some(expires_at), "test");
    Session::builder(credentials).base("test").build()
}

/// Stores a session whose lifetime was an hour.
fn store(entry: &Entry, id: &str, remaining: Duration) {
    entry.folder.create().unwrap();
    let (key, _) = StoreKey::read_or_create(&entry.folder, KeyPlace::File).unwrap();
    let session = session_of(id, remaining);
    let issued_at = SystemTime::now() + remaining - 60 * MINUTE;
    let text = Record::new(&session, issued_at).unwrap().to_json().unwrap();
    let sealed = sealed::seal(&key, &entry.key, text).unwrap();
    entry.folder.write(&entry.path, &sealed).unwrap();
}

fn entry(folder: &TempDir, asks_for_mfa: bool) -> Entry {
    let folder = Folder::at(&folder.path().join("store"));
    let entry = Entry::new(folder, CacheKey::test(1), KeyPlace::File, asks_for_mfa);
    Entry { lock_limit: Duration::from_millis(30), ..entry }
}

/// Returns the access key id of the result, the number of fetches, and the notes.
fn run(
    entry: &Entry,
    fetched: Result<Session, Failure>,
) -> (Result<String, String>, usize, Vec<String>) {
    let fetched = fetched.map(|session| Fetched { session, is_of_key: true });
    run_with(entry, fetched)
}

fn run_with(
    entry: &Entry,
    fetched: Result<Fetched, Failure>,
) -> (Result<String, String>, usize, Vec<String>) {
    run_since(entry, Failures::before_call(&entry.folder, &entry.key), fetched)
}

/// Runs a call that has begun already.
fn run_since(
    entry: &Entry,
    before: Failures<'_>,
    fetched: Result<Fetched, Failure>,
) -> (Result<String, String>, usize, Vec<String>) {
    let (fetches, notes) = (Cell::new(0), RefCell::new(Vec::new()));
    let fetch = |_| {
        fetches.set(fetches.get() + 1);
        fetched
    };
    let note = |note: &str| notes.borrow_mut().push(note.to_owned());
    let result = entry.session_since(before, fetch, note);
    let id = result.map(|session| session.access_key_id().to_owned());
    (id.map_err(|failure| failure.to_string()), fetches.get(), notes.into_inner())
}

fn denied() -> Result<Session, Failure> {
    Err(Failure::operation("denied"))
}

fn new() -> Result<Session, Failure> {
    Ok(session_of("NEW", 60 * MINUTE))
}

fn is_stored(path: &Path) -> bool {
    path.exists()
}

#[test]
fn session_is_fetched_once_and_replaced_when_due() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, false);
    let id = |id: &str| Ok(id.to_owned());
    assert_eq!(run(&entry, new()), (id("NEW"), 1, vec![]));
    assert_eq!(run(&entry, denied()), (id("NEW"), 0, vec![]));
    store(&entry, "OLD", 16 * MINUTE);
    assert_eq!(run(&entry, new()), (id("OLD"), 0, vec![]));
    store(&entry, "OLD", 14 * MINUTE);
    assert_eq!(run(&entry, new()), (id("NEW"), 1, vec![]));
    assert_eq!(run(&entry, denied()), (id("NEW"), 0, vec![]));
}

#[test]
fn failed_replacement_keeps_valid_session() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, false);
    store(&entry, "OLD", 14 * MINUTE);
    let (id, fetches, notes) = run(&entry, denied());
    assert_eq!((id, fetches), (Ok("OLD".to_owned()), 1));
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(note.contains("is not replaced: denied"), "{note}");
    assert_eq!(run(&entry, new()).0, Ok("NEW".to_owned()), "it is tried again");
}

#[test]
fn expired_session_is_removed_and_never_returned() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, true);
    store(&entry, "OLD", Duration::ZERO);
    assert_eq!(run(&entry, denied()), (Err("denied".to_owned()), 1, vec![]));
    assert!(!is_stored(&entry.path));
}

#[test]
fn session_without_expiration_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, false);
    let credentials = Credentials::new("STATIC", "the-secret", None, None, "test");
    let session = Session::builder(credentials).build();
    assert_eq!(run(&entry, Ok(session)), (Ok("STATIC".to_owned()), 1, vec![]));
    assert!(!is_stored(&entry.path));
}

#[test]
fn session_of_another_key_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, false);
    let fetched = Fetched { session: new().unwrap(), is_of_key: false };
    assert_eq!(run_with(&entry, Ok(fetched)), (Ok("NEW".to_owned()), 1, vec![]));
    assert!(!is_stored(&entry.path));
}

#[test]
fn held_lock_is_given_up_unless_a_code_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let other = entry(&folder, true);
    let entry = entry(&folder, false);
    entry.folder.create().unwrap();
    let path = entry.folder.path(&entry.key.file_name("lock"));
    let _held = Lock::acquire(&path, Duration::ZERO).unwrap();
    let (id, fetches, notes) = run(&entry, new());
    assert_eq!((id, fetches), (Ok("NEW".to_owned()), 1));
    assert_eq!(
        notes,
        ["another process has held the lock of this session for 0 seconds; the session is not \
          stored"]
    );
    let (error, fetches, notes) = run(&other, new());
    assert_eq!((fetches, notes.len()), (0, 0));
    assert!(error.unwrap_err().contains("waits for the MFA code"));
    store(&entry, "OLD", 50 * MINUTE);
    assert_eq!(run(&other, denied()).0, Ok("OLD".to_owned()), "reading needs no lock");
}

/// Returns the time limit that a fetch gets.
fn limit_of_fetch(entry: &Entry) -> Option<Duration> {
    let limit = Cell::new(None);
    let fetch = |given| {
        limit.set(given);
        Err(Failure::operation("denied"))
    };
    let _ = entry.session(fetch, |_| ());
    limit.get()
}

#[test]
fn replacement_of_valid_session_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let with_mfa = entry(&folder, true);
    let entry = entry(&folder, false);
    assert_eq!(limit_of_fetch(&entry), None);
    store(&entry, "OLD", Duration::ZERO);
    assert_eq!(limit_of_fetch(&entry), None);
    store(&entry, "OLD", 4 * MINUTE);
    assert!(limit_of_fetch(&entry).is_some_and(|limit| limit <= DUE_LIMIT));
    store(&entry, "OLD", MINUTE / 2);
    assert_eq!(limit_of_fetch(&with_mfa), None, "a person enters the code");
}

#[test]
fn held_lock_leaves_valid_session_in_use() {
    let folder = tempfile::tempdir().unwrap();
    for asks_for_mfa in [false, true] {
        let entry = entry(&folder, asks_for_mfa);
        store(&entry, "OLD", MINUTE / 2);
        let path = entry.folder.path(&entry.key.file_name("lock"));
        let _held = Lock::acquire(&path, Duration::ZERO).unwrap();
        let (id, fetches, notes) = run(&entry, new());
        assert_eq!((id, fetches), (Ok("OLD".to_owned()), 0));
        let [note] = notes.as_slice() else { panic!("{notes:?}") };
        assert!(note.contains("is not replaced: another process has held the lock"), "{note}");
    }
}

#[test]
fn session_that_expires_during_the_wait_is_not_returned() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(&folder, false);
    store(&entry, "OLD", Duration::from_millis(500));
    let fetch = |_| {
        std::thread::sleep(Duration::from_millis(600));
        Err(Failure::operation("denied"))
    };
    let result = entry.session(fetch, |_| ());
    assert_eq!(result.unwrap_err().to_string(), "denied");
}

/// Runs a call that waits for the lock while the failure of a fetch is recorded.
fn wait_for_failure(entry: &Entry, is_of_limited_fetch: bool) -> (Result<String, String>, usize) {
    entry.folder.create().unwrap();
    let (key, _) = StoreKey::read_or_create(&entry.folder, KeyPlace::File).unwrap();
    let path = entry.folder.path(&entry.key.file_name("lock"));
    let held = Lock::acquire(&path, Duration::ZERO).unwrap();
    std::thread::scope(|scope| {
        let (begun, begins) = std::sync::mpsc::channel();
        let waiting = scope.spawn(move || {
            let before = Failures::before_call(&entry.folder, &entry.key);
            begun.send(()).unwrap();
            let denied = Err(Failure::operation("denied"));
            let (result, fetches, _) = run_since(entry, before, denied);
            (result, fetches)
        });
        begins.recv().unwrap();
        let failures = Failures::before_call(&entry.folder, &entry.key);
        failures.record(&key, &Failure::operation("frozen"), is_of_limited_fetch);
        drop(held);
        waiting.join().unwrap()
    })
}

#[test]
fn failure_is_shared_with_calls_that_waited() {
    let folder = tempfile::tempdir().unwrap();
    let entry_of = |asks_for_mfa| Entry { lock_limit: LOCK_LIMIT, ..entry(&folder, asks_for_mfa) };
    let entry = entry_of(false);
    let frozen = || Err("frozen".to_owned());
    assert_eq!(wait_for_failure(&entry, false), (frozen(), 0));
    // A call that begins now, and one that asks for another code.
    let (error, fetches, _) = run(&entry, denied());
    assert_eq!((error, fetches), (Err("denied".to_owned()), 1));
    assert_eq!(wait_for_failure(&entry_of(true), false), (Err("denied".to_owned()), 1));
    // Two seconds are too few without a session.
    assert_eq!(wait_for_failure(&entry, true), (Err("denied".to_owned()), 1));
    store(&entry, "OLD", 4 * MINUTE);
    assert_eq!(wait_for_failure(&entry, true), (Ok("OLD".to_owned()), 0));
    assert_eq!(run(&entry, new()).0, Ok("NEW".to_owned()));
    let file = entry.folder.path(&entry.key.file_name("failure"));
    assert!(!file.exists(), "the session was replaced");
}

#[test]
fn session_that_others_stored_meanwhile_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let entry = Entry { lock_limit: LOCK_LIMIT, ..entry(&folder, false) };
    entry.folder.create().unwrap();
    let path = entry.folder.path(&entry.key.file_name("lock"));
    let held = Lock::acquire(&path, Duration::ZERO).unwrap();
    let result = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| run(&entry, denied()));
        store(&entry, "OTHER", 50 * MINUTE);
        drop(held);
        waiting.join().unwrap()
    });
    assert_eq!(result, (Ok("OTHER".to_owned()), 0, vec![]));
}

#[test]
fn key_is_the_same_for_all_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::at(folder.path());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (_, note) = StoreKey::read_or_create(&folder, KeyPlace::File).unwrap();
                assert_eq!(note, None);
            });
        }
        // A second key would make what the first one sealed unreadable.
        let (first, _) = StoreKey::read_or_create(&folder, KeyPlace::File).unwrap();
        let text = zeroize::Zeroizing::new(b"text".to_vec());
        let sealed = sealed::seal(&first, &CacheKey::test(1), text).unwrap();
        let (again, _) = StoreKey::read_or_create(&folder, KeyPlace::File).unwrap();
        assert!(sealed::open(&again, &CacheKey::test(1), sealed).is_some());
    });
}

//! The key of the store in the desktop's keyring: the Secret Service, the keychain of macOS, or the
//! credential manager of Windows.

use std::sync::mpsc;
use std::time::Duration;

use keyring_core::{Entry, Error};
use zeroize::Zeroizing;

use super::store_key::KeyFault;

const SERVICE: &str = "rolecall";
const NAME: &str = "key of the session store";
/// A locked keyring asks for a password meanwhile.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn read() -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    call(LIMIT, |entry| Ok(Zeroizing::new(entry.get_secret()?)))
}

pub(super) fn write(key: Zeroizing<Vec<u8>>) -> Result<(), KeyFault> {
    call(LIMIT, move |entry| entry.set_secret(&key))
}

/// Calls the keyring, which has no time limit of its own, in a thread.
fn call<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce(Entry) -> keyring_core::Result<T> + Send + 'static,
) -> Result<T, KeyFault> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let work = || {
        connect()?;
        Entry::new(SERVICE, NAME).and_then(call).map_err(|error| match error {
            Error::NoEntry => KeyFault::Missing,
            error => unusable(&error.to_string()),
        })
    };
    let thread = std::thread::Builder::new().name("keyring".to_owned());
    let thread = thread.spawn(move || {
        let _ = sender.try_send(work());
    });
    thread.map_err(|error| unusable(&error.to_string()))?;
    receiver.recv_timeout(limit).unwrap_or_else(|_| Err(unusable("it does not respond")))
}

fn unusable(fault: &str) -> KeyFault {
    KeyFault::Unusable(format!("cannot use the keyring: {fault}"))
}

/// Selects the keyring of this system.
#[cfg(not(test))]
fn connect() -> Result<(), KeyFault> {
    match keyring::v1::Entry::store_status() {
        Ok(()) => Ok(()),
        Err(error) => Err(unusable(&error.to_string())),
    }
}

/// Tests select one in memory, which every build of the tests has: the feature `keyring`, which
/// adds those of the systems, would be a build of its own.
#[cfg(test)]
fn connect() -> Result<(), KeyFault> {
    match keyring_core::get_default_store() {
        Some(_) => Ok(()),
        None => Err(unusable("there is none")),
    }
}

#[cfg(test)]
mod tests {
    use keyring_core::mock;

    use super::super::cache_key::CacheKey;
    use super::super::folder::Folder;
    use super::super::sealed;
    use super::super::store_key::{KeyPlace, StoreKey};
    use super::*;

    /// The keyring is one for the whole process, so that this is one test.
    #[test]
    fn keyring_holds_the_key_of_the_store() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::at(temporary.path());
        let create = || StoreKey::read_or_create(&folder, KeyPlace::Keyring);
        let is = |fault, expected: &str| {
            assert!(matches!(fault, Err(ref text) if text == expected), "{fault:?}");
        };
        is(create().map(|_| ()), "cannot use the keyring: there is none");

        keyring_core::set_default_store(mock::Store::new().unwrap());
        assert!(matches!(read(), Err(KeyFault::Missing)));
        let (first, note) = create().unwrap();
        assert_eq!(note, None);
        let (second, note) = create().unwrap();
        assert_eq!(note, None);
        let (key, text) = (CacheKey::test(1), b"a session".to_vec());
        let entry = sealed::seal(&first, &key, Zeroizing::new(text.clone())).unwrap();
        assert_eq!(*sealed::open(&second, &key, entry).unwrap(), text);
        assert!(!folder.path("key").exists(), "the key is in the keyring alone");

        let entry = Entry::new(SERVICE, NAME).unwrap();
        entry.set_secret(&[7; 31]).unwrap();
        let expected = "the key in the keyring and all stored sessions are replaced: it is not a \
                        key";
        assert_eq!(create().unwrap().1.as_deref(), Some(expected));
        let stored = read().unwrap();
        assert_eq!(stored.len(), 32);

        // A keyring that fails keeps its key.
        let fail = || {
            let fault = Error::Invalid("a".to_owned(), "b".to_owned());
            entry.as_any().downcast_ref::<mock::Cred>().unwrap().set_error(fault);
        };
        fail();
        let Err(KeyFault::Unusable(fault)) = read() else { panic!("the keyring failed") };
        assert!(fault.starts_with("cannot use the keyring: "), "{fault}");
        assert_eq!(read().unwrap(), stored);

        let (_sender, receiver) = mpsc::channel::<()>();
        let blocked = call(Duration::from_millis(10), move |_| {
            let _ = receiver.recv();
            Ok(())
        });
        let Err(KeyFault::Unusable(fault)) = blocked else { panic!("{blocked:?}") };
        assert_eq!(fault, "cannot use the keyring: it does not respond");
    }
}

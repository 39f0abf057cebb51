//! The key of the store in the desktop's keyring: the Secret Service, the keychain of macOS, or the
//! credential manager of Windows.

use std::sync::mpsc;
use std::time::Duration;

use keyring::v1::{Entry, Error, Result};
use zeroize::Zeroizing;

use super::store_key::KeyFault;

const SERVICE: &str = "rolecall";
const NAME: &str = "key of the session store";
/// A locked keyring asks for a password meanwhile.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn read() -> std::result::Result<Zeroizing<Vec<u8>>, KeyFault> {
    call(|| Ok(Zeroizing::new(Entry::new(SERVICE, NAME)?.get_secret()?)))
}

pub(super) fn write(key: Zeroizing<Vec<u8>>) -> std::result::Result<(), KeyFault> {
    call(move || Entry::new(SERVICE, NAME)?.set_secret(&key))
}

/// Calls the keyring, which has no time limit of its own, in a thread.
fn call<T: Send + 'static>(
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> std::result::Result<T, KeyFault> {
    let unusable = |fault: String| KeyFault::Unusable(format!("cannot use the keyring: {fault}"));
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("keyring".to_owned());
    let thread = thread.spawn(move || {
        let _ = sender.try_send(call());
    });
    thread.map_err(|error| unusable(error.to_string()))?;
    match receiver.recv_timeout(LIMIT) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Error::NoEntry)) => Err(KeyFault::Missing),
        // The cause is kept in `store_status`, which this error does not show.
        Ok(Err(Error::NoDefaultStore)) => Err(unusable(match Entry::store_status() {
            Err(error) => error.to_string(),
            Ok(()) => "there is none".to_owned(),
        })),
        Ok(Err(error)) => Err(unusable(error.to_string())),
        Err(_) => Err(unusable("it does not respond".to_owned())),
    }
}

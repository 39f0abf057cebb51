//! The format of an entry: a header, a nonce, and the session in AES-256-GCM.
//!
//! The header and the cache key are authenticated with the session. A file that was moved to the
//! name of another key is therefore refused, as is one that was changed or cut off.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use zeroize::Zeroizing;

use super::cache_key::CacheKey;
use super::store_key::StoreKey;

/// The first bytes of an entry: the program and the version of the format.
const HEADER: &[u8; 8] = b"rolecal\x01";

/// Encrypts a session. Returns `None` if the system has no random numbers.
pub(super) fn seal(
    store_key: &StoreKey,
    key: &CacheKey,
    mut text: Zeroizing<Vec<u8>>,
) -> Option<Vec<u8>> {
    let aad = Aad::from(authenticated(key));
    let nonce = store_key.0.seal_in_place_append_tag(aad, &mut *text).ok()?;
    Some([HEADER.as_slice(), nonce.as_ref(), text.as_slice()].concat())
}

/// Decrypts an entry. Returns `None` if it was not sealed with both keys.
pub(super) fn open(
    store_key: &StoreKey,
    key: &CacheKey,
    sealed: Vec<u8>,
) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.strip_prefix(HEADER)?.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let length =
        store_key.0.open_in_place(nonce, Aad::from(authenticated(key)), &mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}

fn authenticated(key: &CacheKey) -> Vec<u8> {
    [HEADER.as_slice(), key.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn store_key(byte: u8) -> StoreKey {
        StoreKey::parse(&[byte; 32]).unwrap()
    }

    fn sealed(text: &[u8]) -> Vec<u8> {
        seal(&store_key(1), &CacheKey::test(1), Zeroizing::new(text.to_vec())).unwrap()
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let sealed = sealed(b"a session");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&store_key(1), &CacheKey::test(1), changed).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let sealed = sealed(b"a session");
        assert!(open(&store_key(2), &CacheKey::test(1), sealed.clone()).is_none());
        assert!(open(&store_key(1), &CacheKey::test(2), sealed.clone()).is_none());
        let opened = open(&store_key(1), &CacheKey::test(1), sealed).unwrap();
        assert_eq!(opened.as_slice(), b"a session");
    }

    #[test]
    fn same_session_is_never_sealed_alike() {
        assert_ne!(sealed(b"a session"), sealed(b"a session"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_and_cut_files_are_not(
            text in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let sealed = sealed(&text);
            // Of one byte, a part could be found by chance.
            if text.len() >= 4 {
                prop_assert!(!sealed.windows(text.len()).any(|part| part == text));
            }
            let part = sealed[..cut.index(sealed.len())].to_vec();
            prop_assert!(open(&store_key(1), &CacheKey::test(1), part).is_none());
            let opened = open(&store_key(1), &CacheKey::test(1), sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), text.as_slice());
        }

        #[test]
        fn any_file_is_refused_without_panic(file in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(open(&store_key(1), &CacheKey::test(1), file).is_none());
        }
    }
}

//! What the buckets hold, in memory and bounded.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use s3s::dto::{Checksum, Metadata};
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::server::SetupError;
use crate::world::Account;

/// The longest object, and what all of them may have together, in bytes.
pub(super) const MAX_OBJECT_BYTES: usize = 256 * 1024 * 1024;
const MAX_BYTES: usize = 1024 * 1024 * 1024;
const MAX_OBJECTS: usize = 100_000;

/// Every bucket, by its name: names are unique in all accounts.
#[derive(Default)]
pub(crate) struct Store {
    buckets: HashMap<String, Bucket>,
    bytes: usize,
    objects: usize,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("objects", &self.objects).finish_non_exhaustive()
    }
}

struct Bucket {
    account: String,
    objects: BTreeMap<String, Object>,
}

#[derive(Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    pub(super) modified: SystemTime,
    pub(super) headers: Headers,
    pub(super) checksum: Checksum,
}

/// What was said of an object when it was put, and is said again when it is got.
#[derive(Clone, Default)]
pub(super) struct Headers {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

impl Object {
    /// Opaque, and the same for the same bytes.
    pub(super) fn e_tag(&self) -> String {
        let digest = digest(&SHA256, &self.bytes);
        digest.as_ref()[..16].iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// What happens to an object that has the key of one that is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Refuse,
    Replace,
}

/// A page of a listing.
#[derive(Default)]
pub(super) struct Page {
    /// Keys and objects.
    pub(super) objects: Vec<(String, Object)>,
    pub(super) common_prefixes: Vec<String>,
    /// Where the next page begins, after this.
    pub(super) next: Option<String>,
}

impl Store {
    pub(crate) fn of(accounts: &[Account]) -> Result<Self, SetupError> {
        let mut store = Self::default();
        for account in accounts {
            for name in &account.buckets {
                let wrong = |why: &str| {
                    SetupError::Invalid(format!("account {}: bucket {name:?}: {why}", account.id))
                };
                if !s3s::path::check_bucket_name(name) {
                    return Err(wrong(
                        "a name is of 3 to 63 lower case letters, digits, dots and hyphens, with a letter or digit at \
                         both ends",
                    ));
                }
                let bucket = Bucket { account: account.id.clone(), objects: BTreeMap::new() };
                if store.buckets.insert(name.clone(), bucket).is_some() {
                    return Err(wrong("the name is used twice"));
                }
            }
        }
        Ok(store)
    }

    /// The account that a bucket belongs to.
    pub(super) fn owner(&self, bucket: &str) -> S3Result<String> {
        self.bucket(bucket).map(|bucket| bucket.account.clone())
    }

    fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        self.buckets.get(name).ok_or_else(no_bucket)
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> S3Result<Option<Object>> {
        self.bucket(bucket).map(|bucket| bucket.objects.get(key).cloned())
    }

    pub(super) fn put(
        &mut self,
        bucket: &str,
        key: String,
        object: Object,
        existing: Existing,
    ) -> S3Result<()> {
        let held = self.object(bucket, &key)?;
        if held.is_some() && existing == Existing::Refuse {
            return Err(S3ErrorCode::PreconditionFailed.into());
        }
        let bytes =
            self.bytes - held.as_ref().map_or(0, |held| held.bytes.len()) + object.bytes.len();
        let objects = self.objects + usize::from(held.is_none());
        if bytes > MAX_BYTES || objects > MAX_OBJECTS {
            let message = format!(
                "the local AWS holds at most {MAX_OBJECTS} objects of {MAX_BYTES} bytes together"
            );
            return Err(S3Error::with_message(S3ErrorCode::ServiceUnavailable, message));
        }
        let bucket = self.buckets.get_mut(bucket).ok_or_else(no_bucket)?;
        bucket.objects.insert(key, object);
        (self.bytes, self.objects) = (bytes, objects);
        Ok(())
    }

    pub(super) fn delete(&mut self, bucket: &str, key: &str) -> S3Result<()> {
        let bucket = self.buckets.get_mut(bucket).ok_or_else(no_bucket)?;
        if let Some(object) = bucket.objects.remove(key) {
            self.bytes -= object.bytes.len();
            self.objects -= 1;
        }
        Ok(())
    }

    /// The keys that begin with `prefix`, after `after`, at most `most` of them; those that have
    /// the delimiter after the prefix are one common prefix each.
    pub(super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: Option<&str>,
        after: &str,
        most: usize,
    ) -> S3Result<Page> {
        let keys = &self.bucket(bucket)?.objects;
        let mut page = Page::default();
        let mut last = String::new();
        let from: Bound<&str> =
            if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        for (key, object) in keys.range::<str, _>((from, Bound::Unbounded)) {
            let Some(rest) = key.strip_prefix(prefix) else { break };
            let common = delimiter.and_then(|delimiter| {
                let at = rest.find(delimiter)?;
                Some(&key[..prefix.len() + at + delimiter.len()])
            });
            // A page may have ended with this very common prefix.
            if common.is_some_and(|common| {
                page.common_prefixes.last().is_some_and(|last| last == common) || after == common
            }) {
                continue;
            }
            if page.objects.len() + page.common_prefixes.len() == most {
                page.next = Some(last);
                return Ok(page);
            }
            match common {
                Some(common) => {
                    last = common.to_owned();
                    page.common_prefixes.push(common.to_owned());
                }
                None => {
                    last.clone_from(key);
                    page.objects.push((key.clone(), object.clone()));
                }
            }
        }
        Ok(page)
    }
}

fn no_bucket() -> S3Error {
    S3Error::with_message(S3ErrorCode::NoSuchBucket, "The specified bucket does not exist")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(keys: &[&str]) -> Store {
        let account = Account::new("111122223333").bucket("shop");
        let mut store = Store::of(&[account]).unwrap();
        for key in keys {
            let object = Object {
                bytes: Bytes::new(),
                modified: SystemTime::UNIX_EPOCH,
                headers: Headers::default(),
                checksum: Checksum::default(),
            };
            store.put("shop", (*key).to_owned(), object, Existing::Replace).unwrap();
        }
        store
    }

    /// All pages, of this size, joined by `|`; keys and common prefixes as they come.
    fn listed(store: &Store, prefix: &str, delimiter: Option<&str>, most: usize) -> String {
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let page = store.list("shop", prefix, delimiter, &after, most).unwrap();
            let keys = page.objects.into_iter().map(|(key, _)| key);
            pages.push(keys.chain(page.common_prefixes).collect::<Vec<_>>().join(" "));
            match page.next {
                Some(next) => after = next,
                None => return pages.join("|"),
            }
        }
    }

    #[test]
    fn listings_by_table() {
        let store = shop(&["a", "b/1", "b/2", "b/c/3", "ba", "d/4"]);
        for (prefix, delimiter, most, expected) in [
            ("", None, 1000, "a b/1 b/2 b/c/3 ba d/4"),
            ("", None, 4, "a b/1 b/2 b/c/3|ba d/4"),
            ("", None, 3, "a b/1 b/2|b/c/3 ba d/4"),
            ("b/", None, 1000, "b/1 b/2 b/c/3"),
            ("b", None, 1, "b/1|b/2|b/c/3|ba"),
            ("", Some("/"), 1000, "a ba b/ d/"),
            ("", Some("/"), 1, "a|b/|ba|d/"),
            ("", Some("/"), 2, "a b/|ba d/"),
            ("b/", Some("/"), 1000, "b/1 b/2 b/c/"),
            ("b/", Some("/"), 1, "b/1|b/2|b/c/"),
            ("x", None, 1000, ""),
            ("z", Some("/"), 1, ""),
        ] {
            assert_eq!(
                listed(&store, prefix, delimiter, most),
                expected,
                "{prefix} {delimiter:?} {most}"
            );
        }
    }

    #[test]
    fn what_is_deleted_or_replaced_is_no_longer_counted() {
        let mut store = shop(&["a", "a", "b"]);
        assert_eq!(store.objects, 2);
        store.delete("shop", "a").unwrap();
        store.delete("shop", "a").unwrap();
        assert_eq!(store.objects, 1);
        assert!(store.object("shop", "a").unwrap().is_none());
        assert!(store.delete("elsewhere", "a").is_err());
    }
}

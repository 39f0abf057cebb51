//! What the registry holds: repositories, their layers, images and uploads, in memory and bounded.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest as hash};
use axum::body::Bytes;
use serde_json::{Value, json};

use super::ImageId;
use crate::server::SetupError;
use crate::wire::{Fault, random, request_id};
use crate::world::Account;

/// The longest layer that is kept, in bytes.
pub(super) const MAX_LAYER_BYTES: usize = 256 * 1024 * 1024;
/// What one repository keeps at most.
const MAX_BYTES: usize = 1024 * 1024 * 1024;
const MAX_UPLOADS: usize = 100;
const MAX_IMAGES: usize = 1_000;
/// Newest alone are kept of these.
const MAX_OFFERS: usize = 1_000;
const MAX_PASSWORDS: usize = 1_000;
/// How long a layer's URL is good.
const OFFER: Duration = Duration::from_secs(3600);

/// Every repository, by account, Region and name; and what was handed out.
#[derive(Default)]
pub(crate) struct Store {
    repositories: HashMap<(String, String, String), Repository>,
    offers: VecDeque<(String, Bytes, SystemTime)>,
    passwords: VecDeque<String>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("repositories", &self.repositories.len())
            .finish_non_exhaustive()
    }
}

impl Store {
    pub(crate) fn of(accounts: &[Account]) -> Result<Self, SetupError> {
        let mut store = Self::default();
        for account in accounts {
            for (region, name) in &account.repositories {
                let wrong = |why: &str| {
                    SetupError::Invalid(format!(
                        "account {}: repository {name:?}: {why}",
                        account.id
                    ))
                };
                if !is_repository_name(name) {
                    return Err(wrong(
                        "a name is of 2 to 256 lower case letters and digits, with single . _ - or / between them",
                    ));
                }
                let place = (account.id.clone(), region.clone(), name.clone());
                if store.repositories.insert(place, Repository::default()).is_some() {
                    return Err(wrong("the name is used twice"));
                }
            }
        }
        Ok(store)
    }

    pub(super) fn repository(
        &mut self,
        account: &str,
        region: &str,
        name: &str,
    ) -> Option<&mut Repository> {
        let place = (account.to_owned(), region.to_owned(), name.to_owned());
        self.repositories.get_mut(&place)
    }

    /// A new login's password.
    pub(super) fn password(&mut self) -> String {
        let password = random(b"abcdefghijklmnopqrstuvwxyz0123456789", 64);
        push(&mut self.passwords, password.clone(), MAX_PASSWORDS);
        password
    }

    /// Passwords of logins that were handed out.
    pub(crate) fn passwords(&self) -> impl Iterator<Item = &String> {
        self.passwords.iter()
    }

    /// Offers a layer for download by a token.
    pub(super) fn offer(&mut self, layer: Bytes, now: SystemTime) -> String {
        let token = random(b"abcdefghijklmnopqrstuvwxyz0123456789", 40);
        push(&mut self.offers, (token.clone(), layer, now + OFFER), MAX_OFFERS);
        token
    }

    pub(super) fn offered(&self, token: &str, now: SystemTime) -> Option<Bytes> {
        let offer = self.offers.iter().find(|(known, ..)| known == token)?;
        (now < offer.2).then(|| offer.1.clone())
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// ECR API Reference, CreateRepository: the pattern of `repositoryName`.
fn is_repository_name(name: &str) -> bool {
    let part = |part: &str| {
        part.split(['.', '_', '-']).all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
    };
    (2..=256).contains(&name.len()) && name.split('/').all(part)
}

#[derive(Default)]
pub(super) struct Repository {
    layers: HashMap<String, Bytes>,
    pub(super) uploads: HashMap<String, Upload>,
    images: BTreeMap<String, Manifest>,
    /// From tag to digest.
    tags: BTreeMap<String, String>,
}

#[derive(Default)]
pub(super) struct Upload {
    pub(super) bytes: Vec<u8>,
    /// The last part was shorter than any but the last may be.
    pub(super) short: bool,
}

impl Repository {
    pub(super) fn layer(&self, digest: &str) -> Option<Bytes> {
        self.layers.get(digest).cloned()
    }

    pub(super) fn begin_upload(&mut self) -> Option<String> {
        if self.uploads.len() >= MAX_UPLOADS {
            return None;
        }
        let id = request_id();
        self.uploads.insert(id.clone(), Upload::default());
        Some(id)
    }

    /// Whether this many bytes more are taken.
    pub(super) fn room_for(&self, more: usize) -> Result<(), Fault> {
        let layers: usize = self.layers.values().map(Bytes::len).sum();
        let uploads: usize = self.uploads.values().map(|upload| upload.bytes.len()).sum();
        let images: usize = self.images.values().map(|image| image.text.len()).sum();
        if layers + uploads + images + more > MAX_BYTES {
            return Err(full("bytes in one repository"));
        }
        Ok(())
    }

    /// What was uploaded becomes a layer.
    pub(super) fn keep_layer(&mut self, upload: &str, digest: &str) {
        let upload = self.uploads.remove(upload).unwrap_or_default();
        self.layers.insert(digest.to_owned(), upload.bytes.into());
    }

    pub(super) fn keep_image(&mut self, image: &Manifest, tag: Option<&str>) -> Result<(), Fault> {
        let tagged = tag.is_none_or(|tag| self.tags.get(tag) == Some(&image.digest));
        if tagged && self.images.contains_key(&image.digest) {
            let message =
                format!("Image with digest '{}' and this tag already exists", image.digest);
            return Err(Fault::new(400, "ImageAlreadyExistsException", message));
        }
        if self.images.len() >= MAX_IMAGES || self.tags.len() >= MAX_IMAGES {
            return Err(full("images in one repository"));
        }
        self.room_for(image.text.len())?;
        self.images.insert(image.digest.clone(), image.clone());
        if let Some(tag) = tag {
            self.tags.insert(tag.to_owned(), image.digest.clone());
        }
        Ok(())
    }

    fn digest_of<'a>(&'a self, id: &'a ImageId) -> Option<&'a String> {
        let tagged = match &id.image_tag {
            Some(tag) => Some(self.tags.get(tag)?),
            None => None,
        };
        match (&id.image_digest, tagged) {
            (Some(digest), Some(tagged)) => (digest == tagged).then_some(digest),
            (digest, tagged) => digest.as_ref().or(tagged),
        }
    }

    pub(super) fn image(&self, id: &ImageId) -> Option<&Manifest> {
        self.images.get(self.digest_of(id)?)
    }

    /// A tag goes alone, unless it is the image's last; a digest goes with all its tags.
    pub(super) fn remove_image(&mut self, id: &ImageId) -> Option<String> {
        let digest = self.image(id)?.digest.clone();
        match &id.image_tag {
            Some(tag) if id.image_digest.is_none() => {
                self.tags.remove(tag);
            }
            _ => self.tags.retain(|_, tagged| *tagged != digest),
        }
        if !self.tags.values().any(|tagged| *tagged == digest) {
            self.images.remove(&digest);
        }
        Some(digest)
    }
}

/// An image's manifest, as it was pushed.
#[derive(Clone)]
pub(super) struct Manifest {
    pub(super) text: String,
    pub(super) digest: String,
    pub(super) media_type: String,
    /// The digests of its configuration and of its layers.
    pub(super) blobs: Vec<String>,
}

impl Manifest {
    pub(super) fn parse(text: &str, media_type: Option<String>) -> Result<Self, Fault> {
        let invalid = |why: &str| {
            let message = format!(
                "Invalid parameter at 'ImageManifest' failed to satisfy constraint: '{why}'"
            );
            Fault::new(400, "InvalidParameterException", message)
        };
        let value: Value =
            serde_json::from_str(text).map_err(|_| invalid("Invalid JSON syntax"))?;
        let named = value["mediaType"].as_str().map(str::to_owned);
        let media_type = media_type.or(named).ok_or_else(|| invalid("no media type"))?;
        let layers = value["layers"].as_array().ok_or_else(|| invalid("no layers"))?;
        let blobs = std::iter::once(&value["config"])
            .chain(layers)
            .map(|blob| blob["digest"].as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| invalid("a configuration or layer without digest"))?;
        Ok(Self { text: text.to_owned(), digest: digest(text.as_bytes()), media_type, blobs })
    }
}

pub(super) fn image_id(digest: &str, tag: Option<&str>) -> Value {
    match tag {
        Some(tag) => json!({ "imageDigest": digest, "imageTag": tag }),
        None => json!({ "imageDigest": digest }),
    }
}

pub(super) fn digest(bytes: &[u8]) -> String {
    let hex: String = hash(&SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The local AWS holds no more of these.
pub(super) fn full(what: &str) -> Fault {
    let message = format!("the local AWS takes no more {what}");
    Fault::new(400, "LimitExceededException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_repositories() {
        for (name, good) in [
            ("shop/api", true),
            ("a1", true),
            ("a-b.c_d/e", true),
            ("a", false),
            ("Shop", false),
            ("shop//api", false),
            ("shop/", false),
            ("a--b", false),
            ("ä/b", false),
        ] {
            assert_eq!(is_repository_name(name), good, "{name}");
        }
    }

    #[test]
    fn a_digest_is_sha256_in_hex() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b""), empty);
        assert!(is_digest(empty) && !is_digest("sha256:e3") && !is_digest("md5:1"));
    }
}

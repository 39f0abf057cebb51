//! The serialized form of session tags.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SessionTags;

#[derive(Serialize)]
#[serde(rename = "SessionTags")]
struct Serialized<'a> {
    tags: BTreeMap<&'a str, &'a str>,
    transitive_tag_keys: Vec<&'a str>,
}

/// An unknown key is an error: misspelt transitive keys that are ignored would leave the tags out
/// of the next session of a role chain.
#[derive(Deserialize)]
#[serde(rename = "SessionTags", deny_unknown_fields)]
struct Deserialized {
    #[serde(default)]
    tags: UniqueTags,
    #[serde(default)]
    transitive_tag_keys: Vec<String>,
}

impl Serialize for SessionTags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let transitive_tag_keys = self.transitive_keys().collect();
        Serialized { tags: self.iter().collect(), transitive_tag_keys }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SessionTags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Deserialized { tags: UniqueTags(tags), transitive_tag_keys } =
            Deserialized::deserialize(deserializer)?;
        transitive_tag_keys.into_iter().try_fold(tags, Self::transitive).map_err(D::Error::custom)
    }
}

/// A map of tags whose keys are unique.
///
/// A `BTreeMap` would keep the last of two equal keys without an error, and which of the two the
/// author of the file meant is not known.
#[derive(Default)]
struct UniqueTags(SessionTags);

impl<'de> Deserialize<'de> for UniqueTags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueTagsVisitor).map(Self)
    }
}

struct UniqueTagsVisitor;

impl<'de> Visitor<'de> for UniqueTagsVisitor {
    type Value = SessionTags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of tag keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut tags = SessionTags::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            tags = tags.tag(key, value).map_err(A::Error::custom)?;
        }
        Ok(tags)
    }
}

//! Condition keys and the types of their values.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::DATA;
use super::glob::Glob;

/// A condition key.
#[derive(Debug)]
pub(crate) struct ConditionKey {
    /// The name, such as `s3:prefix`. In `aws:RequestTag/${TagKey}` and in
    /// `s3:ExistingObjectTag/<key>`, the last part stands for any text.
    pub(crate) name: &'static str,
    /// The type of its values.
    pub(crate) value: ValueType,
    /// `true` if a request may carry several values, so that a condition needs `ForAllValues` or
    /// `ForAnyValue`.
    pub(crate) is_multivalued: bool,
}

impl ConditionKey {
    pub(super) fn parse(name: &'static str, value: &str) -> Self {
        let item = value.strip_prefix("ArrayOf");
        let value = ValueType::parse(item.unwrap_or(value)).unwrap_or(ValueType::Unknown);
        Self { name, value, is_multivalued: item.is_some() }
    }

    /// Returns `true` if `name` is the name of this key, or matches it where it has a placeholder.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        matches_key(self.name, name)
    }
}

/// Returns `true` if `key` is the condition key `known`, or matches it where it has a placeholder.
pub(crate) fn matches_key(known: &str, key: &str) -> bool {
    // Some services write `ResourceTag/tag-key` or `ResourceTag/`.
    let known_start = known.strip_suffix("tag-key").unwrap_or(known);
    if known_start.ends_with('/') {
        let start = key.get(..known_start.len());
        return start.is_some_and(|start| start.eq_ignore_ascii_case(known_start))
            && key.len() > known_start.len();
    }
    let Some(placeholder) = known.find(['$', '<']) else { return known.eq_ignore_ascii_case(key) };
    let (start, end) = known.split_at(placeholder);
    let (Some(key_start), Some(rest)) = (key.get(..placeholder), key.get(placeholder..)) else {
        return false;
    };
    if !start.eq_ignore_ascii_case(key_start) {
        return false;
    }
    // Most have one placeholder, at the end.
    if end.find(['}', '>']) == Some(end.len() - 1) {
        return !rest.is_empty();
    }
    // Most keys differ before the placeholder, and need no pattern.
    let before = known.split(['$', '<']).next().unwrap_or_default();
    if !key.get(..before.len()).is_some_and(|start| start.eq_ignore_ascii_case(before)) {
        return false;
    }
    let template = Glob::template(&known.to_ascii_lowercase());
    template.overlaps(&Glob::literal(&key.to_ascii_lowercase()))
}

/// Returns the key with this name that some service lists, such as `s3:prefix`. A service also
/// lists keys of others.
pub(crate) fn listed_key(name: &str) -> Option<&'static ConditionKey> {
    static KEYS: OnceLock<HashMap<&str, Vec<ConditionKey>>> = OnceLock::new();
    let all = KEYS.get_or_init(|| {
        let mut all: HashMap<&str, Vec<ConditionKey>> = HashMap::new();
        let mut seen = HashSet::new();
        for line in DATA.lines() {
            let fields = line.strip_prefix('=').and_then(|fields| fields.split_once('|'));
            let Some((value, name)) = fields.filter(|(_, name)| seen.insert(*name)) else {
                continue;
            };
            let prefix = name.split(':').next().unwrap_or_default();
            all.entry(prefix).or_default().push(ConditionKey::parse(name, value));
        }
        all
    });
    let prefix = name.split(':').next().unwrap_or_default().to_ascii_lowercase();
    find_key(all.get(prefix.as_str())?.iter(), name)
}

/// Returns the key with this name.
pub(super) fn find_key(
    mut keys: impl Iterator<Item = &'static ConditionKey>,
    name: &str,
) -> Option<&'static ConditionKey> {
    keys.find(|key| key.is_named(name))
}

/// The type of the values of a condition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueType {
    String,
    Arn,
    Bool,
    Date,
    Numeric,
    IpAddress,
    /// A string or an ARN: `aws:FederatedProvider`, depending on the provider.
    StringOrArn,
    /// A date or a number: `aws:EpochTime`.
    DateOrNumeric,
    /// The reference does not state the type.
    Unknown,
}

impl ValueType {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "String" => Self::String,
            "ARN" => Self::Arn,
            "Bool" => Self::Bool,
            "Date" => Self::Date,
            "Numeric" => Self::Numeric,
            "IPAddress" => Self::IpAddress,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_in_names_match_any_text() {
        for (known, name, expected) in [
            ("s3:prefix", "S3:Prefix", true),
            ("s3:prefix", "s3:prefixes", false),
            ("aws:RequestTag/${TagKey}", "aws:requesttag/a/b", true),
            ("aws:RequestTag/${TagKey}", "aws:RequestTag/", false),
            ("aws:RequestTag/${TagKey}", "aws:RequestTag", false),
            ("s3:ExistingObjectTag/<key>", "s3:existingobjecttag/é", true),
            ("secretsmanager:ResourceTag/tag-key", "secretsmanager:ResourceTag/team", true),
            ("secretsmanager:ResourceTag/tag-key", "secretsmanager:ResourceTag/", false),
            ("glacier:ResourceTag/", "glacier:ResourceTag/team", true),
            ("glacier:ResourceTag/", "glacier:ResourceTag/", false),
            ("events:Metadata/${MetadataKey}/Matcher", "events:metadata/a/matcher", true),
            ("events:Metadata/${MetadataKey}/Matcher", "events:metadata/a", false),
            ("a:${B}", "é:x", false),
        ] {
            assert_eq!(matches_key(known, name), expected, "{known} {name}");
        }
        assert!(listed_key("KMS:EncryptionContext:team").is_some());
        assert!(listed_key("s3:nothing").is_none() && listed_key("").is_none());
    }
}

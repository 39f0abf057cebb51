//! The serialized form of a role, for configuration files.

use std::collections::BTreeMap;

use rolecall_core::{InvalidParameter, SessionDuration, SessionPolicy, SessionTags};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Role, unique_keys};

/// The keys of a role in a file.
///
/// An unknown key is an error: a misspelt external id that is ignored would be found only when STS
/// denies the call. MFA codes and provided contexts are secrets of one moment and have no key.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleFile {
    arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<u64>,
    #[serde(
        default,
        deserialize_with = "unique_keys::optional_strings",
        skip_serializing_if = "Option::is_none"
    )]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transitive_tag_keys: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_identity: Option<String>,
    /// The policy's JSON as a string, or the policy itself.
    #[serde(
        default,
        deserialize_with = "unique_keys::optional_document",
        skip_serializing_if = "Option::is_none"
    )]
    policy: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy_arns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mfa_serial: Option<String>,
}

impl TryFrom<RoleFile> for Role {
    type Error = InvalidParameter;

    fn try_from(file: RoleFile) -> Result<Self, Self::Error> {
        let mut role = Role::new(file.arn)?;
        if let Some(id) = file.external_id {
            role = role.external_id(id)?;
        }
        if let Some(name) = file.session_name {
            role = role.session_name(name)?;
        }
        if let Some(seconds) = file.duration_seconds {
            role = role.duration(SessionDuration::from_secs(seconds)?)?;
        }
        let mut tags = SessionTags::new();
        for (key, value) in file.tags.unwrap_or_default() {
            tags = tags.tag(key, value)?;
        }
        for key in file.transitive_tag_keys.unwrap_or_default() {
            tags = tags.transitive(key)?;
        }
        role = role.tags(tags);
        if let Some(identity) = file.source_identity {
            role = role.source_identity(identity)?;
        }
        role = match file.policy {
            None => role,
            Some(Value::String(text)) => role.policy(text)?,
            Some(document) => role.policy(document.to_string())?,
        };
        for arn in file.policy_arns.unwrap_or_default() {
            role = role.policy_arn(arn)?;
        }
        match file.mfa_serial {
            None => Ok(role),
            Some(serial) => role.mfa_serial(serial),
        }
    }
}

impl Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Leaving the contexts out would silently turn the role into another one.
        if !self.get_provided_contexts().is_empty() {
            return Err(serde::ser::Error::custom(
                "a role with provided contexts cannot be serialized: their assertions are secrets",
            ));
        }
        RoleFile::from(self).serialize(serializer)
    }
}

impl From<&Role> for RoleFile {
    fn from(role: &Role) -> Self {
        let strings = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let tags: BTreeMap<_, _> = role.get_tags().iter().map(pair).collect();
        let transitive = role.get_tags().transitive_keys().map(str::to_owned).collect();
        Self {
            arn: role.arn().to_string(),
            external_id: role.get_external_id().map(ToString::to_string),
            session_name: role.get_session_name().map(ToString::to_string),
            duration_seconds: role.get_duration().map(|duration| duration.as_secs().into()),
            tags: (!tags.is_empty()).then_some(tags),
            transitive_tag_keys: strings(transitive),
            source_identity: role.get_source_identity().map(ToString::to_string),
            policy: role.get_policy().map(SessionPolicy::as_str).map(Value::from),
            policy_arns: strings(role.get_policy_arns().iter().map(ToString::to_string).collect()),
            mfa_serial: role.get_mfa_serial().map(ToString::to_string),
        }
    }
}

#[cfg(test)]
mod tests;

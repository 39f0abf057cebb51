//! A role as it stands in a configuration file.

use std::collections::BTreeMap;

use rolecall_core::{InvalidParameter, SessionDuration, SessionPolicy, SessionTags};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Role, strict};

/// What is not known is an error: a misspelt external id must not be left out in silence. MFA codes and provided
/// contexts are of the moment, and do not stand in files.
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
        deserialize_with = "strict::texts",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transitive_tag_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_identity: Option<String>,
    /// A text, or the document itself.
    #[serde(
        default,
        deserialize_with = "strict::document",
        skip_serializing_if = "Option::is_none"
    )]
    policy: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policy_arns: Vec<String>,
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
        for (key, value) in file.tags {
            tags = tags.tag(key, value)?;
        }
        for key in file.transitive_tag_keys {
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
        for arn in file.policy_arns {
            role = role.policy_arn(arn)?;
        }
        match file.mfa_serial {
            None => Ok(role),
            Some(serial) => role.mfa_serial(serial),
        }
    }
}

impl From<Role> for RoleFile {
    fn from(role: Role) -> Self {
        let role = role.parts();
        let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self {
            arn: role.arn.to_string(),
            external_id: role.external_id.as_ref().map(|id| id.to_string()),
            session_name: role.session_name.as_ref().map(|name| name.to_string()),
            duration_seconds: role.duration.map(|duration| duration.as_secs().into()),
            tags: role.tags.iter().map(pair).collect(),
            transitive_tag_keys: role.tags.transitive_keys().map(str::to_owned).collect(),
            source_identity: role.source_identity.as_ref().map(|identity| identity.to_string()),
            policy: role.policy.as_ref().map(SessionPolicy::as_str).map(Value::from),
            policy_arns: role.policy_arns.iter().map(ToString::to_string).collect(),
            mfa_serial: role.mfa_serial.as_ref().map(|serial| serial.to_string()),
        }
    }
}

//! The file that lists the roles of the endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use rolecall::params::{
    PolicyArn, RoleArn, SessionDuration, SessionName, SessionPolicy, SourceIdentity,
};
use rolecall::sts::Region;
use serde::{Deserialize, Deserializer};

use super::routes::{RESERVED, RoutePath};
use crate::error::Failure;
use crate::identity::{Base, BaseArgs, RoleArgs, read_policy};
use crate::input::{Input, read_regular_file};
use crate::parameters::{NumberedExternalId, Tag};

/// Size limit of the file in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// The number of roles of one endpoint.
const MAX_ROLES: usize = 1000;

/// A role of the file, and the path at which it is served.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleEntry {
    pub(crate) path: RoutePath,
    /// The role chain, from left to right.
    #[serde(deserialize_with = "parsed_list")]
    pub(crate) roles: Vec<RoleArn>,
    #[serde(default, deserialize_with = "parsed")]
    base: Option<Base>,
    #[serde(default, deserialize_with = "parsed")]
    region: Option<RegionName>,
    token_file: Option<PathBuf>,
    /// External ids, each with the number of its role if it is not the last.
    #[serde(default, deserialize_with = "parsed_list")]
    external_ids: Vec<NumberedExternalId>,
    #[serde(default, deserialize_with = "parsed")]
    session_name: Option<SessionName>,
    #[serde(default, deserialize_with = "parsed")]
    duration: Option<SessionDuration>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    transitive: Vec<String>,
    #[serde(default, deserialize_with = "parsed")]
    source_identity: Option<SourceIdentity>,
    policy: Option<PathBuf>,
    /// What was in this file. A change of it is a change of the entry.
    #[serde(skip)]
    session_policy: Option<SessionPolicy>,
    #[serde(default, deserialize_with = "parsed_list")]
    policy_arns: Vec<PolicyArn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    roles: Vec<RoleEntry>,
}

/// A Region as text that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RegionName(Region);

impl FromStr for RegionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Region::parse(text).map(Self).map_err(|error| error.to_string())
    }
}

/// Reads the file, and the session policies that it names.
pub(crate) fn read(path: &Path) -> Result<Vec<RoleEntry>, Failure> {
    let text = read_regular_file(path, MAX_FILE)?;
    let file = Input::File(path.to_owned());
    let mut entries =
        parse(&text).map_err(|fault| Failure::operation(format!("{file}: {fault}")))?;
    for entry in &mut entries {
        let policy = entry.policy.as_deref().map(read_policy).transpose();
        entry.session_policy = policy.map_err(|failure| entry.failure(failure))?;
    }
    Ok(entries)
}

fn parse(text: &str) -> Result<Vec<RoleEntry>, String> {
    let File { roles } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match roles.len() {
        0 => return Err("`roles` is empty".to_owned()),
        count if count > MAX_ROLES => {
            return Err(format!("`roles` has {count} entries, of at most {MAX_ROLES}"));
        }
        _ => {}
    }
    let mut paths = BTreeSet::new();
    for entry in &roles {
        let path = entry.path.as_str();
        if RESERVED.contains(&path) {
            return Err(format!("the path {path} is one of the endpoint itself"));
        }
        if !paths.insert(path) {
            return Err(format!("the path {path} occurs twice"));
        }
        if entry.roles.is_empty() {
            return Err(format!("{path}: `roles` is empty"));
        }
    }
    Ok(roles)
}

impl RoleEntry {
    /// Returns the failure as one of this entry: the file is what is wrong, and not the arguments
    /// of the command.
    pub(crate) fn failure(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Usage { message, hint } | Failure::Operation { message, hint } => {
                Failure::Operation { message: format!("{}: {message}", self.path), hint }
            }
            other => other,
        }
    }

    /// Returns what the arguments of `assume` say with the same names.
    pub(crate) fn arguments(&self) -> RoleArgs {
        let region = self.region.as_ref().map(|RegionName(region)| region.clone());
        let tag = |(key, value): (&String, &String)| Tag { key: key.clone(), value: value.clone() };
        RoleArgs {
            roles: self.roles.clone(),
            base: BaseArgs { base: self.base.clone().unwrap_or(Base::Auto), region },
            token_file: self.token_file.clone(),
            external_id: self.external_ids.clone(),
            session_name: self.session_name.clone(),
            duration: self.duration,
            tag: self.tags.iter().map(tag).collect(),
            transitive: self.transitive.clone(),
            source_identity: self.source_identity.clone(),
            policy: self.policy.clone(),
            session_policy: Arc::new(
                self.session_policy.clone().map(OnceLock::from).unwrap_or_default(),
            ),
            policy_arn: self.policy_arns.clone(),
            mfa_serial: None,
            mfa_code: None,
        }
    }
}

fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse()).transpose().map_err(serde::de::Error::custom)
}

fn parsed_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "arn:aws:iam::111122223333:role/hub";
    const ORDERS: &str = "arn:aws:iam::444455556666:role/orders";

    #[test]
    fn every_option_of_assume_can_be_set() {
        let text = format!(
            r#"{{ "roles": [
                {{ "path": "/hub", "roles": ["{HUB}"] }},
                {{ "path": "/team/orders", "roles": ["{HUB}", "{ORDERS}"], "base": "profile:ops",
                   "region": "eu-west-1", "external_ids": ["1=shop-1", "shop-4711"],
                   "session_name": "serve", "duration": "1h", "tags": {{ "team": "shop" }},
                   "transitive": ["team"], "source_identity": "ann", "policy": "p.json",
                   "policy_arns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"] }}
            ] }}"#
        );
        let entries = parse(&text).unwrap();
        assert_eq!(entries[0].path.as_str(), "/hub");
        let arguments = entries[1].arguments();
        assert_eq!(arguments.roles[1].as_str(), ORDERS);
        assert_eq!(arguments.base.base, Base::Profile("ops".to_owned()));
        assert_eq!(arguments.base.region.unwrap().as_str(), "eu-west-1");
        assert_eq!(arguments.external_id[0].number, Some(1));
        assert_eq!(arguments.session_name.unwrap().as_str(), "serve");
        assert_eq!(arguments.duration.unwrap().to_string(), "3600s");
        assert_eq!(
            (arguments.tag[0].key.as_str(), arguments.tag[0].value.as_str()),
            ("team", "shop")
        );
        assert_eq!(arguments.transitive, ["team"]);
        assert_eq!(arguments.source_identity.unwrap().as_str(), "ann");
        assert_eq!(arguments.policy.unwrap(), Path::new("p.json"));
        assert_eq!(arguments.policy_arn.len(), 1);
    }

    #[test]
    fn invalid_file_is_refused_with_its_fault() {
        let entry = |fields: &str| format!(r#"{{ "roles": [{{ {fields} }}] }}"#);
        let hub = format!(r#""path": "/hub", "roles": ["{HUB}"]"#);
        for (text, fault) in [
            ("".to_owned(), "EOF"),
            ("[]".to_owned(), "expected"),
            (r#"{ "roles": [] }"#.to_owned(), "`roles` is empty"),
            (entry(r#""path": "/hub", "roles": []"#), "/hub: `roles` is empty"),
            (entry(r#""path": "/hub", "roles": ["hub"]"#), "is not a valid role ARN"),
            (entry(r#""path": "/hub""#), "missing field `roles`"),
            (entry(&hub.replace("/hub\"", "/healthz\"")), "one of the endpoint itself"),
            (entry(&hub.replace("\"/hub\"", "\"/\"")), "path"),
            (entry(&hub.replace("\"/hub\"", "\"/../hub\"")), "path"),
            (entry(&format!(r#"{hub}, "secret": "x""#)), "unknown field `secret`"),
            (entry(&format!(r#"{hub}, "duration": "1d""#)), "session duration"),
            (entry(&format!(r#"{hub}, "base": "profile""#)), "expected auto, env"),
            (format!(r#"{{ "roles": [{{ {hub} }}, {{ {hub} }}] }}"#), "/hub occurs twice"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(fault), "{text}: {error}");
        }
        let many = format!("{{ {hub} }}, ").repeat(MAX_ROLES) + &format!("{{ {hub} }}");
        let error = parse(&format!(r#"{{ "roles": [{many}] }}"#)).unwrap_err();
        assert!(error.contains("1001 entries"), "{error}");
    }
}

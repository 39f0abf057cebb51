//! The roles of the endpoint, by path.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rolecall::params::shown;
use serde::Deserialize;

use super::base::Bases;
use super::config::RoleEntry;
use super::role::ServedRole;
use crate::error::Failure;

/// The pages of the endpoint itself.
pub(crate) const RESERVED: [&str; 3] = ["/", "/healthz", "/metrics"];

/// Length limit of a path.
const MAX_PATH: usize = 128;

/// A path at which a role is served, such as `/team/orders`.
///
/// It consists of characters that no program decodes, encodes or normalizes, so that every program
/// reads the same path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RoutePath(String);

impl RoutePath {
    /// Returns the path of the role that the arguments name.
    pub(crate) fn of_arguments() -> Self {
        Self("/role".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoutePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_segment =
            |it: &str| !it.is_empty() && it.chars().all(is_plain) && it.chars().any(|c| c != '.');
        match text.strip_prefix('/') {
            Some(rest) if text.len() <= MAX_PATH && rest.split('/').all(is_segment) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(format!(
                "`{}` is not a valid path: expected /NAME or /NAME/NAME, with letters, digits \
                 and -_., of at most {MAX_PATH} characters",
                shown(text)
            )),
        }
    }
}

impl TryFrom<String> for RoutePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The served roles. A reload replaces all of it at once.
#[derive(Debug, Default)]
pub(crate) struct Routes(BTreeMap<String, Arc<ServedRole>>);

impl Routes {
    /// Creates the routes of one role.
    pub(crate) fn single(role: ServedRole) -> Self {
        Self([(role.path().to_string(), Arc::new(role))].into())
    }

    /// Creates the routes of a configuration file. Entries that did not change keep their role of
    /// `old`, and with it the cached session. The contents of the files that they name are a part
    /// of entries and base credentials.
    pub(crate) fn configured(entries: Vec<RoleEntry>, old: &Self) -> Result<Self, Failure> {
        let mut bases = Bases::new();
        let kept: Vec<Option<&Arc<ServedRole>>> = entries
            .iter()
            .map(|entry| {
                let role = old.get(entry.path.as_str())?;
                (role.entry() == Some(entry) && bases.is_current(role.base())).then_some(role)
            })
            .collect();
        kept.iter().flatten().for_each(|role| bases.keep(role.base()));
        let mut routes = BTreeMap::new();
        for (entry, kept) in entries.into_iter().zip(kept) {
            let path = entry.path.to_string();
            let role = match kept {
                Some(role) => Arc::clone(role),
                None => Arc::new(ServedRole::configured(entry, &mut bases)?),
            };
            routes.insert(path, role);
        }
        Ok(Self(routes))
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Arc<ServedRole>> {
        self.0.get(path)
    }

    /// Returns the roles in the order of their paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ServedRole>> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_has_no_two_readings() {
        for path in ["/hub", "/team/orders-2", "/v1.0/a_b", "/...a"] {
            assert_eq!(RoutePath::from_str(path).unwrap().as_str(), path);
        }
        for path in [
            "", "/", "hub", "/hub/", "//hub", "/.", "/..", "/a/../b", "/...", "/%2e", "/a b",
            "/a?b", "/a#b", "/ä", "/a\n", "/a\\b", "/a;b",
        ] {
            assert!(RoutePath::from_str(path).is_err(), "{path:?}");
        }
        assert!(RoutePath::from_str(&format!("/{}", "a".repeat(127))).is_ok());
        assert!(RoutePath::from_str(&format!("/{}", "a".repeat(128))).is_err());
    }
}

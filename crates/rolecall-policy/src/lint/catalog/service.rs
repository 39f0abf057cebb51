//! A service of the catalog, its resource types and its actions.

use std::fmt;
use std::sync::OnceLock;

use super::glob::Glob;
use super::key::{ConditionKey, find_key};
use super::nearest::nearest;
use crate::pattern::Pattern;

/// A service, with what its policies may name.
#[derive(Debug)]
pub(crate) struct Service {
    prefix: &'static str,
    title: &'static str,
    condition_keys: Vec<ConditionKey>,
    resource_types: Vec<ResourceType>,
    /// Sorted by name.
    actions: Vec<ActionLine>,
}

#[derive(Debug)]
struct ActionLine {
    /// The name in lower case.
    lower_case: Box<str>,
    line: &'static str,
}

impl Service {
    /// Parses the lines of one service. Skips what does not conform to the format: the tests check
    /// that nothing is skipped.
    pub(super) fn parse(lines: &'static str) -> Self {
        let (mut prefix, mut title) = ("", "");
        let (mut condition_keys, mut resource_types) = (Vec::new(), Vec::new());
        let mut actions = Vec::new();
        for line in lines.lines() {
            if let Some(rest) = line.strip_prefix('@') {
                [prefix, title] = fields(rest);
            } else if let Some(rest) = line.strip_prefix('=') {
                let [value, name] = fields(rest);
                condition_keys.push(ConditionKey::parse(name, value));
            } else if let Some(rest) = line.strip_prefix('%') {
                let [name, arns, keys] = fields(rest);
                let globs = OnceLock::new();
                resource_types.push(ResourceType { name, arns, keys, globs });
            } else {
                let [name] = fields(line);
                let lower_case = name.to_ascii_lowercase().into_boxed_str();
                actions.push(ActionLine { lower_case, line });
            }
        }
        Self { prefix, title, condition_keys, resource_types, actions }
    }

    /// Returns the prefix of the service's actions, such as `s3`.
    pub(crate) fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// Returns the name of the service, such as `Amazon S3`.
    pub(crate) fn title(&self) -> &'static str {
        self.title
    }

    /// Returns the action with a name such as `GetObject`.
    pub(crate) fn action(&'static self, name: &str) -> Option<Action> {
        let name = name.to_ascii_lowercase();
        let found = self.actions.binary_search_by(|action| action.lower_case.as_ref().cmp(&name));
        Some(Action { service: self, line: self.actions.get(found.ok()?)?.line })
    }

    /// Returns all actions, sorted by name.
    pub(crate) fn actions(&'static self) -> impl Iterator<Item = Action> {
        self.actions.iter().map(move |action| Action { service: self, line: action.line })
    }

    /// Returns the actions that a pattern in lower case, such as `get*`, matches.
    pub(crate) fn matching_actions(&'static self, pattern: &Pattern) -> Vec<Action> {
        if !pattern.as_str().contains(['*', '?']) {
            return self.action(pattern.as_str()).into_iter().collect();
        }
        let matching = self.actions.iter().filter(|action| pattern.matches(&action.lower_case));
        matching.map(|action| Action { service: self, line: action.line }).collect()
    }

    /// Returns the action that is spelled most like `name`, if one is similar.
    pub(crate) fn nearest_action(&'static self, name: &str) -> Option<&'static str> {
        nearest(name, self.actions().map(|action| action.name()))
    }

    /// Returns the types of the resources that the service's actions are for.
    pub(crate) fn resource_types(&'static self) -> &'static [ResourceType] {
        &self.resource_types
    }

    /// Returns the resource type with a name such as `bucket`.
    pub(crate) fn resource_type(&'static self, name: &str) -> Option<&'static ResourceType> {
        self.resource_types.iter().find(|it| it.name.eq_ignore_ascii_case(name))
    }

    /// Returns the condition keys that at least one action of the service supports. Of the global
    /// keys, only those about tags are among them.
    #[cfg(test)]
    pub(crate) fn condition_keys(&'static self) -> &'static [ConditionKey] {
        &self.condition_keys
    }

    /// Returns the condition key with a name such as `s3:prefix` or `aws:RequestTag/team`.
    pub(crate) fn condition_key(&'static self, name: &str) -> Option<&'static ConditionKey> {
        find_key(self.condition_keys.iter(), name)
    }

    /// Returns the numbers of the condition keys with a name, for [`Action::has_key`]. Secrets
    /// Manager lists its tag key twice.
    pub(crate) fn key_numbers(&'static self, name: &str) -> Vec<usize> {
        let keys = self.condition_keys.iter().enumerate();
        keys.filter(|(_, key)| key.is_named(name)).map(|(number, _)| number).collect()
    }

    /// Returns the condition key that is spelled most like `name`, if one is similar.
    pub(crate) fn nearest_condition_key(&'static self, name: &str) -> Option<&'static str> {
        nearest(name, self.condition_keys.iter().map(|key| key.name))
    }
}

/// A type of resource.
#[derive(Debug)]
pub(crate) struct ResourceType {
    /// The name, such as `bucket`.
    pub(crate) name: &'static str,
    arns: &'static str,
    keys: &'static str,
    globs: OnceLock<Vec<Glob>>,
}

impl ResourceType {
    /// Returns the patterns of its ARNs, such as `arn:${Partition}:s3:::${BucketName}`. Most types
    /// have one, some have two.
    pub(crate) fn arns(&self) -> impl Iterator<Item = &'static str> {
        self.arns.split(',')
    }

    /// Returns `true` if a text of the element `Resource` may match a resource of this type. A
    /// variable such as `${aws:username}` may have any value.
    pub(crate) fn may_match(&self, resource: &Glob) -> bool {
        let globs = self.globs.get_or_init(|| self.arns().map(Glob::template).collect());
        globs.iter().any(|arn| arn.overlaps(resource))
    }
}

/// An action of a service.
#[derive(Clone, Copy)]
pub(crate) struct Action {
    service: &'static Service,
    line: &'static str,
}

impl Action {
    /// Returns the name in its canonical spelling, such as `GetObject`.
    pub(crate) fn name(self) -> &'static str {
        let [name] = fields(self.line);
        name
    }

    /// Returns the service that the action belongs to.
    #[cfg(test)]
    pub(crate) fn service(self) -> &'static Service {
        self.service
    }

    /// Returns the access level, or `None` if the catalog does not state it.
    pub(crate) fn access_level(self) -> Option<AccessLevel> {
        let [_, level] = fields(self.line);
        AccessLevel::parse(level)
    }

    /// Returns the types of the resources that the action is for. An action without any is allowed
    /// on `*` only.
    ///
    /// A required type must be allowed for each call. If none is required, a call needs only the
    /// type that it is for: `s3:GetObject` is for objects of buckets and of access points.
    pub(crate) fn resources(self) -> impl Iterator<Item = ActionResource> {
        let [_, _, list] = fields(self.line);
        list.split(',').filter_map(move |item| {
            let (number, keys) = item.split_once(':').unwrap_or((item, ""));
            let index: usize = number.trim_end_matches('!').parse().ok()?;
            let resource_type = self.service.resource_types().get(index)?;
            Some(ActionResource { resource_type, is_required: number.ends_with('!'), keys })
        })
    }

    /// Returns `true` if one of these condition keys applies to the action: its own, or one of the
    /// resources that it is for. The numbers are those of the action's service.
    pub(crate) fn has_key(self, numbers: &[usize]) -> bool {
        let [_, _, _, own] = fields(self.line);
        let lists = |list| numbers.iter().any(|number| in_ranges(list, *number));
        let mut resources = self.resources();
        lists(own) || resources.any(|it| lists(it.keys) || lists(it.resource_type.keys))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service.prefix(), self.name())
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.service.prefix() == other.service.prefix() && self.name() == other.name()
    }
}

/// A type of resource that an action is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActionResource {
    pub(crate) resource_type: &'static ResourceType,
    /// `true` if each call of the action is for a resource of this type.
    pub(crate) is_required: bool,
    /// The condition keys that apply to this type only.
    keys: &'static str,
}

/// What an action does to resources.
///
/// # Examples
///
/// ```
/// use rolecall_policy::account::AccessLevel;
/// assert_eq!(AccessLevel::PermissionsManagement.to_string(), "permissions management");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccessLevel {
    /// Lists resources.
    List,
    /// Reads what resources contain.
    Read,
    /// Creates, changes and deletes resources.
    Write,
    /// Changes tags.
    Tagging,
    /// Grants and changes permissions.
    PermissionsManagement,
}

impl fmt::Display for AccessLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
            Self::Tagging => "tagging",
            Self::PermissionsManagement => "permissions management",
        })
    }
}

impl AccessLevel {
    fn parse(letter: &str) -> Option<Self> {
        Some(match letter {
            "L" => Self::List,
            "R" => Self::Read,
            "W" => Self::Write,
            "T" => Self::Tagging,
            "P" => Self::PermissionsManagement,
            _ => return None,
        })
    }
}

/// Returns `true` if a list such as `0-3.7` contains a number.
fn in_ranges(list: &str, number: usize) -> bool {
    list.split('.').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.parse().ok().zip(last.parse().ok());
        range.is_some_and(|(first, last): (usize, usize)| (first..=last).contains(&number))
    })
}

/// Returns the first fields of a line. A missing field is empty.
fn fields<const N: usize>(line: &str) -> [&str; N] {
    let mut rest = line.split('|');
    [(); N].map(|()| rest.next().unwrap_or_default())
}

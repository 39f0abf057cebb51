//! What a principal can do, by service and access level.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::permissions::{Grant, Permissions};
use crate::lint::catalog::{self, AccessLevel, Service};
use crate::model::{Action, OneOf, ResourcePattern};

/// The actions of a service that a principal can call.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// # use rolecall_policy::Context;
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let bob = "arn:aws:iam::111122223333:user/bob";
/// let services = accounts.permissions_of(bob, &Context::new())?.services();
/// let names: Vec<&str> = services.iter().map(|service| service.service.as_str()).collect();
/// assert_eq!(names, ["s3", "sts"]);
/// assert!(services[1].to_string().starts_with("sts (AWS Security Token Service): write 1 of "));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServiceAccess {
    /// The prefix of the service's actions, such as `s3`.
    pub service: String,
    /// The name of the service.
    pub title: String,
    /// The access levels with an allowed action.
    pub levels: Vec<LevelAccess>,
}

/// How many actions of one access level a principal can call.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// # use rolecall_policy::Context;
/// use rolecall_policy::account::AccessLevel;
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let ann = "arn:aws:iam::111122223333:user/ann";
/// let services = accounts.permissions_of(ann, &Context::new())?.services();
/// let s3 = services.iter().find(|service| service.service == "s3").unwrap();
/// let read = s3.levels.iter().find(|level| level.level == AccessLevel::Read).unwrap();
/// assert!(read.allowed == read.total && read.unrestricted == read.total);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LevelAccess {
    /// The access level.
    pub level: AccessLevel,
    /// The number of actions that are allowed on a resource at least, perhaps under conditions.
    pub allowed: usize,
    /// The number of actions that are allowed on all resources, without conditions.
    pub unrestricted: usize,
    /// The number of actions that the service has.
    pub total: usize,
}

impl Permissions {
    /// Returns a summary: for each service and access level, how many of its actions are allowed.
    ///
    /// A service without an allowed action is left out. The services and their actions are those of
    /// the AWS Service Authorization Reference.
    pub fn services(&self) -> Vec<ServiceAccess> {
        services(self)
    }

    /// Returns the actions of the grants that match no action of the AWS Service Authorization
    /// Reference, which [`services`](Self::services) leaves out.
    pub fn unknown_actions(&self) -> Vec<&str> {
        unknown_actions(self)
    }
}

fn services(permissions: &Permissions) -> Vec<ServiceAccess> {
    let patterns = permissions.grants.iter().map(|grant| grant.statement.actions());
    let is_any = |actions: &OneOf<_>| {
        let patterns: &[crate::ActionPattern] = actions.patterns();
        actions.is_negated() || patterns.iter().any(|pattern| pattern.service().is_none())
    };
    // `*` and NotAction are about services that they do not name.
    let prefixes: BTreeSet<&str> = if patterns.clone().any(is_any) {
        catalog::prefixes().collect()
    } else {
        patterns.flat_map(|it| it.patterns()).filter_map(|pattern| pattern.service()).collect()
    };
    let services = prefixes.into_iter().filter_map(catalog::service);
    services
        .filter_map(|service| {
            let levels = levels(permissions, service);
            (!levels.is_empty()).then(|| ServiceAccess {
                service: service.prefix().to_owned(),
                title: service.title().to_owned(),
                levels,
            })
        })
        .collect()
}

fn levels(permissions: &Permissions, service: &'static Service) -> Vec<LevelAccess> {
    use AccessLevel::{List, PermissionsManagement, Read, Tagging, Write};
    let mut levels = [List, Read, Write, Tagging, PermissionsManagement].map(|level| LevelAccess {
        level,
        allowed: 0,
        unrestricted: 0,
        total: 0,
    });
    for action in service.actions() {
        let Some(level) = levels.iter_mut().find(|it| action.access_level() == Some(it.level))
        else {
            continue;
        };
        let extent = extent(permissions, &Action::parse(&action.to_string()));
        level.total += 1;
        level.allowed += usize::from(extent > Extent::Nothing);
        level.unrestricted += usize::from(extent == Extent::Everything);
    }
    levels.into_iter().filter(|level| level.allowed > 0).collect()
}

/// On which resources an action is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    Nothing,
    /// Some, or under conditions.
    Something,
    Everything,
}

/// Each part can only narrow the others, so the least counts.
fn extent(permissions: &Permissions, action: &Action) -> Extent {
    let matching = |grants: &[Grant]| {
        let matching = grants.iter().filter(|grant| grant.statement.is_for_action(action));
        matching.map(extent_of).max().unwrap_or(Extent::Nothing)
    };
    // A Deny under conditions, or on some resources, leaves a part allowed, which the summary must
    // not hide.
    let denied = match matching(&permissions.denies) {
        Extent::Nothing => Extent::Everything,
        Extent::Something => Extent::Something,
        Extent::Everything => Extent::Nothing,
    };
    let limits = permissions.limits.iter().map(|limit| matching(&limit.grants));
    limits.chain([denied]).fold(matching(&permissions.grants), Extent::min)
}

fn extent_of(grant: &Grant) -> Extent {
    let every = |resources: &OneOf<ResourcePattern>| {
        let mut patterns = resources.patterns().iter();
        !resources.is_negated() && patterns.any(|it| it.as_str().bytes().all(|b| b == b'*'))
    };
    match grant.requirements.is_empty() && grant.statement.resources().is_some_and(every) {
        true => Extent::Everything,
        false => Extent::Something,
    }
}

fn unknown_actions(permissions: &Permissions) -> Vec<&str> {
    let actions = permissions.grants.iter().map(|grant| grant.statement.actions());
    let patterns = actions.filter(|it| !it.is_negated()).flat_map(|it| it.patterns());
    let mut unknown: Vec<&str> = patterns
        .filter(|pattern| match (pattern.service(), pattern.name()) {
            (Some(service), Some(name)) => catalog::service(service)
                .is_none_or(|service| service.matching_actions(name).is_empty()),
            _ => false,
        })
        .map(|pattern| pattern.as_str())
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown
}

impl fmt::Display for ServiceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels: Vec<String> = self.levels.iter().map(LevelAccess::to_string).collect();
        write!(f, "{} ({}): {}", self.service, self.title, levels.join(", "))
    }
}

impl fmt::Display for LevelAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.level, self.allowed, self.total)?;
        match self.unrestricted {
            0 => f.write_str(" (restricted)"),
            all if all == self.allowed => Ok(()),
            some => write!(f, " ({} restricted)", self.allowed - some),
        }
    }
}

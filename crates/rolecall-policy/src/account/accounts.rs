//! Accounts, with what a description does not contain.

use std::collections::{BTreeMap, HashMap};

use super::details::{AccountDetails, Identity};
use super::question::{Guard, Principal, Target};
use super::subject::Subject;
use crate::arn::Arn;
use crate::error::PolicyError;
use crate::model::ActionPattern;
use crate::policy::{PermissionPolicy, ResourcePolicy};
use crate::principal::Principal as Named;

/// Described accounts, and the policies around them that the descriptions do not contain.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// use rolecall_policy::account::Verdict;
/// use rolecall_policy::{Context, ResourcePolicy};
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let bucket = ResourcePolicy::parse(r#"{"Statement": {
///     "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/dave"},
///     "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"
/// }}"#)?;
/// let accounts = Accounts::from(details);
/// let accounts = accounts.with_resource_policy("arn:aws:s3:::shop", "111122223333", bucket);
/// let dave = "arn:aws:iam::111122223333:user/dave";
/// let access = accounts.can(dave, "s3:GetObject", "arn:aws:s3:::shop/a", &Context::new())?;
/// assert_eq!(access.verdict, Verdict::Allowed);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    pub(super) identities: Vec<Identity>,
    pub(super) gaps: Vec<String>,
    /// The described accounts.
    ids: Vec<String>,
    by_arn: HashMap<String, usize>,
    resources: BTreeMap<String, Resource>,
    service_control: HashMap<String, Vec<Vec<PermissionPolicy>>>,
    resource_control: HashMap<String, Vec<Vec<ResourcePolicy>>>,
}

#[derive(Clone, Debug)]
struct Resource {
    account: String,
    policy: Option<ResourcePolicy>,
}

impl From<AccountDetails> for Accounts {
    fn from(details: AccountDetails) -> Self {
        let mut accounts = Self::default();
        accounts.add(details);
        accounts
    }
}

impl Accounts {
    /// Creates a set without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an account.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if the account is already in the set.
    pub fn with(mut self, details: AccountDetails) -> Result<Self, PolicyError> {
        if self.is_described(&details.account) {
            let message = format!("account {} is described twice", details.account);
            return Err(PolicyError::new("accounts", message));
        }
        self.add(details);
        Ok(self)
    }

    fn add(&mut self, details: AccountDetails) {
        let first = self.identities.len();
        let arns = details.identities.iter().enumerate();
        self.by_arn.extend(arns.map(|(index, it)| (it.arn.clone(), first + index)));
        self.ids.push(details.account);
        self.identities.extend(details.identities);
        self.gaps.extend(details.gaps);
    }

    /// Sets the policy of a resource and the account that owns it. For Amazon S3, the policy of a
    /// bucket is also that of its objects.
    #[must_use]
    pub fn with_resource_policy(
        mut self,
        arn: impl Into<String>,
        account: impl Into<String>,
        policy: ResourcePolicy,
    ) -> Self {
        let resource = Resource { account: account.into(), policy: Some(policy) };
        self.resources.insert(arn.into(), resource);
        self
    }

    /// Sets the account that owns a resource whose ARN does not tell it, such as a bucket.
    #[must_use]
    pub fn with_resource(mut self, arn: impl Into<String>, account: impl Into<String>) -> Self {
        self.resources.insert(arn.into(), Resource { account: account.into(), policy: None });
        self
    }

    /// Sets the service control policies of an account, by level of the organisation from its root
    /// to the account. They do not limit service-linked roles.
    #[must_use]
    pub fn with_service_control(
        mut self,
        account: impl Into<String>,
        levels: Vec<Vec<PermissionPolicy>>,
    ) -> Self {
        self.service_control.insert(account.into(), levels);
        self
    }

    /// Sets the resource control policies of an account, by level of the organisation from its root
    /// to the account.
    #[must_use]
    pub fn with_resource_control(
        mut self,
        account: impl Into<String>,
        levels: Vec<Vec<ResourcePolicy>>,
    ) -> Self {
        self.resource_control.insert(account.into(), levels);
        self
    }

    /// Returns the ids of the described accounts.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    pub(super) fn is_described(&self, account: &str) -> bool {
        self.ids.iter().any(|id| id == account)
    }

    /// Returns the index of a described user or role.
    pub(super) fn index_of(&self, arn: &str) -> Option<usize> {
        self.by_arn.get(arn).copied()
    }

    /// Returns the described user or role with this ARN.
    pub(super) fn identity(&self, arn: &str) -> Result<&Identity, PolicyError> {
        let found = self.index_of(arn).and_then(|index| self.identities.get(index));
        found.ok_or_else(|| {
            let hint = match Named::aws(arn) {
                Ok(Named::Session(_)) => "give the ARN of the session's role",
                Ok(Named::User(_) | Named::Role(_)) => {
                    "check the spelling, and that its account is described"
                }
                _ => "give the ARN of a user or role",
            };
            let message = format!("{arn:?} is not a described user or role; hint: {hint}");
            PolicyError::new("principal", message)
        })
    }

    pub(super) fn principal<'a>(
        &'a self,
        subject: &'a Subject,
        identity: Option<&'a Identity>,
    ) -> Principal<'a> {
        let account = match (identity, subject) {
            (Some(identity), _) => Some(identity.account.as_str()),
            (None, Subject::Account(id)) => Some(id.as_str()),
            (None, Subject::External(arn)) => Arn::parse(arn).map(|arn| arn.account),
            _ => None,
        };
        // (AWS Organizations User Guide, "Service control policies".)
        let is_exempt = identity
            .and_then(|identity| identity.role.as_ref())
            .is_some_and(|role| role.is_service_linked);
        let levels = account.and_then(|account| self.service_control.get(account));
        let service_control = levels.filter(|_| !is_exempt).map(Vec::as_slice);
        Principal { subject, identity, service_control }
    }

    /// Returns what a request for an action on a resource is for.
    pub(super) fn target<'a>(
        &'a self,
        action: &'a str,
        resource: &'a str,
    ) -> Result<Target<'a>, PolicyError> {
        let fail = |location, message| Err(PolicyError::new(location, message));
        let _: ActionPattern = action.parse()?;
        if action.contains(['*', '?']) {
            let message =
                format!("{action:?} contains a wildcard; hint: ask about one action at a time");
            return fail("action", message);
        }
        let arn = Arn::parse(resource);
        if resource != "*" {
            if arn.is_none() {
                return fail("resource", format!("{resource:?} is neither an ARN nor \"*\""));
            }
            if resource.contains(['*', '?']) {
                let message = format!(
                    "{resource:?} contains a wildcard; hint: ask about one resource at a time"
                );
                return fail("resource", message);
            }
        }
        let in_arn = arn.map(|arn| arn.account).filter(|account| !account.is_empty());
        let mut target = Target {
            action,
            resource,
            account: in_arn,
            guard: Guard::Unknown,
            resource_control: None,
        };
        if is_decided_by_trust(action) {
            if !matches!(Named::aws(resource), Ok(Named::Role(_))) {
                let message = format!("{action} is for a role; hint: give the role's ARN");
                return fail("resource", message);
            }
            target.guard = match in_arn {
                Some(account) if !self.is_described(account) => Guard::UnknownTrust,
                _ => match self.identity(resource)?.role.as_ref() {
                    Some(role) => Guard::Trust(&role.trust),
                    None => Guard::UnknownTrust,
                },
            };
        } else if let Some(known) = self.resource(resource) {
            target.account = Some(&known.account);
            target.guard = known.policy.as_ref().map_or(Guard::Unknown, Guard::Policy);
        } else if resource != "*" && in_arn.is_none() && self.ids.len() > 1 {
            let message = format!(
                "the account that owns {resource:?} is not known; hint: give it by \
                 Accounts::with_resource"
            );
            return fail("resource account", message);
        }
        let owner = target.account.or(match self.ids.as_slice() {
            [only] => Some(only.as_str()),
            _ => None,
        });
        target.resource_control = owner.and_then(|owner| self.resource_control(owner));
        Ok(target)
    }

    pub(super) fn resource_control(&self, account: &str) -> Option<&[Vec<ResourcePolicy>]> {
        self.resource_control.get(account).map(Vec::as_slice)
    }

    fn resource(&self, arn: &str) -> Option<&Resource> {
        self.resources.get(arn).or_else(|| self.resources.get(container(arn)?))
    }
}

/// Returns the bucket or access point of an S3 object.
fn container(arn: &str) -> Option<&str> {
    let parsed = Arn::parse(arn).filter(|arn| arn.service == "s3")?;
    let object = match parsed.resource.strip_prefix("accesspoint/") {
        Some(_) => parsed.resource.find("/object/")?,
        None => parsed.resource.find('/')?,
    };
    arn.get(..arn.len() - parsed.resource.len() + object)
}

fn is_decided_by_trust(action: &str) -> bool {
    crate::Request::new(crate::Caller::anonymous(), action, "*").is_decided_by_trust()
}

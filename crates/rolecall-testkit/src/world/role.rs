//! Roles: set up, made and deleted while the server runs.

use std::time::Duration;

use rolecall_core::limits::DURATION_SECONDS;
use rolecall_core::{RoleArn, SessionDuration};
use rolecall_policy::{Caller, PermissionPolicy, TrustPolicy};

use super::{Owner, World, permissions, unknown};
use crate::server::SetupError;
use crate::wire::{ID, random};

/// An IAM role: a trust policy, permission policies, and its maximum session duration.
///
/// # Examples
///
/// ```
/// use rolecall_testkit::IamRole;
/// let orders = IamRole::new("orders").trust(
///     r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"}}}"#,
/// );
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct IamRole {
    path_and_name: String,
    trust: Option<String>,
    policies: Vec<String>,
    max_session: Duration,
}

impl IamRole {
    /// Creates a role that no caller may assume until it has a trust policy.
    ///
    /// The name may have a path before it, as in `team/shop/orders`.
    pub fn new(path_and_name: impl Into<String>) -> Self {
        Self {
            path_and_name: path_and_name.into(),
            trust: None,
            policies: Vec::new(),
            max_session: SessionDuration::DEFAULT.as_duration(),
        }
    }

    /// Sets the trust policy, a JSON document. Defaults to none.
    pub fn trust(mut self, json: impl Into<String>) -> Self {
        self.trust = Some(json.into());
        self
    }

    /// Adds a permission policy, a JSON document.
    pub fn policy(mut self, json: impl Into<String>) -> Self {
        self.policies.push(json.into());
        self
    }

    /// Sets the longest session (`MaxSessionDuration`). Defaults to one hour.
    pub fn max_session_duration(mut self, longest: Duration) -> Self {
        self.max_session = longest;
        self
    }
}

#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) arn: RoleArn,
    /// The unique id.
    pub(crate) id: String,
    pub(crate) trust: Option<TrustPolicy>,
    pub(super) policies: Vec<PermissionPolicy>,
    pub(crate) max_session: Duration,
    /// How many roles had been made while the server ran.
    made: u64,
}

impl World {
    /// One more role of an account, whose issuers of tokens are these.
    pub(super) fn add_role(
        &mut self,
        account: &str,
        role: &IamRole,
        issuers: &[&str],
    ) -> Result<(), SetupError> {
        let what = format!("role {:?}", role.path_and_name);
        let wrong = |what: &str, why: &dyn std::fmt::Display| {
            SetupError::Invalid(format!("account {account}: {what}: {why}"))
        };
        let known = |keys: &mut dyn Iterator<Item = &str>, what: &str| match unknown(keys, issuers)
        {
            None => Ok(()),
            Some(key) => Err(wrong(what, &not_known(&key))),
        };
        let arn = format!("arn:aws:iam::{account}:role/{}", role.path_and_name);
        let arn = RoleArn::parse(&arn).map_err(|error| wrong(&what, &error))?;
        let of_trust = format!("{what}, trust policy");
        let trust = role.trust.as_deref().map(TrustPolicy::parse).transpose();
        let trust = trust.map_err(|error| wrong(&of_trust, &error))?;
        let policies = permissions(&role.policies).map_err(|error| wrong(&what, &error))?;
        for policy in &policies {
            known(&mut policy.condition_keys(), &what)?;
        }
        if let Some(trust) = &trust {
            known(&mut trust.condition_keys(), &of_trust)?;
        }
        let longest = Duration::from_secs(u64::from(*DURATION_SECONDS.end()));
        if !(SessionDuration::DEFAULT.as_duration()..=longest).contains(&role.max_session) {
            return Err(wrong(&what, &"MaxSessionDuration is between 3600 s and 43200 s"));
        }
        // Session ARNs leave the path out, so names are unique in an account.
        let same_name =
            |other: &Role| other.arn.account() == arn.account() && other.arn.name() == arn.name();
        if self.roles.values().any(same_name) {
            return Err(wrong(&what, &"the name is used twice"));
        }
        let id = format!("AROA{}", random(ID, 17));
        let (max_session, made) = (role.max_session, self.made);
        let role = Role { arn: arn.clone(), id, trust, policies, max_session, made };
        self.roles.insert(arn.to_string(), role);
        Ok(())
    }

    /// A role that is made while the server runs.
    pub(crate) fn create_role(&mut self, account: &str, role: &IamRole) -> Result<(), SetupError> {
        let of_account = |(of, issuer): &(String, String)| {
            (of == account).then(|| super::host_and_path(issuer).to_owned())
        };
        let issuers: Vec<String> = self.providers.keys().filter_map(of_account).collect();
        let issuers: Vec<&str> = issuers.iter().map(String::as_str).collect();
        self.made += 1;
        self.add_role(account, role, &issuers)
    }

    pub(crate) fn delete_role(&mut self, arn: &str) -> bool {
        self.roles.remove(arn).is_some()
    }

    /// Whether the role of which this is a session is still the one that it was.
    pub(super) fn is_of_its_role(&self, owner: &Owner) -> bool {
        let Some(arn) = &owner.role else { return true };
        self.roles.get(arn.as_str()).is_some_and(|role| {
            owner.user_id.strip_prefix(role.id.as_str()).is_some_and(|rest| rest.starts_with(':'))
        })
    }

    /// Returns the caller as the trust policy of a role sees it.
    ///
    /// A trust policy holds the unique id of each principal that it names, so a role that was
    /// created after it does not match by its ARN alone. (IAM User Guide, "AWS JSON policy
    /// elements: Principal".)
    pub(crate) fn as_trusted(&self, owner: &Owner, by: &Role) -> Caller {
        let of = owner.role.as_ref().and_then(|arn| self.roles.get(arn.as_str()));
        match of.filter(|of| of.made > by.made) {
            Some(of) => {
                Caller::role_session(of.arn.account().as_str(), of.id.as_str(), &of.id, "session")
            }
            None => owner.caller.clone(),
        }
    }
}

pub(super) fn not_known(key: &str) -> String {
    format!(
        "the condition key {key} is not known to the local AWS, which would never match it as AWS does"
    )
}

//! The accounts of a sandbox, from a JSON file.

use std::time::Duration;

use rolecall::params::RoleArn;
use rolecall_testkit::{Account, IamRole, IamUser, OidcIssuer};
use serde::Deserialize;
use serde_json::Value;

/// What stands for the sandbox's own issuer in policies: its port is known when it has started.
const ISSUER: &str = "${sandbox:issuer}";

/// The accounts, and the identity of a pod.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) service_account: Option<ServiceAccount>,
    accounts: Vec<AccountConfig>,
}

/// A service account, whose tokens the sandbox writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceAccount {
    pub(super) namespace: String,
    pub(super) name: String,
    #[serde(deserialize_with = "role_arn")]
    pub(super) role: RoleArn,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountConfig {
    id: String,
    #[serde(default)]
    providers: Vec<Provider>,
    #[serde(default)]
    users: Vec<User>,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    managed_policies: Vec<ManagedPolicy>,
    #[serde(default)]
    buckets: Vec<String>,
    #[serde(default)]
    secrets: Vec<Secret>,
    #[serde(default)]
    repositories: Vec<Repository>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    /// The sandbox's own issuer if it is absent.
    issuer: Option<String>,
    audiences: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    #[serde(default)]
    policies: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    name: String,
    trust: Option<Value>,
    #[serde(default)]
    policies: Vec<Value>,
    /// In seconds.
    max_session_duration: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManagedPolicy {
    name: String,
    document: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    name: String,
    value: String,
    region: Option<String>,
}

/// The values may be copies of real ones.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repository {
    name: String,
    region: Option<String>,
}

fn role_arn<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<RoleArn, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl Config {
    /// Parses a file, in which `${sandbox:issuer}` is the issuer without its scheme.
    pub(super) fn parse(text: &str, issuer: &OidcIssuer) -> serde_json::Result<Self> {
        serde_json::from_str(&text.replace(ISSUER, issuer.host_and_path()))
    }

    /// Returns the accounts and names of all users.
    pub(super) fn users(&self) -> impl Iterator<Item = (&str, &str)> {
        let accounts = self.accounts.iter();
        accounts.flat_map(|it| it.users.iter().map(|user| (it.id.as_str(), user.name.as_str())))
    }

    /// Creates the accounts. Resources without a Region are in `region`.
    pub(super) fn accounts(&self, issuer: &OidcIssuer, region: &str) -> Vec<Account> {
        self.accounts.iter().map(|account| account.create(issuer, region)).collect()
    }
}

impl AccountConfig {
    fn create(&self, issuer: &OidcIssuer, region: &str) -> Account {
        let mut account = Account::new(&self.id);
        for Provider { issuer: url, audiences } in &self.providers {
            let url = url.as_deref().unwrap_or_else(|| issuer.url());
            account = account.oidc_provider_at(url, audiences);
        }
        for User { name, policies } in &self.users {
            let user = IamUser::new(name);
            account =
                account.user(policies.iter().fold(user, |user, it| user.policy(it.to_string())));
        }
        for role in &self.roles {
            account = account.role(role.create());
        }
        for ManagedPolicy { name, document } in &self.managed_policies {
            account = account.managed_policy(name, document.to_string());
        }
        for bucket in &self.buckets {
            account = account.bucket(bucket);
        }
        for Secret { name, value, region: own } in &self.secrets {
            account = account.secret(own.as_deref().unwrap_or(region), name, value);
        }
        for Repository { name, region: own } in &self.repositories {
            account = account.repository(own.as_deref().unwrap_or(region), name);
        }
        account
    }
}

impl Role {
    fn create(&self) -> IamRole {
        let mut role = IamRole::new(&self.name);
        if let Some(trust) = &self.trust {
            role = role.trust(trust.to_string());
        }
        if let Some(seconds) = self.max_session_duration {
            role = role.max_session_duration(Duration::from_secs(seconds));
        }
        self.policies.iter().fold(role, |role, policy| role.policy(policy.to_string()))
    }
}

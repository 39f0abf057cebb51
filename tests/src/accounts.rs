//! Accounts described once, and made on either server: ours, or one that is not.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_types::retry::RetryConfig;
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws, SetupError};
use serde_json::{Map, Value, json};

use crate::python::{Ministack, Trouble};

/// A server with accounts.
#[derive(Debug)]
pub struct Server {
    /// What messages call it.
    pub name: &'static str,
    /// Where it listens.
    pub url: String,
    region: String,
    keys: Value,
    _running: Running,
}

#[derive(Debug)]
enum Running {
    Local { _aws: LocalAws },
    Ministack { _server: Box<Ministack> },
}

/// What kept a server from being made.
#[derive(Debug, thiserror::Error)]
pub enum NoServer {
    /// Ours.
    #[error(transparent)]
    Local(#[from] SetupError),
    /// The one that is not ours.
    #[error(transparent)]
    Ministack(#[from] Trouble),
}

impl Server {
    /// Both servers, with the same accounts: what `python/provision.py` reads under `accounts`.
    pub async fn both(region: &str, accounts: Value) -> Result<[Self; 2], NoServer> {
        let local = Self::local(region, &accounts).await?;
        Ok([local, Self::ministack(region, accounts).await?])
    }

    /// The server that is not ours, with these accounts.
    pub async fn ministack(region: &str, accounts: Value) -> Result<Self, Trouble> {
        let ministack = Ministack::start().await?;
        let keys = ministack.provision(region, accounts).await?;
        Ok(Self {
            name: "ministack",
            url: ministack.endpoint_url().to_owned(),
            region: region.to_owned(),
            keys,
            _running: Running::Ministack { _server: Box::new(ministack) },
        })
    }

    /// The local AWS with these accounts.
    pub async fn local(region: &str, accounts: &Value) -> Result<Self, SetupError> {
        let mut builder = LocalAws::builder();
        let accounts = members(accounts);
        for (id, what) in &accounts {
            builder = builder.account(account(region, id, what));
        }
        let aws = builder.start().await?;
        let mut keys = Map::new();
        for (id, what) in &accounts {
            let mut users = Map::new();
            for (name, _) in members(&what["users"]) {
                if let Some(key) = aws.user_credentials(id, &name) {
                    users.insert(
                        name,
                        json!({
                            "access_key_id": key.access_key_id(),
                            "secret_access_key": key.secret_access_key(),
                        }),
                    );
                }
            }
            keys.insert(id.clone(), users.into());
        }
        Ok(Self {
            name: "the local AWS",
            url: aws.endpoint_url().to_owned(),
            region: region.to_owned(),
            keys: keys.into(),
            _running: Running::Local { _aws: aws },
        })
    }

    /// A user's key, as the variables that clients read; and where they call, and the Region.
    pub fn variables(&self, account: &str, user: &str) -> Vec<(&'static str, String)> {
        let key = &self.keys[account][user];
        let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        vec![
            ("AWS_ACCESS_KEY_ID", text("access_key_id")),
            ("AWS_SECRET_ACCESS_KEY", text("secret_access_key")),
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_REGION", self.region.clone()),
        ]
    }

    /// The SDK's configuration with a user's key.
    pub fn config(&self, account: &str, user: &str) -> SdkConfig {
        let key = &self.keys[account][user];
        let text = |name: &str| key[name].as_str().unwrap_or_default();
        let credentials = aws_sdk_sts::config::Credentials::new(
            text("access_key_id"),
            text("secret_access_key"),
            None,
            None,
            "test",
        );
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url(&self.url)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(aws_sdk_sts::config::SharedCredentialsProvider::new(credentials))
            .build()
    }
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn account(region: &str, id: &str, what: &Value) -> Account {
    let mut account = Account::new(id);
    for (name, user) in members(&what["users"]) {
        let mut made = IamUser::new(name);
        for (_, policy) in members(&user["policies"]) {
            made = made.policy(policy.to_string());
        }
        account = account.user(made);
    }
    for (name, role) in members(&what["roles"]) {
        let mut made = IamRole::new(name).trust(role["trust"].to_string());
        for (_, policy) in members(&role["policies"]) {
            made = made.policy(policy.to_string());
        }
        account = account.role(made);
    }
    for (url, client_ids) in members(&what["oidc_providers"]) {
        account = account.oidc_provider_at(url, texts(&client_ids));
    }
    for bucket in texts(&what["buckets"]) {
        account = account.bucket(bucket);
    }
    for (name, text) in members(&what["secrets"]) {
        account = account.secret(region, name, text.as_str().unwrap_or_default());
    }
    for repository in texts(&what["repositories"]) {
        account = account.repository(region, repository);
    }
    account
}

//! Accounts that are described once as JSON and created on rolecall's local AWS, on ministack, or
//! on both.
//!
//! Tests that compare the two servers need the same users, roles and resources on each.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_types::retry::RetryConfig;
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws, SetupError};
use serde_json::{Map, Value, json};

use crate::python::{Ministack, PythonError};

/// A running server with accounts.
#[derive(Debug)]
pub struct Server {
    /// Name of the server for messages.
    pub name: &'static str,
    /// URL of its endpoint.
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

/// Error of a server that could not be started or provisioned.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The local AWS failed.
    #[error(transparent)]
    Local(#[from] SetupError),
    /// ministack failed.
    #[error(transparent)]
    Ministack(#[from] PythonError),
}

impl Server {
    /// Starts both servers with the same accounts.
    ///
    /// `accounts` has the format that `python/provision.py` reads under the key `accounts`.
    ///
    /// # Errors
    ///
    /// Returns a [`ServerError`] if either server cannot be started or provisioned.
    pub async fn both(region: &str, accounts: Value) -> Result<[Self; 2], ServerError> {
        let local = Self::local(region, &accounts).await?;
        Ok([local, Self::ministack(region, accounts).await?])
    }

    /// Starts ministack with these accounts.
    ///
    /// # Errors
    ///
    /// Returns the error of the Python program that failed.
    pub async fn ministack(region: &str, accounts: Value) -> Result<Self, PythonError> {
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

    /// Starts the local AWS with these accounts.
    ///
    /// # Errors
    ///
    /// Returns a [`SetupError`] if an account is invalid or the server cannot listen.
    pub async fn local(region: &str, accounts: &Value) -> Result<Self, SetupError> {
        let mut builder = LocalAws::builder();
        let accounts = members(accounts);
        for (id, description) in &accounts {
            builder = builder.account(parse_account(region, id, description));
        }
        let aws = builder.start().await?;
        let mut keys = Map::new();
        for (id, description) in &accounts {
            let mut users = Map::new();
            for (name, _) in members(&description["users"]) {
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

    /// Returns the environment variables with a user's access key, the endpoint and the Region, as
    /// any AWS client reads them.
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

    /// Returns an SDK configuration with a user's access key. Retries are disabled.
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

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn parse_account(region: &str, id: &str, description: &Value) -> Account {
    let mut account = Account::new(id);
    for (name, user) in members(&description["users"]) {
        let mut iam_user = IamUser::new(name);
        for (_, policy) in members(&user["policies"]) {
            iam_user = iam_user.policy(policy.to_string());
        }
        account = account.user(iam_user);
    }
    for (name, role) in members(&description["roles"]) {
        let mut iam_role = IamRole::new(name).trust(role["trust"].to_string());
        for (_, policy) in members(&role["policies"]) {
            iam_role = iam_role.policy(policy.to_string());
        }
        account = account.role(iam_role);
    }
    for (url, client_ids) in members(&description["oidc_providers"]) {
        account = account.oidc_provider_at(url, strings(&client_ids));
    }
    for bucket in strings(&description["buckets"]) {
        account = account.bucket(bucket);
    }
    for (name, text) in members(&description["secrets"]) {
        account = account.secret(region, name, text.as_str().unwrap_or_default());
    }
    for repository in strings(&description["repositories"]) {
        account = account.repository(region, repository);
    }
    account
}

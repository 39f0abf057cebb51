//! What the tour plays on: a cluster that signs tokens, three accounts, a clock to turn, a folder for token files.

use std::path::PathBuf;

use rolecall::{Chain, Environment, FetchError, ManualClock, Role};
use rolecall_testkit::{Account, IamRole, LocalAws, OidcIssuer, SetupError, SigningKey};
use serde_json::json;
use tempfile::TempDir;

/// What kept the tour from going on: not a step that went wrong, but the stage under it.
#[derive(Debug)]
pub enum Trouble {
    /// The local AWS or the cluster could not be set up.
    Setup(SetupError),
    /// A file could not be written, or the report.
    Io(std::io::Error),
    /// The stage's own configuration is wrong.
    Config(FetchError),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Setup(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Config(error) => write!(f, "{}", error.report()),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<SetupError> for Trouble {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        Self::Config(error)
    }
}

/// The account of the cluster and its workloads.
pub(crate) const SHOP: &str = "111122223333";
/// The account of the second role.
pub(crate) const ORDERS: &str = "444455556666";
/// An account that does not trust the shop.
pub(crate) const BILLING: &str = "777788889999";
/// The external id that the second role asks for.
pub(crate) const EXTERNAL_ID: &str = "shop-4711";

pub(crate) const CHECKOUT_ROLE: &str = "arn:aws:iam::111122223333:role/checkout";
pub(crate) const ORDERS_ROLE: &str = "arn:aws:iam::444455556666:role/orders";
pub(crate) const BILLING_ROLE: &str = "arn:aws:iam::777788889999:role/billing";

/// What the tour plays on.
#[derive(Debug)]
pub struct Stage {
    aws: LocalAws,
    cluster: OidcIssuer,
    hands: ManualClock,
    tokens: TempDir,
}

impl Stage {
    /// Starts the cluster's issuer and the local AWS, and sets up the accounts.
    pub async fn set() -> Result<Self, Trouble> {
        let hands = ManualClock::new();
        let cluster = OidcIssuer::start_on(hands.clock()).await?;
        let issuer = cluster.host_and_path();
        let checkout_trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Federated": cluster.provider_arn(SHOP) },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": { "StringEquals": {
                    format!("{issuer}:sub"): "system:serviceaccount:shop:checkout",
                    format!("{issuer}:aud"): "sts.amazonaws.com",
                } },
            }],
        });
        let checkout_may = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Resource": [ORDERS_ROLE, BILLING_ROLE],
            }],
        });
        let orders_trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": CHECKOUT_ROLE },
                "Action": "sts:AssumeRole",
                "Condition": { "StringEquals": { "sts:ExternalId": EXTERNAL_ID } },
            }],
        });
        let billing_trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": ORDERS },
                "Action": "sts:AssumeRole",
            }],
        });
        let checkout = IamRole::new("checkout")
            .trust(checkout_trust.to_string())
            .policy(checkout_may.to_string());
        let aws = LocalAws::builder()
            .clock(hands.clock())
            // The cluster issues tokens for a vault too: known to the account, and not to the role's trust policy.
            .account(
                Account::new(SHOP)
                    .oidc_provider(&cluster, ["sts.amazonaws.com", "vault"])
                    .role(checkout),
            )
            .account(
                Account::new(ORDERS).role(IamRole::new("orders").trust(orders_trust.to_string())),
            )
            .account(
                Account::new(BILLING)
                    .role(IamRole::new("billing").trust(billing_trust.to_string())),
            )
            .start()
            .await?;
        Ok(Self { aws, cluster, hands, tokens: TempDir::new()? })
    }

    /// The local AWS.
    pub fn aws(&self) -> &LocalAws {
        &self.aws
    }

    pub(crate) fn cluster(&self) -> &OidcIssuer {
        &self.cluster
    }

    pub(crate) fn hands(&self) -> &ManualClock {
        &self.hands
    }

    /// A key that is not the cluster's.
    pub(crate) fn foreign_key() -> Result<SigningKey, Trouble> {
        Ok(SigningKey::generate()?)
    }

    /// Where the tokens of the tour are written.
    pub fn token_folder(&self) -> &std::path::Path {
        self.tokens.path()
    }

    /// Writes a token file, as the kubelet does.
    pub(crate) async fn write_token(&self, name: &str, token: String) -> Result<PathBuf, Trouble> {
        let path = self.tokens.path().join(name);
        tokio::fs::write(&path, format!("{token}\n")).await?;
        Ok(path)
    }

    /// The variables that EKS sets in a pod, and the local AWS instead of the real one.
    pub(crate) fn environment(&self, token_file: &std::path::Path) -> Environment {
        Environment::fixed([
            ("AWS_ROLE_ARN", CHECKOUT_ROLE.as_ref()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token_file.as_os_str()),
            ("AWS_STS_REGIONAL_ENDPOINTS", "regional".as_ref()),
            ("AWS_REGION", "eu-west-1".as_ref()),
            ("AWS_DEFAULT_REGION", "eu-west-1".as_ref()),
            ("AWS_ENDPOINT_URL_STS", self.aws.endpoint_url().as_ref()),
            ("HOSTNAME", "checkout-7f9c".as_ref()),
        ])
    }

    /// A chain that begins with the token in this file.
    pub(crate) fn chain(&self, token_file: &std::path::Path) -> Result<Chain, Trouble> {
        let builder = rolecall::builder().environment(self.environment(token_file));
        Ok(builder.clock(self.hands.clock()).from_env()?)
    }

    /// The second role, as it should be asked for.
    pub(crate) fn orders() -> Result<Role, Trouble> {
        Ok(Role::new(ORDERS_ROLE)
            .and_then(|role| role.external_id(EXTERNAL_ID))
            .map_err(FetchError::from)?)
    }
}

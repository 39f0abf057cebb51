//! What the tour plays on: a cluster that signs tokens, three accounts, a clock to turn, a folder for token files.

use std::path::PathBuf;

use rolecall::policy::{
    EcrAccess, PermissionPolicy, PolicyError, S3Access, SecretsAccess, TrustPolicy,
    TrustedPrincipal, TrustedServiceAccount,
};
use rolecall::{Chain, Clock, Environment, FetchError, ManualClock, Role};
use rolecall_testkit::{Account, IamRole, LocalAws, OidcIssuer, SetupError, SigningKey};
use tempfile::TempDir;

use super::target::{Outside, Secret, Target};

/// What kept the tour from going on: not a step that went wrong, but the stage under it.
#[derive(Debug)]
pub enum Trouble {
    /// The local AWS or the cluster could not be set up.
    Setup(SetupError),
    /// A file could not be written, or the report.
    Io(std::io::Error),
    /// A policy cannot be written.
    Policy(PolicyError),
    /// The stage's own configuration is wrong.
    Config(FetchError),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Setup(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Policy(error) => write!(f, "{error}"),
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

impl From<PolicyError> for Trouble {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
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
/// What the example `tenants` assumes: it may use the objects of all tenants.
pub(crate) const TENANTS_ROLE: &str = "arn:aws:iam::444455556666:role/tenants";
pub(crate) const BILLING_ROLE: &str = "arn:aws:iam::777788889999:role/billing";

/// The Region of everything.
pub(crate) const REGION: &str = "eu-west-1";
/// What the second role is for.
pub(crate) const BUCKET: &str = "shop-orders";
pub(crate) const PREFIX: &str = "orders/";
pub(crate) const SECRETS: [(&str, &str); 2] =
    [("shop/db", "swordfish"), ("common/tls", "a common certificate")];
pub(crate) const REPOSITORY: &str = "shop/api";
/// What is there, too, and not for it.
pub(crate) const OUTSIDE_PREFIX: &str = "invoices/";
pub(crate) const OUTSIDE_SECRET: &str = "billing/db";
pub(crate) const OUTSIDE_REPOSITORY: &str = "billing/api";

/// What the second role may: objects under one prefix, secrets under two, repositories under one.
pub fn orders_policy() -> Result<PermissionPolicy, Trouble> {
    let objects = S3Access::under(BUCKET, [PREFIX])?.list().read().write().delete();
    let secrets = SecretsAccess::under(REGION, ["shop/", "common/"])?.read();
    let images = EcrAccess::under(REGION, ["shop/"])?.account(ORDERS)?.push().pull().delete();
    Ok(PermissionPolicy::builder().s3(objects).secrets(secrets).ecr(images).build()?)
}

/// A cluster that signs tokens, and three accounts on a local AWS.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) aws: LocalAws,
    pub(crate) cluster: OidcIssuer,
    pub(crate) tokens: TempDir,
}

impl Local {
    /// Starts them; the second role has this permission policy.
    pub(crate) async fn start(clock: Clock, orders_policy: String) -> Result<Self, Trouble> {
        let cluster = OidcIssuer::start_on(clock.clone()).await?;
        let service_account =
            TrustedServiceAccount::new(&cluster.provider_arn(SHOP), "shop", "checkout")?;
        let checkout_trust = TrustPolicy::builder().service_account(service_account).build()?;
        let checkout_may = PermissionPolicy::builder()
            .assume_roles([ORDERS_ROLE, TENANTS_ROLE, BILLING_ROLE])?
            .build()?;
        let checkout = TrustedPrincipal::role(CHECKOUT_ROLE)?.external_id(EXTERNAL_ID)?;
        let orders_trust = TrustPolicy::builder().principal(checkout).build()?;
        let nobody_here = TrustedPrincipal::account(ORDERS)?;
        let billing_trust = TrustPolicy::builder().principal(nobody_here).build()?;

        let all_tenants = S3Access::under(BUCKET, ["tenants/"])?.list().read().write();
        let tenants_may = PermissionPolicy::builder().s3(all_tenants).build()?;

        let mut orders = Account::new(ORDERS)
            .role(IamRole::new("tenants").trust(orders_trust.clone()).policy(tenants_may))
            .role(IamRole::new("orders").trust(orders_trust).policy(orders_policy))
            .bucket(BUCKET)
            .secret(REGION, OUTSIDE_SECRET, "none of your business")
            .repository(REGION, REPOSITORY)
            .repository(REGION, OUTSIDE_REPOSITORY);
        for (name, value) in SECRETS {
            orders = orders.secret(REGION, name, value);
        }
        let aws = LocalAws::builder()
            .clock(clock)
            // The cluster issues tokens for a vault too: known to the account, and not to the role's trust policy.
            .account(
                Account::new(SHOP)
                    .oidc_provider(&cluster, ["sts.amazonaws.com", "vault"])
                    .role(IamRole::new("checkout").trust(checkout_trust).policy(checkout_may)),
            )
            .account(orders)
            .account(Account::new(BILLING).role(IamRole::new("billing").trust(billing_trust)))
            .start()
            .await?;
        Ok(Self { aws, cluster, tokens: TempDir::new()? })
    }

    /// Writes a token file, as the kubelet does.
    pub(crate) async fn write_token(&self, name: &str, token: String) -> Result<PathBuf, Trouble> {
        let path = self.tokens.path().join(name);
        tokio::fs::write(&path, token).await?;
        Ok(path)
    }
}

/// What the tour plays on.
#[derive(Debug)]
pub struct Stage {
    local: Local,
    hands: ManualClock,
}

impl Stage {
    /// Starts the cluster's issuer and the local AWS, and sets up the accounts.
    pub async fn set() -> Result<Self, Trouble> {
        Self::with_orders_policy(orders_policy()?.to_json()).await
    }

    /// The same, with another permission policy for the second role.
    pub async fn with_orders_policy(json: String) -> Result<Self, Trouble> {
        let hands = ManualClock::new();
        let local = Local::start(hands.clock(), json).await?;
        Ok(Self { local, hands })
    }

    /// The local AWS.
    pub fn aws(&self) -> &LocalAws {
        &self.local.aws
    }

    pub(crate) fn cluster(&self) -> &OidcIssuer {
        &self.local.cluster
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
        self.local.tokens.path()
    }

    pub(crate) async fn write_token(&self, name: &str, token: String) -> Result<PathBuf, Trouble> {
        // Who writes such files by hand often leaves a line's end there.
        self.local.write_token(name, format!("{token}\n")).await
    }

    /// The variables that EKS sets in a pod, and the local AWS instead of the real one.
    pub(crate) fn environment(&self, token_file: &std::path::Path) -> Environment {
        Environment::fixed([
            ("AWS_ROLE_ARN", CHECKOUT_ROLE.as_ref()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token_file.as_os_str()),
            ("AWS_STS_REGIONAL_ENDPOINTS", "regional".as_ref()),
            ("AWS_REGION", REGION.as_ref()),
            ("AWS_DEFAULT_REGION", REGION.as_ref()),
            ("AWS_ENDPOINT_URL_STS", self.local.aws.endpoint_url().as_ref()),
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

    /// What the steps on services reach for, with the sessions at the chain's end and at its base.
    pub(crate) async fn target(&self, chain: &Chain) -> Target {
        let config = |provider| async {
            rolecall::sdk_config(provider)
                .region(aws_config::Region::new(REGION))
                .endpoint_url(self.local.aws.endpoint_url())
                .use_fips(false)
                .use_dual_stack(false)
                .time_source(self.hands.clock())
                .load()
                .await
        };
        let secret =
            |(id, value): (&str, &str)| Secret { id: id.into(), value: Some(value.into()) };
        Target {
            config: config(chain.cached()).await,
            before: Some(config(chain.base()).await),
            account: ORDERS.into(),
            region: REGION.into(),
            bucket: Some(BUCKET.into()),
            prefix: Some(PREFIX.into()),
            secrets: SECRETS.map(secret).into(),
            repository: Some(REPOSITORY.into()),
            outside: Outside {
                prefix: OUTSIDE_PREFIX.into(),
                secret: OUTSIDE_SECRET.into(),
                repository: OUTSIDE_REPOSITORY.into(),
            },
            run: "1".into(),
        }
    }
}

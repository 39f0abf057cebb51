//! The environment of the tour: a local AWS with three accounts, an OIDC issuer, a manual clock,
//! and a folder for token files.

use std::path::PathBuf;

use rolecall::policy::{
    EcrAccess, PermissionPolicy, PolicyError, S3Access, SecretsAccess, TrustPolicy,
    TrustedPrincipal, TrustedServiceAccount,
};
use rolecall::time::{Clock, ManualClock};
use rolecall::{Chain, Environment, Role, SessionError};
use rolecall_testkit::{Account, IamRole, LocalAws, OidcIssuer, SetupError, SigningKey};
use tempfile::TempDir;

use super::target::{Outside, Secret, Target};
use crate::error::ExampleError;

/// Error that ends the tour before its last step.
///
/// A step with an unexpected result does not end the tour: it is part of the report.
#[derive(Debug)]
pub enum TourError {
    /// The local AWS or the issuer could not be started.
    Setup(SetupError),
    /// A token file could not be written.
    Io(std::io::Error),
    /// A policy is invalid.
    Policy(PolicyError),
    /// The configuration of a chain is invalid.
    Config(SessionError),
}

impl std::fmt::Display for TourError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Setup(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Policy(error) => write!(f, "{error}"),
            Self::Config(error) => write!(f, "{}", error.report()),
        }
    }
}

impl std::error::Error for TourError {}

impl From<TourError> for ExampleError {
    fn from(error: TourError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<SetupError> for TourError {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl From<std::io::Error> for TourError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<PolicyError> for TourError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}

impl From<SessionError> for TourError {
    fn from(error: SessionError) -> Self {
        Self::Config(error)
    }
}

/// Account of the cluster and its workloads.
pub(crate) const SHOP: &str = "111122223333";
/// Account of the second role.
pub(crate) const ORDERS: &str = "444455556666";
/// Account that does not trust the other two.
pub(crate) const BILLING: &str = "777788889999";
/// External id that the second role requires.
pub(crate) const EXTERNAL_ID: &str = "shop-4711";

pub(crate) const CHECKOUT_ROLE: &str = "arn:aws:iam::111122223333:role/checkout";
pub(crate) const ORDERS_ROLE: &str = "arn:aws:iam::444455556666:role/orders";
/// Role of the example `tenants`, with access to the objects of all tenants.
pub(crate) const TENANTS_ROLE: &str = "arn:aws:iam::444455556666:role/tenants";
pub(crate) const BILLING_ROLE: &str = "arn:aws:iam::777788889999:role/billing";

/// Region of all resources.
pub(crate) const REGION: &str = "eu-west-1";
/// Resources that the second role can use.
pub(crate) const BUCKET: &str = "shop-orders";
pub(crate) const PREFIX: &str = "orders/";
pub(crate) const SECRETS: [(&str, &str); 2] =
    [("shop/db", "swordfish"), ("common/tls", "a common certificate")];
pub(crate) const REPOSITORY: &str = "shop/api";
/// Resources that exist, but that the second role cannot use.
pub(crate) const OUTSIDE_PREFIX: &str = "invoices/";
pub(crate) const OUTSIDE_SECRET: &str = "billing/db";
pub(crate) const OUTSIDE_REPOSITORY: &str = "billing/api";

/// Returns the permission policy of the second role: objects under one prefix, secrets under two,
/// and repositories under one.
///
/// # Errors
///
/// Returns a [`TourError`] if the builders reject a name.
pub fn orders_policy() -> Result<PermissionPolicy, TourError> {
    let objects = S3Access::under(BUCKET, [PREFIX])?.list().read().write().delete();
    let secrets = SecretsAccess::under(REGION, ["shop/", "common/"])?.read();
    let images = EcrAccess::under(REGION, ["shop/"])?.account(ORDERS)?.push().pull().delete();
    Ok(PermissionPolicy::builder().s3(objects).secrets(secrets).ecr(images).build()?)
}

/// A local AWS with three accounts, an issuer that signs tokens, and a folder for token files.
#[derive(Debug)]
pub(crate) struct LocalEnvironment {
    pub(crate) aws: LocalAws,
    pub(crate) cluster: OidcIssuer,
    pub(crate) tokens: TempDir,
}

impl LocalEnvironment {
    /// Starts the servers. The second role has the permission policy `orders_policy`.
    pub(crate) async fn start(clock: Clock, orders_policy: String) -> Result<Self, TourError> {
        let cluster = OidcIssuer::start_with_clock(clock.clone()).await?;
        let service_account =
            TrustedServiceAccount::new(&cluster.provider_arn(SHOP), "shop", "checkout")?;
        let checkout_trust = TrustPolicy::builder().service_account(service_account).build()?;
        let checkout_policy = PermissionPolicy::builder()
            .assume_roles([ORDERS_ROLE, TENANTS_ROLE, BILLING_ROLE])?
            .build()?;
        let checkout = TrustedPrincipal::role(CHECKOUT_ROLE)?.external_id(EXTERNAL_ID)?;
        let orders_trust = TrustPolicy::builder().principal(checkout).build()?;
        let orders_account = TrustedPrincipal::account(ORDERS)?;
        let billing_trust = TrustPolicy::builder().principal(orders_account).build()?;

        let all_tenants = S3Access::under(BUCKET, ["tenants/"])?.list().read().write();
        let tenants_policy = PermissionPolicy::builder().s3(all_tenants).build()?;

        let mut orders = Account::new(ORDERS)
            .role(IamRole::new("tenants").trust(orders_trust.clone()).policy(tenants_policy))
            .role(IamRole::new("orders").trust(orders_trust).policy(orders_policy))
            .bucket(BUCKET)
            .secret(REGION, OUTSIDE_SECRET, "not readable by the role orders")
            .repository(REGION, REPOSITORY)
            .repository(REGION, OUTSIDE_REPOSITORY);
        for (name, value) in SECRETS {
            orders = orders.secret(REGION, name, value);
        }
        let aws = LocalAws::builder()
            .clock(clock)
            // The audience `vault` is registered in the account, but the role's trust policy does
            // not accept it: STS must return another error than for an unknown audience.
            .account(
                Account::new(SHOP)
                    .oidc_provider(&cluster, ["sts.amazonaws.com", "vault"])
                    .role(IamRole::new("checkout").trust(checkout_trust).policy(checkout_policy)),
            )
            .account(orders)
            .account(Account::new(BILLING).role(IamRole::new("billing").trust(billing_trust)))
            .start()
            .await?;
        Ok(Self { aws, cluster, tokens: TempDir::new()? })
    }

    /// Writes a token file and returns its path.
    pub(crate) async fn write_token(
        &self,
        name: &str,
        token: String,
    ) -> Result<PathBuf, TourError> {
        let path = self.tokens.path().join(name);
        tokio::fs::write(&path, token).await?;
        Ok(path)
    }
}

/// The environment of the tour, and the manual clock of all its parts.
#[derive(Debug)]
pub struct Stage {
    local: LocalEnvironment,
    clock: ManualClock,
}

impl Stage {
    /// Starts the issuer and the local AWS with its accounts.
    ///
    /// # Errors
    ///
    /// Returns a [`TourError`] if one of them cannot be started.
    pub async fn start() -> Result<Self, TourError> {
        Self::with_orders_policy(orders_policy()?.to_json()).await
    }

    /// Starts the same environment with another permission policy for the second role.
    ///
    /// # Errors
    ///
    /// Returns a [`TourError`] if the policy is invalid or a server cannot be started.
    pub async fn with_orders_policy(json: String) -> Result<Self, TourError> {
        let clock = ManualClock::new();
        let local = LocalEnvironment::start(clock.clock(), json).await?;
        Ok(Self { local, clock })
    }

    /// Returns the local AWS.
    pub fn aws(&self) -> &LocalAws {
        &self.local.aws
    }

    pub(crate) fn cluster(&self) -> &OidcIssuer {
        &self.local.cluster
    }

    pub(crate) fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Generates a signing key that the issuer does not publish.
    pub(crate) fn generate_unknown_key() -> Result<SigningKey, TourError> {
        Ok(SigningKey::generate()?)
    }

    /// Returns the folder of the token files.
    pub fn token_folder(&self) -> &std::path::Path {
        self.local.tokens.path()
    }

    pub(crate) async fn write_token(
        &self,
        name: &str,
        token: String,
    ) -> Result<PathBuf, TourError> {
        // Files that are written by hand often end with a newline, which is not part of the token.
        self.local.write_token(name, format!("{token}\n")).await
    }

    /// Returns the environment that EKS sets in a pod, with the endpoint of the local AWS.
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

    /// Creates a chain whose base credentials come from the web identity token in `token_file`.
    pub(crate) fn chain(&self, token_file: &std::path::Path) -> Result<Chain, TourError> {
        let builder = rolecall::Chain::builder().environment(self.environment(token_file));
        Ok(builder.clock(self.clock.clock()).from_env()?)
    }

    /// Returns the second role with its external id.
    pub(crate) fn orders_role() -> Result<Role, TourError> {
        Ok(Role::new(ORDERS_ROLE)
            .and_then(|role| role.external_id(EXTERNAL_ID))
            .map_err(SessionError::from)?)
    }

    /// Returns the resources for the steps on services, with the sessions of the chain's last role
    /// and of its base.
    pub(crate) async fn service_target(&self, chain: &Chain) -> Target {
        let config = |provider| async {
            rolecall::sdk_config(provider)
                .region(aws_config::Region::new(REGION))
                .endpoint_url(self.local.aws.endpoint_url())
                .use_fips(false)
                .use_dual_stack(false)
                .time_source(self.clock.clock())
                .load()
                .await
        };
        let secret =
            |(id, value): (&str, &str)| Secret { id: id.into(), value: Some(value.into()) };
        Target {
            config: config(chain.provider()).await,
            before: Some(config(chain.base_provider()).await),
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

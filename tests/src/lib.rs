//! Shared fixtures of the integration tests, and the programs that take too long to be tests.
//!
//! - [`World`] sets up a local AWS with three accounts, an OIDC issuer and a manual clock.
//! - [`simulation`] and [`soak`] exercise a session pool for a simulated day and under injected
//!   faults.
//! - [`accounts`], [`permissions`] and [`python`] compare the local AWS with other implementations.
//!
//! The tests themselves are in `suite/` and build into one binary.

pub mod accounts;
pub mod figures;
pub mod permissions;
pub mod python;
pub mod simulation;
pub mod soak;

use std::io::Write as _;
use std::path::Path;

use rolecall::time::ManualClock;
use rolecall::{ChainBuilder, Environment};
use rolecall_testkit::{
    Account, IamRole, IamUser, LocalAws, LocalAwsBuilder, OidcIssuer, SetupError,
};
use serde_json::{Value, json};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// Account of the OIDC provider, the role `checkout` and the user `ann`.
pub const SHOP: &str = "111122223333";
/// Role that tokens of `system:serviceaccount:shop:checkout` can assume.
pub const CHECKOUT: &str = "arn:aws:iam::111122223333:role/checkout";
/// Role that trusts the account [`SHOP`].
pub const HUB: &str = "arn:aws:iam::444455556666:role/hub";
/// Role that trusts [`HUB`].
pub const ORDERS: &str = "arn:aws:iam::777788889999:role/orders";
/// Role without a trust policy: no principal can assume it.
pub const CLOSED: &str = "arn:aws:iam::777788889999:role/closed";

/// A local AWS with three accounts, an OIDC issuer, and the manual clock that both use.
#[derive(Debug)]
pub struct World {
    /// The local AWS with the accounts.
    pub aws: LocalAws,
    /// Issuer of the service account tokens that [`CHECKOUT`] trusts.
    pub cluster: OidcIssuer,
    /// Controls the time of the local AWS, the issuer and the chains of [`World::builder`].
    pub clock: ManualClock,
}

impl World {
    /// Starts the local AWS and the issuer.
    ///
    /// # Errors
    ///
    /// Returns a [`SetupError`] if either cannot listen on the loopback address.
    pub async fn new() -> Result<Self, SetupError> {
        Self::start(LocalAws::builder()).await
    }

    /// Starts a world whose local AWS keeps only the `newest` calls and sessions.
    ///
    /// Long runs use it so that the memory of the local AWS, which shares the process, stays
    /// bounded.
    ///
    /// # Errors
    ///
    /// Returns a [`SetupError`] if the local AWS or the issuer cannot listen.
    pub async fn with_record_limit(newest: usize) -> Result<Self, SetupError> {
        Self::start(LocalAws::builder().max_retained(newest)).await
    }

    async fn start(aws: LocalAwsBuilder) -> Result<Self, SetupError> {
        let clock = ManualClock::new();
        let cluster = OidcIssuer::start_with_clock(clock.clock()).await?;
        let issuer = cluster.host_and_path();
        let token_trust = trust_policy(
            json!("sts:AssumeRoleWithWebIdentity"),
            json!({ "Federated": cluster.provider_arn(SHOP) }),
            json!({ "StringEquals": {
                format!("{issuer}:sub"): "system:serviceaccount:shop:checkout",
                format!("{issuer}:aud"): "sts.amazonaws.com",
            } }),
        );
        let role_trust =
            |principal: &str| trust_policy(json!(ASSUME), json!({ "AWS": principal }), json!({}));
        let assume_policy = json!({ "Statement": {
            "Effect": "Allow", "Action": ASSUME, "Resource": "*",
        } })
        .to_string();
        let role =
            |name: &str, trust: String| IamRole::new(name).trust(trust).policy(&assume_policy);
        let aws = aws
            .clock(clock.clock())
            .account(
                Account::new(SHOP)
                    .oidc_provider(&cluster, ["sts.amazonaws.com"])
                    .user(IamUser::new("ann").policy(&assume_policy))
                    .role(role("checkout", token_trust)),
            )
            .account(Account::new("444455556666").role(role("hub", role_trust(SHOP))))
            .account(
                Account::new("777788889999")
                    .role(role("orders", role_trust(HUB)))
                    .role(IamRole::new("closed")),
            )
            .start()
            .await?;
        Ok(Self { aws, cluster, clock })
    }

    /// Returns the environment variables of a pod whose web identity token is in `token_file`.
    pub fn variables(&self, token_file: &Path) -> Vec<(String, String)> {
        [
            ("AWS_ROLE_ARN", CHECKOUT),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &token_file.to_string_lossy()),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL_STS", self.aws.endpoint_url()),
            ("AWS_ROLE_SESSION_NAME", "suite"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Returns a chain builder with a valid token, the local AWS as endpoint and the world's clock.
    ///
    /// # Errors
    ///
    /// Returns a [`SetupError`] if the token cannot be signed.
    pub fn builder(&self) -> Result<ChainBuilder, SetupError> {
        let token = self.cluster.service_account_token("shop", "checkout").sign()?;
        let file = Path::new("/token");
        let env = Environment::fixed(self.variables(file)).with_file(file, token);
        Ok(rolecall::Chain::builder().environment(env).clock(self.clock.clock()))
    }
}

/// The actions of AssumeRole calls that also send session tags and a source identity.
const ASSUME: [&str; 3] = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];

fn trust_policy(action: Value, principal: Value, condition: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition,
    }] })
    .to_string()
}

/// Clears the environment of `command`, so that it sees no AWS configuration of this machine.
pub fn clean(mut command: std::process::Command) -> std::process::Command {
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Returns `true` if `cargo xtask test --without TOOL` leaves out the current test, which must then
/// return.
///
/// Writes the name of the test to standard output, where xtask counts it: no test is left out
/// silently. The test harness captures `println!` but not this.
pub fn is_left_out(tool: &str) -> bool {
    let without = std::env::var("ROLECALL_WITHOUT").unwrap_or_default();
    if !without.split(',').any(|name| name == tool) {
        return false;
    }
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    // A closed standard output only loses the message.
    let _ = writeln!(std::io::stdout(), "left out: {name}: needs {tool}");
    true
}

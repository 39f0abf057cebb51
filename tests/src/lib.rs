//! What the suites share: a world to play in.
//!
//! The suites themselves are in `suite/`: one test binary.

pub mod accounts;
pub mod figures;
pub mod permissions;
pub mod python;
pub mod simulation;
pub mod soak;

use std::path::Path;

use rolecall::{Builder, Environment, ManualClock};
use rolecall_testkit::{
    Account, IamRole, IamUser, LocalAws, LocalAwsBuilder, OidcIssuer, SetupError,
};
use serde_json::{Value, json};

/// README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// The account of the web identity, its role `checkout` and its user `ann`.
pub const SHOP: &str = "111122223333";
/// The role that tokens of `system:serviceaccount:shop:checkout` assume.
pub const CHECKOUT: &str = "arn:aws:iam::111122223333:role/checkout";
/// Trusts the shop's account.
pub const HUB: &str = "arn:aws:iam::444455556666:role/hub";
/// Trusts the hub.
pub const ORDERS: &str = "arn:aws:iam::777788889999:role/orders";
/// Trusts nobody.
pub const CLOSED: &str = "arn:aws:iam::777788889999:role/closed";

/// Three accounts, a cluster, and a clock.
#[derive(Debug)]
pub struct World {
    /// The local AWS.
    pub aws: LocalAws,
    /// Signs tokens.
    pub cluster: OidcIssuer,
    /// Turns the clock of all.
    pub hands: ManualClock,
}

impl World {
    /// A new one.
    pub async fn new() -> Result<Self, SetupError> {
        Self::of(LocalAws::builder()).await
    }

    /// One whose local AWS remembers so many of the newest calls and sessions.
    pub async fn that_remembers(newest: usize) -> Result<Self, SetupError> {
        Self::of(LocalAws::builder().remembers(newest)).await
    }

    async fn of(aws: LocalAwsBuilder) -> Result<Self, SetupError> {
        let hands = ManualClock::new();
        let cluster = OidcIssuer::start_on(hands.clock()).await?;
        let issuer = cluster.host_and_path();
        let by_token = trust(
            json!("sts:AssumeRoleWithWebIdentity"),
            json!({ "Federated": cluster.provider_arn(SHOP) }),
            json!({ "StringEquals": {
                format!("{issuer}:sub"): "system:serviceaccount:shop:checkout",
                format!("{issuer}:aud"): "sts.amazonaws.com",
            } }),
        );
        let by_role =
            |principal: &str| trust(json!(ASSUME), json!({ "AWS": principal }), json!({}));
        let may_assume = json!({ "Statement": {
            "Effect": "Allow", "Action": ASSUME, "Resource": "*",
        } })
        .to_string();
        let role = |name: &str, trust: String| IamRole::new(name).trust(trust).policy(&may_assume);
        let aws = aws
            .clock(hands.clock())
            .account(
                Account::new(SHOP)
                    .oidc_provider(&cluster, ["sts.amazonaws.com"])
                    .user(IamUser::new("ann").policy(&may_assume))
                    .role(role("checkout", by_token)),
            )
            .account(Account::new("444455556666").role(role("hub", by_role(SHOP))))
            .account(
                Account::new("777788889999")
                    .role(role("orders", by_role(HUB)))
                    .role(IamRole::new("closed")),
            )
            .start()
            .await?;
        Ok(Self { aws, cluster, hands })
    }

    /// The variables of a pod whose token is in this file.
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

    /// A builder on the local AWS and its clock, with a right token.
    pub fn builder(&self) -> Result<Builder, SetupError> {
        let token = self.cluster.service_account_token("shop", "checkout").sign()?;
        let file = Path::new("/token");
        let env = Environment::fixed(self.variables(file)).with_file(file, token);
        Ok(rolecall::builder().environment(env).clock(self.hands.clock()))
    }
}

/// With tags and a source identity.
const ASSUME: [&str; 3] = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];

fn trust(action: Value, principal: Value, condition: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition,
    }] })
    .to_string()
}

/// A program with nothing of this machine's configuration.
pub fn clean(mut command: std::process::Command) -> std::process::Command {
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

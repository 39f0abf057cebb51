//! Tests code that assumes a role, on a local AWS and with a clock that the test advances.
//!
//! Runs without AWS:
//!
//! ```sh
//! cargo run -p rolecall --example testing --features test-util
//! ```
#![allow(clippy::print_stdout, reason = "the output of a program")]

use std::time::Duration;

use rolecall::time::ManualClock;
use rolecall::{CachedProvider, Chain, Environment, ErrorKind, Role, SessionError};
use rolecall_testkit::{Account, FaultRule, IamRole, IamUser, LocalAws};

const ACCOUNT: &str = "111122223333";

/// The code under test. It takes the chain, so that a test can pass one on the local AWS.
fn orders(chain: Chain) -> Result<CachedProvider, SessionError> {
    let role = Role::new("arn:aws:iam::111122223333:role/orders")?.external_id("shop-4711")?;
    Ok(chain.assume_role(role).provider())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    run().await
}

/// `tests/examples.rs` runs this, too.
pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let clock = ManualClock::new();
    let aws = start_aws(&clock).await?;
    let keys = aws.user_credentials(ACCOUNT, "ann").ok_or("no such user")?;
    // A fixed environment: the test neither reads nor sets variables of the process.
    let environment = Environment::fixed([
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_STS", aws.endpoint_url()),
    ]);
    let chain = Chain::builder()
        .clock(clock.clock())
        .environment(environment)
        .from_sdk_provider("ann", keys)?;
    let orders = orders(chain)?;

    // Calls share one session until it expires.
    let first = orders.session().await?;
    orders.session().await?;
    assert_eq!(aws.count("AssumeRole"), 1);
    clock.advance(Duration::from_secs(3600));
    let second = orders.session().await?;
    assert_ne!(first.access_key_id(), second.access_key_id());
    assert_eq!(aws.count("AssumeRole"), 2);

    // A failure of STS is an error when no valid session is cached.
    clock.advance(Duration::from_secs(3600));
    aws.inject(FaultRule::error(403, "AccessDenied", "not authorized").on("AssumeRole"))?;
    match orders.session().await {
        Err(error) if error.kind() == ErrorKind::Denied => println!("as expected: {error}"),
        other => return Err(format!("expected a denied session, got {other:?}").into()),
    }
    Ok(())
}

async fn start_aws(clock: &ManualClock) -> Result<LocalAws, Box<dyn std::error::Error>> {
    let trust = r#"{"Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"},
        "Condition": {"StringEquals": {"sts:ExternalId": "shop-4711"}}
    }}"#;
    let allow = r#"{"Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"
    }}"#;
    let account = Account::new(ACCOUNT)
        .user(IamUser::new("ann").policy(allow))
        .role(IamRole::new("orders").trust(trust));
    Ok(LocalAws::builder().clock(clock.clock()).account(account).start().await?)
}

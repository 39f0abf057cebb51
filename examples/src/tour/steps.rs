//! The steps of the tour, in order. Each has a name, an expected result, and the code that an
//! application would contain.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_credential_types::provider::ProvideCredentials;
use rolecall::provider::FetchContext;
use rolecall::sts::{CallerIdentity, CallerPrincipal};
use rolecall::{CachedProvider, Chain, ErrorKind, ProvideSession, Role, SessionError};
use tokio::task::JoinSet;

use super::report::{ExpectedDenial, Report};
use super::services;
use super::stage::{BILLING_ROLE, ORDERS_ROLE, Stage, TourError};

pub(crate) async fn run_all(stage: &Stage, report: &mut Report) -> Result<(), TourError> {
    let token = stage.cluster().service_account_token("shop", "checkout").sign()?;
    let token_file = stage.write_token("token", token).await?;
    run_session_steps(stage, &token_file, report).await?;
    run_external_id_steps(stage, &token_file, report).await?;
    run_token_steps(stage, report).await?;
    run_concurrency_step(stage, &token_file, report).await?;
    run_expiration_step(stage, &token_file, report).await?;
    run_services(stage, report).await
}

/// Uses the session of the last role for S3, Secrets Manager and ECR.
pub(crate) async fn run_services(stage: &Stage, report: &mut Report) -> Result<(), TourError> {
    let token = stage.cluster().service_account_token("shop", "checkout").sign()?;
    let token_file = stage.write_token("token", token).await?;
    let chain = stage.chain(&token_file)?.assume_role(Stage::orders_role()?);
    let target = stage.service_target(&chain).await;
    Box::pin(services::run_all(&target, report)).await;
    Ok(())
}

/// Obtains sessions from the token and for the second role, and verifies the identity of each.
async fn run_session_steps(
    stage: &Stage,
    token_file: &Path,
    report: &mut Report,
) -> Result<(), TourError> {
    let chain = stage.chain(token_file)?;
    let expected = "role checkout, session rolecall@checkout-7f9c, account 111122223333";
    report
        .expect_session(
            "web identity token -> role checkout",
            expected,
            describe_session(&chain.base_provider()),
        )
        .await;
    report
        .expect_session("GetCallerIdentity returns the same", expected, describe_caller(&chain))
        .await;

    let chain = chain.assume_role(Stage::orders_role()?);
    let expected = "role orders, session rolecall@checkout-7f9c, account 444455556666";
    report
        .expect_session(
            "role checkout -> role orders in another account, with external id",
            expected,
            describe_session(&chain.provider()),
        )
        .await;
    report
        .expect_session("GetCallerIdentity returns the same", expected, describe_caller(&chain))
        .await;
    Ok(())
}

/// Calls roles whose trust policy must deny the caller.
async fn run_external_id_steps(
    stage: &Stage,
    token_file: &Path,
    report: &mut Report,
) -> Result<(), TourError> {
    let chain = stage.chain(token_file)?;
    let orders = || Role::new(ORDERS_ROLE).map_err(SessionError::from);
    let wrong = orders()?.external_id("shop-4712").map_err(SessionError::from)?;
    let billing = Role::new(BILLING_ROLE).map_err(SessionError::from)?;
    let denied = |says| ExpectedDenial { kind: ErrorKind::Denied, code: "AccessDenied", says };
    for (name, role, says) in [
        (
            "denied: a wrong external id",
            wrong,
            &[
                "hop 1 of 1 (arn:aws:iam::444455556666:role/orders)",
                "sts:ExternalId",
                "\"shop-4712\"",
            ][..],
        ),
        (
            "denied: no external id",
            orders()?,
            &[
                "hop 1 of 1 (arn:aws:iam::444455556666:role/orders)",
                "sts:ExternalId",
                "no external id was sent",
            ],
        ),
        (
            "denied: an account that does not trust the caller",
            billing,
            &[
                "hop 1 of 1 (arn:aws:iam::777788889999:role/billing)",
                "allow arn:aws:sts::111122223333:assumed-role/checkout/rolecall@checkout-7f9c in the \
                 trust policy of arn:aws:iam::777788889999:role/billing",
            ],
        ),
    ] {
        let provider = chain.clone().assume_role(role).provider();
        report.expect_sts_denial(name, denied(says), describe_session(&provider)).await;
    }
    Ok(())
}

/// Sends tokens that the role's trust policy, or the identity provider in the account, must reject.
async fn run_token_steps(stage: &Stage, report: &mut Report) -> Result<(), TourError> {
    let cluster = stage.cluster();
    let unknown_key = Stage::generate_unknown_key()?;
    let checkout = || cluster.service_account_token("shop", "checkout");
    let location = "base credentials (web identity as arn:aws:iam::111122223333:role/checkout)";
    let rejected = |code, says| ExpectedDenial { kind: ErrorKind::TokenRejected, code, says };
    let denied = |says| ExpectedDenial { kind: ErrorKind::Denied, code: "AccessDenied", says };
    for (name, token, denied) in [
        (
            "denied: a token of another service account",
            cluster.service_account_token("shop", "basket").sign()?,
            denied(&[location, "sub system:serviceaccount:shop:basket", ":sub"]),
        ),
        (
            "denied: a token for an audience that the role does not trust",
            checkout().audience("vault").sign()?,
            denied(&[location, "aud vault", ":aud"]),
        ),
        (
            "denied: a token for an audience that the account does not know",
            checkout().audience("elsewhere").sign()?,
            rejected("InvalidIdentityToken", &[location, "aud elsewhere", "client id"]),
        ),
        (
            "denied: an expired token",
            checkout().expired_for(Duration::from_secs(300)).sign()?,
            rejected(
                "ExpiredTokenException",
                &[location, "expires ", "check the process that renews the token"],
            ),
        ),
        (
            "denied: a token signed by another key",
            checkout().signed_by(&unknown_key).sign()?,
            rejected("InvalidIdentityToken", &[location, "the keys that signed it"]),
        ),
    ] {
        let file = stage.write_token("bad-token", token).await?;
        let provider = stage.chain(&file)?.provider();
        report.expect_sts_denial(name, denied, describe_session(&provider)).await;
    }
    Ok(())
}

/// Calls an empty cache from a thousand tasks at once: they share one fetch.
async fn run_concurrency_step(
    stage: &Stage,
    token_file: &Path,
    report: &mut Report,
) -> Result<(), TourError> {
    let provider = stage.chain(token_file)?.assume_role(Stage::orders_role()?).provider();
    let before = StsCalls::count(stage);
    let work = async {
        call_concurrently(1000, &provider).await?;
        Ok(before.describe_since(stage))
    };
    let name = "1,000 concurrent calls through the cached provider";
    report.expect_session(name, "1 AssumeRoleWithWebIdentity, 1 AssumeRole", work).await;
    Ok(())
}

/// Lets the session of the last role expire, while that of the base is still valid, and calls from
/// a hundred tasks at once.
async fn run_expiration_step(
    stage: &Stage,
    token_file: &Path,
    report: &mut Report,
) -> Result<(), TourError> {
    let duration = Duration::from_secs(900);
    let role = Stage::orders_role()?.duration(duration).map_err(SessionError::from)?;
    let provider = stage.chain(token_file)?.assume_role(role).provider();
    // The latency must be long enough to distinguish one call from two consecutive ones.
    let latency = Duration::from_millis(300);
    let work = async {
        call_concurrently(1, &provider).await?;
        stage.clock().advance(duration + Duration::from_secs(1));
        stage.aws().set_latency(latency);
        let before = StsCalls::count(stage);
        let longest = call_concurrently(100, &provider).await;
        stage.aws().set_latency(Duration::ZERO);
        let longest = longest?;
        let one_call = if longest < 2 * latency { "one call" } else { "more than one call" };
        Ok(format!("{}; the longest wait was {one_call}", before.describe_since(stage)))
    };
    let name = "the session expires, 100 concurrent calls";
    let expected = "0 AssumeRoleWithWebIdentity, 1 AssumeRole; the longest wait was one call";
    report.expect_session(name, expected, work).await;
    Ok(())
}

/// Fetches a session and describes it by the response of STS.
pub(super) async fn describe_session(provider: &CachedProvider) -> Result<String, SessionError> {
    let session = provider.provide_session(FetchContext::foreground()).await?;
    let role = session.role();
    let name = role.and_then(|role| role.role_name()).unwrap_or("?");
    let session_name = role.and_then(|role| role.session_name()).unwrap_or("?");
    let account = session.account().map_or("?", |account| account.as_str());
    Ok(format!("role {name}, session {session_name}, account {account}"))
}

/// Calls GetCallerIdentity with the session of the chain and describes the response.
pub(super) async fn describe_caller(chain: &Chain) -> Result<String, SessionError> {
    let CallerIdentity { principal, account, .. } = chain.caller_identity().await?;
    Ok(match principal {
        CallerPrincipal::AssumedRole { role, session, .. } => {
            format!("role {role}, session {session}, account {account}")
        }
        other => format!("{other}, account {account}"),
    })
}

/// Calls the provider as the SDK does, from separate tasks, and returns the longest wait.
async fn call_concurrently(
    callers: usize,
    provider: &CachedProvider,
) -> Result<Duration, SessionError> {
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let provider = provider.clone();
        tasks.spawn(async move {
            let start = Instant::now();
            let credentials = provider.provide_credentials().await;
            (start.elapsed(), credentials.map(|_| ()))
        });
    }
    let mut longest = Duration::ZERO;
    for (waited, result) in tasks.join_all().await {
        result.map_err(|error| {
            SessionError::new(ErrorKind::Unavailable, "a concurrent call failed").with_cause(&error)
        })?;
        longest = longest.max(waited);
    }
    Ok(longest)
}

/// Numbers of calls to the local STS.
struct StsCalls {
    web_identity: usize,
    assume_role: usize,
}

impl StsCalls {
    fn count(stage: &Stage) -> Self {
        let calls = |operation| stage.aws().count(operation);
        Self { web_identity: calls("AssumeRoleWithWebIdentity"), assume_role: calls("AssumeRole") }
    }

    fn describe_since(&self, stage: &Stage) -> String {
        let now = Self::count(stage);
        let web_identity = now.web_identity - self.web_identity;
        let assume_role = now.assume_role - self.assume_role;
        format!("{web_identity} AssumeRoleWithWebIdentity, {assume_role} AssumeRole")
    }
}

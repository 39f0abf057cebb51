//! The steps, in order. A step is a name, what should come of it, and the code that a user would write.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_credential_types::provider::ProvideCredentials;
use rolecall::{
    CallerIdentity, Chain, ErrorKind, FetchContext, FetchError, Principal, Provider, Role,
    SessionSource,
};
use tokio::task::JoinSet;

use super::report::{Denied, Report};
use super::services;
use super::stage::{BILLING_ROLE, ORDERS_ROLE, Stage, Trouble};

pub(crate) async fn run_all(stage: &Stage, report: &mut Report) -> Result<(), Trouble> {
    let token = stage.cluster().service_account_token("shop", "checkout").sign()?;
    let token_file = stage.write_token("token", token).await?;
    way_to_the_session(stage, &token_file, report).await?;
    external_ids(stage, &token_file, report).await?;
    tokens(stage, report).await?;
    cost(stage, &token_file, report).await?;
    end_of_a_session(stage, &token_file, report).await?;
    run_services(stage, report).await
}

/// What the session at the end of the chain is for.
pub(crate) async fn run_services(stage: &Stage, report: &mut Report) -> Result<(), Trouble> {
    let token = stage.cluster().service_account_token("shop", "checkout").sign()?;
    let token_file = stage.write_token("token", token).await?;
    let chain = stage.chain(&token_file)?.assume(Stage::orders()?);
    let target = stage.target(&chain).await;
    Box::pin(services::run_all(&target, report)).await;
    Ok(())
}

/// Token, role, second role; and who we are after each.
async fn way_to_the_session(
    stage: &Stage,
    token_file: &Path,
    report: &mut Report,
) -> Result<(), Trouble> {
    let chain = stage.chain(token_file)?;
    let expected = "role checkout, session rolecall@checkout-7f9c, account 111122223333";
    report.expect("web identity token -> role checkout", expected, signed_in(&chain.base())).await;
    report.expect("GetCallerIdentity says so too", expected, who_am_i(&chain)).await;

    let chain = chain.assume(Stage::orders()?);
    let expected = "role orders, session rolecall@checkout-7f9c, account 444455556666";
    report
        .expect(
            "role checkout -> role orders in another account, with external id",
            expected,
            signed_in(&chain.cached()),
        )
        .await;
    report.expect("GetCallerIdentity says so too", expected, who_am_i(&chain)).await;
    Ok(())
}

/// What a role's trust policy asks of a caller.
async fn external_ids(
    stage: &Stage,
    token_file: &Path,
    report: &mut Report,
) -> Result<(), Trouble> {
    let chain = stage.chain(token_file)?;
    let orders = || Role::new(ORDERS_ROLE).map_err(FetchError::from);
    let wrong = orders()?.external_id("shop-4712").map_err(FetchError::from)?;
    let billing = Role::new(BILLING_ROLE).map_err(FetchError::from)?;
    let denied = |says| Denied { kind: ErrorKind::Denied, code: "AccessDenied", says };
    for (name, role, says) in [
        (
            "denied: a wrong external id",
            wrong,
            &[
                "hop 1 of 1, arn:aws:iam::444455556666:role/orders",
                "sts:ExternalId",
                "\"shop-4712\"",
            ][..],
        ),
        (
            "denied: no external id",
            orders()?,
            &[
                "hop 1 of 1, arn:aws:iam::444455556666:role/orders",
                "sts:ExternalId",
                "no external id was sent",
            ],
        ),
        (
            "denied: an account that does not trust the caller",
            billing,
            &[
                "hop 1 of 1, arn:aws:iam::777788889999:role/billing",
                "the trust policy of arn:aws:iam::777788889999:role/billing must allow \
                 arn:aws:sts::111122223333:assumed-role/checkout/rolecall@checkout-7f9c",
            ],
        ),
    ] {
        let provider = chain.clone().assume(role).cached();
        report.expect_denied(name, denied(says), signed_in(&provider)).await;
    }
    Ok(())
}

/// What the role's trust policy and the account's identity provider ask of a token.
async fn tokens(stage: &Stage, report: &mut Report) -> Result<(), Trouble> {
    let cluster = stage.cluster();
    let foreign_key = Stage::foreign_key()?;
    let checkout = || cluster.service_account_token("shop", "checkout");
    let place = "base (web identity, arn:aws:iam::111122223333:role/checkout)";
    let rejected = |code, says| Denied { kind: ErrorKind::TokenRejected, code, says };
    let denied = |says| Denied { kind: ErrorKind::Denied, code: "AccessDenied", says };
    for (name, token, denied) in [
        (
            "denied: a token of another service account",
            cluster.service_account_token("shop", "basket").sign()?,
            denied(&[place, "sub system:serviceaccount:shop:basket", ":sub"]),
        ),
        (
            "denied: a token for an audience that the role does not trust",
            checkout().audience("vault").sign()?,
            denied(&[place, "aud vault", ":aud"]),
        ),
        (
            "denied: a token for an audience that the account does not know",
            checkout().audience("elsewhere").sign()?,
            rejected("InvalidIdentityToken", &[place, "aud elsewhere", "client id"]),
        ),
        (
            "denied: an expired token",
            checkout().expired_for(Duration::from_secs(300)).sign()?,
            rejected("ExpiredTokenException", &[place, "ends ", "who renews it"]),
        ),
        (
            "denied: a token signed by another key",
            checkout().signed_by(&foreign_key).sign()?,
            rejected("InvalidIdentityToken", &[place, "whose keys signed it"]),
        ),
    ] {
        let file = stage.write_token("bad-token", token).await?;
        let provider = stage.chain(&file)?.cached();
        report.expect_denied(name, denied, signed_in(&provider)).await;
    }
    Ok(())
}

/// A thousand callers at once, on a chain that holds nothing yet.
async fn cost(stage: &Stage, token_file: &Path, report: &mut Report) -> Result<(), Trouble> {
    let provider = stage.chain(token_file)?.assume(Stage::orders()?).cached();
    let before = Calls::of(stage);
    let work = async {
        all_at_once(1000, &provider).await?;
        Ok(before.until_now(stage))
    };
    let name = "1,000 concurrent calls through the cached provider";
    report.expect(name, "1 AssumeRoleWithWebIdentity, 1 AssumeRole", work).await;
    Ok(())
}

/// The last hop's session ends; the base's does not.
async fn end_of_a_session(
    stage: &Stage,
    token_file: &Path,
    report: &mut Report,
) -> Result<(), Trouble> {
    let quarter = Duration::from_secs(900);
    let role = Stage::orders()?.duration(quarter).map_err(FetchError::from)?;
    let provider = stage.chain(token_file)?.assume(role).cached();
    // Long enough to tell one call from two after each other.
    let latency = Duration::from_millis(300);
    let work = async {
        all_at_once(1, &provider).await?;
        stage.hands().advance(quarter + Duration::from_secs(1));
        stage.aws().set_latency(latency);
        let before = Calls::of(stage);
        let longest = all_at_once(100, &provider).await;
        stage.aws().set_latency(Duration::ZERO);
        let longest = longest?;
        let one_call = if longest < 2 * latency { "one call" } else { "more than one call" };
        Ok(format!("{}; the longest wait was {one_call}", before.until_now(stage)))
    };
    let name = "the session ends by the local clock, 100 callers at once";
    let expected = "0 AssumeRoleWithWebIdentity, 1 AssumeRole; the longest wait was one call";
    report.expect(name, expected, work).await;
    Ok(())
}

/// Gets the session and says who it is, by what STS said when it was granted.
pub(super) async fn signed_in(provider: &Provider) -> Result<String, FetchError> {
    let session = provider.session(FetchContext::caller()).await?;
    let role = session.role();
    let name = role.and_then(|role| role.role_name()).unwrap_or("?");
    let session_name = role.and_then(|role| role.session_name()).unwrap_or("?");
    let account = session.account().map_or("?", |account| account.as_str());
    Ok(format!("role {name}, session {session_name}, account {account}"))
}

/// Asks STS who the session at the end of the chain is.
pub(super) async fn who_am_i(chain: &Chain) -> Result<String, FetchError> {
    let CallerIdentity { principal, account, .. } = chain.caller_identity().await?;
    Ok(match principal {
        Principal::AssumedRole { role, session } => {
            format!("role {role}, session {session}, account {account}")
        }
        other => format!("{other}, account {account}"),
    })
}

/// Calls as the SDK does, from tasks of their own; says how long the slowest of them waited.
async fn all_at_once(callers: usize, provider: &Provider) -> Result<Duration, FetchError> {
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let provider = provider.clone();
        tasks.spawn(async move {
            let begun = Instant::now();
            let credentials = provider.provide_credentials().await;
            (begun.elapsed(), credentials.map(|_| ()))
        });
    }
    let mut longest = Duration::ZERO;
    for (waited, result) in tasks.join_all().await {
        result.map_err(|error| {
            FetchError::new(ErrorKind::Unavailable, "a caller got none").with_cause(&error)
        })?;
        longest = longest.max(waited);
    }
    Ok(longest)
}

/// What the local STS has counted.
struct Calls {
    web_identity: usize,
    assume_role: usize,
}

impl Calls {
    fn of(stage: &Stage) -> Self {
        let count = |operation| stage.aws().count(operation);
        Self { web_identity: count("AssumeRoleWithWebIdentity"), assume_role: count("AssumeRole") }
    }

    fn until_now(&self, stage: &Stage) -> String {
        let now = Self::of(stage);
        let web_identity = now.web_identity - self.web_identity;
        let assume_role = now.assume_role - self.assume_role;
        format!("{web_identity} AssumeRoleWithWebIdentity, {assume_role} AssumeRole")
    }
}

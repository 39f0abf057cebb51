//! The steps on an account of one's own.

use std::time::{SystemTime, UNIX_EPOCH};

use rolecall::{Chain, ErrorKind, FetchError, Role};

use super::report::{Denied, Expected, Report};
use super::target::{Outside, Secret, Target};
use super::{services, steps};
use crate::plain::Plain;

/// What of an account the tour may use. A step for which something is missing is not done.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Account {
    /// A role to assume; give it once for each hop, in order.
    #[arg(long, value_name = "ARN", requires = "live")]
    pub role_arn: Vec<String>,
    /// The external id of the last role.
    #[arg(long, value_name = "ID", requires = "role_arn")]
    pub external_id: Option<String>,
    /// A bucket that the last role may use under --prefix.
    #[arg(long, requires = "live")]
    pub bucket: Option<String>,
    /// A prefix in the bucket; it ends in /.
    #[arg(long, requires = "bucket")]
    pub prefix: Option<String>,
    /// A secret that the last role may read; may be given more than once.
    #[arg(long, value_name = "ID", requires = "live")]
    pub secret_id: Vec<String>,
    /// An ECR repository that the last role may push to, pull from and delete images in.
    #[arg(long, value_name = "NAME", requires = "live")]
    pub repository: Option<String>,
}

/// Names that no account has; the policies in docs/live.md do not reach them.
const OUTSIDE: &str = "rolecall-tour-outside/";

/// Runs the steps on the account that the environment points to. What it makes there it takes away.
pub async fn live(account: &Account) -> Result<Report, Plain> {
    if let Some(prefix) = account.prefix.as_ref().filter(|prefix| !prefix.ends_with('/')) {
        let text = format!("--prefix {prefix:?} does not end in /: {:?}", format!("{prefix}/"));
        return Err(Plain::usage(text));
    }
    let base = rolecall::from_env()?;
    let mut report = Report::default();
    let who = async { Ok(steps::who_am_i(&base).await?) };
    report.does(base.describe(), Expected::Any("an identity"), who).await;

    let (mut chain, mut before) = (base, None);
    for (index, arn) in account.role_arn.iter().enumerate() {
        let role = Role::new(arn)?;
        let last = index + 1 == account.role_arn.len();
        let full = match &account.external_id {
            Some(id) if last => role.clone().external_id(id)?,
            _ => role.clone(),
        };
        if let (true, Some(id)) = (last, &account.external_id) {
            external_ids(&chain, &role, id, &mut report).await?;
        }
        before = Some(chain.cached());
        chain = chain.assume(full);
        let expected = format!("role {}, account {}", role.arn().name(), role.arn().account());
        let who = async {
            let said = steps::who_am_i(&chain).await?;
            let session = format!("role {}, session ", role.arn().name());
            let named = said.strip_prefix(&session).and_then(|rest| rest.split_once(", "));
            Ok(match named {
                Some((_, account)) => format!("role {}, {account}", role.arn().name()),
                None => said,
            })
        };
        report.does(&format!("-> {arn}"), Expected::Exactly(expected), who).await;
    }

    let config = rolecall::sdk_config(chain.cached()).load().await;
    let before = match before {
        Some(provider) => Some(rolecall::sdk_config(provider).load().await),
        None => None,
    };
    let account_id = match chain.caller_identity().await {
        Ok(identity) => identity.account.to_string(),
        // Said by the steps above already.
        Err(_) => return Ok(report),
    };
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let secret = |id: &String| Secret { id: id.clone(), value: None };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let target = Target {
        config,
        before,
        account: account_id,
        region,
        bucket: account.bucket.clone(),
        prefix: account.prefix.clone(),
        secrets: account.secret_id.iter().map(secret).collect(),
        repository: account.repository.clone(),
        outside: Outside {
            prefix: OUTSIDE.into(),
            secret: format!("{OUTSIDE}secret"),
            repository: format!("{OUTSIDE}repository"),
        },
        run: format!("{:x}", now.as_nanos()),
    };
    Box::pin(services::run_all(&target, &mut report)).await;
    Ok(report)
}

/// A role that asks for an external id is had with no other, and not without.
async fn external_ids(
    parent: &Chain,
    role: &Role,
    right: &str,
    report: &mut Report,
) -> Result<(), Plain> {
    let wrong = role.clone().external_id(format!("{right}-wrong")).map_err(FetchError::from)?;
    for (name, role) in
        [("denied: a wrong external id", wrong), ("denied: no external id", role.clone())]
    {
        let says = [role.arn().as_str(), "sts:ExternalId"];
        let denied = Denied { kind: ErrorKind::Denied, code: "AccessDenied", says: &says };
        let provider = parent.clone().assume(role.clone()).cached();
        report.expect_denied(name, denied, steps::signed_in(&provider)).await;
    }
    Ok(())
}

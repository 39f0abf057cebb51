//! The steps of the tour in an AWS account.

use std::time::{SystemTime, UNIX_EPOCH};

use rolecall::{Chain, ErrorKind, Role, SessionError};

use super::report::{Expected, ExpectedDenial, Report};
use super::target::{Outside, Secret, Target};
use super::{services, steps};
use crate::error::ExampleError;

/// Resources of an AWS account that the tour may use. Steps whose arguments are missing are
/// skipped.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Account {
    /// Role to assume; repeat it for each hop, in order.
    #[arg(long, value_name = "ARN", requires = "live")]
    pub role_arn: Vec<String>,
    /// External id of the last role.
    #[arg(long, value_name = "ID", requires = "role_arn")]
    pub external_id: Option<String>,
    /// Bucket that the last role can use under --prefix.
    #[arg(long, requires = "live")]
    pub bucket: Option<String>,
    /// Prefix in the bucket, ending with /.
    #[arg(long, requires = "bucket")]
    pub prefix: Option<String>,
    /// Secret that the last role can read; can be repeated.
    #[arg(long, value_name = "ID", requires = "live")]
    pub secret_id: Vec<String>,
    /// ECR repository in which the last role can push, pull and delete images.
    #[arg(long, value_name = "NAME", requires = "live")]
    pub repository: Option<String>,
}

/// Prefix of names that do not exist and that the policies in docs/live.md do not cover.
const OUTSIDE: &str = "rolecall-tour-outside/";

/// Runs the steps in the AWS account that the environment selects. Created resources are deleted.
///
/// # Errors
///
/// Returns an error if an argument or the configuration is invalid. A step with an unexpected
/// result is not an error: it is part of the report.
pub async fn live(account: &Account) -> Result<Report, ExampleError> {
    if let Some(prefix) = account.prefix.as_ref().filter(|prefix| !prefix.ends_with('/')) {
        let text =
            format!("--prefix {prefix:?} does not end in /; hint: pass {:?}", format!("{prefix}/"));
        return Err(ExampleError::usage(text));
    }
    let base = rolecall::from_env()?;
    let mut report = Report::default();
    let caller = async { Ok(steps::describe_caller(&base).await?) };
    report.expect_success(base.description(), Expected::Any("an identity"), caller).await;

    let (mut chain, mut before) = (base, None);
    for (index, arn) in account.role_arn.iter().enumerate() {
        let role = Role::new(arn)?;
        let last = index + 1 == account.role_arn.len();
        let with_external_id = match &account.external_id {
            Some(id) if last => role.clone().external_id(id)?,
            _ => role.clone(),
        };
        if let (true, Some(id)) = (last, &account.external_id) {
            run_external_id_steps(&chain, &role, id, &mut report).await?;
        }
        before = Some(chain.provider());
        chain = chain.assume_role(with_external_id);
        let expected = format!("role {}, account {}", role.arn().name(), role.arn().account());
        // The session name is rolecall's own, so only role and account are compared.
        let caller = async {
            let description = steps::describe_caller(&chain).await?;
            let session = format!("role {}, session ", role.arn().name());
            let rest = description.strip_prefix(&session).and_then(|rest| rest.split_once(", "));
            Ok(match rest {
                Some((_, account)) => format!("role {}, {account}", role.arn().name()),
                None => description,
            })
        };
        report.expect_success(&format!("-> {arn}"), Expected::Exactly(expected), caller).await;
    }

    let config = rolecall::sdk_config(chain.provider()).load().await;
    let before = match before {
        Some(provider) => Some(rolecall::sdk_config(provider).load().await),
        None => None,
    };
    let account_id = match chain.caller_identity().await {
        Ok(identity) => identity.account.to_string(),
        // The steps above have reported the error. Without a session, no other step can run.
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

/// Assumes the role with a wrong external id and without one: both must be denied.
async fn run_external_id_steps(
    parent: &Chain,
    role: &Role,
    external_id: &str,
    report: &mut Report,
) -> Result<(), ExampleError> {
    let wrong =
        role.clone().external_id(format!("{external_id}-wrong")).map_err(SessionError::from)?;
    for (name, role) in
        [("denied: a wrong external id", wrong), ("denied: no external id", role.clone())]
    {
        let says = [role.arn().as_str(), "sts:ExternalId"];
        let denied = ExpectedDenial { kind: ErrorKind::Denied, code: "AccessDenied", says: &says };
        let provider = parent.clone().assume_role(role.clone()).provider();
        report.expect_sts_denial(name, denied, steps::describe_session(&provider)).await;
    }
    Ok(())
}

//! The base credentials and the roles on top of them, one after the other.

use std::time::Duration;

use rolecall::provider::FetchMode;
use rolecall::{Chain, Session, SessionError};

use super::network::Seen;
use super::report::Report;
use crate::error::Failure;
use crate::identity::RoleArgs;
use crate::output::progress;
use crate::time::distance;

/// Time limit of a session, above the limit of a call to STS with its retries.
const SESSION_TIMEOUT: Duration = Duration::from_secs(20);
/// Time limit of a session for which a person enters an MFA code.
const MFA_TIMEOUT: Duration = Duration::from_secs(150);

const BASE: &str = "base credentials";

/// Lists the checks of the chain as not run.
pub(super) fn skip(report: &mut Report<'_>, roles: &RoleArgs) -> Result<(), Failure> {
    report.not_run(BASE, "no identity was selected")?;
    skip_roles(report, roles, 0, "no identity was selected")
}

fn skip_roles(
    report: &mut Report<'_>,
    roles: &RoleArgs,
    first: usize,
    reason: &str,
) -> Result<(), Failure> {
    for (index, arn) in roles.roles.iter().enumerate().skip(first) {
        report.not_run(&name(index), &format!("{arn}: {reason}"))?;
    }
    Ok(())
}

fn name(index: usize) -> String {
    format!("role {}", index + 1)
}

/// What the earlier checks found.
pub(super) struct Checks<'a> {
    pub(super) seen: &'a Seen,
    pub(super) token_is_readable: bool,
}

impl Checks<'_> {
    /// Fetches a session of the base credentials and of each role.
    pub(super) async fn run(
        &self,
        report: &mut Report<'_>,
        roles: &RoleArgs,
        base: &Chain,
        first: usize,
    ) -> Result<(), Failure> {
        if !self.check_base(report, base).await? {
            return skip_roles(report, roles, first, "there are no base credentials");
        }
        if !self.seen.is_reachable {
            return skip_roles(report, roles, first, "STS is not reachable");
        }
        let mut chain = base.clone();
        for (index, arn) in roles.roles.iter().enumerate().skip(first) {
            chain = roles.add_role(chain, index)?;
            let limit = match (&roles.mfa_serial, index) {
                (Some(_), 0) => MFA_TIMEOUT,
                _ => SESSION_TIMEOUT,
            };
            let check = name(index);
            match fetch(report, &chain, limit, &format!("assuming {arn}")).await {
                Ok(session) => report.ok(&check, describe(&session, arn.as_str()))?,
                Err(failure) => {
                    let (message, hint) = parts(failure);
                    report.error(&check, message, hint)?;
                    return skip_roles(report, roles, index + 1, "the role before it failed");
                }
            }
        }
        Ok(())
    }

    /// Returns `true` if the base credentials can sign calls.
    async fn check_base(&self, report: &mut Report<'_>, base: &Chain) -> Result<bool, Failure> {
        if !self.token_is_readable {
            report.not_run(BASE, "the token cannot be read")?;
            return Ok(false);
        }
        if base.web_identity().is_some() && !self.seen.is_reachable {
            report.not_run(BASE, "STS is not reachable")?;
            return Ok(false);
        }
        let session = match fetch(report, base, SESSION_TIMEOUT, "fetching credentials").await {
            Ok(session) => session,
            Err(failure) => {
                let (message, hint) = parts(failure);
                report.error(BASE, message, hint)?;
                return Ok(false);
            }
        };
        if !self.seen.is_reachable {
            let message = describe(&session, &format!("access key {}", session.access_key_id()));
            report.ok(BASE, format!("{message}; STS was not asked"))?;
            return Ok(true);
        }
        // Keys can be read and yet be of no use: only STS knows whether they exist.
        let sts = base.sts_client()?;
        let call = sts.caller_identity(&session, FetchMode::Foreground);
        match progress::show(report.output(), "calling STS", call).await {
            Ok(caller) => report.ok(BASE, describe(&session, &caller.arn))?,
            Err(error) => {
                let (message, hint) = parts(error.into());
                report.error(BASE, message, hint)?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

async fn fetch(
    report: &Report<'_>,
    chain: &Chain,
    limit: Duration,
    text: &str,
) -> Result<Session, Failure> {
    let provider = chain.provider();
    let fetch = tokio::time::timeout(limit, provider.session());
    let result: Result<Session, SessionError> =
        match progress::show(report.output(), text, fetch).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("no session within {} s", limit.as_secs());
                return Err(Failure::operation(message));
            }
        };
    Ok(result?)
}

fn parts(failure: Failure) -> (String, Option<String>) {
    match failure {
        Failure::Operation { message, hint } | Failure::Usage { message, hint } => (message, hint),
        Failure::Program { message, .. } => (message, None),
        Failure::Closed => (String::new(), None),
    }
}

fn describe(session: &Session, arn: &str) -> String {
    match session.expires_at() {
        Some(time) => {
            format!("{arn}, expires {}", distance(time, std::time::SystemTime::now()))
        }
        None => format!("{arn}, no expiration is known"),
    }
}

//! The web identity token: its file, and what its claims say.

use std::path::Path;
use std::time::SystemTime;

use rolecall::web_identity::{ProvideWebIdentityToken, TokenFile, UnverifiedClaims};
use rolecall::{Chain, Environment};

use super::network::Seen;
use super::report::Report;
use crate::error::Failure;
use crate::time::{distance, timestamp_and_distance};

/// The audience that AWS's own OIDC integrations request.
const AUDIENCE: &str = "sts.amazonaws.com";

/// Checks the token of the base credentials, and returns `false` if it cannot be read. A chain
/// without a token file has nothing to check.
pub(super) async fn check(
    report: &mut Report<'_>,
    chain: &Chain,
    seen: &Seen,
    environment: &Environment,
) -> Result<bool, Failure> {
    let Some(config) = chain.web_identity() else { return Ok(true) };
    let path = &config.token_file;
    let token = match TokenFile::of(config, environment.clone()).provide_token().await {
        Ok(token) => token,
        Err(error) => {
            report.error("token file", error.message(), error.hint().map(str::to_owned))?;
            report.not_run("token", "the file cannot be read")?;
            return Ok(false);
        }
    };
    let claims = UnverifiedClaims::of(token.expose());
    let modified = environment.modified(path).await;
    check_file(report, path, modified, claims.as_ref())?;
    match &claims {
        Some(claims) => check_claims(report, claims, seen.now())?,
        None => {
            let hint = "check that the file contains one token of an OIDC issuer, and nothing else";
            report.warning("token", "the token is not a JWT with readable claims", hint)?;
        }
    }
    Ok(true)
}

fn check_file(
    report: &mut Report<'_>,
    path: &Path,
    modified: Option<SystemTime>,
    claims: Option<&UnverifiedClaims>,
) -> Result<(), Failure> {
    let written = match modified {
        Some(time) => format!(", written {}", distance(time, SystemTime::now())),
        None => String::new(),
    };
    let message = format!("{}{written}", path.display());
    // The kubelet decides about the permissions of its files, which only the pod sees.
    let is_kubernetes = claims.is_some_and(|claims| claims.kubernetes().is_some());
    match others(path) {
        Some(mode) if mode & 0o022 != 0 || (mode & 0o004 != 0 && !is_kubernetes) => {
            let message = format!("{message}: other users can read or change it (mode {mode:03o})");
            report.warning("token file", message, format!("run `chmod 600 {}`", path.display()))
        }
        _ => report.ok("token file", message),
    }
}

/// Returns the permissions of the file.
#[cfg(unix)]
fn others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn others(_path: &Path) -> Option<u32> {
    None
}

fn check_claims(
    report: &mut Report<'_>,
    claims: &UnverifiedClaims,
    now: SystemTime,
) -> Result<(), Failure> {
    let renew = "check the process that renews the token, such as the kubelet of this node";
    if let Some(expires_at) = claims.expires_at().filter(|time| *time <= now) {
        let message = format!(
            "the token has expired: {} ({claims})",
            timestamp_and_distance(expires_at, now)
        );
        return report.error("token", message, Some(renew.to_owned()));
    }
    if let Some(not_before) = claims.not_before().filter(|time| *time > now) {
        let message = format!(
            "the token is not valid yet: {} ({claims})",
            timestamp_and_distance(not_before, now)
        );
        let hint = "check the clock of the token's issuer, and that of this machine";
        return report.error("token", message, Some(hint.to_owned()));
    }
    let left = match claims.expires_at() {
        Some(time) => format!(" ({})", distance(time, now)),
        None => String::new(),
    };
    let message = format!("{claims}{left}");
    if claims.audiences().iter().any(|audience| audience == AUDIENCE) {
        return report.ok("token", message);
    }
    let hint = format!(
        "request a token with the audience {AUDIENCE}, or check that the OIDC provider in IAM has \
         the token's audience as a client id"
    );
    report.warning("token", format!("the audience is not {AUDIENCE}: {message}"), hint)
}

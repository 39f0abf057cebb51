//! The variables and files that select the identity and the endpoint. Values are never shown.

use std::path::Path;

use rolecall::Environment;
use rolecall::config_files::{ConfigFile, config_files};
use rolecall::provider::FileFault;

use super::report::Report;
use crate::error::Failure;
use crate::identity::Base;
use crate::identity_variables::IDENTITY;

/// Variables that select the source of identities, the endpoint, the proxy or the certificates.
const VARIABLES: [&str; 23] = [
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

pub(super) fn check(
    report: &mut Report<'_>,
    environment: &Environment,
    base: &Base,
) -> Result<(), Failure> {
    let mut set = Vec::new();
    for name in IDENTITY.into_iter().chain(VARIABLES) {
        match environment.var(name) {
            Ok(Some(_)) => set.push(name),
            Ok(None) => {}
            Err(error) => {
                let hint = error.hint().map(str::to_owned);
                report.error("variables", error.message(), hint)?;
            }
        }
    }
    let set = match set.is_empty() {
        true => "none is set".to_owned(),
        false => format!("{} (values are not shown)", set.join(", ")),
    };
    report.ok("variables", set)?;
    let files = match config_files(environment) {
        Ok(files) => files,
        // The variable has its line already.
        Err(_) => return Ok(()),
    };
    let profile_is_named =
        matches!(base, Base::Profile(_)) || matches!(environment.var("AWS_PROFILE"), Ok(Some(_)));
    for file in files {
        check_file(report, environment, &file, profile_is_named)?;
    }
    Ok(())
}

fn check_file(
    report: &mut Report<'_>,
    environment: &Environment,
    file: &ConfigFile,
    profile_is_named: bool,
) -> Result<(), Failure> {
    let is_config = file.variable == "AWS_CONFIG_FILE";
    let check = if is_config { "config file" } else { "credentials file" };
    let origin = if file.is_set { format!(" ({})", file.variable) } else { String::new() };
    let shown = format!("{}{origin}", file.path.display());
    match file.read(environment).map_err(|error| error.fault) {
        Ok(_) if !is_config && is_open_to_others(&file.path) => {
            let hint = format!("run `chmod 600 {}`", file.path.display());
            report.warning(check, format!("other users can read or change {shown}"), hint)
        }
        // An empty device in place of a file is a common way to disable it.
        Ok(_) | Err(FileFault::NotRegular) => report.ok(check, shown),
        Err(FileFault::Missing) => {
            let message = format!("{shown} does not exist");
            match file.is_set {
                true => report.warning(check, message, "create the file, or unset the variable"),
                false => report.ok(check, message),
            }
        }
        Err(fault) => {
            let message = format!("cannot read {shown}: {fault}");
            let hint = "check the owner and the permissions of the file and its folders";
            match file.counts_as_empty(&fault, profile_is_named) {
                true => {
                    let hint = format!("{hint}; it is needed only if the identity is a profile's");
                    report.warning(check, message, hint)
                }
                false => report.error(check, message, Some(hint.to_owned())),
            }
        }
    }
}

/// Returns `true` if another user than the owner has access to the file.
#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_path: &Path) -> bool {
    false
}

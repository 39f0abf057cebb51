//! The variables and files that select the identity and the endpoint. Values are never shown.

use std::path::Path;

use rolecall::Environment;
use rolecall::config_files::config_files;

use super::report::Report;
use crate::error::Failure;
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

pub(super) fn check(report: &mut Report<'_>, environment: &Environment) -> Result<(), Failure> {
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
    for file in files {
        let check = match file.variable {
            "AWS_CONFIG_FILE" => "config file",
            _ => "credentials file",
        };
        let origin = if file.is_set { format!(" ({})", file.variable) } else { String::new() };
        check_file(report, check, &file.path, &origin, file.is_set)?;
    }
    Ok(())
}

fn check_file(
    report: &mut Report<'_>,
    check: &str,
    path: &Path,
    origin: &str,
    is_set: bool,
) -> Result<(), Failure> {
    let shown = format!("{}{origin}", path.display());
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("{shown} does not exist");
            return match is_set {
                true => report.warning(check, message, "create the file, or unset the variable"),
                false => report.ok(check, message),
            };
        }
        Err(error) => {
            let hint = "check the owner and the permissions of the file and its folders";
            return report.error(check, format!("{shown}: {error}"), Some(hint.to_owned()));
        }
    };
    // An empty device in place of a file is a common way to disable it.
    if metadata.is_file()
        && let Err(error) = std::fs::File::open(path)
    {
        let hint = "check the owner and the permissions of the file";
        return report.error(check, format!("cannot read {shown}: {error}"), Some(hint.to_owned()));
    }
    if check == "credentials file" && metadata.is_file() && is_open_to_others(&metadata) {
        let hint = format!("run chmod 600 {}", path.display());
        return report.warning(check, format!("other users can read or change {shown}"), hint);
    }
    report.ok(check, shown)
}

#[cfg(unix)]
fn is_open_to_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_metadata: &std::fs::Metadata) -> bool {
    false
}

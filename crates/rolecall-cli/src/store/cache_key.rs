//! The key of a stored session: a hash of everything that decides which session a command obtains.
//!
//! A key with too much in it costs a call of STS. One with too little would give a command the
//! session of another identity. Therefore all variables of AWS are part of it, except those that
//! are known to have no influence, and the contents of the configuration files.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use rolecall::Environment;
use rolecall::config_files::{ConfigFile, config_files};
use rolecall::web_identity::UnverifiedClaims;

use super::store_key::KeyPlace;
use crate::error::Failure;
use crate::identity::RoleArgs;

/// Size limit of a token file in bytes. STS accepts 20,000 characters.
const MAX_TOKEN: usize = 64 * 1024;
/// The number of token files that configuration files may name.
const MAX_TOKEN_FILES: usize = 64;

/// Variables of AWS that have no influence on the session. Programs set some of them for the
/// processes that they start, such as the AWS CLI AWS_DATA_PATH.
const IRRELEVANT: [&str; 9] = [
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_DATA_PATH",
    "AWS_DEFAULT_OUTPUT",
    "AWS_EXECUTION_ENV",
    "AWS_MAX_ATTEMPTS",
    "AWS_PAGER",
    "AWS_RETRY_MODE",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SDK_UA_APP_ID",
];
/// The settings of the AWS CLI, which no SDK reads, begin with this.
const CLI_PREFIX: &[u8] = b"AWS_CLI_";

/// Variables that name files with tokens.
const TOKEN_FILES: [&str; 2] =
    ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];

/// The key of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheKey([u8; SHA256_OUTPUT_LEN]);

impl CacheKey {
    /// Returns the key of the session that these arguments obtain in an environment with these
    /// variables.
    pub(super) fn of(
        roles: &RoleArgs,
        variables: &[(OsString, OsString)],
        place: KeyPlace,
    ) -> Result<Self, Failure> {
        let mut parts = Parts::new();
        // Entries of two keys would replace each other.
        parts.add("key", format!("{place:?}"));
        add_arguments(&mut parts, roles)?;
        add_environment(&mut parts, variables);
        Ok(parts.finish())
    }

    /// Returns the name of a file of this key.
    pub(super) fn file_name(&self, extension: &str) -> String {
        let mut name = String::with_capacity(2 * self.0.len() + 1 + extension.len());
        for byte in self.0 {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        name + "." + extension
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn test(byte: u8) -> Self {
        Self([byte; SHA256_OUTPUT_LEN])
    }
}

fn add_arguments(parts: &mut Parts, roles: &RoleArgs) -> Result<(), Failure> {
    parts.add("base", roles.base.base.to_string());
    if let Some(region) = &roles.base.region {
        parts.add("region", region.as_str());
    }
    parts.add("session name", roles.default_session_name()?.as_str());
    if let Some(config) = roles.web_identity()? {
        parts.add("web identity", config.role.as_str());
        parts.add_file("token file", &config.token_file);
        parts.add_token(&config.token_file);
        if let Some(duration) = config.duration {
            parts.add("duration", duration.as_secs().to_string());
        }
        if let Some(policy) = &config.policy {
            parts.add("policy", policy.as_str());
        }
        for arn in &config.policy_arns {
            parts.add("policy ARN", arn.as_str());
        }
    }
    for role in roles.hops()? {
        // The serialized form of a role has all of its parameters.
        let role = serde_json::to_vec(&role)
            .map_err(|error| Failure::operation(format!("cannot write the role: {error}")))?;
        parts.add("role", role);
    }
    Ok(())
}

fn add_environment(parts: &mut Parts, variables: &[(OsString, OsString)]) {
    let is_relevant = |(name, value): &&(OsString, OsString)| {
        let bytes = name.as_encoded_bytes();
        let is_irrelevant =
            bytes.starts_with(CLI_PREFIX) || IRRELEVANT.iter().any(|other| name == other);
        bytes.starts_with(b"AWS_") && !is_irrelevant && !value.is_empty()
    };
    let mut relevant: Vec<_> = variables.iter().filter(is_relevant).collect();
    relevant.sort();
    for (name, value) in relevant {
        parts.add("variable", name.as_encoded_bytes());
        parts.add("value", value.as_encoded_bytes());
    }
    let environment = Environment::fixed(variables.iter().cloned());
    match config_files(&environment) {
        Ok(files) => {
            for file in files {
                parts.add_file("configuration file", &file.path);
                parts.add_config(&file, &environment);
            }
        }
        // No session is obtained then, and none that is stored belongs to these variables.
        Err(error) => parts.add("unknown files", error.message()),
    }
    for name in TOKEN_FILES {
        if let Ok(Some(path)) = environment.var(name) {
            parts.add_token(Path::new(&path));
        }
    }
}

/// The parts of a key. Each has its length in front of it, so that different parts never have the
/// same bytes.
struct Parts(Context);

impl Parts {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        for bytes in [name.as_bytes(), value.as_ref()] {
            self.0.update(&(bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
    }

    fn add_file(&mut self, name: &str, path: &Path) {
        // A relative path names another file in another folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.add(name, path.as_os_str().as_encoded_bytes());
    }

    /// Adds the contents of a configuration file, and the identity of the tokens that it names.
    fn add_config(&mut self, file: &ConfigFile, environment: &Environment) {
        let contents = match file.read(environment) {
            Ok(contents) => contents,
            Err(error) => return self.add("unreadable file", error.fault.to_string()),
        };
        self.add("contents", &contents);
        let text = String::from_utf8_lossy(&contents);
        let files = text.lines().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            key.trim().eq_ignore_ascii_case("web_identity_token_file").then(|| value.trim())
        });
        for file in files.take(MAX_TOKEN_FILES) {
            self.add_token(Path::new(file));
        }
    }

    /// Adds what identifies the token of a file. Its contents change with each renewal, while the
    /// claims that decide the session do not.
    fn add_token(&mut self, path: &Path) {
        let token = match Environment::process().read_file_now(path, MAX_TOKEN) {
            Ok(token) => token,
            Err(error) => return self.add("unreadable token", error.fault.to_string()),
        };
        let claims = std::str::from_utf8(&token).ok();
        let claims = claims.and_then(|text| UnverifiedClaims::of(text.trim()));
        let Some(claims) = claims.filter(|it| it.issuer().is_some() && it.subject().is_some())
        else {
            return self.add("token", token);
        };
        self.add("issuer", claims.issuer().unwrap_or_default());
        self.add("subject", claims.subject().unwrap_or_default());
        for audience in claims.audiences() {
            self.add("audience", audience);
        }
        if let Some(identity) = claims.source_identity() {
            self.add("source identity", identity);
        }
        for (key, values) in claims.tags() {
            self.add("tag", key);
            values.iter().for_each(|value| self.add("tag value", value));
        }
        claims.transitive_tag_keys().iter().for_each(|key| self.add("transitive tag", key));
    }

    fn finish(self) -> CacheKey {
        let mut key = [0; SHA256_OUTPUT_LEN];
        for (to, from) in key.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        CacheKey(key)
    }
}

#[cfg(test)]
mod tests;

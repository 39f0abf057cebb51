//! The shared configuration files: the identity and the endpoint settings of the selected profile.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_runtime::env_config::property::PropertiesKey;
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_types::os_shim_internal::{Env, Fs};
use rolecall_core::{Environment, ErrorKind, FileFault, SessionError};
use rolecall_sts::ProfileSettings;

/// Size limit of a configuration file in bytes. A larger file is not one, and would be read into
/// memory as a whole.
const MAX_FILE_SIZE: usize = 1024 * 1024;
const PROFILE: &str = "AWS_PROFILE";

/// The files: kind, variable that names the file, and default path below the home directory.
const FILES: [(EnvConfigFileKind, &str, &str); 2] = [
    (EnvConfigFileKind::Config, "AWS_CONFIG_FILE", ".aws/config"),
    (EnvConfigFileKind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
];

/// One of the shared configuration files: its path, and the variable that can name another path.
///
/// # Examples
///
/// ```
/// use rolecall::Environment;
/// use rolecall::config_files::config_files;
///
/// let env = Environment::fixed([("HOME", "/home/ann"), ("AWS_CONFIG_FILE", "/etc/aws.config")]);
/// let files = config_files(&env)?;
/// assert_eq!(files[0].path, std::path::Path::new("/etc/aws.config"));
/// assert_eq!(files[1].path, std::path::Path::new("/home/ann/.aws/credentials"));
/// assert!(files[0].is_set && !files[1].is_set);
/// # Ok::<(), rolecall::SessionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFile {
    /// The path that is read.
    pub path: PathBuf,
    /// The environment variable that sets the path.
    pub variable: &'static str,
    /// `true` if the variable is set.
    pub is_set: bool,
}

/// Returns the shared configuration files that a chain reads: the config file, then the
/// credentials file. A file without a path, since no home directory is set, is left out.
///
/// # Errors
///
/// Returns [`ErrorKind::InvalidConfig`] if a variable is not valid Unicode.
pub fn config_files(environment: &Environment) -> Result<Vec<ConfigFile>, SessionError> {
    let mut files = Vec::new();
    for (_, variable, default) in FILES {
        let is_set = environment.var(variable)?.is_some();
        let found = path(environment, variable, default)?;
        files.extend(found.map(|path| ConfigFile { path, variable, is_set }));
    }
    Ok(files)
}

/// Keys that make a profile configure an identity.
const CREDENTIAL_KEYS: &[&str] = &[
    "aws_access_key_id",
    "aws_secret_access_key",
    "role_arn",
    "web_identity_token_file",
    "source_profile",
    "credential_source",
    "credential_process",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "sso_role_name",
    "login_session",
];

/// The selected profile.
pub(crate) struct Profile {
    pub(crate) name: String,
    /// What names it.
    pub(crate) selected_by: SelectedBy,
    /// The contents of the files, for the profile provider of aws-config.
    pub(crate) files: EnvConfigFiles,
    sections: EnvConfigSections,
}

/// What names a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelectedBy {
    Code,
    Variable,
    /// Nothing: it is the profile `default`.
    Default,
}

impl Profile {
    /// Reads the profile that is named in code, else the one that `AWS_PROFILE` names, else
    /// `default`. Returns `None` if nothing names a profile and there is no `default`.
    pub(crate) fn read(
        environment: &Environment,
        in_code: Option<&str>,
    ) -> Result<Option<Self>, SessionError> {
        let (name, selected_by) = match (in_code, environment.var(PROFILE)?) {
            (Some(name), _) => (name.to_owned(), SelectedBy::Code),
            (None, Some(name)) => (name, SelectedBy::Variable),
            (None, None) => ("default".to_owned(), SelectedBy::Default),
        };
        let mut files = EnvConfigFiles::builder();
        let mut paths = Vec::new();
        for (kind, variable, default) in FILES {
            let path = path(environment, variable, default)?;
            let text = match &path {
                Some(path) => read_text(environment, path)?,
                None => String::new(),
            };
            if let Some(path) = path {
                let alone = EnvConfigFiles::builder().with_contents(kind, text.as_str()).build();
                parse_sections(&alone).map_err(|fault| invalid_file(&path, &fault))?;
                paths.push(path.display().to_string());
            }
            files = files.with_contents(kind, text);
        }
        let files = files.build();
        let all = parse_sections(&files)
            .map_err(|fault| SessionError::new(ErrorKind::InvalidConfig, fault))?;
        if all.get_profile(&name).is_some() {
            return Ok(Some(Self { name, selected_by, files, sections: all }));
        }
        let searched = match paths.is_empty() {
            true => "no home directory is set".to_owned(),
            false => format!("searched in {}", paths.join(" and ")),
        };
        let (message, hint) = match selected_by {
            SelectedBy::Default => return Ok(None),
            SelectedBy::Variable => (
                format!("{PROFILE} names the profile {name:?}, which does not exist"),
                format!("correct the name ({searched}), or unset {PROFILE}"),
            ),
            SelectedBy::Code => (
                format!("the profile {name:?} does not exist"),
                format!("correct the name ({searched})"),
            ),
        };
        Err(SessionError::new(ErrorKind::InvalidConfig, message).with_hint(hint))
    }

    /// Returns a setting of the profile. An empty setting counts as unset.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let value = self.sections.get_profile(&self.name)?.get(key)?;
        Some(value).filter(|value| !value.is_empty())
    }

    /// Returns `true` if the profile configures an identity.
    pub(crate) fn has_credentials(&self) -> bool {
        CREDENTIAL_KEYS.iter().any(|key| self.get(key).is_some())
    }

    /// Returns `true` if the profile, or a profile that it is based on, runs a
    /// `credential_process`.
    pub(crate) fn uses_credential_process(&self) -> bool {
        let mut name = self.name.as_str();
        // A profile may name itself, and profiles may name each other in a circle.
        for _ in 0..self.sections.profiles().count() {
            let Some(profile) = self.sections.get_profile(name) else { return false };
            if profile.get("credential_process").is_some() {
                return true;
            }
            match profile.get("source_profile") {
                Some(source) if source != name => name = source,
                _ => return false,
            }
        }
        false
    }

    /// Returns the STS endpoint settings of the profile.
    pub(crate) fn sts_settings(&self) -> ProfileSettings {
        let settings = ProfileSettings::new(&self.name);
        ProfileSettings::keys().fold(settings, |settings, key| match self.setting(key) {
            Some(value) => settings.set(key, value),
            None => settings,
        })
    }

    fn setting(&self, key: &str) -> Option<&str> {
        if key != ProfileSettings::STS_ENDPOINT_URL {
            return self.get(key);
        }
        let key = PropertiesKey::builder()
            .section_key("services")
            .section_name(self.get("services")?)
            .property_name("sts")
            .sub_property_name("endpoint_url")
            .build()
            .ok()?;
        self.sections.other_sections().get(&key).map(String::as_str)
    }
}

fn path(
    environment: &Environment,
    variable: &str,
    default: &str,
) -> Result<Option<PathBuf>, SessionError> {
    let home = match environment.var("HOME")? {
        None if cfg!(windows) => environment.var("USERPROFILE")?,
        home => home,
    };
    let home = home.map(PathBuf::from);
    Ok(match environment.var(variable)? {
        Some(named) => match (named.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(PathBuf::from(named)),
        },
        None => home.map(|home| home.join(default)),
    })
}

fn read_text(environment: &Environment, path: &Path) -> Result<String, SessionError> {
    match environment.read_file_now(path, MAX_FILE_SIZE) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => Err(invalid_file(path, "it is not UTF-8 text")),
        },
        // The SDKs treat a missing file as an empty one. /dev/null, which is not a regular file, is
        // a common way to disable a file.
        Err(error) if matches!(error.fault, FileFault::Missing | FileFault::NotRegular) => {
            Ok(String::new())
        }
        Err(error) => Err(invalid_file(path, &error.fault.to_string())),
    }
}

fn invalid_file(path: &Path, fault: &str) -> SessionError {
    let message = format!("the configuration file {} is not valid: {fault}", path.display());
    SessionError::new(ErrorKind::InvalidConfig, message).with_hint(
        "correct the file, or the variable that names it (AWS_CONFIG_FILE, \
         AWS_SHARED_CREDENTIALS_FILE)",
    )
}

/// Parses the files with the SDK's parser. Its loader is async, but has nothing to wait for when
/// the contents are given.
fn parse_sections(files: &EnvConfigFiles) -> Result<EnvConfigSections, String> {
    let (env, fs) = (Env::from_slice(&[]), Fs::from_slice(&[]));
    let load = pin!(source::load(&env, &fs, files));
    match load.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(source)) => EnvConfigSections::parse(source).map_err(|e| e.to_string()),
        Poll::Ready(Err(error)) => Err(error.to_string()),
        Poll::Pending => Err("the SDK's parser did not complete".to_owned()),
    }
}

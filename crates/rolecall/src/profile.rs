//! The selected profile of the shared configuration files: its identity and endpoint settings.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_runtime::env_config::property::PropertiesKey;
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_types::os_shim_internal::{Env, Fs};
use rolecall_core::{Environment, ErrorKind, FileFault, SessionError};
use rolecall_sts::ProfileSettings;

use crate::config_files::{CONFIG, CREDENTIALS, ConfigFile, config_files};

const PROFILE: &str = "AWS_PROFILE";

/// The files, as the SDK's parser names them.
const KINDS: [(EnvConfigFileKind, &str); 2] =
    [(EnvConfigFileKind::Config, CONFIG), (EnvConfigFileKind::Credentials, CREDENTIALS)];

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
#[derive(Clone)]
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

/// What the shared configuration files contain.
#[derive(Clone)]
pub(crate) struct ProfileLookup {
    /// The selected profile, or `None` if nothing names a profile and there is no `default`.
    pub(crate) profile: Option<Profile>,
    pub(crate) unreadable: UnreadableFiles,
}

/// The files at default paths that were not read, because the process lacks the permission.
///
/// `Display` adds them to the text of an error, after which they are a likely cause of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnreadableFiles(Vec<ConfigFile>);

impl fmt::Display for UnreadableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.0.iter().map(|file| file.path.display().to_string()).collect();
        match paths.is_empty() {
            true => Ok(()),
            false => {
                write!(f, ", and {} cannot be read: ", paths.join(" and "))?;
                FileFault::PermissionDenied.fmt(f)
            }
        }
    }
}

impl ProfileLookup {
    /// Reads the profile that is named in code, else the one that `AWS_PROFILE` names, else
    /// `default`.
    pub(crate) fn read(
        environment: &Environment,
        in_code: Option<&str>,
    ) -> Result<Self, SessionError> {
        let (name, selected_by) = match (in_code, environment.var(PROFILE)?) {
            (Some(name), _) => (name.to_owned(), SelectedBy::Code),
            (None, Some(name)) => (name, SelectedBy::Variable),
            (None, None) => ("default".to_owned(), SelectedBy::Default),
        };
        let located = config_files(environment)?;
        let mut files = EnvConfigFiles::builder();
        let mut unreadable = UnreadableFiles::default();
        for (kind, variable) in KINDS {
            let mut text = String::new();
            if let Some(file) = located.iter().find(|file| file.variable == variable) {
                text = read_text(environment, file, selected_by, &mut unreadable)?;
                let alone = EnvConfigFiles::builder().with_contents(kind, text.as_str()).build();
                parse_sections(&alone).map_err(|fault| invalid_file(&file.path, &fault))?;
            }
            files = files.with_contents(kind, text);
        }
        let files = files.build();
        let all = parse_sections(&files)
            .map_err(|fault| SessionError::new(ErrorKind::InvalidConfig, fault))?;
        if all.get_profile(&name).is_some() {
            let profile = Profile { name, selected_by, files, sections: all };
            return Ok(Self { profile: Some(profile), unreadable });
        }
        let paths: Vec<_> = located.iter().map(|file| file.path.display().to_string()).collect();
        let searched = match paths.is_empty() {
            true => "no home directory is set".to_owned(),
            false => format!("searched in {}", paths.join(" and ")),
        };
        let (message, hint) = match selected_by {
            SelectedBy::Default => return Ok(Self { profile: None, unreadable }),
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

    /// Returns the selected profile if it configures an identity.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if one of the files could not be read. It may contain
    /// the profile's `source_profile`, or settings that precede those of the other file: without
    /// it, the identity would be incomplete, or another one.
    pub(crate) fn with_identity(&self) -> Result<Option<&Profile>, SessionError> {
        let profile = self.profile.as_ref().filter(|profile| profile.has_credentials());
        match (profile, self.unreadable.0.first()) {
            (Some(profile), Some(file)) => {
                Err(unreadable_file(file, &FileFault::PermissionDenied, profile.selected_by))
            }
            (profile, _) => Ok(profile),
        }
    }
}

impl Profile {
    /// Returns a setting of the profile. An empty setting counts as unset.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let value = self.sections.get_profile(&self.name)?.get(key)?;
        Some(value).filter(|value| !value.is_empty())
    }

    /// Returns `true` if the profile configures an identity.
    fn has_credentials(&self) -> bool {
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

fn read_text(
    environment: &Environment,
    file: &ConfigFile,
    selected_by: SelectedBy,
    unreadable: &mut UnreadableFiles,
) -> Result<String, SessionError> {
    let fault = match file.read(environment) {
        Ok(bytes) => {
            return String::from_utf8(bytes)
                .map_err(|_| invalid_file(&file.path, "it is not UTF-8 text"));
        }
        Err(error) => error.fault,
    };
    // A profile that is selected by its name may be in this file. Without the file, its settings
    // would be missing, or the error would say that it does not exist.
    if !file.counts_as_empty(&fault, selected_by != SelectedBy::Default) {
        return Err(unreadable_file(file, &fault, selected_by));
    }
    if fault == FileFault::PermissionDenied {
        tracing::warn!(
            path = %file.path.display(),
            %fault,
            "cannot read a shared configuration file; continuing without it"
        );
        unreadable.0.push(file.clone());
    }
    Ok(String::new())
}

fn unreadable_file(file: &ConfigFile, fault: &FileFault, selected_by: SelectedBy) -> SessionError {
    let ways_out = match (file.is_set, selected_by) {
        (true, _) => format!(", or correct {}", file.variable),
        (false, SelectedBy::Variable) => format!(", or unset {PROFILE}"),
        (false, _) => format!(", or set {}", file.variable),
    };
    let message = format!("the configuration file {} cannot be read: {fault}", file.path.display());
    SessionError::new(ErrorKind::InvalidConfig, message).with_hint(format!(
        "check the file, and the owner and the permissions of the file and its folders{ways_out}"
    ))
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

//! The shared configuration files: what the chosen profile says of who this process is and where STS is.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_runtime::env_config::property::PropertiesKey;
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_types::os_shim_internal::{Env, Fs};
use rolecall_core::{Environment, ErrorKind, FetchError, FileFault};
use rolecall_sts::ProfileSettings;

/// More than this is no configuration file, in bytes.
const LARGEST: usize = 1024 * 1024;
const PROFILE: &str = "AWS_PROFILE";

/// Which file, the variable that names it, and where it is otherwise.
const FILES: [(EnvConfigFileKind, &str, &str); 2] = [
    (EnvConfigFileKind::Config, "AWS_CONFIG_FILE", ".aws/config"),
    (EnvConfigFileKind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
];

/// Any of these means that a profile says who this process is.
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

/// The chosen profile.
pub(crate) struct Profile {
    pub(crate) name: String,
    /// Whether `AWS_PROFILE` named it.
    pub(crate) asked_for: bool,
    /// The files' text, for the SDK's provider.
    pub(crate) files: EnvConfigFiles,
    sections: EnvConfigSections,
}

impl Profile {
    /// The profile that `AWS_PROFILE` names, else `default`. `None`: there is none, and none was asked for.
    pub(crate) fn read(environment: &Environment) -> Result<Option<Self>, FetchError> {
        let asked_for = environment.var(PROFILE)?;
        let name = asked_for.clone().unwrap_or_else(|| "default".to_owned());
        let mut files = EnvConfigFiles::builder();
        let mut paths = Vec::new();
        for (kind, variable, place) in FILES {
            let path = path(environment, variable, place)?;
            let text = match &path {
                Some(path) => text(environment, path)?,
                None => String::new(),
            };
            if let Some(path) = path {
                let alone = EnvConfigFiles::builder().with_contents(kind, text.as_str()).build();
                sections(&alone).map_err(|fault| wrong(&path, &fault))?;
                paths.push(path.display().to_string());
            }
            files = files.with_contents(kind, text);
        }
        let files = files.build();
        let all =
            sections(&files).map_err(|fault| FetchError::new(ErrorKind::InvalidConfig, fault))?;
        if all.get_profile(&name).is_some() {
            let asked_for = asked_for.is_some();
            return Ok(Some(Self { name, asked_for, files, sections: all }));
        }
        if asked_for.is_none() {
            return Ok(None);
        }
        let looked = match paths.is_empty() {
            true => "no home directory is known to look in".to_owned(),
            false => format!("looked for in {}", paths.join(" and ")),
        };
        let message = format!("{PROFILE} names the profile {name:?}, which does not exist");
        Err(FetchError::new(ErrorKind::InvalidConfig, message)
            .with_hint(format!("the name ({looked}), or unset {PROFILE}")))
    }

    /// A setting of the profile; an empty one is unset.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let value = self.sections.get_profile(&self.name)?.get(key)?;
        Some(value).filter(|value| !value.is_empty())
    }

    /// Whether it says who this process is.
    pub(crate) fn has_credentials(&self) -> bool {
        CREDENTIAL_KEYS.iter().any(|key| self.get(key).is_some())
    }

    /// What it says of STS.
    pub(crate) fn sts(&self) -> ProfileSettings {
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
    place: &str,
) -> Result<Option<PathBuf>, FetchError> {
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
        None => home.map(|home| home.join(place)),
    })
}

fn text(environment: &Environment, path: &Path) -> Result<String, FetchError> {
    match environment.read_file_now(path, LARGEST) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => Err(wrong(path, "it is not UTF-8 text")),
        },
        // Every SDK takes a missing file for an empty one; and /dev/null is how to have none.
        Err(error) if matches!(error.fault, FileFault::Missing | FileFault::NotRegular) => {
            Ok(String::new())
        }
        Err(error) => Err(wrong(path, &error.fault.to_string())),
    }
}

fn wrong(path: &Path, fault: &str) -> FetchError {
    let message = format!("the configuration file {}: {fault}", path.display());
    FetchError::new(ErrorKind::InvalidConfig, message).with_hint(
        "the file, or the variables that name it (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE)",
    )
}

/// The SDK's own parser, on text that is here already: it has nothing to wait for.
fn sections(files: &EnvConfigFiles) -> Result<EnvConfigSections, String> {
    let (env, fs) = (Env::from_slice(&[]), Fs::from_slice(&[]));
    let load = pin!(source::load(&env, &fs, files));
    match load.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(source)) => EnvConfigSections::parse(source).map_err(|e| e.to_string()),
        Poll::Ready(Err(error)) => Err(error.to_string()),
        Poll::Pending => Err("it could not be read at once".to_owned()),
    }
}

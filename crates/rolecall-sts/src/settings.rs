//! The endpoint settings: their variables, their profile keys and the precedence between them.

use std::fmt;

use rolecall_core::{Environment, ErrorKind, SessionError, shown};

use crate::Region;

/// The variables of a setting, then its keys in a profile. The first that is set applies.
#[derive(Debug)]
pub(crate) struct Setting {
    variables: &'static [&'static str],
    keys: &'static [&'static str],
}

const fn setting(variables: &'static [&'static str], keys: &'static [&'static str]) -> Setting {
    Setting { variables, keys }
}

// From the AWS SDKs and Tools Reference Guide, "Settings reference".
pub(crate) const REGION: Setting = setting(&["AWS_REGION", "AWS_DEFAULT_REGION"], &["region"]);
pub(crate) const REGIONAL_ENDPOINTS: Setting =
    setting(&["AWS_STS_REGIONAL_ENDPOINTS"], &["sts_regional_endpoints"]);
pub(crate) const ENDPOINT_URL: Setting = setting(
    &["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"],
    &[ProfileSettings::STS_ENDPOINT_URL, "endpoint_url"],
);
pub(crate) const IGNORE_ENDPOINT_URLS: Setting =
    setting(&["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"], &["ignore_configured_endpoint_urls"]);
pub(crate) const FIPS: Setting = setting(&["AWS_USE_FIPS_ENDPOINT"], &["use_fips_endpoint"]);
pub(crate) const DUAL_STACK: Setting =
    setting(&["AWS_USE_DUALSTACK_ENDPOINT"], &["use_dualstack_endpoint"]);

/// The STS endpoint settings of a profile in the shared configuration files.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_sts::{Endpoint, ProfileSettings};
///
/// let profile = ProfileSettings::new("shop").set("region", "eu-west-1");
/// let environment = Environment::fixed([("HOME", "/home/shop")]);
/// let endpoint = Endpoint::from_environment_or_profile(&environment, &profile)?;
/// assert_eq!(endpoint.to_string(), "STS in eu-west-1");
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileSettings {
    name: String,
    /// Sorted by key.
    values: Vec<(String, String)>,
}

impl ProfileSettings {
    /// Key for the `endpoint_url` under `sts` in the `services` section of a profile.
    pub const STS_ENDPOINT_URL: &str = "services.sts.endpoint_url";

    /// Creates the settings of the profile `name`, all unset.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), values: Vec::new() }
    }

    /// Sets the value of `key`, in the spelling of the configuration file. An empty value counts as
    /// unset.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.values.retain(|(other, _)| *other != key);
        let at = self.values.partition_point(|(other, _)| *other < key);
        self.values.insert(at, (key, value));
        self
    }

    fn get(&self, key: &str) -> Option<&String> {
        self.values.iter().find(|(other, _)| other == key).map(|(_, value)| value)
    }

    /// Returns the keys that affect the endpoint. All other keys are ignored.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        [REGION, REGIONAL_ENDPOINTS, ENDPOINT_URL, IGNORE_ENDPOINT_URLS, FIPS, DUAL_STACK]
            .into_iter()
            .flat_map(|setting| setting.keys)
            .copied()
    }
}

/// STS endpoint settings that are set in code and take precedence over the environment and the
/// profile.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_sts::{Endpoint, EndpointOverrides, Region};
///
/// let mut overrides = EndpointOverrides::default();
/// overrides.region = Some(Region::parse("us-east-1")?);
/// overrides.use_dual_stack = Some(true);
/// let env = Environment::fixed([("AWS_REGION", "eu-west-1")]);
/// let endpoint = Endpoint::find(&env, None, &overrides)?.expect("a Region is set");
/// assert_eq!(endpoint.url()?, "https://sts.us-east-1.api.aws");
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
///
/// The `Debug` output does not contain the URL, which may contain a password until it is checked.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointOverrides {
    /// The Region.
    pub region: Option<Region>,
    /// The URL of the endpoint. `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` does not affect it.
    pub url: Option<String>,
    /// Whether the FIPS endpoint is used. `Some(false)` disables a configured one.
    pub use_fips: Option<bool>,
    /// Whether the dual-stack endpoint is used. `Some(false)` disables a configured one.
    pub use_dual_stack: Option<bool>,
}

impl fmt::Debug for EndpointOverrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointOverrides")
            .field("region", &self.region)
            .field("has_url", &self.url.is_some())
            .field("use_fips", &self.use_fips)
            .field("use_dual_stack", &self.use_dual_stack)
            .finish()
    }
}

/// A value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) value: String,
    pub(crate) origin: SettingOrigin,
}

/// The place where a setting of the STS endpoint was found.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_sts::{Endpoint, SettingOrigin};
///
/// let env = Environment::fixed([("AWS_REGION", "eu-west-1")]);
/// let endpoint = Endpoint::from_environment(&env)?;
/// assert_eq!(*endpoint.region_origin(), SettingOrigin::Variable("AWS_REGION"));
/// assert_eq!(endpoint.region_origin().to_string(), "the environment variable AWS_REGION");
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingOrigin {
    /// The setting is set in code.
    Code,
    /// The setting is the value of this environment variable.
    Variable(&'static str),
    /// The setting is in a profile of the shared configuration files.
    #[non_exhaustive]
    Profile {
        /// Name of the profile.
        name: String,
        /// Key of the setting.
        key: &'static str,
    },
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code => f.write_str("set in code"),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::Profile { name, key } => write!(f, "{key} in the profile {name:?}"),
        }
    }
}

/// The environment and the profile that settings are read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) profile: Option<&'a ProfileSettings>,
}

impl Settings<'_> {
    /// Returns the value of `setting`. The environment takes precedence over the profile.
    pub(crate) fn get(&self, setting: &Setting) -> Result<Option<Found>, SessionError> {
        for &variable in setting.variables {
            if let Some(value) = self.environment.var(variable)? {
                return Ok(Some(Found { value, origin: SettingOrigin::Variable(variable) }));
            }
        }
        let Some(profile) = self.profile else { return Ok(None) };
        let found = setting.keys.iter().find_map(|&key| {
            let value = profile.get(key).filter(|value| !value.is_empty())?;
            let origin = SettingOrigin::Profile { name: profile.name.clone(), key };
            Some(Found { value: value.clone(), origin })
        });
        Ok(found)
    }

    /// Returns the origin of `setting` if its value is `true`, and `None` if it is `false` or not
    /// set. Any other value is an error: a misspelled FIPS setting must not select an endpoint
    /// without FIPS.
    pub(crate) fn flag(&self, setting: &Setting) -> Result<Option<SettingOrigin>, SessionError> {
        match self.get(setting)? {
            None => Ok(None),
            Some(found) if found.value.eq_ignore_ascii_case("true") => Ok(Some(found.origin)),
            Some(found) if found.value.eq_ignore_ascii_case("false") => Ok(None),
            Some(found) => Err(found.invalid("true or false")),
        }
    }
}

impl Found {
    /// Creates the error of a value that is not one of those that `expected` lists.
    pub(crate) fn invalid(&self, expected: &str) -> SessionError {
        let shown = shown(&self.value);
        let message = format!("`{shown}` is not a valid value of {}", self.origin);
        SessionError::new(ErrorKind::InvalidConfig, message)
            .with_hint(format!("set it to {expected}"))
    }

    /// Adds the origin of the value to an error about it: the value alone does not show whether a
    /// variable or a profile must be changed.
    pub(crate) fn add_origin(&self, error: SessionError) -> SessionError {
        error.with_hint(format!("check {}", self.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_settings_keep_the_last_value_of_a_key() {
        let settings = ProfileSettings::new("shop").set("b", "1").set("a", "2").set("b", "3");
        assert_eq!(settings, ProfileSettings::new("shop").set("b", "3").set("a", "2"));
        let values = ["a", "b", "c"].map(|key| settings.get(key).map(String::as_str));
        assert_eq!(values, [Some("2"), Some("3"), None]);
    }

    #[test]
    fn debug_output_of_overrides_hides_the_url() {
        let url = Some("https://user:the-password@sts.example.com".to_owned());
        let overrides = EndpointOverrides { url, ..EndpointOverrides::default() };
        let debug = format!("{overrides:?}");
        assert!(debug.contains("has_url: true") && !debug.contains("password"), "{debug}");
    }
}

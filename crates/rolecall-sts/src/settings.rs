//! Where a setting may stand, and which place counts: the one table of them.

use std::collections::BTreeMap;
use std::fmt;

use rolecall_core::{Environment, ErrorKind, FetchError};

/// A setting: the variables that hold it, the first that is set counts; then the profile's keys.
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

/// What a profile of the shared configuration files says of STS.
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_sts::{Endpoint, ProfileSettings};
///
/// let profile = ProfileSettings::new("shop").set("region", "eu-west-1");
/// let nothing_set = Environment::fixed([("A", "b")]);
/// let endpoint = Endpoint::from_environment_or_profile(&nothing_set, &profile)?;
/// assert_eq!(endpoint.to_string(), "STS in eu-west-1");
/// # Ok::<(), rolecall_core::FetchError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileSettings {
    name: String,
    values: BTreeMap<String, String>,
}

impl ProfileSettings {
    /// The key of `endpoint_url` under `sts` in the `services` section that a profile names.
    pub const STS_ENDPOINT_URL: &str = "services.sts.endpoint_url";

    /// A profile of this name without settings.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), values: BTreeMap::new() }
    }

    /// With a setting, by the key that it has in the file. An empty one is unset.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(key.into(), value.into());
        self
    }

    /// The keys that have a meaning here.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        [REGION, REGIONAL_ENDPOINTS, ENDPOINT_URL, IGNORE_ENDPOINT_URLS, FIPS, DUAL_STACK]
            .into_iter()
            .flat_map(|setting| setting.keys)
            .copied()
    }
}

/// A value, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Variable(&'static str),
    Profile { name: String, key: &'static str },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::Profile { name, key } => write!(f, "{key} of the profile {name:?}"),
        }
    }
}

/// The places that settings are read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) profile: Option<&'a ProfileSettings>,
}

impl Settings<'_> {
    /// The environment counts before the profile.
    pub(crate) fn get(&self, setting: &Setting) -> Result<Option<Found>, FetchError> {
        for &variable in setting.variables {
            if let Some(value) = self.environment.var(variable)? {
                return Ok(Some(Found { value, origin: Origin::Variable(variable) }));
            }
        }
        let Some(profile) = self.profile else { return Ok(None) };
        let found = setting.keys.iter().find_map(|&key| {
            let value = profile.values.get(key).filter(|value| !value.is_empty())?;
            let origin = Origin::Profile { name: profile.name.clone(), key };
            Some(Found { value: value.clone(), origin })
        });
        Ok(found)
    }

    pub(crate) fn flag(&self, setting: &Setting) -> Result<bool, FetchError> {
        match self.get(setting)? {
            None => Ok(false),
            Some(found) if found.value.eq_ignore_ascii_case("true") => Ok(true),
            Some(found) if found.value.eq_ignore_ascii_case("false") => Ok(false),
            Some(found) => Err(found.not("true or false")),
        }
    }
}

impl Found {
    pub(crate) fn not(&self, rule: &str) -> FetchError {
        let shown: String = self.value.chars().take(40).collect();
        let message = format!("{} is {shown:?}; it must be {rule}", self.origin);
        FetchError::new(ErrorKind::InvalidConfig, message)
    }

    /// An error about the value, with where it stood.
    pub(crate) fn named(&self, error: FetchError) -> FetchError {
        error.with_hint(self.origin.to_string())
    }
}

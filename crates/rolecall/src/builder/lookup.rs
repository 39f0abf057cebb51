//! The selected profile, and the errors if what it may contain is not configured at all.

use rolecall_core::{ErrorKind, Remedy, SessionError};

use super::ChainBuilder;
#[cfg(feature = "default-chain")]
use crate::profile::ProfileLookup;

impl ChainBuilder {
    /// Returns the selected profile, which is read at the first call.
    #[cfg(feature = "default-chain")]
    pub(super) fn lookup(&self) -> Result<&ProfileLookup, SessionError> {
        if let Some(lookup) = self.lookup.get() {
            return Ok(lookup);
        }
        let lookup = ProfileLookup::read(&self.environment, self.profile.as_deref())?;
        Ok(self.lookup.get_or_init(|| lookup))
    }

    /// Returns `text`, and the configuration files that could not be read and may be the cause.
    fn with_unreadable_files(&self, text: &str) -> String {
        #[cfg(feature = "default-chain")]
        if let Some(lookup) = self.lookup.get() {
            return format!("{text}{}", lookup.unreadable);
        }
        text.to_owned()
    }

    /// Returns the error if no identity was found. `default_chain` is `true` if this build supports
    /// the whole default order.
    pub(super) fn no_identity(&self, default_chain: bool) -> SessionError {
        const CONTAINER: [&str; 2] =
            ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
        let message = self.with_unreadable_files("the environment configures no identity");
        let error = SessionError::new(ErrorKind::NotConfigured, message);
        let is_set = |variable: &&str| matches!(self.environment.var(variable), Ok(Some(_)));
        if !default_chain && let Some(variable) = CONTAINER.into_iter().find(|it| is_set(it)) {
            return error.with_hint(format!(
                "enable the feature default-chain of rolecall, which reads {variable}"
            ));
        }
        let set = "set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or AWS_ACCESS_KEY_ID and \
                   AWS_SECRET_ACCESS_KEY, or pass a provider to ChainBuilder::from_sdk_provider";
        let error = match default_chain {
            true => error.with_hint(set),
            false => error.with_hint(format!(
                "{set}; for profiles, containers and EC2 instances, enable the feature \
                 default-chain"
            )),
        };
        error.with_remedy(Remedy::Identity)
    }

    /// Returns the error if no Region is set.
    pub(super) fn no_region(&self) -> SessionError {
        let hint = if cfg!(feature = "default-chain") {
            "set AWS_REGION or the profile's region, or call ChainBuilder::region"
        } else {
            "set AWS_REGION, or call ChainBuilder::region; the Region of a profile is read with \
             the feature default-chain"
        };
        let message = self.with_unreadable_files("no Region is set for the STS endpoint");
        SessionError::new(ErrorKind::InvalidConfig, message)
            .with_hint(hint)
            .with_remedy(Remedy::Region)
    }
}

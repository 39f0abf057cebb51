//! The settings that all hops share: the STS client and its endpoint.

#[cfg(feature = "aws-config")]
use std::sync::OnceLock;

use rolecall_core::{ErrorKind, SessionError, SessionName};
#[cfg(feature = "aws-config")]
use rolecall_sts::Region;
use rolecall_sts::{Endpoint, StsClient};

use super::ChainBuilder;
use crate::chain::Shared;

impl ChainBuilder {
    pub(super) fn shared(self) -> Result<Shared, SessionError> {
        self.check_exclusive()?;
        let sts = match &self.sts_client {
            Some(client) => Ok(client.clone()),
            None => match self.endpoint()? {
                Some(endpoint) => Ok(self.new_sts_client(endpoint)?),
                None => Err(self.no_region()),
            },
        };
        #[cfg(feature = "aws-config")]
        let region = self.sdk_config_region(&sts)?;
        let session_name = self.default_session_name()?;
        let clock = match (&sts, self.clock) {
            (Ok(sts), _) => sts.clock().clone(),
            (Err(_), clock) => clock.unwrap_or_default(),
        };
        #[cfg(feature = "aws-config")]
        let http = self.http_client.or_else(|| self.sdk_defaults.http_client().cloned());
        Ok(Shared {
            sts,
            #[cfg(feature = "aws-config")]
            region,
            clock,
            session_name,
            refresh: self.refresh,
            #[cfg(feature = "aws-config")]
            http: http.map_or_else(OnceLock::new, OnceLock::from),
        })
    }

    /// Returns the Region of the SDK configurations of the chain.
    #[cfg(feature = "aws-config")]
    fn sdk_config_region(
        &self,
        sts: &Result<StsClient, SessionError>,
    ) -> Result<Option<Region>, SessionError> {
        // The client of the caller may be in another Region than the services that the program
        // uses. The Region of the program's own SDK configuration is the better default for those.
        let region = match &self.sts_client {
            Some(_) => self.sdk_defaults.region()?,
            None => None,
        };
        Ok(region.or_else(|| Some(sts.as_ref().ok()?.endpoint().region().clone())))
    }

    /// Returns the name of sessions for which nothing more specific sets one: that of the builder,
    /// or that of the environment.
    pub(super) fn default_session_name(&self) -> Result<SessionName, SessionError> {
        match &self.session_name {
            Some(name) => Ok(name.clone()),
            None => SessionName::from_environment(&self.environment),
        }
    }

    fn new_sts_client(&self, endpoint: Endpoint) -> Result<StsClient, SessionError> {
        let builder = StsClient::builder(endpoint)
            .clock(self.clock.clone().unwrap_or_default())
            .rate_limit(self.rate_limit.unwrap_or_default());
        let builder = match self.http_client.as_ref().or(self.sdk_defaults.http_client()) {
            Some(client) => builder.http_client(client.clone()),
            None => builder.proxy_from(&self.environment)?,
        };
        Ok(builder.build())
    }

    /// Rejects settings that an STS client already has: to ignore one of the two silently would
    /// send calls to another endpoint, or at another rate, than one of the settings says.
    fn check_exclusive(&self) -> Result<(), SessionError> {
        if self.sts_client.is_none() {
            return Ok(());
        }
        let settings = [
            ("clock", self.clock.is_some()),
            ("region", self.endpoint.region.is_some()),
            ("endpoint_url", self.endpoint.url.is_some()),
            ("use_fips", self.endpoint.use_fips.is_some()),
            ("use_dual_stack", self.endpoint.use_dual_stack.is_some()),
            ("http_client", self.http_client.is_some()),
            ("rate_limit", self.rate_limit.is_some()),
        ];
        match settings.into_iter().find(|(_, is_set)| *is_set) {
            None => Ok(()),
            Some((setting, _)) => {
                let message = format!("sts_client and {setting} are both set on the chain builder");
                Err(SessionError::new(ErrorKind::InvalidConfig, message)
                    .with_hint("set it on the STS client's builder instead"))
            }
        }
    }

    /// Returns the STS endpoint, or `None` if no Region is set: in code, in the environment, or in
    /// the profile.
    pub(super) fn endpoint(&self) -> Result<Option<Endpoint>, SessionError> {
        if let Some(client) = &self.sts_client {
            return Ok(Some(client.endpoint().clone()));
        }
        #[cfg(feature = "default-chain")]
        let profile = self.lookup()?.profile.as_ref().map(|it| it.sts_settings());
        #[cfg(not(feature = "default-chain"))]
        let profile = None;
        let overrides = self.sdk_defaults.fill(&self.endpoint)?;
        Endpoint::find(&self.environment, profile.as_ref(), &overrides)
    }

    #[cfg(feature = "default-chain")]
    pub(super) fn required_endpoint(&self) -> Result<Endpoint, SessionError> {
        self.endpoint()?.ok_or_else(|| self.no_region())
    }
}

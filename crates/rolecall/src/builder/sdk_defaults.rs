//! Settings that are copied from an SDK configuration.

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use rolecall_core::SessionError;
use rolecall_sts::{EndpointOverrides, Region};

/// The settings of an SDK configuration, as defaults for those that the builder does not set.
///
/// They are kept apart from the builder's own settings, because every loaded configuration has a
/// Region and an HTTP client: as settings of the builder, they would always exclude an STS client.
#[derive(Clone, Default)]
pub(super) struct SdkDefaults {
    /// The Region, or the reason why it is not a valid one.
    region: Option<Result<Region, SessionError>>,
    endpoint_url: Option<String>,
    use_fips: Option<bool>,
    use_dual_stack: Option<bool>,
    http_client: Option<SharedHttpClient>,
}

impl SdkDefaults {
    /// Copies the settings that `config` sets.
    pub(super) fn copy(&mut self, config: &SdkConfig) {
        if let Some(region) = config.region() {
            self.region = Some(Region::try_from(region).map_err(SessionError::from));
        }
        if let Some(url) = sts_endpoint_url(config) {
            self.endpoint_url = Some(url);
        }
        if let Some(client) = config.http_client() {
            self.http_client = Some(client);
        }
        self.use_fips = config.use_fips().or(self.use_fips);
        self.use_dual_stack = config.use_dual_stack().or(self.use_dual_stack);
    }

    /// Returns the Region, or the error of an invalid one.
    pub(super) fn region(&self) -> Result<Option<Region>, SessionError> {
        self.region.clone().transpose()
    }

    pub(super) fn http_client(&self) -> Option<&SharedHttpClient> {
        self.http_client.as_ref()
    }

    /// Adds these defaults to the settings that `explicit` does not set.
    pub(super) fn fill(
        &self,
        explicit: &EndpointOverrides,
    ) -> Result<EndpointOverrides, SessionError> {
        let mut filled = explicit.clone();
        if filled.region.is_none() {
            filled.region = self.region()?;
        }
        filled.url = filled.url.or_else(|| self.endpoint_url.clone());
        filled.use_fips = filled.use_fips.or(self.use_fips);
        filled.use_dual_stack = filled.use_dual_stack.or(self.use_dual_stack);
        Ok(filled)
    }
}

/// Returns the URL that the STS client of the SDK would call with this configuration.
///
/// `SdkConfig::endpoint_url` alone is the URL of all services: it would take precedence over
/// `AWS_ENDPOINT_URL_STS`, and calls of STS would go to a server that may only serve S3.
fn sts_endpoint_url(config: &SdkConfig) -> Option<String> {
    let general = config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general;
    }
    let key = ServiceConfigKey::builder()
        .service_id("STS")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok();
    key.and_then(|key| config.service_config()?.load_config(key)).or(general)
}

//! The settings of a chain.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use aws_types::SdkConfig;
use rolecall_cache::Refresh;
use rolecall_core::{Clock, Environment, Observer, SessionName};
use rolecall_sts::{RateLimit, Region, StsClient};

use super::ChainBuilder;
#[cfg(doc)]
use crate::Chain;

impl ChainBuilder {
    /// Sets the variables and files to read. Defaults to those of the process.
    ///
    /// aws-config always reads the variables of the process: its providers (profiles, containers
    /// and instances, with the feature `default-chain`) for settings of their own, and the loader
    /// that [`Chain::sdk_config`] returns for all settings that the chain does not set.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets the clock used to sign requests and measure lifetimes. Defaults to the system clock.
    ///
    /// The providers of aws-config (profiles, containers and instances) sign by the system clock.
    ///
    /// Cannot be combined with [`sts_client`](Self::sts_client), which has a clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the Region of the STS endpoint. Defaults to `AWS_REGION`, then `AWS_DEFAULT_REGION`,
    /// then the profile's Region with the feature `default-chain`.
    ///
    /// Cannot be combined with [`sts_client`](Self::sts_client).
    pub fn region(mut self, region: Region) -> Self {
        self.endpoint.region = Some(region);
        self
    }

    /// Sets the URL of the STS endpoint, such as a VPC endpoint. Defaults to the setting of the
    /// environment, then to the Region's endpoint.
    ///
    /// Requests are signed for the Region. A URL cannot be combined with a FIPS or dual-stack
    /// endpoint, even if only the environment selects it: disable it with
    /// [`use_fips(false)`](Self::use_fips) or [`use_dual_stack(false)`](Self::use_dual_stack).
    /// Cannot be combined with [`sts_client`](Self::sts_client).
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint.url = Some(url.into());
        self
    }

    /// Sets whether the FIPS endpoint of STS is used. Defaults to `AWS_USE_FIPS_ENDPOINT`, then to
    /// the profile's setting with the feature `default-chain`, then to `false`.
    ///
    /// `false` disables a FIPS endpoint that the environment selects. `true` cannot be combined
    /// with an endpoint URL, and neither value with [`sts_client`](Self::sts_client). The SDK
    /// clients of the chain are not affected: set `use_fips` on the loader that
    /// [`Chain::sdk_config`] returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall::{Chain, Environment};
    ///
    /// let keys = [
    ///     ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ///     ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ///     ("AWS_REGION", "us-east-1"),
    /// ];
    /// let builder = Chain::builder().environment(Environment::fixed(keys));
    /// let chain = builder.use_fips(true).from_env()?;
    /// assert!(chain.sts_client()?.endpoint().uses_fips());
    /// # Ok::<(), rolecall::SessionError>(())
    /// ```
    pub fn use_fips(mut self, enabled: bool) -> Self {
        self.endpoint.use_fips = Some(enabled);
        self
    }

    /// Sets whether the dual-stack endpoint of STS is used, which has IPv4 and IPv6 addresses.
    /// Defaults to `AWS_USE_DUALSTACK_ENDPOINT`, then to the profile's setting with the feature
    /// `default-chain`, then to `false`.
    ///
    /// The restrictions of [`use_fips`](Self::use_fips) apply.
    pub fn use_dual_stack(mut self, enabled: bool) -> Self {
        self.endpoint.use_dual_stack = Some(enabled);
        self
    }

    /// Sets the HTTP client of the STS client and of the SDK configurations that the chain creates.
    ///
    /// Defaults to a client with rustls, the system's certificates and the proxy of the
    /// environment. A client that is set here uses its own proxy settings. The providers of
    /// aws-config (profiles, containers and instances) do not use it. Cannot be combined with
    /// [`sts_client`](Self::sts_client).
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.http_client = Some(SharedHttpClient::new(client));
        self
    }

    /// Sets the STS client, to share one client between chains.
    ///
    /// Defaults to a new client for the endpoint that is configured here or in the environment.
    /// Cannot be combined with settings that the client already has: [`clock`](Self::clock),
    /// [`region`](Self::region), [`endpoint_url`](Self::endpoint_url),
    /// [`use_fips`](Self::use_fips), [`use_dual_stack`](Self::use_dual_stack),
    /// [`http_client`](Self::http_client) and [`rate_limit`](Self::rate_limit).
    ///
    /// The client's own settings apply to all calls of STS. Settings that
    /// [`configure`](Self::configure) or [`from_sdk_config`](Self::from_sdk_config) copies do not
    /// conflict with them: their Region and HTTP client serve [`Chain::sdk_config`].
    pub fn sts_client(mut self, client: StsClient) -> Self {
        self.sts_client = Some(client);
        self
    }

    /// Sets how many calls the chain, and all pools on it, make to STS. Defaults to 200 calls per
    /// second and 64 in flight.
    ///
    /// The quota of STS is per account and Region and shared by all callers. Cannot be combined
    /// with [`sts_client`](Self::sts_client), which has a rate limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use rolecall::Chain;
    /// use rolecall::sts::RateLimit;
    ///
    /// let mut limit = RateLimit::default();
    /// limit.calls_per_second = NonZeroU32::new(50).unwrap();
    /// let builder = Chain::builder().rate_limit(limit);
    /// ```
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = Some(limit);
        self
    }

    /// Sets the default session name. Defaults to `AWS_ROLE_SESSION_NAME`, then to a name that
    /// consists of the names of the program and the host.
    ///
    /// The name applies to roles that set none, and to a web identity that
    /// [`from_env`](Self::from_env) selects. The `role_session_name` of a profile takes precedence.
    pub fn session_name(mut self, name: SessionName) -> Self {
        self.session_name = Some(name);
        self
    }

    /// Sets when the sessions of the chain are refreshed. Defaults to
    /// [`Refresh::WhileUsed`](crate::cache::Refresh::WhileUsed).
    ///
    /// Sessions that need an MFA code are never refreshed in the background.
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// Sets the observer that receives the events of the chain's sessions.
    ///
    /// Events name the role of a hop, and the provider of the base credentials. Defaults to none.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "metrics")] fn show() -> Result<(), rolecall::SessionError> {
    /// use rolecall::Chain;
    /// use rolecall::observe::Metrics;
    ///
    /// let chain = Chain::builder().observer(Metrics::new()).from_env()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Copies the Region, the endpoint URL of STS, the HTTP client, and the FIPS and dual-stack
    /// settings of an SDK configuration. Unset values are ignored.
    ///
    /// The copied values are defaults, in any order of the calls: the setters of this builder take
    /// precedence over them, and they take precedence over the environment and the profile. A
    /// service-specific URL for STS, such as that of `AWS_ENDPOINT_URL_STS`, takes precedence over
    /// the general one, unless the general one was set in code.
    ///
    /// The credentials of the configuration are not used; see
    /// [`from_sdk_config`](Self::from_sdk_config).
    pub fn configure(mut self, config: &SdkConfig) -> Self {
        self.sdk_defaults.copy(config);
        self
    }
}

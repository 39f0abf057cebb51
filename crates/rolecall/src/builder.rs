use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use rolecall_cache::Refresh;
use rolecall_core::{
    Clock, Environment, ErrorKind, Observer, ProvideSession, SdkProvider, SessionError, SessionName,
};
use rolecall_sts::{Endpoint, RateLimit, Region, StsClient, WebIdentityRequest};
use rolecall_web_identity::{ProvideWebIdentityToken, WebIdentityConfig, WebIdentityProvider};

use crate::base::{BaseProvider, environment_keys};
use crate::chain::{Chain, Shared};
#[cfg(feature = "default-chain")]
use crate::default_chain::{self, FromProfile};

/// Creates a chain on the identity that the process's environment configures.
///
/// Looks in the order of the SDKs: access keys (`AWS_ACCESS_KEY_ID`), then a web identity
/// (`AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`). `AWS_REGION` and the endpoint variables
/// configure the STS endpoint.
///
/// With the feature `default-chain`, looks in the whole default order of the SDKs: access keys, the
/// profile (`AWS_PROFILE`, or `default` if it has credentials), the web identity, container
/// credentials (ECS, EKS Pod Identity) and EC2 instance metadata. Endpoint settings that no
/// variable sets are then read from the profile. The shared configuration files are read in place,
/// once: call this function when the program starts, or use a
/// [`LazyProvider`](crate::provider::LazyProvider).
///
/// [`Chain::description`] says which identity was selected, and why.
///
/// # Errors
///
/// Returns [`ErrorKind::NotConfigured`] if no identity is configured, and
/// [`ErrorKind::InvalidConfig`] if one is configured and wrong. A wrong identity is never skipped
/// for the next one in the order.
///
/// # Examples
///
/// ```no_run
/// # fn show() -> Result<(), rolecall::SessionError> {
/// let chain = rolecall::from_env()?;
/// println!("{}", chain.description());
/// # Ok(())
/// # }
/// ```
pub fn from_env() -> Result<Chain, SessionError> {
    Chain::builder().from_env()
}

/// Builds a [`Chain`].
///
/// # Examples
///
/// ```
/// use rolecall::params::SessionName;
/// use rolecall::sts::Region;
/// use rolecall::{Chain, Environment};
///
/// let chain = Chain::builder()
///     .region(Region::parse("eu-west-1")?)
///     .session_name(SessionName::parse("checkout")?)
///     .environment(Environment::fixed([
///         ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/checkout"),
///         ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token"),
///     ]))
///     .from_env()?;
/// assert_eq!(
///     chain.description(),
///     "web identity as arn:aws:iam::111122223333:role/checkout (AWS_WEB_IDENTITY_TOKEN_FILE and \
///      AWS_ROLE_ARN are set)",
/// );
/// # Ok::<(), rolecall::SessionError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ChainBuilder {
    environment: Environment,
    clock: Option<Clock>,
    region: Option<Region>,
    endpoint_url: Option<String>,
    fips: Option<bool>,
    dual_stack: Option<bool>,
    http_client: Option<SharedHttpClient>,
    sts_client: Option<StsClient>,
    rate_limit: Option<RateLimit>,
    session_name: Option<SessionName>,
    refresh: Refresh,
    observer: Option<Arc<dyn Observer>>,
    /// A setting that could not be taken over from an SDK configuration.
    invalid: Option<SessionError>,
}

impl ChainBuilder {
    pub(crate) fn new() -> Self {
        Self {
            environment: Environment::process(),
            clock: None,
            region: None,
            endpoint_url: None,
            fips: None,
            dual_stack: None,
            http_client: None,
            sts_client: None,
            rate_limit: None,
            session_name: None,
            refresh: Refresh::default(),
            observer: None,
            invalid: None,
        }
    }

    /// Sets the variables and files to read. Defaults to those of the process.
    ///
    /// The providers of aws-config (profiles, containers and instances, with the feature
    /// `default-chain`) read the process's own variables for settings of their own.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets the clock that requests are signed and lifetimes are counted by. Defaults to the system
    /// clock.
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
        self.region = Some(region);
        // Replaces the Region of an SDK configuration, which may be invalid.
        self.invalid = None;
        self
    }

    /// Sets the URL of the STS endpoint, such as a VPC endpoint. Defaults to the setting of the
    /// environment, then to the Region's endpoint.
    ///
    /// Requests are signed for the Region. Cannot be combined with
    /// [`sts_client`](Self::sts_client).
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint_url = Some(url.into());
        self
    }

    /// Sets the HTTP client of the STS client and of the SDK configurations that the chain creates.
    ///
    /// Defaults to a client with rustls, the system's certificates and the proxy of the
    /// environment. A client that is set here uses its own proxy settings. Cannot be combined with
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
    /// [`http_client`](Self::http_client) and [`rate_limit`](Self::rate_limit).
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

    /// Sets the name of sessions whose role sets none. Defaults to `AWS_ROLE_SESSION_NAME`, then to
    /// the application and host name.
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

    /// Takes over the Region, endpoint URL, HTTP client, FIPS and dual-stack settings of an SDK
    /// configuration, as far as it sets them.
    ///
    /// The credentials of the configuration are not used; see
    /// [`from_sdk_config`](Self::from_sdk_config).
    pub fn configure(mut self, config: &SdkConfig) -> Self {
        if let Some(region) = config.region() {
            match Region::try_from(region) {
                Ok(region) => self.region = Some(region),
                Err(error) => self.invalid = Some(error.into()),
            }
        }
        if let Some(url) = config.endpoint_url() {
            self.endpoint_url = Some(url.to_owned());
        }
        if let Some(client) = config.http_client() {
            self.http_client = Some(client.clone());
        }
        self.fips = config.use_fips().or(self.fips);
        self.dual_stack = config.use_dual_stack().or(self.dual_stack);
        self
    }

    /// Creates a chain on the identity that the environment configures; see
    /// [`from_env`](crate::from_env).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_env`](crate::from_env), and [`ErrorKind::InvalidConfig`] if
    /// settings of this builder exclude each other.
    pub fn from_env(self) -> Result<Chain, SessionError> {
        if let Some(keys) = environment_keys(&self.environment)? {
            let base = SdkProvider::new(keys).with_name("environment keys");
            return self
                .build(Arc::new(base), "environment keys (AWS_ACCESS_KEY_ID is set)".into());
        }
        #[cfg(feature = "default-chain")]
        if let Some((from, reason)) =
            default_chain::from_profile(&self.environment, || self.required_endpoint())?
        {
            return match from {
                FromProfile::WebIdentity(config) => self.build_web_identity(config, &reason),
                FromProfile::Provider(base) => self.build(base, reason),
            };
        }
        #[cfg(not(feature = "default-chain"))]
        reject_profile(&self.environment)?;
        if let Some(config) = WebIdentityConfig::from_environment(&self.environment)? {
            return self.build_web_identity(
                config,
                "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set",
            );
        }
        #[cfg(feature = "default-chain")]
        if let Some((base, reason)) =
            default_chain::from_metadata(&self.environment, || self.endpoint())?
        {
            return self.build(base, reason);
        }
        Err(no_identity(&self.environment, cfg!(feature = "default-chain")))
    }

    /// Creates a chain on a web identity whose token is in a file.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if no Region is set, or if settings of this builder
    /// exclude each other.
    pub fn from_web_identity(self, config: WebIdentityConfig) -> Result<Chain, SessionError> {
        self.build_web_identity(config, "set in code")
    }

    fn build_web_identity(
        self,
        config: WebIdentityConfig,
        reason: &str,
    ) -> Result<Chain, SessionError> {
        let description = format!("web identity as {} ({reason})", config.role);
        let environment = self.environment.clone();
        let shared = self.shared()?;
        let sts = shared.sts.clone()?;
        let base = WebIdentityProvider::new(config, sts, environment).clock(shared.clock.clone());
        Ok(Chain::new(Arc::new(base), description, shared))
    }

    /// Creates a chain on a web identity whose tokens come from `tokens`: an environment variable
    /// of a CI system, a token broker, a function.
    ///
    /// A chain has one identity. A token whose issuer or subject differs from that of the first
    /// accepted token is rejected.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if no Region is set, or if settings of this builder
    /// exclude each other.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall::params::{RoleArn, SessionName};
    /// use rolecall::web_identity::{TokenVariable, WebIdentityRequest};
    /// use rolecall::{Chain, Environment};
    ///
    /// let token = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
    /// let env = Environment::fixed([("AWS_REGION", "eu-west-1"), ("CI_JOB_JWT", token)]);
    /// let role = RoleArn::parse("arn:aws:iam::111122223333:role/deploy")?;
    /// let request = WebIdentityRequest::new(role, SessionName::parse("job-4711")?);
    /// let tokens = TokenVariable::new("CI_JOB_JWT", env.clone());
    /// let chain = Chain::builder().environment(env).from_token_provider(tokens, request)?;
    /// # Ok::<(), rolecall::SessionError>(())
    /// ```
    pub fn from_token_provider(
        self,
        tokens: impl ProvideWebIdentityToken,
        request: WebIdentityRequest,
    ) -> Result<Chain, SessionError> {
        let description =
            format!("web identity as {}, the token {}", request.role, tokens.describe());
        let shared = self.shared()?;
        let base = WebIdentityProvider::with_tokens(tokens, request, shared.sts.clone()?)
            .clock(shared.clock.clone());
        Ok(Chain::new(Arc::new(base), description, shared))
    }

    /// Creates a chain on the credentials of an SDK provider. `name` is its name in errors, logs
    /// and metrics.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if settings of this builder exclude each other.
    pub fn from_sdk_provider(
        self,
        name: &str,
        provider: impl ProvideCredentials + 'static,
    ) -> Result<Chain, SessionError> {
        let base = SdkProvider::new(provider).with_name(name);
        self.build(Arc::new(base), format!("{name} (set in code)"))
    }

    /// Creates a chain on the credentials of an SDK configuration, whose other settings are taken
    /// over as by [`configure`](Self::configure).
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::NotConfigured`] if the configuration has no credentials provider, and
    /// [`ErrorKind::InvalidConfig`] if settings of this builder exclude each other.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use rolecall::{Chain, Role};
    ///
    /// # async fn show() -> Result<(), rolecall::SessionError> {
    /// let config = rolecall::from_env()?.sdk_config().load().await;
    /// let orders = Chain::builder()
    ///     .from_sdk_config(&config)?
    ///     .assume_role(Role::new("arn:aws:iam::444455556666:role/orders")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_sdk_config(self, config: &SdkConfig) -> Result<Chain, SessionError> {
        let Some(provider) = config.credentials_provider() else {
            let message = "the SDK configuration has no credentials provider";
            return Err(SessionError::new(ErrorKind::NotConfigured, message)
                .with_hint("set one on the aws-config loader, or call from_env"));
        };
        self.configure(config).from_sdk_provider("SDK configuration", provider)
    }

    /// Creates a chain on a custom session provider, which
    /// [`name`](crate::ProvideSession::name)s itself in errors, logs and metrics.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if settings of this builder exclude each other.
    pub fn from_provider(self, provider: impl ProvideSession) -> Result<Chain, SessionError> {
        let description = format!("{} (set in code)", provider.name());
        self.build(Arc::new(BaseProvider(provider)), description)
    }

    fn build(
        self,
        base: Arc<dyn ProvideSession>,
        description: String,
    ) -> Result<Chain, SessionError> {
        Ok(Chain::new(base, description, self.shared()?))
    }

    fn shared(self) -> Result<Shared, SessionError> {
        self.check_exclusive()?;
        let sts = match &self.sts_client {
            Some(client) => Ok(client.clone()),
            None => match self.endpoint()? {
                Some(endpoint) => Ok(self.new_sts_client(endpoint)?),
                None => Err(no_region()),
            },
        };
        let clock = match (&sts, self.clock) {
            (Ok(sts), _) => sts.clock().clone(),
            (Err(_), clock) => clock.unwrap_or_default(),
        };
        let session_name = match self.session_name {
            Some(name) => name,
            None => SessionName::from_environment(&self.environment)?,
        };
        let http = self.http_client.map_or_else(OnceLock::new, OnceLock::from);
        let Self { refresh, observer, .. } = self;
        Ok(Shared { sts, clock, session_name, refresh, observer, http })
    }

    fn new_sts_client(&self, endpoint: Endpoint) -> Result<StsClient, SessionError> {
        let builder = StsClient::builder(endpoint)
            .clock(self.clock.clone().unwrap_or_default())
            .rate_limit(self.rate_limit.unwrap_or_default());
        let builder = match &self.http_client {
            Some(client) => builder.http_client(client.clone()),
            None => builder.proxy_from(&self.environment)?,
        };
        Ok(builder.build())
    }

    /// Rejects settings that an STS client already has: to ignore one of the two silently would
    /// send calls to another endpoint, or at another rate, than one of the settings says.
    fn check_exclusive(&self) -> Result<(), SessionError> {
        if let Some(error) = &self.invalid {
            return Err(error.clone());
        }
        if self.sts_client.is_none() {
            return Ok(());
        }
        let settings = [
            ("clock", self.clock.is_some()),
            ("region", self.region.is_some()),
            ("endpoint_url", self.endpoint_url.is_some()),
            ("http_client", self.http_client.is_some()),
            ("rate_limit", self.rate_limit.is_some()),
            ("a FIPS endpoint", self.fips == Some(true)),
            ("a dual-stack endpoint", self.dual_stack == Some(true)),
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
    fn endpoint(&self) -> Result<Option<Endpoint>, SessionError> {
        if let Some(client) = &self.sts_client {
            return Ok(Some(client.endpoint().clone()));
        }
        #[cfg(feature = "default-chain")]
        let profile = crate::profile::Profile::read(&self.environment)?.map(|it| it.sts_settings());
        #[cfg(not(feature = "default-chain"))]
        let profile = None;
        let found = Endpoint::find(&self.environment, profile.as_ref(), self.region.as_ref())?;
        let Some(endpoint) = found else { return Ok(None) };
        let endpoint = match &self.endpoint_url {
            Some(url) => Endpoint::custom(url, endpoint.region().clone())?,
            None => endpoint,
        };
        let endpoint = match self.fips {
            Some(fips) => endpoint.with_fips(fips)?,
            None => endpoint,
        };
        let endpoint = match self.dual_stack {
            Some(dual_stack) => endpoint.with_dual_stack(dual_stack)?,
            None => endpoint,
        };
        Ok(Some(endpoint))
    }

    #[cfg(feature = "default-chain")]
    fn required_endpoint(&self) -> Result<Endpoint, SessionError> {
        self.endpoint()?.ok_or_else(no_region)
    }
}

impl fmt::Debug for ChainBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainBuilder")
            .field("environment", &self.environment)
            .field("region", &self.region)
            .field("endpoint_url", &self.endpoint_url)
            .field("session_name", &self.session_name)
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
}

fn no_region() -> SessionError {
    let hint = if cfg!(feature = "default-chain") {
        "set AWS_REGION or the profile's region, or call ChainBuilder::region"
    } else {
        "set AWS_REGION, or call ChainBuilder::region; the Region of a profile is read with the \
         feature default-chain"
    };
    SessionError::new(ErrorKind::InvalidConfig, "no Region is set for the STS endpoint")
        .with_hint(hint)
}

/// Rejects `AWS_PROFILE` in a build that cannot read profiles.
///
/// To continue with the web identity would silently act as another identity than the one that
/// `AWS_PROFILE` selects in every SDK.
#[cfg(not(feature = "default-chain"))]
fn reject_profile(environment: &Environment) -> Result<(), SessionError> {
    let Some(profile) = environment.var("AWS_PROFILE")? else { return Ok(()) };
    let message =
        format!("AWS_PROFILE selects the profile {profile:?}, but this build cannot read profiles");
    Err(SessionError::new(ErrorKind::InvalidConfig, message)
        .with_hint("enable the feature default-chain of rolecall, or unset AWS_PROFILE"))
}

/// Returns the error if no identity was found. `default_chain` is whether this build knows the
/// whole default order.
fn no_identity(environment: &Environment, default_chain: bool) -> SessionError {
    const CONTAINER: [&str; 2] =
        ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
    let error =
        SessionError::new(ErrorKind::NotConfigured, "the environment configures no identity");
    let is_set = |variable: &&str| matches!(environment.var(variable), Ok(Some(_)));
    if !default_chain && let Some(variable) = CONTAINER.into_iter().find(|it| is_set(it)) {
        return error.with_hint(format!(
            "enable the feature default-chain of rolecall, which reads {variable}"
        ));
    }
    let set = "set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or AWS_ACCESS_KEY_ID and \
               AWS_SECRET_ACCESS_KEY, or pass a provider to ChainBuilder::from_sdk_provider";
    match default_chain {
        true => error.with_hint(set),
        false => error.with_hint(format!(
            "{set}; profiles, containers and EC2 instances need the feature default-chain"
        )),
    }
}

#[cfg(test)]
mod tests;

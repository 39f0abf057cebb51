mod lookup;
mod sdk_defaults;
mod settings;
mod shared;

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "default-chain")]
use std::sync::OnceLock;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use rolecall_cache::Refresh;
use rolecall_core::{
    Clock, Environment, ErrorKind, Observer, ProvideSession, SdkProvider, SessionError, SessionName,
};
use rolecall_sts::{EndpointOverrides, RateLimit, StsClient, WebIdentityRequest};
use rolecall_web_identity::{ProvideWebIdentityToken, WebIdentityConfig, WebIdentityProvider};

use self::sdk_defaults::SdkDefaults;
use crate::base::{BaseProvider, environment_keys};
use crate::chain::Chain;
#[cfg(feature = "default-chain")]
use crate::default_chain::{self, FromProfile};
#[cfg(feature = "default-chain")]
use crate::profile::ProfileLookup;

/// Creates a chain on the identity that the process's environment configures.
///
/// Looks in the order of the SDKs: access keys (`AWS_ACCESS_KEY_ID`), then a web identity
/// (`AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`). `AWS_REGION` and the endpoint variables
/// configure the STS endpoint.
///
/// With the feature `default-chain`, looks in the whole default order of the SDKs: access keys, the
/// profile (`AWS_PROFILE`, or `default` if it has credentials), the web identity, container
/// credentials (ECS, EKS Pod Identity) and EC2 instance metadata. Credentials of instance metadata
/// that have expired are used further, since AWS accepts them while the metadata service has an
/// outage. Endpoint settings that no variable sets are then read from the profile. This function
/// reads the shared configuration files and blocks the thread meanwhile: call it when the program
/// starts, or use a [`LazyProvider`](crate::provider::LazyProvider). A file at its default path
/// that the process may not read is logged at `WARN` and counts as an empty one, unless
/// `AWS_PROFILE` is set, or the identity would be that of the profile `default` of the other file.
///
/// [`Chain::description`] returns which identity was selected, and why.
///
/// # Errors
///
/// Returns [`ErrorKind::NotConfigured`] if no identity is configured, and
/// [`ErrorKind::InvalidConfig`] if an identity or another setting is invalid. An identity that is
/// configured but invalid is never skipped for the next one in the order.
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
    endpoint: EndpointOverrides,
    http_client: Option<SharedHttpClient>,
    sts_client: Option<StsClient>,
    sdk_defaults: SdkDefaults,
    rate_limit: Option<RateLimit>,
    session_name: Option<SessionName>,
    /// The profile that is named in code.
    #[cfg(feature = "default-chain")]
    profile: Option<String>,
    /// The selected profile, once a constructor has read it: the identity and the endpoint come
    /// from the same contents of the files.
    #[cfg(feature = "default-chain")]
    lookup: OnceLock<ProfileLookup>,
    refresh: Refresh,
    observer: Option<Arc<dyn Observer>>,
}

impl ChainBuilder {
    pub(crate) fn new() -> Self {
        Self {
            environment: Environment::process(),
            clock: None,
            endpoint: EndpointOverrides::default(),
            http_client: None,
            sts_client: None,
            sdk_defaults: SdkDefaults::default(),
            rate_limit: None,
            session_name: None,
            #[cfg(feature = "default-chain")]
            profile: None,
            #[cfg(feature = "default-chain")]
            lookup: OnceLock::new(),
            refresh: Refresh::default(),
            observer: None,
        }
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
            return self.build_environment_keys(keys);
        }
        #[cfg(feature = "default-chain")]
        if let Some(selected) = self.select_profile()? {
            return self.build_profile(selected);
        }
        #[cfg(not(feature = "default-chain"))]
        reject_profile(&self.environment)?;
        if let Some(config) = WebIdentityConfig::from_environment(&self.environment)? {
            return self.build_environment_web_identity(config);
        }
        #[cfg(feature = "default-chain")]
        {
            let unreadable = &self.lookup()?.unreadable;
            let from_metadata =
                default_chain::from_metadata(&self.environment, unreadable, || self.endpoint())?;
            if let Some((base, reason)) = from_metadata {
                return self.build(base, reason);
            }
        }
        Err(self.no_identity(cfg!(feature = "default-chain")))
    }

    /// Creates a chain on the access keys of the environment: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and, for temporary credentials, `AWS_SESSION_TOKEN`.
    ///
    /// Use it where another identity than these keys must not be selected, whatever else the
    /// environment configures.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::NotConfigured`] if the environment has no access keys, and
    /// [`ErrorKind::InvalidConfig`] if they or other settings are invalid.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall::{Chain, Environment, ErrorKind};
    ///
    /// let builder = Chain::builder().environment(Environment::fixed([("AWS_PROFILE", "dev")]));
    /// let error = builder.from_environment_keys().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotConfigured);
    /// ```
    pub fn from_environment_keys(self) -> Result<Chain, SessionError> {
        match environment_keys(&self.environment)? {
            Some(keys) => self.build_environment_keys(keys),
            None => {
                let message = "the environment contains no access keys";
                Err(SessionError::new(ErrorKind::NotConfigured, message)
                    .with_hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))
            }
        }
    }

    /// Creates a chain on the web identity of the environment: `AWS_ROLE_ARN` and
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
    ///
    /// Use it where another identity must not be selected, such as the access keys that a container
    /// image sets.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::NotConfigured`] if the environment has no web identity, and
    /// [`ErrorKind::InvalidConfig`] if it or another setting is invalid.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall::{Chain, Environment};
    ///
    /// let chain = Chain::builder()
    ///     .environment(Environment::fixed([
    ///         ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/checkout"),
    ///         ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token"),
    ///         ("AWS_REGION", "eu-west-1"),
    ///         // Not used, though it is the first identity in the default order.
    ///         ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ///         ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ///     ]))
    ///     .from_environment_web_identity()?;
    /// assert!(chain.description().starts_with("web identity as"));
    /// # Ok::<(), rolecall::SessionError>(())
    /// ```
    pub fn from_environment_web_identity(self) -> Result<Chain, SessionError> {
        match WebIdentityConfig::from_environment(&self.environment)? {
            Some(config) => self.build_environment_web_identity(config),
            None => {
                let message = "the environment contains no web identity";
                Err(SessionError::new(ErrorKind::NotConfigured, message)
                    .with_hint("set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE"))
            }
        }
    }

    /// Creates a chain on the identity of a profile of the shared configuration files.
    ///
    /// Endpoint settings that no variable sets are read from the profile. This function reads the
    /// files and blocks the thread meanwhile: call it when the program starts.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::NotConfigured`] if the profile configures no identity, and
    /// [`ErrorKind::InvalidConfig`] if there is no such profile, or if it or another setting is
    /// invalid.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn show() -> Result<(), rolecall::SessionError> {
    /// let chain = rolecall::Chain::builder().from_profile("staging")?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "default-chain")]
    pub fn from_profile(mut self, name: impl Into<String>) -> Result<Chain, SessionError> {
        let name = name.into();
        self.profile = Some(name.clone());
        match self.select_profile()? {
            Some(selected) => self.build_profile(selected),
            None => {
                let message = format!("the profile {name:?} configures no identity");
                Err(SessionError::new(ErrorKind::NotConfigured, message)
                    .with_hint("add access keys, a role_arn or another identity to the profile"))
            }
        }
    }

    #[cfg(feature = "default-chain")]
    fn select_profile(&self) -> Result<Option<(FromProfile, String)>, SessionError> {
        default_chain::from_profile(
            &self.environment,
            self.lookup()?,
            || self.default_session_name(),
            || self.required_endpoint(),
        )
    }

    #[cfg(feature = "default-chain")]
    fn build_profile(self, (from, reason): (FromProfile, String)) -> Result<Chain, SessionError> {
        match from {
            FromProfile::WebIdentity(config) => self.build_web_identity(config, &reason),
            FromProfile::Provider(base) => self.build(base, reason),
        }
    }

    fn build_environment_keys(self, keys: Credentials) -> Result<Chain, SessionError> {
        let base = SdkProvider::new(keys).with_name("environment keys").static_keys();
        self.build(Arc::new(base), "environment keys (AWS_ACCESS_KEY_ID is set)".into())
    }

    fn build_environment_web_identity(
        self,
        mut config: WebIdentityConfig,
    ) -> Result<Chain, SessionError> {
        // The name in code precedes AWS_ROLE_SESSION_NAME here as it does for hops. Otherwise, it
        // would have no effect on a chain without a hop.
        if let Some(name) = &self.session_name {
            config.session_name = name.clone();
        }
        self.build_web_identity(config, "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set")
    }

    /// Creates a chain on a web identity whose token is in a file.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if no Region is set, if a setting is invalid, or if
    /// settings of this builder exclude each other.
    pub fn from_web_identity(self, config: WebIdentityConfig) -> Result<Chain, SessionError> {
        self.build_web_identity(config, "set in code")
    }

    fn build_web_identity(
        self,
        config: WebIdentityConfig,
        reason: &str,
    ) -> Result<Chain, SessionError> {
        let description = format!("web identity as {} ({reason})", config.role);
        let (environment, observer) = (self.environment.clone(), self.observer.clone());
        let shared = self.shared()?;
        let sts = shared.sts.clone()?;
        let base =
            WebIdentityProvider::new(config.clone(), sts, environment).clock(shared.clock.clone());
        let chain = Chain::new(Arc::new(base), description, observer, shared);
        Ok(chain.with_web_identity(config))
    }

    /// Creates a chain on a web identity whose tokens come from `tokens`: an environment variable
    /// of a CI system, a token broker, a function.
    ///
    /// A chain has one identity. A token whose issuer or subject differs from that of the first
    /// accepted token is rejected.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if no Region is set, if a setting is invalid, or if
    /// settings of this builder exclude each other.
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
        let observer = self.observer.clone();
        let shared = self.shared()?;
        let base = WebIdentityProvider::with_tokens(tokens, request, shared.sts.clone()?)
            .clock(shared.clock.clone());
        Ok(Chain::new(Arc::new(base), description, observer, shared))
    }

    /// Creates a chain on the credentials of an SDK provider. `name` is its name in errors, logs
    /// and metrics.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if a setting is invalid, or if settings of this builder
    /// exclude each other.
    pub fn from_sdk_provider(
        self,
        name: &str,
        provider: impl ProvideCredentials + 'static,
    ) -> Result<Chain, SessionError> {
        let base = SdkProvider::new(provider).with_name(name);
        self.build(Arc::new(base), format!("{name} (set in code)"))
    }

    /// Creates a chain on the credentials of an SDK configuration, whose other settings are copied
    /// as by [`configure`](Self::configure).
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::NotConfigured`] if the configuration has no credentials provider, and
    /// [`ErrorKind::InvalidConfig`] if a setting is invalid, or if settings of this builder exclude
    /// each other.
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

    /// Creates a chain on a custom session provider. Errors, logs and metrics contain its
    /// [`name`](crate::ProvideSession::name).
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if a setting is invalid, or if settings of this builder
    /// exclude each other.
    pub fn from_provider(self, provider: impl ProvideSession) -> Result<Chain, SessionError> {
        let description = format!("{} (set in code)", provider.name());
        self.build(Arc::new(BaseProvider::custom(provider)), description)
    }

    fn build(
        self,
        base: Arc<dyn ProvideSession>,
        description: String,
    ) -> Result<Chain, SessionError> {
        let observer = self.observer.clone();
        Ok(Chain::new(base, description, observer, self.shared()?))
    }
}

impl fmt::Debug for ChainBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainBuilder")
            .field("environment", &self.environment)
            .field("endpoint", &self.endpoint)
            .field("session_name", &self.session_name)
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
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

#[cfg(test)]
mod tests;

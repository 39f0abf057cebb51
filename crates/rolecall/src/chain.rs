use std::fmt;
use std::sync::Arc;
#[cfg(feature = "aws-config")]
use std::sync::OnceLock;

use async_trait::async_trait;
#[cfg(feature = "aws-config")]
use aws_config::{ConfigLoader, Region as SdkRegion};
#[cfg(feature = "aws-config")]
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rolecall_assume_role::{AssumeRoleProvider, ProvideMfaCode, Role};
use rolecall_cache::{CachedProvider, Refresh};
use rolecall_core::{
    Clock, ErrorLocation, FetchContext, FetchMode, Observer, ProvideSession, Session, SessionError,
    SessionName,
};
#[cfg(feature = "aws-config")]
use rolecall_sts::Region;
use rolecall_sts::{CallerIdentity, SignerRetry, StsClient, invalid_signer};
use rolecall_web_identity::WebIdentityConfig;

use crate::ChainBuilder;
#[cfg(feature = "aws-config")]
use crate::config_loader::sdk_config;
#[cfg(feature = "aws-config")]
use crate::http_client::default_http_client;

/// Base credentials and the roles assumed on top of them.
///
/// Every hop has a cache entry of its own: the refresh of a hop is signed with the cached session
/// of its parent. Clones are cheap and share the cache entries.
///
/// A chain acts with one identity. Its base credentials come from one provider, and all callers of
/// the chain share the sessions.
///
/// # Examples
///
/// ```no_run
/// use rolecall::Role;
///
/// # fn show() -> Result<(), rolecall::SessionError> {
/// let chain = rolecall::from_env()?
///     .assume_role(Role::new("arn:aws:iam::111122223333:role/hub")?)
///     .assume_role(Role::new("arn:aws:iam::444455556666:role/orders")?.external_id("shop-4711")?);
/// let (base, orders) = (chain.base_provider(), chain.provider());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Chain {
    base: CachedProvider,
    last: CachedProvider,
    hops: usize,
    description: Arc<str>,
    web_identity: Option<Arc<WebIdentityConfig>>,
    /// The observer of the hops that are added next.
    observer: Option<Arc<dyn Observer>>,
    shared: Arc<Shared>,
}

/// The settings that all hops of a chain share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The error says that no Region is set. Only a hop and a web identity call STS: a chain of
    /// other base credentials without a hop works without it.
    pub(crate) sts: Result<StsClient, SessionError>,
    /// The Region of the SDK configurations of the chain.
    #[cfg(feature = "aws-config")]
    pub(crate) region: Option<Region>,
    pub(crate) clock: Clock,
    pub(crate) session_name: SessionName,
    pub(crate) refresh: Refresh,
    /// Shared by the SDK configurations of the chain: a client each would open connections of its
    /// own for every configuration.
    #[cfg(feature = "aws-config")]
    pub(crate) http: OnceLock<SharedHttpClient>,
}

impl Shared {
    fn cache(
        &self,
        provider: Arc<dyn ProvideSession>,
        refresh: Refresh,
        observer: Option<&Arc<dyn Observer>>,
    ) -> CachedProvider {
        let cached = CachedProvider::builder_from_arc(provider);
        let cached = cached.clock(self.clock.clone()).refresh(refresh);
        match observer {
            Some(observer) => cached.observer(Arc::clone(observer)),
            None => cached,
        }
        .build()
    }
}

impl Chain {
    /// Creates a builder with custom settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall::{Chain, Environment, ErrorKind};
    ///
    /// let env = Environment::fixed([("AWS_EC2_METADATA_DISABLED", "true")]);
    /// let error = Chain::builder().environment(env).from_env().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotConfigured);
    /// ```
    pub fn builder() -> ChainBuilder {
        ChainBuilder::new()
    }

    pub(crate) fn new(
        base: Arc<dyn ProvideSession>,
        description: String,
        observer: Option<Arc<dyn Observer>>,
        shared: Shared,
    ) -> Self {
        let base = shared.cache(base, shared.refresh, observer.as_ref());
        Self {
            last: base.clone(),
            base,
            hops: 0,
            description: description.into(),
            web_identity: None,
            observer,
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn with_web_identity(self, config: WebIdentityConfig) -> Self {
        Self { web_identity: Some(Arc::new(config)), ..self }
    }

    /// Sets the observer that receives the session events of the hops, and the pools, that follow.
    /// Defaults to that of the [builder](ChainBuilder::observer), which the hops before keep.
    ///
    /// Use it where several chains share their base credentials, and the events of each are counted
    /// by themselves.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use rolecall::Role;
    /// use rolecall::observe::{Event, Observer};
    ///
    /// #[derive(Debug)]
    /// struct Log(&'static str);
    ///
    /// impl Observer for Log {
    ///     fn observe(&self, provider: &str, event: &Event<'_>) {
    ///         println!("{}: {provider}: {}", self.0, event.name());
    ///     }
    /// }
    ///
    /// # fn show() -> Result<(), rolecall::SessionError> {
    /// let base = rolecall::from_env()?;
    /// let role = Role::new("arn:aws:iam::444455556666:role/orders")?;
    /// let reader = base.clone().observer(Log("reader")).assume_role(role.clone().tag("for", "r")?);
    /// let writer = base.observer(Log("writer")).assume_role(role.tag("for", "w")?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn observer(self, observer: impl Observer) -> Self {
        Self { observer: Some(Arc::new(observer)), ..self }
    }

    /// Adds a hop that assumes `role`.
    ///
    /// Sessions have the session name of the chain unless the role sets one; see
    /// [`ChainBuilder::session_name`].
    ///
    /// A hop needs STS. In a chain without a Region, every session of this hop fails with
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig).
    #[must_use]
    pub fn assume_role(self, role: Role) -> Self {
        let refresh = self.shared.refresh;
        self.add_hop(role, refresh, |hop| hop)
    }

    /// Adds a hop that assumes `role` with an MFA code from `codes`.
    ///
    /// The role must set [`Role::mfa_serial`]; its sessions fail with
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig) otherwise. A session is used until it
    /// expires and is not refreshed before, since a person may have to enter the next code
    /// ([`Refresh::Never`](crate::cache::Refresh::Never)).
    #[must_use]
    pub fn assume_role_with_mfa(self, role: Role, codes: impl ProvideMfaCode) -> Self {
        self.add_hop(role, Refresh::Never, |hop| hop.with_mfa(codes))
    }

    fn add_hop(
        self,
        role: Role,
        refresh: Refresh,
        configure: impl FnOnce(AssumeRoleProvider) -> AssumeRoleProvider,
    ) -> Self {
        let description = format!("{} -> {}", self.description, role.arn()).into();
        let provider: Arc<dyn ProvideSession> = match self.hop_provider(role.clone()) {
            Ok(provider) => Arc::new(configure(provider)),
            Err(error) => Arc::new(UnavailableHop { role, error }),
        };
        let last = self.shared.cache(provider, refresh, self.observer.as_ref());
        Self { last, hops: self.hops + 1, description, ..self }
    }

    /// Creates the provider of the next hop.
    pub(crate) fn hop_provider(&self, role: Role) -> Result<AssumeRoleProvider, SessionError> {
        let index = self.hops + 1;
        match &self.shared.sts {
            Ok(sts) => {
                let name = self.shared.session_name.clone();
                let provider = AssumeRoleProvider::new(self.last.clone(), role, sts.clone(), name);
                Ok(provider.with_hop_index(index))
            }
            Err(error) => Err(error.clone().at(ErrorLocation::hop(index, role.arn().clone()))),
        }
    }

    /// Returns the cached provider of the sessions at the end of the chain.
    pub fn provider(&self) -> CachedProvider {
        self.last.clone()
    }

    /// Returns the cached provider of the base credentials. It shares the cache entry that the
    /// first hop uses.
    pub fn base_provider(&self) -> CachedProvider {
        self.base.clone()
    }

    /// Creates a pool of roles that are assumed from the end of this chain, with default settings.
    ///
    /// Use it for roles that are known only with a request, such as one per tenant.
    /// [`RolePool::builder`](crate::RolePool::builder) sets the capacity and more.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use rolecall::Role;
    ///
    /// # fn show() -> Result<(), rolecall::SessionError> {
    /// let pool = rolecall::from_env()?.pool();
    /// let orders = pool.role(&Role::new("arn:aws:iam::444455556666:role/orders")?);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "pool")]
    pub fn pool(&self) -> crate::RolePool {
        crate::RolePool::builder(self).build()
    }

    /// Creates a loader of SDK configuration with the credentials at the end of the chain.
    ///
    /// The configuration uses the chain's Region if one is set, and disables the SDK's identity
    /// cache. All configurations of one chain share an HTTP client, and thus its connections.
    /// Everything else is as in [`sdk_config`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn show() -> Result<(), rolecall::SessionError> {
    /// let config = rolecall::from_env()?.sdk_config().load().await;
    /// // let s3 = aws_sdk_s3::Client::new(&config);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "aws-config")]
    pub fn sdk_config(&self) -> ConfigLoader {
        self.sdk_config_for(self.provider())
    }

    #[cfg(feature = "aws-config")]
    pub(crate) fn sdk_config_for(&self, provider: CachedProvider) -> ConfigLoader {
        let http = self.shared.http.get_or_init(default_http_client);
        let loader = sdk_config(provider).http_client(http.clone());
        match self.region() {
            Some(region) => loader.region(region),
            None => loader,
        }
    }

    #[cfg(feature = "aws-config")]
    fn region(&self) -> Option<SdkRegion> {
        Some(SdkRegion::new(self.shared.region.as_ref()?.as_str().to_owned()))
    }

    #[cfg(feature = "pool")]
    pub(crate) fn get_observer(&self) -> Option<&Arc<dyn Observer>> {
        self.observer.as_ref()
    }

    #[cfg(feature = "pool")]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Returns which base credentials were selected, why, and the roles assumed on top of them.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Returns the web identity of the base credentials, if its token is in a file.
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
    ///     ]))
    ///     .from_env()?;
    /// let file = chain.web_identity().map(|config| config.token_file.as_path());
    /// assert_eq!(file, Some(std::path::Path::new("/var/run/secrets/token")));
    /// # Ok::<(), rolecall::SessionError>(())
    /// ```
    pub fn web_identity(&self) -> Option<&WebIdentityConfig> {
        self.web_identity.as_deref()
    }

    /// Returns the STS client that all hops share.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidConfig`](crate::ErrorKind::InvalidConfig) if no Region is set.
    pub fn sts_client(&self) -> Result<&StsClient, SessionError> {
        self.shared.sts.as_ref().map_err(Clone::clone)
    }

    /// Asks STS which identity the session at the end of the chain has (GetCallerIdentity).
    ///
    /// If STS rejects the session, it is invalidated, and the call is repeated once with a new
    /// session.
    ///
    /// # Errors
    ///
    /// Returns the error of the fetch if no session is available, and the error of the call
    /// otherwise.
    pub async fn caller_identity(&self) -> Result<CallerIdentity, SessionError> {
        let sts = self.sts_client()?;
        let mut session = self.last.session().await?;
        let mut retry = SignerRetry::default();
        let result = loop {
            let error = match sts.caller_identity(&session, FetchMode::Foreground).await {
                Ok(identity) => break Ok(identity),
                Err(error) => error,
            };
            let Some(reason) = invalid_signer(&error) else { break Err(error) };
            ProvideSession::invalidate(&self.last, &session, reason);
            let next = self.last.session().await?;
            let clock = &self.shared.clock;
            let Some(pause) = retry.pause(reason, &session, &next, clock) else {
                break Err(error);
            };
            tokio::time::sleep(pause).await;
            session = next;
        };
        result.map_err(|error| {
            let name = format!("GetCallerIdentity, {}", session.lineage());
            error.at(ErrorLocation::Base(name))
        })
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("description", &self.description)
            .field("sts", &self.shared.sts.as_ref().map(StsClient::endpoint).ok())
            .finish_non_exhaustive()
    }
}

/// A hop of a chain that has no STS endpoint. Every fetch fails with the reason.
#[derive(Debug)]
pub(crate) struct UnavailableHop {
    pub(crate) role: Role,
    pub(crate) error: SessionError,
}

#[async_trait]
impl ProvideSession for UnavailableHop {
    async fn provide_session(&self, _context: FetchContext) -> Result<Session, SessionError> {
        Err(self.error.clone())
    }

    fn name(&self) -> &str {
        self.role.arn().as_str()
    }
}

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

#[cfg(feature = "aws-config")]
use aws_config::ConfigLoader;
use rolecall_assume_role::{AssumeRoleProvider, Role};
use rolecall_cache::{
    CachedProvider, PoolStatus, Refresh, SessionPool, SessionPoolBuilder, Status, WarmReport,
};
use rolecall_core::{Observer, ProvideSession};

use crate::Chain;
use crate::chain::UnavailableHop;

/// A pool of roles that are assumed from one chain: a role per tenant, or one role limited to the
/// data of each tenant.
///
/// The session at the end of the chain is cached once, and one STS client with one rate limit
/// serves all roles. Each role has a cache entry of its own. The key is the whole role: ARN,
/// external id, tags, policies and all other parameters. STS is called once per role, however many
/// callers there are, and no caller receives the session of another role.
///
/// A cache entry exists while a provider for it exists. Without one, the pool retains up to
/// [`capacity`](RolePoolBuilder::capacity) entries, each until it was
/// [`idle`](RolePoolBuilder::idle) for some time. While STS throttles or is unavailable, callers
/// keep receiving cached sessions; refreshes are deferred and retried.
///
/// Clones share everything. The pool ends with its last clone; providers keep working without it.
///
/// # Examples
///
/// Create one SDK client, and override its credentials for each request:
///
/// ```no_run
/// use aws_sdk_s3::config::{Builder, IdentityCache};
/// use rolecall::sdk::retry_invalid_session;
/// use rolecall::{Role, RolePool};
///
/// /// Deletes the logo of a tenant.
/// async fn delete_logo(
///     pool: &RolePool,
///     s3: &aws_sdk_s3::Client,
///     role: &Role,
/// ) -> Result<(), aws_sdk_s3::Error> {
///     let provider = pool.role(role);
///     let credentials = Builder::new()
///         .credentials_provider(provider.clone())
///         .identity_cache(IdentityCache::no_cache());
///     let credentials = retry_invalid_session!(credentials, &provider);
///     let request = s3.delete_object().bucket("shop-uploads").key("logo.png").customize();
///     request.config_override(credentials).send().await?;
///     Ok(())
/// }
/// ```
///
/// [`manual::tenants`](crate::manual::tenants) explains the settings, and shows how to keep a
/// client for each tenant ([`sdk_config`](Self::sdk_config)).
#[derive(Clone)]
pub struct RolePool {
    sessions: SessionPool<Role>,
    chain: Arc<Chain>,
}

impl RolePool {
    /// Creates a builder for a pool whose roles are assumed with the sessions of `chain`.
    ///
    /// [`Chain::pool`] creates a pool with default settings.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use rolecall::RolePool;
    ///
    /// # fn show() -> Result<(), rolecall::SessionError> {
    /// let chain = rolecall::from_env()?;
    /// let idle = Duration::from_secs(900);
    /// let pool = RolePool::builder(&chain).capacity(50_000).idle(idle).build();
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(chain: &Chain) -> RolePoolBuilder {
        let chain = Arc::new(chain.clone());
        let mut sessions =
            SessionPool::builder(providers(&chain)).clock(chain.shared().clock.clone());
        if let Some(observer) = chain.get_observer() {
            sessions = sessions.observer(Arc::clone(observer));
        }
        let sessions = sessions.refresh(chain.shared().refresh);
        RolePoolBuilder { sessions, chain }
    }

    /// Returns the cached provider of `role`, creating its cache entry if absent.
    ///
    /// No session is fetched before the provider is asked for one. The call is cheap for a role
    /// that the pool knows, in particular if you pass clones of one [`Role`], which remember their
    /// hash.
    ///
    /// A request that STS would reject fails when the provider is asked, as with
    /// [`Chain::assume_role`]: a session of more than one hour if the chain's own session belongs
    /// to a role, a role of another partition, or a role that requires MFA, which a pool cannot
    /// provide.
    pub fn role(&self, role: &Role) -> CachedProvider {
        self.sessions.get(&self.canonical(role))
    }

    /// Returns the cached provider of `role`, whose sessions are limited to what `policy` allows.
    ///
    /// Use it to issue credentials that reach the data of one tenant. Each policy has a cache entry
    /// of its own.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`](crate::params::InvalidParameter) if the role already has an
    /// inline policy, which a second one would replace, or if the policy is larger than STS
    /// accepts.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use rolecall::policy::{PermissionPolicy, S3Access};
    /// use rolecall::{CachedProvider, Role, RolePool};
    ///
    /// /// `tenant` is a validated id: a prefix that a caller may choose could be another tenant's.
    /// fn issue(
    ///     pool: &RolePool,
    ///     role: &Role,
    ///     tenant: u64,
    /// ) -> Result<CachedProvider, Box<dyn std::error::Error>> {
    ///     let data = S3Access::under("shop-data", [format!("tenants/{tenant}/")])?.list().read();
    ///     let policy = PermissionPolicy::builder().s3(data).build()?;
    ///     Ok(pool.narrowed(role, &policy)?)
    /// }
    /// ```
    #[cfg(feature = "policy")]
    pub fn narrowed(
        &self,
        role: &Role,
        policy: &rolecall_policy::PermissionPolicy,
    ) -> Result<CachedProvider, rolecall_core::InvalidParameter> {
        if let Some(existing) = role.get_policy() {
            return Err(rolecall_core::InvalidParameter::new(
                "session policy",
                existing.as_str(),
                "the role already has an inline policy",
                "a role without an inline policy, since a session has only one and another one could allow more",
            ));
        }
        Ok(self.role(&role.clone().policy(crate::policy::session_policy(policy)?)?))
    }

    /// Creates a loader of SDK configuration with the credentials of `role`.
    ///
    /// As with [`Chain::sdk_config`], the configuration has the chain's Region and no second
    /// identity cache. All configurations of one pool and its chain share an HTTP client.
    #[cfg(feature = "aws-config")]
    pub fn sdk_config(&self, role: &Role) -> ConfigLoader {
        self.chain.sdk_config_for(self.role(role))
    }

    /// Fetches the sessions of `roles` before they are asked for, 64 at a time. Calls `progress`
    /// after each. Roles whose session is cached cost nothing.
    ///
    /// Each fetch waits up to nine seconds for a permit of the STS client's rate limit, as callers
    /// do. If the rate limit is below seven calls per second, warm in parts. If `roles` exceeds the
    /// pool's [`capacity`](RolePoolBuilder::capacity), some are evicted again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn show(pool: rolecall::RolePool, roles: Vec<rolecall::Role>) {
    /// let total = roles.len();
    /// let report = pool.warm(roles, |so_far| eprint!("\r{} of {total}", so_far.done())).await;
    /// for (role, error) in &report.failed {
    ///     eprintln!("{}: {}", role.arn(), error.report());
    /// }
    /// # }
    /// ```
    pub async fn warm(
        &self,
        roles: impl IntoIterator<Item = Role>,
        progress: impl FnMut(&WarmReport<Role>),
    ) -> WarmReport<Role> {
        let roles = roles.into_iter().map(|role| self.canonical(&role).into_owned());
        self.sessions.warm(roles, progress).await
    }

    /// Returns the status of all roles together, for a health endpoint.
    ///
    /// The status of the session that assumes the roles is `pool.chain().provider().status()`.
    pub fn status(&self) -> PoolStatus {
        self.sessions.status()
    }

    /// Returns the status of `role`, or `None` if it has no cache entry.
    pub fn status_of(&self, role: &Role) -> Option<Status> {
        self.sessions.status_of(&self.canonical(role))
    }

    /// Returns the status of each role, in no particular order.
    ///
    /// Copies the whole list: use it for a status page, not for every request.
    pub fn statuses(&self) -> Vec<(Role, Status)> {
        self.sessions.statuses()
    }

    /// Removes the cache entry of `role`, such as that of a deleted tenant. Returns `true` if there
    /// was one.
    ///
    /// Providers for it return [`Removed`](crate::ErrorKind::Removed). The next call of
    /// [`role`](Self::role) creates a new entry. A role with a session policy is another role: see
    /// [`remove_where`](Self::remove_where).
    pub fn remove(&self, role: &Role) -> bool {
        self.sessions.remove(&self.canonical(role))
    }

    /// Removes the cache entries of all roles for which `predicate` returns `true`. Returns how
    /// many there were.
    ///
    /// Checks every role: do not call it for every request.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn show(pool: rolecall::RolePool, deleted: rolecall::params::RoleArn) {
    /// let removed = pool.remove_where(|role| role.arn() == &deleted);
    /// # }
    /// ```
    pub fn remove_where(&self, predicate: impl Fn(&Role) -> bool) -> usize {
        self.sessions.remove_where(predicate)
    }

    /// Returns the chain from which the roles are assumed.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Returns the key of `role`. A role that sets the chain's own session name makes the same
    /// request as one that sets none, and must share its cache entry.
    fn canonical<'a>(&self, role: &'a Role) -> Cow<'a, Role> {
        match role.get_session_name() {
            Some(name) if *name == self.chain.shared().session_name => {
                Cow::Owned(role.clone().without_session_name())
            }
            _ => Cow::Borrowed(role),
        }
    }
}

/// Returns the function that creates the provider of a role.
fn providers(chain: &Chain) -> impl Fn(&Role) -> Arc<dyn ProvideSession> + Send + Sync + 'static {
    let chain = chain.clone();
    // All roles share the state of the first provider: thousands of copies of it would dominate the
    // memory of a pool.
    let template: OnceLock<AssumeRoleProvider> = OnceLock::new();
    move |role| match template.get() {
        Some(template) => Arc::new(template.with_role(role.clone())),
        None => match chain.hop_provider(role.clone()) {
            Ok(provider) => Arc::new(template.get_or_init(|| provider).with_role(role.clone())),
            Err(error) => Arc::new(UnavailableHop { role: role.clone(), error }),
        },
    }
}

impl fmt::Debug for RolePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RolePool")
            .field("chain", &self.chain)
            .field("sessions", &self.sessions)
            .finish()
    }
}

/// Builds a [`RolePool`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use rolecall::RolePool;
/// use rolecall::cache::Refresh;
///
/// # fn show(chain: &rolecall::Chain) {
/// let pool = RolePool::builder(chain)
///     .capacity(50_000)
///     .idle(Duration::from_secs(900))
///     .refresh(Refresh::WhileUsed)
///     .build();
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct RolePoolBuilder {
    sessions: SessionPoolBuilder<Role>,
    chain: Arc<Chain>,
}

impl RolePoolBuilder {
    /// Sets the approximate number of unused entries to retain. Defaults to 10,000; the minimum is
    /// 1.
    pub fn capacity(mut self, sessions: u64) -> Self {
        self.sessions = self.sessions.capacity(sessions);
        self
    }

    /// Sets how long an unused session is retained, accurate to a quarter of this time or to
    /// 16 seconds. Defaults to one hour.
    pub fn idle(mut self, time: Duration) -> Self {
        self.sessions = self.sessions.idle(time);
        self
    }

    /// Sets when sessions are refreshed. Defaults to the setting of the chain.
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.sessions = self.sessions.refresh(refresh);
        self
    }

    /// Sets the observer that receives the events of the sessions. Defaults to that of the chain.
    ///
    /// Events name the role's ARN, whatever its session policy is: [`statuses`](RolePool::statuses)
    /// distinguishes the tenants of one role.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.sessions = self.sessions.observer(observer);
        self
    }

    /// Builds the pool. It is empty.
    pub fn build(self) -> RolePool {
        RolePool { sessions: self.sessions.build(), chain: self.chain }
    }
}

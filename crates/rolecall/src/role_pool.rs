use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rolecall_assume_role::Role;
use rolecall_cache::{PoolStatus, Refresh, SessionPool, SessionPoolBuilder, Status, Warmed};
use rolecall_core::{InvalidParameter, Observer, SessionPolicy, SessionSource};

use crate::{Chain, Provider};

/// Sessions of many roles on one base: a role per tenant, or one role narrowed to each tenant's data.
///
/// The base's session is held once, and one STS client with one budget serves all roles. Each role has a slot of its own,
/// found by all that the role asks for: ARN, external id, tags, policies, and so on, compared in full. So there is one
/// call to STS for each role whoever asks and however often, and nobody gets the session of another role.
///
/// A slot lives while a handle of it lives, and, with no handle, while the pool retains it: up to
/// [`capacity`](RolePoolBuilder::capacity), and [`idle`](RolePoolBuilder::idle) after its last use. While STS throttles or
/// is down, callers go on with the sessions that are held; refreshes are put off and tried again.
///
/// ```no_run
/// use rolecall::{Role, RolePool};
///
/// /// Of a tenant, once it is known who asks.
/// async fn client(pool: &RolePool, role: &Role) -> Result<(), rolecall::FetchError> {
///     let config = rolecall::sdk_config(pool.role(role)).load().await;
///     // let s3 = aws_sdk_s3::Client::new(&config);
/// #   let _ = config;
///     Ok(())
/// }
/// ```
///
/// Clones share everything. The pool ends with its last clone; handles live on without it.
#[derive(Clone)]
pub struct RolePool {
    sessions: SessionPool<Role>,
    chain: Arc<Chain>,
}

impl RolePool {
    /// Sets up a pool on the end of a chain. [`Chain::pool`] is one as it is.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use rolecall::RolePool;
    ///
    /// # fn show() -> Result<(), rolecall::FetchError> {
    /// let chain = rolecall::from_env()?;
    /// let pool = RolePool::builder(&chain).capacity(50_000).idle(Duration::from_secs(900)).build();
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(chain: &Chain) -> RolePoolBuilder {
        let hops = chain.hops();
        let source =
            move |role: &Role| -> Arc<dyn SessionSource> { Arc::new(hops.to(role.clone())) };
        let mut sessions = SessionPool::builder(source).clock(chain.clock().clone());
        if let Some(observer) = chain.observer() {
            sessions = sessions.observer(Arc::clone(observer));
        }
        RolePoolBuilder { sessions, chain: Arc::new(chain.clone()) }
    }

    /// The handle of a role: a `ProvideCredentials` for the SDK, and a [`SessionSource`]. Nothing is fetched before it is
    /// asked. It is cheap for a role that the pool knows, most of all if the same [`Role`] or a clone of it is given each
    /// time, which then knows its hash.
    ///
    /// What STS would refuse is the handle's error, as with [`Chain::assume`]: more than an hour in a chain, a role of
    /// another partition, MFA with nobody to ask for a code.
    pub fn role(&self, role: &Role) -> Provider {
        self.sessions.get(&self.canonical(role))
    }

    /// The handle of a role whose session may do no more than this policy allows: to vend credentials that reach one
    /// tenant's data and no other's. Each policy text has a slot of its own.
    ///
    /// An error for a role that has an inline policy already: a session has one, and this in its place could allow more.
    ///
    /// ```no_run
    /// use rolecall::policy::{PermissionPolicy, S3Access};
    /// use rolecall::{Provider, Role, RolePool};
    ///
    /// /// `tenant` is a checked id: a prefix that somebody may choose is somebody else's data.
    /// fn vend(pool: &RolePool, role: &Role, tenant: u64) -> Result<Provider, Box<dyn std::error::Error>> {
    ///     let data = S3Access::under("shop-data", [format!("tenants/{tenant}/")])?.list().read();
    ///     let narrowed = PermissionPolicy::builder().s3(data).build()?;
    ///     Ok(pool.narrowed(role, rolecall::session_policy(&narrowed)?)?)
    /// }
    /// ```
    pub fn narrowed<P>(&self, role: &Role, policy: P) -> Result<Provider, InvalidParameter>
    where
        P: TryInto<SessionPolicy, Error: Into<InvalidParameter>>,
    {
        if let Some(own) = role.inline_policy() {
            let rule = "a session has one inline policy, and another in its place could allow more";
            return Err(InvalidParameter::of(
                "session policy",
                own.as_str(),
                "the role has it already",
                rule,
            ));
        }
        Ok(self.role(&role.clone().policy(policy)?))
    }

    /// Loads the sessions of these roles before they are asked for, 64 at once. `progress` hears of each that is done. Those
    /// that are held already cost nothing.
    ///
    /// Each waits for its turn of the STS client's budget as a caller does, 9 s at most: where that lets fewer than seven
    /// through in a second, warm in parts. Of more roles than the pool's [`capacity`](RolePoolBuilder::capacity) some are
    /// let go again.
    ///
    /// ```no_run
    /// # async fn show(pool: rolecall::RolePool, roles: Vec<rolecall::Role>) {
    /// let all = roles.len();
    /// let warmed = pool.warm(roles, |so_far| eprint!("\r{} of {all} roles", so_far.done())).await;
    /// for (role, error) in &warmed.failed {
    ///     eprintln!("{}: {}", role.arn(), error.report());
    /// }
    /// # }
    /// ```
    pub async fn warm(
        &self,
        roles: impl IntoIterator<Item = Role>,
        progress: impl FnMut(&Warmed<Role>),
    ) -> Warmed<Role> {
        let roles = roles.into_iter().map(|role| self.canonical(&role).into_owned());
        self.sessions.warm(roles, progress).await
    }

    /// How all roles stand together, for a health page. How the session stands that they are assumed with is
    /// `pool.chain().cached().status()`.
    pub fn status(&self) -> PoolStatus {
        self.sessions.status()
    }

    /// How a role stands, if the pool has a slot for it.
    pub fn status_of(&self, role: &Role) -> Option<Status> {
        self.sessions.status_of(&self.canonical(role))
    }

    /// How each role stands, in no order. A copy of all of it: for a page, not for every request.
    pub fn statuses(&self) -> Vec<(Role, Status)> {
        self.sessions.statuses()
    }

    /// Closes a role's slot, as of a tenant that is no more: handles of it answer
    /// [`Removed`](crate::ErrorKind::Removed), and who asks for the role again starts anew. Whether there was one.
    ///
    /// What was narrowed has a slot of its own: give the role with its policy, or see [`remove_where`](Self::remove_where).
    pub fn remove(&self, role: &Role) -> bool {
        self.sessions.remove(&self.canonical(role))
    }

    /// [`remove`](Self::remove)s every role that `which` names, as all that was narrowed from one. How many there were. It
    /// looks at each role: not for every request.
    ///
    /// ```no_run
    /// # fn show(pool: rolecall::RolePool, gone: rolecall::RoleArn) {
    /// let closed = pool.remove_where(|role| role.arn() == &gone);
    /// # }
    /// ```
    pub fn remove_where(&self, which: impl Fn(&Role) -> bool) -> usize {
        self.sessions.remove_where(which)
    }

    /// The chain that it stands on.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The role as it is asked for: the session's name that all have, said or left out, makes the same request.
    fn canonical<'a>(&self, role: &'a Role) -> Cow<'a, Role> {
        match role.own_session_name() {
            Some(name) if name == self.chain.session_name() => {
                Cow::Owned(role.clone().without_session_name())
            }
            _ => Cow::Borrowed(role),
        }
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

/// Sets up a [`RolePool`].
///
/// ```
/// use std::time::Duration;
/// use rolecall::{Refresh, RolePool};
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
    /// How many sessions are retained with no handle, about, and at least one; 10,000 unless set.
    pub fn capacity(mut self, sessions: u64) -> Self {
        self.sessions = self.sessions.capacity(sessions);
        self
    }

    /// How long a session is retained that nobody uses, to a quarter of this or a quarter of a minute; one hour unless
    /// set.
    pub fn idle(mut self, time: Duration) -> Self {
        self.sessions = self.sessions.idle(time);
        self
    }

    /// Who keeps the sessions fresh.
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.sessions = self.sessions.refresh(refresh);
        self
    }

    /// Who is told of what happens to the sessions, in place of the chain's observer. The source that events name is the
    /// role's ARN, whatever it was narrowed to: [`statuses`](RolePool::statuses) tells tenants of one role apart, by a
    /// session name that each has.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.sessions = self.sessions.observer(observer);
        self
    }

    /// The pool, empty.
    pub fn build(self) -> RolePool {
        RolePool { sessions: self.sessions.build(), chain: self.chain }
    }
}

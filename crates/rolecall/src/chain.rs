use std::fmt;
use std::sync::Arc;

use rolecall_assume_role::{AssumeRole, Hops, MfaCodes, Role};
use rolecall_cache::{Cached, Refresh};
use rolecall_core::{Clock, FetchContext, FetchError, Observer, Place, SessionName, SessionSource};
use rolecall_sts::{CallerIdentity, StsClient, refuses_signer};

use crate::RolePool;

/// A cached way to a session: a `ProvideCredentials` for the SDK, and a [`SessionSource`].
///
/// ```no_run
/// use aws_credential_types::provider::ProvideCredentials;
///
/// # async fn show() -> Result<(), Box<dyn std::error::Error>> {
/// let provider: rolecall::Provider = rolecall::from_env()?.cached();
/// let credentials = provider.provide_credentials().await?;
/// # Ok(())
/// # }
/// ```
pub type Provider = Cached<Arc<dyn SessionSource>>;

/// A base, and hops on it. Every one of them has a slot of its own: a hop's refresh uses its parent's held session.
///
/// ```no_run
/// use rolecall::Role;
///
/// # fn show() -> Result<(), rolecall::FetchError> {
/// let chain = rolecall::from_env()?
///     .assume(Role::new("arn:aws:iam::111122223333:role/hub")?)
///     .assume(Role::new("arn:aws:iam::444455556666:role/orders")?.external_id("shop-4711")?);
/// let (base, orders) = (chain.base(), chain.cached());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Chain {
    base: Provider,
    last: Provider,
    hops: usize,
    description: Arc<str>,
    with: With,
}

/// What all hops of a chain share.
#[derive(Clone, Debug)]
pub(crate) struct With {
    pub(crate) sts: StsClient,
    pub(crate) clock: Clock,
    pub(crate) session_name: SessionName,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl With {
    fn cached(&self, source: Arc<dyn SessionSource>, refresh: Refresh) -> Provider {
        let cached = Cached::builder(source).clock(self.clock.clone()).refresh(refresh);
        match &self.observer {
            Some(observer) => cached.observer(Arc::clone(observer)),
            None => cached,
        }
        .build()
    }
}

impl Chain {
    pub(crate) fn on(base: Arc<dyn SessionSource>, description: String, with: With) -> Self {
        let base = with.cached(base, Refresh::default());
        Self { last: base.clone(), base, hops: 0, description: description.into(), with }
    }

    /// One hop further. The session is named after the application and the host (`AWS_ROLE_SESSION_NAME`, if set)
    /// where the role says nothing else.
    #[must_use]
    pub fn assume(self, role: Role) -> Self {
        self.hop(role, Refresh::default(), |hop| hop)
    }

    /// One hop further, to a role that asks for MFA ([`Role::mfa_serial`]): the codes come from `codes`. The session is
    /// handed out to its end and not refreshed ahead, as a person may have to be asked for the next code
    /// ([`Refresh::Never`]).
    #[must_use]
    pub fn assume_with_mfa(self, role: Role, codes: impl MfaCodes) -> Self {
        self.hop(role, Refresh::Never, |hop| hop.mfa_codes(codes))
    }

    fn hop(
        self,
        role: Role,
        refresh: Refresh,
        with_more: impl FnOnce(AssumeRole) -> AssumeRole,
    ) -> Self {
        let Self { base, last, hops, description, with } = self;
        let hops = hops + 1;
        let description = format!("{description} -> {}", role.arn()).into();
        let hop =
            Hops::new(last, with.sts.clone(), with.session_name.clone()).at_hop(hops).to(role);
        let hop: Arc<dyn SessionSource> = Arc::new(with_more(hop));
        let last = with.cached(hop, refresh);
        Self { base, last, hops, description, with }
    }

    /// The sessions at the end of the chain.
    pub fn cached(&self) -> Provider {
        self.last.clone()
    }

    /// The sessions of the base: the same slot that the first hop uses.
    pub fn base(&self) -> Provider {
        self.base.clone()
    }

    /// Sessions of many roles, each one hop from the end of this chain, which is held once for all: the pool to ask for
    /// a role that is known only with the request. [`RolePool::builder`] sets its size and more.
    ///
    /// ```no_run
    /// use rolecall::Role;
    ///
    /// # fn show() -> Result<(), rolecall::FetchError> {
    /// let pool = rolecall::from_env()?.pool();
    /// let orders = pool.role(&Role::new("arn:aws:iam::444455556666:role/orders")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pool(&self) -> RolePool {
        RolePool::builder(self).build()
    }

    /// Hops on the end of the chain.
    pub(crate) fn hops(&self) -> Hops {
        let With { sts, session_name, .. } = &self.with;
        Hops::new(self.last.clone(), sts.clone(), session_name.clone()).at_hop(self.hops + 1)
    }

    /// What sessions are called where a role says nothing else.
    pub(crate) fn session_name(&self) -> &SessionName {
        &self.with.session_name
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.with.clock
    }

    pub(crate) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.with.observer.as_ref()
    }

    /// Which base was chosen, and why, and the hops on it.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// The client that all hops call STS by.
    pub fn sts(&self) -> &StsClient {
        &self.with.sts
    }

    /// Who the session at the end of the chain is, by STS's own word (GetCallerIdentity).
    pub async fn caller_identity(&self) -> Result<CallerIdentity, FetchError> {
        let cx = FetchContext::caller();
        let session = self.last.session(cx).await?;
        let result = match self.with.sts.caller_identity(&session, cx).await {
            // As a hop does: another session, once.
            Err(error) if refuses_signer(&error) => {
                self.last.reject(&session);
                let another = self.last.session(cx).await?;
                match another.access_key_id() == session.access_key_id() {
                    true => Err(error),
                    false => self.with.sts.caller_identity(&another, cx).await,
                }
            }
            result => result,
        };
        let place = || Place::Base(format!("GetCallerIdentity, {}", session.lineage()));
        result.map_err(|error| error.at(place()))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("description", &self.description)
            .field("sts", self.with.sts.endpoint())
            .finish_non_exhaustive()
    }
}

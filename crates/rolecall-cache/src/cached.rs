//! The cached provider.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use rolecall_core::{
    Clock, FetchContext, InvalidSession, Observer, ProvideSession, Session, SessionError,
};
use tokio::sync::watch;

use crate::entry::{Entry, OVERDUE_GRACE, Origin, Request, Shared};
use crate::observed::Observed;
use crate::refresh::Refresh;
use crate::session_use::{InvalidSessionAnswer, ReportSessionUse, sealed};
use crate::status::Status;
use crate::sync::Arc;
use crate::timer::Timer;

/// Caches the sessions of a provider and refreshes them in the background.
///
/// A `CachedProvider` is the type that most services hold: it implements [`ProvideCredentials`] for
/// the AWS SDK, and [`ProvideSession`] for further hops. Clones are cheap and share one cache
/// entry. The type parameter is the provider; without it, as `CachedProvider`, the provider's type
/// is erased.
///
/// A cached session is returned without locking or allocating. Once it enters its refresh window,
/// the next call starts one background fetch and still returns immediately; see [`Refresh`] for
/// when sessions are refreshed without calls. Concurrent callers without a session share a single
/// fetch, which continues if any of them is cancelled. The [crate documentation](crate) lists what
/// a call receives in each state.
///
/// # Runtime
///
/// Requires a Tokio runtime with time enabled, and with I/O enabled for STS: `enable_all`.
/// Background tasks end when the last clone is dropped. Outside a runtime, a cached session that is
/// valid is returned, and any other call is an error.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rolecall_core::SessionError> {
/// use aws_credential_types::Credentials;
/// use rolecall_cache::{CachedProvider, Refresh};
/// use rolecall_core::SdkProvider;
///
/// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let keys = SdkProvider::new(Credentials::new(id, secret, None, None, "static"));
/// let provider = CachedProvider::builder(keys).refresh(Refresh::Always).build();
/// let session = provider.session().await?;
/// assert_eq!(session.access_key_id(), id);
/// # Ok(())
/// # }
/// ```
pub struct CachedProvider<P: ?Sized = dyn ProvideSession>(pub(crate) Arc<SessionEntry<P>>);

impl<P: ?Sized> Clone for CachedProvider<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

type SessionEntry<P> = Entry<ProviderOrigin<P>, Session>;

type SessionFuture<'a> = Pin<Box<dyn Future<Output = Result<Session, SessionError>> + Send + 'a>>;

type Obtain<P> = for<'a> fn(&'a Arc<SessionEntry<P>>, Request, FetchContext) -> SessionFuture<'a>;

/// A provider as the origin of an entry's sessions.
pub(crate) struct ProviderOrigin<P: ?Sized> {
    provider: std::sync::Arc<P>,
    /// [`Entry::obtain`]. Its address is stored, so that the whole state machine is compiled where
    /// the entry is created, and not again in each crate that requests a session.
    obtain: Obtain<P>,
}

impl<P: ProvideSession + ?Sized> ProviderOrigin<P> {
    pub(crate) fn new(provider: std::sync::Arc<P>) -> Self {
        Self { provider, obtain: |entry, request, cx| Box::pin(entry.obtain(request, cx, || ())) }
    }
}

impl<P: ?Sized> Clone for ProviderOrigin<P> {
    fn clone(&self) -> Self {
        Self { provider: std::sync::Arc::clone(&self.provider), obtain: self.obtain }
    }
}

impl<P: ProvideSession + ?Sized> Origin for ProviderOrigin<P> {
    type Item = Session;
    type Input = ();

    async fn fetch(&self, cx: FetchContext, (): ()) -> Result<Session, SessionError> {
        self.provider.provide_session(cx).await
    }

    fn background_input(&self) -> Option<()> {
        Some(())
    }

    fn timeout(&self) -> Duration {
        self.provider.timeout()
    }

    fn name(&self) -> &str {
        self.provider.name()
    }
}

impl<P: ProvideSession> CachedProvider<P> {
    /// Creates a cached provider on the system clock, with the default [`Refresh`].
    pub fn new(provider: P) -> Self {
        Self::builder(provider).build()
    }

    /// Creates a builder of a cached provider.
    pub fn builder(provider: P) -> CachedProviderBuilder<P> {
        Self::builder_from_arc(std::sync::Arc::new(provider))
    }
}

impl<P: ProvideSession + ?Sized> CachedProvider<P> {
    /// Creates a builder of a cached provider from a shared one, whose type may be erased.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rolecall_cache::CachedProvider;
    /// use rolecall_core::{ErrorKind, ProvideSession, SessionError, provide_session_fn};
    ///
    /// let provider: Arc<dyn ProvideSession> = Arc::new(provide_session_fn("offline", async |_| {
    ///     Err(SessionError::new(ErrorKind::Unavailable, "no network"))
    /// }));
    /// let cached: CachedProvider = CachedProvider::builder_from_arc(provider).build();
    /// ```
    pub fn builder_from_arc(provider: std::sync::Arc<P>) -> CachedProviderBuilder<P> {
        CachedProviderBuilder {
            provider,
            clock: Clock::system(),
            refresh: Refresh::default(),
            observed: Observed::default(),
        }
    }

    /// Returns the provider whose sessions are cached.
    pub fn inner(&self) -> &P {
        &self.0.origin().provider
    }

    /// Returns a session that remains valid for at least `min_remaining`.
    ///
    /// Use this for anything that outlives the call, such as a presigned URL or credentials passed
    /// to another process. If the cached session expires sooner, it is refreshed first.
    ///
    /// An invalidated session is returned while no other one can be fetched, as by
    /// [`session`](Self::session); [`status`](Self::status) reports
    /// [`State::Invalidated`](crate::State::Invalidated) then.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidConfig`](rolecall_core::ErrorKind::InvalidConfig) if the provider's
    /// sessions are known to be shorter than `min_remaining`, and
    /// [`Unavailable`](rolecall_core::ErrorKind::Unavailable) if the newest session is shorter but
    /// a later one may be long enough. Returns the error of the fetch if it fails, even if a
    /// shorter session is cached.
    ///
    /// # Cancel safety
    ///
    /// Cancelling this future does not cancel the fetch; a later call receives its result.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use rolecall_cache::CachedProvider;
    /// # use rolecall_core::{SessionError, ProvideSession};
    /// # async fn show<P: ProvideSession>(provider: &CachedProvider<P>) -> Result<(), SessionError> {
    /// let session = provider.session_valid_for(Duration::from_secs(1800)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[allow(clippy::manual_async_fn, reason = "states that the future is Send for every provider")]
    pub fn session_valid_for(
        &self,
        min_remaining: Duration,
    ) -> impl Future<Output = Result<Session, SessionError>> + Send {
        async move {
            match self.0.hit_valid_for(min_remaining) {
                Some(session) => Ok(session),
                None => {
                    let request = Request::ValidFor(min_remaining);
                    self.wait_for(request, FetchContext::foreground()).await
                }
            }
        }
    }

    /// Waits until a session is cached, so that the first request does not wait for STS.
    ///
    /// Call this at startup, before the service reports that it is ready. Returns immediately if a
    /// valid session is cached.
    ///
    /// # Errors
    ///
    /// Returns the error of the fetch. Retry after a pause if it
    /// [is retryable](SessionError::is_retryable).
    ///
    /// # Cancel safety
    ///
    /// Cancelling this future does not cancel the fetch; a later call receives its result.
    #[allow(clippy::manual_async_fn, reason = "states that the future is Send for every provider")]
    pub fn ready(&self) -> impl Future<Output = Result<(), SessionError>> + Send {
        async { self.obtain(FetchContext::foreground()).await.map(drop) }
    }

    /// Fetches a new session now, whatever the remaining lifetime of the cached one.
    ///
    /// Use this after a policy or the tags of a role changed. The session is that of a fetch that
    /// began after this call; concurrent calls share it. The back-off of earlier failures does not
    /// apply. If the fetch fails, callers keep receiving the cached session.
    ///
    /// # Errors
    ///
    /// Returns the error of the fetch.
    ///
    /// # Cancel safety
    ///
    /// Cancelling this future does not cancel the fetch; a later call receives its result.
    pub fn refresh(&self) -> impl Future<Output = Result<Session, SessionError>> + Send {
        let request = self.0.refresh_request();
        self.wait_for(request, FetchContext::foreground())
    }

    /// Returns the status of the cached session, for health pages. Does not start a fetch.
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// Returns a receiver of the cached session, for code that holds something derived from it,
    /// such as a connection pool or a signed URL.
    ///
    /// The receiver holds the cached session, or `None` if there was none yet, and is notified of
    /// each new one soon after callers receive it. It is closed if the entry is removed from its
    /// pool or the last provider of the entry is dropped. Subscribing does not start a fetch, and
    /// does not count as a use of the session.
    ///
    /// Clone the session, and do not hold the guard of `borrow` across an await: no notification
    /// arrives until the guard is dropped, and a thread for blocking work waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn show(provider: rolecall_cache::CachedProvider) {
    /// let mut sessions = provider.subscribe();
    /// while sessions.changed().await.is_ok() {
    ///     let session = sessions.borrow_and_update().clone();
    ///     println!("reconnecting with {:?}", session.map(|s| s.access_key_id().to_owned()));
    /// }
    /// # }
    /// ```
    pub fn subscribe(&self) -> watch::Receiver<Option<Session>> {
        self.0.subscribe()
    }

    /// Invalidates `session`: it was revoked, or a service reported that it has expired.
    ///
    /// The next call waits up to 2 seconds for another session. Does nothing if `session` is not
    /// the cached one. Invalidations bring at most one session in 10 seconds, and fewer, down to
    /// one in 5 minutes, while they continue; until then, callers receive the invalidated session.
    ///
    /// [`InvalidSessionRetry`](crate::InvalidSessionRetry) calls this for the error codes that
    /// reject a session. Call it yourself if you know that the sessions of a role were revoked in
    /// IAM, which services report as `AccessDenied`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use rolecall_core::{ProvideSession, SessionError};
    /// # use rolecall_cache::CachedProvider;
    /// # async fn show<P: ProvideSession>(provider: &CachedProvider<P>) -> Result<(), SessionError> {
    /// let session = provider.session().await?;
    /// provider.invalidate(&session);
    /// # Ok(())
    /// # }
    /// ```
    pub fn invalidate(&self, session: &Session) {
        ProvideSession::invalidate(self, session, InvalidSession::Expired);
    }

    /// Invalidates the session with these credentials, as [`invalidate`](Self::invalidate) does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use rolecall_core::{ProvideSession, SessionError};
    /// # use rolecall_cache::CachedProvider;
    /// # async fn show<P: ProvideSession>(provider: &CachedProvider<P>) -> Result<(), SessionError> {
    /// let credentials = provider.credentials().await?;
    /// provider.invalidate_credentials(&credentials);
    /// # Ok(())
    /// # }
    /// ```
    pub fn invalidate_credentials(&self, credentials: &Credentials) {
        self.report_invalid(credentials.access_key_id(), InvalidSession::Expired);
    }

    /// Returns the cached session, or fetches one if there is none.
    ///
    /// # Errors
    ///
    /// Returns the error of the fetch if no valid session is cached and the fetch fails. Returns
    /// [`Removed`](rolecall_core::ErrorKind::Removed) if the provider's key was removed from its
    /// pool.
    ///
    /// # Cancel safety
    ///
    /// Cancelling this future does not cancel the fetch; a later call receives its result.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn show(provider: rolecall_cache::CachedProvider) {
    /// let task = tokio::spawn(async move { provider.session().await });
    /// # let _ = task;
    /// # }
    /// ```
    #[allow(clippy::manual_async_fn, reason = "states that the future is Send for every provider")]
    pub fn session(&self) -> impl Future<Output = Result<Session, SessionError>> + Send {
        async { self.obtain(FetchContext::foreground()).await }
    }

    /// Returns the credentials of the cached session, or fetches a session if there is none.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`session`](Self::session).
    ///
    /// # Cancel safety
    ///
    /// Cancelling this future does not cancel the fetch; a later call receives its result.
    #[allow(clippy::manual_async_fn, reason = "states that the future is Send for every provider")]
    pub fn credentials(&self) -> impl Future<Output = Result<Credentials, SessionError>> + Send {
        async {
            match self.0.hit(|session| session.credentials().clone()) {
                Some(credentials) => Ok(credentials),
                None => Ok(self.session().await?.credentials().clone()),
            }
        }
    }

    /// Invalidates the session with this access key id. Returns what the rejected request does.
    pub(crate) fn report_invalid(
        &self,
        access_key_id: &str,
        reason: InvalidSession,
    ) -> InvalidSessionAnswer {
        let (invalidated, answer) = self.0.invalidate(access_key_id, reason);
        if let Some(session) = invalidated {
            // The provider may be a cache itself, and would return the same session.
            self.inner().invalidate(&session, reason);
        }
        answer
    }

    async fn obtain(&self, cx: FetchContext) -> Result<Session, SessionError> {
        match self.0.hit(Session::clone) {
            Some(session) => Ok(session),
            None => self.wait_for(Request::Session, cx).await,
        }
    }

    /// Returns a session for a request that is not a hit.
    fn wait_for(&self, request: Request, cx: FetchContext) -> SessionFuture<'_> {
        (self.0.origin().obtain)(&self.0, request, cx)
    }
}

#[async_trait]
impl<P: ProvideSession + ?Sized> ProvideSession for CachedProvider<P> {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        self.obtain(cx).await
    }

    /// Invalidates `session` in this cache, and in the provider if it caches sessions.
    fn invalidate(&self, session: &Session, reason: InvalidSession) {
        self.0.invalidate(session.access_key_id(), reason);
        // The provider may still cache it, though this cache has replaced it.
        self.inner().invalidate(session, reason);
    }

    fn timeout(&self) -> Duration {
        // One fetch that times out, plus the time until another caller takes it over.
        self.inner().timeout().saturating_add(OVERDUE_GRACE)
    }

    fn name(&self) -> &str {
        self.inner().name()
    }
}

impl<P: ProvideSession + ?Sized> ProvideCredentials for CachedProvider<P> {
    #[inline]
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.0.hit(|session| session.credentials().clone()) {
            Some(credentials) => future::ProvideCredentials::ready(Ok(credentials)),
            None => future::ProvideCredentials::new(async {
                let session = self.wait_for(Request::Session, FetchContext::foreground()).await?;
                provider::Result::Ok(session.credentials().clone())
            }),
        }
    }
}

impl<P: ProvideSession + ?Sized> sealed::Sealed for CachedProvider<P> {}

impl<P: ProvideSession + ?Sized> ReportSessionUse for CachedProvider<P> {
    fn report_invalid(&self, access_key_id: &str, reason: InvalidSession) -> InvalidSessionAnswer {
        CachedProvider::report_invalid(self, access_key_id, reason)
    }

    fn suspicion(&self) -> u64 {
        self.0.suspicion()
    }

    fn report_accepted(&self, access_key_id: &str, suspicion: u64) {
        self.0.accept(access_key_id, suspicion);
    }
}

impl<P: ProvideSession + ?Sized> fmt::Debug for CachedProvider<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedProvider")
            .field("provider", &self.inner())
            .field("refresh", &self.0.refresh())
            .finish_non_exhaustive()
    }
}

/// Builds a [`CachedProvider`].
///
/// # Examples
///
/// ```
/// # use rolecall_core::ProvideSession;
/// use rolecall_cache::{CachedProvider, Refresh};
/// use rolecall_core::ManualClock;
///
/// # fn show(provider: impl ProvideSession) {
/// let clock = ManualClock::new();
/// let provider =
///     CachedProvider::builder(provider).clock(clock.clock()).refresh(Refresh::Always).build();
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct CachedProviderBuilder<P: ?Sized = dyn ProvideSession> {
    provider: std::sync::Arc<P>,
    clock: Clock,
    refresh: Refresh,
    observed: Observed,
}

impl<P: ProvideSession + ?Sized> CachedProviderBuilder<P> {
    /// Sets the clock. Defaults to the system clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets when sessions are refreshed. Defaults to [`Refresh::WhileUsed`].
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// Sets the observer that receives session events. Defaults to none.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observed = Observed::by(observer);
        self
    }

    /// Builds the cached provider. The first call fetches a session.
    pub fn build(self) -> CachedProvider<P> {
        let timer = Timer::new(self.clock);
        let shared = Shared::new(timer, self.refresh, self.observed);
        CachedProvider(Entry::new(ProviderOrigin::new(self.provider), shared))
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;

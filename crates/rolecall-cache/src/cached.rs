//! A source with a slot around it.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use rolecall_core::{Clock, FetchContext, FetchError, Observer, Session, SessionSource};

use crate::observed::Observed;
use crate::schedule::GRACE;
use crate::shell::{Origin, Refresh, Setup, Shared};
use crate::slot::Ask;
use crate::status::Status;
use crate::sync::Arc;
use crate::timer::Timer;

/// A source with a slot around it: it hands out the session that it holds, and keeps it fresh.
///
/// Clones share the slot. It is a `ProvideCredentials` for the SDK and a [`SessionSource`] to build on. It needs a Tokio
/// runtime with timers (and I/O, for STS: `enable_all`); the last handle's drop ends its tasks. A fetch goes on when the
/// caller that began it gives up.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_core::FetchError> {
/// use aws_credential_types::Credentials;
/// use rolecall_cache::{Cached, Refresh};
/// use rolecall_core::{FetchContext, ProviderSource, SessionSource};
///
/// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
/// let cached = Cached::builder(ProviderSource::new(keys)).refresh(Refresh::Always).build();
/// let session = cached.session(FetchContext::caller()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Cached<S>(pub(crate) Arc<Shared<Sourced<S>, Session>>);

impl<S> Clone for Cached<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A source of sessions, as slots have it.
pub(crate) struct Sourced<S>(pub(crate) S);

impl<S: SessionSource> Origin for Sourced<S> {
    type Item = Session;
    type With = ();

    async fn fetch(&self, cx: FetchContext, (): ()) -> Result<Session, FetchError> {
        self.0.session(cx).await
    }

    fn unattended(&self) -> Option<()> {
        Some(())
    }

    fn limit(&self) -> Duration {
        self.0.limit()
    }

    fn label(&self) -> &str {
        self.0.label()
    }
}

impl<S: SessionSource> Cached<S> {
    /// A slot on the machine's clock that refreshes while it is used.
    pub fn new(source: S) -> Self {
        Self::builder(source).build()
    }

    /// A slot with another clock or way to refresh.
    pub fn builder(source: S) -> CachedBuilder<S> {
        CachedBuilder {
            source,
            clock: Clock::system(),
            refresh: Refresh::default(),
            observed: Observed::default(),
        }
    }

    /// The source within.
    pub fn source(&self) -> &S {
        &self.0.origin().0
    }

    /// A session that is good for `least` from now, for what outlives the call: a presigned URL, credentials that are
    /// handed to another program. One that is held and good for less is refreshed first.
    ///
    /// An error where no such session can be had: STS cannot be reached, or its sessions are shorter. One that a service
    /// refused is handed out, as to all callers, while no other can be had: [`status`](Self::status) has
    /// [`State::Rejected`](crate::State::Rejected) then.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use rolecall_cache::Cached;
    /// # use rolecall_core::{FetchError, SessionSource};
    /// # async fn show<S: SessionSource>(cached: &Cached<S>) -> Result<(), FetchError> {
    /// let session = cached.session_valid_for(Duration::from_secs(1800)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_valid_for(
        &self,
        least: Duration,
    ) -> impl Future<Output = Result<Session, FetchError>> + Send {
        self.0.obtain(Ask::ValidFor(least), FetchContext::caller(), || ())
    }

    /// Waits until a session is held: for a service that is ready when its first call will not wait. The error of that
    /// first load, if it fails; ask again after a moment.
    #[allow(clippy::manual_async_fn, reason = "it says that it is Send, for whatever source")]
    pub fn ready(&self) -> impl Future<Output = Result<(), FetchError>> + Send {
        async { self.obtain(FetchContext::caller()).await.map(drop) }
    }

    /// Another session now, whatever is left of the one that is held: after a policy or the tags of a role changed. Joins
    /// a fetch that runs, and shares the result of one that ended within the last second. Where it fails, callers go on
    /// with the session that is held.
    pub fn refresh_now(&self) -> impl Future<Output = Result<Session, FetchError>> + Send {
        self.0.obtain(Ask::Now, FetchContext::caller(), || ())
    }

    /// How the session stands, for a health page. It is a look: nothing is fetched.
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// A service refused these credentials: the next call waits for others, within the limits of
    /// [`reject`](SessionSource::reject). Nothing happens if they are not those that are held.
    ///
    /// For a service that knows that the sessions of a role were revoked at IAM: that shows as AccessDenied, to which
    /// nothing reacts by itself.
    ///
    /// ```
    /// # async fn show<S: rolecall_core::SessionSource>(cached: &rolecall_cache::Cached<S>) -> Result<(), Box<dyn std::error::Error>> {
    /// use aws_credential_types::provider::ProvideCredentials;
    /// let credentials = cached.provide_credentials().await?;
    /// cached.invalidate(&credentials);
    /// # Ok(())
    /// # }
    /// ```
    pub fn invalidate(&self, credentials: &Credentials) {
        self.invalidate_key(credentials.access_key_id());
    }

    /// [`invalidate`](Self::invalidate), by the public half of the key.
    pub(crate) fn invalidate_key(&self, access_key_id: &str) {
        if let Some(rejected) = self.0.reject(access_key_id) {
            // What is within may hold it too.
            self.source().reject(&rejected);
        }
    }

    async fn obtain(&self, cx: FetchContext) -> Result<Session, FetchError> {
        match self.0.hit(Session::clone) {
            Some(session) => Ok(session),
            None => self.0.obtain(Ask::Session, cx, || ()).await,
        }
    }
}

#[async_trait]
impl<S: SessionSource> SessionSource for Cached<S> {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        self.obtain(cx).await
    }

    /// At most one fetch in 10 s on account of this, and ever fewer, down to one in 5 min, while rejections go on.
    fn reject(&self, rejected: &Session) {
        self.0.reject(rejected.access_key_id());
        // What is within may hold it, though this does not any more.
        self.source().reject(rejected);
    }

    fn limit(&self) -> Duration {
        // One fetch that fails, or is taken over.
        self.source().limit().saturating_add(GRACE)
    }

    fn label(&self) -> &str {
        self.source().label()
    }
}

impl<S: SessionSource> ProvideCredentials for Cached<S> {
    #[inline]
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.0.hit(|session| session.credentials().clone()) {
            Some(credentials) => future::ProvideCredentials::ready(Ok(credentials)),
            None => future::ProvideCredentials::new(async {
                let session = self.0.obtain(Ask::Session, FetchContext::caller(), || ()).await?;
                provider::Result::Ok(session.credentials().clone())
            }),
        }
    }
}

impl<S: SessionSource> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("source", self.source())
            .field("refresh", &self.0.refresh())
            .finish_non_exhaustive()
    }
}

/// Sets up a [`Cached`].
///
/// ```
/// # use rolecall_core::SessionSource;
/// use rolecall_cache::{Cached, Refresh};
/// use rolecall_core::ManualClock;
///
/// # fn show(source: impl SessionSource) {
/// let hands = ManualClock::new();
/// let cached = Cached::builder(source).clock(hands.clock()).refresh(Refresh::Always).build();
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct CachedBuilder<S> {
    source: S,
    clock: Clock,
    refresh: Refresh,
    observed: Observed,
}

impl<S: SessionSource> CachedBuilder<S> {
    /// The clock to count by.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Who keeps the session fresh.
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// Who is told of what happens to the session.
    pub fn observer(mut self, observer: std::sync::Arc<dyn Observer>) -> Self {
        self.observed = Observed::by(observer);
        self
    }

    /// The slot, empty: the first call fetches.
    pub fn build(self) -> Cached<S> {
        let timer = Timer::new(self.clock);
        let setup = Setup { refresh: self.refresh, timer, observed: self.observed };
        Cached(Shared::new(Sourced(self.source), setup))
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;

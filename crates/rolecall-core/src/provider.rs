//! The trait that session providers implement.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Clock, InvalidSession, Session, SessionError};

/// Provides sessions.
///
/// This is the one trait to implement for a new way to obtain sessions. Caching, role chains, pools
/// and the SDK plug-ins work with every implementation.
///
/// An implementation fetches a session in each call. It does not cache sessions and does not retry
/// for minutes, because the cache around it does both. It sets a timeout for every network call
/// that it makes.
///
/// # Examples
///
/// The trait uses [`macro@async_trait`]: put the attribute on the implementation. Without it, the
/// compiler reports E0195 (lifetime parameters do not match the trait definition). With the facade
/// `rolecall`, import the attribute and `Credentials` from `rolecall::provider`.
///
/// ```
/// use std::time::Duration;
/// use async_trait::async_trait;
/// use aws_credential_types::Credentials;
/// use rolecall_core::{ErrorKind, FetchContext, ProvideSession, Session, SessionError};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// #[async_trait]
/// impl ProvideSession for Vault {
///     async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
///         let requested_at = context.clock().now();
///         let (id, secret, lifetime) = request_keys().await.map_err(|error| {
///             SessionError::new(ErrorKind::Unavailable, "the vault did not respond")
///                 .with_cause(&error)
///         })?;
///         let credentials = Credentials::new(id, secret, None, None, "vault");
///         Ok(Session::builder(credentials)
///             .base(self.name())
///             .lifetime(requested_at, lifetime, context.clock())
///             .build())
///     }
///
///     fn name(&self) -> &str {
///         "vault"
///     }
/// }
/// # async fn request_keys() -> Result<(String, String, Duration), std::io::Error> {
/// #     let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned();
/// #     Ok(("AKIAIOSFODNN7EXAMPLE".to_owned(), secret, Duration::from_secs(900)))
/// # }
/// ```
///
/// To create a provider from an async closure, see [`provide_session_fn`].
#[async_trait]
pub trait ProvideSession: fmt::Debug + Send + Sync + 'static {
    /// Fetches a session.
    ///
    /// # Errors
    ///
    /// Returns a [`SessionError`] whose [`kind`](SessionError::kind) determines whether a retry can
    /// help. [`NotConfigured`](crate::ErrorKind::NotConfigured) lets an SDK provider chain continue
    /// with its next provider; every other kind ends the chain.
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError>;

    /// Returns the timeout of one [`provide_session`](Self::provide_session) call, after which a
    /// cache abandons the fetch.
    ///
    /// Defaults to 15 seconds. A cache limits it to one hour. A provider that calls other providers
    /// adds their timeouts.
    fn timeout(&self) -> Duration {
        DEFAULT_TIMEOUT
    }

    /// Returns the name of the provider in logs, metrics, events and errors, such as a role's ARN
    /// or the kind of provider.
    ///
    /// Defaults to `custom provider`. The name must not contain a secret.
    fn name(&self) -> &str {
        "custom provider"
    }

    /// Reports that a service rejected `session` for `reason`.
    ///
    /// A provider that caches sessions replaces the session, unless it
    /// [may be accepted later](InvalidSession::may_be_accepted_later). One on top of another
    /// provider forwards the call. Does nothing by default.
    fn invalidate(&self, session: &Session, reason: InvalidSession) {
        let _ = (session, reason);
    }
}

/// Forwards [`ProvideSession`] through a pointer.
macro_rules! forward_provide_session {
    ($pointer:ident) => {
        #[async_trait]
        impl<P: ProvideSession + ?Sized> ProvideSession for $pointer<P> {
            async fn provide_session(
                &self,
                context: FetchContext,
            ) -> Result<Session, SessionError> {
                (**self).provide_session(context).await
            }

            fn timeout(&self) -> Duration {
                (**self).timeout()
            }

            fn name(&self) -> &str {
                (**self).name()
            }

            fn invalidate(&self, session: &Session, reason: InvalidSession) {
                (**self).invalidate(session, reason);
            }
        }
    };
}

forward_provide_session!(Arc);
forward_provide_session!(Box);

/// Time limit of a provider that makes one call to one service.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// Creates a provider from an async closure.
///
/// `name` is the provider's [`name`](ProvideSession::name). The timeout is 15 seconds. For another
/// timeout, implement [`ProvideSession`].
///
/// # Errors
///
/// The provider returns the errors of the closure, whose kinds
/// [`provide_session`](ProvideSession::provide_session) describes.
///
/// # Examples
///
/// ```
/// use aws_credential_types::Credentials;
/// use rolecall_core::{Session, provide_session_fn};
///
/// let provider = provide_session_fn("vault", async |_context| {
///     let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
///     Ok(Session::builder(Credentials::new(id, secret, None, None, "vault")).build())
/// });
/// ```
///
/// The future cannot borrow values that the closure captures. Clone them into the future:
///
/// ```
/// use std::sync::Arc;
/// use aws_credential_types::Credentials;
/// use rolecall_core::{Session, provide_session_fn};
///
/// # let client = Arc::new(());
/// let provider = provide_session_fn("vault", move |_context| {
///     let client = Arc::clone(&client);
///     async move {
/// #       let _ = &client;
/// #       let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
///         // Request credentials with the client here.
///         let credentials = Credentials::new(id, secret, None, None, "vault");
///         Ok(Session::builder(credentials).build())
///     }
/// });
/// ```
pub fn provide_session_fn<F, Fut>(name: impl Into<String>, fetch: F) -> ProvideSessionFn
where
    F: Fn(FetchContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Session, SessionError>> + Send + 'static,
{
    ProvideSessionFn { name: name.into(), fetch: Box::new(move |context| Box::pin(fetch(context))) }
}

type Fetched = Pin<Box<dyn Future<Output = Result<Session, SessionError>> + Send>>;

/// A provider that calls an async closure, created by [`provide_session_fn`].
///
/// # Examples
///
/// ```
/// use rolecall_core::{ErrorKind, ProvideSession, SessionError, provide_session_fn};
///
/// let offline = provide_session_fn("offline", async |_| {
///     Err(SessionError::new(ErrorKind::Unavailable, "no network"))
/// });
/// assert_eq!(offline.name(), "offline");
/// ```
pub struct ProvideSessionFn {
    name: String,
    fetch: Box<dyn Fn(FetchContext) -> Fetched + Send + Sync>,
}

impl fmt::Debug for ProvideSessionFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvideSessionFn").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl ProvideSession for ProvideSessionFn {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        (self.fetch)(context).await
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The context of a fetch: whether a caller waits for it, and the clock that measures lifetimes.
///
/// # Examples
///
/// ```
/// use rolecall_core::{FetchContext, FetchMode};
/// assert_eq!(FetchContext::background().mode(), FetchMode::Background);
/// ```
#[derive(Clone, Debug)]
pub struct FetchContext {
    mode: FetchMode,
    clock: Clock,
}

impl FetchContext {
    /// Creates the context of a fetch that a caller waits for, on the system clock.
    pub const fn foreground() -> Self {
        Self { mode: FetchMode::Foreground, clock: Clock::system() }
    }

    /// Creates the context of a fetch that no caller waits for, on the system clock.
    pub const fn background() -> Self {
        Self { mode: FetchMode::Background, clock: Clock::system() }
    }

    /// Sets the clock, which is that of the cache that requests the session. Defaults to the
    /// system clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the mode of the fetch: whether a caller waits for the session.
    pub const fn mode(&self) -> FetchMode {
        self.mode
    }

    /// Returns the clock by which the cache counts lifetimes.
    ///
    /// A provider that measures a lifetime reads this clock before it sends its request; see
    /// [`SessionBuilder::lifetime`](crate::SessionBuilder::lifetime).
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// Whether a caller waits for a fetch.
///
/// Decides how many attempts the STS client makes, which calls the rate limiter permits first, and
/// whether a person may be asked for an MFA code.
///
/// # Examples
///
/// ```
/// use rolecall_core::FetchMode;
/// assert_eq!(FetchMode::Foreground.name(), "foreground");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchMode {
    /// A caller waits: several attempts are made, and permits of the rate limit are granted before
    /// those of background fetches.
    Foreground,
    /// No caller waits: one attempt is made, no MFA code is requested, and the cache schedules the
    /// next fetch. Its error is returned to no caller.
    Background,
}

impl FetchMode {
    /// Returns the mode in lower case, as the label of metrics and logs: `foreground` or
    /// `background`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Foreground => "foreground",
            Self::Background => "background",
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;
    use crate::ErrorKind;

    #[derive(Debug, Default)]
    struct Recording(std::sync::Mutex<Vec<String>>);

    #[async_trait]
    impl ProvideSession for Recording {
        async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
            self.0.lock().unwrap().push(context.mode().name().to_owned());
            Err(SessionError::new(ErrorKind::Unavailable, "down"))
        }

        fn timeout(&self) -> Duration {
            Duration::from_secs(3)
        }

        fn name(&self) -> &str {
            "recording"
        }

        fn invalidate(&self, session: &Session, reason: InvalidSession) {
            self.0.lock().unwrap().push(format!("{} {reason:?}", session.access_key_id()));
        }
    }

    #[test]
    fn provider_has_defaults() {
        #[derive(Debug)]
        struct Minimal;
        #[async_trait]
        impl ProvideSession for Minimal {
            async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
                Err(SessionError::new(ErrorKind::Unavailable, "down"))
            }
        }
        assert_eq!(Minimal.name(), "custom provider");
        assert_eq!(Minimal.timeout(), Duration::from_secs(15));
    }

    async fn exercise(provider: &impl ProvideSession) {
        assert_eq!(provider.name(), "recording");
        assert_eq!(provider.timeout(), Duration::from_secs(3));
        let error = provider.provide_session(FetchContext::background()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let session = Session::builder(Credentials::for_tests()).build();
        provider.invalidate(&session, InvalidSession::Unknown);
    }

    #[tokio::test]
    async fn pointers_forward_every_method() {
        let shared = Arc::new(Recording::default());
        exercise(&shared).await;
        exercise(&Box::new(Arc::clone(&shared))).await;
        let erased: Box<dyn ProvideSession> = Box::new(Arc::clone(&shared));
        exercise(&erased).await;
        assert_eq!(*shared.0.lock().unwrap(), ["background", "ANOTREAL Unknown"].repeat(3));
    }

    #[tokio::test]
    async fn closure_receives_the_context() {
        let provider = provide_session_fn("vault", async |context| {
            assert_eq!(context.mode(), FetchMode::Foreground);
            Err(SessionError::new(ErrorKind::Denied, "no"))
        });
        let error = provider.provide_session(FetchContext::foreground()).await.unwrap_err();
        assert_eq!((provider.name(), error.kind()), ("vault", ErrorKind::Denied));
        assert_eq!(format!("{provider:?}"), "ProvideSessionFn { name: \"vault\", .. }");
    }
}

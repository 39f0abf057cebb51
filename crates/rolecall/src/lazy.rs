use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use rolecall_cache::CachedProvider;
use rolecall_core::{
    ErrorKind, FetchContext, InvalidSession, ProvideSession, Session, SessionError,
};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

type Create = dyn Fn() -> Result<CachedProvider, SessionError> + Send + Sync;

/// Creates its provider on first use.
///
/// If no identity is configured, [`from_env`](crate::from_env) returns an error and no provider. An
/// SDK provider chain requires a provider when it is created. This type postpones the call of
/// `from_env`, and its error, to the first request for a session. Until its function succeeds,
/// every request calls it again, on a thread of Tokio for blocking calls.
///
/// For [`retry_invalid_session!`](crate::sdk::retry_invalid_session), wrap it in a
/// [`CachedProvider`](crate::CachedProvider) and pass that one to the macro.
///
/// # Examples
///
/// Use the identity of the environment if there is one, and the SDK's own default chain otherwise:
///
/// ```no_run
/// use aws_config::meta::credentials::CredentialsProviderChain;
/// use rolecall::provider::LazyProvider;
///
/// # async fn show() {
/// let rolecall = LazyProvider::new(|| Ok(rolecall::from_env()?.provider()));
/// let chain = CredentialsProviderChain::first_try("rolecall", rolecall)
///     .or_else("default", aws_config::default_provider::credentials::default_provider().await);
/// # }
/// ```
#[derive(Clone)]
pub struct LazyProvider {
    create: Arc<Create>,
    provider: Arc<OnceCell<CachedProvider>>,
}

impl LazyProvider {
    /// Creates a provider that calls `create` for the first session.
    ///
    /// # Errors
    ///
    /// If `create` fails, the call that requested a session returns its error, and the next call
    /// runs `create` again.
    pub fn new(
        create: impl Fn() -> Result<CachedProvider, SessionError> + Send + Sync + 'static,
    ) -> Self {
        Self { create: Arc::new(create), provider: Arc::default() }
    }

    async fn provider(&self) -> Result<&CachedProvider, SessionError> {
        self.provider
            .get_or_try_init(|| async {
                let create = Arc::clone(&self.create);
                // Without a runtime, `spawn_blocking` would panic, and there is no thread of a
                // runtime that the function could block. The provider then returns its own error.
                let Ok(runtime) = Handle::try_current() else { return create() };
                // The function may read configuration files.
                let created = runtime.spawn_blocking(move || create()).await;
                created.unwrap_or_else(|error| {
                    let message = "the function of the lazy provider did not complete";
                    Err(SessionError::new(ErrorKind::Unavailable, message).with_cause(&error))
                })
            })
            .await
    }

    async fn credentials(&self) -> provider::Result {
        let session = self.provide_session(FetchContext::foreground()).await?;
        Ok(session.credentials().clone())
    }
}

#[async_trait]
impl ProvideSession for LazyProvider {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        self.provider().await?.provide_session(context).await
    }

    fn timeout(&self) -> Duration {
        self.provider.get().map_or(DEFAULT_TIMEOUT, ProvideSession::timeout)
    }

    fn name(&self) -> &str {
        self.provider.get().map_or("lazy provider", ProvideSession::name)
    }

    fn invalidate(&self, session: &Session, reason: InvalidSession) {
        if let Some(provider) = self.provider.get() {
            ProvideSession::invalidate(provider, session, reason);
        }
    }
}

/// Timeout of the first fetch, while the provider's own timeout is not known. It suffices for a
/// role chain of several hops.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

impl ProvideCredentials for LazyProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

impl fmt::Debug for LazyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyProvider")
            .field("provider", &self.provider.get())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::error::CredentialsError;
    use rolecall_core::SdkProvider;

    use super::*;

    fn provider() -> CachedProvider {
        let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "x", None, None, "test");
        CachedProvider::builder_from_arc(Arc::new(SdkProvider::new(keys)) as Arc<_>).build()
    }

    #[tokio::test]
    async fn unconfigured_identity_lets_sdk_chain_continue() {
        let lazy = LazyProvider::new(|| {
            Err(SessionError::new(
                ErrorKind::NotConfigured,
                "the environment configures no identity",
            ))
        });
        let error = lazy.provide_credentials().await.unwrap_err();
        assert!(matches!(error, CredentialsError::CredentialsNotLoaded(_)), "{error:?}");
    }

    #[test]
    fn call_outside_a_runtime_returns_an_error() {
        let lazy = LazyProvider::new(|| Ok(provider()));
        let call = pin!(lazy.provide_credentials());
        match call.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => {
                let error = SessionError::find(&error).unwrap().to_string();
                assert!(error.contains("no Tokio runtime is running"), "{error}");
            }
            other => panic!("an error was expected, not {other:?}"),
        }
    }

    #[tokio::test]
    async fn function_runs_until_it_succeeds_and_then_never_again() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let lazy = LazyProvider::new(move || match counted.fetch_add(1, Ordering::Relaxed) {
            0 => Err(SessionError::new(ErrorKind::Unavailable, "not yet")),
            _ => Ok(provider()),
        });
        assert_eq!(lazy.name(), "lazy provider");
        lazy.provide_credentials().await.unwrap_err();
        for _ in 0..3 {
            let credentials = lazy.provide_credentials().await.unwrap();
            assert_eq!(credentials.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
        }
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        assert_eq!(lazy.name(), "credentials provider");
    }
}

//! To and from the SDK's `ProvideCredentials`.

use std::error::Error;

use async_trait::async_trait;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};

use crate::{ErrorKind, FetchContext, FetchError, Place, Session, SessionSource};

/// Any of the SDK's credential providers as a source: a base for a chain.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_core::FetchError> {
/// use aws_credential_types::Credentials;
/// use rolecall_core::{FetchContext, ProviderSource, SessionSource};
///
/// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
/// let source = ProviderSource::new(keys).named("static keys");
/// let session = source.session(FetchContext::caller()).await?;
/// assert_eq!(session.lineage().to_string(), "static keys");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProviderSource<P> {
    provider: P,
    name: String,
}

impl<P: ProvideCredentials> ProviderSource<P> {
    /// Sessions from this provider.
    pub fn new(provider: P) -> Self {
        Self { provider, name: "credentials provider".into() }
    }

    /// How to call it in errors and lineages.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

#[async_trait]
impl<P: ProvideCredentials + 'static> SessionSource for ProviderSource<P> {
    async fn session(&self, _cx: FetchContext) -> Result<Session, FetchError> {
        match self.provider.provide_credentials().await {
            Ok(credentials) => {
                let account =
                    credentials.account_id().and_then(|account| account.as_str().parse().ok());
                let mut session = Session::builder(credentials).base(self.name.clone());
                if let Some(account) = account {
                    session = session.account(account);
                }
                Ok(session.build())
            }
            Err(error) => Err(FetchError::of_provider(&error).at(Place::Base(self.name.clone()))),
        }
    }

    fn label(&self) -> &str {
        &self.name
    }
}

impl FetchError {
    /// What an error of one of the SDK's providers says in our terms. One of ours that came through the SDK stays what
    /// it was; an error that is no provider's is [`Unavailable`](ErrorKind::Unavailable).
    ///
    /// ```
    /// use aws_credential_types::provider::error::CredentialsError;
    /// use rolecall_core::{ErrorKind, FetchError};
    /// let error = FetchError::of_provider(&CredentialsError::not_loaded("no profile"));
    /// assert_eq!(error.kind(), ErrorKind::NotConfigured);
    /// ```
    pub fn of_provider(error: &(dyn Error + 'static)) -> Self {
        if let Some(ours) = Self::find(error) {
            return ours.clone();
        }
        let mut kind = None;
        let mut next = Some(error);
        while let Some(error) = next {
            kind = kind.or(error.downcast_ref().map(|error| match error {
                CredentialsError::CredentialsNotLoaded(_) => ErrorKind::NotConfigured,
                CredentialsError::InvalidConfiguration(_) => ErrorKind::InvalidConfig,
                _ => ErrorKind::Unavailable,
            }));
            next = error.source();
        }
        let kind = kind.unwrap_or(ErrorKind::Unavailable);
        let message = match kind {
            ErrorKind::NotConfigured => "the credentials provider has none",
            _ => "the credentials provider failed",
        };
        Self::new(kind, message).with_cause(error)
    }
}

/// Any source as a credentials provider of the SDK. It asks the source at every call; `Cached` is the provider to use.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use aws_credential_types::{Credentials, provider::ProvideCredentials};
/// use rolecall_core::{ProviderSource, SourceProvider};
///
/// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
/// let provider = SourceProvider::new(ProviderSource::new(keys));
/// assert!(provider.provide_credentials().await.is_ok());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SourceProvider<S> {
    source: S,
}

impl<S: SessionSource> SourceProvider<S> {
    /// Credentials from this source.
    pub fn new(source: S) -> Self {
        Self { source }
    }

    async fn credentials(&self) -> provider::Result {
        let session = self.source.session(FetchContext::caller()).await?;
        Ok(session.credentials().clone())
    }
}

impl<S: SessionSource> ProvideCredentials for SourceProvider<S> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Failing(fn() -> CredentialsError);

    impl ProvideCredentials for Failing {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err((self.0)()))
        }
    }

    async fn error(make: fn() -> CredentialsError) -> FetchError {
        let source = ProviderSource::new(Failing(make)).named("the default chain");
        source.session(FetchContext::caller()).await.unwrap_err()
    }

    #[tokio::test]
    async fn the_sdks_errors_keep_their_meaning() {
        let none = error(|| CredentialsError::not_loaded("nothing there")).await;
        assert_eq!(none.kind(), ErrorKind::NotConfigured);
        assert!(none.report().starts_with("base (the default chain): "), "{}", none.report());
        assert!(none.report().contains("nothing there"), "{}", none.report());
        let wrong = error(|| CredentialsError::invalid_configuration("bad profile")).await;
        assert_eq!(wrong.kind(), ErrorKind::InvalidConfig);
        let down = error(|| CredentialsError::provider_error("imds is away")).await;
        assert_eq!(down.kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn our_own_error_survives_the_way_through_the_sdk() {
        let ours =
            error(|| FetchError::new(ErrorKind::Denied, "no").with_code("AccessDenied").into());
        assert_eq!(ours.await.code(), Some("AccessDenied"));
    }

    #[tokio::test]
    async fn a_source_is_a_provider_and_its_error_is_kept_whole() {
        let provider = SourceProvider::new(ProviderSource::new(Failing(|| {
            FetchError::new(ErrorKind::NotConfigured, "nothing").into()
        })));
        let error = provider.provide_credentials().await.unwrap_err();
        assert!(matches!(error, CredentialsError::CredentialsNotLoaded(_)));
    }
}

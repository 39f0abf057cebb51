//! Adapters between `ProvideSession` and the SDK's `ProvideCredentials`.

use std::error::Error;

use async_trait::async_trait;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};

use crate::{ErrorKind, ErrorLocation, FetchContext, ProvideSession, Session, SessionError};

/// Provides sessions from an SDK credentials provider, for example as the base credentials of a
/// role chain.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rolecall_core::SessionError> {
/// use aws_credential_types::Credentials;
/// use rolecall_core::{FetchContext, ProvideSession, SdkProvider};
///
/// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let credentials = Credentials::new(id, secret, None, None, "static");
/// let provider = SdkProvider::new(credentials).with_name("static keys");
/// let session = provider.provide_session(FetchContext::foreground()).await?;
/// assert_eq!(session.lineage().to_string(), "static keys");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SdkProvider<P> {
    provider: P,
    name: String,
    has_static_keys: bool,
}

impl<P: ProvideCredentials> SdkProvider<P> {
    /// Creates a provider of sessions from `provider`.
    pub fn new(provider: P) -> Self {
        Self { provider, name: "credentials provider".into(), has_static_keys: false }
    }

    /// Sets the provider's name in errors and lineages. Defaults to `credentials provider`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Declares that the provider returns the same keys for the life of the process; see
    /// [`SessionBuilder::static_keys`](crate::SessionBuilder::static_keys).
    #[must_use]
    pub fn static_keys(mut self) -> Self {
        self.has_static_keys = true;
        self
    }
}

#[async_trait]
impl<P: ProvideCredentials + 'static> ProvideSession for SdkProvider<P> {
    async fn provide_session(&self, _context: FetchContext) -> Result<Session, SessionError> {
        let provided = self.provider.provide_credentials().await;
        to_session(provided, &self.name, self.has_static_keys)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Converts what a provider of the SDK returned.
fn to_session(
    result: provider::Result,
    name: &str,
    has_static_keys: bool,
) -> Result<Session, SessionError> {
    let credentials = result.map_err(|error| {
        SessionError::from_provider_error(&error).at(ErrorLocation::Base(name.to_owned()))
    })?;
    // An invalid account id is left out instead of failing the fetch: the credentials may still
    // work, and the account is additional information.
    let account = credentials.account_id().and_then(|account| account.as_str().parse().ok());
    let mut session = Session::builder(credentials).base(name);
    if let Some(account) = account {
        session = session.account(account);
    }
    if has_static_keys {
        session = session.static_keys();
    }
    Ok(session.build())
}

impl SessionError {
    /// Converts an error of an SDK credentials provider.
    ///
    /// Returns the `SessionError` among the causes, unchanged, if there is one. Otherwise, the kind
    /// is determined by the [`CredentialsError`] in the chain of sources, and is
    /// [`Unavailable`](ErrorKind::Unavailable) if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use aws_credential_types::provider::error::CredentialsError;
    /// use rolecall_core::{ErrorKind, SessionError};
    /// let error = SessionError::from_provider_error(&CredentialsError::not_loaded("no profile"));
    /// assert_eq!(error.kind(), ErrorKind::NotConfigured);
    /// ```
    pub fn from_provider_error(error: &(dyn Error + 'static)) -> Self {
        if let Some(session_error) = Self::find(error) {
            return session_error.clone();
        }
        // The outermost credentials error decides. Errors of a provider chain can contain those of
        // the providers that were skipped.
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
        let (message, hint) = match kind {
            ErrorKind::NotConfigured => (
                "the credentials provider has no credentials",
                "check the variables, the profile or the files that configure the provider",
            ),
            _ => (
                "the credentials provider failed",
                "check the causes of this error, and the service or process that the provider calls",
            ),
        };
        Self::new(kind, message).with_hint(hint).with_cause(error)
    }
}

/// Provides the credentials of a session provider to the SDK, without caching.
///
/// Each call fetches a session. In a service, use the `CachedProvider` of rolecall instead, which
/// implements [`ProvideCredentials`] itself.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use aws_credential_types::{Credentials, provider::ProvideCredentials};
/// use rolecall_core::{SdkProvider, SessionCredentials};
///
/// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let credentials = Credentials::new(id, secret, None, None, "static");
/// let provider = SessionCredentials::new(SdkProvider::new(credentials));
/// assert!(provider.provide_credentials().await.is_ok());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SessionCredentials<P> {
    provider: P,
}

impl<P: ProvideSession> SessionCredentials<P> {
    /// Creates a credentials provider from `provider`.
    pub fn new(provider: P) -> Self {
        Self { provider }
    }

    async fn fetch_credentials(&self) -> provider::Result {
        let session = self.provider.provide_session(FetchContext::foreground()).await?;
        Ok(session.credentials().clone())
    }
}

impl<P: ProvideSession> ProvideCredentials for SessionCredentials<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.fetch_credentials())
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

    async fn fetch_error(make: fn() -> CredentialsError) -> SessionError {
        let provider = SdkProvider::new(Failing(make)).with_name("the default chain");
        provider.provide_session(FetchContext::foreground()).await.unwrap_err()
    }

    #[tokio::test]
    async fn sdk_error_variants_determine_kind() {
        let none = fetch_error(|| CredentialsError::not_loaded("no profile file")).await;
        assert_eq!(none.kind(), ErrorKind::NotConfigured);
        assert!(
            none.report().starts_with("base credentials (the default chain): "),
            "{}",
            none.report()
        );
        assert!(none.report().contains("no profile file"), "{}", none.report());
        let wrong = fetch_error(|| CredentialsError::invalid_configuration("bad profile")).await;
        assert_eq!(wrong.kind(), ErrorKind::InvalidConfig);
        let down = fetch_error(|| CredentialsError::provider_error("IMDS did not respond")).await;
        assert_eq!(down.kind(), ErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn session_error_passes_through_the_sdk() {
        let error = fetch_error(|| {
            SessionError::new(ErrorKind::Denied, "no").with_code("AccessDenied").into()
        });
        assert_eq!(error.await.code(), Some("AccessDenied"));
    }

    #[tokio::test]
    async fn session_credentials_keep_not_configured() {
        let provider = SessionCredentials::new(SdkProvider::new(Failing(|| {
            SessionError::new(ErrorKind::NotConfigured, "nothing").into()
        })));
        let error = provider.provide_credentials().await.unwrap_err();
        assert!(matches!(error, CredentialsError::CredentialsNotLoaded(_)));
    }

    #[tokio::test]
    async fn sdk_provider_reads_the_account() {
        for (account, expected) in [("111122223333", Some("111122223333")), ("1111", None)] {
            let credentials = aws_credential_types::Credentials::builder()
                .access_key_id("AKIAIOSFODNN7EXAMPLE")
                .secret_access_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
                .account_id(account)
                .provider_name("test")
                .build();
            let provider = SdkProvider::new(credentials);
            assert_eq!(provider.name(), "credentials provider");
            let session = provider.provide_session(FetchContext::foreground()).await.unwrap();
            assert_eq!(session.account().map(|account| account.as_str()), expected);
            assert_eq!(session.lineage().base(), "credentials provider");
            let sdk = SessionCredentials::new(provider).provide_credentials().await.unwrap();
            assert_eq!(sdk.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
        }
    }

    #[test]
    fn outermost_credentials_error_determines_kind() {
        let inner = CredentialsError::not_loaded("no profile");
        let outer = CredentialsError::provider_error(inner);
        assert_eq!(SessionError::from_provider_error(&outer).kind(), ErrorKind::Unavailable);
        let wrapped = std::io::Error::other(CredentialsError::not_loaded("no profile"));
        let error = SessionError::from_provider_error(&wrapped);
        assert_eq!(error.message(), "the credentials provider failed");
        let error = SessionError::from_provider_error(&CredentialsError::not_loaded("no profile"));
        assert_eq!(error.message(), "the credentials provider has no credentials");
        let error = SessionError::from_provider_error(&std::io::Error::other("down"));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

//! The credentials of EC2 instance metadata, which stay in use past their expiration.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{self, ProvideCredentials, future};
use tracing::warn;

/// Range of the seconds by which an expiration that has passed is extended, as in botocore: 15
/// minutes, and between 2 and 10 minutes more, so that the instances of a fleet do not all ask for
/// new credentials at once when the metadata service is available again.
const EXTENSION: std::ops::Range<u64> = 15 * 60 + 120..15 * 60 + 600;

/// Extends the expiration of credentials that have expired.
///
/// During an outage, the metadata service returns credentials whose expiration has passed, and
/// aws-config returns its last ones. AWS accepts them meanwhile (static stability). With an
/// extended expiration, the cache hands them out and asks for others in the background.
#[derive(Debug)]
pub(crate) struct StaticStability<P> {
    provider: P,
}

impl<P: ProvideCredentials> StaticStability<P> {
    pub(crate) fn new(provider: P) -> Self {
        Self { provider }
    }

    async fn provide(&self) -> provider::Result {
        let mut credentials = self.provider.provide_credentials().await?;
        let now = SystemTime::now();
        if let Some(expired) = credentials.expiry().filter(|expiry| *expiry <= now) {
            let extension = Duration::from_secs(fastrand::u64(EXTENSION));
            warn!(
                expired_s = now.duration_since(expired).unwrap_or_default().as_secs(),
                extension_s = extension.as_secs(),
                "the credentials of EC2 instance metadata have expired, and are used further"
            );
            *credentials.expiry_mut() = now.checked_add(extension);
        }
        Ok(credentials)
    }
}

impl<P: ProvideCredentials> ProvideCredentials for StaticStability<P> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::error::CredentialsError;
    use rolecall_cache::{CachedProvider, State};
    use rolecall_core::SdkProvider;

    use super::*;

    /// The metadata service: returns keys with this expiration.
    #[derive(Debug)]
    struct Metadata(Mutex<(&'static str, SystemTime)>);

    impl ProvideCredentials for Metadata {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let (key, expiry) = *self.0.lock().unwrap();
            future::ProvideCredentials::ready(match key {
                "" => Err(CredentialsError::provider_error("no route to host")),
                key => Ok(Credentials::new(key, "secret", None, Some(expiry), "Imds")),
            })
        }
    }

    fn metadata(key: &'static str, expiry: SystemTime) -> StaticStability<Metadata> {
        StaticStability::new(Metadata(Mutex::new((key, expiry))))
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn valid_credentials_keep_their_expiration() {
        let expiry = SystemTime::now() + HOUR;
        let credentials = metadata("AKIA1", expiry).provide_credentials().await.unwrap();
        assert_eq!(credentials.expiry(), Some(expiry));
    }

    #[tokio::test]
    async fn error_is_not_changed() {
        let error = metadata("", SystemTime::now()).provide_credentials().await.unwrap_err();
        assert!(matches!(error, CredentialsError::ProviderError(_)));
    }

    #[tokio::test]
    async fn cache_serves_expired_credentials() {
        let before = SystemTime::now();
        let provider = SdkProvider::new(metadata("AKIA1", before - 10 * HOUR));
        let cached = CachedProvider::new(provider);
        let session = cached.session().await.unwrap();
        assert_eq!(session.access_key_id(), "AKIA1");
        let extended = session.expires_at().unwrap().duration_since(before).unwrap();
        assert!((15..27).contains(&(extended.as_secs() / 60)), "{extended:?}");
        assert_eq!(cached.status().state, State::Fresh);
    }
}

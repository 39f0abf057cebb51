//! The candidates of the comparison: how each is set up on an [`Sts`], and how it is called.
//!
//! Each candidate has its default configuration, except that retries are disabled: one call of a
//! cache that misses is one call of STS.

mod identity;
mod object_store;
mod reqsign;

use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use rolecall::CachedProvider;

pub(crate) use self::identity::{AssumeRole, Sdk, capture_components, lazy_cache, rolecall_cache};
pub(crate) use self::object_store::ObjectStore;
pub(crate) use self::reqsign::Reqsign;
use crate::sts::Sts;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// A cache as its callers use it.
pub(crate) trait Cache: Send + Sync + 'static {
    /// Makes one call and returns `true` if it received a session.
    fn call(&self) -> impl Future<Output = bool> + Send;
}

/// A candidate, which is set up on an STS of its own.
pub(crate) trait Peer: Cache + Sized {
    const NAME: &'static str;

    /// Time before the expiration at which the candidate treats a session as expired.
    ///
    /// Benchmarks of a refresh add it to the lifetime, so that all candidates refresh at the same
    /// time.
    const MARGIN: Duration;

    fn create(sts: &Sts) -> impl Future<Output = Outcome<Self>> + Send;
}

/// A credentials provider, called through the trait object that the SDK uses.
pub(crate) struct Provider(Box<dyn ProvideCredentials>);

impl Provider {
    pub(crate) fn new(provider: impl ProvideCredentials + 'static) -> Self {
        Self(Box::new(provider))
    }
}

impl Cache for Provider {
    async fn call(&self) -> bool {
        black_box(self.0.provide_credentials().await).is_ok()
    }
}

/// rolecall's `CachedProvider`.
pub(crate) struct Rolecall(Provider);

impl Cache for Rolecall {
    async fn call(&self) -> bool {
        self.0.call().await
    }
}

impl Peer for Rolecall {
    const NAME: &'static str = "rolecall";
    const MARGIN: Duration = Duration::ZERO;

    async fn create(sts: &Sts) -> Outcome<Self> {
        Ok(Self(Provider::new(CachedProvider::new(sts.clone()))))
    }
}

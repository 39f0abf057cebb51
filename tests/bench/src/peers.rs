//! The caches that stand beside each other: how each is called, and how it is set up on an [`Sts`].

mod identity;
mod object_store;
mod reqsign;

use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use rolecall::Cached;

pub(crate) use self::identity::{AssumeRole, Sdk, components, lazy, ours};
pub(crate) use self::object_store::ObjectStore;
pub(crate) use self::reqsign::Reqsign;
use crate::sts::Sts;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// A cache, as its callers see it.
pub(crate) trait Cache: Send + Sync + 'static {
    /// One call: whether there was a session.
    fn call(&self) -> impl Future<Output = bool> + Send;
}

/// One of those that are compared, on an STS of its own.
pub(crate) trait Peer: Cache + Sized {
    const NAME: &'static str;

    /// How long before its end a session counts as over, so that all can be made to refresh as often.
    const MARGIN: Duration;

    fn on(sts: &Sts) -> impl Future<Output = Outcome<Self>> + Send;
}

/// A provider, called as the SDK calls it.
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

/// rolecall's slot.
pub(crate) struct Rolecall(Provider);

impl Cache for Rolecall {
    async fn call(&self) -> bool {
        self.0.call().await
    }
}

impl Peer for Rolecall {
    const NAME: &'static str = "rolecall";
    const MARGIN: Duration = Duration::ZERO;

    async fn on(sts: &Sts) -> Outcome<Self> {
        Ok(Self(Provider::new(Cached::new(sts.clone()))))
    }
}

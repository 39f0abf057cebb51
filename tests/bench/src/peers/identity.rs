//! The SDK's own cache, and what stands in its place: called as the SDK's orchestrator calls it, on one task.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sts::config::{Intercept, RuntimeComponents};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_types::config_bag::ConfigBag;

use super::{Cache, Outcome, Peer};
use crate::sts::{HOUR, Sts, keys};

const ROLE: &str = "arn:aws:iam::111122223333:role/tenant";

/// The SDK's own cache, as it comes.
pub(crate) fn lazy() -> SharedIdentityCache {
    IdentityCache::lazy().build()
}

/// What takes its place.
pub(crate) fn ours() -> SharedIdentityCache {
    SharedIdentityCache::new(rolecall::identity_cache())
}

/// A cache of identities in a client of the SDK, with one provider behind it.
pub(crate) struct Sdk {
    cache: SharedIdentityCache,
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
    bag: ConfigBag,
}

impl Sdk {
    pub(crate) fn new(
        cache: SharedIdentityCache,
        provider: impl ProvideCredentials + 'static,
        components: RuntimeComponents,
    ) -> Self {
        let resolver = SharedIdentityResolver::new(SharedCredentialsProvider::new(provider));
        Self { cache, resolver, components, bag: ConfigBag::base() }
    }
}

impl Cache for Sdk {
    async fn call(&self) -> bool {
        let Self { cache, resolver, components, bag } = self;
        black_box(cache.resolve_cached_identity(resolver.clone(), components, bag).await).is_ok()
    }
}

impl Peer for Sdk {
    const NAME: &'static str = "aws-smithy-runtime, IdentityCache::lazy";
    /// Its buffer, of which it draws up to a half off.
    const MARGIN: Duration = Duration::from_secs(10);

    async fn on(sts: &Sts) -> Outcome<Self> {
        Ok(Self::new(lazy(), sts.clone(), components().await?))
    }
}

/// aws-config's AssumeRoleProvider behind the SDK's own cache: the provider itself holds no session.
pub(crate) struct AssumeRole(Sdk);

impl Cache for AssumeRole {
    async fn call(&self) -> bool {
        self.0.call().await
    }
}

impl Peer for AssumeRole {
    const NAME: &'static str = "aws-config, AssumeRoleProvider behind lazy";
    const MARGIN: Duration = Sdk::MARGIN;

    async fn on(sts: &Sts) -> Outcome<Self> {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .http_client(sts.http_client())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(SystemTimeSource::new()))
            // One call of the cache is one call of STS, as with the others.
            .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
            .build();
        let role = AssumeRoleProvider::builder(ROLE).session_name("bench").configure(&config);
        let provider = role.build_from_provider(keys(0, None)).await;
        Ok(Self(Sdk::new(lazy(), provider, components().await?)))
    }
}

/// The components of a client, as its orchestrator hands them to an identity cache: taken from a call that is made.
pub(crate) async fn components() -> Outcome<RuntimeComponents> {
    let taken = Taken::default();
    let conf = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-west-1"))
        .http_client(Sts::new(Duration::ZERO, HOUR).http_client())
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .credentials_provider(keys(0, None))
        .interceptor(taken.clone())
        .build();
    let call = aws_sdk_sts::Client::from_conf(conf).assume_role();
    call.role_arn(ROLE).role_session_name("bench").send().await?;
    let taken = taken.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    taken.ok_or_else(|| "the call went out without components".into())
}

#[derive(Clone, Debug, Default)]
struct Taken(Arc<Mutex<Option<RuntimeComponents>>>);

impl Intercept for Taken {
    fn name(&self) -> &'static str {
        "takes the components"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = Some(components.clone());
        Ok(())
    }
}

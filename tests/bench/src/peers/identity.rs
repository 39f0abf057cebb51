//! Identity caches of the SDK, the default and rolecall's, called as the SDK's orchestrator calls
//! them.

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
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::identity::{
    ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_types::config_bag::ConfigBag;

use super::{Cache, Outcome, Peer};
use crate::sts::{HOUR, Sts, keys};

/// The authentication scheme of clients with AWS credentials.
const SCHEME: AuthSchemeId = AuthSchemeId::new("sigv4");
const ROLE: &str = "arn:aws:iam::111122223333:role/tenant";

/// Creates the SDK's default identity cache.
pub(crate) fn lazy_cache() -> SharedIdentityCache {
    IdentityCache::lazy().build()
}

/// Creates rolecall's identity cache.
pub(crate) fn rolecall_cache() -> SharedIdentityCache {
    SharedIdentityCache::new(rolecall::identity_cache())
}

/// An identity cache with one credentials provider, as in a client of the SDK.
pub(crate) struct Sdk {
    cache: SharedIdentityCache,
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
    bag: ConfigBag,
}

impl Sdk {
    /// Creates the caller of a client with this credentials provider, and with `components` in all
    /// other respects.
    pub(crate) fn new(
        cache: SharedIdentityCache,
        provider: impl ProvideCredentials + 'static,
        components: &RuntimeComponents,
    ) -> Outcome<Self> {
        let resolver = SharedIdentityResolver::new(SharedCredentialsProvider::new(provider));
        // The resolver is the client's own, as in a client: a cache may treat the credentials of a
        // client differently from other identities, such as bearer tokens.
        let components =
            components.to_builder().with_identity_resolver(SCHEME, resolver.clone()).build()?;
        Ok(Self { cache, resolver, components, bag: ConfigBag::base() })
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
    /// The default buffer time. The cache shortens it by a random amount of up to a half.
    const MARGIN: Duration = Duration::from_secs(10);

    async fn create(sts: &Sts) -> Outcome<Self> {
        Self::new(lazy_cache(), sts.clone(), &capture_components().await?)
    }
}

/// aws-config's `AssumeRoleProvider` behind the SDK's default cache. The provider itself caches no
/// session.
pub(crate) struct AssumeRole(Sdk);

impl Cache for AssumeRole {
    async fn call(&self) -> bool {
        self.0.call().await
    }
}

impl Peer for AssumeRole {
    const NAME: &'static str = "aws-config, AssumeRoleProvider behind lazy";
    const MARGIN: Duration = Sdk::MARGIN;

    async fn create(sts: &Sts) -> Outcome<Self> {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .http_client(sts.http_client())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(SystemTimeSource::new()))
            // One call of the cache is one call of STS, as for the other candidates.
            .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
            .build();
        let role = AssumeRoleProvider::builder(ROLE).session_name("bench").configure(&config);
        let provider = role.build_from_provider(keys(0, None)).await;
        Ok(Self(Sdk::new(lazy_cache(), provider, &capture_components().await?)?))
    }
}

/// Captures the runtime components of a client, which its orchestrator passes to an identity cache.
///
/// The SDK offers no way to create them, so an interceptor copies them during a call.
pub(crate) async fn capture_components() -> Outcome<RuntimeComponents> {
    let capture = CaptureComponents::default();
    let conf = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-west-1"))
        .http_client(Sts::new(Duration::ZERO, HOUR).http_client())
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .credentials_provider(keys(0, None))
        .interceptor(capture.clone())
        .build();
    let call = aws_sdk_sts::Client::from_conf(conf).assume_role();
    call.role_arn(ROLE).role_session_name("bench").send().await?;
    let captured = capture.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    captured.ok_or_else(|| "the interceptor was not called".into())
}

#[derive(Clone, Debug, Default)]
struct CaptureComponents(Arc<Mutex<Option<RuntimeComponents>>>);

impl Intercept for CaptureComponents {
    fn name(&self) -> &'static str {
        "CaptureComponents"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut captured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *captured = Some(components.clone());
        Ok(())
    }
}

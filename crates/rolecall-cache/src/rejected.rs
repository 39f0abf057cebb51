//! What a service client does when a service refuses its session: ask for another, and try once more.

mod code;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut, InterceptorContext,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::retry::ErrorKind;
use rolecall_core::SessionSource;

use crate::cached::Cached;
use crate::identity_cache::IdentityCache;

/// Whoever holds sessions, and can get others: [`Cached`] and [`IdentityCache`] do, and a provider of your own that chooses
/// between several may.
///
/// ```
/// use rolecall_cache::{Cached, HoldsSessions};
/// use rolecall_core::SessionSource;
///
/// /// Two accounts behind one provider.
/// #[derive(Debug)]
/// struct Both<S: SessionSource>(Cached<S>, Cached<S>);
///
/// impl<S: SessionSource> HoldsSessions for Both<S> {
///     fn replace_rejected(&self, access_key_id: &str) -> bool {
///         let (one, other) = (self.0.replace_rejected(access_key_id), self.1.replace_rejected(access_key_id));
///         one || other
///     }
/// }
/// ```
pub trait HoldsSessions: fmt::Debug + Send + Sync + 'static {
    /// A service refused the session with this access key id. Whether the next call gets another, or waits for another.
    fn replace_rejected(&self, access_key_id: &str) -> bool;
}

impl<S: SessionSource> HoldsSessions for Cached<S> {
    fn replace_rejected(&self, access_key_id: &str) -> bool {
        self.invalidate_key(access_key_id);
        self.0.replaces(access_key_id)
    }
}

impl<T: HoldsSessions + ?Sized> HoldsSessions for Arc<T> {
    fn replace_rejected(&self, access_key_id: &str) -> bool {
        (**self).replace_rejected(access_key_id)
    }
}

impl HoldsSessions for IdentityCache {
    fn replace_rejected(&self, access_key_id: &str) -> bool {
        self.invalidate_key(access_key_id)
    }
}

/// Acts when a service refuses the session as such: it is rejected where it is held, so that nobody uses it any more, and
/// the call is tried once more with the next, where the client's retry settings, the SDK's quota of retries and the
/// request's body allow it. Where another is not to be had yet, the call fails as it did.
///
/// That is for the codes `ExpiredToken`, `ExpiredTokenException`, `InvalidToken`, `InvalidClientTokenId`,
/// `UnrecognizedClientException` and `InvalidAccessKeyId`: a role that was deleted and made anew, a key that was revoked,
/// a clock that was wrong. Never for `AccessDenied`, not even if the sessions of a role were revoked at IAM, which shows so:
/// a service that knows of that calls [`Cached::invalidate`]. An answer without a body says no code, so `HeadObject` and
/// `HeadBucket` go as they are.
///
/// Give it to a client's configuration by [`retry_rejected!`](crate::retry_rejected): an interceptor and a retry classifier,
/// both of which it is. The SDK's own lazy cache, if it stands between, keeps the rejected session: see `sdk_config` in the
/// crate rolecall, which leaves it out.
///
/// ```
/// # trait Config: Sized {
/// #     fn interceptor(self, _: impl aws_smithy_runtime_api::client::interceptors::Intercept + 'static) -> Self { self }
/// #     fn retry_classifier(self, _: impl aws_smithy_runtime_api::client::retries::classifiers::ClassifyRetry + 'static) -> Self { self }
/// # }
/// # fn show<S: rolecall_core::SessionSource>(config: impl Config, provider: &rolecall_cache::Cached<S>) {
/// // let config = aws_sdk_s3::config::Builder::from(&sdk_config);
/// let config = rolecall_cache::retry_rejected!(config, provider);
/// // let client = aws_sdk_s3::Client::from_conf(config.build());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RejectedSession {
    holder: Arc<dyn HoldsSessions>,
}

impl RejectedSession {
    /// For a client whose sessions `holder` holds.
    pub fn new(holder: impl HoldsSessions) -> Self {
        Self { holder: Arc::new(holder) }
    }
}

/// A service client's configuration with [`RejectedSession`] in it: `retry_rejected!(builder, &provider)`, where the
/// provider is whoever [holds](HoldsSessions) the client's sessions. It works on every service's `config::Builder`, also
/// for a `config_override`. Once for each client: the SDK's shared configuration carries neither part.
///
/// ```
/// # trait Config: Sized {
/// #     fn interceptor(self, _: impl aws_smithy_runtime_api::client::interceptors::Intercept + 'static) -> Self { self }
/// #     fn retry_classifier(self, _: impl aws_smithy_runtime_api::client::retries::classifiers::ClassifyRetry + 'static) -> Self { self }
/// # }
/// # fn show(config: impl Config, cache: &rolecall_cache::IdentityCache) {
/// let config = rolecall_cache::retry_rejected!(config, cache);
/// # }
/// ```
#[macro_export]
macro_rules! retry_rejected {
    ($builder:expr, $holder:expr $(,)?) => {{
        let rejected = $crate::RejectedSession::new(::std::clone::Clone::clone($holder));
        $builder.interceptor(::std::clone::Clone::clone(&rejected)).retry_classifier(rejected)
    }};
}

/// The access key id that an attempt was signed by.
#[derive(Debug)]
struct SignedBy(String);

impl Storable for SignedBy {
    type Storer = StoreReplace<Self>;
}

/// The call was tried once more already.
#[derive(Debug)]
struct TriedAgain;

impl Storable for TriedAgain {
    type Storer = StoreReplace<Self>;
}

/// For the classifier, which sees the response alone.
#[derive(Clone, Debug)]
struct TryAgain;

#[dyn_dispatch_hint]
impl Intercept for RejectedSession {
    fn name(&self) -> &'static str {
        "rolecall::RejectedSession"
    }

    fn read_after_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let authorization = context.request().headers().get("authorization");
        if let Some(key) = authorization.and_then(access_key_id) {
            cfg.interceptor_state().store_put(SignedBy(key.to_owned()));
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let failed = matches!(context.output_or_error(), Some(Err(_)));
        let refused = failed && code::is_refusal(context);
        let signed_by = cfg.load::<SignedBy>().filter(|_| refused);
        let Some(SignedBy(key)) = signed_by else { return Ok(()) };
        let another = self.holder.replace_rejected(key);
        if another && cfg.load::<TriedAgain>().is_none() {
            cfg.interceptor_state().store_put(TriedAgain);
            if let Some(response) = context.response_mut() {
                response.add_extension(TryAgain);
            }
        }
        Ok(())
    }
}

/// `AWS4-HMAC-SHA256 Credential=<access key id>/<date>/...`, and the same of SigV4a.
fn access_key_id(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split_once('/').map(|(key, _)| key).filter(|key| !key.is_empty())
}

impl ClassifyRetry for RejectedSession {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().and_then(|response| response.extension::<TryAgain>()) {
            // Without a delay of its own the SDK waits up to a second.
            Some(TryAgain) => RetryAction::retryable_error_with_explicit_delay(
                ErrorKind::ClientError,
                Duration::ZERO,
            ),
            None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "rolecall::RejectedSession"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;

//! The retry of requests whose session a service rejected.

mod error_code;

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
use rolecall_core::ProvideSession;

use crate::cached::CachedProvider;
use crate::sdk::identity_cache::IdentityCache;

mod sealed {
    pub trait Sealed {}
}

/// Receives what services say about the sessions that requests were signed with.
///
/// Implemented by [`CachedProvider`] and [`IdentityCache`], and by an [`Arc`] of either. This trait
/// is sealed: rolecall may add methods to it.
///
/// # Examples
///
/// A client without [`InvalidSessionRetry`] reports rejections itself:
///
/// ```
/// use rolecall_cache::ReportSessionUse;
///
/// /// Returns `true` if the request is worth repeating.
/// fn on_expired_token(sessions: &impl ReportSessionUse, access_key_id: &str) -> bool {
///     sessions.invalid(access_key_id)
/// }
/// ```
pub trait ReportSessionUse: sealed::Sealed + fmt::Debug + Send + Sync + 'static {
    /// Invalidates the session with this access key id: a service rejected it.
    ///
    /// Returns `true` if the next attempt receives another session, or waits for one. Returns
    /// `false` if there is no such session, or if no other one can be fetched yet: a repeated
    /// request would fail again.
    fn invalid(&self, access_key_id: &str) -> bool;

    /// Records that a service accepted the session with this access key id.
    ///
    /// Does nothing by default.
    fn accepted(&self, access_key_id: &str) {
        let _ = access_key_id;
    }
}

impl<P: ProvideSession + ?Sized> sealed::Sealed for CachedProvider<P> {}

impl<P: ProvideSession + ?Sized> ReportSessionUse for CachedProvider<P> {
    fn invalid(&self, access_key_id: &str) -> bool {
        self.invalidate_key(access_key_id);
        self.0.replaces(access_key_id)
    }
}

impl sealed::Sealed for IdentityCache {}

impl ReportSessionUse for IdentityCache {
    fn invalid(&self, access_key_id: &str) -> bool {
        self.invalidate_key(access_key_id)
    }
}

impl<T: ReportSessionUse + ?Sized> sealed::Sealed for Arc<T> {}

impl<T: ReportSessionUse + ?Sized> ReportSessionUse for Arc<T> {
    fn invalid(&self, access_key_id: &str) -> bool {
        (**self).invalid(access_key_id)
    }

    fn accepted(&self, access_key_id: &str) {
        (**self).accepted(access_key_id);
    }
}

/// Repeats a request once with the next session if a service rejects its session.
///
/// The rejected session is invalidated in the cache, so that no other request uses it, and the
/// request is retried immediately with another one. It is retried at most once for this reason,
/// and only if the client's retry configuration, the SDK's retry quota and the request's body allow
/// it. If no other session can be fetched yet, the request fails with the service's error.
///
/// Add it to a client's configuration with
/// [`retry_invalid_session!`](crate::retry_invalid_session). It is both an interceptor and a retry
/// classifier, and both are required.
///
/// # Which errors count
///
/// The codes `ExpiredToken`, `ExpiredTokenException`, `InvalidToken`, `InvalidClientTokenId`,
/// `UnrecognizedClientException` and `InvalidAccessKeyId`. AWS services return them for a session
/// of a role that was deleted and recreated, for a revoked access key, and after a wrong clock.
///
/// `AccessDenied` never counts, not even if the sessions of a role were revoked in IAM, which
/// services report that way: call [`CachedProvider::invalidate`] if you know of such a revocation.
/// Responses without a body carry no code, so that `HeadObject` and `HeadBucket` are not retried.
/// S3 Express is not covered: its session client runs without a client's interceptors.
///
/// # Caches in between
///
/// The client must resolve its identity from the reported cache at every attempt. The SDK's default
/// identity cache keeps the rejected session: disable it with `IdentityCache::no_cache()` for a
/// [`CachedProvider`], as `sdk_config` of the crate rolecall does, or replace it with rolecall's
/// [`IdentityCache`].
///
/// # Examples
///
/// ```
/// # struct Builder; // of a service
/// # impl Builder {
/// #     fn interceptor(self, _: impl aws_smithy_runtime_api::client::interceptors::Intercept + 'static) -> Self { self }
/// #     fn retry_classifier(self, _: impl aws_smithy_runtime_api::client::retries::classifiers::ClassifyRetry + 'static) -> Self { self }
/// # }
/// # fn show<P: rolecall_core::ProvideSession>(config: Builder, provider: &rolecall_cache::CachedProvider<P>) {
/// use rolecall_cache::InvalidSessionRetry;
///
/// // let config = aws_sdk_s3::config::Builder::from(&sdk_config);
/// let retry = InvalidSessionRetry::new(provider.clone());
/// let config = config.interceptor(retry.clone()).retry_classifier(retry);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct InvalidSessionRetry {
    sessions: Arc<dyn ReportSessionUse>,
}

impl InvalidSessionRetry {
    /// Creates the interceptor of a client whose sessions come from `sessions`.
    pub fn new(sessions: impl ReportSessionUse) -> Self {
        Self { sessions: Arc::new(sessions) }
    }
}

/// Adds [`InvalidSessionRetry`] to the configuration of a service client.
///
/// `retry_invalid_session!(builder, &provider)` takes the `config::Builder` of a service, such as
/// `aws_sdk_s3::config::Builder`, and a reference to the [`CachedProvider`] or [`IdentityCache`]
/// that the client's sessions come from, and evaluates to the builder. The builder of a
/// `config_override` works, too.
///
/// Use it once for each client. It cannot be applied to `aws_config::ConfigLoader` or `SdkConfig`,
/// which carry neither interceptors nor retry classifiers.
///
/// # Errors you may see
///
/// - "`retry_invalid_session!` requires a service's `config::Builder`": the first argument is a
///   builder of another kind, or a reference. Convert the shared configuration first:
///   `aws_sdk_s3::config::Builder::from(&sdk_config)`.
/// - "the trait bound `..: ReportSessionUse` is not satisfied": the second argument is not a
///   reference to a [`CachedProvider`] or an [`IdentityCache`].
///
/// # Examples
///
/// ```
/// # struct Builder; // of a service
/// # impl Builder {
/// #     fn interceptor(self, _: impl aws_smithy_runtime_api::client::interceptors::Intercept + 'static) -> Self { self }
/// #     fn retry_classifier(self, _: impl aws_smithy_runtime_api::client::retries::classifiers::ClassifyRetry + 'static) -> Self { self }
/// # }
/// # fn show<P: rolecall_core::ProvideSession>(config: Builder, provider: &rolecall_cache::CachedProvider<P>) {
/// // let config = aws_sdk_s3::config::Builder::from(&sdk_config);
/// let config = rolecall_cache::retry_invalid_session!(config, provider);
/// // let client = aws_sdk_s3::Client::from_conf(config.build());
/// # }
/// ```
///
/// A configuration that is not a service's does not compile:
///
/// ```compile_fail,E0277
/// # struct ConfigLoader;
/// # fn show<P: rolecall_core::ProvideSession>(config: ConfigLoader, provider: &rolecall_cache::CachedProvider<P>) {
/// let config = rolecall_cache::retry_invalid_session!(config, provider);
/// # }
/// ```
#[macro_export]
macro_rules! retry_invalid_session {
    ($builder:expr, $sessions:expr $(,)?) => {{
        // Its methods are found only if the builder has none of its own; see `builder_check`.
        #[allow(unused_imports)]
        use $crate::__builder_check::FallbackMethods as _;
        let retry = $crate::InvalidSessionRetry::new(::std::clone::Clone::clone($sessions));
        $builder.interceptor(::std::clone::Clone::clone(&retry)).retry_classifier(retry)
    }};
}

/// The access key id that signed an attempt.
#[derive(Debug)]
struct SignedBy(String);

impl Storable for SignedBy {
    type Storer = StoreReplace<Self>;
}

/// The request was already retried with another session.
#[derive(Debug)]
struct Retried;

impl Storable for Retried {
    type Storer = StoreReplace<Self>;
}

/// The verdict for the classifier, which sees the response but not the configuration bag.
#[derive(Clone, Debug)]
struct RetryNow;

#[dyn_dispatch_hint]
impl Intercept for InvalidSessionRetry {
    fn name(&self) -> &'static str {
        "rolecall::InvalidSessionRetry"
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
        let Some(SignedBy(key)) = cfg.load::<SignedBy>() else { return Ok(()) };
        match context.output_or_error() {
            Some(Ok(_)) => {
                self.sessions.accepted(key);
                return Ok(());
            }
            Some(Err(_)) if error_code::rejects_session(context) => {}
            _ => return Ok(()),
        }
        // Every rejection is reported, so that the next request does not start with that session.
        // Only the first one of a request is retried: a service that rejects every session would
        // otherwise cost one fetch for each attempt.
        let replaced = self.sessions.invalid(key);
        if replaced && cfg.load::<Retried>().is_none() {
            cfg.interceptor_state().store_put(Retried);
            if let Some(response) = context.response_mut() {
                response.add_extension(RetryNow);
            }
        }
        Ok(())
    }
}

/// Parses `AWS4-HMAC-SHA256 Credential=<access key id>/<date>/...`, and the same of SigV4a.
fn access_key_id(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split_once('/').map(|(key, _)| key).filter(|key| !key.is_empty())
}

impl ClassifyRetry for InvalidSessionRetry {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().and_then(|response| response.extension::<RetryNow>()) {
            // Without an explicit delay the SDK waits for up to a second.
            Some(RetryNow) => RetryAction::retryable_error_with_explicit_delay(
                ErrorKind::ClientError,
                Duration::ZERO,
            ),
            None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "rolecall::InvalidSessionRetry"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;

//! The retry of requests whose session a service rejected.

mod error_code;

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
use rolecall_core::InvalidSession;

use crate::session_use::{InvalidSessionAnswer, ReportSessionUse};

/// Repeats a request if a service rejects its session.
///
/// The rejected session is invalidated in the cache, so that no other request uses it, and the
/// request is repeated immediately with another one, at most once. A session that the service does
/// not know and that was requested less than 10 seconds ago is not replaced: AWS is eventually
/// consistent, and the service would not know another one either. The request is then repeated with
/// the same session after pauses of 0.5 and 1 second, and of 2 seconds before each further attempt.
///
/// Each repetition is an attempt of the client: it counts towards `max_attempts` and the SDK's
/// retry quota, and requires a body that can be sent again. If no other session can be fetched yet,
/// the request fails with the service's error.
///
/// The SDK's default `max_attempts` of 3 permits two pauses, 1.5 seconds in all. A service that
/// accepts the session later than that still fails the request. To wait longer, set `max_attempts`
/// in the client's `RetryConfig`: 4 attempts wait for 3.5 seconds in all, and 5 for 5.5 seconds.
///
/// Add it to a client's configuration with
/// [`retry_invalid_session!`](crate::retry_invalid_session). It is both an interceptor and a retry
/// classifier, and both are required.
///
/// # Which errors count
///
/// `ExpiredToken` and `ExpiredTokenException` say that the session has expired or was revoked.
/// `InvalidToken`, `InvalidClientTokenId`, `UnrecognizedClientException` and `InvalidAccessKeyId`
/// say that the service does not know it: its role was deleted and recreated, its access key was
/// deleted, or it was issued seconds ago. They are a suspicion, which a successful response to a
/// later request with the session clears.
///
/// Error responses do not clear a suspicion, not even `AccessDenied` or `NoSuchKey`: an error says
/// too little about whether the service authenticated the session. At worst, a session that is
/// valid is replaced, and invalidations bring at most one session in 10 seconds.
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
///
/// [`CachedProvider`]: crate::CachedProvider
/// [`CachedProvider::invalidate`]: crate::CachedProvider::invalidate
/// [`IdentityCache`]: crate::IdentityCache
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
///
/// [`CachedProvider`]: crate::CachedProvider
/// [`IdentityCache`]: crate::IdentityCache
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

/// The session that signed an attempt.
#[derive(Debug)]
struct SignedBy {
    access_key_id: String,
    /// The suspicion at the time of signing.
    suspicion: u64,
}

impl Storable for SignedBy {
    type Storer = StoreReplace<Self>;
}

/// How a request was repeated so far because of its session.
#[derive(Clone, Copy, Debug, Default)]
struct Retries {
    /// With another session.
    replaced: bool,
    /// With the same session, after a pause.
    paused: u32,
}

impl Storable for Retries {
    type Storer = StoreReplace<Self>;
}

/// The verdict for the classifier, which sees the response but not the configuration bag.
#[derive(Clone, Copy, Debug)]
struct RetryAfter(Duration);

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
            let suspicion = self.sessions.suspicion();
            cfg.interceptor_state()
                .store_put(SignedBy { access_key_id: key.to_owned(), suspicion });
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(SignedBy { access_key_id, suspicion }) = cfg.load::<SignedBy>() else {
            return Ok(());
        };
        let reason = match context.output_or_error() {
            // Presigning ends here too, with neither an output nor a response: no service has seen
            // the session.
            Some(Ok(_)) if context.response().is_some() => {
                self.sessions.report_accepted(access_key_id, *suspicion);
                return Ok(());
            }
            Some(Err(_)) => error_code::invalid_session(context),
            _ => None,
        };
        let Some(reason) = reason else { return Ok(()) };
        // Every rejection is reported, so that the next request does not start with that session.
        let answer = self.sessions.report_invalid(access_key_id, reason);
        let mut retries = cfg.load::<Retries>().copied().unwrap_or_default();
        let pause = match answer {
            // A service that rejects every session would otherwise cost a fetch for each attempt.
            InvalidSessionAnswer::Replaced if !retries.replaced => {
                retries.replaced = true;
                Duration::ZERO
            }
            InvalidSessionAnswer::RetryAfter(_) => {
                let pause = InvalidSession::retry_pause(retries.paused);
                retries.paused += 1;
                pause
            }
            _ => return Ok(()),
        };
        cfg.interceptor_state().store_put(retries);
        if let Some(response) = context.response_mut() {
            response.add_extension(RetryAfter(pause));
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
        match context.response().and_then(|response| response.extension::<RetryAfter>()) {
            // Without an explicit delay the SDK waits for up to a second.
            Some(RetryAfter(pause)) => {
                RetryAction::retryable_error_with_explicit_delay(ErrorKind::ClientError, *pause)
            }
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

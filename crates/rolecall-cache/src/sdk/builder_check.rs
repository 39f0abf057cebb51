//! The compiler's message for `retry_invalid_session!` on something that is not a service's
//! configuration builder. Not part of the public API.

use crate::InvalidSessionRetry;

/// Implemented by no type. Exists for its error message.
#[diagnostic::on_unimplemented(
    message = "`retry_invalid_session!` requires a service's `config::Builder`, and `{Self}` is not one",
    label = "not the `config::Builder` of a service",
    note = "use `aws_sdk_s3::config::Builder::from(&sdk_config)`, or that of another service, once \
            for each client: neither `SdkConfig` nor `aws_config::ConfigLoader` carries \
            interceptors and retry classifiers"
)]
pub trait IsServiceConfigBuilder {}

/// Provides the methods of a service's `config::Builder` to every type, with a bound that no type
/// satisfies.
///
/// The inherent methods of a real builder win over these. On any other type the method call in the
/// macro finds these instead, and the compiler reports the unsatisfied bound.
pub trait FallbackMethods: Sized {
    /// Returns the builder unchanged.
    #[must_use]
    fn interceptor(self, _: InvalidSessionRetry) -> Self
    where
        Self: IsServiceConfigBuilder,
    {
        self
    }

    /// Returns the builder unchanged. Without a bound: one error is enough.
    #[must_use]
    fn retry_classifier(self, _: InvalidSessionRetry) -> Self {
        self
    }
}

impl<T> FallbackMethods for T {}

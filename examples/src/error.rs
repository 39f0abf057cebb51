//! The error type of the examples: one sentence for a terminal.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rolecall::{ErrorKind, SessionError};

/// An error as one sentence: what failed, and a hint what to check.
///
/// # Examples
///
/// ```
/// let error = rolecall_examples::ExampleError::new("bucket \"shop\" does not exist");
/// assert_eq!(error.to_string(), "bucket \"shop\" does not exist");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleError {
    text: String,
    code: Option<String>,
    /// A policy denied a call to a service.
    denied: bool,
    /// The arguments or the configuration are invalid.
    usage: bool,
}

impl ExampleError {
    /// Creates an error with this message.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: None, denied: false, usage: false }
    }

    /// Creates an error about invalid arguments or configuration.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(text) }
    }

    /// Returns the error code of STS or of the service that returned the error.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns `true` if a service denied the call.
    ///
    /// It is `false` if STS denied the session: then the service has not been called.
    pub fn is_denied(&self) -> bool {
        self.denied
    }

    /// Prefixes the message with the subject of the failed call.
    #[must_use]
    pub fn context(self, subject: impl fmt::Display) -> Self {
        Self { text: format!("{subject}: {}", self.text), ..self }
    }

    /// Returns the exit code of a program that fails with this error: 2 for invalid arguments or
    /// configuration, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        if self.usage { 2 } else { 1 }
    }
}

impl fmt::Display for ExampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for ExampleError {}

impl From<SessionError> for ExampleError {
    fn from(error: SessionError) -> Self {
        let configuration =
            matches!(error.kind(), ErrorKind::NotConfigured | ErrorKind::InvalidConfig);
        Self {
            text: error.report(),
            code: error.code().map(str::to_owned),
            denied: false,
            // An error with a code comes from STS: the arguments were valid enough to send them.
            usage: configuration && error.code().is_none(),
        }
    }
}

impl From<rolecall::params::InvalidParameter> for ExampleError {
    fn from(error: rolecall::params::InvalidParameter) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<std::io::Error> for ExampleError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl<E> From<SdkError<E, HttpResponse>> for ExampleError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        // The SDK wraps the error of its credentials provider in several of its own. rolecall's
        // error inside says what failed.
        if let Some(error) = SessionError::find(&error) {
            return error.clone().into();
        }
        match &error {
            SdkError::ServiceError(response) => {
                let status = response.raw().status().as_u16();
                Self::from_service(response.err(), status)
            }
            SdkError::TimeoutError(_) => Self::new("the request to the service timed out"),
            SdkError::ConstructionFailure(_) => {
                let text = describe_root_cause(&error);
                Self::usage(format!("the request is invalid: {text}"))
            }
            SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
                let text = describe_root_cause(&error);
                Self::new(format!("the connection to the service failed: {text}"))
            }
            _ => Self::new(describe_root_cause(&error)),
        }
    }
}

impl ExampleError {
    fn from_service(error: &(impl ProvideErrorMetadata + Error), status: u16) -> Self {
        // S3's response to a HEAD request has no body, so that its status is the only code.
        let code = error.code().map(str::to_owned).or_else(|| match status {
            403 => Some("Forbidden".to_owned()),
            404 => Some("NotFound".to_owned()),
            _ => None,
        });
        let message = match (error.message(), &code) {
            (Some(message), Some(code)) => format!("{} ({code})", message.trim_end_matches('.')),
            (Some(message), None) => message.to_owned(),
            (None, Some(code)) => code.clone(),
            (None, None) => format!("HTTP status {status}"),
        };
        let hint = HINTS.iter().find(|(known, _)| Some(*known) == code.as_deref());
        let text = match hint {
            Some((_, hint)) => format!("{message}; hint: {hint}"),
            None => message,
        };
        let denied =
            matches!(code.as_deref(), Some("AccessDenied" | "AccessDeniedException" | "Forbidden"));
        Self { text, code, denied, usage: false }
    }
}

/// What to check for an error code of a service.
const HINTS: &[(&str, &str)] = &[
    ("AccessDenied", "check that the role's permission policies allow the action"),
    ("AccessDeniedException", "check that the role's permission policies allow the action"),
    ("NoSuchBucket", "check the bucket's name"),
    (
        "InvalidBucketName",
        "use a bucket name of 3 to 63 lower case letters, digits, dots and hyphens",
    ),
    ("NoSuchKey", "check the key and its prefix"),
    ("ResourceNotFoundException", "check the secret's name, the Region and the role's account"),
    (
        "RepositoryNotFoundException",
        "check the repository's name, the Region and the role's account",
    ),
    ("ExpiredToken", "check the process that renews these credentials: they have expired"),
    ("ExpiredTokenException", "check the process that renews these credentials: they have expired"),
    ("PermanentRedirect", "set AWS_REGION to the Region of the bucket"),
];

/// Adds the subject of a call to its error.
///
/// # Examples
///
/// ```
/// use rolecall_examples::{Context, ExampleError};
/// let result: Result<(), ExampleError> = Err(ExampleError::new("not found"));
/// let error = result.context("secret \"shop/db\"").unwrap_err();
/// assert_eq!(error.to_string(), "secret \"shop/db\": not found");
/// ```
pub trait Context<T> {
    /// Converts the error and prefixes its message with `subject`.
    ///
    /// # Errors
    ///
    /// Returns the converted error if `self` is one.
    fn context(self, subject: impl fmt::Display) -> Result<T, ExampleError>;
}

impl<T, E: Into<ExampleError>> Context<T> for Result<T, E> {
    fn context(self, subject: impl fmt::Display) -> Result<T, ExampleError> {
        self.map_err(|error| error.into().context(subject))
    }
}

type DynError<'a> = &'a (dyn Error + 'static);

/// Iterates over an error and its sources.
fn error_chain(error: DynError<'_>) -> impl Iterator<Item = DynError<'_>> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Returns the message of the last error in the chain, with that of the error before it if it adds
/// anything. "Connection refused", for example, says little without the address.
fn describe_root_cause(error: DynError<'_>) -> String {
    let chain: Vec<String> = error_chain(error).map(ToString::to_string).collect();
    let mut texts = chain.iter().rev();
    let root = texts.next().cloned().unwrap_or_default();
    match texts.find(|text| !text.contains(&root)) {
        Some(above) if chain.len() > 2 => format!("{above}: {root}"),
        _ => root,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_denied_by_sts_is_not_a_service_denial() {
        let error = SessionError::new(ErrorKind::Denied, "no").with_code("AccessDenied");
        let error = ExampleError::from(error);
        assert_eq!((error.code(), error.is_denied()), (Some("AccessDenied"), false));
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn configuration_errors_exit_with_2() {
        for (kind, code) in [
            (ErrorKind::NotConfigured, 2),
            (ErrorKind::InvalidConfig, 2),
            (ErrorKind::TokenUnavailable, 1),
            (ErrorKind::Unavailable, 1),
        ] {
            assert_eq!(
                ExampleError::from(SessionError::new(kind, "x")).exit_code(),
                code,
                "{kind}"
            );
        }
    }
}

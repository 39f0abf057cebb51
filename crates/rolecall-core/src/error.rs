//! The error that is returned when a session cannot be provided.

mod remedy;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;

pub use self::remedy::Remedy;
use crate::RoleArn;

/// The kind of a [`SessionError`].
///
/// Decides whether a retry can help, and which [`CredentialsError`] the SDK receives.
///
/// # Examples
///
/// ```
/// use rolecall_core::ErrorKind;
/// assert!(ErrorKind::Throttled.is_retryable());
/// assert!(!ErrorKind::Denied.is_retryable());
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No identity is configured. This is the only kind that lets an SDK provider chain continue
    /// with its next provider.
    NotConfigured,
    /// The configuration is invalid.
    InvalidConfig,
    /// The web identity token cannot be read, is malformed, or has expired, or no MFA code was
    /// provided in time, or a background fetch would have needed one.
    TokenUnavailable,
    /// A policy denies the request.
    Denied,
    /// STS rejected the web identity token or the session that signed the request, or the token has
    /// another identity than the first token of its provider.
    TokenRejected,
    /// The service or rolecall's rate limit allows no more requests at this time.
    Throttled,
    /// The service cannot be reached, reported an internal failure, or did not respond in time.
    Unavailable,
    /// The service sent a malformed response, or returned a session that has expired, that expires
    /// sooner than the cached session, or that was invalidated, or an identity of another type.
    InvalidResponse,
    /// The cache entry was removed while a provider for it still existed.
    Removed,
}

impl ErrorKind {
    /// Returns `true` if the same request may succeed later without a change to the configuration.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Throttled
            | Self::Unavailable
            | Self::InvalidResponse
            | Self::TokenUnavailable => true,
            Self::NotConfigured
            | Self::InvalidConfig
            | Self::Denied
            | Self::TokenRejected
            | Self::Removed => false,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConfigured => "not configured",
            Self::InvalidConfig => "invalid configuration",
            Self::TokenUnavailable => "token unavailable",
            Self::Denied => "denied",
            Self::TokenRejected => "token rejected",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::InvalidResponse => "invalid response",
            Self::Removed => "removed",
        })
    }
}

/// The location of an error in a role chain: the base credentials or a hop.
///
/// # Examples
///
/// ```
/// use rolecall_core::{ErrorLocation, RoleArn};
///
/// let base = ErrorLocation::Base("static keys".into());
/// assert_eq!(base.to_string(), "base credentials (static keys)");
///
/// let hop = ErrorLocation::hop(1, RoleArn::parse("arn:aws:iam::444455556666:role/orders")?);
/// assert_eq!(hop.to_string(), "hop 1 of 1 (arn:aws:iam::444455556666:role/orders)");
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorLocation {
    /// The provider of the base credentials, by name.
    Base(String),
    /// A hop.
    #[non_exhaustive]
    Hop {
        /// Number of the hop, counted from 1 at the base credentials.
        index: usize,
        /// Number of hops in the part of the chain that the error has passed through. This is the
        /// length of the chain once the last hop has returned the error.
        of: usize,
        /// The role that the hop assumes.
        role: RoleArn,
    },
}

impl ErrorLocation {
    /// Creates the location of hop number `index`, counted from 1, which assumes `role`.
    pub fn hop(index: usize, role: RoleArn) -> Self {
        Self::Hop { index, of: index, role }
    }
}

impl fmt::Display for ErrorLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(name) => write!(f, "base credentials ({name})"),
            Self::Hop { index, of, role } => write!(f, "hop {index} of {of} ({role})"),
        }
    }
}

/// An error returned when a session cannot be provided.
///
/// Clones are cheap: all callers that wait for one fetch receive the same error.
///
/// `Display` shows `{location}: {message} ({code}, request id {id}); hint: {hint}`, without the
/// parts that are not set. [`Error::source`] returns the causes as text. The error values of the
/// SDK are not kept, because the `Debug` output of some contains the raw response with the secret
/// key.
///
/// # Examples
///
/// ```
/// use rolecall_core::{ErrorKind, ErrorLocation, SessionError};
///
/// let error = SessionError::new(ErrorKind::Denied, "not authorized to perform sts:AssumeRole")
///     .with_code("AccessDenied")
///     .with_hint("allow the caller in the role's trust policy")
///     .at(ErrorLocation::Base("web identity".into()));
/// assert_eq!(
///     error.to_string(),
///     "base credentials (web identity): not authorized to perform sts:AssumeRole (AccessDenied); \
///      hint: allow the caller in the role's trust policy",
/// );
/// ```
#[derive(Clone)]
pub struct SessionError(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    location: Option<ErrorLocation>,
    code: Option<String>,
    request_id: Option<String>,
    hint: Option<String>,
    remedy: Option<Remedy>,
    cause: Option<Cause>,
    /// Set by the rate limiter only. The kind does not tell: a throttling response of a service has
    /// the same kind, but is a failure.
    deferred: bool,
}

/// Maximum length of each text in an error, in characters.
const MAX_TEXT: usize = 2000;

impl SessionError {
    /// Creates an error. The message is one clause in lower case, without a full stop.
    ///
    /// Each text of an error is truncated to 2000 characters, and its control characters are
    /// replaced with spaces, because it may come from a server.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::from_text(kind, message.into(), false)
    }

    // Here and below, the functions that accept any text call one that does not depend on its type,
    // and that is compiled once.
    fn from_text(kind: ErrorKind, message: String, deferred: bool) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: sanitize(message),
            location: None,
            deferred,
            code: None,
            request_id: None,
            hint: None,
            remedy: None,
            cause: None,
        }))
    }

    /// Creates the error of a background fetch that the rate limiter deferred.
    ///
    /// The kind is [`Throttled`](ErrorKind::Throttled). Only rate limiters create this error: a
    /// throttling response of a service is a failure; see [`is_deferred`](Self::is_deferred).
    pub fn deferred(message: impl Into<String>) -> Self {
        Self::from_text(ErrorKind::Throttled, message.into(), true)
    }

    fn modify(mut self, modify: impl FnOnce(&mut Inner)) -> Self {
        modify(Arc::make_mut(&mut self.0));
        self
    }

    /// Sets the kind.
    #[must_use]
    pub fn with_kind(self, kind: ErrorKind) -> Self {
        self.modify(|e| e.kind = kind)
    }

    /// Replaces the kind `NotConfigured` with `InvalidConfig`.
    ///
    /// Use this for errors from within a configured provider: with `NotConfigured`, an SDK provider
    /// chain would continue with another identity.
    #[doc(hidden)]
    #[must_use]
    pub fn configured(self) -> Self {
        match self.kind() {
            ErrorKind::NotConfigured => self.with_kind(ErrorKind::InvalidConfig),
            _ => self,
        }
    }

    /// Sets the service's error code, such as `AccessDenied`.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        self.set_text(|e| &mut e.code, code.into())
    }

    fn set_text(self, field: fn(&mut Inner) -> &mut Option<String>, text: String) -> Self {
        self.modify(|e| *field(e) = Some(sanitize(text)))
    }

    /// Sets the service's request id.
    #[must_use]
    pub fn with_request_id(self, id: impl Into<String>) -> Self {
        self.set_text(|e| &mut e.request_id, id.into())
    }

    /// Sets the hint, a suggested fix.
    ///
    /// The hint is an imperative clause in lower case, without a full stop: "set AWS_REGION". The
    /// remedy of an earlier hint is removed.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        self.set_text(|e| &mut e.hint, hint.into()).modify(|e| e.remedy = None)
    }

    /// Sets what the hint recommends, for programs that show a hint of their own.
    #[must_use]
    pub fn with_remedy(self, remedy: Remedy) -> Self {
        self.modify(|e| e.remedy = Some(remedy))
    }

    /// Sets the cause. Only the texts of `cause` and of its sources are kept.
    #[must_use]
    pub fn with_cause(self, cause: &(dyn Error + 'static)) -> Self {
        self.modify(|e| e.cause = Some(Cause::copy_from(cause, 0)))
    }

    /// Returns the `SessionError` in the chain of sources of `error`, if there is one.
    ///
    /// Use this on the error of an SDK client to obtain the kind and the hint of a failed fetch.
    ///
    /// # Examples
    ///
    /// ```
    /// use aws_credential_types::provider::error::CredentialsError;
    /// use rolecall_core::{ErrorKind, SessionError};
    /// let error = CredentialsError::from(SessionError::new(ErrorKind::Denied, "access denied"));
    /// assert_eq!(SessionError::find(&error).map(SessionError::kind), Some(ErrorKind::Denied));
    /// ```
    pub fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// Returns `true` if the fetch was deferred: a background fetch did not get a permit of the
    /// rate limiter in time.
    ///
    /// A deferred fetch is not a failure. The cache retries it after a pause.
    pub fn is_deferred(&self) -> bool {
        self.0.deferred
    }

    /// Sets the error location unless already set.
    ///
    /// An error that passes through a later hop keeps its location, and the number of hops in it is
    /// raised to the number of that hop.
    #[must_use]
    pub fn at(self, location: ErrorLocation) -> Self {
        self.modify(|e| match (&mut e.location, location) {
            // An inner hop does not know how many hops follow. Each later hop raises the number.
            (Some(ErrorLocation::Hop { of, .. }), ErrorLocation::Hop { index, .. }) => {
                *of = index.max(*of);
            }
            (Some(_), _) => {}
            (None, ErrorLocation::Base(name)) => {
                e.location = Some(ErrorLocation::Base(sanitize(name)));
            }
            (None, hop) => e.location = Some(hop),
        })
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the error location: where in a role chain the error occurred, if known.
    pub fn location(&self) -> Option<&ErrorLocation> {
        self.0.location.as_ref()
    }

    /// Returns the message without the location, the code and the hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the service's error code, such as `AccessDenied`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the service's request id, which AWS Support requires to investigate a call.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns the hint, a suggested fix.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Returns what the hint recommends, if the hint names functions.
    pub fn remedy(&self) -> Option<Remedy> {
        self.0.remedy
    }

    /// Returns `true` if the same request may succeed later; see [`ErrorKind::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// Formats the error and all of its causes in one line.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::{ErrorKind, SessionError};
    /// let io = std::io::Error::other("connection reset");
    /// let error = SessionError::new(ErrorKind::Unavailable, "cannot reach STS").with_cause(&io);
    /// assert_eq!(error.report(), "cannot reach STS: connection reset");
    /// ```
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { message, location, code, request_id, hint, .. } = &*self.0;
        if let Some(location) = location {
            write!(f, "{location}: ")?;
        }
        f.write_str(message)?;
        match (code, request_id) {
            (Some(code), Some(id)) => write!(f, " ({code}, request id {id})")?,
            (Some(code), None) => write!(f, " ({code})")?,
            (None, Some(id)) => write!(f, " (request id {id})")?,
            (None, None) => {}
        }
        if let Some(hint) = hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, location, deferred, code, request_id, hint, remedy, cause } =
            &*self.0;
        f.debug_struct("SessionError")
            .field("kind", kind)
            .field("location", &location.as_ref().map(ToString::to_string))
            .field("message", message)
            .field("code", code)
            .field("request_id", request_id)
            .field("hint", hint)
            .field("remedy", remedy)
            .field("cause", cause)
            .field("deferred", deferred)
            .finish()
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause as _)
    }
}

/// Converts to an error of the kind [`InvalidConfig`](ErrorKind::InvalidConfig).
impl From<crate::InvalidParameter> for SessionError {
    fn from(error: crate::InvalidParameter) -> Self {
        Self::new(ErrorKind::InvalidConfig, error.to_string())
    }
}

/// Converts only `NotConfigured` to `CredentialsNotLoaded`. An SDK provider chain therefore never
/// continues from a configured provider that failed to a provider of another identity.
impl From<SessionError> for CredentialsError {
    fn from(error: SessionError) -> Self {
        match error.kind() {
            ErrorKind::NotConfigured => Self::not_loaded(error),
            ErrorKind::InvalidConfig => Self::invalid_configuration(error),
            _ => Self::provider_error(error),
        }
    }
}

/// The text of a cause. The error itself is not kept, since its `Debug` may contain secrets.
#[derive(Clone)]
struct Cause {
    text: String,
    next: Option<Arc<Cause>>,
}

impl Cause {
    fn copy_from(error: &(dyn Error + 'static), depth: usize) -> Self {
        // Bounds the copy of a source chain that is cyclic or generated.
        const MAX_DEPTH: usize = 16;
        let next = error
            .source()
            .filter(|_| depth < MAX_DEPTH)
            .map(|next| Arc::new(Self::copy_from(next, depth + 1)));
        Self { text: sanitize(error.to_string()), next }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)?;
        match &self.next {
            Some(next) => write!(f, ": {next:?}"),
            None => Ok(()),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.next.as_ref().map(|next| &**next as _)
    }
}

/// Returns the text on one line and with a limited length. A server's text could otherwise forge
/// log lines or control a terminal.
fn sanitize(text: String) -> String {
    let clean = !text.chars().any(char::is_control);
    if clean && text.chars().nth(MAX_TEXT).is_none() {
        return text;
    }
    let mut sanitized: String =
        text.chars().take(MAX_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        sanitized.push_str(" ...");
    }
    sanitized
}

#[cfg(test)]
mod tests;

//! Why there is no session.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;

use crate::{RoleArn, Urgency};

/// What kind of failure it was: decides whether asking again can help, and what the SDK is told.
///
/// ```
/// use rolecall_core::ErrorKind;
/// assert!(ErrorKind::Throttled.is_retryable());
/// assert!(!ErrorKind::Denied.is_retryable());
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing names an identity: no variables, no file. The one kind that lets a provider chain go on.
    NotConfigured,
    /// Something is configured, and wrong.
    InvalidConfig,
    /// The web identity token cannot be read, or is no token.
    TokenUnavailable,
    /// A policy does not allow it.
    Denied,
    /// STS refuses the token or the signature: expired, unknown issuer, wrong audience.
    TokenRejected,
    /// Too many calls.
    Throttled,
    /// The service cannot be reached, is down, or did not answer in time.
    Unavailable,
    /// The service answered, and the answer makes no sense.
    InvalidResponse,
    /// The slot was removed while a handle to it lived.
    Removed,
}

impl ErrorKind {
    /// Whether the same request may succeed in a moment, with nobody changing anything.
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

/// Where on the way to a session it happened.
///
/// ```
/// use rolecall_core::Place;
/// let place = Place::Base("web identity, arn:aws:iam::111122223333:role/checkout".into());
/// assert_eq!(place.to_string(), "base (web identity, arn:aws:iam::111122223333:role/checkout)");
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the first source.
    Base(String),
    /// At a hop.
    #[non_exhaustive]
    Hop {
        /// Counted from 1 at the base.
        index: usize,
        /// How many hops the chain has, as far as the error has come up.
        of: usize,
        /// The role that the hop assumes.
        role: RoleArn,
    },
}

impl Place {
    /// The hop number `index` of a chain, which assumes `role`.
    pub fn hop(index: usize, role: RoleArn) -> Self {
        Self::Hop { index, of: index, role }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(what) => write!(f, "base ({what})"),
            Self::Hop { index, of, role } => write!(f, "hop {index} of {of}, {role}"),
        }
    }
}

/// Why there is no session. Cheap to clone: everybody who waited for one fetch shares one error.
///
/// `Display` says this layer: where, what, the service's code and request id, and what to look at. Causes come by
/// [`Error::source`], as text that was copied from them: the SDK's own errors are never kept, since the `Debug` of
/// some prints the raw response, secret key included.
///
/// ```
/// use rolecall_core::{ErrorKind, FetchError, Place};
///
/// let error = FetchError::new(ErrorKind::Denied, "not authorized to perform sts:AssumeRole")
///     .with_code("AccessDenied")
///     .with_hint("the role's trust policy must name the caller")
///     .at(Place::Base("web identity".into()));
/// assert_eq!(
///     error.to_string(),
///     "base (web identity): not authorized to perform sts:AssumeRole (AccessDenied); \
///      look at: the role's trust policy must name the caller",
/// );
/// ```
#[derive(Clone)]
pub struct FetchError(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    place: Option<Place>,
    code: Option<String>,
    request_id: Option<String>,
    hint: Option<String>,
    cause: Option<Cause>,
}

/// The longest text that is taken over from outside, in characters.
const LONGEST_TEXT: usize = 2000;

impl FetchError {
    /// An error of this kind. The message is one clause, lower case, without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: tame(message.into()),
            place: None,
            code: None,
            request_id: None,
            hint: None,
            cause: None,
        }))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The same error of another kind.
    #[must_use]
    pub fn with_kind(self, kind: ErrorKind) -> Self {
        self.change(|e| e.kind = kind)
    }

    /// The same error from within something that is configured: there, to have nothing is a wrong configuration, and no
    /// reason for a provider chain to go on to another identity.
    ///
    /// ```
    /// use rolecall_core::{ErrorKind, FetchError};
    /// let error = FetchError::new(ErrorKind::NotConfigured, "no token broker").of_configured();
    /// assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    /// ```
    #[must_use]
    pub fn of_configured(self) -> Self {
        match self.kind() {
            ErrorKind::NotConfigured => self.with_kind(ErrorKind::InvalidConfig),
            _ => self,
        }
    }

    /// With the service's error code.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        self.change(|e| e.code = Some(tame(code.into())))
    }

    /// With the service's request id.
    #[must_use]
    pub fn with_request_id(self, id: impl Into<String>) -> Self {
        self.change(|e| e.request_id = Some(tame(id.into())))
    }

    /// With what a person should look at.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        self.change(|e| e.hint = Some(tame(hint.into())))
    }

    /// With the text of `cause` and of all its own sources. The error itself is not kept.
    #[must_use]
    pub fn with_cause(self, cause: &(dyn Error + 'static)) -> Self {
        self.change(|e| e.cause = Some(Cause::copied_from(cause, 0)))
    }

    /// The error of ours in a chain of causes, as that of the SDK's clients: it says what no `Display` of theirs does.
    ///
    /// ```
    /// use aws_credential_types::provider::error::CredentialsError;
    /// use rolecall_core::{ErrorKind, FetchError};
    /// let error = CredentialsError::from(FetchError::new(ErrorKind::Denied, "not for you"));
    /// assert_eq!(FetchError::find(&error).map(FetchError::kind), Some(ErrorKind::Denied));
    /// ```
    pub fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(ours) = error.downcast_ref() {
                return Some(ours);
            }
            next = error.source();
        }
        None
    }

    /// Whether this is no failure but a fetch that was put off: nobody waited for it, and the budget for STS had no turn.
    /// It is tried again.
    ///
    /// ```
    /// use rolecall_core::{ErrorKind, FetchError, Urgency};
    /// let used_up = FetchError::new(ErrorKind::Throttled, "the budget for STS is used up");
    /// assert!(used_up.is_put_off(Urgency::Background) && !used_up.is_put_off(Urgency::Caller));
    /// assert!(!used_up.with_code("Throttling").is_put_off(Urgency::Background), "STS said so");
    /// ```
    pub fn is_put_off(&self, urgency: Urgency) -> bool {
        urgency == Urgency::Background
            && self.kind() == ErrorKind::Throttled
            && self.code().is_none()
    }

    /// Says where it happened, unless that is known already.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        self.change(|e| {
            e.place.get_or_insert(match place {
                Place::Base(name) => Place::Base(tame(name)),
                hop => hop,
            });
        })
    }

    /// The error comes up through hop number `index`: its place is in a chain of at least that many.
    #[must_use]
    pub fn through_hop(self, index: usize) -> Self {
        self.change(|e| {
            if let Some(Place::Hop { of, .. }) = &mut e.place {
                *of = index.max(*of);
            }
        })
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where it happened.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// What happened, without place, code and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The service's error code, as `AccessDenied`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The service's request id, for its support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// What a person should look at.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// [`ErrorKind::is_retryable`] of its kind.
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// The error with all its causes, in one line.
    ///
    /// ```
    /// use rolecall_core::{ErrorKind, FetchError};
    /// let io = std::io::Error::other("connection reset");
    /// let error = FetchError::new(ErrorKind::Unavailable, "cannot reach STS").with_cause(&io);
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

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { message, place, code, request_id, hint, .. } = &*self.0;
        if let Some(place) = place {
            write!(f, "{place}: ")?;
        }
        f.write_str(message)?;
        match (code, request_id) {
            (Some(code), Some(id)) => write!(f, " ({code}, request id {id})")?,
            (Some(code), None) => write!(f, " ({code})")?,
            (None, Some(id)) => write!(f, " (request id {id})")?,
            (None, None) => {}
        }
        if let Some(hint) = hint {
            write!(f, "; look at: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, place, code, request_id, hint, cause } = &*self.0;
        f.debug_struct("FetchError")
            .field("kind", kind)
            .field("place", &place.as_ref().map(ToString::to_string))
            .field("message", message)
            .field("code", code)
            .field("request_id", request_id)
            .field("hint", hint)
            .field("cause", cause)
            .finish()
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause as _)
    }
}

/// A bad parameter, wherever it came from, is a configuration to mend.
impl From<crate::InvalidParameter> for FetchError {
    fn from(error: crate::InvalidParameter) -> Self {
        Self::new(ErrorKind::InvalidConfig, error.to_string())
    }
}

/// Only `NotConfigured` becomes `not_loaded`, so that a provider chain never falls through from a configured provider
/// that failed to one that is another identity.
impl From<FetchError> for CredentialsError {
    fn from(error: FetchError) -> Self {
        match error.kind() {
            ErrorKind::NotConfigured => Self::not_loaded(error),
            ErrorKind::InvalidConfig => Self::invalid_configuration(error),
            _ => Self::provider_error(error),
        }
    }
}

/// The text of an error that was not ours to keep.
#[derive(Clone)]
struct Cause {
    text: String,
    next: Option<Arc<Cause>>,
}

impl Cause {
    fn copied_from(error: &(dyn Error + 'static), depth: usize) -> Self {
        const DEEPEST: usize = 16;
        let next = error
            .source()
            .filter(|_| depth < DEEPEST)
            .map(|next| Arc::new(Self::copied_from(next, depth + 1)));
        Self { text: tame(error.to_string()), next }
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

/// Text from outside, on one line and of bounded length.
fn tame(text: String) -> String {
    let clean = !text.chars().any(char::is_control);
    if clean && text.chars().nth(LONGEST_TEXT).is_none() {
        return text;
    }
    let mut tamed: String =
        text.chars().take(LONGEST_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        tamed.push_str(" ...");
    }
    tamed
}

/// Whether a service that answers with this code refuses the session as such, whatever its role may do: another may be
/// accepted. Never `AccessDenied`. (Of a web identity call, which no session signs, STS says `ExpiredTokenException` of the
/// token.)
///
/// ```
/// use rolecall_core::refuses_session;
/// assert!(refuses_session("ExpiredToken") && !refuses_session("AccessDenied"));
/// ```
pub fn refuses_session(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidToken"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refuses_a_session_by_table() {
        for code in [
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidToken",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "InvalidAccessKeyId",
        ] {
            assert!(refuses_session(code), "{code}");
        }
        for code in
            ["AccessDenied", "AccessDeniedException", "SignatureDoesNotMatch", "RequestExpired", ""]
        {
            assert!(!refuses_session(code), "{code}");
        }
    }

    #[test]
    fn only_not_configured_lets_a_provider_chain_go_on() {
        use ErrorKind::*;
        let cases = [
            (NotConfigured, "not loaded"),
            (InvalidConfig, "invalid"),
            (TokenUnavailable, "provider"),
            (Denied, "provider"),
            (TokenRejected, "provider"),
            (Throttled, "provider"),
            (Unavailable, "provider"),
            (InvalidResponse, "provider"),
            (Removed, "provider"),
        ];
        for (kind, expected) in cases {
            let told = match CredentialsError::from(FetchError::new(kind, "x")) {
                CredentialsError::CredentialsNotLoaded(_) => "not loaded",
                CredentialsError::InvalidConfiguration(_) => "invalid",
                CredentialsError::ProviderError(_) => "provider",
                other => panic!("{kind:?} became {other:?}"),
            };
            assert_eq!(told, expected, "{kind:?}");
        }
    }

    #[test]
    fn the_place_that_is_nearest_to_the_fault_stays_and_learns_the_length_of_the_chain() {
        let role: RoleArn = "arn:aws:iam::111122223333:role/a".parse().unwrap();
        let outer: RoleArn = "arn:aws:iam::111122223333:role/c".parse().unwrap();
        let error = FetchError::new(ErrorKind::Denied, "no")
            .at(Place::hop(1, role))
            .at(Place::hop(3, outer))
            .through_hop(2)
            .through_hop(3);
        assert_eq!(error.to_string(), "hop 1 of 3, arn:aws:iam::111122223333:role/a: no");
    }

    #[test]
    fn text_from_outside_is_one_line_of_bounded_length() {
        let text = || format!("a\n\x1b[31mb{}", "x".repeat(5000));
        let error = FetchError::new(ErrorKind::Unavailable, text())
            .with_hint(text())
            .with_code(text())
            .with_request_id(text())
            .at(Place::Base(text()));
        assert!(error.message().starts_with("a  [31mbxxx") && error.message().len() < 2100);
        let shown = error.to_string();
        assert!(shown.len() < 11_000 && !shown.contains(char::is_control), "{shown}");
    }

    #[test]
    fn what_a_cause_shows_in_debug_alone_is_not_taken_over() {
        #[derive(Debug)]
        struct Leaky {
            #[allow(dead_code, reason = "read by Debug, which is the point")]
            body: &'static str,
        }
        impl fmt::Display for Leaky {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("service error")
            }
        }
        impl Error for Leaky {}
        let error = FetchError::new(ErrorKind::Unavailable, "x")
            .with_cause(&Leaky { body: "<SecretAccessKey>s3cret</SecretAccessKey>" });
        assert!(format!("{error:?}").contains("service error"));
        assert!(!format!("{error:#?} {error}").contains("s3cret"));
        let source = error.source().unwrap();
        assert!(!format!("{source:?}").contains("s3cret"));
    }
}

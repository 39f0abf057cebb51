//! Classifies the error responses of STS by one table of error codes.

use rolecall_core::{ErrorKind, InvalidSession, SessionError};

/// How a failed call can be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// The same request fails again.
    Never,
    /// The same request may succeed after a pause.
    AfterBackoff,
    /// A new web identity token may be accepted.
    WithNewToken,
    /// The signing session was rejected; another one may be accepted.
    WithNewSigner,
}

/// The classification of an error response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErrorClass {
    pub(crate) kind: ErrorKind,
    pub(crate) retry: Retry,
    pub(crate) hint: Option<&'static str>,
}

const fn class(kind: ErrorKind, retry: Retry, hint: Option<&'static str>) -> ErrorClass {
    ErrorClass { kind, retry, hint }
}

/// A code, a part of the message where one code has two meanings, and the classification.
type Row = (&'static str, &'static str, ErrorClass);

/// The first matching row applies. The codes are from the error lists of the STS API reference and
/// from responses that AWS is known to send.
const TABLE: &[Row] = &{
    use ErrorKind::{Denied, InvalidConfig, Throttled, TokenRejected, Unavailable};
    use Retry::{AfterBackoff, Never, WithNewSigner, WithNewToken};
    const CLOCK_OR_SECRET: &str =
        "check this machine's clock (STS allows 15 minutes of skew), then the secret access key";
    const SIGNER: &str = "check the access key that signed the request: it expired, was deleted, \
                          or belongs to another partition";
    const ISSUER_KEYS: &str =
        "check that the token's issuer serves its keys (the jwks_uri of its discovery document)";
    const REGION_DISABLED: &str = "enable STS for this Region in the account's settings, or use \
                                   the endpoint of another Region";
    const SESSION_POLICY: &str = "check the session policy";
    const QUOTA: &str = "lower the rate limit of the STS client, raise the duration of the sessions, \
                         or request a higher quota from AWS";
    const PARAMETER: &str = "correct the parameter that the message names; the duration of a \
                             session is at most the MaxSessionDuration of its role";
    const PACKED_SIZE: &str = "shorten the session policy, or send fewer or shorter tags";
    [
        // STS answers a throttled call with status 400 as well as 429: the code decides.
        ("Throttling", "", class(Throttled, AfterBackoff, Some(QUOTA))),
        ("ThrottlingException", "", class(Throttled, AfterBackoff, Some(QUOTA))),
        ("RequestLimitExceeded", "", class(Throttled, AfterBackoff, Some(QUOTA))),
        ("IDPCommunicationError", "", class(Unavailable, AfterBackoff, None)),
        // With this message, STS could not check the token. The row precedes the general one, which
        // would have the caller replace a valid token during an outage of the issuer.
        (
            "InvalidIdentityToken",
            "retrieve verification key",
            class(Unavailable, AfterBackoff, Some(ISSUER_KEYS)),
        ),
        ("InvalidIdentityToken", "", class(TokenRejected, WithNewToken, None)),
        // STS sends this code for web identity tokens only. Other services send it for sessions.
        ("ExpiredTokenException", "", class(TokenRejected, WithNewToken, None)),
        ("ExpiredToken", "", class(TokenRejected, WithNewSigner, Some(SIGNER))),
        ("InvalidClientTokenId", "", class(TokenRejected, WithNewSigner, Some(SIGNER))),
        ("UnrecognizedClientException", "", class(TokenRejected, WithNewSigner, Some(SIGNER))),
        ("InvalidToken", "", class(TokenRejected, WithNewSigner, Some(SIGNER))),
        ("InvalidAccessKeyId", "", class(TokenRejected, WithNewSigner, Some(SIGNER))),
        // STS also sends this code for an expired or revoked token, so a new token is worth an
        // attempt although the kind is Denied.
        ("IDPRejectedClaim", "", class(Denied, WithNewToken, None)),
        ("AccessDenied", "", class(Denied, Never, None)),
        ("MalformedPolicyDocument", "", class(InvalidConfig, Never, Some(SESSION_POLICY))),
        ("PackedPolicyTooLarge", "", class(InvalidConfig, Never, Some(PACKED_SIZE))),
        ("RegionDisabledException", "", class(InvalidConfig, Never, Some(REGION_DISABLED))),
        ("ValidationError", "", class(InvalidConfig, Never, Some(PARAMETER))),
        ("SignatureDoesNotMatch", "", class(InvalidConfig, Never, Some(CLOCK_OR_SECRET))),
        ("RequestExpired", "", class(InvalidConfig, Never, Some(CLOCK_OR_SECRET))),
    ]
};

/// Classifies an error response of STS. Codes that the table does not contain are classified by
/// the HTTP status.
pub(crate) fn classify(code: Option<&str>, message: &str, status: u16) -> ErrorClass {
    let row = code.and_then(|code| {
        TABLE.iter().find(|(row, part, _)| *row == code && message.contains(part))
    });
    // STS always sends a code. Without this hint, the 403 of a firewall would wrongly point to the
    // role's trust policy.
    let not_sts = match code {
        None => Some(
            "check for a proxy or a firewall that responds in place of STS, which always sends an \
             error code",
        ),
        Some(_) => None,
    };
    match (row, status) {
        (Some((_, _, class)), _) => *class,
        // A throttled response is a failure even if a proxy sent it and no caller waits. Only
        // rolecall's own rate limit defers a fetch; deferring here would hide an outage.
        (None, 429) => class(ErrorKind::Throttled, Retry::AfterBackoff, None),
        (None, 408 | 500..) => class(ErrorKind::Unavailable, Retry::AfterBackoff, None),
        (None, 403) => class(ErrorKind::Denied, Retry::Never, not_sts),
        (None, 400..) => class(ErrorKind::InvalidConfig, Retry::Never, not_sts),
        (None, _) => class(ErrorKind::InvalidResponse, Retry::AfterBackoff, None),
    }
}

/// Returns why STS rejected the session that signed the request, or `None` if it accepted the
/// session.
///
/// # Examples
///
/// ```
/// use rolecall_core::{ErrorKind, InvalidSession, SessionError};
///
/// let error = SessionError::new(ErrorKind::TokenRejected, "expired").with_code("ExpiredToken");
/// assert_eq!(rolecall_sts::invalid_signer(&error), Some(InvalidSession::Expired));
/// ```
pub fn invalid_signer(error: &SessionError) -> Option<InvalidSession> {
    error.code().and_then(InvalidSession::from_code)
}

/// Returns `true` if STS rejected the signature because of its time or because of the secret key.
pub(crate) fn is_signature_error(error: &SessionError) -> bool {
    matches!(error.code(), Some("SignatureDoesNotMatch" | "RequestExpired"))
}

/// Returns `true` if STS rejected the signature because of its time.
pub(crate) fn is_clock_error(error: &SessionError) -> bool {
    // SignatureDoesNotMatch has both causes, and only its message tells them apart: "Signature
    // expired: ... is now earlier than ..." or "Signature not yet current: ...".
    let says = |part| error.message().contains(part);
    error.code() == Some("RequestExpired")
        || is_signature_error(error) && (says("Signature expired") || says("not yet current"))
}

/// Returns `true` if STS rejected the web identity token. STS may accept another one.
///
/// # Examples
///
/// ```
/// use rolecall_core::{ErrorKind, SessionError};
///
/// let error =
///     SessionError::new(ErrorKind::TokenRejected, "expired").with_code("ExpiredTokenException");
/// assert!(rolecall_sts::is_invalid_token(&error));
/// ```
pub fn is_invalid_token(error: &SessionError) -> bool {
    // InvalidIdentityToken has two meanings. The one that does not reject the token (the issuer's
    // keys are unavailable) has another kind, so the kind must match, too.
    error.code().is_some_and(|code| {
        TABLE.iter().any(|(row, _, class)| {
            *row == code && class.retry == Retry::WithNewToken && class.kind == error.kind()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::*;

    // STS sends `ExpiredTokenException` for a web identity token: no session signs that call.
    #[test]
    fn new_signer_codes_match_invalid_session_codes() {
        for (code, _, class) in TABLE {
            let invalidates =
                InvalidSession::from_code(code).is_some() && *code != "ExpiredTokenException";
            assert_eq!(class.retry == Retry::WithNewSigner, invalidates, "{code}");
        }
    }

    #[test]
    fn code_message_and_status_select_class() {
        let key =
            "Couldn't retrieve verification key from your identity provider,  please reference";
        let rows: &[(Option<&str>, &str, u16, ErrorKind, Retry)] = &[
            (Some("Throttling"), "Rate exceeded", 400, Throttled, Retry::AfterBackoff),
            (Some("ThrottlingException"), "", 429, Throttled, Retry::AfterBackoff),
            (Some("RequestLimitExceeded"), "", 400, Throttled, Retry::AfterBackoff),
            (None, "", 429, Throttled, Retry::AfterBackoff),
            (None, "", 500, Unavailable, Retry::AfterBackoff),
            (None, "", 502, Unavailable, Retry::AfterBackoff),
            (Some("ServiceUnavailable"), "", 503, Unavailable, Retry::AfterBackoff),
            (None, "", 504, Unavailable, Retry::AfterBackoff),
            (Some("IDPCommunicationError"), "", 400, Unavailable, Retry::AfterBackoff),
            (Some("InvalidIdentityToken"), "", 400, TokenRejected, Retry::WithNewToken),
            (Some("InvalidIdentityToken"), key, 400, Unavailable, Retry::AfterBackoff),
            (Some("ExpiredTokenException"), "", 400, TokenRejected, Retry::WithNewToken),
            (Some("ExpiredToken"), "", 403, TokenRejected, Retry::WithNewSigner),
            (Some("InvalidClientTokenId"), "", 403, TokenRejected, Retry::WithNewSigner),
            (Some("UnrecognizedClientException"), "", 403, TokenRejected, Retry::WithNewSigner),
            (Some("InvalidToken"), "", 400, TokenRejected, Retry::WithNewSigner),
            (Some("InvalidAccessKeyId"), "", 403, TokenRejected, Retry::WithNewSigner),
            (None, "", 408, Unavailable, Retry::AfterBackoff),
            (Some("IDPRejectedClaim"), "", 403, Denied, Retry::WithNewToken),
            (Some("AccessDenied"), "", 403, Denied, Retry::Never),
            (Some("MalformedPolicyDocument"), "", 400, InvalidConfig, Retry::Never),
            (Some("PackedPolicyTooLarge"), "", 400, InvalidConfig, Retry::Never),
            (Some("RegionDisabledException"), "", 403, InvalidConfig, Retry::Never),
            (Some("ValidationError"), "", 400, InvalidConfig, Retry::Never),
            (Some("SignatureDoesNotMatch"), "", 403, InvalidConfig, Retry::Never),
            (Some("RequestExpired"), "", 400, InvalidConfig, Retry::Never),
            (Some("SomethingNew"), "", 403, Denied, Retry::Never),
            (Some("SomethingNew"), "", 400, InvalidConfig, Retry::Never),
        ];
        for (code, message, status, kind, retry) in rows {
            let class = classify(*code, message, *status);
            assert_eq!((class.kind, class.retry), (*kind, *retry), "{code:?} {status}");
        }
    }

    #[test]
    fn backoff_codes_have_retryable_kind() {
        for (code, _, class) in TABLE {
            assert_eq!(class.retry == Retry::AfterBackoff, class.kind.is_retryable(), "{code}");
        }
    }

    #[test]
    fn invalid_token_requires_matching_kind() {
        for (kind, message, expected) in [
            (TokenRejected, "Incorrect token audience", true),
            (Unavailable, "Couldn't retrieve verification key from your identity provider", false),
        ] {
            assert_eq!(classify(Some("InvalidIdentityToken"), message, 400).kind, kind);
            let error = SessionError::new(kind, message).with_code("InvalidIdentityToken");
            assert_eq!(is_invalid_token(&error), expected, "{message}");
        }
    }

    #[test]
    fn rejection_of_signer_is_no_rejection_of_token() {
        for (code, signer, token) in [
            ("ExpiredToken", true, false),
            ("InvalidClientTokenId", true, false),
            ("InvalidIdentityToken", false, true),
            ("SignatureDoesNotMatch", false, false),
            ("SomethingNew", false, false),
        ] {
            let error = SessionError::new(TokenRejected, "no").with_code(code);
            assert_eq!(
                (invalid_signer(&error).is_some(), is_invalid_token(&error)),
                (signer, token)
            );
        }
        let without_code = SessionError::new(TokenRejected, "no");
        assert!(invalid_signer(&without_code).is_none() && !is_invalid_token(&without_code));
    }

    #[test]
    fn message_tells_wrong_clock_from_wrong_key() {
        for (code, message, expected) in [
            ("RequestExpired", "", true),
            ("SignatureDoesNotMatch", "Signature expired: a is now earlier than b", true),
            ("SignatureDoesNotMatch", "Signature not yet current: a is still later than b", true),
            ("SignatureDoesNotMatch", "The signature we calculated does not match", false),
            ("AccessDenied", "Signature expired", false),
        ] {
            let error = SessionError::new(InvalidConfig, message).with_code(code);
            assert_eq!(is_clock_error(&error), expected, "{code}: {message}");
        }
    }

    #[test]
    fn signature_hint_allows_fifteen_minutes_of_skew() {
        for code in ["SignatureDoesNotMatch", "RequestExpired"] {
            let hint = classify(Some(code), "", 403).hint.unwrap();
            assert!(hint.contains("15 minutes"), "{code}: {hint}");
        }
    }
}

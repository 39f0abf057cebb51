//! What STS's answers mean: the one table of error codes.

use rolecall_core::ErrorKind;

/// What to do about an error before giving up.
///
/// ```
/// use rolecall_sts::{Again, class_of};
/// assert_eq!(class_of(Some("Throttling"), "Rate exceeded", 400).again, Again::Backoff);
/// assert_eq!(class_of(Some("AccessDenied"), "", 403).again, Again::No);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same request gets the same answer.
    No,
    /// Try again, after a pause.
    Backoff,
    /// Read the token again; once more if it changed.
    RereadToken,
    /// The session that signed is refused: get another, once more.
    NewSigner,
}

/// What an answer means.
///
/// ```
/// use rolecall_core::ErrorKind;
/// use rolecall_sts::class_of;
/// assert_eq!(class_of(None, "", 503).kind, ErrorKind::Unavailable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Class {
    /// The kind that the caller sees.
    pub kind: ErrorKind,
    /// What may help.
    pub again: Again,
    /// What a person should look at.
    pub hint: Option<&'static str>,
}

const fn class(kind: ErrorKind, again: Again, hint: Option<&'static str>) -> Class {
    Class { kind, again, hint }
}

/// Code, and a part of the message where one code has two meanings.
type Row = (&'static str, &'static str, Class);

/// First match counts. From the STS API reference's error lists and the messages that AWS is seen to send.
const TABLE: &[Row] = &{
    use Again::{Backoff, NewSigner, No, RereadToken};
    use ErrorKind::{Denied, InvalidConfig, Throttled, TokenRejected, Unavailable};
    const SKEW: &str =
        "this machine's clock (STS takes five minutes off at most), then the secret access key";
    const SIGNER: &str =
        "the access key that signed: it has ended, was deleted, or is of another partition";
    [
        ("Throttling", "", class(Throttled, Backoff, None)),
        ("ThrottlingException", "", class(Throttled, Backoff, None)),
        ("RequestLimitExceeded", "", class(Throttled, Backoff, None)),
        ("IDPCommunicationError", "", class(Unavailable, Backoff, None)),
        (
            "InvalidIdentityToken",
            "retrieve verification key",
            class(
                Unavailable,
                Backoff,
                Some(
                    "whether the token's issuer serves its keys (the jwks_uri of its discovery document)",
                ),
            ),
        ),
        ("InvalidIdentityToken", "", class(TokenRejected, RereadToken, None)),
        ("ExpiredTokenException", "", class(TokenRejected, RereadToken, None)),
        ("ExpiredToken", "", class(TokenRejected, NewSigner, Some(SIGNER))),
        ("InvalidClientTokenId", "", class(TokenRejected, NewSigner, Some(SIGNER))),
        ("UnrecognizedClientException", "", class(TokenRejected, NewSigner, Some(SIGNER))),
        ("InvalidToken", "", class(TokenRejected, NewSigner, Some(SIGNER))),
        ("InvalidAccessKeyId", "", class(TokenRejected, NewSigner, Some(SIGNER))),
        ("IDPRejectedClaim", "", class(Denied, RereadToken, None)),
        ("AccessDenied", "", class(Denied, No, None)),
        ("MalformedPolicyDocument", "", class(InvalidConfig, No, Some("the session policy"))),
        (
            "PackedPolicyTooLarge",
            "",
            class(InvalidConfig, No, Some("the session policy and tags: fewer or shorter ones")),
        ),
        (
            "RegionDisabledException",
            "",
            class(
                InvalidConfig,
                No,
                Some(
                    "enable STS for this Region in the account's settings, or use another Region's endpoint",
                ),
            ),
        ),
        ("ValidationError", "", class(InvalidConfig, No, None)),
        ("SignatureDoesNotMatch", "", class(InvalidConfig, No, Some(SKEW))),
        ("RequestExpired", "", class(InvalidConfig, No, Some(SKEW))),
    ]
};

/// What STS's answer with this code, message and HTTP status means. Unknown codes go by their status.
///
/// ```
/// use rolecall_core::ErrorKind;
/// use rolecall_sts::{Again, class_of};
///
/// let class = class_of(Some("InvalidIdentityToken"), "Incorrect token audience", 400);
/// assert_eq!((class.kind, class.again), (ErrorKind::TokenRejected, Again::RereadToken));
/// ```
pub fn class_of(code: Option<&str>, message: &str, status: u16) -> Class {
    let row = code.and_then(|code| {
        TABLE.iter().find(|(row, part, _)| *row == code && message.contains(part))
    });
    let not_sts = match code {
        None => Some("who answers: without an error code it is a proxy or a firewall, and not STS"),
        Some(_) => None,
    };
    match (row, status) {
        (Some((_, _, class)), _) => *class,
        (None, 429) => class(ErrorKind::Throttled, Again::Backoff, None),
        (None, 408 | 500..) => class(ErrorKind::Unavailable, Again::Backoff, None),
        (None, 403) => class(ErrorKind::Denied, Again::No, not_sts),
        (None, 400..) => class(ErrorKind::InvalidConfig, Again::No, not_sts),
        (None, _) => class(ErrorKind::InvalidResponse, Again::Backoff, None),
    }
}

/// Whether STS refused the session that signed the request: another one may do.
///
/// ```
/// use rolecall_core::{ErrorKind, FetchError};
/// let error = FetchError::new(ErrorKind::TokenRejected, "expired").with_code("ExpiredToken");
/// assert!(rolecall_sts::refuses_signer(&error));
/// ```
pub fn refuses_signer(error: &rolecall_core::FetchError) -> bool {
    error.code().is_some_and(rolecall_core::refuses_session)
}

/// Whether STS refused the signature as such: for the time in it, or for the secret key.
pub(crate) fn blames_signature(error: &rolecall_core::FetchError) -> bool {
    matches!(error.code(), Some("SignatureDoesNotMatch" | "RequestExpired"))
}

/// Whether STS refused the signature for the time in it. ("Signature expired: ... is now earlier than ...", "Signature not
/// yet current: ...".)
pub(crate) fn blames_time(error: &rolecall_core::FetchError) -> bool {
    let says = |part| error.message().contains(part);
    error.code() == Some("RequestExpired")
        || blames_signature(error) && (says("Signature expired") || says("not yet current"))
}

/// Whether STS refused the web identity token: another one may do.
///
/// ```
/// use rolecall_core::{ErrorKind, FetchError};
/// let error = FetchError::new(ErrorKind::TokenRejected, "expired").with_code("ExpiredTokenException");
/// assert!(rolecall_sts::refuses_token(&error));
/// ```
pub fn refuses_token(error: &rolecall_core::FetchError) -> bool {
    // That of its two meanings which is not the token's fault is of another kind.
    error.code().is_some_and(|code| {
        TABLE.iter().any(|(row, _, class)| {
            *row == code && class.again == Again::RereadToken && class.kind == error.kind()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::*;

    /// The error table of the STS facts, row by row.
    /// Of a web identity call, which no session signs, `ExpiredTokenException` is of the token.
    #[test]
    fn the_codes_that_ask_for_a_new_signer_are_those_that_refuse_a_session() {
        for (code, _, class) in TABLE {
            let refuses = rolecall_core::refuses_session(code) && *code != "ExpiredTokenException";
            assert_eq!(class.again == Again::NewSigner, refuses, "{code}");
        }
    }

    #[test]
    fn every_row_of_the_table() {
        let key =
            "Couldn't retrieve verification key from your identity provider,  please reference";
        let rows: &[(Option<&str>, &str, u16, ErrorKind, Again)] = &[
            (Some("Throttling"), "Rate exceeded", 400, Throttled, Again::Backoff),
            (Some("ThrottlingException"), "", 429, Throttled, Again::Backoff),
            (Some("RequestLimitExceeded"), "", 400, Throttled, Again::Backoff),
            (None, "", 429, Throttled, Again::Backoff),
            (None, "", 500, Unavailable, Again::Backoff),
            (None, "", 502, Unavailable, Again::Backoff),
            (Some("ServiceUnavailable"), "", 503, Unavailable, Again::Backoff),
            (None, "", 504, Unavailable, Again::Backoff),
            (Some("IDPCommunicationError"), "", 400, Unavailable, Again::Backoff),
            (Some("InvalidIdentityToken"), "", 400, TokenRejected, Again::RereadToken),
            (Some("InvalidIdentityToken"), key, 400, Unavailable, Again::Backoff),
            (Some("ExpiredTokenException"), "", 400, TokenRejected, Again::RereadToken),
            (Some("ExpiredToken"), "", 403, TokenRejected, Again::NewSigner),
            (Some("InvalidClientTokenId"), "", 403, TokenRejected, Again::NewSigner),
            (Some("UnrecognizedClientException"), "", 403, TokenRejected, Again::NewSigner),
            (Some("InvalidToken"), "", 400, TokenRejected, Again::NewSigner),
            (Some("InvalidAccessKeyId"), "", 403, TokenRejected, Again::NewSigner),
            (None, "", 408, Unavailable, Again::Backoff),
            (Some("IDPRejectedClaim"), "", 403, Denied, Again::RereadToken),
            (Some("AccessDenied"), "", 403, Denied, Again::No),
            (Some("MalformedPolicyDocument"), "", 400, InvalidConfig, Again::No),
            (Some("PackedPolicyTooLarge"), "", 400, InvalidConfig, Again::No),
            (Some("RegionDisabledException"), "", 403, InvalidConfig, Again::No),
            (Some("ValidationError"), "", 400, InvalidConfig, Again::No),
            (Some("SignatureDoesNotMatch"), "", 403, InvalidConfig, Again::No),
            (Some("RequestExpired"), "", 400, InvalidConfig, Again::No),
            (Some("SomethingNew"), "", 403, Denied, Again::No),
            (Some("SomethingNew"), "", 400, InvalidConfig, Again::No),
        ];
        for (code, message, status, kind, again) in rows {
            let class = class_of(*code, message, *status);
            assert_eq!((class.kind, class.again), (*kind, *again), "{code:?} {status}");
        }
    }

    #[test]
    fn what_is_tried_again_after_a_pause_is_of_a_retryable_kind() {
        for (code, _, class) in TABLE {
            assert_eq!(class.again == Again::Backoff, class.kind.is_retryable(), "{code}");
        }
    }
}

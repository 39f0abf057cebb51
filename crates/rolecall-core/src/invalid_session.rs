//! What a service's error code says about the session that signed a request.

use std::time::Duration;

use crate::{Clock, Session};

/// Why a service rejected a session.
///
/// `AccessDenied` is not a rejection: usually, the service accepted the session, and a policy
/// denied the request. STS also uses `ExpiredTokenException` for an expired web identity token; a
/// web identity call is not signed by a session.
///
/// # Examples
///
/// ```
/// use rolecall_core::InvalidSession;
/// assert_eq!(InvalidSession::from_code("ExpiredToken"), Some(InvalidSession::Expired));
/// assert_eq!(InvalidSession::from_code("InvalidAccessKeyId"), Some(InvalidSession::Unknown));
/// assert_eq!(InvalidSession::from_code("AccessDenied"), None);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvalidSession {
    /// The session has expired or was revoked: no service accepts it any more.
    Expired,
    /// The service does not know the session. AWS is eventually consistent, so this is also the
    /// response to a session that was issued seconds ago and that the service will accept soon.
    Unknown,
}

impl InvalidSession {
    /// Age up to which a session that a service does not know may be too new for it: 10 seconds.
    pub const RECENT: Duration = Duration::from_secs(10);

    /// Returns why a service rejected the session, or `None` if the error code is not a rejection.
    ///
    /// `None` does not mean that the service accepted the session.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "ExpiredToken" | "ExpiredTokenException" => Some(Self::Expired),
            "InvalidToken"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId" => Some(Self::Unknown),
            _ => None,
        }
    }

    /// Returns `true` if the service may accept `session` later: it does not know the session, and
    /// the session was requested less than [`RECENT`](Self::RECENT) ago.
    ///
    /// Returns `false` if the provider did not measure when it requested the session.
    pub fn may_be_accepted_later(self, session: &Session, clock: &Clock) -> bool {
        let requested_at = session.requested_at();
        self == Self::Unknown && requested_at.is_some_and(|at| clock.now() < at + Self::RECENT)
    }

    /// Returns the pause before a request is repeated with the same session: 0.5, 1 and then 2
    /// seconds, for 0, 1 and more earlier retries.
    ///
    /// The caller counts the retries of a request, and limits their number.
    pub const fn retry_pause(retries: u32) -> Duration {
        match retries {
            0 => Duration::from_millis(500),
            1 => Duration::from_secs(1),
            _ => Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;
    use crate::ManualClock;

    #[test]
    fn code_selects_reason_by_table() {
        use InvalidSession::{Expired, Unknown};
        for (code, reason) in [
            ("ExpiredToken", Some(Expired)),
            ("ExpiredTokenException", Some(Expired)),
            ("InvalidToken", Some(Unknown)),
            ("InvalidClientTokenId", Some(Unknown)),
            ("UnrecognizedClientException", Some(Unknown)),
            ("InvalidAccessKeyId", Some(Unknown)),
            ("AccessDenied", None),
            ("AccessDeniedException", None),
            ("SignatureDoesNotMatch", None),
            ("RequestExpired", None),
            ("", None),
        ] {
            assert_eq!(InvalidSession::from_code(code), reason, "{code}");
        }
    }

    #[test]
    fn only_a_recent_unknown_session_may_be_accepted_later() {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let builder = || Session::builder(Credentials::for_tests());
        let session = builder().lifetime(clock.now(), Duration::from_secs(900), &clock).build();
        let later = |reason: InvalidSession| reason.may_be_accepted_later(&session, &clock);
        assert!(later(InvalidSession::Unknown));
        assert!(!later(InvalidSession::Expired));
        assert!(!InvalidSession::Unknown.may_be_accepted_later(&builder().build(), &clock));
        manual.advance(Duration::from_millis(9_999));
        assert!(later(InvalidSession::Unknown));
        manual.advance(Duration::from_millis(1));
        assert!(!later(InvalidSession::Unknown));
    }

    #[test]
    fn retry_pauses_grow_to_two_seconds() {
        let pauses = [0, 1, 2, 3, u32::MAX].map(|n| InvalidSession::retry_pause(n).as_millis());
        assert_eq!(pauses, [500, 1000, 2000, 2000, 2000]);
    }
}

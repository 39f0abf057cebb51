//! The status of cached sessions, for health pages.

use std::time::SystemTime;

use rolecall_core::SessionError;

/// The status of one cached session. Reading it does not start a fetch.
///
/// Times are on this machine's wall clock, for people to read.
///
/// # Serialization
///
/// `Status` implements serde's `Serialize`: an object with the fields of this
/// struct. Times are RFC 3339 strings in UTC, in whole seconds, such as `2026-01-02T03:04:05Z`.
/// `state` is the [name](State::name) of the state, and `last_error` is the
/// [report](SessionError::report) of the error, a string that contains no secret. Fields without a
/// value are `null`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rolecall_core::SessionError> {
/// use aws_credential_types::Credentials;
/// use rolecall_cache::{CachedProvider, State};
/// use rolecall_core::SdkProvider;
///
/// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let keys = Credentials::new(id, secret, None, None, "static");
/// let provider = CachedProvider::new(SdkProvider::new(keys).with_name("static keys"));
/// assert_eq!(provider.status().state, State::Empty);
/// assert!(!provider.status().is_ready());
///
/// provider.ready().await?;
/// let status = provider.status();
/// assert_eq!((status.provider.as_str(), status.state), ("static keys", State::Fresh));
/// assert!(status.is_ready() && status.is_healthy());
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Status {
    /// The provider's [name](rolecall_core::ProvideSession::name).
    pub provider: String,
    /// The state of the cached session.
    pub state: State,
    /// The time at which the cached session expires, or expired. `None` for keys that do not
    /// expire, and if no session was cached yet.
    pub expires_at: Option<SystemTime>,
    /// The earliest time of the next fetch. A time in the past means that the next call, or the
    /// timer, starts it.
    ///
    /// `None` while a fetch is running, for keys that do not expire, and if no session is cached
    /// and nothing delays the next call's fetch.
    pub next_attempt: Option<SystemTime>,
    /// The number of failed fetches since the last successful one.
    pub consecutive_failures: u32,
    /// The number of responses in a row that were refused: the provider returned a session that had
    /// expired, that expires sooner than the cached one, or that a service has rejected.
    pub refused_responses: u32,
    /// The error of the last fetch, if it failed.
    pub last_error: Option<SessionError>,
}

impl Status {
    /// Returns `true` if no problem is known.
    ///
    /// Returns `false` if callers receive an error, or wait for a fetch after a failed one, if they
    /// receive a session that a service rejected because fetching another one failed, if the
    /// provider returned a session that was refused, and if the entry was removed from its pool. An
    /// entry without a session that has not failed is healthy: it was not used yet, or its unused
    /// session expired.
    pub fn is_healthy(&self) -> bool {
        self.state != State::Removed && !self.problems().any()
    }

    fn problems(&self) -> Problems {
        Problems::of(self.state, self.refused_responses, self.last_error.as_ref())
    }

    /// Returns `true` if a session is cached that has not expired and that callers can use: the
    /// next call does not wait for a first session, and no service has rejected the session.
    ///
    /// Suits a readiness probe, after a call of [`ready`](crate::CachedProvider::ready) at startup.
    /// With [`Refresh::WhileUsed`](crate::Refresh::WhileUsed), an unused session expires, and the
    /// entry is not ready until the next call; a probe that must not depend on traffic uses
    /// [`Refresh::Always`](crate::Refresh::Always), or [`is_healthy`](Self::is_healthy).
    pub fn is_ready(&self) -> bool {
        self.state.has_session() && !self.problems().failing
    }
}

/// What is wrong with an entry, or with any entry of a pool: the one rule of both kinds of status.
pub(crate) struct Problems {
    /// Callers receive an error, wait for a fetch after a failed one, or receive a session that a
    /// service rejected and that could not be replaced.
    pub(crate) failing: bool,
    /// The provider's last response was refused. Callers may still receive a valid session.
    pub(crate) refused: bool,
}

impl Problems {
    /// Returns the problems of one entry.
    pub(crate) fn of(state: State, refused: u32, last_error: Option<&SessionError>) -> Self {
        let failing = match state {
            State::Failing => true,
            // A fetch that follows a failed one has not succeeded yet. Without this, a probe would
            // see each retry as a recovery.
            State::Loading | State::Invalidated => last_error.is_some(),
            _ => false,
        };
        Self { failing, refused: refused > 0 }
    }

    pub(crate) fn any(&self) -> bool {
        self.failing || self.refused
    }
}

/// The state of a cache entry.
///
/// Serialized as its [name](Self::name).
///
/// # Examples
///
/// ```
/// use rolecall_cache::State;
/// assert_eq!(State::Refreshing.to_string(), "refreshing");
/// assert!(State::Stale.has_session());
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No session was requested yet.
    Empty,
    /// No session is cached, and a fetch is running.
    Loading,
    /// The cached session is valid and not due for a refresh.
    Fresh,
    /// The cached session is due for a refresh, and no fetch is running: the refresh starts by the
    /// timer, with the next call, when a background fetch of another entry completes, or, if the
    /// rate limit deferred it, after a pause.
    Due,
    /// The cached session is valid, and a refresh is running.
    Refreshing,
    /// The cached session is valid, but its last refresh failed. Callers keep receiving it, and the
    /// refresh is retried after a back-off.
    Stale,
    /// A service rejected the cached session. Another one is fetched within the limits of
    /// [`invalidate`](crate::CachedProvider::invalidate).
    Invalidated,
    /// No session is cached, and the last fetch failed. Callers receive its error until the next
    /// attempt.
    Failing,
    /// The cached session expired, and no caller has requested one since.
    Expired,
    /// The entry was removed from its pool.
    Removed,
}

impl State {
    /// Returns `true` if a session is cached that has not expired.
    ///
    /// This includes [`Invalidated`](Self::Invalidated): other services may still accept the
    /// session.
    pub const fn has_session(self) -> bool {
        matches!(self, Self::Fresh | Self::Due | Self::Refreshing | Self::Stale | Self::Invalidated)
    }

    /// Returns the name of the state in lower case, such as `refreshing`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Loading => "loading",
            Self::Fresh => "fresh",
            Self::Due => "due",
            Self::Refreshing => "refreshing",
            Self::Stale => "stale",
            Self::Invalidated => "invalidated",
            Self::Failing => "failing",
            Self::Expired => "expired",
            Self::Removed => "removed",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
pub(crate) mod tests {
    use rolecall_core::ErrorKind;

    use super::*;

    pub(crate) fn status_in(state: State) -> Status {
        Status {
            provider: "vault".into(),
            state,
            expires_at: None,
            next_attempt: None,
            consecutive_failures: 0,
            refused_responses: 0,
            last_error: None,
        }
    }

    pub(crate) fn unavailable() -> SessionError {
        let cause = std::io::Error::other("connection reset");
        SessionError::new(ErrorKind::Unavailable, "cannot reach STS").with_cause(&cause)
    }

    #[test]
    fn ready_requires_a_session_that_is_not_failing() {
        // (state, healthy, healthy after a failed fetch, has a session)
        for (state, healthy, failed, session) in [
            (State::Empty, true, true, false),
            (State::Loading, true, false, false),
            (State::Fresh, true, true, true),
            (State::Due, true, true, true),
            (State::Refreshing, true, true, true),
            (State::Stale, true, true, true),
            (State::Invalidated, true, false, true),
            (State::Failing, false, false, false),
            (State::Expired, true, true, false),
            (State::Removed, false, false, false),
        ] {
            let status = status_in(state);
            assert_eq!((status.is_healthy(), state.has_session()), (healthy, session), "{state}");
            assert_eq!(status.is_ready(), healthy && session, "{state}");
            let status = Status { last_error: Some(unavailable()), ..status };
            assert_eq!(status.is_healthy(), failed, "{state}");
            assert_eq!(status.is_ready(), failed && session, "{state}");
        }
    }
}

//! What services say about the sessions that requests were signed with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rolecall_core::InvalidSession;

pub(crate) mod sealed {
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
/// use rolecall_cache::{InvalidSessionAnswer, ReportSessionUse};
/// use rolecall_core::InvalidSession;
///
/// /// Returns `true` if the request is worth repeating at once.
/// fn on_error(sessions: &impl ReportSessionUse, access_key_id: &str, code: &str) -> bool {
///     InvalidSession::from_code(code).is_some_and(|reason| {
///         sessions.report_invalid(access_key_id, reason) == InvalidSessionAnswer::Replaced
///     })
/// }
/// ```
///
/// [`CachedProvider`]: crate::CachedProvider
/// [`IdentityCache`]: crate::IdentityCache
/// [`InvalidSessionRetry`]: crate::InvalidSessionRetry
pub trait ReportSessionUse: sealed::Sealed + fmt::Debug + Send + Sync + 'static {
    /// Records that a service rejected the session with this access key id, and returns what the
    /// rejected request should do.
    ///
    /// An expired session is invalidated: the next call waits for another one. So is a session that
    /// the service does not know, unless it was requested less than 10 seconds ago.
    fn report_invalid(&self, access_key_id: &str, reason: InvalidSession) -> InvalidSessionAnswer;

    /// Returns the number of the current suspicion, or zero if no service has said that it does not
    /// know the session. Read it when a request is signed.
    fn suspicion(&self) -> u64;

    /// Records that a service accepted the session with this access key id, in a request that was
    /// signed under this [`suspicion`](Self::suspicion).
    ///
    /// A suspicion that is not newer is cleared: the session is not replaced. Does nothing if
    /// `suspicion` is zero.
    ///
    /// Call this for successful responses only. An error, even `AccessDenied` or `NoSuchKey`, says
    /// too little about whether the service authenticated the session. A suspicion that remains
    /// costs little, since invalidations bring at most one session in 10 seconds.
    fn report_accepted(&self, access_key_id: &str, suspicion: u64);
}

/// What a request should do whose session a service rejected.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use rolecall_cache::InvalidSessionAnswer;
/// use rolecall_core::InvalidSession;
///
/// /// Returns the pause before the request is repeated, and counts the pauses of the request.
/// fn pause(answer: InvalidSessionAnswer, pauses: &mut u32) -> Option<Duration> {
///     match answer {
///         // Permit this once for each request: the service may reject the next session, too.
///         InvalidSessionAnswer::Replaced => Some(Duration::ZERO),
///         InvalidSessionAnswer::RetryAfter(_) => {
///             let pause = InvalidSession::retry_pause(*pauses);
///             *pauses += 1;
///             Some(pause)
///         }
///         _ => None,
///     }
/// }
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidSessionAnswer {
    /// Repeat it: the next attempt receives another session, or waits for one.
    Replaced,
    /// Repeat it with the same session after a pause: the session is so new that the service may
    /// not know it yet.
    ///
    /// The value is always the pause before the first retry: the cache does not know which reports
    /// are of the same request. Count the retries of a request, and pass their number to
    /// [`InvalidSession::retry_pause`], which returns longer pauses for later retries.
    RetryAfter(Duration),
    /// Do not repeat it: the session is not cached here, or no other one can be fetched yet.
    Unchanged,
}

impl InvalidSessionAnswer {
    /// Returns the answer of two entries that hold the same keys.
    ///
    /// Another session is better than a pause, and a pause is better than no other attempt. Of two
    /// pauses the longer one counts: the client allows few attempts.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Replaced, _) | (_, Self::Replaced) => Self::Replaced,
            (Self::RetryAfter(one), Self::RetryAfter(other)) => Self::RetryAfter(one.max(other)),
            (Self::RetryAfter(pause), Self::Unchanged)
            | (Self::Unchanged, Self::RetryAfter(pause)) => Self::RetryAfter(pause),
            (Self::Unchanged, Self::Unchanged) => Self::Unchanged,
        }
    }
}

impl<T: ReportSessionUse + ?Sized> sealed::Sealed for Arc<T> {}

impl<T: ReportSessionUse + ?Sized> ReportSessionUse for Arc<T> {
    fn report_invalid(&self, access_key_id: &str, reason: InvalidSession) -> InvalidSessionAnswer {
        (**self).report_invalid(access_key_id, reason)
    }

    fn suspicion(&self) -> u64 {
        (**self).suspicion()
    }

    fn report_accepted(&self, access_key_id: &str, suspicion: u64) {
        (**self).report_accepted(access_key_id, suspicion);
    }
}

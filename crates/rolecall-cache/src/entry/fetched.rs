//! What a fetch returned.

use rolecall_core::Moment;

/// A session that a fetch returned.
#[derive(Clone, Debug)]
pub(crate) struct Fetched<S> {
    pub(crate) session: S,
    /// When its lifetime began: the request if that was measured, else now.
    pub(crate) since: Moment,
    pub(crate) expires_at: Moment,
    /// The lifetime was measured, and does not depend on the wall clock.
    pub(crate) measured: bool,
    /// The keys cannot change while the process runs.
    pub(crate) is_static: bool,
}

/// Why a fetched session is not adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Expired,
    ExpiresSooner,
    Invalidated,
}

/// What a failed fetch means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Retryable,
    Permanent,
    /// The rate limit had no permit: the provider was not asked.
    Deferred,
    /// The session was no use.
    Refused,
}

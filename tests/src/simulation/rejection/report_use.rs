//! How simulated callers tell the cache what a service said: the one place that knows this part of
//! the cache's API.

use rolecall::CachedProvider;
use rolecall::provider::InvalidSession;
use rolecall::sdk::{InvalidSessionAnswer, ReportSessionUse};

/// What the code of a rejection says about the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulation) enum RejectionClass {
    /// The service does not know the session, perhaps not yet: `InvalidClientTokenId`.
    Unknown,
    /// The session has expired, for certain: `ExpiredToken`.
    Expired,
}

impl RejectionClass {
    /// Returns an error code of this class.
    fn code(self) -> &'static str {
        match self {
            Self::Unknown => "InvalidClientTokenId",
            Self::Expired => "ExpiredToken",
        }
    }
}

/// Reports that a service rejected the session with this access key id.
pub(in crate::simulation) fn report_rejection(
    provider: &CachedProvider,
    access_key_id: &str,
    class: RejectionClass,
) -> InvalidSessionAnswer {
    match InvalidSession::from_code(class.code()) {
        Some(reason) => provider.report_invalid(access_key_id, reason),
        None => InvalidSessionAnswer::Unchanged,
    }
}

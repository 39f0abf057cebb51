//! How a slot stands, for a health page.

use std::time::SystemTime;

use rolecall_core::FetchError;

use crate::slot::is_failing;

/// How the session of one source stands. Times are by this machine's wall clock, for people.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_core::FetchError> {
/// use aws_credential_types::Credentials;
/// use rolecall_cache::{Cached, State};
/// use rolecall_core::ProviderSource;
///
/// let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
/// let cached = Cached::new(ProviderSource::new(keys).named("static keys"));
/// assert_eq!(cached.status().state, State::Empty);
/// cached.ready().await?;
/// let status = cached.status();
/// assert_eq!((status.source.as_str(), status.state), ("static keys", State::Fresh));
/// assert!(status.is_healthy());
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Status {
    /// What the session is of: the source's label.
    pub source: String,
    /// In a word.
    pub state: State,
    /// The end of the session that is held, or was last; none for keys that do not end.
    pub ends_at: Option<SystemTime>,
    /// From when the next fetch may start, by the timer or with a call; a time that has gone by: with the next call. None
    /// while one runs, for keys that do not end, and where nothing is held and nothing stands in the way of a call.
    pub next_attempt: Option<SystemTime>,
    /// How many fetches have failed since the last that did not.
    pub failures_in_a_row: u32,
    /// Why the last one failed.
    pub last_error: Option<FetchError>,
}

impl Status {
    /// Whether nothing is known to be wrong. It is false where callers hear an error, and where they get a session that a
    /// service refused and that no other could be had for: its role was deleted, mostly. A slot that nobody has asked yet,
    /// or whose unused session lapsed, is healthy.
    pub fn is_healthy(&self) -> bool {
        self.state != State::Removed && !is_failing(self.state, self.last_error.as_ref())
    }
}

/// The state of a slot, in a word.
///
/// ```
/// use rolecall_cache::State;
/// assert_eq!(State::Refreshing.to_string(), "refreshing");
/// assert!(State::Stale.holds_session());
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nothing was asked for yet.
    Empty,
    /// There is no session, and the fetch of one runs.
    Loading,
    /// A session is held, and its refresh is not due.
    Fresh,
    /// A session is held, and its refresh is due: it starts by the timer, or with the next call, once the budget for STS has
    /// a turn for it.
    Due,
    /// A session is held, and a fetch of the next runs.
    Refreshing,
    /// A session is held, and its refresh failed: callers go on with it, and another is tried after a pause.
    Stale,
    /// A service refused the session that is held; another is asked for within the limits of that.
    Rejected,
    /// There is no session, and the last fetch failed: callers get its error until the next is tried.
    Failing,
    /// The session that is held is over, and nobody has asked since.
    Expired,
    /// The slot was removed.
    Removed,
}

impl State {
    /// Whether there is a session that has not ended. (One that a service refused may be good for others.)
    pub const fn holds_session(self) -> bool {
        matches!(self, Self::Fresh | Self::Due | Self::Refreshing | Self::Stale | Self::Rejected)
    }

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Loading => "loading",
            Self::Fresh => "fresh",
            Self::Due => "due",
            Self::Refreshing => "refreshing",
            Self::Stale => "stale",
            Self::Rejected => "rejected",
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

//! What happens to sessions, for those who want to know.

use std::fmt;
use std::time::Duration;

use crate::{FetchError, Session, Urgency};

/// Receives what happens in a slot, beside what `tracing` says. A session that is handed out is no event.
///
/// It is called on the task where it happens, under no lock: be quick, and do not block. An observer that panics is an
/// observer's fault, and costs nobody a session.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use rolecall_core::{Event, Observer};
///
/// #[derive(Debug, Default)]
/// struct Failures(AtomicU64);
///
/// impl Observer for Failures {
///     fn observe(&self, source: &str, event: &Event<'_>) {
///         if let Event::FetchEnded { result: Err(error), .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///             eprintln!("{source}: {error}");
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Something happened to the session of this source (its [`label`](crate::SessionSource::label)).
    fn observe(&self, source: &str, event: &Event<'_>);
}

/// What happened. Its `Debug` shows no secret.
///
/// ```
/// use rolecall_core::{Event, Urgency};
/// assert_eq!(Event::FetchStarted { urgency: Urgency::Caller }.name(), "fetch started");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A fetch began.
    FetchStarted {
        /// Whether a caller waits for it.
        urgency: Urgency,
    },
    /// A fetch ended. One does not whose runtime shut down, that another took over, whose slot was removed or let go of
    /// meanwhile, or that brought what is no credentials (below an identity cache).
    FetchEnded {
        /// Whether a caller waited for it.
        urgency: Urgency,
        /// How long it took, by the clock of the slot.
        took: Duration,
        /// What it brought. Shared by all who waited.
        result: Result<&'a Session, &'a FetchError>,
    },
    /// A refresh failed, and callers go on with the session that is held.
    ServedStale {
        /// How long that one is good for.
        left: Duration,
    },
    /// A service refused the session that is held.
    Rejected {
        /// The public half of its key.
        access_key_id: &'a str,
    },
    /// A pool let go of a session for which it had no room, or which nobody used for a time. A handle that somebody holds
    /// keeps it all the same.
    Evicted,
    /// It was removed: handles that are held answer [`Removed`](crate::ErrorKind::Removed).
    Removed,
}

impl Event<'_> {
    /// In a few words.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FetchStarted { .. } => "fetch started",
            Self::FetchEnded { .. } => "fetch ended",
            Self::ServedStale { .. } => "served stale",
            Self::Rejected { .. } => "rejected",
            Self::Evicted => "evicted",
            Self::Removed => "removed",
        }
    }
}

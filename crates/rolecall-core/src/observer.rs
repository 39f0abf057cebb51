//! Session events for code that observes the cache.

use std::fmt;
use std::time::Duration;

use crate::{FetchMode, Session, SessionError};

/// Receives the events of cached sessions, in addition to what `tracing` logs.
///
/// A cache hit is not an event. Events are delivered on the task where they occur, with no lock
/// held: an observer must return quickly and must not block. A panic of an observer is caught and
/// logged, and does not affect the session.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use rolecall_core::{Event, Observer};
///
/// #[derive(Debug, Default)]
/// struct Failures(AtomicU64);
///
/// impl Observer for Failures {
///     fn observe(&self, provider: &str, event: &Event<'_>) {
///         if let Event::FetchCompleted { result: Err(error), .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///             eprintln!("{provider}: {error}");
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Handles an event of the session of `provider`, the provider's
    /// [`name`](crate::ProvideSession::name).
    fn observe(&self, provider: &str, event: &Event<'_>);
}

impl<O: Observer + ?Sized> Observer for std::sync::Arc<O> {
    fn observe(&self, provider: &str, event: &Event<'_>) {
        (**self).observe(provider, event);
    }
}

/// An event of a cached session. Its `Debug` output contains no secret.
///
/// # Examples
///
/// ```
/// use rolecall_core::{Event, FetchMode};
/// assert_eq!(Event::fetch_started(FetchMode::Foreground).name(), "fetch started");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A fetch started.
    ///
    /// Not each of them is followed by [`FetchCompleted`](Self::FetchCompleted), which lists the
    /// exceptions: the difference of the numbers of both events is not the number of running
    /// fetches.
    #[non_exhaustive]
    FetchStarted {
        /// Whether a caller waits for it.
        mode: FetchMode,
    },
    /// A fetch completed.
    ///
    /// There is no such event if the fetch's runtime shut down, if another fetch took over, if its
    /// cache entry was removed or dropped first, or if an identity cache's provider returned
    /// something other than credentials.
    #[non_exhaustive]
    FetchCompleted {
        /// Whether a caller waited for it.
        mode: FetchMode,
        /// Duration of the fetch, by the clock of the cache.
        duration: Duration,
        /// The session, or the error that all waiting callers share.
        result: Result<&'a Session, &'a SessionError>,
    },
    /// A refresh failed, and callers keep receiving the cached session.
    #[non_exhaustive]
    ServedStale {
        /// Remaining lifetime of the cached session.
        remaining: Duration,
    },
    /// A service rejected the cached session.
    #[non_exhaustive]
    Invalidated {
        /// Access key id of the session.
        access_key_id: &'a str,
    },
    /// A pool evicted the session, because it was idle or the pool was full. Providers that still
    /// exist for its key keep using it.
    Evicted,
    /// The session was removed from its pool. Providers that still exist for its key return
    /// [`Removed`](crate::ErrorKind::Removed).
    Removed,
}

impl<'a> Event<'a> {
    /// Creates a [`FetchStarted`](Self::FetchStarted) event.
    pub const fn fetch_started(mode: FetchMode) -> Self {
        Self::FetchStarted { mode }
    }

    /// Creates a [`FetchCompleted`](Self::FetchCompleted) event.
    pub const fn fetch_completed(
        mode: FetchMode,
        duration: Duration,
        result: Result<&'a Session, &'a SessionError>,
    ) -> Self {
        Self::FetchCompleted { mode, duration, result }
    }

    /// Creates a [`ServedStale`](Self::ServedStale) event.
    pub const fn served_stale(remaining: Duration) -> Self {
        Self::ServedStale { remaining }
    }

    /// Creates an [`Invalidated`](Self::Invalidated) event.
    pub const fn invalidated(access_key_id: &'a str) -> Self {
        Self::Invalidated { access_key_id }
    }

    /// Returns the name of the event in lower case.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FetchStarted { .. } => "fetch started",
            Self::FetchCompleted { .. } => "fetch completed",
            Self::ServedStale { .. } => "served stale",
            Self::Invalidated { .. } => "invalidated",
            Self::Evicted => "evicted",
            Self::Removed => "removed",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_credential_types::Credentials;

    use super::*;

    #[derive(Debug, Default)]
    struct Names(Mutex<Vec<String>>);

    impl Observer for Names {
        fn observe(&self, provider: &str, event: &Event<'_>) {
            self.0.lock().unwrap().push(format!("{provider}: {}", event.name()));
        }
    }

    #[test]
    fn shared_observer_receives_every_event() {
        let names = Arc::new(Names::default());
        let observer: Arc<dyn Observer> = Arc::new(Arc::clone(&names));
        let session = Session::builder(Credentials::for_tests()).build();
        for event in [
            Event::fetch_started(FetchMode::Background),
            Event::fetch_completed(FetchMode::Background, Duration::ZERO, Ok(&session)),
            Event::served_stale(Duration::ZERO),
            Event::invalidated("AKIAIOSFODNN7EXAMPLE"),
            Event::Evicted,
            Event::Removed,
        ] {
            observer.observe("vault", &event);
        }
        assert_eq!(
            *names.0.lock().unwrap(),
            [
                "vault: fetch started",
                "vault: fetch completed",
                "vault: served stale",
                "vault: invalidated",
                "vault: evicted",
                "vault: removed",
            ]
        );
    }
}

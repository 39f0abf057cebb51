//! The errors of the cache itself.

use std::time::Duration;

use rolecall_core::{ErrorKind, Remedy, Session, SessionError};

use super::decide::Request;
use super::fetched::Refusal;

/// The fetch ended without a result; the next one may succeed.
pub(super) fn unavailable(message: impl Into<String>) -> SessionError {
    SessionError::new(ErrorKind::Unavailable, message)
}

pub(super) fn removed(provider: &str) -> SessionError {
    SessionError::new(ErrorKind::Removed, format!("the session of {provider} was removed"))
        .with_hint("get a new provider from the pool")
}

pub(super) fn outside_a_runtime(provider: &str) -> SessionError {
    let message =
        format!("no session of {provider} is cached, and no Tokio runtime is running to fetch one");
    SessionError::new(ErrorKind::InvalidConfig, message)
        .with_hint("call the provider from a Tokio runtime with timers (enable_all)")
        .with_remedy(Remedy::Runtime)
}

pub(super) fn panicked(provider: &str) -> SessionError {
    unavailable(format!("{provider} panicked"))
        .with_hint(
            "read the panic message; if it is about I/O or timers, build the Tokio runtime with \
             enable_all",
        )
        .with_remedy(Remedy::Runtime)
}

pub(super) fn timed_out(provider: &str, timeout: Duration) -> SessionError {
    unavailable(format!("{provider} did not return a session within {timeout:?}"))
        .with_hint("check the network between this process and the provider")
}

pub(super) fn runtime_shut_down() -> SessionError {
    unavailable("the Tokio runtime of the fetch shut down before it completed")
        .with_hint("keep one runtime for the life of the process, or call ready() on it first")
        .with_remedy(Remedy::Runtime)
}

/// The error of a fetch whose session was not adopted.
pub(super) fn refused(refusal: Refusal, session: Option<&Session>) -> SessionError {
    let (what, hint) = match refusal {
        Refusal::Expired => ("has already expired", "check the clock of this machine"),
        Refusal::ExpiresSooner => (
            "expires sooner than the cached session",
            "check that the provider returns its newest session",
        ),
        Refusal::Invalidated => (
            "is the one that a service rejected",
            "check that the provider fetches a new session for each call",
        ),
    };
    let of = session.map_or(String::new(), |session| format!(" of {}", session.lineage()));
    SessionError::new(ErrorKind::InvalidResponse, format!("the session{of} {what}")).with_hint(hint)
}

pub(super) fn too_short(
    provider: &str,
    request: Request,
    remaining: Duration,
    cached: Option<&Session>,
) -> SessionError {
    let Request::ValidFor(min_remaining) = request else {
        return unavailable("the session is too short");
    };
    let lifetime = cached.and_then(Session::lifetime);
    // A lifetime that was measured proves that no session of the provider is long enough: a retry
    // cannot help. Otherwise the next session may be longer.
    let kind = match lifetime {
        Some(lifetime) if lifetime < min_remaining => ErrorKind::InvalidConfig,
        _ => ErrorKind::Unavailable,
    };
    let lifetime =
        lifetime.map_or(String::new(), |lifetime| format!(" of {} s", lifetime.as_secs()));
    let message = format!(
        "no session of {provider} is valid for {} s: the newest has {} s{lifetime} remaining",
        min_remaining.as_secs(),
        remaining.as_secs(),
    );
    SessionError::new(kind, message)
        .with_hint("request a shorter validity, or raise the duration of the role's sessions")
}

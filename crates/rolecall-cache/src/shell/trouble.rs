//! What a caller is told when there is no session for it.

use std::time::Duration;

use rolecall_core::{ErrorKind, FetchError, Session};

use crate::slot::Ask;

pub(super) fn gone(what: impl Into<String>) -> FetchError {
    FetchError::new(ErrorKind::Unavailable, what)
}

pub(super) fn removed(source: &str) -> FetchError {
    FetchError::new(ErrorKind::Removed, format!("the session of {source} was removed"))
        .with_hint("ask the pool for another handle")
}

pub(super) fn outside_a_runtime(source: &str) -> FetchError {
    let message = format!("no session of {source} is held, and this is no Tokio runtime");
    FetchError::new(ErrorKind::InvalidConfig, message)
        .with_hint("call it from a task of a Tokio runtime with timers (enable_all)")
}

pub(super) fn panicked(source: &str) -> FetchError {
    gone(format!("{source} panicked")).with_hint(
        "the panic's own message; a Tokio runtime without I/O or timers panics so: build it with enable_all",
    )
}

pub(super) fn took_too_long(source: &str, limit: Duration) -> FetchError {
    gone(format!("{source} took longer than {limit:?}"))
}

pub(super) fn too_short(
    source: &str,
    ask: Ask,
    left: Duration,
    held: Option<&Session>,
) -> FetchError {
    let Ask::ValidFor(least) = ask else { return gone("the session is too short") };
    let whole = held.and_then(Session::lifetime);
    let kind = match whole {
        Some(whole) if whole < least => ErrorKind::InvalidConfig,
        _ => ErrorKind::Unavailable,
    };
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    let whole = whole.map_or(String::new(), |whole| format!(" of {}", seconds(whole)));
    let message = format!(
        "a session of {source} that is good for {} was asked for, and the newest has {}{whole} left",
        seconds(least),
        seconds(left)
    );
    FetchError::new(kind, message)
        .with_hint("ask for less than the session's duration, or raise that of the role")
}

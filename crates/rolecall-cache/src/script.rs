//! A provider whose responses are scripted, for tests.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use rolecall_core::{
    Clock, ErrorKind, FetchContext, FetchMode, ManualClock, ProvideSession, Session, SessionError,
};
use tokio::sync::watch;

use crate::{CachedProvider, Refresh};

/// The lifetime of a scripted session, in seconds. Its advisory window has 15 minutes, its
/// mandatory window one.
pub(crate) const HOUR: u64 = 3600;
/// An age within the advisory window, whatever refresh time was drawn.
pub(crate) const IN_ADVISORY_WINDOW: u64 = 3200;
pub(crate) const IN_MANDATORY_WINDOW: u64 = 3550;

/// What one fetch returns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Response {
    /// A new session that is valid for an hour.
    Session,
    /// A new session that is valid for this many seconds.
    ValidFor(u64),
    /// A new session that has expired.
    Expired,
    /// New keys that expire at this wall time, whose lifetime was not measured.
    ExpiringAt(SystemTime),
    /// The session of an earlier fetch, with its original expiration.
    Repeat(usize),
    /// Keys without an expiration.
    WithoutExpiration,
    /// Keys without an expiration that cannot change.
    StaticKeys,
    /// A retryable error.
    Unavailable,
    /// An error that is not retryable.
    Denied,
    Panic,
    Hang,
}

/// Returns the scripted responses in order, and a new session once they are used up.
#[derive(Clone)]
pub(crate) struct ScriptedProvider(Arc<State>);

struct State {
    clock: ManualClock,
    responses: Mutex<VecDeque<Response>>,
    modes: Mutex<Vec<FetchMode>>,
    /// The sessions that were returned, by the number of their fetch.
    returned: Mutex<Vec<(usize, Session)>>,
    open: watch::Sender<bool>,
}

impl fmt::Debug for ScriptedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedProvider")
    }
}

#[async_trait]
impl ProvideSession for ScriptedProvider {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        let number = {
            let mut modes = self.0.modes.lock().unwrap();
            modes.push(context.mode());
            modes.len()
        };
        let response = self.0.responses.lock().unwrap().pop_front().unwrap_or(Response::Session);
        let _ = self.0.open.subscribe().wait_for(|open| *open).await;
        let clock = self.0.clock.clock();
        let session = match response {
            Response::Session => session(number, HOUR, &clock),
            Response::ValidFor(seconds) => session(number, seconds, &clock),
            Response::Expired => session(number, 0, &clock),
            Response::ExpiringAt(time) => {
                let mut keys = keys(number);
                *keys.expiry_mut() = Some(time);
                Session::builder(keys).build()
            }
            Response::Repeat(number) => self.returned(number),
            Response::WithoutExpiration => Session::builder(keys(number)).build(),
            Response::StaticKeys => Session::builder(keys(number)).static_keys().build(),
            Response::Unavailable => {
                let message = format!("unavailable {number}");
                return Err(SessionError::new(ErrorKind::Unavailable, message));
            }
            Response::Denied => {
                return Err(SessionError::new(ErrorKind::Denied, format!("denied {number}")));
            }
            Response::Panic => panic!("scripted panic"),
            Response::Hang => return std::future::pending().await,
        };
        self.0.returned.lock().unwrap().push((number, session.clone()));
        Ok(session)
    }
}

impl ScriptedProvider {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            clock: ManualClock::new(),
            responses: Mutex::default(),
            modes: Mutex::default(),
            returned: Mutex::default(),
            open: watch::Sender::new(true),
        }))
    }

    pub(crate) fn with_responses(responses: impl IntoIterator<Item = Response>) -> Self {
        let script = Self::new();
        script.push_responses(responses);
        script
    }

    pub(crate) fn push_responses(&self, responses: impl IntoIterator<Item = Response>) {
        self.0.responses.lock().unwrap().extend(responses);
    }

    pub(crate) fn clear_responses(&self) {
        self.0.responses.lock().unwrap().clear();
    }

    /// Makes fetches wait before they return, until [`unblock`](Self::unblock).
    pub(crate) fn block(&self) {
        self.0.open.send_replace(false);
    }

    pub(crate) fn unblock(&self) {
        self.0.open.send_replace(true);
    }

    /// Returns the number of fetches so far.
    pub(crate) fn fetches(&self) -> usize {
        self.0.modes.lock().unwrap().len()
    }

    /// Returns the modes of all fetches so far.
    pub(crate) fn modes(&self) -> Vec<FetchMode> {
        self.0.modes.lock().unwrap().clone()
    }

    /// Returns the session that this fetch returned.
    pub(crate) fn returned(&self, number: usize) -> Session {
        let returned = self.0.returned.lock().unwrap();
        returned.iter().find(|(n, _)| *n == number).map(|(_, session)| session.clone()).unwrap()
    }

    pub(crate) fn manual_clock(&self) -> &ManualClock {
        &self.0.clock
    }

    pub(crate) fn clock(&self) -> Clock {
        self.0.clock.clock()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn advance_millis(&self, millis: u64) {
        self.0.clock.advance(Duration::from_millis(millis));
    }

    /// Moves the wall clock alone, by this many seconds.
    pub(crate) fn step_wall_clock(&self, seconds: i64) {
        let (wall, step) = (self.clock().wall(), Duration::from_secs(seconds.unsigned_abs()));
        self.0.clock.set_wall(if seconds < 0 { wall - step } else { wall + step });
    }

    pub(crate) fn cached(&self) -> CachedProvider<Self> {
        self.cached_with(Refresh::WhileUsed)
    }

    pub(crate) fn cached_with(&self, refresh: Refresh) -> CachedProvider<Self> {
        CachedProvider::builder(self.clone()).clock(self.clock()).refresh(refresh).build()
    }
}

/// Returns session `number`, which was requested now and is valid for this many seconds.
pub(crate) fn session(number: usize, seconds: u64, clock: &Clock) -> Session {
    let lifetime = Duration::from_secs(seconds);
    Session::builder(keys(number)).lifetime(clock.now(), lifetime, clock).build()
}

fn keys(number: usize) -> Credentials {
    let (id, token) = (format!("AKIA{number}"), Some("the-token".to_owned()));
    Credentials::new(id, "the-secret", token, None, "script")
}

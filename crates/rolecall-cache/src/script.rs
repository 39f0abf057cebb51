//! A source that plays a script, for tests.

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

/// The lifetime of a session of the script. Its refresh window is 15 min, its hard window a minute.
pub(crate) const HOUR: u64 = 3600;
/// Into the refresh window, wherever it was drawn.
pub(crate) const INTO_THE_WINDOW: u64 = 3200;
pub(crate) const INTO_THE_HARD_WINDOW: u64 = 3550;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// A new one, good for an hour.
    Session,
    /// A new one, good for so many seconds.
    Lasting(u64),
    /// A new one that is over.
    Ended,
    /// New keys that expire at this wall time, as a provider that does not measure lifetimes has
    /// them.
    ExpiringAt(SystemTime),
    /// The one of that fetch, as it was then.
    Repeat(usize),
    /// Keys without an end.
    Endless,
    /// An error that may pass.
    Fail,
    /// An error that does not pass by itself.
    Denied,
    Panic,
    Hang,
}

/// A source that plays a script: a new session per fetch, unless the script says otherwise.
#[derive(Clone)]
pub(crate) struct Script(pub(crate) Arc<Stage>);

pub(crate) struct Stage {
    pub(crate) hands: ManualClock,
    pub(crate) answers: Mutex<VecDeque<Answer>>,
    pub(crate) urgencies: Mutex<Vec<FetchMode>>,
    /// What was given, by the number of the fetch.
    given: Mutex<Vec<(usize, Session)>>,
    pub(crate) open: watch::Sender<bool>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

#[async_trait]
impl ProvideSession for Script {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        let number = {
            let mut urgencies = self.0.urgencies.lock().unwrap();
            urgencies.push(cx.mode());
            urgencies.len()
        };
        let answer = self.0.answers.lock().unwrap().pop_front().unwrap_or(Answer::Session);
        let _ = self.0.open.subscribe().wait_for(|open| *open).await;
        let clock = self.0.hands.clock();
        let session = match answer {
            Answer::Session => session(number, &clock),
            Answer::Lasting(seconds) => lasting(number, seconds, &clock),
            Answer::Ended => lasting(number, 0, &clock),
            Answer::ExpiringAt(time) => {
                let mut keys = keys(number);
                *keys.expiry_mut() = Some(time);
                Session::builder(keys).build()
            }
            Answer::Repeat(number) => self.given(number),
            Answer::Endless => Session::builder(keys(number)).build(),
            Answer::Fail => {
                return Err(SessionError::new(ErrorKind::Unavailable, format!("no {number}")));
            }
            Answer::Denied => {
                return Err(SessionError::new(ErrorKind::Denied, format!("denied {number}")));
            }
            Answer::Panic => panic!("the script says so"),
            Answer::Hang => return std::future::pending().await,
        };
        self.0.given.lock().unwrap().push((number, session.clone()));
        Ok(session)
    }
}

impl Script {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Stage {
            hands: ManualClock::new(),
            answers: Mutex::default(),
            urgencies: Mutex::default(),
            given: Mutex::default(),
            open: watch::Sender::new(true),
        }))
    }

    pub(crate) fn will(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Self::new();
        script.then(answers);
        script
    }

    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.0.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn block(&self) {
        self.0.open.send_replace(false);
    }

    pub(crate) fn unblock(&self) {
        self.0.open.send_replace(true);
    }

    pub(crate) fn fetches(&self) -> usize {
        self.0.urgencies.lock().unwrap().len()
    }

    /// What that fetch brought.
    pub(crate) fn given(&self, number: usize) -> Session {
        let given = self.0.given.lock().unwrap();
        given.iter().find(|(n, _)| *n == number).map(|(_, session)| session.clone()).unwrap()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.hands.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn provider(&self) -> CachedProvider<Self> {
        self.cached_with(Refresh::WhileUsed)
    }

    pub(crate) fn cached_with(&self, refresh: Refresh) -> CachedProvider<Self> {
        CachedProvider::builder(self.clone()).clock(self.0.hands.clock()).refresh(refresh).build()
    }
}

pub(crate) fn session(number: usize, clock: &Clock) -> Session {
    lasting(number, HOUR, clock)
}

fn lasting(number: usize, seconds: u64, clock: &Clock) -> Session {
    let lifetime = Duration::from_secs(seconds);
    Session::builder(keys(number)).lifetime(clock.now(), lifetime, clock).build()
}

fn keys(number: usize) -> Credentials {
    let (id, token) = (format!("AKIA{number}"), Some("the-token".to_owned()));
    Credentials::new(id, "the-secret", token, None, "script")
}

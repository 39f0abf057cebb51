//! A source that plays a script, for tests.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use rolecall_core::{
    Clock, ErrorKind, FetchContext, FetchError, ManualClock, Session, SessionSource, Urgency,
};
use tokio::sync::watch;

use crate::{Cached, Refresh};

/// The lifetime of a session of the script. Its refresh window is 15 min, its hard window a minute.
pub(crate) const HOUR: u64 = 3600;
/// Into the refresh window, wherever it was drawn.
pub(crate) const INTO_THE_WINDOW: u64 = 3200;
pub(crate) const INTO_THE_HARD_WINDOW: u64 = 3550;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Session,
    Fail,
    Panic,
    Hang,
}

/// A source that plays a script: a new session per fetch, unless the script says otherwise.
#[derive(Clone)]
pub(crate) struct Script(pub(crate) Arc<Stage>);

pub(crate) struct Stage {
    pub(crate) hands: ManualClock,
    pub(crate) answers: Mutex<VecDeque<Answer>>,
    pub(crate) urgencies: Mutex<Vec<Urgency>>,
    pub(crate) open: watch::Sender<bool>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

#[async_trait]
impl SessionSource for Script {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        let number = {
            let mut urgencies = self.0.urgencies.lock().unwrap();
            urgencies.push(cx.urgency);
            urgencies.len()
        };
        let answer = self.0.answers.lock().unwrap().pop_front().unwrap_or(Answer::Session);
        let _ = self.0.open.subscribe().wait_for(|open| *open).await;
        match answer {
            Answer::Session => Ok(session(number, &self.0.hands.clock())),
            Answer::Fail => Err(FetchError::new(ErrorKind::Unavailable, format!("no {number}"))),
            Answer::Panic => panic!("the script says so"),
            Answer::Hang => std::future::pending().await,
        }
    }
}

impl Script {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Stage {
            hands: ManualClock::new(),
            answers: Mutex::default(),
            urgencies: Mutex::default(),
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

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.hands.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn cached(&self) -> Cached<Self> {
        self.cached_with(Refresh::WhileUsed)
    }

    pub(crate) fn cached_with(&self, refresh: Refresh) -> Cached<Self> {
        Cached::builder(self.clone()).clock(self.0.hands.clock()).refresh(refresh).build()
    }
}

pub(crate) fn session(number: usize, clock: &Clock) -> Session {
    let (id, token) = (format!("AKIA{number}"), Some("the-token".to_owned()));
    let keys = Credentials::new(id, "the-secret", token, None, "script");
    Session::builder(keys).lifetime(clock.now(), Duration::from_secs(HOUR), clock).build()
}

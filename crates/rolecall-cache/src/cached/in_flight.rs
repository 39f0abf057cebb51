//! A fetch in a task of its own.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use rolecall_core::{ErrorKind, FetchContext, FetchError, Moment, Session, SessionSource};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{Outcome, Shared, gone};
use crate::slot::{Failure, Fetched, Refused};

/// A fetch on its way. If it is dropped without a result (its runtime shut down), the slot learns of it.
pub(super) struct InFlight<S: SessionSource> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) generation: u64,
    /// When it is given up.
    pub(super) limit: Moment,
    pub(super) tell: watch::Sender<Option<Outcome>>,
}

impl<S: SessionSource> InFlight<S> {
    /// On its way, in a task of its own.
    pub(super) fn send(self, runtime: &Handle, cx: FetchContext) {
        runtime.spawn(async move {
            let result = self.run(cx).await;
            self.hand_in(result);
        });
    }

    async fn run(&self, cx: FetchContext) -> Result<Session, FetchError> {
        // In a block: a source may panic before it gives a future.
        let mut fetch = pin!(async { self.shared.source.session(cx).await });
        let fetch = std::future::poll_fn(|task| {
            match std::panic::catch_unwind(AssertUnwindSafe(|| fetch.as_mut().poll(task))) {
                Ok(poll) => poll,
                Err(_) => Poll::Ready(Err(gone("the session source panicked"))),
            }
        });
        match self.shared.clock.until(self.limit, fetch).await {
            Ok(result) => result,
            Err(_) => {
                let limit = self.shared.source.limit();
                Err(gone(format!("the session source took longer than {limit:?}")))
            }
        }
    }

    fn hand_in(&self, result: Result<Session, FetchError>) {
        let shared = &self.shared;
        let mut state = shared.lock();
        if !state.slot.awaits(self.generation) {
            drop(state);
            tracing::debug!("a late session is discarded: another fetch took over");
            return;
        }
        let now = shared.clock.now();
        let result = result.and_then(|session| {
            let end = session.ends(&shared.clock);
            let since = session.requested_at().unwrap_or(now);
            let fetched = Fetched { session, since, end };
            match state.slot.check(now, &fetched) {
                Ok(()) => Ok(fetched),
                Err(refused) => Err(no_use(refused, &fetched.session)),
            }
        });
        let outcome = match result {
            Ok(fetched) => {
                let outcome = Ok((fetched.session.clone(), fetched.end));
                state.slot.succeeded(now, fetched, fastrand::f64());
                outcome
            }
            Err(error) => {
                let failure = Failure { error: error.clone(), retryable: error.is_retryable() };
                state.slot.failed(now, failure, fastrand::f64());
                Err(error)
            }
        };
        // Whoever waits has use for it: a first load counts as handed out.
        let used = outcome.is_ok() && self.tell.receiver_count() > 1;
        shared.publish(&state, used);
        drop(state);
        // Outside the lock: what listens may come back here.
        match &outcome {
            Ok((session, _)) => {
                tracing::debug!(lineage = %session.lineage(), "a session was fetched")
            }
            Err(error) => tracing::warn!(error = %error.report(), "no session was fetched"),
        }
        self.tell.send_replace(Some(outcome));
    }
}

impl<S: SessionSource> Drop for InFlight<S> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.slot.awaits(self.generation) {
            state.slot.lost(self.generation);
            self.shared.publish(&state, false);
        }
    }
}

fn no_use(refused: Refused, session: &Session) -> FetchError {
    let what = match refused {
        Refused::Expired => "has ended already",
        Refused::EndsSooner => "ends sooner than the one that is held",
        Refused::Rejected => "is the one that a service rejected",
    };
    let lineage = session.lineage();
    FetchError::new(ErrorKind::InvalidResponse, format!("the session of {lineage} {what}"))
}

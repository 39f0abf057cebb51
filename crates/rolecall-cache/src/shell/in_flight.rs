//! A fetch in a task of its own.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

use rolecall_core::{Clock, ErrorKind, Event, FetchContext, FetchError, Moment, Session};
use tokio::sync::watch;
use tracing::Instrument;

use super::trouble::{panicked, took_too_long};
use super::{Item, Origin, Outcome, Shared};
use crate::observed::Observed;
use crate::slot::Refused;
use crate::sync::{Arc, Weak};

/// A fetch on its way. If it is dropped without a result (its runtime shut down), the slot learns of it. It does not
/// keep the slot alive: without a handle nobody is left to whom its result could go.
pub(super) struct InFlight<O: Origin> {
    slot: Weak<Shared<O, O::Item>>,
    origin: Arc<O>,
    clock: Clock,
    observed: Observed,
    generation: u64,
    started: Moment,
    cx: FetchContext,
    tell: watch::Sender<Option<Outcome<O::Item>>>,
    /// The source was asked.
    asked: bool,
}

impl<O: Origin> InFlight<O> {
    pub(super) fn new(
        slot: &Arc<Shared<O, O::Item>>,
        generation: u64,
        started: Moment,
        cx: FetchContext,
        tell: watch::Sender<Option<Outcome<O::Item>>>,
    ) -> Self {
        Self {
            slot: Arc::downgrade(slot),
            origin: Arc::clone(&slot.origin),
            clock: slot.clock.clone(),
            observed: slot.observed.clone(),
            generation,
            started,
            cx,
            tell,
            asked: false,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The task.
    pub(super) fn run(mut self, with: O::With) -> impl Future<Output = ()> + Send + 'static {
        let caller = tracing::Span::current();
        let span = tracing::debug_span!(
            parent: None,
            "rolecall.fetch",
            source = self.origin.label(),
            urgency = self.cx.urgency.name(),
            outcome = tracing::field::Empty,
        );
        span.follows_from(caller);
        async move {
            self.asked = true;
            self.observed
                .tell(self.origin.label(), &Event::FetchStarted { urgency: self.cx.urgency });
            let result = self.fetch(with).await;
            self.hand_in(result);
        }
        .instrument(span)
    }

    async fn fetch(&self, with: O::With) -> Result<O::Item, FetchError> {
        // In a block: a source may panic before it gives a future.
        let mut fetch = pin!(async { self.origin.fetch(self.cx, with).await });
        let fetch = std::future::poll_fn(|task| {
            match std::panic::catch_unwind(AssertUnwindSafe(|| fetch.as_mut().poll(task))) {
                Ok(poll) => poll,
                Err(_) => Poll::Ready(Err(panicked(self.origin.label()))),
            }
        });
        let limit = self.origin.limit();
        match self.clock.until(self.started + limit, fetch).await {
            Ok(result) => result,
            Err(_) => Err(took_too_long(self.origin.label(), limit)),
        }
    }

    fn hand_in(&self, result: Result<O::Item, FetchError>) {
        let Some(slot) = self.slot.upgrade() else { return };
        let is = |outcome: &str| {
            tracing::Span::current().record("outcome", outcome);
        };
        let Some((outcome, left)) = slot.hand_in(self.generation, self.cx, result) else {
            is("discarded");
            tracing::debug!("a late session is discarded: another fetch took over");
            return;
        };
        self.tell.send_replace(Some(outcome.clone()));
        // Outside the lock: what listens may come back here.
        let source = self.origin.label();
        match &outcome {
            Ok((item, _)) => {
                is("ok");
                let lineage =
                    item.session().map(|session| tracing::field::display(session.lineage()));
                tracing::debug!(lineage, "a session was fetched");
            }
            Err(error) if error.is_put_off(self.cx.urgency) => {
                is("put off");
                tracing::debug!(source, error = %error.report(), "a refresh was put off");
            }
            Err(error) => {
                is("failed");
                tracing::warn!(source, error = %error.report(), "no session was fetched");
            }
        }
        let result = match &outcome {
            Ok((item, _)) => item.session().map(Ok),
            Err(error) => Some(Err(error)),
        };
        let (urgency, took) = (self.cx.urgency, self.clock.now() - self.started);
        if let Some(result) = result {
            self.observed.tell(source, &Event::FetchEnded { urgency, took, result });
        }
        let put_off = outcome.as_ref().is_err_and(|error| error.is_put_off(urgency));
        if let Some(left) = left.filter(|_| !put_off) {
            self.observed.tell(source, &Event::ServedStale { left });
        }
    }
}

impl<O: Origin> Drop for InFlight<O> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.upgrade() {
            slot.lost(self.generation, self.asked);
        }
    }
}

pub(super) fn no_use(refused: Refused, session: Option<&Session>) -> FetchError {
    let what = match refused {
        Refused::Expired => "has ended already",
        Refused::EndsSooner => "ends sooner than the one that is held",
        Refused::Rejected => "is the one that a service rejected",
    };
    let of = session.map_or(String::new(), |session| format!(" of {}", session.lineage()));
    FetchError::new(ErrorKind::InvalidResponse, format!("the session{of} {what}"))
}

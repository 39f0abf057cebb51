//! A fetch in a task of its own.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

use rolecall_core::{
    Clock, ErrorKind, Event, FetchContext, FetchMode, Moment, Session, SessionError,
};
use tokio::sync::watch;
use tracing::Instrument;

use super::error::{panicked, timed_out};
use super::{Item, Origin, Outcome, Shared};
use crate::observed::Observed;
use crate::slot::Refused;
use crate::sync::{Arc, Weak};

/// A fetch on its way. If it is dropped without a result (its runtime shut down), the slot learns
/// of it. It does not keep the slot alive: without a handle nobody is left to whom its result could
/// go.
pub(super) struct InFlight<O: Origin> {
    slot: Weak<Shared<O, O::Item>>,
    origin: Arc<O>,
    clock: Clock,
    observed: Observed,
    generation: u64,
    started: Moment,
    mode: FetchMode,
    tell: watch::Sender<Option<Outcome<O::Item>>>,
    /// The source was asked.
    asked: bool,
}

impl<O: Origin> InFlight<O> {
    pub(super) fn new(
        slot: &Arc<Shared<O, O::Item>>,
        generation: u64,
        started: Moment,
        mode: FetchMode,
        tell: watch::Sender<Option<Outcome<O::Item>>>,
    ) -> Self {
        Self {
            slot: Arc::downgrade(slot),
            origin: Arc::clone(&slot.origin),
            clock: slot.clock.clone(),
            observed: slot.observed.clone(),
            generation,
            started,
            mode,
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
            provider = self.origin.name(),
            mode = self.mode.name(),
            outcome = tracing::field::Empty,
        );
        span.follows_from(caller);
        async move {
            self.asked = true;
            self.observed.tell(self.origin.name(), &Event::fetch_started(self.mode));
            let result = self.fetch(with).await;
            self.complete_fetch(result);
        }
        .instrument(span)
    }

    /// The provider computes expirations on the clock of this entry.
    fn context(&self) -> FetchContext {
        let context = match self.mode {
            FetchMode::Background => FetchContext::background(),
            _ => FetchContext::foreground(),
        };
        context.with_clock(self.clock.clone())
    }

    async fn fetch(&self, with: O::With) -> Result<O::Item, SessionError> {
        // In a block: a source may panic before it gives a future.
        let mut fetch = pin!(async { self.origin.fetch(self.context(), with).await });
        let fetch = std::future::poll_fn(|task| {
            match std::panic::catch_unwind(AssertUnwindSafe(|| fetch.as_mut().poll(task))) {
                Ok(poll) => poll,
                Err(_) => Poll::Ready(Err(panicked(self.origin.name()))),
            }
        });
        let limit = self.origin.timeout();
        match self.clock.until(self.started + limit, fetch).await {
            Ok(result) => result,
            Err(_) => Err(timed_out(self.origin.name(), limit)),
        }
    }

    fn complete_fetch(&self, result: Result<O::Item, SessionError>) {
        let Some(slot) = self.slot.upgrade() else { return };
        let is = |outcome: &str| {
            tracing::Span::current().record("outcome", outcome);
        };
        let Some((outcome, left)) = slot.complete_fetch(self.generation, result) else {
            is("discarded");
            tracing::debug!("discarded a late session: another fetch took over");
            return;
        };
        self.tell.send_replace(Some(outcome.clone()));
        // Outside the lock: what listens may come back here.
        let provider = self.origin.name();
        match &outcome {
            Ok((item, _)) => {
                is("ok");
                let lineage =
                    item.session().map(|session| tracing::field::display(session.lineage()));
                tracing::debug!(lineage, "fetched a session");
            }
            Err(error) if error.is_deferred() => {
                is("deferred");
                tracing::debug!(provider, error = %error.report(), "deferred a refresh");
            }
            Err(error) => {
                is("failed");
                tracing::warn!(provider, error = %error.report(), "failed to fetch a session");
            }
        }
        let result = match &outcome {
            Ok((item, _)) => item.session().map(Ok),
            Err(error) => Some(Err(error)),
        };
        let (mode, took) = (self.mode, self.clock.now() - self.started);
        if let Some(result) = result {
            self.observed.tell(provider, &Event::fetch_completed(mode, took, result));
        }
        let deferred = outcome.as_ref().is_err_and(|error| error.is_deferred());
        if let Some(left) = left.filter(|_| !deferred) {
            self.observed.tell(provider, &Event::served_stale(left));
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

pub(super) fn no_use(refused: Refused, session: Option<&Session>) -> SessionError {
    let (what, hint) = match refused {
        Refused::Expired => ("has already expired", "check the clock of this machine"),
        Refused::ExpiresSooner => (
            "expires sooner than the cached session",
            "check that the provider returns its newest session",
        ),
        Refused::Rejected => (
            "is the one that a service rejected",
            "check that the provider fetches a new session for each call",
        ),
    };
    let of = session.map_or(String::new(), |session| format!(" of {}", session.lineage()));
    SessionError::new(ErrorKind::InvalidResponse, format!("the session{of} {what}")).with_hint(hint)
}

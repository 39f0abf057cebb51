//! A fetch in a task of its own, and what its result changes.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rolecall_core::{Clock, Event, FetchContext, FetchMode, Moment, SessionError};
use tokio::sync::watch;
use tracing::Instrument;

use super::error::{panicked, refused, runtime_shut_down, timed_out};
use super::fetched::{Failure, Fetched};
use super::item::{Item, Origin};
use super::machine::Now;
use super::obtain::Outcome;
use super::schedule::{MAX_FETCH_TIMEOUT, OVERDUE_GRACE};
use super::snapshot::{TOUCHED, USED};
use super::{Entry, State};
use crate::refresh::Refresh;
use crate::sync::{Arc, Ordering, Runtime, Weak};

/// A fetch that is running.
///
/// If it is dropped without a result, because its runtime shut down, the entry learns of it. It
/// does not keep the entry alive: without a handle nothing could receive its result.
pub(super) struct RunningFetch<O: Origin> {
    entry: Weak<Entry<O, O::Item>>,
    origin: O,
    clock: Clock,
    generation: u64,
    started: Moment,
    mode: FetchMode,
    sender: watch::Sender<Option<Outcome<O::Item>>>,
    called_provider: bool,
}

/// What a completed fetch means for callers, subscribers, logs and events.
struct Completion<I> {
    result: Result<(I, Moment), SessionError>,
    /// The channel to the callers that wait for the fetch that took over from this one.
    waiting: Option<watch::Sender<Option<Outcome<I>>>>,
    subscribers: Option<watch::Sender<Option<I>>>,
    /// Remaining lifetime of the session that callers keep receiving.
    served_stale: Option<Duration>,
    consecutive_failures: u32,
}

impl<O: Origin> RunningFetch<O> {
    pub(super) fn new(
        entry: &Arc<Entry<O, O::Item>>,
        generation: u64,
        started: Moment,
        mode: FetchMode,
        sender: watch::Sender<Option<Outcome<O::Item>>>,
    ) -> Self {
        Self {
            entry: Arc::downgrade(entry),
            origin: entry.origin.clone(),
            clock: entry.clock.clone(),
            generation,
            started,
            mode,
            sender,
            called_provider: false,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the future of the task.
    pub(super) fn run(mut self, input: O::Input) -> impl Future<Output = ()> + Send + 'static {
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
            self.called_provider = true;
            self.notify(&Event::fetch_started(self.mode));
            let result = self.call_provider(input).await;
            self.complete(result);
        }
        .instrument(span)
    }

    async fn call_provider(&self, input: O::Input) -> Result<O::Item, SessionError> {
        // The provider computes expirations on the clock of this entry.
        let context = match self.mode {
            FetchMode::Background => FetchContext::background(),
            _ => FetchContext::foreground(),
        };
        let context = context.with_clock(self.clock.clone());
        let timeout = timeout_of(&self.origin);
        if let Some(entry) = self.entry.upgrade() {
            entry.set_timeout(self.generation, timeout);
        }
        // In a block, since a provider may panic before it returns a future.
        let mut fetch = pin!(async { self.origin.fetch(context, input).await });
        let fetch = std::future::poll_fn(|task| {
            match std::panic::catch_unwind(AssertUnwindSafe(|| fetch.as_mut().poll(task))) {
                Ok(poll) => poll,
                Err(_) => Poll::Ready(Err(panicked(self.origin.name()))),
            }
        });
        match self.clock.until(self.started + timeout, fetch).await {
            Ok(result) => result,
            Err(_) => Err(timed_out(self.origin.name(), timeout)),
        }
    }

    fn notify(&self, event: &Event<'_>) {
        if let Some(entry) = self.entry.upgrade() {
            entry.shared.observed.tell(self.origin.name(), event);
        }
    }

    fn complete(&self, result: Result<O::Item, SessionError>) {
        let Some(entry) = self.entry.upgrade() else { return };
        let record = |outcome: &str| {
            tracing::Span::current().record("outcome", outcome);
        };
        let Some(completion) = entry.complete_fetch(self.generation, result) else {
            record("discarded");
            tracing::debug!("discarded the result of an overdue or replaced fetch");
            return;
        };
        let Completion { result, waiting, subscribers, served_stale, consecutive_failures } =
            completion;
        let outcome = Outcome { generation: self.generation, result: result.clone() };
        if let Some(waiting) = waiting {
            // Unless the fetch that took over has sent its own outcome by now.
            waiting.send_if_modified(|of_newer| {
                let is_first = of_newer.is_none();
                of_newer.get_or_insert_with(|| outcome.clone());
                is_first
            });
        }
        self.sender.send_replace(Some(outcome));
        // Outside the lock: an observer may call the entry.
        let provider = self.origin.name();
        match &result {
            Ok((item, _)) => {
                record("ok");
                let lineage =
                    item.session().map(|session| tracing::field::display(session.lineage()));
                tracing::debug!(lineage, "fetched a session");
            }
            Err(error) if error.is_deferred() => {
                record("deferred");
                tracing::debug!(provider, error = %error.report(), "deferred a refresh");
            }
            // During an outage each entry fails again and again. Its first failures and fewer and
            // fewer of the later ones are logged, so that the log of an outage stays readable.
            Err(error) if consecutive_failures.is_power_of_two() => {
                record("failed");
                let error = tracing::field::display(error.report());
                tracing::warn!(provider, error, consecutive_failures, "failed to fetch a session");
            }
            Err(error) => {
                record("failed");
                let error = tracing::field::display(error.report());
                tracing::debug!(provider, error, consecutive_failures, "failed to fetch a session");
            }
        }
        let result = match &result {
            Ok((item, _)) => item.session().map(Ok),
            Err(error) => Some(Err(error)),
        };
        if let Some(result) = result {
            let duration = self.clock.now() - self.started;
            self.notify(&Event::fetch_completed(self.mode, duration, result));
        }
        if let Some(remaining) = served_stale {
            self.notify(&Event::served_stale(remaining));
        }
        // A subscriber that reads its receiver blocks the thread that notifies it.
        if let (Some(subscribers), Some(runtime)) = (subscribers, Runtime::current()) {
            runtime.spawn_blocking(move || entry.show_to(&subscribers));
        }
    }
}

impl<O: Origin> Drop for RunningFetch<O> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.upgrade() {
            entry.lose_fetch(self.generation, self.called_provider);
        }
    }
}

impl<I> State<I> {
    /// Makes room for the task of the next fetch.
    ///
    /// An overdue fetch continues, since it may still return a session, and the one before it is
    /// given up: at most two run. A live background fetch that a caller does not wait for any
    /// longer ends: a service that hangs would have two calls for each entry otherwise.
    pub(super) fn give_up_task(&mut self, is_live: bool) {
        let given_up = match self.task.take() {
            Some(task) if is_live => Some(task),
            Some(task) => self.overdue_task.replace(task),
            None => None,
        };
        if let Some(task) = given_up {
            task.abort();
        }
    }
}

impl<O: Origin> Entry<O, O::Item> {
    /// Sets the timeout of a fetch, which a provider may have changed since the last one: that of a
    /// chain is known once its settings are loaded.
    fn set_timeout(self: &Arc<Self>, generation: u64, timeout: Duration) {
        let mut state = self.lock();
        if state.machine.set_overdue_after(generation, timeout + OVERDUE_GRACE) {
            let now = self.now();
            self.publish(&mut state, now);
        }
    }

    /// Records the result of a fetch. Returns `None` if it changed nothing, since another fetch
    /// took over.
    fn complete_fetch(
        self: &Arc<Self>,
        generation: u64,
        result: Result<O::Item, SessionError>,
    ) -> Option<Completion<O::Item>> {
        let mut state = self.lock();
        let now = self.now();
        let current = state.machine.is_current(generation);
        let (failure, error) = match result {
            Ok(item) if state.machine.accepts_session(generation) => {
                let fetched = self.fetched(item, now);
                match state.machine.check(now, generation, &fetched) {
                    Ok(()) => {
                        let adopted = self.adopt(&mut state, now, generation, fetched);
                        return Some(Completion {
                            result: Ok(adopted),
                            // Callers wait for the fetch that took over, and can have this session.
                            waiting: state.outcome.clone().filter(|_| !current),
                            subscribers: state.live_subscribers(),
                            served_stale: None,
                            consecutive_failures: 0,
                        });
                    }
                    Err(refusal) => (Failure::Refused, refused(refusal, fetched.session.session())),
                }
            }
            Ok(_) => return None,
            Err(error) if error.is_deferred() => (Failure::Deferred, error),
            Err(error) if error.is_retryable() => (Failure::Retryable, error),
            Err(error) => (Failure::Permanent, error),
        };
        if !current {
            return None;
        }
        let is_failure = state.machine.fail(now, failure, error.clone(), fastrand::f64());
        (state.task, state.permit) = (None, None);
        let outcome = state.outcome.take();
        self.publish(&mut state, now);
        let remaining = state.machine.expires_at() - now.at;
        let consecutive_failures = state.machine.consecutive_failures();
        drop(state);
        // Closed without a result, its waiters decide again.
        drop(outcome);
        is_failure.then(|| Completion {
            served_stale: (!error.is_deferred() && !remaining.is_zero()).then_some(remaining),
            result: Err(error),
            waiting: None,
            subscribers: None,
            consecutive_failures,
        })
    }

    fn fetched(&self, item: O::Item, now: Now) -> Fetched<O::Item> {
        let expiration = item.expiration(&self.clock);
        Fetched {
            session: item,
            since: expiration.requested_at.unwrap_or(now.at),
            expires_at: expiration.at,
            measured: expiration.requested_at.is_some(),
            is_static: expiration.is_static,
        }
    }

    fn adopt(
        self: &Arc<Self>,
        state: &mut State<O::Item>,
        now: Now,
        generation: u64,
        fetched: Fetched<O::Item>,
    ) -> (O::Item, Moment) {
        let adopted = (fetched.session.clone(), fetched.expires_at);
        let current = state.machine.is_current(generation);
        let cached = state.machine.session();
        let replaces = !cached.is_some_and(|cached| is_same(cached, &adopted.0));
        if replaces {
            state.previous_key =
                cached.and_then(Item::access_key_id).map(|key| Box::new(Box::from(key)));
        }
        let ahead = self.refresh() != Refresh::Never;
        let joined = state.machine.succeed(now, generation, fetched, ahead, fastrand::f64());
        if replaces {
            self.flags.fetch_and(!USED, Ordering::Relaxed);
        }
        if joined {
            // A session that callers waited for counts as used, though they may have gone since.
            self.mark(USED | TOUCHED);
        }
        self.suspicion.store(0, Ordering::Relaxed);
        let permit = state.permit.take_if(|_| current);
        if current {
            (state.outcome, state.task) = (None, None);
        }
        self.publish(state, now);
        // Freed once callers see the session, so that a timer without fetches has no entry whose
        // session is about to change.
        drop(permit);
        adopted
    }

    /// Shows the cached item to the subscribers.
    ///
    /// Not under the lock: a subscriber that reads its receiver keeps the channel locked, and may
    /// call this entry meanwhile. The item is read under the lock of the channel, so that the last
    /// of several notifications shows the newest item.
    fn show_to(&self, subscribers: &watch::Sender<Option<O::Item>>) {
        subscribers.send_if_modified(|shown| {
            // The end of the entry closes the channel, and takes back no session.
            if self.is_removed() {
                return false;
            }
            let cached = self.lock().machine.session().cloned();
            let is_new = match (&*shown, &cached) {
                (Some(shown), Some(cached)) => !is_same(shown, cached),
                (shown, cached) => shown.is_some() != cached.is_some(),
            };
            *shown = cached;
            is_new
        });
    }

    /// Records that the task of a fetch disappeared without a result.
    fn lose_fetch(self: &Arc<Self>, generation: u64, called_provider: bool) {
        let mut state = self.lock();
        if !state.machine.is_current(generation) {
            return;
        }
        let now = self.now();
        if !state.machine.lose_fetch(called_provider) {
            state.machine.fail(now, Failure::Retryable, runtime_shut_down(), fastrand::f64());
        }
        (state.outcome, state.task, state.permit) = (None, None, None);
        self.publish(&mut state, now);
    }
}

/// Returns the timeout of a fetch, which [`MAX_FETCH_TIMEOUT`] limits.
pub(super) fn timeout_of(origin: &impl Origin) -> Duration {
    origin.timeout().min(MAX_FETCH_TIMEOUT)
}

fn is_same<I: Item>(one: &I, other: &I) -> bool {
    super::machine::Cacheable::is_same(one, other)
}

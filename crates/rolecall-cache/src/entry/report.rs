//! What services say about the session, the end of an entry, and its status.

use rolecall_core::{Event, FetchMode, InvalidSession, Moment, Session};
use tokio::sync::watch;

use super::decide::{Decision, Request};
#[cfg(any(feature = "pool", test))]
use super::error::removed;
use super::invalidation::Invalidation;
use super::item::{Item, Origin};
#[cfg(any(feature = "pool", test))]
use super::obtain::Outcome;
#[cfg(any(feature = "pool", test))]
use super::snapshot::REMOVED;
use super::{Entry, Shared};
use crate::session_use::InvalidSessionAnswer;
use crate::status::Status;
use crate::sync::{Arc, Ordering};

#[cfg(feature = "pool")]
pub(crate) type EntryReport = super::decide::Report<rolecall_core::SessionError>;

impl<O: Origin> Entry<O, O::Item> {
    /// Records that a service rejected the session with this key. Returns the session, so that the
    /// provider can be told, and what the rejected request should do.
    pub(crate) fn invalidate(
        self: &Arc<Self>,
        access_key_id: &str,
        reason: InvalidSession,
    ) -> (Option<Session>, InvalidSessionAnswer) {
        let mut state = self.lock();
        let now = self.now();
        let cached = state.machine.session().cloned();
        let Some(cached) = cached.filter(|cached| cached.access_key_id() == Some(access_key_id))
        else {
            // The session was replaced since the request was signed. A key that was never cached
            // belongs to another entry.
            let replaced = state.previous_key.as_ref().is_some_and(|key| ***key == *access_key_id);
            return match replaced {
                true => (None, InvalidSessionAnswer::Replaced),
                false => (None, InvalidSessionAnswer::Unchanged),
            };
        };
        let invalidation = state.machine.invalidate(now, reason);
        if invalidation == Invalidation::TooRecent {
            return (None, InvalidSessionAnswer::RetryAfter(InvalidSession::retry_pause(0)));
        }
        // Numbered, so that a request which a service accepts clears the suspicion only if it was
        // signed after this invalidation.
        let suspicion = match state.machine.is_suspected() {
            true => self.shared.invalidations.fetch_add(1, Ordering::Relaxed) + 1,
            false => 0,
        };
        self.suspicion.store(suspicion, Ordering::Relaxed);
        self.publish(&mut state, now);
        let decision = state.machine.decide(Request::Session, FetchMode::Foreground, now);
        drop(state);
        if invalidation == Invalidation::New {
            let provider = self.origin.name();
            tracing::warn!(provider, access_key_id, ?reason, "a service rejected the session");
            self.shared.observed.tell(provider, &Event::invalidated(access_key_id));
        }
        let answer = match decision {
            Decision::Wait(_) => InvalidSessionAnswer::Replaced,
            _ => InvalidSessionAnswer::Unchanged,
        };
        let news = invalidation == Invalidation::New;
        (cached.session().filter(|_| news).cloned(), answer)
    }

    /// Returns the number of the current suspicion, or zero. A request takes it when it is signed.
    #[inline]
    pub(crate) fn suspicion(&self) -> u64 {
        self.suspicion.load(Ordering::Relaxed)
    }

    /// Records that a service accepted the session with this key in a request that was signed under
    /// `suspicion`.
    pub(crate) fn accept(self: &Arc<Self>, access_key_id: &str, suspicion: u64) {
        let is_answered = |current| current > 0 && current <= suspicion;
        if !is_answered(self.suspicion()) {
            return;
        }
        let mut state = self.lock();
        let is_cached = |item: &O::Item| item.access_key_id() == Some(access_key_id);
        // Read again: the session may have been rejected once more in the meantime.
        if is_answered(self.suspicion())
            && state.machine.session().is_some_and(is_cached)
            && state.machine.clear_suspicion()
        {
            self.suspicion.store(0, Ordering::Relaxed);
            let now = self.now();
            self.publish(&mut state, now);
        }
    }

    /// Returns the generation that a `refresh()` must be newer than.
    pub(crate) fn refresh_request(&self) -> Request {
        Request::NewerThan(self.lock().machine.newest_generation())
    }

    /// Returns a receiver of each session that the entry adopts, beginning with the cached one.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<O::Item>> {
        let mut state = self.lock();
        if self.is_removed() {
            // The sender is gone: the receiver is closed.
            return watch::channel(None).1;
        }
        if let Some(subscribers) = state.live_subscribers() {
            return subscribers.subscribe();
        }
        let (sender, receiver) = watch::channel(state.machine.session().cloned());
        state.subscribers = Some(sender);
        receiver
    }

    /// Closes the entry: its callers receive an error, and its fetch is cancelled. Returns `true`
    /// if it was open.
    #[cfg(any(feature = "pool", test))]
    pub(crate) fn remove(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        if self.flags.fetch_or(REMOVED, Ordering::AcqRel) & REMOVED != 0 {
            return false;
        }
        let generation = state.machine.newest_generation();
        state.machine.remove();
        let tasks = [state.task.take(), state.overdue_task.take()];
        let (outcome, permit) = (state.outcome.take(), state.permit.take());
        // A removed entry has no other session for the requests of the previous one.
        state.previous_key = None;
        let subscribers = state.subscribers.take();
        let now = self.now();
        self.publish(&mut state, now);
        drop(state);
        drop((permit, subscribers));
        // Waiting callers are told here, since the task may be on a runtime that stands still.
        if let Some(outcome) = outcome {
            let result = Err(removed(self.origin.name()));
            outcome.send_replace(Some(Outcome { generation, result }));
        }
        for task in tasks.into_iter().flatten() {
            task.abort();
        }
        self.shared.observed.tell(self.origin.name(), &Event::Removed);
        true
    }

    /// Returns `true` if a fetch is running.
    pub(crate) fn is_loading(&self) -> bool {
        self.lock().outcome.is_some()
    }

    pub(crate) fn report_evicted(&self) {
        self.shared.observed.tell(self.origin.name(), &Event::Evicted);
    }

    #[cfg(feature = "pool")]
    pub(crate) fn report(&self) -> EntryReport {
        let state = self.lock();
        state.machine.report(self.now())
    }

    pub(crate) fn status(&self) -> Status {
        let (report, now) = {
            let state = self.lock();
            let now = self.now();
            (state.machine.report(now), now)
        };
        let to_wall = |moment: Moment| match moment >= now.at {
            true => now.wall.checked_add(moment - now.at),
            false => now.wall.checked_sub(now.at - moment),
        };
        Status {
            provider: self.origin.name().to_owned(),
            state: report.state,
            expires_at: report.expires_at.filter(|at| *at != Moment::MAX).and_then(to_wall),
            next_attempt: report.next_attempt.and_then(to_wall),
            consecutive_failures: report.consecutive_failures,
            refused_responses: report.refused_responses,
            last_error: report.last_error,
        }
    }
}

impl Shared {
    /// Returns the number of the newest suspicion of all entries, or zero if there was none yet.
    pub(crate) fn newest_suspicion(&self) -> u64 {
        self.invalidations.load(Ordering::Relaxed)
    }
}

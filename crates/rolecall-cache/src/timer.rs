//! One task that calls cache entries when their time comes: those of a pool, or a single one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, UNIX_EPOCH};

use rolecall_core::{Clock, Moment};
use tokio::sync::Notify;

use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Runtime, Task, Weak, yield_now};

/// What a timer calls.
pub(crate) trait Timed: Send + Sync {
    /// Called when the time has come, with a permit if it waited for one. Arms itself again.
    fn tick(self: Arc<Self>, permit: Option<FetchPermit>);
}

/// Where a timer has an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// It is called at this time. [`Moment::MAX`] is never.
    Armed(Moment),
    /// It is called once a permit is free. The entry whose session expires first comes first.
    Queued { expires_at: Moment },
}

impl Position {
    pub(crate) const NONE: Self = Self::Armed(Moment::MAX);
}

/// Number of calls before other tasks run.
const BATCH: usize = 64;

/// Maximum number of background fetches in flight. Without it, 100,000 entries that are due
/// together would start 100,000 requests.
pub(crate) const MAX_IN_FLIGHT: usize = if cfg!(shuttle) { 2 } else { 64 };

/// Lateness from which the task is taken to stand still with its runtime, and moves to another.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// Longest sleep of the task, after which it compares the clocks.
pub(crate) const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// Step of the wall clock, relative to the clock of deadlines, from which every entry is called.
const WALL_STEP: Duration = Duration::from_secs(5);

/// Calls entries at their times, and limits their background fetches.
pub(crate) struct Timer {
    clock: Clock,
    state: Mutex<State>,
}

/// Entries by a time and their id.
type Entries = BTreeMap<(Moment, u64), Weak<dyn Timed>>;

struct State {
    /// By time.
    armed: Entries,
    /// Entries that are called now, whatever their time, since the wall clock was set forward.
    early: Entries,
    /// Entries that are due and wait for a permit, by the expiration of their sessions.
    queue: Entries,
    in_flight: usize,
    /// Since when an entry in the queue can have a permit that is free. [`Moment::MAX`] if the task
    /// ran since.
    ready_since: Moment,
    last_id: u64,
    task: Option<Task>,
    /// Wakes the task. Each task has its own, so that one that stands still with its runtime does
    /// not take a wakeup from the task that replaces it.
    changed: Arc<Notify>,
    sleeps_until: Moment,
    /// When the task last ran.
    last_run: Moment,
    /// The wall clock minus the clock of deadlines at the last run, in nanoseconds.
    wall_offset: Option<i128>,
}

/// An entry whose time has come, and its permit if it waited for one.
type Due = (Arc<dyn Timed>, Option<FetchPermit>);

/// The share of one background fetch in the limit of a timer. Dropping it releases it.
pub(crate) struct FetchPermit(Arc<Timer>);

impl Timer {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let state = State {
            armed: Entries::new(),
            early: Entries::new(),
            queue: Entries::new(),
            in_flight: 0,
            ready_since: Moment::MAX,
            last_id: 0,
            task: None,
            changed: Arc::default(),
            sleeps_until: Moment::ZERO,
            last_run: Moment::ZERO,
            wall_offset: None,
        };
        Arc::new(Self { clock, state: Mutex::new(state) })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under this lock: a poisoned one holds a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a new id to be armed under.
    pub(crate) fn next_id(&self) -> u64 {
        let mut state = self.lock();
        state.last_id += 1;
        state.last_id
    }

    /// Calls `entry` at `to`, and no longer at `from`. [`Moment::MAX`] is never.
    #[cfg(any(feature = "pool", test))]
    pub(crate) fn arm(&self, id: u64, from: Moment, to: Moment, entry: Weak<dyn Timed>) {
        self.move_entry(id, Position::Armed(from), Position::Armed(to), entry);
    }

    /// Cancels the call at `from`.
    #[cfg(any(feature = "pool", test))]
    pub(crate) fn disarm(&self, id: u64, from: Moment) {
        self.forget(id, Position::Armed(from));
    }

    /// Moves `entry` from one position to another.
    pub(crate) fn move_entry(&self, id: u64, from: Position, to: Position, entry: Weak<dyn Timed>) {
        let mut state = self.lock();
        state.remove(id, from);
        let wakes = match to {
            Position::Armed(Moment::MAX) => false,
            Position::Armed(at) => {
                state.armed.insert((at, id), entry);
                at < state.sleeps_until
            }
            Position::Queued { expires_at } => {
                state.queue.insert((expires_at, id), entry);
                state.is_ready(&self.clock)
            }
        };
        let changed = wakes.then(|| Arc::clone(&state.changed));
        drop(state);
        if let Some(changed) = changed {
            changed.notify_one();
        }
    }

    /// Removes the entry from this position.
    pub(crate) fn forget(&self, id: u64, from: Position) {
        self.lock().remove(id, from);
    }

    /// Returns a permit for a background fetch, or `None` if [`MAX_IN_FLIGHT`] are taken or other
    /// entries wait for one.
    pub(crate) fn try_acquire_permit(self: &Arc<Self>) -> Option<FetchPermit> {
        let mut state = self.lock();
        if state.in_flight >= MAX_IN_FLIGHT || !state.queue.is_empty() {
            return None;
        }
        state.in_flight += 1;
        Some(FetchPermit(Arc::clone(self)))
    }

    /// Returns the number of entries that are armed or called early.
    #[cfg(test)]
    pub(crate) fn armed(&self) -> usize {
        let state = self.lock();
        state.armed.len() + state.early.len()
    }

    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        self.lock().queue.len()
    }

    /// Starts the task if anything is armed or queued, unless it runs already.
    pub(crate) fn ensure_task(self: &Arc<Self>, runtime: &Runtime) {
        let mut state = self.lock();
        let Some(due_since) = state.due_since() else { return };
        // A task that has much to do is late, and does not stand still.
        let stalled = self.clock.now() - due_since.max(state.last_run) > STALLED_AFTER;
        if state.task.as_ref().is_some_and(|task| !task.is_finished() && !stalled) {
            return;
        }
        state.sleeps_until = Moment::ZERO;
        state.changed = Arc::default();
        // The task holds no timer while it sleeps: a runtime that is shutting down drops it here
        // and now, and the drop must not take the lock.
        let task = runtime.spawn(run(Arc::downgrade(self), Arc::clone(&state.changed)));
        let previous = state.task.replace(task);
        drop(state);
        if let Some(previous) = previous {
            previous.abort();
        }
    }

    /// Returns the next batch of entries whose time has come, and the time of the next one.
    fn take_due(self: &Arc<Self>) -> (Vec<Due>, Moment) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.last_run = now;
        state.ready_since = Moment::MAX;
        state.check_wall_clock(&self.clock, now);
        let mut due = Vec::new();
        // Entries in the queue were due before those that are armed. Each takes its permit here,
        // so that no other entry can take it before this one is called.
        while state.may_start() {
            let Some((_, entry)) = state.queue.pop_first() else { break };
            let Some(entry) = entry.upgrade() else { continue };
            state.in_flight += 1;
            due.push((entry, Some(FetchPermit(Arc::clone(self)))));
        }
        while due.len() < BATCH {
            let Some((_, entry)) = state.early.pop_first() else { break };
            due.extend(entry.upgrade().map(|entry| (entry, None)));
        }
        let next = loop {
            let Some(first) = state.armed.first_entry() else { break Moment::MAX };
            let (at, _) = *first.key();
            if at > now || due.len() >= BATCH {
                break at;
            }
            due.extend(first.remove().upgrade().map(|entry| (entry, None)));
        };
        let next = match () {
            () if !state.early.is_empty() => now,
            () if state.armed.is_empty() => Moment::MAX,
            () => next.min(now + CLOCK_CHECK_INTERVAL),
        };
        state.sleeps_until = next;
        (due, next)
    }
}

impl State {
    fn may_start(&self) -> bool {
        self.in_flight < MAX_IN_FLIGHT && !self.queue.is_empty()
    }

    /// Returns since when there is something to do, or from when on.
    fn due_since(&self) -> Option<Moment> {
        match self.armed.first_key_value() {
            _ if self.may_start() => Some(self.ready_since),
            _ if !self.early.is_empty() => Some(Moment::ZERO),
            Some(((at, _), _)) => Some(*at),
            // At the limit, a fetch that completes wakes the task.
            None => (!self.queue.is_empty()).then_some(Moment::MAX),
        }
    }

    /// Returns `true` if an entry in the queue can have a permit, so that the task must run.
    fn is_ready(&mut self, clock: &Clock) -> bool {
        let ready = self.may_start();
        if ready && self.ready_since == Moment::MAX {
            self.ready_since = clock.now();
        }
        ready
    }

    fn remove(&mut self, id: u64, from: Position) {
        match from {
            Position::Armed(Moment::MAX) => {}
            Position::Armed(at) => {
                if self.armed.remove(&(at, id)).is_none() {
                    self.early.remove(&(at, id));
                }
            }
            Position::Queued { expires_at } => {
                self.queue.remove(&(expires_at, id));
            }
        }
    }

    /// Calls every entry if the wall clock was set forward.
    ///
    /// The clock of deadlines stands still while a virtual machine is paused or its snapshot is
    /// stored. Only the wall clock then shows that sessions have expired.
    fn check_wall_clock(&mut self, clock: &Clock, now: Moment) {
        let wall = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
        let offset = nanos(wall).saturating_sub(i128::from(now.as_nanos()));
        let previous = self.wall_offset.replace(offset);
        if previous.is_none_or(|previous| offset.saturating_sub(previous) < nanos(WALL_STEP)) {
            return;
        }
        // Each keeps its time, under which it can be removed.
        self.early.append(&mut self.armed);
    }
}

impl Drop for FetchPermit {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight -= 1;
        if state.is_ready(&self.0.clock) {
            let changed = Arc::clone(&state.changed);
            drop(state);
            changed.notify_one();
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(task) = self.lock().task.take() {
            task.abort();
        }
    }
}

async fn run(timer: Weak<Timer>, changed: Arc<Notify>) {
    // Since other tasks could run.
    let mut calls = 0;
    loop {
        let Some((clock, now, next)) = timer.upgrade().map(|timer| {
            let (due, next) = timer.take_due();
            calls += due.len();
            for (entry, permit) in due {
                // The drop of a provider may panic in there. It must not stop the timer for all
                // other entries.
                let _ = catch_unwind(AssertUnwindSafe(|| entry.tick(permit)));
            }
            (timer.clock.clone(), timer.clock.now(), next)
        }) else {
            return;
        };
        if calls >= BATCH || next <= now {
            calls = 0;
            yield_now().await;
        }
        // Those that were called have armed themselves, and woke this task if that is sooner.
        tokio::select! {
            biased;
            () = changed.notified() => {}
            () = clock.sleep_until(next) => {}
        }
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;

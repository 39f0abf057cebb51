//! A cache entry: the async part around the [state machine](machine).

mod check;
mod decide;
mod error;
mod fetch;
mod fetched;
mod gate;
mod invalidation;
mod item;
mod machine;
mod obtain;
mod report;
mod schedule;
mod snapshot;
mod spacing;

use rolecall_core::{Clock, FetchMode, SessionError};
use tokio::sync::watch;

pub(crate) use self::decide::Request;
use self::decide::Wakeup;
use self::fetch::{RunningFetch, timeout_of};
pub(crate) use self::item::{Expiration, Item, Origin};
use self::machine::{Machine, Now};
use self::obtain::Outcome;
#[cfg(feature = "pool")]
pub(crate) use self::report::EntryReport;
pub(crate) use self::schedule::OVERDUE_GRACE;
use self::snapshot::{Snapshot, USED};
use crate::observed::Observed;
use crate::refresh::Refresh;
use crate::sync::{
    Arc, ArcSwapOption, AtomicU8, AtomicU64, Mutex, MutexGuard, Ordering, PoisonError, Runtime,
    Task, Weak,
};
use crate::timer::{FetchPermit, Position, Timed, Timer};

/// One cache entry of an [`Origin`] and its items.
///
/// The type has no bounds, so that a future that holds one across an await is `Send` whatever the
/// lifetimes.
///
/// The fields are in the order in which calls read them, beside the reference counts of the `Arc`:
/// in a large pool, each further cache line of an entry is a read from main memory.
#[repr(C)]
pub(crate) struct Entry<O, I> {
    /// How the session is used: [`USED`], [`TOUCHED`] and [`REMOVED`].
    flags: AtomicU8,
    /// What a cache hit reads. Written under the lock only.
    snapshot: ArcSwapOption<Snapshot<I>>,
    clock: Clock,
    /// The number of the invalidation that made the cached session a suspect, or zero.
    suspicion: AtomicU64,
    origin: O,
    state: Mutex<State<I>>,
    shared: Arc<Shared>,
    id: u64,
}

/// What all entries of a pool have in common.
pub(crate) struct Shared {
    pub(crate) timer: Arc<Timer>,
    pub(crate) refresh: Refresh,
    pub(crate) observed: Observed,
    /// Number of invalidations so far, which numbers the suspicions.
    invalidations: AtomicU64,
}

impl Shared {
    pub(crate) fn new(timer: Arc<Timer>, refresh: Refresh, observed: Observed) -> Arc<Self> {
        Arc::new(Self { timer, refresh, observed, invalidations: AtomicU64::new(0) })
    }
}

pub(crate) struct State<I> {
    machine: Machine<I, SessionError>,
    /// Receives the result of the running fetch. Closed without one if its task disappears.
    outcome: Option<watch::Sender<Option<Outcome<I>>>>,
    /// The task of the running fetch.
    task: Option<Task>,
    /// The task of a fetch that was overdue. It may still return a session: after the process was
    /// frozen, that session arrives sooner than that of the fetch that took over.
    overdue_task: Option<Task>,
    /// The share of a background fetch in the timer's limit.
    permit: Option<FetchPermit>,
    /// Where the timer has the entry.
    position: Position,
    /// The access key id of the session before the cached one. Boxed twice, since most entries of a
    /// pool that was just loaded have none.
    previous_key: Option<Box<Box<str>>>,
    /// Receives each adopted session, once there is a subscriber.
    subscribers: Option<watch::Sender<Option<I>>>,
}

impl<I> State<I> {
    /// Returns the channel of the subscribers, if there are any. A channel without a receiver is
    /// not notified, and shows a session that is out of date.
    fn live_subscribers(&self) -> Option<watch::Sender<Option<I>>> {
        self.subscribers.clone().filter(|subscribers| subscribers.receiver_count() > 0)
    }
}

impl<O: Origin> Entry<O, O::Item> {
    pub(crate) fn new(origin: O, shared: Arc<Shared>) -> Arc<Self> {
        let machine = Machine::new(timeout_of(&origin) + OVERDUE_GRACE);
        Arc::new(Self {
            snapshot: ArcSwapOption::empty(),
            clock: shared.timer.clock().clone(),
            flags: AtomicU8::new(0),
            suspicion: AtomicU64::new(0),
            origin,
            state: Mutex::new(State {
                machine,
                outcome: None,
                task: None,
                overdue_task: None,
                permit: None,
                position: Position::NONE,
                previous_key: None,
                subscribers: None,
            }),
            id: shared.timer.next_id(),
            shared,
        })
    }

    pub(crate) fn origin(&self) -> &O {
        &self.origin
    }

    pub(crate) fn refresh(&self) -> Refresh {
        self.shared.refresh
    }

    fn now(&self) -> Now {
        Now { at: self.clock.now(), wall: self.clock.wall() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<O::Item>> {
        // The state is changed by functions that do not panic: a poisoned lock holds a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the state to the hit path and the timer. Called under the lock.
    fn publish(self: &Arc<Self>, state: &mut State<O::Item>, now: Now) {
        let snapshot = state.machine.session().map(|item| {
            Arc::new(Snapshot {
                item: item.clone(),
                quiet_until: state.machine.quiet_until(now),
                expires_at: state.machine.expires_at(),
            })
        });
        self.snapshot.store(snapshot);
        self.arm(state, now);
    }

    fn arm(self: &Arc<Self>, state: &mut State<O::Item>, now: Now) {
        let expires_at = state.machine.expires_at();
        let position = match self.next_wakeup(state, now) {
            _ if state.machine.queued && !self.is_removed() => Position::Queued { expires_at },
            Wakeup::Refresh => Position::Armed(now.at),
            Wakeup::At(moment) => Position::Armed(moment),
        };
        if state.position != position {
            let entry: Weak<Self> = Arc::downgrade(self);
            self.shared.timer.move_entry(self.id, state.position, position, entry);
            state.position = position;
        }
    }

    fn next_wakeup(&self, state: &State<O::Item>, now: Now) -> Wakeup {
        let unattended = self.origin.background_input().is_some();
        let wanted = match self.shared.refresh {
            Refresh::Always => unattended,
            Refresh::WhileUsed => unattended && self.flags.load(Ordering::Relaxed) & USED != 0,
            Refresh::Never => false,
        };
        state.machine.next_wakeup(now, wanted, unattended && self.refresh() == Refresh::Always)
    }

    /// Starts a background fetch, or queues the entry if there is no permit. An entry that is
    /// queued already stays so, and the timer's task is started again if it ended.
    fn start_background(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<O::Item>>,
        runtime: &Runtime,
        now: Now,
        input: O::Input,
        permit: Option<FetchPermit>,
    ) {
        let Some(permit) = permit.or_else(|| self.shared.timer.try_acquire_permit()) else {
            state.machine.set_queued(true);
            self.publish(&mut state, now);
            self.shared.timer.ensure_task(runtime);
            return;
        };
        let fetch = self.begin_fetch(&mut state, now, FetchMode::Background, false, Some(permit));
        drop(state);
        self.spawn(fetch, runtime, input);
    }

    /// Begins a fetch. Spawn it once the lock is released: a runtime that is shutting down drops it
    /// at once, and its drop takes the lock.
    fn begin_fetch(
        self: &Arc<Self>,
        state: &mut State<O::Item>,
        now: Now,
        mode: FetchMode,
        forced: bool,
        permit: Option<FetchPermit>,
    ) -> RunningFetch<O> {
        let replaces_live_fetch = state.machine.is_fetching(now);
        let generation = state.machine.begin_fetch(now, mode, forced);
        let sender = watch::Sender::new(None);
        state.outcome = Some(sender.clone());
        state.permit = permit;
        state.give_up_task(replaces_live_fetch);
        self.publish(state, now);
        RunningFetch::new(self, generation, now.at, mode, sender)
    }

    fn spawn(self: &Arc<Self>, fetch: RunningFetch<O>, runtime: &Runtime, input: O::Input) {
        self.shared.timer.ensure_task(runtime);
        let generation = fetch.generation();
        let task = runtime.spawn(fetch.run(input));
        let mut state = self.lock();
        if state.machine.is_current(generation) {
            state.task = Some(task);
            return;
        }
        drop(state);
        // It is complete already, or the entry was removed, or another fetch took over.
        task.abort();
    }
}

impl<O: Origin> Timed for Entry<O, O::Item> {
    fn tick(self: Arc<Self>, permit: Option<FetchPermit>) {
        let mut state = self.lock();
        let now = self.now();
        // The timer forgot where it called the entry from. By now it may have it elsewhere.
        self.shared.timer.forget(self.id, std::mem::replace(&mut state.position, Position::NONE));
        state.machine.set_queued(false);
        if !state.machine.is_fetching(now) {
            // An overdue fetch may never end. It must not count towards the limit forever.
            state.permit = None;
        }
        match (self.next_wakeup(&state, now), Runtime::current(), self.origin.background_input()) {
            (Wakeup::Refresh, Some(runtime), Some(input)) => {
                self.start_background(state, &runtime, now, input, permit);
            }
            // The wall clock may have moved: the hit path must see the phase as it is now.
            _ => self.publish(&mut state, now),
        }
    }
}

impl<O, I> Drop for Entry<O, I> {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = [state.task.take(), state.overdue_task.take()];
        let (position, permit) = (state.position, state.permit.take());
        drop(state);
        drop(permit);
        self.shared.timer.forget(self.id, position);
        // No handle is left to receive a result.
        for task in tasks.into_iter().flatten() {
            task.abort();
        }
    }
}

#[cfg(shuttle)]
#[cfg(test)]
mod model;
#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;

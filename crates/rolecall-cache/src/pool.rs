//! Many slots, by key.

mod registry;
mod retained;
mod warm;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

use rolecall_core::{Clock, FetchError, Moment, Observer, Session, SessionSource};

use self::registry::{Registry, locked};
use self::retained::Retained;
pub use self::warm::Warmed;
use crate::cached::{Cached, Sourced};
use crate::observed::Observed;
use crate::shell::{Refresh, Setup, Shared};
use crate::slot::Look;
use crate::status::{State, Status};
use crate::sync::{Arc, Mutex, Weak};
use crate::timer::{Timed, Timer};

/// A handle of a pool: the same [`Cached`] as any other. It is cheap to clone and to drop.
pub type Pooled = Cached<Arc<dyn SessionSource>>;

type Slot = Shared<Sourced<Arc<dyn SessionSource>>, Session>;

/// Sessions by key: one slot, and at most one fetch, for each key, however many handles there are.
///
/// A slot lives while a handle of it lives, and, with no handle, while the pool retains it: up to
/// [`capacity`](SessionPoolBuilder::capacity) slots, of which the least valuable (by how often and how lately they were
/// used, in moka's TinyLFU) make room for others, and for [`idle`](SessionPoolBuilder::idle) after they were last used.
/// A slot that a handle still uses is never closed for want of room.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use aws_credential_types::{Credentials, provider::ProvideCredentials};
/// use rolecall_cache::SessionPool;
/// use rolecall_core::ProviderSource;
///
/// let pool = SessionPool::new(|tenant: &String| {
///     let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "static");
///     Arc::new(ProviderSource::new(keys).named(tenant))
/// });
/// let handle = pool.get(&"tenant-4711".to_owned());
/// handle.provide_credentials().await?;
/// assert_eq!(pool.status().slots(), 1);
/// # Ok(())
/// # }
/// ```
pub struct SessionPool<K>(Arc<Inner<K>>);

impl<K> Clone for SessionPool<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

type Factory<K> = Box<dyn Fn(&K) -> Arc<dyn SessionSource> + Send + Sync>;

struct Inner<K> {
    factory: Factory<K>,
    /// Every slot that lives, whoever holds it.
    registry: Registry<K>,
    /// Those that live though nobody holds a handle.
    retained: Retained<K>,
    refresh: Refresh,
    timer: Arc<Timer>,
    id: u64,
    observed: Observed,
    idle: Duration,
    next_sweep: Mutex<Moment>,
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> SessionPool<K> {
    /// A pool of up to 10,000 slots on the machine's clock. `source` makes the source of a key's sessions: it is called
    /// when there is no slot for a key, and goes to no network itself. It may ask the pool for another key. Where several
    /// ask for a new key at once, it may be called by each, and one of the sources counts.
    pub fn new(source: impl Fn(&K) -> Arc<dyn SessionSource> + Send + Sync + 'static) -> Self {
        Self::builder(source).build()
    }

    /// A pool with another clock, capacity, or way to refresh.
    pub fn builder(
        source: impl Fn(&K) -> Arc<dyn SessionSource> + Send + Sync + 'static,
    ) -> SessionPoolBuilder<K> {
        SessionPoolBuilder {
            factory: Box::new(source),
            clock: Clock::system(),
            refresh: Refresh::default(),
            observed: Observed::default(),
            capacity: CAPACITY,
            idle: IDLE,
        }
    }

    /// The handle of a key. Nothing is fetched for it before it is asked.
    pub fn get(&self, key: &K) -> Pooled {
        match self.0.retained.get(key) {
            Some(slot) if !slot.is_removed() => Cached(slot),
            _ => Cached(self.0.find_or_make(key)),
        }
    }

    /// Closes a key's slot: handles of it answer [`Removed`](rolecall_core::ErrorKind::Removed), what is on its way is
    /// dropped, and the next [`get`](Self::get) starts anew. Whether there was one.
    pub fn remove(&self, key: &K) -> bool {
        let Some(slot) = self.0.registry.find(key) else { return false };
        // Closed first: from then on nobody takes it for the key's, wherever it is found.
        let was_there = slot.remove();
        self.0.registry.forget(key, &slot);
        self.0.retained.let_go(key.clone(), &slot);
        was_there
    }

    /// [`remove`](Self::remove)s every key that `which` names, as all that has to do with one tenant. How many there were.
    ///
    /// It looks at each key: not for every request. A key that comes meanwhile may stay.
    pub fn remove_where(&self, which: impl Fn(&K) -> bool) -> usize {
        let mut all = Vec::new();
        self.0.registry.each(K::clone, |key, _| all.push(key));
        all.iter().filter(|key| which(key) && self.remove(key)).count()
    }

    /// How all slots stand together. It looks at each: a matter of milliseconds with 10,000.
    pub fn status(&self) -> PoolStatus {
        let mut status = PoolStatus::default();
        self.0.registry.each(|_| (), |(), slot| status.count(slot.look()));
        status
    }

    /// How each slot stands, with its key, in no order. A copy of all of it: for a page, not for every request.
    pub fn statuses(&self) -> Vec<(K, Status)> {
        let mut all = Vec::new();
        self.0.registry.each(K::clone, |key, slot| all.push((key, slot.status())));
        all
    }

    /// How a key's slot stands, if there is one.
    pub fn status_of(&self, key: &K) -> Option<Status> {
        Some(self.0.registry.find(key)?.status())
    }

    /// Loads these keys' sessions before they are asked for, 64 at once. `progress` hears of each that is done.
    ///
    /// Dropped amid the work, it begins no more; what is on its way goes on.
    pub async fn warm(
        &self,
        keys: impl IntoIterator<Item = K>,
        progress: impl FnMut(&Warmed<K>),
    ) -> Warmed<K> {
        warm::warm(self, keys.into_iter(), progress).await
    }
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Inner<K> {
    /// A key's slot, which is not among those that are retained.
    #[cold]
    fn find_or_make(&self, key: &K) -> Arc<Slot> {
        let slot = match self.registry.find(key) {
            Some(slot) => slot,
            None => {
                let setup = Setup {
                    refresh: self.refresh,
                    timer: Arc::clone(&self.timer),
                    observed: self.observed.clone(),
                };
                // Under no lock: what makes the source may come back here. Of several, one is kept.
                let made = Shared::new(Sourced((self.factory)(key)), setup);
                self.registry.keep(key, made, self.timer.clock().now())
            }
        };
        self.retained.retain(key.clone(), &slot);
        self.tell_evicted();
        slot
    }

    /// Tells of those for which there was no room.
    fn tell_evicted(&self) {
        for slot in self.retained.take_evicted() {
            slot.evicted();
        }
    }

    /// Looks through a part of the slots: those that are used count as used though their handles bypass the retention,
    /// those that are not are let go after a time.
    fn sweep(&self, now: Moment, shards: usize) {
        self.registry.sweep(now, shards, |key, slot, unused_for| {
            if unused_for.is_zero() {
                if self.retained.get(key).is_none() {
                    self.retained.retain(key.clone(), slot);
                }
            } else if unused_for >= self.idle && self.retained.let_go(key.clone(), slot) {
                slot.evicted();
            }
        });
        self.retained.settle();
        self.tell_evicted();
    }
}

/// How long from one part of the slots to the next.
fn step(idle: Duration) -> Duration {
    (idle / SWEEPS_IN_A_LIFE).max(SHORTEST_STEP)
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Timed for Inner<K> {
    fn tick(self: Arc<Self>) {
        let now = self.timer.clock().now();
        let step = step(self.idle);
        let mut next = locked(&self.next_sweep);
        // As many as were due while the timer stood still.
        let late = (now - *next).as_nanos() / step.as_nanos();
        let shards = usize::try_from(late).unwrap_or(usize::MAX).saturating_add(1);
        let (from, to) = (*next, now + step);
        *next = to;
        drop(next);
        let who: Weak<Self> = Arc::downgrade(&self);
        self.timer.arm(self.id, from, to, who);
        self.sweep(now, shards);
    }
}

impl<K> Drop for Inner<K> {
    fn drop(&mut self) {
        let next = *locked(&self.next_sweep);
        self.timer.disarm(self.id, next);
    }
}

impl<K> fmt::Debug for SessionPool<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionPool")
            .field("capacity", &self.0.retained.capacity())
            .field("idle", &self.0.idle)
            .field("refresh", &self.0.refresh)
            .finish_non_exhaustive()
    }
}

/// How the slots of a pool stand together, for a health page.
///
/// ```
/// use rolecall_cache::PoolStatus;
/// let status = PoolStatus::default();
/// assert!(status.is_healthy() && status.slots() == 0);
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct PoolStatus {
    /// How many slots are in which state.
    pub by_state: BTreeMap<State, usize>,
    /// How many hold a session, and are not failing.
    pub holding: usize,
    /// How many have none, since their last fetch failed; or one that a service refused, and failed to get another.
    pub failing: usize,
    /// One of the errors, if there are any.
    pub last_error: Option<FetchError>,
}

impl PoolStatus {
    fn count(&mut self, look: Look<FetchError>) {
        *self.by_state.entry(look.state).or_default() += 1;
        match look.is_failing() {
            true => self.failing += 1,
            false => self.holding += usize::from(look.state.holds_session()),
        }
        if self.last_error.is_none() {
            self.last_error = look.last_error;
        }
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.by_state.values().sum()
    }

    /// Whether no slot is failing. One tenant's role that was deleted makes it false: for people who look, and not for
    /// what takes a service out of the line, which may ask for [`holding`](Self::holding) and how the base stands.
    pub fn is_healthy(&self) -> bool {
        self.failing == 0
    }
}

/// How many slots are retained unless it is said.
const CAPACITY: u64 = 10_000;
/// How long one that nobody uses is retained unless it is said.
const IDLE: Duration = Duration::from_secs(3600);
/// In how many steps the registry is looked through, four times in the time that an idle slot is retained.
const SWEEPS_IN_A_LIFE: u32 = 4 * registry::SHARDS as u32;
/// The timer has more to do than to look for idle slots.
const SHORTEST_STEP: Duration = Duration::from_secs(1);

/// Sets up a [`SessionPool`].
///
/// ```
/// # use std::sync::Arc;
/// # use rolecall_core::SessionSource;
/// # fn show(source_of: impl Fn(&u64) -> Arc<dyn SessionSource> + Send + Sync + 'static) {
/// use std::time::Duration;
/// use rolecall_cache::{Refresh, SessionPool};
///
/// let pool = SessionPool::builder(source_of)
///     .capacity(50_000)
///     .idle(Duration::from_secs(900))
///     .refresh(Refresh::WhileUsed)
///     .build();
/// # }
/// ```
#[must_use]
pub struct SessionPoolBuilder<K> {
    factory: Factory<K>,
    clock: Clock,
    refresh: Refresh,
    observed: Observed,
    capacity: u64,
    idle: Duration,
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> SessionPoolBuilder<K> {
    /// The clock to count by.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Who keeps the sessions fresh.
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// Who is told of what happens to the sessions.
    pub fn observer(mut self, observer: std::sync::Arc<dyn Observer>) -> Self {
        self.observed = Observed::by(observer);
        self
    }

    /// How many slots are retained with no handle, about (room is made a little later), and at least one; 10,000 unless set.
    pub fn capacity(mut self, slots: u64) -> Self {
        self.capacity = slots.max(1);
        self
    }

    /// How long a slot is retained that nobody uses, to a quarter of this or a quarter of a minute; one hour unless set.
    /// One that [`Refresh::Always`] keeps fresh is let go, too.
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// The pool, empty.
    pub fn build(self) -> SessionPool<K> {
        let timer = Timer::new(self.clock);
        let next_sweep = timer.clock().now() + step(self.idle);
        let inner = Arc::new(Inner {
            factory: self.factory,
            registry: Registry::new(),
            retained: Retained::new(self.capacity),
            refresh: self.refresh,
            id: timer.id(),
            timer,
            observed: self.observed,
            idle: self.idle,
            next_sweep: Mutex::new(next_sweep),
        });
        let who: Weak<Inner<K>> = Arc::downgrade(&inner);
        inner.timer.arm(inner.id, Moment::MAX, next_sweep, who);
        SessionPool(inner)
    }
}

impl<K> fmt::Debug for SessionPoolBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionPoolBuilder")
            .field("capacity", &self.capacity)
            .field("idle", &self.idle)
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;

#[cfg(shuttle)]
#[cfg(test)]
mod model;

//! Cached sessions by key.

mod registry;
mod retained;
mod warm;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

use rolecall_core::{Clock, Moment, Observer, ProvideSession, Session, SessionError};

use self::registry::{Registry, locked};
use self::retained::Retained;
pub use self::warm::WarmReport;
use crate::cached::{CachedProvider, ProviderOrigin};
use crate::entry::{Entry, EntryReport, Shared};
use crate::observed::Observed;
use crate::refresh::Refresh;
use crate::status::{Problems, State, Status};
use crate::sync::{Arc, Mutex, Weak};
use crate::timer::{FetchPermit, Timed, Timer};

type PoolEntry = Entry<ProviderOrigin<dyn ProvideSession>, Session>;

/// Caches sessions by key, such as one role for each tenant.
///
/// There is at most one cache entry, and at most one running fetch, for each key, however many
/// [`CachedProvider`]s [`get`](Self::get) has returned. An entry exists while a provider of its key
/// exists, and while the pool retains it: up to [`capacity`](SessionPoolBuilder::capacity) entries,
/// each until it was unused for [`idle`](SessionPoolBuilder::idle). If the pool is full, the least
/// valuable entries are evicted, by how often and how recently they were used (moka's TinyLFU). A
/// provider keeps working when its entry is evicted.
///
/// Clones share the entries. One timer task refreshes all of them; it ends when the pool and its
/// providers are dropped.
///
/// # Runtime
///
/// Requires a Tokio runtime with time enabled, and with I/O enabled for STS: `enable_all`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rolecall_core::SessionError> {
/// use std::sync::Arc;
/// use aws_credential_types::Credentials;
/// use rolecall_cache::SessionPool;
/// use rolecall_core::SdkProvider;
///
/// let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let pool = SessionPool::new(move |tenant: &String| {
///     let keys = Credentials::new(id, secret, None, None, "static");
///     Arc::new(SdkProvider::new(keys).with_name(tenant))
/// });
/// let provider = pool.get(&"tenant-4711".to_owned());
/// provider.session().await?;
/// assert_eq!(pool.status().entries(), 1);
/// # Ok(())
/// # }
/// ```
pub struct SessionPool<K>(Arc<Inner<K>>);

impl<K> Clone for SessionPool<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

type Factory<K> = Box<dyn Fn(&K) -> Arc<dyn ProvideSession> + Send + Sync>;

struct Inner<K> {
    factory: Factory<K>,
    /// All entries that exist, retained or not.
    registry: Registry<K>,
    /// The entries that are kept without a provider of their key.
    retained: Retained<K>,
    shared: Arc<Shared>,
    id: u64,
    idle: Duration,
    next_sweep: Mutex<Moment>,
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> SessionPool<K> {
    /// Creates a pool with the default settings; see [`SessionPoolBuilder`].
    ///
    /// `create_provider` returns the provider of a key's sessions. It is called when a key has no
    /// entry, and must not block: the provider, not this function, makes network calls. It may call
    /// [`get`](Self::get) for another key. If several threads request a new key at the same time,
    /// each may call it, and one of the providers is kept.
    pub fn new(
        create_provider: impl Fn(&K) -> Arc<dyn ProvideSession> + Send + Sync + 'static,
    ) -> Self {
        Self::builder(create_provider).build()
    }

    /// Creates a builder of a pool. See [`new`](Self::new) for `create_provider`.
    pub fn builder(
        create_provider: impl Fn(&K) -> Arc<dyn ProvideSession> + Send + Sync + 'static,
    ) -> SessionPoolBuilder<K> {
        SessionPoolBuilder {
            factory: Box::new(create_provider),
            clock: Clock::system(),
            refresh: Refresh::default(),
            observed: Observed::default(),
            capacity: CAPACITY,
            idle: IDLE,
        }
    }

    /// Returns the cached provider for `key`, creating its entry if absent.
    ///
    /// Does not fetch a session: the first call of the provider does.
    pub fn get(&self, key: &K) -> CachedProvider {
        match self.0.retained.get(key) {
            Some(entry) if !entry.is_removed() => CachedProvider(entry),
            _ => CachedProvider(self.0.find_or_make(key)),
        }
    }

    /// Removes the entry of `key`, such as that of a tenant that was deleted.
    ///
    /// Existing providers of the key return [`Removed`](rolecall_core::ErrorKind::Removed), a
    /// running fetch is cancelled, and the next [`get`](Self::get) creates a new entry. Returns
    /// `true` if an entry was removed.
    pub fn remove(&self, key: &K) -> bool {
        let Some(entry) = self.0.registry.find(key) else { return false };
        // Closed first: a concurrent `get` that still finds it sees that it is removed, and creates
        // a new one.
        let was_there = entry.remove();
        self.0.registry.forget(key, &entry);
        self.0.retained.release(key.clone(), &entry);
        was_there
    }

    /// Removes the entries of all keys for which `predicate` returns `true`. Returns their number.
    ///
    /// Visits every key: do not call this for each request. A key that is added meanwhile may
    /// remain.
    pub fn remove_where(&self, predicate: impl Fn(&K) -> bool) -> usize {
        let mut all = Vec::new();
        self.0.registry.each(K::clone, |key, _| all.push(key));
        all.iter().filter(|key| predicate(key) && self.remove(key)).count()
    }

    /// Returns a summary of the status of all entries. Does not start a fetch.
    ///
    /// Visits every entry, which takes milliseconds for 10,000 entries.
    pub fn status(&self) -> PoolStatus {
        let mut status = PoolStatus::default();
        self.0.registry.each(|_| (), |(), entry| status.count(entry.report()));
        status
    }

    /// Returns the keys and the status of all entries, in no particular order.
    ///
    /// Copies every key: do not call this for each request.
    pub fn statuses(&self) -> Vec<(K, Status)> {
        let mut all = Vec::new();
        self.0.registry.each(K::clone, |key, entry| all.push((key, entry.status())));
        all
    }

    /// Returns the status of the entry of `key`, or `None` if there is no entry.
    pub fn status_of(&self, key: &K) -> Option<Status> {
        Some(self.0.registry.find(key)?.status())
    }

    /// Fetches the sessions of `keys` before they are requested, up to 64 at a time.
    ///
    /// Calls `progress` with the report so far each time a key is completed. A key whose fetch
    /// fails is in the report; it does not end the others.
    ///
    /// # Cancel safety
    ///
    /// If this future is cancelled, no further fetch starts, and those that are running continue.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn show(pool: rolecall_cache::SessionPool<u64>, tenants: Vec<u64>) {
    /// let report = pool.warm(tenants, |so_far| println!("{} are ready", so_far.ready)).await;
    /// for (tenant, error) in &report.failed {
    ///     println!("{tenant}: {error}");
    /// }
    /// # }
    /// ```
    pub async fn warm(
        &self,
        keys: impl IntoIterator<Item = K>,
        progress: impl FnMut(&WarmReport<K>),
    ) -> WarmReport<K> {
        warm::warm(self, keys.into_iter(), progress).await
    }
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Inner<K> {
    /// Finds or creates the entry of a key that is not retained.
    #[cold]
    fn find_or_make(&self, key: &K) -> Arc<PoolEntry> {
        let entry = match self.registry.find(key) {
            Some(entry) => entry,
            None => {
                // Called under no lock, since the factory may call `get` for another key. If
                // several callers create the entry at the same time, one of the entries is kept.
                let made =
                    Entry::new(ProviderOrigin::new((self.factory)(key)), Arc::clone(&self.shared));
                self.registry.keep(key, made, self.shared.timer.clock().now())
            }
        };
        self.retained.retain(key.clone(), &entry);
        self.report_evicted();
        entry
    }

    /// Reports the entries that were evicted because the pool is full.
    fn report_evicted(&self) {
        for entry in self.retained.take_evicted() {
            entry.report_evicted();
        }
    }

    /// Visits some shards of the registry: records the use of entries, which moka does not see when
    /// a provider serves calls by itself, and evicts those that are idle.
    fn sweep(&self, now: Moment, shards: usize) {
        self.registry.sweep(now, shards, |key, entry, unused_for| {
            if unused_for.is_zero() {
                if self.retained.get(key).is_none() {
                    self.retained.retain(key.clone(), entry);
                }
            } else if unused_for >= self.idle && self.retained.release(key.clone(), entry) {
                entry.report_evicted();
            }
        });
        self.retained.run_pending_evictions();
        self.report_evicted();
    }
}

/// Returns the time between two sweeps of one shard each.
fn sweep_interval(idle: Duration) -> Duration {
    (idle / SWEEPS_PER_IDLE_TIME).max(MIN_SWEEP_INTERVAL)
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Timed for Inner<K> {
    fn tick(self: Arc<Self>, _: Option<FetchPermit>) {
        let now = self.shared.timer.clock().now();
        let step = sweep_interval(self.idle);
        let mut next = locked(&self.next_sweep);
        // The timer stands still with its runtime: sweep the shards that were due meanwhile.
        let late = (now - *next).as_nanos() / step.as_nanos();
        let shards = usize::try_from(late).unwrap_or(usize::MAX).saturating_add(1);
        let (from, to) = (*next, now + step);
        *next = to;
        drop(next);
        let who: Weak<Self> = Arc::downgrade(&self);
        self.shared.timer.arm(self.id, from, to, who);
        self.sweep(now, shards);
    }
}

impl<K> Drop for Inner<K> {
    fn drop(&mut self) {
        let next = *locked(&self.next_sweep);
        self.shared.timer.disarm(self.id, next);
    }
}

impl<K> fmt::Debug for SessionPool<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionPool")
            .field("capacity", &self.0.retained.capacity())
            .field("idle", &self.0.idle)
            .field("refresh", &self.0.shared.refresh)
            .finish_non_exhaustive()
    }
}

/// A summary of the status of a pool's entries, for health pages.
///
/// # Serialization
///
/// `PoolStatus` implements serde's `Serialize`: an object with the fields of this
/// struct and `entries`, the number of entries. The keys of `by_state` are the [names](State::name)
/// of the states, and `last_error` is the [report](SessionError::report) of the error or `null`.
///
/// # Examples
///
/// ```
/// use rolecall_cache::PoolStatus;
/// let status = PoolStatus::default();
/// assert!(status.is_healthy() && status.entries() == 0);
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct PoolStatus {
    /// The number of entries in each state.
    pub by_state: BTreeMap<State, usize>,
    /// The number of entries that [are ready](Status::is_ready): they have a valid session and are
    /// not failing.
    pub ready: usize,
    /// The number of entries that are failing: they have no session because their last fetch
    /// failed, or one that a service rejected because fetching another one failed.
    pub failing: usize,
    /// The number of entries with [refused responses](Status::refused_responses): their provider
    /// returned a session that is of no use. They are also counted in `ready` or `failing`.
    pub refused: usize,
    /// The error of one of the entries, if any has one.
    pub last_error: Option<SessionError>,
}

impl PoolStatus {
    fn count(&mut self, report: EntryReport) {
        // A concurrent `remove` has closed this entry. It is not healthy, but the pool no longer
        // has it, and is not unhealthy because a tenant was deleted.
        if report.state == State::Removed {
            return;
        }
        *self.by_state.entry(report.state).or_default() += 1;
        let last_error = report.last_error.as_ref();
        let problems = Problems::of(report.state, report.refused_responses, last_error);
        match problems.failing {
            true => self.failing += 1,
            false => self.ready += usize::from(report.state.has_session()),
        }
        self.refused += usize::from(problems.refused);
        if self.last_error.is_none() {
            self.last_error = report.last_error;
        }
    }

    /// Returns the number of entries.
    pub fn entries(&self) -> usize {
        self.by_state.values().sum()
    }

    /// Returns `true` if no entry is failing and no entry has refused responses: the
    /// [status](Status::is_healthy) of every entry is healthy.
    ///
    /// A single tenant whose role was deleted makes this `false`. It suits a page that people read;
    /// for a readiness probe, use [`is_ready`](Self::is_ready).
    pub fn is_healthy(&self) -> bool {
        !Problems { failing: self.failing > 0, refused: self.refused > 0 }.any()
    }

    /// Returns `true` if no entry is failing, or at least one is ready: some keys are served.
    ///
    /// An empty pool is ready. A readiness probe also checks the status of the provider of the base
    /// credentials, without which every new key fails.
    pub fn is_ready(&self) -> bool {
        self.failing == 0 || self.ready > 0
    }
}

/// Default number of entries that are retained.
const CAPACITY: u64 = 10_000;
/// Default time after which an unused entry is evicted.
const IDLE: Duration = Duration::from_secs(3600);
/// Number of sweeps in the idle time of an entry: each entry is visited four times in it.
const SWEEPS_PER_IDLE_TIME: u32 = 4 * registry::SHARDS as u32;
/// Shortest time between two sweeps. The timer's main work is the refreshes.
const MIN_SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Builds a [`SessionPool`].
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use rolecall_core::ProvideSession;
/// # fn show(create_provider: impl Fn(&u64) -> Arc<dyn ProvideSession> + Send + Sync + 'static) {
/// use std::time::Duration;
/// use rolecall_cache::{Refresh, SessionPool};
///
/// let pool = SessionPool::builder(create_provider)
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
    /// Sets the clock. Defaults to the system clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets when sessions are refreshed. Defaults to [`Refresh::WhileUsed`].
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }

    /// Sets the observer that receives session events. Defaults to none.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observed = Observed::by(observer);
        self
    }

    /// Sets the number of entries that are retained while no provider of their key exists. Defaults
    /// to 10,000; the minimum is 1.
    ///
    /// The number is approximate: eviction happens shortly after it is exceeded.
    pub fn capacity(mut self, entries: u64) -> Self {
        self.capacity = entries.max(1);
        self
    }

    /// Sets the time after which an unused entry is evicted. Defaults to one hour.
    ///
    /// An entry is evicted up to a quarter of this time later, or 16 seconds for short times.
    /// Unused entries are evicted with [`Refresh::Always`], too.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Builds the pool, without entries.
    pub fn build(self) -> SessionPool<K> {
        let timer = Timer::new(self.clock);
        let next_sweep = timer.clock().now() + sweep_interval(self.idle);
        let inner = Arc::new(Inner {
            factory: self.factory,
            registry: Registry::new(),
            retained: Retained::new(self.capacity),
            id: timer.next_id(),
            shared: Shared::new(timer, self.refresh, self.observed),
            idle: self.idle,
            next_sweep: Mutex::new(next_sweep),
        });
        let who: Weak<Inner<K>> = Arc::downgrade(&inner);
        inner.shared.timer.arm(inner.id, Moment::MAX, next_sweep, who);
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

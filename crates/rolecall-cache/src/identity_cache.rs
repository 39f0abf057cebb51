//! The SDK's identity cache, with slots in it.

use std::fmt;
use std::sync::{Arc as StdArc, OnceLock};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityCachePartition, IdentityFuture, ResolveCachedIdentity, ResolveIdentity,
    SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use rolecall_core::{Clock, FetchContext, FetchError, Observer, Session};

use crate::observed::Observed;
use crate::shell::{Item, Origin, Refresh, Setup, Shared};
use crate::slot::Ask;
use crate::status::Status;
use crate::sync::{Arc, ArcSwapOption, AtomicU64, Mutex, Ordering, PoisonError};
use crate::timer::Timer;

/// An identity cache for the SDK, in place of its own: for the credentials of everybody else's providers, the SDK's
/// default chain above all. [`Cached`](crate::Cached) needs none.
///
/// Each of the SDK's cache partitions (one for each credentials provider) has a slot: refreshes run ahead of the end, in
/// tasks of their own, set off by calls; a caller that gives up ends no load, and a failed one is shared and remembered
/// for a moment. What is not [`Credentials`] (bearer tokens, operations without authentication) passes through.
///
/// A provider that knows its own cache, as the `config_override` of one call does, does not come here.
///
/// ```
/// use aws_smithy_runtime_api::client::identity::SharedIdentityCache;
/// let cache = rolecall_cache::identity_cache();
/// // aws_config::defaults(..).identity_cache(cache.clone()).load().await, or a service's Config::builder()
/// let shared = SharedIdentityCache::new(cache);
/// ```
#[derive(Clone)]
pub struct IdentityCache(StdArc<Partitions>);

/// An [`IdentityCache`] of up to 1,000 partitions.
///
/// ```no_run
/// # use aws_smithy_runtime_api::client::identity::ResolveCachedIdentity;
/// # trait Loader { fn identity_cache(self, cache: impl ResolveCachedIdentity + 'static) -> Self; }
/// # fn show(loader: impl Loader) {
/// // let loader = aws_config::defaults(BehaviorVersion::latest());
/// let loader = loader.identity_cache(rolecall_cache::identity_cache());
/// # }
/// ```
pub fn identity_cache() -> IdentityCache {
    IdentityCache::builder().build()
}

type Slot = Shared<Resolver, Resolved>;

/// By partition, in order.
#[derive(Clone, Default)]
struct Slots(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    partition: IdentityCachePartition,
    slot: Arc<Slot>,
    /// How many looks for one to make room have found it unused since it was used.
    unused_for: u32,
}

struct Partitions {
    /// The one that came first, mostly the only one: found with no look at the list, and never evicted.
    first: OnceLock<Entry>,
    /// All others. A new list for each change: calls read it with no lock.
    others: ArcSwapOption<Slots>,
    changes: Mutex<()>,
    capacity: usize,
    limit: Duration,
    timer: Arc<Timer>,
    observed: Observed,
    /// How many slots there have been.
    made: AtomicU64,
}

/// Whoever resolves a partition's identity. Callers bring it: a slot that held it would hold the client, and with it
/// this cache.
struct Resolver {
    limit: Duration,
    label: String,
}

/// What a resolver gave.
#[derive(Clone)]
enum Resolved {
    Credentials {
        identity: Identity,
        session: Session,
    },
    /// Nothing that this cache knows.
    Other,
}

impl Resolved {
    fn of(identity: Identity) -> Self {
        let Some(credentials) = identity.data::<Credentials>() else { return Self::Other };
        let mut credentials = credentials.clone();
        if let Some(end) = identity.expiration() {
            *credentials.expiry_mut() = Some(end);
        }
        let session = Session::builder(credentials).base(LABEL).build();
        Self::Credentials { identity, session }
    }

    #[inline]
    fn identity(&self) -> Option<Identity> {
        match self {
            Self::Credentials { identity, .. } => Some(identity.clone()),
            Self::Other => None,
        }
    }
}

impl Item for Resolved {
    fn session(&self) -> Option<&Session> {
        match self {
            Self::Credentials { session, .. } => Some(session),
            Self::Other => None,
        }
    }
}

const LABEL: &str = "the SDK's credentials provider";

impl Origin for Resolver {
    type Item = Resolved;
    type With = (SharedIdentityResolver, RuntimeComponents);

    async fn fetch(
        &self,
        _: FetchContext,
        (resolver, components): Self::With,
    ) -> Result<Resolved, FetchError> {
        // The call's own configuration ends with the call.
        let configuration = ConfigBag::base();
        match resolver.resolve_identity(&components, &configuration).await {
            Ok(identity) => Ok(Resolved::of(identity)),
            Err(error) => Err(FetchError::of_provider(&*error)),
        }
    }

    fn unattended(&self) -> Option<Self::With> {
        None
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    fn label(&self) -> &str {
        &self.label
    }
}

impl IdentityCache {
    /// A cache with another capacity, clock, or time limit.
    pub fn builder() -> IdentityCacheBuilder {
        IdentityCacheBuilder {
            clock: Clock::system(),
            capacity: CAPACITY,
            limit: LIMIT,
            observed: Observed::default(),
        }
    }

    /// A service refused these credentials: the next call of their provider's clients waits for others, within the limits
    /// of [`reject`](rolecall_core::SessionSource::reject).
    pub fn invalidate(&self, credentials: &Credentials) {
        self.invalidate_key(credentials.access_key_id());
    }

    /// Whether the next call gets another, or waits for another.
    pub(crate) fn invalidate_key(&self, access_key_id: &str) -> bool {
        let mut replaced = false;
        for Entry { slot, .. } in self.slots() {
            slot.reject(access_key_id);
            replaced |= slot.replaces(access_key_id);
        }
        replaced
    }

    /// How each partition's credentials stand, for a health page. It is a look: nothing is fetched. They are numbered in the
    /// order in which they came.
    pub fn statuses(&self) -> Vec<Status> {
        self.slots().map(|entry| entry.slot.status()).collect()
    }

    fn slots(&self) -> impl Iterator<Item = Entry> {
        let others = self.0.others.load().as_ref().map_or_else(Arc::default, Arc::clone);
        self.0.first.get().cloned().into_iter().chain(others.0.clone())
    }
}

impl Partitions {
    /// What is asked of the slot of a partition, if there is one.
    #[inline]
    fn find<T>(
        &self,
        partition: IdentityCachePartition,
        of: impl FnOnce(&Arc<Slot>) -> T,
    ) -> Option<T> {
        let others;
        let slot = match self.first.get() {
            Some(first) if first.partition == partition => &first.slot,
            _ => {
                others = self.others.load();
                others.as_ref()?.find(partition)?
            }
        };
        Some(of(slot))
    }

    fn slot(&self, partition: IdentityCachePartition) -> Arc<Slot> {
        if let Some(slot) = self.find(partition, Arc::clone) {
            return slot;
        }
        let change = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        self.first.get_or_init(|| Entry::new(partition, self));
        if let Some(slot) = self.find(partition, Arc::clone) {
            return slot;
        }
        let mut others = self.others.load().as_deref().map_or_else(Slots::default, Slots::clone);
        let evicted = match others.0.len() + 1 >= self.capacity {
            true => others.take_least_valuable(),
            false => None,
        };
        let entry = Entry::new(partition, self);
        let slot = Arc::clone(&entry.slot);
        others.insert(entry);
        self.others.store(Some(Arc::new(others)));
        drop(change);
        if let Some(evicted) = evicted {
            evicted.slot.evicted();
        }
        slot
    }
}

impl Entry {
    fn new(partition: IdentityCachePartition, of: &Partitions) -> Self {
        let setup = Setup {
            refresh: Refresh::WhileUsed,
            timer: Arc::clone(&of.timer),
            observed: of.observed.clone(),
        };
        // In the order in which they came: a provider has no name that is known to show no secret.
        let label = match of.made.fetch_add(1, Ordering::Relaxed) {
            0 => LABEL.to_owned(),
            before => format!("{LABEL} {}", before + 1),
        };
        let slot = Shared::new(Resolver { limit: of.limit, label }, setup);
        Self { partition, slot, unused_for: 0 }
    }
}

impl Slots {
    #[inline]
    fn find(&self, partition: IdentityCachePartition) -> Option<&Arc<Slot>> {
        let index = self.0.binary_search_by_key(&partition, |entry| entry.partition).ok()?;
        Some(&self.0[index].slot)
    }

    fn insert(&mut self, entry: Entry) {
        let index = self.0.partition_point(|other| other.partition < entry.partition);
        self.0.insert(index, entry);
    }

    /// The one that was unused for longest, and of several the oldest. If all were used since the last look, the newest:
    /// providers that come with every call must not push out those of the process.
    fn take_least_valuable(&mut self) -> Option<Entry> {
        for entry in &mut self.0 {
            entry.unused_for = match entry.slot.was_touched() || entry.slot.is_loading() {
                true => 0,
                false => entry.unused_for.saturating_add(1),
            };
        }
        let longest = self.0.iter().map(|entry| entry.unused_for).max()?;
        let index = match longest {
            0 => self.0.iter().rposition(|entry| !entry.slot.is_loading()),
            _ => self.0.iter().position(|entry| entry.unused_for == longest),
        };
        Some(self.0.remove(index.unwrap_or(self.0.len() - 1)))
    }
}

impl ResolveCachedIdentity for IdentityCache {
    #[inline]
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        configuration: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        // The answer is made where the identity is cloned, so that it is moved once.
        let ready = |resolved: &Resolved| Some(IdentityFuture::ready(Ok(resolved.identity()?)));
        match self.0.find(resolver.cache_partition(), |slot| slot.hit(ready)) {
            Some(Some(Some(ready))) => ready,
            // Known to be nothing that is held here.
            Some(Some(None)) => self.pass_through(resolver, components, configuration),
            Some(None) | None => self.load(resolver, components, configuration),
        }
    }
}

impl IdentityCache {
    #[cold]
    fn load<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        configuration: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            let slot = self.0.slot(resolver.cache_partition());
            let with = || (resolver.clone(), components.clone());
            let resolved = slot.obtain(Ask::Session, FetchContext::caller(), with).await;
            match resolved.map_err(CredentialsError::from)?.identity() {
                Some(identity) => Ok(identity),
                None => resolver.resolve_identity(components, configuration).await,
            }
        })
    }

    #[cold]
    fn pass_through<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        configuration: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(
            async move { resolver.resolve_identity(components, configuration).await },
        )
    }
}

impl fmt::Debug for IdentityCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityCache")
            .field("partitions", &self.slots().count())
            .field("capacity", &self.0.capacity)
            .finish_non_exhaustive()
    }
}

/// How many partitions there are unless it is said.
const CAPACITY: usize = 1000;
/// How long a provider has unless it is said: the SDK's own cache gives one about 22 s, and its default chain may ask
/// several places.
const LIMIT: Duration = Duration::from_secs(30);

/// Sets up an [`IdentityCache`].
///
/// ```
/// use std::time::Duration;
/// use rolecall_cache::IdentityCache;
/// let cache = IdentityCache::builder().capacity(64).limit(Duration::from_secs(10)).build();
/// ```
#[derive(Debug)]
#[must_use]
pub struct IdentityCacheBuilder {
    clock: Clock,
    capacity: usize,
    limit: Duration,
    observed: Observed,
}

impl IdentityCacheBuilder {
    /// The clock to count by. It must be that of the clients' time source.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many partitions there are at most, at least 2; 1,000 unless set. Each credentials provider that a client is
    /// given has one, and nothing tells when the client is dropped: the least used one makes room, but for the first of all.
    pub fn capacity(mut self, partitions: usize) -> Self {
        self.capacity = partitions.max(2);
        self
    }

    /// How long a provider has to give credentials; 30 s unless set.
    pub fn limit(mut self, time: Duration) -> Self {
        self.limit = time;
        self
    }

    /// Who is told of what happens to the credentials.
    pub fn observer(mut self, observer: StdArc<dyn Observer>) -> Self {
        self.observed = Observed::by(observer);
        self
    }

    /// The cache, empty.
    pub fn build(self) -> IdentityCache {
        IdentityCache(StdArc::new(Partitions {
            first: OnceLock::new(),
            others: ArcSwapOption::empty(),
            changes: Mutex::new(()),
            capacity: self.capacity,
            limit: self.limit,
            timer: Timer::new(self.clock),
            observed: self.observed,
            made: AtomicU64::new(0),
        }))
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;

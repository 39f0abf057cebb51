//! The plug-in that replaces the SDK's identity cache.

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
use rolecall_core::{Clock, FetchContext, Observer, Session, SessionError};

use crate::observed::Observed;
use crate::refresh::Refresh;
use crate::shell::{Item, Origin, Setup, Shared};
use crate::slot::Ask;
use crate::status::Status;
use crate::sync::{Arc, ArcSwapOption, AtomicU64, Mutex, Ordering, PoisonError};
use crate::timer::Timer;

/// Caches the credentials of any SDK credentials provider, in place of the SDK's identity cache.
///
/// Use it with providers that are not rolecall's, such as the SDK's default chain. A
/// [`CachedProvider`](crate::CachedProvider) caches by itself and needs no identity cache.
///
/// Each cache partition of the SDK, one for each credentials provider, has a cache entry of its
/// own. Credentials are refreshed in the background before they expire, by a call within the
/// refresh window; there is no timer. A caller that is cancelled does not cancel a fetch, and
/// concurrent callers share one fetch and its error. Identities that are not [`Credentials`], such
/// as bearer tokens, are not cached.
///
/// A `config_override` with a credentials provider bypasses the client's identity cache: the SDK
/// gives that call a cache of its own.
///
/// Clones share the entries.
///
/// # Runtime
///
/// Requires a Tokio runtime with time enabled.
///
/// # Examples
///
/// ```
/// use aws_smithy_runtime_api::client::identity::SharedIdentityCache;
/// let cache = rolecall_cache::identity_cache();
/// // aws_config::defaults(..).identity_cache(cache.clone()).load().await, or the same of a
/// // service's config::Builder
/// let shared = SharedIdentityCache::new(cache);
/// ```
#[derive(Clone)]
pub struct IdentityCache(StdArc<Partitions>);

/// Creates an [`IdentityCache`] with the default capacity of 1,000 partitions.
///
/// # Examples
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

/// Entries, sorted by partition.
#[derive(Clone, Default)]
struct Slots(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    partition: IdentityCachePartition,
    slot: Arc<Slot>,
    /// Number of evictions since its last use.
    unused_for: u32,
}

struct Partitions {
    /// The entry that was created first, usually the only one. Found without a search, and never
    /// evicted.
    first: OnceLock<Entry>,
    /// All other entries. Each change stores a new list, so that calls read it without a lock.
    others: ArcSwapOption<Slots>,
    changes: Mutex<()>,
    capacity: usize,
    limit: Duration,
    timer: Arc<Timer>,
    observed: Observed,
    /// Number of entries created so far, for their names.
    made: AtomicU64,
}

/// Resolves a partition's identity.
///
/// Callers bring the SDK's resolver and components for each fetch. An entry that kept them would
/// keep the client alive, and the client keeps this cache alive.
struct Resolver {
    limit: Duration,
    label: String,
}

/// The result of a resolver.
#[derive(Clone)]
enum Resolved {
    Credentials {
        identity: Identity,
        session: Session,
    },
    /// An identity that is not credentials, and is not cached.
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
    ) -> Result<Resolved, SessionError> {
        // The configuration of the call is borrowed, and the fetch may outlive the call.
        let configuration = ConfigBag::base();
        match resolver.resolve_identity(&components, &configuration).await {
            Ok(identity) => Ok(Resolved::of(identity)),
            Err(error) => Err(SessionError::from_provider_error(&*error)),
        }
    }

    fn unattended(&self) -> Option<Self::With> {
        None
    }

    fn timeout(&self) -> Duration {
        self.limit
    }

    fn name(&self) -> &str {
        &self.label
    }
}

impl IdentityCache {
    /// Creates a builder of an identity cache.
    pub fn builder() -> IdentityCacheBuilder {
        IdentityCacheBuilder {
            clock: Clock::system(),
            capacity: CAPACITY,
            limit: TIMEOUT,
            observed: Observed::default(),
        }
    }

    /// Invalidates `credentials`: a service rejected them.
    ///
    /// The next call of a client with the same provider waits for other credentials. Does nothing
    /// if these are not the cached ones. At most one fetch in 10 seconds starts because of
    /// invalidations, and fewer, down to one in 5 minutes, while they continue.
    pub fn invalidate_credentials(&self, credentials: &Credentials) {
        self.invalidate_key(credentials.access_key_id());
    }

    /// Invalidates the credentials with this access key id. Returns `true` if the next call
    /// receives others, or waits for others.
    pub(crate) fn invalidate_key(&self, access_key_id: &str) -> bool {
        let mut replaced = false;
        for Entry { slot, .. } in self.slots() {
            slot.invalidate(access_key_id);
            replaced |= slot.replaces(access_key_id);
        }
        replaced
    }

    /// Returns the status of each partition's entry. Does not start a fetch.
    ///
    /// Entries are numbered in the order of their creation.
    pub fn statuses(&self) -> Vec<Status> {
        self.slots().map(|entry| entry.slot.status()).collect()
    }

    fn slots(&self) -> impl Iterator<Item = Entry> {
        let others = self.0.others.load().as_ref().map_or_else(Arc::default, Arc::clone);
        self.0.first.get().cloned().into_iter().chain(others.0.clone())
    }
}

impl Partitions {
    /// Applies `of` to the entry of a partition, if there is one.
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
        // An SDK provider has no name that is known to be free of secrets: entries are numbered.
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

    /// Removes the entry that was unused for longest.
    ///
    /// If all were used since the last eviction, removes the newest one: providers that are created
    /// for each call must not evict those that live as long as the process.
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
        // The future is created where the identity is cloned, so that the identity moves once.
        let ready = |resolved: &Resolved| Some(IdentityFuture::ready(Ok(resolved.identity()?)));
        match self.0.find(resolver.cache_partition(), |slot| slot.hit(ready)) {
            Some(Some(Some(ready))) => ready,
            // The partition is known to resolve to something other than credentials.
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
            let resolved = slot.obtain(Ask::Session, FetchContext::foreground(), with).await;
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

/// Default number of partitions.
const CAPACITY: usize = 1000;
/// Default timeout of a provider. The SDK's own cache allows about 22 s; its default chain may try
/// several providers.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Builds an [`IdentityCache`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use rolecall_cache::IdentityCache;
/// let cache = IdentityCache::builder().capacity(64).timeout(Duration::from_secs(10)).build();
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
    /// Sets the clock. Defaults to the system clock.
    ///
    /// It must agree with the time source of the clients, which sign by it.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the maximum number of partitions. Defaults to 1,000; the minimum is 2.
    ///
    /// Each credentials provider that a client is given has a partition, which remains when the
    /// client is dropped. If the cache is full, the partition that was unused for longest is
    /// evicted, or the newest one if all are in use. The first partition is never evicted.
    pub fn capacity(mut self, partitions: usize) -> Self {
        self.capacity = partitions.max(2);
        self
    }

    /// Sets the timeout of one call of a provider. Defaults to 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limit = timeout;
        self
    }

    /// Sets the observer that receives session events. Defaults to none.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observed = Observed::by(observer);
        self
    }

    /// Builds the cache, without entries.
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

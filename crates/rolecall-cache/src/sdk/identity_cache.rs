//! The plug-in that replaces the SDK's identity cache.

mod copied_error;
mod other;
mod resolver;

use std::fmt;
use std::sync::{Arc as StdArc, OnceLock};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::identity::{
    IdentityCachePartition, IdentityFuture, ResolveCachedIdentity, ResolveIdentity,
    SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use rolecall_core::{Clock, FetchContext, InvalidSession, Observer};

use self::other::OtherIdentity;
use self::resolver::{Resolved, Resolver, resolves_credentials};
use crate::entry::{Entry, Request, Shared};
use crate::observed::Observed;
use crate::refresh::Refresh;
use crate::session_use::{InvalidSessionAnswer, ReportSessionUse, sealed};
use crate::status::Status;
use crate::sync::{Arc, ArcSwapOption, AtomicU64, Mutex, Ordering, PoisonError};
use crate::timer::Timer;

/// Caches the credentials of any SDK credentials provider, in place of the SDK's identity cache.
///
/// Use it with providers that are not rolecall's, such as the SDK's default chain. A
/// [`CachedProvider`](crate::CachedProvider) has a cache of its own and needs no identity cache.
///
/// Each cache partition of the SDK, one for each credentials provider, has a cache entry of its
/// own. Credentials are refreshed in the background before they expire, by a call within the
/// refresh window; there is no timer. A caller that is cancelled does not cancel a fetch, and
/// concurrent callers share one fetch and its error.
///
/// Other identities that have an expiration, such as bearer tokens, are cached until 10 seconds
/// before they expire, and the next call resolves another one. Identities without an expiration are
/// resolved by each call. Both are resolved with the configuration of the call, and their errors
/// are returned unchanged. Callers that waited for another call's attempt receive a copy of its
/// error: a `TokenError` or a `SessionError` is copied with its type, and other errors as text. An
/// error is not remembered.
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
/// // service's config::Builder. With tokens of your own, add .token_provider(..) there.
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

type CredentialsEntry = Entry<Resolver, Resolved>;

/// Partitions, sorted.
#[derive(Clone, Default)]
struct Sorted(Vec<Partition>);

#[derive(Clone)]
struct Partition {
    id: IdentityCachePartition,
    identity: CachedIdentity,
    /// Number of evictions since its last use.
    unused_for: u32,
}

/// What is cached for a partition.
#[derive(Clone)]
enum CachedIdentity {
    Credentials(Arc<CredentialsEntry>),
    Other(Arc<OtherIdentity>),
}

struct Partitions {
    /// The partition that was created first, usually the only one. Found without a search, and
    /// never evicted.
    first: OnceLock<Partition>,
    /// All other partitions. Each change stores a new list, so that calls read it without a lock.
    others: ArcSwapOption<Sorted>,
    changes: Mutex<()>,
    capacity: usize,
    timeout: Duration,
    shared: Arc<Shared>,
    /// Number of entries created so far, for their names.
    created: AtomicU64,
}

impl IdentityCache {
    /// Creates a builder of an identity cache.
    pub fn builder() -> IdentityCacheBuilder {
        IdentityCacheBuilder {
            clock: Clock::system(),
            capacity: CAPACITY,
            timeout: TIMEOUT,
            observed: Observed::default(),
        }
    }

    /// Invalidates `credentials`: they were revoked, or a service reported that they have expired.
    ///
    /// The next call of a client with the same provider waits for other credentials. Does nothing
    /// if these are not the cached ones. Invalidations bring at most one set of credentials in 10
    /// seconds, and fewer, down to one in 5 minutes, while they continue.
    pub fn invalidate_credentials(&self, credentials: &Credentials) {
        self.report_invalid(credentials.access_key_id(), InvalidSession::Expired);
    }

    /// Invalidates the credentials with this access key id. Returns what the rejected request does.
    pub(crate) fn report_invalid(
        &self,
        access_key_id: &str,
        reason: InvalidSession,
    ) -> InvalidSessionAnswer {
        let mut answer = InvalidSessionAnswer::Unchanged;
        for entry in self.entries() {
            // Two partitions may hold the same keys. One that can replace them is enough.
            answer = answer.or(entry.invalidate(access_key_id, reason).1);
        }
        answer
    }

    /// Returns the number of the newest suspicion, or zero if none of the credentials are
    /// suspected.
    ///
    /// A request does not know its partition. The newest number says for each of them which
    /// suspicions are older than the request, whatever their order.
    pub(crate) fn suspicion(&self) -> u64 {
        // One load if there never was a suspicion. Read before the partitions: a suspicion that
        // arises in between is not answered by this request.
        let newest = self.0.shared.newest_suspicion();
        match newest > 0 && self.is_suspicious() {
            true => newest,
            false => 0,
        }
    }

    fn is_suspicious(&self) -> bool {
        let is_suspected =
            |of: &Partition| of.credentials().is_some_and(|entry| entry.suspicion() > 0);
        let others = self.0.others.load();
        let others = others.as_ref().map_or(&[][..], |others| &others.0);
        self.0.first.get().is_some_and(is_suspected) || others.iter().any(is_suspected)
    }

    pub(crate) fn report_accepted(&self, access_key_id: &str, suspicion: u64) {
        if suspicion > 0 {
            self.entries().for_each(|entry| entry.accept(access_key_id, suspicion));
        }
    }

    /// Returns the status of each partition's credentials. Does not start a fetch.
    ///
    /// Entries are numbered in the order of their creation.
    pub fn statuses(&self) -> Vec<Status> {
        self.entries().map(|entry| entry.status()).collect()
    }

    fn entries(&self) -> impl Iterator<Item = Arc<CredentialsEntry>> {
        let entry = |partition: &Partition| partition.credentials().cloned();
        let others = self.0.others.load();
        let others = others.as_ref().map_or(&[][..], |others| &others.0);
        let entries: Vec<_> =
            self.0.first.get().into_iter().chain(others).filter_map(entry).collect();
        entries.into_iter()
    }
}

impl Partitions {
    /// Applies `read` to what is cached for a partition, if there is anything.
    #[inline]
    fn find<T>(
        &self,
        id: IdentityCachePartition,
        read: impl FnOnce(&CachedIdentity) -> T,
    ) -> Option<T> {
        let others;
        let identity = match self.first.get() {
            Some(first) if first.id == id => &first.identity,
            _ => {
                others = self.others.load();
                others.as_ref()?.find(id)?
            }
        };
        Some(read(identity))
    }

    fn find_or_create(
        &self,
        id: IdentityCachePartition,
        components: &RuntimeComponents,
    ) -> CachedIdentity {
        if let Some(identity) = self.find(id, CachedIdentity::clone) {
            return identity;
        }
        let change = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        self.first.get_or_init(|| Partition::new(id, components, self));
        if let Some(identity) = self.find(id, CachedIdentity::clone) {
            return identity;
        }
        let mut others = self.others.load().as_deref().map_or_else(Sorted::default, Sorted::clone);
        let evicted = match others.0.len() + 1 >= self.capacity {
            true => others.take_least_valuable(),
            false => None,
        };
        let partition = Partition::new(id, components, self);
        let identity = partition.identity.clone();
        others.insert(partition);
        self.others.store(Some(Arc::new(others)));
        drop(change);
        if let Some(CachedIdentity::Credentials(entry)) = evicted.map(|evicted| evicted.identity) {
            entry.report_evicted();
        }
        identity
    }
}

impl Partition {
    fn new(id: IdentityCachePartition, components: &RuntimeComponents, of: &Partitions) -> Self {
        let identity = match resolves_credentials(id, components) {
            true => {
                let number = of.created.fetch_add(1, Ordering::Relaxed) + 1;
                let resolver = Resolver::new(number, of.timeout);
                CachedIdentity::Credentials(Entry::new(resolver, Arc::clone(&of.shared)))
            }
            false => CachedIdentity::Other(Arc::new(OtherIdentity::new(of.timeout))),
        };
        Self { id, identity, unused_for: 0 }
    }

    fn credentials(&self) -> Option<&Arc<CredentialsEntry>> {
        match &self.identity {
            CachedIdentity::Credentials(entry) => Some(entry),
            CachedIdentity::Other(_) => None,
        }
    }

    fn take_touched(&self) -> bool {
        match &self.identity {
            CachedIdentity::Credentials(entry) => entry.take_touched() || entry.is_loading(),
            CachedIdentity::Other(identity) => identity.take_touched(),
        }
    }

    fn is_loading(&self) -> bool {
        self.credentials().is_some_and(|entry| entry.is_loading())
    }
}

impl Sorted {
    #[inline]
    fn find(&self, id: IdentityCachePartition) -> Option<&CachedIdentity> {
        let index = self.0.binary_search_by_key(&id, |partition| partition.id).ok()?;
        Some(&self.0[index].identity)
    }

    fn insert(&mut self, partition: Partition) {
        let index = self.0.partition_point(|other| other.id < partition.id);
        self.0.insert(index, partition);
    }

    /// Removes the partition that was unused for longest.
    ///
    /// If all were used since the last eviction, removes the newest one: providers that are created
    /// for each call must not evict those that live as long as the process.
    fn take_least_valuable(&mut self) -> Option<Partition> {
        for partition in &mut self.0 {
            partition.unused_for = match partition.take_touched() {
                true => 0,
                false => partition.unused_for.saturating_add(1),
            };
        }
        let longest = self.0.iter().map(|partition| partition.unused_for).max()?;
        let index = match longest {
            0 => self.0.iter().rposition(|partition| !partition.is_loading()),
            _ => self.0.iter().position(|partition| partition.unused_for == longest),
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
        let hit = self.0.find(resolver.cache_partition(), |identity| match identity {
            // The future is created where the identity is cloned, so that the identity moves once.
            CachedIdentity::Credentials(entry) => {
                entry.hit(|resolved| IdentityFuture::ready(Ok(resolved.identity.clone())))
            }
            CachedIdentity::Other(other) => {
                other.hit(self.clock(), |identity| IdentityFuture::ready(Ok(identity.clone())))
            }
        });
        match hit {
            Some(Some(ready)) => ready,
            Some(None) | None => self.resolve(resolver, components, configuration),
        }
    }
}

impl IdentityCache {
    fn clock(&self) -> &Clock {
        self.0.shared.timer.clock()
    }

    #[cold]
    fn resolve<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        configuration: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            match self.0.find_or_create(resolver.cache_partition(), components) {
                CachedIdentity::Credentials(entry) => {
                    let input = || (resolver.clone(), components.clone());
                    let context = FetchContext::foreground();
                    let resolved = entry.obtain(Request::Session, context, input).await;
                    Ok(resolved.map_err(CredentialsError::from)?.identity)
                }
                CachedIdentity::Other(identity) => {
                    let resolve = || resolver.resolve_identity(components, configuration);
                    identity.obtain(self.clock(), resolve).await
                }
            }
        })
    }
}

impl fmt::Debug for IdentityCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityCache")
            .field("partitions", &self.entries().count())
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
    timeout: Duration,
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
        self.timeout = timeout;
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
            timeout: self.timeout,
            shared: Shared::new(Timer::new(self.clock), Refresh::WhileUsed, self.observed),
            created: AtomicU64::new(0),
        }))
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests;

impl sealed::Sealed for IdentityCache {}

impl ReportSessionUse for IdentityCache {
    fn report_invalid(&self, access_key_id: &str, reason: InvalidSession) -> InvalidSessionAnswer {
        IdentityCache::report_invalid(self, access_key_id, reason)
    }

    fn suspicion(&self) -> u64 {
        IdentityCache::suspicion(self)
    }

    fn report_accepted(&self, access_key_id: &str, suspicion: u64) {
        IdentityCache::report_accepted(self, access_key_id, suspicion);
    }
}

#[cfg(shuttle)]
#[cfg(test)]
mod model;

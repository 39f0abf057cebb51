//! The provider of a cache entry, which reports its fetches to the monitor.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use rolecall::provider::{AssumeRoleProvider, FetchContext, FetchMode, InvalidSession};
use rolecall::time::Moment;
use rolecall::{ProvideSession, Session, SessionError};

use super::{InvariantMonitor, Violation};

/// The provider of one cache entry of a tenant, whose fetches are monitored.
///
/// The pool creates one for each entry, so that its creation marks the beginning of a new entry.
pub(in crate::soak) struct MonitoredProvider {
    inner: AssumeRoleProvider,
    tenant: usize,
    entry: u64,
    label: String,
    monitor: Arc<InvariantMonitor>,
}

impl MonitoredProvider {
    pub(in crate::soak) fn new(
        inner: AssumeRoleProvider,
        tenant: usize,
        monitor: &Arc<InvariantMonitor>,
    ) -> Self {
        let entry = 1 + monitor.entries.fetch_add(1, Ordering::Relaxed);
        {
            let mut state = monitor.tenant(tenant);
            (state.entry, state.cached) = (entry, None);
        }
        let label = format!("tenant {tenant}, entry {entry}");
        Self { inner, tenant, entry, label, monitor: Arc::clone(monitor) }
    }
}

impl fmt::Debug for MonitoredProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

#[async_trait]
impl ProvideSession for MonitoredProvider {
    async fn provide_session(&self, cx: FetchContext) -> Result<Session, SessionError> {
        let _running = RunningFetch::begin(self, cx.mode());
        self.inner.provide_session(cx).await
    }

    fn invalidate(&self, session: &Session, reason: InvalidSession) {
        self.inner.invalidate(session, reason);
    }

    fn timeout(&self) -> Duration {
        self.inner.timeout()
    }

    fn name(&self) -> &str {
        &self.label
    }
}

/// Marks a fetch as running until it completes or is dropped.
struct RunningFetch<'a> {
    provider: &'a MonitoredProvider,
    began: Moment,
    mode: FetchMode,
}

/// Age from which a caller without a session replaces a background fetch.
const REPLACED_AFTER: Duration = Duration::from_secs(2);

impl<'a> RunningFetch<'a> {
    fn begin(provider: &'a MonitoredProvider, mode: FetchMode) -> Self {
        let began = provider.monitor.clock.now();
        let previous = {
            let mut tenant = provider.monitor.tenant(provider.tenant);
            tenant.newest_fetch = tenant.newest_fetch.max(began);
            tenant.running.replace((provider.entry, began, mode))
        };
        // A fetch that runs for longer than its timeout is abandoned: the cache starts another one
        // and ignores the result of the first. Only a fetch within its timeout counts. A background
        // fetch that a caller replaces is cancelled, and its task is dropped a moment later.
        if let Some((entry, previous_began, previous_mode)) = previous
            && entry == provider.entry
            && began - previous_began < provider.timeout()
            && !(previous_mode == FetchMode::Background
                && mode == FetchMode::Foreground
                && began - previous_began >= REPLACED_AFTER)
        {
            provider.monitor.report(Violation::ConcurrentFetches, || {
                format!(
                    "{}: a {} fetch with a timeout of {:?} began {:?} before a {} fetch",
                    provider.label,
                    previous_mode.name(),
                    provider.timeout(),
                    began - previous_began,
                    mode.name(),
                )
            });
        }
        Self { provider, began, mode }
    }
}

impl Drop for RunningFetch<'_> {
    fn drop(&mut self) {
        let mut tenant = self.provider.monitor.tenant(self.provider.tenant);
        // Another fetch may have replaced this one in the meantime.
        if tenant.running == Some((self.provider.entry, self.began, self.mode)) {
            tenant.running = None;
        }
    }
}

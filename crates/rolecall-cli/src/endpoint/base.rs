//! The base credentials that roles of the endpoint share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rolecall::cache::Refresh;
use rolecall::observe::{Event, Observer};
use rolecall::{Chain, Environment};

use crate::config_files::Contents;
use crate::error::Failure;
use crate::identity::{BaseKey, RoleArgs};

/// Counts the fetches of one session.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Fetches {
    /// Returns the number of fetches that succeeded and that failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.succeeded.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

impl Observer for Fetches {
    fn observe(&self, _provider: &str, event: &Event<'_>) {
        let Event::FetchCompleted { result, .. } = event else { return };
        let counter = if result.is_ok() { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Base credentials with one cached session for all roles that are assumed from them.
#[derive(Debug)]
pub(super) struct SharedBase {
    key: BaseKey,
    /// That of the shared configuration files when the chain was created.
    configuration: Contents,
    chain: Chain,
    /// The index of the first role to add.
    first: usize,
    /// Those of the base credentials alone.
    fetches: Arc<Fetches>,
}

impl SharedBase {
    fn new(key: BaseKey, arguments: &RoleArgs, configuration: Contents) -> Result<Self, Failure> {
        let fetches = Arc::<Fetches>::default();
        let observer = Arc::clone(&fetches);
        // A client asks once for the lifetime of a session. Its request must not be the one that
        // waits for STS, so that the session is refreshed whether or not it was used.
        let (chain, first) = arguments
            .base_chain_with(|builder| builder.refresh(Refresh::Always).observer(observer))?;
        Ok(Self { key, configuration, chain, first, fetches })
    }

    /// Creates the chain of these arguments, and returns it with what counts the fetches of its
    /// last session.
    pub(super) fn chain(&self, arguments: &RoleArgs) -> Result<(Chain, Arc<Fetches>), Failure> {
        let (mut chain, mut fetches) = (self.chain.clone(), Arc::clone(&self.fetches));
        for index in self.first..arguments.roles.len() {
            // A counter for each session, of which the last one stays.
            fetches = Arc::default();
            chain = arguments.add_role(chain.observer(Arc::clone(&fetches)), index)?;
        }
        Ok((chain, fetches))
    }
}

/// The base credentials of all roles.
#[derive(Debug)]
pub(super) struct Bases {
    all: Vec<Arc<SharedBase>>,
    configuration: Contents,
}

impl Bases {
    /// Reads the shared configuration files, which are a part of all base credentials.
    pub(super) fn new() -> Self {
        // Before a chain reads them: a change in between is seen at the next reload.
        Self { all: Vec::new(), configuration: Contents::read(&Environment::process()) }
    }

    /// Returns `true` if base credentials are what the current configuration files make of them.
    pub(super) fn is_current(&self, base: &SharedBase) -> bool {
        base.configuration == self.configuration
    }

    /// Adds current base credentials whose session is used further.
    pub(super) fn keep(&mut self, base: &Arc<SharedBase>) {
        if !self.all.iter().any(|other| Arc::ptr_eq(other, base)) {
            self.all.push(Arc::clone(base));
        }
    }

    /// Returns the base credentials of these arguments, and creates them for the first that need
    /// them.
    pub(super) fn get(&mut self, arguments: &RoleArgs) -> Result<Arc<SharedBase>, Failure> {
        let key = arguments.base_key()?;
        if let Some(base) = self.all.iter().find(|base| base.key == key) {
            return Ok(Arc::clone(base));
        }
        let base = Arc::new(SharedBase::new(key, arguments, self.configuration.clone())?);
        self.all.push(Arc::clone(&base));
        Ok(base)
    }
}

//! One role of the endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rolecall::cache::Status;
use rolecall::{CachedProvider, ErrorKind, Session, SessionError};

use super::base::{Bases, Fetches, SharedBase};
use super::config::RoleEntry;
use super::routes::RoutePath;
use crate::error::Failure;
use crate::identity::RoleArgs;

/// Time limit of a client's wait for a session. The fetch continues without the client.
const WAIT: Duration = Duration::from_secs(10);

/// A role, its cached session, and what is counted of it.
#[derive(Debug)]
pub(crate) struct ServedRole {
    path: RoutePath,
    /// `None` for the role of the command's arguments.
    entry: Option<RoleEntry>,
    role: String,
    region: Option<String>,
    base: Arc<SharedBase>,
    provider: CachedProvider,
    fetches: Arc<Fetches>,
    served: AtomicU64,
    failed: AtomicU64,
}

impl ServedRole {
    /// Creates the role of a command's arguments.
    pub(crate) fn of_arguments(arguments: &RoleArgs) -> Result<Self, Failure> {
        if arguments.mfa_serial.is_some() {
            let message = "--mfa-serial cannot be used for sessions that are refreshed: each \
                           refresh would need a code";
            let hint = "use `assume` or `exec` without --refresh, with a longer --duration";
            return Err(Failure::usage(message).with_hint(hint));
        }
        Self::new(RoutePath::of_arguments(), arguments, &mut Bases::new())
    }

    /// Creates the role of an entry of the configuration file.
    pub(super) fn configured(entry: RoleEntry, bases: &mut Bases) -> Result<Self, Failure> {
        let created = Self::new(entry.path.clone(), &entry.arguments(), bases);
        let role = created.map_err(|failure| entry.failure(failure))?;
        Ok(Self { entry: Some(entry), ..role })
    }

    fn new(path: RoutePath, arguments: &RoleArgs, bases: &mut Bases) -> Result<Self, Failure> {
        arguments.check()?;
        let base = bases.get(arguments)?;
        let (chain, fetches) = base.chain(arguments)?;
        let provider = chain.provider();
        let region = chain.sts_client().ok().map(|sts| sts.endpoint().region().to_string());
        let role = arguments.roles.last().map(ToString::to_string).unwrap_or_default();
        let (served, failed) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { path, entry: None, role, region, base, provider, fetches, served, failed })
    }

    pub(crate) fn path(&self) -> &RoutePath {
        &self.path
    }

    pub(crate) fn entry(&self) -> Option<&RoleEntry> {
        self.entry.as_ref()
    }

    pub(super) fn base(&self) -> &Arc<SharedBase> {
        &self.base
    }

    /// Returns the ARN.
    pub(crate) fn role(&self) -> &str {
        &self.role
    }

    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    pub(crate) fn status(&self) -> Status {
        self.provider.status()
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.status().is_healthy()
    }

    /// Fetches the first session, so that the first client does not wait for it.
    pub(crate) async fn prepare(&self) -> Result<(), SessionError> {
        self.provider.ready().await
    }

    /// Returns the session for a client.
    pub(crate) async fn serve(&self) -> Result<Session, SessionError> {
        let result = match tokio::time::timeout(WAIT, self.provider.session()).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("no session within {} seconds", WAIT.as_secs());
                Err(SessionError::new(ErrorKind::Unavailable, message))
            }
        };
        let counter = if result.is_ok() { &self.served } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }

    /// Returns the number of fetches that succeeded and that failed.
    pub(crate) fn fetches(&self) -> (u64, u64) {
        self.fetches.counts()
    }

    /// Returns the number of clients that received the session and an error.
    pub(crate) fn requests(&self) -> (u64, u64) {
        (self.served.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{FetchError, Session};

/// Where sessions come from. Providers go and get one; a cache hands out the one it holds.
///
/// An implementation does the work anew at each call: it neither caches nor retries over minutes, since the cache
/// around it does both. It must keep to the limits that it knows (every network call with a time limit).
///
/// ```
/// # use rolecall_core::{FetchContext, FetchError, Session, SessionSource};
/// # async fn show(source: &dyn SessionSource) -> Result<(), FetchError> {
/// let session = source.session(FetchContext::caller()).await?;
/// println!("{} until {:?}", session.lineage(), session.expires_at());
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait SessionSource: fmt::Debug + Send + Sync + 'static {
    /// Gets a session.
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError>;

    /// How long [`session`](Self::session) takes at most; a cache gives it up then. What a source waits for below it
    /// counts: a hop states its own 15 s beyond its parent's limit.
    fn limit(&self) -> Duration {
        FETCH_LIMIT
    }

    /// What it is called in logs, metrics and events: the role's ARN, the provider's name. Never a secret.
    fn label(&self) -> &str {
        "a session source"
    }

    /// Told that a service refused this session. Sources that hold sessions act on it; others have nothing to do.
    fn reject(&self, _rejected: &Session) {}
}

#[async_trait]
impl<S: SessionSource + ?Sized> SessionSource for Arc<S> {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        (**self).session(cx).await
    }

    fn reject(&self, rejected: &Session) {
        (**self).reject(rejected);
    }

    fn limit(&self) -> Duration {
        (**self).limit()
    }

    fn label(&self) -> &str {
        (**self).label()
    }
}

/// How long a source takes that asks nobody but one service.
const FETCH_LIMIT: Duration = Duration::from_secs(15);

/// What a source may know about the request for a session.
///
/// ```
/// use rolecall_core::{FetchContext, Urgency};
/// assert_eq!(FetchContext::background().urgency, Urgency::Background);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchContext {
    /// Whether somebody waits for the answer.
    pub urgency: Urgency,
}

impl FetchContext {
    /// Somebody waits for this session.
    pub const fn caller() -> Self {
        Self { urgency: Urgency::Caller }
    }

    /// Nobody waits: a valid session is held and this one is to replace it in time.
    pub const fn background() -> Self {
        Self { urgency: Urgency::Background }
    }
}

/// Whether somebody waits for a fetch.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// A caller waits: worth several tries.
    Caller,
    /// Nobody waits: one try, the next comes by itself.
    Background,
}

impl Urgency {
    /// In a word: `caller`, `background`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Background => "background",
        }
    }
}

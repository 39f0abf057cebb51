//! What an entry caches, and where it comes from.

use std::future::Future;
use std::time::Duration;

use rolecall_core::{Clock, FetchContext, Moment, Session, SessionError};

use super::machine::Cacheable;

/// What an entry caches: a session, or an identity that the SDK resolved.
pub(crate) trait Item: Clone + Send + Sync + 'static {
    /// Returns the session for events and errors, or `None` if the item holds no credentials.
    fn session(&self) -> Option<&Session>;

    /// Returns when the item expires.
    fn expiration(&self, clock: &Clock) -> Expiration;

    fn access_key_id(&self) -> Option<&str> {
        self.session().map(Session::access_key_id)
    }
}

/// When an item expires, and how that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiration {
    /// [`Moment::MAX`] if the item does not expire.
    pub(crate) at: Moment,
    /// When the item was requested, if its lifetime was measured on the clock of deadlines.
    pub(crate) requested_at: Option<Moment>,
    /// The item cannot change while the process runs.
    pub(crate) is_static: bool,
}

impl Item for Session {
    fn session(&self) -> Option<&Session> {
        Some(self)
    }

    fn expiration(&self, clock: &Clock) -> Expiration {
        Expiration {
            at: Session::expiration(self, clock),
            requested_at: self.requested_at(),
            is_static: self.is_static(),
        }
    }
}

impl<I: Item> Cacheable for I {
    /// Items without an access key id, such as bearer tokens, are new each time.
    fn is_same(&self, other: &Self) -> bool {
        self.access_key_id().is_some() && self.access_key_id() == other.access_key_id()
    }
}

/// Where an entry gets its items.
pub(crate) trait Origin: Clone + Send + Sync + 'static {
    type Item: Item;
    /// What a fetch needs from the caller that starts it. Dropped with the fetch.
    type Input: Send + 'static;

    fn fetch(
        &self,
        context: FetchContext,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Item, SessionError>> + Send;

    /// Returns the input of a fetch that no caller starts, or `None` if only callers start one.
    fn background_input(&self) -> Option<Self::Input>;

    fn timeout(&self) -> Duration;

    fn name(&self) -> &str;
}

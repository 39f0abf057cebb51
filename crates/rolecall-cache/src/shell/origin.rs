//! What a slot is of: where its items come from, and what is known of one.

use std::future::Future;
use std::time::Duration;

use rolecall_core::{FetchContext, Session, SessionError};

use crate::slot::SameSession;

/// What is held: a session, or something around one.
pub(crate) trait Item: Clone + Send + Sync + 'static {
    /// None: it is none of a session's, and has no end.
    fn session(&self) -> Option<&Session>;

    fn access_key_id(&self) -> Option<&str> {
        self.session().map(Session::access_key_id)
    }
}

impl Item for Session {
    fn session(&self) -> Option<&Session> {
        Some(self)
    }
}

impl<I: Item> SameSession for I {
    fn same(&self, other: &Self) -> bool {
        self.access_key_id() == other.access_key_id()
    }
}

/// Where a slot gets its items.
pub(crate) trait Origin: Send + Sync + 'static {
    type Item: Item;
    /// What a caller brings that a fetch needs. It lives no longer than the fetch.
    type With: Send + 'static;

    fn fetch(
        &self,
        cx: FetchContext,
        with: Self::With,
    ) -> impl Future<Output = Result<Self::Item, SessionError>> + Send;

    /// What a fetch needs that no caller began; none: only callers begin one.
    fn unattended(&self) -> Option<Self::With>;

    fn timeout(&self) -> Duration;

    fn name(&self) -> &str;
}

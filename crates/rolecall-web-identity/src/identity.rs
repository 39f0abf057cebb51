//! The identity of a provider's tokens, which must not change between callers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rolecall_core::{ErrorKind, SessionError};

use crate::claims::{UnverifiedClaims, display_claim};

/// The issuer and the subject that a token claims. Both are `None` for a token without readable
/// claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenIdentity {
    issuer: Option<String>,
    subject: Option<String>,
}

impl TokenIdentity {
    pub(crate) fn of(claims: Option<&UnverifiedClaims>) -> Self {
        Self {
            issuer: claims.and_then(UnverifiedClaims::issuer).map(str::to_owned),
            subject: claims.and_then(UnverifiedClaims::subject).map(str::to_owned),
        }
    }
}

impl fmt::Display for TokenIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (issuer, subject) = (self.issuer.as_deref(), self.subject.as_deref());
        write!(f, "iss {}, sub {}", display_claim(issuer), display_claim(subject))
    }
}

/// The identity of the tokens of one provider. Clones of the provider share it.
///
/// A token function that depends on its caller, such as one that reads a task-local variable,
/// returns the tokens of many users. The sessions of a provider are cached under one key, and users
/// would receive each other's sessions.
#[derive(Clone, Debug)]
pub(crate) struct PinnedIdentity {
    /// Whether another identity is rejected, or logged and accepted.
    reject_changes: bool,
    /// The identity of the last token that STS accepted.
    accepted: Arc<Mutex<Option<TokenIdentity>>>,
}

impl PinnedIdentity {
    pub(crate) fn new(reject_changes: bool) -> Self {
        Self { reject_changes, accepted: Arc::default() }
    }

    /// Checks the identity of a token before the token is sent to STS.
    pub(crate) fn check(&self, identity: &TokenIdentity, origin: &str) -> Result<(), SessionError> {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        match &*accepted {
            Some(pinned) if self.reject_changes && pinned != identity => {
                Err(identity_changed(identity, pinned, origin))
            }
            _ => Ok(()),
        }
    }

    /// Records the identity of a token that STS accepted.
    ///
    /// The identity is not recorded earlier: a token that STS rejected, such as one of a cluster
    /// that the account does not trust, must not lock the provider to its identity.
    pub(crate) fn record(&self, identity: TokenIdentity, origin: &str) -> Result<(), SessionError> {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        match &*accepted {
            Some(pinned) if *pinned == identity => return Ok(()),
            // Two fetches that started before the first token was accepted have both passed the
            // check. Only one of them may set the identity, and the session of the other must not
            // be returned.
            Some(pinned) if self.reject_changes => {
                return Err(identity_changed(&identity, pinned, origin));
            }
            // The owner of the file or the variable decides on its identity, and a workload may be
            // moved to another issuer while it runs. An engineer looking for the cause of a denied
            // call finds the change in the log.
            Some(previous) => tracing::warn!(
                token = origin,
                %previous,
                current = %identity,
                "the identity of the web identity token changed"
            ),
            None => {}
        }
        *accepted = Some(identity);
        Ok(())
    }
}

fn identity_changed(
    identity: &TokenIdentity,
    pinned: &TokenIdentity,
    origin: &str,
) -> SessionError {
    let message = format!(
        "the web identity token {origin} has another identity ({identity}) than the provider's first token ({pinned})"
    );
    SessionError::new(ErrorKind::TokenRejected, message).with_hint(
        "create a provider for each identity, and return only its tokens from one function",
    )
}

//! Caches sessions of a company's vault, which rolecall does not know.
//!
//! Runs without AWS.
#![allow(clippy::print_stdout, reason = "the output of a program")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rolecall::provider::{Credentials, FetchContext, async_trait};
use rolecall::{CachedProvider, ErrorKind, ProvideSession, Session, SessionError};

/// Requests keys from a vault. This one issues AWS's example key, with a number as its token.
#[derive(Debug, Default)]
struct Vault {
    requests: AtomicU32,
}

struct Keys {
    id: String,
    secret: String,
    token: String,
    lifetime: Duration,
}

impl Vault {
    async fn request_keys(&self) -> Result<Keys, std::io::Error> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(Keys {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            token: format!("token-{number}"),
            lifetime: Duration::from_secs(900),
        })
    }
}

#[async_trait]
impl ProvideSession for Vault {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        // Read before the request is sent: the lifetime must not count from a slow response.
        let requested_at = context.clock().now();
        let keys = self.request_keys().await.map_err(|error| {
            SessionError::new(ErrorKind::Unavailable, "the vault did not answer")
                .with_hint("check the address of the vault")
                .with_cause(&error)
        })?;
        let credentials = Credentials::new(keys.id, keys.secret, Some(keys.token), None, "vault");
        Ok(Session::builder(credentials)
            .base(self.name())
            .lifetime(requested_at, keys.lifetime, context.clock())
            .build())
    }

    fn name(&self) -> &str {
        "vault"
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    run().await
}

/// Shows that all calls share one session. `tests/examples.rs` runs this, too.
pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let provider = CachedProvider::new(Vault::default());
    for _ in 0..3 {
        let session = provider.session().await?;
        println!("{}: {:?}", session.lineage(), session.credentials().session_token());
    }
    assert_eq!(provider.inner().requests.load(Ordering::Relaxed), 1);
    Ok(())
}

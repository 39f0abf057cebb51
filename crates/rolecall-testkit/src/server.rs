//! The server: loopback, a free port, ended by whoever started it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rolecall_core::Clock;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::record::{Call, Record};
use crate::sigv4::Signed;
use crate::sts;
use crate::wire::{self, Fault};
use crate::world::{Account, World};

/// What kept a local AWS or an issuer from starting.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use rolecall_testkit::{Account, IamRole, LocalAws};
/// let wrong = Account::new("111122223333").role(IamRole::new("orders").trust("{}"));
/// let error = LocalAws::builder().account(wrong).start().await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"account 111122223333: role "orders", trust policy: the document: it has no Statement"#,
/// );
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// An account, a user, a role or a policy is not one.
    #[error("{0}")]
    World(String),
    /// No port could be opened on the loopback address.
    #[error("cannot listen on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// A key could not be made or used.
    #[error("{0}")]
    Key(String),
}

/// A local AWS: STS on the loopback address. It ends when it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
/// let aws = rolecall_testkit::LocalAws::builder().start().await?;
/// assert!(aws.endpoint_url().starts_with("http://127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LocalAws {
    url: String,
    shared: Arc<Shared>,
    _listening: Listening,
}

impl LocalAws {
    /// Sets one up.
    pub fn builder() -> LocalAwsBuilder {
        LocalAwsBuilder { accounts: Vec::new(), clock: Clock::system() }
    }

    /// Where it listens: the endpoint URL for SDKs, as in `AWS_ENDPOINT_URL`.
    pub fn endpoint_url(&self) -> &str {
        &self.url
    }

    /// The access key of a user.
    pub fn user_credentials(&self, account: &str, user: &str) -> Option<Credentials> {
        self.shared.world().user(account, user)
    }

    /// The newest calls, oldest first; at most 10,000.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.record().calls()
    }

    /// How many calls of this operation there were, denied ones included.
    pub fn count(&self, operation: &str) -> usize {
        self.shared.record().counts().get(operation).copied().unwrap_or(0)
    }

    /// How many calls there were of each operation.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.shared.record().counts()
    }

    /// From now on, every answer takes at least this long.
    pub fn set_latency(&self, latency: Duration) {
        *self.shared.latency.lock().unwrap_or_else(PoisonError::into_inner) = latency;
    }

    /// Every secret key and session token that it knows or has issued: what must be found in no output of what is
    /// under test.
    pub fn secrets(&self) -> Vec<String> {
        self.shared.world().secrets()
    }
}

/// Sets up a [`LocalAws`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
/// use rolecall_core::ManualClock;
/// use rolecall_testkit::{Account, IamUser, LocalAws};
///
/// let hands = ManualClock::new();
/// let aws = LocalAws::builder()
///     .clock(hands.clock())
///     .account(Account::new("111122223333").user(IamUser::new("ann")))
///     .start()
///     .await?;
/// assert!(aws.user_credentials("111122223333", "ann").is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct LocalAwsBuilder {
    accounts: Vec<Account>,
    clock: Clock,
}

impl LocalAwsBuilder {
    /// With an account.
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// The server's clock: sessions end, tokens expire and signatures grow old by it.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks what was set up, and listens.
    pub async fn start(self) -> Result<LocalAws, SetupError> {
        let shared = Arc::new(Shared {
            clock: self.clock,
            world: Mutex::new(World::of(self.accounts)?),
            record: Mutex::new(Record::default()),
            latency: Mutex::new(Duration::ZERO),
        });
        let (listener, address) = Listening::bind().await?;
        let routes = axum::Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let listening = Listening::serve(listener, routes);
        Ok(LocalAws { url: format!("http://{address}"), shared, _listening: listening })
    }
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    world: Mutex<World>,
    record: Mutex<Record>,
    latency: Mutex<Duration>,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn latency(&self) -> Duration {
        *self.latency.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest request: a token of 20,000 characters, form-encoded, and room.
const LONGEST_REQUEST: usize = 256 * 1024;

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let request_id = wire::request_id();
    let (head, body) = request.into_parts();
    let respond = |fault: &Fault| wire::failure(fault, &request_id, shared.clock.wall());
    let Ok(body) = axum::body::to_bytes(body, LONGEST_REQUEST).await else {
        return respond(&Fault::new(413, "RequestEntityTooLarge", "the request is too long"));
    };
    if head.method != "POST" || head.uri.path() != "/" || head.uri.query().is_some() {
        return respond(&Fault::new(404, "InvalidAction", "there is STS at POST / alone"));
    }
    let signed = Signed {
        method: head.method.as_str(),
        path_and_query: head.uri.path_and_query().map_or("/", |path| path.as_str()),
        headers: &head.headers,
        body: &body,
    };
    let outcome = sts::answer(&shared, &signed).await;
    let fault = outcome.result.as_ref().err();
    tracing::debug!(operation = outcome.operation, ?fault, "local AWS");
    shared.record().add(Call {
        operation: outcome.operation.into(),
        caller: outcome.caller,
        error: fault.map(|fault| fault.code.into()),
        reason: fault.and_then(|fault| fault.reason.clone()),
        at: shared.clock.wall(),
    });
    tokio::time::sleep(shared.latency()).await;
    match &outcome.result {
        Err(fault) => respond(fault),
        Ok(result) => wire::success(outcome.operation, result, &request_id, shared.clock.wall()),
    }
}

/// A server that ends with this value, its connections with it.
#[derive(Debug)]
pub(crate) struct Listening(AbortHandle);

impl Listening {
    pub(crate) async fn bind() -> Result<(TcpListener, SocketAddr), SetupError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(SetupError::Listen)?;
        let address = listener.local_addr().map_err(SetupError::Listen)?;
        Ok((listener, address))
    }

    pub(crate) fn serve(listener: TcpListener, routes: axum::Router) -> Self {
        Self(tokio::spawn(accept(listener, routes)).abort_handle())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, routes: axum::Router) {
    // Dropped with this task, it ends them all.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let service = TowerToHyperService::new(routes.clone());
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service);
                    connections.spawn(connection);
                }
                // Out of descriptors, for one: others may end meanwhile.
                Err(error) => {
                    tracing::warn!(%error, "the local server cannot accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

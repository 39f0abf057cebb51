//! The server: it listens on the loopback address until it is dropped.

mod builder;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

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

pub use self::builder::LocalAwsBuilder;

use crate::faults::{Effect, FaultRule, Faults, Leaves};
use crate::record::{Call, Record, Watcher};
use crate::wire::{self, Fault};
use crate::world::{IamRole, World};
use crate::{sigv4, sts};

/// An error in the setup of a [`LocalAws`] or an [`OidcIssuer`](crate::OidcIssuer).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use rolecall_testkit::{Account, IamRole, LocalAws};
///
/// let invalid = Account::new("111122223333").role(IamRole::new("orders").trust("{}"));
/// let error = LocalAws::builder().account(invalid).start().await.unwrap_err();
/// assert!(error.to_string().starts_with(r#"account 111122223333: role "orders", trust policy: "#));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// An account, a policy or a fault rule is invalid.
    #[error("{0}")]
    Invalid(String),
    /// No port could be opened on the loopback address.
    #[error("failed to listen on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// A signing key could not be generated or used.
    #[error("{0}")]
    Key(String),
}

/// A local AWS on the loopback address, which serves until it is dropped.
///
/// It is STS and, with features, S3, Secrets Manager and ECR, at one endpoint URL. Signatures, web
/// identity tokens and policies are verified as at AWS.
///
/// # Runtime
///
/// Requires a Tokio runtime with I/O and time enabled. The server's tasks end when the value is
/// dropped.
///
/// # Examples
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
    shared: Arc<Shared>,
    _listening: Listening,
}

impl LocalAws {
    /// Returns a builder without accounts, on the system clock.
    pub fn builder() -> LocalAwsBuilder {
        LocalAwsBuilder::new()
    }

    /// Returns the endpoint URL for SDKs, as in `AWS_ENDPOINT_URL`.
    pub fn endpoint_url(&self) -> &str {
        &self.shared.url
    }

    /// Returns the access key of a user, or `None` if the account has no such user.
    pub fn user_credentials(&self, account: &str, user: &str) -> Option<Credentials> {
        self.shared.world().user(account, user)
    }

    /// Returns the current code of a user's MFA device, by the server's clock.
    ///
    /// Returns `None` if the user has no device. As at AWS, a code is accepted once: advance the
    /// clock by 30 seconds for the next one.
    pub fn mfa_code(&self, account: &str, user: &str) -> Option<String> {
        self.shared.world().mfa_code(account, user, self.shared.clock.wall())
    }

    /// Returns the most recent calls, oldest first. At most 10,000 are retained; see
    /// [`LocalAwsBuilder::max_retained`].
    pub fn calls(&self) -> Vec<Call> {
        self.shared.record().calls()
    }

    /// Returns the number of calls of an operation, including denied ones.
    pub fn count(&self, operation: &str) -> usize {
        self.shared.record().counts().get(operation).copied().unwrap_or(0)
    }

    /// Returns the number of calls of each operation, including denied ones.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.shared.record().counts()
    }

    /// Injects a fault into STS, in addition to those injected before.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError::Invalid`] if the rule can never apply: its operation is not one of
    /// STS, its call number is zero, or its probability is not between 0.0 and 1.0.
    pub fn inject(&self, rule: FaultRule) -> Result<(), SetupError> {
        rule.check(&sts::OPERATIONS)?;
        locked(&self.shared.faults).add(rule, self.shared.clock.wall());
        Ok(())
    }

    /// Removes all injected faults.
    pub fn clear_faults(&self) {
        locked(&self.shared.faults).clear();
    }

    /// Returns the highest number of calls that were processed concurrently.
    pub fn max_concurrent_calls(&self) -> usize {
        self.shared.in_work.most.load(Ordering::Relaxed)
    }

    /// Delays every later response of every service. Defaults to zero.
    pub fn set_latency(&self, latency: Duration) {
        *locked(&self.shared.latency) = latency;
    }

    /// Creates a role in an account while the server runs.
    ///
    /// A role with the ARN of a deleted one is a different role, as at AWS: an existing trust
    /// policy that names the ARN refers to the unique id of the deleted role, and does not trust
    /// the new one.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError::Invalid`] if the role or a policy is invalid, or if the account
    /// already has a role of this name.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
    /// use rolecall_testkit::{Account, IamRole, LocalAws};
    /// let orders = Account::new("111122223333").role(IamRole::new("orders"));
    /// let aws = LocalAws::builder().account(orders).start().await?;
    /// assert!(aws.delete_role("arn:aws:iam::111122223333:role/orders"));
    /// aws.create_role("111122223333", IamRole::new("orders"))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_role(&self, account: &str, role: IamRole) -> Result<(), SetupError> {
        self.shared.world().create_role(account, &role)
    }

    /// Deletes the role with this ARN, and invalidates the keys of its sessions.
    ///
    /// Returns `true` if there was such a role.
    pub fn delete_role(&self, arn: &str) -> bool {
        self.shared.world().delete_role(arn)
    }

    /// Returns every secret key and session token that the server knows or has issued, and the
    /// passwords of ECR.
    ///
    /// None of them may appear in the logs or the output of the code under test.
    pub fn secrets(&self) -> Vec<String> {
        #[cfg_attr(not(feature = "ecr"), expect(unused_mut, reason = "ECR adds to it"))]
        let mut secrets = self.shared.world().secrets();
        #[cfg(feature = "ecr")]
        secrets.extend(self.shared.ecr().passwords().cloned());
        secrets
    }
}

/// The state that all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) url: String,
    pub(crate) clock: Clock,
    world: Mutex<World>,
    record: Mutex<Record>,
    watcher: Option<Watcher>,
    latency: Mutex<Duration>,
    faults: Mutex<Faults>,
    in_work: InWork,
    #[cfg(feature = "s3")]
    s3: Mutex<crate::s3::Store>,
    #[cfg(feature = "secrets-manager")]
    secrets: Mutex<crate::secrets::Store>,
    #[cfg(feature = "ecr")]
    ecr: Mutex<crate::ecr::Store>,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    #[cfg(feature = "s3")]
    pub(crate) fn s3(&self) -> MutexGuard<'_, crate::s3::Store> {
        locked(&self.s3)
    }

    #[cfg(feature = "secrets-manager")]
    pub(crate) fn secrets(&self) -> MutexGuard<'_, crate::secrets::Store> {
        locked(&self.secrets)
    }

    #[cfg(feature = "ecr")]
    pub(crate) fn ecr(&self) -> MutexGuard<'_, crate::ecr::Store> {
        locked(&self.ecr)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        locked(&self.record)
    }

    /// Returns the effect of the fault rule that applies to this call.
    pub(crate) fn fault(&self, operation: &str) -> Option<Effect> {
        locked(&self.faults).next_effect(operation, self.clock.wall())
    }

    fn latency(&self) -> Duration {
        *locked(&self.latency)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of calls that are being processed, and its maximum.
#[derive(Debug, Default)]
struct InWork {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl InWork {
    fn enter(&self) -> Working<'_> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        Working(self)
    }
}

struct Working<'a>(&'a InWork);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The outcome of a request, for the caller and for the record.
#[derive(Debug)]
pub(crate) struct Answer {
    operation: &'static str,
    caller: Option<String>,
    fault: Option<Fault>,
    response: Response<Body>,
}

impl Answer {
    pub(crate) fn done(response: Response<Body>) -> Self {
        Self { operation: "Unknown", caller: None, fault: None, response }
    }

    pub(crate) fn failed(response: Response<Body>, fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::done(response) }
    }

    /// Returns the answer of an injected fault, for a request that was not processed.
    pub(crate) fn of_fault(response: Response<Body>, name: String) -> Self {
        let status = response.status().as_u16();
        Self::failed(response, Fault::new(status, name, ""))
    }

    /// Applies an injected fault to the answer of a request that was processed.
    pub(crate) async fn with_fault(self, effect: Effect) -> Self {
        let name = effect.name();
        let Self { operation, caller, fault, response } = self;
        let fault = fault.or_else(|| Some(Fault::new(200, name, "")));
        Self { operation, caller, fault, response: effect.alter(response).await }
    }

    pub(crate) fn of(self, operation: &'static str) -> Self {
        Self { operation, ..self }
    }

    pub(crate) fn by(self, caller: Option<String>) -> Self {
        Self { caller, ..self }
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let _working = shared.in_work.enter();
    let request_id = wire::request_id();
    let (service, answer) = ask(&shared, request, &request_id).await;
    let Answer { operation, caller, fault, mut response } = answer;
    tracing::debug!(service, operation, ?fault, "local AWS");
    let call = Call {
        service: service.to_owned(),
        operation: operation.to_owned(),
        caller,
        error: fault.as_ref().map(|fault| fault.code.to_string()),
        reason: fault.and_then(|fault| fault.reason),
        at: shared.clock.wall(),
    };
    if let Some(watcher) = &shared.watcher {
        watcher.see(&call);
    }
    shared.record().add(call);
    tokio::time::sleep(shared.latency()).await;
    let mut date = Some(shared.clock.wall());
    match response.extensions().get::<Leaves>() {
        Some(Leaves::DateOffset { seconds }) => date = date.map(|date| off_by(date, *seconds)),
        Some(Leaves::NoDate) => date = None,
        Some(Leaves::Not) | None => {}
    }
    wire::stamp(&mut response, &request_id, date);
    response
}

fn off_by(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { time - by } else { time + by }
}

/// Routes a request to the service that it is signed for, as there is one endpoint for all. STS has
/// an operation that is not signed. An unsigned request is refused in the words of the service that
/// it seems to be for.
async fn ask(shared: &Arc<Shared>, request: Request, request_id: &str) -> (&'static str, Answer) {
    let (head, body) = request.into_parts();
    // The one time that the signature's headers are parsed: every service below is handed the
    // claim, and the key that comes of it is what it authorizes.
    let claim = sigv4::Claim::parse(&head);
    let signed_for = claim.as_ref().ok().map(sigv4::Claim::service).map(str::to_owned);
    // A claim that cannot be parsed is refused by whatever service it is sent to; only the words of
    // the refusal depend on this guess.
    let signed_for = signed_for.or_else(|| sigv4::guess_service(&head.headers));
    #[cfg(any(feature = "secrets-manager", feature = "ecr"))]
    let signed_for = signed_for.or_else(|| targeted(&head.headers).map(str::to_owned));
    let request = Request::from_parts(head, body);
    match signed_for.as_deref() {
        #[cfg(feature = "s3")]
        Some("s3") => ("s3", crate::s3::serve(shared, claim, request).await),
        #[cfg(feature = "secrets-manager")]
        Some("secretsmanager") => {
            let service = &crate::secrets::SERVICE;
            ("secretsmanager", crate::json::serve(shared, service, claim, request).await)
        }
        #[cfg(feature = "ecr")]
        Some("ecr") => {
            ("ecr", crate::json::serve(shared, &crate::ecr::SERVICE, claim, request).await)
        }
        #[cfg(feature = "ecr")]
        None if request.uri().path().starts_with(crate::ecr::LAYERS) => {
            ("ecr", crate::ecr::download(shared, &request))
        }
        #[cfg(feature = "s3")]
        None if request.method() != "POST" => {
            ("s3", crate::s3::serve(shared, claim, request).await)
        }
        Some("sts") | None => ("sts", sts::serve(shared, claim, request, request_id).await),
        Some(other) => {
            let message = format!(
                "the local AWS has no service {other:?}: services beside STS are features of rolecall-testkit (s3, \
                 secrets-manager, ecr)"
            );
            let fault = Fault::new(400, "UnknownService", message);
            ("unknown", Answer::failed(wire::failure(&fault, request_id), fault))
        }
    }
}

/// Returns the service of the JSON protocol that `X-Amz-Target` names.
#[cfg(any(feature = "secrets-manager", feature = "ecr"))]
fn targeted(headers: &axum::http::HeaderMap) -> Option<&'static str> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    let services: &[&crate::json::Service] = &[
        #[cfg(feature = "secrets-manager")]
        &crate::secrets::SERVICE,
        #[cfg(feature = "ecr")]
        &crate::ecr::SERVICE,
    ];
    let service = services.iter().find(|service| {
        target.strip_prefix(service.target).is_some_and(|rest| rest.starts_with('.'))
    })?;
    Some(service.name)
}

/// A server that stops when this value is dropped, and closes its connections.
#[derive(Debug)]
pub(crate) struct Listening(AbortHandle);

impl Listening {
    /// Listens on a port of the loopback address; 0 is any free one.
    pub(crate) async fn bind(port: u16) -> Result<(TcpListener, SocketAddr), SetupError> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(SetupError::Listen)?;
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
                    let routes = TowerToHyperService::new(routes.clone());
                    let service = hyper::service::service_fn(move |request| {
                        let response = hyper::service::Service::call(&routes, request);
                        async move {
                            // Routes never fail: an error here ends the connection.
                            let response = response.await.map_err(std::io::Error::other)?;
                            match response.extensions().get::<Leaves>() {
                                Some(Leaves::Not) => Err(std::io::ErrorKind::ConnectionAborted.into()),
                                _ => Ok::<_, std::io::Error>(response),
                            }
                        }
                    });
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .auto_date_header(false)
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

//! The server: loopback, a free port, ended by whoever started it.

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

use crate::faults::{Effect, FaultRule, Faults, Leaves};
use crate::record::{Call, Record};
use crate::wire::{self, Fault};
use crate::world::{Account, IamRole, World};
use crate::{sigv4, sts};

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
    shared: Arc<Shared>,
    _listening: Listening,
}

impl LocalAws {
    /// Sets one up.
    pub fn builder() -> LocalAwsBuilder {
        LocalAwsBuilder { accounts: Vec::new(), clock: Clock::system(), remembers: None }
    }

    /// Where it listens: the endpoint URL for SDKs, as in `AWS_ENDPOINT_URL`.
    pub fn endpoint_url(&self) -> &str {
        &self.shared.url
    }

    /// The access key of a user.
    pub fn user_credentials(&self, account: &str, user: &str) -> Option<Credentials> {
        self.shared.world().user(account, user)
    }

    /// What a user's MFA device shows now, by the server's clock. Each code is taken once.
    pub fn mfa_code(&self, account: &str, user: &str) -> Option<String> {
        self.shared.world().mfa_code(account, user, self.shared.clock.wall())
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

    /// From now on, STS has this fault, too. A rule that can befall nothing is refused: an operation that it does not have,
    /// a probability that is none.
    pub fn inject(&self, rule: FaultRule) -> Result<(), SetupError> {
        rule.check(&sts::OPERATIONS)?;
        locked(&self.shared.faults).add(rule, self.shared.clock.wall());
        Ok(())
    }

    /// From now on, STS has none.
    pub fn clear_faults(&self) {
        locked(&self.shared.faults).clear();
    }

    /// How many calls were in work at once, at most.
    pub fn most_at_once(&self) -> usize {
        self.shared.in_work.most.load(Ordering::Relaxed)
    }

    /// From now on, every answer takes at least this long.
    pub fn set_latency(&self, latency: Duration) {
        *locked(&self.shared.latency) = latency;
    }

    /// Makes a role, which may have the ARN of one that was deleted. It is another then: trust policies of before that name
    /// that ARN do not trust it, as AWS's hold the unique id of whom they name.
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

    /// Deletes the role with this ARN: no key of a session of it is known any more. Whether there was one.
    pub fn delete_role(&self, arn: &str) -> bool {
        self.shared.world().delete_role(arn)
    }

    /// Every secret key and session token that it knows or has issued, and ECR's passwords: what must be found in no
    /// output of what is under test.
    pub fn secrets(&self) -> Vec<String> {
        #[cfg_attr(not(feature = "ecr"), expect(unused_mut, reason = "ECR adds to it"))]
        let mut secrets = self.shared.world().secrets();
        #[cfg(feature = "ecr")]
        secrets.extend(self.shared.ecr().passwords().cloned());
        secrets
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
    remembers: Option<usize>,
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

    /// How many calls and how many sessions it remembers, the newest: for tests that run long and watch their memory.
    /// 10,000 calls and 200,000 sessions unless set (of calls no more); a session that is forgotten is unknown, as one of another partition.
    pub fn remembers(mut self, newest: usize) -> Self {
        self.remembers = Some(newest);
        self
    }

    /// Checks what was set up, and listens.
    pub async fn start(self) -> Result<LocalAws, SetupError> {
        #[cfg(feature = "s3")]
        let s3 = Mutex::new(crate::s3::Store::of(&self.accounts)?);
        #[cfg(feature = "secrets-manager")]
        let secrets = Mutex::new(crate::secrets::Store::of(&self.accounts, self.clock.wall())?);
        #[cfg(feature = "ecr")]
        let ecr = Mutex::new(crate::ecr::Store::of(&self.accounts)?);
        let mut world = World::of(self.accounts)?;
        let record = match self.remembers {
            Some(newest) => {
                world.most_sessions = newest;
                Record::of_the_newest(newest)
            }
            None => Record::default(),
        };
        let world = Mutex::new(world);
        let (listener, address) = Listening::bind().await?;
        let shared = Arc::new(Shared {
            url: format!("http://{address}"),
            clock: self.clock,
            world,
            record: Mutex::new(record),
            latency: Mutex::new(Duration::ZERO),
            faults: Mutex::new(Faults::default()),
            in_work: InWork::default(),
            #[cfg(feature = "s3")]
            s3,
            #[cfg(feature = "secrets-manager")]
            secrets,
            #[cfg(feature = "ecr")]
            ecr,
        });
        let routes = axum::Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let listening = Listening::serve(listener, routes);
        Ok(LocalAws { shared, _listening: listening })
    }
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) url: String,
    pub(crate) clock: Clock,
    world: Mutex<World>,
    record: Mutex<Record>,
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

    /// The fault that befalls this call.
    pub(crate) fn fault(&self, operation: &str) -> Option<Effect> {
        locked(&self.faults).befall(operation, self.clock.wall())
    }

    fn latency(&self) -> Duration {
        *locked(&self.latency)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many calls are in work, and were at most.
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

/// What a service made of a request.
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

    /// What came of a fault instead of the work.
    pub(crate) fn disturbed(response: Response<Body>, name: String) -> Self {
        let status = response.status().as_u16();
        Self::failed(response, Fault::new(status, name, ""))
    }

    /// The work was done; the fault befalls its answer.
    pub(crate) async fn under(self, effect: Effect) -> Self {
        let name = effect.name();
        let Self { operation, caller, fault, response } = self;
        let fault = fault.or_else(|| Some(Fault::new(200, name, "")));
        Self { operation, caller, fault, response: effect.upon(response).await }
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
    shared.record().add(Call {
        service: service.to_owned(),
        operation: operation.to_owned(),
        caller,
        error: fault.as_ref().map(|fault| fault.code.to_string()),
        reason: fault.and_then(|fault| fault.reason),
        at: shared.clock.wall(),
    });
    tokio::time::sleep(shared.latency()).await;
    let mut date = Some(shared.clock.wall());
    match response.extensions().get::<Leaves>() {
        Some(Leaves::DateOff { seconds }) => date = date.map(|date| off_by(date, *seconds)),
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

/// Which service a request is for: what it is signed for, as there is one endpoint for all; STS has an operation
/// that is not signed. Who does not sign is told so in the words of the service.
async fn ask(shared: &Arc<Shared>, request: Request, request_id: &str) -> (&'static str, Answer) {
    let signed_for = sigv4::scope(request.headers()).map(|(service, _)| service);
    #[cfg(any(feature = "secrets-manager", feature = "ecr"))]
    let signed_for = signed_for.or_else(|| targeted(request.headers()));
    let service = signed_for.map(str::to_owned);
    match service.as_deref() {
        #[cfg(feature = "s3")]
        Some("s3") => ("s3", crate::s3::serve(shared, request).await),
        #[cfg(feature = "secrets-manager")]
        Some("secretsmanager") => {
            let service = &crate::secrets::SERVICE;
            ("secretsmanager", crate::json::serve(shared, service, request).await)
        }
        #[cfg(feature = "ecr")]
        Some("ecr") => ("ecr", crate::json::serve(shared, &crate::ecr::SERVICE, request).await),
        #[cfg(feature = "ecr")]
        None if request.uri().path().starts_with(crate::ecr::LAYERS) => {
            ("ecr", crate::ecr::download(shared, &request))
        }
        #[cfg(feature = "s3")]
        None if request.method() != "POST" => ("s3", crate::s3::serve(shared, request).await),
        Some("sts") | None => ("sts", sts::serve(shared, request, request_id).await),
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

/// The service that an operation of the JSON protocol belongs to.
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

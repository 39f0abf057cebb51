//! The container credentials endpoint: an HTTP server on the loopback address that hands out the
//! sessions of roles, as the agents of ECS and EKS do.
//!
//! Any process of the machine can connect to it. What protects the sessions: a random token in a
//! file that only this user can read, the user of the client's socket on Linux, and the check of
//! the `Host` header against web pages. Limits on connections, headers, times and rates keep it
//! answering clients that have the token while others ask, wait or send nonsense.

mod base;
mod config;
mod connections;
mod files;
mod host;
mod pages;
mod peer;
mod rate;
mod reader;
mod response;
mod role;
mod routes;
mod service;
mod token;

use std::convert::Infallible;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use config::read as read_config;
pub(crate) use files::check_folder;
pub(crate) use reader::Reader;
pub(crate) use role::ServedRole;
pub(crate) use routes::Routes;

use crate::error::Failure;
use crate::files::path_text;
use connections::Registered;
use files::ClientFiles;
use peer::{Ends, Peers};
use service::Endpoint;
use token::AuthToken;

/// Time limit of a request's head, and of an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of a connection. A client that reads nothing does not keep one for ever.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(300);
/// Time that running requests have to finish when their connection has to end.
const GRACE: Duration = Duration::from_secs(5);
/// Limits of a request's head.
const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 16 * 1024;
/// Pause after an accept that failed, such as one without a free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where the endpoint listens if nothing else is set.
pub(crate) const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A running endpoint.
#[derive(Debug)]
pub(crate) struct Server {
    endpoint: Arc<Endpoint>,
    address: SocketAddr,
    files: ClientFiles,
    stopping: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts an endpoint. Its files go to `folder`, or to a temporary folder.
    pub(crate) async fn start(
        address: SocketAddr,
        folder: Option<&Path>,
        routes: Routes,
    ) -> Result<Self, Failure> {
        let cannot = |error| Failure::operation(format!("cannot listen on {address}: {error}"));
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let token = AuthToken::random()?;
        let files = ClientFiles::create(folder, &token)?;
        let endpoint = Endpoint::new(address, token, Peers::start()?, routes);
        let endpoint = Arc::new(endpoint);
        let (stopping, stop) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&endpoint), stop));
        Ok(Self { endpoint, address, files, stopping, accepting })
    }

    /// Returns the URL of the status page.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.files.token()
    }

    pub(crate) fn routes(&self) -> Arc<Routes> {
        self.endpoint.routes()
    }

    /// Serves other roles from now on. Requests that are running finish with those of before.
    pub(crate) fn replace_routes(&self, routes: Routes) {
        self.endpoint.replace_routes(routes);
    }

    /// Returns the variables that make an AWS SDK use a role of this endpoint.
    ///
    /// The SDKs rank profiles before the endpoint, so that the configuration files are empty ones,
    /// and no profile of the user is found. The Region would be one of their settings; boto3 reads
    /// it only from AWS_DEFAULT_REGION.
    pub(crate) fn variables(&self, role: &ServedRole) -> Vec<(&'static str, OsString)> {
        let uri = format!("{}{}", self.url(), role.path());
        let mut variables = vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.into()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", self.files.token().into()),
            ("AWS_CONFIG_FILE", self.files.config().into()),
            ("AWS_SHARED_CREDENTIALS_FILE", self.files.credentials().into()),
        ];
        if let Some(region) = role.region() {
            let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
            variables.extend(names.map(|name| (name, region.into())));
        }
        variables
    }

    /// Returns the variables as text, which not every path is.
    pub(crate) fn printed_variables(
        &self,
        role: &ServedRole,
    ) -> Result<Vec<(&'static str, String)>, Failure> {
        let variables = self.variables(role).into_iter();
        let text = |(name, value): (_, OsString)| Ok((name, path_text(value.as_ref())?.to_owned()));
        variables.map(text).collect()
    }

    /// Stops: removes the files, accepts no connection, and lets running requests finish.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        let Self { endpoint, files, stopping, accepting, .. } = self;
        let removed = files.remove();
        // The receivers may be gone: there is no connection then.
        let _ = stopping.send(true);
        let _ = accepting.await;
        let _ = tokio::time::timeout(GRACE, endpoint.connections().wait_until_empty()).await;
        removed
    }
}

async fn accept(listener: TcpListener, endpoint: Arc<Endpoint>, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        let ends = accepted.and_then(|(stream, peer)| {
            let local = stream.local_addr()?;
            stream.set_nodelay(true)?;
            Ok((stream, Ends { peer, local }))
        });
        match ends {
            Ok((stream, ends)) => {
                // Dropping the stream refuses the connection.
                if let Some(registered) = endpoint.connections().add(ends) {
                    let endpoint = Arc::clone(&endpoint);
                    tokio::spawn(serve(stream, registered, endpoint, stop.clone()));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve(
    stream: TcpStream,
    registered: Registered,
    endpoint: Arc<Endpoint>,
    mut stop: watch::Receiver<bool>,
) {
    let connection = &*registered.connection;
    let endpoint = &*endpoint;
    let service = service_fn(|request| async move {
        Ok::<_, Infallible>(endpoint.respond(connection, request).await)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let mut deadline = std::pin::pin!(tokio::time::sleep(CONNECTION_LIFETIME));
    let mut is_ending = *stop.borrow();
    loop {
        tokio::select! {
            // An error is one of the client: it sent no HTTP, or is gone.
            _ = served.as_mut() => return,
            () = connection.closed() => return,
            _ = stop.changed(), if !is_ending => {}
            () = deadline.as_mut() => {
                if is_ending {
                    return;
                }
            }
        }
        is_ending = true;
        served.as_mut().graceful_shutdown();
        deadline.as_mut().reset(tokio::time::Instant::now() + GRACE);
    }
}

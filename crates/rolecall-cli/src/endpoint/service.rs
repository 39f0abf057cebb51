//! What the endpoint answers to a request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, TRANSFER_ENCODING};
use hyper::{HeaderMap, Request};

use super::connections::{Connection, Connections};
use super::host::{self, HostError};
use super::pages;
use super::peer::Peers;
use super::rate::RateLimit;
use super::response::{self, HttpResponse, Refusal};
use super::routes::{RESERVED, Routes};
use super::token::AuthToken;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    token: AuthToken,
    peers: Peers,
    routes: RwLock<Arc<Routes>>,
    connections: Arc<Connections>,
    limits: Limits,
    refusals: [AtomicU64; Refusal::ALL.len()],
}

/// Limits by what a client has shown. Requests of one kind use up no other kind's limit, so that a
/// client without the token keeps out none with it.
#[derive(Debug)]
struct Limits {
    with_token: RateLimit,
    without_token: RateLimit,
    pages: RateLimit,
}

impl Endpoint {
    /// Creates the endpoint that listens on an address.
    pub(crate) fn new(address: SocketAddr, token: AuthToken, peers: Peers, routes: Routes) -> Self {
        let now = Instant::now();
        let limits = Limits {
            with_token: RateLimit::new(500, 1000, now),
            without_token: RateLimit::new(20, 100, now),
            pages: RateLimit::new(20, 100, now),
        };
        Self {
            address,
            token,
            peers,
            routes: RwLock::new(Arc::new(routes)),
            connections: Arc::default(),
            limits,
            refusals: Default::default(),
        }
    }

    pub(crate) fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace_routes(&self, routes: Routes) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
    }

    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// Returns how many requests were refused for this reason.
    pub(crate) fn refusals(&self, refusal: Refusal) -> u64 {
        self.refusals.get(refusal as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Answers a request.
    pub(crate) async fn respond(
        &self,
        connection: &Connection,
        request: Request<Incoming>,
    ) -> HttpResponse {
        let _running = connection.begin_request();
        match self.answer(connection, &request).await {
            Ok(response) => response,
            Err(refusal) => {
                if let Some(count) = self.refusals.get(refusal as usize) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                tracing::debug!(code = refusal.code(), "the endpoint refused a request");
                refusal.response(methods(request.uri().path()))
            }
        }
    }

    async fn answer(
        &self,
        connection: &Connection,
        request: &Request<Incoming>,
    ) -> Result<HttpResponse, Refusal> {
        self.check_form(request)?;
        let path = request.uri().path();
        let page = match path {
            "/" => pages::status,
            "/healthz" => pages::health,
            "/metrics" => pages::metrics,
            _ => return self.session(connection, request).await,
        };
        // The pages need no token, so that browsers and monitoring can read them.
        self.check_user(connection).await?;
        limit(&self.limits.pages)?;
        Ok(page(self))
    }

    /// Checks what holds for every request. Nothing here depends on the token.
    fn check_form(&self, request: &Request<Incoming>) -> Result<(), Refusal> {
        match host::check(request.headers(), request.uri(), self.address) {
            Ok(()) => {}
            Err(HostError::NotOne) => return Err(Refusal::Malformed),
            Err(HostError::Foreign) => return Err(Refusal::ForeignHost),
        }
        let mut methods = methods(request.uri().path()).split(", ");
        if !methods.any(|method| method == request.method().as_str()) {
            return Err(Refusal::Method);
        }
        // A body could be another request, to a program that reads its length differently.
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        match is_chunked || !request.body().is_end_stream() {
            true => Err(Refusal::Malformed),
            false => Ok(()),
        }
    }

    async fn session(
        &self,
        connection: &Connection,
        request: &Request<Incoming>,
    ) -> Result<HttpResponse, Refusal> {
        // The token comes first: only a client that has it makes this process read the kernel's
        // list, and learns which paths there are.
        if !self.is_authorized(request.headers()) {
            limit(&self.limits.without_token)?;
            return Err(Refusal::Unauthorized);
        }
        self.check_user(connection).await?;
        connection.trust();
        limit(&self.limits.with_token)?;
        let role = self.routes().get(request.uri().path()).map(Arc::clone);
        let role = role.ok_or(Refusal::NotFound)?;
        Ok(match role.serve().await {
            Ok(session) => response::session(&session, role.role()),
            Err(error) => response::unavailable(&error),
        })
    }

    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => self.token.matches(value.as_bytes()),
            _ => false,
        }
    }

    async fn check_user(&self, connection: &Connection) -> Result<(), Refusal> {
        match connection.is_permitted(&self.peers).await {
            true => Ok(()),
            false => Err(Refusal::ForeignUser),
        }
    }
}

/// Returns the methods of a path, as the header `Allow` lists them. Monitoring asks for the head of
/// a page alone; the server then sends no body.
fn methods(path: &str) -> &'static str {
    match RESERVED.contains(&path) {
        true => "GET, HEAD",
        false => "GET",
    }
}

fn limit(limit: &RateLimit) -> Result<(), Refusal> {
    match limit.permits(Instant::now()) {
        true => Ok(()),
        false => Err(Refusal::RateLimit),
    }
}

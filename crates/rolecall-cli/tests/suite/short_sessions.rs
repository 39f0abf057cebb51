//! An endpoint in front of the local AWS, whose sessions end after a few seconds.
//!
//! The shortest session of STS lasts 15 minutes. This server forwards each request, and replaces
//! the expiration in the responses: what a program does across a refresh takes seconds. It refuses
//! requests of sessions that are over, as services do.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, DATE, HeaderMap};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Time for which a session is accepted after its end: a request that was signed in time arrives
/// later, above all on a busy machine.
const GRACE: Duration = Duration::from_secs(3);

/// A running server. It runs for as long as the runtime of the test.
#[derive(Clone, Debug)]
pub(crate) struct ShortSessions {
    url: String,
    upstream: SocketAddr,
    lifetime: Duration,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    /// The end of each session, by its access key id.
    ends: BTreeMap<String, SystemTime>,
    /// The access key id of each request of a session.
    requests: Vec<String>,
    refused: Vec<String>,
}

impl ShortSessions {
    /// Starts the server in front of an endpoint.
    pub(crate) async fn start(endpoint_url: &str, lifetime: Duration) -> Self {
        let upstream = endpoint_url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, upstream, lifetime, log: Arc::default() };
        let running = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = running.clone();
                let service = service_fn(move |request| {
                    let server = server.clone();
                    async move { Ok::<_, Infallible>(server.answer(request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the access key id of each request that a session signed, in their order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().requests.clone()
    }

    /// Returns the access key ids of the requests that came after the end of their session.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.log.lock().unwrap().refused.clone()
    }

    /// Returns `true` if requests of this session are refused.
    pub(crate) fn is_over(&self, access_key_id: &str) -> bool {
        let end = self.log.lock().unwrap().ends.get(access_key_id).copied();
        end.is_some_and(|end| SystemTime::now() > end + GRACE)
    }

    /// Adds a request to the log. Returns `true` if it is refused.
    fn record(&self, headers: &HeaderMap) -> bool {
        let signature = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = signature.and_then(|value| value.split_once("Credential="));
        let Some((key, _)) = key.and_then(|(_, rest)| rest.split_once('/')) else { return false };
        let is_over = self.is_over(key);
        let mut log = self.log.lock().unwrap();
        // The keys of a user have no end.
        if log.ends.contains_key(key) {
            log.requests.push(key.to_owned());
        }
        if is_over {
            log.refused.push(key.to_owned());
        }
        is_over
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if self.record(request.headers()) {
            let body = "<Error><Code>ExpiredToken</Code><Message>The token has expired</Message>\
                        </Error>";
            let mut response = Response::new(Full::new(Bytes::from(body)));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return response;
        }
        self.forward(request).await
    }

    async fn forward(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        // The signature covers the headers, `Host` included, and the body.
        let body = body.collect().await.unwrap().to_bytes();
        let request = Request::from_parts(head, Full::new(body));
        let stream = TokioIo::new(TcpStream::connect(self.upstream).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let (mut head, body) = sender.send_request(request).await.unwrap().into_parts();
        let mut body = body.collect().await.unwrap().to_bytes();
        // The local AWS has a clock that stands still. hyper writes the time of this machine.
        head.headers.remove(DATE);
        if let Some(text) = std::str::from_utf8(&body).ok().and_then(|text| self.shorten(text)) {
            head.headers.remove(CONTENT_LENGTH);
            body = text.into();
        }
        Response::from_parts(head, Full::new(body))
    }

    /// Replaces the expiration in a response that contains a session, and remembers it.
    fn shorten(&self, text: &str) -> Option<String> {
        const START: &str = "<Expiration>";
        let (before, rest) = text.split_once(START)?;
        let (_, after) = rest.split_once('<')?;
        let (_, key) = text.split_once("<AccessKeyId>")?;
        let (key, _) = key.split_once('<')?;
        // In whole seconds, as STS does.
        let end = DateTime::from_secs(DateTime::from(SystemTime::now() + self.lifetime).secs());
        let stated = end.fmt(Format::DateTime).unwrap();
        self.log.lock().unwrap().ends.insert(key.to_owned(), end.try_into().unwrap());
        Some(format!("{before}{START}{stated}<{after}"))
    }
}

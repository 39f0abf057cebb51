//! An STS in front of the local AWS, whose sessions end after a few seconds.
//!
//! The shortest session of STS lasts 15 minutes. This server forwards each request, and replaces
//! the expiration in the response: what a program does across a refresh takes seconds.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, DATE};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Starts the server, and returns its URL. It runs for as long as the runtime of the test.
pub(crate) async fn start(endpoint_url: &str, lifetime: Duration) -> String {
    let upstream: SocketAddr = endpoint_url.strip_prefix("http://").unwrap().parse().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(move |request| async move {
                Ok::<_, Infallible>(forward(request, upstream, lifetime).await)
            });
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

async fn forward(
    request: Request<Incoming>,
    upstream: SocketAddr,
    lifetime: Duration,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    // The signature covers the headers, `Host` included, and the body.
    let request = Request::from_parts(head, Full::new(body.collect().await.unwrap().to_bytes()));
    let stream = TokioIo::new(TcpStream::connect(upstream).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (mut head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    head.headers.remove(CONTENT_LENGTH);
    // The local AWS has a clock that stands still. hyper writes the time of this machine.
    head.headers.remove(DATE);
    Response::from_parts(head, Full::new(replace_expiration(&text, lifetime).into()))
}

fn replace_expiration(text: &str, lifetime: Duration) -> String {
    const START: &str = "<Expiration>";
    let Some((before, rest)) = text.split_once(START) else { return text.to_owned() };
    let (_, after) = rest.split_once('<').unwrap();
    let end = SystemTime::now() + lifetime;
    let end = aws_smithy_types::DateTime::from_secs(
        end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap(),
    );
    let end = end.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap();
    format!("{before}{START}{end}<{after}")
}

//! Requests in HTTP/1.1, with a time limit and a bounded response.

use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rolecall::sts::HttpProxy;

use super::{BoxStream, Target, limited};

/// Size limit of a response's body in bytes.
const MAX_BODY: usize = 256 * 1024;

/// A response, read to its end.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Sends a form, and returns the response.
///
/// The form is the body of the request and not a part of the URL, which servers and proxies log.
pub(crate) async fn send(
    stream: BoxStream,
    target: &Target,
    proxy: Option<&HttpProxy>,
    form: String,
) -> Result<Response, String> {
    // A proxy of plain HTTP receives the whole URL. With TLS, the proxy is only a tunnel.
    let forwarded = proxy.filter(|_| !target.is_https);
    let uri = match (forwarded, target.uri.path_and_query()) {
        (Some(_), _) => target.uri.clone(),
        (None, Some(path)) => Uri::from(path.clone()),
        (None, None) => Uri::from_static("/"),
    };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(HOST, target.authority())
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("accept", "*/*")
        .header("user-agent", concat!("rolecall/", env!("CARGO_PKG_VERSION")));
    if let Some(authorization) = forwarded.and_then(HttpProxy::authorization) {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let request = request.body(Full::new(Bytes::from(form))).map_err(|error| error.to_string())?;
    limited(exchange(stream, request)).await?
}

async fn exchange(stream: BoxStream, request: Request<Full<Bytes>>) -> Result<Response, String> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| describe(&error))?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    connection.abort();
    let body = body.map_err(|error| format!("the response is not complete: {error}"))?;
    Ok(Response { status: parts.status, headers: parts.headers, body: body.to_bytes() })
}

/// Asks the proxy for a tunnel to the server. A proxy of plain HTTP forwards requests instead.
pub(crate) async fn open_tunnel(
    stream: BoxStream,
    target: &Target,
    proxy: &HttpProxy,
) -> Result<BoxStream, String> {
    if !target.is_https {
        return Ok(stream);
    }
    let authority = target.authority();
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(authority.as_str())
        .header(HOST, authority.as_str());
    if let Some(authorization) = proxy.authorization() {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let request = request.body(Full::default()).map_err(|error| error.to_string())?;
    limited(upgrade(stream, request, &authority)).await?
}

async fn upgrade(
    stream: BoxStream,
    request: Request<Full<Bytes>>,
    authority: &str,
) -> Result<BoxStream, String> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection.with_upgrades());
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| format!("the proxy closed the connection: {}", describe(&error)))?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("the proxy refused a connection to {authority}: {status}"));
    }
    match hyper::upgrade::on(response).await {
        Ok(upgraded) => Ok(Box::new(TokioIo::new(upgraded))),
        Err(error) => Err(describe(&error)),
    }
}

/// Returns the error with its cause, which names the reason.
fn describe(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

use async_trait::async_trait;
use rolecall_core::{Environment, ErrorKind, InvalidParameter, SessionError};
use spiffe::{SpiffeId, WorkloadApiClient};

use crate::ProvideWebIdentityToken;
use crate::token::WebIdentityToken;

const ENDPOINT_SOCKET: &str = "SPIFFE_ENDPOINT_SOCKET";

/// Provides JWT-SVIDs of the SPIFFE Workload API (SPIRE) as web identity tokens.
///
/// The trust domain's OIDC discovery provider must be an OIDC identity provider in the AWS account.
/// The endpoint of the Workload API defaults to that of `SPIFFE_ENDPOINT_SOCKET`, a `unix:` or
/// `tcp:` URI. A connection is opened for each token.
///
/// Requires the feature `spiffe`.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_web_identity::{ProvideWebIdentityToken, SpiffeToken};
///
/// let token = SpiffeToken::new("sts.amazonaws.com", Environment::process())
///     .with_spiffe_id("spiffe://shop.example/checkout")?;
/// assert_eq!(token.describe(), "of the SPIFFE Workload API");
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug)]
pub struct SpiffeToken {
    audience: String,
    spiffe_id: Option<SpiffeId>,
    endpoint: Option<String>,
    environment: Environment,
}

impl SpiffeToken {
    /// Creates a provider of tokens for `audience`, one of the client ids of the OIDC identity
    /// provider in IAM.
    pub fn new(audience: impl Into<String>, environment: Environment) -> Self {
        Self { audience: audience.into(), spiffe_id: None, endpoint: None, environment }
    }

    /// Sets the SPIFFE ID of the token. Defaults to the first that the Workload API returns.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if `id` is not a SPIFFE ID.
    pub fn with_spiffe_id(mut self, id: &str) -> Result<Self, InvalidParameter> {
        let parsed = SpiffeId::new(id).map_err(|error| {
            let rule = "spiffe://<trust domain>/<path>";
            InvalidParameter::new("SPIFFE ID", id, error.to_string(), rule)
        })?;
        self.spiffe_id = Some(parsed);
        Ok(self)
    }

    /// Sets the endpoint of the Workload API, such as `unix:///run/spire/agent.sock`. Defaults to
    /// `SPIFFE_ENDPOINT_SOCKET`.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    fn endpoint(&self) -> Result<String, SessionError> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        self.environment.var(ENDPOINT_SOCKET)?.ok_or_else(|| {
            let message = format!("{ENDPOINT_SOCKET} is not set");
            SessionError::new(ErrorKind::InvalidConfig, message)
                .with_hint("set it to the URI of the Workload API's socket")
        })
    }
}

#[async_trait]
impl ProvideWebIdentityToken for SpiffeToken {
    async fn provide_token(&self) -> Result<WebIdentityToken, SessionError> {
        let endpoint = self.endpoint()?;
        let token = async {
            let client = WorkloadApiClient::connect_to(&endpoint).await?;
            client.fetch_jwt_token([&self.audience], self.spiffe_id.as_ref()).await
        };
        let token = token.await.map_err(|error| {
            let message = format!("the SPIFFE Workload API at {endpoint:?} returned no token");
            SessionError::new(ErrorKind::TokenUnavailable, message).with_cause(&error).with_hint(
                "check that the agent runs and has a registration entry for this workload",
            )
        })?;
        WebIdentityToken::parse(&token)
    }

    fn describe(&self) -> String {
        "of the SPIFFE Workload API".to_owned()
    }

    /// Returns `false`, because the tokens identify this workload and cannot depend on the caller.
    fn pins_identity(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt, Full};
    use hyper::body::{Bytes, Incoming};
    use hyper::header::HeaderMap;
    use hyper::{Request, Response};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::net::TcpListener;

    use super::*;

    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzcGlmZmU6Ly9zaG9wLmV4YW1wbGUvYSJ9.c2ln";

    /// Encodes a length-delimited field of protobuf.
    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = value.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(value);
        bytes
    }

    /// Answers like the Workload API: one JWT-SVID, or none with the status PERMISSION_DENIED.
    async fn answer(
        request: Request<Incoming>,
        token: Option<&str>,
    ) -> Response<impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static + use<>>
    {
        assert_eq!(request.uri().path(), "/SpiffeWorkloadAPI/FetchJWTSVID");
        assert_eq!(request.headers()["workload.spiffe.io"], "true");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert!(body.windows(17).any(|part| part == b"sts.amazonaws.com"), "{body:?}");
        let message = match token {
            Some(token) => {
                let id = field(1, b"spiffe://shop.example/a");
                field(1, &[id, field(2, token.as_bytes())].concat())
            }
            None => Vec::new(),
        };
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let frame = [&[0], &length[..], &message].concat();
        let status = if token.is_some() { "0" } else { "7" };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        let body = Full::new(Bytes::from(frame));
        let body = body.with_trailers(async { Some(Ok(trailers)) });
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    }

    async fn serve(token: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(move |request| async move {
                Ok::<_, Infallible>(answer(request, token).await)
            });
            let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
        endpoint
    }

    #[tokio::test]
    async fn token_comes_from_the_workload_api() {
        let endpoint = serve(Some(TOKEN)).await;
        let environment = Environment::fixed([(ENDPOINT_SOCKET, endpoint.as_str())]);
        let provider = SpiffeToken::new("sts.amazonaws.com", environment);
        assert_eq!(provider.provide_token().await.unwrap().expose(), TOKEN);
    }

    #[tokio::test]
    async fn refusal_of_the_workload_api_is_token_unavailable() {
        let provider = SpiffeToken::new("sts.amazonaws.com", Environment::fixed([("A", "b")]));
        let error = provider.provide_token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(ENDPOINT_SOCKET), "{error}");

        let endpoint = serve(None).await;
        let error = provider.with_endpoint(&endpoint).provide_token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
        assert!(error.to_string().contains(&endpoint), "{error}");
    }

    #[test]
    fn malformed_spiffe_id_is_invalid() {
        let provider = SpiffeToken::new("sts.amazonaws.com", Environment::process());
        let error = provider.with_spiffe_id("https://shop.example/a").unwrap_err();
        assert_eq!((error.field, error.value.as_str()), ("SPIFFE ID", "https://shop.example/a"));
    }
}

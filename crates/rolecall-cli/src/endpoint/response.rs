//! The responses of the endpoint. Errors have the form of the ECS agent's.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use rolecall::{Session, SessionError};
use serde::Serialize;

use crate::error::report;
use crate::time::timestamp;

pub(crate) type HttpResponse = Response<Full<Bytes>>;

/// Why a request is not answered with a session or a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// The request has a body, or no single `Host`.
    Malformed,
    /// The token is missing or wrong.
    Unauthorized,
    /// The request is for another host.
    ForeignHost,
    /// The client belongs to another user, or to an unknown one.
    ForeignUser,
    NotFound,
    Method,
    RateLimit,
}

impl Refusal {
    pub(crate) const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Unauthorized,
        Self::ForeignHost,
        Self::ForeignUser,
        Self::NotFound,
        Self::Method,
        Self::RateLimit,
    ];

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ForeignHost | Self::ForeignUser => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::RateLimit => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "InvalidRequest",
            Self::Unauthorized => "InvalidAuthorizationToken",
            Self::ForeignHost => "InvalidHost",
            Self::ForeignUser => "ClientNotAllowed",
            Self::NotFound => "PathNotFound",
            Self::Method => "MethodNotAllowed",
            Self::RateLimit => "RequestLimitExceeded",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Malformed => "the request has a body, or not exactly one Host header",
            Self::Unauthorized => "the Authorization header is missing or is not the token",
            Self::ForeignHost => "the request is not for this endpoint",
            Self::ForeignUser => "the client is not a process of the user that runs the endpoint",
            Self::NotFound => "no role is served at this path",
            Self::Method => "the path has no such method",
            Self::RateLimit => "too many requests",
        }
    }

    /// Returns the response. It closes the connection, since the bytes after a refused request may
    /// be its body, and may as well be another request. `methods` are those of the path.
    pub(crate) fn response(self, methods: &'static str) -> HttpResponse {
        let mut response = error(self.status(), self.code(), self.message());
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if self == Self::Method {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        response
    }
}

/// Credentials as the ECS agent serves them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerCredentials<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
    role_arn: &'a str,
}

/// Returns the response with a session.
pub(crate) fn session(session: &Session, role_arn: &str) -> HttpResponse {
    let credentials = session.credentials();
    json(
        StatusCode::OK,
        &ContainerCredentials {
            access_key_id: credentials.access_key_id(),
            secret_access_key: credentials.secret_access_key(),
            token: credentials.session_token(),
            expiration: session.expires_at().map(timestamp),
            role_arn,
        },
    )
}

/// Returns the response for a role without a session. An error's report contains no secret.
pub(crate) fn unavailable(fault: &SessionError) -> HttpResponse {
    error(StatusCode::SERVICE_UNAVAILABLE, "CredentialsUnavailable", &report(fault))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

fn error(status: StatusCode, code: &str, message: &str) -> HttpResponse {
    json(status, &ErrorBody { code, message })
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    // These types consist of strings, which always have a form in JSON.
    let text = serde_json::to_string(body).unwrap_or_default();
    with_type(status, "application/json", text)
}

pub(crate) fn with_type(status: StatusCode, kind: &'static str, text: String) -> HttpResponse {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

//! The STS of all candidates: in this process, with a configurable latency, and with counters.
//!
//! It answers through each library's own interface: as a rolecall provider, as an SDK credentials
//! provider, and as an HTTP client for the libraries that speak STS's protocol themselves.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use rolecall::provider::FetchContext;
use rolecall::time::Clock;
use rolecall::{ErrorKind, ProvideSession, Session, SessionError};

/// Approximate length of the session token that STS issues for a role without session policies.
const TOKEN_LENGTH: usize = 1000;
pub(crate) const SHORT_TOKEN_LENGTH: usize = 100;

/// An STS. Clones share their counters.
#[derive(Clone, Debug)]
pub(crate) struct Sts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    latency: Duration,
    lifetime: Duration,
    token_length: usize,
    fails: bool,
    started: AtomicUsize,
    completed: AtomicUsize,
}

/// Error of an [`Sts`] that fails every call.
#[derive(Debug)]
pub(crate) struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("STS is unavailable")
    }
}

impl std::error::Error for Unavailable {}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

impl Sts {
    /// Creates an STS with a latency, whose sessions have this lifetime.
    pub(crate) fn new(latency: Duration, lifetime: Duration) -> Self {
        Self::with_outcome(latency, lifetime, TOKEN_LENGTH, false)
    }

    /// Creates an STS without latency, whose session tokens have 100 characters.
    ///
    /// A million tokens of the usual length would hide what the cache itself adds.
    pub(crate) fn with_short_tokens() -> Self {
        Self::with_outcome(Duration::ZERO, HOUR, SHORT_TOKEN_LENGTH, false)
    }

    /// Creates an STS that answers every call with an error.
    pub(crate) fn unavailable(latency: Duration) -> Self {
        Self::with_outcome(latency, HOUR, TOKEN_LENGTH, true)
    }

    fn with_outcome(
        latency: Duration,
        lifetime: Duration,
        token_length: usize,
        fails: bool,
    ) -> Self {
        let (started, completed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Inner { latency, lifetime, token_length, fails, started, completed }))
    }

    /// Returns the number of calls that have started.
    pub(crate) fn calls(&self) -> usize {
        self.0.started.load(Ordering::Relaxed)
    }

    /// Returns the number of calls that have completed.
    pub(crate) fn completed_calls(&self) -> usize {
        self.0.completed.load(Ordering::Relaxed)
    }

    /// Makes a call and returns the number of the session.
    async fn assume_role(&self) -> Result<usize, Unavailable> {
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        if !self.0.latency.is_zero() {
            tokio::time::sleep(self.0.latency).await;
        }
        self.0.completed.fetch_add(1, Ordering::Relaxed);
        if self.0.fails { Err(Unavailable) } else { Ok(number) }
    }

    fn expiration(&self) -> SystemTime {
        SystemTime::now() + self.0.lifetime
    }

    /// Returns a new session as the SDK's credentials.
    pub(crate) async fn credentials(&self) -> Result<Credentials, Unavailable> {
        let number = self.assume_role().await?;
        Ok(keys_with_token(number, self.0.token_length, Some(self.expiration())))
    }

    /// Returns the response to AssumeRole or AssumeRoleWithWebIdentity as XML.
    pub(crate) async fn response(&self) -> Result<String, Unavailable> {
        let credentials = self.credentials().await?;
        let expiration =
            DateTime::from(self.expiration()).fmt(Format::DateTime).unwrap_or_default();
        let fields = format!(
            "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
             <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/tenant/bench</Arn>\
             <AssumedRoleId>AROAEXAMPLE:bench</AssumedRoleId></AssumedRoleUser>",
            credentials.access_key_id(),
            credentials.secret_access_key(),
            credentials.session_token().unwrap_or_default(),
        );
        // One document serves both operations: each parser ignores the element of the other.
        Ok(format!(
            "<AssumeRoleResponse><AssumeRoleResult>{fields}</AssumeRoleResult>\
             <AssumeRoleWithWebIdentityResult>{fields}</AssumeRoleWithWebIdentityResult></AssumeRoleResponse>"
        ))
    }

    /// Returns an HTTP client for the SDK whose requests this STS answers, without a network.
    pub(crate) fn http_client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(InProcess(self.clone()));
        http_client_fn(move |_, _| connector.clone())
    }
}

/// Returns the keys of a session. The access key id differs for each session, as it does for STS.
pub(crate) fn keys(number: usize, expiration: Option<SystemTime>) -> Credentials {
    keys_with_token(number, TOKEN_LENGTH, expiration)
}

/// Returns the keys of a session with a token of this length.
pub(crate) fn keys_with_token(
    number: usize,
    token_length: usize,
    expiration: Option<SystemTime>,
) -> Credentials {
    let id = format!("ASIAEXAMPLE{number:09}");
    let token = "t".repeat(token_length);
    Credentials::new(
        id,
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        Some(token),
        expiration,
        "bench",
    )
}

#[derive(Debug)]
struct InProcess(Sts);

impl HttpConnector for InProcess {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let sts = self.0.clone();
        HttpConnectorFuture::new(async move {
            let (status, body) = match sts.response().await {
                Ok(response) => (200_u16, response),
                Err(error) => (500, error.to_string()),
            };
            let status = StatusCode::try_from(status)
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            let date = DateTime::from(SystemTime::now()).fmt(Format::HttpDate);
            response.headers_mut().insert("date", date.unwrap_or_default());
            Ok(response)
        })
    }
}

#[async_trait]
impl ProvideSession for Sts {
    async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
        let clock = Clock::system();
        let requested_at = clock.now();
        let failed =
            |error: Unavailable| SessionError::new(ErrorKind::Unavailable, error.to_string());
        let number = self.assume_role().await.map_err(failed)?;
        let session = Session::builder(keys_with_token(number, self.0.token_length, None));
        Ok(session.lifetime(requested_at, self.0.lifetime, &clock).build())
    }
}

impl ProvideCredentials for Sts {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = self.credentials().await.map_err(CredentialsError::provider_error)?;
            provider::Result::Ok(credentials)
        })
    }
}

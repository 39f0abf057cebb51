//! The STS that every cache of the comparison goes to: in this process, as slow and as broken as it is told, and it counts.

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
use rolecall::{Clock, ErrorKind, FetchContext, FetchError, Session, SessionSource};

/// As long as those that STS issues for a role without session policies, roughly.
const TOKEN_LENGTH: usize = 1000;

/// An STS. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Sts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    latency: Duration,
    lifetime: Duration,
    fails: bool,
    begun: AtomicUsize,
    done: AtomicUsize,
}

/// It failed, since it was told to.
#[derive(Debug)]
pub(crate) struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this STS is down")
    }
}

impl std::error::Error for Down {}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

impl Sts {
    /// One whose sessions last so long.
    pub(crate) fn new(latency: Duration, lifetime: Duration) -> Self {
        Self::of(latency, lifetime, false)
    }

    /// One that answers with an error.
    pub(crate) fn down(latency: Duration) -> Self {
        Self::of(latency, HOUR, true)
    }

    fn of(latency: Duration, lifetime: Duration, fails: bool) -> Self {
        let (begun, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Inner { latency, lifetime, fails, begun, done }))
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// How many calls were answered.
    pub(crate) fn answers(&self) -> usize {
        self.0.done.load(Ordering::Relaxed)
    }

    /// A call: the number of the session.
    async fn call(&self) -> Result<usize, Down> {
        let number = self.0.begun.fetch_add(1, Ordering::Relaxed);
        if !self.0.latency.is_zero() {
            tokio::time::sleep(self.0.latency).await;
        }
        self.0.done.fetch_add(1, Ordering::Relaxed);
        if self.0.fails { Err(Down) } else { Ok(number) }
    }

    fn ends(&self) -> SystemTime {
        SystemTime::now() + self.0.lifetime
    }

    /// Credentials of the SDK.
    pub(crate) async fn credentials(&self) -> Result<Credentials, Down> {
        let number = self.call().await?;
        Ok(keys(number, Some(self.ends())))
    }

    /// The answer to AssumeRole or AssumeRoleWithWebIdentity.
    pub(crate) async fn answer(&self) -> Result<String, Down> {
        let credentials = self.credentials().await?;
        let end = DateTime::from(self.ends()).fmt(Format::DateTime).unwrap_or_default();
        let fields = format!(
            "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{end}</Expiration></Credentials>\
             <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/tenant/bench</Arn>\
             <AssumedRoleId>AROAEXAMPLE:bench</AssumedRoleId></AssumedRoleUser>",
            credentials.access_key_id(),
            credentials.secret_access_key(),
            credentials.session_token().unwrap_or_default(),
        );
        // Each parser looks for its own.
        Ok(format!(
            "<AssumeRoleResponse><AssumeRoleResult>{fields}</AssumeRoleResult>\
             <AssumeRoleWithWebIdentityResult>{fields}</AssumeRoleWithWebIdentityResult></AssumeRoleResponse>"
        ))
    }

    /// An HTTP client of the SDK, at whose other end this STS is.
    pub(crate) fn http_client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(Wire(self.clone()));
        http_client_fn(move |_, _| connector.clone())
    }
}

/// A session's keys. The id is like STS's own, and another for each session.
pub(crate) fn keys(number: usize, end: Option<SystemTime>) -> Credentials {
    let id = format!("ASIAEXAMPLE{number:09}");
    let token = "t".repeat(TOKEN_LENGTH);
    Credentials::new(id, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", Some(token), end, "bench")
}

#[derive(Debug)]
struct Wire(Sts);

impl HttpConnector for Wire {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let sts = self.0.clone();
        HttpConnectorFuture::new(async move {
            let (status, body) = match sts.answer().await {
                Ok(answer) => (200_u16, answer),
                Err(down) => (500, down.to_string()),
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
impl SessionSource for Sts {
    async fn session(&self, _: FetchContext) -> Result<Session, FetchError> {
        let clock = Clock::system();
        let asked = clock.now();
        let down = |down: Down| FetchError::new(ErrorKind::Unavailable, down.to_string());
        let number = self.call().await.map_err(down)?;
        Ok(Session::builder(keys(number, None)).lifetime(asked, self.0.lifetime, &clock).build())
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

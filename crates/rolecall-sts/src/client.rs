//! One client for each endpoint, without credentials of its own.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sts::config::{
    BehaviorVersion, Builder, IdentityCache, SharedHttpClient, SharedIdentityCache,
};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use rolecall_core::{
    Clock, Environment, ErrorKind, FetchContext, FetchError, Session, Urgency, VerifiedToken,
};

use tokio::time::Instant;

use crate::answer::{self, Answer, DateHeader};
use crate::budget::{Budget, Turns};
use crate::classify::{blames_signature, blames_time};
use crate::endpoint::Endpoint;
use crate::time::ServerTime;
use crate::{AssumeRoleRequest, CallerIdentity, WebIdentityRequest, proxy, wire};

/// STS at one endpoint. Clones share everything.
///
/// Limits: 2 s to connect, 5 s for an attempt; up to three attempts within 14 s when a caller waits, one in the
/// background. The SDK's own retries are off. Each attempt takes a turn of the client's [`Budget`].
///
/// ```no_run
/// use rolecall_core::{FetchContext, RoleArn, Session, SessionName};
/// use rolecall_sts::{AssumeRoleRequest, Endpoint, Region, StsClient};
///
/// # async fn show(signer: Session) -> Result<(), rolecall_core::FetchError> {
/// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
/// let role = RoleArn::parse("arn:aws:iam::444455556666:role/orders")?;
/// let request = AssumeRoleRequest::new(role, SessionName::parse("checkout")?);
/// let session = sts.assume_role(&signer, &request, FetchContext::caller()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StsClient(Arc<Inner>);

struct Inner {
    sdk: aws_sdk_sts::Client,
    no_cache: SharedIdentityCache,
    endpoint: Endpoint,
    clock: Clock,
    time: ServerTime,
    turns: Turns,
}

impl StsClient {
    /// How long a connection may take.
    pub const CONNECT_LIMIT: Duration = Duration::from_secs(2);
    /// How long one attempt may take, connecting included.
    pub const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
    /// How long all attempts may take: less than the 15 s that a cache gives a fetch, so that it is the client's error that
    /// is seen.
    pub const CALL_LIMIT: Duration = Duration::from_secs(14);
    /// How often a fetch that somebody waits for is tried. A background fetch is tried once: the next comes by itself.
    pub const CALLER_ATTEMPTS: u32 = 3;
    /// The longest pause before the second attempt; it doubles.
    pub const FIRST_PAUSE: Duration = Duration::from_millis(100);

    /// A client of its own for this endpoint, on the machine's clock.
    pub fn new(endpoint: Endpoint) -> Self {
        Self::builder(endpoint).build()
    }

    /// A client with another clock or HTTP client.
    pub fn builder(endpoint: Endpoint) -> StsClientBuilder {
        StsClientBuilder {
            endpoint,
            clock: Clock::system(),
            http: None,
            proxy: None,
            budget: Budget::default(),
        }
    }

    /// The clock that it measures sessions by. What counts their ends must go by the same.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where it calls.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// The turns of its [`Budget`], for what else calls STS on the same quota.
    ///
    /// ```
    /// # async fn show(sts: rolecall_sts::StsClient) -> Result<(), rolecall_core::FetchError> {
    /// use std::time::Duration;
    /// use rolecall_core::Urgency;
    /// let turn = sts.turns().take(Urgency::Caller, Duration::from_secs(9)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// The time by STS's own clock, from the `Date` of its last answer and the time that has gone by since; `None` before
    /// it has answered. A wrong or stepped wall clock of this machine changes nothing in it.
    ///
    /// ```
    /// use rolecall_sts::{Endpoint, Region, StsClient};
    /// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
    /// assert_eq!(sts.server_time(), None);
    /// # Ok::<(), rolecall_core::FetchError>(())
    /// ```
    pub fn server_time(&self) -> Option<SystemTime> {
        self.0.time.now()
    }

    /// AssumeRole, signed by `signer`. An error says nothing of the hop: the source that calls does.
    pub async fn assume_role(
        &self,
        signer: &Session,
        request: &AssumeRoleRequest,
        cx: FetchContext,
    ) -> Result<Session, FetchError> {
        self.in_partition(request.role.partition())?;
        let signed = self.signed_by(signer)?;
        let secrets = [&secrets_of(signer)[..], &wire::secrets_of(request)].concat();
        let answer = self
            // An MFA code is good for one request.
            .attempts(cx, "AssumeRole", &secrets, request.mfa.is_some(), |date| {
                wire::assume_role(self.0.sdk.assume_role(), request)
                    .customize()
                    .config_override(signed.clone())
                    .interceptor(date)
                    .send()
            })
            .await?;
        let session = answer::session(&answer, &request.role, request.duration, &self.0.clock)?;
        let tags = signer.tags().handed_on(&request.tags);
        // A session's is handed on to all that it assumes, whether or not the answer says so again.
        let session = match signer.source_identity() {
            Some(identity) => session.source_identity(Some(identity.clone())),
            None => session,
        };
        Ok(session.tags(tags).assumed_by(signer, request.role.clone()).build())
    }

    /// AssumeRoleWithWebIdentity. Nobody signs: the token is the proof.
    pub async fn assume_role_with_web_identity(
        &self,
        token: &str,
        request: &WebIdentityRequest,
        cx: FetchContext,
    ) -> Result<Session, FetchError> {
        self.in_partition(request.role.partition())?;
        let answer = self
            .attempts(cx, "AssumeRoleWithWebIdentity", &[token], false, |date| {
                wire::web_identity(self.0.sdk.assume_role_with_web_identity(), token, request)
                    .customize()
                    .interceptor(date)
                    .send()
            })
            .await?;
        let session = answer::session(&answer, &request.role, request.duration, &self.0.clock)?;
        let mut token = VerifiedToken::default();
        token.subject = answer.output.subject_from_web_identity_token().map(str::to_owned);
        token.provider = answer.output.provider().map(str::to_owned);
        token.audience = answer.output.audience().map(str::to_owned);
        let session = session.web_identity(token);
        Ok(session.base(format!("web identity as {}", request.role)).build())
    }

    /// GetCallerIdentity: who `signer` is. Needs no permission.
    pub async fn caller_identity(
        &self,
        signer: &Session,
        cx: FetchContext,
    ) -> Result<CallerIdentity, FetchError> {
        let signed = self.signed_by(signer)?;
        let answer = self
            .attempts(cx, "GetCallerIdentity", &secrets_of(signer), false, |date| {
                self.0
                    .sdk
                    .get_caller_identity()
                    .customize()
                    .config_override(signed.clone())
                    .interceptor(date)
                    .send()
            })
            .await?;
        let arn = answer.output.arn().unwrap_or_default();
        let identity = CallerIdentity::parse(arn, answer.output.user_id().unwrap_or_default());
        identity.map(|identity| identity.with_role(signer.role_arn())).ok_or_else(|| {
            FetchError::new(ErrorKind::InvalidResponse, format!("STS's answer names {arn:?}"))
        })
    }

    /// A role is reached by an endpoint of its own partition alone.
    fn in_partition(&self, role: &str) -> Result<(), FetchError> {
        let region = self.0.endpoint.region();
        if region.partition() == role {
            return Ok(());
        }
        let message = format!(
            "the role is in the partition {role}, and the Region {region} is in {}",
            region.partition()
        );
        Err(FetchError::new(ErrorKind::InvalidConfig, message)
            .with_hint("the role's ARN, or AWS_REGION: a Region of the role's partition"))
    }

    fn signed_by(&self, signer: &Session) -> Result<Builder, FetchError> {
        let keys = signer.credentials();
        for (what, value) in [
            ("access key id", keys.access_key_id()),
            ("secret access key", keys.secret_access_key()),
            ("session token", keys.session_token().unwrap_or_default()),
        ] {
            // They go into headers, which hold no line break, and into the signature.
            if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                let message =
                    format!("the {what} of the session that signs is not printable ASCII");
                return Err(FetchError::new(ErrorKind::InvalidConfig, message)
                    .with_hint("white space at its end, as a line break that came with a file"));
            }
        }
        Ok(Builder::new()
            .credentials_provider(keys.clone())
            .identity_cache(self.0.no_cache.clone()))
    }

    async fn attempts<T, E, F>(
        &self,
        cx: FetchContext,
        operation: &'static str,
        secrets: &[&str],
        once: bool,
        send: impl Fn(DateHeader) -> F,
    ) -> Result<Answer<T>, FetchError>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + Error + 'static,
        SdkError<E>: RequestId,
    {
        let clock = &self.0.clock;
        let most = match cx.urgency {
            Urgency::Caller if !once => Self::CALLER_ATTEMPTS,
            _ => 1,
        };
        let begun = Instant::now();
        let mut attempt = 1;
        let mut before: Option<FetchError> = None;
        let mut resigned = false;
        loop {
            let patience = Self::CALL_LIMIT.saturating_sub(begun.elapsed() + Self::ATTEMPT_LIMIT);
            let turn = match self.0.turns.take(cx.urgency, patience).await {
                Ok(turn) => turn,
                // What STS said is of more use than that there was no time for another attempt.
                Err(used_up) => return Err(before.unwrap_or(used_up)),
            };
            let date = DateHeader::default();
            let (sent, was_off) = (clock.now(), self.0.time.is_off());
            let answered = send(date.clone()).await;
            drop(turn);
            if let Some(date) = date.get() {
                self.0.time.seen(date);
            }
            let error = match answered {
                Ok(output) => return Ok(Answer { output, sent, date: date.get() }),
                Err(error) => answer::error(&error, &self.0.endpoint, secrets),
            };
            let in_time = begun.elapsed() + Self::ATTEMPT_LIMIT <= Self::CALL_LIMIT;
            let of_time =
                blames_time(&error) || blames_signature(&error) && !was_off && self.0.time.is_off();
            if of_time && !resigned && in_time {
                resigned = true;
                // The SDK's client has learnt STS's time from the answer.
                tracing::warn!(operation, %error, "this machine's clock is wrong: signed once more, by STS's time");
                before = Some(error);
                continue;
            }
            let error = match self.0.time.blame().filter(|_| blames_signature(&error)) {
                Some(hint) => error.with_hint(hint),
                None => error,
            };
            tracing::debug!(operation, attempt, %error, "STS call failed");
            let pause = (Self::FIRST_PAUSE * 2_u32.pow(attempt - 1)).mul_f64(fastrand::f64());
            let in_time = begun.elapsed() + pause + Self::ATTEMPT_LIMIT <= Self::CALL_LIMIT;
            if attempt >= most || !in_time || !error.is_retryable() {
                return Err(error);
            }
            // Not by the clock that a test turns: the attempts' own limits are in the network's time, too.
            tokio::time::sleep(pause).await;
            before = Some(error);
            attempt += 1;
        }
    }
}

impl fmt::Debug for StsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StsClient({})", self.0.endpoint)
    }
}

/// What is sent with a signed request, or makes its signature.
fn secrets_of(signer: &Session) -> [&str; 2] {
    let keys = signer.credentials();
    [keys.secret_access_key(), keys.session_token().unwrap_or_default()]
}

/// Sets up a [`StsClient`].
///
/// ```
/// use rolecall_core::ManualClock;
/// use rolecall_sts::{Endpoint, Region, StsClient};
///
/// let hands = ManualClock::new();
/// let endpoint = Endpoint::custom("http://127.0.0.1:4566", Region::parse("eu-west-1")?)?;
/// let sts = StsClient::builder(endpoint).clock(hands.clock()).build();
/// # Ok::<(), rolecall_core::FetchError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct StsClientBuilder {
    endpoint: Endpoint,
    clock: Clock,
    http: Option<SharedHttpClient>,
    proxy: Option<ProxyConfig>,
    budget: Budget,
}

impl StsClientBuilder {
    /// The clock to sign, measure and pause by.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The HTTP client to share with others. Without one the client has its own: rustls, the system's certificates,
    /// the proxy that the process's variables name ([`proxy_from`](Self::proxy_from)).
    pub fn http_client(mut self, http: SharedHttpClient) -> Self {
        self.http = Some(http);
        self
    }

    /// The proxy that this environment names: `HTTPS_PROXY` (for an endpoint at `http://`, `HTTP_PROXY`), else `ALL_PROXY`,
    /// unless `NO_PROXY` excepts STS's host; in lower case too. None for an endpoint on this machine. A client that is
    /// given its HTTP client has that one's.
    ///
    /// ```
    /// use rolecall_core::Environment;
    /// use rolecall_sts::{Endpoint, Region, StsClient};
    ///
    /// let env = Environment::fixed([("HTTPS_PROXY", "http://proxy.example.com:3128")]);
    /// let endpoint = Endpoint::regional(Region::parse("eu-west-1")?);
    /// let sts = StsClient::builder(endpoint).proxy_from(&env)?.build();
    /// # Ok::<(), rolecall_core::FetchError>(())
    /// ```
    pub fn proxy_from(mut self, environment: &Environment) -> Result<Self, FetchError> {
        self.proxy = Some(proxy::to(&self.endpoint, environment)?);
        Ok(self)
    }

    /// How many calls it makes at most.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// The client.
    pub fn build(self) -> StsClient {
        let Self { endpoint, clock, http, proxy, budget } = self;
        if !endpoint.is_https() && !endpoint.is_loopback() {
            tracing::warn!(%endpoint, "tokens and sessions go to this STS without TLS");
        }
        let http = http.unwrap_or_else(|| {
            let plain = endpoint.is_loopback() && !endpoint.is_https();
            default_http_client(
                plain,
                proxy.unwrap_or_else(|| match endpoint.is_loopback() {
                    true => ProxyConfig::disabled(),
                    false => ProxyConfig::from_env(),
                }),
            )
        });
        let no_cache = IdentityCache::no_cache();
        let time = ServerTime::new(clock.clone());
        // In the network's time, as the limits of attempts: on a clock that a test turns, turns would never come.
        let turns = Turns::new(budget, Clock::system());
        let config = Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .sleep_impl(TokioSleep::new())
            .time_source(clock.clone())
            .identity_cache(no_cache.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(StsClient::CONNECT_LIMIT)
                    .operation_attempt_timeout(StsClient::ATTEMPT_LIMIT)
                    .build(),
            );
        let sdk = aws_sdk_sts::Client::from_conf(endpoint.apply_to(config).build());
        StsClient(Arc::new(Inner { sdk, no_cache, endpoint, clock, time, turns }))
    }
}

/// `plain`: without TLS, whose set-up reads all of the system's certificates.
fn default_http_client(plain: bool, proxy: ProxyConfig) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        if plain {
            return connector.build_http();
        }
        connector
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build()
    })
}

//! The STS client: signing, attempts and timeouts.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sts::config::{
    BehaviorVersion, Builder, IdentityCache, SharedHttpClient, SharedIdentityCache,
};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use rolecall_core::{Clock, Environment, ErrorKind, FetchMode, Remedy, Session, SessionError};
use tokio::time::Instant;

use crate::classify::{is_clock_error, is_signature_error};
use crate::endpoint::Endpoint;
use crate::http_client::build_http_client;
use crate::rate_limit::{RateLimit, RateLimiter};
use crate::response::{self, DateHeader, Response, SessionOutput};
use crate::server_time::ServerTime;
use crate::{AssumeRoleRequest, CallerIdentity, WebIdentityRequest, proxy, sdk_request};

/// A client for STS at one [`Endpoint`].
///
/// The client has no credentials: the session that signs is an argument of each call. Clones are
/// cheap and share the connections, the rate limit and the measured time of STS.
///
/// # Timeouts and retries
///
/// An attempt has a timeout of 5 seconds, and connecting one of 2 seconds. A foreground call makes
/// up to three attempts within 14 seconds, with a random pause of up to 100 ms before the second
/// and up to 200 ms before the third. A background call makes one attempt. The retries of the SDK
/// are disabled. Each attempt acquires a permit of the client's [`RateLimit`].
///
/// # Clock skew
///
/// STS rejects a signature whose time differs from its own by more than 15 minutes. If a request is
/// rejected because this machine's clock is wrong, the client signs it again with the time of STS
/// and repeats it once.
///
/// # Examples
///
/// ```no_run
/// use rolecall_core::{FetchMode, RoleArn, Session, SessionName};
/// use rolecall_sts::{AssumeRoleRequest, Endpoint, Region, StsClient};
///
/// # async fn show(signer: Session) -> Result<(), rolecall_core::SessionError> {
/// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
/// let role = RoleArn::parse("arn:aws:iam::444455556666:role/orders")?;
/// let request = AssumeRoleRequest::new(role, SessionName::parse("checkout")?);
/// let session = sts.assume_role(&signer, &request, FetchMode::Foreground).await?;
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
    limiter: RateLimiter,
}

impl StsClient {
    /// Timeout for connecting.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
    /// Timeout for one attempt, including the connection.
    pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
    /// Timeout for all attempts of a call, including the pauses between them. It is shorter than
    /// the 15 seconds after which a cache abandons a fetch, so that callers receive the error of
    /// STS.
    pub const CALL_TIMEOUT: Duration = Duration::from_secs(14);
    /// Maximum number of attempts of a foreground call. A background call makes one attempt,
    /// because the cache schedules the next fetch.
    pub const FOREGROUND_ATTEMPTS: u32 = 3;
    /// The clock skew that STS allows, in either direction. It answers a larger one with "Signature
    /// expired" or "Signature not yet current".
    pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(15 * 60);
    /// Maximum pause before the second attempt. The maximum doubles for each further attempt.
    pub const INITIAL_BACKOFF: Duration = Duration::from_millis(100);

    /// Creates a client for `endpoint` with the default settings.
    pub fn new(endpoint: Endpoint) -> Self {
        Self::builder(endpoint).build()
    }

    /// Creates a builder of a client for `endpoint`.
    pub fn builder(endpoint: Endpoint) -> StsClientBuilder {
        StsClientBuilder {
            endpoint,
            clock: Clock::system(),
            http: None,
            proxy: None,
            rate_limit: RateLimit::default(),
        }
    }

    /// Returns the clock that measures the lifetimes of sessions. A cache of these sessions must
    /// use the same clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Returns the endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Returns the rate limiter of the client.
    ///
    /// A custom provider that calls STS by other means acquires permits from this limiter, so that
    /// all calls together stay within the [`RateLimit`].
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn show(sts: rolecall_sts::StsClient) -> Result<(), rolecall_core::SessionError> {
    /// use std::time::Duration;
    /// use rolecall_core::FetchMode;
    ///
    /// let timeout = Duration::from_secs(9);
    /// let permit = sts.rate_limiter().acquire(FetchMode::Foreground, timeout).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rate_limiter(&self) -> &RateLimiter {
        &self.0.limiter
    }

    /// Returns the current time by the clock of STS, or `None` before the first response.
    ///
    /// This is the `Date` of the last response plus the time since then on the monotonic clock. The
    /// wall clock of this machine does not affect it.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_sts::{Endpoint, Region, StsClient};
    ///
    /// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
    /// assert_eq!(sts.server_time(), None);
    /// # Ok::<(), rolecall_core::SessionError>(())
    /// ```
    pub fn server_time(&self) -> Option<SystemTime> {
        self.0.time.now()
    }

    /// Calls AssumeRole, signed by `signer`.
    ///
    /// A request with an MFA code is sent in one attempt, because STS accepts each code only once.
    ///
    /// # Errors
    ///
    /// Returns the error of STS, [`ErrorKind::Throttled`] if the rate limit is exhausted,
    /// [`ErrorKind::Unavailable`] if STS does not respond, and [`ErrorKind::InvalidConfig`] if the
    /// role is in another partition than the endpoint. The error has no location; the provider that
    /// calls this method sets it.
    ///
    /// # Cancel safety
    ///
    /// Cancelling this future does not revoke a request that has been sent: STS may issue a session
    /// that no caller receives.
    pub async fn assume_role(
        &self,
        signer: &Session,
        request: &AssumeRoleRequest,
        mode: FetchMode,
    ) -> Result<Session, SessionError> {
        self.box_assume_role(signer, request, mode).await
    }

    // Boxed, as the next one: the body of an async function is compiled in each crate that calls
    // it, here with the SDK's code for sending a request.
    fn box_assume_role<'a>(
        &'a self,
        signer: &'a Session,
        request: &'a AssumeRoleRequest,
        mode: FetchMode,
    ) -> BoxFuture<'a, Session> {
        Box::pin(async move {
            self.check_partition(request.role.partition())?;
            let signed = self.sign_by(signer)?;
            let secrets =
                [&signing_secrets(signer)[..], &sdk_request::secrets_in(request)].concat();
            // STS accepts an MFA code once. A second attempt with it would replace the actual error
            // with AccessDenied.
            let attempts = if request.mfa.is_some() { 1 } else { max_attempts(mode) };
            let send = |date: DateHeader| -> BoxFuture<'_, SessionOutput> {
                let call = sdk_request::fill_assume_role(self.0.sdk.assume_role(), request)
                    .customize()
                    .config_override(signed.clone())
                    .interceptor(date);
                Box::pin(async { self.convert(call.send().await, &secrets) })
            };
            let response = self.send_with_retries("AssumeRole", mode, attempts, &send).await?;
            let session =
                response::build_session(&response, &request.role, request.duration, self.clock())?;
            let tags = signer.tags().propagate_to(&request.tags);
            // The source identity persists through a role chain, and not every response repeats it.
            let session = match signer.source_identity() {
                Some(identity) => session.source_identity(Some(identity.clone())),
                None => session,
            };
            Ok(session.tags(tags).assumed_by(signer, request.role.clone()).build())
        })
    }

    /// Calls AssumeRoleWithWebIdentity. The request is not signed: `token` authenticates it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`assume_role`](Self::assume_role).
    ///
    /// # Cancel safety
    ///
    /// The same as for [`assume_role`](Self::assume_role).
    pub async fn assume_role_with_web_identity(
        &self,
        token: &str,
        request: &WebIdentityRequest,
        mode: FetchMode,
    ) -> Result<Session, SessionError> {
        self.box_web_identity(token, request, mode).await
    }

    fn box_web_identity<'a>(
        &'a self,
        token: &'a str,
        request: &'a WebIdentityRequest,
        mode: FetchMode,
    ) -> BoxFuture<'a, Session> {
        Box::pin(async move {
            self.check_partition(request.role.partition())?;
            let send = |date: DateHeader| -> BoxFuture<'_, SessionOutput> {
                let call = self.0.sdk.assume_role_with_web_identity();
                let call = sdk_request::fill_web_identity(call, token, request)
                    .customize()
                    .interceptor(date);
                Box::pin(async { self.convert(call.send().await, &[token]) })
            };
            let response = self
                .send_with_retries("AssumeRoleWithWebIdentity", mode, max_attempts(mode), &send)
                .await?;
            let session =
                response::build_session(&response, &request.role, request.duration, self.clock())?;
            let session = session.web_identity(response.output.token);
            Ok(session.base(format!("web identity as {}", request.role)).build())
        })
    }

    /// Calls GetCallerIdentity, which returns the identity of `signer` and requires no permission.
    ///
    /// # Errors
    ///
    /// Returns the error of STS, [`ErrorKind::Throttled`] if the rate limit is exhausted,
    /// [`ErrorKind::Unavailable`] if STS does not respond, and [`ErrorKind::InvalidResponse`] if
    /// the response has no valid ARN.
    pub async fn caller_identity(
        &self,
        signer: &Session,
        mode: FetchMode,
    ) -> Result<CallerIdentity, SessionError> {
        let signed = self.sign_by(signer)?;
        let secrets = signing_secrets(signer);
        let send = |date: DateHeader| -> BoxFuture<'_, GetCallerIdentityOutput> {
            let call = self.0.sdk.get_caller_identity();
            let call = call.customize().config_override(signed.clone()).interceptor(date);
            Box::pin(async { self.convert(call.send().await, &secrets) })
        };
        let response =
            self.send_with_retries("GetCallerIdentity", mode, max_attempts(mode), &send).await?;
        let arn = response.output.arn().unwrap_or_default();
        let identity = CallerIdentity::parse(arn, response.output.user_id().unwrap_or_default());
        identity.map(|identity| identity.with_role(signer.role_arn())).ok_or_else(|| {
            let message = format!("the response of STS has the invalid ARN {arn:?}");
            SessionError::new(ErrorKind::InvalidResponse, message)
                .with_hint("check that the endpoint is STS")
        })
    }

    /// Checks that the role is in the partition of the endpoint. STS would answer AccessDenied or
    /// InvalidClientTokenId, and neither names the partition as the cause.
    fn check_partition(&self, partition: &str) -> Result<(), SessionError> {
        let region = self.0.endpoint.region();
        if region.partition() == partition {
            return Ok(());
        }
        let message = format!(
            "the role is in the partition {partition}, but the Region {region} is in {}",
            region.partition()
        );
        // The Region may be set in code, where AWS_REGION has no effect.
        Err(SessionError::new(ErrorKind::InvalidConfig, message)
            .with_hint(format!(
                "check the role's ARN, or set the Region of the STS client (AWS_REGION, or in \
                 code) to one in {partition}"
            ))
            .with_remedy(Remedy::PartitionOfRole))
    }

    fn sign_by(&self, signer: &Session) -> Result<Builder, SessionError> {
        let keys = signer.credentials();
        for (field, value) in [
            ("access key id", keys.access_key_id()),
            ("secret access key", keys.secret_access_key()),
            ("session token", keys.session_token().unwrap_or_default()),
        ] {
            // The SDK puts the keys into headers and into the signature. With a line break, as from
            // a file, it would panic or send a request that fails as SignatureDoesNotMatch.
            if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                let message = format!("the {field} of the signing session is not printable ASCII");
                return Err(SessionError::new(ErrorKind::InvalidConfig, message)
                    .with_hint("remove white space from its end, such as a line break"));
            }
        }
        Ok(Builder::new()
            .credentials_provider(keys.clone())
            .identity_cache(self.0.no_cache.clone()))
    }

    /// Converts the result of a call. `secrets` are values of the request, which an error of STS
    /// may quote.
    fn convert<T: Into<U>, U, E>(
        &self,
        result: Result<T, SdkError<E>>,
        secrets: &[&str],
    ) -> Result<U, SessionError>
    where
        E: ProvideErrorMetadata + Error + 'static,
        SdkError<E>: RequestId,
    {
        match result {
            Ok(output) => Ok(output.into()),
            Err(error) => Err(response::convert_error(&error, &self.0.endpoint, secrets)),
        }
    }

    /// Sends a request until it succeeds, fails permanently, or exhausts its time or attempts.
    async fn send_with_retries<'a, T>(
        &'a self,
        operation: &'static str,
        mode: FetchMode,
        max_attempts: u32,
        send: &(dyn Fn(DateHeader) -> BoxFuture<'a, T> + Sync),
    ) -> Result<Response<T>, SessionError> {
        let clock = &self.0.clock;
        let started = Instant::now();
        // An attempt starts only if it can use its whole timeout. One that was cut off would
        // replace the response of STS by a timeout.
        let fits = |pause| started.elapsed() + pause + Self::ATTEMPT_TIMEOUT <= Self::CALL_TIMEOUT;
        let mut attempt = 1;
        let mut last_error: Option<SessionError> = None;
        let mut clock_corrected = false;
        loop {
            let timeout =
                Self::CALL_TIMEOUT.saturating_sub(started.elapsed() + Self::ATTEMPT_TIMEOUT);
            let permit = match self.0.limiter.acquire(mode, timeout).await {
                Ok(permit) => permit,
                // After a failed attempt, the error of STS is of more use than the information that
                // the rate limit left no time for another one.
                Err(exhausted) => return Err(last_error.unwrap_or(exhausted)),
            };
            let date = DateHeader::default();
            let (sent_at, was_corrected) = (clock.now(), self.0.time.is_skew_corrected());
            let result = send(date.clone()).await;
            permit.complete(result.as_ref().map(drop).map_err(SessionError::kind));
            if let Some(date) = date.get() {
                self.0.time.record(date);
            }
            let error = match result {
                Ok(output) => return Ok(Response { output, sent_at, date: date.get() }),
                Err(error) => error,
            };
            // The SDK's client takes the time of STS from the first response and signs with it from
            // then on, so a request that failed because of a wrong clock succeeds at the second
            // attempt, in the background too. Without that attempt, a machine with a wrong clock
            // would never obtain a session. One is enough: if STS rejects that signature as well,
            // the key is wrong.
            let is_clock_error = is_clock_error(&error)
                || is_signature_error(&error) && !was_corrected && self.0.time.is_skew_corrected();
            if is_clock_error && !clock_corrected && fits(Duration::ZERO) {
                clock_corrected = true;
                tracing::warn!(operation, %error, "this machine's clock is wrong; signing again by the time of STS");
                last_error = Some(error);
                continue;
            }
            // The measured skew is more precise than the hint of the table.
            let error = match self.0.time.signature_hint().filter(|_| is_signature_error(&error)) {
                Some(hint) => error.with_hint(hint),
                None => error,
            };
            tracing::debug!(operation, attempt, %error, "call to STS failed");
            let longest_pause = Self::INITIAL_BACKOFF * 2_u32.pow(attempt - 1);
            let pause = longest_pause.mul_f64(fastrand::f64());
            if attempt >= max_attempts || !fits(pause) || !error.is_retryable() {
                return Err(error);
            }
            // In Tokio's time, like the timeouts of the attempts: on a manual clock that a test
            // does not advance, this pause would never end.
            tokio::time::sleep(pause).await;
            last_error = Some(error);
            attempt += 1;
        }
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionError>> + Send + 'a>>;

/// Returns the maximum number of attempts of a call.
fn max_attempts(mode: FetchMode) -> u32 {
    match mode {
        FetchMode::Foreground => StsClient::FOREGROUND_ATTEMPTS,
        // The cache schedules the next background fetch by its own back-off. Attempts on top of
        // that would multiply the load during an outage of STS.
        _ => 1,
    }
}

impl fmt::Debug for StsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StsClient({})", self.0.endpoint)
    }
}

/// Returns the secrets that STS may quote when it rejects a signed request.
fn signing_secrets(signer: &Session) -> [&str; 2] {
    let keys = signer.credentials();
    [keys.secret_access_key(), keys.session_token().unwrap_or_default()]
}

/// A builder of an [`StsClient`].
///
/// # Examples
///
/// ```
/// use rolecall_core::ManualClock;
/// use rolecall_sts::{Endpoint, Region, StsClient};
///
/// let clock = ManualClock::new();
/// let endpoint = Endpoint::custom("http://127.0.0.1:4566", Region::parse("eu-west-1")?)?;
/// let sts = StsClient::builder(endpoint).clock(clock.clock()).build();
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct StsClientBuilder {
    endpoint: Endpoint,
    clock: Clock,
    http: Option<SharedHttpClient>,
    proxy: Option<ProxyConfig>,
    rate_limit: RateLimit,
}

impl StsClientBuilder {
    /// Sets the clock that signs requests and measures lifetimes. Defaults to the system clock.
    ///
    /// Timeouts and the pauses between attempts use Tokio's time. The rate limit always uses the
    /// system clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the HTTP client. Defaults to a new client with rustls, the system's root certificates
    /// and the proxy that [`proxy_from`](Self::proxy_from) sets.
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.http = Some(SharedHttpClient::new(client));
        self
    }

    /// Sets the proxy from the variables of an environment. Defaults to the variables of the
    /// process.
    ///
    /// The proxy is that of `HTTPS_PROXY` (`HTTP_PROXY` for an `http://` endpoint), then that of
    /// `ALL_PROXY`. No proxy is used if `NO_PROXY` lists the host of STS, or if the endpoint is on
    /// this machine. The names of the variables may be in lower case. Has no effect on a client
    /// that is set by [`http_client`](Self::http_client).
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if the variable is not a valid proxy URL.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::Environment;
    /// use rolecall_sts::{Endpoint, Region, StsClient};
    ///
    /// let env = Environment::fixed([("HTTPS_PROXY", "http://proxy.example.com:3128")]);
    /// let endpoint = Endpoint::regional(Region::parse("eu-west-1")?);
    /// let sts = StsClient::builder(endpoint).proxy_from(&env)?.build();
    /// # Ok::<(), rolecall_core::SessionError>(())
    /// ```
    pub fn proxy_from(mut self, environment: &Environment) -> Result<Self, SessionError> {
        self.proxy = Some(proxy::proxy_for(&self.endpoint, environment)?);
        Ok(self)
    }

    /// Sets the rate limit. Defaults to [`RateLimit::default`].
    pub fn rate_limit(mut self, rate_limit: RateLimit) -> Self {
        self.rate_limit = rate_limit;
        self
    }

    /// Builds the client.
    pub fn build(self) -> StsClient {
        let Self { endpoint, clock, http, proxy, rate_limit } = self;
        if !endpoint.is_https() && !endpoint.is_loopback() {
            tracing::warn!(%endpoint, "calls to this endpoint send tokens and receive sessions without TLS");
        }
        let http = http.unwrap_or_else(|| {
            let plain = endpoint.is_loopback() && !endpoint.is_https();
            build_http_client(
                plain,
                proxy.unwrap_or_else(|| match endpoint.is_loopback() {
                    true => ProxyConfig::disabled(),
                    false => ProxyConfig::from_env(),
                }),
            )
        });
        // Each call has its own signer. The SDK's identity cache would sign a call with the
        // credentials of an earlier one.
        let no_cache = IdentityCache::no_cache();
        let time = ServerTime::new(clock.clone());
        // On the system clock, whatever the client's clock is: on a manual clock that a test does
        // not advance, permits would never become available.
        let limiter = RateLimiter::new(rate_limit, Clock::system());
        let config = Builder::new()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .sleep_impl(TokioSleep::new())
            .time_source(clock.clone())
            .identity_cache(no_cache.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(StsClient::CONNECT_TIMEOUT)
                    .operation_attempt_timeout(StsClient::ATTEMPT_TIMEOUT)
                    .build(),
            );
        let sdk = aws_sdk_sts::Client::from_conf(endpoint.apply_to(config).build());
        StsClient(Arc::new(Inner { sdk, no_cache, endpoint, clock, time, limiter }))
    }
}

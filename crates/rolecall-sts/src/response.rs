//! Converts responses of STS to sessions, and errors of the SDK to [`SessionError`].

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use aws_sdk_sts::types;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use rolecall_core::{
    AssumedRole, Clock, ErrorKind, Moment, RoleArn, Session, SessionBuilder, SessionDuration,
    SessionError, VerifiedToken,
};

use crate::classify::classify;
use crate::endpoint::Endpoint;

const NOT_STS: &str = "check that the endpoint is STS";

/// An interceptor that records the `Date` of a response, which the SDK's output does not contain.
#[derive(Clone, Debug, Default)]
pub(crate) struct DateHeader(Arc<Mutex<Option<SystemTime>>>);

impl DateHeader {
    pub(crate) fn get(&self) -> Option<SystemTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for DateHeader {
    fn name(&self) -> &'static str {
        "rolecall: date header"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        // A response with an Age comes from a cache, and its Date is in the past (RFC 9111,
        // section 5.1). Measured by it, a session would seem to live longer than it does.
        let date = headers
            .get("date")
            .filter(|_| headers.get("age").is_none())
            .and_then(|date| DateTime::from_str(date, Format::HttpDate).ok())
            .and_then(|date| SystemTime::try_from(date).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

/// The output of an operation with its times.
pub(crate) struct Response<T> {
    pub(crate) output: T,
    /// The moment at which the request was sent. Lifetimes count from here: counted from the
    /// response, a slow response would extend them.
    pub(crate) sent_at: Moment,
    /// The `Date` of the response.
    pub(crate) date: Option<SystemTime>,
}

/// What the operations that return a session have in common, and what one of them knows of the
/// token.
pub(crate) struct SessionOutput {
    credentials: Option<types::Credentials>,
    user: Option<types::AssumedRoleUser>,
    packed_policy_size: Option<i32>,
    source_identity: Option<String>,
    pub(crate) token: VerifiedToken,
}

impl From<AssumeRoleOutput> for SessionOutput {
    #[expect(deprecated, reason = "not every server sends the successor of the policy size")]
    fn from(output: AssumeRoleOutput) -> Self {
        Self {
            credentials: output.credentials,
            user: output.assumed_role_user,
            packed_policy_size: output.packed_policy_size,
            source_identity: output.source_identity,
            token: VerifiedToken::default(),
        }
    }
}

impl From<AssumeRoleWithWebIdentityOutput> for SessionOutput {
    #[expect(deprecated, reason = "not every server sends the successor of the policy size")]
    fn from(output: AssumeRoleWithWebIdentityOutput) -> Self {
        let mut token = VerifiedToken::default();
        token.subject = output.subject_from_web_identity_token;
        token.provider = output.provider;
        token.audience = output.audience;
        Self {
            credentials: output.credentials,
            user: output.assumed_role_user,
            packed_policy_size: output.packed_policy_size,
            source_identity: output.source_identity,
            token,
        }
    }
}

/// Builds the session of a response. The caller adds the lineage.
pub(crate) fn build_session(
    response: &Response<SessionOutput>,
    role: &RoleArn,
    requested: Option<SessionDuration>,
    clock: &Clock,
) -> Result<SessionBuilder, SessionError> {
    let invalid = |fault: &str| {
        SessionError::new(ErrorKind::InvalidResponse, format!("the response of STS {fault}"))
            .with_hint(NOT_STS)
    };
    let output = &response.output;
    let keys = output.credentials.as_ref().ok_or_else(|| invalid("has no credentials"))?;
    let (id, secret, token) =
        (keys.access_key_id(), keys.secret_access_key(), keys.session_token());
    // The SDK's parser turns missing elements into empty strings. Cached, such a session would fail
    // every request until it expires.
    if id.is_empty() || secret.is_empty() || token.is_empty() {
        return Err(invalid("has incomplete credentials"));
    }
    // Likewise, the parser turns a missing expiration into the epoch.
    if keys.expiration().secs() == 0 {
        return Err(invalid("has no expiration"));
    }
    let expires_at = SystemTime::try_from(*keys.expiration())
        .map_err(|_| invalid("has an expiration out of range"))?;
    let server_time = response.date.unwrap_or_else(|| clock.wall());
    let lifetime = session_lifetime(expires_at, server_time, requested)
        .ok_or_else(|| invalid("has a session that has already expired"))?;
    let account = role.account();
    let credentials = Credentials::builder()
        .access_key_id(id)
        .secret_access_key(secret)
        .session_token(token)
        .account_id(account.as_str())
        .provider_name("rolecall")
        .build();
    let session = Session::builder(credentials)
        .account(account)
        .role_arn(role.clone())
        .lifetime(response.sent_at, lifetime, clock)
        .packed_policy_size(output.packed_policy_size.and_then(|n| u8::try_from(n).ok()))
        .source_identity(output.source_identity.as_ref().and_then(|id| id.try_into().ok()));
    // Servers that emulate STS leave the user out. The session works without it.
    Ok(match &output.user {
        Some(user) => session.role(AssumedRole::new(user.arn(), user.assumed_role_id())),
        None => session,
    })
}

/// Returns the lifetime of a session, or `None` if it has expired.
///
/// The lifetime is measured by the server's clock, because a wrong clock of this machine would
/// shorten or extend it. It is at most the requested duration: with a wrong `Date`, an expired
/// session would stay in the cache otherwise.
fn session_lifetime(
    expires_at: SystemTime,
    server_time: SystemTime,
    requested: Option<SessionDuration>,
) -> Option<Duration> {
    let longest = requested.unwrap_or(SessionDuration::DEFAULT).as_duration();
    let remaining = expires_at.duration_since(server_time).ok()?;
    (!remaining.is_zero()).then(|| remaining.min(longest))
}

/// Converts an error of the SDK. `secrets` are values of the request, which the response may quote.
///
/// The SDK's error is not kept, because its `Debug` prints the raw response.
pub(crate) fn convert_error<E, R>(
    error: &SdkError<E, R>,
    endpoint: &Endpoint,
    secrets: &[&str],
) -> SessionError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + HttpStatus + 'static,
    SdkError<E, R>: RequestId,
{
    let unreachable = |message: String| {
        let url = endpoint.url().unwrap_or_else(|_| endpoint.to_string());
        SessionError::new(ErrorKind::Unavailable, message).with_hint(format!(
            "check that this machine can reach {url} (address, proxy, firewall)"
        ))
    };
    let misconfigured = |message: String, hint: &str| {
        SessionError::new(ErrorKind::InvalidConfig, message).with_hint(hint)
    };
    match error {
        // The SDK also parses a redirect as an error of the service. STS sends none, so a proxy or
        // a wrong URL does, and its body is not an STS error.
        SdkError::ServiceError(service) if service.raw().status() < 400 => {
            invalid_response(service.raw().status(), endpoint)
        }
        SdkError::ServiceError(service) => {
            let (status, metadata) = (service.raw().status(), service.err());
            convert_service_error(status, metadata, error.request_id(), endpoint, secrets)
        }
        SdkError::TimeoutError(_) => unreachable(format!("{endpoint} did not respond in time")),
        // The three cases of a failed dispatch. `is_user`: the request was not sent at all, for
        // example because of an invalid proxy. A retry cannot help.
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            let message = format!("cannot send the request to {endpoint}");
            misconfigured(message, "check the endpoint URL and the proxy settings")
                .with_cause(failure.as_connector_error().map_or(error as _, |e| e as _))
        }
        // `is_other`: the connection existed. A message about reachability would mislead.
        SdkError::DispatchFailure(failure) if failure.is_other() => unreachable(format!(
            "the connection to {endpoint} closed before the response was complete"
        ))
        .with_cause(failure.as_connector_error().map_or(error as _, |e| e as _)),
        SdkError::DispatchFailure(failure) => unreachable(format!("cannot connect to {endpoint}"))
            .with_cause(failure.as_connector_error().map_or(error as _, |e| e as _)),
        SdkError::ResponseError(response) => invalid_response(response.raw().status(), endpoint),
        other => {
            let message = format!("cannot build the request to {endpoint}");
            misconfigured(message, "correct the setting that the cause names").with_cause(other)
        }
    }
}

fn convert_service_error(
    status: u16,
    metadata: &impl ProvideErrorMetadata,
    request_id: Option<&str>,
    endpoint: &Endpoint,
    secrets: &[&str],
) -> SessionError {
    let code = metadata.code();
    let message = metadata.message().unwrap_or_default();
    // Classified before redaction: a redacted message could lack the part that the table compares.
    let class = classify(code, message, status);
    let message = match message {
        "" => format!("{endpoint} responded with status {status}"),
        message => redact(message, secrets),
    };
    let mut converted = SessionError::new(class.kind, message);
    if let Some(code) = code {
        converted = converted.with_code(redact(code, secrets));
    }
    if let Some(id) = request_id {
        converted = converted.with_request_id(id);
    }
    match class.hint {
        Some(hint) => converted.with_hint(hint),
        None => converted,
    }
}

/// Creates the error of a response that the SDK cannot parse. The parser's message is left out,
/// because it may quote the response.
fn invalid_response(status: u16, endpoint: &Endpoint) -> SessionError {
    // An error page of a proxy or load balancer has no STS error, but its status is meaningful: a
    // 503 is an outage, which is retried.
    let kind = match status {
        400.. => classify(None, "", status).kind,
        _ => ErrorKind::InvalidResponse,
    };
    let message = format!("{endpoint} sent an invalid response (status {status})");
    SessionError::new(kind, message).with_hint(NOT_STS)
}

/// Removes secrets from a message of STS.
fn redact(message: &str, secrets: &[&str]) -> String {
    // STS answers a wrong signature with the canonical request, which contains the session token,
    // possibly percent-encoded. Replacing the token would then miss it, so the quote is cut off.
    const QUOTES: [&str; 2] = ["The Canonical String", "Signature="];
    let quote = QUOTES.iter().filter_map(|start| message.find(start)).min();
    let mut redacted = message[..quote.unwrap_or(message.len())].trim_end().to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        redacted = redacted.replace(secret, "***");
    }
    redacted
}

/// The HTTP status of a raw response of the SDK.
pub(crate) trait HttpStatus {
    fn status(&self) -> u16;
}

impl HttpStatus for aws_sdk_sts::config::http::HttpResponse {
    fn status(&self) -> u16 {
        self.status().as_u16()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn lifetime_uses_server_clock_up_to_requested_duration() {
        let date = SystemTime::UNIX_EPOCH + 1000 * HOUR;
        let quarter = SessionDuration::from_secs(900).unwrap();
        for (expires_at, requested, expected) in [
            (date + HOUR, None, Some(HOUR)),
            (date + 2 * HOUR, None, Some(HOUR)),
            (date + HOUR / 2, None, Some(HOUR / 2)),
            (date + HOUR, Some(quarter), Some(HOUR / 4)),
            (date, None, None),
            (date - HOUR, None, None),
        ] {
            let actual = session_lifetime(expires_at, date, requested);
            assert_eq!(actual, expected, "{expires_at:?} {requested:?}");
        }
    }
}

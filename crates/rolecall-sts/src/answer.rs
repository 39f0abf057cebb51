//! From STS's answer to a session, and from its error to ours.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use rolecall_core::{
    AssumedRole, Clock, ErrorKind, FetchError, Moment, RoleArn, Session, SessionBuilder,
    SessionDuration,
};

use crate::classify::class_of;
use crate::endpoint::Endpoint;

/// Takes the `Date` off an answer, on its way to the SDK's parser.
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
        // One from a cache tells its own time, not STS's. (RFC 9111, section 5.1.)
        let date = headers
            .get("date")
            .filter(|_| headers.get("age").is_none())
            .and_then(|date| DateTime::from_str(date, Format::HttpDate).ok())
            .and_then(|date| SystemTime::try_from(date).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

/// An answer, when the request for it was sent, and the server's time.
pub(crate) struct Answer<T> {
    pub(crate) output: T,
    pub(crate) sent: Moment,
    pub(crate) date: Option<SystemTime>,
}

/// What the two operations that grant a session have in common.
pub(crate) trait Grant {
    fn credentials(&self) -> Option<&types::Credentials>;
    fn user(&self) -> Option<&types::AssumedRoleUser>;
    fn packed_policy_size(&self) -> Option<i32>;
    fn source_identity(&self) -> Option<&str>;
}

macro_rules! grant {
    ($output:ty) => {
        impl Grant for $output {
            fn credentials(&self) -> Option<&types::Credentials> {
                self.credentials()
            }

            fn user(&self) -> Option<&types::AssumedRoleUser> {
                self.assumed_role_user()
            }

            #[expect(deprecated, reason = "its successor is not sent by every server")]
            fn packed_policy_size(&self) -> Option<i32> {
                self.packed_policy_size()
            }

            fn source_identity(&self) -> Option<&str> {
                self.source_identity()
            }
        }
    };
}

grant!(aws_sdk_sts::operation::assume_role::AssumeRoleOutput);
grant!(aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput);

/// The session in an answer; how it came about is for the caller to add.
pub(crate) fn session<T: Grant>(
    answer: &Answer<T>,
    role: &RoleArn,
    asked: Option<SessionDuration>,
    clock: &Clock,
) -> Result<SessionBuilder, FetchError> {
    let invalid = |what: &str| {
        FetchError::new(ErrorKind::InvalidResponse, format!("STS's answer {what}"))
            .with_hint("whether the endpoint really is STS")
    };
    let keys = answer.output.credentials().ok_or_else(|| invalid("has no credentials"))?;
    let (id, secret, token) =
        (keys.access_key_id(), keys.secret_access_key(), keys.session_token());
    if id.is_empty() || secret.is_empty() || token.is_empty() {
        return Err(invalid("has an incomplete set of credentials"));
    }
    if keys.expiration().secs() == 0 {
        // What the SDK's parser puts where there is none.
        return Err(invalid("does not say when the session ends"));
    }
    let end = SystemTime::try_from(*keys.expiration()).map_err(|_| invalid("ends at no time"))?;
    let lifetime = lifetime(end, answer.date.unwrap_or_else(|| clock.wall()), asked)
        .ok_or_else(|| invalid("is a session that has ended already"))?;
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
        .lifetime(answer.sent, lifetime, clock)
        .packed_policy_size(answer.output.packed_policy_size().and_then(|n| u8::try_from(n).ok()))
        .source_identity(answer.output.source_identity().and_then(|id| id.try_into().ok()));
    // Not every server says who the session is.
    Ok(match answer.output.user() {
        Some(user) => session.role(AssumedRole::new(user.arn(), user.assumed_role_id())),
        None => session,
    })
}

/// How long a session is good for: what the server says by its own clock, and never more than was asked for.
fn lifetime(end: SystemTime, date: SystemTime, asked: Option<SessionDuration>) -> Option<Duration> {
    let most = asked.unwrap_or(SessionDuration::DEFAULT).as_duration();
    let left = end.duration_since(date).ok()?;
    (!left.is_zero()).then(|| left.min(most))
}

/// The SDK's error in our terms. Nothing of it is kept: its `Debug` shows the raw answer. `secrets` are what was sent
/// and must not come back in a message.
pub(crate) fn error<E, R>(
    error: &SdkError<E, R>,
    endpoint: &Endpoint,
    secrets: &[&str],
) -> FetchError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + HttpStatus + 'static,
    SdkError<E, R>: RequestId,
{
    let unreachable = |what: String| FetchError::new(ErrorKind::Unavailable, what);
    let url = endpoint.url().unwrap_or_else(|_| endpoint.to_string());
    let hint = format!("whether this machine reaches {url} (address, proxy, firewall)");
    // The SDK's own word may quote the answer: it is not taken over.
    let nonsense = |status: u16| {
        let kind = match status {
            400.. => class_of(None, "", status).kind,
            _ => ErrorKind::InvalidResponse,
        };
        FetchError::new(kind, format!("the answer ({status}) of {endpoint} makes no sense"))
            .with_hint("whether the endpoint really is STS")
    };
    match error {
        SdkError::ServiceError(service) if service.raw().status() < 400 => {
            nonsense(service.raw().status())
        }
        SdkError::ServiceError(service) => {
            let code = service.err().code();
            let message = service.err().message().unwrap_or_default();
            let status = service.raw().status();
            let class = class_of(code, message, status);
            let message = match message {
                "" => format!("{endpoint} answered {status}"),
                message => without(message, secrets),
            };
            let mut ours = FetchError::new(class.kind, message);
            if let Some(code) = code {
                ours = ours.with_code(without(code, secrets));
            }
            if let Some(id) = error.request_id() {
                ours = ours.with_request_id(id);
            }
            match class.hint {
                Some(hint) => ours.with_hint(hint),
                None => ours,
            }
        }
        SdkError::TimeoutError(_) => {
            unreachable(format!("{endpoint} did not answer in time")).with_hint(hint)
        }
        SdkError::DispatchFailure(failure) if failure.is_user() => FetchError::new(
            ErrorKind::InvalidConfig,
            format!("the request to {endpoint} could not be sent"),
        )
        .with_cause(failure.as_connector_error().map_or(error as _, |e| e as _)),
        SdkError::DispatchFailure(failure) if failure.is_other() => {
            unreachable(format!("the call to {endpoint} broke off before its answer was complete"))
                .with_hint(hint)
                .with_cause(failure.as_connector_error().map_or(error as _, |e| e as _))
        }
        SdkError::DispatchFailure(failure) => unreachable(format!("cannot reach {endpoint}"))
            .with_hint(hint)
            .with_cause(failure.as_connector_error().map_or(error as _, |e| e as _)),
        SdkError::ResponseError(response) => nonsense(response.raw().status()),
        other => FetchError::new(
            ErrorKind::InvalidConfig,
            format!("the request to {endpoint} could not be made"),
        )
        .with_cause(other),
    }
}

/// A message of STS's without what it may quote: AWS answers a wrong signature with the canonical request, in which
/// the session token stands.
fn without(message: &str, secrets: &[&str]) -> String {
    let quoted =
        ["The Canonical String", "Signature="].iter().filter_map(|begins| message.find(begins));
    let quoted = quoted.min().unwrap_or(message.len());
    let mut shown = message[..quoted].trim_end().to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        shown = shown.replace(secret, "***");
    }
    shown
}

/// The status of the SDK's raw answer.
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
    fn a_lifetime_is_by_the_servers_clock_and_at_most_what_was_asked_for() {
        let date = SystemTime::UNIX_EPOCH + 1000 * HOUR;
        let quarter = SessionDuration::from_secs(900).unwrap();
        for (end, asked, expected) in [
            (date + HOUR, None, Some(HOUR)),
            (date + 2 * HOUR, None, Some(HOUR)),
            (date + HOUR / 2, None, Some(HOUR / 2)),
            (date + HOUR, Some(quarter), Some(HOUR / 4)),
            (date, None, None),
            (date - HOUR, None, None),
        ] {
            assert_eq!(lifetime(end, date, asked), expected, "{end:?} {asked:?}");
        }
    }
}

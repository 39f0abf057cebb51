use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_smithy_runtime_api::client::interceptors::context::{Error, Input, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::retries::classifiers::RetryReason;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

use super::*;
use crate::session_use::sealed;

#[test]
fn access_key_id_is_read_from_the_signature() {
    for (authorization, key) in [
        (
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
            Some("AKIAIOSFODNN7EXAMPLE"),
        ),
        (
            "AWS4-ECDSA-P256-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/s3/aws4_request, SignedHeaders=host, Signature=0",
            Some("AKIAIOSFODNN7EXAMPLE"),
        ),
        ("Bearer abc", None),
        ("AWS4-HMAC-SHA256 Credential=/20130524", None),
        ("", None),
    ] {
        assert_eq!(access_key_id(authorization), key, "{authorization}");
    }
}

/// Returns an attempt that was signed with this key and rejected with this response, as an
/// interceptor sees it when it completes.
pub(super) fn rejected(key: &str, status: u16, body: impl Into<SdkBody>) -> InterceptorContext {
    let mut context = InterceptorContext::new(Input::doesnt_matter());
    let mut request = HttpRequest::empty();
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={key}/20130524/us-east-1/s3/aws4_request");
    request.headers_mut().insert("authorization", authorization);
    context.set_request(request);
    context.set_response(HttpResponse::new(status.try_into().unwrap(), body.into()));
    context.set_output_or_error(Err(unmodeled(None)));
    context
}

/// Returns an error that the operation does not model, with the code that the SDK parsed.
pub(super) fn unmodeled(code: Option<&str>) -> OrchestratorError<Error> {
    #[derive(Debug)]
    struct Unhandled(ErrorMetadata);
    impl fmt::Display for Unhandled {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("unhandled")
        }
    }
    impl std::error::Error for Unhandled {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let mut metadata = ErrorMetadata::builder();
    if let Some(code) = code {
        metadata = metadata.code(code);
    }
    OrchestratorError::operation(Error::erase(Unhandled(metadata.build())))
}

const EXPIRED: &str = "<Error><Code>ExpiredToken</Code></Error>";
const UNKNOWN: &str = "<Error><Code>InvalidAccessKeyId</Code></Error>";
const DENIED: &str = "<Error><Code>AccessDenied</Code></Error>";

/// Gives one answer to every rejection, and records what is reported.
#[derive(Debug)]
struct Recorder {
    answer: InvalidSessionAnswer,
    suspicion: AtomicU64,
    invalid: Mutex<Vec<(String, InvalidSession)>>,
    accepted: Mutex<Vec<(String, u64)>>,
}

impl Recorder {
    fn answering(answer: InvalidSessionAnswer) -> Arc<Self> {
        Arc::new(Self {
            answer,
            suspicion: AtomicU64::new(0),
            invalid: Mutex::default(),
            accepted: Mutex::default(),
        })
    }

    fn replacing() -> Arc<Self> {
        Self::answering(InvalidSessionAnswer::Replaced)
    }

    fn invalid_keys(&self) -> Vec<String> {
        self.invalid.lock().unwrap().iter().map(|(key, _)| key.clone()).collect()
    }

    fn accepted(&self) -> Vec<(String, u64)> {
        self.accepted.lock().unwrap().clone()
    }
}

impl sealed::Sealed for Recorder {}

impl ReportSessionUse for Recorder {
    fn report_invalid(&self, access_key_id: &str, reason: InvalidSession) -> InvalidSessionAnswer {
        self.invalid.lock().unwrap().push((access_key_id.to_owned(), reason));
        self.answer
    }

    fn suspicion(&self) -> u64 {
        self.suspicion.load(Ordering::Relaxed)
    }

    fn report_accepted(&self, access_key_id: &str, suspicion: u64) {
        self.accepted.lock().unwrap().push((access_key_id.to_owned(), suspicion));
    }
}

/// One request of a client with the interceptor.
struct Operation {
    retry: InvalidSessionRetry,
    components: RuntimeComponents,
    configuration: ConfigBag,
}

impl Operation {
    fn new(sessions: impl ReportSessionUse) -> Self {
        let components = RuntimeComponentsBuilder::for_tests().build().unwrap();
        let retry = InvalidSessionRetry::new(sessions);
        Self { retry, components, configuration: ConfigBag::base() }
    }

    fn sign(&mut self, context: &InterceptorContext<Input, Output, Error>) {
        let Self { retry, components, configuration } = self;
        retry.read_after_signing(&context.into(), components, configuration).unwrap();
    }

    fn complete(&mut self, mut context: InterceptorContext<Input, Output, Error>) -> RetryAction {
        let Self { retry, components, configuration } = self;
        let mut end: FinalizerInterceptorContextMut<'_> = (&mut context).into();
        retry.modify_before_attempt_completion(&mut end, components, configuration).unwrap();
        retry.classify_retry(&context)
    }

    /// Runs the interceptor over an attempt, and returns the classifier's action.
    fn attempt(&mut self, context: InterceptorContext<Input, Output, Error>) -> RetryAction {
        self.sign(&context);
        self.complete(context)
    }
}

fn retry_after(pause: Duration) -> RetryAction {
    RetryAction::RetryIndicated(RetryReason::RetryableError {
        kind: ErrorKind::ClientError,
        retry_after: Some(pause),
    })
}

/// Returns an attempt that was signed with this key and succeeded.
fn succeeded(key: &str) -> InterceptorContext {
    let mut context = rejected(key, 200, "");
    context.set_output_or_error(Ok(Output::doesnt_matter()));
    context
}

#[test]
fn rejected_request_is_retried_once_without_delay() {
    let sessions = Recorder::replacing();
    let mut operation = Operation::new(Arc::clone(&sessions));
    let immediately = retry_after(Duration::ZERO);
    assert_eq!(operation.attempt(rejected("AKIA1", 403, EXPIRED)), immediately);
    for key in ["AKIA2", "AKIA3"] {
        let action = operation.attempt(rejected(key, 403, EXPIRED));
        assert_eq!(action, RetryAction::NoActionIndicated);
    }
    // Each rejection is reported, so that the next request does not start with that session.
    assert_eq!(sessions.invalid_keys(), ["AKIA1", "AKIA2", "AKIA3"]);
    // Another operation has a retry of its own.
    let mut operation = Operation::new(sessions);
    assert_eq!(operation.attempt(rejected("AKIA4", 403, EXPIRED)), immediately);
}

#[test]
fn rejected_request_without_other_session_fails() {
    let sessions = Recorder::answering(InvalidSessionAnswer::Unchanged);
    let mut operation = Operation::new(Arc::clone(&sessions));
    let context = rejected("AKIA1", 403, EXPIRED);
    assert_eq!(operation.attempt(context), RetryAction::NoActionIndicated);
    assert_eq!(sessions.invalid_keys(), ["AKIA1"]);
}

#[test]
fn recent_session_is_retried_with_growing_pauses() {
    let answer = InvalidSessionAnswer::RetryAfter(Duration::from_millis(500));
    let mut operation = Operation::new(Recorder::answering(answer));
    for millis in [500, 1000, 2000, 2000] {
        let action = operation.attempt(rejected("AKIA1", 403, UNKNOWN));
        assert_eq!(action, retry_after(Duration::from_millis(millis)), "{millis}");
    }
}

#[test]
fn rejection_is_reported_with_the_class_of_its_code() {
    let sessions = Recorder::replacing();
    for body in [EXPIRED, UNKNOWN, DENIED] {
        Operation::new(Arc::clone(&sessions)).attempt(rejected("AKIA1", 403, body));
    }
    let reasons: Vec<_> = sessions.invalid.lock().unwrap().iter().map(|(_, r)| *r).collect();
    assert_eq!(reasons, [InvalidSession::Expired, InvalidSession::Unknown]);
}

#[test]
fn successful_attempt_invalidates_nothing() {
    let sessions = Recorder::replacing();
    let mut context = rejected("AKIA1", 403, EXPIRED);
    context.set_output_or_error(Ok(Output::doesnt_matter()));
    let mut operation = Operation::new(Arc::clone(&sessions));
    assert_eq!(operation.attempt(context), RetryAction::NoActionIndicated);
    assert!(sessions.invalid_keys().is_empty());
    assert_eq!(sessions.accepted(), [("AKIA1".to_owned(), 0)]);
}

#[test]
fn only_signed_successful_attempts_are_accepted() {
    let sessions = Recorder::replacing();
    for (status, body) in [(403, EXPIRED), (403, DENIED), (503, "")] {
        Operation::new(Arc::clone(&sessions)).attempt(rejected("AKIA1", status, body));
    }
    let mut unsigned = InterceptorContext::new(Input::doesnt_matter());
    unsigned.set_request(HttpRequest::empty());
    unsigned.set_output_or_error(Ok(Output::doesnt_matter()));
    Operation::new(Arc::clone(&sessions)).attempt(unsigned);
    assert!(sessions.accepted().is_empty());
}

/// Presigning completes an attempt without a response: no service has seen the session.
#[test]
fn presigned_request_is_not_accepted() {
    let sessions = Recorder::replacing();
    let mut context = InterceptorContext::new(Input::doesnt_matter());
    let signed = rejected("AKIA1", 403, EXPIRED);
    context.set_request(HttpRequest::empty());
    let authorization = signed.request().unwrap().headers().get("authorization").unwrap();
    let headers = context.request_mut().unwrap().headers_mut();
    headers.insert("authorization", authorization.to_owned());
    let mut operation = Operation::new(Arc::clone(&sessions));
    operation.sign(&context);
    context.set_output_or_error(Ok(Output::doesnt_matter()));
    operation.complete(context);
    assert!(sessions.accepted().is_empty());
}

#[test]
fn acceptance_carries_the_suspicion_at_signing() {
    let sessions = Recorder::replacing();
    sessions.suspicion.store(3, Ordering::Relaxed);
    let mut operation = Operation::new(Arc::clone(&sessions));
    let context = succeeded("AKIA1");
    operation.sign(&context);
    // The session is rejected while the request is on its way.
    sessions.suspicion.store(4, Ordering::Relaxed);
    operation.complete(context);
    assert_eq!(sessions.accepted(), [("AKIA1".to_owned(), 3)]);
}

#[test]
fn arc_forwards_every_report() {
    let sessions = Recorder::answering(InvalidSessionAnswer::Unchanged);
    let shared: Arc<dyn ReportSessionUse> = sessions.clone();
    let answer = ReportSessionUse::report_invalid(&shared, "AKIA1", InvalidSession::Expired);
    assert_eq!(answer, InvalidSessionAnswer::Unchanged);
    sessions.suspicion.store(5, Ordering::Relaxed);
    assert_eq!(ReportSessionUse::suspicion(&shared), 5);
    ReportSessionUse::report_accepted(&shared, "AKIA4", 7);
    assert_eq!(sessions.accepted(), [("AKIA4".to_owned(), 7)]);
    let action = Operation::new(shared).attempt(rejected("AKIA3", 403, EXPIRED));
    assert_eq!(action, RetryAction::NoActionIndicated);
    assert_eq!(sessions.invalid_keys(), ["AKIA1", "AKIA3"]);
}

/// The last classifier decides, and those of the SDK treat a rejection as permanent.
#[test]
fn classifier_runs_after_those_of_the_sdk() {
    let priority = InvalidSessionRetry::new(Recorder::replacing()).priority();
    for sdk in [
        RetryClassifierPriority::http_status_code_classifier(),
        RetryClassifierPriority::modeled_as_retryable_classifier(),
        RetryClassifierPriority::transient_error_classifier(),
    ] {
        assert!(priority > sdk, "{priority:?} {sdk:?}");
    }
}

#[test]
fn answers_of_two_entries_combine_in_any_order() {
    use InvalidSessionAnswer::{Replaced, RetryAfter, Unchanged};
    let pause = |millis| RetryAfter(Duration::from_millis(millis));
    for (one, other, combined) in [
        (Replaced, pause(500), Replaced),
        (Replaced, Unchanged, Replaced),
        (Replaced, Replaced, Replaced),
        (pause(500), Unchanged, pause(500)),
        (pause(500), pause(1000), pause(1000)),
        (Unchanged, Unchanged, Unchanged),
    ] {
        assert_eq!((one.or(other), other.or(one)), (combined, combined), "{one:?} {other:?}");
    }
}

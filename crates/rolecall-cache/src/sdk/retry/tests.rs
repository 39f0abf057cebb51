use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::client::interceptors::context::{Error, Input, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::retries::classifiers::RetryReason;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

use super::*;

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

/// An attempt that was signed by this key and refused with this answer, as an interceptor finds it
/// at its end.
pub(super) fn refused(key: &str, status: u16, body: impl Into<SdkBody>) -> InterceptorContext {
    let mut context = InterceptorContext::new(Input::doesnt_matter());
    let mut request = HttpRequest::empty();
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={key}/20130524/us-east-1/s3/aws4_request");
    request.headers_mut().insert("authorization", authorization);
    context.set_request(request);
    context.set_response(HttpResponse::new(status.try_into().unwrap(), body.into()));
    context.set_output_or_error(Err(unmodelled(None)));
    context
}

/// An error that the operation does not model, with the code that the SDK has parsed.
pub(super) fn unmodelled(code: Option<&str>) -> OrchestratorError<Error> {
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

const REFUSAL: &str = "<Error><Code>ExpiredToken</Code></Error>";

/// Has another session, or has not; records what is reported.
#[derive(Debug, Default)]
struct Sessions {
    another: AtomicBool,
    invalid: Mutex<Vec<String>>,
    accepted: Mutex<Vec<String>>,
}

impl Sessions {
    fn with_another(another: bool) -> Arc<Self> {
        Arc::new(Self { another: another.into(), ..Self::default() })
    }
}

impl sealed::Sealed for Sessions {}

impl ReportSessionUse for Sessions {
    fn invalid(&self, access_key_id: &str) -> bool {
        self.invalid.lock().unwrap().push(access_key_id.to_owned());
        self.another.load(Ordering::Relaxed)
    }

    fn accepted(&self, access_key_id: &str) {
        self.accepted.lock().unwrap().push(access_key_id.to_owned());
    }
}

/// One request of a client with the interceptor.
struct Call {
    retry: InvalidSessionRetry,
    components: RuntimeComponents,
    configuration: ConfigBag,
}

impl Call {
    fn new(sessions: impl ReportSessionUse) -> Self {
        let components = RuntimeComponentsBuilder::for_tests().build().unwrap();
        let retry = InvalidSessionRetry::new(sessions);
        Self { retry, components, configuration: ConfigBag::base() }
    }

    /// Runs the interceptor over an attempt that ended so, and returns the classifier's action.
    fn attempt(&mut self, mut context: InterceptorContext<Input, Output, Error>) -> RetryAction {
        let Self { retry, components, configuration } = self;
        retry.read_after_signing(&(&context).into(), components, configuration).unwrap();
        let mut end: FinalizerInterceptorContextMut<'_> = (&mut context).into();
        retry.modify_before_attempt_completion(&mut end, components, configuration).unwrap();
        retry.classify_retry(&context)
    }
}

#[test]
fn rejected_request_is_retried_once_without_delay() {
    let sessions = Sessions::with_another(true);
    let mut call = Call::new(Arc::clone(&sessions));
    let once_more = RetryAction::RetryIndicated(RetryReason::RetryableError {
        kind: ErrorKind::ClientError,
        retry_after: Some(Duration::ZERO),
    });
    assert_eq!(call.attempt(refused("AKIA1", 403, REFUSAL)), once_more);
    for key in ["AKIA2", "AKIA3"] {
        assert_eq!(call.attempt(refused(key, 403, REFUSAL)), RetryAction::NoActionIndicated);
    }
    // Each is rejected all the same: the next call is not to start with it.
    assert_eq!(*sessions.invalid.lock().unwrap(), ["AKIA1", "AKIA2", "AKIA3"]);
    // Another call has another attempt of its own.
    assert_eq!(Call::new(sessions).attempt(refused("AKIA4", 403, REFUSAL)), once_more);
}

#[test]
fn rejected_request_without_other_session_fails() {
    let sessions = Sessions::with_another(false);
    let mut call = Call::new(Arc::clone(&sessions));
    let refused = refused("AKIA1", 403, REFUSAL);
    assert_eq!(call.attempt(refused), RetryAction::NoActionIndicated);
    assert_eq!(*sessions.invalid.lock().unwrap(), ["AKIA1"]);
}

#[test]
fn successful_attempt_invalidates_nothing() {
    let sessions = Sessions::with_another(true);
    let mut context = refused("AKIA1", 403, REFUSAL);
    context.set_output_or_error(Ok(Output::doesnt_matter()));
    let mut call = Call::new(Arc::clone(&sessions));
    assert_eq!(call.attempt(context), RetryAction::NoActionIndicated);
    assert!(sessions.invalid.lock().unwrap().is_empty());
    assert_eq!(*sessions.accepted.lock().unwrap(), ["AKIA1"]);
}

#[test]
fn only_signed_successful_attempts_are_accepted() {
    let sessions = Sessions::with_another(true);
    let denied = "<Error><Code>AccessDenied</Code></Error>";
    for (status, body) in [(403, REFUSAL), (403, denied), (503, "")] {
        Call::new(Arc::clone(&sessions)).attempt(refused("AKIA1", status, body));
    }
    assert!(sessions.accepted.lock().unwrap().is_empty());
    let mut unsigned = InterceptorContext::new(Input::doesnt_matter());
    unsigned.set_request(HttpRequest::empty());
    unsigned.set_output_or_error(Ok(Output::doesnt_matter()));
    Call::new(Arc::clone(&sessions)).attempt(unsigned);
    assert!(sessions.accepted.lock().unwrap().is_empty());
}

#[test]
fn arc_forwards_every_report() {
    let sessions = Sessions::with_another(true);
    let shared: Arc<dyn ReportSessionUse> = sessions.clone();
    assert!(ReportSessionUse::invalid(&shared, "AKIA1"));
    sessions.another.store(false, Ordering::Relaxed);
    assert!(!ReportSessionUse::invalid(&shared, "AKIA2"));
    ReportSessionUse::accepted(&shared, "AKIA4");
    assert_eq!(*sessions.accepted.lock().unwrap(), ["AKIA4"]);
    let action = Call::new(shared).attempt(refused("AKIA3", 403, REFUSAL));
    assert_eq!(action, RetryAction::NoActionIndicated);
    assert_eq!(*sessions.invalid.lock().unwrap(), ["AKIA1", "AKIA2", "AKIA3"]);
}

/// The last classifier decides, and those of the SDK treat a rejection as permanent.
#[test]
fn classifier_runs_after_those_of_the_sdk() {
    let priority = InvalidSessionRetry::new(Sessions::default()).priority();
    for theirs in [
        RetryClassifierPriority::http_status_code_classifier(),
        RetryClassifierPriority::modeled_as_retryable_classifier(),
        RetryClassifierPriority::transient_error_classifier(),
    ] {
        assert!(priority > theirs, "{priority:?} {theirs:?}");
    }
}

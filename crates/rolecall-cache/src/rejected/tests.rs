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
fn the_key_is_read_from_the_signature() {
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

/// An attempt that was signed by this key and refused with this answer, as an interceptor finds it at its end.
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

/// Has another session, or has not; and who it was asked for.
#[derive(Debug, Default)]
struct Holder {
    another: AtomicBool,
    refused: Mutex<Vec<String>>,
}

impl Holder {
    fn with_another(another: bool) -> Arc<Self> {
        Arc::new(Self { another: another.into(), refused: Mutex::default() })
    }
}

impl HoldsSessions for Holder {
    fn replace_rejected(&self, access_key_id: &str) -> bool {
        self.refused.lock().unwrap().push(access_key_id.to_owned());
        self.another.load(Ordering::Relaxed)
    }
}

/// A call of a client with a part of ours in it.
struct Call {
    ours: RejectedSession,
    components: RuntimeComponents,
    configuration: ConfigBag,
}

impl Call {
    fn new(holder: impl HoldsSessions) -> Self {
        let components = RuntimeComponentsBuilder::for_tests().build().unwrap();
        let ours = RejectedSession::new(holder);
        Self { ours, components, configuration: ConfigBag::base() }
    }

    /// An attempt ends so. What the classifier says of it.
    fn attempt(&mut self, mut context: InterceptorContext<Input, Output, Error>) -> RetryAction {
        let Self { ours, components, configuration } = self;
        ours.read_after_signing(&(&context).into(), components, configuration).unwrap();
        let mut end: FinalizerInterceptorContextMut<'_> = (&mut context).into();
        ours.modify_before_attempt_completion(&mut end, components, configuration).unwrap();
        ours.classify_retry(&context)
    }
}

#[test]
fn the_call_is_tried_once_more_at_once_however_many_sessions_there_are() {
    let holder = Holder::with_another(true);
    let mut call = Call::new(Arc::clone(&holder));
    let once_more = RetryAction::RetryIndicated(RetryReason::RetryableError {
        kind: ErrorKind::ClientError,
        retry_after: Some(Duration::ZERO),
    });
    assert_eq!(call.attempt(refused("AKIA1", 403, REFUSAL)), once_more);
    for key in ["AKIA2", "AKIA3"] {
        assert_eq!(call.attempt(refused(key, 403, REFUSAL)), RetryAction::NoActionIndicated);
    }
    // Each is rejected all the same: the next call is not to start with it.
    assert_eq!(*holder.refused.lock().unwrap(), ["AKIA1", "AKIA2", "AKIA3"]);
    // Another call has another attempt of its own.
    assert_eq!(Call::new(holder).attempt(refused("AKIA4", 403, REFUSAL)), once_more);
}

#[test]
fn where_there_is_no_other_session_the_call_fails_as_it_did() {
    let holder = Holder::with_another(false);
    let mut call = Call::new(Arc::clone(&holder));
    let refused = refused("AKIA1", 403, REFUSAL);
    assert_eq!(call.attempt(refused), RetryAction::NoActionIndicated);
    assert_eq!(*holder.refused.lock().unwrap(), ["AKIA1"]);
}

#[test]
fn an_attempt_that_went_well_rejects_nothing_whatever_its_answer_says() {
    let holder = Holder::with_another(true);
    let mut context = refused("AKIA1", 403, REFUSAL);
    context.set_output_or_error(Ok(Output::doesnt_matter()));
    let mut call = Call::new(Arc::clone(&holder));
    assert_eq!(call.attempt(context), RetryAction::NoActionIndicated);
    assert!(holder.refused.lock().unwrap().is_empty());
}

#[test]
fn whoever_holds_sessions_may_be_known_by_what_it_does_alone() {
    let holder = Holder::with_another(true);
    let shared: Arc<dyn HoldsSessions> = holder.clone();
    assert!(HoldsSessions::replace_rejected(&shared, "AKIA1"));
    holder.another.store(false, Ordering::Relaxed);
    assert!(!HoldsSessions::replace_rejected(&shared, "AKIA2"));
    let action = Call::new(shared).attempt(refused("AKIA3", 403, REFUSAL));
    assert_eq!(action, RetryAction::NoActionIndicated);
    assert_eq!(*holder.refused.lock().unwrap(), ["AKIA1", "AKIA2", "AKIA3"]);
}

/// The last to speak is heard, and those of the SDK's say that a refusal is for good.
#[test]
fn its_word_comes_after_that_of_the_sdks_own_classifiers() {
    let ours = RejectedSession::new(Holder::default()).priority();
    for theirs in [
        RetryClassifierPriority::http_status_code_classifier(),
        RetryClassifierPriority::modeled_as_retryable_classifier(),
        RetryClassifierPriority::transient_error_classifier(),
    ] {
        assert!(ours > theirs, "{ours:?} {theirs:?}");
    }
}

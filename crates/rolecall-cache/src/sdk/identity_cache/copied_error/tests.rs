use std::time::Duration;

use rolecall_core::ErrorKind;

use super::*;

/// An error that is its own cause.
#[derive(Debug)]
struct Circular;

impl fmt::Display for Circular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("circular")
    }
}

impl Error for Circular {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

fn texts(error: &(dyn Error + 'static)) -> Vec<String> {
    let (mut texts, mut next) = (Vec::new(), Some(error));
    // The limit is that of a test that would not end, and above that of a copy.
    while let Some(error) = next.filter(|_| texts.len() < 100) {
        texts.push(error.to_string());
        next = error.source();
    }
    texts
}

#[test]
fn copied_token_error_keeps_variant_and_texts() {
    let cause = || CopiedError { text: "503".into(), source: Some("connection reset".into()) };
    for error in [
        TokenError::not_loaded(cause()),
        TokenError::provider_timed_out(Duration::from_secs(7)),
        TokenError::invalid_configuration(cause()),
        TokenError::provider_error(cause()),
        TokenError::unhandled(cause()),
    ] {
        let copy = copy_error(&error);
        let token_error = copy.downcast_ref::<TokenError>().unwrap();
        assert_eq!(std::mem::discriminant(token_error), std::mem::discriminant(&error));
        assert_eq!(texts(&*copy), texts(&error));
    }
}

#[test]
fn copied_error_keeps_session_errors_in_its_chain() {
    let session_error = SessionError::new(ErrorKind::Denied, "denied").with_hint("ask for access");
    let copy = copy_error(&TokenError::provider_error(session_error.clone()));
    let found = SessionError::find(&*copy).unwrap();
    assert_eq!((found.kind(), found.to_string()), (ErrorKind::Denied, session_error.to_string()));
}

#[test]
fn copy_of_a_circular_chain_ends() {
    assert_eq!(texts(&*copy_error(&Circular)).len(), 17);
}

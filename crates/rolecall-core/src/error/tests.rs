use super::*;

#[test]
fn only_not_configured_becomes_not_loaded() {
    use ErrorKind::*;
    let cases = [
        (NotConfigured, "not loaded"),
        (InvalidConfig, "invalid"),
        (TokenUnavailable, "provider"),
        (Denied, "provider"),
        (TokenRejected, "provider"),
        (Throttled, "provider"),
        (Unavailable, "provider"),
        (InvalidResponse, "provider"),
        (Removed, "provider"),
    ];
    for (kind, expected) in cases {
        let actual = match CredentialsError::from(SessionError::new(kind, "x")) {
            CredentialsError::CredentialsNotLoaded(_) => "not loaded",
            CredentialsError::InvalidConfiguration(_) => "invalid",
            CredentialsError::ProviderError(_) => "provider",
            other => panic!("{kind:?} became {other:?}"),
        };
        assert_eq!(actual, expected, "{kind:?}");
    }
}

#[test]
fn at_keeps_innermost_hop_and_counts_hops() {
    let role: RoleArn = "arn:aws:iam::111122223333:role/a".parse().unwrap();
    let outer: RoleArn = "arn:aws:iam::111122223333:role/c".parse().unwrap();
    let error = SessionError::new(ErrorKind::Denied, "no")
        .at(ErrorLocation::hop(1, role))
        .at(ErrorLocation::hop(3, outer.clone()))
        .at(ErrorLocation::hop(2, outer));
    assert_eq!(error.to_string(), "hop 1 of 3 (arn:aws:iam::111122223333:role/a): no");
}

#[test]
fn texts_are_sanitized_and_truncated() {
    let text = || format!("a\n\x1b[31mb{}", "x".repeat(5000));
    let error = SessionError::new(ErrorKind::Unavailable, text())
        .with_hint(text())
        .with_code(text())
        .with_request_id(text())
        .at(ErrorLocation::Base(text()));
    assert!(error.message().starts_with("a  [31mbxxx") && error.message().len() < 2100);
    let shown = error.to_string();
    assert!(shown.len() < 11_000 && !shown.contains(char::is_control), "{shown}");
}

#[test]
fn remedy_is_that_of_the_last_hint() {
    let error = SessionError::new(ErrorKind::InvalidConfig, "no Region is set");
    assert_eq!(error.remedy(), None);
    let error = error.with_hint("call ChainBuilder::region").with_remedy(Remedy::Region);
    assert_eq!(error.clone().configured().remedy(), Some(Remedy::Region));
    assert_eq!(error.with_hint("set AWS_REGION").remedy(), None);
}

#[test]
fn cause_debug_output_is_not_copied() {
    #[derive(Debug)]
    struct Leaky {
        #[allow(dead_code, reason = "read by Debug, which is the point")]
        body: &'static str,
    }
    impl fmt::Display for Leaky {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("service error")
        }
    }
    impl Error for Leaky {}
    let error = SessionError::new(ErrorKind::Unavailable, "x")
        .with_cause(&Leaky { body: "<SecretAccessKey>s3cret</SecretAccessKey>" });
    assert!(format!("{error:?}").contains("service error"));
    assert!(!format!("{error:#?} {error}").contains("s3cret"));
    let source = error.source().unwrap();
    assert!(!format!("{source:?}").contains("s3cret"));
}

#[test]
fn kinds_have_names_and_retryability() {
    use ErrorKind::*;
    let cases = [
        (NotConfigured, "not configured", false),
        (InvalidConfig, "invalid configuration", false),
        (TokenUnavailable, "token unavailable", true),
        (Denied, "denied", false),
        (TokenRejected, "token rejected", false),
        (Throttled, "throttled", true),
        (Unavailable, "unavailable", true),
        (InvalidResponse, "invalid response", true),
        (Removed, "removed", false),
    ];
    for (kind, name, retryable) in cases {
        assert_eq!((kind.to_string().as_str(), kind.is_retryable()), (name, retryable));
        assert_eq!(SessionError::new(kind, "x").is_retryable(), retryable, "{kind}");
    }
}

#[test]
fn display_shows_all_parts_in_order() {
    let role: RoleArn = "arn:aws:iam::444455556666:role/orders".parse().unwrap();
    let error = SessionError::new(ErrorKind::Denied, "access denied by STS");
    assert_eq!(error.to_string(), "access denied by STS");
    assert_eq!((error.code(), error.request_id(), error.hint()), (None, None, None));
    let with_id = error.clone().with_request_id("7c01");
    assert_eq!(with_id.to_string(), "access denied by STS (request id 7c01)");
    let with_code = error.clone().with_code("AccessDenied");
    assert_eq!(with_code.to_string(), "access denied by STS (AccessDenied)");
    let location = ErrorLocation::hop(1, role);
    let error = with_code
        .with_request_id("7c01")
        .with_hint("allow the caller in the role's trust policy")
        .at(location.clone())
        .at(ErrorLocation::Base("ignored".into()));
    assert_eq!(
        error.to_string(),
        "hop 1 of 1 (arn:aws:iam::444455556666:role/orders): access denied by STS \
         (AccessDenied, request id 7c01); hint: allow the caller in the role's trust policy"
    );
    assert_eq!((error.code(), error.request_id()), (Some("AccessDenied"), Some("7c01")));
    assert_eq!(error.hint(), Some("allow the caller in the role's trust policy"));
    assert_eq!(error.location(), Some(&location));
}

#[test]
fn deferred_is_a_flag_of_its_own() {
    let deferred = SessionError::deferred("no permit");
    assert_eq!((deferred.kind(), deferred.is_deferred()), (ErrorKind::Throttled, true));
    assert!(!SessionError::new(ErrorKind::Throttled, "too many").is_deferred());
}

#[test]
fn configured_replaces_not_configured_only() {
    let configured = |kind| SessionError::new(kind, "x").configured().kind();
    assert_eq!(configured(ErrorKind::NotConfigured), ErrorKind::InvalidConfig);
    assert_eq!(configured(ErrorKind::Unavailable), ErrorKind::Unavailable);
}

#[test]
fn find_follows_sources() {
    let error = CredentialsError::provider_error(std::io::Error::other("down"));
    assert!(SessionError::find(&error).is_none());
    let error = CredentialsError::provider_error(SessionError::new(ErrorKind::Denied, "no"));
    assert_eq!(SessionError::find(&error).map(SessionError::message), Some("no"));
}

/// An error whose source is another of its kind.
#[derive(Debug)]
struct Nested(Option<Box<Nested>>);

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nested")
    }
}

impl Error for Nested {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|next| next as _)
    }
}

#[test]
fn causes_are_copied_to_a_limited_depth() {
    let nest = |depth| (1..depth).fold(Nested(None), |inner, _| Nested(Some(Box::new(inner))));
    let error = |depth| SessionError::new(ErrorKind::Denied, "x").with_cause(&nest(depth));
    assert_eq!(error(2).report(), "x: nested: nested");
    assert_eq!(error(17).report().matches("nested").count(), 17);
    assert_eq!(error(40).report().matches("nested").count(), 17);
    assert!(format!("{:?}", error(2)).contains("\"nested\": \"nested\""));
}

#[test]
fn sanitize_keeps_text_of_maximum_length() {
    let longest = "ä".repeat(MAX_TEXT);
    assert_eq!(sanitize(longest.clone()), longest);
    assert_eq!(sanitize(format!("{longest}x")), format!("{longest} ..."));
    assert_eq!(sanitize("a\nb".into()), "a b");
}

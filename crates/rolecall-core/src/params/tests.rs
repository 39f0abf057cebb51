use proptest::prelude::*;

use super::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/checkout";

#[test]
fn role_arn_parse_accepts_valid_arns() {
    for arn in [
        ROLE,
        "arn:aws-cn:iam::111122223333:role/a/b/c",
        "arn:aws-us-gov:iam::111122223333:role/service-role/x+=,.@-_",
        "arn:aws-iso-b:iam::111122223333:role/x",
        // IAM allows any characters from ! to ~ between the slashes of a path.
        "arn:aws:iam::111122223333:role/a//x",
    ] {
        let role = RoleArn::parse(arn).unwrap();
        assert_eq!(role.as_str(), arn);
        assert!(arn.ends_with(&format!(":role{}{}", role.path(), role.name())), "{arn}");
    }
}

#[test]
fn role_arn_parse_error_names_the_fault() {
    let long = format!("arn:aws:iam::111122223333:role/{}", "x".repeat(65));
    for (arn, why) in [
        ("", "0 characters"),
        ("arn:aws:iam::1:role/x", "12 digits"),
        ("arn:aws:iam::11112222333x:role/x", "12 digits"),
        (" arn:aws:iam::111122223333:role/x", "white space"),
        ("arn:aws:iam::111122223333:role/x\n", "white space"),
        ("urn:aws:iam::111122223333:role/x", "begin with"),
        ("arn:azure:iam::111122223333:role/x", "partition"),
        ("arn:aws-:iam::111122223333:role/x", "partition"),
        ("arn:aws:sts::111122223333:assumed-role/x/y", "service"),
        ("arn:aws:iam:eu-west-1:111122223333:role/x", "no Region"),
        ("arn:aws:iam::111122223333:user/x", "not name a role"),
        ("arn:aws:iam::111122223333:role/", "0 characters"),
        ("arn:aws:iam::111122223333:role//x", "path"),
        ("arn:aws:iam::111122223333:role/a b/x", "path"),
        ("arn:aws:iam::111122223333:role/x y", "' '"),
        ("arn:aws:iam:111122223333:role", "fewer than six"),
        (&long, "65 characters"),
    ] {
        let error = RoleArn::parse(arn).unwrap_err();
        assert!(error.fault.contains(why), "{arn:?}: {error}");
        assert!(error.to_string().contains("arn:aws:iam::123456789012:role/checkout"));
    }
}

#[test]
fn error_redacts_a_misplaced_token() {
    let error = RoleArn::parse("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIn0.c2ln").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("c2ln"), "{error}");
}

#[test]
fn error_escapes_and_truncates_the_value() {
    let error = ExternalId::parse("a\n\u{202e}\u{2028}b\"c").unwrap_err();
    assert_eq!(error.value, "a\\n\\u{202e}\\u{2028}b\"c");
    let error = ExternalId::parse(&"ä".repeat(81)).unwrap_err();
    assert_eq!(error.value, format!("{}...", "ä".repeat(80)));
    let error = ExternalId::parse(&"ä".repeat(80)).unwrap_err();
    assert_eq!(error.value, "ä".repeat(80));
}

#[test]
fn session_name_parse_enforces_limits() {
    let ok = ["ab".to_owned(), "x".repeat(64), "a_b+c=d,e.f@g-h".to_owned()];
    assert!(ok.iter().all(|name| SessionName::parse(name).is_ok()));
    for (name, why) in [("a", "1 character"), ("", "0 char"), ("a:b", "':'"), ("ä-ä", "'ä'")] {
        assert!(SessionName::parse(name).unwrap_err().fault.contains(why), "{name}");
    }
    assert!(SessionName::parse(&"x".repeat(65)).is_err());
}

#[test]
fn external_id_parse_enforces_limits() {
    assert!(ExternalId::parse(&"x".repeat(1224)).is_ok());
    assert!(ExternalId::parse(&"x".repeat(1225)).is_err());
    assert!(ExternalId::parse("a:b/c").is_ok());
    assert!(ExternalId::parse("a*b").is_err());
}

#[test]
fn session_duration_enforces_limits() {
    use std::time::Duration;
    for (seconds, ok) in
        [(899, false), (900, true), (43_200, true), (43_201, false), (u64::MAX, false)]
    {
        assert_eq!(SessionDuration::from_secs(seconds).is_ok(), ok, "{seconds}");
    }
    let error = SessionDuration::try_from(Duration::from_millis(900_500)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`900.5s` is not a valid session duration: it is not a whole number of seconds; \
         expected 900 to 43200 whole seconds, such as 3600s, 60m or 1h"
    );
}

#[test]
fn session_name_from_environment_names_variable() {
    let env = crate::Environment::fixed([("AWS_ROLE_SESSION_NAME", "a b")]);
    let error = SessionName::from_environment(&env).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("AWS_ROLE_SESSION_NAME"), "{error}");
}

fn keys(count: usize) -> SessionTags {
    (0..count).fold(SessionTags::new(), |tags, n| tags.tag(format!("k{n}"), "v").unwrap())
}

#[test]
fn identity_and_mfa_parsers_enforce_limits() {
    let long = "x".repeat(65);
    for (value, good) in
        [("ab", true), ("a", false), ("a b", false), (&long[1..], true), (&long, false)]
    {
        assert_eq!(SourceIdentity::parse(value).is_ok(), good, "{value}");
    }
    let long = "x".repeat(257);
    for (value, good) in [
        ("GAHT12345", true),
        ("GAHT1234", false),
        ("arn:aws:iam::111122223333:mfa/a+b=c,d@e", true),
        ("GAHT 12345", false),
        (&long[1..], true),
        (&long, false),
    ] {
        assert_eq!(MfaSerial::parse(value).is_ok(), good, "{value}");
    }
    for (value, good) in [
        ("123456", true),
        ("12345", false),
        ("1234567", false),
        ("12345a", false),
        (" 123456", false),
    ] {
        assert_eq!(MfaCode::parse(value).is_ok(), good, "{value}");
    }
    for (value, good) in
        [("www.amazon.com", true), ("abc", false), ("a:b.c", false), ("https://a.b", false)]
    {
        assert_eq!(ProviderId::parse(value).is_ok(), good, "{value}");
    }
}

#[test]
fn tag_validates_key_and_value() {
    let (long_key, long_value) = ("k".repeat(129), "v".repeat(257));
    for (key, value, why) in [
        ("Tenant", "4711", None),
        ("a", "", None),
        ("Cost Centre/München:2026=x+y-z@", "日本 ٣", None),
        (&long_key[1..], &long_value[1..], None),
        ("", "x", Some("`` is not a valid tag key: it has 0 characters")),
        (&long_key, "x", Some("it has 129 characters")),
        ("k", &long_value, Some("it has 257 characters")),
        ("aws:k", "x", Some("it begins with aws:")),
        ("AWS:k", "x", Some("it begins with aws:")),
        ("a,b", "x", Some("the character ',' is not allowed")),
        ("a\tb", "x", Some("the character '\\t' is not allowed")),
        ("k", "a;b", Some("`a;b` is not a valid tag value: the character ';' is not allowed")),
        ("k", "🍵", Some("is not allowed")),
    ] {
        match (SessionTags::new().tag(key, value), why) {
            (Ok(tags), None) => assert_eq!(tags.iter().collect::<Vec<_>>(), [(key, value)]),
            (Err(error), Some(why)) => assert!(error.to_string().contains(why), "{error}"),
            (result, why) => panic!("{key:?} {value:?}: {result:?}, not {why:?}"),
        }
    }
    assert!(keys(50).tag("k50", "v").unwrap_err().to_string().contains("at most 50 tags"));
    assert!(
        keys(2).tag("K1", "v").unwrap_err().to_string().contains("it is already present as \"k1\"")
    );
    let transitive = keys(1).transitive("k0").unwrap();
    assert!(transitive.clone().transitive("K0").is_err(), "twice");
    assert!(transitive.clone().transitive("inherited").is_ok(), "a tag of the parent session");
    let many =
        (0..50).fold(SessionTags::new(), |tags, n| tags.transitive(format!("k{n}")).unwrap());
    assert!(many.transitive("k50").is_err());
}

#[test]
fn policy_parsers_validate_by_table() {
    let padded = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    let (longest, too_long) = (padded(2048), padded(2049));
    for (policy, why) in [
        ("{}", None),
        (" \t\r\n{\"Statement\": []}", None),
        ("{\"Sid\": \"ü\"}", None),
        (&longest, None),
        (&too_long, Some("it has 2049 characters")),
        ("", Some("it is not JSON")),
        ("{", Some("it is not JSON")),
        ("[]", Some("it is not a JSON object")),
        ("{\"a\": \"日\"}", Some("the character '日' is not allowed")),
    ] {
        match (SessionPolicy::parse(policy), why) {
            (Ok(_), None) => {}
            (Err(error), Some(why)) => assert!(error.to_string().contains(why), "{error}"),
            (result, why) => panic!("{policy:?}: {result:?}, not {why:?}"),
        }
    }
    for (arn, good) in [
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", true),
        ("arn:aws-cn:iam::111122223333:policy/a/b", true),
        ("arn:aws:iam::111122223333:policy/", false),
        ("arn:aws:iam::1:policy/a-longer-name", false),
        ("arn:aws:iam::aws:policy/Read Only", false),
        ("arn:aws:s3:::shop-policy/a-longer-name", false),
        ("arn:awsx:iam::aws:policy/ReadOnlyAccess", false),
        ("arn:aws_x:iam::aws:policy/ReadOnlyAccess", false),
        ("ReadOnlyAccess", false),
    ] {
        assert_eq!(PolicyArn::parse(arn).is_ok(), good, "{arn}");
    }
}

#[test]
fn provided_context_enforces_limits() {
    let provider = "arn:aws:iam::aws:contextProvider/IdentityCenter";
    let long = "x".repeat(2049);
    for (provider, assertion, good) in [
        (provider, "abcd", true),
        (provider, "abc", false),
        (provider, &long[1..], true),
        (provider, &long, false),
        ("IdentityCenter", "abcd", false),
        ("a context provider without an ARN", "abcd", false),
    ] {
        let result = ProvidedContext::new(provider, assertion);
        assert_eq!(result.is_ok(), good, "{provider}");
        if let Err(error) = result {
            assert!(!error.to_string().contains("abcd"), "{error}");
        }
    }
}

#[test]
fn propagate_to_replaces_key_of_other_case() {
    let one = |key: &str| SessionTags::new().tag(key, "v").unwrap().transitive(key).unwrap();
    let child = one("tenant").propagate_to(&one("Tenant"));
    assert_eq!(child.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["tenant"]);
    assert_eq!(child.transitive_keys().collect::<Vec<_>>(), ["tenant"]);
}

#[test]
fn limit_rule_lists_length_and_characters() {
    assert_eq!(limits::SESSION_NAME.rule(), "2 to 64 characters of A-Z a-z 0-9 _ + = , . @ -");
}

#[test]
fn arn_parts_by_table() {
    for (arn, partition, account, path, name) in [
        (ROLE, "aws", "111122223333", "/", "checkout"),
        ("arn:aws-cn:iam::444455556666:role/a:b/c", "aws-cn", "444455556666", "/a:b/", "c"),
    ] {
        let role = RoleArn::parse(arn).unwrap();
        assert_eq!((role.partition(), role.account().as_str()), (partition, account));
        assert_eq!((role.path(), role.name()), (path, name));
    }
    let policy = PolicyArn::parse("arn:aws-cn:iam::aws:policy/ReadOnlyAccess").unwrap();
    assert_eq!(policy.partition(), "aws-cn");
}

#[test]
fn looks_like_token_ignores_quotes_and_space() {
    for text in ["eyJhbGciOiJSUzI1NiJ9", " eyJ", "\"eyJ", "'eyJ", "\n'eyJ"] {
        assert!(looks_like_token(text), "{text}");
    }
    for text in ["", "x eyJ", "eyX", "/var/run/token"] {
        assert!(!looks_like_token(text), "{text}");
    }
}

const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[test]
fn secrets_in_values_are_replaced() {
    let session_token = format!("IQoJb3JpZ2luX2VjE{}==", "AQ//abcD3fg+".repeat(40));
    let folded = session_token.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap());
    let folded = folded.collect::<Vec<_>>().join("\n");
    let encoded = session_token.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    let jwt = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
    let key = SECRET_KEY;
    let other = key.replace("wJalr", "xKbms");
    for (text, replaced) in [
        (key.to_owned(), "(possibly a secret)"),
        (format!("./{key}"), "./(possibly a secret)"),
        (format!("/{key}/"), "/(possibly a secret)/"),
        (format!("{key}/{other}"), "(possibly a secret)/(possibly a secret)"),
        (format!("role/{key}?"), "role/(possibly a secret)?"),
        (format!("AWS_SECRET_ACCESS_KEY='{key}'"), "AWS_SECRET_ACCESS_KEY='(possibly a secret)'"),
        (
            format!("{{\"SecretAccessKey\": \"{key}\"}}"),
            "{\"SecretAccessKey\": \"(possibly a secret)\"}",
        ),
        (session_token.clone(), "(possibly a secret)"),
        (session_token.chars().take(80).collect(), "(possibly a secret)"),
        (folded, "(possibly a secret)"),
        (encoded, "(possibly a secret)"),
        (format!("role/{session_token}"), "role/(possibly a secret)"),
        (format!("2={jwt}"), "2=eyJ... (possibly a token)"),
        (format!("--{jwt}"), "--eyJ... (possibly a token)"),
        (format!("Bearer {jwt}, {jwt}"), "Bearer eyJ... (possibly a token)"),
        ("é".to_owned() + jwt, "éeyJ... (possibly a token)"),
    ] {
        assert_eq!(shown(&text), replaced, "{text}");
        assert!(contains_secret(&text), "{text}");
    }
    let text = format!("cannot read {jwt}: no; {session_token} {jwt}.");
    let tokens =
        "cannot read eyJ... (possibly a token): no; (possibly a secret) eyJ... (possibly a token)";
    assert_eq!(redact(&text), tokens);
}

#[test]
fn usual_values_are_no_secrets() {
    for text in [
        "",
        "eu-west-1",
        "arn:aws:iam::111122223333:role/checkout",
        "arn:aws:iam::111122223333:role/AWSReservedSSO_AdministratorAccess_0123456789abcdef",
        "role/TeamPayments/CheckoutServiceProductionDeployRoleFrankfurtEuCentral1",
        "AWSServiceRoleForAmazonElasticFileSystem",
        "SurveyJobRunner.json",
        "role/KeyJanitorOfTheMoneyJournal",
        // The digest of a commit, and an access key id, which is no secret.
        "75be5d1b43340254ca3fe0ac45c23c4e61a12345",
        "AKIAIOSFODNN7EXAMPLE",
        "eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE/",
        "InfrastructureRepo/AccountBaseline/InfrastructureRepo/policies/DeployPolicy2.json",
        "Projects/Infra2/policies/deploy/of/the/last/Version/of/it",
        &"Ab1".repeat(21),
        "eyJ",
    ] {
        assert_eq!(redact(text), text);
        assert!(!contains_secret(text), "{text}");
    }
    // Random, but no secret: an external id in a message must stay comparable.
    let external_id = format!("expected the external id {SECRET_KEY}");
    assert_eq!(redact(&external_id), external_id);
}

/// Keys as AWS makes them: 30 random bytes in base64.
#[test]
fn random_keys_are_hidden() {
    let random = &mut fastrand::Rng::with_seed(4711);
    let mut character = || {
        let characters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        char::from(characters[random.usize(..characters.len())])
    };
    let keys = (0..10_000).map(|_| (0..40).map(|_| character()).collect::<String>());
    let visible = keys.filter(|key| !contains_secret(&format!("key={key}"))).count();
    assert!(visible < 10, "{visible}");
}

#[test]
fn errors_show_no_secret_part_of_a_value() {
    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl";
    let part = "c2lnbmF0dXJl";
    for value in [SECRET_KEY, JWT, &format!("{JWT} "), &"x ".repeat(50_000)] {
        let tags = || SessionTags::new().tag("a", "1").unwrap();
        let errors = [
            RoleArn::parse(value).err(),
            RoleArn::parse(&format!("arn:{value}:iam::111122223333:role/x")).err(),
            RoleArn::parse(&format!("arn:aws:{value}::111122223333:role/x")).err(),
            RoleArn::parse(&format!("arn:aws:iam:{value}:111122223333:role/x")).err(),
            RoleArn::parse(&format!("arn:aws:iam::111122223333:role/x={value}?")).err(),
            AccountId::parse(value).err(),
            PolicyArn::parse(value).err(),
            ExternalId::parse(&format!("{value}?")).err(),
            SessionName::parse(&format!("{value}?")).err(),
            SourceIdentity::parse(&format!("{value}?")).err(),
            ProviderId::parse(&format!("{value}?")).err(),
            MfaSerial::parse(&format!("{value}?")).err(),
            MfaCode::parse(value).err(),
            SessionDuration::parse(value).err(),
            SessionPolicy::parse(value).err(),
            ProvidedContext::new(value, value).err(),
            tags().tag(format!("{value}?"), "1").err(),
            tags().tag("b", format!("{value}?")).err(),
            tags().transitive(format!("{value}?")).err(),
        ];
        for (place, error) in errors.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("{place}: {value}")).to_string();
            assert!(!error.contains(SECRET_KEY) && !error.contains(part), "{place}: {error}");
            assert!(error.len() < 600, "{place}: {error}");
        }
    }
}

#[test]
fn derived_session_name_truncates_the_application() {
    let derived = |application, host| SessionName::derived(Some(application), host).to_string();
    let (long, host, long_host) = ("a".repeat(70), "h".repeat(60), "h".repeat(70));
    assert_eq!(derived(&long, None), "a".repeat(64));
    assert_eq!(derived(&long, Some(&host)), format!("aaa@{host}"));
    assert_eq!(derived("app", Some(&long_host)), format!("@{}", "h".repeat(63)));
    assert_eq!(derived("a b", Some("h_1:x")), "a-b@h_1-x");
    assert_eq!(derived("", Some("")), "rolecall");
    assert_eq!(derived("x", None), "rolecall");
}

#[test]
fn session_tags_propagate_transitive_tags_only() {
    let tags = |pairs: &[(&str, &str)]| SessionTags::try_from(pairs.to_vec()).unwrap();
    let parent = tags(&[("Tenant", "4711"), ("Team", "tea")]);
    assert!(SessionTags::new().is_empty() && !parent.is_empty());
    assert!(!SessionTags::new().transitive("a").unwrap().is_empty());
    let parent = parent.transitive("Tenant").unwrap().transitive("Unknown").unwrap();
    let requested = tags(&[("tenant", "1"), ("Job", "nightly")]).transitive("job").unwrap();
    let child = parent.propagate_to(&requested);
    assert_eq!(child.iter().collect::<Vec<_>>(), [("Job", "nightly"), ("Tenant", "4711")]);
    assert_eq!(child.transitive_keys().collect::<Vec<_>>(), ["Tenant", "Unknown", "job"]);
}

#[test]
fn secrets_are_exposed_only_on_request() {
    let provider = "arn:aws:iam::aws:contextProvider/IdentityCenter";
    let context = ProvidedContext::new(provider, "the assertion").unwrap();
    assert_eq!(context.provider_arn(), provider);
    assert_eq!(context.expose_assertion(), "the assertion");
    assert_eq!(format!("{context:?}"), format!("ProvidedContext {{ provider: {provider:?}, .. }}"));
    let code = MfaCode::parse("123456").unwrap();
    assert_eq!((code.expose(), format!("{code:?}").as_str()), ("123456", "MfaCode(***)"));
}

proptest! {
    #[test]
    fn parsed_text_is_unchanged(value in any::<String>()) {
        for parsed in [
            RoleArn::parse(&value).map(|v| v.to_string()),
            SessionName::parse(&value).map(|v| v.to_string()),
            ExternalId::parse(&value).map(|v| v.to_string()),
            AccountId::parse(&value).map(|v| v.to_string()),
        ].into_iter().flatten() {
            prop_assert_eq!(&parsed, &value);
        }
    }

    #[test]
    fn role_arn_parse_handles_malformed_arns(
        value in "(arn|):aws(-[a-z]{0,3}){0,2}:(iam|sts):[a-z]{0,2}:[0-9]{11,13}:(role|user)?/?[ -~]{0,80}",
    ) {
        if let Ok(role) = RoleArn::parse(&value) {
            prop_assert!(role.account().as_str().len() == 12 && !role.name().is_empty());
        }
    }

    #[test]
    fn derived_session_name_is_always_valid(app in any::<Option<String>>(), host in any::<Option<String>>()) {
        let name = SessionName::derived(app.as_deref(), host.as_deref());
        prop_assert!(SessionName::parse(name.as_str()).is_ok(), "{}", name);
    }

    #[test]
    fn parsers_never_panic(text in any::<String>()) {
        let _ = (SourceIdentity::parse(&text), MfaSerial::parse(&text), MfaCode::parse(&text));
        let _ = (PolicyArn::parse(&text), SessionPolicy::parse(&text), ProviderId::parse(&text));
        let _ = (SessionTags::new().tag(text.clone(), text.clone()), ProvidedContext::new(text.clone(), text));
    }

    #[test]
    fn accepted_tag_key_has_allowed_characters(key in "\\PC{1,20}") {
        if SessionTags::new().tag(key.clone(), "").is_ok() {
            prop_assert!(key.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)
                || !c.is_ascii()));
        }
    }
}

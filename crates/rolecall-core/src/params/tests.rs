use super::*;
use proptest::prelude::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/checkout";

#[test]
fn role_arns_that_are_ones() {
    for arn in [
        ROLE,
        "arn:aws-cn:iam::111122223333:role/a/b/c",
        "arn:aws-us-gov:iam::111122223333:role/service-role/x+=,.@-_",
        "arn:aws-iso-b:iam::111122223333:role/x",
        // IAM takes any of ! to ~ between a path's two slashes.
        "arn:aws:iam::111122223333:role/a//x",
    ] {
        let role = RoleArn::parse(arn).unwrap();
        assert_eq!(role.as_str(), arn);
        assert!(arn.ends_with(&format!(":role{}{}", role.path(), role.name())), "{arn}");
    }
}

#[test]
fn role_arns_that_are_not_say_why() {
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
fn a_token_in_the_wrong_place_is_not_shown() {
    let error = RoleArn::parse("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIn0.c2ln").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("c2ln"), "{error}");
}

#[test]
fn a_session_name_keeps_to_its_limits() {
    let ok = ["ab".to_owned(), "x".repeat(64), "a_b+c=d,e.f@g-h".to_owned()];
    assert!(ok.iter().all(|name| SessionName::parse(name).is_ok()));
    for (name, why) in [("a", "1 character"), ("", "0 char"), ("a:b", "':'"), ("ä-ä", "'ä'")] {
        assert!(SessionName::parse(name).unwrap_err().fault.contains(why), "{name}");
    }
    assert!(SessionName::parse(&"x".repeat(65)).is_err());
}

#[test]
fn an_external_id_keeps_to_its_limits() {
    assert!(ExternalId::parse(&"x".repeat(1224)).is_ok());
    assert!(ExternalId::parse(&"x".repeat(1225)).is_err());
    assert!(ExternalId::parse("a:b/c").is_ok());
    assert!(ExternalId::parse("a*b").is_err());
}

#[test]
fn a_session_duration_keeps_to_its_limits() {
    use std::time::Duration;
    for (seconds, ok) in
        [(899, false), (900, true), (43_200, true), (43_201, false), (u64::MAX, false)]
    {
        assert_eq!(SessionDuration::from_secs(seconds).is_ok(), ok, "{seconds}");
    }
    let error = SessionDuration::try_from(Duration::from_millis(900_500)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "session duration \"900.5s\": it is not in whole seconds; a session is asked for 900 to 43200 whole seconds"
    );
}

#[test]
fn a_wrong_session_name_in_the_environment_names_the_variable() {
    let env = crate::Environment::fixed([("AWS_ROLE_SESSION_NAME", "a b")]);
    let error = SessionName::from_environment(&env).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("AWS_ROLE_SESSION_NAME"), "{error}");
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic_and_what_parses_is_unchanged(value in any::<String>()) {
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
    fn near_misses_of_an_arn_make_no_parser_panic(
        value in "(arn|):aws(-[a-z]{0,3}){0,2}:(iam|sts):[a-z]{0,2}:[0-9]{11,13}:(role|user)?/?[ -~]{0,80}",
    ) {
        if let Ok(role) = RoleArn::parse(&value) {
            prop_assert!(role.account().as_str().len() == 12 && !role.name().is_empty());
        }
    }

    #[test]
    fn a_derived_session_name_is_always_one(app in any::<Option<String>>(), host in any::<Option<String>>()) {
        let name = SessionName::derived(app.as_deref(), host.as_deref());
        prop_assert!(SessionName::parse(name.as_str()).is_ok(), "{}", name);
    }
}

use super::*;
use proptest::prelude::*;

fn keys(count: usize) -> SessionTags {
    (0..count).fold(SessionTags::new(), |tags, n| tags.tag(format!("k{n}"), "v").unwrap())
}

#[test]
fn source_identities_and_serial_numbers_keep_to_their_limits() {
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
fn tags_by_table() {
    let (long_key, long_value) = ("k".repeat(129), "v".repeat(257));
    for (key, value, why) in [
        ("Tenant", "4711", None),
        ("a", "", None),
        ("Cost Centre/München:2026=x+y-z@", "日本 ٣", None),
        (&long_key[1..], &long_value[1..], None),
        ("", "x", Some("tag key \"\": it has 0 characters")),
        (&long_key, "x", Some("it has 129 characters")),
        ("k", &long_value, Some("it has 257 characters")),
        ("aws:k", "x", Some("it begins with aws:")),
        ("AWS:k", "x", Some("it begins with aws:")),
        ("a,b", "x", Some("the character ',' is not allowed")),
        ("a\tb", "x", Some("the character '\\t' is not allowed")),
        ("k", "a;b", Some("tag value \"a;b\": the character ';' is not allowed")),
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
        keys(2).tag("K1", "v").unwrap_err().to_string().contains("it is there already, as \"k1\"")
    );
    let transitive = keys(1).transitive("k0").unwrap();
    assert!(transitive.clone().transitive("K0").is_err(), "twice");
    assert!(transitive.clone().transitive("inherited").is_ok(), "of the session that signs");
    let many =
        (0..50).fold(SessionTags::new(), |tags, n| tags.transitive(format!("k{n}")).unwrap());
    assert!(many.transitive("k50").is_err());
}

#[test]
fn session_policies_and_policy_arns_by_table() {
    let padded = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    let (longest, too_long) = (padded(2048), padded(2049));
    for (policy, why) in [
        ("{}", None),
        (" \t\r\n{\"Statement\": []}", None),
        ("{\"Sid\": \"ü\"}", None),
        (&longest, None),
        (&too_long, Some("it has 2049 characters")),
        ("", Some("it is no JSON")),
        ("{", Some("it is no JSON")),
        ("[]", Some("it is no JSON object")),
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
        ("ReadOnlyAccess", false),
    ] {
        assert_eq!(PolicyArn::parse(arn).is_ok(), good, "{arn}");
    }
}

#[test]
fn provided_contexts_keep_to_their_limits() {
    let provider = "arn:aws:iam::aws:contextProvider/IdentityCenter";
    let long = "x".repeat(2049);
    for (provider, assertion, good) in [
        (provider, "abcd", true),
        (provider, "abc", false),
        (provider, &long[1..], true),
        (provider, &long, false),
        ("IdentityCenter", "abcd", false),
        ("a context provider's ARN that is none", "abcd", false),
    ] {
        let result = ProvidedContext::new(provider, assertion);
        assert_eq!(result.is_ok(), good, "{provider}");
        if let Err(error) = result {
            assert!(!error.to_string().contains("abcd"), "{error}");
        }
    }
}

#[test]
fn a_tag_that_is_handed_on_stands_for_one_of_another_case() {
    let one = |key: &str| SessionTags::new().tag(key, "v").unwrap().transitive(key).unwrap();
    let next = one("tenant").handed_on(&one("Tenant"));
    assert_eq!(next.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["tenant"]);
    assert_eq!(next.transitive_keys().collect::<Vec<_>>(), ["tenant"]);
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>()) {
        let _ = (SourceIdentity::parse(&text), MfaSerial::parse(&text), MfaCode::parse(&text));
        let _ = (PolicyArn::parse(&text), SessionPolicy::parse(&text), ProviderId::parse(&text));
        let _ = (SessionTags::new().tag(text.clone(), text.clone()), ProvidedContext::new(text.clone(), text));
    }

    #[test]
    fn what_is_a_tag_has_none_but_known_characters(key in "\\PC{1,20}") {
        if SessionTags::new().tag(key.clone(), "").is_ok() {
            prop_assert!(key.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)
                || !c.is_ascii()));
        }
    }
}

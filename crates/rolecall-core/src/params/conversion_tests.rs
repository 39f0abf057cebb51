//! Conversions of the parameters from and to text, and their serialized forms.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/checkout";

/// Checks all conversions of a text parameter with a valid and an invalid value.
fn check_text_parameter<T>(valid: &str, invalid: &str)
where
    T: FromStr<Err = InvalidParameter>
        + for<'a> TryFrom<&'a str, Error = InvalidParameter>
        + for<'a> TryFrom<&'a String, Error = InvalidParameter>
        + TryFrom<String, Error = InvalidParameter>
        + Display
        + AsRef<str>
        + Serialize
        + DeserializeOwned
        + Debug
        + PartialEq,
{
    let parsed: T = valid.parse().unwrap();
    assert_eq!(T::try_from(valid).unwrap(), parsed);
    assert_eq!(T::try_from(&valid.to_owned()).unwrap(), parsed);
    assert_eq!(T::try_from(valid.to_owned()).unwrap(), parsed);
    assert_eq!((parsed.to_string().as_str(), parsed.as_ref()), (valid, valid));
    assert_eq!(serde_json::to_value(&parsed).unwrap(), json!(valid));
    assert_eq!(serde_json::from_value::<T>(json!(valid)).unwrap(), parsed);

    let error = invalid.parse::<T>().unwrap_err();
    assert_eq!(T::try_from(invalid).unwrap_err(), error);
    assert_eq!(T::try_from(&invalid.to_owned()).unwrap_err(), error);
    assert_eq!(T::try_from(invalid.to_owned()).unwrap_err(), error);
    let from_serde = serde_json::from_value::<T>(json!(invalid)).unwrap_err();
    assert_eq!(from_serde.to_string(), error.to_string());
    assert!(serde_json::from_value::<T>(json!(4711)).is_err(), "a number for {error}");
}

#[test]
fn text_parameters_convert_from_and_to_text() {
    check_text_parameter::<RoleArn>(ROLE, "orders");
    check_text_parameter::<AccountId>("111122223333", "1111");
    check_text_parameter::<ExternalId>("shop-4711", "x");
    check_text_parameter::<SourceIdentity>("ann@shop.example", "Ann Other");
    check_text_parameter::<ProviderId>("www.amazon.com", "https://www.amazon.com");
    check_text_parameter::<SessionName>("checkout-7f9c", "check out");
    check_text_parameter::<PolicyArn>("arn:aws:iam::aws:policy/ReadOnlyAccess", ROLE);
    check_text_parameter::<SessionPolicy>("{\"Statement\": []}", "[]");
    check_text_parameter::<MfaSerial>("arn:aws:iam::111122223333:mfa/ann", "GAHT1234");
}

#[test]
fn mfa_code_converts_from_text() {
    assert_eq!("123456".parse::<MfaCode>().unwrap().expose(), "123456");
    assert_eq!(MfaCode::try_from("123456").unwrap().expose(), "123456");
    assert_eq!(MfaCode::try_from("123456".to_owned()).unwrap().expose(), "123456");
    let error = MfaCode::try_from("12345\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`***` is not a valid MFA code: it has leading or trailing white space; expected 6 digits"
    );
    assert!("12345".parse::<MfaCode>().unwrap_err().fault.contains("not 6 digits"));
}

#[test]
fn session_duration_parses_units() {
    for (text, seconds) in [
        ("900", 900),
        ("3600s", 3600),
        ("15m", 900),
        ("1h", 3600),
        ("12h", 43_200),
        ("0043200s", 43_200),
    ] {
        let duration: SessionDuration = text.parse().unwrap();
        assert_eq!(duration.as_secs(), seconds, "{text}");
        assert_eq!(duration.to_string(), format!("{seconds}s"));
        assert_eq!(SessionDuration::try_from(duration.to_string()).unwrap(), duration);
        assert_eq!(duration.as_duration(), std::time::Duration::from_secs(seconds.into()));
    }
    for text in
        ["", "h", "s", "1d", "1 h", " 900", "+900", "-900", "900ms", "1h30m", "1.5h", "９００"]
    {
        let error = text.parse::<SessionDuration>().unwrap_err();
        assert_eq!(error.fault, "it is not a whole number of seconds, minutes or hours", "{text}");
    }
    for text in
        ["899", "43201s", "14m", "13h", "0", "18446744073709551615h", "99999999999999999999"]
    {
        let error = SessionDuration::try_from(text).unwrap_err();
        assert_eq!((error.value.as_str(), error.fault.as_str()), (text, "it is out of range"));
    }
}

#[test]
fn session_duration_serializes_as_seconds() {
    let hour = SessionDuration::DEFAULT;
    assert_eq!(serde_json::to_value(hour).unwrap(), json!(3600));
    assert_eq!(serde_json::from_value::<SessionDuration>(json!(3600)).unwrap(), hour);
    let error = serde_json::from_value::<SessionDuration>(json!(899)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`899s` is not a valid session duration: it is out of range; \
         expected 900 to 43200 whole seconds, such as 3600s, 60m or 1h"
    );
    assert!(serde_json::from_value::<SessionDuration>(json!(-900)).is_err());
    assert!(serde_json::from_value::<SessionDuration>(json!("1h")).is_err());
}

#[test]
fn session_tags_serialize_as_structure() {
    let tags = SessionTags::try_from(vec![("Tenant", "4711"), ("Team", "tea")]).unwrap();
    let tags = tags.transitive("Tenant").unwrap();
    let serialized =
        json!({"tags": {"Team": "tea", "Tenant": "4711"}, "transitive_tag_keys": ["Tenant"]});
    assert_eq!(serde_json::to_value(&tags).unwrap(), serialized);
    assert_eq!(serde_json::from_value::<SessionTags>(serialized).unwrap(), tags);
    assert_eq!(serde_json::from_str::<SessionTags>("{}").unwrap(), SessionTags::new());
}

#[test]
fn session_tags_deserialization_rejects_invalid_tags() {
    for (text, fault) in [
        (r#"{"tags": {"a": "1", "a": "2"}}"#, "it is already present as \"a\""),
        (r#"{"tags": {"a": "1", "A": "2"}}"#, "`A` is not a valid tag key"),
        (r#"{"tags": {"aws:a": "1"}}"#, "it begins with aws:, which is reserved for AWS"),
        (r#"{"transitive_tag_keys": ["a", "A"]}"#, "`A` is not a valid transitive tag key"),
        (r#"{"transitive": ["a"]}"#, "unknown field `transitive`"),
        (r#"{"tags": ["a"]}"#, "expected a map of tag keys and values"),
    ] {
        let error = serde_json::from_str::<SessionTags>(text).unwrap_err().to_string();
        assert!(error.contains(fault), "{text}: {error}");
    }
}

#[test]
fn session_tags_try_from_pairs_validates() {
    let pairs = [("Tenant".to_owned(), "4711"), ("Team".to_owned(), "tea")];
    let tags = SessionTags::new().tag("Tenant", "4711").unwrap().tag("Team", "tea").unwrap();
    assert_eq!(SessionTags::try_from(pairs.clone()).unwrap(), tags);
    assert_eq!(SessionTags::try_from(pairs.to_vec()).unwrap(), tags);
    assert!(SessionTags::try_from([("a", "1"), ("A", "2")]).is_err());
}

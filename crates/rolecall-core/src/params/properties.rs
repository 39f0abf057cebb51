//! Compares each parser with an independent statement of the rules in the AWS documentation.

use proptest::prelude::*;

use super::*;

/// Generates texts near the limits of length and alphabet, and arbitrary texts.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9_+=,.@:/ -]{0,70}",
        "[a-z0-9]{60,70}",
        ("[a-zA-Z0-9_+=,.@-]{1,2}", 0_usize..1300, any::<Option<char>>()).prop_map(
            |(part, times, odd)| {
                let mut text = part.repeat(times);
                text.extend(odd);
                text
            }
        ),
    ]
}

fn has_alphabet(text: &str, punctuation: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || punctuation.contains(c))
}

fn has_length(text: &str, from: usize, to: usize) -> bool {
    (from..=to).contains(&text.chars().count())
}

/// Checks that a value is accepted unchanged if it is valid, and otherwise rejected by an error of
/// bounded length that names the field.
fn check_parsed(
    value: &str,
    valid: bool,
    field: &str,
    parsed: Result<String, InvalidParameter>,
) -> Result<(), TestCaseError> {
    match parsed {
        Ok(accepted) => {
            prop_assert!(valid, "{field} accepts {value:?}");
            prop_assert_eq!(accepted, value);
        }
        Err(error) => {
            prop_assert!(!valid, "{field} rejects {value:?}: {error}");
            let text = error.to_string();
            let named = text.contains(&format!("` is not a valid {field}"));
            prop_assert!(named && text.len() < 1500, "{text}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn names_and_ids(value in text()) {
        let v = value.as_str();
        let name = has_length(v, 2, 64) && has_alphabet(v, "+=,.@-");
        check_parsed(v, name, "session name", SessionName::parse(v).map(|p| p.to_string()))?;
        check_parsed(v, name, "source identity", SourceIdentity::parse(v).map(|p| p.to_string()))?;
        let external_id = has_length(v, 2, 1224) && has_alphabet(v, "+=,.@:/-");
        check_parsed(v, external_id, "external id", ExternalId::parse(v).map(|p| p.to_string()))?;
        let account = v.len() == 12 && v.chars().all(|c| c.is_ascii_digit());
        check_parsed(v, account, "account id", AccountId::parse(v).map(|p| p.to_string()))?;
        let serial = has_length(v, 9, 256) && has_alphabet(v, "+=/:,.@-");
        check_parsed(v, serial, "MFA serial", MfaSerial::parse(v).map(|p| p.to_string()))?;
    }

    #[test]
    fn codes(value in prop_oneof!["[0-9]{5,7}", "[0-9a-f]{6}", any::<String>()]) {
        let valid = value.len() == 6 && value.chars().all(|c| c.is_ascii_digit());
        prop_assert_eq!(MfaCode::parse(&value).is_ok(), valid, "{}", value);
    }

    #[test]
    fn durations(seconds in prop_oneof![any::<u64>(), 0_u64..50_000]) {
        prop_assert_eq!(SessionDuration::from_secs(seconds).is_ok(), (900..=43_200).contains(&seconds));
    }

    #[test]
    fn role_arns(
        partition in "aws(-[a-z]{2,4}){0,2}",
        account in "[0-9]{11,13}",
        path in prop_oneof![Just(String::new()), "([!-~]{1,20}/){1,2}"],
        name in "[a-zA-Z0-9_+=,.@-]{1,70}",
    ) {
        let arn = format!("arn:{partition}:iam::{account}:role/{path}{name}");
        let valid = account.len() == 12 && name.len() <= 64 && !path.starts_with('/');
        check_parsed(&arn, valid, "role ARN", RoleArn::parse(&arn).map(|p| p.to_string()))?;
        if let Ok(role) = RoleArn::parse(&arn) {
            prop_assert_eq!((role.partition(), role.name()), (partition.as_str(), name.as_str()));
            prop_assert_eq!(role.path(), format!("/{path}"));
        }
    }

    #[test]
    fn tags(
        keys in proptest::collection::vec("[a-zA-Z0-9 _.:/=+@é-]{1,3}|aws:[a-z]|[a-z]{127,130}|#", 0..55),
        value in prop_oneof!["[a-z ]{0,4}", "[a-z]{255,258}"],
    ) {
        let tags = keys.iter().try_fold(SessionTags::new(), |tags, key| tags.tag(key.as_str(), value.as_str()));
        let mut folded: Vec<String> = keys.iter().map(|key| key.to_lowercase()).collect();
        folded.sort();
        folded.dedup();
        let is_valid = |key: &String| has_length(key, 1, 128) && !key.starts_with("aws:") && key != "#";
        let valid = keys.len() <= 50
            && folded.len() == keys.len()
            && keys.iter().all(is_valid)
            && (keys.is_empty() || value.len() <= 256);
        prop_assert_eq!(tags.is_ok(), valid, "{:?} {:?}: {:?}", keys, value, tags.err());
    }

    #[test]
    fn session_policies(value in prop_oneof![any::<String>(), "\\{\"a\":\"[ -~é]{0,30}\"\\}", "[\\[\\{]{1,2100}"]) {
        match SessionPolicy::parse(&value) {
            Ok(policy) => {
                let json: Result<serde_json::Value, _> = serde_json::from_str(policy.as_str());
                let object = json.is_ok_and(|json| json.is_object());
                prop_assert!(object && has_length(&value, 2, 2048), "{value}");
            }
            Err(error) => prop_assert!(error.to_string().len() < 1500),
        }
    }

    #[test]
    fn session_name_from_environment_is_valid_or_error(
        name in text(),
        host in any::<String>(),
    ) {
        // An environment variable cannot contain NUL.
        let environment = crate::Environment::fixed([
            ("AWS_ROLE_SESSION_NAME", name.replace('\0', "")),
            ("HOSTNAME", host.replace('\0', "")),
        ]);
        match SessionName::from_environment(&environment) {
            Ok(name) => prop_assert!(SessionName::parse(name.as_str()).is_ok()),
            Err(error) => prop_assert!(error.to_string().contains("AWS_ROLE_SESSION_NAME")),
        }
    }
}

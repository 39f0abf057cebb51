use rolecall_core::ProvidedContext;

use super::*;
use crate::role::tests::{full_role, role};

#[test]
fn serialized_role_round_trips() {
    for role in [role(), full_role()] {
        let json = serde_json::to_string(&role).unwrap();
        assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), role, "{json}");
    }
    let minimal = serde_json::to_value(role()).unwrap();
    assert_eq!(minimal, serde_json::json!({ "arn": "arn:aws:iam::444455556666:role/orders" }));
}

#[test]
fn policy_can_be_a_json_object() {
    let json = r#"{"arn": "arn:aws:iam::444455556666:role/orders", "policy": {"Statement": []}}"#;
    let role: Role = serde_json::from_str(json).unwrap();
    assert_eq!(role.get_policy().unwrap().as_str(), r#"{"Statement":[]}"#);
}

#[test]
fn invalid_keys_are_errors_with_the_rule() {
    let arn = r#""arn": "arn:aws:iam::444455556666:role/orders""#;
    for (json, parts) in [
        ("{}".to_owned(), &["missing field `arn`"][..]),
        (format!("{{{arn}, \"extern_id\": \"x\"}}"), &["unknown field `extern_id`"]),
        (format!("{{{arn}, \"external_id\": \"x\"}}"), &["external id", "it has 1 character"]),
        (format!("{{{arn}, \"duration_seconds\": 60}}"), &["900 to 43200"]),
        (format!("{{{arn}, \"tags\": {{\"aws:x\": \"\"}}}}"), &["aws:x"]),
        (format!("{{{arn}, \"policy\": []}}"), &["JSON object"]),
        (format!("{{{arn}, \"policy_arns\": [\"x\"]}}"), &["policy ARN"]),
        (
            format!("{{{arn}, \"tags\": {{\"Tenant\": \"1\", \"Tenant\": \"2\"}}}}"),
            &["the key \"Tenant\" occurs twice"],
        ),
        (
            format!("{{{arn}, \"policy\": {{\"a\": [{{\"Condition\": 1, \"Condition\": 2}}]}}}}"),
            &["the key \"Condition\" occurs twice"],
        ),
    ] {
        let error = serde_json::from_str::<Role>(&json).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}

#[test]
fn null_means_that_a_key_is_absent() {
    let arn = "arn:aws:iam::444455556666:role/orders";
    for key in [
        "external_id",
        "session_name",
        "duration_seconds",
        "tags",
        "transitive_tag_keys",
        "source_identity",
        "policy",
        "policy_arns",
        "mfa_serial",
    ] {
        let json = serde_json::json!({ "arn": arn, key: null }).to_string();
        assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), role(), "{json}");
    }
    assert!(serde_json::from_str::<Role>(r#"{"arn": null}"#).is_err());
}

#[test]
fn role_with_provided_context_fails_to_serialize() {
    let provider = "arn:aws:iam::aws:contextProvider/IdentityCenter";
    let context = ProvidedContext::new(provider, "the-assertion").unwrap();
    let role = role().provided_context(context.clone()).unwrap();
    assert_eq!(role.get_provided_contexts(), [context]);
    let error = serde_json::to_string(&role).unwrap_err().to_string();
    assert!(error.contains("provided contexts cannot be serialized"), "{error}");
    assert!(!format!("{error} {role:?}").contains("the-assertion"), "{error}");
}

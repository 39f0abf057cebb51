use super::*;

fn role() -> Role {
    Role::new("arn:aws:iam::444455556666:role/orders").unwrap()
}

fn whole() -> Role {
    role()
        .external_id("shop-4711")
        .and_then(|role| role.session_name("checkout"))
        .and_then(|role| role.duration(std::time::Duration::from_secs(900)))
        .and_then(|role| role.tag("Tenant", "4711"))
        .and_then(|role| role.tag("Team", "tea"))
        .and_then(|role| role.transitive_tag_key("Tenant"))
        .and_then(|role| role.source_identity("ann"))
        .and_then(|role| role.policy(r#"{"Statement": []}"#))
        .and_then(|role| role.policy_arn("arn:aws:iam::aws:policy/ReadOnlyAccess"))
        .and_then(|role| role.mfa_serial("arn:aws:iam::111122223333:mfa/ann"))
        .unwrap()
}

#[test]
fn what_is_written_to_a_file_is_read_again_as_the_same() {
    for role in [role(), whole()] {
        let json = serde_json::to_string(&role).unwrap();
        assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), role, "{json}");
    }
    let written = serde_json::to_value(role()).unwrap();
    assert_eq!(written, serde_json::json!({ "arn": "arn:aws:iam::444455556666:role/orders" }));
}

#[test]
fn a_policy_in_a_file_may_be_an_object() {
    let json = r#"{"arn": "arn:aws:iam::444455556666:role/orders", "policy": {"Statement": []}}"#;
    let role: Role = serde_json::from_str(json).unwrap();
    assert_eq!(role.inline_policy().unwrap().as_str(), r#"{"Statement":[]}"#);
}

#[test]
fn what_is_wrong_in_a_file_is_said_with_its_rule() {
    let arn = r#""arn": "arn:aws:iam::444455556666:role/orders""#;
    for (json, part) in [
        ("{}".to_owned(), "missing field `arn`"),
        (format!("{{{arn}, \"extern_id\": \"x\"}}"), "unknown field `extern_id`"),
        (format!("{{{arn}, \"external_id\": \"x\"}}"), "external id \"x\": it has 1 character"),
        (format!("{{{arn}, \"duration_seconds\": 60}}"), "900 to 43200"),
        (format!("{{{arn}, \"tags\": {{\"aws:x\": \"\"}}}}"), "begins with aws:"),
        (format!("{{{arn}, \"policy\": []}}"), "it is no JSON object"),
        (format!("{{{arn}, \"policy_arns\": [\"x\"]}}"), "policy ARN \"x\""),
        (
            format!("{{{arn}, \"tags\": {{\"Tenant\": \"1\", \"Tenant\": \"2\"}}}}"),
            "the key \"Tenant\" is there twice",
        ),
        (
            format!("{{{arn}, \"policy\": {{\"a\": [{{\"Condition\": 1, \"Condition\": 2}}]}}}}"),
            "the key \"Condition\" is there twice",
        ),
    ] {
        let error = serde_json::from_str::<Role>(&json).unwrap_err().to_string();
        assert!(error.contains(part), "{json}: {error}");
    }
}

#[test]
fn policies_and_contexts_keep_to_their_limits_together() {
    let policy = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let room = limits::MOST_POLICY_TEXT - arn.len();
    let full = role().policy(policy(room)).unwrap().policy_arn(arn);
    assert!(full.is_ok());
    let error = full.unwrap().policy(policy(room + 1)).unwrap_err();
    assert!(error.to_string().contains("2049 characters"), "{error}");
    let ten = (0..10)
        .fold(role(), |role, n| role.policy_arn(format!("arn:aws:iam::aws:policy/P{n}")).unwrap());
    assert!(ten.policy_arn(arn).unwrap_err().to_string().contains("at most 10"));
    let context = || {
        let provider = "arn:aws:iam::aws:contextProvider/IdentityCenter";
        ProvidedContext::new(provider, "assertion").unwrap()
    };
    let five = (0..5).fold(role(), |role, _| role.provided_context(context()).unwrap());
    assert!(five.provided_context(context()).unwrap_err().to_string().contains("at most 5"));
}

fn hash_of(role: &Role) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    role.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn the_same_said_in_another_order_is_the_same_role() {
    let arns = ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"];
    let one = role().tag("Tenant", "1").and_then(|role| role.tag("Team", "tea"));
    let one = one.and_then(|role| role.policy_arn(arns[0])).unwrap().policy_arn(arns[1]).unwrap();
    let other = role().policy_arn(arns[1]).and_then(|role| role.policy_arn(arns[0]));
    let other = other.and_then(|role| role.tag("Team", "tea")).unwrap().tag("Tenant", "1").unwrap();
    assert_eq!(one, other);
    assert_eq!(hash_of(&one), hash_of(&other));
}

#[test]
fn a_role_that_is_changed_has_another_hash_and_leaves_its_clone_as_it_was() {
    let clone = role();
    let before = hash_of(&clone);
    let changed = clone.clone().external_id("shop-4711").unwrap();
    assert_ne!(hash_of(&changed), before);
    assert!(changed != clone && hash_of(&clone) == before && clone == role());
    // Alone, too, when nothing is copied.
    let alone = role();
    hash_of(&alone);
    let alone = alone.external_id("shop-4711").unwrap();
    assert_eq!((hash_of(&alone), &alone), (hash_of(&changed), &changed));
}

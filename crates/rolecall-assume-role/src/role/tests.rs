use super::*;

pub(crate) fn role() -> Role {
    Role::new("arn:aws:iam::444455556666:role/orders").unwrap()
}

pub(crate) fn full_role() -> Role {
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
fn policies_and_contexts_have_limits() {
    let policy = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let remaining = limits::MAX_POLICY_TEXT - arn.len();
    let at_limit = role().policy(policy(remaining)).unwrap().policy_arn(arn);
    assert!(at_limit.is_ok());
    let error = at_limit.unwrap().policy(policy(remaining + 1)).unwrap_err();
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
fn order_of_tags_and_policies_does_not_matter() {
    let arns = ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"];
    let one = role().tag("Tenant", "1").and_then(|role| role.tag("Team", "tea"));
    let one = one.and_then(|role| role.policy_arn(arns[0])).unwrap().policy_arn(arns[1]).unwrap();
    let other = role().policy_arn(arns[1]).and_then(|role| role.policy_arn(arns[0]));
    let other = other.and_then(|role| role.tag("Team", "tea")).unwrap().tag("Tenant", "1").unwrap();
    assert_eq!(one, other);
    assert_eq!(hash_of(&one), hash_of(&other));
}

#[test]
fn changed_role_has_another_hash_than_its_clone() {
    let clone = role();
    let before = hash_of(&clone);
    let changed = clone.clone().external_id("shop-4711").unwrap();
    assert_ne!(hash_of(&changed), before);
    assert!(changed != clone && hash_of(&clone) == before && clone == role());
    // Also if the role is the only owner of its fields, so that they are not copied.
    let unshared = role();
    hash_of(&unshared);
    let unshared = unshared.external_id("shop-4711").unwrap();
    assert_eq!((hash_of(&unshared), &unshared), (hash_of(&changed), &changed));
}

#[test]
fn accessors_return_what_was_set() {
    let role = full_role();
    assert_eq!(role.arn().as_str(), "arn:aws:iam::444455556666:role/orders");
    assert_eq!(role.get_external_id().unwrap().as_str(), "shop-4711");
    assert_eq!(role.get_session_name().unwrap().as_str(), "checkout");
    assert_eq!(role.get_duration().unwrap().as_secs(), 900);
    assert_eq!(role.get_tags().iter().collect::<Vec<_>>(), [("Team", "tea"), ("Tenant", "4711")]);
    assert_eq!(role.get_tags().transitive_keys().collect::<Vec<_>>(), ["Tenant"]);
    assert_eq!(role.get_source_identity().unwrap().as_str(), "ann");
    assert_eq!(role.get_policy().unwrap().as_str(), r#"{"Statement": []}"#);
    let arns: Vec<&str> = role.get_policy_arns().iter().map(PolicyArn::as_str).collect();
    assert_eq!(arns, ["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    assert_eq!(role.get_mfa_serial().unwrap().as_str(), "arn:aws:iam::111122223333:mfa/ann");
    assert_eq!(role.without_session_name().get_session_name(), None);
}

#[test]
fn accessors_of_a_new_role_return_nothing() {
    let role = role();
    assert_eq!((role.get_external_id(), role.get_session_name()), (None, None));
    assert_eq!((role.get_duration(), role.get_source_identity()), (None, None));
    assert_eq!((role.get_policy(), role.get_mfa_serial()), (None, None));
    assert_eq!((role.get_tags().iter().count(), role.get_policy_arns().len()), (0, 0));
    assert!(role.get_provided_contexts().is_empty());
}

#[test]
fn request_has_every_parameter_of_the_role() {
    let default: SessionName = "default".parse().unwrap();
    let request = full_role().request(&default);
    assert_eq!(request.role, *full_role().arn());
    assert_eq!(request.session_name.as_str(), "checkout");
    assert_eq!(request.external_id.as_ref(), full_role().get_external_id());
    assert_eq!(request.duration, full_role().get_duration());
    assert_eq!(request.tags, *full_role().get_tags());
    assert_eq!(request.source_identity.as_ref(), full_role().get_source_identity());
    assert_eq!(request.policy.as_ref(), full_role().get_policy());
    assert_eq!(request.policy_arns, full_role().get_policy_arns());
    assert_eq!(request.mfa, None, "a code is requested for each call");
    assert_eq!(role().request(&default).session_name, default);
}

//! Which callers the elements Principal and NotPrincipal name.

use super::*;

/// Returns a case that is allowed if the principal element names the caller other than by account.
fn named(caller: &str, principal: Value, context: Value) -> Value {
    read_secret(
        caller,
        SECRET,
        json!({
        "resource_policy": resource("Allow", principal), "context": context }),
    )
}

#[test]
fn principals_name_callers_exactly() {
    let none = || json!({});
    check(vec![
        ("lists are OR", named(USER, aws(json!([OTHER_ROOT, USER])), none()), ALLOWED),
        (
            "kinds are OR",
            named(USER, json!({ "Service": "ec2.amazonaws.com", "AWS": USER }), none()),
            ALLOWED,
        ),
        (
            "users are case-sensitive",
            named(USER, aws("arn:aws:iam::111122223333:user/dev/Alice"), none()),
            IMPLICITLY_DENIED,
        ),
        (
            "users have a path",
            named(USER, aws("arn:aws:iam::111122223333:user/alice"), none()),
            IMPLICITLY_DENIED,
        ),
        (
            "there are no partial wildcards",
            named(USER, aws("arn:aws:iam::111122223333:user/*"), none()),
            IMPLICITLY_DENIED,
        ),
        (
            "a wildcard in the list of AWS is everyone",
            named(USER, aws(json!([OTHER_ROOT, "*"])), none()),
            ALLOWED,
        ),
        (
            "a deleted user matches no caller and leaves the others valid",
            named(USER, aws(json!(["AIDACKCEVSQ6C2EXAMPLE", USER])), none()),
            ALLOWED,
        ),
        (
            "a deleted user alone matches no caller",
            named(USER, aws("AIDACKCEVSQ6C2EXAMPLE"), none()),
            IMPLICITLY_DENIED,
        ),
        (
            "a canonical user matches no caller",
            named(USER, json!({ "CanonicalUser": "111122223333" }), none()),
            IMPLICITLY_DENIED,
        ),
        (
            "a user is no service",
            named(USER, json!({ "Service": USER }), none()),
            IMPLICITLY_DENIED,
        ),
        (
            "a user is no provider",
            named(USER, json!({ "Federated": USER }), none()),
            IMPLICITLY_DENIED,
        ),
        (
            "an account of another partition is another account",
            read_secret(
                USER,
                SECRET,
                json!({
             "resource_policy": resource("Deny", aws("arn:aws-cn:iam::111122223333:root")) }),
            ),
            IMPLICITLY_DENIED,
        ),
        ("a role as the caller matches its ARN", named(ROLE, aws(ROLE), none()), ALLOWED),
    ]);
}

#[test]
fn role_arn_matches_all_its_sessions() {
    let role = |arn: &str| json!({ "aws:PrincipalArn": arn });
    check(vec![
        (
            "a role matches its session by PrincipalArn",
            named(SESSION, aws(ROLE), role(ROLE)),
            ALLOWED,
        ),
        (
            "the key is case-insensitive",
            named(SESSION, aws(ROLE), json!({ "AWS:principalarn": ROLE })),
            ALLOWED,
        ),
        (
            "a role with another path does not match by PrincipalArn",
            named(SESSION, aws("arn:aws:iam::111122223333:role/orders"), role(ROLE)),
            IMPLICITLY_DENIED,
        ),
        (
            "a role matches by account and name without PrincipalArn",
            named(SESSION, aws("arn:aws:iam::111122223333:role/any/path/orders"), json!({})),
            ALLOWED,
        ),
        (
            "a role of another name does not match",
            named(SESSION, aws("arn:aws:iam::111122223333:role/orders2"), json!({})),
            IMPLICITLY_DENIED,
        ),
        (
            "a role of another account does not match",
            named(SESSION, aws("arn:aws:iam::444455556666:role/orders"), json!({})),
            IMPLICITLY_DENIED,
        ),
        (
            "a user of the name is no role",
            named(SESSION, aws("arn:aws:iam::111122223333:user/orders"), json!({})),
            IMPLICITLY_DENIED,
        ),
        ("a session matches itself", named(SESSION, aws(SESSION), role(ROLE)), ALLOWED),
        (
            "another session of the role does not match",
            named(SESSION, aws(format!("{SESSION}2")), role(ROLE)),
            IMPLICITLY_DENIED,
        ),
        (
            "sessions are case-sensitive",
            named(SESSION, aws("arn:aws:sts::111122223333:assumed-role/orders/Build"), role(ROLE)),
            IMPLICITLY_DENIED,
        ),
    ]);
}

/// Returns a case with an identity policy that allows, and a Deny for all but some.
fn except(caller: &str, excepted: Value, more: Value) -> Value {
    let mut policies = more;
    policies["identity_policies"] = json!([all("Allow")]);
    policies["resource_policy"] = policy(json!({
        "Effect": "Deny", "NotPrincipal": excepted, "Action": "*", "Resource": "*" }));
    read_secret(caller, SECRET, policies)
}

#[test]
fn not_principal_denies_all_but_the_named() {
    check(vec![
        ("the named user is excepted", except(USER, aws(USER), json!({})), ALLOWED),
        ("others are denied", except(USER, aws(SESSION), json!({})), EXPLICITLY_DENIED),
        (
            "an account alone does not name its users",
            except(USER, aws(json!([ROOT, "111122223333"])), json!({})),
            EXPLICITLY_DENIED,
        ),
        ("an account names its root user", except(ROOT, aws(ROOT), json!({})), ALLOWED),
        ("a role names its sessions", except(SESSION, aws(ROLE), json!({})), ALLOWED),
        ("a session is named", except(SESSION, aws(SESSION), json!({})), ALLOWED),
        (
            "a caller who has a boundary is always denied",
            except(USER, aws(USER), json!({ "permission_boundaries": [all("Allow")] })),
            EXPLICITLY_DENIED,
        ),
        (
            "an anonymous caller is denied",
            except("anonymous", aws(USER), json!({})),
            EXPLICITLY_DENIED,
        ),
    ]);
}

//! Actions, resources and variables.

use super::*;

/// Returns a case that is allowed if the statement's elements match the request.
fn statement(elements: Value, resource: &str, context: Value) -> Value {
    versioned(Some("2012-10-17"), elements, resource, context)
}

fn versioned(version: Option<&str>, elements: Value, resource: &str, context: Value) -> Value {
    let mut statement = json!({ "Effect": "Allow" });
    for (name, value) in elements.as_object().unwrap() {
        statement[name] = value.clone();
    }
    if statement["Action"].is_null() && statement["NotAction"].is_null() {
        statement["Action"] = json!("*");
    }
    if statement["Resource"].is_null() && statement["NotResource"].is_null() {
        statement["Resource"] = json!("*");
    }
    let mut policy = policy(statement);
    match version {
        Some(version) => policy["Version"] = json!(version),
        None => drop(policy.as_object_mut().unwrap().remove("Version")),
    }
    let account = json!({ "identity_policies": [policy], "context": context });
    let mut case = request(USER, "s3:GetObject", resource, account);
    case["request"]["resource_account"] = json!("111122223333");
    case
}

#[test]
fn actions_match_by_prefix_and_name() {
    let action = |pattern: &str| statement(json!({ "Action": pattern }), "*", json!({}));
    let except = |patterns: Value| statement(json!({ "NotAction": patterns }), "*", json!({}));
    check(vec![
        ("an action is itself", action("s3:GetObject"), ALLOWED),
        ("actions are case-insensitive", action("S3:getobject"), ALLOWED),
        ("a wildcard alone is every action", action("*"), ALLOWED),
        ("a wildcard stands in the name", action("s3:G*t?bject"), ALLOWED),
        ("a wildcard of an empty text", action("s3:GetObject*"), ALLOWED),
        ("a name is matched as a whole", action("s3:Get"), IMPLICITLY_DENIED),
        ("a question mark is one character", action("s3:GetObject?"), IMPLICITLY_DENIED),
        ("a wildcard in the prefix matches nothing", action("s*:GetObject"), IMPLICITLY_DENIED),
        ("a wildcard as the prefix matches nothing", action("*:GetObject"), IMPLICITLY_DENIED),
        ("another service does not match", action("sqs:GetObject"), IMPLICITLY_DENIED),
        (
            "a list is OR",
            statement(json!({ "Action": ["sqs:*", "s3:Get*"] }), "*", json!({})),
            ALLOWED,
        ),
        ("NotAction is every other action", except(json!(["sqs:*", "s3:Put*"])), ALLOWED),
        ("NotAction excepts what it lists", except(json!(["sqs:*", "s3:get*"])), IMPLICITLY_DENIED),
    ]);
}

#[test]
fn resources_match_with_wildcards_over_everything() {
    let resource = |pattern: &str, resource: &str| {
        statement(json!({ "Resource": pattern }), resource, json!({}))
    };
    let except = |pattern: &str, resource: &str| {
        statement(json!({ "NotResource": [pattern] }), resource, json!({}))
    };
    let file = "arn:aws:s3:::orders/2026/file";
    check(vec![
        ("a resource is itself", resource(file, file), ALLOWED),
        (
            "resources are case-sensitive",
            resource("arn:aws:s3:::Orders/*", file),
            IMPLICITLY_DENIED,
        ),
        ("a wildcard reaches over slashes", resource("arn:aws:s3:::*/file", file), ALLOWED),
        (
            "a wildcard reaches over colons",
            resource("arn:aws:secretsmanager:*:secret:orders/*", SECRET),
            ALLOWED,
        ),
        (
            "a wildcard reaches over the resource type",
            resource("arn:aws:secretsmanager:eu-west-1:111122223333:*", SECRET),
            ALLOWED,
        ),
        (
            "a question mark is one character",
            resource("arn:aws:s3:::orders/202?/file", file),
            ALLOWED,
        ),
        (
            "a question mark is not none",
            resource("arn:aws:s3:::orders/2026?/file", file),
            IMPLICITLY_DENIED,
        ),
        (
            "a resource is matched as a whole",
            resource("arn:aws:s3:::orders", file),
            IMPLICITLY_DENIED,
        ),
        (
            "a list of resources is OR",
            statement(json!({ "Resource": ["arn:aws:s3:::other/*", file] }), file, json!({})),
            ALLOWED,
        ),
        ("NotResource is every other resource", except("arn:aws:s3:::other/*", file), ALLOWED),
        (
            "NotResource excepts what it lists",
            except("arn:aws:s3:::orders/*", file),
            IMPLICITLY_DENIED,
        ),
    ]);
}

#[test]
fn variables_take_values_of_the_context() {
    let resource = |pattern: &str, file: &str, context: Value| {
        let file = format!("arn:aws:s3:::{file}");
        statement(json!({ "Resource": format!("arn:aws:s3:::{pattern}") }), &file, context)
    };
    let alice = || json!({ "aws:username": "alice" });
    let old = |version: Option<&str>, file: &str| {
        versioned(
            version,
            json!({ "Resource": "arn:aws:s3:::${aws:username}" }),
            &format!("arn:aws:s3:::{file}"),
            alice(),
        )
    };
    check(vec![
        ("a variable is replaced", resource("b/${aws:username}/*", "b/alice/1", alice()), ALLOWED),
        ("the key is case-insensitive", resource("b/${AWS:userName}", "b/alice", alice()), ALLOWED),
        (
            "two variables are replaced",
            resource("${aws:username}/${aws:username}", "alice/alice", alice()),
            ALLOWED,
        ),
        (
            "a variable is not a wildcard",
            resource("b/${aws:username}", "b/bob", alice()),
            IMPLICITLY_DENIED,
        ),
        (
            "a variable without a value matches nothing",
            resource("b/${aws:userid}*", "b/", alice()),
            IMPLICITLY_DENIED,
        ),
        (
            "a default replaces a missing key",
            resource("b/${aws:userid, 'none'}", "b/none", alice()),
            ALLOWED,
        ),
        (
            "a default yields to the key",
            resource("b/${aws:username, 'none'}", "b/none", alice()),
            IMPLICITLY_DENIED,
        ),
        (
            "several values are no value",
            resource("b/${aws:TagKeys}", "b/a", json!({ "aws:TagKeys": ["a", "b"] })),
            IMPLICITLY_DENIED,
        ),
        (
            "several values are no value despite a default",
            resource("b/${aws:TagKeys, 'a'}", "b/a", json!({ "aws:TagKeys": ["a", "b"] })),
            IMPLICITLY_DENIED,
        ),
        (
            "a list of one value is a value",
            resource("b/${aws:TagKeys}", "b/a", json!({ "aws:TagKeys": ["a"] })),
            ALLOWED,
        ),
        (
            "an empty value is a value",
            resource("b/${aws:username, 'x'}", "b/", json!({ "aws:username": "" })),
            ALLOWED,
        ),
        (
            "wildcards of the value are not wildcards",
            resource("b/${aws:username}", "b/alice", json!({ "aws:username": "*" })),
            IMPLICITLY_DENIED,
        ),
        (
            "wildcards of the value match themselves",
            resource("b/${aws:username}", "b/a*?", json!({ "aws:username": "a*?" })),
            ALLOWED,
        ),
        ("an escaped star is a star", resource("b/${*}", "b/*", alice()), ALLOWED),
        ("an escaped star is no wildcard", resource("b/${*}", "b/x", alice()), IMPLICITLY_DENIED),
        (
            "an escaped question mark is no wildcard",
            resource("b/${?}", "b/x", alice()),
            IMPLICITLY_DENIED,
        ),
        (
            "an escaped dollar sign is a dollar sign",
            resource("b/${$}{x}", "b/${x}", alice()),
            ALLOWED,
        ),
        (
            "a variable of a value is not replaced",
            resource("b/${aws:username}", "b/alice", json!({ "aws:username": "${aws:username}" })),
            IMPLICITLY_DENIED,
        ),
        (
            "the version before has no variables",
            old(Some("2008-10-17"), "alice"),
            IMPLICITLY_DENIED,
        ),
        ("no version has no variables", old(None, "alice"), IMPLICITLY_DENIED),
        ("variables of no version are plain text", old(None, "${aws:username}"), ALLOWED),
    ]);
}

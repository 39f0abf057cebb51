//! How the policies of a request combine.

use super::*;

#[test]
fn effects_combine_by_precedence() {
    check(vec![
        (
            "an Allow allows",
            read_secret(USER, SECRET, json!({ "identity_policies": [all("Allow")] })),
            ALLOWED,
        ),
        ("nothing is an implicit deny", read_secret(USER, SECRET, json!({})), IMPLICITLY_DENIED),
        (
            "an explicit Deny wins over an Allow",
            read_secret(USER, SECRET, json!({ "identity_policies": [all("Allow"), all("Deny")] })),
            EXPLICITLY_DENIED,
        ),
        (
            "a Deny that does not apply is none",
            read_secret(
                USER,
                SECRET,
                json!({ "identity_policies": [all("Allow"), policy(json!({
             "Effect": "Deny", "Action": "sqs:*", "Resource": "*" }))] }),
            ),
            ALLOWED,
        ),
        (
            "a Statement may be one object",
            read_secret(
                USER,
                SECRET,
                json!({ "identity_policies": [{
             "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } }] }),
            ),
            ALLOWED,
        ),
        (
            "GetCallerIdentity is always allowed",
            request(
                USER,
                "sts:GetCallerIdentity",
                "*",
                json!({
             "identity_policies": [all("Deny")], "scps": [] }),
            ),
            ALLOWED,
        ),
        (
            "GetCallerIdentity is allowed in any case of letters",
            request(USER, "sts:getcalleridentity", "*", json!({ "identity_policies": [] })),
            ALLOWED,
        ),
        (
            "a Deny in a session policy counts",
            read_secret(
                SESSION,
                SECRET,
                json!({
             "identity_policies": [all("Allow")], "session_policies": [all("Deny")] }),
            ),
            EXPLICITLY_DENIED,
        ),
        (
            "a Deny in a boundary counts",
            read_secret(
                USER,
                SECRET,
                json!({
             "identity_policies": [all("Allow")], "permission_boundaries": [all("Deny")] }),
            ),
            EXPLICITLY_DENIED,
        ),
        (
            "a Deny in a service control policy counts",
            read_secret(
                USER,
                SECRET,
                json!({
             "identity_policies": [all("Allow")], "scps": [[all("Allow"), all("Deny")]] }),
            ),
            EXPLICITLY_DENIED,
        ),
        (
            "a Deny in a resource policy counts",
            read_secret(
                USER,
                SECRET,
                json!({
             "identity_policies": [all("Allow")], "resource_policy": resource("Deny", aws(USER)) }),
            ),
            EXPLICITLY_DENIED,
        ),
    ]);
}

#[test]
fn roles_need_trust_and_sometimes_identity_policies() {
    let allow = || json!([all("Allow")]);
    check(vec![
        (
            "same account: trust that names the user suffices",
            assume(USER, TARGET_ROLE, json!({ "resource_policy": trust("Allow", aws(USER)) })),
            ALLOWED,
        ),
        (
            "same account: trust that names the role suffices",
            assume(SESSION, TARGET_ROLE, json!({ "resource_policy": trust("Allow", aws(ROLE)) })),
            ALLOWED,
        ),
        (
            "same account: trust that names the account delegates",
            assume(USER, TARGET_ROLE, json!({ "resource_policy": trust("Allow", aws(ROOT)) })),
            IMPLICITLY_DENIED,
        ),
        (
            "same account: trust by account and identity policy",
            assume(
                USER,
                TARGET_ROLE,
                json!({
             "resource_policy": trust("Allow", aws("111122223333")),
             "identity_policies": allow() }),
            ),
            ALLOWED,
        ),
        (
            "identity policy alone never suffices",
            assume(USER, TARGET_ROLE, json!({ "identity_policies": allow() })),
            IMPLICITLY_DENIED,
        ),
        (
            "identity policy with trust for others never suffices",
            assume(
                USER,
                TARGET_ROLE,
                json!({
             "resource_policy": trust("Allow", aws(OTHER_ROOT)), "identity_policies": allow() }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "other account: trust alone does not suffice",
            assume(USER, OTHER_ROLE, json!({ "resource_policy": trust("Allow", aws(USER)) })),
            IMPLICITLY_DENIED,
        ),
        (
            "other account: trust policy and identity policy both",
            assume(
                USER,
                OTHER_ROLE,
                json!({
             "resource_policy": trust("Allow", aws(ROOT)), "identity_policies": allow() }),
            ),
            ALLOWED,
        ),
        (
            "same account: everyone needs no identity policy",
            assume(USER, TARGET_ROLE, json!({ "resource_policy": trust("Allow", json!("*")) })),
            ALLOWED,
        ),
        (
            "other account: everyone needs an identity policy",
            assume(USER, OTHER_ROLE, json!({ "resource_policy": trust("Allow", json!("*")) })),
            IMPLICITLY_DENIED,
        ),
        (
            "other account: everyone with an identity policy",
            assume(
                USER,
                OTHER_ROLE,
                json!({
             "resource_policy": trust("Allow", json!("*")), "identity_policies": allow() }),
            ),
            ALLOWED,
        ),
        (
            "tagging the session is a permission of the trust policy",
            request(USER, "sts:TagSession", TARGET_ROLE, json!({ "identity_policies": allow() })),
            IMPLICITLY_DENIED,
        ),
        (
            "setting a source identity is a permission of the trust policy",
            request(
                USER,
                "sts:SetSourceIdentity",
                TARGET_ROLE,
                json!({
             "identity_policies": allow() }),
            ),
            IMPLICITLY_DENIED,
        ),
    ]);
}

/// Returns the policies of a caller whose boundary and session policy are silent.
fn limited(resource_policy: Value) -> Value {
    json!({
        "resource_policy": resource_policy,
        "permission_boundaries": [unrelated()],
        "session_policies": [unrelated()],
    })
}

fn bounded(resource_policy: Value) -> Value {
    json!({ "resource_policy": resource_policy, "permission_boundaries": [unrelated()] })
}

#[test]
fn trust_overcomes_limits_by_what_it_names() {
    check(vec![
        (
            "trust in a user overcomes the boundary",
            assume(USER, TARGET_ROLE, bounded(trust("Allow", aws(USER)))),
            ALLOWED,
        ),
        (
            "trust in a role does not overcome the boundary",
            assume(SESSION, TARGET_ROLE, bounded(trust("Allow", aws(ROLE)))),
            IMPLICITLY_DENIED,
        ),
        (
            "trust in a session overcomes the boundary",
            assume(SESSION, TARGET_ROLE, bounded(trust("Allow", aws(SESSION)))),
            ALLOWED,
        ),
        (
            "trust in everyone names the session",
            assume(SESSION, TARGET_ROLE, limited(trust("Allow", aws("*")))),
            ALLOWED,
        ),
        (
            "trust in a session and its role overcomes the boundary",
            assume(SESSION, TARGET_ROLE, bounded(trust("Allow", aws(json!([ROLE, SESSION]))))),
            ALLOWED,
        ),
        (
            "a boundary limits trust in the account",
            assume(
                USER,
                TARGET_ROLE,
                json!({
             "resource_policy": trust("Allow", aws(ROOT)), "identity_policies": [all("Allow")],
             "permission_boundaries": [unrelated()] }),
            ),
            IMPLICITLY_DENIED,
        ),
    ]);
}

#[test]
fn resource_policy_overcomes_limits_by_what_it_names() {
    let other = |policies: Value| {
        let mut policies = policies;
        policies["identity_policies"] = json!([all("Allow")]);
        policies
    };
    check(vec![
        (
            "naming the session: neither session policy nor boundary limits",
            read_secret(SESSION, SECRET, limited(resource("Allow", aws(SESSION)))),
            ALLOWED,
        ),
        (
            "naming the federated user is naming the session",
            read_secret(FEDERATED_USER, SECRET, limited(resource("Allow", aws(FEDERATED_USER)))),
            ALLOWED,
        ),
        (
            "naming the user: the boundary does not limit",
            read_secret(USER, SECRET, bounded(resource("Allow", aws(USER)))),
            ALLOWED,
        ),
        (
            "naming the role: the boundary limits",
            read_secret(SESSION, SECRET, bounded(resource("Allow", aws(ROLE)))),
            IMPLICITLY_DENIED,
        ),
        (
            "naming the role: the session policy limits",
            read_secret(
                SESSION,
                SECRET,
                json!({
             "resource_policy": resource("Allow", aws(ROLE)), "session_policies": [unrelated()] }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "naming the role: no identity policy is needed",
            read_secret(
                SESSION,
                SECRET,
                json!({
             "resource_policy": resource("Allow", aws(ROLE)), "session_policies": [all("Allow")],
             "permission_boundaries": [all("Allow")] }),
            ),
            ALLOWED,
        ),
        (
            "naming everyone counts as naming the session",
            read_secret(SESSION, SECRET, limited(resource("Allow", json!("*")))),
            ALLOWED,
        ),
        (
            "naming everyone counts as naming the user",
            read_secret(USER, SECRET, bounded(resource("Allow", aws("*")))),
            ALLOWED,
        ),
        (
            "naming everyone counts as naming the session of a role",
            read_secret(ROLE, SECRET, bounded(resource("Allow", aws("*")))),
            ALLOWED,
        ),
        (
            "naming everyone allows the role",
            read_secret(ROLE, SECRET, json!({ "resource_policy": resource("Allow", aws("*")) })),
            ALLOWED,
        ),
        (
            "naming the account adds nothing",
            read_secret(USER, SECRET, json!({ "resource_policy": resource("Allow", aws(ROOT)) })),
            IMPLICITLY_DENIED,
        ),
        (
            "an explicit Deny always counts",
            read_secret(
                SESSION,
                SECRET,
                json!({
             "resource_policy": resource("Allow", aws(SESSION)),
             "permission_boundaries": [all("Deny")] }),
            ),
            EXPLICITLY_DENIED,
        ),
        (
            "other account: the resource policy alone does not suffice",
            read_secret(
                USER,
                OTHER_SECRET,
                json!({ "resource_policy": resource("Allow", aws(USER)) }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "other account: the identity policy alone does not suffice",
            read_secret(USER, OTHER_SECRET, json!({ "identity_policies": [all("Allow")] })),
            IMPLICITLY_DENIED,
        ),
        (
            "other account: both sides allow",
            read_secret(
                USER,
                OTHER_SECRET,
                json!({
             "resource_policy": resource("Allow", aws(ROOT)),
             "identity_policies": [all("Allow")] }),
            ),
            ALLOWED,
        ),
        (
            "other account: the boundary limits",
            read_secret(USER, OTHER_SECRET, other(bounded(resource("Allow", aws(USER))))),
            IMPLICITLY_DENIED,
        ),
        (
            "other account: the session policy limits",
            read_secret(
                SESSION,
                OTHER_SECRET,
                json!({
             "resource_policy": resource("Allow", aws(SESSION)),
             "identity_policies": [all("Allow")],
             "session_policies": [unrelated()] }),
            ),
            IMPLICITLY_DENIED,
        ),
    ]);
}

#[test]
fn several_limits_need_one_that_allows() {
    let with = |policies: Value| {
        let mut policies = policies;
        policies["identity_policies"] = json!([unrelated(), all("Allow")]);
        read_secret(SESSION, SECRET, policies)
    };
    check(vec![
        ("one identity policy is enough", with(json!({})), ALLOWED),
        (
            "one session policy is enough",
            with(json!({ "session_policies": [unrelated(), all("Allow")] })),
            ALLOWED,
        ),
        (
            "a session policy that is silent limits",
            with(json!({ "session_policies": [unrelated()] })),
            IMPLICITLY_DENIED,
        ),
        (
            "one boundary is enough",
            with(json!({ "permission_boundaries": [unrelated(), all("Allow")] })),
            ALLOWED,
        ),
        (
            "a boundary that is silent limits",
            with(json!({ "permission_boundaries": [unrelated()] })),
            IMPLICITLY_DENIED,
        ),
        (
            "an empty list of session policies allows nothing",
            with(json!({ "session_policies": [] })),
            IMPLICITLY_DENIED,
        ),
        (
            "an empty list of boundaries allows nothing",
            with(json!({ "permission_boundaries": [] })),
            IMPLICITLY_DENIED,
        ),
        (
            "session policy and boundary must both allow",
            with(json!({
             "session_policies": [all("Allow")], "permission_boundaries": [unrelated()] })),
            IMPLICITLY_DENIED,
        ),
        (
            "limits grant nothing",
            read_secret(
                SESSION,
                SECRET,
                json!({
             "session_policies": [all("Allow")], "permission_boundaries": [all("Allow")],
             "scps": [all("Allow")] }),
            ),
            IMPLICITLY_DENIED,
        ),
    ]);
}

#[test]
fn organisation_policies_limit_by_level() {
    let with = |policies: Value| {
        let mut policies = policies;
        policies["identity_policies"] = json!([all("Allow")]);
        read_secret(USER, SECRET, policies)
    };
    let rcp = |effect: &str| resource(effect, json!("*"));
    check(vec![
        (
            "each level must allow",
            with(json!({ "scps": [[all("Allow")], [unrelated()], [all("Allow")]] })),
            IMPLICITLY_DENIED,
        ),
        ("each level allows", with(json!({ "scps": [[all("Allow")], [all("Allow")]] })), ALLOWED),
        (
            "on a level one document is enough",
            with(json!({ "scps": [[unrelated(), all("Allow")], [all("Allow")]] })),
            ALLOWED,
        ),
        ("a flat list is one level", with(json!({ "scps": [unrelated(), all("Allow")] })), ALLOWED),
        ("an empty organisation allows nothing", with(json!({ "scps": [] })), IMPLICITLY_DENIED),
        (
            "an empty level allows nothing",
            with(json!({ "scps": [[all("Allow")], []] })),
            IMPLICITLY_DENIED,
        ),
        (
            "service control policies limit what a resource policy allows",
            read_secret(
                SESSION,
                SECRET,
                json!({
             "resource_policy": resource("Allow", aws(SESSION)), "scps": [unrelated()] }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "service control policies limit trust",
            assume(
                USER,
                TARGET_ROLE,
                json!({
             "resource_policy": trust("Allow", aws(USER)), "scps": [unrelated()] }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "resource control policies deny",
            with(json!({ "rcps": [[rcp("Allow")], [rcp("Allow"), rcp("Deny")]] })),
            EXPLICITLY_DENIED,
        ),
        (
            "resource control policies do not need to allow",
            with(json!({ "rcps": [[], []] })),
            ALLOWED,
        ),
        ("resource control policies do not need to exist", with(json!({ "rcps": [] })), ALLOWED),
        (
            "resource control policies do not grant",
            read_secret(USER, SECRET, json!({ "rcps": [rcp("Allow")] })),
            IMPLICITLY_DENIED,
        ),
    ]);
}

//! The rules of callers other than users and sessions, and the account of a resource.

use super::*;

const SERVICE: &str = "ec2.amazonaws.com";

#[test]
fn root_user_has_its_account_and_no_roles() {
    check(vec![
        ("root needs no identity policy", read_secret(ROOT, SECRET, json!({})), ALLOWED),
        (
            "service control policies limit root",
            read_secret(ROOT, SECRET, json!({ "scps": [unrelated()] })),
            IMPLICITLY_DENIED,
        ),
        (
            "a service control policy denies root",
            read_secret(ROOT, SECRET, json!({ "scps": [all("Allow"), all("Deny")] })),
            EXPLICITLY_DENIED,
        ),
        (
            "a resource policy denies root",
            read_secret(ROOT, SECRET, json!({ "resource_policy": resource("Deny", aws(ROOT)) })),
            EXPLICITLY_DENIED,
        ),
        (
            "a resource control policy denies root",
            read_secret(ROOT, SECRET, json!({ "rcps": [resource("Deny", json!("*"))] })),
            EXPLICITLY_DENIED,
        ),
        (
            "root in another account needs the resource policy",
            read_secret(ROOT, OTHER_SECRET, json!({})),
            IMPLICITLY_DENIED,
        ),
        (
            "root in another account with the resource policy",
            read_secret(
                ROOT,
                OTHER_SECRET,
                json!({
             "resource_policy": resource("Allow", aws("111122223333")) }),
            ),
            ALLOWED,
        ),
        (
            "root cannot assume roles",
            assume(
                ROOT,
                TARGET_ROLE,
                json!({
             "resource_policy": trust("Allow", aws(ROOT)), "identity_policies": [all("Allow")] }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "root cannot assume roles of another account",
            assume(ROOT, OTHER_ROLE, json!({ "resource_policy": trust("Allow", json!("*")) })),
            IMPLICITLY_DENIED,
        ),
    ]);
}

#[test]
fn services_and_anonymous_callers_need_the_resource_policy() {
    let service = json!({ "Service": SERVICE });
    check(vec![
        (
            "a service needs only the trust policy",
            assume(
                SERVICE,
                TARGET_ROLE,
                json!({ "resource_policy": trust("Allow", service.clone()) }),
            ),
            ALLOWED,
        ),
        (
            "a service matches everyone",
            read_secret(
                SERVICE,
                SECRET,
                json!({ "resource_policy": resource("Allow", json!("*")) }),
            ),
            ALLOWED,
        ),
        (
            "a service without a resource policy",
            read_secret(SERVICE, SECRET, json!({ "identity_policies": [all("Allow")] })),
            IMPLICITLY_DENIED,
        ),
        (
            "another service does not match",
            assume(
                SERVICE,
                TARGET_ROLE,
                json!({
             "resource_policy": trust("Allow", json!({ "Service": "ecs.amazonaws.com" })) }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "service control policies do not limit services",
            assume(
                SERVICE,
                TARGET_ROLE,
                json!({
             "resource_policy": trust("Allow", service.clone()),
             "scps": [all("Deny")] }),
            ),
            ALLOWED,
        ),
        (
            "resource control policies deny services",
            assume(
                SERVICE,
                TARGET_ROLE,
                json!({
             "resource_policy": trust("Allow", service), "rcps": [resource("Deny", json!("*"))] }),
            ),
            EXPLICITLY_DENIED,
        ),
        (
            "an anonymous caller matches everyone",
            read_secret(
                "anonymous",
                SECRET,
                json!({
             "resource_policy": resource("Allow", aws("*")), "scps": [] }),
            ),
            ALLOWED,
        ),
        (
            "an anonymous caller is in no account",
            read_secret(
                "anonymous",
                SECRET,
                json!({ "resource_policy": resource("Allow", aws(ROOT)) }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "an anonymous caller has no policies of its own",
            read_secret("anonymous", SECRET, json!({ "identity_policies": [all("Allow")] })),
            IMPLICITLY_DENIED,
        ),
        (
            "a Deny for everyone hits an anonymous caller",
            read_secret(
                "anonymous",
                SECRET,
                json!({ "resource_policy": resource("Deny", json!("*")) }),
            ),
            EXPLICITLY_DENIED,
        ),
    ]);
}

#[test]
fn web_identities_need_their_provider_in_trust() {
    let enter = |provider: &str, policies: Value| {
        request(provider, "sts:AssumeRoleWithWebIdentity", TARGET_ROLE, policies)
    };
    let federated = |name: &str| json!({ "Federated": name });
    let everyone_denied = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": federated(PROVIDER), "Action": "sts:*" },
        { "Effect": "Deny", "Principal": "*", "Action": "sts:*" },
    ] });
    check(vec![
        (
            "a web identity needs only its provider in trust",
            enter(PROVIDER, json!({ "resource_policy": trust("Allow", federated(PROVIDER)) })),
            ALLOWED,
        ),
        (
            "a provider matches exactly, not by prefix",
            enter(
                &format!("{PROVIDER}/id/A"),
                json!({
             "resource_policy": trust("Allow", federated(PROVIDER)) }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "a provider is not its path",
            enter(
                PROVIDER,
                json!({
             "resource_policy": trust("Allow", federated(&format!("{PROVIDER}/id/A"))) }),
            ),
            IMPLICITLY_DENIED,
        ),
        (
            "a well-known provider has a name",
            enter(
                "accounts.google.com",
                json!({
             "resource_policy": trust("Allow", federated("accounts.google.com")) }),
            ),
            ALLOWED,
        ),
        (
            "everyone does not allow a web identity",
            enter(PROVIDER, json!({ "resource_policy": trust("Allow", json!("*")) })),
            IMPLICITLY_DENIED,
        ),
        (
            "a provider is no AWS principal",
            enter(PROVIDER, json!({ "resource_policy": trust("Allow", aws(PROVIDER)) })),
            IMPLICITLY_DENIED,
        ),
        (
            "a Deny for everyone hits a web identity",
            enter(PROVIDER, json!({ "resource_policy": everyone_denied })),
            EXPLICITLY_DENIED,
        ),
        (
            "service control policies do not limit web identities",
            enter(
                PROVIDER,
                json!({
             "resource_policy": trust("Allow", federated(PROVIDER)), "scps": [] }),
            ),
            ALLOWED,
        ),
        (
            "trust must allow the action of web identities",
            enter(
                PROVIDER,
                json!({ "resource_policy": policy(json!({
             "Effect": "Allow", "Principal": federated(PROVIDER), "Action": "sts:AssumeRole" })) }),
            ),
            IMPLICITLY_DENIED,
        ),
    ]);
}

#[test]
fn resource_account_decides_which_policies_count() {
    let bucket = "arn:aws:s3:::orders/1";
    let with_account = |account: &str| {
        let mut case =
            request(USER, "s3:GetObject", bucket, json!({ "identity_policies": [all("Allow")] }));
        case["request"]["resource_account"] = json!(account);
        case
    };
    check(vec![
        (
            "a resource without an account is the caller's",
            request(USER, "s3:GetObject", bucket, json!({ "identity_policies": [all("Allow")] })),
            ALLOWED,
        ),
        (
            "a request about everything is in the caller's account",
            request(
                USER,
                "ecr:GetAuthorizationToken",
                "*",
                json!({
             "identity_policies": [all("Allow")] }),
            ),
            ALLOWED,
        ),
        ("the account is given and another", with_account("444455556666"), IMPLICITLY_DENIED),
        ("the account is given and the caller's", with_account("111122223333"), ALLOWED),
        (
            "the account given precedes that of the ARN",
            {
                let mut case =
                    read_secret(USER, SECRET, json!({ "identity_policies": [all("Allow")] }));
                case["request"]["resource_account"] = json!("444455556666");
                case
            },
            IMPLICITLY_DENIED,
        ),
    ]);
}

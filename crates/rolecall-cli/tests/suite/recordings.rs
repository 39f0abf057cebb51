//! What the command prints on a terminal, for the recordings of the documentation.
//!
//! `cargo xtask recordings` draws the files of docs/recordings from the snapshots of these tests.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::finish;
use crate::folder::Folder;
use crate::sandbox::Running;
use crate::terminal::{Streams, run_in_terminal};
use crate::token::{ISSUER, token, trust};

/// Size of the terminal in columns and rows.
const SIZE: (u16, u16) = (90, 40);

/// What differs between runs, as regular expressions, and what the recordings show instead: example
/// values of AWS's documentation, and fixed times.
const VOLATILE: [(&str, &str); 8] = [
    (r"http://127\.0\.0\.1:\d+", "https://sts.eu-west-1.amazonaws.com"),
    (r"\bAROA[0-9A-Z]+", "AROADBQP57FF2AEXAMPLE"),
    (r"\bASIA[0-9A-Z]+", "ASIAIOSFODNN7EXAMPLE"),
    (r"\S+Z \(1\d minutes ago\)", "2026-01-02T03:04:05Z (10 minutes ago)"),
    (r"\S+Z \(in 4\d minutes\)", "2026-01-02T04:04:05Z (in 49 minutes)"),
    (r"\S+Z \(in 5\d minutes\)", "2026-01-02T04:04:05Z (in 59 minutes)"),
    (r"(iat|nbf)(:\S*) \d+", "$1$2 1767323045"),
    (r"(exp:\S*) \d+", "$1 1767326645"),
];

/// Runs a command line in a terminal, and returns it with what it prints on standard output.
fn record(line: &str, code: i32, prepare: impl FnOnce(&mut Command)) -> String {
    let mut command = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
    command.args(line.split_whitespace().skip(1));
    prepare(&mut command);
    let run = run_in_terminal(command, Streams::InAndOut, SIZE);
    assert_eq!((run.code, run.err.as_str()), (Some(code), ""), "{}", run.out);
    format!("$ {line}\n{}", run.out)
}

/// Compares a recording with its snapshot.
fn assert_recording(name: &str, text: &str) {
    let replace = |text: String, (pattern, shown): (&str, &str)| {
        Regex::new(pattern).unwrap().replace_all(&text, shown).into_owned()
    };
    let text = VOLATILE.into_iter().fold(text.to_owned(), replace);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("recording-{name}"), text);
    });
}

/// The environment of a pod of the sandbox.
fn enter_pod(command: &mut Command, environment: &Value, home: &TempDir) {
    let variables = environment.as_object().unwrap().iter();
    command.envs(variables.map(|(name, value)| (name, value.as_str().unwrap())));
    command.env("AWS_ROLE_SESSION_NAME", "checkout-7f9c").env("HOME", home.path());
}

#[tokio::test]
async fn sessions_of_the_sandbox() {
    let mut sandbox = Running::start(&["--output", "json"]);
    let environment = sandbox.json()["environment"].clone();
    let home = tempfile::tempdir().unwrap();
    let enter = |command: &mut Command| enter_pod(command, &environment, &home);
    assert_recording("whoami", &record("rolecall whoami", 0, enter));
    let line = "rolecall assume --external-id shop-4711 arn:aws:iam::444455556666:role/orders";
    let text = record(line, 0, enter);
    assert_recording("assume", &text);

    // The same session, from the store.
    let mut command = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
    enter(&mut command);
    command.args(line.split_whitespace().skip(1)).args(["--format", "json"]);
    let session = &finish(command, "").await.json()["Credentials"];
    assert!(text.contains(session["AccessKeyId"].as_str().unwrap()), "{text}");
    for secret in ["SecretAccessKey", "SessionToken"] {
        assert!(!text.contains(session[secret].as_str().unwrap()), "{secret} in {text}");
    }
}

#[test]
fn token_of_another_service_account() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let issued = now - 10 * 60;
    let token = token(&json!({
        "iss": format!("https://{ISSUER}"),
        "sub": "system:serviceaccount:shop:default",
        "aud": ["sts.amazonaws.com"],
        "iat": issued, "nbf": issued, "exp": issued + 3_600,
        "kubernetes.io": {
            "namespace": "shop",
            "serviceaccount": {"name": "default"},
            "pod": {"name": "checkout-7f9c"},
        },
    }));
    let folder = Folder::new().with("token", &token).with("trust.json", &trust("111122223333"));
    let line = "rolecall token inspect token --trust trust.json";
    let text = record(line, 1, |command| _ = command.current_dir(folder.path()));
    assert_recording("token-inspect", &text);
    assert!(token.split('.').all(|part| !text.contains(part)), "{text}");
}

/// A request that is allowed, one whose condition fails, and one that a statement denies.
#[test]
fn requests_with_explanations() {
    let request = |id: &str, action: &str, resource: &str, context: Value| {
        let principal = "arn:aws:sts::111122223333:assumed-role/checkout/checkout-7f9c";
        json!({
            "id": id,
            "request": {
                "action": action, "resource": resource, "principal": principal,
                "context": context,
            },
            "identity_policies": [{ "Version": "2012-10-17", "Statement": [
                {
                    "Sid": "ListTenant",
                    "Effect": "Allow",
                    "Action": "s3:ListBucket",
                    "Resource": "arn:aws:s3:::shop-orders",
                    "Condition": { "StringLike": { "s3:prefix": "tenants/7/*" } },
                },
                {
                    "Sid": "Objects",
                    "Effect": "Allow",
                    "Action": "s3:*Object",
                    "Resource": "arn:aws:s3:::shop-orders/tenants/7/*",
                },
                {
                    "Sid": "KeepInvoices",
                    "Effect": "Deny",
                    "Action": "s3:DeleteObject",
                    "Resource": "arn:aws:s3:::shop-orders/*/invoices/*",
                },
            ] }],
        })
        .to_string()
    };
    let bucket = "arn:aws:s3:::shop-orders";
    let invoice = "arn:aws:s3:::shop-orders/tenants/7/invoices/42.pdf";
    let requests = [
        request("read an invoice", "s3:GetObject", invoice, json!({})),
        request("list another tenant", "s3:ListBucket", bucket, json!({"s3:prefix": "tenants/8/"})),
        request("delete an invoice", "s3:DeleteObject", invoice, json!({})),
    ];
    let folder = Folder::new().with("requests.jsonl", &requests.join("\n"));
    let line = "rolecall policy simulate --explain requests.jsonl";
    let text = record(line, 0, |command| _ = command.current_dir(folder.path()));
    assert_recording("policy-simulate", &text);
}

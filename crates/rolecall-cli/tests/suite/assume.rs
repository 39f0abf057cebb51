//! `rolecall assume`: the formats, and the options of roles.

use rolecall_tests::{CHECKOUT, HUB, ORDERS};
use serde_json::Value;

use crate::command::{Setup, finish};

#[tokio::test(flavor = "multi_thread")]
async fn assume_without_format_prints_no_secrets() {
    let setup = Setup::start().await;
    let text = setup.run(&setup.user(), &["assume", HUB]).await.ok();
    assert!(text.contains("Role           arn:aws:iam::444455556666:role/hub\n"), "{text}");
    let json = setup.run(&setup.user(), &["assume", HUB, ORDERS, "--output", "json"]).await.json();
    assert_eq!(json["role"], ORDERS);
    assert_eq!(json["account"], "777788889999");
    assert_eq!(json["session_name"], "suite");
    for secret in setup.world.aws.secrets() {
        assert!(!text.contains(&secret), "{text}");
        assert!(!json.to_string().contains(&secret), "{json}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_form_of_the_aws_cli() {
    let setup = Setup::start().await;
    let arguments = ["assume", HUB, "--format", "json", "--session-name", "deploy"];
    let json: Value = setup.run(&setup.user(), &arguments).await.json();
    assert_eq!(json["AssumedRoleUser"]["Arn"], "arn:aws:sts::444455556666:assumed-role/hub/deploy");
    let keys = &json["Credentials"];
    for name in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
        assert!(keys[name].is_string(), "{name}: {json}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_file_assumes_the_first_role() {
    let setup = Setup::start().await;
    let token = setup.world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    let file = setup.write("token", &token);
    let variables = setup.with_endpoint(&[]);
    let arguments = ["assume", CHECKOUT, HUB, "--token-file", &file, "--output", "json"];
    let json = setup.run(&variables, &arguments).await.json();
    assert_eq!(json["role"], HUB);
    assert_eq!(setup.world.aws.count("AssumeRoleWithWebIdentity"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictory_options_are_refused() {
    let setup = Setup::start().await;
    let file = setup.write("token", "x");
    for (arguments, message) in [
        (&["--external-id", "3=xx"][..], "role 3 of --external-id is not there"),
        (&["--external-id", "0=xx"], "role 0 of --external-id is not there"),
        (
            &["--external-id", "xx", "--external-id", "2=yy"],
            "role 2 has more than one --external-id",
        ),
        (
            &["--duration", "2h"],
            "a role that another role assumes has sessions of at most one hour",
        ),
        (&["--duration", "1d"], "`1d` is not a valid session duration"),
        (&["--mfa-code", "-"], "--mfa-serial"),
        (&["--mfa-serial", "GAHT12345678", "--mfa-code", "123456"], "possible values: -"),
        (&["--tag", "x"], "expected KEY=VALUE"),
        (&["--format", "export", "--output", "json"], "no output format \"json\""),
        (&["--token-file", &file, "--base", "env"], "--token-file and --base env exclude"),
        (&["--token-file", &file, "--external-id", "1=xx"], "--external-id has no effect"),
    ] {
        let all = [&["assume", HUB, ORDERS], arguments].concat();
        let error = setup.run(&setup.user(), &all).await.failed(2);
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
    assert_eq!(setup.world.aws.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_policy_file_is_refused() {
    let setup = Setup::start().await;
    let large = setup.write("large.json", &" ".repeat(65 * 1024));
    let missing = setup.write("x", "") + "\u{1b}[31m";
    let binary = setup.write("binary.json", "");
    std::fs::write(&binary, b"{}\xff").unwrap();
    for (file, fault) in [
        (&large, "large.json has more than 65536 bytes, the most that is read"),
        (&missing, "x\\u{1b}[31m: No such file"),
        (&binary, "binary.json is not UTF-8 text: see the byte at offset 2"),
    ] {
        let error = setup.run(&setup.user(), &["assume", HUB, "--policy", file]).await.failed(1);
        assert!(error.contains(fault), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_role_fails_with_hint() {
    let setup = Setup::start().await;
    let error = setup.run(&setup.user(), &["assume", HUB, CHECKOUT]).await.failed(1);
    assert!(error.starts_with("error: hop 2"), "{error}");
    assert!(error.contains("AccessDenied") && error.contains("\nhint: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mfa_code_is_read_from_standard_input() {
    let setup = Setup::start().await;
    let serial = "arn:aws:iam::111122223333:mfa/ann";
    let mut command = setup.command(&setup.user());
    command.args(["assume", HUB, "--mfa-serial", serial, "--mfa-code", "-"]);
    let error = finish(command, "12345\n").await.failed(1);
    assert!(error.contains("is not a valid MFA code"), "{error}");
    assert!(!error.contains("12345"), "{error}");
    let arguments = ["assume", HUB, "--mfa-serial", serial];
    let error = setup.run(&setup.user(), &arguments).await.failed(1);
    assert!(error.contains("--mfa-code -"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unset_needs_no_identity() {
    let setup = Setup::start().await;
    let text = setup.run(&[], &["assume", HUB, "--format", "unset"]).await.ok();
    assert!(text.starts_with("unset AWS_ACCESS_KEY_ID "), "{text}");
}

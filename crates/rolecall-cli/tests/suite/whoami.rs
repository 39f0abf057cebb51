//! `rolecall whoami`.

use rolecall_testkit::IamRole;
use rolecall_tests::{CHECKOUT, SHOP};
use serde_json::{Value, json};

use crate::command::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn whoami_shows_user_and_source() {
    let setup = Setup::start().await;
    let text = setup.run(&setup.user(), &["whoami"]).await.ok();
    let expected = [
        "Account   111122223333",
        "Kind      user",
        "ARN       arn:aws:iam::111122223333:user/ann",
        "Expires   no expiration is known",
        "Source    environment keys (AWS_ACCESS_KEY_ID is set)",
        "Region    eu-west-1",
    ];
    for line in expected {
        assert!(text.lines().any(|it| it == line), "{line:?} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoami_as_json_has_all_keys() {
    let setup = Setup::start().await;
    let json = setup.run(&setup.pod(), &["whoami", "--output", "json"]).await.json();
    assert_eq!(json["account"], SHOP);
    assert_eq!(json["arn"], "arn:aws:sts::111122223333:assumed-role/checkout/suite");
    assert_eq!(json["kind"], "assumed-role");
    assert_eq!(json["role"], "checkout");
    assert_eq!(json["role_arn"], CHECKOUT);
    assert_eq!(json["session_name"], "suite");
    let source = json["source"].as_str().unwrap();
    assert!(source.contains("AWS_WEB_IDENTITY_TOKEN_FILE"), "{source}");
    let expires = json["expires_at"].as_str().unwrap();
    assert!(expires.len() == 20 && expires.ends_with('Z'), "{expires}");
    assert!(json["user_id"].as_str().unwrap().ends_with(":suite"));
}

/// Credentials whose role rolecall did not assume have the name of the role only, and a role with a
/// path has the same name in both cases.
#[tokio::test(flavor = "multi_thread")]
async fn role_is_a_name_whatever_the_source() {
    let setup = Setup::start().await;
    let arn = "arn:aws:iam::111122223333:role/team/deploy";
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": SHOP}, "Action": "sts:AssumeRole",
    }]});
    let role = IamRole::new("team/deploy").trust(trust.to_string());
    setup.world.aws.create_role(SHOP, role).unwrap();
    let session = setup.run(&setup.user(), &["assume", arn, "--format", "json"]).await.json();
    let text = |key: &str| session["Credentials"][key].as_str().unwrap().to_owned();
    let variables = setup.with_endpoint(&[
        ("AWS_ACCESS_KEY_ID", &text("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", &text("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", &text("SessionToken")),
    ]);
    let json = setup.run(&variables, &["whoami", "--output", "json"]).await.json();
    assert_eq!((&json["role"], &json["role_arn"]), (&json!("deploy"), &Value::Null));
    let table = setup.run(&variables, &["whoami"]).await.ok();
    assert!(table.lines().any(|line| line == "Role          deploy"), "{table}");
    assert!(!table.contains("Role ARN"), "{table}");
    let table = setup.run(&setup.pod(), &["whoami"]).await.ok();
    for line in ["Role          checkout".to_owned(), format!("Role ARN      {CHECKOUT}")] {
        assert!(table.lines().any(|it| it == line), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn base_selects_identity() {
    let setup = Setup::start().await;
    let mut variables = setup.pod();
    variables.extend(setup.user());
    let keys = setup.world.aws.user_credentials(SHOP, "ann").unwrap();
    setup.write(
        ".aws/credentials",
        &format!(
            "[ann]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            keys.access_key_id(),
            keys.secret_access_key()
        ),
    );
    for (base, source) in [
        ("auto", "environment keys (AWS_ACCESS_KEY_ID is set)"),
        ("env", "environment keys (AWS_ACCESS_KEY_ID is set)"),
        ("profile:ann", "the profile \"ann\", set in code"),
    ] {
        let run = setup.run(&variables, &["whoami", "--base", base, "--output", "json"]).await;
        assert_eq!(run.json()["source"], source, "{base}");
    }
    let run =
        setup.run(&variables, &["whoami", "--base", "web-identity", "--output", "json"]).await;
    assert_eq!(run.json()["role"], "checkout");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoami_without_identity_says_what_to_set() {
    let setup = Setup::start().await;
    let error = setup.run(&setup.with_endpoint(&[]), &["whoami"]).await.failed(1);
    assert!(error.starts_with("error: the environment configures no identity\nhint: "), "{error}");
    let error = setup.run(&[], &["whoami", "--base", "profile:"]).await.failed(2);
    assert!(error.contains("expected auto, env, web-identity or profile:NAME"), "{error}");
}

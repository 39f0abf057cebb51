//! `rolecall credential-process`: the output, and the programs that read it.

use rolecall_tests::python::{self, Python};
use rolecall_tests::{CHECKOUT, HUB, ORDERS};
use serde_json::{Value, json};

use crate::command::Setup;

const COMMAND: &str = "credential-process";

/// Writes a profile `deploy` that runs the command on the keys of the profile `ann`.
pub(crate) fn write_profiles(setup: &Setup, arguments: &str) -> String {
    let variables = setup.user();
    let value = |name: &str| {
        variables.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str()).unwrap()
    };
    let text = format!(
        "[profile ann]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
         [profile deploy]\ncredential_process = {} {COMMAND} {arguments}\n",
        value("AWS_ACCESS_KEY_ID"),
        value("AWS_SECRET_ACCESS_KEY"),
        env!("CARGO_BIN_EXE_rolecall"),
    );
    setup.write(".aws/config", &text)
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_version_1_json() {
    let setup = Setup::start().await;
    let json = setup.run(&setup.user(), &[COMMAND, HUB, ORDERS]).await.json();
    let object = json.as_object().unwrap();
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected =
        ["AccessKeyId", "AccountId", "Expiration", "SecretAccessKey", "SessionToken", "Version"];
    assert_eq!(names, expected);
    assert_eq!(json["Version"], 1);
    assert_eq!(json["AccountId"], "777788889999");
    let secrets = setup.world.aws.secrets();
    for name in ["SecretAccessKey", "SessionToken"] {
        assert!(secrets.contains(&json[name].as_str().unwrap().to_owned()), "{name}");
    }
    let expiration = json["Expiration"].as_str().unwrap();
    assert!(expiration.len() == 20 && expiration.ends_with('Z'), "{expiration}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_is_one_line_and_exit_code_1() {
    let setup = Setup::start().await;
    let error = setup.run(&setup.user(), &[COMMAND, HUB, CHECKOUT]).await.failed(1);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("error: hop 2"), "{error}");
    assert!(error.contains("AccessDenied") && error.contains("; hint: "), "{error}");
    let error = setup.run(&setup.user(), &[COMMAND, "hub"]).await.failed(2);
    assert!(error.contains("not a valid role ARN"), "{error}");
}

/// The SDK for Rust, which `whoami` uses for the profile.
#[tokio::test(flavor = "multi_thread")]
async fn profile_is_used_by_the_sdk_for_rust() {
    let setup = Setup::start().await;
    write_profiles(&setup, &format!("--base profile:ann {HUB}"));
    for _ in 0..2 {
        let arguments = ["whoami", "--base", "profile:deploy", "--output", "json"];
        let json = setup.run(&setup.with_endpoint(&[]), &arguments).await.json();
        assert_eq!(json["arn"], "arn:aws:sts::444455556666:assumed-role/hub/suite");
    }
    assert_eq!(setup.world.aws.count("AssumeRole"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_is_used_by_boto3_and_the_aws_cli() {
    if python::is_left_out() {
        return;
    }
    let setup = Setup::start().await;
    let config = write_profiles(&setup, &format!("--base profile:ann {HUB}"));
    let state = setup.home.path().to_str().unwrap().to_owned();
    let mut variables = setup.with_endpoint(&[("AWS_CONFIG_FILE", &config)]);
    variables.push(("XDG_STATE_HOME".to_owned(), state));
    // boto3 does not read AWS_REGION.
    variables.push(("AWS_DEFAULT_REGION".to_owned(), "eu-west-1".to_owned()));
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let python = Python::new().unwrap();
    let call = json!({
        "service": "sts", "operation": "get_caller_identity", "parameters": {}, "profile": "deploy",
    });
    let text = python.boto3(&variables, &call).await.unwrap().success("boto3").unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let arn = "arn:aws:sts::444455556666:assumed-role/hub/suite";
    assert_eq!(answer["Arn"], arn);
    let arguments = ["--profile", "deploy", "--output", "text", "--query", "Arn"];
    let arguments = [&["sts", "get-caller-identity"], arguments.as_slice()].concat();
    let text = python.aws(&arguments, &variables).await.unwrap().success("aws").unwrap();
    assert_eq!(text.trim(), arn);
    // Both programs run the command, and share its session.
    assert_eq!(setup.world.aws.count("AssumeRole"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_that_runs_itself_is_refused_in_one_line() {
    let setup = Setup::start().await;
    write_profiles(&setup, HUB);
    let variables = setup.with_endpoint(&[("AWS_PROFILE", "deploy")]);
    let error = setup.run(&variables, &[COMMAND, HUB]).await.failed(1);
    let message = "error: the credential_process of the profile \"deploy\" leads back to the same \
                   profile; hint: add --base env";
    assert!(error.starts_with(message), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

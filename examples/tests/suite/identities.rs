//! Base credentials from the environment of a process: containers, instances and profiles.
//!
//! Each metadata service is a mock server here. A configured identity that fails is never skipped
//! for the next one.

use std::process::{Command, Output};

use aws_sdk_sts::config::{BehaviorVersion, Region};
use rolecall_tests::{CHECKOUT, HUB, SHOP, World};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Returns a session of the role `hub` as the metadata services return credentials.
async fn metadata_credentials(world: &World) -> Value {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.aws.endpoint_url())
        .time_source(world.clock.clock())
        .credentials_provider(world.aws.user_credentials(SHOP, "ann").unwrap())
        .build();
    let sts = aws_sdk_sts::Client::from_conf(config);
    let request = sts.assume_role().role_arn(HUB).role_session_name("surroundings");
    let response = request.send().await.unwrap();
    let keys = response.credentials().unwrap();
    json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": keys.expiration().to_string(),
        "AccessKeyId": keys.access_key_id(),
        "SecretAccessKey": keys.secret_access_key(),
        "Token": keys.session_token(),
        "Expiration": keys.expiration().to_string(),
    })
}

/// Runs `whoami` with these environment variables only.
async fn run_whoami(world: &World, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whoami"));
    command
        .env_clear()
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL", world.aws.endpoint_url())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text_of(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(error))
}

const HUB_SESSION: &str = "role hub, session surroundings in account 444455556666\n";

/// Starts the endpoint of EKS Pod Identity, which requires the token of the pod.
async fn start_pod_identity_agent(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/v1/credentials"))
        .and(header("authorization", "the-pods-token"))
        .respond_with(response)
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn pod_identity_provides_base_credentials() {
    let world = World::new().await.unwrap();
    let agent = start_pod_identity_agent(
        ResponseTemplate::new(200).set_body_json(metadata_credentials(&world).await),
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("eks-pod-identity-token");
    std::fs::write(&token, "the-pods-token").unwrap();
    let url = format!("{}/v1/credentials", agent.uri());
    let output = run_whoami(
        &world,
        &[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
        ],
    )
    .await;
    let source = "container credentials (AWS_CONTAINER_CREDENTIALS_FULL_URI is set)\n";
    assert_eq!(text_of(&output), format!("{source}{HUB_SESSION}"));
}

#[tokio::test]
async fn instance_role_provides_base_credentials() {
    let world = World::new().await.unwrap();
    let metadata = start_instance_metadata(&world).await;
    let output = run_whoami(
        &world,
        &[
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.uri()),
        ],
    )
    .await;
    assert_eq!(
        text_of(&output),
        format!("EC2 instance metadata (no other identity is configured)\n{HUB_SESSION}")
    );
}

/// Starts the instance metadata service, version 2, of an instance with the role `hub`.
async fn start_instance_metadata(world: &World) -> MockServer {
    let server = MockServer::start().await;
    let token = ResponseTemplate::new(200)
        .insert_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        .set_body_string("the-instances-token");
    Mock::given(method("PUT"))
        .and(path("/latest/api/token"))
        .respond_with(token)
        .mount(&server)
        .await;
    let with_token = || header("x-aws-ec2-metadata-token", "the-instances-token");
    for part in ["security-credentials", "security-credentials-extended"] {
        let folder = format!("/latest/meta-data/iam/{part}/");
        let mut keys = metadata_credentials(world).await;
        keys["AccountId"] = json!("444455556666");
        Mock::given(method("GET"))
            .and(path(format!("{folder}hub")))
            .and(with_token())
            .respond_with(ResponseTemplate::new(200).set_body_json(keys))
            .mount(&server)
            .await;
        Mock::given(method("GET"))
            .and(path(folder))
            .and(with_token())
            .respond_with(ResponseTemplate::new(200).set_body_string("hub"))
            .mount(&server)
            .await;
    }
    server
}

#[tokio::test]
async fn failing_container_is_not_skipped_for_instance() {
    let world = World::new().await.unwrap();
    let (agent, metadata) = (
        start_pod_identity_agent(ResponseTemplate::new(403)).await,
        start_instance_metadata(&world).await,
    );
    let before = world.aws.count("GetCallerIdentity");
    let url = format!("{}/v1/credentials", agent.uri());
    let output = run_whoami(
        &world,
        &[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-pods-token"),
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.uri()),
        ],
    )
    .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text_of(&output).contains("base credentials (container credentials): "),
        "{}",
        text_of(&output)
    );
    assert!(!text_of(&output).contains("the-pods-token"));
    assert_eq!(world.aws.count("GetCallerIdentity"), before);
    assert_eq!(metadata.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn failing_profile_is_not_skipped_for_web_identity() {
    let world = World::new().await.unwrap();
    let ann = world.aws.user_credentials(SHOP, "ann").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let text = format!(
        "[profile shop]\nrole_arn = {HUB}\nrole_session_name = surroundings\nsource_profile = ann\n[profile ann]\n\
         aws_access_key_id = {}\naws_secret_access_key = {}\n[profile broken]\ncredential_process = /no/such/program\n",
        ann.access_key_id(),
        ann.secret_access_key()
    );
    std::fs::write(&config, text).unwrap();
    let file = ("AWS_CONFIG_FILE", config.to_str().unwrap());
    let output = run_whoami(&world, &[file, ("AWS_PROFILE", "shop")]).await;
    assert_eq!(
        text_of(&output),
        format!("the profile \"shop\", which AWS_PROFILE names\n{HUB_SESSION}")
    );

    let token = folder.path().join("token");
    let valid = world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    std::fs::write(&token, valid).unwrap();
    let web_identity =
        [("AWS_ROLE_ARN", CHECKOUT), ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())];
    let output =
        run_whoami(&world, &[file, ("AWS_PROFILE", "broken"), web_identity[0], web_identity[1]])
            .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text_of(&output).contains("base credentials (profile \"broken\"): "),
        "{}",
        text_of(&output)
    );
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 0);
    let output = run_whoami(&world, &web_identity).await;
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
}

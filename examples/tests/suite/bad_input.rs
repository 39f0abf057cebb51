//! What is wrong gives one clear sentence, and exit 1, or 2 where it is what was asked for.

use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use rolecall::ManualClock;
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
use serde_json::json;

const SHOP: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::111122223333:role/orders";

const EXAMPLES: [(&str, &str); 6] = [
    ("whoami", env!("CARGO_BIN_EXE_whoami")),
    ("s3", env!("CARGO_BIN_EXE_s3")),
    ("secrets", env!("CARGO_BIN_EXE_secrets")),
    ("ecr", env!("CARGO_BIN_EXE_ecr")),
    ("chain", env!("CARGO_BIN_EXE_chain")),
    ("plug_into_aws_config", env!("CARGO_BIN_EXE_plug_into_aws_config")),
];

fn program(name: &str) -> &'static str {
    EXAMPLES.iter().find(|(known, _)| *known == name).unwrap().1
}

struct World {
    aws: LocalAws,
    hands: ManualClock,
}

impl World {
    async fn new() -> Self {
        Self::at(SystemTime::now()).await
    }

    async fn at(time: SystemTime) -> Self {
        let hands = ManualClock::at(time);
        let all = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
        let trust = json!({ "Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": SHOP },
        } });
        let role = IamRole::new("orders").trust(trust.to_string()).policy(all.to_string());
        let account = Account::new(SHOP)
            .user(IamUser::new("ann").policy(all.to_string()))
            .role(role)
            .bucket("shop-data")
            .secret("eu-west-1", "shop/db", "swordfish")
            .repository("eu-west-1", "shop/api");
        let aws = LocalAws::builder().clock(hands.clock()).account(account).start().await.unwrap();
        Self { aws, hands }
    }

    fn ann(&self) -> Credentials {
        self.aws.user_credentials(SHOP, "ann").unwrap()
    }

    /// A session of the role, of one hour.
    async fn session(&self) -> Credentials {
        let sts = rolecall::builder()
            .environment(rolecall::Environment::fixed([
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ENDPOINT_URL", self.aws.endpoint_url()),
            ]))
            .clock(self.hands.clock());
        let chain = sts.from_provider("ann", self.ann()).unwrap();
        let provider = chain.assume(rolecall::Role::new(ROLE).unwrap()).cached();
        let cx = rolecall::FetchContext::caller();
        let session = rolecall::SessionSource::session(&provider, cx).await.unwrap();
        session.credentials().clone()
    }
}

/// Runs an example with these credentials at this endpoint.
fn run(name: &str, credentials: &Credentials, endpoint: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program(name));
    command
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", credentials.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/none")
        .args(arguments);
    if let Some(token) = credentials.session_token() {
        command.env("AWS_SESSION_TOKEN", token);
    }
    command.output().unwrap()
}

/// The arguments that an example needs beside the one that is wrong.
fn needed(name: &str) -> Vec<&'static str> {
    let mut arguments = match name {
        "whoami" => return Vec::new(),
        "s3" | "plug_into_aws_config" => vec!["--bucket", "shop-data", "--prefix", "a/"],
        "secrets" => vec!["--secret-id", "shop/db"],
        _ => Vec::new(),
    };
    arguments.extend(["--role-arn", ROLE]);
    arguments
}

fn error_of(name: &str, output: &Output) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    let error = error.trim_end().to_owned();
    assert_eq!(error.lines().count(), 1, "one sentence: {error}");
    assert!(error.starts_with(&format!("{name}: ")), "{error}");
    assert!(!error.contains("panicked") && !error.contains("SdkError {"), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn as_they_are_they_run() {
    let world = World::new().await;
    for (name, _) in EXAMPLES {
        let output = run(name, &world.ann(), world.aws.endpoint_url(), &needed(name));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {error}");
        assert!(!output.stdout.is_empty(), "{name}");
    }
}

#[test]
fn in_the_sandbox_they_run_without_arguments() {
    for (name, path) in EXAMPLES {
        let output = Command::new(path).env_clear().arg("--sandbox").output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {error}");
        assert!(!output.stdout.is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let world = World::new().await;
    for (name, arguments, parts) in [
        (
            "s3",
            &["--bucket", "nowhere", "--role-arn", ROLE][..],
            &["\"nowhere\"", "NoSuchBucket"][..],
        ),
        ("s3", &["--bucket", "No_Bucket", "--role-arn", ROLE], &["\"No_Bucket\"", "lower case"]),
        ("plug_into_aws_config", &["--bucket", "nowhere", "--role-arn", ROLE], &["\"nowhere\""]),
        (
            "plug_into_aws_config",
            &["--bucket", "No_Bucket", "--role-arn", ROLE],
            &["\"No_Bucket\"", "lower case"],
        ),
        (
            "secrets",
            &["--secret-id", "shop/none", "--role-arn", ROLE],
            &["\"shop/none\"", "ResourceNotFoundException"],
        ),
        (
            "ecr",
            &["--repository", "shop/none", "--role-arn", ROLE],
            &["\"shop/none\"", "RepositoryNotFoundException"],
        ),
        (
            "chain",
            &["--role-arn", "arn:aws:iam::111122223333:role/none"],
            &["hop 1 of 1", "role/none", "AccessDenied"],
        ),
    ] {
        let output = run(name, &world.ann(), world.aws.endpoint_url(), arguments);
        assert_eq!(output.status.code(), Some(1), "{name} {arguments:?}: {output:?}");
        let error = error_of(name, &output);
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_for_ends_with_2() {
    let world = World::new().await;
    let malformed = ["--role-arn", "orders"];
    for (name, _) in EXAMPLES.iter().filter(|(name, _)| *name != "whoami") {
        let mut arguments = needed(name);
        arguments.truncate(arguments.len() - 2);
        arguments.extend(malformed);
        let output = run(name, &world.ann(), world.aws.endpoint_url(), &arguments);
        let error = error_of(name, &output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("role ARN \"orders\""), "{error}");
    }
    for (name, path) in EXAMPLES {
        let output = Command::new(path).env_clear().arg("--frobnicate").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_says_so() {
    // Two hours ago; and now it is now, by the server's clock as by that of the programs.
    let two_hours = Duration::from_secs(7200);
    let world = World::at(SystemTime::now() - two_hours).await;
    let ended = world.session().await;
    world.hands.advance(two_hours);
    for (name, _) in EXAMPLES {
        let output = run(name, &ended, world.aws.endpoint_url(), &needed(name));
        let error = error_of(name, &output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("ExpiredToken"), "{error}");
        assert!(!error.contains(ended.session_token().unwrap()), "{error}");
    }
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_named() {
    let key = Credentials::new(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        None,
        None,
        "example",
    );
    for (name, _) in EXAMPLES {
        // Port 9, discard: nobody listens there on the loopback address.
        let output = run(name, &key, "http://127.0.0.1:9", &needed(name));
        let error = error_of(name, &output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("http://127.0.0.1:9"), "{error}");
        assert!(!error.contains(key.secret_access_key()), "{error}");
    }
}

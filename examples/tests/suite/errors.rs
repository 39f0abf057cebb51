//! Errors of the examples: one sentence each, with the exit code 2 for invalid arguments and 1 for
//! everything else.

use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use rolecall::time::ManualClock;
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

fn path_of(name: &str) -> &'static str {
    EXAMPLES.iter().find(|(known, _)| *known == name).unwrap().1
}

struct Fixture {
    aws: LocalAws,
    clock: ManualClock,
}

impl Fixture {
    async fn new() -> Self {
        Self::at(SystemTime::now()).await
    }

    async fn at(time: SystemTime) -> Self {
        let clock = ManualClock::at(time);
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
        let aws = LocalAws::builder().clock(clock.clock()).account(account).start().await.unwrap();
        Self { aws, clock }
    }

    fn ann(&self) -> Credentials {
        self.aws.user_credentials(SHOP, "ann").unwrap()
    }

    /// Returns a session of the role that lasts an hour.
    async fn session(&self) -> Credentials {
        let builder = rolecall::Chain::builder()
            .environment(rolecall::Environment::fixed([
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ENDPOINT_URL", self.aws.endpoint_url()),
            ]))
            .clock(self.clock.clock());
        let chain = builder.from_sdk_provider("ann", self.ann()).unwrap();
        let provider = chain.assume_role(rolecall::Role::new(ROLE).unwrap()).provider();
        let cx = rolecall::provider::FetchContext::foreground();
        let session = rolecall::ProvideSession::provide_session(&provider, cx).await.unwrap();
        session.credentials().clone()
    }
}

/// Runs an example with these credentials and this endpoint.
fn run(name: &str, credentials: &Credentials, endpoint: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(path_of(name));
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

/// Returns the arguments that an example requires.
fn required_arguments(name: &str) -> Vec<&'static str> {
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
    assert_eq!(error.lines().count(), 1, "one line: {error}");
    assert!(error.starts_with(&format!("{name}: ")), "{error}");
    assert!(!error.contains("panicked") && !error.contains("SdkError {"), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_with_valid_input_succeed() {
    let fixture = Fixture::new().await;
    for (name, _) in EXAMPLES {
        let output =
            run(name, &fixture.ann(), fixture.aws.endpoint_url(), &required_arguments(name));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {error}");
        assert!(!output.stdout.is_empty(), "{name}");
    }
}

#[test]
fn sandbox_runs_without_arguments() {
    for (name, path) in EXAMPLES {
        let output = Command::new(path).env_clear().arg("--sandbox").output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}: {error}");
        assert!(!output.stdout.is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_resource_is_named() {
    let fixture = Fixture::new().await;
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
        let output = run(name, &fixture.ann(), fixture.aws.endpoint_url(), arguments);
        assert_eq!(output.status.code(), Some(1), "{name} {arguments:?}: {output:?}");
        let error = error_of(name, &output);
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_arguments_exit_with_2() {
    let fixture = Fixture::new().await;
    let malformed = ["--role-arn", "orders"];
    for (name, _) in EXAMPLES.iter().filter(|(name, _)| *name != "whoami") {
        let mut arguments = required_arguments(name);
        arguments.truncate(arguments.len() - 2);
        arguments.extend(malformed);
        let output = run(name, &fixture.ann(), fixture.aws.endpoint_url(), &arguments);
        let error = error_of(name, &output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("`orders` is not a valid role ARN"), "{error}");
    }
    for (name, path) in EXAMPLES {
        let output = Command::new(path).env_clear().arg("--frobnicate").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_session_is_reported() {
    // The server's clock starts two hours ago, so that the session is issued in the past, and then
    // advances to the time of the programs, which use the system clock.
    let two_hours = Duration::from_secs(7200);
    let fixture = Fixture::at(SystemTime::now() - two_hours).await;
    let expired = fixture.session().await;
    fixture.clock.advance(two_hours);
    for (name, _) in EXAMPLES {
        let output = run(name, &expired, fixture.aws.endpoint_url(), &required_arguments(name));
        let error = error_of(name, &output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("ExpiredToken"), "{error}");
        assert!(!error.contains(expired.session_token().unwrap()), "{error}");
    }
}

#[test]
fn unreachable_endpoint_is_named() {
    let key = Credentials::new(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        None,
        None,
        "example",
    );
    for (name, _) in EXAMPLES {
        // Port 9 is the discard service, which does not run on the loopback address.
        let output = run(name, &key, "http://127.0.0.1:9", &required_arguments(name));
        let error = error_of(name, &output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("http://127.0.0.1:9"), "{error}");
        assert!(!error.contains(key.secret_access_key()), "{error}");
    }
}

//! HTTP proxies and default credentials: requests for container and instance credentials never
//! reach a proxy, requests to STS and of SDK clients do. Also the FIPS endpoint and the output of a
//! `credential_process`, which depend on the same providers.
//!
//! The providers read the environment of their process, so that each test runs a program.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const BEARER_TOKEN: &str = "bearer-token-of-the-pod";
const METADATA_TOKEN: &str = "session-token-of-the-instance";

/// All variables that name a proxy for an `http://` URL.
const PROXY_VARIABLES: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// A proxy that records the head of each request and forwards none.
struct RecordingProxy {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl RecordingProxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&heads);
        // Ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                recorded.lock().unwrap().push(refuse(stream));
            }
        });
        Self { url, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Returns the request lines that were recorded, without duplicates of retried requests.
    fn request_lines(&self) -> Vec<String> {
        let lines = self.heads().into_iter().map(|head| head.lines().next().unwrap().to_owned());
        let mut lines: Vec<String> = lines.collect();
        lines.dedup();
        lines
    }
}

/// Reads the head of a request, answers with an error, and returns the head.
fn refuse(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
        }
    }
    // The client may have closed the connection.
    drop(stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"));
    String::from_utf8_lossy(&head).into_owned()
}

/// Runs `whoami` with `variables` and no other environment. Returns its output.
async fn run_whoami(variables: &[(&str, &str)]) -> Output {
    run_program(env!("CARGO_BIN_EXE_whoami"), variables).await
}

async fn run_program(program: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(output: &Output) -> String {
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}

/// Starts the endpoints of container credentials, instance metadata and STS on one server.
async fn start_endpoints() -> MockServer {
    let server = MockServer::start().await;
    let credentials = json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": "2026-01-01T00:00:00Z",
        "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "Token": "session-token",
        "Expiration": "2099-01-01T00:00:00Z",
        "AccountId": "111122223333",
    });
    let metadata_token = ResponseTemplate::new(200)
        .insert_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        .set_body_string(METADATA_TOKEN);
    let identity = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
                    <Arn>arn:aws:sts::111122223333:assumed-role/pod/session</Arn>\
                    <UserId>AROAIOSFODNN7EXAMPLE:session</UserId><Account>111122223333</Account>\
                    </GetCallerIdentityResult></GetCallerIdentityResponse>";
    let container = Mock::given(method("GET"))
        .and(path("/v1/credentials"))
        .and(header("authorization", BEARER_TOKEN))
        .respond_with(ResponseTemplate::new(200).set_body_json(&credentials));
    server.register(container).await;
    let token = Mock::given(method("PUT")).and(path("/latest/api/token"));
    server.register(token.respond_with(metadata_token)).await;
    for part in ["security-credentials", "security-credentials-extended"] {
        let folder = format!("/latest/meta-data/iam/{part}/");
        for (path_, response) in [
            (format!("{folder}pod"), ResponseTemplate::new(200).set_body_json(&credentials)),
            (folder, ResponseTemplate::new(200).set_body_string("pod")),
        ] {
            let role = Mock::given(method("GET"))
                .and(path(path_))
                .and(header("x-aws-ec2-metadata-token", METADATA_TOKEN));
            server.register(role.respond_with(response)).await;
        }
    }
    let sts = Mock::given(method("POST")).and(path("/"));
    server.register(sts.respond_with(ResponseTemplate::new(200).set_body_string(identity))).await;
    server
}

/// Returns the number of requests that `server` received with `method`.
async fn count_requests(server: &MockServer, method: &str) -> usize {
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter(|request| request.method.as_str() == method).count()
}

fn write_config(folder: &Path, config: &str) -> PathBuf {
    let file = folder.join("config");
    std::fs::write(&file, config).unwrap();
    file
}

#[tokio::test]
async fn container_credentials_bypass_proxy() {
    for variable in PROXY_VARIABLES {
        let (server, proxy) = (start_endpoints().await, RecordingProxy::start());
        let url = format!("{}/v1/credentials", server.uri());
        let output = run_whoami(&[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", BEARER_TOKEN),
            ("AWS_ENDPOINT_URL", &server.uri()),
            (variable, &proxy.url),
        ])
        .await;
        assert_eq!(proxy.heads(), Vec::<String>::new(), "{variable}");
        assert_eq!(output.status.code(), Some(0), "{variable}: {}", text(&output));
        assert_eq!(count_requests(&server, "GET").await, 1, "{variable}");
    }
}

#[tokio::test]
async fn instance_metadata_bypasses_proxy() {
    for variable in PROXY_VARIABLES {
        let (server, proxy) = (start_endpoints().await, RecordingProxy::start());
        let output = run_whoami(&[
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.uri()),
            ("AWS_ENDPOINT_URL", &server.uri()),
            (variable, &proxy.url),
        ])
        .await;
        assert_eq!(proxy.heads(), Vec::<String>::new(), "{variable}");
        assert_eq!(output.status.code(), Some(0), "{variable}: {}", text(&output));
        assert_eq!(count_requests(&server, "PUT").await, 1, "{variable}");
    }
}

#[tokio::test]
async fn container_credential_source_bypasses_proxy_for_metadata_only() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(
        folder.path(),
        "[profile task]\nrole_arn = arn:aws:iam::111122223333:role/orders\n\
         credential_source = EcsContainer\n",
    );
    // Both schemes: one proxy for the metadata endpoint's `http://`, and the same for `https://`
    // STS.
    for variables in
        [&["HTTP_PROXY", "HTTPS_PROXY"][..], &["http_proxy", "https_proxy"], &["ALL_PROXY"]]
    {
        let (server, proxy) = (start_endpoints().await, RecordingProxy::start());
        let url = format!("{}/v1/credentials", server.uri());
        let mut environment = vec![
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_PROFILE", "task"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", BEARER_TOKEN),
        ];
        environment.extend(variables.iter().map(|variable| (*variable, proxy.url.as_str())));
        let output = run_whoami(&environment).await;
        // The proxy forwards nothing, so that the role cannot be assumed.
        assert_eq!(output.status.code(), Some(1), "{variables:?}: {}", text(&output));
        assert_eq!(
            proxy.request_lines(),
            ["CONNECT sts.us-east-1.amazonaws.com:443 HTTP/1.1"],
            "{variables:?}: {}",
            text(&output)
        );
        assert!(proxy.heads().iter().all(|head| !head.contains(BEARER_TOKEN)), "{variables:?}");
        assert!(count_requests(&server, "GET").await >= 1, "{variables:?}");
        assert!(!text(&output).contains(BEARER_TOKEN), "{variables:?}");
    }
}

#[tokio::test]
async fn source_profile_call_uses_fips_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(
        folder.path(),
        "[profile shop]\nrole_arn = arn:aws:iam::111122223333:role/shop\nsource_profile = ann\n\
         [profile ann]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
         aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
    );
    for (fips, host) in
        [("true", "sts-fips.us-east-1.amazonaws.com"), ("false", "sts.us-east-1.amazonaws.com")]
    {
        let proxy = RecordingProxy::start();
        let output = run_whoami(&[
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_PROFILE", "shop"),
            ("AWS_USE_FIPS_ENDPOINT", fips),
            ("HTTPS_PROXY", &proxy.url),
        ])
        .await;
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert_eq!(
            proxy.request_lines(),
            [format!("CONNECT {host}:443 HTTP/1.1")],
            "{}",
            text(&output)
        );
    }
}

#[tokio::test]
async fn sdk_client_of_chain_uses_proxy() {
    let server = MockServer::start().await;
    let session = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
                   <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>\
                   <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY</SecretAccessKey>\
                   <SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
                   </Credentials></AssumeRoleResult></AssumeRoleResponse>";
    let sts = Mock::given(method("POST")).and(path("/"));
    server.register(sts.respond_with(ResponseTemplate::new(200).set_body_string(session))).await;
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let proxy = RecordingProxy::start();
        // The program assumes a role at the local STS and puts an object with Chain::sdk_config.
        let output = run_program(
            env!("CARGO_BIN_EXE_s3"),
            &[
                ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                ("AWS_ENDPOINT_URL_STS", &server.uri()),
                ("AWS_MAX_ATTEMPTS", "1"),
                ("ROLE_ARN", "arn:aws:iam::444455556666:role/orders"),
                ("BUCKET", "orders"),
                (variable, &proxy.url),
            ],
        )
        .await;
        // The proxy forwards nothing, so that the object cannot be put.
        assert_eq!(output.status.code(), Some(1), "{variable}: {}", text(&output));
        assert_eq!(
            proxy.request_lines(),
            ["CONNECT orders.s3.us-east-1.amazonaws.com:443 HTTP/1.1"],
            "{variable}: {}",
            text(&output)
        );
    }
}

#[tokio::test]
async fn credential_process_stderr_is_not_shown() {
    const SECRET: &str = "swordfish-of-the-process";
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("process.sh");
    // The command line itself may be shown, so the secret is in the script alone.
    std::fs::write(&program, format!("echo '{SECRET}' >&2\nexit 3\n")).unwrap();
    let config = write_config(
        folder.path(),
        &format!(
            "[profile process]\ncredential_process = /bin/sh {}\n\
             [profile role]\nrole_arn = arn:aws:iam::111122223333:role/orders\n\
             source_profile = process\n",
            program.display()
        ),
    );
    for profile in ["process", "role"] {
        let output = run_whoami(&[
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_PROFILE", profile),
            ("RUST_LOG", "trace"),
            ("RUST_BACKTRACE", "1"),
        ])
        .await;
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("credential_process"), "{}", text(&output));
        assert!(!text(&output).contains(SECRET), "{profile}: {}", text(&output));
    }
}

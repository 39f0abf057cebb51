//! The web service with many tenants: its responses, its health page and its calls to AWS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rolecall::provider::InvalidSession;
use rolecall_testkit::{Account, FaultRule, IamRole, IamUser, LocalAws};
use serde_json::{Value, json};

const SHOP: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::111122223333:role/tenants";

const VALID_ARGUMENTS: [&str; 4] = ["--role-arn", ROLE, "--bucket", "shop-data"];

async fn start_local_aws() -> LocalAws {
    let account = Account::new(SHOP)
        .user(IamUser::new("ann").policy(allow_all_policy().to_string()))
        .role(tenants_role())
        .bucket("shop-data");
    LocalAws::builder().account(account).start().await.unwrap()
}

fn allow_all_policy() -> Value {
    json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } })
}

fn tenants_role() -> IamRole {
    let trust = json!({ "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": SHOP },
    } });
    IamRole::new("tenants").trust(trust.to_string()).policy(allow_all_policy().to_string())
}

fn command(aws: &LocalAws, arguments: [&str; 4]) -> Command {
    command_at(aws.endpoint_url(), aws, arguments)
}

fn command_at(endpoint: &str, aws: &LocalAws, arguments: [&str; 4]) -> Command {
    let ann = aws.user_credentials(SHOP, "ann").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenants"));
    command
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", ann.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", ann.secret_access_key())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/none")
        .args(arguments);
    command
}

/// A running service, which is stopped on drop.
struct Service {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    address: String,
}

impl Service {
    fn start(aws: &LocalAws) -> Self {
        Self::spawn(command(aws, VALID_ARGUMENTS))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap_or_default().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line:?}");
        Self { child, stdout, address }
    }

    /// Sends a request and returns the status and the body of the response.
    ///
    /// The request is written by hand: an HTTP client would normalize the paths under test.
    fn send(&self, method: &str, path: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 3\r\n\r\ntea"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn sandbox_sends_requests_and_exits() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenants"));
    let output = command.env_clear().arg("--sandbox").output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{out}{error}");
    for line in [
        "PUT /tenants/4711/objects/tea.txt -> 201 {\"object\":\"tea.txt\"}\n",
        "GET /tenants/4711/objects -> 200 [\"tea.txt\"]\n",
        "GET /tenants/4712/objects -> 200 []\n",
        "GET /tenants/4712%2F..%2F4711/objects -> 400 ",
        "tenant 4712's session, tenants/4711/: AccessDenied\n",
        "GET /health -> 200 up: true, 2 sessions\n",
    ] {
        assert!(out.contains(line), "{line:?} is not in {out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenant_requests_share_one_session() {
    let aws = start_local_aws().await;
    let service = Service::start(&aws);
    let listed =
        |id: &str, name: &str| (200, json!({ "tenant": id, "objects": [name], "more": false }));
    assert_eq!(service.send("PUT", "/tenants/47/objects/a.txt").0, 201);
    assert_eq!(service.send("PUT", "/tenants/4711/objects/b.txt").0, 201);
    // One id is a prefix of the other.
    assert_eq!(service.send("GET", "/tenants/47/objects"), listed("47", "a.txt"));
    assert_eq!(service.send("GET", "/tenants/4711/objects"), listed("4711", "b.txt"));
    for _ in 0..10 {
        assert_eq!(service.send("GET", "/tenants/47/objects").0, 200);
    }
    assert_eq!(aws.count("AssumeRole"), 2);
    let callers: Vec<String> = aws
        .calls()
        .iter()
        .filter(|call| call.service == "s3")
        .filter_map(|call| call.caller.clone())
        .collect();
    assert_eq!(callers.len(), 14);
    let role_of = |id: &str| format!("assumed-role/tenants/tenant-{id}");
    let count = |id: &str| callers.iter().filter(|caller| caller.ends_with(&role_of(id))).count();
    assert_eq!((count("47"), count("4711")), (12, 2), "{callers:?}");

    let (status, health) = service.send("GET", "/health");
    assert_eq!((status, &health["up"], &health["ready"]), (200, &json!(true), &json!(2)));
    let states: Vec<_> = health["roles"].as_array().unwrap().iter().collect();
    assert_eq!(states.len(), 2);
    for (role, name) in states.iter().zip(["tenant-47", "tenant-4711"]) {
        assert_eq!((&role["session"], &role["status"]["state"]), (&json!(name), &json!("fresh")));
    }
}

/// Forwards TCP connections to the local AWS, and counts them.
struct CountingProxy {
    url: String,
    accepted: Arc<AtomicUsize>,
}

impl CountingProxy {
    async fn start(aws: &LocalAws) -> Self {
        let upstream = aws.endpoint_url().strip_prefix("http://").unwrap().to_owned();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let upstream = upstream.clone();
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(upstream).await.unwrap();
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, accepted }
    }

    fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_all_tenants_share_connections() {
    let aws = start_local_aws().await;
    let proxy = CountingProxy::start(&aws).await;
    let service = Service::spawn(command_at(&proxy.url, &aws, VALID_ARGUMENTS));
    for round in 0..20 {
        for tenant in ["47", "48", "49"] {
            let path = format!("/tenants/{tenant}/objects");
            assert_eq!(service.send("GET", &path).0, 200, "round {round}");
        }
    }
    assert_eq!(aws.calls().iter().filter(|call| call.service == "s3").count(), 60);
    // One connection to STS and one to S3: requests that follow each other reuse them.
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_tenant_id_causes_no_aws_call() {
    let aws = start_local_aws().await;
    let service = Service::start(&aws);
    let before = aws.calls().len();
    for id in [
        "..",
        "%2e%2e",
        "47%2F11",
        "47%2f..%2f4711",
        "47*",
        "%2A",
        "47%3F",
        "A",
        "-",
        "47%20",
        "$%7Baws:username%7D",
        "%00",
        "%C3%A4",
        "47%0a",
    ] {
        let (status, body) = service.send("GET", &format!("/tenants/{id}/objects"));
        assert_eq!(status, 400, "{id}: {body}");
        assert!(
            body["error"].as_str().unwrap().starts_with("tenant id is invalid; hint: use "),
            "{id}: {body}"
        );
        assert_eq!(service.send("PUT", &format!("/tenants/{id}/objects/a")).0, 400, "{id}");
    }
    for name in ["..", "%2e%2e%2f4712%2fa", ".a", "a%2fb"] {
        let (status, body) = service.send("PUT", &format!("/tenants/47/objects/{name}"));
        assert_eq!(status, 400, "{name}: {body}");
    }
    assert_eq!(service.send("GET", "/tenants//objects").0 / 100, 4);
    assert_eq!(aws.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_reports_failing_session() {
    let aws = start_local_aws().await;
    let service = Service::start(&aws);
    assert_eq!(service.send("GET", "/health").0, 200);
    aws.inject(FaultRule::error(403, "AccessDenied", "no").on("AssumeRole")).unwrap();
    let (status, body) = service.send("GET", "/tenants/47/objects");
    assert_eq!((status, body), (502, json!({ "error": "the data is not available" })));
    let (status, health) = service.send("GET", "/health");
    assert_eq!((status, &health["up"], &health["failing"]), (503, &json!(false), &json!(1)));
    let tenant = &health["roles"][0]["status"];
    assert_eq!(tenant["state"], "failing");
    assert!(tenant["last_error"].as_str().unwrap().contains("AccessDenied"), "{health}");
    // Once another tenant has a session, the failure concerns this tenant only.
    aws.clear_faults();
    assert_eq!(service.send("GET", "/tenants/48/objects").0, 200);
    let (status, health) = service.send("GET", "/health");
    assert_eq!((status, &health["failing"], &health["ready"]), (200, &json!(1), &json!(1)));
}

/// Waits until a service that does not know a session is believed: it may not know a newer one yet.
async fn sessions_are_established() {
    tokio::time::sleep(InvalidSession::RECENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recreated_role_fails_no_request() {
    let aws = start_local_aws().await;
    let service = Service::start(&aws);
    assert_eq!(service.send("PUT", "/tenants/47/objects/a.txt").0, 201);
    assert_eq!(service.send("GET", "/tenants/48/objects").0, 200);
    sessions_are_established().await;
    assert!(aws.delete_role(ROLE));
    aws.create_role(SHOP, tenants_role()).unwrap();
    assert_eq!(service.send("GET", "/tenants/47/objects").1["objects"], json!(["a.txt"]));
    assert_eq!(service.send("PUT", "/tenants/48/objects/b.txt").0, 201, "its body is sent again");
    assert_eq!(aws.count("AssumeRole"), 4);
    assert_eq!(service.send("GET", "/health").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_role_is_unhealthy() {
    let aws = start_local_aws().await;
    let service = Service::start(&aws);
    assert_eq!(service.send("GET", "/tenants/47/objects").0, 200);
    sessions_are_established().await;
    assert!(aws.delete_role(ROLE));
    assert_eq!(service.send("GET", "/tenants/47/objects").0, 502);
    let (status, health) = service.send("GET", "/health");
    assert_eq!((status, &health["up"], &health["failing"]), (503, &json!(false), &json!(1)));
    let tenant = &health["roles"][0]["status"];
    assert_eq!(tenant["state"], "invalidated");
    assert!(tenant["last_error"].as_str().unwrap().contains("AccessDenied"), "{health}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn termination_signal_exits_with_0() {
    for signal in ["-TERM", "-INT"] {
        let aws = start_local_aws().await;
        let mut service = Service::start(&aws);
        assert_eq!(service.send("GET", "/tenants/47/objects").0, 200);
        let id = service.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let mut rest = String::new();
        service.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(service.child.wait().unwrap().code(), Some(0));
        assert!(rest.lines().count() == 3 && rest.ends_with("\nstopped\n"), "{rest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_configuration_fails_at_startup() {
    let aws = start_local_aws().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--port={}", taken.local_addr().unwrap().port());
    for (arguments, code, part) in [
        (["--role-arn", ROLE, "--bucket", "No_Bucket"], 2, "\"No_Bucket\" is not a bucket name"),
        (
            ["--role-arn", "tenants", "--bucket", "shop-data"],
            2,
            "`tenants` is not a valid role ARN",
        ),
        (
            ["--role-arn", ROLE, "--bucket=shop-data", "--external-id=x"],
            2,
            "`x` is not a valid external id",
        ),
        (["--role-arn", ROLE, "--bucket=shop-data", &port], 1, "in use"),
    ] {
        let output = command(&aws, arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.starts_with("tenants: ") && error.contains(part), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

//! The web service of many tenants, as its callers and its supervisor see it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use rolecall_testkit::{Account, FaultRule, IamRole, IamUser, LocalAws};
use serde_json::{Value, json};

const SHOP: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::111122223333:role/tenants";

const RIGHT: [&str; 4] = ["--role-arn", ROLE, "--bucket", "shop-data"];

async fn local_aws() -> LocalAws {
    let account = Account::new(SHOP)
        .user(IamUser::new("ann").policy(all().to_string()))
        .role(tenants_role())
        .bucket("shop-data");
    LocalAws::builder().account(account).start().await.unwrap()
}

fn all() -> Value {
    json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } })
}

fn tenants_role() -> IamRole {
    let trust = json!({ "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": SHOP },
    } });
    IamRole::new("tenants").trust(trust.to_string()).policy(all().to_string())
}

fn command(aws: &LocalAws, arguments: [&str; 4]) -> Command {
    let ann = aws.user_credentials(SHOP, "ann").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenants"));
    command
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", ann.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", ann.secret_access_key())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL", aws.endpoint_url())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/none")
        .args(arguments);
    command
}

/// The service, which ends with this.
struct Service {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    address: String,
}

impl Service {
    fn start(aws: &LocalAws) -> Self {
        let mut child =
            command(aws, RIGHT).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap_or_default().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line:?}");
        Self { child, said, address }
    }

    /// The status and the body of an answer, to a request that is sent as it stands here.
    fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 3\r\n\r\ntea"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
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
fn in_the_sandbox_it_asks_itself_and_ends() {
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
async fn a_tenant_has_its_own_objects_and_one_session_for_all_its_requests() {
    let aws = local_aws().await;
    let service = Service::start(&aws);
    let listed =
        |id: &str, name: &str| (200, json!({ "tenant": id, "objects": [name], "more": false }));
    assert_eq!(service.ask("PUT", "/tenants/47/objects/a.txt").0, 201);
    assert_eq!(service.ask("PUT", "/tenants/4711/objects/b.txt").0, 201);
    // One id is the beginning of the other.
    assert_eq!(service.ask("GET", "/tenants/47/objects"), listed("47", "a.txt"));
    assert_eq!(service.ask("GET", "/tenants/4711/objects"), listed("4711", "b.txt"));
    for _ in 0..10 {
        assert_eq!(service.ask("GET", "/tenants/47/objects").0, 200);
    }
    assert_eq!(aws.count("AssumeRole"), 2);
    let callers: Vec<String> = aws
        .calls()
        .iter()
        .filter(|call| call.service == "s3")
        .filter_map(|call| call.caller.clone())
        .collect();
    assert_eq!(callers.len(), 14);
    let of = |id: &str| format!("assumed-role/tenants/tenant-{id}");
    let whose = |id: &str| callers.iter().filter(|caller| caller.ends_with(&of(id))).count();
    assert_eq!((whose("47"), whose("4711")), (12, 2), "{callers:?}");

    let (status, health) = service.ask("GET", "/health");
    assert_eq!((status, &health["up"], &health["holding"]), (200, &json!(true), &json!(2)));
    let states: Vec<_> = health["roles"].as_array().unwrap().iter().collect();
    assert_eq!(states.len(), 2);
    for (role, name) in states.iter().zip(["tenant-47", "tenant-4711"]) {
        assert_eq!((&role["session"], &role["status"]["state"]), (&json!(name), &json!("fresh")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tenants_id_reaches_neither_sts_nor_s3() {
    let aws = local_aws().await;
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
        let (status, body) = service.ask("GET", &format!("/tenants/{id}/objects"));
        assert_eq!(status, 400, "{id}: {body}");
        assert!(body["error"].as_str().unwrap().starts_with("a tenant's id has "), "{id}: {body}");
        assert_eq!(service.ask("PUT", &format!("/tenants/{id}/objects/a")).0, 400, "{id}");
    }
    for name in ["..", "%2e%2e%2f4712%2fa", ".a", "a%2fb"] {
        let (status, body) = service.ask("PUT", &format!("/tenants/47/objects/{name}"));
        assert_eq!(status, 400, "{name}: {body}");
    }
    assert_eq!(service.ask("GET", "/tenants//objects").0 / 100, 4);
    assert_eq!(aws.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_there_is_no_session_to_be_had_it_is_not_healthy_and_says_why_to_those_who_run_it() {
    let aws = local_aws().await;
    let service = Service::start(&aws);
    assert_eq!(service.ask("GET", "/health").0, 200);
    aws.inject(FaultRule::refused(403, "AccessDenied", "no").on("AssumeRole")).unwrap();
    let (status, body) = service.ask("GET", "/tenants/47/objects");
    assert_eq!((status, body), (502, json!({ "error": "the data cannot be reached" })));
    let (status, health) = service.ask("GET", "/health");
    assert_eq!((status, &health["up"], &health["failing"]), (503, &json!(false), &json!(1)));
    let tenant = &health["roles"][0]["status"];
    assert_eq!(tenant["state"], "failing");
    assert!(tenant["last_error"].as_str().unwrap().contains("AccessDenied"), "{health}");
    // Another tenant has a session: the trouble is this one's own.
    aws.clear_faults();
    assert_eq!(service.ask("GET", "/tenants/48/objects").0, 200);
    let (status, health) = service.ask("GET", "/health");
    assert_eq!((status, &health["failing"], &health["holding"]), (200, &json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_made_anew_costs_no_tenant_a_request() {
    let aws = local_aws().await;
    let service = Service::start(&aws);
    assert_eq!(service.ask("PUT", "/tenants/47/objects/a.txt").0, 201);
    assert_eq!(service.ask("GET", "/tenants/48/objects").0, 200);
    assert!(aws.delete_role(ROLE));
    aws.create_role(SHOP, tenants_role()).unwrap();
    assert_eq!(service.ask("GET", "/tenants/47/objects").1["objects"], json!(["a.txt"]));
    assert_eq!(service.ask("PUT", "/tenants/48/objects/b.txt").0, 201, "its body goes again");
    assert_eq!(aws.count("AssumeRole"), 4);
    assert_eq!(service.ask("GET", "/health").0, 200);
}

/// A role that is gone fails its tenants, and the health page says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_deleted_is_not_healthy() {
    let aws = local_aws().await;
    let service = Service::start(&aws);
    assert_eq!(service.ask("GET", "/tenants/47/objects").0, 200);
    assert!(aws.delete_role(ROLE));
    assert_eq!(service.ask("GET", "/tenants/47/objects").0, 502);
    let (status, health) = service.ask("GET", "/health");
    assert_eq!((status, &health["up"], &health["failing"]), (503, &json!(false), &json!(1)));
    let tenant = &health["roles"][0]["status"];
    assert_eq!(tenant["state"], "rejected");
    assert!(tenant["last_error"].as_str().unwrap().contains("AccessDenied"), "{health}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_it_ends_with_0() {
    for signal in ["-TERM", "-INT"] {
        let aws = local_aws().await;
        let mut service = Service::start(&aws);
        assert_eq!(service.ask("GET", "/tenants/47/objects").0, 200);
        let id = service.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let mut rest = String::new();
        service.said.read_to_string(&mut rest).unwrap();
        assert_eq!(service.child.wait().unwrap().code(), Some(0));
        assert!(rest.lines().count() == 3 && rest.ends_with("\nended\n"), "{rest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_at_the_start() {
    let aws = local_aws().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--port={}", taken.local_addr().unwrap().port());
    for (arguments, code, part) in [
        (["--role-arn", ROLE, "--bucket", "No_Bucket"], 2, "\"No_Bucket\" is no bucket's name"),
        (["--role-arn", "tenants", "--bucket", "shop-data"], 2, "role ARN \"tenants\""),
        (["--role-arn", ROLE, "--bucket=shop-data", "--external-id=x"], 2, "external id \"x\""),
        (["--role-arn", ROLE, "--bucket=shop-data", &port], 1, "in use"),
    ] {
        let output = command(&aws, arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.starts_with("tenants: ") && error.contains(part), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

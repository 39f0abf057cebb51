//! `rolecall serve`.

mod files;
mod reload;

use std::fs;
use std::process::Command;
use std::time::Duration;

use rolecall_testkit::FaultRule;
use rolecall_tests::{CLOSED, HUB, ORDERS};
use serde_json::{Value, json};

use crate::command::{Setup, finish, with_environment_of};
use crate::endpoint::{Response, Served, send, wait_until};
use crate::short_sessions::ShortSessions;

pub(crate) fn serve(setup: &Setup, arguments: &[&str]) -> Served {
    let mut command = setup.command(&setup.user());
    command.arg("serve").args(arguments);
    Served::start(command)
}

fn roles(entries: &[(&str, &[&str])]) -> String {
    let list = entries.iter().map(|(path, roles)| json!({ "path": path, "roles": roles }));
    json!({ "roles": list.collect::<Vec<_>>() }).to_string()
}

fn make_pipe(path: &str) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_answers_as_container_agents_do() {
    let setup = Setup::start().await;
    let served = serve(&setup, &[HUB]);
    let answer = served.session("/role");
    for name in ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"] {
        assert!(answer[name].is_string(), "{name}: {answer}");
    }
    assert_eq!(answer["RoleArn"], HUB);
    let expiration = answer["Expiration"].as_str().unwrap();
    assert!(expiration.len() == 20 && expiration.ends_with('Z'), "{expiration}");
    assert_eq!(served.session("/role"), answer);
    assert_eq!(setup.world.aws.count("AssumeRole"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_need_no_token_and_contain_no_secret() {
    let setup = Setup::start().await;
    let served = serve(&setup, &[HUB]);
    served.session("/role");
    let host = served.address();
    let get = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Response::parse(&served.send(request.as_bytes()))
    };
    let page = get("/");
    assert_eq!(page.status, 200);
    for text in [HUB, "/role", "fresh", "in 59 minutes", "<!DOCTYPE html>"] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(page.head.contains("content-security-policy: default-src 'none';"), "{}", page.head);
    assert!(!page.body.contains("<script"), "{}", page.body);
    let health = get("/healthz");
    assert_eq!(health.body, r#"{"status":"ok","roles":1,"failing":0}"#);
    let metrics = get("/metrics");
    let labels = format!("{{path=\"/role\",role=\"{HUB}\"");
    for line in [
        format!("rolecall_session_state{labels},state=\"fresh\"}} 1"),
        format!("rolecall_session_healthy{labels}}} 1"),
        format!("rolecall_session_fetches_total{labels},result=\"success\"}} 1"),
        format!("rolecall_session_fetches_total{labels},result=\"failure\"}} 0"),
        format!("rolecall_session_requests_total{labels},result=\"success\"}} 1"),
        "rolecall_connections 1".to_owned(),
    ] {
        assert!(metrics.body.lines().any(|it| it == line), "{line}: {}", metrics.body);
    }
    let expires = format!("rolecall_session_expiration_timestamp_seconds{labels}}} ");
    assert!(metrics.body.contains(&expires), "{}", metrics.body);
    let token = served.token();
    for secret in setup.world.aws.secrets().iter().chain([&token]) {
        for answer in [&page, &health, &metrics] {
            assert!(!answer.body.contains(secret.as_str()), "{}", answer.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_of_pages_is_that_of_get_without_a_body() {
    let setup = Setup::start().await;
    let served = serve(&setup, &[HUB]);
    let send = |method: &str, path: &str| {
        let request = served.request(path).replace("GET", method);
        Response::parse(&served.send(request.as_bytes()))
    };
    for path in ["/", "/healthz", "/metrics"] {
        let (head, get) = (send("HEAD", path), send("GET", path));
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        let kind = |answer: &Response| {
            let mut lines = answer.head.lines().map(str::to_owned);
            lines.find(|line| line.starts_with("content-type: "))
        };
        assert_eq!(kind(&head), kind(&get), "{path}");
        let length = format!("content-length: {}", get.body.len());
        // The others tell times and counts.
        assert!(path != "/healthz" || head.head.contains(&length), "{head:?}");
        let refused = send("POST", path);
        assert_eq!(refused.status, 405, "{path}");
        assert!(refused.head.contains("allow: get, head"), "{refused:?}");
    }
    let refused = send("HEAD", "/role");
    assert_eq!((refused.status, refused.body.as_str()), (405, ""), "{refused:?}");
    assert!(refused.head.lines().any(|line| line == "allow: get"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_of_every_level_contains_no_secret() {
    let setup = Setup::start().await;
    let served = serve(&setup, &[HUB, "-vvv"]);
    served.session("/role");
    let (address, token) = (served.address(), served.token());
    let wrong = format!(
        "GET /role HTTP/1.1\r\nHost: {address}\r\nAuthorization: {token}0\r\nConnection: \
         close\r\n\r\n"
    );
    assert_eq!(Response::parse(&served.send(wrong.as_bytes())).status, 401);
    served.wait_for_error("the endpoint refused a request");
    let (_, log) = served.stop("TERM");
    for secret in setup.world.aws.secrets().iter().chain([&token]) {
        assert!(!log.contains(secret.as_str()), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_have_all_variables() {
    let setup = Setup::start().await;
    let folder = setup.home.path().join("endpoint");
    let served = serve(&setup, &[HUB, "--directory", folder.to_str().unwrap()]);
    let file = |name: &str| folder.canonicalize().unwrap().join(name).to_str().unwrap().to_owned();
    let expected: Value = json!([{ "path": "/role", "role": HUB, "environment": {
        "AWS_CONFIG_FILE": file("rolecall-config"),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": file("rolecall-token"),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": format!("http://{}/role", served.address()),
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "AWS_SHARED_CREDENTIALS_FILE": file("rolecall-credentials"),
    } }]);
    assert_eq!(served.settings["roles"], expected);
    let (status, _) = served.stop("TERM");
    assert!(status.success());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

/// The endpoint runs on, so that its output must arrive before its end.
#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_format_are_evaluated_by_a_shell() {
    let setup = Setup::start().await;
    let home = setup.home.path();
    let rolecall = setup.command(&setup.user());
    let program = rolecall.get_program();
    let mut shell = with_environment_of(&rolecall, Command::new("/bin/sh"));
    let script = r#"
        "$1" serve "$2" --format export > "$3/lines" & server=$!
        until [ -s "$3/lines" ]; do sleep 0.05; done
        . "$3/lines"
        sh -c 'echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI"'
        cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"; echo
        sh -c 'echo "$AWS_REGION"'
        kill "$server"; wait "$server"; echo "$?"
    "#;
    shell.args(["-c", script, "sh"]).arg(program).arg(HUB).arg(home);
    let text = finish(shell, "").await.ok();
    let lines: Vec<&str> = text.lines().collect();
    let [url, token, region, status] = lines[..] else { panic!("{text}") };
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/role"), "{text}");
    assert_eq!((token.len(), region, status), (64, "eu-west-1", "0"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_cannot_be_served_are_refused() {
    let setup = Setup::start().await;
    let file = setup.write("roles.json", r#"{ "roles": [{ "path": "/../x", "roles": [] }] }"#);
    let pipe = setup.home.path().join("pipe").to_str().unwrap().to_owned();
    make_pipe(&pipe);
    for (arguments, code, message) in [
        (&["serve"][..], 2, "ROLE_ARN"),
        (&["serve", HUB, "--listen", "0.0.0.0:0"], 2, "not a loopback address"),
        (&["serve", HUB, "--listen", "localhost"], 2, "expected an address and a port"),
        (&["serve", HUB, "--config", &file], 2, "cannot be used with"),
        (&["serve", "--config", &file, "--duration", "1h"], 2, "cannot be used with"),
        (&["serve", "--config", &file], 1, "`/../x` is not a valid path"),
        (&["serve", "--config", "missing.json"], 1, "cannot read missing.json"),
        (&["serve", "--config", &pipe], 1, "it is not a regular file"),
        (&["serve", HUB, "--format", "dotenv", "--output", "json"], 2, "no output format \"json\""),
        (&["serve", HUB, "--mfa-serial", "GAHT12345678"], 2, "--mfa-serial cannot be used"),
        (&["serve", CLOSED], 1, "AccessDenied"),
        (&["serve", HUB, "--directory", "missing/folder"], 1, "cannot use the folder"),
    ] {
        let error = setup.run(&setup.user(), arguments).await.failed(code);
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
}

// Other systems have one loopback address unless more are configured.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn any_loopback_address_can_be_served() {
    let setup = Setup::start().await;
    let served = serve(&setup, &[HUB, "--listen", "127.0.0.2:0"]);
    assert!(served.address().to_string().starts_with("127.0.0.2:"), "{}", served.settings);
    assert_eq!(served.session("/role")["RoleArn"], HUB);
    let port = served.address().port();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let request = served.request("/role").replace(&served.address().to_string(), &host);
        assert_eq!(Response::parse(&served.send(request.as_bytes())).status, 403, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn role_that_fails_is_reported_without_secrets() {
    let setup = Setup::start().await;
    let file = setup.write("roles.json", &roles(&[("/closed", &[HUB, CLOSED]), ("/hub", &[HUB])]));
    let served = serve(&setup, &["--config", &file]);
    let (status, body) = served.get("/closed");
    let error: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &error["Code"]), (503, &json!("CredentialsUnavailable")));
    assert!(error["Message"].as_str().unwrap().contains("AccessDenied"), "{error}");
    assert_eq!(served.get("/hub").0, 200);
    let (status, health) = served.get("/healthz");
    assert_eq!((status, health.as_str()), (503, r#"{"status":"failing","roles":2,"failing":1}"#));
    let (_, page) = served.get("/");
    assert!(page.contains("failing") && page.contains("AccessDenied"), "{page}");
    for secret in setup.world.aws.secrets() {
        assert!(!body.contains(&secret) && !page.contains(&secret));
    }
}

/// A role without a session must not seem to recover whenever the endpoint tries again.
#[tokio::test(flavor = "multi_thread")]
async fn failing_role_is_unhealthy_while_it_is_retried() {
    let setup = Setup::start().await;
    let file = setup.write("roles.json", &roles(&[("/closed", &[HUB, CLOSED])]));
    let served = serve(&setup, &["--config", &file]);
    setup.world.aws.inject(FaultRule::hung()).unwrap();
    let labels = format!("{{path=\"/closed\",role=\"{CLOSED}\"");
    let loading = format!("rolecall_session_state{labels},state=\"loading\"}} 1");
    let page = |path| served.get(path).1;
    wait_until(|| page("/metrics"), || page("/metrics").contains(&loading));
    assert_eq!(served.metric(&format!("rolecall_session_healthy{labels}}}")), 0);
    assert_eq!(served.get("/healthz").0, 503);
    let status = page("/");
    assert!(status.contains("<title>rolecall: 1 of 1 roles failing</title>"), "{status}");
    assert!(status.contains("AccessDenied"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_request_finishes_after_stop() {
    let setup = Setup::start().await;
    let file = setup.write("roles.json", &roles(&[("/hub", &[HUB])]));
    let served = serve(&setup, &["--config", &file]);
    setup.world.aws.inject(FaultRule::delayed(Duration::from_secs(2))).unwrap();
    setup.write("roles.json", &roles(&[("/hub", &[HUB]), ("/orders", &[HUB, ORDERS])]));
    served.signal("HUP");
    served.wait_for_error("note: serving 2 roles");
    let (address, request) = (served.address(), served.request("/orders"));
    let client = std::thread::spawn(move || Response::parse(&send(address, request.as_bytes())));
    wait_until(
        || "the connection of the client".to_owned(),
        || served.metric("rolecall_connections") == 2,
    );
    let (status, _) = served.stop("TERM");
    assert!(status.success());
    let answer = client.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains(ORDERS), "{answer:?}");
}

/// A client asks once for the lifetime of a session, and must then not wait for STS.
#[tokio::test(flavor = "multi_thread")]
async fn unused_session_is_refreshed() {
    let setup = Setup::start().await;
    let lifetime = Duration::from_secs(4);
    let aws = ShortSessions::start(setup.world.aws.endpoint_url(), lifetime).await;
    let mut variables = setup.user();
    variables.push(("AWS_ENDPOINT_URL_STS".to_owned(), aws.url().to_owned()));
    let mut command = setup.command(&variables);
    command.args(["serve", HUB]);
    let served = Served::start(command);
    let calls = || setup.world.aws.count("AssumeRole");
    wait_until(|| format!("{} calls", calls()), || calls() >= 3);
    drop(served);
}

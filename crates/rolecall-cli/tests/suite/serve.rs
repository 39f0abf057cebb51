//! `rolecall serve`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use rolecall_testkit::FaultRule;
use rolecall_tests::{CHECKOUT, CLOSED, HUB, ORDERS, SHOP};
use serde_json::{Value, json};

use crate::command::{Setup, finish};
use crate::endpoint::{Response, Served, send, wait_until};
use crate::short_sessions::ShortSessions;

pub(crate) fn serve(setup: &Setup, arguments: &[&str]) -> Served {
    let mut command = setup.command(&setup.user());
    command.arg("serve").args(arguments);
    Served::start(command)
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
async fn files_are_private_and_removed_on_stop() {
    for signal in ["TERM", "INT", "HUP"] {
        let setup = Setup::start().await;
        let served = serve(&setup, &[HUB]);
        let folder = served.token_file().parent().unwrap().to_owned();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.clone()), 0o700);
        let mut names = Vec::new();
        for file in fs::read_dir(&folder).unwrap().map(|file| file.unwrap()) {
            assert_eq!(mode(file.path()), 0o600, "{file:?}");
            names.push((file.file_name().into_string().unwrap(), file.metadata().unwrap().len()));
        }
        names.sort();
        let expected =
            [("rolecall-config", 0), ("rolecall-credentials", 0), ("rolecall-token", 64)];
        assert_eq!(names, expected.map(|(name, length)| (name.to_owned(), length)));
        let (status, errors) = served.stop(signal);
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""), "{signal}");
        assert!(!folder.exists(), "{signal}");
    }
}

/// The files of endpoints that tests kill must not stay in the machine's temporary folder.
#[tokio::test(flavor = "multi_thread")]
async fn killed_endpoint_leaves_files_in_its_tmpdir_only() {
    let setup = Setup::start().await;
    let served = serve(&setup, &[HUB]);
    let file = served.token_file();
    assert!(file.starts_with(setup.home.path()), "{}", file.display());
    drop(served);
    assert!(file.exists());
    drop(setup);
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_hangup_does_not_stop() {
    let setup = Setup::start().await;
    let rolecall = setup.command(&setup.user());
    let mut command = Command::new("sh");
    command.env_clear();
    command.envs(rolecall.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // As `nohup` does.
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(rolecall.get_program());
    command.args(["serve", HUB]);
    let served = Served::start(command);
    served.signal("HUP");
    for _ in 0..5 {
        served.session("/role");
    }
    let (status, _) = served.stop("TERM");
    assert_eq!(status.code(), Some(0));
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

#[tokio::test(flavor = "multi_thread")]
async fn directory_keeps_files_of_other_programs() {
    let setup = Setup::start().await;
    let folder = setup.home.path().join(".aws");
    let names = ["config", "credentials", "token"];
    for name in names {
        setup.write(&format!(".aws/{name}"), "# of the user\n");
    }
    let arguments = ["serve", HUB, "--directory", folder.to_str().unwrap()];
    let is_kept = || {
        names.iter().all(|name| fs::read(folder.join(name)).unwrap() == b"# of the user\n")
            && fs::read_dir(&folder).unwrap().count() == names.len()
    };
    let served = serve(&setup, &arguments[1..]);
    assert_eq!(served.session("/role")["RoleArn"], HUB);
    let (status, _) = served.stop("TERM");
    assert!(status.success() && is_kept());

    let path = setup.write(".aws/rolecall-token", "of the user");
    let error = setup.run(&setup.user(), &arguments).await.failed(1);
    assert!(error.contains("/.aws/rolecall-token is not a file of an endpoint"), "{error}");
    assert!(error.contains("hint: move it away, or use another --directory"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "of the user");
    fs::remove_file(&path).unwrap();
    assert!(is_kept());
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_has_one_endpoint_at_a_time() {
    let setup = Setup::start().await;
    let folder = setup.home.path().join("endpoint");
    let arguments = ["serve", HUB, "--directory", folder.to_str().unwrap()];
    let first = serve(&setup, &arguments[1..]);
    let token = first.token();
    let error = setup.run(&setup.user(), &arguments).await.failed(1);
    assert!(error.contains("another endpoint has its files there"), "{error}");
    assert_eq!(first.token(), token);
    assert_eq!(first.session("/role")["RoleArn"], HUB);

    // What a killed endpoint leaves is no obstacle.
    first.stop("KILL");
    assert_eq!(fs::read_to_string(folder.join("rolecall-token")).unwrap(), token);
    let second = serve(&setup, &arguments[1..]);
    assert_ne!(second.token(), token);
    assert_eq!(second.session("/role")["RoleArn"], HUB);
    let (status, _) = second.stop("TERM");
    assert!(status.success());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

/// The endpoint runs on, so that its output must arrive before its end.
#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_format_are_evaluated_by_a_shell() {
    let setup = Setup::start().await;
    let home = setup.home.path();
    let mut shell = setup.command(&setup.user());
    let program = shell.get_program().to_owned();
    shell = {
        let mut other = Command::new("/bin/sh");
        other.env_clear().envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
        other
    };
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

fn roles(entries: &[(&str, &[&str])]) -> String {
    let list = entries.iter().map(|(path, roles)| json!({ "path": path, "roles": roles }));
    json!({ "roles": list.collect::<Vec<_>>() }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_replaces_roles_and_keeps_sessions() {
    let setup = Setup::start().await;
    let file = setup.write("roles.json", &roles(&[("/hub", &[HUB]), ("/closed", &[HUB, CLOSED])]));
    let served = serve(&setup, &["--config", &file]);
    served.wait_for_error("warning: /closed: hop 2");
    let hub = served.session("/hub");
    assert_eq!(served.get("/orders").0, 404);

    // The role /hub is the same as before, and keeps its session.
    setup.write("roles.json", &roles(&[("/hub", &[HUB]), ("/orders", &[HUB, ORDERS])]));
    served.signal("HUP");
    served.wait_for_error("note: serving 2 roles");
    assert_eq!(served.session("/hub"), hub);
    assert_eq!(served.session("/orders")["RoleArn"], ORDERS);
    assert_eq!(served.get("/closed").0, 404);
    // Those of the base credentials and of the first role are not counted.
    let labels = format!("{{path=\"/orders\",role=\"{ORDERS}\",result=\"success\"}}");
    assert_eq!(served.metric(&format!("rolecall_session_fetches_total{labels}")), 1);

    setup.write("roles.json", "{");
    served.signal("HUP");
    served.wait_for_error("warning: keeping the roles of before: ");
    assert_eq!(served.session("/hub"), hub);
    let (status, _) = served.stop("TERM");
    assert!(status.success());
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

/// What decides is what is in a policy, and not its name.
#[tokio::test(flavor = "multi_thread")]
async fn reload_applies_changed_policy() {
    let setup = Setup::start().await;
    let allow = |action: &str| {
        let statement = json!({ "Effect": "Allow", "Action": action, "Resource": "*" });
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    };
    let policy = setup.write("policy.json", &allow("s3:*"));
    let entries = json!({ "roles": [
        { "path": "/hub", "roles": [HUB] },
        { "path": "/orders", "roles": [HUB, ORDERS], "policy": policy },
    ] });
    let file = setup.write("roles.json", &entries.to_string());
    let served = serve(&setup, &["--config", &file]);
    let sessions = || ["/hub", "/orders"].map(|path| served.session(path));
    let reload = |note: &str, count: usize| {
        served.signal("HUP");
        wait_until(|| served.errors(), || served.errors().matches(note).count() == count);
    };
    let before = sessions();
    // A file that was only written again says the same.
    setup.write("policy.json", &allow("s3:*"));
    reload("note: serving 2 roles of ", 1);
    assert_eq!(sessions(), before);

    setup.write("policy.json", &allow("s3:GetObject"));
    reload("note: serving 2 roles of ", 2);
    let after = sessions();
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1]["AccessKeyId"], before[1]["AccessKeyId"]);

    // Neither a pipe nor an invalid policy replaces it.
    fs::remove_file(&policy).unwrap();
    make_pipe(&policy);
    reload("keeping the roles of before: /orders: cannot read ", 1);
    assert!(served.errors().contains("policy.json: it is not a regular file"), "{served:?}");
    fs::remove_file(&policy).unwrap();
    setup.write("policy.json", "{");
    reload("keeping the roles of before: /orders: ", 2);
    assert_eq!(sessions(), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_applies_changed_profile() {
    let setup = Setup::start().await;
    let keys = setup.world.aws.user_credentials(SHOP, "ann").unwrap();
    let write = |secret: &str| {
        let id = keys.access_key_id();
        let text = format!("[ops]\naws_access_key_id={id}\naws_secret_access_key={secret}\n");
        setup.write(".aws/credentials", &text);
    };
    write(keys.secret_access_key());
    let entry = json!({ "path": "/hub", "roles": [HUB], "base": "profile:ops" });
    let file = setup.write("roles.json", &json!({ "roles": [entry] }).to_string());
    let mut command = setup.command(&setup.with_endpoint(&[]));
    command.args(["serve", "--config", &file]);
    let served = Served::start(command);
    let hub = served.session("/hub");
    served.signal("HUP");
    served.wait_for_error("note: serving 1 role of ");
    assert_eq!(served.session("/hub"), hub);

    write("not-the-secret");
    served.signal("HUP");
    served.wait_for_error("warning: /hub: ");
    assert_eq!(served.get("/hub").0, 503);
}

/// A pipe that no process writes to, in place of the file, must not delay clients.
#[tokio::test(flavor = "multi_thread")]
async fn reload_of_a_pipe_keeps_answering() {
    let setup = Setup::start().await;
    let file = setup.write("roles.json", &roles(&[("/hub", &[HUB])]));
    let served = serve(&setup, &["--config", &file]);
    let hub = served.session("/hub");
    fs::remove_file(&file).unwrap();
    make_pipe(&file);
    served.signal("HUP");
    served.wait_for_error("warning: keeping the roles of before: cannot read ");
    assert!(served.errors().contains("roles.json: it is not a regular file"), "{:?}", served);
    assert_eq!(served.session("/hub"), hub);
    assert_eq!(served.get("/healthz").0, 200);

    // It is read again after it was corrected.
    fs::remove_file(&file).unwrap();
    setup.write("roles.json", &roles(&[("/new", &[HUB])]));
    served.signal("HUP");
    served.wait_for_error("note: serving 1 role of ");
    assert_eq!(served.session("/new")["RoleArn"], HUB);
    let (status, _) = served.stop("TERM");
    assert!(status.success());
}

fn make_pipe(path: &str) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn role_that_fails_after_reload_is_a_warning() {
    let setup = Setup::start().await;
    let file = setup.write("roles.json", &roles(&[("/hub", &[HUB])]));
    let served = serve(&setup, &["--config", &file]);
    assert_eq!(served.errors(), "");
    let many: &[(&str, &[&str])] =
        &[("/closed", &[HUB, CLOSED]), ("/hub", &[HUB]), ("/orders", &[HUB, ORDERS])];
    setup.write("roles.json", &roles(many));
    served.signal("HUP");
    served.wait_for_error("note: serving 3 roles of ");
    served.wait_for_error("warning: /closed: hop 2");
    assert!(served.errors().contains("AccessDenied"), "{}", served.errors());
}

/// A token is exchanged once for all roles on it, those of a reloaded file included.
#[tokio::test(flavor = "multi_thread")]
async fn roles_with_the_same_base_share_its_session() {
    let setup = Setup::start().await;
    let variables = setup.pod();
    let token = setup.home.path().join("token");
    let entry = |path: &str, roles: &[&str], more: Value| {
        let mut entry = json!({ "path": path, "roles": roles });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let of_environment = json!({ "base": "web-identity" });
    let of_file = json!({ "token_file": token });
    let mut entries = vec![
        entry("/hub", &[HUB], of_environment.clone()),
        entry("/hub-blue", &[HUB], json!({ "base": "web-identity", "tags": { "team": "blue" } })),
        // The base of these is the first role.
        entry("/checkout", &[CHECKOUT], of_file.clone()),
        entry("/orders", &[CHECKOUT, HUB, ORDERS], of_file.clone()),
    ];
    let write = |entries: &[Value]| {
        setup.write("roles.json", &json!({ "roles": entries }).to_string());
    };
    write(&entries);
    let file = setup.home.path().join("roles.json").to_str().unwrap().to_owned();
    let mut command = setup.command(&variables);
    command.args(["serve", "--config", &file]);
    let served = Served::start(command);
    let sessions = ["/hub", "/hub-blue", "/checkout", "/orders"].map(|path| served.session(path));
    let calls = || setup.world.aws.count("AssumeRoleWithWebIdentity");
    assert_eq!((calls(), setup.world.aws.count("AssumeRole")), (2, 4));
    assert_ne!(sessions[0]["AccessKeyId"], sessions[1]["AccessKeyId"]);
    for (path, role) in
        [("/hub", HUB), ("/hub-blue", HUB), ("/checkout", CHECKOUT), ("/orders", ORDERS)]
    {
        let labels = format!("{{path=\"{path}\",role=\"{role}\",result=\"success\"}}");
        assert_eq!(served.metric(&format!("rolecall_session_fetches_total{labels}")), 1, "{path}");
    }

    // Another session name, or other parameters of the base itself, make another base.
    let index = entries.len() - 1;
    entries[index] = entry("/orders", &[CHECKOUT, HUB], of_file);
    entries.push(entry("/new", &[HUB], of_environment));
    entries.push(entry(
        "/named",
        &[HUB],
        json!({ "base": "web-identity", "session_name": "blue" }),
    ));
    let short = json!({ "token_file": token, "duration": "15m" });
    entries.push(entry("/short", &[CHECKOUT], short));
    write(&entries);
    served.signal("HUP");
    served.wait_for_error("note: serving 7 roles");
    for path in ["/orders", "/new"] {
        served.session(path);
    }
    assert_eq!(served.session("/hub"), sessions[0]);
    let both = [served.session("/named"), served.session("/short")];
    assert_eq!(both[1]["RoleArn"], CHECKOUT);
    assert_eq!(calls(), 4);
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

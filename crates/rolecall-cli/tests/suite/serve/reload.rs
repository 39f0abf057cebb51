//! `rolecall serve --config`: the roles of its file, and a file that is read again.

use std::fs;

use rolecall_tests::{CHECKOUT, CLOSED, HUB, ORDERS, SHOP};
use serde_json::{Value, json};

use super::{make_pipe, roles, serve};
use crate::command::{IGNORE_HUP, Setup, after};
use crate::endpoint::{Served, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn ignored_hangup_does_not_stop() {
    let setup = Setup::start().await;
    let mut command = after(IGNORE_HUP, &setup.command(&setup.user()));
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

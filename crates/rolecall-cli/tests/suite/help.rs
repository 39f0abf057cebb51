//! What the command prints without a result, and on special outputs.

use serde_json::json;

use crate::command::{finish_without_reader, run_alone};
use crate::folder::Folder;
use crate::token::{ISSUER, token, trust};

#[tokio::test]
async fn version_is_that_of_the_package() {
    let text = run_alone(&["--version"]).await.ok();
    assert_eq!(text, format!("rolecall {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn unknown_arguments_exit_with_2() {
    assert_eq!(run_alone(&["whomai"]).await.code, Some(2));
    assert_eq!(run_alone(&[]).await.code, Some(2));
    let error = run_alone(&["whomai"]).await.failed(2);
    assert!(error.contains("whoami"), "{error}");
}

/// A closed pipe is no error: `head` closes it, too.
#[test]
fn closed_output_is_no_error() {
    let arn = "arn:aws:iam::111122223333:role/hub";
    let folder = Folder::new();
    let run = finish_without_reader(folder.command(&["assume", arn, "--format", "unset"]));
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
}

/// `policy check ... | head` in a shell with pipefail must not pass.
#[test]
fn closed_output_does_not_change_the_verdict() {
    let any = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    let statement =
        r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}"#;
    let good = format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#);
    let claims = json!({"iss": format!("https://{ISSUER}"), "sub": "a", "aud": "b"});
    let user = json!({
        "Arn": "arn:aws:iam::111122223333:user/ann", "UserName": "ann",
        "UserId": "AIDAANNEXAMPLE", "Path": "/",
    });
    let account = json!({
        "UserDetailList": [user], "GroupDetailList": [], "RoleDetailList": [], "Policies": [],
    });
    let folder = Folder::new()
        .with("bad.json", any)
        .with("good.json", &good)
        .with("token", &token(&claims))
        .with("trust.json", &trust("111122223333"))
        .with("account.json", &account.to_string());
    let ann = "arn:aws:iam::111122223333:user/ann";
    let object = "arn:aws:s3:::shop/1";
    for (arguments, code) in [
        (&["policy", "check", "good.json"][..], 0),
        (&["policy", "check", "good.json", "bad.json"], 1),
        (&["policy", "check", "bad.json", "--output", "json"], 1),
        (&["policy", "can", ann, "s3:GetObject", object, "--account", "account.json"], 1),
        (&["policy", "can", ann, "--account", "account.json"], 0),
        (&["token", "inspect", "token"], 0),
        (&["token", "inspect", "token", "--trust", "trust.json"], 1),
        // No identity is configured.
        (&["doctor"], 1),
        (&["doctor", "--output", "json"], 1),
    ] {
        let run = finish_without_reader(folder.command(arguments));
        assert_eq!((run.code, run.err.as_str()), (Some(code), ""), "{arguments:?}");
    }
}

//! What the command prints without a result, and on special outputs.

use std::process::{Command, Stdio};

use crate::command::run_alone;

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
    let mut command = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.args(["assume", arn, "--format", "unset"]).stdout(writer).stderr(Stdio::piped());
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

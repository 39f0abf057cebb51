//! What botocore answers.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs a Python script that reads JSON and prints JSON.
pub(crate) fn answer(script: &str, input: &Value) -> Value {
    let python = std::env::var_os("ROLECALL_PYTHON").expect("run `cargo xtask test`");
    let mut command = rolecall_tests::clean(Command::new(python));
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

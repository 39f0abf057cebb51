//! The shared Python driver of the suites: a program that hangs is killed at its time limit, and
//! the driver serves the next one.

use std::time::Duration;

use rolecall_tests::python::{Python, PythonError};
use serde_json::json;

#[tokio::test]
async fn hanging_program_times_out_alone() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    // Accepts connections and never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let variables = [
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ];
    let call = json!({ "service": "sts", "operation": "get_caller_identity", "parameters": {} });
    let python = Python::new().unwrap().timeout(Duration::from_secs(2));
    let error = python.boto3(&variables, &call).await.unwrap_err();
    assert!(matches!(error, PythonError::TimedOut(_)), "{error}");

    let python = Python::new().unwrap();
    let output = python.boto3(&[("AWS_DEFAULT_REGION", "eu-west-1")], &call).await.unwrap();
    assert!(output.stderr.contains("Unable to locate credentials"), "{output:?}");
}

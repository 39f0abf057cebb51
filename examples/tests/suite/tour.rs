//! The output and the exit code of the tour.

use std::process::{Command, Output};

use serde_json::Value;

fn run_tour(arguments: &[&str], log: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tour"));
    // The tour needs no configuration. That of this machine must not influence it.
    command.env_clear().env("RUST_LOG", log).env("RUST_BACKTRACE", "1");
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn table_lists_steps_and_exits_with_0() {
    let output = run_tour(&[], "");
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    for part in ["step", "name", "result", "time", "steps had the expected result.", "AssumeRole"] {
        assert!(out.contains(part), "{part:?} is not in {out}");
    }
    assert!(!out.contains("FAILED"), "{out}");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn json_has_a_line_per_step_and_a_summary() {
    let output = run_tour(&["--json"], "");
    assert_eq!(output.status.code(), Some(0));
    let out = text(&output.stdout);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, steps) = lines.split_last().unwrap();
    for step in steps {
        let keys: Vec<&String> = step.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 6, "{step}");
        assert!(
            step["step"].is_string() && step["expected"].is_string() && step["got"].is_string()
        );
        assert_eq!((&step["ok"], &step["skipped"]), (&true.into(), &false.into()), "{step}");
        assert!(step["ms"].is_number(), "{step}");
    }
    let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    for denied in [
        "a wrong external id",
        "no external id",
        "an account that does not trust the caller",
        "a token of another service account",
        "a token for an audience that the role does not trust",
        "an expired token",
        "a token signed by another key",
        "S3: put an object outside the prefix",
        "S3: list another prefix",
        "S3: list with the session of the hop before",
        "Secrets Manager: a secret outside the prefixes",
        "ECR: a repository outside",
    ] {
        let name = format!("denied: {denied}");
        assert!(names.contains(&name.as_str()), "{name:?} is not in {names:?}");
    }
    assert_eq!((&summary["summary"], &summary["failed"]), (&true.into(), &0.into()));
    assert_eq!(summary["steps"], steps.len());
    assert!(summary["calls"]["AssumeRole"].as_u64().unwrap() > 0);
}

#[test]
fn unknown_flag_prints_one_error_and_exits_with_2() {
    let output = run_tour(&["--frobnicate"], "");
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.starts_with("error: unexpected argument '--frobnicate' found"), "{error}");
    assert!(!error.contains("backtrace") && output.stdout.is_empty(), "{error}");
}

#[test]
fn trace_log_contains_no_secrets() {
    let output = run_tour(&[], "trace");
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout) + &text(&output.stderr);
    assert!(shown.contains("TRACE"), "TRACE events are logged");
    // Header and payload of a JWT, the prefix of all session tokens of the local STS, the prefix of
    // all registry logins ("AWS:" in base64), and the value of a secret.
    for secret in ["eyJhbGciOi", "eyJ0eXAiOi", "FwoGZXIvYXdz", "QVdTO", "swordfish"] {
        assert!(!shown.contains(secret), "{secret} was shown");
    }
}

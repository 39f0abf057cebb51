//! The program `terraform`, which works without a network as long as no provider is involved.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

/// The variable with the path of the program.
const VARIABLE: &str = "ROLECALL_TERRAFORM";
const MISSING: &str = "terraform is not on PATH, nor is ROLECALL_TERRAFORM its path; hint: install \
                       it (https://developer.hashicorp.com/terraform/install), set \
                       ROLECALL_TERRAFORM, or leave out the tests that need it: cargo xtask test \
                       --without terraform";

/// Returns `true` if the current test is left out, and must return.
pub(super) fn is_left_out() -> bool {
    crate::left_out::is_left_out("terraform")
}

/// Returns the path of the program: `variable` if it is set, or else the first on `path`.
fn find(variable: Option<&OsStr>, path: &OsStr) -> Result<PathBuf, &'static str> {
    let mut candidates: Vec<PathBuf> = match variable {
        Some(program) => vec![program.into()],
        None => std::env::split_paths(path).map(|folder| folder.join("terraform")).collect(),
    };
    candidates.retain(|candidate| candidate.is_file());
    let program = candidates.first().ok_or(MISSING)?;
    // It runs in another folder.
    std::path::absolute(program).map_err(|_| MISSING)
}

/// The program, and an empty folder for it.
#[derive(Debug)]
pub(super) struct Terraform {
    program: PathBuf,
    folder: TempDir,
}

impl Terraform {
    pub(super) fn new() -> Result<Self, &'static str> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = find(std::env::var_os(VARIABLE).as_deref(), &path)?;
        Ok(Self { program, folder: TempDir::new().unwrap() })
    }

    /// Returns how `terraform fmt` would change these files: nothing, if they are formatted.
    pub(super) fn format_differences(&self, files: &[String]) -> String {
        let folder = self.folder.path().join("fmt");
        std::fs::create_dir(&folder).unwrap();
        for (index, file) in files.iter().enumerate() {
            std::fs::write(folder.join(format!("{index}.tf")), file).unwrap();
        }
        let output = self.run(&["fmt", "-check", "-diff", "-no-color", "fmt"], "");
        let stdout = String::from_utf8(output.stdout).unwrap();
        // A syntax error is on standard error.
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), stdout.is_empty() && stderr.is_empty());
        stdout + &stderr
    }

    /// Returns the values of these expressions, which must not refer to resources.
    pub(super) fn evaluate(&self, expressions: &[&str]) -> Vec<Value> {
        let list: String = expressions.iter().map(|text| format!("{text},\n")).collect();
        let file = format!("locals {{\n  all = [\n{list}]\n}}\n");
        std::fs::write(self.folder.path().join("main.tf"), file).unwrap();
        // The console escapes a string in a way of its own: base64 has nothing to escape.
        let output = self.run(&["console"], "base64encode(jsonencode(local.all))\n");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let json = STANDARD.decode(stdout.trim().trim_matches('"'));
        let json = json.unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
        serde_json::from_slice(&json).unwrap()
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        // Without the user's settings, and without the request for the
        // newest version.
        let mut command = Command::new(&self.program);
        command.env_clear().env("HOME", self.folder.path()).env("CHECKPOINT_DISABLE", "1");
        command.current_dir(self.folder.path()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

#[test]
fn missing_program_is_reported_with_a_hint() {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("terraform");
    for variable in [None, Some(program.as_os_str())] {
        let error = find(variable, folder.path().as_os_str()).unwrap_err();
        assert!(error.starts_with("terraform is not on PATH"), "{error}");
        assert!(error.ends_with("cargo xtask test --without terraform"), "{error}");
    }
    std::fs::write(&program, "").unwrap();
    assert_eq!(find(Some(program.as_os_str()), OsStr::new("")), Ok(program.clone()));
    assert_eq!(find(None, folder.path().as_os_str()), Ok(program));
}

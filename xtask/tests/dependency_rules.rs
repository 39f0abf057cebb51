//! The rules of ARCHITECTURE.md about which crate may depend on which.

use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The other crates of the workspace that each published crate may depend on, without the prefix
/// `rolecall-`. Any may have dev-dependencies on the testkit and others.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("core", &[]),
    ("policy", &[]),
    ("sts", &["core"]),
    ("assume-role", &["core", "sts"]),
    ("web-identity", &["core", "sts"]),
    // The cache refreshes any provider: it does not know STS.
    ("cache", &["core"]),
    ("testkit", &["core", "policy"]),
    ("rolecall", &["assume-role", "cache", "core", "policy", "sts", "web-identity"]),
    // The testkit is the local AWS of `rolecall sandbox`.
    ("cli", &["rolecall", "testkit"]),
];

/// These are not published and may use any crate.
const UNRESTRICTED: [&str; 3] = ["rolecall-examples", "rolecall-tests", "xtask"];

/// What the tree of rolecall-policy may not contain, besides the crates of the AWS SDK.
const FORBIDDEN_IN_POLICY: [&str; 5] = ["async-trait", "futures-core", "http", "hyper", "tokio"];

#[test]
fn workspace_crates_depend_as_allowed() {
    let mut command = MetadataCommand::new();
    let metadata = command.no_deps().other_options(["--locked".to_owned()]).exec().unwrap();
    let is_member = |name: &str| metadata.packages.iter().any(|package| package.name == name);
    for package in &metadata.packages {
        if UNRESTRICTED.contains(&package.name.as_str()) {
            continue;
        }
        let name = package.name.trim_start_matches("rolecall-");
        let rule = ALLOWED.iter().find(|(allowed, _)| *allowed == name);
        let (_, allowed) = rule.unwrap_or_else(|| panic!("{name} has no rule in this test"));
        for dependency in &package.dependencies {
            let is_allowed = dependency.kind == DependencyKind::Development
                || !is_member(&dependency.name)
                || allowed.contains(&dependency.name.trim_start_matches("rolecall-"));
            assert!(is_allowed, "{name} must not depend on {}", dependency.name);
        }
    }
}

#[test]
fn policy_tree_has_no_sdk_and_no_async_runtime() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--package", "rolecall-policy", "--all-features"]);
    tree.args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let output = String::from_utf8(tree.output().unwrap().stdout).unwrap();
    let names: Vec<&str> = output.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"serde_json"), "unexpected output of cargo tree: {output}");
    for name in names {
        let is_forbidden = name.starts_with("aws-") || FORBIDDEN_IN_POLICY.contains(&name);
        assert!(!is_forbidden, "rolecall-policy must not depend on {name}:\n{output}");
    }
}

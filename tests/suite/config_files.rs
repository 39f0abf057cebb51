//! The paths of the shared configuration files, compared with those of botocore.

use rolecall::Environment;
use rolecall::config_files::config_files;
use rolecall_tests::python::is_left_out;

use crate::botocore::answer;

/// Reads a list of environments, and prints the profiles that botocore finds in each.
const BOTOCORE: &str = r#"
import json, os, sys, botocore.session
found = []
for variables in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(variables)
    found.append(sorted(botocore.session.Session().full_config["profiles"]))
print(json.dumps(found))
"#;

type Variables = Vec<(&'static str, String)>;

/// Returns the profiles that rolecall finds. Each file has one, on its first line.
fn profiles(variables: &Variables) -> Vec<String> {
    let environment = Environment::fixed(variables.iter().map(|(name, value)| (*name, value)));
    let files = config_files(&environment).unwrap();
    let mut found = Vec::new();
    for contents in files.iter().filter_map(|file| file.read(&environment).ok()) {
        let text = String::from_utf8(contents).unwrap();
        let section = text.lines().next().unwrap().trim_matches(['[', ']']);
        found.push(section.trim_start_matches("profile ").to_owned());
    }
    found.sort();
    found
}

#[test]
fn config_files_are_those_of_botocore() {
    if is_left_out() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    for (path, section) in [
        ("home/.aws/config", "profile config"),
        ("home/.aws/credentials", "credentials"),
        ("home/named", "profile home-named"),
        ("named", "profile named"),
        ("secret", "secret"),
        ("~", "profile tilde"),
    ] {
        std::fs::write(folder.path().join(path), format!("[{section}]\nregion = x\n")).unwrap();
    }
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let set = |all: &[(&'static str, &str)]| {
        let mut variables: Variables = vec![("HOME", path("home"))];
        variables.extend(all.iter().map(|(name, value)| (*name, (*value).to_owned())));
        variables
    };
    let (config, credentials) = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE");
    let cases: &[(Variables, &[&str])] = &[
        (set(&[]), &["config", "credentials"]),
        (set(&[(config, &path("named"))]), &["credentials", "named"]),
        (set(&[(credentials, &path("secret"))]), &["config", "secret"]),
        (set(&[(config, &path("named")), (credentials, &path("secret"))]), &["named", "secret"]),
        (set(&[(config, "~/named")]), &["credentials", "home-named"]),
        (set(&[(config, "~/../named")]), &["credentials", "named"]),
        (set(&[(config, "~//named"), (credentials, "~/../secret")]), &["home-named", "secret"]),
        // Neither a home folder nor another user's.
        (set(&[(config, "~no-such-user/named")]), &["credentials"]),
        (set(&[(config, &format!("{}/named", path("~")))]), &["credentials"]),
        (set(&[(config, &path("~"))]), &["credentials", "tilde"]),
        (set(&[(config, &path("absent")), (credentials, "/dev/null")]), &[]),
    ];
    let environments: Vec<serde_json::Map<_, _>> = cases
        .iter()
        .map(|(variables, _)| {
            let pairs = variables.iter();
            pairs.map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect()
        })
        .collect();

    let botocore = answer(BOTOCORE, &serde_json::json!(environments));
    let botocore: Vec<Vec<String>> = serde_json::from_value(botocore).unwrap();
    for ((variables, expected), botocore) in cases.iter().zip(botocore) {
        assert_eq!(botocore, *expected, "botocore, {variables:?}");
        assert_eq!(profiles(variables), *expected, "rolecall, {variables:?}");
    }
}

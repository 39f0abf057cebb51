//! `rolecall scaffold`.

use std::process::Command;

use serde_json::json;

use crate::folder::Folder;

pub(crate) const ARGUMENTS: [&str; 11] = [
    "scaffold",
    "--project",
    "shop",
    "--account",
    "111122223333",
    "--region",
    "eu-west-1",
    "--bucket",
    "shop-data",
    "--issuer",
    "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E",
];
const FILES: [&str; 5] =
    ["main.tf", "versions.tf", "outputs.tf", "pod.env", "service-account.yaml"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&ARGUMENTS[..], more].concat()
}

#[tokio::test]
async fn folder_has_arrangement_and_settings() {
    let folder = Folder::new();
    let run = folder.run(&with(&["--external-id", "shop-4711"])).await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.err.starts_with("note: next: `terraform -chdir="), "{}", run.err);
    let files = FILES.map(|name| format!("== {name}\n{}", folder.read(&format!("shop/{name}"))));
    insta::assert_snapshot!("scaffold", format!("{}{}", run.out, files.concat()));
}

#[tokio::test]
async fn terraform_finds_nothing_to_format() {
    if rolecall_tests::is_left_out("terraform") {
        return;
    }
    let folder = Folder::new();
    let more = [
        "--trust-role",
        "arn:aws:iam::444455556666:role/deploy",
        "--trust-account",
        "444455556666",
        "--thumbprint",
        "990F4193972F2BECF12DDEDA5237F9C952F20D9E",
        "--quiet",
    ];
    folder.run(&with(&more)).await.ok();
    let program = std::env::var_os("ROLECALL_TERRAFORM").unwrap_or("terraform".into());
    let mut command = Command::new(program);
    command.args(["fmt", "-check", "-diff", "-no-color", "shop"]).current_dir(folder.path());
    command
        .env("CHECKPOINT_DISABLE", "1")
        .env("HOME", folder.path())
        .env_remove("TF_CLI_CONFIG_FILE");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("", Some(0)));
}

#[tokio::test]
async fn options_name_everything() {
    let folder = Folder::new();
    let more = [
        "--out",
        "infra/aws",
        "--namespace",
        "shop-prod",
        "--service-account",
        "checkout",
        "--role-name",
        "shop-data-access",
        "--service-account-role-name",
        "shop-pods",
        "--output",
        "json",
        "--quiet",
    ];
    let json = folder.run(&with(&more)).await.json();
    assert_eq!(json["service_account_role"], "arn:aws:iam::111122223333:role/shop-pods");
    assert_eq!(json["project_role"], "arn:aws:iam::111122223333:role/shop-data-access");
    assert_eq!(json["files"], json!(FILES.map(|name| format!("infra/aws/{name}"))));
    let main = folder.read("infra/aws/main.tf");
    assert!(main.contains("\"system:serviceaccount:shop-prod:checkout\""), "{main}");
    assert!(main.contains("  name = \"shop-data-access\"\n"), "{main}");
    let variables = folder.read("infra/aws/pod.env");
    assert!(variables.contains("\nAWS_ROLE_ARN=arn:aws:iam::111122223333:role/shop-pods\n"));
}

/// The help and the result name each prefix and action that main.tf grants.
#[tokio::test]
async fn granted_access_is_stated() {
    let folder = Folder::new();
    let json = folder.run(&with(&["--output", "json", "--quiet"])).await.json();
    let permissions = json["permissions"].as_array().unwrap();
    let mut stated: Vec<&str> = permissions
        .iter()
        .flat_map(|it| [&it["actions"], &it["resources"]])
        .flat_map(|list| list.as_array().unwrap())
        .map(|text| text.as_str().unwrap())
        .collect();
    let main = folder.read("shop/main.tf");
    // The permission to assume the role is that of the other role, and names it.
    let (_, granted) = main.split_once("resource \"aws_iam_policy\" \"bucket\"").unwrap();
    let (granted, _) = granted.split_once("resource \"aws_iam_policy\" \"assume_role\"").unwrap();
    let strings = granted.split('"').skip(1).step_by(2);
    let is_access = |text: &&str| {
        *text == "*"
            || text.starts_with("arn:")
            || text.starts_with(char::is_lowercase) && text.contains(':')
    };
    let mut granted: Vec<&str> = strings.filter(is_access).collect();
    stated.sort_unstable();
    granted.sort_unstable();
    assert_eq!(stated, granted);
    let table = folder.run(&with(&["--force", "--quiet"])).await.ok();
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = "Allowed ecr:BatchCheckLayerAvailability, ecr:InitiateLayerUpload, \
                ecr:UploadLayerPart, ecr:CompleteLayerUpload, ecr:PutImage, ecr:BatchGetImage on \
                arn:aws:ecr:eu-west-1:*:repository/shop/*, \
                arn:aws:ecr:eu-west-1:*:repository/common/*";
    assert!(table.contains(line), "{table}");
    let help = folder.run(&["scaffold", "--help"]).await.ok();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "read the secrets below NAME/ and common/",
        "push images to the repositories below NAME/ and common/",
    ] {
        assert!(help.contains(text), "{help}");
    }
}

#[tokio::test]
async fn external_ids_are_random() {
    let folder = Folder::new();
    let mut ids = Vec::new();
    for out in ["a", "b"] {
        folder.run(&with(&["--out", out, "--quiet"])).await.ok();
        let variables = folder.read(&format!("{out}/pod.env"));
        let id = variables.lines().find_map(|line| line.strip_prefix("PROJECT_EXTERNAL_ID="));
        let id = id.unwrap().to_owned();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert!(folder.read(&format!("{out}/main.tf")).contains(&format!("\"{id}\"")));
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn existing_files_are_kept_without_force() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    let folder = folder.with("shop/pod.env", "MINE=1\n");
    let error = folder.run(&with(&[])).await.failed(1);
    assert_eq!(
        error,
        "error: shop/pod.env would be replaced\nhint: choose another --out, or pass --force\n"
    );
    let names = std::fs::read_dir(folder.path().join("shop")).unwrap().count();
    assert_eq!((names, folder.read("shop/pod.env").as_str()), (1, "MINE=1\n"));
    folder.run(&with(&["--force", "--quiet"])).await.ok();
    assert!(folder.read("shop/pod.env").contains("AWS_ROLE_ARN="));
    assert_eq!(std::fs::read_dir(folder.path().join("shop")).unwrap().count(), FILES.len());
}

#[tokio::test]
async fn invalid_values_write_nothing() {
    for (more, message) in [
        (&["--account", "1111"][..], "cannot be used multiple times"),
        (&["--role-name", "a/b"], "error: role name: \"a/b\" is not the name of a role\nhint: "),
        (&["--role-name", "shop-service-account"], "both roles have the name"),
        (&["--external-id", "x"], "--external-id"),
        (&["--thumbprint", "x"], "error: thumbprint: "),
        (&["--trust-account", "4"], "error: account: "),
        (&["--partition", "aws-cn"], "error: partition: "),
        (&["--namespace", "Shop"], "error: namespace: "),
    ] {
        let folder = Folder::new();
        let error = folder.run(&with(more)).await.failed(2);
        assert!(error.contains(message), "{more:?}: {error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{more:?}");
    }
    let error = Folder::new().run(&["scaffold", "--project", "shop"]).await.failed(2);
    assert!(error.contains("--issuer <URL>"), "{error}");
    let http = ARGUMENTS.map(|argument| argument.replace("https://", "http://"));
    let http: Vec<&str> = http.iter().map(String::as_str).collect();
    let error = Folder::new().run(&http).await.failed(2);
    assert!(error.starts_with("error: issuer: "), "{error}");
    let folder = Folder::new().with("chain.pem", "");
    let error = folder.run(&with(&["--certificate-chain", "chain.pem"])).await.failed(1);
    assert!(error.starts_with("error: chain.pem: chain: there is no certificate\n"), "{error}");
    let folder = Folder::new().with("file", "");
    let error = folder.run(&with(&["--out", "file/x"])).await.failed(1);
    assert!(error.starts_with("error: cannot create the folder file/x: "), "{error}");
}

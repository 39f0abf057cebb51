//! `rolecall policy check`.

use serde_json::{Value, json};

use crate::command::run_alone;
use crate::folder::Folder;

const FAULTY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::shop/*"},
    {"Effect": "allow", "Action": "s3:GetObject", "Resource": "*"}
  ]
}
"#;
const BROKEN: &str = "{\"Version\": \"2012-10-17\",\n\t\"Statement\": {\"Effect\": \"Allow\" 1}}";
const SOUND: &str = r#"{"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}}"#;
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Principal": {"AWS": "444455556666"}, "Action": "sts:AssumeRole"}}"#;

fn folder() -> Folder {
    // Everything is on the first line, as programs print it.
    let one_line = serde_json::from_str::<Value>(FAULTY).unwrap().to_string();
    Folder::new()
        .with("faulty.json", FAULTY)
        .with("broken.json", BROKEN)
        .with("sound.json", SOUND)
        .with("trust.json", TRUST)
        .with("one line.json", &one_line)
}

#[tokio::test]
async fn findings_show_line_and_caret() {
    let all = ["policy", "check", "faulty.json", "broken.json", "sound.json"];
    let run = folder().run(&all).await;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    insta::assert_snapshot!("policy_check", run.out);
    let run = folder().run_narrow(&["policy", "check", "one line.json"]).await;
    assert_eq!(run.code, Some(1));
    insta::assert_snapshot!("policy_check_60", run.out);
    for line in run.out.lines() {
        assert!(line.chars().count() <= 60, "{line}");
    }
}

#[tokio::test]
async fn sound_policy_passes() {
    let text = folder().run(&["policy", "check", "sound.json"]).await.ok();
    assert_eq!(text, "no findings in 1 file\n");
    let text = folder().pipe(&["policy", "check", "-"], SOUND).await.ok();
    assert_eq!(text, "no findings in 1 file\n");
}

#[tokio::test]
async fn exit_code_follows_severity() {
    let account = ["policy", "check", "trust.json"];
    // A third party without an external id is a suggestion unless the own accounts are known.
    let text = folder().run(&account).await.ok();
    assert!(text.ends_with("1 suggestion in 1 file\n"), "{text}");
    let run = folder().run(&[&account[..], &["--own-account", "111122223333"]].concat()).await;
    assert_eq!(run.code, Some(1), "{}", run.out);
    assert!(run.out.ends_with("1 security warning in 1 file\n"), "{}", run.out);
    let unknown = ["policy", "check", "-", "--unknown-actions", "warning"];
    let input = SOUND.replace("s3:GetObject", "s3:GetObjekt");
    let text = folder().pipe(&unknown, &input).await.ok();
    assert!(text.ends_with("1 warning in 1 file\n"), "{text}");
}

#[tokio::test]
async fn findings_as_json_have_positions() {
    let arguments = ["policy", "check", "trust.json", "faulty.json", "--output", "json"];
    let run = folder().run(&arguments).await;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    let json: Value = serde_json::from_str(&run.out).unwrap();
    let [trust, faulty] = json["files"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!((&trust["file"], &trust["kind"]), (&json!("trust.json"), &json!("trust")));
    assert_eq!(faulty["kind"], "identity");
    let finding = &faulty["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["severity"]),
        (&json!("INVALID_ACTION"), &json!("ERROR"))
    );
    assert_eq!(finding["position"], json!({"line": 4, "column": 35}));
    assert_eq!(json["summary"]["errors"], 2);
    assert_eq!(json["summary"]["files"], 2);
}

/// The members that the schema of SARIF 2.1.0 requires, and those that code scanning reads.
#[tokio::test]
async fn sarif_has_required_members() {
    let arguments = ["policy", "check", "one line.json", "broken.json", "--output", "sarif"];
    let run = folder().run(&arguments).await;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    let log: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    let [run] = log["runs"].as_array().unwrap().as_slice() else { panic!("{log}") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "rolecall");
    assert_eq!(driver["version"], env!("CARGO_PKG_VERSION"));
    let rules = driver["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["INVALID_ACTION", "INVALID_EFFECT", "JSON_SYNTAX_ERROR"]);
    for rule in rules {
        assert!(!rule["shortDescription"]["text"].as_str().unwrap().is_empty());
        assert!(rule["helpUri"].as_str().unwrap().starts_with("https://"));
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], ids[index]);
        assert_eq!(result["level"], "error");
        assert!(result["message"]["text"].as_str().unwrap().contains("; hint: "));
        let [location] = result["locations"].as_array().unwrap().as_slice() else {
            panic!("{result}")
        };
        let place = &location["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].is_string());
        for member in ["startLine", "startColumn"] {
            assert!(place["region"][member].as_u64().unwrap() >= 1, "{place}");
        }
    }
    let place = |index: usize| &results[index]["locations"][0]["physicalLocation"];
    assert_eq!(place(0)["artifactLocation"]["uri"], "one%20line.json");
    assert_eq!(place(2)["region"], json!({"startLine": 2, "startColumn": 34}));
}

#[tokio::test]
async fn sarif_without_findings_is_complete() {
    let arguments = ["policy", "check", "sound.json", "--output", "sarif"];
    let log = folder().run(&arguments).await.json();
    assert_eq!(log["runs"][0]["results"], json!([]));
}

#[tokio::test]
async fn other_commands_refuse_sarif_by_name() {
    for arguments in [
        &["whoami"][..],
        &["assume", "arn:aws:iam::111122223333:role/hub", "--format", "unset"],
        &["token", "inspect", "x"],
        &["policy", "simulate"],
        &["policy", "ecr", "--login"],
    ] {
        let error = run_alone(&[arguments, &["--output", "sarif"]].concat()).await.failed(2);
        let expected = "error: this command has no output format \"sarif\"\nhint: use --output \
                        table or --output json\n";
        assert_eq!(error, expected, "{arguments:?}");
    }
}

#[tokio::test]
async fn unclear_kind_must_be_given() {
    let unclear = TRUST.replace("\"Action\"", "\"Resource\": \"*\", \"Action\"");
    let error = folder().pipe(&["policy", "check", "-"], &unclear).await.failed(2);
    assert_eq!(
        error,
        "error: the kind of the policy in standard input is not clear\n\
         hint: pass --kind trust or --kind resource\n"
    );
    let run = folder().pipe(&["policy", "check", "-", "--kind", "trust"], &unclear).await;
    assert!(run.out.contains("a trust policy cannot have a Resource"), "{}", run.out);
    let scp = ["policy", "check", "sound.json", "--kind", "scp"];
    assert_eq!(folder().run(&scp).await.code, Some(0));
}

#[tokio::test]
async fn unreadable_file_fails() {
    let error = folder().run(&["policy", "check", "sound.json", "absent.json"]).await.failed(1);
    assert!(error.starts_with("error: cannot read absent.json: "), "{error}");
    let error = folder().run(&["policy", "check"]).await.failed(2);
    assert!(error.contains("<FILE>..."), "{error}");
}

#[tokio::test]
async fn colors_follow_option_and_no_color() {
    let colored = |arguments: &[&str], no_color: bool| {
        let folder = folder();
        let mut command =
            folder.command(&[&["policy", "check", "faulty.json"], arguments].concat());
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let output = command.output().unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(!colored(&[], false), "standard output is no terminal");
    assert!(colored(&["--color", "always"], false));
    assert!(!colored(&["--color", "auto"], true));
}

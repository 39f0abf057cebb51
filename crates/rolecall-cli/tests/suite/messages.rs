//! Errors, hints and notes: their lines, and characters that a terminal would obey.

use regex::Regex;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::command::{Setup, finish};
use crate::folder::Folder;
use crate::token;

const PATH: &str = "/var/lib/a-folder-with-a-long-name/and-another-one/that-do-not-exist.json";

/// The words of a text do not depend on its width.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[tokio::test]
async fn errors_are_wrapped_for_a_person_alone() {
    let folder = Folder::new();
    let arguments = ["policy", "who-can", "s3:GetObject", "*", "--account", PATH];
    let plain = folder.run(&arguments).await.failed(1);
    assert_eq!(plain.lines().count(), 1, "{plain}");
    let wrapped = folder.run_narrow(&arguments).await.failed(1);
    let expected =
        format!("error: cannot read\n  {PATH}:\n  No such file or directory (os error 2)\n");
    assert_eq!(wrapped, expected);
}

#[tokio::test]
async fn errors_of_the_parser_are_wrapped() {
    let folder = Folder::new();
    let plain = folder.run(&["assume", "x"]).await.failed(2);
    let narrow = folder.run_narrow(&["assume", "x"]).await.failed(2);
    assert_eq!(words(&narrow), words(&plain));
    assert!(plain.lines().any(|line| line.chars().count() > 100), "{plain}");
    for line in narrow.lines() {
        let is_one_word = line.split_whitespace().count() == 1;
        assert!(line.chars().count() <= 60 || is_one_word, "{narrow}");
    }
    assert!(narrow.ends_with("\n\nFor more information, try '--help'.\n"), "{narrow}");
}

/// Every line fits, but for words, commands and options with their values.
#[tokio::test]
async fn hints_are_wrapped_and_commands_stay_whole() {
    let account = json!({"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [],
        "Policies": [], "IsTruncated": true});
    let folder = Folder::new().with("account.json", &account.to_string());
    let arguments = ["policy", "who-can", "s3:GetObject", "*", "--account", "account.json"];
    let plain = folder.run(&arguments).await.failed(1);
    let narrow = folder.run_narrow(&arguments).await.failed(1);
    assert_eq!(words(&narrow), words(&plain));
    assert!(narrow.lines().count() > plain.lines().count(), "{narrow}");
    assert!(narrow.contains("`aws iam get-account-authorization-details`"), "{narrow}");
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");

    let mut arguments = crate::scaffold::ARGUMENTS.to_vec();
    let long = "a-folder-with-a-long-name-that-does-not-fit-in-a-line";
    arguments.extend(["--out", long]);
    let note = folder.run_narrow(&arguments).await.err;
    let [first, second] = note.lines().collect::<Vec<_>>()[..] else { panic!("{note}") };
    assert_eq!(first, "note: next:");
    assert!(second.starts_with("  `terraform -chdir=/") && second.ends_with(" init`"), "{note}");
}

#[cfg(unix)]
#[test]
fn errors_fit_the_terminal() {
    use crate::terminal::{Streams, run_in_terminal};

    let arguments = ["policy", "who-can", "s3:GetObject", "*", "--account", PATH];
    let folder = Folder::new();
    let command = folder.command(&[&arguments[..], &["--color", "never"]].concat());
    let run = run_in_terminal(command, Streams::All, (50, 24));
    assert_eq!(run.out.lines().count(), 3, "{}", run.out);
    let colored = folder.command(&[&arguments[..], &["--color", "always"]].concat());
    let run = run_in_terminal(colored, Streams::All, (50, 24));
    assert_eq!(run.out.lines().count(), 3, "{}", run.out);
    assert!(run.out.starts_with("\x1b["), "{:?}", run.out);
    assert!(run.out.lines().skip(1).all(|line| !line.contains('\x1b')), "{:?}", run.out);
}

/// A right-to-left override, a C1 control, a zero-width space and an escape sequence.
const HOSTILE: &str = "a\u{202e}b\u{9b}31mc\u{200b}d\u{1b}[2Je";
const ESCAPED: &str = "a\\u{202e}b\\u{9b}31mc\\u{200b}d\\u{1b}[2Je";

#[track_caller]
fn assert_printable(text: &str) {
    let is_bad = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    };
    assert!(!text.contains(is_bad), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_characters_are_escaped() {
    let claims = json!({"iss": "https://idp.example.com", "sub": HOSTILE, "aud": HOSTILE});
    let folder = Folder::new().with("token", &token::token(&claims));
    let text = folder.run(&["token", "inspect", "token"]).await.ok();
    assert_printable(&text);
    assert!(text.contains(ESCAPED), "{text}");
    let text = folder.run(&["token", "inspect", "token", "--output", "json"]).await.ok();
    assert_printable(&text);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["claims"]["sub"], HOSTILE);

    // The names of a file, in a result, an error and the line of a finding.
    let policy = json!({"Statement": {"Effect": "Allow", "Action": HOSTILE, "Resource": HOSTILE}});
    let arn = format!("arn:aws:iam::111122223333:role/{HOSTILE}");
    let account = json!({"UserDetailList": [], "GroupDetailList": [], "Policies": [],
        "RoleDetailList": [{"RoleName": HOSTILE, "Arn": arn, "AttachedManagedPolicies": [{}]}]});
    let folder = Folder::new()
        .with("policy.json", &policy.to_string())
        .with("account.json", &account.to_string());
    let option = format!("--{HOSTILE}");
    let colors = Regex::new(r"\x1b\[[0-9;]*m").unwrap();
    for (arguments, code) in [
        (&["policy", "check", "policy.json"][..], 1),
        (&["policy", "who-can", "s3:GetObject", "*", "--account", "account.json"], 1),
        (&["policy", "who-can", "s3:GetObject", HOSTILE, "--account", "account.json"], 1),
        (&["policy", "who-can", "s3:GetObject", "*", "--account", HOSTILE], 1),
        (&["scaffold", "--out", HOSTILE], 2),
        (&[HOSTILE], 2),
        (&["assume", HOSTILE], 2),
        // The parser has a tip for what could be a value.
        (&["assume", &option], 2),
        (&["whoami", "--base", HOSTILE, "--color", "always"], 2),
    ] {
        let mut run = folder.run(arguments).await;
        assert_eq!(run.code, Some(code), "{arguments:?}: {}{}", run.out, run.err);
        // The colors of the parser.
        run.err = colors.replace_all(&run.err, "").into_owned();
        assert_printable(&run.out);
        assert_printable(&run.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_message_of_sts_is_escaped() {
    let setup = Setup::start().await;
    let server = MockServer::start().await;
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{}</Message>\
         </Error><RequestId>1</RequestId></ErrorResponse>",
        HOSTILE.replace('\u{1b}', "\u{2066}"),
    );
    let response = ResponseTemplate::new(403).set_body_raw(body, "text/xml");
    Mock::given(any()).respond_with(response).mount(&server).await;
    let mut variables = setup.user();
    variables.push(("AWS_ENDPOINT_URL".to_owned(), server.uri()));
    for arguments in [&["whoami"][..], &["whoami", "-vvv"]] {
        let mut command = setup.command(&variables);
        command.args(arguments);
        let run = finish(command, "").await;
        assert_eq!(run.code, Some(1), "{}", run.err);
        let text = run.out + &run.err;
        assert_printable(&text);
        // The library replaces control characters itself.
        assert!(text.contains("a\\u{202e}b 31mc\\u{200b}d\\u{2066}[2Je"), "{text}");
    }
}

//! `rolecall completions`, and the candidates that a shell requests.

use std::process::Command;

use crate::command::{Finished, finish, run_alone};

const DEPLOY: &str = "arn:aws:iam::111122223333:role/deploy";

/// The home folder of a person with profiles.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        let config =
            format!("[default]\n[profile staging]\nrole_arn = {DEPLOY}\n[profile stable]\n");
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        Self(home)
    }

    /// Asks for the candidates of the last word.
    async fn candidates(&self, words: &[&str]) -> Vec<String> {
        let mut command = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
        let index = (words.len() - 1).to_string();
        command.env("HOME", self.0.path()).env("ROLECALL_COMPLETE", "bash");
        command.env("_CLAP_COMPLETE_INDEX", index).arg("--").args(words);
        let out = finish(command, "").await.ok();
        out.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn commands_and_options_are_candidates() {
    let home = Home::new();
    assert_eq!(home.candidates(&["rolecall", "who"]).await, ["whoami"]);
    let commands = home.candidates(&["rolecall", ""]).await;
    assert!(commands.iter().any(|it| it == "sandbox"), "{commands:?}");
    assert!(!commands.iter().any(|it| it.contains("reference")), "{commands:?}");
    assert_eq!(home.candidates(&["rolecall", "assume", "--mfa-s"]).await, ["--mfa-serial"]);
    assert_eq!(home.candidates(&["rolecall", "completions", "f"]).await, ["fish"]);
}

#[tokio::test]
async fn profiles_and_their_roles_are_candidates() {
    let home = Home::new();
    let profiles = home.candidates(&["rolecall", "whoami", "--base", "profile:st"]).await;
    assert_eq!(profiles, ["profile:stable", "profile:staging"]);
    let bases = home.candidates(&["rolecall", "whoami", "--base", ""]).await;
    let kinds = ["auto", "env", "web-identity", "profile:default"];
    assert_eq!(bases.get(..4).unwrap(), kinds);
    assert_eq!(home.candidates(&["rolecall", "assume", "arn:aws:iam::1"]).await, [DEPLOY]);
    assert_eq!(home.candidates(&["rolecall", "doctor", "arn:"]).await, [DEPLOY]);
}

#[tokio::test]
async fn unreadable_files_yield_no_candidates_and_no_error() {
    let home = Home::new();
    std::fs::remove_file(home.0.path().join(".aws/config")).unwrap();
    std::fs::create_dir(home.0.path().join(".aws/config")).unwrap();
    let none: [&str; 0] = [];
    assert_eq!(home.candidates(&["rolecall", "assume", "arn:"]).await, none);
}

/// An unknown shell has no line to show a message in.
#[tokio::test]
async fn unknown_shell_receives_nothing() {
    let mut command = rolecall_tests::clean(Command::new(env!("CARGO_BIN_EXE_rolecall")));
    command.env("ROLECALL_COMPLETE", "tcsh").args(["--", "rolecall", ""]);
    let Finished { code, out, err } = finish(command, "").await;
    assert_eq!((code, out.as_str(), err.as_str()), (Some(1), "", ""));
}

#[tokio::test]
async fn each_shell_has_a_script() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run_alone(&["completions", shell]).await.ok();
        assert!(script.contains("ROLECALL_COMPLETE"), "{script}");
        assert!(script.contains(env!("CARGO_BIN_EXE_rolecall")), "{script}");
    }
    let error = run_alone(&["completions", "tcsh"]).await.failed(2);
    assert!(error.contains("tcsh"), "{error}");
    let error = run_alone(&["completions", "bash", "--output", "json"]).await.failed(2);
    assert!(error.contains("no output format"), "{error}");
}

/// bash splits words at colons, and replaces only what follows the last one.
#[tokio::test]
async fn bash_completes_words_with_colons() {
    let home = Home::new();
    let complete = r#"
        source <("$1" completions bash)
        line=$2
        # As readline splits it.
        IFS=$'\n' read -r -d '' -a COMP_WORDS < <(grep -oE '[:=]+|[^:= ]+' <<< "$line"; printf '\0')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _complete_rolecall
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    for (line, expected) in [
        ("rolecall who", "whoami\n"),
        ("rolecall whoami --base profile:sta", "stable\nstaging\n"),
        ("rolecall whoami --base=profile:stag", "staging\n"),
        ("rolecall whoami --base profile:", "default\nstable\nstaging\n"),
        ("rolecall assume --base profile:staging arn:aws:iam::11", "111122223333:role/deploy\n"),
    ] {
        let mut command = rolecall_tests::clean(Command::new("bash"));
        command.env("HOME", home.0.path()).args(["--norc", "-c", complete, "bash"]);
        command.args([env!("CARGO_BIN_EXE_rolecall"), line]);
        // Completion replaces the text after the last colon, so ARNs are completed in parts.
        assert_eq!(finish(command, "").await.ok(), expected, "{line}");
    }
}

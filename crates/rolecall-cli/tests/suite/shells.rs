//! The variables that shells have after they evaluated what `rolecall assume --format` printed, for
//! credentials that a hostile STS returns.

use std::collections::BTreeMap;
use std::process::Command;

use rolecall_tests::HUB;
use tempfile::TempDir;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::command::{Finished, finish};

/// The variables of a session.
const NAMES: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",
];
/// Variables of other identities, which shells have before they evaluate the lines.
const STALE: [(&str, &str); 15] = [
    ("AWS_ACCESS_KEY_ID", "stale"),
    ("AWS_SECRET_ACCESS_KEY", "stale"),
    ("AWS_SESSION_TOKEN", "stale"),
    ("AWS_SECURITY_TOKEN", "stale"),
    ("AWS_CREDENTIAL_EXPIRATION", "2001-01-01T00:00:00Z"),
    ("AWS_ACCOUNT_ID", "999999999999"),
    ("AWS_PROFILE", "stale"),
    ("AWS_DEFAULT_PROFILE", "stale"),
    ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/stale"),
    ("AWS_ROLE_SESSION_NAME", "stale"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/stale"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/stale"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/stale"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "stale"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/stale"),
];
/// The file that a value creates if a shell runs a part of it.
const TRACE: &str = "trace";
/// Session tokens. The last one is harmless.
const VALUES: &[&str] = &[
    "'",
    "''",
    "'; touch trace; '",
    "\"; touch trace; \"",
    "'\\''; touch trace; '",
    "\\'; touch trace; #",
    "\\",
    "\\\\",
    "ends with a backslash\\",
    "$(touch trace)",
    "${HOME} $HOME (touch trace)",
    "`touch trace`",
    "\ntouch trace\n",
    "'\ntouch trace\n'",
    "; touch trace; & touch trace | touch trace > trace",
    "\u{2018}; touch trace; \u{2019} \u{201a} \u{201b} \u{201c} \u{201d}",
    "é 😀 \u{a0} \u{85} \u{2028} \u{feff}",
    " \t two  spaces \t ",
    "* ? [a-z] ~ {a,b} !! !touch %1 =ls ^x^y",
    "-n",
    "\r\n",
    "\r",
    "end\0of",
    "FwoGZXIvYXdzEBYaDExample/+=-_.:,@%",
];
/// The value that no variable can hold.
const WITH_NUL: &str = "end\0of";

fn index_of(value: &str) -> usize {
    VALUES.iter().position(|other| *other == value).unwrap()
}

/// Returns the access key id, the secret and the token that STS returns for a value.
fn keys(value: &str) -> [String; 3] {
    [format!("ASIA{value}"), format!("{value}secret"), value.to_owned()]
}

fn escape(text: &str) -> String {
    let reference = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_string(),
        false => format!("&#{};", u32::from(c)),
    };
    text.chars().map(reference).collect()
}

/// Returns the answer to a request whose session name is `value-N`.
fn answer(request: &Request) -> ResponseTemplate {
    let body = String::from_utf8_lossy(&request.body);
    let (_, rest) = body.split_once("RoleSessionName=value-").unwrap();
    let index = rest.split('&').next().unwrap().parse::<usize>().unwrap();
    let [id, secret, token] = keys(VALUES[index]).map(|key| escape(&key));
    ResponseTemplate::new(200).set_body_raw(
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleResult><Credentials><AccessKeyId>{id}</AccessKeyId>\
             <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
             <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
             </AssumeRoleResponse>"
        ),
        "text/xml",
    )
}

/// A hostile STS, and the folder in which shells run.
struct Hostile {
    server: MockServer,
    home: TempDir,
    folder: TempDir,
}

impl Hostile {
    async fn start() -> Self {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let profile = "[profile ann]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
                       aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n";
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/config"), profile).unwrap();
        Self { server, home, folder }
    }

    /// Returns a program that finds the command in `$ROLECALL` and its arguments but the format in
    /// `$ROLE` and `$OPTIONS`.
    fn program(&self, program: &str, locale: &str) -> Command {
        let mut command = rolecall_tests::clean(Command::new(program));
        command
            .current_dir(&self.folder)
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("LC_ALL", locale)
            .env("ROLECALL", env!("CARGO_BIN_EXE_rolecall"))
            .env("ROLE", HUB)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ENDPOINT_URL_STS", self.server.uri());
        command
    }

    async fn assume(&self, value: &str, format: &str) -> Finished {
        let mut command = self.program(env!("CARGO_BIN_EXE_rolecall"), "C");
        let name = format!("value-{}", index_of(value));
        command.args(["assume", HUB, "--base", "profile:ann", "--no-store"]);
        command.args(["--session-name", &name, "--format", format]);
        finish(command, "").await
    }

    /// Checks that nothing ran a part of a value.
    #[track_caller]
    fn assert_no_trace(&self, context: &str) {
        let names: Vec<_> =
            std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(names.is_empty(), "{context}: {names:?}");
    }
}

/// Returns the environments that `env -0` printed, each followed by `end`.
fn environments(text: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut environments = Vec::new();
    for text in text.split_terminator("end\0") {
        let entries = text.split_terminator('\0');
        environments.push(entries.map(|entry| entry.split_once('=').unwrap()).collect());
    }
    environments
}

#[track_caller]
fn assert_keys(environment: &BTreeMap<&str, &str>, value: &str, context: &str) {
    let [id, secret, token, expiration, account] = NAMES.map(|name| environment[name]);
    assert_eq!(account, "444455556666", "{context}");
    assert_eq!([id, secret, token], keys(value).each_ref().map(String::as_str), "{context}");
    assert!(expiration.len() == 20 && expiration.ends_with('Z'), "{context}: {expiration}");
}

/// Evaluates all values in one process of a shell, and prints the environment after each.
const POSIX: &str = r#"
for value in $VALUES; do
    eval "$("$ROLECALL" assume "$ROLE" --base profile:ann --no-store \
        --session-name "value-$value" --format export)" || exit 1
    env -0
    printf 'end\0'
done
eval "$("$ROLECALL" assume "$ROLE" --format unset)"
env -0
printf 'end\0'
"#;

const FISH: &str = r"
for value in (string split ' ' $VALUES)
    $ROLECALL assume $ROLE --base profile:ann --no-store --session-name value-$value \
        --format fish | source
    env -0
    printf 'end\0'
end
";

#[tokio::test(flavor = "multi_thread")]
async fn shells_evaluate_hostile_values_to_themselves() {
    if rolecall_tests::is_left_out("shells") {
        return;
    }
    let hostile = Hostile::start().await;
    let values: Vec<&str> = VALUES.iter().copied().filter(|value| *value != WITH_NUL).collect();
    let indices: Vec<String> = values.iter().map(|value| index_of(value).to_string()).collect();
    for (shell, locale) in [
        (&["bash", "-c"][..], "C.UTF-8"),
        (&["bash", "--posix", "-c"], "C"),
        (&["dash", "-c"], "C.UTF-8"),
        // Without these options, zsh does not split $VALUES.
        (&["zsh", "-f", "-o", "shwordsplit", "-c"], "C.UTF-8"),
        (&["zsh", "-f", "-o", "shwordsplit", "-o", "rcquotes", "-c"], "C"),
        (&["fish", "--no-config", "-c"], "C.UTF-8"),
        (&["fish", "--no-config", "-c"], "C"),
    ] {
        let context = format!("{shell:?} in {locale}");
        let mut command = hostile.program(shell[0], locale);
        let is_fish = shell[0] == "fish";
        command.args(&shell[1..]).arg(if is_fish { FISH } else { POSIX });
        command.env("VALUES", indices.join(" ")).envs(STALE);
        let text = finish(command, "").await.ok();
        let found = environments(&text);
        assert_eq!(found.len(), values.len() + usize::from(!is_fish), "{context}");
        for (environment, value) in found.iter().zip(&values) {
            assert_keys(environment, value, &format!("{context}: {value:?}"));
            let others = STALE.iter().filter(|(name, _)| !NAMES.contains(name));
            let left: Vec<_> = others.filter(|(name, _)| environment.contains_key(name)).collect();
            assert!(left.is_empty(), "{context}: {left:?}");
        }
        if !is_fish {
            let last = found.last().unwrap();
            let left: Vec<_> = STALE.iter().filter(|(name, _)| last.contains_key(name)).collect();
            assert!(left.is_empty(), "{context}: {left:?}");
        }
        hostile.assert_no_trace(&context);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_formats_never_print_a_value_as_code() {
    let hostile = Hostile::start().await;
    for value in VALUES.iter().copied().filter(|value| *value != WITH_NUL) {
        let text = hostile.assume(value, "powershell").await.ok();
        // Invoke-Expression evaluates each line by itself.
        let (removal, assignments) = text.split_once('\n').unwrap();
        assert!(removal.starts_with("Remove-Item Env:AWS_SECURITY_TOKEN, Env:AWS_"), "{text}");
        assert!(removal.contains(" Env:AWS_PROFILE, "), "{text}");
        assert!(assignments.lines().all(|line| line.starts_with("$Env:AWS_")), "{text}");
        assert_eq!(assignments.lines().count(), NAMES.len(), "{text}");
        assert!(text.is_ascii(), "{text}");
        for format in ["nushell", "json", "credential-process"] {
            let json = hostile.assume(value, format).await.json();
            let found = match format {
                "nushell" => &json["AWS_SESSION_TOKEN"],
                "json" => &json["Credentials"]["SessionToken"],
                _ => &json["SessionToken"],
            };
            assert_eq!(found, value, "{format}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dotenv_refuses_hostile_values_and_is_sourced_by_sh() {
    let hostile = Hostile::start().await;
    let (harmless, others) = VALUES.split_last().unwrap();
    for value in others.iter().filter(|value| !matches!(**value, "-n")) {
        let error = hostile.assume(value, "dotenv").await.failed(1);
        assert!(error.contains("AWS_ACCESS_KEY_ID contains "), "{value:?}: {error}");
        assert!(!error.contains(TRACE), "{error}");
    }
    let text = hostile.assume(harmless, "dotenv").await.ok();
    let mut command = hostile.program("sh", "C");
    std::fs::write(hostile.home.path().join("env"), text).unwrap();
    command.args(["-c", r#"set -a; . "$HOME/env"; env -0; printf 'end\0'"#]);
    let text = finish(command, "").await.ok();
    assert_keys(&environments(&text)[0], harmless, "sh");
    hostile.assert_no_trace("sh");
}

#[tokio::test(flavor = "multi_thread")]
async fn format_without_removals_notes_other_identities() {
    let hostile = Hostile::start().await;
    let value = VALUES.last().unwrap();
    for (format, advice) in [
        ("dotenv", "remove them from the environment that it is used in: AWS_PROFILE AWS_ROLE_ARN"),
        ("nushell", "run `hide-env -i AWS_PROFILE AWS_ROLE_ARN`"),
    ] {
        let run = hostile.assume(value, format).await;
        assert_eq!(run.err, "", "{format}");
        let mut command = hostile.program(env!("CARGO_BIN_EXE_rolecall"), "C");
        command.args(["assume", HUB, "--base", "profile:ann", "--no-store", "--session-name"]);
        command.args([&format!("value-{}", index_of(value)), "--format", format]);
        // Those that the lines set are not named, and neither is one without a value.
        for (name, value) in STALE.iter().filter(|(name, _)| {
            NAMES.contains(name) || ["AWS_PROFILE", "AWS_ROLE_ARN"].contains(name)
        }) {
            command.env(name, value);
        }
        command.env("AWS_DEFAULT_PROFILE", "");
        let run = finish(command, "").await;
        assert_eq!(run.code, Some(0), "{}", run.err);
        let note = format!(
            "note: this format cannot remove the variables of another identity; {advice}\n"
        );
        assert_eq!(run.err, note, "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_is_refused_with_the_name_of_its_variable() {
    let hostile = Hostile::start().await;
    for format in ["export", "fish", "powershell", "nushell", "dotenv"] {
        let run = hostile.assume(WITH_NUL, format).await;
        // XML has no NUL, so the answer may be refused before.
        let error = run.failed(1);
        assert!(!error.contains("end\0of"), "{format}: {error}");
    }
}

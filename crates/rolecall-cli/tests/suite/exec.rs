//! `rolecall exec`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rolecall_tests::python::is_left_out;
use rolecall_tests::{CLOSED, HUB, ORDERS};

use crate::command::{IGNORE_HUP, Setup, after, finish, with_environment_of};
use crate::endpoint::signal;

/// Variables of other identities, which the program must not see.
const STALE: [(&str, &str); 13] = [
    ("AWS_SESSION_TOKEN", "stale"),
    ("AWS_SECURITY_TOKEN", "stale"),
    ("AWS_ACCOUNT_ID", "999999999999"),
    ("AWS_CREDENTIAL_SCOPE", "stale"),
    ("AWS_ACCESS_KEY", "stale"),
    ("AWS_SECRET_KEY", "stale"),
    ("AWS_PROFILE", "stale"),
    ("AWS_DEFAULT_PROFILE", "stale"),
    ("AWS_CREDENTIAL_FILE", "stale"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/stale"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/stale"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "stale"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/stale"),
];

/// Runs `exec` in an environment with other identities, and returns the program's environment.
async fn environment(setup: &Setup, arguments: &[&str]) -> BTreeMap<String, String> {
    setup.write(".aws/config", "[profile stale]\nregion = us-west-2\n");
    let mut variables = setup.pod();
    let stale = STALE.iter().filter(|(name, _)| *name != "AWS_SESSION_TOKEN");
    variables.extend(stale.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut command = setup.command(&variables);
    command.args(["exec", "--base", "web-identity"]).args(arguments).args(["--", "env", "-0"]);
    let text = finish(command, "").await.ok();
    let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn names_of_aws(environment: &BTreeMap<String, String>) -> Vec<&str> {
    environment.keys().map(String::as_str).filter(|name| name.starts_with("AWS_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn program_has_session_and_no_other_identity() {
    let setup = Setup::start().await;
    let environment = environment(&setup, &[HUB]).await;
    let expected = [
        "AWS_ACCESS_KEY_ID",
        "AWS_ACCOUNT_ID",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL_STS",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ];
    assert_eq!(names_of_aws(&environment), expected);
    assert_eq!(environment["AWS_DEFAULT_REGION"], "eu-west-1");
    assert!(environment["AWS_ACCESS_KEY_ID"].starts_with("ASIA"));
    assert_eq!(environment["AWS_ACCOUNT_ID"], "444455556666");
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshed_program_has_endpoint_and_no_secret() {
    let setup = Setup::start().await;
    let environment = environment(&setup, &["--refresh", HUB]).await;
    let expected = [
        "AWS_CONFIG_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL_STS",
        "AWS_REGION",
        "AWS_SHARED_CREDENTIALS_FILE",
    ];
    assert_eq!(names_of_aws(&environment), expected);
    for secret in setup.world.aws.secrets() {
        assert!(environment.values().all(|value| !value.contains(&secret)));
    }
    let token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"].as_ref();
    assert!(!std::path::Path::new::<str>(token).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_status_is_that_of_the_program() {
    let setup = Setup::start().await;
    let not_executable = setup.write("not-executable", "x");
    for refresh in [&[][..], &["--refresh"]] {
        for (program, code, out, message) in [
            (&["sh", "-c", "echo done"][..], 0, "done\n", ""),
            (&["sh", "-c", "exit 7"], 7, "", ""),
            (&["sh", "-c", "exit 255"], 255, "", ""),
            (
                &["rolecall-no-such-program"],
                127,
                "",
                "error: cannot run rolecall-no-such-program: ",
            ),
            (&[&not_executable], 126, "", "error: cannot run /"),
        ] {
            let arguments = [&["exec"], refresh, &[HUB, "--"], program].concat();
            let finished = setup.run(&setup.user(), &arguments).await;
            let result = (finished.code, finished.out.as_str());
            assert_eq!(result, (Some(code), out), "{arguments:?}: {}", finished.err);
            assert!(finished.err.starts_with(message), "{arguments:?}: {}", finished.err);
            assert_eq!(finished.err.is_empty(), message.is_empty(), "{}", finished.err);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signal_that_ends_the_program_is_reported() {
    let setup = Setup::start().await;
    let kill = ["--", "sh", "-c", "kill -TERM $$"];
    let refreshed = [&["exec", "--refresh", HUB][..], &kill].concat();
    assert_eq!(setup.run(&setup.user(), &refreshed).await.code, Some(128 + 15));
    // Without --refresh, the program is the process that the signal ends.
    let mut command = setup.command(&setup.user());
    command.args(["exec", HUB]).args(kill);
    let status = tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap();
    assert_eq!(status.signal(), Some(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_before_the_program_has_a_hint() {
    let setup = Setup::start().await;
    for refresh in [&[][..], &["--refresh"]] {
        let arguments = [&["exec"], refresh, &[CLOSED, "--", "echo", "started"]].concat();
        let error = setup.run(&setup.user(), &arguments).await.failed(1);
        assert!(error.contains("AccessDenied") && error.contains("\nhint: "), "{error}");
    }
    let error = setup.run(&setup.user(), &["exec", HUB]).await.failed(2);
    assert!(error.contains("-- <CMD>..."), "{error}");
    let arguments = ["exec", HUB, "--output", "json", "--", "true"];
    let error = setup.run(&setup.user(), &arguments).await.failed(2);
    assert!(error.contains("no output format \"json\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn program_replaces_the_command() {
    let setup = Setup::start().await;
    let mut command = setup.command(&setup.user());
    command.args(["exec", HUB, "--", "sh", "-c", "echo $$"]).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    let id = child.id().to_string();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_streams_are_untouched() {
    let setup = Setup::start().await;
    let input = "a\u{1b}[31mb\r\n\tc\u{7}".repeat(2_000);
    for refresh in [&[][..], &["--refresh"]] {
        let mut command = setup.command(&setup.user());
        command.arg("exec").args(refresh).args([HUB, ORDERS, "--", "sh", "-c", "cat; echo x >&2"]);
        let finished = finish(command, &input).await;
        assert_eq!((finished.code, finished.err.as_str()), (Some(0), "x\n"));
        assert!(finished.out == input, "{refresh:?}");
    }
}

/// Prints the name of each signal, and ends after the last, or after half a minute. The shell runs
/// a trap when `sleep` ends.
const TRAPS: &str = r#"
count=0 ticks=0
for name in HUP INT QUIT TERM USR1 USR2 WINCH; do
    trap "echo $name; count=\$((count + 1))" $name
done
echo ready
while [ $count -lt 7 ] && [ $ticks -lt 1000 ]; do sleep 0.02; ticks=$((ticks + 1)); done
exit 9
"#;

#[tokio::test(flavor = "multi_thread")]
async fn signals_are_forwarded() {
    let setup = Setup::start().await;
    let mut command = setup.command(&setup.user());
    // In a process group of its own, no terminal of this test's process is that of the command.
    command.args(["exec", "--refresh", HUB, "--", "sh", "-c", TRAPS]).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    for name in ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH"] {
        signal(child.id(), name);
        assert_eq!(lines.next().unwrap().unwrap(), name);
    }
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_removed_after_signals() {
    for (name, code) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        let setup = Setup::start().await;
        let mut command = setup.command(&setup.user());
        command.args(["exec", "--refresh", HUB, "--", "sh", "-c"]).process_group(0);
        command.arg("echo \"$AWS_CONFIG_FILE\"; exec sleep 60");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let file = PathBuf::from(lines.next().unwrap().unwrap());
        assert!(file.exists());
        signal(child.id(), name);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(!file.parent().unwrap().exists(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_signal_stays_ignored() {
    let setup = Setup::start().await;
    let mut command = after(IGNORE_HUP, &setup.command(&setup.user()));
    let program = "kill -HUP $PPID; kill -HUP $$; echo alive";
    command.args(["exec", "--refresh", HUB, "--", "sh", "-c", program]);
    assert_eq!(finish(command, "").await.ok(), "alive\n");
}

/// Runs a command on a terminal, presses Ctrl-C once the program is ready, and ends it.
const TERMINAL: &str = r#"
import os, pty, signal, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
def until(text):
    global seen
    while text not in seen:
        seen += os.read(terminal, 1024)
until(b"ready")
os.write(terminal, b"\x03")
until(b"INT;")
os.kill(child, signal.SIGTERM)
until(b"TERM;")
status = os.waitpid(child, 0)[1]
print(os.waitstatus_to_exitcode(status), seen.count(b"INT;"))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn key_of_the_terminal_reaches_the_program_once() {
    if is_left_out() {
        return;
    }
    let setup = Setup::start().await;
    // `print` fails in a handler that interrupts another `print`.
    let program = "
import os, signal
signal.signal(signal.SIGINT, lambda *_: os.write(1, b'INT;'))
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'TERM;'), os._exit(3)))
os.write(1, b'ready')
while True: signal.pause()
";
    let python = std::env::var_os("ROLECALL_PYTHON").expect("run `cargo xtask test`");
    let rolecall = setup.command(&setup.user());
    let mut command = with_environment_of(&rolecall, Command::new(&python));
    command.args(["-c", TERMINAL]).arg(rolecall.get_program());
    command.args(["exec", "--refresh", HUB, "--"]).arg(&python).args(["-c", program]);
    let text = finish(command, "").await.ok();
    // The exit status of the program, and how often it received the signal.
    assert_eq!(text, "3 1\n");
}

const CLIENT: &str = "
import boto3
session = boto3.Session()
identity = session.client('sts').get_caller_identity()['Arn']
print(identity, session.get_credentials().method, session.region_name)
";

#[tokio::test(flavor = "multi_thread")]
async fn default_profile_does_not_win_over_the_session() {
    if is_left_out() {
        return;
    }
    let setup = Setup::start().await;
    let keys = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = \
                wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n";
    setup.write(".aws/credentials", &format!("[default]\n{keys}"));
    setup.write(".aws/config", &format!("[default]\nregion = us-west-2\n{keys}"));
    let python = std::env::var("ROLECALL_PYTHON").expect("run `cargo xtask test`");
    let arn = "arn:aws:sts::444455556666:assumed-role/hub/suite";
    for (refresh, method) in [(&[][..], "env"), (&["--refresh"], "container-role")] {
        let mut command = setup.command(&setup.user());
        command.arg("exec").args(refresh).args([HUB, "--", &python, "-c", CLIENT]);
        let text = finish(command, "").await.ok();
        assert_eq!(text, format!("{arn} {method} eu-west-1\n"));
    }
    // The profile is one that boto3 prefers to the endpoint.
    let mut command = setup.command(&setup.user());
    command.args(["exec", "--refresh", HUB, "--", "sh", "-c"]);
    command.args(["unset AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE; exec \"$@\"", "sh"]);
    command.args([&python, "-c", CLIENT]);
    let error = finish(command, "").await;
    assert!(error.err.contains("InvalidClientTokenId"), "{error:?}");
}

//! No secret in command lines, logs, files that others can read, results that did not ask for it,
//! and the history of a shell: for every command that handles one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rolecall_tests::{CLOSED, HUB, ORDERS, SHOP};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::command::{Setup, finish, start_with_mfa, with_environment_of};
use crate::endpoint::send;
use crate::watched::{Ended, Place, Running, run};

const SIGN_IN: &str = "VCQgs5qZZt3Q6fn8Tr5EXAMPLE+mLnwB7/JjUc=";
const PASSWORD: &str = "s3cretOfTheProxy";
const FORMATS: [&str; 7] =
    ["export", "fish", "powershell", "nushell", "dotenv", "json", "credential-process"];

/// A command that has run.
struct Run {
    name: String,
    ended: Ended,
    /// The result contains secrets, since that is what the arguments ask for.
    prints_secrets: bool,
    /// The arguments contain a secret, which is a mistake of the user.
    is_misused: bool,
}

/// All commands that have run, and all secrets that they handled.
struct Runs {
    all: Vec<Run>,
    secrets: Vec<Vec<u8>>,
    /// What the files `token` contained.
    tokens: Vec<Vec<u8>>,
    sandbox_token: String,
    /// What is left in the folders of the user.
    left: Vec<String>,
}

/// The commands run once for all tests.
async fn runs() -> &'static Runs {
    static RUNS: OnceCell<Runs> = OnceCell::const_new();
    RUNS.get_or_init(run_all).await
}

type Variables = Vec<(String, String)>;

/// Runs commands, one after the other.
struct Runner {
    setup: Setup,
    place: Place,
    all: Vec<Run>,
}

impl Runner {
    /// Runs a command at the highest level of the log.
    fn watch(
        &mut self,
        variables: &Variables,
        arguments: &[&str],
        input: &str,
        meanwhile: impl FnOnce(&Running),
    ) -> &mut Run {
        // `exec` passes on what stands behind the dashes.
        let at = arguments.iter().position(|it| *it == "--").unwrap_or(arguments.len());
        let all = [&arguments[..at], &["-vvv"], &arguments[at..]].concat();
        let setup = (&self.setup, variables.as_slice());
        let ended = tokio::task::block_in_place(|| run(&self.place, setup, &all, input, meanwhile));
        let name = arguments.join(" ");
        self.all.push(Run { name, ended, prints_secrets: false, is_misused: false });
        self.all.last_mut().unwrap()
    }

    #[track_caller]
    fn ok(&mut self, variables: &Variables, arguments: &[&str]) -> &mut Run {
        let run = self.watch(variables, arguments, "", |_| {});
        assert_eq!(run.ended.code, Some(0), "{}: {}", run.name, run.ended.err);
        run
    }

    #[track_caller]
    fn failed(&mut self, variables: &Variables, arguments: &[&str]) -> &mut Run {
        let run = self.watch(variables, arguments, "", |_| {});
        assert!(matches!(run.ended.code, Some(1 | 2)), "{}: {:?}", run.name, run.ended);
        run
    }
}

fn with(variables: &Variables, more: &[(&str, &str)]) -> Variables {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    variables.iter().cloned().chain(more).collect()
}

async fn run_all() -> Runs {
    let setup = Setup::start().await;
    let place = Place::new(&setup);
    // A call takes a while, so that the watcher sees the command.
    setup.world.aws.set_latency(std::time::Duration::from_millis(30));
    let token = setup.world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    let file = place.input("token", &token);
    let (user, pod) = (setup.user(), setup.world.variables(Path::new(&file)));
    let bare = setup.with_endpoint(&[]);
    let mut runner = Runner { setup, place, all: Vec::new() };

    // The first one fills the store, and the others read it.
    for format in FORMATS {
        runner.ok(&user, &["assume", HUB, "--format", format]).prints_secrets = true;
    }
    runner.ok(&pod, &["assume", HUB, "--format", "json", "--no-store"]).prints_secrets = true;
    runner.ok(&user, &["assume", HUB]);
    runner.ok(&pod, &["credential-process", HUB, ORDERS]).prints_secrets = true;
    runner.ok(&pod, &["credential-process", HUB, ORDERS]).prints_secrets = true;
    runner.ok(&pod, &["whoami"]);
    runner.ok(&pod, &["token", "inspect", &file]);
    runner.failed(&pod, &["token", "inspect", &token]).is_misused = true;
    runner.ok(
        &with(&pod, &[("HTTPS_PROXY", &format!("http://ann:{PASSWORD}@proxy.invalid"))]),
        &["doctor", HUB],
    );
    runner.ok(&user, &["completions", "bash"]);

    programs(&mut runner, &user);
    failures(&mut runner, &user, &bare, &token);
    processes(&mut runner, &bare);
    console(&mut runner, &user).await;
    let (mfa_code, mfa_secrets) = mfa(&mut runner).await;
    let serve_token = serve(&mut runner, &user);
    let (sandbox_token, sandbox_secrets) = sandbox(&mut runner);
    let external_id = scaffold(&mut runner);

    let mut texts = runner.setup.world.aws.secrets();
    assert!(texts.len() > 20, "the keys, and the sessions of all commands");
    texts.extend([token.clone(), SIGN_IN.to_owned(), PASSWORD.to_owned(), mfa_code, external_id]);
    texts.extend([serve_token, sandbox_token.clone()]);
    texts.extend(mfa_secrets.into_iter().chain(sandbox_secrets));
    // The signature alone makes a token valid.
    texts.push(token.rsplit('.').next().unwrap().to_owned());
    let key = std::fs::read(runner.place.watched().join("state/rolecall/store/key")).unwrap();
    assert_eq!(key.len(), 32);
    texts.push(key.iter().map(|byte| format!("{byte:02x}")).collect());
    texts.extend([STANDARD.encode(&key), URL_SAFE_NO_PAD.encode(&key)]);
    let encoded: Vec<_> =
        texts.iter().map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()).collect();
    let mut secrets: Vec<Vec<u8>> =
        texts.into_iter().chain(encoded).map(String::into_bytes).collect();
    secrets.push(key);
    let files = runner.all.iter().flat_map(|run| &run.ended.observed.files);
    // Those of endpoints, and that of the sandbox.
    let is_token = |path: &Path| path.ends_with("rolecall-token") || path.ends_with("token");
    let tokens = files.filter(|(path, _)| is_token(path));
    let tokens: Vec<_> = tokens.flat_map(|(_, seen)| seen.contents.iter().cloned()).collect();
    secrets.extend(tokens.iter().cloned());
    let left = runner.all.last().unwrap().ended.observed.files.keys();
    let left = left.filter(|path| path.exists()).map(|path| path.display().to_string()).collect();
    Runs { all: runner.all, secrets, tokens, sandbox_token, left }
}

fn programs(runner: &mut Runner, user: &Variables) {
    let spy = runner.place.spy("spy-program", "");
    runner.ok(user, &["exec", HUB, "--", &spy]);
    runner.ok(user, &["exec", "--refresh", HUB, "--", &spy]);
}

/// Commands that fail with a secret at hand.
fn failures(runner: &mut Runner, user: &Variables, bare: &Variables, token: &str) {
    for command in ["assume", "credential-process", "console", "serve", "doctor"] {
        runner.failed(user, &[command, CLOSED]);
    }
    // STS answers with the request that it expected, which has a session's token in it.
    let session = runner.all[5].ended.out.clone();
    let session: Value = serde_json::from_str(&session).unwrap();
    let key = |name: &str| session["Credentials"][name].as_str().unwrap().to_owned();
    let wrong = with(
        bare,
        &[
            ("AWS_ACCESS_KEY_ID", &key("AccessKeyId")),
            ("AWS_SECRET_ACCESS_KEY", "wrong"),
            ("AWS_SESSION_TOKEN", &key("SessionToken")),
        ],
    );
    runner.failed(&wrong, &["whoami"]);
    // The token in place of the name of its file.
    let misplaced = with(bare, &[("AWS_ROLE_ARN", HUB), ("AWS_WEB_IDENTITY_TOKEN_FILE", token)]);
    runner.failed(&misplaced, &["whoami"]);
    runner.failed(&misplaced, &["doctor"]);
    let cut = runner.place.input("cut-token", &token[..token.len() / 2]);
    runner.failed(bare, &["token", "inspect", &cut]);
}

/// Profiles whose process prints the user's keys.
fn processes(runner: &mut Runner, bare: &Variables) {
    let keys = runner.setup.world.aws.user_credentials(SHOP, "ann").unwrap();
    let json = json!({
        "Version": 1,
        "AccessKeyId": keys.access_key_id(),
        "SecretAccessKey": keys.secret_access_key(),
    });
    let output = runner.place.input("keys.json", &json.to_string());
    let good = runner.place.spy("spy-good", &format!("cat {output}"));
    let bad = runner.place.spy("spy-bad", &format!("cat {output} >&2; exit 1"));
    let text = format!(
        "[profile good]\ncredential_process = {good}\n[profile bad]\ncredential_process = {bad}\n"
    );
    let config = runner.place.input("config", &text);
    let variables = with(bare, &[("AWS_CONFIG_FILE", &config)]);
    runner.ok(&variables, &["whoami", "--base", "profile:good"]);
    runner.ok(&variables, &["doctor", "--base", "profile:good"]);
    runner.failed(&variables, &["whoami", "--base", "profile:bad"]);
    runner.failed(&variables, &["assume", HUB, "--base", "profile:bad"]);
}

async fn console(runner: &mut Runner, user: &Variables) {
    let federation = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({ "SigninToken": SIGN_IN }));
    Mock::given(any()).respond_with(answer).mount(&federation).await;
    let arguments = ["console", HUB, "--federation-endpoint", &federation.uri()];
    runner.ok(user, &arguments).prints_secrets = true;
    let browser = runner.place.spy("spy-browser", "");
    let variables = with(user, &[("BROWSER", &browser)]);
    let more = ["--open", "--page-lifetime", "1"];
    runner.ok(&variables, &[arguments.as_slice(), &more].concat());
    let failing = MockServer::start().await;
    // As a proxy that repeats the request.
    let answer = ResponseTemplate::new(400).set_body_string(SIGN_IN);
    Mock::given(any()).respond_with(answer).mount(&failing).await;
    runner.failed(user, &["console", HUB, "--federation-endpoint", &failing.uri()]);
}

/// Returns the code, and the secrets of another local AWS, whose user has an MFA device.
async fn mfa(runner: &mut Runner) -> (String, Vec<String>) {
    let aws = start_with_mfa().await;
    let keys = aws.user_credentials(SHOP, "ann").unwrap();
    let variables = runner.setup.with_endpoint(&[
        ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
        ("AWS_ENDPOINT_URL", aws.endpoint_url()),
    ]);
    let (role, serial) =
        ("arn:aws:iam::111122223333:role/admin", "arn:aws:iam::111122223333:mfa/ann");
    let arguments = ["assume", role, "--mfa-serial", serial, "--mfa-code", "-"];
    let code = aws.mfa_code(SHOP, "ann").unwrap();
    let run = runner.watch(&variables, &arguments, &code, |_| {});
    assert_eq!(run.ended.code, Some(0), "{}", run.ended.err);
    // The code was used, and is no longer valid.
    let again = [arguments.as_slice(), &["--no-store"]].concat();
    let run = runner.watch(&variables, &again, &code, |_| {});
    assert_eq!(run.ended.code, Some(1), "{}", run.ended.err);
    (code, aws.secrets())
}

/// Returns the token of the endpoint.
fn serve(runner: &mut Runner, user: &Variables) -> String {
    let mut token = String::new();
    let run = runner.watch(user, &["serve", HUB, "--output", "json"], "", |running| {
        let settings: Value = serde_json::from_str(&running.wait_for("\n}\n")).unwrap();
        let file = settings["token_file"].as_str().unwrap();
        token = std::fs::read_to_string(file).unwrap();
        let address = settings["url"].as_str().unwrap().strip_prefix("http://").unwrap();
        for value in [token.clone(), format!("{token}0")] {
            let request = format!(
                "GET /role HTTP/1.1\r\nHost: {address}\r\nAuthorization: {value}\r\nConnection: \
                 close\r\n\r\n"
            );
            let answer = send(address.parse().unwrap(), request.as_bytes());
            assert_eq!(answer.contains("SecretAccessKey"), value == token, "{answer}");
        }
        running.stop();
    });
    assert_eq!(run.ended.code, Some(0), "{}", run.ended.err);
    token
}

/// Returns the token of the sandbox, and its other secrets.
fn sandbox(runner: &mut Runner) -> (String, Vec<String>) {
    let (mut token, mut keys) = (String::new(), Vec::new());
    runner.watch(&Vec::new(), &["sandbox", "--output", "json"], "", |running| {
        let ready: Value = serde_json::from_str(&running.wait_for("\n")).unwrap();
        let file = ready["environment"]["AWS_WEB_IDENTITY_TOKEN_FILE"].as_str().unwrap();
        token = std::fs::read_to_string(file).unwrap();
        running.stop();
    });
    let user = ["sandbox", "--user", "ann", "--output", "json"];
    let run = runner.watch(&Vec::new(), &user, "", |running| {
        let ready: Value = serde_json::from_str(&running.wait_for("\n")).unwrap();
        let key = &ready["environment"]["AWS_SECRET_ACCESS_KEY"];
        keys.push(key.as_str().unwrap().to_owned());
        running.stop();
    });
    assert_eq!(run.ended.code, Some(0), "{}", run.ended.err);
    run.prints_secrets = true;
    (token, keys)
}

/// Returns the random external id. It is in the files of the result, which are not secret
/// within their project.
fn scaffold(runner: &mut Runner) -> String {
    let folder = runner.place.watched().with_file_name("scaffold");
    let out = folder.to_str().unwrap().to_owned();
    let issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";
    let named = [
        ("--out", out.as_str()),
        ("--project", "shop"),
        ("--account", SHOP),
        ("--region", "eu-west-1"),
        ("--bucket", "shop-data"),
        ("--issuer", issuer),
    ];
    let options = named.iter().flat_map(|(name, value)| [*name, *value]);
    let arguments: Vec<&str> = ["scaffold"].into_iter().chain(options).collect();
    runner.ok(&Vec::new(), &arguments);
    let text = std::fs::read_to_string(folder.join("pod.env")).unwrap();
    let id = text.lines().find_map(|line| line.strip_prefix("PROJECT_EXTERNAL_ID=")).unwrap();
    assert_eq!(id.len(), 32);
    id.to_owned()
}

impl Runs {
    /// Returns the number of the first secret that a text contains.
    fn find(&self, text: &[u8]) -> Option<usize> {
        self.secrets.iter().position(|secret| {
            let mut parts = text.windows(secret.len()).enumerate();
            parts.any(|(at, part)| part == secret.as_slice() && is_whole(text, at, secret))
        })
    }

    #[track_caller]
    fn assert_free(&self, run: &Run, what: &str, text: &str) {
        let found = self.find(text.as_bytes());
        assert_eq!(found, None, "{what} of `{}` contains a secret: {text}", run.name);
    }
}

/// Six digits may be a part of a time.
fn is_whole(text: &[u8], at: usize, secret: &[u8]) -> bool {
    let is_digit =
        |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
    let is_dot = at.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'.');
    let is_code = secret.len() == 6;
    !is_code || !(is_dot || is_digit(at.checked_sub(1)) || is_digit(Some(at + secret.len())))
}

#[tokio::test(flavor = "multi_thread")]
async fn log_of_no_command_contains_a_secret() {
    let runs = runs().await;
    for run in &runs.all {
        runs.assert_free(run, "standard error", &run.ended.err);
    }
    let is_logged = |run: &&Run| run.ended.err.contains("DEBUG");
    assert!(runs.all.iter().filter(is_logged).count() > 20, "the log is on");
}

#[tokio::test(flavor = "multi_thread")]
async fn result_has_secrets_only_on_request() {
    let runs = runs().await;
    for run in &runs.all {
        match run.prints_secrets {
            true => assert!(runs.find(run.ended.out.as_bytes()).is_some(), "{}", run.name),
            false => runs.assert_free(run, "standard output", &run.ended.out),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn command_line_of_no_process_contains_a_secret() {
    let runs = runs().await;
    let has_spy =
        |run: &Run| run.ended.observed.command_lines.iter().any(|it| it.contains("/spy-"));
    for run in &runs.all {
        assert!(!run.ended.observed.command_lines.is_empty(), "{} was not seen", run.name);
        if run.is_misused {
            continue;
        }
        for line in &run.ended.observed.command_lines {
            runs.assert_free(run, "a command line", line);
        }
    }
    let spied: Vec<&str> =
        runs.all.iter().filter(|run| has_spy(run)).map(|run| run.name.as_str()).collect();
    assert_eq!(spied.len(), 7, "two programs, four processes and a browser: {spied:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_private_under_any_umask() {
    let runs = runs().await;
    let (mut tokens, mut pages) = (0, 0);
    let files = || runs.all.iter().flat_map(|run| &run.ended.observed.files);
    let keys = files().filter(|(path, _)| path.ends_with("key"));
    let keys: BTreeSet<_> = keys.flat_map(|(_, seen)| &seen.contents).collect();
    // A draft may be seen before it is complete, and its file not at all.
    let is_draft_of_secret = |contents: &[u8]| {
        let tokens = runs.tokens.iter().map(Vec::as_slice).chain([runs.sandbox_token.as_bytes()]);
        let mut all = tokens.chain(keys.iter().map(|key| key.as_slice()));
        all.any(|whole| whole.starts_with(contents))
    };
    for run in &runs.all {
        for (path, seen) in &run.ended.observed.files {
            let name = path.file_name().unwrap().to_str().unwrap();
            let modes: Vec<_> = seen.modes.iter().map(|mode| format!("{mode:o}")).collect();
            assert_eq!(modes, ["600"], "{} of `{}`", path.display(), run.name);
            for contents in &seen.contents {
                // Of these files, the secret is what they are for. A draft has another name.
                let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
                let is_page = folder.starts_with("rolecall-console-");
                let is_token = runs.tokens.contains(contents);
                let is_draft = name.ends_with(".tmp") && is_draft_of_secret(contents);
                tokens += usize::from(is_token);
                pages += usize::from(is_page && !contents.is_empty());
                let expected = is_page || is_token || is_draft || name == "key";
                let found = runs.find(contents);
                assert!(expected || found.is_none(), "{}: {found:?}", path.display());
            }
        }
        let standard = |path: &Path| path.parent().unwrap().ends_with("watched");
        for (path, modes) in run.ended.observed.folders.iter().filter(|(it, _)| !standard(it)) {
            assert_eq!(Vec::from_iter(modes.clone()), [0o700], "{}", path.display());
        }
    }
    // The program of `exec` and the browser wait until they have been seen.
    assert!(tokens >= 1 && pages >= 1, "{tokens} tokens and {pages} pages were seen");
}

/// What the watcher sees of a file is whole: a part would be neither.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_written_as_a_whole() {
    let runs = runs().await;
    for run in &runs.all {
        for (path, seen) in &run.ended.observed.files {
            let name = path.file_name().unwrap().to_str().unwrap();
            for contents in &seen.contents {
                let is_whole = match name {
                    "rolecall-token" => contents.len() == 64,
                    "token" => contents == runs.sandbox_token.as_bytes(),
                    "sign-in.html" => contents.ends_with(b"</html>\n"),
                    "key" => contents.len() == 32,
                    _ if name.ends_with(".session") => contents.len() > 100,
                    _ => true,
                };
                assert!(is_whole, "{}: {} bytes", path.display(), contents.len());
            }
        }
    }
    let is_temporary = |path: &&String| !path.contains("/state/rolecall/store/");
    let left: Vec<&String> = runs.left.iter().filter(is_temporary).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!runs.left.iter().any(|path| path.ends_with(".tmp")), "{:?}", runs.left);
}

/// The lines that the help recommends, in the shell that keeps its history without a terminal.
#[tokio::test(flavor = "multi_thread")]
async fn history_of_a_shell_contains_no_secret() {
    if rolecall_tests::is_left_out("shells") {
        return;
    }
    let setup = Setup::start().await;
    let history = setup.home.path().join("history");
    let script = "
        set -o history
        eval \"$(\"$ROLECALL\" assume \"$ROLE\" --format export)\"
        printf '%s\\n' \"$AWS_SECRET_ACCESS_KEY\"
        history -a
    ";
    let rolecall = setup.command(&setup.user());
    let program = rolecall.get_program();
    let mut command = with_environment_of(&rolecall, Command::new("bash"));
    command.env("ROLECALL", program).env("ROLE", HUB).env("HISTFILE", &history);
    command.args(["--norc", "-s"]);
    let secret = finish(command, script).await.ok();
    let text = std::fs::read_to_string(history).unwrap();
    assert!(text.contains("assume \"$ROLE\" --format export"), "{text}");
    let secrets = setup.world.aws.secrets();
    assert!(secrets.contains(&secret.trim().to_owned()), "the session was evaluated");
    assert!(secrets.iter().all(|secret| !text.contains(secret.as_str())), "{text}");
}

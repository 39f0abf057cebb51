//! `rolecall console`, with a federation endpoint on this machine.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Stdio;
use std::time::{Duration, Instant};

use rolecall_tests::{CHECKOUT, HUB, ORDERS};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::command::{Finished, IGNORE_HUP, Setup, after};
#[cfg(target_os = "linux")]
use crate::endpoint::{signal, wait_for_end, wait_until};

const TOKEN: &str = "VCQgs5qZZt3Q6fn8Tr5EXAMPLE+mLnwB7/JjUc=";
const ENCODED_TOKEN: &str = "VCQgs5qZZt3Q6fn8Tr5EXAMPLE%2BmLnwB7%2FJjUc%3D";

/// A local AWS, and a federation endpoint.
pub(crate) struct Console {
    pub(crate) setup: Setup,
    federation: MockServer,
    pub(crate) url: String,
}

impl Console {
    pub(crate) async fn start() -> Self {
        let token = ResponseTemplate::new(200).set_body_json(json!({ "SigninToken": TOKEN }));
        Self::with_response(token).await
    }

    async fn with_response(response: ResponseTemplate) -> Self {
        let (setup, federation) = (Setup::start().await, MockServer::start().await);
        let mock = Mock::given(method("POST")).and(path("/federation"));
        mock.respond_with(response).mount(&federation).await;
        let url = format!("{}/federation", federation.uri());
        Self { setup, federation, url }
    }

    async fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with(&self.setup.user(), arguments).await
    }

    async fn run_with(&self, variables: &[(String, String)], arguments: &[&str]) -> Finished {
        let all = [&["console", "--federation-endpoint", &self.url], arguments].concat();
        self.setup.run(variables, &all).await
    }

    /// Returns the fields of the requests' forms.
    async fn forms(&self) -> Vec<Vec<(String, String)>> {
        let requests = self.federation.received_requests().await.unwrap();
        requests.iter().map(form).collect()
    }
}

fn form(request: &Request) -> Vec<(String, String)> {
    assert_eq!(request.url.query(), None, "nothing is in the URL");
    let body = std::str::from_utf8(&request.body).unwrap();
    let decode =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn link_has_destination_issuer_and_token() {
    let console = Console::start().await;
    let issuer = "https://sign-in.example.com/?a=b&c";
    let arguments = [HUB, "--destination", "s3", "--issuer", issuer, "--quiet"];
    let link = console.run(&arguments).await.ok();
    let expected = format!(
        "{}?Action=login&Issuer=https%3A%2F%2Fsign-in.example.com%2F%3Fa%3Db%26c\
         &Destination=https%3A%2F%2Fconsole.aws.amazon.com%2Fs3%2Fhome%3Fregion%3Deu-west-1\
         &SigninToken={ENCODED_TOKEN}\n",
        console.url
    );
    assert_eq!(link, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_has_session_and_longest_duration() {
    let console = Console::start().await;
    let run = console.run(&[HUB]).await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.err.contains("works for 15 minutes"), "{}", run.err);
    assert!(run.err.contains("the console session lasts 12 hours"), "{}", run.err);
    console.run(&[HUB, "--duration", "2h", "--quiet"]).await.ok();
    let forms = console.forms().await;
    for (form, seconds) in forms.iter().zip(["43200", "7200"]) {
        assert_eq!(value(form, "Action"), Some("getSigninToken"));
        assert_eq!(value(form, "SessionDuration"), Some(seconds));
        let session: Value = serde_json::from_str(value(form, "Session").unwrap()).unwrap();
        for name in ["sessionId", "sessionKey", "sessionToken"] {
            assert!(session[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        }
        assert!(session["sessionId"].as_str().unwrap().starts_with("ASIA"));
    }
    assert_eq!(forms.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn chained_role_ends_with_its_session() {
    let console = Console::start().await;
    let run = console.run(&[HUB, ORDERS]).await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.err.contains("has sessions of at most one hour"), "{}", run.err);
    assert!(!run.err.contains("12 hours"), "{}", run.err);
    // Stated before a call: also if the first role cannot be assumed.
    let error = console.run(&[ORDERS, HUB]).await.failed(1);
    assert!(error.starts_with("note: a role that another role assumes"), "{error}");
    assert_eq!(value(&console.forms().await[0], "SessionDuration"), None);
    let error = console.run(&[HUB, ORDERS, "--duration", "2h"]).await.failed(2);
    assert!(error.contains("at most one hour"), "{error}");
}

/// The keys of a role in the environment make a chain of one role on the command line.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_role_make_a_role_chain() {
    let console = Console::start().await;
    let arguments = ["assume", HUB, "--format", "json"];
    let json = console.setup.run(&console.setup.user(), &arguments).await.json();
    let key = |name: &str| json["Credentials"][name].as_str().unwrap().to_owned();
    let variables = console.setup.with_endpoint(&[
        ("AWS_ACCESS_KEY_ID", &key("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", &key("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", &key("SessionToken")),
    ]);
    let run = console.run_with(&variables, &[ORDERS]).await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.err.contains("has sessions of at most one hour"), "{}", run.err);
    assert_eq!(value(&console.forms().await[0], "SessionDuration"), None);
    let run = console.run_with(&variables, &[ORDERS, "--duration", "2h"]).await;
    assert!(run.failed(2).contains("at most one hour"));
    assert_eq!(console.forms().await.len(), 1);
}

/// The role's session cannot last two hours, but the console session can.
#[tokio::test(flavor = "multi_thread")]
async fn duration_of_token_role_is_that_of_the_console() {
    let console = Console::start().await;
    let token = console.setup.world.cluster.service_account_token("shop", "checkout").sign();
    let file = console.setup.write("token", &token.unwrap());
    let arguments = [CHECKOUT, "--token-file", &file, "--duration", "2h", "--quiet"];
    console.run_with(&console.setup.with_endpoint(&[]), &arguments).await.ok();
    assert_eq!(value(&console.forms().await[0], "SessionDuration"), Some("7200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_link_and_times() {
    let console = Console::start().await;
    let json = console.run(&[HUB, "--output", "json"]).await.json();
    assert_eq!(json["role"], HUB);
    assert!(json["url"].as_str().unwrap().ends_with(ENCODED_TOKEN), "{json}");
    for name in ["link_expires_at", "session_expires_at"] {
        assert!(json[name].as_str().is_some_and(|time| time.ends_with('Z')), "{json}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_duration_is_left_out() {
    let console = Console::with_response(ResponseTemplate::new(400)).await;
    let error = console.run(&[HUB]).await.failed(1);
    assert!(error.contains("responded with 400 Bad Request\nhint: "), "{error}");
    let forms = console.forms().await;
    let durations: Vec<_> = forms.iter().map(|form| value(form, "SessionDuration")).collect();
    assert_eq!(durations, [Some("43200"), None]);
    console.run(&[HUB, "--duration", "2h"]).await.failed(1);
    assert_eq!(console.forms().await.len(), 3, "an explicit duration is not left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_responses_fail_without_their_text() {
    let html = ResponseTemplate::new(200).set_body_raw("<html>s3cret</html>", "text/html");
    let long = ResponseTemplate::new(200).set_body_string("x".repeat(1024 * 1024));
    for (response, message) in [
        (html, "the response of the federation endpoint 127.0.0.1 has no sign-in token"),
        (long, "the response is not complete"),
        (ResponseTemplate::new(503).set_body_string("s3cret"), "503 Service Unavailable"),
    ] {
        let console = Console::with_response(response).await;
        let error = console.run(&[HUB]).await.failed(1);
        assert!(error.contains(message), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_arguments_are_refused_before_any_call() {
    let console = Console::start().await;
    for (arguments, message) in [
        (&[HUB, "--destination", "http://x.example.com"][..], "is not a valid --destination"),
        (&[HUB, "--issuer", "sign-in"], "is not a valid --issuer"),
        (&[HUB, "--federation-endpoint", "http://signin.example.com"], "expected an https:// URL"),
    ] {
        let all = [&["console"], arguments].concat();
        let error = console.setup.run(&console.setup.user(), &all).await.failed(2);
        assert!(error.contains(message), "{error}");
    }
    assert_eq!(console.setup.world.aws.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_logged() {
    let console = Console::start().await;
    let run = console.run(&[HUB, "-vvv"]).await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    for secret in console.setup.world.aws.secrets() {
        assert!(!run.err.contains(&secret) && !run.out.contains(&secret), "{}", run.err);
    }
    assert!(!run.err.contains(ENCODED_TOKEN) && !run.err.contains(TOKEN), "{}", run.err);
}

/// A browser that records its arguments, and the page with its permissions.
#[cfg(target_os = "linux")]
pub(crate) fn browser(folder: &Path, end: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let script = folder.join("browser.sh");
    let text = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin\ncd '{}'\nprintf '%s\\n' \"$@\" >arguments\n\
         tr '\\0' '\\n' </proc/$PPID/cmdline >parent\n\
         stat -c %a \"$1\" \"$(dirname \"$1\")\" >modes\ncp \"$1\" page\n{end}\n",
        folder.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script.to_str().unwrap().to_owned()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn browser_gets_private_page_and_no_secret() {
    let console = Console::start().await;
    let folder = console.setup.home.path();
    let mut variables = console.setup.user();
    // A second command, which must not run.
    let command = format!("{}:/bin/false", browser(folder, ""));
    std::fs::create_dir(folder.join("tmp")).unwrap();
    variables.push(("BROWSER".to_owned(), command));
    variables.push(("TMPDIR".to_owned(), folder.join("tmp").to_str().unwrap().to_owned()));
    let arguments = [HUB, "--open", "--page-lifetime", "1", "--output", "json"];
    let began = Instant::now();
    let json = console.run_with(&variables, &arguments).await.json();
    assert!(began.elapsed() >= Duration::from_secs(1), "the page stays for a second");
    assert_eq!(json["url"], Value::Null);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let page_path = read("arguments").trim().to_owned();
    assert!(page_path.ends_with("/sign-in.html") && page_path.contains("/tmp/"), "{page_path}");
    assert_eq!(read("modes"), "600\n700\n");
    let page = read("page");
    assert!(page.contains(&format!("name=\"SigninToken\" value=\"{TOKEN}\"")), "{page}");
    assert!(page.contains(&format!("action=\"{}\"", console.url)), "{page}");
    let mut secrets = console.setup.world.aws.secrets();
    secrets.extend([TOKEN.to_owned(), ENCODED_TOKEN.to_owned()]);
    for secret in secrets {
        for file in ["arguments", "parent"] {
            assert!(!read(file).contains(&secret), "{file}: {}", read(file));
        }
        assert!(!json.to_string().contains(&secret), "{json}");
    }
    assert_eq!(std::fs::read_dir(folder.join("tmp")).unwrap().count(), 0, "the page is removed");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn failed_browser_fails_and_leaves_no_page() {
    let console = Console::start().await;
    let folder = console.setup.home.path();
    std::fs::create_dir(folder.join("tmp")).unwrap();
    let failing = browser(folder, "exit 3");
    for (command, message) in [
        ("/missing/browser", "cannot start a browser: /missing/browser: "),
        (failing.as_str(), "the browser command failed: exit status: 3"),
    ] {
        let mut variables = console.setup.user();
        variables.push(("BROWSER".to_owned(), command.to_owned()));
        variables.push(("TMPDIR".to_owned(), folder.join("tmp").to_str().unwrap().to_owned()));
        let error = console.run_with(&variables, &[HUB, "--open"]).await.failed(1);
        assert!(error.contains(message) && error.contains("set BROWSER"), "{error}");
        assert_eq!(std::fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
    }
}

/// A page of a command that a signal ends, by what that does to the command.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn signal_removes_the_page() {
    let console = Console::start().await;
    let folder = console.setup.home.path();
    let pages = folder.join("tmp");
    std::fs::create_dir(&pages).unwrap();
    let mut variables = console.setup.user();
    variables.push(("BROWSER".to_owned(), browser(folder, "")));
    variables.push(("TMPDIR".to_owned(), pages.to_str().unwrap().to_owned()));
    for (name, before, code) in [
        ("INT", "", 1),
        ("TERM", "", 1),
        ("HUP", "", 1),
        // The page stays for its lifetime.
        ("HUP", IGNORE_HUP, 0),
    ] {
        let lifetime = if code == 0 { "3" } else { "300" };
        let _ = std::fs::remove_file(folder.join("page"));
        let mut command = after(before, &console.setup.command(&variables));
        command.args(["console", "--federation-endpoint", &console.url, HUB, "--open"]);
        command.args(["--page-lifetime", lifetime]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        wait_until(|| "the browser".to_owned(), || folder.join("page").exists());
        signal(child.id(), name);
        assert_eq!(wait_for_end(&mut child).code(), Some(code), "{name}");
        assert_eq!(std::fs::read_dir(&pages).unwrap().count(), 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_of_another_sts_is_not_sent_to_aws() {
    let setup = Setup::start().await;
    let url = setup.world.aws.endpoint_url();
    let keys: Vec<_> =
        setup.user().into_iter().filter(|(name, _)| name != "AWS_ENDPOINT_URL").collect();
    let text = format!("[default]\nendpoint_url = {url}\nregion = eu-west-1\n");
    let file = setup.write("config", &text);
    for (name, value) in [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ENDPOINT_URL_STS", url),
        ("AWS_CONFIG_FILE", file.as_str()),
    ] {
        let mut variables = keys.clone();
        variables.push((name.to_owned(), value.to_owned()));
        let error = setup.run(&variables, &["console", HUB]).await.failed(1);
        assert!(error.starts_with(&format!("error: the STS endpoint {url} is not one")), "{error}");
        assert!(error.contains("\nhint: pass ") && error.contains("--federation-endpoint"));
    }
    assert_eq!(setup.world.aws.calls().len(), 0);
}

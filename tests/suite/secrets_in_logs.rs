//! No log, error or `Debug` output contains a secret, at any level.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use rolecall::provider::FetchContext;
use rolecall::{ProvideSession, Role};
use rolecall_examples::tour::{self, Format, Stage};
use rolecall_tests::{CLOSED, HUB, World};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Captures all that is written to it.
#[derive(Clone, Debug, Default)]
struct LogCapture(Arc<Mutex<Vec<u8>>>);

impl LogCapture {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Captures all `tracing` output of this process from now on, also of other tests.
    fn install() -> Self {
        static ALL: OnceLock<LogCapture> = OnceLock::new();
        let subscribe = || {
            let capture = Self::default();
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_span_events(FmtSpan::FULL)
                .with_ansi(false)
                .with_writer(capture.clone())
                .init();
            capture
        };
        ALL.get_or_init(subscribe).clone()
    }
}

impl Write for LogCapture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogCapture {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Returns the lines of `text` that contain one of `secrets` or a signed token.
fn lines_with_secrets(text: &str, secrets: &[String]) -> Vec<String> {
    // As it is, and as encoded in a form.
    let form_encoded = |secret: &String| secret.replace('+', "%2B").replace('/', "%2F");
    let secrets: Vec<String> = secrets.iter().flat_map(|s| [s.clone(), form_encoded(s)]).collect();
    let has_secret = |line: &&str| {
        let known = secrets.iter().any(|secret| line.contains(secret.as_str()));
        // A JWT has a header, a payload and a signature.
        let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        let token = words.clone().any(|word| {
            word.starts_with("eyJ") && word.split('.').filter(|part| part.len() > 8).count() >= 3
        });
        known || token
    };
    text.lines().filter(has_secret).map(str::to_owned).collect()
}

#[tokio::test]
async fn tour_logs_no_secret_at_trace() {
    let capture = LogCapture::install();
    let stage = Stage::start().await.unwrap();
    let report = tour::run(&stage).await.unwrap();
    let mut out = Vec::new();
    report.print(Format::Table, &mut out).unwrap();
    report.print(Format::Json, &mut out).unwrap();
    assert_eq!(report.failed(), 0, "{}", String::from_utf8_lossy(&out));
    let text = capture.text() + &String::from_utf8(out).unwrap();
    assert!(text.contains("TRACE"), "TRACE events are captured");
    assert!(text.contains("fetched a session"), "rolecall's events are captured");
    assert!(text.contains("transmitting request"), "the SDK's events are captured");
    assert_eq!(lines_with_secrets(&text, &stage.aws().secrets()), Vec::<String>::new());
}

#[tokio::test]
async fn debug_output_contains_no_secret() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume_role(Role::new(HUB).unwrap());
    let provider = chain.provider();
    let session = provider.provide_session(FetchContext::foreground()).await.unwrap();
    let denied = chain.clone().assume_role(Role::new(CLOSED).unwrap()).provider();
    let error = denied.provide_session(FetchContext::foreground()).await.unwrap_err();
    let shown = format!(
        "{session:?} {session:#?} {:?} {chain:?} {provider:?} {error:?} {error:#?} {error} {:?} {:?} {:?} {:?}",
        session.credentials(),
        chain.sts_client().unwrap(),
        world.builder().unwrap(),
        world.aws,
        world.cluster,
    );
    assert!(shown.contains(session.access_key_id()));
    assert_eq!(lines_with_secrets(&shown, &world.aws.secrets()), Vec::<String>::new());
}

#[test]
fn secret_search_finds_known_secrets() {
    let secrets = ["s3cret/key".to_owned()];
    assert_eq!(lines_with_secrets("a\nkey=\"s3cret/key\"\nb", &secrets), ["key=\"s3cret/key\""]);
    assert_eq!(lines_with_secrets("key=s3cret%2Fkey&a=b", &secrets), ["key=s3cret%2Fkey&a=b"]);
    let jwt = "token=eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRw.c2lnbmF0dXJlLWFuZC1tb3Jl&x";
    assert_eq!(lines_with_secrets(jwt, &[]), [jwt]);
    assert!(
        lines_with_secrets("harmless eyJ and sts.eu-west-1.amazonaws.com", &secrets).is_empty()
    );
}

#[tokio::test]
#[cfg(unix)]
async fn credential_process_stderr_is_not_logged() {
    let capture = LogCapture::install();
    let config = "[profile broken]\ncredential_process = echo pr1vate-output >&2; exit 3\n";
    let environment = rolecall::Environment::fixed([
        ("AWS_REGION", "eu-west-1"),
        ("AWS_PROFILE", "broken"),
        ("HOME", "/home/ann"),
    ]);
    let environment = environment.with_file("/home/ann/.aws/config", config);
    let chain = rolecall::Chain::builder().environment(environment).from_env().unwrap();
    let error = chain.provider().session().await.unwrap_err();
    assert!(error.to_string().contains("credential_process"), "{error}");
    let text = capture.text() + &format!("{error:?} {}", error.report());
    // The log line of rolecall itself: the log is captured, and the process did run.
    assert!(text.contains("failed to fetch a session"), "rolecall's events are captured");
    // aws-config logs the command as it reads the file, but not what it prints.
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("pr1vate-output")).collect();
    let leaked = |line: &&&str| !line.contains("credential_process");
    assert_eq!(lines.iter().find(leaked), None);
}

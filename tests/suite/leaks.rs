//! No secret in any log, error or `Debug`, at any level.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use rolecall::{FetchContext, Role, SessionSource};
use rolecall_examples::tour::{self, Format, Stage};
use rolecall_tests::{CLOSED, HUB, World};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Everything that is written to it.
#[derive(Clone, Debug, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// All `tracing` of this process from now on, whichever test it comes from.
    fn begin() -> Self {
        static ALL: OnceLock<Captured> = OnceLock::new();
        let install = || {
            let captured = Self::default();
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_span_events(FmtSpan::FULL)
                .with_ansi(false)
                .with_writer(captured.clone())
                .init();
            captured
        };
        ALL.get_or_init(install).clone()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The parts of `text` that hold a secret of the local AWS, or a signed token.
fn leaks(text: &str, secrets: &[String]) -> Vec<String> {
    // As it is, and as a form has it.
    let in_a_form = |secret: &String| secret.replace('+', "%2B").replace('/', "%2F");
    let secrets: Vec<String> = secrets.iter().flat_map(|s| [s.clone(), in_a_form(s)]).collect();
    let secret = |line: &&str| {
        let known = secrets.iter().any(|secret| line.contains(secret.as_str()));
        // A JWT: header, payload and a signature.
        let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        let token = words.clone().any(|word| {
            word.starts_with("eyJ") && word.split('.').filter(|part| part.len() > 8).count() >= 3
        });
        known || token
    };
    text.lines().filter(secret).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_whole_tour_shows_no_secret_at_trace() {
    let captured = Captured::begin();
    let stage = Stage::set().await.unwrap();
    let report = tour::run(&stage).await.unwrap();
    let mut out = Vec::new();
    report.print(Format::Table, &mut out).unwrap();
    report.print(Format::Json, &mut out).unwrap();
    assert_eq!(report.failed(), 0, "{}", String::from_utf8_lossy(&out));
    let text = captured.text() + &String::from_utf8(out).unwrap();
    assert!(text.contains("TRACE"), "something was captured");
    assert!(text.contains("a session was fetched"), "rolecall's own events too");
    assert!(text.contains("transmitting request"), "and the SDK's, of each request");
    assert_eq!(leaks(&text, &stage.aws().secrets()), Vec::<String>::new());
}

#[tokio::test]
async fn no_debug_shows_a_secret() {
    let world = World::new().await.unwrap();
    let chain = world.builder().unwrap().from_env().unwrap().assume(Role::new(HUB).unwrap());
    let provider = chain.cached();
    let session = provider.session(FetchContext::caller()).await.unwrap();
    let denied = chain.clone().assume(Role::new(CLOSED).unwrap()).cached();
    let error = denied.session(FetchContext::caller()).await.unwrap_err();
    let shown = format!(
        "{session:?} {session:#?} {:?} {chain:?} {provider:?} {error:?} {error:#?} {error} {:?} {:?} {:?} {:?}",
        session.credentials(),
        chain.sts(),
        world.builder().unwrap(),
        world.aws,
        world.cluster,
    );
    assert!(shown.contains(session.access_key_id()));
    assert_eq!(leaks(&shown, &world.aws.secrets()), Vec::<String>::new());
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let secrets = ["s3cret/key".to_owned()];
    assert_eq!(leaks("a\nkey=\"s3cret/key\"\nb", &secrets), ["key=\"s3cret/key\""]);
    assert_eq!(leaks("key=s3cret%2Fkey&a=b", &secrets), ["key=s3cret%2Fkey&a=b"]);
    let jwt = "token=eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRw.c2lnbmF0dXJlLWFuZC1tb3Jl&x";
    assert_eq!(leaks(jwt, &[]), [jwt]);
    assert!(leaks("harmless eyJ and sts.eu-west-1.amazonaws.com", &secrets).is_empty());
}

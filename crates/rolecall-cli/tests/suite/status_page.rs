//! The status page of `rolecall serve`, as a browser shows it.

use std::process::Command;

use rolecall_tests::{CLOSED, HUB, ORDERS};
use serde_json::{Value, json};

use crate::command::Setup;
use crate::running::Running;
use crate::serve::serve;

/// A page in a browser.
struct Page {
    /// The elements, as HTML.
    elements: String,
    /// The URLs that the browser requested for the page.
    requests: Vec<String>,
}

impl Page {
    /// Opens a page in a browser that reaches no other host.
    async fn open(setup: &Setup, url: &str) -> Self {
        let program = std::env::var("ROLECALL_CHROMIUM").unwrap_or("chromium".to_owned());
        let mut command = rolecall_tests::clean(Command::new(program));
        let file = |name: &str| setup.home.path().join(name).to_str().unwrap().to_owned();
        let log = file("requests.json");
        command
            .env("HOME", setup.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap())
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-quic", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-breakpad", "--no-first-run"])
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .arg(format!("--user-data-dir={}", file("browser")))
            .arg(format!("--log-net-log={log}"))
            // Milliseconds of the page's own time. The page reloads after ten seconds.
            .args(["--virtual-time-budget=5000", "--dump-dom", url]);
        let finished = Running::start(command, setup.home.path()).finish().await;
        assert_eq!(finished.code, Some(0), "{}", finished.err);
        let log = std::fs::read_to_string(log).unwrap();
        let requests = requests(&serde_json::from_str(&log).unwrap(), url);
        Self { elements: finished.out, requests }
    }
}

/// Returns the URL of each request that a page made, and of the page, in a log of the browser.
///
/// The browser requests other URLs on its own account.
fn requests(log: &Value, page: &str) -> Vec<String> {
    let start = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    assert!(start.is_u64(), "{}", log["constants"]);
    let events = log["events"].as_array().unwrap().iter().filter(|event| event["type"] == *start);
    let of_page = events.filter_map(|event| {
        // The event of a request's end has neither.
        let url = event["params"]["url"].as_str()?;
        let initiator = event["params"]["initiator"].as_str()?;
        (url == page || page.starts_with(initiator)).then(|| url.to_owned())
    });
    of_page.collect()
}

/// Returns what is in each element with this name. Elements with this name contain no others.
fn contents<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let (start, end) = (format!("<{name}"), format!("</{name}>"));
    let mut found = Vec::new();
    for part in html.split(&start).skip(1) {
        // Another name that begins like this one has more letters.
        if part.starts_with(['>', ' ']) {
            let (_, rest) = part.split_once('>').unwrap();
            found.push(rest.split_once(&end).unwrap().0);
        }
    }
    found
}

/// Returns the texts between the tags.
fn texts(html: &str) -> Vec<&str> {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.map(str::trim).filter(|text| !text.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_page_shows_roles_and_failures_in_a_browser() {
    if rolecall_tests::is_left_out("chromium") {
        return;
    }
    let setup = Setup::start().await;
    let roles = json!({ "roles": [
        { "path": "/closed", "roles": [HUB, CLOSED] },
        { "path": "/hub", "roles": [HUB] },
        { "path": "/team/orders", "roles": [HUB, ORDERS] },
    ] });
    let file = setup.write("roles.json", &roles.to_string());
    let served = serve(&setup, &["--config", &file]);
    let url = format!("http://{}/", served.address());
    let page = Page::open(&setup, &url).await;
    let elements = &page.elements;

    assert_eq!(contents(elements, "title"), ["rolecall: 1 of 3 roles failing"]);
    assert!(elements.contains("<html lang=\"en\">"), "{elements}");
    let table = contents(elements, "table").join("");
    assert_eq!(
        contents(contents(&table, "thead")[0], "th"),
        ["Role", "State", "Expires", "Failures"]
    );
    assert_eq!(table.matches("scope=\"col\"").count(), 4, "{table}");
    let bodies = contents(&table, "tbody");
    let [closed, hub, orders] = bodies.as_slice() else { panic!("{table}") };
    let rows = contents(closed, "tr");
    let cells = texts(rows[0]);
    assert_eq!([cells[0], cells[1], cells[3]], ["/closed", CLOSED, "no session"]);
    // The endpoint tries again all the time.
    assert!(["failing", "loading"].contains(&cells[2]), "{closed}");
    assert!(cells[4].parse::<u32>().unwrap() > 0, "{closed}");
    let failure = texts(rows[1]).concat();
    assert!(failure.contains("AccessDenied") && failure.contains("hint: "), "{failure}");
    for (body, path, role) in [(hub, "/hub", HUB), (orders, "/team/orders", ORDERS)] {
        let rows = contents(body, "tr");
        let [row] = rows.as_slice() else { panic!("{body}") };
        let cells = texts(row);
        assert_eq!(cells[..4], [path, role, "fresh", "in 59 minutes"]);
        assert!(cells[4].ends_with('Z'), "{body}");
        assert_eq!(cells[5..], ["0"]);
    }

    let secrets = setup.world.aws.secrets();
    assert!(!secrets.is_empty());
    for secret in secrets.iter().chain([&served.token()]) {
        assert!(!elements.contains(secret.as_str()), "{elements}");
    }
    assert_eq!(page.requests, [url]);
}

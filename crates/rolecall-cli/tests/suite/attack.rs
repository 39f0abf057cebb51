//! The endpoint under attack: nothing leaks, memory is bounded, and clients with the token are
//! answered as without the attack.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rolecall_tests::HUB;

use crate::command::{Setup, finish};
use crate::endpoint::{LIMIT, Response, Served, send, wait_until};

struct Target {
    setup: Setup,
    served: Served,
}

impl Target {
    async fn start() -> Self {
        let setup = Setup::start().await;
        let mut command = setup.command(&setup.user());
        command.args(["serve", HUB]);
        let served = Served::start(command);
        served.session("/role");
        Self { setup, served }
    }

    fn address(&self) -> SocketAddr {
        self.served.address()
    }

    /// Sends bytes, checks that the answer contains no secret and no more than one response, and
    /// returns its status.
    ///
    /// `None` is a connection that was closed without one, or whose response was lost: the kernel
    /// resets a connection that is closed before all of its bytes were read.
    #[track_caller]
    fn answer(&self, bytes: &[u8]) -> Option<u16> {
        let text = self.served.send(bytes);
        for secret in self.setup.world.aws.secrets() {
            assert!(!text.contains(&secret), "{text}");
        }
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{text}");
        (!text.is_empty()).then(|| Response::parse(&text).status)
    }

    /// Returns the status of the response to a request that the endpoint reads to its end.
    #[track_caller]
    fn status(&self, bytes: &[u8]) -> u16 {
        self.answer(bytes).expect("no response")
    }

    /// Returns a head with these lines after the request line, and the token.
    fn head(&self, lines: &str) -> String {
        format!("GET /role HTTP/1.1\r\n{lines}Authorization: {}\r\n", self.served.token())
    }

    /// Checks that a client with the token is still answered.
    #[track_caller]
    fn check_alive(&self) {
        self.served.session("/role");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_the_token_are_refused() {
    let target = Target::start().await;
    let (address, token) = (target.address(), target.served.token());
    let upper = token.to_uppercase();
    for (authorization, status) in [
        (String::new(), 401),
        ("Authorization: \r\n".to_owned(), 401),
        (format!("Authorization: {}\r\n", "0".repeat(64)), 401),
        (format!("Authorization: {}\r\n", &token[..63]), 401),
        (format!("Authorization: {token}0\r\n"), 401),
        (format!("Authorization: {upper}\r\n"), 401),
        (format!("Authorization: Bearer {token}\r\n"), 401),
        (format!("Authorization: {token}\r\nAuthorization: {token}\r\n"), 401),
        (format!("Authorization: {}\r\n", token.repeat(100)), 401),
        (format!("X-Authorization: {token}\r\nCookie: {token}\r\n"), 401),
    ] {
        // An unknown path is refused in the same way: it tells nothing about the paths.
        for path in ["/role", "/other", "/role/"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}\r\n");
            let shown: String = authorization.chars().take(90).collect();
            assert_eq!(target.status(request.as_bytes()), status, "{path} {shown}");
        }
    }
    let overlong = format!("Authorization: {}\r\n\r\n", token.repeat(10_000));
    let request = format!("GET /role HTTP/1.1\r\nHost: {address}\r\n{overlong}");
    assert!(target.answer(request.as_bytes()).is_none_or(|status| status == 431));
    target.check_alive();
    let refused = "rolecall_refused_requests_total{reason=\"InvalidAuthorizationToken\"}";
    assert_eq!(target.served.metric(refused), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_other_hosts_are_refused() {
    let target = Target::start().await;
    let (address, port) = (target.address(), target.address().port());
    for (lines, status) in [
        (String::new(), 400),
        (format!("Host: {address}\r\nHost: {address}\r\n"), 400),
        (format!("Host: {address}\r\nHost: attacker.example\r\n"), 400),
        ("Host: attacker.example\r\n".to_owned(), 403),
        (format!("Host: attacker.example:{port}\r\n"), 403),
        (format!("Host: 127.0.0.1.attacker.example:{port}\r\n"), 403),
        ("Host: 127.0.0.1\r\n".to_owned(), 403),
        (format!("Host: 127.0.0.1:{}\r\n", port ^ 1), 403),
        (format!("Host: 0.0.0.0:{port}\r\n"), 403),
        (format!("Host: 127.0.0.2:{port}\r\n"), 403),
        (format!("Host: [::1]:{port}\r\n"), 403),
        ("Host: \r\n".to_owned(), 403),
    ] {
        for path in ["/role", "/", "/metrics", "/healthz"] {
            let head = target.head(&lines).replace("/role", path);
            assert_eq!(target.status(format!("{head}\r\n").as_bytes()), status, "{path} {lines}");
        }
    }
    let absolute = target.head(&format!("Host: {address}\r\n"));
    let absolute = absolute.replace("/role", "http://attacker.example/role");
    assert_eq!(target.status(format!("{absolute}\r\n").as_bytes()), 403);
    // The same request for a name of the loopback address has the session.
    let head = target.head(&format!("Host: localhost:{port}\r\nConnection: close\r\n"));
    let answer = Response::parse(&target.served.send(format!("{head}\r\n").as_bytes()));
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Sends standard input to a port, and prints the answer.
const SEND: &str = "exec 3<>/dev/tcp/127.0.0.1/$1 && cat >&3 && cat <&3";

/// Runs a client as this user, or as another one.
async fn send_as(user: Option<&str>, port: u16, request: &str) -> Response {
    let mut command = match user {
        None => Command::new("bash"),
        Some(user) => {
            assert!(
                rustix::process::geteuid().is_root(),
                "this test runs a client as another user, which only root can: run it as root"
            );
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--clear-groups", "bash"]);
            command
        }
    };
    command.args(["-c", SEND, "bash", &port.to_string()]);
    let finished = finish(command, request).await;
    assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""));
    Response::parse(&finished.out)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn other_user_is_refused_even_with_the_token() {
    let target = Target::start().await;
    let port = target.address().port();
    for path in ["/role", "/", "/metrics", "/healthz"] {
        let request = target.served.request(path);
        // The same program and bytes pass if the user is this one.
        assert_eq!(send_as(None, port, &request).await.status, 200, "{path}");
        let answer = send_as(Some("65534"), port, &request).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.body.contains("\"ClientNotAllowed\""), "{}", answer.body);
        assert!(!answer.body.contains(HUB), "{}", answer.body);
    }
    // Another user does not even learn whether a token is right.
    let request = target.served.request("/role").replace(&target.served.token(), "x");
    assert_eq!(send_as(Some("65534"), port, &request).await.status, 401);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn endpoint_of_another_user_serves_that_user_and_root() {
    let target = Target::start().await;
    assert!(rustix::process::geteuid().is_root(), "only root can run the endpoint as others");
    // The build's folder may be closed to other users, as that of root is.
    let folder = tempfile::tempdir().unwrap();
    let (program, temporary) = (folder.path().join("rolecall"), folder.path().join("tmp"));
    std::fs::copy(env!("CARGO_BIN_EXE_rolecall"), &program).unwrap();
    std::fs::create_dir(&temporary).unwrap();
    for (path, mode) in [(folder.path(), 0o755), (&program, 0o755), (&temporary, 0o777)] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = rolecall_tests::clean(Command::new("setpriv"));
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
    command.args(["serve", HUB]).envs(target.setup.user()).env("TMPDIR", &temporary);
    let served = Served::start(command);
    let (port, request) = (served.address().port(), served.request("/role"));
    assert_eq!(send_as(None, port, &request).await.status, 200);
    assert_eq!(send_as(Some("65534"), port, &request).await.status, 200);
    assert_eq!(send_as(Some("65533"), port, &request).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_heads_are_refused() {
    let target = Target::start().await;
    let host = format!("Host: {}\r\n", target.address());
    let many: String = (0..1000).map(|index| format!("X-{index}: x\r\n")).collect();
    for lines in [
        format!("X: {}\r\n", "x".repeat(1_000_000)),
        format!("{}: x\r\n", "x".repeat(1_000_000)),
        many,
    ] {
        let status = target.answer(format!("{}{lines}\r\n", target.head(&host)).as_bytes());
        assert!(status.is_none_or(|status| status == 431), "{status:?}");
    }
    let target_line = format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(1_000_000));
    let status = target.answer(target_line.as_bytes());
    assert!(status.is_none_or(|status| status == 431 || status == 414), "{status:?}");
    target.check_alive();
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_requests_are_refused_and_end_the_connection() {
    let target = Target::start().await;
    let host = format!("Host: {}\r\n", target.address());
    let head = target.head(&host);
    // What an attacker would hide in the body of another request.
    let hidden = target.served.request("/role");
    let length = hidden.len();
    let chunk = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
    for (name, request) in [
        ("length", format!("{head}Content-Length: {length}\r\n\r\n{hidden}")),
        ("chunked", format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}")),
        (
            "length and chunked",
            format!("{head}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"),
        ),
        (
            "chunked and length 0",
            format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n{chunk}"),
        ),
        (
            "empty chunked body",
            format!(
                "{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        ("unknown coding", format!("{head}Transfer-Encoding: xchunked\r\n\r\n{hidden}")),
        ("coding before chunked", format!("{head}Transfer-Encoding: gzip, chunked\r\n\r\n{chunk}")),
        ("chunked before coding", format!("{head}Transfer-Encoding: chunked, gzip\r\n\r\n{chunk}")),
        ("tab before coding", format!("{head}Transfer-Encoding:\tchunked\r\n\r\n{chunk}")),
        ("space before colon", format!("{head}Transfer-Encoding : chunked\r\n\r\n{chunk}")),
        (
            "two lengths",
            format!("{head}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        ),
        ("list of lengths", format!("{head}Content-Length: 0, {length}\r\n\r\n{hidden}")),
        ("signed length", format!("{head}Content-Length: +{length}\r\n\r\n{hidden}")),
        ("folded line", format!("{head}X: a\r\n b: c\r\n\r\n")),
        ("folded length", format!("{head}Content-Length:\r\n {length}\r\n\r\n{hidden}")),
        ("bare carriage return", format!("{head}X: a\rTransfer-Encoding: chunked\r\n\r\n{chunk}")),
        ("NUL", format!("{head}X: a\0b\r\n\r\n{hidden}")),
        ("space in front of a header", format!("{head} X: a\r\n\r\n{hidden}")),
        ("two targets", head.replace("/role", "/role /healthz") + "\r\n"),
        ("unknown version", head.replace("HTTP/1.1", "HTTP/3.0") + "\r\n"),
        ("no HTTP", "\x16\x03\x01\x02\x00\x01\r\n\r\n".to_owned()),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
    ] {
        let status = target.answer(request.as_bytes());
        assert!(status.is_none_or(|status| status == 400), "{name}: {status:?}");
    }
    for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get"] {
        let request = format!("{}\r\n{hidden}", head.replace("GET", method));
        let request = request.replace("CONNECT /role", "CONNECT attacker.example:80");
        let expected = if method == "CONNECT" { 403 } else { 405 };
        let status = target.answer(request.as_bytes());
        assert!(status.is_none_or(|status| status == expected), "{method}: {status:?}");
    }
    target.check_alive();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_exact_paths_have_a_session() {
    let target = Target::start().await;
    for path in [
        "/role/",
        "//role",
        "/./role",
        "/x/../role",
        "/../role",
        "/role/..",
        "/%72ole",
        "/role%00",
        "/role%2f",
        "/ROLE",
        "/role;x",
        "/role\\",
        "/..%2frole",
        "/etc/passwd",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/token",
        "/favicon.ico",
        "/metrics/",
        "/healthz/..",
    ] {
        let (status, body) = target.served.get(path);
        assert!(status == 404 || status == 400, "{path}: {status} {body}");
        assert!(!body.contains("root:") && !body.contains("AccessKeyId"), "{path}: {body}");
    }
}

/// Durations of requests with the token, each on a connection of its own.
fn measure(address: SocketAddr, request: &str, count: usize) -> Vec<Duration> {
    let one = || {
        let start = Instant::now();
        let answer = send(address, request.as_bytes());
        let duration = start.elapsed();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        duration
    };
    (0..count).map(|_| one()).collect()
}

fn percentile_99(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations[durations.len() * 99 / 100]
}

/// Returns the memory of a process in KiB.
fn resident(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let fields: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once(':')).collect();
    fields["VmRSS"].trim().trim_end_matches(" kB").parse().unwrap()
}

/// Clients that keep a thousand connections, of which some send nothing, some a part of a request,
/// and some a wrong token, until the value is dropped.
struct Attack {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

const ATTACKERS: usize = 1000;

impl Attack {
    fn start(address: SocketAddr) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let connect = || TcpStream::connect_timeout(&address, LIMIT).unwrap();
            let mut open: Vec<TcpStream> = (0..ATTACKERS).map(|_| connect()).collect();
            let guess =
                format!("GET /role HTTP/1.1\r\nHost: {address}\r\nAuthorization: x\r\n\r\n");
            // Replaces its connections as fast as it can: most were closed by the endpoint.
            for index in (0..ATTACKERS).cycle() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                open[index] = connect();
                let bytes = match index % 3 {
                    0 => &b""[..],
                    1 => b"GET /role HTTP/1.1\r\nHost: 127",
                    _ => guess.as_bytes(),
                };
                let _ = open[index].write_all(bytes);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Measures requests with and without an attack, and returns the ratio of the 99th percentiles.
fn compare(target: &Target) -> f64 {
    const ROUNDS: usize = 4;
    const REQUESTS: usize = 100;
    let (address, request) = (target.address(), target.served.request("/role"));
    // The rounds alternate, so that whatever else the machine does is in both.
    let (mut control, mut attacked) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        control.extend(measure(address, &request, REQUESTS));
        let attack = Attack::start(address);
        let evicted = || target.served.metric("rolecall_evicted_connections_total");
        let at_start = evicted();
        wait_until(|| "the attack".to_owned(), || evicted() >= at_start + ATTACKERS as u64 / 2);
        attacked.extend(measure(address, &request, REQUESTS));
        assert!(target.served.metric("rolecall_connections ") <= 256);
        drop(attack);
    }
    percentile_99(attacked).as_secs_f64() / percentile_99(control).as_secs_f64()
}

/// Decides by the ratios so far whether the attack delays clients, or returns `None` if more are to
/// be measured.
///
/// A client is delayed if it is answered more than twice as late. Other programs of the machine,
/// such as other tests, delay one side of many comparisons. An endpoint that the attack delays is
/// late in nearly every one.
fn is_delayed(ratios: &[f64]) -> Option<bool> {
    const MAX_COMPARISONS: usize = 9;
    const MIN_IN_TIME: usize = 2;
    let in_time = ratios.iter().filter(|ratio| **ratio <= 2.0).count();
    match in_time >= MIN_IN_TIME {
        true => Some(false),
        false => (ratios.len() >= MAX_COMPARISONS - (MIN_IN_TIME - 1 - in_time)).then_some(true),
    }
}

#[test]
fn delay_is_decided_by_several_comparisons() {
    const LATE: f64 = 2.1;
    for (ratios, expected) in [
        (&[1.0][..], None),
        (&[1.0, 2.0], Some(false)),
        (&[1.0, LATE], None),
        (&[1.0, LATE, 1.0], Some(false)),
        (&[[LATE; 7].as_slice(), &[1.0, 1.0]].concat(), Some(false)),
        (&[[1.0].as_slice(), &[LATE; 7]].concat(), None),
        (&[[1.0].as_slice(), &[LATE; 8]].concat(), Some(true)),
        (&[LATE; 7], None),
        (&[LATE; 8], Some(true)),
    ] {
        assert_eq!(is_delayed(ratios), expected, "{ratios:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_delay_clients() {
    let target = Target::start().await;
    measure(target.address(), &target.served.request("/role"), 100);
    let before = resident(target.served.id());

    let mut ratios = Vec::new();
    let is_delayed = loop {
        ratios.push(compare(&target));
        if let Some(is_delayed) = is_delayed(&ratios) {
            break is_delayed;
        }
    };
    println!("p99 with the attack, relative to that without it: {ratios:.2?}");
    assert!(!is_delayed, "{ratios:.2?}");

    let after = resident(target.served.id());
    println!("{before} KiB, after the attack {after} KiB");
    assert!(after < before + 16 * 1024, "{before} KiB, after the attack {after} KiB");
}

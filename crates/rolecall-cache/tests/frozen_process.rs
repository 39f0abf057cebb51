//! A process that is stopped by a signal while a background refresh hangs.
//!
//! The test runs itself as a child process, stops the child until its session has expired, and lets
//! it continue. In real time, since neither a manual clock nor a paused runtime is a stopped
//! process.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the child process reports to its parent")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use rolecall_cache::CachedProvider;
use rolecall_core::{Clock, FetchContext, FetchMode, ProvideSession, Session, SessionError};

const CHILD: &str = "ROLECALL_FROZEN_CHILD";
const LIFETIME: Duration = Duration::from_secs(5);

/// Background fetches never return, and time out after 2 seconds.
#[derive(Debug, Default)]
struct HangsInBackground {
    foreground: AtomicUsize,
    background: AtomicUsize,
}

#[async_trait]
impl ProvideSession for HangsInBackground {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        if context.mode() == FetchMode::Background {
            self.background.fetch_add(1, Ordering::SeqCst);
            return std::future::pending().await;
        }
        self.foreground.fetch_add(1, Ordering::SeqCst);
        let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
        let clock = Clock::system();
        Ok(Session::builder(keys).lifetime(clock.now(), LIFETIME, &clock).build())
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// What the child process does: it prints when the background refresh hangs, and after it was
/// stopped the results of its first requests.
async fn run_child() {
    let provider = Arc::new(HangsInBackground::default());
    let cached = CachedProvider::new(Arc::clone(&provider));
    cached.session().await.unwrap();
    while provider.background.load(Ordering::SeqCst) == 0 {
        cached.session().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A step of the boot clock is how the process notices that it was stopped. It is read before
    // the parent learns that it may stop the process.
    let clock = Clock::system();
    let mut before = clock.now();
    println!("hanging");
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = clock.now();
        if now - before > Duration::from_secs(1) {
            break;
        }
        before = now;
    }
    assert!(provider.foreground.load(Ordering::SeqCst) >= 1);
    let requests: Vec<_> = (0..10)
        .map(|_| {
            let cached = cached.clone();
            tokio::spawn(async move {
                let started = Instant::now();
                (cached.session().await, started.elapsed())
            })
        })
        .collect();
    for request in requests {
        match request.await.unwrap() {
            (Ok(_), wait) if wait < Duration::from_secs(2) => println!("ok"),
            (Ok(_), wait) => println!("late: {wait:?}"),
            (Err(error), _) => println!("error: {error}"),
        }
    }
    println!("foreground {}", provider.foreground.load(Ordering::SeqCst));
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(name).arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

/// Ends the child if an assertion fails: a stopped process would remain.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn first_requests_of_a_stopped_process_succeed() {
    if std::env::var_os(CHILD).is_some() {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap().block_on(run_child());
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "first_requests_of_a_stopped_process_succeed", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = KillOnDrop(child);
    let output = BufReader::new(child.0.stdout.take().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    // The refresh starts within the lifetime of the session.
    assert!(lines.any(|line| line.ends_with("hanging")), "the refresh did not start");
    signal(&child.0, "-STOP");
    // Past the timeout of the fetch, and past the expiration of the session.
    std::thread::sleep(LIFETIME);
    signal(&child.0, "-CONT");
    let rest: Vec<_> = lines.collect();
    let results: Vec<_> = rest
        .iter()
        .filter(|line| line.starts_with("ok") || line.contains("late:") || line.contains("error:"))
        .collect();
    assert_eq!(results, ["ok"; 10], "{rest:?}");
    assert!(rest.iter().any(|line| line == "foreground 2"), "one fetch for all: {rest:?}");
    assert!(child.0.wait().unwrap().success());
}

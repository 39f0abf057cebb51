//! Output that is not read: a terminal that is stopped, or a pipe that is full.

use std::io::{PipeReader, PipeWriter, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use rolecall_tests::HUB;
use rustix::fs::{OFlags, fcntl_setfl};

use crate::command::{Setup, finish_with};
use crate::endpoint::{Response, Served, send, signal, wait_for_end, wait_until};
use crate::sandbox::Running;

/// Returns a pipe to which nothing can be written until something is read.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    for length in [4096, 1] {
        while writer.write(&b"\n".repeat(length)).is_ok() {}
    }
    fcntl_setfl(&writer, OFlags::empty()).unwrap();
    (reader, writer)
}

fn serve(setup: &Setup) -> Command {
    let mut command = setup.command(&setup.user());
    command.args(["serve", HUB, "-vvv"]);
    command
}

/// Sends so many requests. The endpoint refuses some of a fast client, which come again.
fn request_sessions(served: &Served, mut count: u32) {
    let request = served.request("/role");
    while count > 0 {
        match Response::parse(&served.send(request.as_bytes())).status {
            200 => count -= 1,
            429 => std::thread::sleep(Duration::from_millis(20)),
            status => panic!("{status}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_log_delays_neither_clients_nor_the_stop() {
    let setup = Setup::start().await;
    let (reader, writer) = full_pipe();
    let served = Served::start_with(serve(&setup), writer, None);
    request_sessions(&served, 2_000);
    let folder = served.token_file().parent().unwrap().to_owned();
    let (status, _) = served.stop("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(!folder.exists());
    drop(reader);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_is_complete_for_a_reader_that_is_back() {
    let setup = Setup::start().await;
    let (reader, writer) = full_pipe();
    let mut served = Served::start_with(serve(&setup), writer, None);
    request_sessions(&served, 10);
    served.read_errors(reader);
    served.wait_for_error("fetched a session");
    let (status, log) = served.stop("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(!log.contains("missing"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_log_does_not_stop_a_program_of_exec() {
    let setup = Setup::start().await;
    let (reader, writer) = full_pipe();
    let mut command = setup.command(&setup.user());
    command.args(["exec", "--refresh", HUB, "-vvv", "--", "sh", "-c", "echo done; exit 7"]);
    let run = finish_with(command, "", writer).await;
    assert_eq!((run.code, run.out.as_str()), (Some(7), "done\n"));
    drop(reader);
}

#[tokio::test]
async fn unread_note_does_not_stop_a_sandbox() {
    let (reader, writer) = full_pipe();
    let mut sandbox = Running::start_with(&[], writer.into());
    let environment = sandbox.environment("AWS_WEB_IDENTITY_TOKEN_FILE=");
    sandbox.run(&environment, "whoami").await.ok();
    assert!(sandbox.line().contains("sts AssumeRoleWithWebIdentity"));
    sandbox.stop(rustix::process::Signal::TERM);
    drop(reader);
}

/// A command that nothing waits for waits for its reader.
#[tokio::test(flavor = "multi_thread")]
async fn short_command_loses_no_line_of_its_log() {
    let setup = Setup::start().await;
    let (reader, writer) = full_pipe();
    let mut command = setup.command(&setup.user());
    command.args(["assume", HUB, "-vvv", "--no-store", "--format", "export"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let log = tokio::task::spawn_blocking(move || {
        let log = std::io::read_to_string(reader).unwrap();
        (log, child.wait().unwrap())
    });
    let (log, status) = log.await.unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("fetched a session"), "{log}");
}

/// The endpoint works for clients that have its settings from elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn unread_variables_delay_neither_clients_nor_the_stop() {
    let setup = Setup::start().await;
    let folder = setup.home.path().join("endpoint");
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let (reader, writer) = full_pipe();
    let mut command = setup.command(&setup.user());
    command.args(["serve", HUB, "--listen", &address.to_string(), "--directory"]).arg(&folder);
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap();
    drop(command);
    let token = || std::fs::read_to_string(folder.join("rolecall-token")).unwrap_or_default();
    wait_until(|| "the token".to_owned(), || !token().is_empty());
    let request = format!(
        "GET /role HTTP/1.1\r\nHost: {address}\r\nAuthorization: {}\r\nConnection: close\r\n\r\n",
        token()
    );
    assert_eq!(Response::parse(&send(address, request.as_bytes())).status, 200);
    signal(child.id(), "TERM");
    assert_eq!(wait_for_end(&mut child).code(), Some(0));
    assert!(token().is_empty());
    drop(reader);
}

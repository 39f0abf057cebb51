//! Files of the store that were changed, and processes that hold its lock.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rolecall_tests::HUB;
use rustix::process::{Pid, Signal, kill_process};

use crate::command::Setup;
use crate::store::files;

const COMMAND: &str = "credential-process";
const FOLDER: &str = ".local/state/rolecall/store";

/// A store with the session of [`HUB`].
struct Stored {
    setup: Setup,
    path: PathBuf,
    session: String,
}

impl Stored {
    async fn new() -> Self {
        let setup = Setup::start().await;
        let session = setup.run(&setup.user(), &[COMMAND, HUB]).await.ok();
        let path = files(&setup.home.path().join(FOLDER), "session").pop().unwrap();
        Self { setup, path, session }
    }

    fn key(&self) -> PathBuf {
        self.path.with_file_name("key")
    }

    /// Runs the command, which must note this fault and replace the session.
    async fn is_replaced(&mut self, fault: &str) {
        let (setup, calls) = (&self.setup, self.setup.world.aws.count("AssumeRole"));
        let run = setup.run(&setup.user(), &[COMMAND, HUB]).await;
        assert_eq!(run.code, Some(0), "{fault}: {}", run.err);
        assert!(run.err.contains(fault), "{fault}: {}", run.err);
        assert!(run.err.lines().all(|line| line.starts_with("note: ")), "{}", run.err);
        assert_ne!(run.out, self.session, "{fault}");
        assert_eq!(setup.world.aws.count("AssumeRole"), calls + 1, "{fault}");
        assert_eq!(setup.run(&setup.user(), &[COMMAND, HUB]).await.ok(), run.out, "{fault}");
        assert_eq!(setup.world.aws.count("AssumeRole"), calls + 1, "{fault}");
        assert_eq!(self.path.symlink_metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        self.session = run.out;
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_file_is_refused_and_replaced() {
    let mut stored = Stored::new().await;
    let length = std::fs::read(&stored.path).unwrap().len();
    // Header, version, nonce, ciphertext and tag.
    for at in [0, 7, 8, 19, 20, length / 2, length - 17, length - 16, length - 1] {
        let mut contents = std::fs::read(&stored.path).unwrap();
        contents[at] ^= 1;
        std::fs::write(&stored.path, contents).unwrap();
        stored.is_replaced("it was changed, moved, or encrypted with another key").await;
    }
    for length in [0, 8, 20, 40, length - 1] {
        let contents = std::fs::read(&stored.path).unwrap();
        std::fs::write(&stored.path, &contents[..length]).unwrap();
        stored.is_replaced("it was changed, moved, or encrypted with another key").await;
    }
    std::fs::write(&stored.path, vec![0; 100_000]).unwrap();
    stored.is_replaced("it is larger than 65536 bytes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_file_is_refused_and_replaced() {
    let mut stored = Stored::new().await;
    let setup = &stored.setup;
    setup.run(&setup.user(), &[COMMAND, HUB, "--session-name", "other"]).await.ok();
    let folder = stored.path.parent().unwrap();
    let all = files(folder, "session");
    let other = all.iter().find(|path| **path != stored.path).unwrap();
    std::fs::copy(other, &stored.path).unwrap();
    stored.is_replaced("it was changed, moved, or encrypted with another key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_others_can_read_is_refused_and_replaced() {
    let mut stored = Stored::new().await;
    for mode in [0o644, 0o640, 0o602, 0o777] {
        set_mode(&stored.path, mode);
        stored.is_replaced("other users have access to it").await;
    }
    let contents = stored.path.with_extension("other");
    std::fs::rename(&stored.path, &contents).unwrap();
    std::os::unix::fs::symlink(&contents, &stored.path).unwrap();
    stored.is_replaced("it cannot be read: ").await;
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&stored.path, Some(12_345), None).unwrap();
        stored.is_replaced("it belongs to another user").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_that_others_can_read_is_closed() {
    let stored = Stored::new().await;
    let folder = stored.path.parent().unwrap();
    set_mode(folder, 0o755);
    std::fs::remove_file(&stored.path).unwrap();
    let setup = &stored.setup;
    let run = setup.run(&setup.user(), &[COMMAND, HUB]).await;
    assert!(run.err.starts_with("note: other users had access to "), "{}", run.err);
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    setup.run(&setup.user(), &[COMMAND, HUB]).await.ok();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(folder, Some(12_345), None).unwrap();
        std::fs::remove_file(&stored.path).unwrap();
        let run = setup.run(&setup.user(), &[COMMAND, HUB]).await;
        assert!(run.err.contains("belongs to another user; the session is not"), "{}", run.err);
        assert!(!stored.path.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_key_is_replaced_with_all_sessions() {
    let mut stored = Stored::new().await;
    // A key of another store, or one that was copied back.
    std::fs::write(stored.key(), [7; 32]).unwrap();
    stored.is_replaced("it was changed, moved, or encrypted with another key").await;
    for (contents, mode, fault) in [
        (&[7; 31][..], 0o600, "it is not a key"),
        (&[7; 33], 0o600, "it is larger than 32 bytes"),
        (&[7; 32], 0o644, "other users have access to it"),
    ] {
        std::fs::write(stored.key(), contents).unwrap();
        set_mode(&stored.key(), mode);
        stored.is_replaced(fault).await;
    }
    std::fs::remove_file(stored.key()).unwrap();
    stored.is_replaced("it was changed, moved, or encrypted with another key").await;
    let key = std::fs::read(stored.key()).unwrap();
    assert!(key.len() == 32 && key != [7; 32]);
    assert_eq!(stored.key().metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}

/// Starts a process, and waits until it holds the lock and waits for STS.
async fn lock_holder(setup: &Setup) -> (Child, Pid) {
    setup.world.aws.set_latency(Duration::from_secs(600));
    let mut command = setup.command(&setup.user());
    command.args([COMMAND, HUB]).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    while setup.world.aws.count("AssumeRole") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    (child, pid)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_lock_holder_is_replaced_at_once() {
    let setup = Setup::start().await;
    let (mut holder, pid) = lock_holder(&setup).await;
    let mut command = setup.command(&setup.user());
    command.args([COMMAND, HUB]);
    let waiting = tokio::spawn(crate::command::finish(command, ""));
    setup.world.aws.set_latency(Duration::ZERO);
    kill_process(pid, Signal::KILL).unwrap();
    holder.wait().unwrap();
    // A process that had waited for the time limit would print a note.
    let session = waiting.await.unwrap().ok();
    assert_eq!(setup.run(&setup.user(), &[COMMAND, HUB]).await.ok(), session);
    assert_eq!(setup.world.aws.count("AssumeRole"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_lock_holder_is_given_up() {
    let setup = Setup::start().await;
    let (mut holder, pid) = lock_holder(&setup).await;
    kill_process(pid, Signal::STOP).unwrap();
    setup.world.aws.set_latency(Duration::ZERO);
    let run = setup.run(&setup.user(), &[COMMAND, HUB]).await;
    kill_process(pid, Signal::KILL).unwrap();
    holder.wait().unwrap();
    assert!(run.out.contains("SessionToken"), "{}", run.err);
    let note = "note: another process has held the lock of this session for 20 seconds; the \
                session is not stored\n";
    assert_eq!(run.err, note);
}

#[tokio::test(flavor = "multi_thread")]
async fn session_of_changed_configuration_is_not_stored() {
    let setup = Setup::start().await;
    setup.world.aws.set_latency(Duration::from_secs(600));
    let mut command = setup.command(&setup.user());
    command.args([COMMAND, HUB]);
    let running = tokio::spawn(crate::command::finish(command, ""));
    while setup.world.aws.count("AssumeRole") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The first attempt times out, and the second one succeeds.
    setup.write(".aws/config", "[default]\nregion = eu-west-2\n");
    setup.world.aws.set_latency(Duration::ZERO);
    let session = running.await.unwrap().ok();
    assert_eq!(files(&setup.home.path().join(FOLDER), "session"), Vec::<PathBuf>::new());
    assert_ne!(setup.run(&setup.user(), &[COMMAND, HUB]).await.ok(), session);
}

#[cfg(all(feature = "keyring", target_os = "linux"))]
#[tokio::test(flavor = "multi_thread")]
async fn missing_keyring_is_noted_and_not_needed() {
    let setup = Setup::start().await;
    let mut variables = setup.user();
    let bus = "unix:path=/nonexistent/bus".to_owned();
    variables.push(("DBUS_SESSION_BUS_ADDRESS".to_owned(), bus));
    let run = setup.run(&variables, &[COMMAND, HUB, "--store-key", "keyring"]).await;
    assert!(run.out.contains("SessionToken"), "{}", run.err);
    assert!(run.err.starts_with("note: cannot use the keyring: "), "{}", run.err);
    assert!(run.err.ends_with("; the session is not stored\n"), "{}", run.err);
    assert_eq!(files(&setup.home.path().join(FOLDER), "session"), Vec::<PathBuf>::new());
}

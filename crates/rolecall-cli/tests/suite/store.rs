//! The store that processes share.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rolecall_tests::{CHECKOUT, HUB, ORDERS, SHOP};
use tokio::task::JoinSet;

use crate::command::{Finished, Setup, finish, start_with_mfa};

const COMMAND: &str = "credential-process";
const FOLDER: &str = ".local/state/rolecall/store";

impl Setup {
    fn calls(&self) -> usize {
        self.world.aws.count("AssumeRole")
    }

    fn store(&self) -> PathBuf {
        self.home.path().join(FOLDER)
    }

    async fn credentials(&self, arguments: &[&str]) -> String {
        self.run(&self.user(), &[&[COMMAND], arguments].concat()).await.ok()
    }
}

/// Returns the files of the store with this extension.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|other| other == extension)).collect()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// Returns all files below a folder.
fn all_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { all_files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_in_sequence_make_one_call() {
    let setup = Setup::start().await;
    let first = setup.credentials(&[HUB]).await;
    for _ in 1..1_000 {
        assert_eq!(setup.credentials(&[HUB]).await, first);
    }
    assert_eq!(setup.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_in_parallel_make_one_call() {
    let setup = Setup::start().await;
    let mut processes = JoinSet::new();
    for _ in 0..100 {
        let mut command = setup.command(&setup.user());
        command.args([COMMAND, HUB, ORDERS]);
        processes.spawn(finish(command, ""));
    }
    let all: Vec<String> = processes.join_all().await.into_iter().map(Finished::ok).collect();
    assert_eq!(all.len(), 100);
    assert!(all.iter().all(|other| *other == all[0]));
    assert_eq!(setup.calls(), 2, "one for each hop");
}

#[tokio::test(flavor = "multi_thread")]
async fn assume_shares_the_session() {
    let setup = Setup::start().await;
    let unset = setup.run(&[], &["assume", HUB, "--format", "unset"]).await.ok();
    assert!(unset.starts_with("unset"));
    assert!(!setup.store().exists());
    let first = setup.run(&setup.user(), &["assume", HUB, "--output", "json"]).await.json();
    let credentials = setup.credentials(&[HUB]).await;
    assert!(credentials.contains(first["access_key_id"].as_str().unwrap()));
    let again = setup.run(&setup.user(), &["assume", HUB, "--output", "json"]).await.json();
    assert_eq!(again, first, "the store keeps what the result shows");
    assert_eq!(setup.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_store_neither_reads_nor_writes() {
    let setup = Setup::start().await;
    setup.credentials(&[HUB, "--no-store"]).await;
    assert!(!setup.store().exists());
    let stored = setup.credentials(&[HUB]).await;
    assert_ne!(setup.credentials(&[HUB, "--no-store"]).await, stored);
    setup.run(&setup.user(), &["assume", HUB, "--no-store"]).await.ok();
    assert_eq!(setup.calls(), 4);
    assert_eq!(setup.credentials(&[HUB]).await, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_parameters_get_another_session() {
    let setup = Setup::start().await;
    let token = setup.world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    let file = setup.write("token", &token);
    let mut all = vec![
        setup.credentials(&[HUB]).await,
        setup.credentials(&[HUB, "--external-id", "shop-1"]).await,
        setup.credentials(&[HUB, "--external-id", "shop-2"]).await,
        setup.credentials(&[HUB, "--session-name", "ann"]).await,
        setup.credentials(&[HUB, "--duration", "15m"]).await,
        setup.credentials(&[HUB, "--base", "env"]).await,
        setup.credentials(&[CHECKOUT, HUB, "--token-file", &file]).await,
    ];
    let mut variables = setup.user();
    variables.push(("AWS_ENDPOINT_URL_STS".to_owned(), setup.world.aws.endpoint_url().to_owned()));
    all.push(setup.run(&variables, &[COMMAND, HUB]).await.ok());
    let pod = setup.pod();
    all.push(setup.run(&pod, &[COMMAND, HUB]).await.ok());
    assert_eq!(setup.calls(), all.len());
    all.sort();
    all.dedup();
    assert_eq!(all.len(), setup.calls());
    assert_eq!(files(&setup.store(), "session").len(), all.len());
    // Wrong keys of the same user do not get the session either.
    let mut wrong = setup.user();
    wrong.push(("AWS_SECRET_ACCESS_KEY".to_owned(), "wrong".to_owned()));
    let error = setup.run(&wrong, &[COMMAND, HUB]).await.failed(1);
    assert!(error.contains("SignatureDoesNotMatch"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_token_keeps_the_session() {
    let setup = Setup::start().await;
    let first = setup.run(&setup.pod(), &[COMMAND, HUB]).await.ok();
    setup.world.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(setup.run(&setup.pod(), &[COMMAND, HUB]).await.ok(), first);
    assert_eq!(setup.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mfa_session_is_shared() {
    let aws = start_with_mfa().await;
    let keys = aws.user_credentials(SHOP, "ann").unwrap();
    let setup = Setup::start().await;
    let mut variables = setup.with_endpoint(&[
        ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
    ]);
    variables.push(("AWS_ENDPOINT_URL".to_owned(), aws.endpoint_url().to_owned()));
    let role = "arn:aws:iam::111122223333:role/admin";
    let serial = "arn:aws:iam::111122223333:mfa/ann";
    let mut command = setup.command(&variables);
    command.args([COMMAND, role, "--mfa-serial", serial, "--mfa-code", "-"]);
    let first = finish(command, &aws.mfa_code(SHOP, "ann").unwrap()).await.ok();
    let again = setup.run(&variables, &[COMMAND, role, "--mfa-serial", serial]).await.ok();
    assert_eq!(again, first);
    assert_eq!(aws.count("AssumeRole"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_and_no_log_contains_a_secret() {
    let setup = Setup::start().await;
    let mut logs = String::new();
    for _ in 0..2 {
        let run = setup.run(&setup.user(), &[COMMAND, HUB, ORDERS, "-vvv"]).await;
        assert_eq!(run.code, Some(0), "{}", run.err);
        logs.push_str(&run.err);
    }
    assert!(logs.contains("the session is stored") && logs.contains("comes from the store"));
    let secrets = setup.world.aws.secrets();
    assert!(secrets.len() >= 4, "the keys, and the sessions of both hops");
    let files = all_files(&setup.home.path().join(".local"));
    assert_eq!(files.len(), 3, "the entry, its lock and the key: {files:?}");
    for path in &files {
        assert_eq!(mode(path), 0o600, "{}", path.display());
        let contents = std::fs::read(path).unwrap();
        for secret in &secrets {
            let is_there = contents.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!is_there, "{}", path.display());
        }
    }
    assert!(secrets.iter().all(|secret| !logs.contains(secret)), "{logs}");
    assert_eq!(mode(&setup.store()), 0o700);
}

#[tokio::test(flavor = "multi_thread")]
async fn unwritable_folder_is_noted_and_not_needed() {
    let setup = Setup::start().await;
    let file = setup.write("file", "");
    let mut variables = setup.user();
    variables.push(("XDG_STATE_HOME".to_owned(), file));
    for calls in 1..=2 {
        let run = setup.run(&variables, &[COMMAND, HUB]).await;
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert!(run.out.contains("SessionToken"));
        assert!(run.err.starts_with("note: cannot use "), "{}", run.err);
        assert!(run.err.ends_with("; the session is not stored\n"), "{}", run.err);
        assert_eq!(setup.calls(), calls);
    }
    setup.run(&variables, &[COMMAND, HUB, "--quiet"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_home_is_noted_and_not_needed() {
    let setup = Setup::start().await;
    let mut command = setup.command(&setup.user());
    command.args([COMMAND, HUB]).env_remove("HOME");
    let run = finish(command, "").await;
    assert!(run.out.contains("SessionToken"), "{}", run.err);
    let note = "note: neither HOME nor XDG_STATE_HOME is an absolute path; the session is not \
                stored\n";
    assert_eq!(run.err, note);
}

/// Such as the file of `--policy <(..)`.
#[tokio::test(flavor = "multi_thread")]
async fn policy_of_a_pipe_is_read_once() {
    let setup = Setup::start().await;
    let policy = |action: &str| {
        format!(r#"{{"Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#)
    };
    let with = |arguments: &[&str]| {
        let mut command = setup.command(&setup.user());
        command.args(arguments);
        command
    };
    let pipe = ["--policy", "/dev/stdin"];
    let assume = [&["assume", HUB][..], &pipe].concat();
    for arguments in [
        assume.clone(),
        [&assume[..], &["--no-store"]].concat(),
        [&["assume", HUB, ORDERS][..], &pipe].concat(),
        [&[COMMAND, HUB][..], &pipe].concat(),
        [&["exec", HUB][..], &pipe, &["--", "true"]].concat(),
        [&["doctor", HUB][..], &pipe].concat(),
    ] {
        let run = finish(with(&arguments), &policy("sts:GetCallerIdentity")).await;
        assert_eq!(run.code, Some(0), "{arguments:?}: {}{}", run.out, run.err);
    }
    // The text decides, wherever it comes from.
    let calls = setup.calls();
    let path = setup.write("policy.json", &policy("sts:GetCallerIdentity"));
    setup.run(&setup.user(), &["assume", HUB, "--policy", &path]).await.ok();
    assert_eq!(setup.calls(), calls);
    finish(with(&assume), &policy("s3:GetObject")).await.ok();
    assert_eq!(setup.calls(), calls + 1);
}

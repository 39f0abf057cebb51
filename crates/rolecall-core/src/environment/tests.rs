use super::*;

async fn fault(path: &Path) -> FileFault {
    Environment::process().read_file(path, 10).await.unwrap_err().fault
}

#[tokio::test]
async fn read_file_enforces_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, b"0123456789").unwrap();
    assert_eq!(Environment::process().read_file(&path, 10).await.unwrap(), b"0123456789");
    std::fs::write(&path, b"0123456789a").unwrap();
    assert_eq!(fault(&path).await, FileFault::TooLarge { limit: 10 });
}

#[tokio::test]
async fn read_file_rejects_irregular_files() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(fault(dir.path()).await, FileFault::Directory);
    assert_eq!(fault(&dir.path().join("none")).await, FileFault::Missing);
    #[cfg(unix)]
    assert_eq!(fault(Path::new("/dev/null")).await, FileFault::NotRegular);
}

#[tokio::test]
async fn added_file_takes_precedence() {
    let env = Environment::fixed([("A", "b")]).with_file("/t", "abc");
    assert_eq!(env.read_file(Path::new("/t"), 3).await.unwrap(), b"abc");
    assert!(env.read_file(Path::new("/t"), 2).await.is_err());
}

#[cfg(unix)]
#[test]
fn var_not_unicode_error_names_variable() {
    use std::os::unix::ffi::OsStringExt;
    let env = Environment::fixed([("AWS_ROLE_ARN", OsString::from_vec(vec![0xff, 0xfe]))]);
    let error = env.var("AWS_ROLE_ARN").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("AWS_ROLE_ARN"), "{error}");
}

#[test]
fn debug_contains_no_values() {
    let env = Environment::fixed([("AWS_SECRET_ACCESS_KEY", "very-secret")]);
    let shown = format!("{env:?}");
    assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("very-secret"), "{shown}");
}

#[test]
fn pair_requires_both_variables() {
    let pair = |variables: &[(&str, &str)], note| {
        Environment::fixed(variables.iter().copied()).pair("ID", "SECRET", note)
    };
    assert_eq!(pair(&[("SECRET", "")], "").unwrap(), None);
    let both = pair(&[("ID", "a"), ("SECRET", "b")], "").unwrap();
    assert_eq!(both, Some(("a".to_owned(), "b".to_owned())));
    let error = pair(&[("ID", "a")], "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let text = "ID is set and SECRET is not; hint: set SECRET too, or unset ID";
    assert_eq!(error.to_string(), text);
    let error = pair(&[("SECRET", "b")], "the webhook sets both").unwrap_err();
    let text = "SECRET is set and ID is not; \
                hint: set ID too (the webhook sets both), or unset SECRET";
    assert_eq!(error.to_string(), text);
}

#[test]
fn process_environment_reads_the_process() {
    let environment = Environment::default();
    assert_eq!(environment.var("PATH").unwrap(), std::env::var("PATH").ok());
    assert_eq!(format!("{environment:?}"), "Environment(process)");
    let name = environment.application_name().unwrap();
    assert!(name.starts_with("rolecall_core-"), "{name}");
    assert!(environment.host_name().is_some_and(|name| name.len() > 1));
    let with_file = environment.with_file("/added", "abc");
    assert_eq!(with_file.var("PATH").unwrap(), std::env::var("PATH").ok());
    assert_eq!(with_file.read_file_now(Path::new("/added"), 3).unwrap(), b"abc");
}

#[cfg(unix)]
#[test]
fn host_name_falls_back_to_the_system() {
    let node = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    assert_eq!(system_host_name(), Some(node));
}

#[test]
fn fixed_environment_has_no_machine_names() {
    let environment = Environment::fixed([("HOSTNAME", "pod-1")]);
    assert_eq!(environment.host_name().as_deref(), Some("pod-1"));
    assert_eq!(environment.application_name(), None);
    assert_eq!(Environment::fixed([("A", "b")]).host_name(), None);
}

#[test]
fn read_file_now_enforces_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, b"0123456789").unwrap();
    let environment = Environment::process();
    assert_eq!(environment.read_file_now(&path, 10).unwrap(), b"0123456789");
    let error = environment.read_file_now(&path, 9).unwrap_err();
    assert_eq!(error.fault, FileFault::TooLarge { limit: 9 });
    let text = format!("cannot read {}: it is larger than 9 bytes", path.display());
    assert_eq!(error.to_string(), text);
}

#[cfg(unix)]
#[test]
fn read_file_rejects_pipe_without_blocking() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let created = std::process::Command::new("mkfifo").arg(&path).status();
    if !created.is_ok_and(|status| status.success()) {
        return;
    }
    // On a thread of its own: a read that blocks would otherwise hang the test.
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(Environment::process().read_file_now(&path, 10)));
    let result = receiver.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(result.unwrap_err().fault, FileFault::NotRegular);
}

#[tokio::test]
async fn modified_returns_time_of_machine_files_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, b"x").unwrap();
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let environment = Environment::fixed([("A", "b")]);
    assert_eq!(environment.modified(&path).await, Some(modified));
    let environment = environment.with_file(&path, "y");
    assert_eq!(environment.modified(&path).await, None);
}

#[test]
fn io_errors_become_file_faults() {
    use std::io::{Error, ErrorKind};
    let fault = |kind: ErrorKind| FileFault::from_io(&Error::new(kind, "text"));
    assert_eq!(fault(ErrorKind::NotFound), FileFault::Missing);
    assert_eq!(fault(ErrorKind::NotADirectory), FileFault::Missing);
    assert_eq!(fault(ErrorKind::PermissionDenied), FileFault::PermissionDenied);
    assert_eq!(fault(ErrorKind::Other), FileFault::Unreadable("text".into()));
}

#[test]
fn last_of_equal_variables_and_files_counts() {
    let environment = Environment::fixed([("A", "1"), ("B", "2"), ("A", "3")]);
    assert_eq!(environment.var("A").unwrap().as_deref(), Some("3"));
    let environment = environment.with_file("/token", "old").with_file("/token", "new");
    assert_eq!(environment.read_file_now("/token".as_ref(), 100).unwrap(), b"new");
}

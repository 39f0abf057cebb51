//! Runs a test in a process of its own.

/// Set in the child process, where the test itself runs.
const CHILD_VARIABLE: &str = "ROLECALL_TEST_CHILD";

/// Runs `test` in a child process of this test binary. `name` is the test's path, as `cargo test`
/// prints it.
///
/// Use it for tests that measure the process as a whole (open descriptors, memory) or change its
/// global state: other tests run in the same process at the same time.
pub(crate) fn run_isolated(name: &str, test: impl FnOnce()) {
    if std::env::var_os(CHILD_VARIABLE).is_some() {
        return test();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD_VARIABLE, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    // A name that matches no test succeeds, too.
    assert!(stdout.contains("1 passed"), "{stdout}");
}

/// Returns the number of file descriptors that this process has open.
#[cfg(target_os = "linux")]
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

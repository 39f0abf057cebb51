//! The runtime of a command's asynchronous part, and its threads.

use std::future::Future;

use crate::error::Failure;

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::operation(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(future);
    // Dropping the runtime would wait for its blocking tasks, such as the lookup of a name that no
    // server answers.
    runtime.shutdown_background();
    result
}

/// Starts a thread that ends with the process at the latest.
pub(crate) fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    started
        .map(|_| ())
        .map_err(|error| Failure::operation(format!("cannot start a thread: {error}")))
}

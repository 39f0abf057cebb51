//! The runtime of a command's asynchronous part.

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

//! Reads what describes the roles, while the endpoint answers its clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::error::Failure;

/// Runs functions that read files.
///
/// A file may be on a network file system that does not respond. Its read has no end then, so that
/// it must hold up neither a client nor a signal.
#[derive(Debug)]
pub(crate) struct Reader {
    limit: Duration,
    /// Of one thread: those of reads without an end would otherwise add up.
    permits: Arc<Semaphore>,
}

impl Reader {
    /// Creates a reader with this time limit of each read.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, permits: Arc::new(Semaphore::new(1)) }
    }

    /// Runs a function on another thread, after those that are still running. A function that
    /// exceeds the limit continues, and its result is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permits = Arc::clone(&self.permits);
        let run = async {
            let permit = permits.acquire_owned().await;
            let read = move || {
                let _permit = permit;
                read()
            };
            tokio::task::spawn_blocking(read).await
        };
        match tokio::time::timeout(self.limit, run).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => {
                Err(Failure::operation(format!("cannot read the roles and their files: {error}")))
            }
            Err(_) => {
                let seconds = self.limit.as_secs();
                let message =
                    format!("the roles and their files could not be read within {seconds} seconds");
                Err(Failure::operation(message)
                    .with_hint("check the file systems of --config, policies and profiles"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn read_without_end_is_given_up() {
        let reader = Reader::new(Duration::from_millis(50));
        let (release, released) = mpsc::channel::<()>();
        let hanging = reader.run(move || Ok(released.recv().is_ok())).await.unwrap_err();
        assert!(hanging.to_string().contains("could not be read within"), "{hanging}");
        // No second thread waits with the first.
        let started = Arc::new(AtomicUsize::new(0));
        let count = |started: &Arc<AtomicUsize>| {
            let started = Arc::clone(started);
            move || Ok(started.fetch_add(1, Ordering::SeqCst))
        };
        reader.run(count(&started)).await.unwrap_err();
        assert_eq!(started.load(Ordering::SeqCst), 0);
        release.send(()).unwrap();
        let reader = Reader { limit: Duration::from_secs(60), ..reader };
        reader.run(count(&started)).await.unwrap();
        assert_eq!(started.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn result_of_a_read_is_returned() {
        let reader = Reader::new(Duration::from_secs(60));
        assert_eq!(reader.run(|| Ok(4711)).await.unwrap(), 4711);
        let error = reader.run(|| Err::<(), _>(Failure::operation("the fault"))).await;
        assert_eq!(error.unwrap_err().message(), "the fault");
    }
}

//! The atomics, locks, swaps and tasks of the cache. With `--cfg shuttle` they are those of the
//! model checker shuttle, which runs the same code through many interleavings (`cargo xtask test`
//! does).

pub(crate) use std::sync::{Arc, PoisonError, Weak};

#[cfg(not(shuttle))]
pub(crate) use self::real::*;

#[cfg(shuttle)]
pub(crate) use self::model::*;

#[cfg(not(shuttle))]
mod real {
    use std::future::Future;
    use std::pin::Pin;

    pub(crate) use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
    pub(crate) use std::sync::{Mutex, MutexGuard};

    pub(crate) use arc_swap::ArcSwapOption;

    /// The Tokio runtime that tasks are started on.
    #[derive(Clone, Debug)]
    pub(crate) struct Runtime(tokio::runtime::Handle);

    impl Runtime {
        /// The one that this code runs on, if any.
        pub(crate) fn current() -> Option<Self> {
            tokio::runtime::Handle::try_current().ok().map(Self)
        }

        // What is started is boxed: Tokio's code for a task is compiled for each type of it, in
        // each crate.
        pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Task {
            self.spawn_boxed(Box::pin(work))
        }

        fn spawn_boxed(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>) -> Task {
            Task(self.0.spawn(work).abort_handle())
        }

        /// Runs `work`, which may block, on a thread for such work.
        pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
            self.spawn_boxed_blocking(Box::new(work));
        }

        fn spawn_boxed_blocking(&self, work: Box<dyn FnOnce() + Send>) {
            self.0.spawn_blocking(work);
        }
    }

    /// A task that was started.
    #[derive(Debug)]
    pub(crate) struct Task(tokio::task::AbortHandle);

    impl Task {
        pub(crate) fn abort(&self) {
            self.0.abort();
        }

        pub(crate) fn is_finished(&self) -> bool {
            self.0.is_finished()
        }
    }

    pub(crate) async fn yield_now() {
        tokio::task::yield_now().await;
    }
}

#[cfg(shuttle)]
mod model {
    use std::future::Future;
    use std::sync::Arc;

    pub(crate) use shuttle::future::yield_now;
    pub(crate) use shuttle::sync::atomic::{AtomicU8, AtomicU64, Ordering};
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};

    shuttle::lazy_static! {
        /// Set while the runtime of every task is shutting down.
        static ref SHUT_DOWN: std::sync::atomic::AtomicBool = false.into();
    }

    /// The runtime of all tasks.
    #[derive(Clone, Debug)]
    pub(crate) struct Runtime;

    impl Runtime {
        pub(crate) fn current() -> Option<Self> {
            Some(Self)
        }

        pub(crate) fn shut_down(shut_down: bool) {
            SHUT_DOWN.store(shut_down, Ordering::SeqCst);
        }

        pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Task {
            // Tokio drops a task at once, within the spawn, while its runtime shuts down.
            if SHUT_DOWN.load(Ordering::SeqCst) {
                drop(work);
                return Task(None);
            }
            Task(Some(shuttle::future::spawn(work).abort_handle()))
        }

        pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
            self.spawn(async { work() });
        }
    }

    #[derive(Debug)]
    pub(crate) struct Task(Option<shuttle::future::AbortHandle>);

    impl Task {
        pub(crate) fn abort(&self) {
            if let Some(task) = &self.0 {
                task.abort();
            }
        }

        pub(crate) fn is_finished(&self) -> bool {
            self.0.as_ref().is_none_or(shuttle::future::AbortHandle::is_finished)
        }
    }

    /// A swap as its users see it: a load sees one store or the next, never a mixture.
    pub(crate) struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

    impl<T> ArcSwapOption<T> {
        pub(crate) fn empty() -> Self {
            Self(Mutex::new(None))
        }

        pub(crate) fn load(&self) -> Option<Arc<T>> {
            self.0.lock().unwrap().clone()
        }

        pub(crate) fn store(&self, value: Option<Arc<T>>) {
            *self.0.lock().unwrap() = value;
        }
    }
}

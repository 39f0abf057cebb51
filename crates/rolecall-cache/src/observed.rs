//! The observer of a cache, if there is one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rolecall_core::{Event, Observer};

/// An observer, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed(Option<std::sync::Arc<dyn Observer>>);

impl Observed {
    pub(crate) fn by(observer: impl Observer) -> Self {
        Self(Some(std::sync::Arc::new(observer)))
    }

    /// Called under no lock. A panic of the observer's stays its own.
    pub(crate) fn tell(&self, provider: &str, event: &Event<'_>) {
        if let Some(observer) = &self.0
            && catch_unwind(AssertUnwindSafe(|| observer.observe(provider, event))).is_err()
        {
            tracing::error!(provider, event = event.name(), "the observer panicked");
        }
    }
}

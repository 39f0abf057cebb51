//! Who is told of what happens.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rolecall_core::{Event, Observer};

use crate::sync::Arc;

/// An observer, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed(Option<Arc<dyn Observer>>);

impl Observed {
    pub(crate) fn by(observer: Arc<dyn Observer>) -> Self {
        Self(Some(observer))
    }

    /// Called under no lock. A panic of the observer's stays its own.
    pub(crate) fn tell(&self, source: &str, event: &Event<'_>) {
        if let Some(observer) = &self.0
            && catch_unwind(AssertUnwindSafe(|| observer.observe(source, event))).is_err()
        {
            tracing::error!(source, event = event.name(), "the observer panicked");
        }
    }
}

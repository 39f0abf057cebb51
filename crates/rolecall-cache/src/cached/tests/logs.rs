//! The levels at which failed fetches are logged.

use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::*;

/// Records the level of each "failed to fetch a session".
#[derive(Clone, Default)]
struct Levels(Arc<Mutex<Vec<Level>>>);

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Levels {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        if message.0 == "failed to fetch a session" {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn failed_fetches_warn_at_powers_of_two() {
    let levels = Levels::default();
    let _guard = tracing::subscriber::set_default(levels.clone());
    let script = ScriptedProvider::new();
    let cached = script.cached();
    get_number(&cached).await;
    script.push_responses([Response::Unavailable; 10]);
    script.advance(IN_ADVISORY_WINDOW);
    while script.fetches() < 11 {
        settle().await;
        script.advance(1);
    }
    settle().await;
    let warned = |failure: usize| levels.0.lock().unwrap()[failure - 1] == Level::WARN;
    let warnings: Vec<_> = (1..=10).filter(|failure| warned(*failure)).collect();
    assert_eq!(warnings, [1, 2, 4, 8]);
    assert!(
        levels.0.lock().unwrap().iter().all(|level| [Level::WARN, Level::DEBUG].contains(level))
    );
}

//! Events of fetches, as an observer receives them.

use std::sync::{Arc, Mutex};

use rolecall_core::{Event, Observer};

use super::deferred::DefersBackground;
use super::*;

/// Records the events of an entry, with what is left of a session that is served stale.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<String>>);

impl Observer for Recorder {
    fn observe(&self, _: &str, event: &Event<'_>) {
        let event = match event {
            Event::ServedStale { remaining, .. } => {
                format!("stale, {} s left", remaining.as_secs())
            }
            Event::FetchCompleted { mode, .. } => format!("{} completed", mode.name()),
            _ => return,
        };
        self.0.lock().unwrap().push(event);
    }
}

impl Recorder {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn observed<P: ProvideSession>(
    provider: P,
    script: &ScriptedProvider,
) -> (CachedProvider<P>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let observer: Arc<dyn Observer> = Arc::clone(&recorder) as _;
    let builder = CachedProvider::builder(provider).clock(script.clock()).observer(observer);
    (builder.build(), recorder)
}

#[tokio::test]
async fn failed_refresh_reports_stale_session_until_it_expires() {
    let script = ScriptedProvider::new();
    let (cached, recorder) = observed(script.clone(), &script);
    get_number(&cached).await;
    assert_eq!(recorder.take(), ["foreground completed"]);
    script.push_responses([Response::Unavailable; 2]);
    script.advance(IN_MANDATORY_WINDOW);
    get_number(&cached).await;
    let left = HOUR - IN_MANDATORY_WINDOW;
    assert_eq!(recorder.take(), ["foreground completed".into(), format!("stale, {left} s left")]);
    script.advance(left);
    assert!(with_timeout(request(&cached)).await.is_err());
    assert_eq!(recorder.take(), ["foreground completed"], "nothing is left to serve");
}

#[tokio::test]
async fn deferred_refresh_reports_no_stale_session() {
    let script = ScriptedProvider::new();
    let (cached, recorder) = observed(DefersBackground(script.clone()), &script);
    with_timeout(request(&cached)).await.unwrap();
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert!(script.fetches() > 1, "a background fetch was deferred");
    let events = recorder.take();
    assert!(events.len() > 1 && events.iter().all(|event| event.ends_with("completed")));
}

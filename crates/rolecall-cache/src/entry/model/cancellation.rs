//! Callers that are cancelled at any await, whatever they wait for.

use super::*;

#[test]
fn cancelled_caller_leaves_the_session_to_others() {
    check(Responses::Sessions, |world| {
        let polls = thread_rng().gen_range(1..5);
        let cancelled = {
            let entry = Arc::clone(&world.entry);
            spawn(async move { poll_times(request(&entry), polls).await })
        };
        let waiting = {
            let entry = Arc::clone(&world.entry);
            spawn(async move { request(&entry).await })
        };
        block_on(async {
            cancelled.await.unwrap();
            assert_eq!(waiting.await.unwrap().unwrap().access_key_id(), "AKIA1");
            assert_eq!(request(&world.entry).await.unwrap().access_key_id(), "AKIA1");
        });
        assert_eq!(world.origin.fetches.load(Ordering::SeqCst), 1);
    });
}

/// What the cancelled callers wait for.
#[derive(Clone, Copy)]
enum Waiting {
    FirstSession,
    MandatoryWindow,
    Invalidated,
    /// A session that is newer than the valid cached one.
    Refresh,
    ValidFor(Duration),
}

impl Waiting {
    /// Prepares the entry.
    fn prepare(self, world: &World) {
        if let Self::FirstSession = self {
            return;
        }
        assert_eq!(key(&world.entry), "AKIA1");
        match self {
            Self::FirstSession => {}
            Self::MandatoryWindow => world.manual.advance(IN_MANDATORY_WINDOW),
            Self::Invalidated => {
                let (session, _) = world.entry.invalidate("AKIA1", InvalidSession::Expired);
                assert!(session.is_some());
            }
            // Past the second in which the session is new.
            Self::Refresh | Self::ValidFor(_) => world.manual.advance(Duration::from_secs(60)),
        }
    }

    async fn request(self, entry: &ModelEntry) -> String {
        let request = match self {
            Self::Refresh => Request::NewerThan(1),
            Self::ValidFor(min_remaining) => Request::ValidFor(min_remaining),
            Self::FirstSession | Self::MandatoryWindow | Self::Invalidated => Request::Session,
        };
        let session = entry.obtain(request, FetchContext::foreground(), || ()).await.unwrap();
        session.access_key_id().to_owned()
    }
}

/// Two callers are cancelled. A concurrent one and a later one receive the one session.
fn two_cancel(waiting: Waiting) {
    check(Responses::Sessions, move |world| {
        waiting.prepare(&world);
        let before = world.origin.fetches.load(Ordering::SeqCst);
        let cancelled = callers(&world.entry, 2, move |entry| {
            let polls = thread_rng().gen_range(1..6);
            block_on(poll_times(waiting.request(entry), polls));
        });
        if let Waiting::Refresh | Waiting::ValidFor(_) = waiting {
            immediate(&world.entry);
        }
        let next = match waiting {
            Waiting::FirstSession => "AKIA1",
            _ => "AKIA2",
        };
        assert_eq!(block_on(waiting.request(&world.entry)), next);
        join(cancelled);
        assert_eq!(block_on(waiting.request(&world.entry)), next);
        assert_eq!(immediate(&world.entry).access_key_id(), next);
        let fetches = world.origin.fetches.load(Ordering::SeqCst);
        // In the mandatory window the timer may have started the fetch.
        assert_eq!((fetches, before), (next[4..].parse().unwrap(), before.min(fetches)));
    });
}

#[test]
fn callers_without_session_may_cancel_at_any_await() {
    two_cancel(Waiting::FirstSession);
}

#[test]
fn mandatory_callers_may_cancel_at_any_await() {
    two_cancel(Waiting::MandatoryWindow);
}

#[test]
fn invalidated_callers_may_cancel_at_any_await() {
    two_cancel(Waiting::Invalidated);
}

#[test]
fn refreshing_callers_may_cancel_at_any_await() {
    two_cancel(Waiting::Refresh);
}

#[test]
fn valid_for_callers_may_cancel_at_any_await() {
    two_cancel(Waiting::ValidFor(HOUR - Duration::from_secs(10)));
}

/// The others receive the cached session, and one back-off applies to all.
#[test]
fn cancelled_callers_of_failed_refresh_harm_no_other() {
    check(Responses::FailAfterFirst, |world| {
        Waiting::MandatoryWindow.prepare(&world);
        let cancelled = callers(&world.entry, 2, |entry| {
            let polls = thread_rng().gen_range(1..6);
            block_on(poll_times(request(entry), polls));
        });
        assert_eq!(key(&world.entry), "AKIA1");
        join(cancelled);
        assert_eq!(key(&world.entry), "AKIA1");
        // One by the timer, which closes no gate of callers, and one by a caller.
        assert!(world.origin.fetches.load(Ordering::SeqCst) <= 3);
    });
}

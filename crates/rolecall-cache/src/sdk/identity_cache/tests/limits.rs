//! The lifetime of credentials, the timeout of a fetch, and the eviction of partitions.

use rolecall_core::Event;

use super::*;

#[tokio::test]
async fn expiration_of_identity_applies_without_that_of_credentials() {
    let resolver = Counting::new(Kind::OfAnHourByTheIdentity);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    assert_eq!(client.get().await, 1);
    resolver.advance(HOUR - 1);
    resolver.0.open.send_replace(false);
    assert!(client.at_once().is_none(), "in the hard window it waits for others");
    resolver.advance(1);
    settle().await;
    assert!(client.at_once().is_none(), "they are over");
    resolver.0.open.send_replace(true);
    assert_eq!(client.get().await, 2);
}

/// Returns what a caller of a hanging fetch receives just before this many seconds, and then.
async fn after(cache: IdentityCacheBuilder, resolver: &Counting, seconds: u64) -> (bool, String) {
    let client = Client::new(cache.build(), resolver.clone());
    resolver.0.open.send_replace(false);
    let mut caller = pin!(client.ask());
    let mut poll = || match caller.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer.unwrap_err()),
        Poll::Pending => None,
    };
    assert!(poll().is_none());
    settle().await;
    resolver.0.hands.advance(Duration::from_secs(seconds) - Duration::from_millis(1));
    settle().await;
    let waits = poll().is_none();
    resolver.0.hands.advance(Duration::from_millis(1));
    settle().await;
    let error = poll().map_or_else(
        || "none".into(),
        |error| SessionError::from_provider_error(&*error).report().to_string(),
    );
    (waits, error)
}

#[tokio::test]
async fn a_load_has_half_a_minute_unless_it_is_said() {
    let resolver = Counting::new(Kind::OfAnHour);
    for (cache, seconds) in
        [(resolver.cache(), 30), (resolver.cache().timeout(Duration::from_secs(7)), 7)]
    {
        let (waits, error) = after(cache, &resolver, seconds).await;
        assert!(waits, "{seconds}");
        assert!(error.contains(&format!("within {seconds}s")), "{error}");
    }
}

#[tokio::test]
async fn a_load_may_take_for_ever() {
    let resolver = Counting::new(Kind::OfAnHour);
    let cache = resolver.cache().timeout(Duration::MAX).build();
    let client = Client::new(cache, resolver.clone());
    resolver.0.open.send_replace(false);
    for _ in 0..10 {
        assert!(client.at_once().is_none());
        settle().await;
        resolver.advance(365 * 24 * HOUR);
    }
    resolver.0.open.send_replace(true);
    assert_eq!((client.get().await, resolver.loads()), (1, 1));
}

#[derive(Debug, Default)]
struct Evictions(StdMutex<Vec<String>>);

impl Observer for Evictions {
    fn observe(&self, source: &str, event: &Event<'_>) {
        if let Event::Evicted = event {
            self.0.lock().unwrap().push(source.to_owned());
        }
    }
}

#[tokio::test]
async fn who_was_unused_for_longest_makes_room_and_it_is_told() {
    let resolver = Counting::new(Kind::OfAnHour);
    let told = StdArc::new(Evictions::default());
    let cache = resolver.cache().capacity(6).observer(told.clone()).build();
    let mut clients = Vec::new();
    for _ in 1..=6 {
        let client = Client::new(cache.clone(), resolver.clone());
        client.get().await;
        clients.push(client);
    }
    let second_is_used = || assert_eq!(clients[2].held_at_once(), 3);
    let another = async || Client::new(cache.clone(), resolver.clone()).get().await;
    // All were used: the newest goes.
    another().await;
    // All but the seventh are unused since: the oldest goes, but for the first of all.
    another().await;
    // The third has been used; the fourth and the fifth have not, for two looks.
    second_is_used();
    another().await;
    // Now the third is unused, and older than the fifth: but that has been unused for three looks.
    another().await;
    let number = |n: u32| format!("the SDK's credentials provider {n}");
    assert_eq!(*told.0.lock().unwrap(), [number(6), number(2), number(4), number(5)]);
    second_is_used();
    assert!(clients[4].at_once().is_none());
    assert_eq!(cache.statuses().len(), 6);
}

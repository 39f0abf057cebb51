//! Expirations, timeouts and evictions.

use rolecall_core::Event;

use super::*;

#[tokio::test]
async fn expiration_of_the_identity_applies_to_credentials() {
    let resolver = CountingResolver::new(Response::ExpirationOfIdentity);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    assert_eq!(client.get_number().await, 1);
    resolver.advance(HOUR - 1);
    resolver.block();
    assert!(client.immediate().is_none(), "in the mandatory window the caller waits");
    resolver.advance(1);
    settle().await;
    assert!(client.immediate().is_none(), "the credentials expired");
    resolver.unblock();
    assert_eq!(client.get_number().await, 2);
}

/// Lets a resolver hang. Returns whether a caller still waits just before this many seconds, and
/// the error that it receives then.
async fn time_out(
    cache: IdentityCacheBuilder,
    resolver: &CountingResolver,
    seconds: u64,
) -> (bool, String) {
    let client = Client::new(cache.build(), resolver.clone());
    resolver.block();
    let mut caller = pin!(client.resolve());
    let mut poll = || match caller.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result.unwrap_err()),
        Poll::Pending => None,
    };
    assert!(poll().is_none());
    settle().await;
    resolver.0.clock.advance(Duration::from_secs(seconds) - Duration::from_millis(1));
    settle().await;
    let waits = poll().is_none();
    resolver.0.clock.advance(Duration::from_millis(1));
    settle().await;
    let error = poll().map_or_else(
        || "none".into(),
        |error| SessionError::from_provider_error(&*error).report().to_string(),
    );
    (waits, error)
}

#[tokio::test]
async fn provider_timeout_defaults_to_30_seconds() {
    let resolver = CountingResolver::new(Response::Credentials);
    for (cache, seconds) in
        [(resolver.cache(), 30), (resolver.cache().timeout(Duration::from_secs(7)), 7)]
    {
        let (waits, error) = time_out(cache, &resolver, seconds).await;
        assert!(waits, "{seconds}");
        assert!(error.contains(&format!("within {seconds}s")), "{error}");
    }
}

#[tokio::test]
async fn endless_timeout_is_limited_to_an_hour() {
    let resolver = CountingResolver::new(Response::Credentials);
    let cache = resolver.cache().timeout(Duration::MAX);
    let (waits, error) = time_out(cache, &resolver, HOUR).await;
    assert!(waits && error.contains("within 3600s"), "{error}");
}

#[derive(Debug, Default)]
struct Evictions(StdMutex<Vec<String>>);

impl Observer for Evictions {
    fn observe(&self, provider: &str, event: &Event<'_>) {
        if let Event::Evicted = event {
            self.0.lock().unwrap().push(provider.to_owned());
        }
    }
}

#[tokio::test]
async fn eviction_of_longest_unused_is_observed() {
    let resolver = CountingResolver::new(Response::Credentials);
    let evictions = StdArc::new(Evictions::default());
    let cache = resolver.cache().capacity(6).observer(evictions.clone()).build();
    let mut clients = Vec::new();
    for _ in 1..=6 {
        let client = Client::new(cache.clone(), resolver.clone());
        client.get_number().await;
        clients.push(client);
    }
    let use_second = || assert_eq!(clients[2].immediate_number(), 3);
    let add_client = async || Client::new(cache.clone(), resolver.clone()).get_number().await;
    // All were used: the newest is evicted.
    add_client().await;
    // All but the seventh are unused since: the oldest is evicted, except for the first of all.
    add_client().await;
    // The third was used. The fourth and the fifth were not, since two evictions.
    use_second();
    add_client().await;
    // The third is unused, too, but the fifth is unused since three evictions.
    add_client().await;
    let number = |n: u32| format!("the SDK's credentials provider {n}");
    assert_eq!(*evictions.0.lock().unwrap(), [number(6), number(2), number(4), number(5)]);
    use_second();
    assert!(clients[4].immediate().is_none());
    assert_eq!(cache.statuses().len(), 6);
}

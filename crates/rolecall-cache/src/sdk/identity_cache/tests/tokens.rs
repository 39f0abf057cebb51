//! Identities that are not credentials.

use std::collections::HashSet;
use std::error::Error as _;

use tokio::task::JoinHandle;

use super::*;

fn client(resolver: &CountingResolver) -> Client {
    Client::with_scheme("httpBearerAuth", resolver.cache().build(), resolver.clone())
}

#[tokio::test]
async fn token_is_resolved_once_per_expiration() {
    let resolver = CountingResolver::new(Response::Token);
    let client = client(&resolver);
    for number in 1..5 {
        for _ in 0..10 {
            assert_eq!(client.get_number().await, number);
        }
        assert_eq!(client.immediate_number(), number);
        // As in the SDK's cache, 10 seconds before the token expires.
        resolver.advance(HOUR - 11);
        assert_eq!(client.immediate_number(), number);
        resolver.advance(1);
    }
    assert_eq!(resolver.count(), 4);
    assert_eq!(client.cache.statuses().len(), 0, "the statuses are those of credentials");
}

#[tokio::test]
async fn identity_without_expiration_is_resolved_by_each_call() {
    let resolver = CountingResolver::new(Response::TokenWithoutExpiration);
    let client = client(&resolver);
    for number in 1..5 {
        assert_eq!(client.get_number().await, number);
    }
    assert_eq!(resolver.count(), 4);
}

#[tokio::test]
async fn token_error_is_returned_unchanged() {
    let resolver = CountingResolver::new(Response::TokenError);
    let client = client(&resolver);
    for _ in 0..3 {
        let error = client.resolve().await.unwrap_err();
        let error = error.downcast_ref::<TokenError>().unwrap();
        assert!(matches!(error, TokenError::TokenNotLoaded(_)), "{error:?}");
    }
    resolver.respond(Response::Token);
    assert_eq!(client.get_number().await, 4, "an error is not remembered");
}

#[tokio::test]
async fn failed_token_refresh_keeps_the_valid_token() {
    let resolver = CountingResolver::new(Response::Token);
    let client = client(&resolver);
    client.get_number().await;
    resolver.respond(Response::TokenError);
    resolver.advance(HOUR - 5);
    assert_eq!(client.get_number().await, 1);
    resolver.advance(5);
    assert!(client.resolve().await.unwrap_err().is::<TokenError>());
}

#[tokio::test]
async fn concurrent_callers_share_one_token() {
    let resolver = CountingResolver::new(Response::Token);
    let client = StdArc::new(client(&resolver));
    for (number, age) in [(1, 0), (2, HOUR)] {
        resolver.advance(age);
        resolver.block();
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let client = StdArc::clone(&client);
                tokio::spawn(async move { client.get_number().await })
            })
            .collect();
        settle().await;
        resolver.unblock();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), number);
        }
        assert_eq!(resolver.count(), number);
    }
}

#[tokio::test]
async fn valid_token_is_returned_during_its_refresh() {
    let resolver = CountingResolver::new(Response::Token);
    let client = client(&resolver);
    client.get_number().await;
    resolver.block();
    resolver.advance(HOUR - 5);
    let mut refreshing = pin!(client.resolve());
    assert!(refreshing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(client.immediate_number(), 1);
    resolver.unblock();
    assert_eq!(number(&refreshing.await.unwrap()), 2);
    assert_eq!((client.immediate_number(), resolver.count()), (2, 2));
}

#[tokio::test]
async fn cancelled_caller_hands_the_token_over() {
    let resolver = CountingResolver::new(Response::Token);
    let client = StdArc::new(client(&resolver));
    resolver.block();
    let mut callers: Vec<_> = (0..10)
        .map(|_| {
            let client = StdArc::clone(&client);
            tokio::spawn(async move { client.get_number().await })
        })
        .collect();
    settle().await;
    assert_eq!(resolver.count(), 1);
    callers.remove(0).abort();
    settle().await;
    assert_eq!(resolver.count(), 2, "the next caller resolves the token");
    resolver.unblock();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 2);
    }
    assert_eq!(resolver.count(), 2);
}

/// Starts 50 callers.
fn spawn_callers(client: &StdArc<Client>) -> Vec<JoinHandle<Result<Identity, BoxError>>> {
    let call = |client: StdArc<Client>| async move { client.resolve().await };
    (0..50).map(|_| tokio::spawn(call(StdArc::clone(client)))).collect()
}

/// A token service that is down must not be called once for each caller.
#[tokio::test]
async fn concurrent_callers_share_one_failed_attempt() {
    let resolver = CountingResolver::new(Response::TokenError);
    let client = StdArc::new(client(&resolver));
    // An error is not remembered: the callers after a failure share another attempt.
    for attempts in 1..4 {
        resolver.block();
        let callers = spawn_callers(&client);
        settle().await;
        resolver.unblock();
        for caller in callers {
            let error = caller.await.unwrap().unwrap_err();
            let error = error.downcast_ref::<TokenError>().unwrap();
            assert!(matches!(error, TokenError::TokenNotLoaded(_)), "{error:?}");
            assert_eq!(error.source().unwrap().to_string(), "no SSO session");
        }
        assert_eq!(resolver.count(), attempts);
    }
    // The same after the expiration of a token.
    resolver.respond(Response::Token);
    client.get_number().await;
    resolver.advance(HOUR);
    resolver.respond(Response::TokenError);
    resolver.block();
    let callers = spawn_callers(&client);
    settle().await;
    resolver.unblock();
    for caller in callers {
        assert!(caller.await.unwrap().unwrap_err().is::<TokenError>());
    }
    assert_eq!(resolver.count(), 5);
}

#[tokio::test]
async fn identities_without_expiration_are_resolved_at_once() {
    let resolver = CountingResolver::new(Response::TokenWithoutExpiration);
    let client = StdArc::new(client(&resolver));
    // It is not known yet that the identity has no expiration: one call finds out.
    for (first, all) in [(1, 50), (50, 50)] {
        let before = resolver.count();
        resolver.block();
        let callers = spawn_callers(&client);
        settle().await;
        assert_eq!(resolver.count() - before, first);
        resolver.unblock();
        let mut numbers = HashSet::new();
        for caller in callers {
            numbers.insert(number(&caller.await.unwrap().unwrap()));
        }
        assert_eq!((resolver.count() - before, numbers.len()), (all, all));
    }
}

#[tokio::test]
async fn token_expired_by_the_wall_clock_is_not_served() {
    let resolver = CountingResolver::new(Response::Token);
    let client = client(&resolver);
    let clock = &resolver.0.clock;
    client.get_number().await;
    // The machine was paused for an hour, in which the clock of deadlines stood still.
    clock.set_wall(clock.clock().wall() + Duration::from_secs(HOUR));
    resolver.advance(60);
    assert_eq!(client.get_number().await, 2);
    clock.set_wall(clock.clock().wall() + Duration::from_secs(HOUR));
    resolver.advance(60);
    resolver.respond(Response::TokenError);
    assert!(client.resolve().await.unwrap_err().is::<TokenError>());
}

#[tokio::test]
async fn wall_clock_set_back_does_not_prolong_the_token() {
    let resolver = CountingResolver::new(Response::Token);
    let client = client(&resolver);
    client.get_number().await;
    let clock = &resolver.0.clock;
    clock.set_wall(clock.clock().wall() - Duration::from_secs(HOUR));
    for _ in 0..HOUR / 60 - 1 {
        resolver.advance(60);
        assert_eq!(client.get_number().await, 1);
    }
    resolver.advance(50);
    assert_eq!(client.get_number().await, 2);
}

#[tokio::test]
async fn unpolled_caller_delays_others_by_its_timeout() {
    let resolver = CountingResolver::new(Response::Token);
    let client = StdArc::new(client(&resolver));
    resolver.block();
    let mut unpolled = pin!(client.resolve());
    assert!(unpolled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let callers = spawn_callers(&client);
    settle().await;
    resolver.unblock();
    resolver.advance(30);
    settle().await;
    assert_eq!(resolver.count(), 1);
    resolver.advance(1);
    for caller in callers {
        assert_eq!(number(&caller.await.unwrap().unwrap()), 2);
    }
    assert_eq!(resolver.count(), 2, "one of the callers took over");
    assert_eq!(number(&unpolled.await.unwrap()), 1);
}

#[tokio::test]
async fn hanging_token_resolver_fails_at_the_timeout() {
    let resolver = CountingResolver::new(Response::Token);
    let cache = resolver.cache().timeout(Duration::from_secs(7)).build();
    let client = StdArc::new(Client::with_scheme("httpBearerAuth", cache, resolver.clone()));
    resolver.block();
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let client = StdArc::clone(&client);
            tokio::spawn(async move { client.resolve().await })
        })
        .collect();
    settle().await;
    resolver.advance(7);
    settle().await;
    assert_eq!(resolver.count(), 1, "the others share the timeout");
    for caller in callers {
        let result = tokio::time::timeout(Duration::from_secs(20), caller).await;
        let error = result.expect("the caller hangs").unwrap().unwrap_err();
        let error = error.downcast_ref::<SessionError>().unwrap();
        assert_eq!(error.message(), "the identity provider did not return an identity within 7s");
    }
}

#[tokio::test]
async fn unused_token_partition_is_evicted() {
    let resolver = CountingResolver::new(Response::Token);
    let cache = resolver.cache().capacity(3).build();
    let client = || Client::with_scheme("httpBearerAuth", cache.clone(), resolver.clone());
    let (first, unused, used) = (client(), client(), client());
    for client in [&first, &unused, &used] {
        client.get_number().await;
    }
    // The first eviction finds that all were used, and evicts the newest.
    for _ in 0..3 {
        assert_eq!(first.immediate_number(), 1);
        client().get_number().await;
    }
    assert_eq!(first.immediate_number(), 1, "the first partition is never evicted");
    assert!(resolver.count() < 10);
    for client in [unused, used] {
        client.get_number().await;
    }
}

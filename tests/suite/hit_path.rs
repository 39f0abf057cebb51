//! The cost of a call that is a cache hit.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_credential_types::provider::ProvideCredentials;
use rolecall::ProvideSession;
use rolecall::provider::FetchContext;
use rolecall_tests::World;

#[tokio::test]
async fn cache_hit_is_immediate_without_allocation() {
    let world = World::new().await.unwrap();
    // On the system clock, which production code uses.
    let builder = world.builder().unwrap().clock(rolecall::time::Clock::system());
    let provider = builder.from_env().unwrap().provider();
    provider.provide_session(FetchContext::foreground()).await.unwrap();
    let hit = || {
        let future = pin!(provider.provide_credentials());
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(credentials) => credentials.unwrap(),
            Poll::Pending => panic!("a cache hit had to wait"),
        }
    };
    hit();
    let allocations = allocation_counter::measure(|| {
        for _ in 0..1000 {
            drop(hit());
        }
    });
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    // The counter itself works.
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(counted.count_total, 1);
}

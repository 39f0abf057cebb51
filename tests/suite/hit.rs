//! What a call costs while a session is held.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_credential_types::provider::ProvideCredentials;
use rolecall::{FetchContext, SessionSource};
use rolecall_tests::World;

#[tokio::test]
async fn a_hit_is_ready_at_once_and_allocates_nothing() {
    let world = World::new().await.unwrap();
    // On the machine's clock, as it is used.
    let builder = world.builder().unwrap().clock(rolecall::Clock::system());
    let provider = builder.from_env().unwrap().cached();
    provider.session(FetchContext::caller()).await.unwrap();
    let hit = || {
        let future = pin!(provider.provide_credentials());
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(credentials) => credentials.unwrap(),
            Poll::Pending => panic!("a hit had to wait"),
        }
    };
    hit();
    let allocations = allocation_counter::measure(|| {
        for _ in 0..1000 {
            drop(hit());
        }
    });
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    // The counter counts.
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(counted.count_total, 1);
}

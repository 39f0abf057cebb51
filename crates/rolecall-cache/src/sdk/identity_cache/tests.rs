use std::pin::pin;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::SharedIdentityCache;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::config_bag::Layer;
use rolecall_core::{ErrorKind, ManualClock};
use tokio::sync::watch;

use super::*;
use crate::status::State;

mod limits;

const HOUR: u64 = 3600;
/// Into the refresh window, wherever it was drawn.
const INTO_THE_WINDOW: u64 = 3200;

/// What a resolver has to give.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    OfAnHour,
    /// An end that the identity says, and its credentials do not.
    OfAnHourByTheIdentity,
    WithoutEnd,
    Bearer,
    NotLoaded,
}

/// A resolver that counts.
#[derive(Clone, Debug)]
struct Counting(StdArc<Counted>);

#[derive(Debug)]
struct Counted {
    hands: ManualClock,
    kind: StdMutex<Kind>,
    loads: AtomicUsize,
    open: watch::Sender<bool>,
}

#[derive(Debug)]
struct Bearer(usize);

impl Counting {
    fn new(kind: Kind) -> Self {
        Self(StdArc::new(Counted {
            hands: ManualClock::new(),
            kind: StdMutex::new(kind),
            loads: AtomicUsize::new(0),
            open: watch::Sender::new(true),
        }))
    }

    fn loads(&self) -> usize {
        self.0.loads.load(Ordering::SeqCst)
    }

    fn advance(&self, seconds: u64) {
        self.0.hands.advance(Duration::from_secs(seconds));
    }

    fn cache(&self) -> IdentityCacheBuilder {
        IdentityCache::builder().clock(self.0.hands.clock())
    }

    async fn resolve(&self) -> Result<Identity, BoxError> {
        let number = self.0.loads.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = self.0.open.subscribe().wait_for(|open| *open).await;
        let kind = *self.0.kind.lock().unwrap();
        let end = self.0.hands.clock().wall() + Duration::from_secs(HOUR);
        let keys = |end| Credentials::new(format!("AKIA{number}"), "the-secret", None, end, "test");
        match kind {
            Kind::OfAnHour => Ok(keys(Some(end)).into()),
            Kind::OfAnHourByTheIdentity => Ok(Identity::new(keys(None), Some(end))),
            Kind::WithoutEnd => Ok(keys(None).into()),
            Kind::Bearer => Ok(Identity::new(Bearer(number), Some(end))),
            Kind::NotLoaded => Err(CredentialsError::not_loaded("no profile").into()),
        }
    }
}

impl ResolveIdentity for Counting {
    fn resolve_identity<'a>(
        &'a self,
        _: &'a RuntimeComponents,
        configuration: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            if *self.0.kind.lock().unwrap() == Kind::Bearer && self.loads() > 0 {
                let layer = format!("{configuration:?}");
                assert!(layer.contains("of the call"), "not the caller's: {layer}");
            }
            self.resolve().await
        })
    }
}

/// A client, as far as this cache sees one.
struct Client {
    cache: IdentityCache,
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
    configuration: ConfigBag,
}

impl Client {
    fn new(cache: IdentityCache, resolver: Counting) -> Self {
        let components = RuntimeComponentsBuilder::for_tests()
            .with_identity_cache(Some(SharedIdentityCache::new(cache.clone())))
            .build()
            .unwrap();
        let configuration = ConfigBag::of_layers(vec![Layer::new("of the call")]);
        Self { cache, resolver: SharedIdentityResolver::new(resolver), components, configuration }
    }

    fn ask(&self) -> IdentityFuture<'_> {
        let resolver = self.resolver.clone();
        self.cache.resolve_cached_identity(resolver, &self.components, &self.configuration)
    }

    /// The number of the load that a caller gets the credentials of.
    async fn get(&self) -> usize {
        let identity = tokio::time::timeout(Duration::from_secs(20), self.ask()).await;
        number(&identity.expect("it hangs").unwrap())
    }

    fn at_once(&self) -> Option<Result<Identity, BoxError>> {
        match pin!(self.ask()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    fn held_at_once(&self) -> usize {
        number(&self.at_once().expect("no wait").unwrap())
    }
}

fn number(identity: &Identity) -> usize {
    let keys: &Credentials = identity.data().unwrap();
    keys.access_key_id().strip_prefix("AKIA").unwrap().parse().unwrap()
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn cached_credentials_are_ready_on_first_poll() {
    let resolver = Counting::new(Kind::OfAnHour);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    assert_eq!(client.get().await, 1);
    for _ in 0..10 {
        assert_eq!(client.held_at_once(), 1);
    }
    let other = Client {
        resolver: client.resolver.clone(),
        ..Client::new(client.cache.clone(), resolver.clone())
    };
    assert_eq!(other.held_at_once(), 1);
    let another_provider = Client::new(client.cache.clone(), resolver.clone());
    assert_eq!(another_provider.get().await, 2, "another provider has a slot of its own");
    assert_eq!(resolver.loads(), 2);
}

#[tokio::test]
async fn callers_share_one_fetch_that_outlives_cancelled_ones() {
    let resolver = Counting::new(Kind::OfAnHour);
    let client = StdArc::new(Client::new(resolver.cache().build(), resolver.clone()));
    resolver.0.open.send_replace(false);
    for _ in 0..50 {
        assert!(client.at_once().is_none(), "polled once and dropped");
    }
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let client = StdArc::clone(&client);
            tokio::spawn(async move { client.get().await })
        })
        .collect();
    settle().await;
    resolver.0.open.send_replace(true);
    for caller in waiting {
        assert_eq!(caller.await.unwrap(), 1);
    }

    let failing = Counting::new(Kind::NotLoaded);
    let client = Client::new(failing.cache().build(), failing.clone());
    for _ in 0..50 {
        let error = client.ask().await.unwrap_err();
        let error = error.downcast_ref::<CredentialsError>().unwrap();
        assert!(matches!(error, CredentialsError::CredentialsNotLoaded(_)), "{error:?}");
        let ours = SessionError::from_provider_error(error);
        assert_eq!(ours.kind(), ErrorKind::NotConfigured);
        assert!(ours.report().contains("no profile"), "{}", ours.report());
    }
    assert_eq!(failing.loads(), 1, "the error is remembered for a moment");
}

#[tokio::test]
async fn advisory_window_call_refreshes_without_waiting() {
    let resolver = Counting::new(Kind::OfAnHour);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    client.get().await;
    resolver.advance(INTO_THE_WINDOW);
    settle().await;
    assert_eq!(resolver.loads(), 1, "nobody called: there is no timer");
    resolver.0.open.send_replace(false);
    for _ in 0..10 {
        assert_eq!(client.held_at_once(), 1);
        settle().await;
    }
    assert_eq!(resolver.loads(), 2);
    resolver.0.open.send_replace(true);
    settle().await;
    assert_eq!(client.held_at_once(), 2);
}

#[tokio::test]
async fn a_failed_refresh_leaves_what_is_held_until_its_end() {
    let resolver = Counting::new(Kind::OfAnHour);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    client.get().await;
    *resolver.0.kind.lock().unwrap() = Kind::NotLoaded;
    for _ in 0..HOUR / 100 - 1 {
        resolver.advance(100);
        settle().await;
        assert_eq!(client.get().await, 1);
    }
    resolver.advance(100);
    client.ask().await.unwrap_err();
}

#[tokio::test]
async fn keys_without_an_end_are_loaded_once() {
    let resolver = Counting::new(Kind::WithoutEnd);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    for _ in 0..10 {
        assert_eq!(client.get().await, 1);
        resolver.advance(100 * HOUR);
    }
}

#[tokio::test]
async fn other_identities_pass_through_with_call_configuration() {
    let resolver = Counting::new(Kind::Bearer);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    for call in 1..5 {
        let identity = client.ask().await.unwrap();
        // The first is loaded once more, to see what it is.
        assert_eq!(identity.data::<Bearer>().unwrap().0, call + 1);
    }
}

#[tokio::test]
async fn partitions_are_bounded_and_unused_one_is_evicted() {
    let resolver = Counting::new(Kind::OfAnHour);
    let cache = resolver.cache().capacity(3).build();
    let client = || Client::new(cache.clone(), resolver.clone());
    let of_the_process = [client(), client()];
    for client in &of_the_process {
        client.get().await;
    }
    // Each call brings a provider of its own, and the two are used now and then.
    for _ in 0..100 {
        client().get().await;
        assert_eq!(cache.statuses().len(), 3);
        assert_eq!((of_the_process[0].held_at_once(), of_the_process[1].held_at_once()), (1, 2));
    }
    // One that is used no more goes, and comes back.
    for _ in 0..3 {
        client().get().await;
        assert_eq!(of_the_process[0].held_at_once(), 1);
    }
    assert!(of_the_process[1].at_once().is_none());
    of_the_process[1].get().await;
    assert_eq!(cache.statuses().len(), 3);
}

#[tokio::test]
async fn a_provider_whose_load_runs_does_not_make_room() {
    let resolver = Counting::new(Kind::OfAnHour);
    let cache = resolver.cache().capacity(3).build();
    let client = || Client::new(cache.clone(), resolver.clone());
    let (first, idle, loading) = (client(), client(), client());
    first.get().await;
    idle.get().await;
    resolver.0.open.send_replace(false);
    assert!(loading.at_once().is_none());
    for _ in 0..3 {
        assert!(client().at_once().is_none());
    }
    resolver.0.open.send_replace(true);
    settle().await;
    assert_eq!((first.held_at_once(), loading.held_at_once()), (1, 3));
}

#[tokio::test]
async fn rejected_credentials_are_replaced_and_others_stay() {
    let resolver = Counting::new(Kind::OfAnHour);
    let cache = resolver.cache().build();
    let (one, other) = (
        Client::new(cache.clone(), resolver.clone()),
        Client::new(cache.clone(), resolver.clone()),
    );
    assert_eq!((one.get().await, other.get().await), (1, 2));
    assert!(cache.invalidate_key("AKIA1"), "another is to be had");
    assert_eq!((one.get().await, other.held_at_once()), (3, 2));
    assert!(cache.invalidate_key("AKIA1"), "it was replaced");
    assert_eq!((one.held_at_once(), other.held_at_once()), (3, 2));
    cache.invalidate_credentials(&Credentials::new("AKIA3", "x", None, None, "test"));
    assert_eq!(one.held_at_once(), 3, "once in ten seconds");
    assert!(!cache.invalidate_key("AKIA3"), "there will be no other soon");
    assert!(!cache.invalidate_key("AKIA77"), "it is nobody's here");
    resolver.advance(10);
    assert_eq!(one.get().await, 4);
}

#[tokio::test]
async fn it_keeps_nothing_of_the_clients_and_shows_no_secret() {
    let resolver = Counting::new(Kind::OfAnHour);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    client.get().await;
    let shown = format!("{:?} {:?}", client.cache, client.cache.statuses());
    assert!(!shown.contains("the-secret"), "{shown}");
    assert_eq!(client.cache.statuses()[0].state, State::Fresh);
    let cache = StdArc::downgrade(&client.cache.0);
    drop(client);
    settle().await;
    assert!(cache.upgrade().is_none(), "the client's parts are held by the cache that they hold");
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

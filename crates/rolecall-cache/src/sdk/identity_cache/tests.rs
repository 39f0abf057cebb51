use std::pin::pin;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use aws_credential_types::provider::error::{CredentialsError, TokenError};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::identity::{Identity, SharedIdentityCache};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::config_bag::Layer;
use rolecall_core::{ErrorKind, ManualClock, SessionError};
use tokio::sync::watch;

use super::*;
use crate::status::State;

mod limits;
mod tokens;

const HOUR: u64 = 3600;
/// An age within the advisory window, whatever refresh time was drawn.
const IN_ADVISORY_WINDOW: u64 = 3200;
const IN_MANDATORY_WINDOW: u64 = 3550;

/// What a resolver returns.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Response {
    /// Credentials that expire in an hour.
    Credentials,
    /// Credentials without an expiration, in an identity that expires in an hour.
    ExpirationOfIdentity,
    CredentialsWithoutExpiration,
    /// A token that expires in an hour.
    Token,
    TokenWithoutExpiration,
    CredentialsError,
    TokenError,
}

/// A resolver that counts its calls and numbers its identities.
#[derive(Clone, Debug)]
struct CountingResolver(StdArc<Resolutions>);

#[derive(Debug)]
struct Resolutions {
    clock: ManualClock,
    response: StdMutex<Response>,
    count: AtomicUsize,
    open: watch::Sender<bool>,
}

#[derive(Debug)]
struct Token(usize);

impl CountingResolver {
    fn new(response: Response) -> Self {
        Self(StdArc::new(Resolutions {
            clock: ManualClock::new(),
            response: StdMutex::new(response),
            count: AtomicUsize::new(0),
            open: watch::Sender::new(true),
        }))
    }

    fn count(&self) -> usize {
        self.0.count.load(Ordering::SeqCst)
    }

    fn respond(&self, response: Response) {
        *self.0.response.lock().unwrap() = response;
    }

    fn block(&self) {
        self.0.open.send_replace(false);
    }

    fn unblock(&self) {
        self.0.open.send_replace(true);
    }

    fn advance(&self, seconds: u64) {
        self.0.clock.advance(Duration::from_secs(seconds));
    }

    fn cache(&self) -> IdentityCacheBuilder {
        IdentityCache::builder().clock(self.0.clock.clock())
    }

    async fn resolve(&self, configuration: &ConfigBag) -> Result<Identity, BoxError> {
        let number = self.0.count.fetch_add(1, Ordering::SeqCst) + 1;
        let response = *self.0.response.lock().unwrap();
        if let Response::Token | Response::TokenWithoutExpiration = response {
            let layers = format!("{configuration:?}");
            assert!(layers.contains("of the call"), "not the call's configuration: {layers}");
        }
        let _ = self.0.open.subscribe().wait_for(|open| *open).await;
        let expires_at = self.0.clock.clock().wall() + Duration::from_secs(HOUR);
        let keys = |expires_at| {
            Credentials::new(format!("AKIA{number}"), "the-secret", None, expires_at, "test")
        };
        match response {
            Response::Credentials => Ok(keys(Some(expires_at)).into()),
            Response::ExpirationOfIdentity => Ok(Identity::new(keys(None), Some(expires_at))),
            Response::CredentialsWithoutExpiration => Ok(keys(None).into()),
            Response::Token => Ok(Identity::new(Token(number), Some(expires_at))),
            Response::TokenWithoutExpiration => Ok(Identity::new(Token(number), None)),
            Response::CredentialsError => Err(CredentialsError::not_loaded("no profile").into()),
            Response::TokenError => Err(TokenError::not_loaded("no SSO session").into()),
        }
    }
}

impl ResolveIdentity for CountingResolver {
    fn resolve_identity<'a>(
        &'a self,
        _: &'a RuntimeComponents,
        configuration: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(self.resolve(configuration))
    }
}

/// What this cache sees of a client.
struct Client {
    cache: IdentityCache,
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
    configuration: ConfigBag,
}

impl Client {
    /// A client whose credentials come from `resolver`.
    fn new(cache: IdentityCache, resolver: CountingResolver) -> Self {
        Self::with_scheme("sigv4", cache, resolver)
    }

    fn with_scheme(scheme: &'static str, cache: IdentityCache, resolver: CountingResolver) -> Self {
        let resolver = SharedIdentityResolver::new(resolver);
        let components = RuntimeComponentsBuilder::for_tests()
            .with_identity_cache(Some(SharedIdentityCache::new(cache.clone())))
            .with_identity_resolver(AuthSchemeId::new(scheme), resolver.clone())
            .build()
            .unwrap();
        let configuration = ConfigBag::of_layers(vec![Layer::new("of the call")]);
        Self { cache, resolver, components, configuration }
    }

    fn resolve(&self) -> IdentityFuture<'_> {
        let resolver = self.resolver.clone();
        self.cache.resolve_cached_identity(resolver, &self.components, &self.configuration)
    }

    /// Returns the number of the credentials that a caller receives.
    async fn get_number(&self) -> usize {
        let identity = tokio::time::timeout(Duration::from_secs(20), self.resolve()).await;
        number(&identity.expect("the call hangs").unwrap())
    }

    fn immediate(&self) -> Option<Result<Identity, BoxError>> {
        match pin!(self.resolve()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    fn immediate_number(&self) -> usize {
        number(&self.immediate().expect("the caller waits").unwrap())
    }
}

fn number(identity: &Identity) -> usize {
    if let Some(Token(number)) = identity.data() {
        return *number;
    }
    let keys: &Credentials = identity.data().unwrap();
    keys.access_key_id().strip_prefix("AKIA").unwrap().parse().unwrap()
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn clients_of_one_provider_share_the_entry() {
    let resolver = CountingResolver::new(Response::Credentials);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    assert_eq!(client.get_number().await, 1);
    for _ in 0..10 {
        assert_eq!(client.immediate_number(), 1);
    }
    let other = Client {
        resolver: client.resolver.clone(),
        ..Client::new(client.cache.clone(), resolver.clone())
    };
    assert_eq!(other.immediate_number(), 1);
    let other_provider = Client::new(client.cache.clone(), resolver.clone());
    assert_eq!(other_provider.get_number().await, 2, "another provider has another entry");
    assert_eq!(resolver.count(), 2);
}

#[tokio::test]
async fn credentials_for_sigv4a_are_cached_in_an_entry() {
    let resolver = CountingResolver::new(Response::Credentials);
    let client = Client::with_scheme("sigv4a", resolver.cache().build(), resolver.clone());
    client.get_number().await;
    assert_eq!(client.cache.statuses()[0].state, State::Fresh);
}

#[tokio::test]
async fn concurrent_callers_share_fetch_and_error() {
    let resolver = CountingResolver::new(Response::Credentials);
    let client = StdArc::new(Client::new(resolver.cache().build(), resolver.clone()));
    resolver.block();
    for _ in 0..50 {
        assert!(client.immediate().is_none(), "polled once and dropped");
    }
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let client = StdArc::clone(&client);
            tokio::spawn(async move { client.get_number().await })
        })
        .collect();
    settle().await;
    resolver.unblock();
    for caller in waiting {
        assert_eq!(caller.await.unwrap(), 1);
    }

    let failing = CountingResolver::new(Response::CredentialsError);
    let client = Client::new(failing.cache().build(), failing.clone());
    for _ in 0..50 {
        let error = client.resolve().await.unwrap_err();
        let error = error.downcast_ref::<CredentialsError>().unwrap();
        assert!(matches!(error, CredentialsError::CredentialsNotLoaded(_)), "{error:?}");
        let error = SessionError::from_provider_error(error);
        assert_eq!(error.kind(), ErrorKind::NotConfigured);
        assert!(error.report().contains("no profile"), "{}", error.report());
    }
    assert_eq!(failing.count(), 1, "the error is remembered");
}

#[tokio::test]
async fn advisory_window_call_refreshes_without_waiting() {
    let resolver = CountingResolver::new(Response::Credentials);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    client.get_number().await;
    resolver.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!(resolver.count(), 1, "no call, and no timer");
    resolver.block();
    for _ in 0..10 {
        assert_eq!(client.immediate_number(), 1);
        settle().await;
    }
    assert_eq!(resolver.count(), 2);
    resolver.unblock();
    settle().await;
    assert_eq!(client.immediate_number(), 2);
}

#[tokio::test]
async fn mandatory_window_caller_waits_two_seconds() {
    let resolver = CountingResolver::new(Response::Credentials);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    client.get_number().await;
    resolver.block();
    resolver.advance(IN_MANDATORY_WINDOW);
    assert!(client.immediate().is_none());
    resolver.advance(2);
    assert_eq!(client.immediate_number(), 1, "the wait counts from the start of the fetch");
    assert_eq!(client.immediate_number(), 1);
}

#[tokio::test]
async fn failed_refresh_keeps_credentials_until_expiration() {
    let resolver = CountingResolver::new(Response::Credentials);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    client.get_number().await;
    resolver.respond(Response::CredentialsError);
    for _ in 0..HOUR / 100 - 1 {
        resolver.advance(100);
        settle().await;
        assert_eq!(client.get_number().await, 1);
    }
    resolver.advance(100);
    client.resolve().await.unwrap_err();
}

#[tokio::test]
async fn keys_without_expiration_are_reloaded_every_15_minutes() {
    let resolver = CountingResolver::new(Response::CredentialsWithoutExpiration);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    client.get_number().await;
    for number in 1..5 {
        resolver.advance(899);
        assert_eq!(client.immediate_number(), number);
        settle().await;
        assert_eq!(resolver.count(), number);
        // Plus up to a tenth of the interval.
        resolver.advance(91);
        assert_eq!(client.immediate_number(), number);
        settle().await;
        assert_eq!(resolver.count(), number + 1);
    }
}

#[tokio::test]
async fn full_cache_evicts_the_unused_partition() {
    let resolver = CountingResolver::new(Response::Credentials);
    let cache = resolver.cache().capacity(3).build();
    let client = || Client::new(cache.clone(), resolver.clone());
    let long_lived = [client(), client()];
    for client in &long_lived {
        client.get_number().await;
    }
    // Each call has a provider of its own, and the other two are used now and then.
    for _ in 0..100 {
        client().get_number().await;
        assert_eq!(cache.statuses().len(), 3);
        let numbers = (long_lived[0].immediate_number(), long_lived[1].immediate_number());
        assert_eq!(numbers, (1, 2));
    }
    // An unused one is evicted, and created again.
    for _ in 0..3 {
        client().get_number().await;
        assert_eq!(long_lived[0].immediate_number(), 1);
    }
    assert!(long_lived[1].immediate().is_none());
    long_lived[1].get_number().await;
    assert_eq!(cache.statuses().len(), 3);
}

#[tokio::test]
async fn partition_with_running_fetch_is_not_evicted() {
    let resolver = CountingResolver::new(Response::Credentials);
    let cache = resolver.cache().capacity(3).build();
    let client = || Client::new(cache.clone(), resolver.clone());
    let (first, idle, loading) = (client(), client(), client());
    first.get_number().await;
    idle.get_number().await;
    resolver.block();
    assert!(loading.immediate().is_none());
    for _ in 0..3 {
        assert!(client().immediate().is_none());
    }
    resolver.unblock();
    settle().await;
    assert_eq!((first.immediate_number(), loading.immediate_number()), (1, 3));
}

#[tokio::test]
async fn invalidated_credentials_are_replaced_others_stay() {
    use InvalidSessionAnswer::{Replaced, Unchanged};
    let resolver = CountingResolver::new(Response::Credentials);
    let cache = resolver.cache().build();
    let expired = |key| cache.report_invalid(key, InvalidSession::Expired);
    let (one, other) = (
        Client::new(cache.clone(), resolver.clone()),
        Client::new(cache.clone(), resolver.clone()),
    );
    assert_eq!((one.get_number().await, other.get_number().await), (1, 2));
    assert_eq!(expired("AKIA1"), Replaced);
    assert_eq!((one.get_number().await, other.immediate_number()), (3, 2));
    assert_eq!(expired("AKIA1"), Replaced, "it was replaced");
    assert_eq!((one.immediate_number(), other.immediate_number()), (3, 2));
    cache.invalidate_credentials(&Credentials::new("AKIA3", "x", None, None, "test"));
    assert_eq!(one.immediate_number(), 3, "one fetch in ten seconds");
    assert_eq!(expired("AKIA3"), Unchanged, "no other credentials can be fetched yet");
    assert_eq!(expired("AKIA77"), Unchanged, "not cached here");
    resolver.advance(10);
    assert_eq!(one.get_number().await, 4);
}

#[tokio::test]
async fn acceptance_clears_the_suspicion_of_credentials() {
    let resolver = CountingResolver::new(Response::Credentials);
    let cache = resolver.cache().build();
    let clients = [(); 3].map(|()| Client::new(cache.clone(), resolver.clone()));
    for client in &clients {
        client.get_number().await;
    }
    // The SDK's providers do not measure when they requested the credentials: none is too recent.
    for (key, client) in [("AKIA1", &clients[0]), ("AKIA3", &clients[2])] {
        assert_eq!(cache.suspicion(), 0);
        assert_eq!(
            cache.report_invalid(key, InvalidSession::Unknown),
            InvalidSessionAnswer::Replaced
        );
        let suspicion = cache.suspicion();
        assert!(suspicion > 0);
        assert!(client.immediate().is_none(), "{key} is to be replaced");
        settle().await;
        assert_eq!(cache.suspicion(), 0, "the suspected credentials were replaced");
    }
    cache.report_invalid("AKIA2", InvalidSession::Unknown);
    cache.report_accepted("AKIA2", cache.suspicion() - 1);
    assert!(cache.suspicion() > 0, "signed before the rejection");
    cache.report_accepted("AKIA2", cache.suspicion());
    assert_eq!((cache.suspicion(), clients[1].immediate_number()), (0, 2));
    assert_eq!(resolver.count(), 5);
}

#[tokio::test]
async fn acceptance_clears_suspicions_of_every_order() {
    for [earlier, later] in [["AKIA1", "AKIA2"], ["AKIA2", "AKIA1"], ["AKIA3", "AKIA2"]] {
        for accepted in [earlier, later] {
            let resolver = CountingResolver::new(Response::Credentials);
            let cache = resolver.cache().build();
            for _ in 0..3 {
                Client::new(cache.clone(), resolver.clone()).get_number().await;
            }
            cache.report_invalid(earlier, InvalidSession::Unknown);
            let before = cache.suspicion();
            cache.report_invalid(later, InvalidSession::Unknown);
            cache.report_accepted(later, before);
            assert_eq!(suspected(&cache), 2, "signed before the rejection");
            cache.report_accepted(accepted, cache.suspicion());
            assert_eq!(suspected(&cache), 1, "{earlier}, then {later}; {accepted} was accepted");
            let other = if accepted == earlier { later } else { earlier };
            cache.report_accepted(other, cache.suspicion());
            assert_eq!((suspected(&cache), cache.suspicion()), (0, 0));
        }
    }
}

/// Returns the number of suspected credentials.
fn suspected(cache: &IdentityCache) -> usize {
    cache.statuses().iter().filter(|status| status.state == State::Invalidated).count()
}

#[tokio::test]
async fn cache_keeps_no_client_and_shows_no_secret() {
    let resolver = CountingResolver::new(Response::Credentials);
    let client = Client::new(resolver.cache().build(), resolver.clone());
    client.get_number().await;
    let shown = format!("{:?} {:?}", client.cache, client.cache.statuses());
    assert!(!shown.contains("the-secret"), "{shown}");
    assert_eq!(client.cache.statuses()[0].state, State::Fresh);
    let cache = StdArc::downgrade(&client.cache.0);
    drop(client);
    settle().await;
    assert!(cache.upgrade().is_none(), "the cache holds components, which hold the cache");
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

//! The partitions under the model checker shuttle: creation, eviction and use in every order.

use std::future::Future;
use std::task::Poll;

use aws_credential_types::provider::error::TokenError;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use rolecall_core::{Event, ManualClock};
use shuttle::future::{block_on, yield_now};

use super::*;

const INTERLEAVINGS: usize = 2000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Response {
    Credentials,
    Token,
    TokenError,
}

/// Resolves credentials, or a token, with the key of its provider.
#[derive(Clone, Debug)]
struct Keyed {
    key: String,
    resolutions: StdArc<std::sync::atomic::AtomicUsize>,
    response: Response,
}

impl ResolveIdentity for Keyed {
    fn resolve_identity<'a>(
        &'a self,
        _: &'a RuntimeComponents,
        _: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async {
            self.resolutions.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            yield_now().await;
            let hour = Duration::from_secs(3600);
            let expires_at = std::time::UNIX_EPOCH + 400_001 * hour;
            match self.response {
                Response::Credentials => {
                    Ok(Credentials::new(&self.key, "secret", None, Some(expires_at), "m").into())
                }
                Response::Token => Ok(Identity::new(self.key.clone(), Some(expires_at))),
                Response::TokenError => Err(TokenError::not_loaded("no SSO session").into()),
            }
        })
    }
}

#[derive(Clone)]
struct Client {
    cache: IdentityCache,
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
    keyed: Keyed,
}

impl Client {
    fn new(cache: &IdentityCache, key: &str, response: Response) -> Self {
        let keyed = Keyed { key: key.to_owned(), resolutions: StdArc::default(), response };
        let resolver = SharedIdentityResolver::new(keyed.clone());
        let scheme = match response {
            Response::Credentials => "sigv4",
            Response::Token | Response::TokenError => "httpBearerAuth",
        };
        let components = RuntimeComponentsBuilder::for_tests()
            .with_identity_resolver(AuthSchemeId::new(scheme), resolver.clone())
            .build()
            .unwrap();
        Self { cache: cache.clone(), resolver, components, keyed }
    }

    async fn call(&self) -> Result<Identity, BoxError> {
        let configuration = ConfigBag::base();
        let (resolver, components) = (self.resolver.clone(), &self.components);
        self.cache.resolve_cached_identity(resolver, components, &configuration).await
    }

    /// Resolves the identity, and checks that it is that of this client's provider.
    fn resolve(&self) {
        let result = block_on(self.call());
        let key = match (self.keyed.response, &result) {
            (Response::Credentials, Ok(identity)) => {
                identity.data::<Credentials>().unwrap().access_key_id()
            }
            (Response::Token, Ok(identity)) => identity.data::<String>().unwrap().as_str(),
            (Response::TokenError, Err(error)) if error.is::<TokenError>() => return,
            (response, result) => panic!("{response:?}: {result:?}"),
        };
        assert_eq!(key, self.keyed.key, "the identity of another provider");
    }

    /// Polls a call a few times, and cancels it.
    fn cancel(&self) {
        block_on(async {
            let mut call = std::pin::pin!(self.call());
            let mut polls = std::pin::pin!(yield_now());
            std::future::poll_fn(|task| match call.as_mut().poll(task) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => polls.as_mut().poll(task).map(|_| ()),
            })
            .await;
        });
    }

    fn resolutions(&self) -> usize {
        self.keyed.resolutions.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[derive(Debug, Default)]
struct Evictions(std::sync::atomic::AtomicUsize);

impl Observer for Evictions {
    fn observe(&self, _: &str, event: &Event<'_>) {
        if let Event::Evicted = event {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
}

fn cache(capacity: usize) -> (IdentityCache, StdArc<Evictions>) {
    fastrand::seed(4711);
    let manual = ManualClock::at(std::time::UNIX_EPOCH + 400_000 * Duration::from_secs(3600));
    let evictions = StdArc::new(Evictions::default());
    let builder = IdentityCache::builder().clock(manual.clock()).capacity(capacity);
    (builder.observer(StdArc::clone(&evictions)).build(), evictions)
}

/// Resolves with each of these clients, in a thread of its own.
fn resolve_all(clients: &[&Client]) {
    let threads: Vec<_> = clients
        .iter()
        .map(|client| {
            let client = (*client).clone();
            shuttle::thread::spawn(move || client.resolve())
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn check(model: impl Fn() + Copy + Send + Sync + 'static) {
    shuttle::check_random(model, INTERLEAVINGS);
    shuttle::check_pct(model, INTERLEAVINGS, 3);
}

#[test]
fn concurrent_clients_share_one_partition() {
    check(|| {
        let (cache, _) = cache(2);
        let client = Client::new(&cache, "AKIA1", Response::Credentials);
        resolve_all(&[&client, &client, &client]);
        assert_eq!((client.resolutions(), cache.statuses().len()), (1, 1));
    });
}

#[test]
fn concurrent_first_partitions_all_exist() {
    check(|| {
        let (cache, evictions) = cache(3);
        let clients =
            ["AKIA1", "AKIA2", "AKIA3"].map(|key| Client::new(&cache, key, Response::Credentials));
        resolve_all(&clients.each_ref());
        assert_eq!(cache.statuses().len(), 3);
        for client in &clients {
            client.resolve();
            assert_eq!(client.resolutions(), 1);
        }
        assert_eq!(evictions.0.load(std::sync::atomic::Ordering::SeqCst), 0);
    });
}

#[test]
fn eviction_racing_use_returns_own_identities() {
    check(|| {
        let (cache, evictions) = cache(2);
        let first = Client::new(&cache, "AKIA1", Response::Credentials);
        first.resolve();
        let clients = ["AKIA2", "AKIA3"].map(|key| Client::new(&cache, key, Response::Credentials));
        resolve_all(&[&clients[0], &clients[1], &first, &clients[0]]);
        assert_eq!(cache.statuses().len(), 2, "the first, and one other");
        assert_eq!(first.resolutions(), 1, "the first partition is never evicted");
        let created: usize = clients.iter().map(Client::resolutions).sum();
        let evicted = evictions.0.load(std::sync::atomic::Ordering::SeqCst);
        // Each fetch of the others is that of a new entry, all but one of which were evicted.
        assert!((1..=2).contains(&evicted) && created <= evicted + 1, "{created} {evicted}");
    });
}

#[test]
fn concurrent_callers_share_one_token() {
    check(|| {
        let (cache, _) = cache(2);
        let (token, credentials) = (
            Client::new(&cache, "token", Response::Token),
            Client::new(&cache, "AKIA1", Response::Credentials),
        );
        resolve_all(&[&token, &credentials, &token, &token]);
        assert_eq!((token.resolutions(), credentials.resolutions()), (1, 1));
    });
}

#[test]
fn concurrent_callers_of_failing_resolver_end() {
    check(|| {
        let (cache, _) = cache(2);
        let token = Client::new(&cache, "token", Response::TokenError);
        resolve_all(&[&token, &token, &token]);
        // A call that began after the end of an attempt makes its own.
        assert!((1..=3).contains(&token.resolutions()));
        token.resolve();
        assert!((2..=4).contains(&token.resolutions()), "an error is not remembered");
    });
}

#[test]
fn callers_take_over_from_a_cancelled_one() {
    check(|| {
        let (cache, _) = cache(2);
        let token = Client::new(&cache, "token", Response::Token);
        let cancelled = {
            let token = token.clone();
            shuttle::thread::spawn(move || token.cancel())
        };
        resolve_all(&[&token, &token]);
        cancelled.join().unwrap();
        assert!((1..=2).contains(&token.resolutions()));
        token.resolve();
        assert!((1..=2).contains(&token.resolutions()), "the token is cached");
    });
}

//! The resolver of a partition's credentials, as the origin of a cache entry.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityCachePartition, ResolveIdentity, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{GetIdentityResolver, RuntimeComponents};
use aws_smithy_types::config_bag::ConfigBag;
use rolecall_core::{Clock, ErrorKind, FetchContext, Session, SessionError};

use crate::entry::{Expiration, Item, Origin};

/// The authentication schemes whose identities are [`Credentials`].
const CREDENTIALS_SCHEMES: [AuthSchemeId; 2] =
    [AuthSchemeId::new("sigv4"), AuthSchemeId::new("sigv4a")];

/// Returns `true` if the resolver of this partition is the client's credentials provider.
///
/// Only credentials are fetched in a task of their own, which cannot borrow the configuration of
/// the call. Other resolvers may read it.
pub(super) fn resolves_credentials(
    id: IdentityCachePartition,
    components: &RuntimeComponents,
) -> bool {
    CREDENTIALS_SCHEMES.iter().any(|scheme| {
        let resolver = components.identity_resolver(scheme.clone());
        resolver.is_some_and(|resolver| resolver.cache_partition() == id)
    })
}

/// Resolves a partition's credentials.
///
/// Callers bring the SDK's resolver and components for each fetch. An entry that kept them would
/// keep the client alive, and the client keeps this cache alive.
#[derive(Clone)]
pub(super) struct Resolver {
    timeout: Duration,
    name: Arc<str>,
}

/// Credentials in the form of the SDK's client and in that of the cache.
#[derive(Clone)]
pub(super) struct Resolved {
    pub(super) identity: Identity,
    session: Session,
}

const NAME: &str = "the SDK's credentials provider";

impl Resolver {
    /// An SDK provider has no name that is known to be free of secrets: resolvers are numbered.
    pub(super) fn new(number: u64, timeout: Duration) -> Self {
        let name = match number {
            1 => NAME.into(),
            _ => format!("{NAME} {number}").into(),
        };
        Self { timeout, name }
    }
}

impl Item for Resolved {
    fn session(&self) -> Option<&Session> {
        Some(&self.session)
    }

    fn expiration(&self, clock: &Clock) -> Expiration {
        Item::expiration(&self.session, clock)
    }
}

impl Origin for Resolver {
    type Item = Resolved;
    type Input = (SharedIdentityResolver, RuntimeComponents);

    async fn fetch(
        &self,
        _: FetchContext,
        (resolver, components): Self::Input,
    ) -> Result<Resolved, SessionError> {
        // The configuration of the call is borrowed, and the fetch may outlive the call.
        let configuration = ConfigBag::base();
        let identity = match resolver.resolve_identity(&components, &configuration).await {
            Ok(identity) => identity,
            Err(error) => return Err(SessionError::from_provider_error(&*error)),
        };
        let Some(credentials) = identity.data::<Credentials>() else {
            let message = "the client's credentials provider resolved an identity of another type";
            return Err(SessionError::new(ErrorKind::InvalidResponse, message)
                .with_hint("return aws_credential_types::Credentials from the identity resolver"));
        };
        let mut credentials = credentials.clone();
        if let Some(expires_at) = identity.expiration() {
            *credentials.expiry_mut() = Some(expires_at);
        }
        let session = Session::builder(credentials).base(NAME).build();
        Ok(Resolved { identity, session })
    }

    fn background_input(&self) -> Option<Self::Input> {
        None
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn name(&self) -> &str {
        &self.name
    }
}

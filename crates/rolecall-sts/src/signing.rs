//! SigV4 as the SDK does it, without its log: at TRACE it shows the session token of whoever signs.

use aws_runtime::auth::sigv4::SigV4AuthScheme;
use aws_sdk_sts::config::{ConfigBag, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use aws_smithy_runtime_api::client::auth::{
    AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, Sign,
};
use aws_smithy_runtime_api::client::identity::{Identity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::GetIdentityResolver;
use tracing::dispatcher::{Dispatch, with_default};

/// Takes the place of the SDK's own scheme of the same id.
#[derive(Debug, Default)]
pub(crate) struct QuietSigV4(SigV4AuthScheme);

impl AuthScheme for QuietSigV4 {
    fn scheme_id(&self) -> AuthSchemeId {
        self.0.scheme_id()
    }

    fn identity_resolver(
        &self,
        resolvers: &dyn GetIdentityResolver,
    ) -> Option<SharedIdentityResolver> {
        self.0.identity_resolver(resolvers)
    }

    fn signer(&self) -> &dyn Sign {
        self
    }
}

impl Sign for QuietSigV4 {
    fn sign_http_request(
        &self,
        request: &mut HttpRequest,
        identity: &Identity,
        endpoint: AuthSchemeEndpointConfig<'_>,
        components: &RuntimeComponents,
        bag: &ConfigBag,
    ) -> Result<(), BoxError> {
        with_default(&Dispatch::none(), || {
            self.0.signer().sign_http_request(request, identity, endpoint, components, bag)
        })
    }
}

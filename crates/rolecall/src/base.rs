//! The base credentials of a chain that rolecall itself provides or wraps.

use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use rolecall_core::{
    Environment, ErrorKind, ErrorLocation, FetchContext, InvalidSession, ProvideSession, Session,
    SessionError,
};

/// The base of a chain: its errors and sessions name the provider.
#[derive(Debug)]
pub(crate) struct BaseProvider<P> {
    provider: P,
    is_configured: bool,
}

impl<P> BaseProvider<P> {
    /// Creates the base of a chain from a custom provider, whose error kinds are kept.
    pub(crate) fn custom(provider: P) -> Self {
        Self { provider, is_configured: false }
    }

    /// Creates the base of a chain from a provider that is configured explicitly. If it has no
    /// credentials, that is an error: an SDK provider chain must not continue with another
    /// identity.
    #[cfg(feature = "default-chain")]
    pub(crate) fn configured(provider: P) -> Self {
        Self { provider, is_configured: true }
    }
}

#[async_trait]
impl<P: ProvideSession> ProvideSession for BaseProvider<P> {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        match self.provider.provide_session(context).await {
            Ok(session) => Ok(session.with_default_base(self.name())),
            Err(error) => {
                let error = error.at(ErrorLocation::Base(self.name().to_owned()));
                Err(if self.is_configured { error.configured() } else { error })
            }
        }
    }

    fn invalidate(&self, session: &Session, reason: InvalidSession) {
        self.provider.invalidate(session, reason);
    }

    fn timeout(&self) -> Duration {
        self.provider.timeout()
    }

    fn name(&self) -> &str {
        self.provider.name()
    }
}

/// Returns the access keys of the environment, or `None` if it sets none.
pub(crate) fn environment_keys(
    environment: &Environment,
) -> Result<Option<Credentials>, SessionError> {
    const ID: &str = "AWS_ACCESS_KEY_ID";
    const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
    const TOKEN: &str = "AWS_SESSION_TOKEN";
    let Some((id, secret)) = environment.pair(ID, SECRET, "")? else { return Ok(None) };
    let token = environment.var(TOKEN)?;
    for (variable, value) in [(ID, Some(&id)), (SECRET, Some(&secret)), (TOKEN, token.as_ref())] {
        if value.is_some_and(|value| !value.bytes().all(|byte| byte.is_ascii_graphic())) {
            let message = format!("{variable} is not printable ASCII without white space");
            return Err(SessionError::new(ErrorKind::InvalidConfig, message)
                .with_hint("remove white space, such as the line break at the end of a file"));
        }
    }
    let mut keys = Credentials::builder()
        .access_key_id(id)
        .secret_access_key(secret)
        .provider_name("rolecall-environment");
    keys.set_session_token(token);
    Ok(Some(keys.build()))
}

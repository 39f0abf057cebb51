use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rolecall_core::{
    Clock, Environment, ErrorKind, ErrorLocation, FetchContext, FetchMode, ProvideSession, RoleArn,
    Session, SessionError,
};
use rolecall_sts::{StsClient, WebIdentityRequest, is_invalid_token};

use crate::claims::UnverifiedClaims;
use crate::config::WebIdentityConfig;
use crate::identity::{PinnedIdentity, TokenIdentity};
use crate::token::WebIdentityToken;
use crate::token_providers::{ProvideWebIdentityToken, TokenFile};

/// Timeout for a token. It uses Tokio's time, because a provider that hangs must time out in tests
/// with a manual clock as well.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for the exchange. The STS client returns its error after at most 14 seconds.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// Provides sessions of a role by AssumeRoleWithWebIdentity.
///
/// The provider reads the token for each fetch, and does not send a token that has expired by the
/// clock of STS and by that of this machine. If STS rejects a token, the provider reads it again,
/// and repeats the request once if it has changed.
///
/// # Identity
///
/// A provider has one identity: the issuer and the subject of its tokens (the claims `iss` and
/// `sub`, which rolecall does not verify). A token function must not return the tokens of different
/// users, because sessions are cached and shared by all callers.
///
/// The first token that STS accepts sets the identity of the provider and of all its clones. A
/// later token of another identity is rejected with [`ErrorKind::TokenRejected`] before it is sent.
/// The exceptions are tokens that cannot depend on the caller, such as those from a
/// [file](TokenFile) or a [variable](crate::TokenVariable): the provider logs the change of
/// identity and sends the token. See [`ProvideWebIdentityToken::pins_identity`].
///
/// # Examples
///
/// ```
/// use rolecall_core::{Environment, RoleArn, SessionName};
/// use rolecall_sts::{Endpoint, Region, StsClient};
/// use rolecall_web_identity::{WebIdentityConfig, WebIdentityProvider};
///
/// let role = RoleArn::parse("arn:aws:iam::111122223333:role/checkout")?;
/// let name = SessionName::parse("checkout")?;
/// let config = WebIdentityConfig::new(role, "/var/run/secrets/token", name);
/// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
/// let provider = WebIdentityProvider::new(config, sts, Environment::process());
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WebIdentityProvider {
    tokens: Arc<dyn ProvideWebIdentityToken>,
    identity: PinnedIdentity,
    request: WebIdentityRequest,
    sts: StsClient,
    clock: Clock,
}

impl WebIdentityProvider {
    /// Creates a provider that reads the token file of `config` from `environment`.
    pub fn new(config: WebIdentityConfig, sts: StsClient, environment: Environment) -> Self {
        let tokens = TokenFile::of(&config, environment);
        let mut request = WebIdentityRequest::new(config.role, config.session_name);
        request.duration = config.duration;
        request.policy = config.policy;
        request.policy_arns = config.policy_arns;
        Self::with_tokens(tokens, request, sts)
    }

    /// Creates a provider that sends `request` with tokens from `tokens`.
    ///
    /// All tokens must have the same identity; see [Identity](Self#identity).
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::{Environment, RoleArn, SessionName};
    /// use rolecall_sts::{Endpoint, Region, StsClient, WebIdentityRequest};
    /// use rolecall_web_identity::{TokenVariable, WebIdentityProvider};
    ///
    /// let role = RoleArn::parse("arn:aws:iam::111122223333:role/deploy")?;
    /// let request = WebIdentityRequest::new(role, SessionName::parse("job-4711")?);
    /// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
    /// let tokens = TokenVariable::new("CI_JOB_JWT", Environment::process());
    /// let provider = WebIdentityProvider::with_tokens(tokens, request, sts);
    /// # Ok::<(), rolecall_core::SessionError>(())
    /// ```
    pub fn with_tokens(
        tokens: impl ProvideWebIdentityToken,
        request: WebIdentityRequest,
        sts: StsClient,
    ) -> Self {
        let identity = PinnedIdentity::new(tokens.pins_identity());
        Self { tokens: Arc::new(tokens), identity, request, sts, clock: Clock::system() }
    }

    /// Sets the clock to compare the expiration of tokens with. Defaults to the system clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the ARN of the role that this provider assumes.
    pub fn role(&self) -> &RoleArn {
        &self.request.role
    }

    async fn fetch_session(&self, mode: FetchMode) -> Result<Session, SessionError> {
        let token = self.read_token().await?;
        match self.exchange_token(&token, mode).await {
            // The token may have been replaced after it was read. A token that did not change
            // would be rejected again, and one that cannot be read now is not the cause: in both
            // cases, the error of STS says more.
            Err(error) if is_invalid_token(&error) => match self.read_token().await {
                Ok(next) if next.expose() != token.expose() => {
                    self.exchange_token(&next, mode).await
                }
                _ => Err(error),
            },
            result => result,
        }
    }

    async fn read_token(&self) -> Result<WebIdentityToken, SessionError> {
        match tokio::time::timeout(TOKEN_TIMEOUT, self.tokens.provide_token()).await {
            Ok(token) => token,
            Err(_) => {
                let origin = self.tokens.describe();
                let message = format!(
                    "the web identity token {origin} was not available within {TOKEN_TIMEOUT:?}"
                );
                Err(SessionError::new(ErrorKind::TokenUnavailable, message)
                    .with_hint("check the file system or the service that the token comes from"))
            }
        }
    }

    async fn exchange_token(
        &self,
        token: &WebIdentityToken,
        mode: FetchMode,
    ) -> Result<Session, SessionError> {
        let claims = UnverifiedClaims::of(token.expose());
        let identity = TokenIdentity::of(claims.as_ref());
        let origin = self.tokens.describe();
        self.identity.check(&identity, &origin)?;
        if let Some(expired) = claims.as_ref().filter(|claims| self.has_expired(claims)) {
            return Err(self.expired_error(expired).await);
        }
        let session = self
            .sts
            .assume_role_with_web_identity(token.expose(), &self.request, mode)
            .await
            .map_err(|error| match self.rejection_hint(&error, claims.as_ref()) {
                Some(hint) => error.with_hint(hint),
                None => error,
            })?;
        self.identity.record(identity, &origin)?;
        Ok(session)
    }

    /// Returns `true` if STS would reject the token because it has expired.
    ///
    /// Both clocks must agree. This machine's clock may be wrong, and the time of STS is taken from
    /// its last response, which may have been wrong once. While requests are sent, the next
    /// response can correct it; a token that is never sent would keep the provider failing.
    fn has_expired(&self, claims: &UnverifiedClaims) -> bool {
        match (claims.expires_at(), self.sts.server_time()) {
            (Some(expires_at), Some(now)) => expires_at <= now && expires_at <= self.clock.wall(),
            _ => false,
        }
    }

    async fn expired_error(&self, claims: &UnverifiedClaims) -> SessionError {
        let origin = self.tokens.describe();
        let message = format!("the web identity token {origin} has expired ({claims})");
        let modified_at = self.tokens.modified_at().await;
        let age = modified_at.and_then(|at| self.clock.wall().duration_since(at).ok());
        let written = match age.map(|age| age.as_secs() / 60) {
            Some(minutes) => format!(" (it was last written {minutes} min ago)"),
            None => String::new(),
        };
        SessionError::new(ErrorKind::TokenUnavailable, message)
            .with_hint(format!("check the process that renews the token{written}"))
    }

    /// Returns the hint for a token that STS rejected or denied.
    ///
    /// The messages of STS do not show the token's claims, which are what a person compares with
    /// the OIDC provider and the trust policy.
    fn rejection_hint(
        &self,
        error: &SessionError,
        claims: Option<&UnverifiedClaims>,
    ) -> Option<String> {
        let role = &self.request.role;
        let claims = match claims {
            Some(claims) => claims.to_string(),
            None => "not a JWT".to_owned(),
        };
        let token = format!("the token {} ({claims})", self.tokens.describe());
        match (error.kind(), error.code()) {
            (ErrorKind::TokenRejected, Some("ExpiredTokenException")) => {
                Some(format!("check the process that renews {token}, and the clock of its issuer"))
            }
            (ErrorKind::TokenRejected, Some(_)) => Some(format!(
                "check {token}: account {} needs an OIDC provider for its iss, with its aud as a client id and the \
                 keys that signed it",
                role.account()
            )),
            // Without a code, a proxy denied the request and not the trust policy.
            (ErrorKind::Denied, Some(_)) => Some(format!(
                "allow sts:AssumeRoleWithWebIdentity in the trust policy of {role} for the OIDC provider of {token}, \
                 and check its conditions on :sub and :aud"
            )),
            _ => None,
        }
    }
}

#[async_trait]
impl ProvideSession for WebIdentityProvider {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        // The same name as in the lineage of the session and in the description of the chain.
        let location = || ErrorLocation::Base(format!("web identity as {}", self.request.role));
        // A token function may return `NotConfigured`. The web identity itself is configured, so an
        // SDK provider chain must not continue with another identity.
        self.fetch_session(context.mode()).await.map_err(|error| error.configured().at(location()))
    }

    fn name(&self) -> &str {
        self.request.role.as_str()
    }

    /// Returns the sum of the timeouts for the token (5 seconds) and the exchange (15 seconds).
    fn timeout(&self) -> Duration {
        TOKEN_TIMEOUT + EXCHANGE_TIMEOUT
    }
}

#[cfg(test)]
mod tests;

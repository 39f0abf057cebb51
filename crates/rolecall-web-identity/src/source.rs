use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rolecall_core::{
    Clock, Environment, ErrorKind, FetchContext, FetchError, Place, PolicyArn, RoleArn, Session,
    SessionDuration, SessionName, SessionPolicy, SessionSource, looks_like_token,
};
use rolecall_sts::{StsClient, WebIdentityRequest, refuses_token};

use crate::claims::UnverifiedClaims;
use crate::token::WebIdentityToken;
use crate::tokens::{TokenFile, TokenSource, shown};

/// Which role a workload assumes by its token, and where the token is.
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_web_identity::WebIdentityConfig;
///
/// let env = Environment::fixed([
///     ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/checkout"),
///     ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"),
///     ("HOSTNAME", "checkout-7f9c"),
/// ]);
/// let config = WebIdentityConfig::from_environment(&env)?.unwrap();
/// assert_eq!(config.role.name(), "checkout");
/// assert_eq!(config.session_name.as_str(), "rolecall@checkout-7f9c");
/// # Ok::<(), rolecall_core::FetchError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebIdentityConfig {
    /// The role.
    pub role: RoleArn,
    /// The file that holds the token.
    pub token_file: PathBuf,
    /// What the session is called.
    pub session_name: SessionName,
    /// How long it is asked for; one hour when absent.
    pub duration: Option<SessionDuration>,
    /// An inline session policy.
    pub policy: Option<SessionPolicy>,
    /// Managed policies as session policies.
    pub policy_arns: Vec<PolicyArn>,
}

impl fmt::Debug for WebIdentityConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebIdentityConfig")
            .field("role", &self.role)
            .field("token_file", &shown(&self.token_file))
            .field("session_name", &self.session_name)
            .field("duration", &self.duration)
            .field("policy", &self.policy)
            .field("policy_arns", &self.policy_arns)
            .finish()
    }
}

const ROLE: &str = "AWS_ROLE_ARN";
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

impl WebIdentityConfig {
    /// With what is required.
    pub fn new(role: RoleArn, token_file: impl Into<PathBuf>, session_name: SessionName) -> Self {
        let token_file = token_file.into();
        let (duration, policy, policy_arns) = (None, None, Vec::new());
        Self { role, token_file, session_name, duration, policy, policy_arns }
    }

    /// By `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_SESSION_NAME`. `None` when neither of the first
    /// two is set; one without the other is an error, not a silent skip.
    pub fn from_environment(environment: &Environment) -> Result<Option<Self>, FetchError> {
        let who = "EKS sets both for a service account with a role";
        match environment.pair(ROLE, TOKEN_FILE, who)? {
            None => Ok(None),
            Some((_, file)) if looks_like_token(&file) => {
                // The value is a secret, and not shown.
                let message = format!("{TOKEN_FILE} holds a token, and not the name of a file");
                Err(FetchError::new(ErrorKind::InvalidConfig, message)
                    .with_hint("write the token to a file and name that"))
            }
            Some((role, file)) => {
                let role = RoleArn::parse(&role).map_err(|error| {
                    FetchError::from(error).with_hint(format!("the environment variable {ROLE}"))
                })?;
                Ok(Some(Self::new(role, file, SessionName::from_environment(environment)?)))
            }
        }
    }
}

/// How long a token may take to come. In real time: it is no clock's that a test turns.
const TOKEN_LIMIT: Duration = Duration::from_secs(5);

/// How long the exchange takes at most: the STS client gives up after 14 s.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// Sessions by AssumeRoleWithWebIdentity. The token is read anew for each, and looked at: one that has ended by STS's
/// clock is not sent. If STS refuses it, it is read once more, and sent once more if it changed.
///
/// ```
/// use rolecall_core::{Environment, RoleArn, SessionName};
/// use rolecall_sts::{Endpoint, Region, StsClient};
/// use rolecall_web_identity::{WebIdentity, WebIdentityConfig};
///
/// let role = RoleArn::parse("arn:aws:iam::111122223333:role/checkout")?;
/// let config = WebIdentityConfig::new(role, "/var/run/secrets/token", SessionName::parse("checkout")?);
/// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
/// let source = WebIdentity::new(config, sts, Environment::process());
/// # Ok::<(), rolecall_core::FetchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WebIdentity {
    tokens: Arc<dyn TokenSource>,
    request: WebIdentityRequest,
    sts: StsClient,
    clock: Clock,
}

impl WebIdentity {
    /// A source for this role and token file, which is read through `environment`.
    pub fn new(config: WebIdentityConfig, sts: StsClient, environment: Environment) -> Self {
        let mut request = WebIdentityRequest::new(config.role, config.session_name);
        request.duration = config.duration;
        request.policy = config.policy;
        request.policy_arns = config.policy_arns;
        Self::with_tokens(TokenFile::new(config.token_file, environment), request, sts)
    }

    /// A source for this request, with tokens from wherever.
    ///
    /// ```
    /// use rolecall_core::{Environment, RoleArn, SessionName};
    /// use rolecall_sts::{Endpoint, Region, StsClient, WebIdentityRequest};
    /// use rolecall_web_identity::{TokenVariable, WebIdentity};
    ///
    /// let role = RoleArn::parse("arn:aws:iam::111122223333:role/deploy")?;
    /// let request = WebIdentityRequest::new(role, SessionName::parse("job-4711")?);
    /// let sts = StsClient::new(Endpoint::regional(Region::parse("eu-west-1")?));
    /// let tokens = TokenVariable::new("CI_JOB_JWT", Environment::process());
    /// let source = WebIdentity::with_tokens(tokens, request, sts);
    /// # Ok::<(), rolecall_core::FetchError>(())
    /// ```
    pub fn with_tokens(
        tokens: impl TokenSource,
        request: WebIdentityRequest,
        sts: StsClient,
    ) -> Self {
        Self { tokens: Arc::new(tokens), request, sts, clock: Clock::system() }
    }

    /// The clock by which the age of a token's file is told.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The role that it assumes.
    pub fn role(&self) -> &RoleArn {
        &self.request.role
    }

    async fn exchange(&self, cx: FetchContext) -> Result<Session, FetchError> {
        let token = self.token().await?;
        match self.send(&token, cx).await {
            Err(error) if refuses_token(&error) => match self.token().await {
                Ok(renewed) if renewed.expose() != token.expose() => self.send(&renewed, cx).await,
                // The same, or none: what STS said of it stands.
                _ => Err(error),
            },
            result => result,
        }
    }

    async fn token(&self) -> Result<WebIdentityToken, FetchError> {
        match tokio::time::timeout(TOKEN_LIMIT, self.tokens.token()).await {
            Ok(token) => token,
            Err(_) => {
                let place = self.tokens.describe();
                let message =
                    format!("the web identity token {place} did not come within {TOKEN_LIMIT:?}");
                Err(FetchError::new(ErrorKind::TokenUnavailable, message)
                    .with_hint("what the token comes from: a file system or a service that hangs"))
            }
        }
    }

    async fn send(
        &self,
        token: &WebIdentityToken,
        cx: FetchContext,
    ) -> Result<Session, FetchError> {
        let claims = UnverifiedClaims::of(token.expose());
        if let Some(ended) = claims.as_ref().filter(|claims| self.has_ended(claims)) {
            return Err(self.expired(ended).await);
        }
        let exchanged =
            self.sts.assume_role_with_web_identity(token.expose(), &self.request, cx).await;
        exchanged.map_err(|error| match self.what_to_look_at(&error, claims.as_ref()) {
            Some(hint) => error.with_hint(hint),
            None => error,
        })
    }

    /// STS would refuse it, so it need not be asked. By STS's clock and by this machine's: either may be wrong (what STS's
    /// is was said by whoever answered last), and as long as STS is asked it can put that right.
    fn has_ended(&self, claims: &UnverifiedClaims) -> bool {
        match (claims.expires_at(), self.sts.server_time()) {
            (Some(end), Some(now)) => end <= now && end <= self.clock.wall(),
            _ => false,
        }
    }

    async fn expired(&self, claims: &UnverifiedClaims) -> FetchError {
        let place = self.tokens.describe();
        let message = format!("the web identity token {place} has expired ({claims})");
        let age =
            self.tokens.renewed().await.and_then(|at| self.clock.wall().duration_since(at).ok());
        let written = match age.map(|age| age.as_secs() / 60) {
            Some(minutes) => format!(" (it was last written {minutes} min ago)"),
            None => String::new(),
        };
        FetchError::new(ErrorKind::TokenUnavailable, message)
            .with_hint(format!("who renews it{written}"))
    }

    fn what_to_look_at(
        &self,
        error: &FetchError,
        claims: Option<&UnverifiedClaims>,
    ) -> Option<String> {
        let role = &self.request.role;
        let place = self.tokens.describe();
        let says = match claims {
            Some(claims) => format!("the token ({claims})"),
            None => "the token (which is no JWT)".to_owned(),
        };
        match (error.kind(), error.code()) {
            (ErrorKind::TokenRejected, Some("ExpiredTokenException")) => {
                Some(format!("{says} {place}: who renews it, and its issuer's clock"))
            }
            (ErrorKind::TokenRejected, Some(_)) => Some(format!(
                "{says} {place}: account {} must have an OIDC provider for its iss, with its aud as client id, \
                 whose keys signed it",
                role.account()
            )),
            (ErrorKind::Denied, Some(_)) => Some(format!(
                "{says} {place}: the trust policy of {role} must allow sts:AssumeRoleWithWebIdentity to the OIDC \
                 provider of its iss, with conditions on :sub and :aud that it meets"
            )),
            _ => None,
        }
    }
}

#[async_trait]
impl SessionSource for WebIdentity {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        let place = || Place::Base(format!("web identity, {}", self.request.role));
        self.exchange(cx).await.map_err(|error| error.of_configured().at(place()))
    }

    fn label(&self) -> &str {
        self.request.role.as_str()
    }

    /// For the token, and for the call.
    fn limit(&self) -> Duration {
        TOKEN_LIMIT + CALL_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:role/checkout";

    fn config(variables: &[(&str, &str)]) -> Result<Option<WebIdentityConfig>, FetchError> {
        WebIdentityConfig::from_environment(&Environment::fixed(variables.iter().copied()))
    }

    #[test]
    fn aws_role_session_name() {
        let both = [(ROLE, ARN), (TOKEN_FILE, "/token")];
        for (more, name) in [
            (&[("AWS_ROLE_SESSION_NAME", "job-4711"), ("HOSTNAME", "h")][..], "job-4711"),
            (&[("HOSTNAME", "checkout-7f9c")], "rolecall@checkout-7f9c"),
            (&[("AWS_ROLE_SESSION_NAME", ""), ("HOSTNAME", "a b/c")], "rolecall@a-b-c"),
            (&[], "rolecall"),
        ] {
            let config = config(&[&both[..], more].concat()).unwrap().unwrap();
            assert_eq!(config.session_name.as_str(), name);
        }
        let error = config(&[&both[..], &[("AWS_ROLE_SESSION_NAME", "a b")]].concat()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("AWS_ROLE_SESSION_NAME"), "{error}");
    }

    #[test]
    fn aws_role_arn_aws_web_identity_token_file() {
        let config = config(&[(ROLE, ARN), (TOKEN_FILE, "/token")]).unwrap().unwrap();
        assert_eq!((config.role.as_str(), config.token_file.to_str()), (ARN, Some("/token")));
    }

    #[test]
    fn neither_variable_is_no_web_identity() {
        assert_eq!(config(&[]).unwrap(), None);
        assert_eq!(config(&[(ROLE, ""), (TOKEN_FILE, "")]).unwrap(), None);
    }

    #[test]
    fn one_variable_without_the_other_names_both() {
        for (variables, text) in [
            (
                [(ROLE, ARN)],
                "AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not; look at: set AWS_WEB_IDENTITY_TOKEN_FILE \
                 too (EKS sets both for a service account with a role), or unset AWS_ROLE_ARN",
            ),
            (
                [(TOKEN_FILE, "/token")],
                "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not; look at: set AWS_ROLE_ARN too (EKS sets \
                 both for a service account with a role), or unset AWS_WEB_IDENTITY_TOKEN_FILE",
            ),
        ] {
            let error = config(&variables).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (ErrorKind::InvalidConfig, text)
            );
        }
    }

    #[test]
    fn a_token_instead_of_its_file_is_not_shown() {
        // {"iss":"i"}
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIn0.c2lnbmF0dXJl";
        // Also one whose claims do not read: its `exp` is a text.
        let odd = "\"eyJhbGciOiJSUzI1NiJ9.eyJleHAiOiIxNzAwMDAwMDAwIn0.c2lnbmF0dXJl\"";
        for token in [token, odd] {
            let error = config(&[(ROLE, ARN), (TOKEN_FILE, token)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains("holds a token"), "{error}");
            let name = SessionName::parse("checkout").unwrap();
            let given = WebIdentityConfig::new(RoleArn::parse(ARN).unwrap(), token, name);
            let shown = format!("{error} {error:?} {given:?}");
            assert!(!shown.contains("c2ln"), "{shown}");
        }
    }

    #[test]
    fn a_malformed_arn_names_the_variable() {
        let error = config(&[(ROLE, "checkout"), (TOKEN_FILE, "/token")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("role ARN \"checkout\""), "{error}");
        assert!(error.to_string().contains("AWS_ROLE_ARN"), "{error}");
    }
}

//! Providers of web identity tokens: files, variables and functions.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::SystemTime;

use async_trait::async_trait;
use rolecall_core::{Environment, ErrorKind, SessionError, looks_like_token};

use crate::config::WebIdentityConfig;
use crate::token::WebIdentityToken;

/// Provides web identity tokens, one for each fetch of a session.
///
/// This trait is implemented by [`TokenFile`], [`TokenVariable`] and [`TokenFn`], and by
/// [`WebIdentityToken`] for a token that does not change.
///
/// # Identity
///
/// All tokens of one provider must have the same identity, which is their issuer and subject. The
/// sessions of a [`WebIdentityProvider`](crate::WebIdentityProvider) are cached and shared by all
/// callers: if the token depended on the caller, for example on the user of the current request, a
/// user would receive the session of another. A token of another identity is rejected; see
/// [`pins_identity`](Self::pins_identity).
///
/// # Examples
///
/// ```
/// use rolecall_core::SessionError;
/// use rolecall_web_identity::{ProvideWebIdentityToken, WebIdentityToken};
///
/// #[derive(Debug)]
/// struct Broker;
///
/// #[async_trait::async_trait]
/// impl ProvideWebIdentityToken for Broker {
///     async fn provide_token(&self) -> Result<WebIdentityToken, SessionError> {
///         WebIdentityToken::parse("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
///     }
///
///     fn describe(&self) -> String {
///         "from the broker".to_owned()
///     }
/// }
/// ```
#[async_trait]
pub trait ProvideWebIdentityToken: fmt::Debug + Send + Sync + 'static {
    /// Returns the current token.
    ///
    /// The timeout of a call is 5 seconds.
    ///
    /// # Errors
    ///
    /// Returns a [`SessionError`] if no token is available. It becomes the error of the fetch.
    async fn provide_token(&self) -> Result<WebIdentityToken, SessionError>;

    /// Returns the origin of the token for error messages, as a phrase that follows "the token",
    /// such as "in /var/run/token". The phrase must not contain a secret.
    fn describe(&self) -> String;

    /// Returns the time at which the token was last renewed, for error messages, or `None` if it is
    /// not known. Defaults to `None`.
    async fn modified_at(&self) -> Option<SystemTime> {
        None
    }

    /// Returns `true` if tokens of another identity than that of the first are rejected. Defaults
    /// to `true`.
    ///
    /// The first token that STS accepts sets the identity: its claims `iss` and `sub`, which are
    /// both absent if the token is not a JWT. Return `false` only if the tokens cannot depend on
    /// the caller, such as those of a file. A change of identity is then logged at `WARN`, and the
    /// token is used. This method is called once, when the
    /// [`WebIdentityProvider`](crate::WebIdentityProvider) is created.
    fn pins_identity(&self) -> bool {
        true
    }
}

/// Provides the token in a file, such as one that the kubelet writes and replaces.
///
/// The file is read for each fetch, without blocking the async runtime. If the identity of the
/// token changes, the change is logged and the token is used.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_web_identity::{ProvideWebIdentityToken, TokenFile};
/// let file = TokenFile::new("/var/run/secrets/token", Environment::process());
/// assert_eq!(file.describe(), "in /var/run/secrets/token");
/// ```
#[derive(Clone)]
pub struct TokenFile {
    path: PathBuf,
    environment: Environment,
    setting: Option<String>,
}

impl TokenFile {
    /// Creates a provider of the token in the file at `path` in `environment`.
    pub fn new(path: impl Into<PathBuf>, environment: Environment) -> Self {
        Self { path: path.into(), environment, setting: None }
    }

    /// Creates a provider of the token in the file of `config`.
    pub fn of(config: &WebIdentityConfig, environment: Environment) -> Self {
        let (path, setting) = (config.token_file.clone(), config.token_file_setting.clone());
        Self { path, environment, setting }
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile")
            .field("path", &display_path(&self.path))
            .field("environment", &self.environment)
            .field("setting", &self.setting)
            .finish()
    }
}

/// Formats a path for messages. A token in place of a path is a secret, and is not shown.
pub(crate) fn display_path(path: &Path) -> String {
    let name = path.display().to_string();
    match looks_like_token(&name) {
        true => "(a token instead of a path)".to_owned(),
        false => name,
    }
}

#[async_trait]
impl ProvideWebIdentityToken for TokenFile {
    async fn provide_token(&self) -> Result<WebIdentityToken, SessionError> {
        if looks_like_token(&self.path.to_string_lossy()) {
            let message = "the path of the web identity token file is a token";
            return Err(SessionError::new(ErrorKind::InvalidConfig, message)
                .with_hint("write the token to a file, and pass its path"));
        }
        let token = WebIdentityToken::read(&self.path, &self.environment).await;
        token.map_err(|error| match (&self.setting, error.hint()) {
            (Some(setting), Some(hint)) => {
                let hint = format!("{hint}; {setting} sets the path");
                error.with_hint(hint)
            }
            _ => error,
        })
    }

    fn describe(&self) -> String {
        format!("in {}", display_path(&self.path))
    }

    async fn modified_at(&self) -> Option<SystemTime> {
        self.environment.modified(&self.path).await
    }

    fn pins_identity(&self) -> bool {
        false
    }
}

/// Provides the token in an environment variable, such as one that a CI system sets.
///
/// If the identity of the token changes, the change is logged and the token is used.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_web_identity::{ProvideWebIdentityToken, TokenVariable};
/// let variable = TokenVariable::new("CI_JOB_JWT", Environment::process());
/// assert_eq!(variable.describe(), "in the environment variable CI_JOB_JWT");
/// ```
#[derive(Clone, Debug)]
pub struct TokenVariable {
    name: String,
    environment: Environment,
}

impl TokenVariable {
    /// Creates a provider of the token in the variable `name` of `environment`.
    pub fn new(name: impl Into<String>, environment: Environment) -> Self {
        Self { name: name.into(), environment }
    }
}

#[async_trait]
impl ProvideWebIdentityToken for TokenVariable {
    async fn provide_token(&self) -> Result<WebIdentityToken, SessionError> {
        let unavailable = |fault: &str| {
            let message = format!("invalid web identity token in {}: {fault}", self.name);
            SessionError::new(ErrorKind::TokenUnavailable, message)
                .with_hint(format!("check what sets the environment variable {}", self.name))
        };
        match self.environment.var(&self.name)? {
            None => Err(unavailable("the variable is not set")),
            Some(text) => WebIdentityToken::checked(&text).map_err(|fault| unavailable(&fault)),
        }
    }

    fn describe(&self) -> String {
        format!("in the environment variable {}", self.name)
    }

    fn pins_identity(&self) -> bool {
        false
    }
}

/// Provides this token for every fetch. Fetches fail once the token has expired.
#[async_trait]
impl ProvideWebIdentityToken for WebIdentityToken {
    async fn provide_token(&self) -> Result<WebIdentityToken, SessionError> {
        Ok(self.clone())
    }

    fn describe(&self) -> String {
        "that was passed to the provider".to_owned()
    }
}

type TokenFuture = Pin<Box<dyn Future<Output = Result<WebIdentityToken, SessionError>> + Send>>;

/// Provides the tokens that an async function returns.
///
/// The function is called for each fetch, and all of its tokens must have the same identity. It
/// must not return a token of the current caller, such as the user of a web request, because
/// sessions are cached and shared by all callers: create a provider for each user instead. A token
/// whose issuer or subject differs from that of the first token that STS accepted is rejected with
/// [`ErrorKind::TokenRejected`].
///
/// # Examples
///
/// ```
/// use rolecall_web_identity::{TokenFn, WebIdentityToken};
///
/// let tokens = TokenFn::new("of the broker", || async {
///     // Request a token from the broker here.
///     WebIdentityToken::parse("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
/// });
/// ```
pub struct TokenFn {
    origin: String,
    request: Box<dyn Fn() -> TokenFuture + Send + Sync>,
}

impl TokenFn {
    /// Creates a provider of the tokens that `request` returns.
    ///
    /// `origin` follows "the token" in error messages, such as "of the broker".
    ///
    /// # Errors
    ///
    /// The provider returns the errors of `request`. They become the errors of the fetches.
    pub fn new<F>(
        origin: impl Into<String>,
        request: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<WebIdentityToken, SessionError>> + Send + 'static,
    {
        Self { origin: origin.into(), request: Box::new(move || Box::pin(request())) }
    }
}

impl fmt::Debug for TokenFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenFn").field(&self.origin).finish()
    }
}

#[async_trait]
impl ProvideWebIdentityToken for TokenFn {
    async fn provide_token(&self) -> Result<WebIdentityToken, SessionError> {
        (self.request)().await
    }

    fn describe(&self) -> String {
        self.origin.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn variable_without_token_is_named() {
        for (value, fault) in [
            ("", "not set"),
            ("a b", "character 1 is not printable ASCII"),
            ("abc", "3 characters"),
        ] {
            let environment = Environment::fixed([("JOB_TOKEN", value)]);
            let error =
                TokenVariable::new("JOB_TOKEN", environment).provide_token().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
            let text = error.to_string();
            assert!(text.contains(fault) && text.contains("JOB_TOKEN"), "{text}");
        }
        let environment = Environment::fixed([("JOB_TOKEN", " e30.e30.c2ln\n")]);
        let token = TokenVariable::new("JOB_TOKEN", environment).provide_token().await.unwrap();
        assert_eq!(token.expose(), "e30.e30.c2ln");
    }

    #[test]
    fn debug_output_contains_no_token() {
        let token = WebIdentityToken::parse("e30.e30.c2lnbmF0dXJl").unwrap();
        let returned = token.clone();
        let function =
            TokenFn::new("of the broker", move || std::future::ready(Ok(returned.clone())));
        let variable = TokenVariable::new("T", Environment::fixed([("T", token.expose())]));
        assert!(!format!("{token:?} {function:?} {variable:?}").contains("c2lnbmF0dXJl"));
    }

    #[test]
    fn files_and_variables_do_not_pin_the_identity() {
        let environment = Environment::fixed([("T", "e30.e30.c2ln")]);
        assert!(!TokenFile::new("/token", environment.clone()).pins_identity());
        assert!(!TokenVariable::new("T", environment).pins_identity());
        let token = WebIdentityToken::parse("e30.e30.c2ln").unwrap();
        assert!(token.pins_identity());
        assert!(
            TokenFn::new("of the broker", move || std::future::ready(Ok(token.clone())))
                .pins_identity()
        );
    }

    #[tokio::test]
    async fn hint_names_the_setting_of_the_path() {
        let arn = "arn:aws:iam::111122223333:role/checkout";
        let variables = [("AWS_ROLE_ARN", arn), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/token")];
        let environment = Environment::fixed(variables);
        let mut config = WebIdentityConfig::from_environment(&environment).unwrap().unwrap();
        let hint = async |config: &WebIdentityConfig| {
            let file = TokenFile::of(config, environment.clone());
            file.provide_token().await.unwrap_err().hint().unwrap().to_owned()
        };
        let shown = hint(&config).await;
        assert!(shown.ends_with("; AWS_WEB_IDENTITY_TOKEN_FILE sets the path"), "{shown}");
        config.token_file_setting = None;
        let shown = hint(&config).await;
        assert!(!shown.contains("sets the path"), "{shown}");
    }

    #[tokio::test]
    async fn token_instead_of_path_is_invalid_config() {
        let file = TokenFile::new("eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl", Environment::process());
        let error = file.provide_token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        let shown = format!("{error} {file:?} {}", file.describe());
        assert!(!shown.contains("c2lnbmF0dXJl"), "{shown}");
    }
}

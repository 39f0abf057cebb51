//! Where tokens come from.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::SystemTime;

use async_trait::async_trait;
use rolecall_core::{Environment, ErrorKind, FetchError, looks_like_token};

use crate::token::WebIdentityToken;

/// Where a web identity token comes from. It is asked anew for each fetch.
///
/// [`TokenFile`], [`TokenVariable`] and [`TokenFn`] are some, and a [`WebIdentityToken`] is one of itself.
///
/// ```
/// use rolecall_core::FetchError;
/// use rolecall_web_identity::{TokenSource, WebIdentityToken};
///
/// #[derive(Debug)]
/// struct Broker;
///
/// #[async_trait::async_trait]
/// impl TokenSource for Broker {
///     async fn token(&self) -> Result<WebIdentityToken, FetchError> {
///         WebIdentityToken::parse("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
///     }
///
///     fn describe(&self) -> String {
///         "from the broker".to_owned()
///     }
/// }
/// ```
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// The token, as it is now.
    async fn token(&self) -> Result<WebIdentityToken, FetchError>;

    /// Where it is from, for error messages, as it stands after "the token": "in /var/run/token".
    fn describe(&self) -> String;

    /// When it was last renewed, where that can be known. For error messages.
    async fn renewed(&self) -> Option<SystemTime> {
        None
    }
}

/// A file that holds a token, as the kubelet writes and replaces it.
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_web_identity::{TokenFile, TokenSource};
/// let file = TokenFile::new("/var/run/secrets/token", Environment::process());
/// assert_eq!(file.describe(), "in /var/run/secrets/token");
/// ```
#[derive(Clone)]
pub struct TokenFile {
    path: PathBuf,
    environment: Environment,
}

impl TokenFile {
    /// The file at this path, read through `environment`.
    pub fn new(path: impl Into<PathBuf>, environment: Environment) -> Self {
        Self { path: path.into(), environment }
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile")
            .field("path", &shown(&self.path))
            .field("environment", &self.environment)
            .finish()
    }
}

/// A file's name for people, unless it is a token.
pub(crate) fn shown(path: &Path) -> String {
    let name = path.display().to_string();
    match looks_like_token(&name) {
        true => "(a token, and not the name of a file)".to_owned(),
        false => name,
    }
}

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self) -> Result<WebIdentityToken, FetchError> {
        if looks_like_token(&self.path.to_string_lossy()) {
            let message = "a web identity token stands where the name of its file belongs";
            return Err(FetchError::new(ErrorKind::InvalidConfig, message)
                .with_hint("write the token to a file and name that, or give the token itself"));
        }
        WebIdentityToken::read(&self.path, &self.environment).await
    }

    fn describe(&self) -> String {
        format!("in {}", shown(&self.path))
    }

    async fn renewed(&self) -> Option<SystemTime> {
        self.environment.modified(&self.path).await
    }
}

/// An environment variable that holds a token, as CI systems set.
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_web_identity::{TokenSource, TokenVariable};
/// let variable = TokenVariable::new("CI_JOB_JWT", Environment::process());
/// assert_eq!(variable.describe(), "in the environment variable CI_JOB_JWT");
/// ```
#[derive(Clone, Debug)]
pub struct TokenVariable {
    name: String,
    environment: Environment,
}

impl TokenVariable {
    /// The variable of this name.
    pub fn new(name: impl Into<String>, environment: Environment) -> Self {
        Self { name: name.into(), environment }
    }
}

#[async_trait]
impl TokenSource for TokenVariable {
    async fn token(&self) -> Result<WebIdentityToken, FetchError> {
        let unavailable = |fault: &str| {
            let message = format!("the web identity token in {}: {fault}", self.name);
            FetchError::new(ErrorKind::TokenUnavailable, message)
                .with_hint(format!("who sets the environment variable {}", self.name))
        };
        match self.environment.var(&self.name)? {
            None => Err(unavailable("it is not set")),
            Some(text) => WebIdentityToken::checked(&text).map_err(|fault| unavailable(&fault)),
        }
    }

    fn describe(&self) -> String {
        format!("in the environment variable {}", self.name)
    }
}

/// One token for ever, which ends as it ends.
#[async_trait]
impl TokenSource for WebIdentityToken {
    async fn token(&self) -> Result<WebIdentityToken, FetchError> {
        Ok(self.clone())
    }

    fn describe(&self) -> String {
        "that was given".to_owned()
    }
}

type Asked = Pin<Box<dyn Future<Output = Result<WebIdentityToken, FetchError>> + Send>>;

/// A function that gets a token.
///
/// ```
/// use rolecall_web_identity::{TokenFn, WebIdentityToken};
/// let broker = TokenFn::new("of the broker", || async {
///     // Ask somebody.
///     WebIdentityToken::parse("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
/// });
/// ```
pub struct TokenFn {
    name: String,
    ask: Box<dyn Fn() -> Asked + Send + Sync>,
}

impl TokenFn {
    /// The function; `name` says where its tokens are from, as it stands after "the token" in error messages.
    pub fn new<F>(name: impl Into<String>, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<WebIdentityToken, FetchError>> + Send + 'static,
    {
        Self { name: name.into(), ask: Box::new(move || Box::pin(ask())) }
    }
}

impl fmt::Debug for TokenFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenFn").field(&self.name).finish()
    }
}

#[async_trait]
impl TokenSource for TokenFn {
    async fn token(&self) -> Result<WebIdentityToken, FetchError> {
        (self.ask)().await
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_variable_that_holds_no_token_is_named_and_not_shown() {
        for (value, fault) in
            [("", "it is not set"), ("a b", "it is no token"), ("abc", "3 characters")]
        {
            let environment = Environment::fixed([("JOB_TOKEN", value)]);
            let error = TokenVariable::new("JOB_TOKEN", environment).token().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
            let text = error.to_string();
            assert!(text.contains(fault) && text.contains("JOB_TOKEN"), "{text}");
        }
        let environment = Environment::fixed([("JOB_TOKEN", " e30.e30.c2ln\n")]);
        let token = TokenVariable::new("JOB_TOKEN", environment).token().await.unwrap();
        assert_eq!(token.expose(), "e30.e30.c2ln");
    }

    #[test]
    fn no_source_shows_its_token() {
        let token = WebIdentityToken::parse("e30.e30.c2lnbmF0dXJl").unwrap();
        let given = token.clone();
        let function = TokenFn::new("of the broker", move || std::future::ready(Ok(given.clone())));
        let variable = TokenVariable::new("T", Environment::fixed([("T", token.expose())]));
        assert!(!format!("{token:?} {function:?} {variable:?}").contains("c2lnbmF0dXJl"));
    }
}

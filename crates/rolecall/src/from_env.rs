use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use rolecall_core::{
    Clock, Environment, ErrorKind, FetchContext, FetchError, Observer, Place, ProviderSource,
    Session, SessionName, SessionSource,
};
use rolecall_sts::{Budget, Endpoint, StsClient, WebIdentityRequest};
use rolecall_web_identity::{TokenSource, WebIdentity, WebIdentityConfig};

use crate::chain::{Chain, With};
#[cfg(feature = "default-chain")]
use crate::default_chain::{self, FromProfile};

/// The identity that this process's environment names: static keys (`AWS_ACCESS_KEY_ID`), then a web identity
/// (`AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`), in the SDKs' own order. `AWS_REGION` and the endpoint variables
/// say where STS is.
///
/// With the feature `default-chain`, the rest of the SDKs' default order too: static keys, the profile (`AWS_PROFILE`,
/// else `default`, if it holds credentials; of web identity in a profile, rolecall's own), the web identity, a
/// container's credentials (ECS, EKS Pod Identity), and the EC2 instance's metadata. What the variables leave open of
/// where STS is may then stand in the profile. The shared configuration files are read in place, once: call it when the
/// program starts. The providers of profiles, containers and instances are aws-config's: they wait by their own limits.
///
/// What is configured and wrong is an error; it is never skipped for the next. [`Chain::describe`] says which was chosen,
/// and why.
///
/// ```no_run
/// # fn show() -> Result<(), rolecall::FetchError> {
/// let chain = rolecall::from_env()?;
/// println!("{}", chain.describe());
/// # Ok(())
/// # }
/// ```
pub fn from_env() -> Result<Chain, FetchError> {
    builder().from_env()
}

/// A chain with another environment or clock than the process's own.
///
/// ```
/// use rolecall::{Environment, ErrorKind};
/// let env = Environment::fixed([("AWS_REGION", "eu-west-1"), ("AWS_EC2_METADATA_DISABLED", "true")]);
/// let error = rolecall::builder().environment(env).from_env().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotConfigured);
/// ```
pub fn builder() -> Builder {
    Builder {
        environment: Environment::process(),
        clock: Clock::system(),
        sts: None,
        budget: None,
        observer: None,
    }
}

/// Where a chain reads its configuration, and the clock it goes by.
///
/// ```
/// use rolecall::{Environment, ManualClock};
///
/// let hands = ManualClock::new();
/// let chain = rolecall::builder()
///     .clock(hands.clock())
///     .environment(Environment::fixed([
///         ("AWS_REGION", "eu-west-1"),
///         ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/checkout"),
///         ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token"),
///     ]))
///     .from_env()?;
/// assert_eq!(
///     chain.describe(),
///     "web identity as arn:aws:iam::111122223333:role/checkout (AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set)",
/// );
/// # Ok::<(), rolecall::FetchError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    environment: Environment,
    clock: Clock,
    sts: Option<StsClient>,
    budget: Option<Budget>,
    observer: Option<Arc<dyn Observer>>,
}

impl Builder {
    /// Variables and files. The providers of aws-config (profiles, containers, instances: the feature `default-chain`)
    /// read the process's own variables where they need more than was chosen here.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The clock that sessions are counted and requests are signed by. With an STS client that is given
    /// ([`sts`](Self::sts)) it is that one's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The STS client to use, instead of one by the environment's Region and endpoint variables: for a Region or an
    /// endpoint known otherwise, an HTTP client of your own, or one client for several chains.
    pub fn sts(mut self, sts: StsClient) -> Self {
        self.sts = Some(sts);
        self
    }

    /// How often and how many at once STS is called, by the chain and all that stands on it: the quota is of the account
    /// and the Region, for all that call there. With an STS client that is given ([`sts`](Self::sts)) it is that one's.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// let mut budget = rolecall::Budget::default();
    /// budget.calls_per_second = NonZeroU32::new(50).unwrap_or(budget.calls_per_second);
    /// let builder = rolecall::builder().budget(budget);
    /// ```
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Who is told of what happens to the sessions of the chain: of its base and of each hop, by the role that it assumes
    /// (the base, if it assumes none, by its name).
    ///
    /// ```
    /// # #[cfg(feature = "metrics")] fn show() -> Result<(), rolecall::FetchError> {
    /// use std::sync::Arc;
    /// let chain = rolecall::builder().observer(Arc::new(rolecall::Metrics::new())).from_env()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// [`from_env`](crate::from_env) on this environment.
    pub fn from_env(self) -> Result<Chain, FetchError> {
        if let Some(keys) = environment_keys(&self.environment)? {
            let base = ProviderSource::new(keys).named("environment keys");
            return self
                .chain(Arc::new(base), "environment keys (AWS_ACCESS_KEY_ID is set)".into());
        }
        #[cfg(feature = "default-chain")]
        if let Some((from, why)) =
            default_chain::from_profile(&self.environment, || self.endpoint())?
        {
            return match from {
                FromProfile::WebIdentity(config) => self.web_identity(config, &why),
                FromProfile::Source(base) => self.chain(base, why),
            };
        }
        if let Some(config) = WebIdentityConfig::from_environment(&self.environment)? {
            return self
                .web_identity(config, "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set");
        }
        #[cfg(feature = "default-chain")]
        if let Some((base, why)) =
            default_chain::from_surroundings(&self.environment, || self.endpoint())?
        {
            return self.chain(base, why);
        }
        Err(nobody(&self.environment, cfg!(feature = "default-chain")))
    }

    /// A chain on a web identity that the program itself names.
    pub fn from_web_identity(self, config: WebIdentityConfig) -> Result<Chain, FetchError> {
        self.web_identity(config, "given")
    }

    fn web_identity(self, config: WebIdentityConfig, why: &str) -> Result<Chain, FetchError> {
        let description = format!("web identity as {} ({why})", config.role);
        let with = self.with()?;
        let base = WebIdentity::new(config, with.sts.clone(), self.environment);
        Ok(Chain::on(Arc::new(base.clock(with.clock.clone())), description, with))
    }

    /// A chain on a web identity whose tokens come from wherever: a variable of a CI system, a broker, a literal.
    ///
    /// ```
    /// use rolecall::{Environment, RoleArn, SessionName, TokenVariable};
    /// use rolecall::sts::WebIdentityRequest;
    ///
    /// let env = Environment::fixed([("AWS_REGION", "eu-west-1"), ("CI_JOB_JWT", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln")]);
    /// let role = RoleArn::parse("arn:aws:iam::111122223333:role/deploy")?;
    /// let request = WebIdentityRequest::new(role, SessionName::parse("job-4711")?);
    /// let tokens = TokenVariable::new("CI_JOB_JWT", env.clone());
    /// let chain = rolecall::builder().environment(env).from_tokens(tokens, request)?;
    /// # Ok::<(), rolecall::FetchError>(())
    /// ```
    pub fn from_tokens(
        self,
        tokens: impl TokenSource,
        request: WebIdentityRequest,
    ) -> Result<Chain, FetchError> {
        let description =
            format!("web identity as {}, the token {}", request.role, tokens.describe());
        let with = self.with()?;
        let base = WebIdentity::with_tokens(tokens, request, with.sts.clone());
        Ok(Chain::on(Arc::new(base.clock(with.clock.clone())), description, with))
    }

    /// A chain on any credentials provider of the SDK; `name` is what errors and lineages call it.
    pub fn from_provider(
        self,
        name: &str,
        provider: impl ProvideCredentials + 'static,
    ) -> Result<Chain, FetchError> {
        let base = ProviderSource::new(provider).named(name);
        self.chain(Arc::new(base), format!("{name} (given)"))
    }

    /// A chain on any source of sessions; `name` is what errors call it.
    pub fn from_source(self, name: &str, source: impl SessionSource) -> Result<Chain, FetchError> {
        let base = Named { source, name: name.to_owned() };
        self.chain(Arc::new(base), format!("{name} (given)"))
    }

    fn chain(self, base: Arc<dyn SessionSource>, why: String) -> Result<Chain, FetchError> {
        Ok(Chain::on(base, why, self.with()?))
    }

    fn with(&self) -> Result<With, FetchError> {
        let sts = match &self.sts {
            Some(sts) => sts.clone(),
            None => StsClient::builder(self.endpoint()?)
                .clock(self.clock.clone())
                .proxy_from(&self.environment)?
                .budget(self.budget.unwrap_or_default())
                .build(),
        };
        Ok(With {
            clock: sts.clock().clone(),
            sts,
            session_name: SessionName::from_environment(&self.environment)?,
            observer: self.observer.clone(),
        })
    }

    /// Where STS is: what was given, else the environment, else the profile.
    fn endpoint(&self) -> Result<Endpoint, FetchError> {
        if let Some(sts) = &self.sts {
            return Ok(sts.endpoint().clone());
        }
        #[cfg(feature = "default-chain")]
        if let Some(profile) = crate::profile::Profile::read(&self.environment)? {
            return Endpoint::from_environment_or_profile(&self.environment, &profile.sts());
        }
        Endpoint::from_environment(&self.environment)
    }
}

/// No identity was found, by a build that knows the whole default order, or not.
fn nobody(environment: &Environment, whole_order: bool) -> FetchError {
    const OTHERS: [&str; 3] = [
        "AWS_PROFILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    let error = FetchError::new(ErrorKind::NotConfigured, "the environment names no identity");
    let is_set = |variable: &&str| matches!(environment.var(variable), Ok(Some(_)));
    if !whole_order && let Some(set) = OTHERS.into_iter().find(|variable| is_set(variable)) {
        return error.with_hint(format!(
            "{set} is set: rolecall reads it when it is built with the feature default-chain"
        ));
    }
    let set = "set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or give \
               a provider by from_provider";
    match whole_order {
        true => error.with_hint(set),
        false => error.with_hint(format!(
            "{set}; profiles, containers and EC2 instances are read with the feature default-chain"
        )),
    }
}

/// A source whose errors say which it is.
#[derive(Debug)]
struct Named<S> {
    source: S,
    name: String,
}

#[async_trait]
impl<S: SessionSource> SessionSource for Named<S> {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        let place = || Place::Base(self.name.clone());
        self.source.session(cx).await.map_err(|error| error.at(place()))
    }

    fn reject(&self, rejected: &Session) {
        self.source.reject(rejected);
    }

    fn limit(&self) -> Duration {
        self.source.limit()
    }

    fn label(&self) -> &str {
        &self.name
    }
}

fn environment_keys(environment: &Environment) -> Result<Option<Credentials>, FetchError> {
    const ID: &str = "AWS_ACCESS_KEY_ID";
    const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
    const TOKEN: &str = "AWS_SESSION_TOKEN";
    let Some((id, secret)) = environment.pair(ID, SECRET, "")? else { return Ok(None) };
    let token = environment.var(TOKEN)?;
    for (variable, value) in [(ID, Some(&id)), (SECRET, Some(&secret)), (TOKEN, token.as_ref())] {
        if value.is_some_and(|value| !value.bytes().all(|byte| byte.is_ascii_graphic())) {
            let message = format!("{variable} is not printable ASCII without white space");
            return Err(FetchError::new(ErrorKind::InvalidConfig, message)
                .with_hint("a line break at its end, as one that came with a file"));
        }
    }
    let mut keys = Credentials::builder()
        .access_key_id(id)
        .secret_access_key(secret)
        .provider_name("rolecall-environment");
    keys.set_session_token(token);
    Ok(Some(keys.build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/checkout";

    fn chain(variables: &[(&str, &str)]) -> Result<Chain, FetchError> {
        builder().environment(Environment::fixed(variables.iter().copied())).from_env()
    }

    #[test]
    fn the_order_is_keys_then_web_identity() {
        let keys = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x")];
        let web = [("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")];
        let region = [("AWS_REGION", "eu-west-1")];
        let both = [&keys[..], &web, &region].concat();
        assert!(chain(&both).unwrap().describe().starts_with("environment keys"));
        assert!(
            chain(&[&web[..], &region].concat()).unwrap().describe().starts_with("web identity")
        );
    }

    #[test]
    fn half_a_configuration_is_an_error_and_never_skipped() {
        let web = [
            ("AWS_ROLE_ARN", ROLE),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_REGION", "eu-west-1"),
        ];
        for (half, text) in [
            ([("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")], "AWS_SECRET_ACCESS_KEY is not"),
            ([("AWS_SECRET_ACCESS_KEY", "s3cret")], "AWS_ACCESS_KEY_ID is not"),
        ] {
            let error = chain(&[&half[..], &web].concat()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains(text), "{error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_key_with_a_line_break_names_the_variable_and_shows_nothing() {
        let good = [
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
            ("AWS_SESSION_TOKEN", "the-t0ken"),
        ];
        for wrong in 0..good.len() {
            let mut keys = good.map(|(name, value)| (name, value.to_owned()));
            keys[wrong].1.push('\n');
            let keys: Vec<(&str, &str)> = keys.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let error = chain(&[&keys[..], &[("AWS_REGION", "eu-west-1")]].concat()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().starts_with(good[wrong].0), "{error}");
            assert!(!error.to_string().contains(good[wrong].1), "{error}");
        }
    }

    #[test]
    fn an_identity_that_this_build_does_not_know_is_named_with_the_feature() {
        for variable in ["AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
            let environment = Environment::fixed([(variable, "x")]);
            let hint = |whole_order| nobody(&environment, whole_order).hint().unwrap().to_owned();
            assert_eq!(
                hint(false),
                format!(
                    "{variable} is set: rolecall reads it when it is built with the feature default-chain"
                )
            );
            assert!(hint(true).starts_with("set AWS_ROLE_ARN and "), "{}", hint(true));
        }
    }

    #[test]
    fn no_region_is_an_error_that_says_so() {
        let error = chain(&[("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "no Region is set; look at: set AWS_REGION to the Region whose STS is nearest, as eu-west-1"
        );
    }

    #[test]
    fn debug_of_a_chain_shows_no_secret() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_REGION", "eu-west-1"),
        ];
        let chain = chain(&keys).unwrap();
        let shown = format!("{chain:?} {:?}", chain.cached());
        assert!(!shown.contains("wJalr"), "{shown}");
    }
}

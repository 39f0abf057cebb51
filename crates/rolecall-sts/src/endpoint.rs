//! The STS endpoint and the Region for which its requests are signed.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_sdk_sts::config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_sts::config::{self, Builder};
use rolecall_core::{Environment, ErrorKind, Remedy, SessionError, shown};

use crate::region::Region;
use crate::settings::{
    DUAL_STACK, ENDPOINT_URL, EndpointOverrides, FIPS, IGNORE_ENDPOINT_URLS, ProfileSettings,
    REGION, REGIONAL_ENDPOINTS, SettingOrigin, Settings,
};

/// An STS endpoint and the Region for which its requests are signed.
///
/// Two endpoints are equal if their requests are, wherever their settings were found.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_sts::{Endpoint, Region};
///
/// let env = Environment::fixed([("AWS_REGION", "eu-west-1")]);
/// let endpoint = Endpoint::from_environment(&env)?;
/// assert_eq!(endpoint, Endpoint::regional(Region::parse("eu-west-1")?));
/// assert_eq!(endpoint.to_string(), "STS in eu-west-1");
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    region: Region,
    host: Host,
    region_origin: SettingOrigin,
    host_origins: Vec<SettingOrigin>,
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        (&self.region, &self.host) == (&other.region, &other.host)
    }
}

impl Eq for Endpoint {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// Resolved by the endpoint rules of the SDK.
    Aws {
        legacy: bool,
        fips: bool,
        dual_stack: bool,
    },
    Custom(String),
}

impl Endpoint {
    /// Creates the Regional endpoint of `region`.
    pub fn regional(region: Region) -> Self {
        Self::in_code(region, Host::Aws { legacy: false, fips: false, dual_stack: false })
    }

    fn in_code(region: Region, host: Host) -> Self {
        let host_origins = match host {
            Host::Custom(_) => vec![SettingOrigin::Code],
            Host::Aws { .. } => Vec::new(),
        };
        Self { region, host, region_origin: SettingOrigin::Code, host_origins }
    }

    /// Creates an endpoint at a custom URL, such as a VPC endpoint or a local STS. Requests are
    /// signed for `region`.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if `url` is not an `http` or `https` URL, or has a user
    /// name, a password or a query.
    pub fn custom(url: &str, region: Region) -> Result<Self, SessionError> {
        let invalid = |fault: &str| {
            let shown = shown(url);
            let message = format!(
                "`{shown}` is not a valid endpoint URL: {fault}; expected a URL such as \
                 https://sts.example.com"
            );
            SessionError::new(ErrorKind::InvalidConfig, message)
                .with_hint("correct the endpoint URL")
        };
        // This check precedes those whose errors show the URL: it may contain a password.
        if url.contains('@') {
            let message =
                "the endpoint URL contains a user name or password, which STS does not accept";
            return Err(SessionError::new(ErrorKind::InvalidConfig, message)
                .with_hint("remove the user name and the password from the URL"));
        }
        let uri: http::Uri = url.parse().map_err(|_| invalid("it is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(invalid("it does not begin with http:// or https://"));
        }
        if uri.host().unwrap_or_default().is_empty() {
            return Err(invalid("it has no host"));
        }
        if uri.query().is_some() {
            return Err(invalid("it has a query"));
        }
        Ok(Self::in_code(region, Host::Custom(url.to_owned())))
    }

    /// Returns the endpoint that the environment configures, by the rules of the AWS SDKs.
    ///
    /// The Region is the value of `AWS_REGION`, or else of `AWS_DEFAULT_REGION`. The URL is the
    /// value of `AWS_ENDPOINT_URL_STS`, or else of `AWS_ENDPOINT_URL`, unless
    /// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is `true`. Without a URL, the endpoint depends on
    /// `AWS_STS_REGIONAL_ENDPOINTS` (`regional` or `legacy`; defaults to `regional`),
    /// `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT`. See "AWS STS Regional endpoints"
    /// and "Service-specific endpoints" in the AWS SDKs and Tools Reference Guide.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if no Region is set, if a setting is invalid, or if the
    /// settings exclude each other.
    pub fn from_environment(environment: &Environment) -> Result<Self, SessionError> {
        Self::find(environment, None, &EndpointOverrides::default())?.ok_or_else(no_region)
    }

    /// Returns the endpoint that the environment or a profile configures.
    ///
    /// A setting of the profile applies if the variables of that setting are not set; see
    /// [`from_environment`](Self::from_environment) for the variables.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_environment`](Self::from_environment).
    pub fn from_environment_or_profile(
        environment: &Environment,
        profile: &ProfileSettings,
    ) -> Result<Self, SessionError> {
        Self::find(environment, Some(profile), &EndpointOverrides::default())?.ok_or_else(no_region)
    }

    /// Returns the configured endpoint, or `None` if no Region is set.
    ///
    /// Each setting of `overrides` takes precedence over the same setting of the environment and
    /// the profile. All others are read from the environment, then from the profile, as
    /// [`from_environment`](Self::from_environment) describes.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if a setting is invalid, or if the settings exclude
    /// each other: a URL cannot be combined with FIPS or dual-stack, wherever they are set.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::Environment;
    /// use rolecall_sts::{Endpoint, EndpointOverrides, Region};
    ///
    /// let env = Environment::fixed([("AWS_USE_FIPS_ENDPOINT", "true")]);
    /// let mut overrides = EndpointOverrides::default();
    /// assert_eq!(Endpoint::find(&env, None, &overrides)?, None);
    ///
    /// overrides.region = Some(Region::parse("us-east-1")?);
    /// let endpoint = Endpoint::find(&env, None, &overrides)?.expect("a Region is set");
    /// assert_eq!(endpoint.url()?, "https://sts-fips.us-east-1.amazonaws.com");
    /// # Ok::<(), rolecall_core::SessionError>(())
    /// ```
    pub fn find(
        environment: &Environment,
        profile: Option<&ProfileSettings>,
        overrides: &EndpointOverrides,
    ) -> Result<Option<Self>, SessionError> {
        let settings = Settings { environment, profile };
        let region = match &overrides.region {
            Some(region) => Some((region.clone(), SettingOrigin::Code)),
            None => configured_region(settings)?,
        };
        // Without a Region, the other settings are not checked: a chain that never calls STS must
        // not fail because of them.
        let Some((region, region_origin)) = region else { return Ok(None) };
        let endpoint = Self::from_settings(region, settings, overrides)?;
        Ok(Some(Self { region_origin, ..endpoint }))
    }

    fn from_settings(
        region: Region,
        settings: Settings<'_>,
        overrides: &EndpointOverrides,
    ) -> Result<Self, SessionError> {
        let legacy = match settings.get(&REGIONAL_ENDPOINTS)? {
            None => None,
            Some(found) => match found.value.to_ascii_lowercase().as_str() {
                "regional" => None,
                "legacy" => Some(found.origin),
                _ => return Err(found.invalid("regional or legacy")),
            },
        };
        let flag = |in_code: Option<bool>, setting| match in_code {
            Some(enabled) => Ok(enabled.then_some(SettingOrigin::Code)),
            None => settings.flag(setting),
        };
        let fips = flag(overrides.use_fips, &FIPS)?;
        let dual_stack = flag(overrides.use_dual_stack, &DUAL_STACK)?;
        // Ignoring either of a URL and a kind of endpoint would send tokens to an endpoint that the
        // operator excluded. That holds for a URL in code, too: its author does not see the
        // variables of the machine that the program will run on.
        let is_plain = fips.is_none() && dual_stack.is_none();
        let require_plain = |origin: &dyn fmt::Display, hint: &str| match !is_plain {
            true => {
                let message =
                    format!("{origin} cannot be combined with a FIPS or dual-stack endpoint");
                Err(SessionError::new(ErrorKind::InvalidConfig, message).with_hint(hint))
            }
            false => Ok(()),
        };
        if let Some(url) = &overrides.url {
            require_plain(
                &"the endpoint URL that is set in code",
                "remove the URL, or disable FIPS and dual-stack with use_fips(false) and \
                 use_dual_stack(false)",
            )?;
            return Self::custom(url, region);
        }
        if settings.flag(&IGNORE_ENDPOINT_URLS)?.is_none()
            && let Some(found) = settings.get(&ENDPOINT_URL)?
        {
            require_plain(
                &found.origin,
                "unset one of them, or set AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
            )?;
            return match Self::custom(&found.value, region) {
                Ok(endpoint) => Ok(Self { host_origins: vec![found.origin], ..endpoint }),
                Err(error) => Err(found.add_origin(error)),
            };
        }
        let host = Host::Aws {
            legacy: legacy.is_some(),
            fips: fips.is_some(),
            dual_stack: dual_stack.is_some(),
        };
        let host_origins = [legacy, fips, dual_stack].into_iter().flatten().collect();
        Self { host_origins, ..Self::in_code(region, host) }.require_url()
    }

    /// Returns `self` if the endpoint exists, so that a wrong combination of settings fails where
    /// it is configured and not at the first call.
    fn require_url(self) -> Result<Self, SessionError> {
        self.url().map(|_| self)
    }

    /// Returns the URL of the endpoint, by the endpoint rules of the AWS SDK.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if the rules contain no such endpoint, such as a
    /// dual-stack endpoint in a partition without them.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_sts::{Endpoint, Region};
    ///
    /// let endpoint = Endpoint::regional(Region::parse("eu-west-1")?);
    /// assert_eq!(endpoint.url()?, "https://sts.eu-west-1.amazonaws.com");
    /// # Ok::<(), rolecall_core::SessionError>(())
    /// ```
    pub fn url(&self) -> Result<String, SessionError> {
        let (legacy, fips, dual_stack) = match &self.host {
            Host::Custom(url) => return Ok(url.clone()),
            Host::Aws { legacy, fips, dual_stack } => (*legacy, *fips, *dual_stack),
        };
        let missing = |reason: String| {
            let message = format!("the endpoint \"{self}\" does not exist: {reason}");
            SessionError::new(ErrorKind::InvalidConfig, message)
                .with_hint("check the Region, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT")
        };
        let params = Params::builder()
            .region(self.region.as_str().to_owned())
            .use_fips(fips)
            .use_dual_stack(dual_stack)
            .use_global_endpoint(legacy)
            .build()
            .map_err(|error| missing(error.to_string()))?;
        // The resolver is asynchronous only by its trait: the rules are plain functions, so one
        // poll completes it, and this function can be called without a runtime.
        let resolver = DefaultResolver::default();
        let resolved = pin!(resolver.resolve_endpoint(&params));
        match resolved.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(endpoint)) => Ok(endpoint.url().to_owned()),
            Poll::Ready(Err(error)) => Err(missing(error.to_string())),
            Poll::Pending => Err(missing("its endpoint rules did not complete".to_owned())),
        }
    }

    /// Returns the Region for which requests are signed.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Returns where the Region was found.
    pub fn region_origin(&self) -> &SettingOrigin {
        &self.region_origin
    }

    /// Returns where the settings were found that select the host: a URL, or a legacy, FIPS or
    /// dual-stack endpoint. Empty if the host is that of the Region's default endpoint.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::Environment;
    /// use rolecall_sts::{Endpoint, SettingOrigin};
    ///
    /// let env = Environment::fixed([("AWS_REGION", "us-east-1"), ("AWS_USE_FIPS_ENDPOINT", "true")]);
    /// let endpoint = Endpoint::from_environment(&env)?;
    /// assert_eq!(endpoint.host_origins(), [SettingOrigin::Variable("AWS_USE_FIPS_ENDPOINT")]);
    /// # Ok::<(), rolecall_core::SessionError>(())
    /// ```
    pub fn host_origins(&self) -> &[SettingOrigin] {
        &self.host_origins
    }

    /// Returns `true` if this is a FIPS endpoint of AWS. Always `false` for a custom endpoint.
    pub fn uses_fips(&self) -> bool {
        matches!(self.host, Host::Aws { fips: true, .. })
    }

    /// Returns `true` if this is a dual-stack endpoint of AWS. Always `false` for a custom
    /// endpoint.
    pub fn uses_dual_stack(&self) -> bool {
        matches!(self.host, Host::Aws { dual_stack: true, .. })
    }

    /// Sets whether the FIPS endpoint of the Region is used.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if `enabled` is `true` for a custom endpoint, or if AWS
    /// has no such endpoint.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_sts::{Endpoint, Region};
    ///
    /// let endpoint = Endpoint::regional(Region::parse("us-east-1")?).with_fips(true)?;
    /// assert_eq!(endpoint.url()?, "https://sts-fips.us-east-1.amazonaws.com");
    /// # Ok::<(), rolecall_core::SessionError>(())
    /// ```
    pub fn with_fips(mut self, enabled: bool) -> Result<Self, SessionError> {
        match &mut self.host {
            Host::Aws { fips, .. } => {
                if enabled && !*fips {
                    self.host_origins.push(SettingOrigin::Code);
                }
                *fips = enabled;
            }
            Host::Custom(_) if enabled => return Err(custom_conflict("FIPS")),
            Host::Custom(_) => {}
        }
        self.require_url()
    }

    /// Sets whether the dual-stack endpoint of the Region is used, which has IPv4 and IPv6
    /// addresses.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if `enabled` is `true` for a custom endpoint, or if AWS
    /// has no such endpoint.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_sts::{Endpoint, Region};
    ///
    /// let endpoint = Endpoint::regional(Region::parse("us-east-1")?).with_dual_stack(true)?;
    /// assert_eq!(endpoint.url()?, "https://sts.us-east-1.api.aws");
    /// # Ok::<(), rolecall_core::SessionError>(())
    /// ```
    pub fn with_dual_stack(mut self, enabled: bool) -> Result<Self, SessionError> {
        match &mut self.host {
            Host::Aws { dual_stack, .. } => {
                if enabled && !*dual_stack {
                    self.host_origins.push(SettingOrigin::Code);
                }
                *dual_stack = enabled;
            }
            Host::Custom(_) if enabled => return Err(custom_conflict("dual-stack")),
            Host::Custom(_) => {}
        }
        self.require_url()
    }

    /// Returns `true` for a custom endpoint on this machine, which is called without a proxy.
    pub(crate) fn is_loopback(&self) -> bool {
        let Host::Custom(url) = &self.host else { return false };
        let uri: Option<http::Uri> = url.parse().ok();
        let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    pub(crate) fn is_https(&self) -> bool {
        match &self.host {
            Host::Custom(url) => {
                url.get(..8).is_some_and(|prefix| prefix.eq_ignore_ascii_case("https://"))
            }
            Host::Aws { .. } => true,
        }
    }

    pub(crate) fn apply_to(&self, builder: Builder) -> Builder {
        let builder = builder.region(config::Region::from(self.region.clone()));
        match &self.host {
            Host::Custom(url) => builder.endpoint_url(url),
            Host::Aws { legacy, fips, dual_stack } => {
                let builder = builder.use_fips(*fips).use_dual_stack(*dual_stack);
                // The SDK has no setting for the legacy endpoint: only a resolver selects it.
                if *legacy { builder.endpoint_resolver(LegacyResolver::default()) } else { builder }
            }
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Custom(url) => write!(f, "STS at {url}"),
            Host::Aws { legacy, fips, dual_stack } => {
                write!(f, "STS in {}", self.region)?;
                for (enabled, name) in
                    [(legacy, "legacy"), (fips, "FIPS"), (dual_stack, "dual-stack")]
                {
                    if *enabled {
                        write!(f, ", {name}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

fn configured_region(
    settings: Settings<'_>,
) -> Result<Option<(Region, SettingOrigin)>, SessionError> {
    let Some(found) = settings.get(&REGION)? else { return Ok(None) };
    match Region::parse(&found.value) {
        Ok(region) => Ok(Some((region, found.origin))),
        Err(error) => Err(found.add_origin(error.into())),
    }
}

fn no_region() -> SessionError {
    SessionError::new(ErrorKind::InvalidConfig, "no Region is set for the STS endpoint")
        .with_hint("set AWS_REGION to the nearest Region, such as eu-west-1")
        .with_remedy(Remedy::Region)
}

fn custom_conflict(kind: &str) -> SessionError {
    let message = format!("a custom STS endpoint cannot be combined with a {kind} endpoint");
    SessionError::new(ErrorKind::InvalidConfig, message)
        .with_hint(format!("remove the endpoint URL, or set the URL of a {kind} endpoint instead"))
}

/// Resolves endpoints by the rules of the SDK with the global endpoint enabled.
///
/// The rules then send the Regions that existed before regional endpoints to
/// `https://sts.amazonaws.com`, signed for us-east-1, and all other Regions to their own endpoint.
#[derive(Debug, Default)]
struct LegacyResolver(DefaultResolver);

impl ResolveEndpoint for LegacyResolver {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        let built = Params::builder()
            .set_region(params.region().map(str::to_owned))
            .set_use_dual_stack(params.use_dual_stack())
            .set_use_fips(params.use_fips())
            .set_endpoint(params.endpoint().map(str::to_owned))
            .use_global_endpoint(true)
            .build();
        match built {
            Ok(params) => {
                EndpointFuture::new(async move { self.0.resolve_endpoint(&params).await })
            }
            Err(error) => EndpointFuture::ready(Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests;

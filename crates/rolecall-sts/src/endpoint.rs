//! Where STS is, and for which Region its requests are signed.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_sdk_sts::config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_sts::config::{self, Builder};
use rolecall_core::{Environment, ErrorKind, FetchError};

use crate::region::Region;
use crate::settings::{
    DUAL_STACK, ENDPOINT_URL, FIPS, IGNORE_ENDPOINT_URLS, ProfileSettings, REGION,
    REGIONAL_ENDPOINTS, Settings,
};

/// One of STS's endpoints.
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_sts::{Endpoint, Region};
///
/// let env = Environment::fixed([("AWS_REGION", "eu-west-1")]);
/// let endpoint = Endpoint::from_environment(&env)?;
/// assert_eq!(endpoint, Endpoint::regional(Region::parse("eu-west-1")?));
/// assert_eq!(endpoint.to_string(), "STS in eu-west-1");
/// # Ok::<(), rolecall_core::FetchError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    region: Region,
    host: Host,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// By AWS's own rules for the Region.
    Aws {
        legacy: bool,
        fips: bool,
        dual_stack: bool,
    },
    Custom(String),
}

impl Endpoint {
    /// The Region's own endpoint.
    pub fn regional(region: Region) -> Self {
        Self { region, host: Host::Aws { legacy: false, fips: false, dual_stack: false } }
    }

    /// A server of your own: a VPC endpoint, or a local STS. Signed for `region`.
    pub fn custom(url: &str, region: Region) -> Result<Self, FetchError> {
        let fault = |fault: &str| {
            let shown: String = url.chars().take(80).collect();
            let message = format!(
                "{shown:?} is no endpoint URL: {fault}; it must be as https://sts.example.com"
            );
            FetchError::new(ErrorKind::InvalidConfig, message)
        };
        if url.contains('@') {
            // The value is not shown: it holds a password.
            let message = "the endpoint URL holds a user name or password; STS takes none";
            return Err(FetchError::new(ErrorKind::InvalidConfig, message));
        }
        let uri: http::Uri = url.parse().map_err(|_| fault("it does not parse as a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(fault("it does not begin with http:// or https://"));
        }
        if uri.host().unwrap_or_default().is_empty() || uri.query().is_some() {
            return Err(fault("it has no host, or a query"));
        }
        Ok(Self { region, host: Host::Custom(url.to_owned()) })
    }

    /// By the environment, as all AWS SDKs read it: `AWS_REGION`, then `AWS_DEFAULT_REGION`; `AWS_ENDPOINT_URL_STS`,
    /// then `AWS_ENDPOINT_URL`, unless `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is true; else `AWS_STS_REGIONAL_ENDPOINTS`
    /// (`regional` when unset, or `legacy`), `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`.
    ///
    /// (AWS SDKs and Tools Reference Guide: "AWS STS Regional endpoints", "Service-specific endpoints".)
    pub fn from_environment(environment: &Environment) -> Result<Self, FetchError> {
        Self::from_settings(Settings { environment, profile: None })
    }

    /// The same, where a setting whose variables are unset is looked up in a profile.
    pub fn from_environment_or_profile(
        environment: &Environment,
        profile: &ProfileSettings,
    ) -> Result<Self, FetchError> {
        Self::from_settings(Settings { environment, profile: Some(profile) })
    }

    fn from_settings(settings: Settings<'_>) -> Result<Self, FetchError> {
        let region = region(settings)?;
        let legacy = match settings.get(&REGIONAL_ENDPOINTS)? {
            None => false,
            Some(found) => match found.value.to_ascii_lowercase().as_str() {
                "regional" => false,
                "legacy" => true,
                _ => return Err(found.not("regional or legacy")),
            },
        };
        let fips = settings.flag(&FIPS)?;
        let dual_stack = settings.flag(&DUAL_STACK)?;
        if !settings.flag(&IGNORE_ENDPOINT_URLS)?
            && let Some(found) = settings.get(&ENDPOINT_URL)?
        {
            if fips || dual_stack {
                let message = format!(
                    "{} cannot be combined with a FIPS or dual-stack endpoint",
                    found.origin
                );
                return Err(FetchError::new(ErrorKind::InvalidConfig, message).with_hint(
                    "unset one of them, or set AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
                ));
            }
            return Self::custom(&found.value, region).map_err(|error| found.named(error));
        }
        let endpoint = Self { region, host: Host::Aws { legacy, fips, dual_stack } };
        endpoint.url().map(|_| endpoint)
    }

    /// Its URL, by AWS's own rules for the Region. [`ErrorKind::InvalidConfig`] if there is no such endpoint, as a
    /// dual-stack one in a partition that has none.
    ///
    /// ```
    /// use rolecall_sts::{Endpoint, Region};
    /// let endpoint = Endpoint::regional(Region::parse("eu-west-1")?);
    /// assert_eq!(endpoint.url()?, "https://sts.eu-west-1.amazonaws.com");
    /// # Ok::<(), rolecall_core::FetchError>(())
    /// ```
    pub fn url(&self) -> Result<String, FetchError> {
        let (legacy, fips, dual_stack) = match &self.host {
            Host::Custom(url) => return Ok(url.clone()),
            Host::Aws { legacy, fips, dual_stack } => (*legacy, *fips, *dual_stack),
        };
        let none = |why: String| {
            FetchError::new(ErrorKind::InvalidConfig, format!("there is no {self}: {why}"))
                .with_hint("the Region, and AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT")
        };
        let params = Params::builder()
            .region(self.region.as_str().to_owned())
            .use_fips(fips)
            .use_dual_stack(dual_stack)
            .use_global_endpoint(legacy)
            .build()
            .map_err(|error| none(error.to_string()))?;
        // The rules are functions: there is nothing to wait for.
        let resolver = DefaultResolver::default();
        let resolved = pin!(resolver.resolve_endpoint(&params));
        match resolved.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(endpoint)) => Ok(endpoint.url().to_owned()),
            Poll::Ready(Err(error)) => Err(none(error.to_string())),
            Poll::Pending => Err(none("its rules did not answer".to_owned())),
        }
    }

    /// The Region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Whether it is a server on this machine, which no proxy stands before.
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
                url.get(..8).is_some_and(|begins| begins.eq_ignore_ascii_case("https://"))
            }
            Host::Aws { .. } => true,
        }
    }

    pub(crate) fn apply_to(&self, builder: Builder) -> Builder {
        let builder = builder.region(config::Region::new(self.region.as_str().to_owned()));
        match &self.host {
            Host::Custom(url) => builder.endpoint_url(url),
            Host::Aws { legacy, fips, dual_stack } => {
                let builder = builder.use_fips(*fips).use_dual_stack(*dual_stack);
                if *legacy { builder.endpoint_resolver(Legacy::default()) } else { builder }
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
                for (set, name) in [(legacy, "legacy"), (fips, "FIPS"), (dual_stack, "dual-stack")]
                {
                    if *set {
                        write!(f, ", {name}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

fn region(settings: Settings<'_>) -> Result<Region, FetchError> {
    match settings.get(&REGION)? {
        Some(found) => Region::parse(&found.value).map_err(|error| found.named(error)),
        None => Err(FetchError::new(ErrorKind::InvalidConfig, "no Region is set")
            .with_hint("set AWS_REGION to the Region whose STS is nearest, as eu-west-1")),
    }
}

/// AWS's own rules, with the switch that some older Regions still go to `https://sts.amazonaws.com`, signed for
/// us-east-1.
#[derive(Debug, Default)]
struct Legacy(DefaultResolver);

impl ResolveEndpoint for Legacy {
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

//! Where STS is, and for which Region its requests are signed.

use std::fmt;

use aws_sdk_sts::config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_sts::config::{self, Builder};
use rolecall_core::{Environment, ErrorKind, FetchError};

use crate::region::Region;

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
        let region = region(environment)?;
        let legacy = match environment.var(REGIONAL_ENDPOINTS)? {
            None => false,
            Some(value) => match value.to_ascii_lowercase().as_str() {
                "regional" => false,
                "legacy" => true,
                _ => return Err(not_one_of(REGIONAL_ENDPOINTS, &value, "regional or legacy")),
            },
        };
        let fips = flag(environment, "AWS_USE_FIPS_ENDPOINT")?;
        let dual_stack = flag(environment, "AWS_USE_DUALSTACK_ENDPOINT")?;
        if !flag(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")? {
            for variable in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"] {
                let Some(url) = environment.var(variable)? else { continue };
                if fips || dual_stack {
                    let message =
                        format!("{variable} cannot be combined with a FIPS or dual-stack endpoint");
                    return Err(FetchError::new(ErrorKind::InvalidConfig, message).with_hint(
                        "unset one of them, or set AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
                    ));
                }
                return Self::custom(&url, region).map_err(|error| named(error, variable));
            }
        }
        Ok(Self { region, host: Host::Aws { legacy, fips, dual_stack } })
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

const REGIONAL_ENDPOINTS: &str = "AWS_STS_REGIONAL_ENDPOINTS";

fn region(environment: &Environment) -> Result<Region, FetchError> {
    for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if let Some(value) = environment.var(variable)? {
            return Region::parse(&value).map_err(|error| named(error, variable));
        }
    }
    Err(FetchError::new(ErrorKind::InvalidConfig, "no Region is set")
        .with_hint("set AWS_REGION to the Region whose STS is nearest, as eu-west-1"))
}

fn flag(environment: &Environment, variable: &str) -> Result<bool, FetchError> {
    match environment.var(variable)? {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(value) => Err(not_one_of(variable, &value, "true or false")),
    }
}

fn not_one_of(variable: &str, value: &str, rule: &str) -> FetchError {
    let shown: String = value.chars().take(40).collect();
    let message = format!("the environment variable {variable} is {shown:?}; it must be {rule}");
    FetchError::new(ErrorKind::InvalidConfig, message)
}

fn named(error: FetchError, variable: &str) -> FetchError {
    error.with_hint(format!("the environment variable {variable}"))
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
mod tests {
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn of(variables: Variables<'_>) -> Result<Endpoint, FetchError> {
        Endpoint::from_environment(&Environment::fixed(variables.iter().copied()))
    }

    #[test]
    fn the_environment_says_which_endpoint() {
        let cases: &[(Variables<'_>, &str)] = &[
            (&[("AWS_REGION", "eu-west-1")], "STS in eu-west-1"),
            (&[("AWS_DEFAULT_REGION", "eu-west-1")], "STS in eu-west-1"),
            (
                &[("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "us-east-1")],
                "STS in eu-west-1",
            ),
            (&[("AWS_REGION", "eu-west-1"), (REGIONAL_ENDPOINTS, "regional")], "STS in eu-west-1"),
            (
                &[("AWS_REGION", "eu-west-1"), (REGIONAL_ENDPOINTS, "legacy")],
                "STS in eu-west-1, legacy",
            ),
            (
                &[("AWS_REGION", "eu-west-1"), ("AWS_USE_FIPS_ENDPOINT", "true")],
                "STS in eu-west-1, FIPS",
            ),
            (
                &[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "http://a.example")],
                "STS at http://a.example",
            ),
            (
                &[
                    ("AWS_REGION", "eu-west-1"),
                    ("AWS_ENDPOINT_URL", "http://a.example"),
                    ("AWS_ENDPOINT_URL_STS", "http://b.example"),
                ],
                "STS at http://b.example",
            ),
            (
                &[
                    ("AWS_REGION", "eu-west-1"),
                    ("AWS_ENDPOINT_URL", "http://a.example"),
                    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
                ],
                "STS in eu-west-1",
            ),
        ];
        for (variables, expected) in cases {
            assert_eq!(of(variables).unwrap().to_string(), *expected, "{variables:?}");
        }
    }

    #[test]
    fn a_wrong_variable_is_named_with_its_fault() {
        let cases: &[(Variables<'_>, &[&str])] = &[
            (&[], &["no Region is set", "AWS_REGION"]),
            (
                &[("AWS_REGION", "Frankfurt")],
                &["\"Frankfurt\" is not a Region", "AWS_REGION", "eu-west-1"],
            ),
            (
                &[("AWS_REGION", "eu-west-1"), (REGIONAL_ENDPOINTS, "global")],
                &[REGIONAL_ENDPOINTS, "\"global\"", "regional or legacy"],
            ),
            (
                &[("AWS_REGION", "eu-west-1"), ("AWS_USE_FIPS_ENDPOINT", "yes")],
                &["AWS_USE_FIPS_ENDPOINT", "true or false"],
            ),
            (
                &[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL_STS", "sts.example.com")],
                &["AWS_ENDPOINT_URL_STS", "http://"],
            ),
            (
                &[
                    ("AWS_REGION", "eu-west-1"),
                    ("AWS_ENDPOINT_URL", "http://a.example"),
                    ("AWS_USE_FIPS_ENDPOINT", "true"),
                ],
                &["AWS_ENDPOINT_URL", "FIPS"],
            ),
        ];
        for (variables, parts) in cases {
            let error = of(variables).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            for part in *parts {
                assert!(error.to_string().contains(part), "{variables:?}: {error}");
            }
        }
    }

    #[test]
    fn a_password_in_an_endpoint_is_refused_and_not_shown() {
        let region = Region::parse("eu-west-1").unwrap();
        for url in [
            "https://ann:s3cret@sts.example.com",
            "https://ann:s3cret @sts.example.com",
            "ann:s3cret@sts.example.com",
            "ftp://ann:s3cret@sts.example.com",
        ] {
            let error = Endpoint::custom(url, region.clone()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn only_this_machines_own_addresses_are_loopback() {
        let region = Region::parse("eu-west-1").unwrap();
        for (url, loopback) in [
            ("http://127.0.0.1:4566", true),
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://127.0.0.1.example.com", false),
            ("https://sts.example.com", false),
        ] {
            let endpoint = Endpoint::custom(url, region.clone()).unwrap();
            assert_eq!(endpoint.is_loopback(), loopback, "{url}");
        }
        assert!(!Endpoint::regional(region).is_loopback());
    }

    #[tokio::test]
    async fn legacy_follows_awss_own_rules() {
        for (region, url) in [
            ("eu-west-1", "https://sts.amazonaws.com"),
            ("us-east-1", "https://sts.amazonaws.com"),
            ("me-south-1", "https://sts.me-south-1.amazonaws.com"),
            ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
        ] {
            let params = Params::builder()
                .region(region)
                .use_fips(false)
                .use_dual_stack(false)
                .build()
                .unwrap();
            let endpoint = Legacy::default().resolve_endpoint(&params).await.unwrap();
            assert_eq!(endpoint.url(), url, "{region}");
        }
    }
}

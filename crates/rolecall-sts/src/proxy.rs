//! Selects the HTTP proxy for an endpoint.

use std::fmt;

use aws_smithy_http_client::proxy::ProxyConfig;
use hyper_util::client::proxy::matcher::Matcher;
use rolecall_core::{Environment, ErrorKind, SessionError};

use crate::endpoint::Endpoint;

/// The variables that name the proxy, by the scheme of the endpoint. The first that is set is used.
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HTTP: [&str; 4] = ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The HTTP proxy that the environment sets for an endpoint.
///
/// The `Debug` output does not contain the user name and the password of the proxy.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_sts::{Endpoint, HttpProxy, Region};
///
/// let endpoint = Endpoint::regional(Region::parse("eu-west-1")?);
/// let env = Environment::fixed([("HTTPS_PROXY", "http://ann:secret@proxy.example.com:3128")]);
/// let proxy = HttpProxy::find(&endpoint, &env)?.expect("a proxy is set");
/// assert_eq!((proxy.host(), proxy.port()), ("proxy.example.com", 3128));
/// assert_eq!(proxy.variable(), "HTTPS_PROXY");
///
/// let env = Environment::fixed([
///     ("HTTPS_PROXY", "http://proxy.example.com:3128"),
///     ("NO_PROXY", ".amazonaws.com"),
/// ]);
/// assert!(HttpProxy::find(&endpoint, &env)?.is_none());
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
#[derive(Clone)]
pub struct HttpProxy {
    variable: &'static str,
    uri: http::Uri,
    authorization: Option<http::HeaderValue>,
}

impl HttpProxy {
    /// Returns the proxy that calls of `endpoint` use, or `None` if they use none.
    ///
    /// See [`StsClientBuilder::proxy_from`](crate::StsClientBuilder::proxy_from) for the variables.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if the variable is not a valid proxy URL, or if the
    /// endpoint does not exist.
    pub fn find(
        endpoint: &Endpoint,
        environment: &Environment,
    ) -> Result<Option<Self>, SessionError> {
        let Some(setting) = ProxySetting::find(endpoint, environment)? else { return Ok(None) };
        // Rejects what the client of STS rejects, which reads the URL by other code.
        setting.config(endpoint)?;
        let variable = setting.variable;
        let matcher = setting.into_matcher();
        let url = endpoint.url()?;
        let target: http::Uri = url.parse().map_err(|_| invalid(variable))?;
        Ok(matcher.intercept(&target).map(|found| Self {
            variable,
            uri: found.uri().clone(),
            authorization: found.basic_auth().cloned(),
        }))
    }

    /// Returns the environment variable that sets the proxy.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Returns the host of the proxy.
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// Returns the port of the proxy.
    pub fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(default)
    }

    /// Returns `true` if connections to the proxy itself use TLS.
    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Returns the value of the header `Proxy-Authorization`, which is a secret, if the URL of the
    /// proxy has a user name.
    pub fn authorization(&self) -> Option<&http::HeaderValue> {
        self.authorization.as_ref()
    }
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProxy")
            .field("variable", &self.variable)
            .field("host", &self.host())
            .field("port", &self.port())
            .finish_non_exhaustive()
    }
}

/// Returns the proxy that the environment sets for `endpoint`.
pub(crate) fn proxy_for(
    endpoint: &Endpoint,
    environment: &Environment,
) -> Result<ProxyConfig, SessionError> {
    match ProxySetting::find(endpoint, environment)? {
        Some(setting) => setting.config(endpoint),
        None => Ok(ProxyConfig::disabled()),
    }
}

/// The variables of the proxy. The URL may contain a password.
struct ProxySetting {
    variable: &'static str,
    url: String,
    excluded_hosts: Option<String>,
}

impl ProxySetting {
    fn find(endpoint: &Endpoint, environment: &Environment) -> Result<Option<Self>, SessionError> {
        // A proxy cannot reach a server on this machine, such as a local STS in a test.
        if endpoint.is_loopback() {
            return Ok(None);
        }
        // In a CGI program, which has REQUEST_METHOD, HTTP_PROXY may hold the request header
        // `Proxy`: a client of the program could redirect the calls to STS.
        let is_cgi = environment.var("REQUEST_METHOD")?.is_some();
        let variables = if endpoint.is_https() { HTTPS } else { HTTP };
        let usable =
            variables.into_iter().filter(|variable| !(is_cgi && *variable == "HTTP_PROXY"));
        let Some((variable, url)) = first_set(environment, usable)? else { return Ok(None) };
        let url = if url.contains("://") { url } else { format!("http://{url}") };
        let excluded_hosts = first_set(environment, NO_PROXY.into_iter())?.map(|(_, hosts)| hosts);
        Ok(Some(Self { variable, url, excluded_hosts }))
    }

    /// Returns the setting as the SDK's HTTP client reads it.
    fn config(&self, endpoint: &Endpoint) -> Result<ProxyConfig, SessionError> {
        let proxy = match endpoint.is_https() {
            true => ProxyConfig::https(self.url.as_str()),
            false => ProxyConfig::http(self.url.as_str()),
        };
        let proxy = proxy.map_err(|_| invalid(self.variable))?;
        Ok(match &self.excluded_hosts {
            Some(hosts) => proxy.no_proxy(hosts),
            None => proxy,
        })
    }

    /// Returns the matcher that the SDK's HTTP client creates from its configuration.
    fn into_matcher(self) -> Matcher {
        let matcher = Matcher::builder().all(self.url);
        match self.excluded_hosts {
            Some(hosts) => matcher.no(hosts),
            None => matcher,
        }
        .build()
    }
}

fn invalid(variable: &str) -> SessionError {
    // The value may contain a password: the error names the variable only.
    let message = format!("the environment variable {variable} is not a valid proxy URL");
    SessionError::new(ErrorKind::InvalidConfig, message)
        .with_hint("set it to a URL such as http://proxy.example.com:3128, or unset it")
}

fn first_set(
    environment: &Environment,
    variables: impl Iterator<Item = &'static str>,
) -> Result<Option<(&'static str, String)>, SessionError> {
    for variable in variables {
        if let Some(value) = environment.var(variable)? {
            return Ok(Some((variable, value)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use crate::Region;

    use super::*;

    #[test]
    fn invalid_proxy_error_names_variable_and_hides_value() {
        let endpoint = Endpoint::regional(Region::parse("eu-west-1").unwrap());
        for wrong in ["http://ann:s3cret@", "socks9://ann:s3cret@proxy", "ann:s3cret@proxy:x y"] {
            let environment = Environment::fixed([("HTTPS_PROXY", wrong)]);
            let error = proxy_for(&endpoint, &environment).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains("HTTPS_PROXY"), "{error}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn proxy_variable_depends_on_endpoint_scheme() {
        let region = || Region::parse("eu-west-1").unwrap();
        let https = Endpoint::regional(region());
        let http = Endpoint::custom("http://sts.example.com", region()).unwrap();
        let loopback = Endpoint::custom("http://127.0.0.1:4566", region()).unwrap();
        type Row<'a> = (&'a [(&'a str, &'a str)], [bool; 3]);
        let rows: [Row<'_>; 6] = [
            (&[], [false, false, false]),
            (&[("HTTPS_PROXY", "http://p:1")], [true, false, false]),
            (&[("http_proxy", "p:1")], [false, true, false]),
            (&[("ALL_PROXY", "http://p:1")], [true, true, false]),
            (&[("HTTP_PROXY", "http://p:1")], [false, true, false]),
            (&[("HTTP_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")], [false, false, false]),
        ];
        for (variables, proxied) in rows {
            let environment = Environment::fixed(variables.iter().copied());
            let uses_proxy = |endpoint| !proxy_for(endpoint, &environment).unwrap().is_disabled();
            let actual = [uses_proxy(&https), uses_proxy(&http), uses_proxy(&loopback)];
            assert_eq!(actual, proxied, "{variables:?}");
            let found = [&https, &http, &loopback]
                .map(|endpoint| HttpProxy::find(endpoint, &environment).unwrap());
            assert_eq!(found.each_ref().map(Option::is_some), proxied, "{variables:?}");
            for proxy in found.iter().flatten() {
                assert_eq!((proxy.host(), proxy.port()), ("p", 1), "{variables:?}");
                assert_eq!(proxy.variable(), variables[0].0);
            }
        }
    }

    #[test]
    fn excluded_host_uses_no_proxy() {
        let endpoint = Endpoint::regional(Region::parse("eu-west-1").unwrap());
        for (hosts, uses_proxy) in [
            (".amazonaws.com", false),
            ("sts.eu-west-1.amazonaws.com", false),
            ("*", false),
            ("example.com,169.254.169.254", true),
        ] {
            let variables = [("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", hosts)];
            let found = HttpProxy::find(&endpoint, &Environment::fixed(variables)).unwrap();
            assert_eq!(found.is_some(), uses_proxy, "{hosts}");
        }
    }

    #[test]
    fn debug_output_of_proxy_hides_password() {
        let endpoint = Endpoint::regional(Region::parse("eu-west-1").unwrap());
        let environment = Environment::fixed([("HTTPS_PROXY", "https://ann:s3cret@proxy")]);
        let proxy = HttpProxy::find(&endpoint, &environment).unwrap().unwrap();
        assert!(proxy.is_https() && proxy.port() == 443, "{proxy:?}");
        assert!(!format!("{proxy:?}").contains("s3cret"), "{proxy:?}");
        // "ann:s3cret" in Base64.
        assert_eq!(proxy.authorization().unwrap(), "Basic YW5uOnMzY3JldA==");
    }
}

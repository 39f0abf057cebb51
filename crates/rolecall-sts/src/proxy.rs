//! Selects the HTTP proxy for an endpoint.

use aws_smithy_http_client::proxy::ProxyConfig;
use rolecall_core::{Environment, ErrorKind, SessionError};

use crate::endpoint::Endpoint;

/// The variables that name the proxy, by the scheme of the endpoint. The first that is set is used.
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HTTP: [&str; 4] = ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Returns the proxy that the environment sets for `endpoint`.
pub(crate) fn proxy_for(
    endpoint: &Endpoint,
    environment: &Environment,
) -> Result<ProxyConfig, SessionError> {
    // A proxy cannot reach a server on this machine, such as a local STS in a test.
    if endpoint.is_loopback() {
        return Ok(ProxyConfig::disabled());
    }
    // In a CGI program, which has REQUEST_METHOD, HTTP_PROXY may hold the request header `Proxy`: a
    // client of the program could redirect the calls to STS.
    let is_cgi = environment.var("REQUEST_METHOD")?.is_some();
    let variables = if endpoint.is_https() { HTTPS } else { HTTP };
    let usable = variables.into_iter().filter(|variable| !(is_cgi && *variable == "HTTP_PROXY"));
    let Some((variable, url)) = first_set(environment, usable)? else {
        return Ok(ProxyConfig::disabled());
    };
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    let proxy = match endpoint.is_https() {
        true => ProxyConfig::https(url),
        false => ProxyConfig::http(url),
    };
    let proxy = proxy.map_err(|_| {
        // The value may contain a password: the error names the variable only.
        let message = format!("the environment variable {variable} is not a valid proxy URL");
        SessionError::new(ErrorKind::InvalidConfig, message)
            .with_hint("set it to a URL such as http://proxy.example.com:3128, or unset it")
    })?;
    Ok(match first_set(environment, NO_PROXY.into_iter())? {
        Some((_, hosts)) => proxy.no_proxy(hosts),
        None => proxy,
    })
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
        }
    }
}

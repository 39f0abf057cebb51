//! The proxy on the way to STS.

use aws_smithy_http_client::proxy::ProxyConfig;
use rolecall_core::{Environment, ErrorKind, FetchError};

use crate::endpoint::Endpoint;

/// The variables that name the proxy, by the endpoint's scheme; the first that is set counts. `HTTP_PROXY` in capitals
/// may be a header of a request in a CGI program, where `REQUEST_METHOD` is set: it is not read there.
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HTTP: [&str; 4] = ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"];
const EXCEPT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxy that the environment names for this endpoint; none for a server on this machine.
pub(crate) fn to(
    endpoint: &Endpoint,
    environment: &Environment,
) -> Result<ProxyConfig, FetchError> {
    if endpoint.is_loopback() {
        return Ok(ProxyConfig::disabled());
    }
    let cgi = environment.var("REQUEST_METHOD")?.is_some();
    let variables = if endpoint.is_https() { HTTPS } else { HTTP };
    let usable = variables.into_iter().filter(|variable| !(cgi && *variable == "HTTP_PROXY"));
    let Some((variable, url)) = first(environment, usable)? else {
        return Ok(ProxyConfig::disabled());
    };
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    let proxy = match endpoint.is_https() {
        true => ProxyConfig::https(url),
        false => ProxyConfig::http(url),
    };
    let proxy = proxy.map_err(|_| {
        // The value is not shown: it may hold a password.
        let message = format!("the environment variable {variable} is no URL of a proxy");
        FetchError::new(ErrorKind::InvalidConfig, message)
            .with_hint("a URL as http://proxy.example.com:3128, or unset it")
    })?;
    Ok(match first(environment, EXCEPT.into_iter())? {
        Some((_, except)) => proxy.no_proxy(except),
        None => proxy,
    })
}

fn first(
    environment: &Environment,
    variables: impl Iterator<Item = &'static str>,
) -> Result<Option<(&'static str, String)>, FetchError> {
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
    fn a_wrong_proxy_is_named_and_not_shown() {
        let endpoint = Endpoint::regional(Region::parse("eu-west-1").unwrap());
        for wrong in ["http://ann:s3cret@", "socks9://ann:s3cret@proxy", "ann:s3cret@proxy:x y"] {
            let environment = Environment::fixed([("HTTPS_PROXY", wrong)]);
            let error = to(&endpoint, &environment).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains("HTTPS_PROXY"), "{error}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_proxy_is_by_the_endpoints_scheme() {
        let region = || Region::parse("eu-west-1").unwrap();
        let https = Endpoint::regional(region());
        let http = Endpoint::custom("http://sts.example.com", region()).unwrap();
        let here = Endpoint::custom("http://127.0.0.1:4566", region()).unwrap();
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
            let to = |endpoint| !to(endpoint, &environment).unwrap().is_disabled();
            assert_eq!([to(&https), to(&http), to(&here)], proxied, "{variables:?}");
        }
    }
}

//! The check of the host that a request is meant for.
//!
//! A web page can make a browser send requests to this port: its host name resolves to the server
//! of the page first, and to the loopback address later (DNS rebinding). The browser then sends the
//! name of the page as `Host`, so that only requests for the address of the endpoint, or for a name
//! that is always the loopback address, are answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::HeaderMap;
use hyper::Uri;
use hyper::header::HOST;

/// The name of the first loopback address. It is no other one's, such as 127.0.0.2.
const LOCALHOST: &str = "localhost";
const LOCALHOST_ADDRESSES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostError {
    /// There is no `Host`, or more than one. Programs between client and server could each take
    /// another one of them.
    NotOne,
    /// The request is for another host or port.
    Foreign,
}

/// Checks the `Host` header, and the authority of an absolute request target. `address` is that of
/// the endpoint.
pub(crate) fn check(headers: &HeaderMap, uri: &Uri, address: SocketAddr) -> Result<(), HostError> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(HostError::NotOne) };
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let all = [Some(host.as_bytes()), authority];
    match all.into_iter().flatten().all(|value| is_local(value, address)) {
        true => Ok(()),
        false => Err(HostError::Foreign),
    }
}

fn is_local(value: &[u8], address: SocketAddr) -> bool {
    let Ok(value) = std::str::from_utf8(value) else { return false };
    let is = |name: &str| {
        let rest = value.get(name.len()..).unwrap_or_default();
        let is_name = value.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
        // Clients leave out the port of the scheme.
        is_name
            && (rest == format!(":{}", address.port()) || (rest.is_empty() && address.port() == 80))
    };
    let own = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    is(&own) || (LOCALHOST_ADDRESSES.contains(&address.ip()) && is(LOCALHOST))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn check_hosts(hosts: &[&str], target: &str, port: u16) -> Result<(), HostError> {
        check_at(&format!("127.0.0.1:{port}"), hosts, target)
    }

    fn check_at(address: &str, hosts: &[&str], target: &str) -> Result<(), HostError> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        check(&headers, &target.parse().unwrap(), address.parse().unwrap())
    }

    #[test]
    fn names_of_loopback_with_port_are_accepted() {
        for host in ["127.0.0.1:4711", "localhost:4711", "LocalHost:4711"] {
            assert_eq!(check_hosts(&[host], "/role", 4711), Ok(()), "{host}");
        }
        assert_eq!(check_hosts(&["localhost"], "/role", 80), Ok(()));
        let target = "http://127.0.0.1:4711/role";
        assert_eq!(check_hosts(&["127.0.0.1:4711"], target, 4711), Ok(()));
    }

    #[test]
    fn bound_address_alone_is_accepted() {
        let hosts = ["127.0.0.1:4711", "127.0.0.2:4711", "[::1]:4711", "localhost:4711"];
        for (address, accepted) in [
            ("127.0.0.1:4711", [true, false, false, true]),
            ("127.0.0.2:4711", [false, true, false, false]),
            ("[::1]:4711", [false, false, true, true]),
            ("127.0.0.2:4712", [false; 4]),
        ] {
            let results = hosts.map(|host| check_at(address, &[host], "/role").is_ok());
            assert_eq!(results, accepted, "{address}");
        }
        assert_eq!(check_at("[::1]:80", &["[::1]"], "/role"), Ok(()));
    }

    #[test]
    fn every_other_host_is_foreign() {
        for host in [
            "",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:4712",
            "127.0.0.1:04711",
            "127.0.0.1:4711:4711",
            "127.0.0.1:4711.example.com",
            "127.0.0.1.example.com:4711",
            "localhost.:4711",
            "localhost@example.com:4711",
            "127.0.0.2:4711",
            "0.0.0.0:4711",
            "2130706433:4711",
            "[::ffff:127.0.0.1]:4711",
            "::1:4711",
            "[::1]:4711",
            "example.com:4711",
            " 127.0.0.1:4711",
            "127.0.0.1:4711, example.com",
            "lоcalhost:4711",
        ] {
            let result = check_hosts(&[host], "/role", 4711);
            assert_eq!(result, Err(HostError::Foreign), "{host:?}");
        }
    }

    #[test]
    fn absolute_target_must_be_local_too() {
        let host = ["127.0.0.1:4711"];
        let target = "http://example.com/role";
        assert_eq!(check_hosts(&host, target, 4711), Err(HostError::Foreign));
        let target = "http://user@127.0.0.1:4711/role";
        assert_eq!(check_hosts(&host, target, 4711), Err(HostError::Foreign));
    }

    #[test]
    fn missing_and_duplicate_hosts_are_refused() {
        assert_eq!(check_hosts(&[], "/role", 4711), Err(HostError::NotOne));
        let twice = ["127.0.0.1:4711", "127.0.0.1:4711"];
        assert_eq!(check_hosts(&twice, "/role", 4711), Err(HostError::NotOne));
        let other = ["127.0.0.1:4711", "example.com"];
        assert_eq!(check_hosts(&other, "/role", 4711), Err(HostError::NotOne));
    }
}

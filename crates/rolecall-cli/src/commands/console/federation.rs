//! The federation endpoint, which exchanges a session for a sign-in token.

use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rolecall::params::SessionDuration;
use rolecall::sts::{Endpoint, HttpProxy, Region};
use rolecall::{Environment, Session};
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::net::{self, Target};

/// The characters that a form encodes: all but the unreserved ones of RFC 3986.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The hosts of the console in a partition.
pub(super) struct Partition {
    name: &'static str,
    federation: &'static str,
    pub(super) console: &'static str,
    /// The domains of AWS's endpoints: those of IPv4, and of dual-stack endpoints. From the
    /// partitions metadata of the AWS SDKs.
    domains: [&'static str; 2],
}

/// From "Enable custom identity broker access to the AWS console" in the IAM User Guide, in its
/// editions for each partition.
const PARTITIONS: [Partition; 4] = [
    Partition {
        name: "aws",
        federation: "https://signin.aws.amazon.com/federation",
        console: "console.aws.amazon.com",
        domains: ["amazonaws.com", "api.aws"],
    },
    Partition {
        name: "aws-cn",
        federation: "https://signin.amazonaws.cn/federation",
        console: "console.amazonaws.cn",
        domains: ["amazonaws.com.cn", "api.amazonwebservices.com.cn"],
    },
    Partition {
        name: "aws-us-gov",
        federation: "https://signin.amazonaws-us-gov.com/federation",
        console: "console.amazonaws-us-gov.com",
        domains: ["amazonaws.com", "api.aws"],
    },
    Partition {
        name: "aws-eusc",
        federation: "https://signin.amazonaws-eusc.eu/federation",
        console: "console.amazonaws-eusc.eu",
        domains: ["amazonaws.eu", "api.amazonwebservices.eu"],
    },
];

/// Returns the hosts of the Region's partition.
pub(super) fn partition(region: &Region) -> Result<&'static Partition, Failure> {
    let name = region.partition();
    PARTITIONS.iter().find(|partition| partition.name == name).ok_or_else(|| {
        Failure::operation(format!("the partition {name} has no known federation endpoint"))
    })
}

/// Refuses an STS endpoint that is not one of AWS. Its sessions are of no use at AWS's federation
/// endpoint, which would receive the keys of another service.
pub(super) fn require_aws(sts: &Endpoint) -> Result<(), Failure> {
    let host = Target::of(sts)?.host.to_ascii_lowercase();
    let is_in = |domain: &str| {
        host.trim_end_matches('.').strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    };
    if PARTITIONS.iter().flat_map(|partition| partition.domains).any(is_in) {
        return Ok(());
    }
    let message = format!(
        "the STS endpoint {} is not one of AWS, and AWS's federation endpoint would get its \
         session",
        sts.url()?
    );
    Err(Failure::operation(message)
        .with_hint("pass the URL of the federation endpoint for it with --federation-endpoint"))
}

/// A URL of a federation endpoint that is not AWS's: with TLS, or on this machine.
#[derive(Clone, Debug)]
pub(crate) struct FederationUrl(String);

impl FromStr for FederationUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || "expected an https:// URL, or an http:// URL of this machine".to_owned();
        let uri: http::Uri = text.parse().map_err(|_| invalid())?;
        let host = uri.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let is_local = host == "localhost"
            || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        match uri.scheme_str() {
            Some("https") if !host.is_empty() => Ok(Self(text.to_owned())),
            Some("http") if is_local => Ok(Self(text.to_owned())),
            _ => Err(invalid()),
        }
    }
}

/// A client of the federation endpoint.
#[derive(Debug)]
pub(super) struct Federation {
    url: String,
    target: Target,
    proxy: Option<HttpProxy>,
}

/// The parameters of a sign-in.
pub(super) struct Link<'a> {
    pub(super) token: &'a str,
    pub(super) destination: &'a str,
    pub(super) issuer: Option<&'a str>,
}

impl Link<'_> {
    fn parameters(&self) -> Vec<(&'static str, &str)> {
        let mut parameters = vec![("Action", "login")];
        parameters.extend(self.issuer.map(|issuer| ("Issuer", issuer)));
        parameters.extend([("Destination", self.destination), ("SigninToken", self.token)]);
        parameters
    }
}

/// Why there is no sign-in token.
#[derive(Debug)]
pub(super) struct SignInError {
    message: String,
    hint: &'static str,
    /// `true` if the endpoint refused the request.
    pub(super) is_refused: bool,
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        Self::operation(error.message).with_hint(error.hint)
    }
}

/// The session, as the federation endpoint reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionJson<'a> {
    session_id: &'a str,
    session_key: &'a str,
    session_token: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SigninTokenJson {
    signin_token: String,
}

impl Federation {
    pub(super) fn new(
        region: &Region,
        url: Option<&FederationUrl>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let url = match url {
            Some(FederationUrl(url)) => url.clone(),
            None => partition(region)?.federation.to_owned(),
        };
        // The proxy is that of any other endpoint of AWS.
        let endpoint = Endpoint::custom(&url, region.clone())?;
        let proxy = HttpProxy::find(&endpoint, environment)?;
        Ok(Self { target: Target::of(&endpoint)?, proxy, url })
    }

    /// Requests a sign-in token.
    ///
    /// The session is in the body of a POST, which AWS accepts as well as the GET of its first
    /// example: URLs appear in the logs of servers and proxies.
    pub(super) async fn signin_token(
        &self,
        session: &Session,
        duration: Option<SessionDuration>,
    ) -> Result<String, SignInError> {
        let host = &self.target.host;
        let fail =
            |message: String, hint: &'static str| SignInError { message, hint, is_refused: false };
        let keys = session.credentials();
        let json = SessionJson {
            session_id: keys.access_key_id(),
            session_key: keys.secret_access_key(),
            session_token: keys.session_token().unwrap_or_default(),
        };
        let json = serde_json::to_string(&json)
            .map_err(|error| fail(format!("cannot write JSON: {error}"), ""))?;
        let seconds = duration.map(|duration| duration.as_secs().to_string());
        let mut parameters = vec![("Action", "getSigninToken")];
        parameters.extend(seconds.as_deref().map(|seconds| ("SessionDuration", seconds)));
        parameters.extend([("SessionType", "json"), ("Session", &json)]);
        let network = "check the connection to the federation endpoint, and HTTPS_PROXY";
        let proxy = self.proxy.as_ref();
        let stream = net::open(&self.target, proxy).await.map_err(|error| fail(error, network))?;
        let response = net::send(stream, &self.target, proxy, encode(&parameters))
            .await
            .map_err(|error| fail(format!("{host} did not respond: {error}"), network))?;
        // The body of an error may repeat the request: it is not shown.
        if !response.status.is_success() {
            let message =
                format!("the federation endpoint {host} responded with {}", response.status);
            let hint = "check that the session is one of a role; role chaining permits no \
                        duration, and a session policy must not deny the console";
            return Err(SignInError { message, hint, is_refused: response.status == 400 });
        }
        let token = serde_json::from_slice::<SigninTokenJson>(&response.body).ok();
        let token = token.map(|json| json.signin_token).filter(|token| !token.is_empty());
        token.ok_or_else(|| {
            let message =
                format!("the response of the federation endpoint {host} has no sign-in token");
            fail(message, "check for a proxy that responds in place of AWS")
        })
    }

    /// Returns the link.
    pub(super) fn login_url(&self, link: &Link<'_>) -> String {
        format!("{}?{}", self.url, encode(&link.parameters()))
    }

    /// Returns a page that signs in by a POST, so that the token does not remain in the history of
    /// the browser.
    pub(super) fn login_form(&self, link: &Link<'_>) -> String {
        let fields: String = link
            .parameters()
            .iter()
            .map(|(name, value)| {
                format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escape(value))
            })
            .collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<title>Sign in to AWS</title>\n\
             <form method=\"post\" action=\"{}\">\n{fields}\
             <button>Sign in to the AWS Management Console</button>\n</form>\n\
             <script>document.forms[0].submit()</script>\n</html>\n",
            escape(&self.url)
        )
    }
}

fn encode(parameters: &[(&str, &str)]) -> String {
    let encoded = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, FORM)));
    encoded.collect::<Vec<_>>().join("&")
}

/// Escapes text for an attribute in double quotes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn federation(region: &str) -> Federation {
        let region = Region::parse(region).unwrap();
        Federation::new(&region, None, &Environment::fixed([("A", "b")])).unwrap()
    }

    #[test]
    fn link_is_encoded_and_follows_the_partition() {
        let link = Link {
            token: "a+b/c=",
            destination: "https://console.aws.amazon.com/s3/home?region=eu-west-1",
            issuer: Some("https://sign-in.example.com/"),
        };
        assert_eq!(
            federation("eu-west-1").login_url(&link),
            "https://signin.aws.amazon.com/federation?Action=login\
             &Issuer=https%3A%2F%2Fsign-in.example.com%2F\
             &Destination=https%3A%2F%2Fconsole.aws.amazon.com%2Fs3%2Fhome%3Fregion%3Deu-west-1\
             &SigninToken=a%2Bb%2Fc%3D"
        );
        for (region, host) in [
            ("cn-north-1", "https://signin.amazonaws.cn/federation?"),
            ("us-gov-west-1", "https://signin.amazonaws-us-gov.com/federation?"),
        ] {
            assert!(federation(region).login_url(&link).starts_with(host));
        }
    }

    #[test]
    fn only_hosts_of_aws_are_endpoints_of_aws() {
        for (url, is_aws) in [
            ("https://sts.amazonaws.com", true),
            ("https://STS.eu-west-1.amazonaws.com./", true),
            ("https://sts-fips.us-east-1.api.aws", true),
            ("https://vpce-0123-abc.sts.us-east-1.vpce.amazonaws.com", true),
            ("https://vpce-0123-abc.sts.cn-north-1.vpce.amazonaws.com.cn:443/", true),
            ("https://sts.eusc-de-east-1.amazonaws.eu", true),
            ("http://127.0.0.1:4000", false),
            ("http://localhost:4566", false),
            ("http://sts.localhost.localstack.cloud:4566", false),
            ("https://sts.amazonaws.com.example.com", false),
            ("https://notamazonaws.com", false),
            ("https://amazonaws.com", false),
        ] {
            let endpoint = Endpoint::custom(url, Region::parse("eu-west-1").unwrap()).unwrap();
            assert_eq!(require_aws(&endpoint).is_ok(), is_aws, "{url}");
        }
    }

    #[test]
    fn page_escapes_its_values() {
        let link = Link { token: "\"><script>x</script>&", destination: "d", issuer: None };
        let page = federation("eu-west-1").login_form(&link);
        let value = "value=\"&quot;&gt;&lt;script&gt;x&lt;/script&gt;&amp;\"";
        assert!(page.contains(value), "{page}");
        assert_eq!(page.matches("<script>").count(), 1, "{page}");
    }

    #[test]
    fn other_endpoint_needs_tls_or_this_machine() {
        for (url, is_valid) in [
            ("https://signin.example.com/federation", true),
            ("http://127.0.0.1:1/federation", true),
            ("http://[::1]:1/federation", true),
            ("http://signin.example.com/federation", false),
            ("ftp://127.0.0.1/", false),
            ("signin", false),
        ] {
            assert_eq!(url.parse::<FederationUrl>().is_ok(), is_valid, "{url}");
        }
    }
}

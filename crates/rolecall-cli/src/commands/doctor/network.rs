//! The endpoint, and each step of a connection to it.

use std::time::{Duration, Instant, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use rolecall::Environment;
use rolecall::sts::{Endpoint, HttpProxy, StsClient};

use super::report::Report;
use crate::error::Failure;
use crate::net::{self, BoxStream, Response, Target, TlsError};
use crate::output::progress;
use crate::time::duration;

/// The skew above which some services (Secrets Manager, ECR) reject signatures.
const STRICT_SKEW: Duration = Duration::from_secs(5 * 60);

/// What the checks of the connection found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// `true` if STS responded.
    pub(super) is_reachable: bool,
    /// The time of STS and that of this machine when the response arrived.
    clock: Option<(SystemTime, SystemTime)>,
}

impl Seen {
    /// Returns the current time of STS, or that of this machine before a response.
    pub(super) fn now(&self) -> SystemTime {
        let local = SystemTime::now();
        let Some((server, received_at)) = self.clock else { return local };
        server + local.duration_since(received_at).unwrap_or_default()
    }
}

/// The checks of a connection, in their order.
const STEPS: [&str; 6] = ["proxy", "DNS", "connection", "TLS", "STS", "clock"];

/// Lists all checks of the connection as not run.
pub(super) fn skip(report: &mut Report<'_>) -> Result<Seen, Failure> {
    skip_from(report, "proxy", "no endpoint is configured")
}

fn skip_from(report: &mut Report<'_>, step: &str, reason: &str) -> Result<Seen, Failure> {
    for step in STEPS.iter().skip_while(|name| **name != step) {
        report.not_run(step, reason)?;
    }
    Ok(Seen::default())
}

/// Reports the Region and the endpoint, and why they were selected.
pub(super) fn check_endpoint(
    report: &mut Report<'_>,
    endpoint: Result<Option<Endpoint>, Failure>,
) -> Result<Option<Endpoint>, Failure> {
    let endpoint = match endpoint {
        Ok(Some(endpoint)) => endpoint,
        Ok(None) => {
            let hint = "set AWS_REGION to the nearest Region, such as eu-west-1, or use --region";
            report.error("Region", "no Region is set", Some(hint.to_owned()))?;
            return Ok(None);
        }
        Err(Failure::Operation { message, hint }) => {
            report.error("endpoint", message, hint)?;
            return Ok(None);
        }
        Err(failure) => return Err(failure),
    };
    let region = endpoint.region();
    let partition = region.partition();
    report
        .ok("Region", format!("{region} ({}), partition {partition}", endpoint.region_origin()))?;
    let url = endpoint.url()?;
    let why = match endpoint.host_origins() {
        [] => "the default endpoint of the Region".to_owned(),
        origins => origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let kind = match url.contains(".vpce.amazonaws.com") {
        true => ", a VPC endpoint",
        false if endpoint.uses_fips() => ", FIPS",
        false => "",
    };
    let message = format!("{url} ({why}{kind})");
    let target = Target::of(&endpoint)?;
    match target.is_https || is_loopback(&target.host) {
        true => report.ok("endpoint", message)?,
        false => {
            let hint = "use an https:// URL: tokens and sessions are sent without TLS";
            report.warning("endpoint", message, hint)?;
        }
    }
    Ok(Some(endpoint))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// Connects to the endpoint, and sends a request without a signature.
pub(super) async fn check(
    report: &mut Report<'_>,
    endpoint: &Endpoint,
    environment: &Environment,
) -> Result<Seen, Failure> {
    let target = Target::of(endpoint)?;
    let proxy = match HttpProxy::find(endpoint, environment) {
        Ok(proxy) => proxy,
        Err(error) => {
            report.error("proxy", error.message(), error.hint().map(str::to_owned))?;
            return skip_from(report, "DNS", "the proxy is not valid");
        }
    };
    let stream = match &proxy {
        Some(proxy) => connect_by_proxy(report, &target, proxy).await?,
        None => {
            report.ok("proxy", describe_direct(environment))?;
            connect(report, &target).await?
        }
    };
    let Some(stream) = stream else { return skip_from(report, "TLS", "there is no connection") };
    let stream = match target.is_https {
        true => check_tls(report, stream, &target, proxy.is_some(), environment).await?,
        false => {
            report.not_run("TLS", "the endpoint has an http:// URL")?;
            Some(stream)
        }
    };
    let Some(stream) = stream else { return skip_from(report, "STS", "there is no connection") };
    check_response(report, stream, &target, proxy.as_ref()).await
}

/// Describes that no proxy is used, and names a variable that sets one for other endpoints.
fn describe_direct(environment: &Environment) -> String {
    let variables = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"];
    let is_set = |name: &&str| environment.var(name).is_ok_and(|value| value.is_some());
    match variables.into_iter().find(is_set) {
        None => "none is set".to_owned(),
        Some(name) => format!(
            "none is used: {name} does not apply to this endpoint (its scheme, NO_PROXY, or an \
             address of this machine)"
        ),
    }
}

async fn connect_by_proxy(
    report: &mut Report<'_>,
    target: &Target,
    proxy: &HttpProxy,
) -> Result<Option<BoxStream>, Failure> {
    let (variable, host) = (proxy.variable(), &target.host);
    let at = net::authority(proxy.host(), proxy.port());
    let work = net::open_proxy(proxy);
    let stream = match progress::show(report.output(), format!("connecting to {at}"), work).await {
        Ok(stream) => stream,
        Err(error) => {
            let hint = format!(
                "correct or unset {variable}, or add {host} to NO_PROXY if this machine reaches it \
                 without a proxy"
            );
            report.error("proxy", error, Some(hint))?;
            report.not_run("DNS", "the proxy looks up the host")?;
            report.not_run("connection", "the proxy is not reachable")?;
            return Ok(None);
        }
    };
    report.ok("proxy", format!("{at} (the environment variable {variable})"))?;
    report.not_run("DNS", "the proxy looks up the host")?;
    let work = net::open_tunnel(stream, target, proxy);
    match progress::show(report.output(), format!("connecting through {at}"), work).await {
        Ok(stream) => {
            report.ok("connection", format!("to {} through the proxy", target.authority()))?;
            Ok(Some(stream))
        }
        Err(error) => {
            let hint = match error.contains("407") {
                true => format!("add the user name and the password of the proxy to {variable}"),
                false => format!(
                    "allow {host} at the proxy of {variable}, or add it to NO_PROXY if this \
                     machine reaches it without a proxy"
                ),
            };
            report.error("connection", error, Some(hint))?;
            Ok(None)
        }
    }
}

async fn connect(report: &mut Report<'_>, target: &Target) -> Result<Option<BoxStream>, Failure> {
    let (host, to) = (&target.host, target.authority());
    let work = net::resolve(host, target.port);
    let found = progress::show(report.output(), format!("looking up {host}"), work).await;
    let addresses = match found {
        Ok(addresses) => addresses,
        Err(error) => {
            let hint = "check the name in the endpoint URL or the Region, and the DNS server of \
                        this machine";
            let message = format!("cannot look up {host}: {error}");
            report.error("DNS", message, Some(hint.to_owned()))?;
            report.not_run("connection", "the host has no address")?;
            return Ok(None);
        }
    };
    match host.parse::<std::net::IpAddr>() {
        Ok(_) => report.ok("DNS", format!("{host} is an address"))?,
        Err(_) => {
            let shown: Vec<_> =
                addresses.iter().take(4).map(|address| address.ip().to_string()).collect();
            report.ok("DNS", format!("{host} has {}", shown.join(", ")))?;
        }
    }
    let started = Instant::now();
    let work = net::connect(&addresses);
    match progress::show(report.output(), format!("connecting to {to}"), work).await {
        Ok(stream) => {
            let time = started.elapsed().as_millis();
            report.ok("connection", format!("to {to} in {time} ms"))?;
            Ok(Some(Box::new(stream)))
        }
        Err(error) => {
            let hint = "check the endpoint URL, the firewall, and the routes of this machine's \
                        network; a private network needs a VPC endpoint for STS, or a proxy in \
                        HTTPS_PROXY";
            let message = format!("cannot connect to {to}: {error}");
            report.error("connection", message, Some(hint.to_owned()))?;
            Ok(None)
        }
    }
}

async fn check_tls(
    report: &mut Report<'_>,
    stream: BoxStream,
    target: &Target,
    by_proxy: bool,
    environment: &Environment,
) -> Result<Option<BoxStream>, Failure> {
    let certificates = net::load_certificates().await;
    if environment.var("AWS_CA_BUNDLE")?.is_some() {
        let message = "AWS_CA_BUNDLE is set, but rolecall and the AWS SDK for Rust do not read it";
        report.warning("CA", message, "set SSL_CERT_FILE to the path of the same file")?;
    }
    for error in certificates.errors.iter().take(3) {
        report.warning("CA", error.as_str(), "check SSL_CERT_FILE and SSL_CERT_DIR")?;
    }
    let origin = match (environment.var("SSL_CERT_FILE")?, environment.var("SSL_CERT_DIR")?) {
        (Some(_), _) => "SSL_CERT_FILE",
        (None, Some(_)) => "SSL_CERT_DIR",
        (None, None) => "the system",
    };
    if certificates.count() == 0 {
        let hint = "install the package ca-certificates, or set SSL_CERT_FILE to a file with root \
                    certificates";
        report.error("CA", format!("no root certificates in {origin}"), Some(hint.to_owned()))?;
        report.not_run("TLS", "there are no root certificates")?;
        return Ok(None);
    }
    let authorities = match certificates.count() {
        1 => format!("the CA of {origin}"),
        count => format!("the {count} CAs of {origin}"),
    };
    let work = net::secure(stream, &target.host, &certificates);
    let to = target.authority();
    match progress::show(report.output(), format!("TLS handshake with {to}"), work).await {
        Ok(handshake) => {
            let version = handshake.version;
            report.ok("TLS", format!("{version}, verified by {authorities}"))?;
            Ok(Some(handshake.stream))
        }
        Err(error) => {
            let hint = match &error {
                TlsError::UnknownIssuer if by_proxy => {
                    "the proxy may inspect TLS: set SSL_CERT_FILE to a file with its CA and the \
                     root certificates of the system"
                }
                TlsError::UnknownIssuer => {
                    "set SSL_CERT_FILE to a file with the CA of the endpoint and the root \
                     certificates of the system; a firewall may inspect TLS with a CA of its own"
                }
                TlsError::WrongName => "check the host of the endpoint URL",
                TlsError::WrongTime => "check this machine's clock, then the server's certificate",
                TlsError::Other(_) => "check for a proxy or a firewall between here and STS",
            };
            let message = match &error {
                TlsError::UnknownIssuer => format!("{to}: {error}, not by {authorities}"),
                _ => format!("{to}: {error}"),
            };
            report.error("TLS", message, Some(hint.to_owned()))?;
            Ok(None)
        }
    }
}

async fn check_response(
    report: &mut Report<'_>,
    stream: BoxStream,
    target: &Target,
    proxy: Option<&HttpProxy>,
) -> Result<Seen, Failure> {
    // STS answers a request without a signature by an error in its own format.
    let form = "Action=GetCallerIdentity&Version=2011-06-15".to_owned();
    let work = net::send(stream, target, proxy, form);
    let response = progress::show(report.output(), "waiting for STS", work).await;
    let received_at = SystemTime::now();
    let hint =
        "check the endpoint URL, and for a proxy or a firewall that responds in place of STS";
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            report.error("STS", error, Some(hint.to_owned()))?;
            report.not_run("clock", "STS did not respond")?;
            return Ok(Seen::default());
        }
    };
    if !is_sts(&response) {
        let kind = response.headers.get("content-type").and_then(|value| value.to_str().ok());
        let kind: String = kind.unwrap_or("no content type").chars().take(60).collect();
        let message = format!("the response is not from STS: {} ({kind})", response.status);
        report.error("STS", message, Some(hint.to_owned()))?;
        report.not_run("clock", "STS did not respond")?;
        return Ok(Seen::default());
    }
    report.ok("STS", "responds")?;
    let date = response.headers.get("date").and_then(|value| value.to_str().ok());
    let date = date.and_then(|text| DateTime::from_str(text, Format::HttpDate).ok());
    let server = date.and_then(|date| SystemTime::try_from(date).ok());
    let Some(server) = server else {
        report.not_run("clock", "the response of STS has no Date")?;
        return Ok(Seen { is_reachable: true, clock: None });
    };
    check_clock(report, server, received_at)?;
    Ok(Seen { is_reachable: true, clock: Some((server, received_at)) })
}

fn is_sts(response: &Response) -> bool {
    let text = String::from_utf8_lossy(&response.body);
    text.contains("https://sts.amazonaws.com/doc/")
        || response.headers.contains_key("x-amzn-requestid") && text.contains("<ErrorResponse")
}

fn check_clock(
    report: &mut Report<'_>,
    server: SystemTime,
    local: SystemTime,
) -> Result<(), Failure> {
    let (skew, side) = match local.duration_since(server) {
        Ok(skew) => (skew, "ahead of"),
        Err(error) => (error.duration(), "behind"),
    };
    // The Date has whole seconds.
    if skew < Duration::from_secs(2) {
        return report.ok("clock", "this machine has the time of STS");
    }
    let message = format!("this machine's clock is {} {side} the time of STS", duration(skew));
    if skew <= STRICT_SKEW {
        return report.ok("clock", message);
    }
    let hint = format!(
        "set this machine's clock, and check its time service (NTP): services reject signatures \
         that are more than {} minutes off, and some more than {}",
        StsClient::MAX_CLOCK_SKEW.as_secs() / 60,
        STRICT_SKEW.as_secs() / 60
    );
    match skew <= StsClient::MAX_CLOCK_SKEW {
        true => report.warning("clock", message, hint),
        false => report.error("clock", message, Some(hint)),
    }
}

//! The URL and the signing Region of requests, for combinations of variables and profile settings.

use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_sdk_sts::config::http::HttpRequest;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use rolecall_core::{Environment, ErrorKind, FetchMode, SessionError};
use rolecall_sts::{Endpoint, ProfileSettings, Region, StsClient};
use tokio::io::AsyncReadExt;

use crate::signer;

type Settings<'a> = &'a [(&'a str, &'a str)];

const STS_URL: &str = ProfileSettings::STS_ENDPOINT_URL;

fn endpoint(variables: Settings<'_>, profile: Settings<'_>) -> Result<Endpoint, SessionError> {
    let environment = Environment::fixed(variables.iter().copied());
    if profile.is_empty() {
        return Endpoint::from_environment(&environment);
    }
    let settings = profile
        .iter()
        .fold(ProfileSettings::new("shop"), |profile, (key, value)| profile.set(*key, *value));
    Endpoint::from_environment_or_profile(&environment, &settings)
}

/// Records the server that a request would be sent to, and its signing Region.
#[derive(Clone, Debug, Default)]
struct Capture(Arc<Mutex<Option<(String, String)>>>);

impl HttpConnector for Capture {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri: http::Uri = request.uri().parse().unwrap();
        let server = format!("{}://{}", uri.scheme_str().unwrap(), uri.authority().unwrap());
        let signed = request.headers().get("authorization").unwrap();
        let region = signed.split('/').nth(2).unwrap().to_owned();
        *self.0.lock().unwrap() = Some((server, region));
        HttpConnectorFuture::ready(Err(ConnectorError::io("not sent".into())))
    }
}

async fn capture_target(endpoint: Endpoint) -> String {
    let capture = Capture::default();
    let connector = SharedHttpConnector::new(capture.clone());
    let http = http_client_fn(move |_, _| connector.clone());
    let sts = StsClient::builder(endpoint).http_client(http).build();
    sts.caller_identity(&signer(), FetchMode::Background).await.unwrap_err();
    let (server, region) = capture.0.lock().unwrap().take().unwrap();
    format!("{server} {region}")
}

const IRELAND: (&str, &str) = ("AWS_REGION", "eu-west-1");
const CUSTOM: (&str, &str) = ("AWS_ENDPOINT_URL", "http://a.example:4566");
const CUSTOM_STS: (&str, &str) = ("AWS_ENDPOINT_URL_STS", "http://b.example");
const IGNORE: (&str, &str) = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
const LEGACY: (&str, &str) = ("AWS_STS_REGIONAL_ENDPOINTS", "legacy");
const FIPS: (&str, &str) = ("AWS_USE_FIPS_ENDPOINT", "true");
const DUAL_STACK: (&str, &str) = ("AWS_USE_DUALSTACK_ENDPOINT", "true");

const REGIONAL: &str = "https://sts.eu-west-1.amazonaws.com eu-west-1";
const GLOBAL: &str = "https://sts.amazonaws.com us-east-1";

async fn assert_targets(rows: &[(Settings<'_>, &str)]) {
    for (variables, expected) in rows {
        let endpoint = endpoint(variables, &[]).unwrap();
        assert_eq!(capture_target(endpoint).await, *expected, "{variables:?}");
    }
}

#[tokio::test]
async fn aws_region_precedes_aws_default_region() {
    assert_targets(&[
        (&[IRELAND], REGIONAL),
        (&[("AWS_DEFAULT_REGION", "eu-west-1")], REGIONAL),
        (&[IRELAND, ("AWS_DEFAULT_REGION", "us-east-1")], REGIONAL),
        (&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")], REGIONAL),
        (&[("AWS_REGION", "cn-north-1")], "https://sts.cn-north-1.amazonaws.com.cn cn-north-1"),
        (
            &[("AWS_REGION", "us-gov-east-1")],
            "https://sts.us-gov-east-1.amazonaws.com us-gov-east-1",
        ),
        (&[("AWS_REGION", "us-iso-east-1")], "https://sts.us-iso-east-1.c2s.ic.gov us-iso-east-1"),
        (&[("AWS_REGION", "aws-global")], GLOBAL),
    ])
    .await;
}

#[tokio::test]
async fn regional_endpoints_setting_selects_endpoint() {
    assert_targets(&[
        (&[IRELAND, ("AWS_STS_REGIONAL_ENDPOINTS", "regional")], REGIONAL),
        (&[IRELAND, ("AWS_STS_REGIONAL_ENDPOINTS", "Regional")], REGIONAL),
        (&[IRELAND, ("AWS_STS_REGIONAL_ENDPOINTS", "")], REGIONAL),
        (&[IRELAND, LEGACY], GLOBAL),
        (&[IRELAND, LEGACY, FIPS], "https://sts-fips.eu-west-1.amazonaws.com eu-west-1"),
        (&[IRELAND, LEGACY, CUSTOM], "http://a.example:4566 eu-west-1"),
        (
            &[("AWS_REGION", "me-south-1"), LEGACY],
            "https://sts.me-south-1.amazonaws.com me-south-1",
        ),
        (
            &[("AWS_REGION", "cn-north-1"), LEGACY],
            "https://sts.cn-north-1.amazonaws.com.cn cn-north-1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn endpoint_url_of_sts_precedes_general_one() {
    assert_targets(&[
        (&[IRELAND, CUSTOM], "http://a.example:4566 eu-west-1"),
        (&[IRELAND, CUSTOM_STS], "http://b.example eu-west-1"),
        (&[IRELAND, CUSTOM, CUSTOM_STS], "http://b.example eu-west-1"),
        (&[IRELAND, CUSTOM, ("AWS_ENDPOINT_URL_STS", "")], "http://a.example:4566 eu-west-1"),
    ])
    .await;
}

#[tokio::test]
async fn ignore_setting_disables_endpoint_urls() {
    assert_targets(&[
        (&[IRELAND, CUSTOM, CUSTOM_STS, IGNORE], REGIONAL),
        (&[IRELAND, ("AWS_ENDPOINT_URL", "invalid"), IGNORE], REGIONAL),
        (
            &[IRELAND, CUSTOM, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")],
            "http://a.example:4566 eu-west-1",
        ),
        (
            &[IRELAND, CUSTOM, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "")],
            "http://a.example:4566 eu-west-1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn fips_and_dual_stack_settings_select_endpoint() {
    assert_targets(&[
        (&[IRELAND, FIPS], "https://sts-fips.eu-west-1.amazonaws.com eu-west-1"),
        (&[IRELAND, DUAL_STACK], "https://sts.eu-west-1.api.aws eu-west-1"),
        (&[IRELAND, FIPS, DUAL_STACK], "https://sts-fips.eu-west-1.api.aws eu-west-1"),
        (
            &[IRELAND, ("AWS_USE_FIPS_ENDPOINT", "TRUE")],
            "https://sts-fips.eu-west-1.amazonaws.com eu-west-1",
        ),
        (&[IRELAND, ("AWS_USE_FIPS_ENDPOINT", "false")], REGIONAL),
        (&[IRELAND, FIPS, CUSTOM, IGNORE], "https://sts-fips.eu-west-1.amazonaws.com eu-west-1"),
    ])
    .await;
}

#[tokio::test]
async fn environment_precedes_profile() {
    let region = ("region", "eu-west-1");
    let url = ("endpoint_url", "http://c.example");
    let url_of_sts = (STS_URL, "http://d.example");
    let rows: &[(Settings<'_>, Settings<'_>, &str)] = &[
        (&[], &[region], REGIONAL),
        (&[("AWS_REGION", "")], &[region], REGIONAL),
        (
            &[("AWS_REGION", "us-west-2")],
            &[region],
            "https://sts.us-west-2.amazonaws.com us-west-2",
        ),
        (
            &[("AWS_DEFAULT_REGION", "us-west-2")],
            &[region],
            "https://sts.us-west-2.amazonaws.com us-west-2",
        ),
        (&[IRELAND], &[("region", "")], REGIONAL),
        (&[], &[region, ("sts_regional_endpoints", "legacy")], GLOBAL),
        (
            &[("AWS_STS_REGIONAL_ENDPOINTS", "regional")],
            &[region, ("sts_regional_endpoints", "legacy")],
            REGIONAL,
        ),
        (&[], &[region, url], "http://c.example eu-west-1"),
        (&[], &[region, url, url_of_sts], "http://d.example eu-west-1"),
        (&[CUSTOM], &[region, url, url_of_sts], "http://a.example:4566 eu-west-1"),
        (&[IGNORE], &[region, url, url_of_sts], REGIONAL),
        (&[], &[region, url, ("ignore_configured_endpoint_urls", "true")], REGIONAL),
        (&[CUSTOM], &[region, ("ignore_configured_endpoint_urls", "true")], REGIONAL),
        (
            &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")],
            &[region, url, ("ignore_configured_endpoint_urls", "true")],
            "http://c.example eu-west-1",
        ),
        (
            &[],
            &[region, ("use_fips_endpoint", "true"), ("use_dualstack_endpoint", "true")],
            "https://sts-fips.eu-west-1.api.aws eu-west-1",
        ),
        (&[("AWS_USE_FIPS_ENDPOINT", "false")], &[region, ("use_fips_endpoint", "true")], REGIONAL),
    ];
    for (variables, profile, expected) in rows {
        let endpoint = endpoint(variables, profile).unwrap();
        assert_eq!(capture_target(endpoint).await, *expected, "{variables:?} {profile:?}");
    }
}

#[test]
fn profile_settings_list_every_key() {
    let keys: Vec<&str> = ProfileSettings::keys().collect();
    let expected = [
        "region",
        "sts_regional_endpoints",
        "services.sts.endpoint_url",
        "endpoint_url",
        "ignore_configured_endpoint_urls",
        "use_fips_endpoint",
        "use_dualstack_endpoint",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn invalid_setting_error_names_origin_and_fault() {
    let region = ("region", "eu-west-1");
    let invalid_region = |value: &str, origin: &str| {
        let error = SessionError::from(Region::parse(value).unwrap_err());
        format!("{error}; hint: check {origin}")
    };
    let invalid_value = |value: &str, origin: &str, expected: &str| {
        format!("`{value}` is not a valid value of {origin}; hint: set it to {expected}")
    };
    let invalid_url = |value: &str, origin: &str| {
        format!(
            "`{value}` is not a valid endpoint URL: it does not begin with http:// or https://; \
             expected a URL such as https://sts.example.com; hint: check {origin}"
        )
    };
    let conflict = |variable: &str| {
        format!(
            "the environment variable {variable} cannot be combined with a FIPS or dual-stack \
             endpoint; hint: unset one of them, or set AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"
        )
    };
    let boolean = |variable: &str, value: &str| {
        invalid_value(value, &format!("the environment variable {variable}"), "true or false")
    };
    let rows: &[(Settings<'_>, Settings<'_>, String)] = &[
        (
            &[],
            &[],
            "no Region is set for the STS endpoint; hint: set AWS_REGION to the nearest Region, \
             such as eu-west-1"
                .into(),
        ),
        (
            &[("AWS_REGION", "Frankfurt")],
            &[],
            invalid_region("Frankfurt", "the environment variable AWS_REGION"),
        ),
        (
            &[("AWS_DEFAULT_REGION", "eu west 1")],
            &[],
            invalid_region("eu west 1", "the environment variable AWS_DEFAULT_REGION"),
        ),
        (
            &[],
            &[("region", "Frankfurt")],
            invalid_region("Frankfurt", "region in the profile \"shop\""),
        ),
        (
            &[IRELAND, ("AWS_STS_REGIONAL_ENDPOINTS", "global")],
            &[],
            invalid_value(
                "global",
                "the environment variable AWS_STS_REGIONAL_ENDPOINTS",
                "regional or legacy",
            ),
        ),
        (
            &[],
            &[region, ("sts_regional_endpoints", "global")],
            invalid_value(
                "global",
                "sts_regional_endpoints in the profile \"shop\"",
                "regional or legacy",
            ),
        ),
        (
            &[IRELAND, ("AWS_USE_FIPS_ENDPOINT", "yes")],
            &[],
            boolean("AWS_USE_FIPS_ENDPOINT", "yes"),
        ),
        (
            &[IRELAND, ("AWS_USE_DUALSTACK_ENDPOINT", "1")],
            &[],
            boolean("AWS_USE_DUALSTACK_ENDPOINT", "1"),
        ),
        (
            &[IRELAND, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "1")],
            &[],
            boolean("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "1"),
        ),
        (
            &[IRELAND, ("AWS_ENDPOINT_URL_STS", "sts.example.com")],
            &[],
            invalid_url("sts.example.com", "the environment variable AWS_ENDPOINT_URL_STS"),
        ),
        (
            &[],
            &[region, (STS_URL, "ftp://sts.example.com")],
            invalid_url(
                "ftp://sts.example.com",
                "services.sts.endpoint_url in the profile \"shop\"",
            ),
        ),
        (&[IRELAND, CUSTOM, FIPS], &[], conflict("AWS_ENDPOINT_URL")),
        (
            &[CUSTOM_STS],
            &[region, ("use_dualstack_endpoint", "true")],
            conflict("AWS_ENDPOINT_URL_STS"),
        ),
    ];
    for (variables, profile, expected) in rows {
        let error = endpoint(variables, profile).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::InvalidConfig, expected.clone()),
            "{variables:?} {profile:?}"
        );
    }
}

#[tokio::test]
async fn request_uses_proxy_of_environment() {
    let proxy = wiremock::MockServer::start().await;
    let response = wiremock::ResponseTemplate::new(503);
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(response).mount(&proxy).await;
    let region = Region::parse("eu-west-1").unwrap();
    let endpoint = Endpoint::custom("http://sts.example.invalid", region).unwrap();
    let count_requests = async |variables: Settings<'_>| {
        let environment = Environment::fixed(variables.iter().copied());
        let builder = StsClient::builder(endpoint.clone()).proxy_from(&environment).unwrap();
        builder.build().caller_identity(&signer(), FetchMode::Background).await.unwrap_err();
        proxy.received_requests().await.unwrap().len()
    };
    let uri = proxy.uri();
    assert_eq!(count_requests(&[("NO_PROXY", "example.invalid"), ("HTTP_PROXY", &uri)]).await, 0);
    assert_eq!(count_requests(&[("HTTPS_PROXY", &uri)]).await, 0);
    assert_eq!(count_requests(&[("HTTP_PROXY", &uri)]).await, 1);
    let received = &proxy.received_requests().await.unwrap()[0];
    assert_eq!(received.headers.get("host").unwrap(), "sts.example.invalid");
}

/// Records the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn endpoint_without_tls_is_logged_unless_local() {
    for (url, expected) in [
        ("http://sts.example.com", true),
        ("https://sts.example.com", false),
        ("http://127.0.0.1:4566", false),
        ("https://127.0.0.1:4566", false),
    ] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let endpoint = Endpoint::custom(url, Region::parse("eu-west-1").unwrap()).unwrap();
        tracing::subscriber::with_default(subscriber, || StsClient::new(endpoint));
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.contains("without TLS"), expected, "{url}: {text}");
    }
}

/// The default client leaves TLS out for `http://` on this machine only.
#[tokio::test]
async fn local_https_endpoint_is_called_with_tls() {
    const HANDSHAKE: u8 = 22;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", server.local_addr().unwrap());
    let sts = StsClient::new(Endpoint::custom(&url, Region::parse("eu-west-1").unwrap()).unwrap());
    let signer = signer();
    let first_byte = async {
        let (mut stream, _) = server.accept().await.unwrap();
        stream.read_u8().await.unwrap()
    };
    tokio::select! {
        byte = first_byte => assert_eq!(byte, HANDSHAKE),
        result = sts.caller_identity(&signer, FetchMode::Background) => panic!("{result:?}"),
    }
}

#[derive(Debug)]
struct FailingConnector(fn() -> ConnectorError);

impl HttpConnector for FailingConnector {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err((self.0)()))
    }
}

#[tokio::test]
async fn failed_request_error_names_the_stage() {
    type Row = (fn() -> ConnectorError, ErrorKind, &'static str);
    let failures: [Row; 3] = [
        (
            || ConnectorError::user("fault".into()),
            ErrorKind::InvalidConfig,
            "cannot send the request to STS in eu-west-1",
        ),
        (
            || ConnectorError::io("fault".into()),
            ErrorKind::Unavailable,
            "cannot connect to STS in eu-west-1",
        ),
        (
            || ConnectorError::other("fault".into(), None),
            ErrorKind::Unavailable,
            "the connection to STS in eu-west-1 closed before the response was complete",
        ),
    ];
    for (failure, kind, message) in failures {
        let connector = SharedHttpConnector::new(FailingConnector(failure));
        let http = http_client_fn(move |_, _| connector.clone());
        let sts = StsClient::builder(endpoint(&[IRELAND], &[]).unwrap()).http_client(http).build();
        let error = sts.caller_identity(&signer(), FetchMode::Background).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message));
        assert!(error.report().contains("fault"), "{}", error.report());
    }
}

#[tokio::test]
async fn unreachable_endpoint_error_names_url() {
    let http = http_client_fn(|_, _| SharedHttpConnector::new(Capture::default()));
    for (variables, url) in [
        (&[IRELAND][..], "https://sts.eu-west-1.amazonaws.com"),
        (&[IRELAND, LEGACY], "https://sts.amazonaws.com"),
        (&[IRELAND, CUSTOM], "http://a.example:4566"),
    ] {
        let sts = StsClient::builder(endpoint(variables, &[]).unwrap()).http_client(http.clone());
        let result = sts.build().caller_identity(&signer(), FetchMode::Background).await;
        let error = result.unwrap_err();
        let hint = format!("check that this machine can reach {url} (address, proxy, firewall)");
        assert_eq!(error.hint(), Some(hint.as_str()));
        assert!(error.report().contains("not sent"), "{}", error.report());
    }
}

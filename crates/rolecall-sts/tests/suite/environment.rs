//! Each combination of the variables and a profile's settings: where the request goes, and for which Region it is signed.

use std::sync::{Arc, Mutex};

use aws_sdk_sts::config::http::HttpRequest;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use rolecall_core::{Environment, ErrorKind, FetchContext, FetchError};
use rolecall_sts::{Endpoint, ProfileSettings, StsClient};

use crate::signer;

type Settings<'a> = &'a [(&'a str, &'a str)];

const STS_URL: &str = ProfileSettings::STS_ENDPOINT_URL;

fn endpoint(variables: Settings<'_>, profile: Settings<'_>) -> Result<Endpoint, FetchError> {
    let environment = Environment::fixed(variables.iter().copied());
    if profile.is_empty() {
        return Endpoint::from_environment(&environment);
    }
    let settings = profile
        .iter()
        .fold(ProfileSettings::new("shop"), |profile, (key, value)| profile.set(*key, *value));
    Endpoint::from_environment_or_profile(&environment, &settings)
}

/// Keeps where a request would have gone, and what it was signed for.
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

async fn sent_to(endpoint: Endpoint) -> String {
    let capture = Capture::default();
    let connector = SharedHttpConnector::new(capture.clone());
    let http = http_client_fn(move |_, _| connector.clone());
    let sts = StsClient::builder(endpoint).http_client(http).build();
    sts.caller_identity(&signer(), FetchContext::background()).await.unwrap_err();
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

const OF_IRELAND: &str = "https://sts.eu-west-1.amazonaws.com eu-west-1";
const GLOBAL: &str = "https://sts.amazonaws.com us-east-1";

async fn go_to(rows: &[(Settings<'_>, &str)]) {
    for (variables, expected) in rows {
        let endpoint = endpoint(variables, &[]).unwrap();
        assert_eq!(sent_to(endpoint).await, *expected, "{variables:?}");
    }
}

#[tokio::test]
async fn aws_region_then_aws_default_region() {
    go_to(&[
        (&[IRELAND], OF_IRELAND),
        (&[("AWS_DEFAULT_REGION", "eu-west-1")], OF_IRELAND),
        (&[IRELAND, ("AWS_DEFAULT_REGION", "us-east-1")], OF_IRELAND),
        (&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")], OF_IRELAND),
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
async fn aws_sts_regional_endpoints() {
    go_to(&[
        (&[IRELAND, ("AWS_STS_REGIONAL_ENDPOINTS", "regional")], OF_IRELAND),
        (&[IRELAND, ("AWS_STS_REGIONAL_ENDPOINTS", "Regional")], OF_IRELAND),
        (&[IRELAND, ("AWS_STS_REGIONAL_ENDPOINTS", "")], OF_IRELAND),
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
async fn aws_endpoint_url_sts_then_aws_endpoint_url() {
    go_to(&[
        (&[IRELAND, CUSTOM], "http://a.example:4566 eu-west-1"),
        (&[IRELAND, CUSTOM_STS], "http://b.example eu-west-1"),
        (&[IRELAND, CUSTOM, CUSTOM_STS], "http://b.example eu-west-1"),
        (&[IRELAND, CUSTOM, ("AWS_ENDPOINT_URL_STS", "")], "http://a.example:4566 eu-west-1"),
    ])
    .await;
}

#[tokio::test]
async fn aws_ignore_configured_endpoint_urls() {
    go_to(&[
        (&[IRELAND, CUSTOM, CUSTOM_STS, IGNORE], OF_IRELAND),
        (&[IRELAND, ("AWS_ENDPOINT_URL", "nonsense"), IGNORE], OF_IRELAND),
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
async fn aws_use_fips_endpoint_aws_use_dualstack_endpoint() {
    go_to(&[
        (&[IRELAND, FIPS], "https://sts-fips.eu-west-1.amazonaws.com eu-west-1"),
        (&[IRELAND, DUAL_STACK], "https://sts.eu-west-1.api.aws eu-west-1"),
        (&[IRELAND, FIPS, DUAL_STACK], "https://sts-fips.eu-west-1.api.aws eu-west-1"),
        (
            &[IRELAND, ("AWS_USE_FIPS_ENDPOINT", "TRUE")],
            "https://sts-fips.eu-west-1.amazonaws.com eu-west-1",
        ),
        (&[IRELAND, ("AWS_USE_FIPS_ENDPOINT", "false")], OF_IRELAND),
        (&[IRELAND, FIPS, CUSTOM, IGNORE], "https://sts-fips.eu-west-1.amazonaws.com eu-west-1"),
    ])
    .await;
}

#[tokio::test]
async fn the_environment_counts_before_the_profile() {
    let region = ("region", "eu-west-1");
    let url = ("endpoint_url", "http://c.example");
    let url_of_sts = (STS_URL, "http://d.example");
    let rows: &[(Settings<'_>, Settings<'_>, &str)] = &[
        (&[], &[region], OF_IRELAND),
        (&[("AWS_REGION", "")], &[region], OF_IRELAND),
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
        (&[IRELAND], &[("region", "")], OF_IRELAND),
        (&[], &[region, ("sts_regional_endpoints", "legacy")], GLOBAL),
        (
            &[("AWS_STS_REGIONAL_ENDPOINTS", "regional")],
            &[region, ("sts_regional_endpoints", "legacy")],
            OF_IRELAND,
        ),
        (&[], &[region, url], "http://c.example eu-west-1"),
        (&[], &[region, url, url_of_sts], "http://d.example eu-west-1"),
        (&[CUSTOM], &[region, url, url_of_sts], "http://a.example:4566 eu-west-1"),
        (&[IGNORE], &[region, url, url_of_sts], OF_IRELAND),
        (&[], &[region, url, ("ignore_configured_endpoint_urls", "true")], OF_IRELAND),
        (&[CUSTOM], &[region, ("ignore_configured_endpoint_urls", "true")], OF_IRELAND),
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
        (
            &[("AWS_USE_FIPS_ENDPOINT", "false")],
            &[region, ("use_fips_endpoint", "true")],
            OF_IRELAND,
        ),
    ];
    for (variables, profile, expected) in rows {
        let endpoint = endpoint(variables, profile).unwrap();
        assert_eq!(sent_to(endpoint).await, *expected, "{variables:?} {profile:?}");
    }
}

#[test]
fn a_wrong_setting_is_named_with_its_place_and_its_fault() {
    let region = ("region", "eu-west-1");
    let rows: &[(Settings<'_>, Settings<'_>, &str)] = &[
        (
            &[],
            &[],
            "no Region is set; look at: set AWS_REGION to the Region whose STS is nearest, as eu-west-1",
        ),
        (
            &[("AWS_REGION", "Frankfurt")],
            &[],
            "\"Frankfurt\" is not a Region: a Region is a code as eu-west-1 or us-gov-east-1; look at: the environment \
             variable AWS_REGION",
        ),
        (
            &[("AWS_DEFAULT_REGION", "eu west 1")],
            &[],
            "\"eu west 1\" is not a Region: a Region is a code as eu-west-1 or us-gov-east-1; look at: the environment \
             variable AWS_DEFAULT_REGION",
        ),
        (
            &[],
            &[("region", "Frankfurt")],
            "\"Frankfurt\" is not a Region: a Region is a code as eu-west-1 or us-gov-east-1; look at: region of the \
             profile \"shop\"",
        ),
        (
            &[IRELAND, ("AWS_STS_REGIONAL_ENDPOINTS", "global")],
            &[],
            "the environment variable AWS_STS_REGIONAL_ENDPOINTS is \"global\"; it must be regional or legacy",
        ),
        (
            &[],
            &[region, ("sts_regional_endpoints", "global")],
            "sts_regional_endpoints of the profile \"shop\" is \"global\"; it must be regional or legacy",
        ),
        (
            &[IRELAND, ("AWS_USE_FIPS_ENDPOINT", "yes")],
            &[],
            "the environment variable AWS_USE_FIPS_ENDPOINT is \"yes\"; it must be true or false",
        ),
        (
            &[IRELAND, ("AWS_USE_DUALSTACK_ENDPOINT", "1")],
            &[],
            "the environment variable AWS_USE_DUALSTACK_ENDPOINT is \"1\"; it must be true or false",
        ),
        (
            &[IRELAND, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "1")],
            &[],
            "the environment variable AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is \"1\"; it must be true or false",
        ),
        (
            &[IRELAND, ("AWS_ENDPOINT_URL_STS", "sts.example.com")],
            &[],
            "\"sts.example.com\" is no endpoint URL: it does not begin with http:// or https://; it must be as \
             https://sts.example.com; look at: the environment variable AWS_ENDPOINT_URL_STS",
        ),
        (
            &[],
            &[region, (STS_URL, "ftp://sts.example.com")],
            "\"ftp://sts.example.com\" is no endpoint URL: it does not begin with http:// or https://; it must be as \
             https://sts.example.com; look at: services.sts.endpoint_url of the profile \"shop\"",
        ),
        (
            &[IRELAND, CUSTOM, FIPS],
            &[],
            "the environment variable AWS_ENDPOINT_URL cannot be combined with a FIPS or dual-stack endpoint; look at: \
             unset one of them, or set AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
        ),
        (
            &[CUSTOM_STS],
            &[region, ("use_dualstack_endpoint", "true")],
            "the environment variable AWS_ENDPOINT_URL_STS cannot be combined with a FIPS or dual-stack endpoint; look \
             at: unset one of them, or set AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
        ),
    ];
    for (variables, profile, expected) in rows {
        let error = endpoint(variables, profile).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::InvalidConfig, *expected),
            "{variables:?} {profile:?}"
        );
    }
}

#[tokio::test]
async fn a_request_goes_by_the_proxy_that_the_environment_names() {
    let proxy = wiremock::MockServer::start().await;
    let answer = wiremock::ResponseTemplate::new(503);
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&proxy).await;
    let region = rolecall_sts::Region::parse("eu-west-1").unwrap();
    let endpoint = Endpoint::custom("http://sts.example.invalid", region).unwrap();
    let ask = async |variables: Settings<'_>| {
        let environment = Environment::fixed(variables.iter().copied());
        let builder = StsClient::builder(endpoint.clone()).proxy_from(&environment).unwrap();
        builder.build().caller_identity(&signer(), FetchContext::background()).await.unwrap_err();
        proxy.received_requests().await.unwrap().len()
    };
    let uri = proxy.uri();
    assert_eq!(ask(&[("NO_PROXY", "example.invalid"), ("HTTP_PROXY", &uri)]).await, 0);
    assert_eq!(ask(&[("HTTPS_PROXY", &uri)]).await, 0);
    assert_eq!(ask(&[("HTTP_PROXY", &uri)]).await, 1);
    let asked = &proxy.received_requests().await.unwrap()[0];
    assert_eq!(asked.headers.get("host").unwrap(), "sts.example.invalid");
}

#[tokio::test]
async fn who_cannot_be_reached_is_named_by_its_url() {
    let http = http_client_fn(|_, _| SharedHttpConnector::new(Capture::default()));
    for (variables, url) in [
        (&[IRELAND][..], "https://sts.eu-west-1.amazonaws.com"),
        (&[IRELAND, LEGACY], "https://sts.amazonaws.com"),
        (&[IRELAND, CUSTOM], "http://a.example:4566"),
    ] {
        let sts = StsClient::builder(endpoint(variables, &[]).unwrap()).http_client(http.clone());
        let asked = sts.build().caller_identity(&signer(), FetchContext::background()).await;
        let error = asked.unwrap_err();
        let hint = format!("whether this machine reaches {url} (address, proxy, firewall)");
        assert_eq!(error.hint(), Some(hint.as_str()));
        assert!(error.report().contains("not sent"), "why: {}", error.report());
    }
}

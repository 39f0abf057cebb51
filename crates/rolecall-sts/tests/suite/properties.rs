//! Properties: no environment and no response causes a panic or reveals a secret.

use aws_sdk_sts::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_types::body::SdkBody;
use proptest::prelude::*;
use rolecall_core::{Environment, ErrorKind, FetchMode, Session, SessionError};
use rolecall_sts::{CallerIdentity, Endpoint, Region, StsClient};

use crate::{AN_HOUR_LATER, DATE, USER, error_body, request, session_body, signer};

/// Sends the same response to every request.
#[derive(Clone, Debug)]
struct FixedResponse {
    status: u16,
    date: String,
    body: Vec<u8>,
}

impl HttpConnector for FixedResponse {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let status = self.status.try_into().unwrap();
        let mut response = HttpResponse::new(status, SdkBody::from(self.body.clone()));
        // A text that is not a valid header value cannot be sent as one.
        let _ = response.headers_mut().try_insert("date", self.date.clone());
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn assume_role(response: FixedResponse) -> Result<Session, SessionError> {
    let connector = SharedHttpConnector::new(response);
    let http = http_client_fn(move |_, _| connector.clone());
    let endpoint = Endpoint::regional(Region::parse("eu-west-1").unwrap());
    let sts = StsClient::builder(endpoint).http_client(http).build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(sts.assume_role(&signer(), &request(), FetchMode::Background))
}

const SECRET: &str = "the-secret-of-the-response";

/// A session or an error of STS, possibly damaged, or any other text.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        Just(session_body(SECRET, AN_HOUR_LATER, USER).into_bytes()),
        Just(error_body("AccessDenied", "no").into_bytes()),
    ];
    let damaged =
        (valid, any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..6, any::<u8>())
            .prop_map(|(mut body, from, to, how, byte)| {
                let (a, b) = (from.index(body.len()), to.index(body.len()));
                let range = a.min(b)..a.max(b);
                match how {
                    0 => body.truncate(a),
                    1 => body[a] = byte,
                    2 => drop(body.drain(range)),
                    3 => {
                        let again = body[range].to_vec();
                        body.splice(a..a, again);
                    }
                    4 => body.insert(a, byte),
                    _ => {}
                }
                body
            });
    prop_oneof![
        6 => damaged,
        1 => proptest::collection::vec(any::<u8>(), 0..300),
        1 => (1_usize..20_000).prop_map(|depth| "<a>".repeat(depth).into_bytes()),
        1 => any::<String>().prop_map(|text| session_body(SECRET, &text, &text).into_bytes()),
        1 => (any::<String>(), any::<String>()).prop_map(|(c, m)| error_body(&c, &m).into_bytes()),
    ]
}

proptest! {
    #[test]
    fn any_response_is_session_or_error_without_secret(
        status in prop_oneof![Just(200_u16), Just(400), Just(403), Just(500), 200_u16..600],
        date in prop_oneof![
            Just(DATE.to_owned()),
            (0_u8..15).prop_map(|hour| format!("Tue, 03 Feb 2026 {hour:02}:00:00 GMT")),
            any::<String>(),
        ],
        body in body(),
    ) {
        match assume_role(FixedResponse { status, date, body }) {
            Ok(session) => {
                let keys = session.credentials();
                prop_assert!(status < 400 && !keys.secret_access_key().is_empty());
                prop_assert!(keys.session_token().is_some() && session.expires_at().is_some());
                prop_assert!(session.lifetime().unwrap().as_secs() <= 3600);
            }
            Err(error) => {
                let shown = format!("{error} {error:?} {}", error.report());
                prop_assert!(!shown.contains(SECRET) && !shown.contains("the-token"), "{shown}");
                prop_assert!(shown.len() < 60_000 && !error.to_string().contains(char::is_control));
            }
        }
    }

    #[test]
    fn any_environment_has_endpoint_or_named_error(
        values in proptest::collection::vec(
            proptest::option::of(prop_oneof![
                Just("eu-west-1".to_owned()),
                Just("true".to_owned()),
                Just("legacy".to_owned()),
                Just("https://sts.example.com:1/x".to_owned()),
                "[a-z]{2,4}-[a-z]{2,9}-[0-9]{1,3}",
                "(http|https|ftp)://[!-~]{0,20}",
                any::<String>(),
            ]),
            8,
        ),
    ) {
        const VARIABLES: [&str; 8] = [
            "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_ENDPOINT_URL_STS",
            "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT",
            "AWS_USE_DUALSTACK_ENDPOINT",
        ];
        let set = VARIABLES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?.replace('\0', ""))));
        let set: Vec<(&str, String)> = set.collect();
        match Endpoint::from_environment(&Environment::fixed(set.clone())) {
            Ok(endpoint) => {
                let region = endpoint.region().as_str();
                prop_assert!(set.iter().any(|(_, value)| value == region), "{endpoint} of {set:?}");
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidConfig);
                let text = error.to_string();
                prop_assert!(text.len() < 1000 && text.contains("AWS_"), "{text}");
            }
        }
    }

    #[test]
    fn any_text_parses_unchanged_or_is_rejected(
        text in any::<String>(),
        near in "arn:aws:(iam|sts)::[0-9]{11,13}:[ -~]{0,30}",
    ) {
        for text in [text, near] {
            if let Ok(region) = Region::parse(&text) {
                prop_assert_eq!(region.as_str(), &text);
            }
            if let Some(identity) = CallerIdentity::parse(&text, "id") {
                prop_assert_eq!(&identity.arn, &text);
                prop_assert_eq!(identity.account.as_str().len(), 12);
            }
        }
    }
}

//! The attempts of a call: the pauses between them, and the time by which each is signed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_sts::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_types::body::SdkBody;
use rolecall_core::{Clock, FetchMode, ManualClock};
use rolecall_sts::{Endpoint, Region, StsClient};
use tokio::time::Instant;

use crate::{DATE, error_body, signer};

/// Sends the same error to every request, and records the times of their signatures.
#[derive(Clone, Debug)]
struct FailingSts {
    status: u16,
    body: String,
    signed_at: Arc<Mutex<Vec<String>>>,
}

impl FailingSts {
    fn new(status: u16, body: String) -> Self {
        Self { status, body, signed_at: Arc::default() }
    }

    fn client(&self, clock: Clock) -> StsClient {
        let connector = SharedHttpConnector::new(self.clone());
        let http = http_client_fn(move |_, _| connector.clone());
        let endpoint = Endpoint::regional(Region::parse("eu-west-1").unwrap());
        StsClient::builder(endpoint).clock(clock).http_client(http).build()
    }

    fn signed_at(&self) -> Vec<String> {
        self.signed_at.lock().unwrap().clone()
    }
}

impl HttpConnector for FailingSts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let signed_at = request.headers().get("x-amz-date").unwrap().to_owned();
        self.signed_at.lock().unwrap().push(signed_at);
        let status = self.status.try_into().unwrap();
        let mut response = HttpResponse::new(status, SdkBody::from(self.body.clone()));
        response.headers_mut().insert("date", DATE);
        HttpConnectorFuture::ready(Ok(response))
    }
}

#[tokio::test]
async fn clock_error_is_signed_again_by_server_time() {
    const ON_TIME: &str = "20260203T120000Z";
    const LATE: &str = "20260203T122000Z";
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_120_000);
    let expired = "Signature expired: 20260203T114000Z is now earlier than 20260203T114500Z";
    let early = "Signature not yet current: 20260203T122000Z is still later than 20260203T121500Z";
    for (code, message, skew, expected) in [
        ("SignatureDoesNotMatch", expired, 20, &[LATE, ON_TIME][..]),
        ("SignatureDoesNotMatch", early, 20, &[LATE, ON_TIME]),
        // Without a message, the skew alone tells a wrong clock from a wrong secret key.
        ("SignatureDoesNotMatch", "", 20, &[LATE, ON_TIME]),
        ("SignatureDoesNotMatch", "", 0, &[ON_TIME]),
        ("RequestExpired", "", 0, &[ON_TIME, ON_TIME]),
        ("AccessDenied", "", 20, &[LATE]),
    ] {
        let sts = FailingSts::new(403, error_body(code, message));
        let client = sts.client(ManualClock::at(date + Duration::from_secs(60 * skew)).clock());
        client.caller_identity(&signer(), FetchMode::Background).await.unwrap_err();
        assert_eq!(sts.signed_at(), expected, "{code} {message:?} at {skew} min");
    }
}

#[tokio::test(start_paused = true)]
async fn pause_grows_up_to_its_maximum() {
    let mut longest = Duration::ZERO;
    for _ in 0..100 {
        let sts = FailingSts::new(503, String::new());
        let started = Instant::now();
        let client = sts.client(Clock::system());
        client.caller_identity(&signer(), FetchMode::Foreground).await.unwrap_err();
        longest = longest.max(started.elapsed());
        assert_eq!(sts.signed_at().len(), 3);
    }
    // Up to 100 ms before the second attempt and up to 200 ms before the third. The runtime rounds
    // each pause up to a millisecond. A call exceeds 200 ms with a probability of one in four.
    let expected = 2 * StsClient::INITIAL_BACKOFF..=3 * StsClient::INITIAL_BACKOFF;
    assert!(expected.contains(&longest.saturating_sub(Duration::from_millis(2))), "{longest:?}");
}

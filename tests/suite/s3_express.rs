//! S3 Express is not covered by the retry of rejected sessions: the SDK's session client runs
//! without the interceptors of the S3 client.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_s3::error::DisplayErrorContext;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use rolecall::CachedProvider;
use rolecall::cache::State;
use rolecall::provider::{Credentials, ProvideSessionFn, provide_session_fn};
use rolecall::sdk::retry_invalid_session;
use rolecall::{Session, SessionError};

const DIRECTORY_BUCKET: &str = "orders--usw2-az1--x-s3";
const NORMAL_BUCKET: &str = "orders";
const FIRST_KEY: &str = "AKIAIOSFODNN7EXAMPL1";
const SECOND_KEY: &str = "AKIAIOSFODNN7EXAMPL2";
/// The key of the session that CreateSession returns.
const EXPRESS_KEY: &str = "ASIAIOSFODNN7EXAMPLE";

const EXPIRED: &str = "<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>";
const EMPTY_LIST: &str = "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>";

/// An S3 that rejects some access keys, and records each request.
#[derive(Clone, Debug)]
struct FakeS3 {
    rejected: &'static [&'static str],
    /// The operation and the access key that signed it.
    requests: Arc<Mutex<Vec<(&'static str, String)>>>,
}

impl FakeS3 {
    fn rejecting(rejected: &'static [&'static str]) -> Self {
        Self { rejected, requests: Arc::default() }
    }

    fn respond(&self, request: &HttpRequest) -> HttpResponse {
        let operation = match request.uri().contains("?session") {
            true => "CreateSession",
            false => "ListObjectsV2",
        };
        let authorization = request.headers().get("authorization").unwrap();
        let (_, credential) = authorization.split_once("Credential=").unwrap();
        let key = credential.split_once('/').unwrap().0.to_owned();
        let (status, body) = match operation {
            _ if self.rejected.contains(&key.as_str()) => (400, EXPIRED.to_owned()),
            "CreateSession" => (200, express_session()),
            _ => (200, EMPTY_LIST.to_owned()),
        };
        self.requests.lock().unwrap().push((operation, key));
        HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
    }

    fn requests(&self) -> Vec<(&'static str, String)> {
        self.requests.lock().unwrap().clone()
    }
}

impl HttpConnector for FakeS3 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Ok(self.respond(&request)))
    }
}

fn express_session() -> String {
    format!(
        "<CreateSessionResult><Credentials><AccessKeyId>{EXPRESS_KEY}</AccessKeyId>\
         <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
         <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>"
    )
}

type Provider = CachedProvider<ProvideSessionFn>;

/// Returns a provider of the first key, then of the second one.
fn two_keys() -> Provider {
    let fetches = AtomicUsize::new(0);
    CachedProvider::new(provide_session_fn("test", move |_| {
        let key = [FIRST_KEY, SECOND_KEY][fetches.fetch_add(1, Ordering::Relaxed).min(1)];
        let keys = Credentials::new(key, "secret", Some("token".into()), None, "test");
        async { Ok::<_, SessionError>(Session::builder(keys).build()) }
    }))
}

/// Lists the objects of a bucket with a client that retries rejected sessions.
async fn list(bucket: &str, s3: &FakeS3, provider: &Provider) -> Result<(), String> {
    let connector = SharedHttpConnector::new(s3.clone());
    let config = rolecall::sdk_config(provider.clone())
        .region("us-west-2")
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .load()
        .await;
    let config = aws_sdk_s3::config::Builder::from(&config);
    let client = aws_sdk_s3::Client::from_conf(retry_invalid_session!(config, provider).build());
    match client.list_objects_v2().bucket(bucket).send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(DisplayErrorContext(&error).to_string()),
    }
}

async fn cached_key(provider: &Provider) -> (State, String) {
    (provider.status().state, provider.session().await.unwrap().access_key_id().to_owned())
}

fn signed(operation: &'static str, key: &str) -> (&'static str, String) {
    (operation, key.to_owned())
}

#[tokio::test]
async fn rejected_create_session_keeps_cached_session() {
    let (s3, provider) = (FakeS3::rejecting(&[FIRST_KEY]), two_keys());
    let error = list(DIRECTORY_BUCKET, &s3, &provider).await.unwrap_err();
    assert!(error.contains("ExpiredToken"), "{error}");
    assert_eq!(s3.requests(), [signed("CreateSession", FIRST_KEY)]);
    assert_eq!(cached_key(&provider).await, (State::Fresh, FIRST_KEY.into()));
}

#[tokio::test]
async fn rejected_express_key_keeps_cached_session() {
    let (s3, provider) = (FakeS3::rejecting(&[EXPRESS_KEY]), two_keys());
    let error = list(DIRECTORY_BUCKET, &s3, &provider).await.unwrap_err();
    assert!(error.contains("ExpiredToken"), "{error}");
    let requests = [signed("CreateSession", FIRST_KEY), signed("ListObjectsV2", EXPRESS_KEY)];
    assert_eq!(s3.requests(), requests);
    assert_eq!(cached_key(&provider).await, (State::Fresh, FIRST_KEY.into()));
}

// The same client with a bucket that is not a directory bucket.
#[tokio::test]
async fn rejected_session_of_normal_bucket_is_replaced() {
    let (s3, provider) = (FakeS3::rejecting(&[FIRST_KEY]), two_keys());
    list(NORMAL_BUCKET, &s3, &provider).await.unwrap();
    let requests = [signed("ListObjectsV2", FIRST_KEY), signed("ListObjectsV2", SECOND_KEY)];
    assert_eq!(s3.requests(), requests);
    assert_eq!(cached_key(&provider).await, (State::Fresh, SECOND_KEY.into()));
}

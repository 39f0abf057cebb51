//! object_store: the credential provider of an S3 store that is configured with a web identity.

use std::hint::black_box;
use std::time::Duration;

use async_trait::async_trait;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{ClientOptions, RetryConfig};
use tempfile::NamedTempFile;

use super::{Cache, Outcome, Peer};
use crate::sts::Sts;

pub(crate) struct ObjectStore {
    provider: AwsCredentialProvider,
    _token: NamedTempFile,
}

impl Cache for ObjectStore {
    async fn call(&self) -> bool {
        black_box(self.provider.get_credential().await).is_ok()
    }
}

impl Peer for ObjectStore {
    const NAME: &'static str = "object_store, web identity";
    const MARGIN: Duration = Duration::from_secs(300);

    async fn create(sts: &Sts) -> Outcome<Self> {
        let token = NamedTempFile::new()?;
        std::fs::write(token.path(), "the-web-identity-token")?;
        // One call of the cache is one call of STS, as for the other candidates.
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let store = AmazonS3Builder::new()
            .with_bucket_name("orders")
            .with_region("eu-west-1")
            .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, token.path().to_string_lossy())
            .with_config(AmazonS3ConfigKey::RoleArn, "arn:aws:iam::111122223333:role/tenant")
            .with_http_connector(InProcess(sts.clone()))
            .with_retry(retry)
            .build()?;
        Ok(Self { provider: store.credentials().clone(), _token: token })
    }
}

#[derive(Clone, Debug)]
struct InProcess(Sts);

impl HttpConnector for InProcess {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for InProcess {
    async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        match self.0.response().await {
            Ok(response) => Ok(HttpResponse::new(response.into())),
            Err(error) => Err(HttpError::new(HttpErrorKind::Unknown, error)),
        }
    }
}

//! reqsign-aws-v4: its `Signer` caches the credential.
//!
//! The request signer behind it does nothing, so that the cache is measured and not the signature.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::time::Duration;

use http::request::Parts;
use reqsign_aws_v4::Credential;
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, Error, ErrorKind, ProvideCredential, Result, SignRequest, Signer};

use super::{Cache, Outcome, Peer};
use crate::sts::Sts;

pub(crate) struct Reqsign(Signer<Credential>);

impl Cache for Reqsign {
    async fn call(&self) -> bool {
        let (mut head, ()) = http::Request::new(()).into_parts();
        black_box(self.0.sign(&mut head, None).await).is_ok()
    }
}

impl Peer for Reqsign {
    const NAME: &'static str = "reqsign-aws-v4, Signer";
    const MARGIN: Duration = Duration::from_secs(120);

    async fn create(sts: &Sts) -> Outcome<Self> {
        Ok(Self(Signer::new(Context::new(), StsProvider(sts.clone()), NoSignature)))
    }
}

#[derive(Debug)]
struct StsProvider(Sts);

impl ProvideCredential for StsProvider {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> Result<Option<Credential>> {
        let credentials = self.0.credentials().await;
        let credentials = credentials.map_err(|error| {
            Error::new(ErrorKind::Unexpected, "no credential").with_source(error)
        })?;
        // `elapsed` fails for a time in the future; its error has the distance to it.
        let remaining = credentials.expiry().and_then(|expiry| expiry.elapsed().err());
        let remaining = remaining.map(|error| error.duration());
        Ok(Some(Credential {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().to_owned(),
            session_token: credentials.session_token().map(str::to_owned),
            expires_in: remaining.map(|remaining| Timestamp::now() + remaining),
        }))
    }
}

#[derive(Debug)]
struct NoSignature;

impl SignRequest for NoSignature {
    type Credential = Credential;

    #[allow(clippy::manual_async_fn, reason = "the trait names every lifetime")]
    fn sign_request<'a>(
        &'a self,
        _: &'a Context,
        _: &'a mut Parts,
        credential: Option<&'a Credential>,
        _: Option<Duration>,
    ) -> impl Future<Output = Result<()>> + Send + 'a {
        black_box(credential);
        let signed: Ready<Result<()>> = ready(Ok(()));
        signed
    }
}

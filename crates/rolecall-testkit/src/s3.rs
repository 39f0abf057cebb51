//! S3: put, get, head, list and delete objects.
//!
//! The protocol (paths and hosts, chunked bodies and their signatures, XML) is that of the `s3s`
//! crate. The caller and its permissions are decided here, as for the other services.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::host::{S3Host, VirtualHost};
use s3s::path::S3Path;
use s3s::service::S3ServiceBuilder;
use s3s::{S3Error, S3ErrorCode, S3Result};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::iam;
use crate::server::{Answer, Shared};
use crate::sigv4::{self, Claim, Dialect, Refusal};
use crate::wire::{Fault, Form, escape, respond};
use crate::world::{Account, Key};
use objects::Objects;

mod objects;
mod store;

pub(crate) use store::Store;

impl Account {
    /// Adds an S3 bucket. Bucket names are unique among all accounts.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_testkit::Account;
    /// let account = Account::new("111122223333").bucket("shop-orders");
    /// ```
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.buckets.push(name.into());
        self
    }
}

/// A request on its way through the `s3s` crate.
#[derive(Clone)]
struct Call(Arc<CallState>);

struct CallState {
    /// The key that the request names. Its owner is the caller only once `verified` says so.
    named: Key,
    /// Set when `s3s` has verified the signature, with the secret of that same key.
    verified: OnceLock<Key>,
    /// The query, decoded as the operations decode it.
    query: Form,
    operation: Mutex<Option<&'static str>>,
}

impl Call {
    fn new(named: Key, query: Form) -> Self {
        let (verified, operation) = (OnceLock::new(), Mutex::default());
        Self(Arc::new(CallState { named, verified, query, operation }))
    }

    /// Takes what `s3s` verified: the caller that everything after this authorizes.
    ///
    /// `s3s` also lets requests through that it found no signature in, such as one with two
    /// `Authorization` headers or a form upload without a signed policy. They have no caller here,
    /// whatever key they name.
    fn adopt_verified(&self, credentials: Option<&s3s::auth::Credentials>) -> Option<&Key> {
        let named = &self.0.named;
        let verified = credentials?.access_key == named.credentials.access_key_id();
        verified.then(|| self.0.verified.get_or_init(|| named.clone()))
    }

    /// Returns the caller, if its signature was verified.
    fn caller(&self) -> Option<&Key> {
        self.0.verified.get()
    }

    fn set_operation(&self, operation: &'static str) {
        *self.0.operation.lock().unwrap_or_else(PoisonError::into_inner) = Some(operation);
    }

    fn operation(&self) -> Option<&'static str> {
        *self.0.operation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn serve(
    shared: &Arc<Shared>,
    claim: Result<Claim, Refusal>,
    mut request: Request,
) -> Answer {
    // The policy's condition keys and the operation must see one and the same value of a parameter,
    // so the query is decoded before anything of it is looked at, and no name comes twice.
    let Some(query) = Form::parse(request.uri().query().unwrap_or_default().as_bytes()) else {
        return failed(Fault::new(400, "InvalidURI", "Couldn't parse the specified URI."));
    };
    if let Some(name) = query.repeated() {
        let message = format!("the query parameter {name} is given more than once");
        return failed(Fault::new(400, "InvalidArgument", message));
    }
    let call = match claim.and_then(|claim| named_key(shared, &claim)) {
        Ok(key) => Call::new(key, query),
        Err(refusal) => return failed(refusal.fault(Dialect::Rest)),
    };
    request.extensions_mut().insert(call.clone());

    let mut builder = S3ServiceBuilder::new(Objects(Arc::clone(shared)));
    builder.set_auth(NamedKey(call.clone()));
    builder.set_access(Policies(Arc::clone(shared)));
    builder.set_host(Hosts);
    let mut config = S3Config::default();
    // The request's time was held against the server's own clock above, which may be a turned one.
    config.presigned_url_max_skew_time_secs = u32::MAX;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    let service = builder.build();

    // It would log the request with its session token.
    let response = service.call(request.map(s3s::Body::http_body_unsync));
    let answer = match response.with_subscriber(NoSubscriber::default()).await {
        Ok(response) => told(response.map(Body::new)).await,
        Err(_) => failed(Fault::new(500, "InternalError", "the local S3 failed")),
    };
    let caller = call.caller().map(|key| key.owner.caller.arn().to_owned());
    answer.of(call.operation().unwrap_or("Unknown")).by(caller)
}

/// Returns the key that the request names, after every check but that of the signature itself,
/// which is checked with the body.
fn named_key(shared: &Shared, claim: &Claim) -> Result<Key, Refusal> {
    let now = shared.clock.wall();
    let key = claim.named_key(&shared.world(), now)?;
    sigv4::not_ended(&key, now)?;
    Ok(key)
}

/// An error in S3's shape.
fn failed(fault: Fault) -> Answer {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{}</Code><Message>{}</Message></Error>",
        fault.code,
        escape(&fault.message)
    );
    Answer::failed(respond(fault.status, "application/xml", xml), fault)
}

/// An error's XML is short.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// What the response says, for the record.
async fn told(response: Response<Body>) -> Answer {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return Answer::done(response);
    }
    let (head, body) = response.into_parts();
    let body = to_bytes(body, MAX_ERROR_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    let code = element("Code").unwrap_or_else(|| head.status.as_str().to_owned());
    let fault = Fault::new(head.status.as_u16(), code, element("Message").unwrap_or_default());
    Answer::failed(Response::from_parts(head, Body::from(body)), fault)
}

/// The secret of the key that the request names.
struct NamedKey(Call);

#[async_trait::async_trait]
impl S3Auth for NamedKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let credentials = &self.0.0.named.credentials;
        // `s3s` parses the request by itself. Where it found another key than the one that was
        // checked before, the request has two readings.
        if access_key != credentials.access_key_id() {
            return Err(S3ErrorCode::AccessDenied.into());
        }
        Ok(SecretKey::from(credentials.secret_access_key().to_owned()))
    }
}

/// Virtual hosts: `<bucket>.localhost` and AWS's own names; else the bucket is in the path.
struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        let bucket = match name.strip_suffix(".amazonaws.com") {
            // <bucket>.s3, <bucket>.s3.<region>
            Some(rest) => rest.rsplit_once(".s3").and_then(|(bucket, region)| {
                (region.is_empty() || region.starts_with('.')).then_some(bucket)
            }),
            None => name
                .strip_suffix(".s3.localhost")
                .or_else(|| name.strip_suffix(".localhost").filter(|rest| *rest != "s3")),
        };
        let host = VirtualHost::new(name);
        Ok(match bucket {
            Some(bucket) => host.with_bucket(bucket),
            None => host,
        })
    }
}

/// The caller's policies.
struct Policies(Arc<Shared>);

/// What is known here: the operation, and the action that allows it. (Service Authorization
/// Reference, "Amazon S3".)
const OPERATIONS: &[(&str, &str)] = &[
    ("PutObject", "s3:PutObject"),
    ("GetObject", "s3:GetObject"),
    ("HeadObject", "s3:GetObject"),
    ("DeleteObject", "s3:DeleteObject"),
    ("HeadBucket", "s3:ListBucket"),
    ("ListObjectsV2", "s3:ListBucket"),
];

#[async_trait::async_trait]
impl S3Access for Policies {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let call = request.extensions_mut().get::<Call>().cloned();
        let call = call.ok_or(S3ErrorCode::AccessDenied)?;
        let caller = call.adopt_verified(request.credentials()).ok_or(S3ErrorCode::AccessDenied)?;
        let name = request.s3_op().name();
        let Some(&(operation, action)) = OPERATIONS.iter().find(|(known, _)| *known == name) else {
            let message = format!("the local AWS does not know S3's {name}");
            return Err(S3Error::with_message(S3ErrorCode::NotImplemented, message));
        };
        call.set_operation(operation);
        let (bucket, resource) = match request.s3_path() {
            S3Path::Root => return Err(S3ErrorCode::MethodNotAllowed.into()),
            S3Path::Bucket { bucket } => (bucket, bucket_arn(bucket)),
            S3Path::Object { bucket, key } => (bucket, format!("{}/{key}", bucket_arn(bucket))),
        };
        let mut context = iam::context_of(caller);
        for parameter in ["prefix", "delimiter"] {
            if let Some(value) = call.0.query.get(parameter) {
                context = context.with(&format!("s3:{parameter}"), value);
            }
        }
        // As at AWS, every caller learns that a bucket does not exist, whatever its policies say.
        let account = self.0.s3().owner(bucket)?;
        iam::authorize(caller, action, &resource, &account, &context)
            .map_err(|message| S3Error::with_message(S3ErrorCode::AccessDenied, message))
    }
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_is_parsed_from_host() {
        for (host, bucket) in [
            ("127.0.0.1:4000", None),
            ("localhost:4000", None),
            ("s3.localhost:4000", None),
            ("shop.localhost:4000", Some("shop")),
            ("shop.s3.localhost", Some("shop")),
            ("s3.amazonaws.com", None),
            ("s3.eu-west-1.amazonaws.com", None),
            ("shop.s3.amazonaws.com", Some("shop")),
            ("shop.data.s3.eu-west-1.amazonaws.com", Some("shop.data")),
            ("elsewhere.example", None),
        ] {
            let parsed = Hosts.parse_host_header(host).unwrap();
            assert_eq!(parsed.bucket(), bucket, "{host}");
        }
    }
}

//! S3: put, get, head, list and delete objects.
//!
//! The protocol (paths and hosts, chunked bodies and their signatures, XML) is that of the `s3s` crate. Who calls and
//! what the caller may do is decided here, as for the other services.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use percent_encoding::percent_decode_str;
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
use crate::sigv4::{self, Dialect, Refusal};
use crate::wire::{Fault, escape, respond};
use crate::world::{Account, Key};
use objects::Objects;

mod objects;
mod store;

pub(crate) use store::Store;

impl Account {
    /// With a bucket.
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

/// What was found out about a request on its way.
#[derive(Clone)]
struct Seen {
    key: Key,
    /// Known once the signature holds.
    operation: Arc<Mutex<Option<&'static str>>>,
}

impl Seen {
    fn set(&self, operation: &'static str) {
        *self.operation.lock().unwrap_or_else(PoisonError::into_inner) = Some(operation);
    }

    fn get(&self) -> Option<&'static str> {
        *self.operation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn serve(shared: &Arc<Shared>, mut request: Request) -> Answer {
    if request.uri().query().is_some_and(|query| query.contains("X-Amz-Signature=")) {
        let said = "presigned URLs are not known to the local S3: it reads signatures in headers";
        return failed(Fault::new(501, "NotImplemented", said));
    }
    let seen = match caller(shared, &request) {
        Ok(key) => Seen { key, operation: Arc::default() },
        Err(refusal) => return failed(refusal.fault(Dialect::Rest)),
    };
    request.extensions_mut().insert(seen.clone());

    let mut builder = S3ServiceBuilder::new(Objects(Arc::clone(shared)));
    builder.set_auth(Secret(seen.key.credentials.secret_access_key().into()));
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
    match seen.get() {
        Some(operation) => answer.of(operation).by(Some(seen.key.owner.caller.arn().to_owned())),
        None => answer,
    }
}

/// Everything about the signature but the signature itself, which is checked with the body.
fn caller(shared: &Shared, request: &Request) -> Result<Key, Refusal> {
    let now = shared.clock.wall();
    let key = sigv4::named(request.headers(), &shared.world(), now)?;
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
const LONGEST_ERROR: usize = 64 * 1024;

/// What the response says, for the record.
async fn told(response: Response<Body>) -> Answer {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return Answer::done(response);
    }
    let (head, body) = response.into_parts();
    let body = to_bytes(body, LONGEST_ERROR).await.unwrap_or_default();
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
struct Secret(String);

#[async_trait::async_trait]
impl S3Auth for Secret {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(self.0.clone()))
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

/// What is known here: the operation, and the action that allows it. (Service Authorization Reference, "Amazon S3".)
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
        let Some(seen) = request.extensions_mut().get::<Seen>().cloned() else {
            return Err(S3ErrorCode::AccessDenied.into());
        };
        let name = request.s3_op().name();
        // The signature was checked before this.
        seen.set("Unknown");
        let Some(&(operation, action)) = OPERATIONS.iter().find(|(known, _)| *known == name) else {
            let message = format!("the local AWS does not know S3's {name}");
            return Err(S3Error::with_message(S3ErrorCode::NotImplemented, message));
        };
        seen.set(operation);
        let (bucket, resource) = match request.s3_path() {
            S3Path::Root => return Err(S3ErrorCode::MethodNotAllowed.into()),
            S3Path::Bucket { bucket } => (bucket, bucket_arn(bucket)),
            S3Path::Object { bucket, key } => (bucket, format!("{}/{key}", bucket_arn(bucket))),
        };
        let mut context = iam::context_of(&seen.key);
        for parameter in ["prefix", "delimiter"] {
            if let Some(value) = query(request.uri().query().unwrap_or_default(), parameter) {
                context = context.with(&format!("s3:{parameter}"), value);
            }
        }
        // Who asks for a bucket that is nowhere learns that, whatever the policies say.
        let account = self.0.s3().owner(bucket)?;
        iam::authorize(&seen.key, action, &resource, &account, &context)
            .map_err(|message| S3Error::with_message(S3ErrorCode::AccessDenied, message))
    }
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

fn query(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    let spaced = value.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_in_the_host_or_in_the_path() {
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

    #[test]
    fn a_query_is_decoded() {
        assert_eq!(query("list-type=2&prefix=a%2Fb+c", "prefix").as_deref(), Some("a/b c"));
        assert_eq!(query("list-type=2", "prefix"), None);
        assert_eq!(query("prefix", "prefix").as_deref(), Some(""));
    }
}

//! Who signed a request: AWS Signature Version 4.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::wire::Fault;
use crate::world::{Key, World};

/// How far a client's clock may be off. S3 bears more. (S3 API Reference, "Error responses": RequestTimeTooSkewed.)
const MOST_SKEW: Duration = Duration::from_secs(5 * 60);
#[cfg(feature = "s3")]
const MOST_SKEW_AT_S3: Duration = Duration::from_secs(15 * 60);

pub(crate) struct Signed<'a> {
    method: &'a str,
    path_and_query: &'a str,
    headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(crate) fn of(head: &'a Parts, body: &'a [u8]) -> Self {
        Self {
            method: head.method.as_str(),
            path_and_query: head.uri.path_and_query().map_or("/", |path| path.as_str()),
            headers: &head.headers,
            body,
        }
    }
}

/// The parts of an `Authorization` header.
struct Authorization<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let rest = header.strip_prefix("AWS4-HMAC-SHA256")?;
        let mut parts = rest.split(',').map(str::trim);
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let scope = part("Credential")?;
        let signed_headers = part("SignedHeaders")?.split(';').collect();
        let signature = part("Signature")?;
        let fields: Vec<&str> = scope.split('/').collect();
        let &[access_key_id, date, region, service, "aws4_request"] = fields.as_slice() else {
            return None;
        };
        Some(Self { access_key_id, date, region, service, signed_headers, signature })
    }
}

/// Why a request's signature is not taken. Each service has its own words for it: [`Refusal::fault`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Missing,
    Incomplete(&'static str),
    Skewed(String),
    WrongDate,
    UnknownKey,
    WrongToken,
    #[cfg(feature = "s3")]
    UnsignedHeader,
    Mismatch,
    Expired,
}

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// STS.
    Query,
    /// Secrets Manager, ECR.
    #[cfg_attr(
        not(any(feature = "secrets-manager", feature = "ecr")),
        expect(dead_code, reason = "no service speaks so")
    )]
    Json,
    /// S3.
    #[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "no service speaks so"))]
    Rest,
}

impl Refusal {
    /// The one table of what services answer to signatures that they do not take.
    pub(crate) fn fault(self, dialect: Dialect) -> Fault {
        use Dialect::{Json, Query, Rest};
        let invalid_token = "The security token included in the request is invalid";
        let mismatch = "The request signature we calculated does not match the signature you provided. Check your AWS \
                        Secret Access Key and signing method. Consult the service documentation for details.";
        let (status, code, message) = match (self, dialect) {
            (Self::Missing, Query) => (
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token".into(),
            ),
            (Self::Missing, Json) => (
                400,
                "MissingAuthenticationTokenException",
                "Request is missing Authentication Token".into(),
            ),
            (Self::Missing, Rest) => (403, "AccessDenied", "Access Denied".into()),
            (Self::Incomplete(what), Query) => (400, "IncompleteSignature", what.into()),
            (Self::Incomplete(what), Json) => (400, "IncompleteSignatureException", what.into()),
            (Self::Incomplete(what), Rest) => (400, "AuthorizationHeaderMalformed", what.into()),
            (Self::Skewed(message), Query) => (403, "SignatureDoesNotMatch", message),
            (Self::Skewed(message), Json) => (400, "InvalidSignatureException", message),
            (Self::Skewed(_), Rest) => (
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.".into(),
            ),
            (Self::WrongDate, Query) => (
                403,
                "SignatureDoesNotMatch",
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP".into(),
            ),
            (Self::WrongDate, Json) => (
                400,
                "InvalidSignatureException",
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP".into(),
            ),
            (Self::WrongDate, Rest) => (
                400,
                "AuthorizationHeaderMalformed",
                "The authorization header is malformed; the Credential is mal-formed".into(),
            ),
            (Self::UnknownKey, Query) => {
                return Fault::new(403, "InvalidClientTokenId", invalid_token)
                    .because("no such key");
            }
            (Self::WrongToken, Query) => {
                return Fault::new(403, "InvalidClientTokenId", invalid_token)
                    .because("the session token is not that of the key");
            }
            (Self::UnknownKey | Self::WrongToken, Json) => {
                (400, "UnrecognizedClientException", format!("{invalid_token}."))
            }
            (Self::UnknownKey, Rest) => (
                403,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.".into(),
            ),
            (Self::WrongToken, Rest) => (
                400,
                "InvalidToken",
                "The provided token is malformed or otherwise invalid.".into(),
            ),
            #[cfg(feature = "s3")]
            (Self::UnsignedHeader, _) => (
                403,
                "AccessDenied",
                "There were headers present in the request which were not signed".into(),
            ),
            (Self::Mismatch, Query | Rest) => (403, "SignatureDoesNotMatch", mismatch.into()),
            (Self::Mismatch, Json) => (400, "InvalidSignatureException", mismatch.into()),
            (Self::Expired, Query) => (
                403,
                "ExpiredToken",
                "The security token included in the request is expired".into(),
            ),
            (Self::Expired, Json) => (
                400,
                "ExpiredTokenException",
                "The security token included in the request is expired".into(),
            ),
            (Self::Expired, Rest) => {
                (400, "ExpiredToken", "The provided token has expired.".into())
            }
        };
        Fault::new(status, code, message)
    }
}

/// The service and Region that a request is signed for.
pub(crate) fn scope(headers: &HeaderMap) -> Option<(&str, &str)> {
    let header = headers.get("authorization")?.to_str().ok()?;
    Authorization::parse(header).map(|authorization| (authorization.service, authorization.region))
}

/// Whose key a request to S3 names, after every check but that of the signature itself and of the key's end.
#[cfg(feature = "s3")]
pub(crate) fn named(headers: &HeaderMap, world: &World, now: SystemTime) -> Result<Key, Refusal> {
    let (authorization, _, key) = checked(headers, world, now, MOST_SKEW_AT_S3)?;
    let signed = |name: &str| authorization.signed_headers.contains(&name);
    let all_signed =
        headers.keys().all(|name| !name.as_str().starts_with("x-amz-") || signed(name.as_str()));
    if all_signed { Ok(key) } else { Err(Refusal::UnsignedHeader) }
}

fn checked<'a>(
    headers: &'a HeaderMap,
    world: &World,
    now: SystemTime,
    most_skew: Duration,
) -> Result<(Authorization<'a>, SystemTime, Key), Refusal> {
    let skew = |date, signed_at, now| too_skewed(date, signed_at, now, most_skew);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = header("authorization").ok_or(Refusal::Missing)?;
    let form = "Authorization header is not of the form AWS4-HMAC-SHA256";
    let authorization = Authorization::parse(authorization).ok_or(Refusal::Incomplete(form))?;
    let date = header("x-amz-date").unwrap_or_default();
    let malformed = Refusal::Incomplete("X-Amz-Date is missing or malformed");
    let signed_at = instant(date).ok_or(malformed)?;
    if let Some(message) = skew(date, signed_at, now) {
        return Err(Refusal::Skewed(message));
    }
    // The service in the scope is that which was asked: the server goes by it.
    if !date.starts_with(authorization.date) {
        return Err(Refusal::WrongDate);
    }
    let key = world.key(authorization.access_key_id).ok_or(Refusal::UnknownKey)?;
    if key.credentials.session_token() != header("x-amz-security-token") {
        return Err(Refusal::WrongToken);
    }
    Ok((authorization, signed_at, key))
}

/// The owner of the key that signed this request, after every check.
pub(crate) fn verify(request: &Signed<'_>, world: &World, now: SystemTime) -> Result<Key, Refusal> {
    let (authorization, signed_at, key) = checked(request.headers, world, now, MOST_SKEW)?;
    // What is not among the signed headers (the host, the date, the token) makes another signature.
    let expected = signature(request, &authorization, &key.credentials, signed_at);
    if expected.is_none_or(|expected| !same(&expected, authorization.signature)) {
        return Err(Refusal::Mismatch);
    }
    not_ended(&key, now)?;
    Ok(key)
}

/// A session is taken up to its end.
pub(crate) fn not_ended(key: &Key, now: SystemTime) -> Result<(), Refusal> {
    match key.credentials.expiry() {
        Some(expiry) if expiry <= now => Err(Refusal::Expired),
        _ => Ok(()),
    }
}

fn too_skewed(
    date: &str,
    signed_at: SystemTime,
    now: SystemTime,
    most: Duration,
) -> Option<String> {
    let minutes = most.as_secs() / 60;
    let basic = |time| DateTime::from(time).fmt(Format::DateTime).unwrap_or_default();
    let basic = |time| basic(time).replace(['-', ':'], "").split('.').next().map(str::to_owned);
    let shown = basic(now).unwrap_or_default();
    if signed_at + most < now {
        return Some(format!(
            "Signature expired: {date} is now earlier than {shown} (less {minutes} min.)"
        ));
    }
    if now + most < signed_at {
        return Some(format!(
            "Signature not yet current: {date} is still later than {shown} (plus {minutes} min.)"
        ));
    }
    None
}

/// `20261123T120000Z`.
fn instant(date: &str) -> Option<SystemTime> {
    let digits = date.is_ascii() && date.len() == 16;
    if !digits || date.as_bytes()[8] != b'T' || date.as_bytes()[15] != b'Z' {
        return None;
    }
    let (day, time) = (&date[..8], &date[9..15]);
    let long = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &day[..4],
        &day[4..6],
        &day[6..],
        &time[..2],
        &time[2..4],
        &time[4..]
    );
    DateTime::from_str(&long, Format::DateTime).ok()?.try_into().ok()
}

/// What the signature must be.
fn signature(
    request: &Signed<'_>,
    authorization: &Authorization<'_>,
    credentials: &Credentials,
    signed_at: SystemTime,
) -> Option<String> {
    let mut settings = SigningSettings::default();
    // What the client signed is what counts: nothing is left out of it.
    settings.excluded_headers = None;
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(authorization.region)
        .name(authorization.service)
        .time(signed_at)
        .settings(settings)
        .build()
        .ok()?;
    let mut headers = Vec::new();
    for name in &authorization.signed_headers {
        for value in request.headers.get_all(*name) {
            headers.push((*name, value.to_str().ok()?));
        }
    }
    let host = request.headers.get("host")?.to_str().ok()?;
    let uri = format!("http://{host}{}", request.path_and_query);
    let body = SignableBody::Bytes(request.body);
    let signable = SignableRequest::new(request.method, uri, headers.into_iter(), body).ok()?;
    // At TRACE it would show the session token.
    let quiet = tracing::Dispatch::none();
    let signed = tracing::dispatcher::with_default(&quiet, || sign(signable, &params.into()));
    Some(signed.ok()?.into_parts().1)
}

/// Compares without telling by the time where the first difference is.
fn same(a: &str, b: &str) -> bool {
    let differences = a.bytes().zip(b.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_basic_format_and_no_other() {
        let time = instant("20260203T040506Z").unwrap();
        assert_eq!(DateTime::from(time).fmt(Format::DateTime).unwrap(), "2026-02-03T04:05:06Z");
        for bad in [
            "",
            "20260203",
            "2026-02-03T04:05",
            "20260203T040506",
            "20261303T040506Z",
            "ä0260203T040506Z",
        ] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_authorization_header_has_all_its_parts() {
        let header = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260203/eu-west-1/sts/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=abc";
        let parsed = Authorization::parse(header).unwrap();
        assert_eq!(parsed.access_key_id, "AKIAIOSFODNN7EXAMPLE");
        assert_eq!((parsed.region, parsed.service, parsed.signature), ("eu-west-1", "sts", "abc"));
        assert_eq!(parsed.signed_headers, ["host", "x-amz-date"]);
        for bad in
            ["", "Basic abc", "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=x, Signature=y"]
        {
            assert!(Authorization::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn signatures_are_compared_whole() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abd") && !same("abc", "ab") && !same("", "a"));
    }
}

//! Authentication of a request: AWS Signature Version 4 in its `Authorization` header.
//!
//! A request is parsed once, into a [`Claim`], and the [`Verified`] caller that comes of it is what
//! services authorize. Nothing after that reads the headers for the caller again: two readers that
//! choose differently among two `Authorization` headers would verify one caller and authorize
//! another.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::wire::{Fault, Form};
use crate::world::{Key, World};

/// The largest difference between the clocks of a client and the server, in either direction. (IAM
/// User Guide, "Troubleshoot Signature Version 4"; S3 API Reference, RequestTimeTooSkewed.)
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(15 * 60);

/// The headers that decide the caller, the time, the operation and the host. A second value of one
/// of them could be read by the signature's check, and the first by what runs after it.
const SINGLE_HEADERS: [&str; 6] = [
    "authorization",
    "host",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
];

/// The query parameters that sign a URL, of Signature Version 4 and of Version 2.
const QUERY_SIGNATURE: [&str; 9] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "AWSAccessKeyId",
    "Signature",
];

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
#[derive(Clone, Debug)]
struct Authorization {
    access_key_id: String,
    date: String,
    region: String,
    service: String,
    signed_headers: Vec<String>,
    signature: String,
}

impl Authorization {
    fn parse(header: &str) -> Option<Self> {
        let rest = header.strip_prefix("AWS4-HMAC-SHA256")?;
        let mut parts = rest.split(',').map(str::trim);
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let scope = part("Credential")?;
        let signed_headers: Vec<String> =
            part("SignedHeaders")?.split(';').map(str::to_owned).collect();
        let signature = part("Signature")?.to_owned();
        // A second `Credential` at the end would be the caller for a parser that takes the last.
        if parts.next().is_some() {
            return None;
        }
        // A header that is listed twice would be signed twice here, and once by another parser.
        let mut sorted = signed_headers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != signed_headers.len() {
            return None;
        }
        let fields: Vec<&str> = scope.split('/').collect();
        let &[access_key_id, date, region, service, "aws4_request"] = fields.as_slice() else {
            return None;
        };
        let [access_key_id, date, region, service] =
            [access_key_id, date, region, service].map(str::to_owned);
        Some(Self { access_key_id, date, region, service, signed_headers, signature })
    }
}

/// What a request claims about its caller, before anything of it is verified.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    authorization: Authorization,
    /// `X-Amz-Date`, as it is written and parsed.
    date: String,
    signed_at: SystemTime,
    token: Option<String>,
    /// A header that must be signed and is not.
    unsigned: Option<String>,
}

impl Claim {
    /// Parses the headers of a request.
    pub(crate) fn parse(head: &Parts) -> Result<Self, Refusal> {
        let headers = &head.headers;
        for name in SINGLE_HEADERS {
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(Refusal::Repeated(name));
            }
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let by_header = headers.contains_key("authorization");
        if has_query_signature(head.uri.query().unwrap_or_default()) {
            return Err(Refusal::InQuery { by_header });
        }
        let authorization = header("authorization").ok_or(Refusal::Missing)?;
        let form = "Authorization header is not of the form AWS4-HMAC-SHA256";
        let authorization = Authorization::parse(authorization).ok_or(Refusal::Incomplete(form))?;
        let date = header("x-amz-date").unwrap_or_default().to_owned();
        let malformed = Refusal::Incomplete("X-Amz-Date is missing or malformed");
        let signed_at = instant(&date).ok_or(malformed)?;
        let token = header("x-amz-security-token").map(str::to_owned);
        // Without them in the signature, a request could be sent to another bucket's host, or name
        // another operation in `X-Amz-Target`, than its signer meant.
        let must_be_signed = |name: &&str| *name == "host" || name.starts_with("x-amz-");
        let is_signed = |name: &str| authorization.signed_headers.iter().any(|one| one == name);
        let mut names = headers.keys().map(|name| name.as_str()).filter(must_be_signed);
        let unsigned = names.find(|name| !is_signed(name)).map(str::to_owned);
        Ok(Self { authorization, date, signed_at, token, unsigned })
    }

    /// The service that the request is signed for.
    pub(crate) fn service(&self) -> &str {
        &self.authorization.service
    }

    /// Returns the key that the request names, after every check but that of the signature itself.
    ///
    /// The owner of the key is not the verified caller: a request can name any key.
    pub(crate) fn named_key(&self, world: &World, now: SystemTime) -> Result<Key, Refusal> {
        if let Some(message) = too_skewed(&self.date, self.signed_at, now) {
            return Err(Refusal::Skewed(message));
        }
        // The service in the scope is that which was asked: the server goes by it.
        if !self.date.starts_with(&self.authorization.date) {
            return Err(Refusal::WrongDate);
        }
        let key = world.key(&self.authorization.access_key_id).ok_or(Refusal::UnknownKey)?;
        if key.credentials.session_token() != self.token.as_deref() {
            return Err(Refusal::WrongToken);
        }
        match &self.unsigned {
            Some(name) => Err(Refusal::UnsignedHeader(name.clone())),
            None => Ok(key),
        }
    }

    /// Returns the caller that signed this request, after every check.
    pub(crate) fn verify(
        &self,
        request: &Signed<'_>,
        world: &World,
        now: SystemTime,
    ) -> Result<Verified, Refusal> {
        let key = self.named_key(world, now)?;
        // What is not among the signed headers (the date, the token) makes another signature.
        let expected = signature(request, &self.authorization, &key.credentials, self.signed_at);
        if expected.is_none_or(|expected| !same(&expected, &self.authorization.signature)) {
            return Err(Refusal::Mismatch);
        }
        not_ended(&key, now)?;
        Ok(Verified { key, region: self.authorization.region.clone() })
    }
}

/// A caller whose signature was verified: the one value that services authorize.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) key: Key,
    /// The Region that the request is signed for.
    #[cfg_attr(
        not(any(feature = "secrets-manager", feature = "ecr")),
        expect(dead_code, reason = "the services of a Region are features")
    )]
    pub(crate) region: String,
}

/// Returns the service of the first `Authorization` header that can be parsed.
///
/// It decides in which service's words a request is refused whose [`Claim`] is not one, and nothing
/// else.
pub(crate) fn guess_service(headers: &HeaderMap) -> Option<String> {
    let mut values =
        headers.get_all("authorization").iter().filter_map(|value| value.to_str().ok());
    values.find_map(Authorization::parse).map(|authorization| authorization.service)
}

/// Returns `true` if the query signs the request, or could be taken for it.
///
/// Names are decoded first: `X-Amz-Signatur%65` is the same parameter to a service. A query that
/// cannot be decoded is refused by the services.
fn has_query_signature(query: &str) -> bool {
    let fields = Form::parse(query.as_bytes());
    fields.is_some_and(|fields| {
        fields.names().any(|name| QUERY_SIGNATURE.iter().any(|one| one.eq_ignore_ascii_case(name)))
    })
}

/// Why a request's signature is refused. Each service has its own words for it:
/// [`Refusal::fault`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Missing,
    /// A header of [`SINGLE_HEADERS`] is given more than once.
    Repeated(&'static str),
    /// The query signs the request: alone, or beside an `Authorization` header.
    InQuery {
        by_header: bool,
    },
    Incomplete(&'static str),
    Skewed(String),
    WrongDate,
    UnknownKey,
    WrongToken,
    UnsignedHeader(String),
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
            (Self::Repeated(name), Query) => (400, "IncompleteSignature", repeated(name)),
            (Self::Repeated(name), Json) => (400, "IncompleteSignatureException", repeated(name)),
            (Self::Repeated("authorization"), Rest)
            | (Self::InQuery { by_header: true }, Rest) => (
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                 parameter or the Authorization header should be specified"
                    .into(),
            ),
            (Self::Repeated(name), Rest) => (400, "InvalidArgument", repeated(name)),
            (Self::InQuery { .. }, Query) => (400, "IncompleteSignature", IN_QUERY.into()),
            (Self::InQuery { .. }, Json) => (400, "IncompleteSignatureException", IN_QUERY.into()),
            (Self::InQuery { by_header: false }, Rest) => (
                501,
                "NotImplemented",
                "presigned URLs are not known to the local S3: it reads signatures in headers".into(),
            ),
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
            (Self::UnsignedHeader(_), Rest) => (
                403,
                "AccessDenied",
                "There were headers present in the request which were not signed".into(),
            ),
            (Self::UnsignedHeader(name), Query) => {
                (403, "SignatureDoesNotMatch", must_be_signed(&name))
            }
            (Self::UnsignedHeader(name), Json) => {
                (400, "InvalidSignatureException", must_be_signed(&name))
            }
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

const IN_QUERY: &str =
    "presigned URLs are not known to the local AWS: it reads signatures in headers";

fn repeated(header: &str) -> String {
    format!("the header {header} is given more than once")
}

fn must_be_signed(header: &str) -> String {
    format!("'{header}' must be a 'SignedHeader' in the AWS Authorization.")
}

/// A session is taken up to its end.
pub(crate) fn not_ended(key: &Key, now: SystemTime) -> Result<(), Refusal> {
    match key.credentials.expiry() {
        Some(expiry) if expiry <= now => Err(Refusal::Expired),
        _ => Ok(()),
    }
}

fn too_skewed(date: &str, signed_at: SystemTime, now: SystemTime) -> Option<String> {
    let most = MAX_CLOCK_SKEW;
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
    authorization: &Authorization,
    credentials: &Credentials,
    signed_at: SystemTime,
) -> Option<String> {
    let mut settings = SigningSettings::default();
    // What the client signed is what counts: nothing is left out of it.
    settings.excluded_headers = None;
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&authorization.region)
        .name(&authorization.service)
        .time(signed_at)
        .settings(settings)
        .build()
        .ok()?;
    let mut headers = Vec::new();
    for name in &authorization.signed_headers {
        for value in request.headers.get_all(name) {
            headers.push((name.as_str(), value.to_str().ok()?));
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
    fn only_basic_date_format_is_parsed() {
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
    fn authorization_header_requires_all_parts() {
        let header = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260203/eu-west-1/sts/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=abc";
        let parsed = Authorization::parse(header).unwrap();
        assert_eq!(parsed.access_key_id, "AKIAIOSFODNN7EXAMPLE");
        let [region, service] = [&parsed.region, &parsed.service];
        assert_eq!(
            (region.as_str(), service.as_str(), &*parsed.signature),
            ("eu-west-1", "sts", "abc")
        );
        assert_eq!(parsed.signed_headers, ["host", "x-amz-date"]);
        let scope = "a/20260203/eu-west-1/sts/aws4_request";
        for bad in [
            String::new(),
            "Basic abc".into(),
            "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=x, Signature=y".into(),
            // Two parsers could take another part each.
            format!("{header}, Credential={scope}"),
            format!("{header}, Signature=def"),
            header.replace("host;x-amz-date", "host;x-amz-date;host"),
        ] {
            assert!(Authorization::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn query_signature_is_found_by_decoded_name() {
        for query in ["X-Amz-Signature=0", "a=b&x-amz-signatur%65=0", "Signature", "%53ignature="] {
            assert!(has_query_signature(query), "{query}");
        }
        for query in ["", "list-type=2&prefix=X-Amz-Signature%3D0", "x-id=PutObject"] {
            assert!(!has_query_signature(query), "{query}");
        }
    }

    #[test]
    fn clock_skew_is_refused_beyond_fifteen_minutes() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let minutes = Duration::from_secs(15 * 60);
        let second = Duration::from_secs(1);
        let skewed = |signed_at| too_skewed("d", signed_at, now);
        assert_eq!(skewed(now - minutes), None);
        assert_eq!(skewed(now + minutes), None);
        assert!(skewed(now - minutes - second).unwrap().contains("(less 15 min.)"));
        assert!(skewed(now + minutes + second).unwrap().contains("(plus 15 min.)"));
    }

    #[test]
    fn signatures_are_compared_in_full() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abd") && !same("abc", "ab") && !same("", "a"));
    }
}

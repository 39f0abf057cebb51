//! The operations on objects. Whether the caller may is decided before they are reached.

use std::sync::Arc;

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Limited};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{
    Checksum, CommonPrefix, DeleteObjectInput, DeleteObjectOutput, ETag, EncodingType,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object as Listed, PutObjectInput,
    PutObjectOutput, Range, StreamingBlob,
};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::store::{Existing, Headers, MAX_OBJECT_BYTES, Object};
use super::{Call, bucket_arn};
use crate::iam;
use crate::server::Shared;

/// The objects of all buckets.
pub(super) struct Objects(pub(super) Arc<Shared>);

/// More keys than this are not listed at once. (S3 API Reference, ListObjectsV2.)
const MAX_KEYS: i32 = 1000;

fn fault(code: S3ErrorCode, message: impl Into<String>) -> S3Error {
    S3Error::with_message(code, message.into())
}

/// What would change what an operation means, and is not done here.
fn refuse(parameters: &[(&str, bool)]) -> S3Result<()> {
    match parameters.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("the local AWS does not know the parameter {name}");
            Err(fault(S3ErrorCode::NotImplemented, message))
        }
    }
}

impl Objects {
    fn check_owner(&self, bucket: &str, expected: Option<&String>) -> S3Result<()> {
        let owner = self.0.s3().owner(bucket)?;
        match expected {
            Some(expected) if *expected != owner => Err(S3ErrorCode::AccessDenied.into()),
            _ => Ok(()),
        }
    }

    /// Returns an object. Only a caller that may list the bucket learns that there is none. (S3 API
    /// Reference, GetObject.)
    fn object<T>(&self, request: &S3Request<T>, bucket: &str, key: &str) -> S3Result<Object> {
        if let Some(object) = self.0.s3().object(bucket, key)? {
            return Ok(object);
        }
        let caller = request.extensions.get::<Call>().and_then(Call::caller);
        let may_list = caller.is_some_and(|key| {
            let context = iam::context_of(key);
            let resource = bucket_arn(bucket);
            let account = key.owner.account();
            iam::authorize(key, "s3:ListBucket", &resource, account, &context).is_ok()
        });
        if may_list {
            return Err(fault(S3ErrorCode::NoSuchKey, "The specified key does not exist."));
        }
        Err(fault(S3ErrorCode::AccessDenied, "Access Denied"))
    }
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let input = &request.input;
        self.check_owner(&input.bucket, input.expected_bucket_owner.as_ref())?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        refuse(&[
            ("x-amz-acl", input.acl.is_some()),
            ("x-amz-grant-full-control", input.grant_full_control.is_some()),
            ("x-amz-grant-read", input.grant_read.is_some()),
            ("x-amz-grant-read-acp", input.grant_read_acp.is_some()),
            ("x-amz-grant-write-acp", input.grant_write_acp.is_some()),
            ("x-amz-object-lock-mode", input.object_lock_mode.is_some()),
            ("x-amz-object-lock-retain-until-date", input.object_lock_retain_until_date.is_some()),
            ("x-amz-object-lock-legal-hold", input.object_lock_legal_hold_status.is_some()),
            ("x-amz-server-side-encryption", input.server_side_encryption.is_some()),
            (
                "x-amz-server-side-encryption-customer-algorithm",
                input.sse_customer_algorithm.is_some(),
            ),
            ("x-amz-server-side-encryption-aws-kms-key-id", input.ssekms_key_id.is_some()),
            ("x-amz-server-side-encryption-context", input.ssekms_encryption_context.is_some()),
            ("x-amz-server-side-encryption-bucket-key-enabled", input.bucket_key_enabled.is_some()),
            ("x-amz-storage-class", input.storage_class.is_some()),
            ("x-amz-tagging", input.tagging.is_some()),
            ("x-amz-website-redirect-location", input.website_redirect_location.is_some()),
            ("x-amz-write-offset-bytes", input.write_offset_bytes.is_some()),
            ("Content-MD5", input.content_md5.is_some()),
            ("Expires", input.expires.is_some()),
            ("If-Match", input.if_match.is_some()),
            (
                "If-None-Match other than *",
                input.if_none_match.as_ref().is_some_and(|tag| !tag.is_any()),
            ),
        ])?;
        self.check_owner(&input.bucket, input.expected_bucket_owner.as_ref())?;
        let bytes = collect(input.body).await?;
        if input.content_length.is_some_and(|length| usize::try_from(length) != Ok(bytes.len())) {
            return Err(S3ErrorCode::IncompleteBody.into());
        }
        let mut given = Checksum {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            ..Checksum::default()
        };
        // A streamed body brings its checksum at its end.
        if let Some(trailers) = &request.trailing_headers {
            trailers.read(|trailers| {
                let trailer = |name: &str| {
                    let value = trailers.get(format!("x-amz-checksum-{name}"))?;
                    value.to_str().ok().map(str::to_owned)
                };
                given.checksum_crc32 = given.checksum_crc32.take().or_else(|| trailer("crc32"));
                given.checksum_crc32c = given.checksum_crc32c.take().or_else(|| trailer("crc32c"));
                given.checksum_crc64nvme =
                    given.checksum_crc64nvme.take().or_else(|| trailer("crc64nvme"));
                given.checksum_sha1 = given.checksum_sha1.take().or_else(|| trailer("sha1"));
                given.checksum_sha256 = given.checksum_sha256.take().or_else(|| trailer("sha256"));
            });
        }
        announced(&request.headers, &given)?;
        verify_checksum(&given, &bytes)?;
        let headers = Headers {
            content_type: input.content_type,
            content_encoding: input.content_encoding.and_then(|encoding| of_the_object(&encoding)),
            content_language: input.content_language,
            content_disposition: input.content_disposition,
            cache_control: input.cache_control,
            metadata: input.metadata,
        };
        let modified = self.0.clock.wall();
        let object = Object { bytes, modified, headers, checksum: given.clone() };
        let e_tag = Some(ETag::Strong(object.e_tag()));
        let existing = match input.if_none_match {
            Some(_) => Existing::Refuse,
            None => Existing::Replace,
        };
        self.0.s3().put(&input.bucket, input.key, object, existing)?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag,
            checksum_crc32: given.checksum_crc32,
            checksum_crc32c: given.checksum_crc32c,
            checksum_crc64nvme: given.checksum_crc64nvme,
            checksum_sha1: given.checksum_sha1,
            checksum_sha256: given.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &request.input;
        refuse(&[
            ("If-Match", input.if_match.is_some()),
            ("If-None-Match", input.if_none_match.is_some()),
            ("If-Modified-Since", input.if_modified_since.is_some()),
            ("If-Unmodified-Since", input.if_unmodified_since.is_some()),
            ("partNumber", input.part_number.is_some()),
            ("versionId", input.version_id.is_some()),
            ("response-cache-control", input.response_cache_control.is_some()),
            ("response-content-disposition", input.response_content_disposition.is_some()),
            ("response-content-encoding", input.response_content_encoding.is_some()),
            ("response-content-language", input.response_content_language.is_some()),
            ("response-content-type", input.response_content_type.is_some()),
            ("response-expires", input.response_expires.is_some()),
            (
                "x-amz-server-side-encryption-customer-algorithm",
                input.sse_customer_algorithm.is_some(),
            ),
        ])?;
        self.check_owner(&input.bucket, input.expected_bucket_owner.as_ref())?;
        let object = self.object(&request, &input.bucket, &input.key)?;
        let (part, content_range) = ranged(&object.bytes, input.range)?;
        // A part's checksum is not the whole's.
        let whole = input.checksum_mode.is_some() && content_range.is_none();
        let checksum = if whole { object.checksum.clone() } else { Checksum::default() };
        let e_tag = Some(ETag::Strong(object.e_tag()));
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: i64::try_from(part.len()).ok(),
            body: Some(StreamingBlob::from(s3s::Body::from(part))),
            content_range: content_range.clone(),
            e_tag,
            last_modified: Some(object.modified.into()),
            content_type: object.headers.content_type,
            content_encoding: object.headers.content_encoding,
            content_language: object.headers.content_language,
            content_disposition: object.headers.content_disposition,
            cache_control: object.headers.cache_control,
            metadata: object.headers.metadata,
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..GetObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = &request.input;
        refuse(&[
            ("If-Match", input.if_match.is_some()),
            ("If-None-Match", input.if_none_match.is_some()),
            ("If-Modified-Since", input.if_modified_since.is_some()),
            ("If-Unmodified-Since", input.if_unmodified_since.is_some()),
            ("Range", input.range.is_some()),
            ("partNumber", input.part_number.is_some()),
            ("versionId", input.version_id.is_some()),
            ("response-cache-control", input.response_cache_control.is_some()),
            ("response-content-disposition", input.response_content_disposition.is_some()),
            ("response-content-encoding", input.response_content_encoding.is_some()),
            ("response-content-language", input.response_content_language.is_some()),
            ("response-content-type", input.response_content_type.is_some()),
            ("response-expires", input.response_expires.is_some()),
            (
                "x-amz-server-side-encryption-customer-algorithm",
                input.sse_customer_algorithm.is_some(),
            ),
        ])?;
        self.check_owner(&input.bucket, input.expected_bucket_owner.as_ref())?;
        let object = self.object(&request, &input.bucket, &input.key)?;
        let asked = input.checksum_mode.is_some();
        let checksum = if asked { object.checksum.clone() } else { Checksum::default() };
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: i64::try_from(object.bytes.len()).ok(),
            e_tag: Some(ETag::Strong(object.e_tag())),
            last_modified: Some(object.modified.into()),
            content_type: object.headers.content_type,
            content_encoding: object.headers.content_encoding,
            content_language: object.headers.content_language,
            content_disposition: object.headers.content_disposition,
            cache_control: object.headers.cache_control,
            metadata: object.headers.metadata,
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        refuse(&[
            ("If-Match", input.if_match.is_some()),
            ("versionId", input.version_id.is_some()),
            ("x-amz-bypass-governance-retention", input.bypass_governance_retention.is_some()),
            ("x-amz-if-match-last-modified-time", input.if_match_last_modified_time.is_some()),
            ("x-amz-if-match-size", input.if_match_size.is_some()),
            ("x-amz-mfa", input.mfa.is_some()),
        ])?;
        self.check_owner(&input.bucket, input.expected_bucket_owner.as_ref())?;
        self.0.s3().delete(&input.bucket, &input.key)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        refuse(&[
            ("fetch-owner", input.fetch_owner == Some(true)),
            ("x-amz-optional-object-attributes", input.optional_object_attributes.is_some()),
        ])?;
        self.check_owner(&input.bucket, input.expected_bucket_owner.as_ref())?;
        let most = input.max_keys.unwrap_or(MAX_KEYS);
        if most < 0 {
            return Err(fault(S3ErrorCode::InvalidArgument, "max-keys is negative"));
        }
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = match &input.continuation_token {
            Some(token) => token_key(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let keys = usize::try_from(most.min(MAX_KEYS)).unwrap_or_default();
        let page = match keys {
            0 => super::store::Page::default(),
            keys => self.0.s3().list(&input.bucket, &prefix, delimiter, &after, keys)?,
        };
        let encoded =
            input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
        let shown = |text: String| match encoded {
            true => utf8_percent_encode(&text, PLAIN).to_string(),
            false => text,
        };
        let contents = page.objects.into_iter().map(|(key, object)| Listed {
            key: Some(shown(key)),
            size: i64::try_from(object.bytes.len()).ok(),
            e_tag: Some(ETag::Strong(object.e_tag())),
            last_modified: Some(object.modified.into()),
            ..Listed::default()
        });
        let contents: Vec<Listed> = contents.collect();
        let prefixes = page.common_prefixes.into_iter();
        let prefixes: Vec<_> =
            prefixes.map(|prefix| CommonPrefix { prefix: Some(shown(prefix)) }).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(shown(prefix)),
            delimiter: input.delimiter.map(&shown),
            start_after: input.start_after.map(&shown),
            encoding_type: input.encoding_type,
            continuation_token: input.continuation_token,
            max_keys: Some(most.min(MAX_KEYS)),
            key_count: i32::try_from(contents.len() + prefixes.len()).ok(),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|key| URL_SAFE_NO_PAD.encode(key)),
            contents: Some(contents),
            common_prefixes: Some(prefixes),
            ..ListObjectsV2Output::default()
        }))
    }
}

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn token_key(token: &str) -> S3Result<String> {
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    key.ok_or_else(|| {
        fault(S3ErrorCode::InvalidArgument, "The continuation token provided is incorrect")
    })
}

/// `aws-chunked` is how a body came, not how the object is encoded. (S3 API Reference, "Signature
/// calculations for the Authorization Header: transferring payload in multiple chunks".)
fn of_the_object(encoding: &str) -> Option<String> {
    let own = encoding.split(',').map(str::trim).filter(|one| *one != "aws-chunked");
    let own: Vec<&str> = own.filter(|one| !one.is_empty()).collect();
    (!own.is_empty()).then(|| own.join(","))
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let limited = Limited::new(s3s::Body::from(body), MAX_OBJECT_BYTES);
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the local AWS takes objects of up to {MAX_OBJECT_BYTES} bytes");
            Err(fault(S3ErrorCode::EntityTooLarge, message))
        }
        // The crate's errors have no public types: their text is all there is.
        Err(error) => Err(match error.to_string() {
            text if text.contains("Sha256Mismatch") => other_body(),
            text if text.contains("SignatureMismatch") => {
                S3Error::new(S3ErrorCode::SignatureDoesNotMatch)
            }
            _ => S3Error::new(S3ErrorCode::IncompleteBody),
        }),
    }
}

/// The body is not what its hash was signed for.
fn other_body() -> S3Error {
    let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
    let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    let mut error = fault(code, message);
    error.set_status_code(axum::http::StatusCode::BAD_REQUEST);
    error
}

/// A checksum that `x-amz-trailer` announced must have come. (S3 API Reference, "Error responses".)
fn announced(headers: &axum::http::HeaderMap, given: &Checksum) -> S3Result<()> {
    let Some(trailer) = headers.get("x-amz-trailer") else { return Ok(()) };
    let came = match trailer.as_bytes() {
        b"x-amz-checksum-crc32" => given.checksum_crc32.is_some(),
        b"x-amz-checksum-crc32c" => given.checksum_crc32c.is_some(),
        b"x-amz-checksum-crc64nvme" => given.checksum_crc64nvme.is_some(),
        b"x-amz-checksum-sha1" => given.checksum_sha1.is_some(),
        b"x-amz-checksum-sha256" => given.checksum_sha256.is_some(),
        _ => false,
    };
    if came {
        return Ok(());
    }
    let code = S3ErrorCode::Custom("MalformedTrailerError".into());
    let message = "The request contained trailing data that was not well-formed or did not conform to our published \
                   schema.";
    let mut error = fault(code, message);
    error.set_status_code(axum::http::StatusCode::BAD_REQUEST);
    Err(error)
}

fn verify_checksum(given: &Checksum, bytes: &[u8]) -> S3Result<()> {
    let mut hasher = ChecksumHasher {
        crc32: given.checksum_crc32.is_some().then(Crc32::new),
        crc32c: given.checksum_crc32c.is_some().then(Crc32c::new),
        crc64nvme: given.checksum_crc64nvme.is_some().then(Crc64Nvme::new),
        sha1: given.checksum_sha1.is_some().then(Sha1::new),
        sha256: given.checksum_sha256.is_some().then(Sha256::new),
    };
    hasher.update(bytes);
    if hasher.finalize() == *given {
        return Ok(());
    }
    let message = "The checksum you specified did not match the calculated checksum.";
    Err(fault(S3ErrorCode::BadDigest, message))
}

/// The part that a range asks for, and what `Content-Range` says of it.
fn ranged(bytes: &Bytes, range: Option<Range>) -> S3Result<(Bytes, Option<String>)> {
    let Some(range) = range else { return Ok((bytes.clone(), None)) };
    let length = bytes.len() as u64;
    let range = range.check(length).map_err(|_| S3Error::new(S3ErrorCode::InvalidRange))?;
    let content_range = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
    let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    Ok((bytes.slice(index(range.start)..index(range.end)), Some(content_range)))
}

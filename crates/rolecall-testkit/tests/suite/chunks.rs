//! Bodies of S3 that come in chunks, signed by hand: with a checksum at their end, or with a
//! signature on each chunk.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_s3::Client;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::{SigningParams, calculate_signature, generate_signing_key};

use crate::services::{REGION, World, code};

/// A request in chunks. `Some`: the trailer that it announces.
struct Put<'a> {
    payload: &'a str,
    decoded_length: usize,
    trailer: Option<&'a str>,
}

impl Put<'_> {
    /// Signs and sends it, with a body that may depend on the signature. The status, and the
    /// error's XML.
    async fn send(&self, world: &World, body: impl FnOnce(String) -> Vec<u8>) -> (u16, String) {
        let host = world.aws.endpoint_url().strip_prefix("http://").unwrap();
        let identity = world.key("ann").into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("s3")
            .time(world.manual.clock().wall())
            .settings(settings)
            .build()
            .unwrap();
        let length = self.decoded_length.to_string();
        let mut headers = vec![
            ("host", host),
            ("content-encoding", "aws-chunked,zstd"),
            ("x-amz-decoded-content-length", &length),
        ];
        headers.extend(self.trailer.map(|trailer| ("x-amz-trailer", trailer)));
        let uri = format!("http://{host}/shop-data/chunks");
        let payload = SignableBody::Precomputed(self.payload.to_owned());
        let request = SignableRequest::new("PUT", &uri, headers.iter().copied(), payload).unwrap();
        let (added, signature) = sign(request, &params.into()).unwrap().into_parts();
        let (added, _) = added.into_parts();
        headers.extend(added.iter().map(|header| (header.name(), header.value())));
        let body = body(signature);
        let mut head = "PUT /shop-data/chunks HTTP/1.1\r\nconnection: close\r\n".to_owned();
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        let (status, _, answer) = world.raw(&[head.as_bytes(), &body].concat()).await;
        (status, String::from_utf8(answer).unwrap())
    }
}

async fn kept(world: &World) -> Result<Vec<u8>, String> {
    let s3 = Client::new(&world.config("ann"));
    match s3.get_object().bucket("shop-data").key("chunks").send().await {
        Ok(kept) => {
            assert_eq!(kept.content_encoding(), Some("zstd"), "how it came is not kept");
            Ok(kept.body.collect().await.unwrap().to_vec())
        }
        error => Err(code(error)),
    }
}

#[tokio::test]
async fn streamed_body_is_checked_against_trailing_checksum() {
    let world = World::new().await;
    let payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let trailer = Some("x-amz-checksum-crc32");
    let right = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    for (what, decoded_length, body, expected) in [
        ("another body", 5, right.replace("hello", "jello"), "BadDigest"),
        ("another checksum", 5, right.replace("NhCmhg", "AAAAAA"), "BadDigest"),
        ("no checksum", 5, "5\r\nhello\r\n0\r\n\r\n".into(), "MalformedTrailerError"),
        ("one not announced", 5, right.replace("crc32:", "sha1:"), "MalformedTrailerError"),
        ("another length", 6, right.into(), "IncompleteBody"),
        ("no end", 5, "5\r\nhel".into(), "IncompleteBody"),
    ] {
        let put = Put { payload, decoded_length, trailer };
        let (status, answer) = put.send(&world, |_| body.into()).await;
        assert!(answer.contains(&format!("<Code>{expected}</Code>")), "{what}: {status} {answer}");
    }
    assert_eq!(kept(&world).await, Err("NoSuchKey".into()), "nothing was kept");
    let put = Put { payload, decoded_length: 5, trailer };
    assert_eq!(put.send(&world, |_| right.into()).await, (200, String::new()));
    assert_eq!(kept(&world).await.unwrap(), b"hello");
}

/// Chunks, each with its signature.
type Chunks = Vec<(String, Vec<u8>)>;

/// The whole body in chunks, each signed upon the one before. (S3 API Reference, "Signature
/// calculations: transferring payload in multiple chunks".)
fn signed(world: &World, now: SystemTime, seed: String) -> Chunks {
    let key = world.key("ann");
    let key = generate_signing_key(key.secret_access_key(), now, REGION, "s3");
    let date = aws_smithy_types::DateTime::from_secs(aws_smithy_types::DateTime::from(now).secs());
    let date = date.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap();
    let date = date.replace(['-', ':'], "");
    let scope = format!("{}/{REGION}/s3/aws4_request", &date[..8]);
    let hex = |bytes: &[u8]| -> String {
        digest(&SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect()
    };
    let mut last = seed;
    let chunks = [vec![b'a'; 8192], vec![b'b'; 8192], b"end".to_vec(), Vec::new()];
    let sign = |data: Vec<u8>| {
        let (nothing, hash) = (hex(b""), hex(&data));
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{last}\n{nothing}\n{hash}");
        last = calculate_signature(&key, text.as_bytes());
        (last.clone(), data)
    };
    chunks.into_iter().map(sign).collect()
}

#[tokio::test]
async fn chunk_signatures_reject_changed_bodies() {
    let world = World::new().await;
    let length = 2 * 8192 + 3;
    let send = async |decoded_length: usize, hand: fn(&mut Chunks)| {
        let payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        let put = Put { payload, decoded_length, trailer: None };
        let body = |seed| {
            let mut chunks = signed(&world, world.manual.clock().wall(), seed);
            hand(&mut chunks);
            let parts = chunks.into_iter().flat_map(|(signature, data)| {
                let head = format!("{:x};chunk-signature={signature}\r\n", data.len());
                [head.as_bytes(), &data, b"\r\n"].concat()
            });
            parts.collect()
        };
        put.send(&world, body).await
    };
    type Hand = fn(&mut Chunks);
    let refused: [(&str, usize, Hand, &str); 6] = [
        ("another byte", length, |chunks| chunks[1].1[7] = b'x', "SignatureDoesNotMatch"),
        ("another order", length, |chunks| chunks.swap(0, 1), "SignatureDoesNotMatch"),
        (
            "another's signature",
            length,
            |chunks| chunks[2].0 = chunks[1].0.clone(),
            "SignatureDoesNotMatch",
        ),
        ("one less", length, |chunks| drop(chunks.remove(2)), "SignatureDoesNotMatch"),
        ("no end", length, |chunks| chunks.truncate(2), "IncompleteBody"),
        ("another length", length + 1, |_| {}, "IncompleteBody"),
    ];
    for (what, length, hand, code) in refused {
        let (status, answer) = send(length, hand).await;
        assert!(answer.contains(&format!("<Code>{code}</Code>")), "{what}: {status} {answer}");
    }
    assert_eq!(kept(&world).await, Err("NoSuchKey".into()), "nothing was kept");
    assert_eq!(send(length, |_| {}).await, (200, String::new()));
    let expected = [vec![b'a'; 8192], vec![b'b'; 8192], b"end".to_vec()].concat();
    assert!(kept(&world).await.unwrap() == expected);
}

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, EncodingType, ObjectCannedAcl};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use serde_json::json;

use crate::services::{World, code, message};

const BUCKET: &str = "shop-data";

fn client(world: &World, user: &str) -> Client {
    Client::new(&world.config(user))
}

async fn put(client: &Client, key: &str, body: impl Into<ByteStream>) {
    client.put_object().bucket(BUCKET).key(key).body(body.into()).send().await.unwrap();
}

async fn bytes(output: GetObjectOutput) -> Vec<u8> {
    output.body.collect().await.unwrap().to_vec()
}

async fn got(client: &Client, key: &str) -> Vec<u8> {
    let request = client.get_object().bucket(BUCKET).key(key);
    // The SDK holds what comes against the checksum that came with it.
    bytes(request.checksum_mode(ChecksumMode::Enabled).send().await.unwrap()).await
}

/// Bytes that compress badly and repeat late.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

#[tokio::test]
async fn objects_of_any_size_are_read_unchanged() {
    let world = World::new().await;
    let s3 = client(&world, "ann");
    for size in [0, 1, 64 * 1024 * 1024] {
        let body = noise(size);
        put(&s3, "a", body.clone()).await;
        assert!(got(&s3, "a").await == body, "{size} bytes");
        let head = s3.head_object().bucket(BUCKET).key("a").send().await.unwrap();
        assert_eq!(head.content_length(), Some(i64::try_from(size).unwrap()));
    }
}

#[tokio::test]
async fn presigned_url_is_not_implemented() {
    use aws_sdk_s3::presigning::PresigningConfig;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new().await;
    let request = client(&world, "ann").get_object().bucket(BUCKET).key("a");
    let good_for = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let url = request.presigned(good_for).await.unwrap().uri().to_owned();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let address = world.aws.endpoint_url().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let asked = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    assert!(answer.contains("presigned URLs are not known to the local S3"), "{answer}");
}

#[tokio::test]
async fn streamed_body_is_read_unchanged() {
    let world = World::new().await;
    let s3 = client(&world, "ann");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    let body = noise(3 * 1024 * 1024 + 17);
    std::fs::write(&path, &body).unwrap();
    put(&s3, "streamed", ByteStream::from_path(&path).await.unwrap()).await;
    assert!(got(&s3, "streamed").await == body);
    let head = s3.head_object().bucket(BUCKET).key("streamed");
    let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    // How it came is not how it is kept; the checksum that came at its end is.
    assert_eq!(head.content_encoding(), None);
    assert!(head.checksum_crc32().is_some());
}

#[tokio::test]
async fn object_key_may_be_any_text() {
    let world = World::new().await;
    let s3 = client(&world, "ann");
    let longest = "k".repeat(1024);
    let keys = [
        "a b",
        "a+b",
        "a%b",
        "a%20b",
        "a%2Fb",
        "ünïcödé/日本/🍵",
        "a/b/c",
        "a//b",
        "/leading",
        "trailing/",
        "a/./b",
        "a/../b",
        "./a",
        "../a",
        "..",
        "a?b=c&d",
        "a#b",
        "a\"b<c>&'d",
        "~.-_!*'()",
        "a:b;c@d,e=f$g",
        &longest,
    ];
    for (index, key) in keys.iter().enumerate() {
        put(&s3, key, vec![u8::try_from(index).unwrap()]).await;
    }
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(got(&s3, key).await, [u8::try_from(index).unwrap()], "{key}");
        let listed = s3.list_objects_v2().bucket(BUCKET).prefix(*key).send().await.unwrap();
        let found: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
        assert!(found.contains(key), "{key} is not in {found:?}");
        s3.delete_object().bucket(BUCKET).key(*key).send().await.unwrap();
    }
    assert_eq!(s3.list_objects_v2().bucket(BUCKET).send().await.unwrap().key_count(), Some(0));
    let too_long = "k".repeat(1025);
    let body = ByteStream::from_static(b"x");
    let result = s3.put_object().bucket(BUCKET).key(too_long).body(body).send().await;
    assert_eq!(code(result), "KeyTooLongError");
}

#[tokio::test]
async fn object_metadata_and_ranges_are_returned() {
    let world = World::new().await;
    let s3 = client(&world, "ann");
    let request =
        s3.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"0123456789"));
    let request = request.content_type("text/x-digits").metadata("shop", "tea");
    let put = request.send().await.unwrap();
    let got = s3.get_object().bucket(BUCKET).key("a").range("bytes=2-4").send().await.unwrap();
    assert_eq!(
        (got.content_type(), got.content_range()),
        (Some("text/x-digits"), Some("bytes 2-4/10"))
    );
    assert_eq!(got.metadata().unwrap()["shop"], "tea");
    assert_eq!((got.e_tag(), got.content_length()), (put.e_tag(), Some(3)));
    assert_eq!(bytes(got).await, b"234");
    for (range, expected) in
        [("bytes=8-", &b"89"[..]), ("bytes=-3", b"789"), ("bytes=0-99", b"0123456789")]
    {
        let got = s3.get_object().bucket(BUCKET).key("a").range(range).send().await.unwrap();
        assert_eq!(bytes(got).await, expected, "{range}");
    }
    let result = s3.get_object().bucket(BUCKET).key("a").range("bytes=10-").send().await;
    assert_eq!(code(result), "InvalidRange");
    s3.put_object().bucket(BUCKET).key("empty").send().await.unwrap();
    let result = s3.get_object().bucket(BUCKET).key("empty").range("bytes=0-").send().await;
    assert_eq!(code(result), "InvalidRange");
}

#[tokio::test]
async fn listing_of_2500_keys_is_paginated() {
    let world = World::new().await;
    let s3 = client(&world, "ann");
    let keys: Vec<String> = (0..2500).map(|n| format!("list/{:02}/{n:04}", n % 50)).collect();
    for some in keys.chunks(100) {
        let puts = some.iter().map(|key| {
            let s3 = s3.clone();
            let key = key.clone();
            tokio::spawn(async move { put(&s3, &key, Vec::new()).await })
        });
        for put in puts.collect::<Vec<_>>() {
            put.await.unwrap();
        }
    }
    let mut sorted = keys;
    sorted.sort_unstable();
    let mut pages = s3.list_objects_v2().bucket(BUCKET).prefix("list/").into_paginator().send();
    let (mut found, mut sizes) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push(page.key_count().unwrap());
        found.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
    }
    assert_eq!(sizes, [1000, 1000, 500]);
    assert!(found == sorted, "each key once, in order");

    let folders = s3.list_objects_v2().bucket(BUCKET).prefix("list/").delimiter("/").max_keys(7);
    let mut pages = folders.into_paginator().send();
    let mut prefixes = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.key_count().unwrap() <= 7 && page.contents().is_empty());
        let of_page = page.common_prefixes().iter().filter_map(|common| common.prefix());
        prefixes.extend(of_page.map(str::to_owned));
    }
    let expected: Vec<String> = (0..50).map(|n| format!("list/{n:02}/")).collect();
    assert_eq!(prefixes, expected);

    let list = || s3.list_objects_v2().bucket(BUCKET).prefix("list/");
    let after = list().start_after("list/49/2449").send().await.unwrap();
    assert_eq!(after.contents()[0].key(), Some("list/49/2499"));
    let mut pages = list().start_after("list/49/2399").max_keys(1).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert_eq!((page.max_keys(), page.contents().len()), (Some(1), 1));
        found.push(page.contents()[0].key().unwrap().to_owned());
    }
    assert_eq!(found, ["list/49/2449", "list/49/2499"]);
    let most = list().max_keys(5000).send().await.unwrap();
    assert_eq!((most.max_keys(), most.contents().len()), (Some(1000), 1000));
    let none = list().max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count(), none.is_truncated()), (Some(0), Some(false)));
    assert_eq!(code(list().continuation_token("%%").send().await), "InvalidArgument");
}

#[tokio::test]
async fn listing_may_be_url_encoded() {
    let world = World::new().await;
    let s3 = client(&world, "ann");
    put(&s3, "a b+c%/ü", Vec::new()).await;
    let list = s3.list_objects_v2().bucket(BUCKET).encoding_type(EncodingType::Url);
    let listed = list.send().await.unwrap();
    assert_eq!(listed.contents()[0].key(), Some("a%20b%2Bc%25/%C3%BC"));
}

#[tokio::test]
async fn bucket_may_be_in_host_name() {
    let world = World::new().await;
    let (_, port) = world.aws.endpoint_url().rsplit_once(':').unwrap();
    let with_host = |host: &str| {
        let config = aws_sdk_s3::config::Builder::from(&world.config("ann"));
        let config = config.endpoint_url(format!("http://{host}:{port}")).force_path_style(false);
        Client::from_conf(config.http_client(ToLoopback::client()).build())
    };
    put(&client(&world, "ann"), "a/b c", b"hello".to_vec()).await;
    for host in ["localhost", "s3.localhost", "s3.eu-west-1.amazonaws.com", "s3.amazonaws.com"] {
        assert_eq!(got(&with_host(host), "a/b c").await, b"hello", "{host}");
    }
    let elsewhere = with_host("elsewhere.example").get_object().bucket(BUCKET).key("a/b c");
    // There the bucket is in the path: one that is called "a", as none may be.
    assert_eq!(code(elsewhere.send().await), "InvalidBucketName");
}

/// An HTTP client that finds every name on the loopback address.
#[derive(Clone, Debug)]
struct ToLoopback;

impl ToLoopback {
    fn client() -> impl HttpClient + Clone {
        let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        aws_smithy_http_client::Builder::new().tls_provider(tls).build_with_resolver(Self)
    }
}

impl aws_smithy_runtime_api::client::dns::ResolveDns for ToLoopback {
    fn resolve_dns<'a>(&'a self, _: &'a str) -> aws_smithy_runtime_api::client::dns::DnsFuture<'a> {
        let loopback = std::net::IpAddr::from([127, 0, 0, 1]);
        aws_smithy_runtime_api::client::dns::DnsFuture::ready(Ok(vec![loopback]))
    }
}

#[tokio::test]
async fn policies_match_buckets_keys_and_prefixes() {
    let world = World::with_carl(json!([
        { "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::shop-data",
          "Condition": { "StringLike": { "s3:prefix": "orders/*" } } },
        { "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::*/orders/*" },
    ]))
    .await;
    let (carl, bob, eve) = (client(&world, "carl"), client(&world, "bob"), client(&world, "eve"));
    put(&carl, "orders/1", b"1".to_vec()).await;
    put(&client(&world, "ann"), "invoices/1", b"1".to_vec()).await;
    assert_eq!(got(&carl, "orders/1").await, b"1");
    let get = |client: &Client, key: &str| client.get_object().bucket(BUCKET).key(key).send();
    assert_eq!(
        message(get(&carl, "invoices/1").await),
        "User: arn:aws:iam::111122223333:user/carl is not authorized to perform: s3:GetObject on resource: \
         arn:aws:s3:::shop-data/invoices/1 because no identity-based policy allows the s3:GetObject action"
    );
    assert_eq!(code(get(&bob, "orders/1").await), "AccessDenied");
    assert_eq!(code(get(&eve, "orders/1").await), "AccessDenied", "another account's bucket");
    let foreign = carl.get_object().bucket("others").key("orders/1").send().await;
    assert_eq!(code(foreign), "AccessDenied", "another account's bucket");
    let delete = carl.delete_object().bucket(BUCKET).key("orders/1").send().await;
    assert_eq!(code(delete), "AccessDenied");

    let list = |prefix: Option<&str>| {
        carl.list_objects_v2().bucket(BUCKET).set_prefix(prefix.map(str::to_owned)).send()
    };
    assert_eq!(list(Some("orders/")).await.unwrap().key_count(), Some(1));
    for prefix in [Some("invoices/"), Some("order"), Some(""), None] {
        assert_eq!(code(list(prefix).await), "AccessDenied", "{prefix:?}");
    }
}

#[tokio::test]
async fn missing_object_is_told_to_listing_callers() {
    let world = World::with_carl(json!([
        { "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop-data/*" },
    ]))
    .await;
    let get = |user: &str| client(&world, user).get_object().bucket(BUCKET).key("none").send();
    assert_eq!(code(get("ann").await), "NoSuchKey");
    assert_eq!(code(get("carl").await), "AccessDenied");
    let head = |user: &str| client(&world, user).head_object().bucket(BUCKET).key("none").send();
    assert_eq!(code(head("ann").await), "NotFound");
    assert_eq!(code(head("carl").await), "403");
    let calls = world.aws.calls();
    let last = calls.last().unwrap();
    assert_eq!((last.service.as_str(), last.operation.as_str()), ("s3", "HeadObject"));
    assert_eq!(last.caller.as_deref(), Some("arn:aws:iam::111122223333:user/carl"));
    assert_eq!(last.error.as_deref(), Some("AccessDenied"));
}

#[tokio::test]
async fn missing_and_invalid_buckets_are_refused() {
    let world = World::new().await;
    let ann = client(&world, "ann");
    let get = |bucket: &str| ann.get_object().bucket(bucket).key("a").send();
    assert_eq!(code(get("nowhere").await), "NoSuchBucket");
    assert_eq!(code(get("No_Bucket").await), "InvalidBucketName");
    let head = |bucket: &str| ann.head_bucket().bucket(bucket).send();
    assert!(head(BUCKET).await.is_ok());
    assert_eq!(code(head("nowhere").await), "NotFound");
    let owner =
        |account: &str| ann.head_bucket().bucket(BUCKET).expected_bucket_owner(account).send();
    assert!(owner("111122223333").await.is_ok());
    assert_eq!(code(owner("444455556666").await), "403");
}

#[tokio::test]
async fn unknown_s3_parameter_is_refused() {
    let world = World::new().await;
    let ann = client(&world, "ann");
    let acl = ann.put_object().bucket(BUCKET).key("a").acl(ObjectCannedAcl::PublicRead);
    let acl = acl.body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(message(acl), "the local AWS does not know the parameter x-amz-acl");
    let version = ann.get_object().bucket(BUCKET).key("a").version_id("1").send().await;
    assert_eq!(message(version), "the local AWS does not know the parameter versionId");
    let fetch_owner = ann.list_objects_v2().bucket(BUCKET).fetch_owner(true).send().await;
    assert_eq!(message(fetch_owner), "the local AWS does not know the parameter fetch-owner");
    let shown_as = ann.get_object().bucket(BUCKET).key("a").response_content_language("de");
    let shown_as = message(shown_as.send().await);
    assert_eq!(shown_as, "the local AWS does not know the parameter response-content-language");
    let size = ann.delete_object().bucket(BUCKET).key("a").if_match_size(1).send().await;
    assert_eq!(message(size), "the local AWS does not know the parameter x-amz-if-match-size");
    assert_eq!(code(ann.list_objects().bucket(BUCKET).send().await), "NotImplemented");
    assert_eq!(code(ann.create_bucket().bucket("another").send().await), "NotImplemented");
    assert_eq!(code(ann.get_bucket_policy().bucket(BUCKET).send().await), "NotImplemented");
    assert!(got_none(&ann).await, "nothing was kept");
}

async fn got_none(client: &Client) -> bool {
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    listed.contents().is_empty()
}

#[tokio::test]
async fn keys_and_sessions_must_be_issued_ones() {
    let world = World::new().await;
    let list = |config: aws_types::SdkConfig| async move {
        Client::new(&config).list_objects_v2().bucket(BUCKET).send().await
    };
    let expected = [
        ("wrong secret", "SignatureDoesNotMatch"),
        ("unknown key", "InvalidAccessKeyId"),
        ("no token", "InvalidToken"),
        ("another session's token", "InvalidToken"),
        ("token without need", "InvalidToken"),
    ];
    for ((what, key), (name, error)) in world.wrong_keys().await.into_iter().zip(expected) {
        assert_eq!((what, code(list(world.config_of(key)).await)), (name, error.to_owned()));
    }
    let session = world.session().await;
    assert!(list(world.config_of(session.clone())).await.is_ok());
    world.manual.advance(Duration::from_secs(3600));
    assert_eq!(code(list(world.config_of(session)).await), "ExpiredToken");

    let off_by = |seconds: i64| {
        let (now, off) = (world.manual.clock().wall(), Duration::from_secs(seconds.unsigned_abs()));
        let then = if seconds < 0 { now - off } else { now + off };
        let then = aws_smithy_async::time::StaticTimeSource::new(then);
        list(world.config("ann").into_builder().time_source(then).build())
    };
    for seconds in [-890, 890] {
        assert!(off_by(seconds).await.is_ok(), "{seconds}");
    }
    for seconds in [-910, 910] {
        assert_eq!(code(off_by(seconds).await), "RequestTimeTooSkewed", "{seconds}");
    }
}

/// Changes a request after it was signed.
#[derive(Debug)]
struct Tamper(fn(&mut aws_smithy_runtime_api::client::orchestrator::HttpRequest));

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Tamper {
    fn name(&self) -> &'static str {
        "Tamper"
    }

    fn modify_before_transmit(
        &self,
        context: &mut aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut<'_>,
        _: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponents,
        _: &mut aws_smithy_types::config_bag::ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        self.0(context.request_mut());
        Ok(())
    }
}

#[tokio::test]
async fn tampered_request_is_refused() {
    let world = World::new().await;
    let ann = client(&world, "ann");
    let put_with = |tamper: Tamper| {
        let body = ByteStream::from_static(b"hello");
        let put = ann.put_object().bucket(BUCKET).key("a").body(body);
        put.customize().interceptor(tamper).send()
    };
    let header = Tamper(|request| {
        request.headers_mut().insert("x-amz-meta-shop", "coffee");
    });
    assert_eq!(code(put_with(header).await), "AccessDenied");
    let body = Tamper(|request| *request.body_mut() = "jello".into());
    assert_eq!(code(put_with(body).await), "XAmzContentSHA256Mismatch");
    let key = Tamper(|request| {
        let uri = request.uri().replace("/a?", "/b?");
        request.set_uri(uri).unwrap();
    });
    assert_eq!(code(put_with(key).await), "SignatureDoesNotMatch");
    let unsigned = Tamper(|request| {
        request.headers_mut().remove("authorization");
    });
    assert_eq!(code(put_with(unsigned).await), "AccessDenied");
    let put = ann.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"hello"));
    let checksum = put.checksum_crc32("AAAAAA==").send().await;
    assert_eq!(code(checksum), "BadDigest");
    assert!(got_none(&ann).await, "nothing was kept");
}

#[tokio::test]
async fn conditional_put_replaces_nothing() {
    let world = World::new().await;
    let s3 = client(&world, "ann");
    let lock = |condition: &'static str| {
        let put = s3.put_object().bucket(BUCKET).key("lock").if_none_match(condition);
        put.body(ByteStream::from_static(b"1")).send()
    };
    lock("*").await.unwrap();
    assert_eq!(code(lock("*").await), "PreconditionFailed");
    assert_eq!(code(lock("\"0123\"").await), "NotImplemented");
    put(&s3, "lock", b"2".to_vec()).await;
    assert_eq!(code(lock("*").await), "PreconditionFailed");
    assert_eq!(got(&s3, "lock").await, b"2");
    s3.delete_object().bucket(BUCKET).key("lock").send().await.unwrap();
    lock("*").await.unwrap();
}

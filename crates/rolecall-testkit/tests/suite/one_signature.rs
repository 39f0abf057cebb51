//! A request is authenticated once, and authorized as the caller whose signature was verified.
//!
//! Each test sends a request in which one reader of it could see another caller, another time or
//! another resource than the next: such a request is refused by every service.

use aws_lc_rs::digest::{SHA256, digest};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use serde_json::json;

use crate::services::{REGION, World};

/// An operation of each service that the user `ann` may call.
#[derive(Clone, Copy)]
struct Operation {
    service: &'static str,
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    /// The code of the refusal.
    refusal: &'static str,
}

const PUT_OBJECT: Operation = Operation {
    service: "s3",
    method: "PUT",
    target: "/shop-data/planted",
    headers: &[],
    body: "planted",
    refusal: "InvalidArgument",
};

const LIST_OBJECTS: Operation =
    Operation { method: "GET", target: "/shop-data?list-type=2", body: "", ..PUT_OBJECT };

const GET_CALLER_IDENTITY: Operation = Operation {
    service: "sts",
    method: "POST",
    target: "/",
    headers: &[],
    body: "Action=GetCallerIdentity&Version=2011-06-15",
    refusal: "IncompleteSignature",
};

const GET_SECRET_VALUE: Operation = Operation {
    service: "secretsmanager",
    headers: &[("x-amz-target", "secretsmanager.GetSecretValue")],
    body: "{\"SecretId\": \"shop/db\"}",
    refusal: "IncompleteSignatureException",
    ..GET_CALLER_IDENTITY
};

const GET_AUTHORIZATION_TOKEN: Operation = Operation {
    service: "ecr",
    headers: &[("x-amz-target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")],
    body: "{}",
    ..GET_SECRET_VALUE
};

const OPERATIONS: [Operation; 5] =
    [PUT_OBJECT, LIST_OBJECTS, GET_CALLER_IDENTITY, GET_SECRET_VALUE, GET_AUTHORIZATION_TOKEN];

type Headers = Vec<(String, String)>;

impl Operation {
    /// Returns all headers of the request, signed by `user`.
    fn sign(&self, world: &World, user: &str) -> Headers {
        self.sign_without(world, user, &[])
    }

    /// Signs the request, but not these headers of it.
    fn sign_without(&self, world: &World, user: &str, unsigned: &[&'static str]) -> Headers {
        let host = world.aws.endpoint_url().strip_prefix("http://").unwrap();
        let identity = world.key(user).into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.excluded_headers =
            Some(unsigned.iter().map(|name| std::borrow::Cow::Borrowed(*name)).collect());
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let params = SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(self.service)
            .time(world.manual.clock().wall())
            .settings(settings)
            .build()
            .unwrap();
        let mut headers = vec![("host", host)];
        headers.extend(self.headers);
        let uri = format!("http://{host}{}", self.target);
        let body = SignableBody::Bytes(self.body.as_bytes());
        let given = headers.iter().copied();
        let request = SignableRequest::new(self.method, &uri, given, body).unwrap();
        let (added, _) = sign(request, &params.into()).unwrap().into_parts();
        let (added, _) = added.into_parts();
        let added = added.iter().map(|header| (header.name(), header.value()));
        let headers = headers.into_iter().chain(added);
        headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Sends the request with these headers. Returns the status, and the rest of the response.
    async fn send(&self, world: &World, headers: &Headers) -> (u16, String) {
        let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.target);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n{}", self.body.len(), self.body);
        let (status, head, body) = world.raw(head.as_bytes()).await;
        (status, head + &String::from_utf8(body).unwrap())
    }

    /// Sends the request, which must be refused with `code` and recorded without a caller.
    async fn assert_refused(&self, world: &World, headers: &Headers, code: &str, what: &str) {
        let (status, answer) = self.send(world, headers).await;
        assert!((400..500).contains(&status), "{what}: {answer}");
        assert!(answer.contains(code), "{what}: expected {code}: {answer}");
        assert!(!answer.contains("swordfish"), "{what}: {answer}");
        let call = world.aws.calls().pop().unwrap();
        assert_eq!(call.caller, None, "{what}: no signature was verified");
        assert!(call.error.is_some(), "{what}: {call:?}");
    }
}

fn authorization(headers: &mut Headers) -> &mut String {
    &mut headers.iter_mut().find(|(name, _)| name == "authorization").unwrap().1
}

/// An `Authorization` header that names the same key, and whose signature is not one.
fn forge(headers: &Headers) -> String {
    let (_, header) = headers.iter().find(|(name, _)| name == "authorization").unwrap();
    let (start, _) = header.split_once("Signature=").unwrap();
    format!("{start}Signature=0")
}

async fn assert_nothing_stored(world: &World) {
    let s3 = aws_sdk_s3::Client::new(&world.config("ann"));
    let listed = s3.list_objects_v2().bucket("shop-data").send().await.unwrap();
    assert_eq!(listed.key_count(), Some(0));
}

#[tokio::test]
async fn single_valid_signature_is_accepted() {
    let world = World::new().await;
    for operation in OPERATIONS {
        let headers = operation.sign(&world, "ann");
        let (status, answer) = operation.send(&world, &headers).await;
        assert_eq!(status, 200, "{}: {answer}", operation.service);
    }
}

#[tokio::test]
async fn second_authorization_header_is_refused() {
    let world = World::new().await;
    for operation in OPERATIONS {
        let (of_ann, of_bob) = (operation.sign(&world, "ann"), operation.sign(&world, "bob"));
        let forged = forge(&of_ann);
        // The same date and host: only the Authorization headers differ.
        let right = authorization(&mut of_bob.clone()).clone();
        let of_ann = authorization(&mut of_ann.clone()).clone();
        let cases = [
            ("forged, then forged", [forged.clone(), forged.clone()]),
            ("forged, then another caller's", [forged.clone(), right.clone()]),
            ("another caller's, then forged", [right, forged.clone()]),
            ("right, then forged", [of_ann.clone(), forged]),
            ("right, then empty", [of_ann.clone(), String::new()]),
            ("the same twice", [of_ann.clone(), of_ann]),
        ];
        for (what, values) in cases {
            let mut headers = of_bob.clone();
            headers.retain(|(name, _)| name != "authorization");
            headers.extend(values.map(|value| ("authorization".to_owned(), value)));
            let what = format!("{} {}: {what}", operation.service, operation.method);
            operation.assert_refused(&world, &headers, operation.refusal, &what).await;
        }
    }
    assert_nothing_stored(&world).await;
}

#[tokio::test]
async fn web_identity_with_two_authorizations_is_refused() {
    let world = World::new().await;
    // Unsigned, but for those headers.
    let operation = Operation {
        body: "Action=AssumeRoleWithWebIdentity&Version=2011-06-15",
        ..GET_CALLER_IDENTITY
    };
    let mut headers = operation.sign(&world, "ann");
    let right = authorization(&mut headers).clone();
    headers.push(("authorization".into(), right));
    operation.assert_refused(&world, &headers, "IncompleteSignature", "web identity").await;
}

#[tokio::test]
async fn repeated_signing_header_is_refused() {
    let world = World::new().await;
    let hash: String =
        digest(&SHA256, b"other").as_ref().iter().map(|b| format!("{b:02x}")).collect();
    for operation in OPERATIONS {
        for (name, other) in [
            ("x-amz-date", "20200101T000000Z"),
            ("x-amz-content-sha256", &hash),
            ("x-amz-security-token", "another session's"),
            ("host", "others.localhost"),
            ("x-amz-target", "secretsmanager.CreateSecret"),
        ] {
            let signed = operation.sign(&world, "ann");
            let first = signed.iter().find(|(given, _)| given == name);
            let same = first.map_or(other, |(_, value)| value).to_owned();
            for value in [same, other.to_owned()] {
                let mut headers = signed.clone();
                if first.is_none() {
                    headers.push((name.to_owned(), value.clone()));
                }
                headers.push((name.to_owned(), value.clone()));
                let what = format!("{} {}: {name}: {value}", operation.service, operation.method);
                operation.assert_refused(&world, &headers, operation.refusal, &what).await;
            }
        }
    }
    assert_nothing_stored(&world).await;
}

#[tokio::test]
async fn signature_in_query_beside_header_is_refused() {
    let world = World::new().await;
    for query in [
        "X-Amz-Signature=0",
        "X-Amz-Signatur%65=0",
        "x-amz-signature=0",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=a",
        "X-Amz-Security-Token=a",
        "X-Amz-Date=20200101T000000Z",
        "Signature=0",
        "%53ignature=0&AWSAccessKeyId=a&Expires=1",
    ] {
        for (operation, refusal) in [
            (LIST_OBJECTS, "InvalidArgument"),
            (PUT_OBJECT, "InvalidArgument"),
            (GET_CALLER_IDENTITY, ""),
            (GET_SECRET_VALUE, ""),
            (GET_AUTHORIZATION_TOKEN, ""),
        ] {
            let joint = if operation.target.contains('?') { '&' } else { '?' };
            let target = format!("{}{joint}{query}", operation.target);
            // Signed with the query, by the header.
            let operation = Operation { target: target.leak(), ..operation };
            let headers = operation.sign(&world, "ann");
            let what = format!("{}: {query}", operation.service);
            operation.assert_refused(&world, &headers, refusal, &what).await;
            let mut headers = headers;
            *authorization(&mut headers) = forge(&headers.clone());
            operation.assert_refused(&world, &headers, refusal, &what).await;
        }
    }
    assert_nothing_stored(&world).await;
}

#[tokio::test]
async fn form_upload_without_verified_signature_is_refused() {
    let world = World::new().await;
    let post = Operation {
        method: "POST",
        target: "/shop-data",
        headers: &[("content-type", "multipart/form-data; boundary=b")],
        body: "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nplanted\r\n\
               --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n",
        ..PUT_OBJECT
    };
    let mut headers = post.sign(&world, "ann");
    *authorization(&mut headers) = forge(&headers.clone());
    post.assert_refused(&world, &headers, "AccessDenied", "form").await;
    assert_nothing_stored(&world).await;
}

#[tokio::test]
async fn unsigned_host_or_target_is_refused() {
    let world = World::new().await;
    for operation in OPERATIONS {
        for name in ["host", "x-amz-target"] {
            if name == "x-amz-target" && operation.headers.is_empty() {
                continue;
            }
            let headers = operation.sign_without(&world, "ann", &[name]);
            let what = format!("{}: {name}", operation.service);
            operation.assert_refused(&world, &headers, "", &what).await;
        }
    }
    assert_nothing_stored(&world).await;
}

#[tokio::test]
async fn policy_sees_query_as_service_decodes_it() {
    let world = World::with_carl(json!([{
        "Action": "s3:ListBucket", "Resource": "*",
        "Condition": { "StringNotEquals": { "s3:prefix": "private/" } },
    }]))
    .await;
    for (query, allowed) in [
        ("prefix=orders/", true),
        ("prefix=private/", false),
        ("prefi%78=orders%2F", true),
        ("prefi%78=private/", false),
        ("prefix=orders/&prefix=private/", false),
        ("prefix=orders/&prefi%78=private/", false),
        ("delimiter=a&delimiter=b", false),
        ("prefix=%ff", false),
    ] {
        let target = format!("{}&{query}", LIST_OBJECTS.target);
        let list = Operation { target: target.leak(), ..LIST_OBJECTS };
        let (status, answer) = list.send(&world, &list.sign(&world, "carl")).await;
        assert_eq!(status == 200, allowed, "{query}: {answer}");
    }
}

#[tokio::test]
async fn json_operation_outside_root_path_is_refused() {
    let world = World::new().await;
    for (method, target) in [("POST", "/other"), ("POST", "/?x=1"), ("GET", "/"), ("PUT", "/")] {
        for operation in [GET_SECRET_VALUE, GET_AUTHORIZATION_TOKEN] {
            let operation = Operation { method, target, ..operation };
            let headers = operation.sign(&world, "ann");
            let what = format!("{method} {target}");
            let code = "UnknownOperationException";
            operation.assert_refused(&world, &headers, code, &what).await;
        }
    }
}

#[tokio::test]
async fn policy_sees_path_as_service_decodes_it() {
    let resource = "arn:aws:s3:::shop-data/orders/*";
    let world = World::with_carl(json!([{ "Action": "s3:PutObject", "Resource": resource }])).await;
    // A path is signed in its canonical form, and may be sent in another one.
    for (signed, sent, allowed) in [
        ("/shop-data/orders/a", "/shop-data/orders/a", true),
        ("/shop-data/orders/b", "/shop-data/orders%2Fb", true),
        ("/shop-data/orders/c", "/shop-data/%6Frders/c", true),
        // Keys are not paths: nothing is resolved, here or in the policy.
        ("/shop-data/orders/../private/d", "/shop-data/orders/../private/d", true),
        ("/shop-data/private/d", "/shop-data/orders/../private/d", false),
        ("/shop-data/private/e", "/shop-data/private/e", false),
        ("/shop-data/private/f", "/shop-data/%70rivate/f", false),
        ("/shop-data/private/g", "/shop-data%2Fprivate%2Fg", false),
        ("/shop-data/orders%252F/h", "/shop-data/orders%252F/h", false),
        ("/others/orders/i", "/%6Fthers/orders/i", false),
    ] {
        let put = |target| Operation { target, ..PUT_OBJECT };
        let headers = put(signed).sign(&world, "carl");
        let (status, answer) = put(sent).send(&world, &headers).await;
        assert_eq!(status == 200, allowed, "{sent}: {answer}");
    }
    let s3 = aws_sdk_s3::Client::new(&world.config("ann"));
    let listed = s3.list_objects_v2().bucket("shop-data").send().await.unwrap();
    let keys: Vec<&str> = listed.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["orders/../private/d", "orders/a", "orders/b", "orders/c"]);
}

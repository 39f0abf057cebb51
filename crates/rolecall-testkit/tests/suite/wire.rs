//! Requests that no SDK would send, and connections.

use std::time::Duration;

use super::{SHOP, World};

/// A request that no SDK would send, and the status of its answer.
async fn raw(world: &World, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = world.aws.endpoint_url().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let world = World::new().await;
    let post = |headers: &str, body: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        )
    };
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    for (request, expected) in [
        (post("", form), "<Code>MissingAuthenticationToken</Code>"),
        (post("Authorization: Basic YTpi\r\n", form), "<Code>IncompleteSignature</Code>"),
        (post("", "Action=%ff"), "<Code>MalformedInput</Code>"),
        (post("", "Action=GetCallerIdentity"), "<Code>InvalidAction</Code>"),
        (post("", form).replace("POST / ", "POST /?X=1 "), "404 Not Found"),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".into(),
            // To S3, that is an unsigned listing of buckets.
            if cfg!(feature = "s3") { "<Code>AccessDenied</Code>" } else { "404 Not Found" },
        ),
        (
            post("X-Amz-Target: secretsmanager.GetSecretValue\r\n", "{}"),
            // In the words of the service, if it is there.
            if cfg!(feature = "secrets-manager") {
                "\"__type\":\"MissingAuthenticationTokenException\""
            } else {
                "<Code>InvalidAction</Code>"
            },
        ),
        (post("", &"x".repeat(300_000)), "413 Payload Too Large"),
    ] {
        let answer = raw(&world, &request).await;
        assert!(answer.contains(expected), "{expected}: {answer}");
    }
}

#[tokio::test]
async fn signature_for_another_service_is_refused() {
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    let world = World::new().await;
    let host = world.aws.endpoint_url().strip_prefix("http://").unwrap().to_owned();
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    for (service, expected) in
        [("sts", "200 OK"), ("sqs", "the local AWS has no service &quot;sqs&quot;")]
    {
        let identity = world.user(SHOP, "ann").into();
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name(service)
            .time(world.manual.clock().wall())
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let headers = [("host", host.as_str())].into_iter();
        let uri = format!("http://{host}/");
        let bytes = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new("POST", &uri, headers, bytes).unwrap();
        let (signed, _) = sign(request, &params.into()).unwrap().into_parts();
        let (headers, _) = signed.into_parts();
        let headers: String = headers
            .iter()
            .map(|header| format!("{}: {}\r\n", header.name(), header.value()))
            .collect();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let answer = raw(&world, &request).await;
        assert!(answer.contains(expected), "{service}: {answer}");
    }
}

#[tokio::test]
async fn dropped_server_closes_connections() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new().await;
    let url = world.aws.endpoint_url().to_owned();
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let mut half_sent = tokio::net::TcpStream::connect(&address).await.unwrap();
    half_sent.write_all(b"POST / HTTP/1.1\r\nContent-Le").await.unwrap();
    drop(world);
    // Its connection ends with it.
    let ended = tokio::time::timeout(Duration::from_secs(30), half_sent.read(&mut [0; 1])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    // The listener is closed by its task, which needs a moment to be told.
    for _ in 0..1000 {
        if tokio::net::TcpStream::connect(&address).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{address} still answers");
}

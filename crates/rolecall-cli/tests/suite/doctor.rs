//! `rolecall doctor`: each broken setup, and the message that names its cause.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rolecall_testkit::IamRole;
use rolecall_tests::{CHECKOUT, HUB, ORDERS};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::command::{Finished, Setup, finish};

type Variables = Vec<(String, String)>;

/// The checks of a run.
#[derive(Debug)]
pub(crate) struct Checks(Vec<Value>);

impl Checks {
    #[track_caller]
    pub(crate) fn of(run: &Finished, code: i32) -> Self {
        assert_eq!((run.code, run.err.as_str()), (Some(code), ""), "{}", run.out);
        Self(serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.out)))
    }

    #[track_caller]
    pub(crate) fn find(&self, name: &str) -> &Value {
        let found = self.0.iter().find(|check| check["check"] == name);
        found.unwrap_or_else(|| panic!("no check {name} in {self:#?}"))
    }

    /// Asserts the status of a check, and that its message and its hint contain these texts.
    #[track_caller]
    pub(crate) fn assert(&self, name: &str, status: &str, message: &str, hint: &str) {
        let check = self.find(name);
        let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(check["status"], status, "{self:#?}");
        assert!(text("message").contains(message), "{message:?} is not in {check:#}");
        assert!(text("hint").contains(hint), "{hint:?} is not in {check:#}");
    }

    /// Returns the names of the checks with this status.
    fn with_status(&self, status: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|check| check["status"] == status);
        found.filter_map(|check| check["check"].as_str()).collect()
    }
}

async fn doctor(setup: &Setup, variables: &Variables, roles: &[&str]) -> Finished {
    let arguments = [&["doctor", "--output", "json"], roles].concat();
    setup.run(variables, &arguments).await
}

fn add(variables: &mut Variables, name: &str, value: &str) {
    variables.push((name.to_owned(), value.to_owned()));
}

/// Returns the variables of a pod with this token.
fn pod_with_token(setup: &Setup, token: &str) -> Variables {
    let mut variables = setup.pod();
    add(&mut variables, "AWS_WEB_IDENTITY_TOKEN_FILE", &setup.write("other-token", token));
    variables
}

/// Returns the user's variables with another endpoint.
fn user_at(setup: &Setup, url: &str) -> Variables {
    let mut variables = setup.user();
    add(&mut variables, "AWS_ENDPOINT_URL", url);
    variables
}

/// Returns a port of this machine at which nothing listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn working_chain_is_ok_and_shows_no_values() {
    let setup = Setup::start().await;
    let mut variables = setup.pod();
    add(&mut variables, "HTTPS_PROXY", "http://ann:s3cret@proxy.invalid");
    let run = doctor(&setup, &variables, &[HUB, ORDERS]).await;
    let checks = Checks::of(&run, 0);
    checks.assert("proxy", "ok", "HTTPS_PROXY does not apply to this endpoint", "");
    assert!(!run.out.contains("s3cret"), "{}", run.out);
    assert_eq!(checks.with_status("error"), [""; 0], "{checks:#?}");
    assert_eq!(checks.with_status("warning"), [""; 0], "{checks:#?}");
    assert_eq!(checks.with_status("not-run"), ["TLS"]);
    checks.assert("identity", "ok", "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set", "");
    checks.assert("Region", "ok", "eu-west-1 (the environment variable AWS_REGION)", "");
    checks.assert("endpoint", "ok", "(the environment variable AWS_ENDPOINT_URL_STS)", "");
    checks.assert("token", "ok", "sub system:serviceaccount:shop:checkout", "");
    checks.assert("base credentials", "ok", "assumed-role/checkout/suite, expires in", "");
    checks.assert("role 1", "ok", HUB, "");
    checks.assert("role 2", "ok", ORDERS, "");
    checks.assert("variables", "ok", "AWS_ROLE_ARN", "");
    let token = std::fs::read_to_string(setup.home.path().join("token")).unwrap();
    for secret in setup.world.aws.secrets().iter().chain([&token]) {
        assert!(!run.out.contains(secret.as_str()), "{}", run.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn table_has_a_line_for_each_check() {
    let setup = Setup::start().await;
    let run = setup.run(&setup.user(), &["doctor", HUB, CHECKOUT]).await;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""), "{}", run.out);
    assert!(run.out.lines().all(|line| line.chars().count() <= 100), "{}", run.out);
    let begins = |text: &str| run.out.lines().any(|line| line.starts_with(text));
    for line in [
        "ok      variables        AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,",
        "ok      identity         environment keys (AWS_ACCESS_KEY_ID is set)",
        "ok      Region           eu-west-1 ",
        "not run TLS              the endpoint has an http:// URL",
        "ok      base credentials arn:aws:iam::111122223333:user/ann, no expiration is known",
        "ok      role 1           arn:aws:iam::444455556666:role/hub, expires in ",
        "error   role 2           hop 2 of 2",
        "                         hint: ",
    ] {
        assert!(begins(line), "{line:?} is not in\n{}", run.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_identity_is_named_and_endpoint_still_checked() {
    let setup = Setup::start().await;
    let run = doctor(&setup, &setup.with_endpoint(&[]), &[HUB]).await;
    let checks = Checks::of(&run, 1);
    let hint = "set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE";
    checks.assert("identity", "error", "the environment configures no identity", hint);
    checks.assert("STS", "ok", "responds", "");
    checks.assert("base credentials", "not-run", "no identity was selected", "");
    checks.assert("role 1", "not-run", HUB, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_token_is_named() {
    let setup = Setup::start().await;
    let folder = setup.home.path().to_str().unwrap().to_owned();
    let missing = format!("{folder}/missing");
    for (path, message) in [(&folder, "it is a directory"), (&missing, "it does not exist")] {
        let mut variables = setup.pod();
        add(&mut variables, "AWS_WEB_IDENTITY_TOKEN_FILE", path);
        let checks = Checks::of(&doctor(&setup, &variables, &[HUB]).await, 1);
        checks.assert("token file", "error", message, "AWS_WEB_IDENTITY_TOKEN_FILE");
        checks.assert("STS", "ok", "responds", "");
        checks.assert("base credentials", "not-run", "the token cannot be read", "");
        checks.assert("role 1", "not-run", "there are no base credentials", "");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn token_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let setup = Setup::start().await;
    let variables = setup.pod();
    let token = setup.home.path().join("token");
    std::fs::set_permissions(token, std::fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = setup.command_of_other_user(&variables);
    command.args(["doctor", "--output", "json"]);
    let checks = Checks::of(&finish(command, "").await, 1);
    let hint = "check the owner of the file and the user of this process";
    checks.assert("token file", "error", "permission denied", hint);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_token_is_named() {
    let setup = Setup::start().await;
    let token = setup.world.cluster.service_account_token("shop", "checkout");
    let token = token.expired_for(Duration::from_secs(7200)).sign().unwrap();
    let run = doctor(&setup, &pod_with_token(&setup, &token), &[HUB]).await;
    let checks = Checks::of(&run, 1);
    checks.assert("token", "error", "the token has expired", "the process that renews the token");
    checks.assert("token", "error", "(2 hours ago)", "");
    checks.assert("base credentials", "error", "ExpiredTokenException", "");
    assert!(!run.out.contains(&token), "{}", run.out);
}

/// A token that is valid by the wrong clock of this machine is not.
#[tokio::test(flavor = "multi_thread")]
async fn token_expiration_follows_the_time_of_sts() {
    let setup = Setup::start().await;
    let variables = setup.pod();
    setup.world.clock.advance(Duration::from_secs(86_460));
    let checks = Checks::of(&doctor(&setup, &variables, &[]).await, 1);
    checks.assert("clock", "error", "this machine's clock is 1 day behind", "");
    checks.assert("token", "error", "the token has expired", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tokens_are_a_warning() {
    let setup = Setup::start().await;
    let opaque = doctor(&setup, &pod_with_token(&setup, "not-a-jwt"), &[]).await;
    let checks = Checks::of(&opaque, 1);
    checks.assert("token", "warning", "the token is not a JWT", "one token of an OIDC issuer");
    checks.assert("token file", "warning", "other users can read or change it", "chmod 600");
    assert!(!opaque.out.contains("not-a-jwt"), "{}", opaque.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_audience_is_named() {
    let setup = Setup::start().await;
    let token = setup.world.cluster.service_account_token("shop", "checkout");
    let token = token.audience("https://vault.example.com").sign().unwrap();
    let checks = Checks::of(&doctor(&setup, &pod_with_token(&setup, &token), &[]).await, 1);
    let message = "the audience is not sts.amazonaws.com: ";
    checks.assert("token", "warning", message, "request a token with the audience");
    checks.assert("token", "warning", "aud https://vault.example.com", "");
    let hint = "with its aud as a client id";
    checks.assert("base credentials", "error", "Incorrect token audience", hint);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_external_id_is_named() {
    let setup = Setup::start().await;
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": "111122223333" }, "Action": "sts:AssumeRole",
        "Condition": { "StringEquals": { "sts:ExternalId": "shop-4711" } },
    }] });
    let role = IamRole::new("partner").trust(trust.to_string());
    setup.world.aws.create_role("444455556666", role).unwrap();
    let partner = "arn:aws:iam::444455556666:role/partner";
    let run = doctor(&setup, &setup.user(), &["--external-id", "shop-4711", partner]).await;
    Checks::of(&run, 0).assert("role 1", "ok", partner, "");
    let user = setup.user();
    let key = &user.iter().find(|(name, _)| name == "AWS_ACCESS_KEY_ID").unwrap().1;
    let others = "allow sts:AssumeRole on the role in the caller's own policies; check that the \
                  role exists";
    let wrong = format!(
        "check that the sts:ExternalId condition of {partner}, if any, is \"shop-4712\"; allow the \
         owner of access key {key} in its trust policy; {others}"
    );
    let absent = format!(
        "allow the owner of access key {key} in the trust policy of {partner}; check that it has \
         no sts:ExternalId condition (no external id was sent); {others}"
    );
    for (arguments, hint) in
        [(&["--external-id", "shop-4712", partner][..], wrong), (&[partner], absent)]
    {
        let checks = Checks::of(&doctor(&setup, &user, arguments).await, 1);
        checks.assert("role 1", "error", "AccessDenied", "");
        assert_eq!(checks.find("role 1")["hint"], hint);
        checks.assert("base credentials", "ok", "user/ann", "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_role_is_named_and_later_roles_not_run() {
    let setup = Setup::start().await;
    let missing = "arn:aws:iam::444455556666:role/missing";
    let checks = Checks::of(&doctor(&setup, &setup.user(), &[HUB, missing, ORDERS]).await, 1);
    checks.assert("role 1", "ok", HUB, "");
    checks.assert("role 2", "error", "AccessDenied", "");
    checks.assert("role 2", "error", missing, "");
    checks.assert("role 3", "not-run", "the role before it failed", "");
    // STS answers as for a wrong external id: what was sent decides which causes are left.
    let caller = "arn:aws:sts::444455556666:assumed-role/hub/suite";
    let others = "unless the trust policy names the caller, allow sts:AssumeRole on the role in the \
                  caller's own policies; check that the role exists";
    let hint = format!(
        "allow {caller} in the trust policy of {missing}; check that it has no sts:ExternalId \
         condition (no external id was sent); {others}"
    );
    assert_eq!(checks.find("role 2")["hint"], hint);
    let arguments = [HUB, missing, "--external-id", "shop-4711"];
    let checks = Checks::of(&doctor(&setup, &setup.user(), &arguments).await, 1);
    let hint = format!(
        "check that the sts:ExternalId condition of {missing}, if any, is \"shop-4711\"; allow \
         {caller} in its trust policy; {others}"
    );
    assert_eq!(checks.find("role 2")["hint"], hint);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_endpoint_is_named() {
    let setup = Setup::start().await;
    let url = format!("http://127.0.0.1:{}", closed_port());
    let checks = Checks::of(&doctor(&setup, &user_at(&setup, &url), &[HUB]).await, 1);
    let message = format!("cannot connect to {}: Connection refused", url.replace("http://", ""));
    checks.assert("connection", "error", &message, "check the endpoint URL, the firewall");
    checks.assert("endpoint", "ok", &url, "");
    checks.assert("proxy", "ok", "none is set", "");
    checks.assert("base credentials", "ok", "STS was not asked", "");
    checks.assert("role 1", "not-run", "STS is not reachable", "");
    assert_eq!(checks.with_status("not-run"), ["TLS", "STS", "clock", "role 1"]);

    let url = "http://sts.invalid";
    let checks = Checks::of(&doctor(&setup, &user_at(&setup, url), &[HUB]).await, 1);
    checks.assert("endpoint", "warning", url, "tokens and sessions are sent without TLS");
    checks.assert("DNS", "error", "cannot look up sts.invalid", "check the name");
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_in_the_way_is_named() {
    let setup = Setup::start().await;
    let closed = format!("http://ann:s3cret@127.0.0.1:{}", closed_port());
    let proxy = refusing_proxy("403 Forbidden");
    let asking = refusing_proxy("407 Proxy Authentication Required");
    for (url, check, message, hint) in [
        (
            &closed,
            "proxy",
            "cannot connect to the proxy 127.0.0.1:",
            "correct or unset HTTPS_PROXY",
        ),
        (
            &proxy,
            "connection",
            "the proxy refused a connection to sts.eu-west-1.amazonaws.com:443: 403 Forbidden",
            "allow sts.eu-west-1.amazonaws.com at the proxy of HTTPS_PROXY, or add it to NO_PROXY",
        ),
        (
            &asking,
            "connection",
            "407 Proxy Authentication Required",
            "the user name and the password",
        ),
    ] {
        let mut variables: Variables =
            setup.user().into_iter().filter(|(name, _)| name != "AWS_ENDPOINT_URL").collect();
        add(&mut variables, "HTTPS_PROXY", url);
        let run = doctor(&setup, &variables, &[HUB]).await;
        assert!(!run.out.contains("s3cret"), "{}", run.out);
        let checks = Checks::of(&run, 1);
        checks.assert(check, "error", message, hint);
        checks.assert("DNS", "not-run", "the proxy looks up the host", "");
        checks.assert("role 1", "not-run", "STS is not reachable", "");
    }
}

/// Starts a proxy that answers every connection by this status. Returns its URL.
fn refusing_proxy(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(response.as_bytes());
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_with_password_reaches_the_endpoint() {
    let setup = Setup::start().await;
    let (url, certificate) = tls_server("sts.invalid").await;
    let proxy = tunnel_to(url.trim_start_matches("https://").to_owned());
    let mut variables = user_at(&setup, "https://sts.invalid");
    add(&mut variables, "HTTPS_PROXY", &proxy.replace("http://", "http://ann:s3cret@"));
    add(&mut variables, "SSL_CERT_FILE", &setup.write("ca.pem", &certificate));
    let run = doctor(&setup, &variables, &[]).await;
    assert!(!run.out.contains("s3cret"), "{}", run.out);
    let checks = Checks::of(&run, 1);
    checks.assert("proxy", "ok", "(the environment variable HTTPS_PROXY)", "");
    checks.assert("connection", "ok", "to sts.invalid:443 through the proxy", "");
    checks.assert("TLS", "ok", "verified by the CA of SSL_CERT_FILE", "");
    checks.assert("STS", "ok", "responds", "");
    // The client of STS uses the proxy, too: the error is the server's.
    checks.assert("base credentials", "error", "MissingAuthenticationToken", "");
}

/// Starts a proxy that accepts CONNECT with a password, and connects to this address. Returns its
/// URL.
fn tunnel_to(address: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
            // "ann:s3cret" in Base64, in lower case.
            let is_allowed = request.starts_with("connect sts.invalid:443 ")
                && request.contains("proxy-authorization: basic yw5uonmzy3jlda==");
            if !is_allowed {
                let _ = stream.write_all(b"HTTP/1.1 407 Authentication Required\r\n\r\n");
                continue;
            }
            let server = std::net::TcpStream::connect(&address).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let ends =
                [(stream.try_clone().unwrap(), server.try_clone().unwrap()), (server, stream)];
            for (mut from, mut to) in ends {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_endpoint_is_given_up() {
    let setup = Setup::start().await;
    // The system accepts connections for the listener, which nothing reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let checks = Checks::of(&doctor(&setup, &user_at(&setup, &url), &[HUB]).await, 1);
    checks.assert("connection", "ok", "to 127.0.0.1:", "");
    checks.assert("STS", "error", "no response within 5 s", "a proxy or a firewall");
    checks.assert("clock", "not-run", "STS did not respond", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_and_its_reason_are_named() {
    let setup = Setup::start().await;
    let vpc = "https://vpce-0123-abc.sts.us-east-1.vpce.amazonaws.com";
    for (name, value, expected) in [
        ("A", "b", "https://sts.us-east-1.amazonaws.com (the default endpoint of the Region)"),
        (
            "AWS_USE_FIPS_ENDPOINT",
            "true",
            "https://sts-fips.us-east-1.amazonaws.com (the environment variable \
             AWS_USE_FIPS_ENDPOINT, FIPS)",
        ),
        (
            "AWS_ENDPOINT_URL_STS",
            vpc,
            &format!("{vpc} (the environment variable AWS_ENDPOINT_URL_STS, a VPC endpoint)"),
        ),
    ] {
        let keys = setup.user().into_iter().filter(|(name, _)| name != "AWS_ENDPOINT_URL");
        let mut variables: Variables = keys.collect();
        add(&mut variables, "AWS_REGION", "us-east-1");
        add(&mut variables, name, value);
        // Nothing leaves this machine.
        add(&mut variables, "HTTPS_PROXY", &format!("127.0.0.1:{}", closed_port()));
        let checks = Checks::of(&doctor(&setup, &variables, &[]).await, 1);
        checks.assert("endpoint", "ok", expected, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_region_is_named() {
    let setup = Setup::start().await;
    let keys = setup.user().into_iter().filter(|(name, _)| name != "AWS_REGION");
    let checks = Checks::of(&doctor(&setup, &keys.collect(), &[HUB]).await, 1);
    checks.assert("endpoint", "error", "no Region is set", "set AWS_REGION");
    checks.assert("STS", "not-run", "no endpoint is configured", "");
    let token = setup.write("token", "x");
    let pod = vec![
        ("AWS_ROLE_ARN".to_owned(), CHECKOUT.to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(), token),
    ];
    let checks = Checks::of(&doctor(&setup, &pod, &[]).await, 1);
    checks.assert("identity", "error", "no Region is set", "set AWS_REGION");
    checks.assert("Region", "error", "no Region is set", "--region");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_ca_is_named() {
    let setup = Setup::start().await;
    let (url, certificate) = tls_server("127.0.0.1").await;
    let file = setup.write("ca.pem", &certificate);
    let mut variables = user_at(&setup, &url);
    add(&mut variables, "AWS_CA_BUNDLE", &file);
    // The CAs of this machine, of which there may be none, are not those of the server.
    for name in ["rcgen self signed cert", "other"] {
        let mut other = rcgen::CertificateParams::new(["other".to_owned()]).unwrap();
        other.distinguished_name.push(rcgen::DnType::CommonName, name);
        let other = other.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        add(&mut variables, "SSL_CERT_FILE", &setup.write("other.pem", &other.pem()));
        let checks = Checks::of(&doctor(&setup, &variables, &[HUB]).await, 1);
        let message = "the certificate was issued by an unknown CA, not by the CA of SSL_CERT_FILE";
        checks.assert("TLS", "error", message, "set SSL_CERT_FILE to a file with the CA");
    }
    let checks = Checks::of(&doctor(&setup, &variables, &[HUB]).await, 1);
    let message = "AWS_CA_BUNDLE is set, but rolecall and the AWS SDK for Rust do not read it";
    checks.assert("CA", "warning", message, "set SSL_CERT_FILE");
    checks.assert("role 1", "not-run", "STS is not reachable", "");

    add(&mut variables, "SSL_CERT_FILE", &file);
    let checks = Checks::of(&doctor(&setup, &variables, &[HUB]).await, 1);
    checks.assert("TLS", "ok", "TLS 1.3, verified by the CA of SSL_CERT_FILE", "");
    checks.assert("STS", "ok", "responds", "");
    // The client of STS reads SSL_CERT_FILE, too: the error is the server's.
    checks.assert("base credentials", "error", "MissingAuthenticationToken", "");
}

/// Starts a server with a certificate for this name that no CA signed. It refuses all requests as
/// STS does. Returns its URL and the certificate.
async fn tls_server(name: &str) -> (String, String) {
    let key = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = [0; 8192];
                let _ = stream.read(&mut request).await;
                let body = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                            <Error><Code>MissingAuthenticationToken</Code><Message>no</Message>\
                            </Error></ErrorResponse>";
                let head = format!(
                    "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (url, key.cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_an_hour_off_is_named() {
    let setup = Setup::start().await;
    for (minutes, side, status, message) in [
        (10, "behind", "warning", "this machine's clock is 10 minutes"),
        (60, "behind", "error", "this machine's clock is 1 hour"),
        (10, "ahead of", "warning", "this machine's clock is 10 minutes"),
        (60, "ahead of", "error", "this machine's clock is 1 hour"),
    ] {
        let by = Duration::from_secs(minutes * 60 + 2);
        let time = match side {
            "behind" => SystemTime::now() + by,
            _ => SystemTime::now() - by,
        };
        setup.world.clock.set_wall(time);
        let run = doctor(&setup, &setup.user(), &[HUB]).await;
        let checks = Checks::of(&run, i32::from(status == "error"));
        let hint = "services reject signatures that are more than 15 minutes off";
        checks.assert("clock", status, message, hint);
        checks.assert("clock", status, &format!("{side} the time of STS"), "");
        // rolecall signs by the time of STS, so that its own calls succeed.
        checks.assert("role 1", "ok", HUB, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_is_not_sts_is_named() {
    let setup = Setup::start().await;
    let server = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_raw("<html>Sign in</html>", "text/html");
    Mock::given(any()).respond_with(page).mount(&server).await;
    let checks = Checks::of(&doctor(&setup, &user_at(&setup, &server.uri()), &[HUB]).await, 1);
    let message = "the response is not from STS: 200 OK (text/html)";
    checks.assert("STS", "error", message, "a proxy or a firewall");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_roles_need_a_role() {
    let setup = Setup::start().await;
    let arguments = ["doctor", "--external-id", "shop-4711"];
    let error = setup.run(&setup.user(), &arguments).await.failed(2);
    assert!(error.contains("--external-id has no effect without a role"), "{error}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn open_credentials_file_is_a_warning() {
    let setup = Setup::start().await;
    let keys = "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
                aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n";
    let file = setup.write(".aws/credentials", keys);
    let run = doctor(&setup, &setup.with_endpoint(&[]), &[]).await;
    let checks = Checks::of(&run, 1);
    checks.assert("credentials file", "warning", "other users can read or change", &file);
    checks.assert("identity", "ok", "the profile \"default\" has credentials", "");
    checks.assert("base credentials", "error", "InvalidClientTokenId", "check the access key");
    assert!(!run.out.contains("bPxRfiCYEXAMPLEKEY"), "{}", run.out);
}

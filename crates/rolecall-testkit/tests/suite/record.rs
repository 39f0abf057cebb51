//! What is left of calls: in the record, in the list of secrets, and in the logs.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};

use crate::services::{World, code};

const ANN: &str = "arn:aws:iam::111122223333:user/ann";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";

#[tokio::test]
async fn on_call_receives_what_is_recorded() {
    let (sender, calls) = std::sync::mpsc::channel();
    let aws = LocalAws::builder()
        .account(Account::new("111122223333").user(IamUser::new("ann")))
        .on_call(move |call| sender.send(call.clone()).unwrap())
        .start()
        .await
        .unwrap();
    let config = |secret: &str| {
        let key = aws.user_credentials("111122223333", "ann").unwrap();
        aws_sdk_sts::Config::builder()
            .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest())
            .region(aws_sdk_sts::config::Region::new("eu-west-1"))
            .endpoint_url(aws.endpoint_url())
            .credentials_provider(Credentials::new(key.access_key_id(), secret, None, None, "test"))
            .build()
    };
    let secret = aws.user_credentials("111122223333", "ann").unwrap();
    for secret in [secret.secret_access_key(), "another's"] {
        let sts = aws_sdk_sts::Client::from_conf(config(secret));
        let _ = sts.get_caller_identity().send().await;
        assert_eq!(calls.try_recv().as_ref(), Ok(aws.calls().last().unwrap()));
    }
    assert_eq!(aws.calls().last().unwrap().error.as_deref(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn record_has_outcome_of_each_service() {
    let world = World::new().await;
    let (ann, bob) = (world.config("ann"), world.config("bob"));
    let s3 = aws_sdk_s3::Client::new(&ann);
    s3.put_object().bucket("shop-data").key("a").send().await.unwrap();
    s3.head_object().bucket("shop-data").key("none").send().await.unwrap_err();
    s3.head_bucket().bucket("nowhere").send().await.unwrap_err();
    s3.get_object().bucket("No_Bucket").key("a").send().await.unwrap_err();
    s3.create_bucket().bucket("another").send().await.unwrap_err();
    let of_bob = aws_sdk_s3::Client::new(&bob);
    of_bob.head_bucket().bucket("shop-data").send().await.unwrap_err();
    let key = world.key("ann");
    let wrong = Credentials::new(key.access_key_id(), "another's", None, None, "test");
    let wrong = world.config_of(wrong);
    let list = aws_sdk_s3::Client::new(&wrong).list_objects_v2().bucket("shop-data");
    list.send().await.unwrap_err();
    let secrets = aws_sdk_secretsmanager::Client::new(&bob);
    secrets.get_secret_value().secret_id("shop/db").send().await.unwrap_err();
    let secrets = aws_sdk_secretsmanager::Client::new(&wrong);
    secrets.get_secret_value().secret_id("shop/db").send().await.unwrap_err();
    aws_sdk_ecr::Client::new(&ann).get_authorization_token().send().await.unwrap();

    let calls = world.aws.calls();
    let shown = calls.iter().map(|call| {
        let (caller, error) = (call.caller.as_deref(), call.error.as_deref());
        (call.service.as_str(), call.operation.as_str(), caller, error)
    });
    let expected = [
        ("s3", "PutObject", Some(ANN), None),
        ("s3", "HeadObject", Some(ANN), Some("NoSuchKey")),
        ("s3", "HeadBucket", Some(ANN), Some("NoSuchBucket")),
        ("s3", "Unknown", None, Some("InvalidBucketName")),
        ("s3", "Unknown", Some(ANN), Some("NotImplemented")),
        ("s3", "HeadBucket", Some(BOB), Some("AccessDenied")),
        // A request that only names a key has no caller.
        ("s3", "Unknown", None, Some("SignatureDoesNotMatch")),
        ("secretsmanager", "GetSecretValue", Some(BOB), Some("AccessDeniedException")),
        ("secretsmanager", "GetSecretValue", None, Some("InvalidSignatureException")),
        ("ecr", "GetAuthorizationToken", Some(ANN), None),
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}

/// Keeps the signatures that were sent.
#[derive(Clone, Debug, Default)]
struct Signatures(Arc<Mutex<Vec<String>>>);

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Signatures {
    fn name(&self) -> &'static str {
        "Signatures"
    }

    fn read_before_transmit(
        &self,
        context: &aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef<'_>,
        _: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponents,
        _: &mut aws_smithy_types::config_bag::ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        let authorization = context.request().headers().get("authorization").unwrap();
        let (_, signature) = authorization.split_once("Signature=").unwrap();
        self.0.lock().unwrap().push(signature.to_owned());
        Ok(())
    }
}

/// A log in memory.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn trace_log_of_server_shows_no_secret() {
    // The server has a thread of its own, whose logs are its alone: the SDK's clients log
    // elsewhere.
    let log = Log::default();
    let (send_world, world) = std::sync::mpsc::channel();
    let (done, until_done) = tokio::sync::oneshot::channel::<()>();
    let writer = log.clone();
    let server = std::thread::spawn(move || {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _here = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            send_world.send(World::new().await).unwrap();
            let _ = until_done.await;
        });
    });
    let world = world.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let signatures = Signatures::default();
    let (session, password) = runtime.block_on(calls(&world, &signatures));
    let secrets = world.aws.secrets();
    done.send(()).unwrap();
    server.join().unwrap();

    let token = session.session_token().unwrap();
    for secret in [world.key("ann").secret_access_key(), session.secret_access_key(), token] {
        assert!(secrets.iter().any(|known| known == secret), "it is in the list of secrets");
    }
    assert!(secrets.contains(&password));
    let signatures = signatures.0.lock().unwrap().clone();
    assert!(signatures.len() >= 6 && signatures.iter().all(|signature| signature.len() == 64));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for part in ["GetObject", "SignatureDoesNotMatch", "GetAuthorizationToken"] {
        assert!(log.contains(part), "{part} was captured");
    }
    let secrets = secrets.into_iter().chain(signatures).chain(["swordfish".to_owned()]);
    for secret in secrets.flat_map(|secret| [STANDARD.encode(&secret), secret]) {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "it shows a secret");
    }
}

/// Calls of each service, right and wrong ones; the session that they were made with, and ECR's
/// password.
async fn calls(world: &World, signatures: &Signatures) -> (Credentials, String) {
    let session = world.session().await;
    let s3 = |config| {
        let config = aws_sdk_s3::config::Builder::from(&config).interceptor(signatures.clone());
        aws_sdk_s3::Client::from_conf(config.build())
    };
    let good = s3(world.config_of(session.clone()));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("body"), "streamed").unwrap();
    let streamed = ByteStream::from_path(folder.path().join("body")).await.unwrap();
    for body in [ByteStream::from_static(b"hello"), streamed] {
        good.put_object().bucket("shop-data").key("a").body(body).send().await.unwrap();
    }
    good.get_object().bucket("shop-data").key("a").send().await.unwrap();
    good.list_objects_v2().bucket("shop-data").send().await.unwrap();
    let none = good.get_object().bucket("nowhere").key("a").send().await;
    assert_eq!(code(none), "NoSuchBucket");
    for (_, key) in world.wrong_keys().await {
        let wrong = s3(world.config_of(key)).list_objects_v2().bucket("shop-data");
        assert!(wrong.send().await.is_err());
    }
    let config = world.config_of(session.clone());
    let config = aws_sdk_secretsmanager::config::Builder::from(&config);
    let secrets = config.interceptor(signatures.clone()).build();
    let secrets = aws_sdk_secretsmanager::Client::from_conf(secrets);
    let got = secrets.get_secret_value().secret_id("shop/db").send().await.unwrap();
    assert_eq!(got.secret_string(), Some("swordfish"));
    let config = aws_sdk_ecr::config::Builder::from(&world.config_of(session.clone()));
    let ecr = aws_sdk_ecr::Client::from_conf(config.interceptor(signatures.clone()).build());
    let login = ecr.get_authorization_token().send().await.unwrap();
    let token = login.authorization_data()[0].authorization_token().unwrap();
    let token = String::from_utf8(STANDARD.decode(token).unwrap()).unwrap();
    (session, token.strip_prefix("AWS:").unwrap().to_owned())
}

#[tokio::test]
async fn max_retained_limits_calls_and_sessions() {
    let may = r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}"#;
    let trust = r#"{"Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"}
    }}"#;
    let account = Account::new("111122223333")
        .user(IamUser::new("ann").policy(may))
        .role(IamRole::new("orders").trust(trust));
    let aws = LocalAws::builder().account(account).max_retained(2).start().await.unwrap();
    let sts = |credentials| {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest())
            .region(aws_sdk_sts::config::Region::new("eu-west-1"))
            .endpoint_url(aws.endpoint_url())
            .credentials_provider(credentials);
        aws_sdk_sts::Client::from_conf(config.build())
    };
    let ann = sts(aws.user_credentials("111122223333", "ann").unwrap());
    let role = "arn:aws:iam::111122223333:role/orders";
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let assume = ann.assume_role().role_arn(role).role_session_name("test");
        let keys = assume.send().await.unwrap().credentials.unwrap();
        let token = Some(keys.session_token);
        let keys =
            Credentials::new(keys.access_key_id, keys.secret_access_key, token, None, "test");
        sessions.push(sts(keys));
    }
    assert_eq!((aws.calls().len(), aws.count("AssumeRole")), (2, 3));
    let forgotten = sessions[0].get_caller_identity().send().await.unwrap_err();
    assert_eq!(forgotten.into_service_error().meta().code(), Some("InvalidClientTokenId"));
    for known in &sessions[1..] {
        known.get_caller_identity().send().await.unwrap();
    }
}

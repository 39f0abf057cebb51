//! Tests with a local AWS, and with a clock that they advance.
//!
//! The crate `rolecall-testkit` is a local AWS: a server on the loopback address that verifies
//! signatures, web identity tokens, trust policies and permission policies as AWS does. Add it as a
//! dev-dependency, and enable the feature `test-util` of rolecall, which adds
//! `time::ManualClock`:
//!
//! ```toml
//! [dev-dependencies]
//! rolecall = { version = "0.1", features = ["test-util"] }
//! rolecall-testkit = "0.1"
//! ```
//!
//! # A test
//!
//! The [`Environment`](crate::Environment) of the chain contains the endpoint of the local AWS. The
//! test neither reads nor sets variables of the process, and can run in parallel with other tests:
//!
//! ```
//! # #[cfg(not(feature = "test-util"))]
//! # fn main() {}
//! # #[cfg(feature = "test-util")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use rolecall::time::ManualClock;
//! use rolecall::{Chain, Environment, Role};
//! use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
//!
//! let trust = r#"{"Statement": {
//!     "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"}
//! }}"#;
//! let allow = r#"{"Statement": {
//!     "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"
//! }}"#;
//! let account = Account::new("111122223333")
//!     .user(IamUser::new("ann").policy(allow))
//!     .role(IamRole::new("orders").trust(trust));
//!
//! let clock = ManualClock::new();
//! let aws = LocalAws::builder().clock(clock.clock()).account(account).start().await?;
//! let keys = aws.user_credentials("111122223333", "ann").ok_or("no such user")?;
//! let environment = Environment::fixed([
//!     ("AWS_REGION", "eu-west-1"),
//!     ("AWS_ENDPOINT_URL_STS", aws.endpoint_url()),
//! ]);
//! let orders = Chain::builder()
//!     .clock(clock.clock())
//!     .environment(environment)
//!     .from_sdk_provider("ann", keys)?
//!     .assume_role(Role::new("arn:aws:iam::111122223333:role/orders")?)
//!     .provider();
//!
//! let first = orders.session().await?;
//! clock.advance(Duration::from_secs(3600));
//! let next = orders.session().await?;
//! assert_ne!(first.access_key_id(), next.access_key_id());
//! assert_eq!(aws.count("AssumeRole"), 2);
//! # Ok(())
//! # }
//! ```
//!
//! Pass the clock to both the chain and the server: STS rejects signatures whose time differs from
//! its own by more than 15 minutes.
//!
//! # Fault injection
//!
//! `LocalAws::inject` adds a fault rule: throttling, outages, closed connections or malformed
//! responses. A rule can be limited to an operation of STS, a call or a time:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use rolecall::{Chain, Environment, ErrorKind, Role};
//! use rolecall_testkit::{Account, FaultRule, IamUser, LocalAws};
//!
//! let account = Account::new("111122223333").user(IamUser::new("ann"));
//! let aws = LocalAws::builder().account(account).start().await?;
//! let keys = aws.user_credentials("111122223333", "ann").ok_or("no such user")?;
//! let environment = Environment::fixed([
//!     ("AWS_REGION", "eu-west-1"),
//!     ("AWS_ENDPOINT_URL_STS", aws.endpoint_url()),
//! ]);
//! let orders = Chain::builder()
//!     .environment(environment)
//!     .from_sdk_provider("ann", keys)?
//!     .assume_role(Role::new("arn:aws:iam::111122223333:role/orders")?)
//!     .provider();
//!
//! aws.inject(FaultRule::error(403, "AccessDenied", "not authorized").on("AssumeRole"))?;
//! let error = orders.session().await.unwrap_err();
//! assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, Some("AccessDenied")));
//! # Ok(())
//! # }
//! ```
//!
//! Faults are injected into STS only: `AssumeRole`, `AssumeRoleWithWebIdentity` and
//! `GetCallerIdentity`. `inject` returns an error for a rule on another operation, such as
//! `on("ListObjectsV2")`. For the response to a rejected session, see
//! [below](#sessions-that-a-service-rejects).
//!
//! # S3, Secrets Manager and ECR
//!
//! The features `s3`, `secrets-manager` and `ecr` of `rolecall-testkit` add these services, which
//! verify the same signatures and policies at the same endpoint. Set the endpoint on their clients:
//!
//! ```no_run
//! # async fn show(chain: rolecall::Chain, aws: rolecall_testkit::LocalAws) {
//! let config = chain.sdk_config().endpoint_url(aws.endpoint_url()).load().await;
//! let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
//! let s3 = aws_sdk_s3::Client::from_conf(s3);
//! # let _ = s3;
//! # }
//! ```
//!
//! # Sessions that a service rejects
//!
//! To test [`retry_invalid_session!`](crate::sdk::retry_invalid_session), delete and recreate the
//! role while its session is cached, as an administrator could. `LocalAws::delete_role` invalidates
//! the keys of the role's sessions. The services then respond that they do not know the key:
//!
//! ```no_run
//! # fn main() {}
//! # #[cfg(feature = "test-util")]
//! # async fn show(
//! #     clock: rolecall::time::ManualClock,
//! #     aws: rolecall_testkit::LocalAws,
//! #     chain: rolecall::Chain,
//! #     role: rolecall_testkit::IamRole,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use rolecall::provider::InvalidSession;
//! use rolecall::sdk::retry_invalid_session;
//!
//! // `chain` assumes the role `orders`, and both `chain` and `aws` were created with `clock`.
//! let config = chain.sdk_config().endpoint_url(aws.endpoint_url()).time_source(clock.clock());
//! let s3 = aws_sdk_s3::config::Builder::from(&config.load().await).force_path_style(true);
//! let s3 = retry_invalid_session!(s3, &chain.provider()).build();
//! let s3 = aws_sdk_s3::Client::from_conf(s3);
//! s3.list_objects_v2().bucket("shop-orders").send().await?;
//!
//! // `role` is the `IamRole` that the account was created with.
//! assert!(aws.delete_role("arn:aws:iam::111122223333:role/orders"));
//! aws.create_role("111122223333", role)?;
//! clock.advance(InvalidSession::RECENT);
//! s3.list_objects_v2().bucket("shop-orders").send().await?;
//! assert_eq!(aws.count("AssumeRole"), 2);
//! # Ok(())
//! # }
//! ```
//!
//! `InvalidSession::RECENT` is 10 seconds. Without the advance, the session would be too new to be
//! replaced: the request would be repeated with the same session, after pauses of real time, and
//! fail. A test on the system's clock waits for `RECENT` instead.
//!
//! # Without a server
//!
//! For a test that needs credentials but not STS, use a provider with fixed keys:
//! [`provide_session_fn`](crate::provider::provide_session_fn), or the SDK's `Credentials` with
//! [`ChainBuilder::from_sdk_provider`](crate::ChainBuilder::from_sdk_provider).

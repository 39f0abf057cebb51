//! A local AWS for tests, which verifies signatures, web identity tokens and policies as AWS does.
//!
//! [`LocalAws`] is an STS on the loopback address. It verifies SigV4 signatures, web identity
//! tokens (with the issuer's keys, over HTTP), trust policies and identity policies, and responds
//! as AWS does. [`OidcIssuer`] signs the tokens, as a Kubernetes cluster does. Both take a
//! [`Clock`](rolecall_core::Clock), which a test can advance, and the server records the calls that
//! it received. [`FaultRule`] injects faults: throttling, outages, closed connections.
//!
//! An operation or a parameter that the local AWS does not implement is refused and never ignored:
//! a test that passes here does not depend on a condition that nothing checked.
//!
//! # Examples
//!
//! A test of code that assumes a role with an external id:
//!
//! ```
//! use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
//! use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let aws = LocalAws::builder()
//!     .account(
//!         Account::new("111122223333")
//!             .user(IamUser::new("ann").policy(
//!                 r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}"#,
//!             ))
//!             .role(IamRole::new("orders").trust(
//!                 r#"{"Statement": {
//!                     "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"},
//!                     "Condition": {"StringEquals": {"sts:ExternalId": "shop-4711"}}
//!                 }}"#,
//!             )),
//!     )
//!     .start()
//!     .await?;
//!
//! // The code under test is configured with the endpoint of the local AWS.
//! let config = aws_sdk_sts::Config::builder()
//!     .behavior_version(BehaviorVersion::latest())
//!     .region(Region::new("eu-west-1"))
//!     .endpoint_url(aws.endpoint_url())
//!     .credentials_provider(aws.user_credentials("111122223333", "ann").unwrap())
//!     .build();
//! let sts = aws_sdk_sts::Client::from_conf(config);
//! let role = "arn:aws:iam::111122223333:role/orders";
//! let request = || sts.assume_role().role_arn(role).role_session_name("test");
//!
//! let denied = request().send().await.unwrap_err().into_service_error();
//! assert_eq!(denied.meta().code(), Some("AccessDenied"));
//! let session = request().external_id("shop-4711").send().await?;
//! assert!(session.credentials().is_some());
//! assert_eq!(aws.count("AssumeRole"), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//!
//! Sessions, tokens and MFA codes expire by the clock of the server, which a `ManualClock` (feature
//! `test-util` of rolecall-core) advances without waiting. Pass its clock to
//! [`LocalAwsBuilder::clock`], to [`OidcIssuer::start_with_clock`], and to the client under test,
//! since STS refuses signatures that are more than 15 minutes off, in either direction.
//!
//! # Services besides STS
//!
//! S3, Secrets Manager and ECR are behind the features `s3`, `secrets-manager` and `ecr`. They
//! verify the same signatures and policies, at the same endpoint. Add data with `Account::bucket`,
//! `Account::secret` and `Account::repository`, or with the operations of the services. Their data
//! is in memory, and bounded. Resource policies are not implemented: to reach another account, a
//! caller assumes a role of it.
//!
//! # Authentication
//!
//! A signed request has exactly one `Authorization` header, or it is refused: policies are
//! evaluated for the caller whose signature was verified. The other headers that decide what is
//! signed (`Host`, `X-Amz-Date`, `X-Amz-Security-Token`, `X-Amz-Content-Sha256`, `X-Amz-Target`)
//! must not be repeated either. Presigned URLs are not implemented.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "ecr")]
mod ecr;
mod faults;
mod grant;
mod iam;
#[cfg(any(feature = "secrets-manager", feature = "ecr"))]
mod json;
mod mfa;
mod oidc;
mod record;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "secrets-manager")]
mod secrets;
mod server;
mod sigv4;
mod sts;
mod web_identity;
mod wire;
mod world;

pub use faults::{Cut, FaultRule};
pub use oidc::{OidcIssuer, SigningKey, TokenBuilder};
pub use record::Call;
pub use server::{LocalAws, LocalAwsBuilder, SetupError};
pub use world::{Account, IamRole, IamUser};

// Compiles the examples of the README with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! A local AWS for tests, which really checks.
//!
//! [`LocalAws`] is an STS on this machine's loopback: it verifies SigV4 signatures, web identity tokens (against the
//! issuer's keys, over HTTP), trust policies and identity policies, and answers as AWS does. [`OidcIssuer`] signs the
//! tokens, as a Kubernetes cluster would. Both go by a [`Clock`](rolecall_core::Clock) that a test can turn, and the
//! server keeps a record of the calls that reached it.
//!
//! What it does not know (an operation, a parameter) it refuses; it ignores nothing.
//!
//! # Services beside STS
//!
//! S3, Secrets Manager and ECR are features: `s3`, `secrets-manager`, `ecr`. They stand behind the same signatures and
//! policies, at the same endpoint, and are filled by `Account::bucket`, `Account::secret` and `Account::repository`, or by
//! their own operations. Their data is in memory and bounded. There are no policies on resources: who is to reach into an
//! account assumes a role of it.
//!
//! # A test with it
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
//! // Your own code comes here: point it to the local AWS.
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

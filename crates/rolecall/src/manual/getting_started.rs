//! Getting started on EKS, ECS, EC2 or a laptop.
//!
//! # Dependencies
//!
//! ```toml
//! [dependencies]
//! rolecall = "0.1"
//! # The client of S3, or of any other service.
//! aws-sdk-s3 = { version = "1", default-features = false, features = ["default-https-client", "rt-tokio"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! The default features of an SDK crate add a second HTTP and TLS stack, which
//! `default-features = false` avoids. Examples that use `aws_config` also require the crate
//! `aws-config`, with the same features.
//!
//! With its default features, rolecall reads access keys and web identities from the environment.
//! The feature `default-chain` adds profiles, containers (ECS, EKS Pod Identity) and EC2 instances.
//!
//! # A first client
//!
//! [`from_env`](crate::from_env) creates a [`Chain`](crate::Chain) from the identity that the
//! environment configures. [`Chain::sdk_config`](crate::Chain::sdk_config) configures SDK clients
//! that use its sessions:
//!
//! ```no_run
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let chain = rolecall::from_env()?;
//! println!("identity: {}", chain.description());
//!
//! let config = chain.sdk_config().load().await;
//! let s3 = aws_sdk_s3::Client::new(&config);
//! let buckets = s3.list_buckets().send().await?;
//! # let _ = buckets;
//! # Ok(())
//! # }
//! ```
//!
//! `from_env` reads variables and, with `default-chain`, the shared configuration files. It makes
//! no network call. Call it once, when the program starts. Clones of the chain are cheap and share
//! the cached sessions.
//!
//! To detect an invalid configuration at startup instead of at the first request, wait for the
//! first session:
//!
//! ```no_run
//! # async fn show(chain: rolecall::Chain) -> Result<(), rolecall::SessionError> {
//! chain.provider().ready().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Identities
//!
//! | The program runs on | The identity is configured by | Feature |
//! |---|---|---|
//! | EKS, IAM roles for service accounts | `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` | |
//! | EKS, Pod Identity | `AWS_CONTAINER_CREDENTIALS_FULL_URI` | `default-chain` |
//! | ECS, Fargate | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` | `default-chain` |
//! | EC2 | the instance profile, if no other identity is configured | `default-chain` |
//! | a laptop, with a profile | `AWS_PROFILE`, shared configuration files | `default-chain` |
//! | a laptop, with IAM Identity Center | a profile with an `sso_session` | `sso` |
//! | a laptop, with `aws login` | a profile with a `login_session` | `login` |
//! | any machine, with access keys | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` | |
//! | a CI system with OIDC | a token of the CI system, passed to [`from_token_provider`] | |
//! | a SPIRE workload | [`SpiffeToken`], passed to [`from_token_provider`] | `spiffe` |
//!
//! EKS and ECS set the variables in the first three rows, and `AWS_REGION`. Temporary access keys
//! also require `AWS_SESSION_TOKEN`.
//!
//! The order is that of the AWS SDK for Rust: access keys, profile, web identity, container,
//! instance. [`Chain::description`](crate::Chain::description) returns the selected identity and
//! the reason for the selection.
//!
//! An identity that is configured but invalid is an error. rolecall does not continue with the next
//! identity, which may have other permissions. In a build without `default-chain`, `AWS_PROFILE` is
//! such an error, because every SDK would use the profile that it names.
//!
//! # The Region
//!
//! Calls to STS require a Region. It is set by
//! [`ChainBuilder::region`](crate::ChainBuilder::region), `AWS_REGION`, `AWS_DEFAULT_REGION` or,
//! with `default-chain`, the `region` of the profile, in this order. A chain of access keys or an
//! SDK provider without hops does not call STS and needs no Region.
//!
//! # Configuration in code
//!
//! ```
//! use rolecall::Chain;
//! use rolecall::provider::Credentials;
//! use rolecall::sts::Region;
//!
//! # fn main() -> Result<(), rolecall::SessionError> {
//! # let id = "AKIAIOSFODNN7EXAMPLE";
//! # let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
//! let keys = Credentials::new(id, secret, None, None, "vault");
//! let chain = Chain::builder()
//!     .region(Region::parse("eu-west-1")?)
//!     .from_sdk_provider("vault", keys)?;
//! assert_eq!(chain.description(), "vault (set in code)");
//! # Ok(())
//! # }
//! ```
//!
//! `from_sdk_provider` accepts any implementation of the SDK's `ProvideCredentials`.
//! [`from_sdk_config`](crate::ChainBuilder::from_sdk_config) uses the credentials of an existing
//! `SdkConfig`.
//!
//! # Runtime
//!
//! Fetches require a Tokio runtime with time and I/O enabled (`enable_all`, which `#[tokio::main]`
//! calls). If the runtime of a fetch shuts down, the next caller fetches the session on its own
//! runtime.
//!
//! [`SpiffeToken`]: crate::web_identity::SpiffeToken
//! [`from_token_provider`]: crate::ChainBuilder::from_token_provider

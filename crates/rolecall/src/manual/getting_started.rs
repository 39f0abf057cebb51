//! The first session: on EKS, ECS, EC2 or a laptop.
//!
//! # Dependencies
//!
//! ```toml
//! [dependencies]
//! rolecall = "0.1"
//! aws-sdk-s3 = "1" # or any other service
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! The default features read access keys and web identities from the environment. Add `features =
//! ["default-chain"]` for profiles, containers (ECS, EKS Pod Identity) and EC2 instances.
//!
//! # A first client
//!
//! [`from_env`](crate::from_env) creates a [`Chain`](crate::Chain) on the identity that the
//! environment configures, and [`Chain::sdk_config`](crate::Chain::sdk_config) passes its sessions
//! to SDK clients:
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
//! no network call. Call it once, when the program starts, and share the chain: clones share the
//! cached sessions.
//!
//! To fail at startup instead of at the first request, wait for the first session:
//!
//! ```no_run
//! # async fn show(chain: rolecall::Chain) -> Result<(), rolecall::SessionError> {
//! chain.provider().ready().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where the identity comes from
//!
//! | Where the program runs | What configures the identity | Feature |
//! |---|---|---|
//! | EKS, with IAM roles for service accounts | EKS sets the variables ¹ | |
//! | EKS Pod Identity | the agent sets `AWS_CONTAINER_CREDENTIALS_FULL_URI` | `default-chain` |
//! | ECS, Fargate | ECS sets `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` | `default-chain` |
//! | EC2 | the instance profile, if nothing else is configured | `default-chain` |
//! | a laptop, with a profile | `AWS_PROFILE`, and the configuration files | `default-chain` |
//! | a laptop, with IAM Identity Center | a profile with an `sso_session` | `sso` |
//! | a laptop, with `aws login` | a profile with a `login_session` | `login` |
//! | anywhere, with access keys | the key variables ² | |
//! | a CI system with OIDC | a token: [`from_token_provider`] | |
//! | a workload of SPIRE | the same, with a JWT-SVID as token | `spiffe` |
//!
//! ¹ `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_REGION`.
//! ² `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; `AWS_SESSION_TOKEN` for temporary keys.
//!
//! The order is that of the AWS SDK for Rust: access keys, the profile, the web identity, the
//! container, the instance. [`Chain::description`](crate::Chain::description) says which identity
//! was selected and why.
//!
//! An identity that is configured but wrong is an error. rolecall does not continue with the next
//! identity of the order, which may have other permissions. In a build without `default-chain`,
//! `AWS_PROFILE` is such an error, since every SDK would use the profile that it names.
//!
//! # The Region
//!
//! Calls to STS need a Region: `AWS_REGION`, then `AWS_DEFAULT_REGION`, then the profile's `region`
//! with `default-chain`, unless [`ChainBuilder::region`](crate::ChainBuilder::region) sets one. A
//! chain on access keys or an SDK provider that assumes no role works without a Region.
//!
//! # An identity that is configured in code
//!
//! ```
//! use aws_credential_types::Credentials;
//! use rolecall::sts::Region;
//! use rolecall::{Chain, Environment};
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
//! `from_sdk_provider` takes every `ProvideCredentials` of the SDK, and
//! [`from_sdk_config`](crate::ChainBuilder::from_sdk_config) the credentials of an `SdkConfig` that
//! the program has already.
//!
//! # Runtime
//!
//! Sessions are fetched on a Tokio runtime with time and I/O enabled (`enable_all`, which is what
//! `#[tokio::main]` does). If the runtime ends, the sessions that it was fetching are fetched again
//! on the runtime of the next caller.
//!
//! [`from_token_provider`]: crate::ChainBuilder::from_token_provider

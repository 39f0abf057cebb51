//! From a web identity token to a session: AssumeRoleWithWebIdentity.
//!
//! [`WebIdentityConfig`] says which role and which token file, by the variables that EKS sets or by hand;
//! [`WebIdentity`] is the source. The file is read anew for each fetch, off the async threads: the kubelet replaces it
//! while the process runs.
//!
//! ```no_run
//! use rolecall_core::{Environment, FetchContext, FetchError, SessionSource};
//! use rolecall_sts::{Endpoint, StsClient};
//! use rolecall_web_identity::{WebIdentity, WebIdentityConfig};
//!
//! # async fn show() -> Result<(), FetchError> {
//! let env = Environment::process();
//! if let Some(config) = WebIdentityConfig::from_environment(&env)? {
//!     let sts = StsClient::new(Endpoint::from_environment(&env)?);
//!     let session = WebIdentity::new(config, sts, env).session(FetchContext::caller()).await?;
//! }
//! # Ok(())
//! # }
//! ```

mod claims;
mod source;
mod token;
mod tokens;

pub use claims::{GitHubClaims, KubernetesClaims, UnverifiedClaims};
pub use source::{WebIdentity, WebIdentityConfig};
pub use token::WebIdentityToken;
pub use tokens::{TokenFile, TokenFn, TokenSource, TokenVariable};

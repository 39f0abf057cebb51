//! The resources that the steps on services use, on the local AWS or in an AWS account.

use aws_config::SdkConfig;
use aws_smithy_types::base64;

use crate::error::ExampleError;

/// Two sessions, and resources that the policies of the last one allow or deny.
#[derive(Debug)]
pub(crate) struct Target {
    /// Configuration with the session of the last role.
    pub(crate) config: SdkConfig,
    /// Configuration with the session that assumed the last role. It has no access to the
    /// resources.
    pub(crate) before: Option<SdkConfig>,
    /// Account of the last role.
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) bucket: Option<String>,
    /// Prefix of the objects that may be used. It ends with `/`.
    pub(crate) prefix: Option<String>,
    /// Secrets that the last role can read.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) repository: Option<String>,
    /// Names that the policies do not cover.
    pub(crate) outside: Outside,
    /// Part of the names of created resources, so that concurrent runs do not share any.
    pub(crate) run: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Secret {
    pub(crate) id: String,
    /// Expected value, known only on the local AWS. It is never printed.
    pub(crate) value: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub(crate) prefix: String,
    pub(crate) secret: String,
    pub(crate) repository: String,
}

/// Credentials for `docker login`, from ECR.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryLogin {
    /// User name, always `AWS`.
    pub user: String,
    /// Password, for the standard input of `docker login`.
    pub password: String,
    /// Host name of the registry.
    pub registry: String,
    /// Expiration, in seconds since the Unix epoch.
    pub expires_at: i64,
}

impl std::fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, registry, expires_at, .. } = self;
        f.debug_struct("RegistryLogin")
            .field("user", user)
            .field("registry", registry)
            .field("expires_at", expires_at)
            .finish_non_exhaustive()
    }
}

impl RegistryLogin {
    /// Fetches a login from ECR.
    ///
    /// # Errors
    ///
    /// Returns an error if the call fails or its response has no valid login.
    pub async fn fetch(ecr: &aws_sdk_ecr::Client) -> Result<Self, ExampleError> {
        let output = ecr.get_authorization_token().send().await?;
        let data = output
            .authorization_data()
            .first()
            .ok_or_else(|| ExampleError::new("the response of ECR has no login"))?;
        let malformed = || ExampleError::new("the response of ECR has an invalid login");
        let token = data.authorization_token().ok_or_else(malformed)?;
        let decoded = base64::decode(token).map_err(|_| malformed())?;
        let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
        let (user, password) = decoded.split_once(':').ok_or_else(malformed)?;
        let endpoint = data.proxy_endpoint().ok_or_else(malformed)?;
        Ok(Self {
            user: user.to_owned(),
            password: password.to_owned(),
            registry: endpoint.trim_start_matches("https://").to_owned(),
            expires_at: data.expires_at().ok_or_else(malformed)?.secs(),
        })
    }
}

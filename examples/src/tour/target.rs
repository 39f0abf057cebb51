//! What the steps on services reach for: the same on the local AWS and on an account.

use aws_config::SdkConfig;
use aws_smithy_types::base64;

use crate::plain::Plain;

/// Two sessions, and what the last one may and may not.
#[derive(Debug)]
pub(crate) struct Target {
    /// Of the last role.
    pub(crate) config: SdkConfig,
    /// Of who assumes it; its session reaches none of this.
    pub(crate) before: Option<SdkConfig>,
    /// The last session's account.
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) bucket: Option<String>,
    /// Under which objects may be. It ends in `/`.
    pub(crate) prefix: Option<String>,
    /// Secrets that may be read.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) repository: Option<String>,
    /// Names outside of what is allowed.
    pub(crate) outside: Outside,
    /// In names of what is made, so that two runs do not meet.
    pub(crate) run: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Secret {
    pub(crate) id: String,
    /// Known on the local AWS alone. Never printed.
    pub(crate) value: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub(crate) prefix: String,
    pub(crate) secret: String,
    pub(crate) repository: String,
}

/// What `docker login` needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Always `AWS`.
    pub user: String,
    /// To be given on standard input.
    pub password: String,
    /// The registry's host name.
    pub registry: String,
    /// Seconds since 1970.
    pub expires: i64,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, registry, expires, .. } = self;
        f.debug_struct("Login")
            .field("user", user)
            .field("registry", registry)
            .field("expires", expires)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// Asks ECR for one.
    pub async fn get(ecr: &aws_sdk_ecr::Client) -> Result<Self, Plain> {
        let output = ecr.get_authorization_token().send().await?;
        let data =
            output.authorization_data().first().ok_or_else(|| Plain::new("ECR sent no login"))?;
        let malformed = || Plain::new("ECR sent a login that is none");
        let token = data.authorization_token().ok_or_else(malformed)?;
        let decoded = base64::decode(token).map_err(|_| malformed())?;
        let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
        let (user, password) = decoded.split_once(':').ok_or_else(malformed)?;
        let endpoint = data.proxy_endpoint().ok_or_else(malformed)?;
        Ok(Self {
            user: user.to_owned(),
            password: password.to_owned(),
            registry: endpoint.trim_start_matches("https://").to_owned(),
            expires: data.expires_at().ok_or_else(malformed)?.secs(),
        })
    }
}

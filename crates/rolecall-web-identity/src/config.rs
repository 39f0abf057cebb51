use std::fmt;
use std::path::PathBuf;

use rolecall_core::{
    Environment, ErrorKind, PolicyArn, RoleArn, SessionDuration, SessionError, SessionName,
    SessionPolicy, looks_like_token,
};

use crate::token_providers::display_path;

/// The configuration of a [`WebIdentityProvider`](crate::WebIdentityProvider) that reads its token
/// from a file.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
/// use rolecall_web_identity::WebIdentityConfig;
///
/// let env = Environment::fixed([
///     ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/checkout"),
///     ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"),
///     ("HOSTNAME", "checkout-7f9c"),
/// ]);
/// let config = WebIdentityConfig::from_environment(&env)?.unwrap();
/// assert_eq!(config.role.name(), "checkout");
/// assert_eq!(config.session_name.as_str(), "rolecall@checkout-7f9c");
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebIdentityConfig {
    /// ARN of the role to assume.
    pub role: RoleArn,
    /// Path of the file that contains the token.
    pub token_file: PathBuf,
    /// The setting that contains the path, such as `AWS_WEB_IDENTITY_TOKEN_FILE`. Hints of errors
    /// name it.
    pub token_file_setting: Option<String>,
    /// Name of the sessions.
    pub session_name: SessionName,
    /// Requested duration of the sessions. STS defaults to one hour.
    pub duration: Option<SessionDuration>,
    /// Inline session policy.
    pub policy: Option<SessionPolicy>,
    /// Managed session policies.
    pub policy_arns: Vec<PolicyArn>,
}

impl fmt::Debug for WebIdentityConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebIdentityConfig")
            .field("role", &self.role)
            .field("token_file", &display_path(&self.token_file))
            .field("token_file_setting", &self.token_file_setting)
            .field("session_name", &self.session_name)
            .field("duration", &self.duration)
            .field("policy", &self.policy)
            .field("policy_arns", &self.policy_arns)
            .finish()
    }
}

const ROLE: &str = "AWS_ROLE_ARN";
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

impl WebIdentityConfig {
    /// Creates a configuration with the required values only.
    pub fn new(role: RoleArn, token_file: impl Into<PathBuf>, session_name: SessionName) -> Self {
        let token_file = token_file.into();
        Self {
            role,
            token_file,
            token_file_setting: None,
            session_name,
            duration: None,
            policy: None,
            policy_arns: Vec::new(),
        }
    }

    /// Reads the configuration from `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and
    /// `AWS_ROLE_SESSION_NAME`. Returns `None` if neither of the first two is set.
    ///
    /// The session name defaults to a name derived from those of the program and the host; see
    /// [`SessionName::from_environment`].
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if only one of the first two is set, or if a value is
    /// not valid.
    pub fn from_environment(environment: &Environment) -> Result<Option<Self>, SessionError> {
        let note = "EKS sets both for a service account with a role";
        match environment.pair(ROLE, TOKEN_FILE, note)? {
            None => Ok(None),
            // The error of a file that does not exist would show its path, and the token with it.
            Some((_, file)) if looks_like_token(&file) => {
                let message =
                    format!("{TOKEN_FILE} contains a token instead of the path of a file");
                Err(SessionError::new(ErrorKind::InvalidConfig, message).with_hint(format!(
                    "write the token to a file, and set {TOKEN_FILE} to its path"
                )))
            }
            Some((role, file)) => {
                let role = RoleArn::parse(&role).map_err(|error| {
                    SessionError::from(error)
                        .with_hint(format!("check the environment variable {ROLE}"))
                })?;
                let name = SessionName::from_environment(environment)?;
                let setting = Some(TOKEN_FILE.to_owned());
                Ok(Some(Self { token_file_setting: setting, ..Self::new(role, file, name) }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:role/checkout";

    fn config(variables: &[(&str, &str)]) -> Result<Option<WebIdentityConfig>, SessionError> {
        WebIdentityConfig::from_environment(&Environment::fixed(variables.iter().copied()))
    }

    #[test]
    fn aws_role_session_name_sets_the_session_name() {
        let both = [(ROLE, ARN), (TOKEN_FILE, "/token")];
        for (more, name) in [
            (&[("AWS_ROLE_SESSION_NAME", "job-4711"), ("HOSTNAME", "h")][..], "job-4711"),
            (&[("HOSTNAME", "checkout-7f9c")], "rolecall@checkout-7f9c"),
            (&[("AWS_ROLE_SESSION_NAME", ""), ("HOSTNAME", "a b/c")], "rolecall@a-b-c"),
            (&[], "rolecall"),
        ] {
            let config = config(&[&both[..], more].concat()).unwrap().unwrap();
            assert_eq!(config.session_name.as_str(), name);
        }
        let error = config(&[&both[..], &[("AWS_ROLE_SESSION_NAME", "a b")]].concat()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("AWS_ROLE_SESSION_NAME"), "{error}");
    }

    #[test]
    fn both_variables_set_role_and_file() {
        let config = config(&[(ROLE, ARN), (TOKEN_FILE, "/token")]).unwrap().unwrap();
        assert_eq!((config.role.as_str(), config.token_file.to_str()), (ARN, Some("/token")));
    }

    #[test]
    fn no_variable_is_none() {
        assert_eq!(config(&[]).unwrap(), None);
        assert_eq!(config(&[(ROLE, ""), (TOKEN_FILE, "")]).unwrap(), None);
    }

    #[test]
    fn one_variable_without_the_other_names_both() {
        for (variables, text) in [
            (
                [(ROLE, ARN)],
                "AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not; hint: set AWS_WEB_IDENTITY_TOKEN_FILE \
                 too (EKS sets both for a service account with a role), or unset AWS_ROLE_ARN",
            ),
            (
                [(TOKEN_FILE, "/token")],
                "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not; hint: set AWS_ROLE_ARN too (EKS sets \
                 both for a service account with a role), or unset AWS_WEB_IDENTITY_TOKEN_FILE",
            ),
        ] {
            let error = config(&variables).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (ErrorKind::InvalidConfig, text)
            );
        }
    }

    #[test]
    fn token_instead_of_path_is_not_shown() {
        // {"iss":"i"}
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIn0.c2lnbmF0dXJl";
        // A token in quotes, whose claims cannot be read: its `exp` is a string.
        let odd = "\"eyJhbGciOiJSUzI1NiJ9.eyJleHAiOiIxNzAwMDAwMDAwIn0.c2lnbmF0dXJl\"";
        for token in [token, odd] {
            let error = config(&[(ROLE, ARN), (TOKEN_FILE, token)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains("contains a token"), "{error}");
            let name = SessionName::parse("checkout").unwrap();
            let given = WebIdentityConfig::new(RoleArn::parse(ARN).unwrap(), token, name);
            let shown = format!("{error} {error:?} {given:?}");
            assert!(!shown.contains("c2ln"), "{shown}");
        }
    }

    #[test]
    fn malformed_role_arn_names_the_variable() {
        let error = config(&[(ROLE, "checkout"), (TOKEN_FILE, "/token")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        let hint = error.hint().unwrap();
        assert!(error.message().contains("checkout") && hint.contains("AWS_ROLE_ARN"), "{error}");
    }
}

//! The environment variables that select an identity.
//!
//! What gives a program one identity takes every other one from it: one that stays could win over
//! the new identity, or be mixed with it.

/// The variables that select an identity.
pub(crate) const IDENTITY: [&str; 19] = [
    // Access keys, and what belongs to them: a token or an account of other keys makes the new ones
    // invalid.
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CREDENTIAL_SCOPE",
    "AWS_ACCOUNT_ID",
    // The names of the same in older SDKs.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_FILE",
    // A profile. Some programs prefer it to access keys.
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    // A web identity.
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    // A container's credentials.
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// Returns the variables to remove where these variables are set.
pub(crate) fn to_remove(set: &[(&'static str, String)]) -> Vec<&'static str> {
    let is_set = |name: &&str| set.iter().any(|(other, _)| other == name);
    IDENTITY.into_iter().filter(|name| !is_set(name)).collect()
}

//! The environment of the program.

use std::env;

/// The variables that select an identity. One that stays could win over the session, or be mixed
/// with it.
const IDENTITY: [&str; 18] = [
    // Access keys, and what belongs to them: a token or an account of other keys makes the new ones
    // invalid.
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
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

/// Returns the variables that select an identity.
pub(super) fn of_identities() -> impl Iterator<Item = &'static str> {
    IDENTITY.into_iter()
}

/// Returns the variables of the Region that the environment lacks. The Region may be a setting of
/// the profile that this command used, which the program does not use.
pub(super) fn missing_regions(region: &str) -> impl Iterator<Item = (&'static str, &str)> {
    let is_missing = |name: &&str| env::var_os(name).is_none_or(|value| value.is_empty());
    // boto3 reads the second name, and other SDKs the first.
    ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().filter(is_missing).map(move |it| (it, region))
}

//! The JSON that the AWS CLI prints and that SDKs read.

use rolecall::Session;
use serde::Serialize;

use crate::time::timestamp;

/// The credentials of a session.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AwsCredentials<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
}

impl<'a> AwsCredentials<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        let credentials = session.credentials();
        Self {
            access_key_id: credentials.access_key_id(),
            secret_access_key: credentials.secret_access_key(),
            session_token: credentials.session_token(),
            expiration: session.expires_at().map(timestamp),
        }
    }
}

/// The output of a profile's `credential_process`, version 1.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProcessCredentials<'a> {
    version: u8,
    #[serde(flatten)]
    credentials: AwsCredentials<'a>,
    /// SDKs use it for endpoints that are specific to an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
}

impl<'a> ProcessCredentials<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        let account_id = session.account().map(ToString::to_string);
        Self { version: 1, credentials: AwsCredentials::new(session), account_id }
    }
}

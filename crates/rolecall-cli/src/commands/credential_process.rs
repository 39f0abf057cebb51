//! `rolecall credential-process`: a session for the SDKs, from a profile.

use std::process::ExitCode;

use clap::Args;

use crate::credentials::ProcessCredentials;
use crate::error::Failure;
use crate::identity::RoleArgs;
use crate::output::Output;
use crate::store::{self, StoreArgs};

/// Print a session for the credential_process of a profile
///
/// The SDKs of all languages and the AWS CLI run this command when they need credentials. The
/// session comes from an encrypted store that processes share, so that only the first one calls
/// STS. A session is replaced when less than 15 minutes or a third of its lifetime remain; one with
/// an MFA code, when less than a minute remains. The result is JSON of version 1, whatever --output
/// says.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rolecall credential-process --base profile:ann arn:aws:iam::111122223333:role/deploy

In ~/.aws/config:
  [profile deploy]
  credential_process = rolecall credential-process --base profile:ann arn:aws:iam::111122223333:role/deploy")]
pub(crate) struct CredentialProcess {
    #[command(flatten)]
    roles: RoleArgs,
    #[command(flatten)]
    store: StoreArgs,
}

impl CredentialProcess {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        // SDKs show standard error as part of a message of their own.
        let session = store::session(&self.roles, &self.store, output);
        let session = session.map_err(Failure::into_one_line)?;
        output.json(&ProcessCredentials::new(&session))?;
        Ok(ExitCode::SUCCESS)
    }
}

//! `rolecall credential-process`: a session for the SDKs, from a profile.

use std::process::ExitCode;

use clap::Args;
use rolecall::{Environment, Session};

use crate::config_files::profile_that_runs_itself;
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
        let session = self.session(output).map_err(Failure::into_one_line)?;
        output.json(&ProcessCredentials::new(&session))?;
        Ok(ExitCode::SUCCESS)
    }

    fn session(&self, output: &Output) -> Result<Session, Failure> {
        if let Some(name) = profile_that_runs_itself(&self.roles, &Environment::process()) {
            let message =
                format!("the credential_process of the profile {name:?} selects the same profile");
            return Err(Failure::operation(message)
                .with_hint("add --base env, or --base profile:NAME with another profile"));
        }
        store::session(&self.roles, &self.store, output)
    }
}

//! `rolecall assume`: a session of a role, for a shell or a file.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use rolecall::Session;
use serde::Serialize;

use crate::cli::OutputFormat;
use crate::credentials::{AwsCredentials, ProcessCredentials};
use crate::error::Failure;
use crate::identity::RoleArgs;
use crate::output::Output;
use crate::shell::{self, Syntax};
use crate::store::{self, StoreArgs};
use crate::time::{timestamp, timestamp_and_distance};

/// Assume a role, or a chain of roles, and print the session
///
/// Without --format, the result contains no secrets. The lines of the formats export, fish and
/// powershell also remove the variables of other identities. nushell and dotenv have no removals.
///
/// A session in the store of `rolecall credential-process` is used while 15 minutes or more remain
/// of it, or a third of its lifetime if that is less, whatever --duration says; one with an MFA
/// code, while a minute remains. If STS does not replace it then, it is used until it expires.
/// --no-store obtains a new one, which has its whole duration.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  eval \"$(rolecall assume arn:aws:iam::111122223333:role/deploy --format export)\"
  rolecall assume arn:aws:iam::111122223333:role/deploy --format fish | source
  rolecall assume --external-id shop-4711 arn:aws:iam::111122223333:role/hub \\
    arn:aws:iam::444455556666:role/orders")]
pub(crate) struct Assume {
    #[command(flatten)]
    roles: RoleArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Print the session with its secrets, in this format
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Result")]
    format: Option<Format>,
}

/// How the session is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Assignments(Syntax),
    Json,
    CredentialProcess,
    Unset,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Assignments(Syntax::Posix),
            Self::Assignments(Syntax::Fish),
            Self::Assignments(Syntax::Powershell),
            Self::Assignments(Syntax::Nushell),
            Self::Assignments(Syntax::Dotenv),
            Self::Json,
            Self::CredentialProcess,
            Self::Unset,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Assignments(syntax) => return syntax.to_possible_value(),
            Self::Json => ("json", "JSON as `aws sts assume-role` prints it"),
            Self::CredentialProcess => {
                ("credential-process", "JSON for `credential_process` of a profile")
            }
            Self::Unset => (
                "unset",
                "A line that removes the variables of all identities from a POSIX shell; no role is \
                 assumed",
            ),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl Assume {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        // Lines for a shell are no JSON. The option is refused before a role is assumed.
        if !matches!(self.format, None | Some(Format::Json | Format::CredentialProcess)) {
            output.require(&[OutputFormat::Table])?;
        }
        let obtain = |output: &mut Output| store::session(&self.roles, &self.store, output);
        match self.format {
            None => {
                let session = obtain(output)?;
                let summary = Summary::new(&session);
                let rows = summary.rows(&session);
                output.record(&summary, &rows)?;
            }
            Some(Format::Assignments(syntax)) => {
                let variables = shell::variables(&obtain(output)?);
                shell::print(output, syntax, &variables)?;
            }
            Some(Format::Json) => {
                let session = obtain(output)?;
                output.json(&AssumeRoleOutput::new(&session))?;
            }
            Some(Format::CredentialProcess) => {
                let session = obtain(output)?;
                output.json(&ProcessCredentials::new(&session))?;
            }
            Some(Format::Unset) => output.line(&shell::unset())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a session is, without its secrets.
#[derive(Debug, Serialize)]
struct Summary {
    role: Option<String>,
    arn: Option<String>,
    account: Option<String>,
    session_name: Option<String>,
    access_key_id: String,
    expires_at: Option<String>,
    /// The base credentials and the roles that led to the session.
    chain: String,
    packed_policy_size_percent: Option<u8>,
}

impl Summary {
    fn new(session: &Session) -> Self {
        let role = session.role();
        Self {
            role: session.role_arn().map(ToString::to_string),
            arn: role.map(|role| role.arn().to_owned()),
            account: session.account().map(ToString::to_string),
            session_name: role.and_then(|role| role.session_name()).map(str::to_owned),
            access_key_id: session.access_key_id().to_owned(),
            expires_at: session.expires_at().map(timestamp),
            chain: session.lineage().to_string(),
            packed_policy_size_percent: session.packed_policy_size(),
        }
    }

    fn rows(&self, session: &Session) -> Vec<(&'static str, String)> {
        let expires =
            session.expires_at().map(|time| timestamp_and_distance(time, SystemTime::now()));
        let size =
            self.packed_policy_size_percent.map(|percent| format!("{percent} % of the limit"));
        [
            ("Role", self.role.clone()),
            ("ARN", self.arn.clone()),
            ("Account", self.account.clone()),
            ("Session name", self.session_name.clone()),
            ("Access key id", Some(self.access_key_id.clone())),
            ("Expires", expires),
            ("Chain", Some(self.chain.clone())),
            ("Packed policies", size),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// The output of `aws sts assume-role`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleOutput<'a> {
    credentials: AwsCredentials<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assumed_role_user: Option<AssumedRoleUser<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packed_policy_size: Option<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser<'a> {
    assumed_role_id: &'a str,
    arn: &'a str,
}

impl<'a> AssumeRoleOutput<'a> {
    fn new(session: &'a Session) -> Self {
        Self {
            credentials: AwsCredentials::new(session),
            assumed_role_user: session
                .role()
                .map(|role| AssumedRoleUser { assumed_role_id: role.id(), arn: role.arn() }),
            packed_policy_size: session.packed_policy_size(),
        }
    }
}

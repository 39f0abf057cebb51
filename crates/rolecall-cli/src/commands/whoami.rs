//! `rolecall whoami`: which identity AWS sees.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use rolecall::Chain;
use rolecall::sts::{CallerIdentity, CallerPrincipal};
use serde::Serialize;

use crate::error::Failure;
use crate::identity::BaseArgs;
use crate::output::{Output, progress};
use crate::runtime;
use crate::time::{timestamp, timestamp_and_distance};

/// Show the identity of the credentials, and where they come from
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rolecall whoami\n  rolecall whoami --base profile:staging --output json"
)]
pub(crate) struct Whoami {
    #[command(flatten)]
    base: BaseArgs,
}

/// The result, as JSON.
#[derive(Debug, Serialize)]
struct Identity {
    account: String,
    arn: String,
    user_id: String,
    kind: &'static str,
    role: Option<String>,
    role_arn: Option<String>,
    session_name: Option<String>,
    expires_at: Option<String>,
    source: String,
    region: String,
    endpoint: String,
}

impl Whoami {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let chain = self.base.chain(None)?;
        runtime::block_on(async {
            let call = progress::show(output, "calling STS", chain.caller_identity());
            let caller = call.await?;
            let expires_at = chain.provider().session().await?.expires_at();
            let identity = Identity::new(&chain, &caller, expires_at)?;
            let rows = identity.rows(expires_at);
            output.record(&identity, &rows)?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

impl Identity {
    fn new(
        chain: &Chain,
        caller: &CallerIdentity,
        expires_at: Option<SystemTime>,
    ) -> Result<Self, Failure> {
        let (kind, role, session_name) = match &caller.principal {
            CallerPrincipal::Root => ("root", None, None),
            CallerPrincipal::User { .. } => ("user", None, None),
            CallerPrincipal::AssumedRole { role, session, .. } => {
                ("assumed-role", Some(role.clone()), Some(session.clone()))
            }
            CallerPrincipal::FederatedUser { .. } => ("federated-user", None, None),
            _ => ("other", None, None),
        };
        let endpoint = chain.sts_client()?.endpoint();
        Ok(Self {
            account: caller.account.to_string(),
            arn: caller.arn.clone(),
            user_id: caller.user_id.clone(),
            kind,
            role,
            role_arn: caller.role_arn.as_ref().map(ToString::to_string),
            session_name,
            expires_at: expires_at.map(timestamp),
            source: chain.description().to_owned(),
            region: endpoint.region().to_string(),
            endpoint: endpoint.url()?,
        })
    }

    fn rows(&self, expires_at: Option<SystemTime>) -> Vec<(&'static str, String)> {
        let expires = match expires_at {
            Some(time) => timestamp_and_distance(time, SystemTime::now()),
            None => "no expiration is known".to_owned(),
        };
        let mut rows = vec![
            ("Account", self.account.clone()),
            ("Kind", self.kind.to_owned()),
            ("ARN", self.arn.clone()),
        ];
        rows.extend(self.role.clone().map(|role| ("Role", role)));
        rows.extend(self.role_arn.clone().map(|arn| ("Role ARN", arn)));
        rows.extend(self.session_name.clone().map(|name| ("Session name", name)));
        rows.extend([
            ("User id", self.user_id.clone()),
            ("Expires", expires),
            ("Source", self.source.clone()),
            ("Region", self.region.clone()),
            ("Endpoint", self.endpoint.clone()),
        ]);
        rows
    }
}

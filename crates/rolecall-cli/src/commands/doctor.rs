//! `rolecall doctor`: what is configured, what works, and the cause of what does not.

mod chain;
mod network;
mod report;
mod settings;
mod token;

use std::process::ExitCode;

use clap::Args;
use rolecall::sts::{Endpoint, EndpointOverrides};
use rolecall::{Chain, Environment};

use self::report::Report;
use crate::error::Failure;
use crate::identity::RoleArgs;
use crate::output::Output;
use crate::runtime;

/// Check the configuration, the connection to STS and a role chain, and name the cause of failures
///
/// Each line is ok, warning or error, and a hint says what to do. Checks that depend on a failed
/// one are listed as not run. Variables and files are named; their values are not shown. The exit
/// status is 1 if a check is an error. Every network step has a time limit.
#[derive(Debug, Args)]
#[command(mut_arg("roles", |arg| arg.required(false)))]
#[command(after_help = "Examples:
  rolecall doctor
  rolecall doctor arn:aws:iam::111122223333:role/hub arn:aws:iam::444455556666:role/orders
  rolecall doctor --external-id shop-4711 arn:aws:iam::111122223333:role/hub --output json")]
pub(crate) struct Doctor {
    #[command(flatten)]
    roles: RoleArgs,
}

impl Doctor {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        self.roles.check()?;
        output.go_on_without_reader();
        let environment = Environment::process();
        let mut report = Report::new(output);
        settings::check(&mut report, &environment, &self.roles.base.base)?;
        let base = match self.roles.base_chain() {
            Ok((chain, first)) => {
                report.ok("identity", chain.description())?;
                Some((chain, first))
            }
            Err(Failure::Operation { message, hint }) => {
                report.error("identity", message, hint)?;
                None
            }
            Err(usage) => return Err(usage),
        };
        let endpoint = self.endpoint(base.as_ref().map(|(chain, _)| chain), &environment);
        runtime::block_on(async {
            let endpoint = network::check_endpoint(&mut report, endpoint)?;
            let seen = match endpoint {
                Some(endpoint) => network::check(&mut report, &endpoint, &environment).await?,
                None => network::skip(&mut report)?,
            };
            match &base {
                Some((chain, first)) => {
                    let token = token::check(&mut report, chain, &seen, &environment).await?;
                    let checks = chain::Checks { seen: &seen, token_is_readable: token };
                    checks.run(&mut report, &self.roles, chain, *first).await?;
                }
                None => chain::skip(&mut report, &self.roles)?,
            }
            report.finish()
        })
    }

    /// Returns the endpoint of the chain or, if no chain could be created, that of the variables:
    /// the connection can be checked without an identity.
    fn endpoint(
        &self,
        chain: Option<&Chain>,
        environment: &Environment,
    ) -> Result<Option<Endpoint>, Failure> {
        match chain {
            Some(chain) => Ok(Some(chain.sts_client()?.endpoint().clone())),
            None => {
                let mut overrides = EndpointOverrides::default();
                overrides.region.clone_from(&self.roles.base.region);
                Ok(Endpoint::find(environment, None, &overrides)?)
            }
        }
    }
}

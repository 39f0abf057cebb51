//! `rolecall policy trust`: trust policies.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use rolecall::policy::{
    PolicyError, PolicyKind, TrustPolicy, TrustPolicyBuilder, TrustedGitHubActions,
    TrustedPodIdentity, TrustedPrincipal, TrustedService, TrustedServiceAccount,
    TrustedWebIdentity,
};

use super::document::DocumentArgs;
use super::rules::{RulesArgs, with_hint};
use crate::error::Failure;
use crate::output::Output;
use crate::parameters::Tag;

/// Write a trust policy of a role
#[derive(Debug, Args)]
pub(super) struct Trust {
    #[command(subcommand)]
    trusted: Trusted,
}

#[derive(Debug, Subcommand)]
enum Trusted {
    /// Trust accounts
    #[command(after_help = "Example:
  rolecall policy trust account 444455556666 --external-id shop-4711")]
    Account {
        /// Accounts to trust
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        principal: PrincipalArgs,
        #[command(flatten)]
        mfa: MfaArgs,
    },
    /// Trust roles
    #[command(after_help = "Example:
  rolecall policy trust role arn:aws:iam::111122223333:role/checkout --optional-tag team")]
    Role {
        /// Roles to trust
        #[arg(value_name = "ROLE_ARN", required = true)]
        arns: Vec<String>,
        #[command(flatten)]
        principal: PrincipalArgs,
    },
    /// Trust users
    #[command(after_help = "Example:
  rolecall policy trust user arn:aws:iam::111122223333:user/ann --mfa-within 1h")]
    User {
        /// Users to trust
        #[arg(value_name = "USER_ARN", required = true)]
        arns: Vec<String>,
        #[command(flatten)]
        principal: PrincipalArgs,
        #[command(flatten)]
        mfa: MfaArgs,
    },
    /// Trust a service account of a Kubernetes cluster, by its OIDC provider
    #[command(after_help = "Example:
  rolecall policy trust eks --namespace shop --service-account checkout \\
    --provider arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE")]
    Eks(EksArgs),
    /// Trust workflows of GitHub Actions
    #[command(after_help = "Example:
  rolecall policy trust github --repository shop/checkout --branch main \\
    --provider arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com")]
    Github(GithubArgs),
    /// Trust a subject of an OIDC provider
    #[command(after_help = "Example:
  rolecall policy trust oidc --subject checkout --audience sts.amazonaws.com \\
    --provider arn:aws:iam::111122223333:oidc-provider/idp.example.com")]
    Oidc(OidcArgs),
    /// Trust pods, by EKS Pod Identity
    #[command(after_help = "Example:
  rolecall policy trust pod-identity --namespace shop --service-account checkout")]
    PodIdentity(PodIdentityArgs),
    /// Trust an AWS service
    #[command(after_help = "Examples:
  rolecall policy trust service lambda
  rolecall policy trust service states.amazonaws.com --source-account 111122223333")]
    Service(ServiceArgs),
}

/// Options of every trust policy.
#[derive(Debug, Args)]
#[command(next_help_heading = "Result")]
struct ResultArgs {
    #[command(flatten)]
    document: DocumentArgs,
    /// Allow 4,096 characters instead of 2,048, for an account with a raised quota
    #[arg(long)]
    raised_quota: bool,
}

/// What accounts, users and roles must bring.
#[derive(Debug, Args)]
struct PrincipalArgs {
    /// External id that callers have to pass; set one for every third party
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    result: ResultArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "MFA")]
struct MfaArgs {
    /// Require MFA
    #[arg(long)]
    mfa: bool,
    /// Require MFA that is younger than this, such as 15m, 1h or 3600 (seconds)
    #[arg(long, value_name = "AGE", value_parser = age)]
    mfa_within: Option<Duration>,
}

#[derive(Debug, Args)]
struct EksArgs {
    /// OIDC provider of the cluster
    #[arg(long, value_name = "ARN")]
    provider: String,
    /// Namespace of the service account
    #[arg(long, value_name = "NAME")]
    namespace: String,
    /// Name of the service account
    #[arg(long, value_name = "NAME")]
    service_account: String,
    /// Audience of the tokens; defaults to sts.amazonaws.com
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    #[command(flatten)]
    result: ResultArgs,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true))]
struct GithubArgs {
    /// OIDC provider of GitHub
    #[arg(long, value_name = "ARN")]
    provider: String,
    /// Repository of the workflows
    #[arg(long, value_name = "OWNER/NAME")]
    repository: String,
    /// Trust workflows that run for this branch
    #[arg(long, value_name = "NAME", group = "what")]
    branch: Option<String>,
    /// Trust workflows that run for this Git tag
    #[arg(long, value_name = "NAME", group = "what")]
    tag: Option<String>,
    /// Trust jobs that reference this environment
    #[arg(long, value_name = "NAME", group = "what")]
    environment: Option<String>,
    /// Trust workflows that run for pull requests
    #[arg(long, group = "what")]
    pull_request: bool,
    /// Trust every workflow of the repository
    #[arg(long, group = "what")]
    any_workflow: bool,
    /// Require a value of a further claim; repeat for more values or claims
    #[arg(long, value_name = "CLAIM=VALUE")]
    claim: Vec<Tag>,
    /// Audience of the tokens; defaults to sts.amazonaws.com
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    #[command(flatten)]
    result: ResultArgs,
}

#[derive(Debug, Args)]
struct OidcArgs {
    /// OIDC provider
    #[arg(long, value_name = "ARN")]
    provider: String,
    /// Subject of the tokens
    #[arg(long, value_name = "SUBJECT")]
    subject: String,
    /// Audience of the tokens
    #[arg(long, value_name = "AUDIENCE")]
    audience: String,
    /// Require a value of a further claim; repeat for more values or claims
    #[arg(long, value_name = "CLAIM=VALUE")]
    claim: Vec<Tag>,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    result: ResultArgs,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("pods").required(true))]
struct PodIdentityArgs {
    /// Namespace of the service account
    #[arg(long, value_name = "NAME", requires = "service_account", group = "pods")]
    namespace: Option<String>,
    /// Name of the service account
    #[arg(long, value_name = "NAME", requires = "namespace")]
    service_account: Option<String>,
    /// Trust every pod that an association gives the role to
    #[arg(long, group = "pods", conflicts_with = "service_account")]
    any_pod: bool,
    /// Cluster of the pods; defaults to every cluster of the account
    #[arg(long, value_name = "ARN")]
    cluster: Option<String>,
    #[command(flatten)]
    result: ResultArgs,
}

#[derive(Debug, Args)]
struct ServiceArgs {
    /// Service to trust: ec2, lambda, ecs-tasks, or the principal of another service
    #[arg(value_name = "SERVICE")]
    service: String,
    /// Account whose resources the service must act for
    #[arg(long, value_name = "ID")]
    source_account: Option<String>,
    /// Resource that the service must act for
    #[arg(long, value_name = "ARN")]
    source_arn: Option<String>,
    /// Region in which ecs-tasks must act for the source account
    #[arg(long, value_name = "REGION", requires = "source_account", conflicts_with = "source_arn")]
    source_region: Option<String>,
    #[command(flatten)]
    result: ResultArgs,
}

/// Parses the age of an MFA: seconds, or a number with a unit.
fn age(text: &str) -> Result<Duration, String> {
    let fault = || "expected seconds, or a number with the unit s, m, h or d".to_owned();
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, text.get(number.len()..)),
        None => (text, None),
    };
    let seconds: u64 = match unit {
        Some("m") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        _ => 1,
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    number.map(Duration::from_secs).ok_or_else(fault)
}

impl Trust {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let (result, policy) = match &self.trusted {
            Trusted::Account { ids, principal, mfa } => {
                (&principal.result, principal.fill(ids, Some(mfa), TrustedPrincipal::account))
            }
            Trusted::Role { arns, principal } => {
                (&principal.result, principal.fill(arns, None, TrustedPrincipal::role))
            }
            Trusted::User { arns, principal, mfa } => {
                (&principal.result, principal.fill(arns, Some(mfa), TrustedPrincipal::user))
            }
            Trusted::Eks(args) => (&args.result, args.fill()),
            Trusted::Github(args) => (&args.result, args.fill()),
            Trusted::Oidc(args) => (&args.result, args.fill()),
            Trusted::PodIdentity(args) => (&args.result, args.fill()),
            Trusted::Service(args) => {
                if args.source_region.is_some() && args.service != "ecs-tasks" {
                    return Err(Failure::usage("--source-region is for the service ecs-tasks"));
                }
                (&args.result, args.fill())
            }
        };
        let kind = match result.raised_quota {
            true => PolicyKind::TrustRaised,
            false => PolicyKind::Trust,
        };
        let policy = policy.and_then(|builder| builder.build_as(kind));
        let policy = policy.map_err(|error| Failure::usage_of(&error))?;
        result.document.print_trust(output, &policy)
    }
}

/// A builder that has everything.
type Filled = Result<TrustPolicyBuilder, PolicyError>;

fn builder(result: &ResultArgs) -> Result<TrustPolicyBuilder, PolicyError> {
    match &result.document.partition {
        Some(partition) => TrustPolicy::builder().partition(partition),
        None => Ok(TrustPolicy::builder()),
    }
}

/// The values of each claim, in the order of the options.
fn claims(options: &[Tag]) -> Vec<(&str, Vec<&str>)> {
    let mut claims: Vec<(&str, Vec<&str>)> = Vec::new();
    for Tag { key, value } in options {
        match claims.iter_mut().find(|(name, _)| name == key) {
            Some((_, values)) => values.push(value),
            None => claims.push((key, vec![value])),
        }
    }
    claims
}

impl PrincipalArgs {
    fn fill(
        &self,
        values: &[String],
        mfa: Option<&MfaArgs>,
        parse: fn(&str) -> Result<TrustedPrincipal, PolicyError>,
    ) -> Filled {
        let mut builder = builder(&self.result)?;
        for value in values {
            let mut principal = parse(value)?;
            if let Some(id) = &self.external_id {
                principal = principal.external_id(id)?;
            }
            if mfa.is_some_and(|mfa| mfa.mfa) {
                principal = principal.mfa()?;
            }
            if let Some(age) = mfa.and_then(|mfa| mfa.mfa_within) {
                principal = principal.mfa_within(age)?;
            }
            builder = builder.principal(self.rules.apply(principal)?);
        }
        Ok(builder)
    }
}

impl EksArgs {
    fn fill(&self) -> Filled {
        let Self { provider, namespace, service_account, audience, result } = self;
        let mut trusted = TrustedServiceAccount::new(provider, namespace, service_account)?;
        if let Some(audience) = audience {
            trusted = trusted.audience(audience)?;
        }
        Ok(builder(result)?.service_account(trusted))
    }
}

impl GithubArgs {
    fn fill(&self) -> Filled {
        let (provider, repository) = (&self.provider, &self.repository);
        let mut trusted = match (&self.branch, &self.tag, &self.environment) {
            (Some(branch), ..) => TrustedGitHubActions::branch(provider, repository, branch),
            (_, Some(tag), _) => TrustedGitHubActions::tag(provider, repository, tag),
            (.., Some(name)) => TrustedGitHubActions::environment(provider, repository, name),
            _ if self.pull_request => TrustedGitHubActions::pull_request(provider, repository),
            _ => TrustedGitHubActions::repository(provider, repository),
        }?;
        if let Some(audience) = &self.audience {
            trusted = trusted.audience(audience)?;
        }
        for (name, values) in claims(&self.claim) {
            trusted = trusted.claim(name, values)?;
        }
        Ok(builder(&self.result)?.github_actions(trusted))
    }
}

impl OidcArgs {
    fn fill(&self) -> Filled {
        let mut trusted = TrustedWebIdentity::new(&self.provider, &self.subject, &self.audience)?;
        for (name, values) in claims(&self.claim) {
            trusted = trusted.claim(name, values)?;
        }
        Ok(builder(&self.result)?.web_identity(self.rules.apply(trusted)?))
    }
}

impl PodIdentityArgs {
    fn fill(&self) -> Filled {
        let mut trusted = match (&self.namespace, &self.service_account) {
            (Some(namespace), Some(name)) => TrustedPodIdentity::service_account(namespace, name)?,
            _ => TrustedPodIdentity::any_pod(),
        };
        if let Some(arn) = &self.cluster {
            trusted = trusted.cluster(arn)?;
        }
        Ok(builder(&self.result)?.pod_identity(trusted))
    }
}

impl ServiceArgs {
    fn fill(&self) -> Filled {
        let mut trusted = match self.service.as_str() {
            "ec2" => TrustedService::ec2(),
            "lambda" => TrustedService::lambda(),
            "ecs-tasks" => TrustedService::ecs_tasks(),
            "pods.eks.amazonaws.com" => TrustedService::new(&self.service)
                .map_err(|error| with_hint(error, "use rolecall policy trust pod-identity"))?,
            principal => TrustedService::new(principal)?,
        };
        match (&self.source_region, &self.source_account) {
            (Some(region), Some(id)) => trusted = trusted.source_region(region, id)?,
            (_, Some(id)) => trusted = trusted.source_account(id)?,
            _ => {}
        }
        if let Some(arn) = &self.source_arn {
            trusted = trusted.source_arn(arn)?;
        }
        Ok(builder(&self.result)?.service(trusted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_has_a_unit_or_is_in_seconds() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172_800)]
        {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "-1h", "1w", "1.5h", "999999999999999999d"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}

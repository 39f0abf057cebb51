//! `rolecall policy s3`, `secrets`, `ecr`, `assume` and `revoke`: permission policies.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use clap::{ArgGroup, Args};
use rolecall::policy::{
    AssumeRoleAccess, EcrAccess, PermissionPolicy, PermissionPolicyBuilder, PolicyError,
    RevokedSessions, S3Access, SecretsAccess,
};

use super::document::{DocumentArgs, Kind};
use super::rules::RulesArgs;
use crate::error::Failure;
use crate::output::Output;

/// Options of every permission policy.
#[derive(Debug, Args)]
#[command(next_help_heading = "Result")]
struct ResultArgs {
    #[command(flatten)]
    document: DocumentArgs,
    /// Kind of policy, which limits its size
    #[arg(long, value_enum, value_name = "KIND", default_value = "inline")]
    kind: Kind,
}

impl ResultArgs {
    fn print(
        &self,
        output: &mut Output,
        add: impl FnOnce(PermissionPolicyBuilder) -> Result<PermissionPolicyBuilder, PolicyError>,
    ) -> Result<(), Failure> {
        let build = || {
            let mut builder = PermissionPolicy::builder();
            if let Some(partition) = &self.document.partition {
                builder = builder.partition(partition)?;
            }
            add(builder)?.build_as(self.kind.policy_kind())
        };
        let policy = build().map_err(|error| Failure::usage_of(&error))?;
        self.document.print_permission(output, &policy)
    }
}

/// Write a policy for objects of a bucket
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("extent").required(true),
    group = ArgGroup::new("access").required(true).multiple(true),
    after_help = "Examples:
  rolecall policy s3 shop-data --prefix orders/ --list --read
  rolecall policy s3 shop-data --whole-bucket --read --format terraform --name read-shop"
)]
pub(super) struct S3 {
    /// Name of the bucket
    #[arg(value_name = "BUCKET")]
    bucket: String,
    /// Allow keys with this prefix, which ends in /; repeat for more
    #[arg(long, value_name = "PREFIX/", group = "extent")]
    prefix: Vec<String>,
    /// Allow all keys of the bucket
    #[arg(long, group = "extent", conflicts_with = "prefix")]
    whole_bucket: bool,
    /// Allow listing
    #[arg(long, group = "access")]
    list: bool,
    /// Allow reading objects
    #[arg(long, group = "access")]
    read: bool,
    /// Allow writing objects
    #[arg(long, group = "access")]
    write: bool,
    /// Allow deleting objects
    #[arg(long, group = "access")]
    delete: bool,
    #[command(flatten)]
    result: ResultArgs,
}

impl S3 {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        self.result.print(output, |builder| {
            let mut access = match self.whole_bucket {
                true => S3Access::whole_bucket(&self.bucket)?,
                false => S3Access::under(&self.bucket, &self.prefix)?,
            };
            if self.list {
                access = access.list();
            }
            if self.read {
                access = access.read();
            }
            if self.write {
                access = access.write();
            }
            if self.delete {
                access = access.delete();
            }
            Ok(builder.s3(access))
        })
    }
}

/// Write a policy for secrets of AWS Secrets Manager
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("extent").required(true).multiple(true),
    group = ArgGroup::new("access").required(true).multiple(true),
    after_help = "Examples:
  rolecall policy secrets --region eu-west-1 --prefix shop/ --read
  rolecall policy secrets --region eu-west-1 --secret shop/database --read --write"
)]
pub(super) struct Secrets {
    /// Region of the secrets
    #[arg(long, value_name = "REGION")]
    region: String,
    /// Prefix of the names, which ends in /; repeat for more
    #[arg(long, value_name = "PREFIX/", group = "extent")]
    prefix: Vec<String>,
    /// Name of one secret, without the characters that AWS appends; repeat for more
    #[arg(long, value_name = "NAME", group = "extent")]
    secret: Vec<String>,
    /// Account of the secrets; defaults to any
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Allow reading secrets
    #[arg(long, group = "access")]
    read: bool,
    /// Allow writing secrets
    #[arg(long, group = "access")]
    write: bool,
    #[command(flatten)]
    result: ResultArgs,
}

impl Secrets {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        self.result.print(output, |mut builder| {
            if !self.prefix.is_empty() {
                let access = SecretsAccess::under(&self.region, &self.prefix)?;
                builder = builder.secrets(self.allow(access)?);
            }
            if !self.secret.is_empty() {
                let access = SecretsAccess::named(&self.region, &self.secret)?;
                builder = builder.secrets(self.allow(access)?);
            }
            Ok(builder)
        })
    }

    fn allow(&self, mut access: SecretsAccess) -> Result<SecretsAccess, PolicyError> {
        if let Some(id) = &self.account {
            access = access.account(id)?;
        }
        if self.read {
            access = access.read();
        }
        if self.write {
            access = access.write();
        }
        Ok(access)
    }
}

/// Write a policy for repositories of Amazon ECR
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("access").required(true).multiple(true),
    after_help = "Examples:
  rolecall policy ecr --region eu-west-1 --prefix shop/ --pull
  rolecall policy ecr --region eu-west-1 --repository shop/checkout --push --pull
  rolecall policy ecr --login"
)]
pub(super) struct Ecr {
    /// Region of the repositories
    #[arg(long, value_name = "REGION", required_unless_present = "login")]
    region: Option<String>,
    /// Prefix of the names, which ends in /; repeat for more
    #[arg(long, value_name = "PREFIX/", required_unless_present_any = ["repository", "login"])]
    prefix: Vec<String>,
    /// Name of one repository; repeat for more
    #[arg(long, value_name = "NAME")]
    repository: Vec<String>,
    /// Account of the repositories; defaults to any
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Allow pushing images
    #[arg(long, group = "access")]
    push: bool,
    /// Allow pulling images
    #[arg(long, group = "access")]
    pull: bool,
    /// Allow deleting images
    #[arg(long, group = "access")]
    delete: bool,
    /// Allow logging in to the registry and nothing else; the other permissions include it
    #[arg(
        long,
        group = "access",
        conflicts_with_all = ["push", "pull", "delete", "region", "prefix", "repository", "account"]
    )]
    login: bool,
    #[command(flatten)]
    result: ResultArgs,
}

impl Ecr {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        self.result.print(output, |mut builder| {
            if self.login {
                return Ok(builder.ecr_login());
            }
            let region = self.region.as_deref().unwrap_or_default();
            if !self.prefix.is_empty() {
                let access = EcrAccess::under(region, &self.prefix)?;
                builder = builder.ecr(self.allow(access)?);
            }
            if !self.repository.is_empty() {
                let access = EcrAccess::named(region, &self.repository)?;
                builder = builder.ecr(self.allow(access)?);
            }
            Ok(builder)
        })
    }

    fn allow(&self, mut access: EcrAccess) -> Result<EcrAccess, PolicyError> {
        if let Some(id) = &self.account {
            access = access.account(id)?;
        }
        if self.push {
            access = access.push();
        }
        if self.pull {
            access = access.pull();
        }
        if self.delete {
            access = access.delete();
        }
        Ok(access)
    }
}

/// Write a policy for assuming roles
#[derive(Debug, Args)]
#[command(after_help = "Example:
  rolecall policy assume arn:aws:iam::444455556666:role/orders --optional-tag team=blue")]
pub(super) struct AssumeRoles {
    /// Roles that may be assumed
    #[arg(value_name = "ROLE_ARN", required = true)]
    roles: Vec<String>,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    result: ResultArgs,
}

impl AssumeRoles {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        self.result.print(output, |builder| {
            let access = self.rules.apply(AssumeRoleAccess::new(&self.roles)?)?;
            Ok(builder.assume_role(access))
        })
    }
}

/// Write a policy that denies everything to sessions of a role
///
/// STS cannot take a session back. Attach the policy to the role, as an inline policy: it takes
/// effect within seconds to minutes, and does not reach sessions that a revoked session created by
/// assuming other roles.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rolecall policy revoke --issued-before now
  rolecall policy revoke --session AROADBQP57FF2AEXAMPLE:pod-7f9c")]
pub(super) struct Revoke {
    /// Deny sessions issued before this time: now, or a time such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present = "session")]
    issued_before: Option<SystemTime>,
    /// Deny one session: the unique id of the role and the session name
    #[arg(long, value_name = "ROLE_ID:NAME")]
    session: Option<String>,
    #[command(flatten)]
    result: ResultArgs,
}

fn time(text: &str) -> Result<SystemTime, String> {
    if text == "now" {
        return Ok(SystemTime::now());
    }
    let fault = "expected a time such as 2026-09-21T14:13:20Z, or now";
    let time = DateTime::from_str(text, Format::DateTimeWithOffset);
    time.ok().and_then(|time| SystemTime::try_from(time).ok()).ok_or_else(|| fault.to_owned())
}

impl Revoke {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        self.result.print(output, |builder| {
            let revoked = match (&self.session, self.issued_before) {
                (Some(id), None) => RevokedSessions::assumed_role_id(id)?,
                (Some(id), Some(time)) => {
                    RevokedSessions::assumed_role_id(id)?.only_issued_before(time)?
                }
                // One of the two is required.
                (None, time) => {
                    RevokedSessions::issued_before(time.unwrap_or_else(SystemTime::now))?
                }
            };
            Ok(builder.revoke_sessions(revoked))
        })
    }
}

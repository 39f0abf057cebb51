use super::check::{account, fault, is_partition, literal, region};
use super::partition::Placed;
use super::{Draft, Test};
use crate::arn::Arn;
use crate::error::PolicyError;
use crate::model::Effect;
use crate::principal::Principal;

/// An AWS service that a trust policy trusts, so that it can assume the role for what runs in it.
///
/// Restrict the source where the service supports it, against the confused deputy problem: Amazon
/// ECS does, for `ecs-tasks.amazonaws.com`. A service that does not send `aws:SourceAccount` or
/// `aws:SourceArn` when it assumes a role cannot assume one that requires it; AWS documents neither
/// for the roles of EC2 instances. Consult the guide of the service.
///
/// (IAM User Guide, "The confused deputy problem"; Amazon ECS Developer Guide, "Amazon ECS task IAM
/// role".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{TrustPolicy, TrustedService};
/// let policy = TrustPolicy::builder()
///     .service(TrustedService::lambda())
///     .service(TrustedService::ecs_tasks().source_region("eu-west-1", "111122223333")?)
///     .build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "Service": "lambda.amazonaws.com"
///       },
///       "Action": "sts:AssumeRole"
///     },
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "Service": "ecs-tasks.amazonaws.com"
///       },
///       "Action": "sts:AssumeRole",
///       "Condition": {
///         "StringEquals": {
///           "aws:SourceAccount": "111122223333"
///         },
///         "ArnLike": {
///           "aws:SourceArn": "arn:aws:ecs:eu-west-1:111122223333:*"
///         }
///       }
///     }
///   ]
/// }"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedService {
    name: Name,
    source_account: Option<String>,
    source: Option<Source>,
}

#[derive(Clone, Debug)]
enum Name {
    /// Its principal depends on the partition.
    Ec2,
    Principal(String),
}

#[derive(Clone, Debug)]
enum Source {
    Arn(String),
    Region { region: String, account: String },
}

impl TrustedService {
    /// Trusts Amazon EC2, for the instances that the role is attached to: `ec2.amazonaws.com`, or
    /// `ec2.amazonaws.com.cn` in the partition `aws-cn`.
    pub fn ec2() -> Self {
        Self::of(Name::Ec2)
    }

    /// Trusts AWS Lambda, for the functions whose execution role it is: `lambda.amazonaws.com`.
    pub fn lambda() -> Self {
        Self::of(Name::Principal("lambda.amazonaws.com".to_owned()))
    }

    /// Trusts Amazon ECS, for the tasks whose task role or task execution role it is:
    /// `ecs-tasks.amazonaws.com`.
    pub fn ecs_tasks() -> Self {
        Self::of(Name::Principal("ecs-tasks.amazonaws.com".to_owned()))
    }

    /// Trusts another service, by its principal.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `principal` is not the principal of a service, such as
    /// `states.amazonaws.com`, or is the one of EKS Pod Identity, which passes session tags.
    pub fn new(principal: &str) -> Result<Self, PolicyError> {
        let what = "service";
        literal(what, principal)?;
        let refuse =
            |fault_and_hint: &str| Err(fault(what, format!("{principal:?} {fault_and_hint}")));
        if principal == "pods.eks.amazonaws.com" {
            return refuse("passes session tags; hint: use TrustedPodIdentity");
        }
        if Principal::parse("Service", principal).is_err() {
            return refuse("is not the principal of a service; hint: write <name>.amazonaws.com");
        }
        Ok(Self::of(Name::Principal(principal.to_owned())))
    }

    fn of(name: Name) -> Self {
        Self { name, source_account: None, source: None }
    }

    /// Requires that the service acts for resources of this account: `aws:SourceAccount`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `id` does not have 12 digits.
    pub fn source_account(mut self, id: &str) -> Result<Self, PolicyError> {
        self.source_account = Some(account(id)?);
        Ok(self)
    }

    /// Requires that the service acts for this resource: `aws:SourceArn`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `arn` is not an ARN, or contains a wildcard or a policy variable.
    pub fn source_arn(mut self, arn: &str) -> Result<Self, PolicyError> {
        literal("source", arn)?;
        let valid = Arn::parse(arn).is_some_and(|arn| {
            is_partition(arn.partition) && !arn.service.is_empty() && !arn.resource.is_empty()
        });
        if !valid {
            let hint = "hint: write arn:aws:<service>:<region>:<account>:<resource>";
            return Err(fault("source", format!("{arn:?} is not an ARN; {hint}")));
        }
        self.source = Some(Source::Arn(arn.to_owned()));
        Ok(self)
    }

    /// Requires that Amazon ECS acts for this account in this Region: `aws:SourceArn` and
    /// `aws:SourceAccount`. ECS does not support a single cluster or task as the source.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if the service is not [`ecs_tasks`](Self::ecs_tasks), if
    /// `region_name` is not a Region, or if `id` does not have 12 digits.
    pub fn source_region(mut self, region_name: &str, id: &str) -> Result<Self, PolicyError> {
        let ecs = "ecs-tasks.amazonaws.com";
        if !matches!(&self.name, Name::Principal(principal) if principal == ecs) {
            let hint = "hint: call source_account or source_arn";
            let message = format!("{region_name:?} can be the source of {ecs} alone; {hint}");
            return Err(fault("source", message));
        }
        let (region, account) = (region(region_name)?, account(id)?);
        self.source_account = Some(account.clone());
        self.source = Some(Source::Region { region, account });
        Ok(self)
    }

    pub(super) fn placed(&self) -> Option<Placed> {
        match &self.source {
            Some(Source::Arn(arn)) => Placed::arn(arn),
            Some(Source::Region { region, .. }) => Some(Placed::region(region)),
            None => None,
        }
    }

    pub(super) fn draft(self, partition: &str) -> Result<Draft, PolicyError> {
        let name = match self.name {
            Name::Principal(principal) => principal,
            Name::Ec2 => ec2(partition)?.to_owned(),
        };
        let mut tests = Vec::new();
        tests.extend(self.source_account.map(|id| Test::equals("aws:SourceAccount", [id])));
        tests.extend(self.source.map(|source| match source {
            Source::Arn(arn) => Test::new("ArnEquals", "aws:SourceArn", [arn]),
            Source::Region { region, account } => {
                let arn = format!("arn:{partition}:ecs:{region}:{account}:*");
                Test::new("ArnLike", "aws:SourceArn", [arn])
            }
        }));
        Ok(Draft {
            sid: None,
            effect: Effect::Allow,
            principal: Some(Principal::Service(name)),
            actions: vec!["sts:AssumeRole"],
            resources: None,
            tests,
        })
    }
}

/// The principal of Amazon EC2, which is one of the few that differ between partitions.
fn ec2(partition: &str) -> Result<&'static str, PolicyError> {
    match partition {
        "aws-cn" => Ok("ec2.amazonaws.com.cn"),
        "aws" | "aws-us-gov" => Ok("ec2.amazonaws.com"),
        other => {
            let hint = "hint: pass the whole principal of the service";
            let message = format!("the principal of EC2 in {other:?} is not known; {hint}");
            Err(fault("service", message))
        }
    }
}

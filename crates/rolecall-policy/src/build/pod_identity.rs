use super::check::{account, fault, is_partition, literal, namespace, region, service_account};
use super::partition::Placed;
use super::{Draft, Test};
use crate::arn::Arn;
use crate::error::PolicyError;
use crate::model::Effect;
use crate::principal::Principal;

/// EKS Pod Identity: the pods that a trust policy trusts through `pods.eks.amazonaws.com`.
///
/// An association in EKS decides which pods receive the role; a principal that may create
/// associations and pass the role can give it to any pod. The trust policy can restrict the pods as
/// well, by the session tags that EKS passes. If an association disables its session tags, the
/// restricted policy does not let its pods in.
///
/// (EKS User Guide, "Create IAM role with trust policy required by EKS Pod Identity" and "Grant
/// Pods access to AWS resources based on tags".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{TrustPolicy, TrustedPodIdentity};
/// let checkout = TrustedPodIdentity::service_account("shop", "checkout")?
///     .cluster("arn:aws:eks:eu-west-1:111122223333:cluster/shop")?;
/// let policy = TrustPolicy::builder().pod_identity(checkout).build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "Service": "pods.eks.amazonaws.com"
///       },
///       "Action": [
///         "sts:AssumeRole",
///         "sts:TagSession"
///       ],
///       "Condition": {
///         "StringEquals": {
///           "aws:RequestTag/kubernetes-namespace": "shop",
///           "aws:RequestTag/kubernetes-service-account": "checkout",
///           "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-west-1:111122223333:cluster/shop"
///         }
///       }
///     }
///   ]
/// }"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedPodIdentity {
    tests: Vec<Test>,
    cluster: Option<String>,
}

impl TrustedPodIdentity {
    /// Trusts every pod that an association gives the role to.
    pub fn any_pod() -> Self {
        Self { tests: Vec::new(), cluster: None }
    }

    /// Trusts the pods of a service account, in every cluster of the account unless
    /// [`cluster`](Self::cluster) restricts it.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `namespace` or `name` is not a Kubernetes name.
    pub fn service_account(in_namespace: &str, name: &str) -> Result<Self, PolicyError> {
        namespace(in_namespace)?;
        service_account(name)?;
        let tests = vec![
            Test::equals("aws:RequestTag/kubernetes-namespace", [in_namespace]),
            Test::equals("aws:RequestTag/kubernetes-service-account", [name]),
        ];
        Ok(Self { tests, cluster: None })
    }

    /// Restricts the pods to those of a cluster, by its ARN.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `arn` is not the ARN of an EKS cluster.
    pub fn cluster(mut self, arn: &str) -> Result<Self, PolicyError> {
        literal("cluster", arn)?;
        let valid = Arn::parse(arn).is_some_and(|arn| {
            let name = arn.resource.strip_prefix("cluster/").unwrap_or_default();
            let known = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            is_partition(arn.partition)
                && arn.service == "eks"
                && region(arn.region).is_ok()
                && account(arn.account).is_ok()
                && (1..=100).contains(&name.len())
                && name.chars().all(known)
        });
        if !valid {
            let hint = "hint: write arn:aws:eks:<region>:<account>:cluster/<name>";
            let message = format!("{arn:?} is not the ARN of an EKS cluster; {hint}");
            return Err(fault("cluster", message));
        }
        self.cluster = Some(arn.to_owned());
        Ok(self)
    }

    pub(super) fn placed(&self) -> Option<Placed> {
        self.cluster.as_deref().and_then(Placed::arn)
    }

    /// One statement, as AWS documents it: the tags are conditions of both actions.
    pub(super) fn draft(self) -> Draft {
        let mut tests = self.tests;
        tests.extend(self.cluster.map(|arn| Test::equals("aws:RequestTag/eks-cluster-arn", [arn])));
        Draft {
            sid: None,
            effect: Effect::Allow,
            principal: Some(Principal::Service("pods.eks.amazonaws.com".to_owned())),
            actions: vec!["sts:AssumeRole", "sts:TagSession"],
            resources: None,
            tests,
        }
    }
}

//! The policy of a block, and the references in it.

use std::marker::PhantomData;

use hcl::Expression;

use super::block::BlockWriter;
use super::{HasArn, PolicyDocument, Reference, json};
use crate::error::PolicyError;
use crate::limits::PolicyKind;
use crate::policy::{PermissionPolicy, TrustPolicy};
use crate::read::{check_size, json_error};

/// The policy of a block: a [`TrustPolicy`] for a role, a [`PermissionPolicy`] for a managed
/// policy.
///
/// It is created from a policy of that type, from JSON text, or from a reference to a
/// [`PolicyDocument`]. Blocks take all of them; name this type only to call
/// [`link_arn`](Self::link_arn).
///
/// JSON text is for a policy that this crate does not accept, or whose order of elements and lists
/// of one value must be kept. It may be any JSON object within the size limit of the block.
///
/// # Examples
///
/// ```
/// use rolecall_policy::terraform::{Configuration, IamRole, PolicyText};
/// use rolecall_policy::{TrustPolicy, TrustedPrincipal, TrustedService};
///
/// let checkout_arn = "arn:aws:iam::111122223333:role/checkout";
/// let ec2 = TrustPolicy::builder().service(TrustedService::ec2()).build()?;
/// let checkout = TrustedPrincipal::role(checkout_arn)?;
/// let trusts_checkout = TrustPolicy::builder().principal(checkout).build()?;
///
/// let mut configuration = Configuration::new();
/// let checkout = configuration.add(IamRole::new("checkout", &ec2).role_name("checkout"))?;
/// let trust = PolicyText::from(&trusts_checkout).link_arn(checkout_arn, &checkout);
/// configuration.add(IamRole::new("orders", trust))?;
/// assert!(configuration.to_string().contains("AWS = aws_iam_role.checkout.arn\n"));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PolicyText<P> {
    source: Source,
    links: Vec<Link>,
    policy: PhantomData<fn() -> P>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// The JSON of a policy, in which the caller knows no positions.
    Policy(String),
    Json(String),
    Document(Reference<PolicyDocument>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    arn: String,
    /// The address of the block.
    address: String,
    expression: Expression,
}

impl<P> PolicyText<P> {
    fn new(source: Source) -> Self {
        Self { source, links: Vec::new(), policy: PhantomData }
    }

    /// Writes a reference to the ARN of a block wherever the policy has `arn` as a value.
    ///
    /// Terraform then creates that block first. IAM requires it of a role that a trust policy
    /// names: a trust policy whose principal does not exist is rejected.
    ///
    /// [`Configuration::add`](super::Configuration::add) returns an error if the policy does not
    /// have the value, or if it is a reference to a [`PolicyDocument`].
    pub fn link_arn<B: HasArn>(mut self, arn: impl Into<String>, block: &Reference<B>) -> Self {
        let (address, expression) = (block.to_string(), block.attribute("arn"));
        self.links.push(Link { arn: arn.into(), address, expression });
        self
    }

    /// Returns the value of the argument.
    pub(super) fn expression(
        &self,
        kind: PolicyKind,
        block: &BlockWriter<'_>,
    ) -> Result<Expression, PolicyError> {
        for link in &self.links {
            block.require(&link.address)?;
        }
        match &self.source {
            Source::Json(text) => self.encode(kind, text),
            Source::Policy(text) => {
                self.encode(kind, text).map_err(|error| PolicyError { position: None, ..error })
            }
            Source::Document(document) => {
                if let Some(link) = self.links.first() {
                    let hint = "hint: pass the policy itself";
                    let message = format!("a data source cannot be linked to {}", link.address);
                    return Err(PolicyError::new("", format!("{message}; {hint}")));
                }
                block.refer(document, "json")
            }
        }
    }

    fn encode(&self, kind: PolicyKind, text: &str) -> Result<Expression, PolicyError> {
        let policy = json::parse(text)?;
        check_size(kind, text)?;
        let mut found = vec![false; self.links.len()];
        let mut replace = |value: &str| {
            let mut links = self.links.iter().zip(&mut found);
            let (link, found) = links.find(|(link, _)| link.arn == value)?;
            *found = true;
            Some(link.expression.clone())
        };
        let encoded =
            json::encode(&policy, &mut replace).map_err(|error| json_error(text, error))?;
        // A link that replaces nothing is a wrong ARN. Without the reference, Terraform would not
        // know that one block depends on the other.
        match self.links.iter().zip(found).find(|(_, found)| !found) {
            None => Ok(encoded),
            Some((Link { arn, address, .. }, _)) => {
                let hint = format!("hint: link {address} to an ARN that the policy has");
                Err(PolicyError::new("", format!("no value of the policy is {arn:?}; {hint}")))
            }
        }
    }
}

impl<P> From<&str> for PolicyText<P> {
    fn from(json: &str) -> Self {
        Self::new(Source::Json(json.to_owned()))
    }
}

impl<P> From<String> for PolicyText<P> {
    fn from(json: String) -> Self {
        Self::new(Source::Json(json))
    }
}

impl<P> From<Reference<PolicyDocument>> for PolicyText<P> {
    fn from(document: Reference<PolicyDocument>) -> Self {
        Self::new(Source::Document(document))
    }
}

impl<P> From<&Reference<PolicyDocument>> for PolicyText<P> {
    fn from(document: &Reference<PolicyDocument>) -> Self {
        Self::new(Source::Document(document.clone()))
    }
}

macro_rules! from_policy {
    ($policy:ident) => {
        impl From<&$policy> for PolicyText<$policy> {
            fn from(policy: &$policy) -> Self {
                Self::new(Source::Policy(policy.to_compact_json()))
            }
        }

        impl From<$policy> for PolicyText<$policy> {
            fn from(policy: $policy) -> Self {
                Self::from(&policy)
            }
        }
    };
}

from_policy!(TrustPolicy);
from_policy!(PermissionPolicy);

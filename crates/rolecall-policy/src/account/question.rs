//! One question: may a principal call an action on a resource?
//!
//! The request is decided twice, with each unknown for it and against it.

use std::sync::LazyLock;

use super::access::Verdict;
use super::details::{Identity, PolicyName};
use super::subject::Subject;
use crate::context::Context;
use crate::decision::{PolicyType, Reason};
use crate::evaluate::{Policies, Report, decide};
use crate::knowledge::{Case, Keys, Knowledge};
use crate::policy::{PermissionPolicy, ResourcePolicy, TrustPolicy};
use crate::request::Request;

/// Stands for the policies of accounts that are not known.
static ALLOW_ALL: LazyLock<Vec<PermissionPolicy>> = LazyLock::new(|| {
    let json = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    PermissionPolicy::parse(json).into_iter().collect()
});
static LET_ALL_CALL: LazyLock<Option<ResourcePolicy>> = LazyLock::new(|| {
    let json = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}"#;
    ResourcePolicy::parse(json).ok()
});
static LET_ALL_ASSUME: LazyLock<Option<TrustPolicy>> = LazyLock::new(|| {
    let json = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}"#;
    TrustPolicy::parse(json).ok()
});

/// What a request is for.
#[derive(Clone)]
pub(super) struct Target<'a> {
    pub(super) action: &'a str,
    pub(super) resource: &'a str,
    /// The account that owns the resource. `None` if the resource is each caller's own.
    pub(super) account: Option<&'a str>,
    pub(super) guard: Guard<'a>,
    pub(super) resource_control: Option<&'a [Vec<ResourcePolicy>]>,
}

/// The policy of the resource.
#[derive(Clone, Copy)]
pub(super) enum Guard<'a> {
    Trust(&'a TrustPolicy),
    /// The role is of an account without a description.
    UnknownTrust,
    Policy(&'a ResourcePolicy),
    /// The resource has no policy, or one that is not given.
    Unknown,
}

/// The principal of a request.
#[derive(Clone, Copy)]
pub(super) struct Principal<'a> {
    pub(super) subject: &'a Subject,
    /// The description of a user or role.
    pub(super) identity: Option<&'a Identity>,
    pub(super) service_control: Option<&'a [Vec<PermissionPolicy>]>,
}

/// A request, and the policies that decide it.
pub(super) struct Question<'a> {
    pub(super) principal: Principal<'a>,
    pub(super) target: &'a Target<'a>,
    pub(super) request: Request,
    policies: Policies<'a>,
    /// What some of these policies take for granted.
    pub(super) assumptions: Vec<String>,
}

impl<'a> Question<'a> {
    pub(super) fn new(principal: Principal<'a>, target: &'a Target<'a>, given: &Context) -> Self {
        let Principal { subject, identity, service_control } = principal;
        let context = subject.context(identity, given);
        let mut request = Request::new(subject.caller(), target.action, target.resource);
        if let Some(account) = target.account {
            request = request.resource_account(account);
        }
        let request = request.context(context);

        let mut assumptions = Vec::new();
        let mut policies = Policies::new();
        if let Some(identity) = identity {
            policies = policies.identity(&identity.policies);
            if let Some((boundary, _)) = &identity.boundary {
                policies = policies.boundaries(boundary);
            }
        } else {
            // Policies that are not described count as allowing, and the answer says so: a caller
            // that is left out because its policies are unknown would be a false all-clear.
            policies = policies.identity(&ALLOW_ALL);
            match subject {
                Subject::External(arn) => {
                    assumptions.push(format!("{arn} exists and its own policies allow it"));
                }
                Subject::Account(id) => {
                    assumptions.push(format!("the policies of account {id} allow it"));
                }
                _ => {}
            }
        }
        if let Some(levels) = service_control {
            policies = policies.service_control(levels);
        }
        if let Some(levels) = target.resource_control {
            policies = policies.resource_control(levels);
        }
        match target.guard {
            Guard::Trust(trust) => policies = policies.trust(trust),
            Guard::Policy(policy) => policies = policies.resource(policy),
            Guard::UnknownTrust => {
                policies = LET_ALL_ASSUME.as_ref().map_or(policies, |it| policies.trust(it));
                assumptions.push(format!("the trust policy of {} allows it", target.resource));
            }
            // In one account, the caller's own policies suffice.
            Guard::Unknown if request.is_same_account() => {}
            Guard::Unknown => {
                policies = LET_ALL_CALL.as_ref().map_or(policies, |it| policies.resource(it));
                assumptions.push(format!("a policy of {} allows it", target.resource));
            }
        }
        Self { principal, target, request, policies, assumptions }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let allowed = |case| self.decide(case, &mut |_| {}).0;
        // What the best case refuses is refused whatever the unknown keys are. Most principals end
        // here, after one evaluation.
        if !allowed(Case::Best) {
            Verdict::NotAllowed
        } else if !self.assumptions.is_empty() || !allowed(Case::Worst) {
            Verdict::Conditional
        } else {
            Verdict::Allowed
        }
    }

    /// Decides the request in one of the cases.
    pub(super) fn decide(&self, case: Case, report: Report<'_>) -> (bool, Reason) {
        self.with_keys(|keys| {
            let knowledge = Knowledge::Partial(keys, case);
            let (outcome, reason) = decide(&self.request, &self.policies, knowledge, report);
            (outcome.is_allowed(), reason)
        })
    }

    /// Calls `f` with the keys that are known.
    pub(super) fn with_keys<R>(&self, f: impl FnOnce(Keys<'_>) -> R) -> R {
        let Principal { subject, identity, .. } = self.principal;
        let action = Some(self.target.action);
        f(Keys { is_absent: &|key| subject.never_carries(identity, key, action) })
    }

    /// Returns the name of a policy, or `None` for one that is an assumption.
    pub(super) fn name_of(
        &self,
        policy_type: PolicyType,
        level: Option<usize>,
        index: usize,
    ) -> Option<PolicyName> {
        let identity = self.principal.identity;
        Some(match policy_type {
            PolicyType::Identity => identity?.names.get(index)?.clone(),
            PolicyType::Boundary => identity?.boundary.as_ref()?.1.clone(),
            PolicyType::Trust | PolicyType::Resource => match self.target.guard {
                Guard::Trust(_) | Guard::Policy(_) => PolicyName::new(self.target.resource),
                Guard::UnknownTrust | Guard::Unknown => return None,
            },
            PolicyType::ServiceControl | PolicyType::ResourceControl | PolicyType::Session => {
                PolicyName::of_level(level, index)
            }
        })
    }
}

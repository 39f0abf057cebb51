//! The evaluator: one function decides a request, and reports each statement to an observer, so
//! that the explanation cannot differ from the decision.
//!
//! (IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic" and
//! "Evaluating identity-based policies with boundaries".)

use crate::caller::{CallerKind, Naming};
use crate::decision::{Outcome, PolicyType, Reason};
use crate::explain::{Explanation, Reported};
use crate::knowledge::Knowledge;
use crate::model::{Document, Effect};
use crate::policy::{PermissionPolicy, ResourcePolicy, TrustPolicy};
use crate::request::Request;
use crate::statement::match_statement;

/// The policies that decide a request. Each kind is absent until it is set; a kind that is set and
/// empty allows nothing.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Caller, Outcome, PermissionPolicy, Policies, Request, evaluate};
/// let all = [PermissionPolicy::parse(
///     r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
/// )?];
/// let read = [PermissionPolicy::parse(
///     r#"{"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}"#,
/// )?];
/// let session = Caller::parse("arn:aws:sts::111122223333:assumed-role/checkout/pod-1")?;
/// let request = Request::new(session, "s3:PutObject", "arn:aws:s3:::shop/a");
///
/// let policies = Policies::new().identity(&all);
/// assert_eq!(evaluate(&request, &policies).outcome(), Outcome::Allowed);
/// let policies = policies.session(&read);
/// assert_eq!(evaluate(&request, &policies).outcome(), Outcome::ImplicitlyDenied);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    identity: &'a [PermissionPolicy],
    resource: Option<&'a ResourcePolicy>,
    trust: Option<&'a TrustPolicy>,
    session: Option<&'a [PermissionPolicy]>,
    boundaries: Option<&'a [PermissionPolicy]>,
    service_control: Option<&'a [Vec<PermissionPolicy>]>,
    resource_control: Option<&'a [Vec<ResourcePolicy>]>,
}

impl<'a> Policies<'a> {
    /// Creates a set without policies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the identity policies of the user, or of the role.
    #[must_use]
    pub fn identity(mut self, policies: &'a [PermissionPolicy]) -> Self {
        self.identity = policies;
        self
    }

    /// Sets the policy of the resource.
    #[must_use]
    pub fn resource(mut self, policy: &'a ResourcePolicy) -> Self {
        self.resource = Some(policy);
        self
    }

    /// Sets the trust policy of the role that the request assumes.
    #[must_use]
    pub fn trust(mut self, policy: &'a TrustPolicy) -> Self {
        self.trust = Some(policy);
        self
    }

    /// Sets the session policies. One that allows the request is enough.
    #[must_use]
    pub fn session(mut self, policies: &'a [PermissionPolicy]) -> Self {
        self.session = Some(policies);
        self
    }

    /// Sets the permissions boundaries. One that allows the request is enough.
    #[must_use]
    pub fn boundaries(mut self, policies: &'a [PermissionPolicy]) -> Self {
        self.boundaries = Some(policies);
        self
    }

    /// Sets the service control policies, by level of the organisation from its root to the
    /// caller's account. On each level, one that allows the request is enough. They do not apply
    /// to services, federated identities and anonymous callers.
    #[must_use]
    pub fn service_control(mut self, levels: &'a [Vec<PermissionPolicy>]) -> Self {
        self.service_control = Some(levels);
        self
    }

    /// Sets the resource control policies, by level of the organisation from its root to the
    /// resource's account. They only deny: AWS attaches `RCPFullAWSAccess`, which allows
    /// everything, to every level.
    #[must_use]
    pub fn resource_control(mut self, levels: &'a [Vec<ResourcePolicy>]) -> Self {
        self.resource_control = Some(levels);
        self
    }
}

/// The decision on a request.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Caller, PermissionPolicy, Policies, Request, evaluate};
/// let policies = [PermissionPolicy::parse(r#"{"Statement": {
///     "Sid": "ReadShop", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"
/// }}"#)?];
/// let ann = Caller::user("111122223333", "arn:aws:iam::111122223333:user/ann");
/// let request = Request::new(ann, "s3:GetObject", "arn:aws:s3:::shop/a");
/// let policies = Policies::new().identity(&policies);
/// let decision = evaluate(&request, &policies);
/// assert!(decision.is_allowed());
/// assert_eq!(
///     decision.explain().to_string(),
///     "allowed: statement 1 (\"ReadShop\") of the identity policy allows s3:GetObject on \
///      arn:aws:s3:::shop/a",
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    outcome: Outcome,
    reason: Reason,
    request: &'a Request,
    policies: Policies<'a>,
}

impl Decision<'_> {
    /// Returns whether the request is allowed.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns `true` if the request is allowed.
    pub fn is_allowed(&self) -> bool {
        self.outcome.is_allowed()
    }

    /// Returns the kind of policy that decided: the one that allows or denies the request, or, for
    /// an implicit denial, the one that should allow it and does not. `None` if no policy decided,
    /// as for `sts:GetCallerIdentity`.
    pub fn decided_by(&self) -> Option<PolicyType> {
        self.reason.policy_type()
    }

    /// Returns the explanation: every statement, and for those that do not match, the first
    /// element that does not.
    pub fn explain(&self) -> Explanation {
        let mut statements = Vec::new();
        decide(self.request, &self.policies, Knowledge::Complete, &mut |reported| {
            statements.push(reported.describe(self.request));
        });
        Explanation::new(self.outcome, self.reason, self.request, statements)
    }
}

/// Decides a request.
///
/// It does not allocate.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Caller, Context, Outcome, Policies, Request, TrustPolicy, evaluate};
/// let trust = TrustPolicy::parse(r#"{"Version": "2012-10-17", "Statement": {
///     "Effect": "Allow",
///     "Principal": {"AWS": "arn:aws:iam::111122223333:role/checkout"},
///     "Action": "sts:AssumeRole",
///     "Condition": {"StringEquals": {"sts:ExternalId": "shop-4711"}}
/// }}"#)?;
/// let checkout = Caller::parse("arn:aws:sts::111122223333:assumed-role/checkout/pod-1")?;
/// let role = "arn:aws:iam::111122223333:role/orders";
/// let request = Request::new(checkout, "sts:AssumeRole", role);
/// let policies = Policies::new().trust(&trust);
/// assert_eq!(
///     evaluate(&request, &policies).explain().to_string(),
///     "implicitly denied: no trust policy allows sts:AssumeRole on \
///      arn:aws:iam::111122223333:role/orders; statement 1 does not match: StringEquals \
///      sts:ExternalId expects \"shop-4711\", and the request does not have the key",
/// );
/// let request = request.context(Context::new().with("sts:ExternalId", "shop-4711"));
/// assert_eq!(evaluate(&request, &policies).outcome(), Outcome::Allowed);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[must_use]
pub fn evaluate<'a>(request: &'a Request, policies: &Policies<'a>) -> Decision<'a> {
    let (outcome, reason) = decide(request, policies, Knowledge::Complete, &mut |_| {});
    Decision { outcome, reason, request, policies: *policies }
}

/// What the statements of one kind say.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    denies: bool,
    /// How closely the closest Allow names the caller.
    allows: Option<Naming>,
}

/// Receives each statement.
pub(crate) type Report<'o> = &'o mut dyn FnMut(Reported<'_>);

struct Evaluation<'e, 'o> {
    request: &'e Request,
    has_boundary: bool,
    knowledge: Knowledge<'e>,
    report: Report<'o>,
}

impl Evaluation<'_, '_> {
    fn document(
        &mut self,
        tally: &mut Tally,
        place: (PolicyType, Option<usize>, usize),
        document: &Document,
    ) {
        let (policy_type, level, policy) = place;
        for (index, statement) in document.statements().iter().enumerate() {
            let result =
                match_statement(statement, self.request, self.has_boundary, self.knowledge);
            if let Ok(naming) = result {
                match statement.effect() {
                    Effect::Deny => tally.denies = true,
                    // The closest Allow counts: a statement that names only the account must not
                    // hide one that names the caller itself, whose grant has fewer limits.
                    Effect::Allow => tally.allows = tally.allows.max(Some(naming)),
                }
            }
            (self.report)(Reported { policy_type, level, policy, index, statement, result });
        }
    }

    fn permissions(&mut self, policy_type: PolicyType, policies: &[PermissionPolicy]) -> Tally {
        let mut tally = Tally::default();
        for (index, policy) in policies.iter().enumerate() {
            self.document(&mut tally, (policy_type, None, index), policy.document());
        }
        tally
    }

    /// Each level must allow; any level may deny.
    fn service_control(&mut self, levels: &[Vec<PermissionPolicy>]) -> Tally {
        // The levels are combined by the least of them, so that one level without an Allow makes
        // the whole organization silent.
        let mut all = Tally { denies: false, allows: Some(Naming::Exactly) };
        for (level, policies) in levels.iter().enumerate() {
            let mut tally = Tally::default();
            for (index, policy) in policies.iter().enumerate() {
                let place = (PolicyType::ServiceControl, Some(level), index);
                self.document(&mut tally, place, policy.document());
            }
            all.denies |= tally.denies;
            all.allows = all.allows.min(tally.allows);
        }
        // An organisation without a level allows nothing.
        if levels.is_empty() { Tally::default() } else { all }
    }

    fn resource_control(&mut self, levels: &[Vec<ResourcePolicy>]) -> Tally {
        // Only the denies of this tally are read. Every level has RCPFullAWSAccess, which a caller
        // of this function need not pass, so a missing Allow must not deny.
        let mut tally = Tally::default();
        for (level, policies) in levels.iter().enumerate() {
            for (index, policy) in policies.iter().enumerate() {
                let place = (PolicyType::ResourceControl, Some(level), index);
                self.document(&mut tally, place, policy.document());
            }
        }
        tally
    }
}

/// Decides a request of whose condition keys so much is known.
pub(crate) fn decide(
    request: &Request,
    policies: &Policies<'_>,
    knowledge: Knowledge<'_>,
    report: Report<'_>,
) -> (Outcome, Reason) {
    // The request is answered even if a policy denies it. (STS API Reference, GetCallerIdentity.)
    if request.action.as_lower_case() == "sts:getcalleridentity" {
        return (Outcome::Allowed, Reason::AlwaysAllowed);
    }
    // A Deny with NotPrincipal applies to every caller that has a boundary, whatever the boundary
    // says, so the statements of the resource's policies need to know of it.
    let has_boundary = policies.boundaries.is_some();
    let mut evaluation = Evaluation { request, has_boundary, knowledge, report };
    let identity = evaluation.permissions(PolicyType::Identity, policies.identity);
    let session = policies.session.map(|list| evaluation.permissions(PolicyType::Session, list));
    let boundary =
        policies.boundaries.map(|list| evaluation.permissions(PolicyType::Boundary, list));
    let mut resource = Tally::default();
    if let Some(policy) = policies.resource {
        evaluation.document(&mut resource, (PolicyType::Resource, None, 0), policy.document());
    }
    let mut trust = Tally::default();
    if let Some(policy) = policies.trust {
        evaluation.document(&mut trust, (PolicyType::Trust, None, 0), policy.document());
    }
    // Service control policies limit the callers of member accounts. A service or a federated
    // identity is in no account, and a missing Allow would wrongly stop it.
    let in_account = request.caller().account().is_some();
    let service_control = match policies.service_control {
        Some(levels) if in_account => Some(evaluation.service_control(levels)),
        _ => None,
    };
    let resource_control =
        policies.resource_control.map(|levels| evaluation.resource_control(levels));

    // An explicit Deny wins, wherever it stands.
    for (policy_type, tally) in [
        (PolicyType::ServiceControl, service_control),
        (PolicyType::ResourceControl, resource_control),
        (PolicyType::Resource, Some(resource)),
        (PolicyType::Trust, Some(trust)),
        (PolicyType::Identity, Some(identity)),
        (PolicyType::Boundary, boundary),
        (PolicyType::Session, session),
    ] {
        if tally.is_some_and(|tally| tally.denies) {
            return (Outcome::ExplicitlyDenied, Reason::DeniedBy(policy_type));
        }
    }
    let silent = |tally: Option<Tally>| tally.is_some_and(|tally| tally.allows.is_none());
    // Before any grant is considered: neither the root user nor a grant of the resource's policy
    // overcomes a service control policy.
    if silent(service_control) {
        return not_allowed_by(PolicyType::ServiceControl);
    }
    // Without its trust policy, a role can be assumed by no caller. A request to assume one is
    // decided by trust even if no policy is passed, or else the identity policy would suffice.
    let by_trust = policies.trust.is_some() || request.is_decided_by_trust();
    let (side, granted) = if policies.trust.is_some() {
        (PolicyType::Trust, trust.allows)
    } else if by_trust && policies.resource.is_none() {
        (PolicyType::Trust, None)
    } else {
        (PolicyType::Resource, resource.allows)
    };
    let own = Own {
        // The root user has all permissions of its account, and no policies.
        by_identity: identity.allows.is_some() || request.caller().is_root(),
        limited_by_session: silent(session),
        limited_by_boundary: silent(boundary),
    };
    match request.caller().kind() {
        // STS looks for the provider in the role's account alone.
        CallerKind::Federated if by_trust && request.has_foreign_provider() => {
            (Outcome::ImplicitlyDenied, Reason::ForeignProvider)
        }
        // They have no policies of their own.
        CallerKind::Service | CallerKind::Federated | CallerKind::Anonymous => match granted {
            Some(_) => (Outcome::Allowed, Reason::AllowedBy(side)),
            None => not_allowed_by(side),
        },
        // Trust that names an account names its root user's ARN, which still cannot assume the
        // role.
        CallerKind::Root if by_trust => (Outcome::ImplicitlyDenied, Reason::RootCannotAssumeRoles),
        _ if request.is_same_account() => same_account(request, side, granted, own, by_trust),
        // Across accounts neither side decides for the other: the resource's policy lets the caller
        // in, and the caller's own policies, within their limits, let it call.
        _ => match (granted, own.missing()) {
            (None, _) => not_allowed_by(side),
            (Some(_), Some(missing)) => not_allowed_by(missing),
            (Some(_), None) => (Outcome::Allowed, Reason::AllowedBy(side)),
        },
    }
}

fn not_allowed_by(policy_type: PolicyType) -> (Outcome, Reason) {
    (Outcome::ImplicitlyDenied, Reason::NotAllowedBy(policy_type))
}

/// What the caller's own policies say.
#[derive(Clone, Copy)]
struct Own {
    by_identity: bool,
    limited_by_session: bool,
    limited_by_boundary: bool,
}

impl Own {
    /// Returns the kind of policy that keeps the caller's own policies from allowing the request.
    fn missing(self) -> Option<PolicyType> {
        // The order is that of the explanation: without an identity policy that allows the request,
        // a wider boundary or session policy would change nothing.
        if !self.by_identity {
            Some(PolicyType::Identity)
        } else if self.limited_by_boundary {
            Some(PolicyType::Boundary)
        } else {
            self.limited_by_session.then_some(PolicyType::Session)
        }
    }
}

/// In one account, the resource's policy alone suffices if it names the caller, and the caller's
/// own policies alone suffice, unless the request assumes a role: trust is always needed, and
/// naming the account delegates to the caller's own policies.
fn same_account(
    request: &Request,
    side: PolicyType,
    granted: Option<Naming>,
    own: Own,
    by_trust: bool,
) -> (Outcome, Reason) {
    // What a grant overcomes depends on how closely it names the caller. A grant to a session
    // itself is not limited by the policies around the role's permissions; a grant to a user is not
    // limited by its boundary; a grant to a role is part of the role's permissions.
    let is_user = matches!(request.caller().kind(), CallerKind::User);
    let limited = match granted {
        Some(Naming::Exactly) if is_user => own.limited_by_session,
        Some(Naming::Exactly) => false,
        Some(Naming::Role) => own.limited_by_session || own.limited_by_boundary,
        Some(Naming::Account | Naming::Anyone) | None => true,
    };
    if !limited {
        return (Outcome::Allowed, Reason::AllowedBy(side));
    }
    match (granted, own.missing()) {
        // An identity policy alone never suffices to assume a role.
        (None, _) if by_trust => not_allowed_by(side),
        (_, None) if request.caller().is_root() => (Outcome::Allowed, Reason::Root),
        (_, None) => (Outcome::Allowed, Reason::AllowedBy(PolicyType::Identity)),
        // The grant stands in for an identity policy, so the missing one is not the cause: the
        // explanation names the limit that was reached.
        (Some(Naming::Role), Some(PolicyType::Identity)) if own.limited_by_boundary => {
            not_allowed_by(PolicyType::Boundary)
        }
        (Some(Naming::Role | Naming::Exactly), Some(PolicyType::Identity)) => {
            not_allowed_by(PolicyType::Session)
        }
        (_, Some(missing)) => not_allowed_by(missing),
    }
}

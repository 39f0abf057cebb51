//! The evaluator. (IAM User Guide, "Policy evaluation logic" and "How to use trust
//! policies".)

use crate::condition::Context;
use crate::model::{Effect, PermissionPolicy, Principal, TrustPolicy};

/// The decision of permission policies on a request. An explicit Deny wins over an Allow.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Decision;
/// assert_eq!(Decision::Allow.and_also(Decision::ExplicitDeny), Decision::ExplicitDeny);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows the request, and none denies it.
    Allow,
    /// A statement denies the request.
    ExplicitDeny,
    /// No statement matches the request.
    ImplicitDeny,
}

impl Decision {
    /// Combines the decisions of two policies of one identity.
    #[must_use]
    pub fn and_also(self, other: Self) -> Self {
        match (self, other) {
            (Self::ExplicitDeny, _) | (_, Self::ExplicitDeny) => Self::ExplicitDeny,
            (Self::Allow, _) | (_, Self::Allow) => Self::Allow,
            (Self::ImplicitDeny, Self::ImplicitDeny) => Self::ImplicitDeny,
        }
    }
}

impl PermissionPolicy {
    /// Evaluates the policy for an action on a resource.
    pub fn evaluate(&self, action: &str, resource: &str, context: &Context) -> Decision {
        let mut decision = Decision::ImplicitDeny;
        for statement in &self.document.statements {
            let applies = statement.core.applies(action, context)
                && statement.resources.holds(|pattern| pattern.matches(resource));
            match (applies, statement.core.effect) {
                (false, _) => {}
                (true, Effect::Deny) => return Decision::ExplicitDeny,
                (true, Effect::Allow) => decision = Decision::Allow,
            }
        }
        decision
    }
}

/// The caller of a request: a user, a session of a role, or a federated identity.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Caller;
/// let caller = Caller::user("111122223333", "arn:aws:iam::111122223333:user/ann");
/// assert_eq!(caller.arn(), "arn:aws:iam::111122223333:user/ann");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    account: String,
    arn: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    User,
    RoleSession { role: String },
    Federated,
}

impl Caller {
    /// Creates a caller that is an IAM user, from the account id and the ARN of the user.
    pub fn user(account: impl Into<String>, arn: impl Into<String>) -> Self {
        Self { account: account.into(), arn: arn.into(), kind: Kind::User }
    }

    /// Creates a caller that is a session of a role, from the role's account id, ARN (with its
    /// path) and name, and the session's name.
    pub fn role_session(
        account: impl Into<String>,
        role: impl Into<String>,
        role_name: &str,
        session: &str,
    ) -> Self {
        let (account, role) = (account.into(), role.into());
        let partition = role.split(':').nth(1).unwrap_or("aws");
        let arn = format!("arn:{partition}:sts::{account}:assumed-role/{role_name}/{session}");
        Self { account, arn, kind: Kind::RoleSession { role } }
    }

    /// Creates a caller that is an identity of an OIDC or SAML provider, from the provider's ARN.
    pub fn federated(provider: impl Into<String>) -> Self {
        Self { account: String::new(), arn: provider.into(), kind: Kind::Federated }
    }

    /// Returns the ARN of the user, of the role session, or of the identity provider.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the caller's account id, which is empty for a federated caller.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// How closely a principal of a trust policy names this caller.
    fn named_by(&self, principal: &Principal) -> Option<Trust> {
        let (trust, matches) = match (principal, &self.kind) {
            (Principal::Federated(provider), Kind::Federated) => {
                (Trust::Named, *provider == self.arn)
            }
            (_, Kind::Federated) => return None,
            (Principal::Anyone, _) => (Trust::Anyone, true),
            (Principal::Account(account), _) => (Trust::Delegated, *account == self.account),
            (Principal::User(arn), Kind::User) => (Trust::Named, *arn == self.arn),
            (Principal::Role(arn), Kind::RoleSession { role }) => (Trust::Named, arn == role),
            (Principal::Session(arn), Kind::RoleSession { .. }) => (Trust::Named, *arn == self.arn),
            _ => return None,
        };
        matches.then_some(trust)
    }
}

/// The decision of a trust policy on a caller.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Trust;
/// assert!(Trust::Delegated.is_allowed() && !Trust::NotTrusted.is_allowed());
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// No statement allows the caller.
    NotTrusted,
    /// The caller's account is allowed. The caller's own policies must allow the action as well.
    Delegated,
    /// Every caller is allowed.
    Anyone,
    /// The caller itself is allowed by name.
    Named,
    /// A statement denies the caller.
    ExplicitDeny,
}

impl Trust {
    /// Returns `true` if the trust policy allows the caller. The caller's own policies may have to
    /// allow the action as well; see [`assume_role`].
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Delegated | Self::Anyone | Self::Named)
    }
}

impl TrustPolicy {
    /// Evaluates the policy for a caller and an action, such as `sts:AssumeRole` or
    /// `sts:AssumeRoleWithWebIdentity`.
    ///
    /// If several statements allow the caller, the most specific one decides.
    pub fn evaluate(&self, caller: &Caller, action: &str, context: &Context) -> Trust {
        let mut trust = Trust::NotTrusted;
        for statement in &self.document.statements {
            if !statement.core.applies(action, context) {
                continue;
            }
            let named = statement.principals.iter().filter_map(|p| caller.named_by(p)).max();
            // A federated caller is allowed by its provider's name alone, and denied with all
            // callers.
            let everybody = statement.principals.contains(&Principal::Anyone);
            match (named, statement.core.effect) {
                (Some(_), Effect::Deny) => return Trust::ExplicitDeny,
                (None, Effect::Deny) if everybody => return Trust::ExplicitDeny,
                (Some(named), Effect::Allow) => trust = trust.max(named),
                (None, _) => {}
            }
        }
        trust
    }
}

/// The decision on a call to assume a role, and the policy that prevents it.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Verdict;
/// assert_eq!(Verdict::NotTrusted.to_string(), "the role's trust policy does not allow the caller");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Verdict {
    /// The caller may assume the role.
    #[error("the caller may assume the role")]
    Allowed,
    /// The trust policy does not allow the caller.
    #[error("the role's trust policy does not allow the caller")]
    NotTrusted,
    /// The trust policy denies the caller.
    #[error("the role's trust policy denies the caller")]
    TrustDenies,
    /// The trust policy allows the caller, but the caller's own policies do not.
    #[error("the caller's own policies do not allow sts:AssumeRole on the role")]
    IdentityDoesNotAllow,
    /// The caller's own policies deny the call.
    #[error("the caller's own policies deny sts:AssumeRole on the role")]
    IdentityDenies,
}

/// Decides whether a caller may assume a role.
///
/// The trust policy must allow the caller, and the caller's own policies must allow the call. The
/// latter is not required if the role is in the caller's account and its trust policy names the
/// caller itself or every caller. A Deny on either side wins.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Caller, Decision, Trust, Verdict, assume_role};
/// let caller = Caller::user("111122223333", "arn:aws:iam::111122223333:user/ann");
/// let in_account = |account| assume_role(&caller, account, Trust::Named, Decision::ImplicitDeny);
/// assert_eq!(in_account("111122223333"), Verdict::Allowed);
/// assert_eq!(in_account("444455556666"), Verdict::IdentityDoesNotAllow);
/// ```
pub fn assume_role(
    caller: &Caller,
    role_account: &str,
    trust: Trust,
    identity: Decision,
) -> Verdict {
    let same_account = caller.account() == role_account;
    match (trust, identity) {
        (Trust::ExplicitDeny, _) => Verdict::TrustDenies,
        (Trust::NotTrusted, _) => Verdict::NotTrusted,
        (_, Decision::ExplicitDeny) => Verdict::IdentityDenies,
        (_, Decision::Allow) => Verdict::Allowed,
        (Trust::Named | Trust::Anyone, Decision::ImplicitDeny) if same_account => Verdict::Allowed,
        (_, Decision::ImplicitDeny) => Verdict::IdentityDoesNotAllow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/team/checkout";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/checkout/pod";
    const USER: &str = "arn:aws:iam::111122223333:user/ann";
    const ROOT: &str = "arn:aws:iam::111122223333:root";

    fn trust_of(effect: &str, principal: &str) -> TrustPolicy {
        let json = format!(
            r#"{{"Statement": {{"Effect": "{effect}", "Action": "sts:assumerole", "Principal": {principal}}}}}"#
        );
        TrustPolicy::parse(&json).unwrap()
    }

    fn session() -> Caller {
        Caller::role_session("111122223333", ROLE, "checkout", "pod")
    }

    #[test]
    fn principals_by_table() {
        let user = Caller::user("111122223333", USER);
        let aws = |arn: &str| format!(r#"{{"AWS": "{arn}"}}"#);
        let other_role = "arn:aws:iam::111122223333:role/checkout";
        for (principal, of_user, of_session) in [
            (r#""*""#.to_owned(), Trust::Anyone, Trust::Anyone),
            (aws("*"), Trust::Anyone, Trust::Anyone),
            (aws("111122223333"), Trust::Delegated, Trust::Delegated),
            (aws(ROOT), Trust::Delegated, Trust::Delegated),
            (aws("444455556666"), Trust::NotTrusted, Trust::NotTrusted),
            (aws(USER), Trust::Named, Trust::NotTrusted),
            (aws(ROLE), Trust::NotTrusted, Trust::Named),
            (aws(other_role), Trust::NotTrusted, Trust::NotTrusted),
            (aws(SESSION), Trust::NotTrusted, Trust::Named),
            (format!(r#"{{"AWS": ["{ROOT}", "{ROLE}"]}}"#), Trust::Delegated, Trust::Named),
            (
                r#"{"Federated": "cognito-identity.amazonaws.com"}"#.into(),
                Trust::NotTrusted,
                Trust::NotTrusted,
            ),
            (r#"{"Service": "ec2.amazonaws.com"}"#.into(), Trust::NotTrusted, Trust::NotTrusted),
        ] {
            let policy = trust_of("Allow", &principal);
            let context = Context::new();
            assert_eq!(policy.evaluate(&user, "sts:AssumeRole", &context), of_user, "{principal}");
            assert_eq!(
                policy.evaluate(&session(), "sts:AssumeRole", &context),
                of_session,
                "{principal}"
            );
        }
    }

    #[test]
    fn another_action_is_not_trusted_and_a_deny_wins() {
        let context = Context::new();
        let policy = trust_of("Allow", r#""*""#);
        let web = "sts:AssumeRoleWithWebIdentity";
        assert_eq!(policy.evaluate(&session(), web, &context), Trust::NotTrusted);
        let both = TrustPolicy::parse(&format!(
            r#"{{"Statement": [
                {{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {{"AWS": "{ROLE}"}}}},
                {{"Effect": "Deny", "Action": "sts:*", "Principal": {{"AWS": "{ROOT}"}}}}
            ]}}"#
        ));
        assert_eq!(
            both.unwrap().evaluate(&session(), "sts:AssumeRole", &context),
            Trust::ExplicitDeny
        );
    }

    #[test]
    fn a_federated_caller_is_named_by_its_provider_alone() {
        let provider = "arn:aws:iam::111122223333:oidc-provider/shop.example/cluster";
        let caller = Caller::federated(provider);
        let policy = |principal: &str| {
            TrustPolicy::parse(&format!(
                r#"{{"Statement": {{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {principal}}}}}"#
            ))
            .unwrap()
        };
        let asks = |principal: &str| {
            policy(principal).evaluate(&caller, "sts:AssumeRoleWithWebIdentity", &Context::new())
        };
        assert_eq!(asks(&format!(r#"{{"Federated": "{provider}"}}"#)), Trust::Named);
        assert_eq!(asks(&format!(r#"{{"Federated": "{provider}/2"}}"#)), Trust::NotTrusted);
        assert_eq!(asks(r#""*""#), Trust::NotTrusted);
        assert_eq!(asks(r#"{"AWS": "111122223333"}"#), Trust::NotTrusted);
        let denied = TrustPolicy::parse(&format!(
            r#"{{"Statement": [
                {{"Effect": "Allow", "Action": "sts:*", "Principal": {{"Federated": "{provider}"}}}},
                {{"Effect": "Deny", "Action": "sts:*", "Principal": "*"}}
            ]}}"#
        ));
        let context = Context::new();
        let trust = denied.unwrap().evaluate(&caller, "sts:AssumeRoleWithWebIdentity", &context);
        assert_eq!(trust, Trust::ExplicitDeny);
    }

    #[test]
    fn both_sides_by_table() {
        use Decision::{Allow, ExplicitDeny, ImplicitDeny};
        let (same, other) = ("111122223333", "444455556666");
        for (account, trust, identity, verdict) in [
            (same, Trust::Named, ImplicitDeny, Verdict::Allowed),
            (same, Trust::Anyone, ImplicitDeny, Verdict::Allowed),
            (same, Trust::Delegated, ImplicitDeny, Verdict::IdentityDoesNotAllow),
            (same, Trust::Delegated, Allow, Verdict::Allowed),
            (same, Trust::Named, ExplicitDeny, Verdict::IdentityDenies),
            (same, Trust::NotTrusted, Allow, Verdict::NotTrusted),
            (same, Trust::ExplicitDeny, Allow, Verdict::TrustDenies),
            (other, Trust::Named, ImplicitDeny, Verdict::IdentityDoesNotAllow),
            (other, Trust::Anyone, ImplicitDeny, Verdict::IdentityDoesNotAllow),
            (other, Trust::Named, Allow, Verdict::Allowed),
            (other, Trust::Delegated, Allow, Verdict::Allowed),
            (other, Trust::Named, ExplicitDeny, Verdict::IdentityDenies),
            (other, Trust::NotTrusted, Allow, Verdict::NotTrusted),
        ] {
            assert_eq!(
                assume_role(&session(), account, trust, identity),
                verdict,
                "{account} {trust:?} {identity:?}"
            );
        }
    }

    #[test]
    fn permission_statements_by_table() {
        let policy = PermissionPolicy::parse(
            r#"{"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": ["sts:AssumeRole", "S3:get*"], "Resource": "arn:aws:iam::*:role/a/*"},
                {"Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:aws:sqs:eu-west-1:111122223333:q"},
                {"Effect": "Allow", "Action": "x:y", "NotResource": "arn:aws:x:::secret"},
                {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:iam::444455556666:role/a/root"}
            ]}"#,
        )
        .unwrap();
        for (action, resource, expected) in [
            ("sts:AssumeRole", "arn:aws:iam::444455556666:role/a/b", Decision::Allow),
            ("STS:ASSUMEROLE", "arn:aws:iam::444455556666:role/a/b", Decision::Allow),
            ("sts:AssumeRole", "arn:aws:iam::444455556666:role/A/b", Decision::ImplicitDeny),
            ("sts:AssumeRole", "arn:aws:iam::444455556666:role/a/root", Decision::ExplicitDeny),
            ("s3:GetObject", "arn:aws:iam::1:role/a/b", Decision::Allow),
            ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:111122223333:q", Decision::Allow),
            ("iam:PassRole", "arn:aws:sqs:eu-west-1:111122223333:q", Decision::ImplicitDeny),
            ("x:y", "arn:aws:x:::open", Decision::Allow),
            ("x:y", "arn:aws:x:::secret", Decision::ImplicitDeny),
        ] {
            assert_eq!(
                policy.evaluate(action, resource, &Context::new()),
                expected,
                "{action} {resource}"
            );
        }
    }
}

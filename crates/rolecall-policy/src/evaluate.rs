//! What policies decide. (IAM User Guide, "Policy evaluation logic" and "How to use trust policies".)

use crate::condition::Context;
use crate::model::{Effect, PermissionPolicy, Principal, TrustPolicy};

/// What permission policies say of a request. An explicit Deny wins, then an Allow.
///
/// ```
/// use rolecall_policy::Decision;
/// assert_eq!(Decision::Allow.and_also(Decision::ExplicitDeny), Decision::ExplicitDeny);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Some statement allows it and none denies it.
    Allow,
    /// A statement denies it.
    ExplicitDeny,
    /// No statement speaks of it.
    ImplicitDeny,
}

impl Decision {
    /// What two policies of one identity say together.
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
    /// What this policy says of an action on a resource.
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

/// Who asks.
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
    /// An IAM user.
    pub fn user(account: impl Into<String>, arn: impl Into<String>) -> Self {
        Self { account: account.into(), arn: arn.into(), kind: Kind::User }
    }

    /// A session of a role: the role's ARN (with its path) and its name, and the session's name.
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

    /// Somebody whom an identity provider vouches for, by the provider's ARN.
    pub fn federated(provider: impl Into<String>) -> Self {
        Self { account: String::new(), arn: provider.into(), kind: Kind::Federated }
    }

    /// The caller's ARN: the user's, the session's, or the identity provider's.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The caller's account; empty for a federated one.
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

/// How a trust policy looks at a caller.
///
/// ```
/// use rolecall_policy::Trust;
/// assert!(Trust::Delegated.is_allowed() && !Trust::NotTrusted.is_allowed());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// No statement allows the caller.
    NotTrusted,
    /// The caller's account is allowed, and with it whom the account's own policies let.
    Delegated,
    /// Everybody is allowed.
    Anyone,
    /// The caller itself is named.
    Named,
    /// A statement denies the caller.
    ExplicitDeny,
}

impl Trust {
    /// Whether the trust policy lets the caller; its own policies may have to, too.
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Delegated | Self::Anyone | Self::Named)
    }
}

impl TrustPolicy {
    /// How this policy looks at a caller who asks for `action` (`sts:AssumeRole`, `sts:AssumeRoleWithWebIdentity`, ...).
    /// The closest of the statements that allow counts.
    pub fn evaluate(&self, caller: &Caller, action: &str, context: &Context) -> Trust {
        let mut trust = Trust::NotTrusted;
        for statement in &self.document.statements {
            if !statement.core.applies(action, context) {
                continue;
            }
            let named = statement.principals.iter().filter_map(|p| caller.named_by(p)).max();
            // A federated caller is allowed by its provider's name alone, and denied with everybody.
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

/// Whether a caller may assume a role, and if not, what stands in the way.
///
/// ```
/// use rolecall_policy::Verdict;
/// assert_eq!(Verdict::NotTrusted.to_string(), "the role's trust policy does not let the caller");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Verdict {
    /// It may.
    #[error("the caller may assume the role")]
    Allowed,
    /// The trust policy does not let the caller.
    #[error("the role's trust policy does not let the caller")]
    NotTrusted,
    /// The trust policy denies the caller.
    #[error("the role's trust policy denies the caller")]
    TrustDenies,
    /// The trust policy would let the caller, whose own policies do not.
    #[error("the caller's own policies do not allow sts:AssumeRole on the role")]
    IdentityDoesNotAllow,
    /// The caller's own policies deny it.
    #[error("the caller's own policies deny sts:AssumeRole on the role")]
    IdentityDenies,
}

/// AssumeRole's rule: the trust policy must let the caller; the caller's own policies must allow it too, unless the
/// role is in the same account and its trust policy names the caller itself or everybody. A Deny on either side wins.
///
/// ```
/// use rolecall_policy::{Caller, Decision, Trust, Verdict, assume_role};
/// let caller = Caller::user("111122223333", "arn:aws:iam::111122223333:user/ann");
/// assert_eq!(assume_role(&caller, "111122223333", Trust::Named, Decision::ImplicitDeny), Verdict::Allowed);
/// assert_eq!(assume_role(&caller, "444455556666", Trust::Named, Decision::ImplicitDeny), Verdict::IdentityDoesNotAllow);
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

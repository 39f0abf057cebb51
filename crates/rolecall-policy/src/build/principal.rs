use std::time::Duration;

use super::Test;
use super::check::{account, external_id, fault, iam_arn};
use super::partition::Placed;
use super::session_rules::{SessionRules, Step, session_rule_methods};
use super::session_tags::AllowedSessionTags;
use crate::error::PolicyError;
use crate::principal::Principal;

/// An account, a user or a role that a trust policy trusts, and what it must bring: an external
/// id, MFA, session tags, a source identity.
///
/// Without [`session_tags`](Self::session_tags), a call that passes session tags is denied, and so
/// is one by a session that was given transitive tags. Without a source identity here, a call that
/// sets one is denied, and so is one by a session that was given one.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use rolecall_policy::{TrustPolicy, TrustedPrincipal};
/// let partner = TrustedPrincipal::account("444455556666")?.external_id("shop-4711")?;
/// let ann = TrustedPrincipal::user("arn:aws:iam::111122223333:user/ann")?
///     .mfa_within(Duration::from_secs(3600))?
///     .source_identity(["ann"])?;
/// let policy = TrustPolicy::builder().principal(partner).principal(ann).build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "AWS": "444455556666"
///       },
///       "Action": "sts:AssumeRole",
///       "Condition": {
///         "StringEquals": {
///           "sts:ExternalId": "shop-4711"
///         }
///       }
///     },
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "AWS": "arn:aws:iam::111122223333:user/ann"
///       },
///       "Action": "sts:AssumeRole",
///       "Condition": {
///         "Bool": {
///           "aws:MultiFactorAuthPresent": "true"
///         },
///         "NumericLessThan": {
///           "aws:MultiFactorAuthAge": "3600"
///         },
///         "StringEquals": {
///           "sts:SourceIdentity": "ann"
///         }
///       }
///     },
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "AWS": "arn:aws:iam::111122223333:user/ann"
///       },
///       "Action": "sts:SetSourceIdentity",
///       "Condition": {
///         "Bool": {
///           "aws:MultiFactorAuthPresent": "true"
///         },
///         "NumericLessThan": {
///           "aws:MultiFactorAuthAge": "3600"
///         },
///         "StringEquals": {
///           "sts:SourceIdentity": "ann"
///         }
///       }
///     }
///   ]
/// }"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedPrincipal {
    principal: Principal,
    external_id: Option<Test>,
    mfa: Vec<Test>,
    rules: SessionRules,
}

impl TrustedPrincipal {
    /// Creates the principal of an account, by its id.
    ///
    /// It stands for every user and role of that account whose own policies allow `sts:AssumeRole`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `id` does not have 12 digits.
    pub fn account(id: &str) -> Result<Self, PolicyError> {
        account(id).map(Principal::Account).map(Self::of)
    }

    /// Creates the principal of a user, by its ARN.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `arn` is not the ARN of a user.
    pub fn user(arn: &str) -> Result<Self, PolicyError> {
        iam_arn("user", arn).map(Self::of)
    }

    /// Creates the principal of all sessions of a role, by the role's ARN.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `arn` is not the ARN of a role.
    pub fn role(arn: &str) -> Result<Self, PolicyError> {
        iam_arn("role", arn).map(Self::of)
    }

    fn of(principal: Principal) -> Self {
        Self { principal, external_id: None, mfa: Vec::new(), rules: SessionRules::default() }
    }

    /// Requires this external id. Set one for every third party: it prevents the confused deputy
    /// problem.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `id` is not an external id: 2 to 1,224 letters, digits and the
    /// characters `_+=,.@:/-`.
    pub fn external_id(mut self, id: &str) -> Result<Self, PolicyError> {
        external_id(id)?;
        self.external_id = Some(Test::equals("sts:ExternalId", [id]));
        Ok(self)
    }

    /// Requires that the caller authenticated with MFA: `aws:MultiFactorAuthPresent`. Users pass a
    /// code to AssumeRole, or call it with a session of GetSessionToken that they passed a code
    /// for.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] for a role: a session of a role carries no MFA, so that the role
    /// could never be assumed.
    pub fn mfa(mut self) -> Result<Self, PolicyError> {
        if let Principal::Role(arn) = &self.principal {
            let hint = "hint: require MFA where users assume that role";
            let message = format!("the sessions of {arn:?} carry no MFA; {hint}");
            return Err(fault("MFA", message));
        }
        self.mfa = vec![Test::new("Bool", "aws:MultiFactorAuthPresent", ["true"])];
        Ok(self)
    }

    /// Requires MFA that is younger than `max_age`: `aws:MultiFactorAuthAge`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`mfa`](Self::mfa) does, or if `max_age` is not a positive number
    /// of seconds.
    pub fn mfa_within(self, max_age: Duration) -> Result<Self, PolicyError> {
        let mut with_mfa = self.mfa()?;
        if max_age.as_secs() == 0 || max_age.subsec_nanos() != 0 {
            let hint = "hint: pass a positive number of seconds";
            return Err(fault("MFA", format!("{max_age:?} is not an age of MFA; {hint}")));
        }
        let age = max_age.as_secs().to_string();
        with_mfa.mfa.push(Test::new("NumericLessThan", "aws:MultiFactorAuthAge", [age]));
        Ok(with_mfa)
    }

    session_rule_methods! {
        "Allows passing these session tags, and requires those that are required: \
         `sts:TagSession`.",
        "Requires a source identity, one of these: `sts:SetSourceIdentity`.",
        "Allows setting any source identity, or none. A session passes the source identity that it \
         was given on to the next role of a chain, whose trust policy must allow it.",
    }

    pub(super) fn placed(&self) -> Option<Placed> {
        match &self.principal {
            Principal::User(arn) | Principal::Role(arn) => Placed::arn(arn),
            _ => None,
        }
    }

    pub(super) fn steps(self) -> (Principal, Vec<Step>) {
        let external_id: Vec<Test> = self.external_id.into_iter().collect();
        let steps = self.rules.steps("sts:AssumeRole", &self.mfa, &external_id);
        (self.principal, steps)
    }
}

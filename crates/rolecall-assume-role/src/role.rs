use rolecall_core::{
    ExternalId, InvalidParameter, MfaSerial, PolicyArn, ProvidedContext, RoleArn, SessionDuration,
    SessionName, SessionPolicy, SessionTags, SourceIdentity, limits,
};
use rolecall_sts::AssumeRoleRequest;
use serde::{Deserialize, Serialize};

use crate::file::RoleFile;

/// The request for a session: the role's ARN, and what STS takes beside it.
///
/// Every part is parsed here, so that what STS would refuse by form never leaves the machine.
///
/// ```
/// use std::time::Duration;
/// use rolecall_assume_role::Role;
///
/// let role = Role::new("arn:aws:iam::444455556666:role/orders")?
///     .external_id("shop-4711")?
///     .session_name("checkout")?
///     .duration(Duration::from_secs(900))?;
/// assert_eq!(role.arn().name(), "orders");
///
/// let error = Role::new("orders").unwrap_err();
/// assert!(error.to_string().starts_with("role ARN \"orders\": it has 6 characters"));
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
///
/// It can stand in a service's configuration file, by serde:
///
/// ```
/// let role: rolecall_assume_role::Role = serde_json::from_str(r#"{
///     "arn": "arn:aws:iam::444455556666:role/orders",
///     "external_id": "shop-4711",
///     "duration_seconds": 900,
///     "tags": {"Tenant": "4711"},
///     "transitive_tag_keys": ["Tenant"]
/// }"#)?;
/// assert!(role.has_external_id());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "RoleFile", into = "RoleFile")]
pub struct Role {
    pub(crate) arn: RoleArn,
    pub(crate) external_id: Option<ExternalId>,
    pub(crate) session_name: Option<SessionName>,
    pub(crate) duration: Option<SessionDuration>,
    pub(crate) tags: SessionTags,
    pub(crate) source_identity: Option<SourceIdentity>,
    pub(crate) policy: Option<SessionPolicy>,
    pub(crate) policy_arns: Vec<PolicyArn>,
    pub(crate) mfa_serial: Option<MfaSerial>,
    pub(crate) provided_contexts: Vec<ProvidedContext>,
}

impl Role {
    /// The role with this ARN, and nothing else.
    pub fn new<A>(arn: A) -> Result<Self, InvalidParameter>
    where
        A: TryInto<RoleArn, Error: Into<InvalidParameter>>,
    {
        let arn = arn.try_into().map_err(Into::into)?;
        Ok(Self {
            arn,
            external_id: None,
            session_name: None,
            duration: None,
            tags: SessionTags::new(),
            source_identity: None,
            policy: None,
            policy_arns: Vec::new(),
            mfa_serial: None,
            provided_contexts: Vec::new(),
        })
    }

    /// With the external id that the role's trust policy asks for.
    pub fn external_id<E>(mut self, id: E) -> Result<Self, InvalidParameter>
    where
        E: TryInto<ExternalId, Error: Into<InvalidParameter>>,
    {
        self.external_id = Some(id.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// With a name of its own for the session.
    pub fn session_name<N>(mut self, name: N) -> Result<Self, InvalidParameter>
    where
        N: TryInto<SessionName, Error: Into<InvalidParameter>>,
    {
        self.session_name = Some(name.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// For this long; one hour otherwise.
    pub fn duration<D>(mut self, duration: D) -> Result<Self, InvalidParameter>
    where
        D: TryInto<SessionDuration, Error: Into<InvalidParameter>>,
    {
        self.duration = Some(duration.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// With a session tag. The trust policy must allow `sts:TagSession`.
    pub fn tag(
        mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidParameter> {
        self.tags = self.tags.tag(key, value)?;
        Ok(self)
    }

    /// With a tag that goes on to all sessions that are assumed from this one, by its key.
    pub fn transitive_tag_key(mut self, key: impl Into<String>) -> Result<Self, InvalidParameter> {
        self.tags = self.tags.transitive(key)?;
        Ok(self)
    }

    /// With all of these tags instead of those that there are.
    #[must_use]
    pub fn tags(mut self, tags: SessionTags) -> Self {
        self.tags = tags;
        self
    }

    /// With a source identity, which stays for all sessions that are assumed from this one. The trust policy must allow
    /// `sts:SetSourceIdentity`.
    pub fn source_identity<S>(mut self, identity: S) -> Result<Self, InvalidParameter>
    where
        S: TryInto<SourceIdentity, Error: Into<InvalidParameter>>,
    {
        self.source_identity = Some(identity.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// With an inline session policy, as JSON: the session may do what the role may and this allows.
    pub fn policy<P>(mut self, policy: P) -> Result<Self, InvalidParameter>
    where
        P: TryInto<SessionPolicy, Error: Into<InvalidParameter>>,
    {
        self.policy = Some(policy.try_into().map_err(Into::into)?);
        self.check_policy_text()
    }

    /// With one managed policy more as session policy, by its ARN; at most ten.
    pub fn policy_arn<P>(mut self, arn: P) -> Result<Self, InvalidParameter>
    where
        P: TryInto<PolicyArn, Error: Into<InvalidParameter>>,
    {
        let arn = arn.try_into().map_err(Into::into)?;
        if self.policy_arns.len() == limits::MOST_POLICY_ARNS {
            let fault = format!("there are {} already", self.policy_arns.len());
            let rule = "a session has at most 10 managed policies";
            return Err(InvalidParameter::of("policy ARN", arn.as_str(), fault, rule));
        }
        self.policy_arns.push(arn);
        self.check_policy_text()
    }

    /// The inline policy and the ARNs have one limit together.
    fn check_policy_text(self) -> Result<Self, InvalidParameter> {
        let inline = self.policy.as_ref().map_or(0, |policy| policy.as_str().chars().count());
        let arns: usize = self.policy_arns.iter().map(|arn| arn.as_str().chars().count()).sum();
        if inline + arns <= limits::MOST_POLICY_TEXT {
            return Ok(self);
        }
        let fault = format!("with the policy ARNs it has {} characters", inline + arns);
        let rule = "a session policy and the policy ARNs have at most 2048 characters together";
        let shown = self.policy.as_ref().map_or("", SessionPolicy::as_str);
        Err(InvalidParameter::of("session policy", shown, fault, rule))
    }

    /// With the MFA device of the user who signs. The codes come from [`MfaCodes`](crate::MfaCodes).
    pub fn mfa_serial<M>(mut self, serial: M) -> Result<Self, InvalidParameter>
    where
        M: TryInto<MfaSerial, Error: Into<InvalidParameter>>,
    {
        self.mfa_serial = Some(serial.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// With context that a trusted provider vouches for; at most five.
    pub fn provided_context(mut self, context: ProvidedContext) -> Result<Self, InvalidParameter> {
        if self.provided_contexts.len() == limits::MOST_PROVIDED_CONTEXTS {
            let fault = format!("there are {} already", self.provided_contexts.len());
            let rule = "a session has at most 5 provided contexts";
            let provider = context.provider_arn();
            return Err(InvalidParameter::of("provided context", provider, fault, rule));
        }
        self.provided_contexts.push(context);
        Ok(self)
    }

    /// The role's ARN.
    pub fn arn(&self) -> &RoleArn {
        &self.arn
    }

    /// Whether the request will carry an external id.
    pub fn has_external_id(&self) -> bool {
        self.external_id.is_some()
    }

    /// What goes to STS; `default` is the session's name where the role has none of its own.
    pub(crate) fn request(&self, default: &SessionName) -> AssumeRoleRequest {
        let name = self.session_name.as_ref().unwrap_or(default).clone();
        let mut request = AssumeRoleRequest::new(self.arn.clone(), name);
        request.external_id = self.external_id.clone();
        request.duration = self.duration;
        request.tags = self.tags.clone();
        request.source_identity = self.source_identity.clone();
        request.policy = self.policy.clone();
        request.policy_arns = self.policy_arns.clone();
        request.provided_contexts = self.provided_contexts.clone();
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> Role {
        Role::new("arn:aws:iam::444455556666:role/orders").unwrap()
    }

    fn whole() -> Role {
        role()
            .external_id("shop-4711")
            .and_then(|role| role.session_name("checkout"))
            .and_then(|role| role.duration(std::time::Duration::from_secs(900)))
            .and_then(|role| role.tag("Tenant", "4711"))
            .and_then(|role| role.tag("Team", "tea"))
            .and_then(|role| role.transitive_tag_key("Tenant"))
            .and_then(|role| role.source_identity("ann"))
            .and_then(|role| role.policy(r#"{"Statement": []}"#))
            .and_then(|role| role.policy_arn("arn:aws:iam::aws:policy/ReadOnlyAccess"))
            .and_then(|role| role.mfa_serial("arn:aws:iam::111122223333:mfa/ann"))
            .unwrap()
    }

    #[test]
    fn what_is_written_to_a_file_is_read_again_as_the_same() {
        for role in [role(), whole()] {
            let json = serde_json::to_string(&role).unwrap();
            assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), role, "{json}");
        }
        let written = serde_json::to_value(role()).unwrap();
        assert_eq!(written, serde_json::json!({ "arn": "arn:aws:iam::444455556666:role/orders" }));
    }

    #[test]
    fn a_policy_in_a_file_may_be_an_object() {
        let json =
            r#"{"arn": "arn:aws:iam::444455556666:role/orders", "policy": {"Statement": []}}"#;
        let role: Role = serde_json::from_str(json).unwrap();
        assert_eq!(role.policy.unwrap().as_str(), r#"{"Statement":[]}"#);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said_with_its_rule() {
        let arn = r#""arn": "arn:aws:iam::444455556666:role/orders""#;
        for (json, part) in [
            ("{}".to_owned(), "missing field `arn`"),
            (format!("{{{arn}, \"extern_id\": \"x\"}}"), "unknown field `extern_id`"),
            (format!("{{{arn}, \"external_id\": \"x\"}}"), "external id \"x\": it has 1 character"),
            (format!("{{{arn}, \"duration_seconds\": 60}}"), "900 to 43200"),
            (format!("{{{arn}, \"tags\": {{\"aws:x\": \"\"}}}}"), "begins with aws:"),
            (format!("{{{arn}, \"policy\": []}}"), "it is no JSON object"),
            (format!("{{{arn}, \"policy_arns\": [\"x\"]}}"), "policy ARN \"x\""),
            (
                format!("{{{arn}, \"tags\": {{\"Tenant\": \"1\", \"Tenant\": \"2\"}}}}"),
                "the key \"Tenant\" is there twice",
            ),
            (
                format!(
                    "{{{arn}, \"policy\": {{\"a\": [{{\"Condition\": 1, \"Condition\": 2}}]}}}}"
                ),
                "the key \"Condition\" is there twice",
            ),
        ] {
            let error = serde_json::from_str::<Role>(&json).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn policies_and_contexts_keep_to_their_limits_together() {
        let policy = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
        let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
        let room = limits::MOST_POLICY_TEXT - arn.len();
        let full = role().policy(policy(room)).unwrap().policy_arn(arn);
        assert!(full.is_ok());
        let error = full.unwrap().policy(policy(room + 1)).unwrap_err();
        assert!(error.to_string().contains("2049 characters"), "{error}");
        let ten = (0..10).fold(role(), |role, n| {
            role.policy_arn(format!("arn:aws:iam::aws:policy/P{n}")).unwrap()
        });
        assert!(ten.policy_arn(arn).unwrap_err().to_string().contains("at most 10"));
        let context = || {
            let provider = "arn:aws:iam::aws:contextProvider/IdentityCenter";
            ProvidedContext::new(provider, "assertion").unwrap()
        };
        let five = (0..5).fold(role(), |role, _| role.provided_context(context()).unwrap());
        assert!(five.provided_context(context()).unwrap_err().to_string().contains("at most 5"));
    }
}

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, OnceLock};

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
/// A clone costs one reference count. Two are equal if STS is asked for the same by both: the order of tags and of policy
/// ARNs does not matter, and an inline policy is compared byte for byte.
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
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "RoleFile", into = "RoleFile")]
pub struct Role(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    parts: Parts,
    /// The hash of the parts, once it is asked for: a pool finds a role that it knows by this.
    hash: OnceLock<u64>,
}

/// What there is to say of a role, in one order: that of tags by their keys, that of policy ARNs by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parts {
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
        let parts = Parts {
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
        };
        Ok(Self(Arc::new(Inner { parts, hash: OnceLock::new() })))
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0.parts
    }

    fn change(&mut self) -> &mut Parts {
        let inner = Arc::make_mut(&mut self.0);
        inner.hash.take();
        &mut inner.parts
    }

    /// With the external id that the role's trust policy asks for.
    pub fn external_id<E>(mut self, id: E) -> Result<Self, InvalidParameter>
    where
        E: TryInto<ExternalId, Error: Into<InvalidParameter>>,
    {
        self.change().external_id = Some(id.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// With a name of its own for the session.
    pub fn session_name<N>(mut self, name: N) -> Result<Self, InvalidParameter>
    where
        N: TryInto<SessionName, Error: Into<InvalidParameter>>,
    {
        self.change().session_name = Some(name.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// For this long; one hour otherwise.
    pub fn duration<D>(mut self, duration: D) -> Result<Self, InvalidParameter>
    where
        D: TryInto<SessionDuration, Error: Into<InvalidParameter>>,
    {
        self.change().duration = Some(duration.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// With a session tag. The trust policy must allow `sts:TagSession`.
    pub fn tag(
        mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidParameter> {
        let parts = self.change();
        parts.tags = std::mem::take(&mut parts.tags).tag(key, value)?;
        Ok(self)
    }

    /// With a tag that goes on to all sessions that are assumed from this one, by its key.
    pub fn transitive_tag_key(mut self, key: impl Into<String>) -> Result<Self, InvalidParameter> {
        let parts = self.change();
        parts.tags = std::mem::take(&mut parts.tags).transitive(key)?;
        Ok(self)
    }

    /// With all of these tags instead of those that there are.
    #[must_use]
    pub fn tags(mut self, tags: SessionTags) -> Self {
        self.change().tags = tags;
        self
    }

    /// With a source identity, which stays for all sessions that are assumed from this one. The trust policy must allow
    /// `sts:SetSourceIdentity`.
    pub fn source_identity<S>(mut self, identity: S) -> Result<Self, InvalidParameter>
    where
        S: TryInto<SourceIdentity, Error: Into<InvalidParameter>>,
    {
        self.change().source_identity = Some(identity.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// With an inline session policy, as JSON: the session may do what the role may and this allows.
    pub fn policy<P>(mut self, policy: P) -> Result<Self, InvalidParameter>
    where
        P: TryInto<SessionPolicy, Error: Into<InvalidParameter>>,
    {
        self.change().policy = Some(policy.try_into().map_err(Into::into)?);
        self.check_policy_text()
    }

    /// With one managed policy more as session policy, by its ARN; at most ten.
    pub fn policy_arn<P>(mut self, arn: P) -> Result<Self, InvalidParameter>
    where
        P: TryInto<PolicyArn, Error: Into<InvalidParameter>>,
    {
        let arn = arn.try_into().map_err(Into::into)?;
        let arns = &self.parts().policy_arns;
        if arns.len() == limits::MOST_POLICY_ARNS {
            let fault = format!("there are {} already", arns.len());
            let rule = "a session has at most 10 managed policies";
            return Err(InvalidParameter::of("policy ARN", arn.as_str(), fault, rule));
        }
        let at = arns.partition_point(|held| *held < arn);
        self.change().policy_arns.insert(at, arn);
        self.check_policy_text()
    }

    /// The inline policy and the ARNs have one limit together.
    fn check_policy_text(self) -> Result<Self, InvalidParameter> {
        let Parts { policy, policy_arns, .. } = self.parts();
        let inline = policy.as_ref().map_or(0, |policy| policy.as_str().chars().count());
        let arns: usize = policy_arns.iter().map(|arn| arn.as_str().chars().count()).sum();
        if inline + arns <= limits::MOST_POLICY_TEXT {
            return Ok(self);
        }
        let fault = format!("with the policy ARNs it has {} characters", inline + arns);
        let rule = "a session policy and the policy ARNs have at most 2048 characters together";
        let shown = policy.as_ref().map_or("", SessionPolicy::as_str);
        Err(InvalidParameter::of("session policy", shown, fault, rule))
    }

    /// With the MFA device of the user who signs. The codes come from [`MfaCodes`](crate::MfaCodes).
    pub fn mfa_serial<M>(mut self, serial: M) -> Result<Self, InvalidParameter>
    where
        M: TryInto<MfaSerial, Error: Into<InvalidParameter>>,
    {
        self.change().mfa_serial = Some(serial.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// With context that a trusted provider vouches for; at most five.
    pub fn provided_context(mut self, context: ProvidedContext) -> Result<Self, InvalidParameter> {
        let contexts = self.parts().provided_contexts.len();
        if contexts == limits::MOST_PROVIDED_CONTEXTS {
            let fault = format!("there are {contexts} already");
            let rule = "a session has at most 5 provided contexts";
            let provider = context.provider_arn();
            return Err(InvalidParameter::of("provided context", provider, fault, rule));
        }
        self.change().provided_contexts.push(context);
        Ok(self)
    }

    /// The role's ARN.
    pub fn arn(&self) -> &RoleArn {
        &self.parts().arn
    }

    /// Whether the request will carry an external id.
    pub fn has_external_id(&self) -> bool {
        self.parts().external_id.is_some()
    }

    /// Its own name for the session, if it has one.
    ///
    /// ```
    /// use rolecall_assume_role::Role;
    /// let role = Role::new("arn:aws:iam::444455556666:role/orders")?.session_name("checkout")?;
    /// assert_eq!(role.own_session_name().map(|name| name.as_str()), Some("checkout"));
    /// # Ok::<(), rolecall_core::InvalidParameter>(())
    /// ```
    pub fn own_session_name(&self) -> Option<&SessionName> {
        self.parts().session_name.as_ref()
    }

    /// The same role with no name of its own for the session.
    ///
    /// ```
    /// use rolecall_assume_role::Role;
    /// let role = Role::new("arn:aws:iam::444455556666:role/orders")?;
    /// assert_eq!(role.clone().session_name("checkout")?.without_session_name(), role);
    /// # Ok::<(), rolecall_core::InvalidParameter>(())
    /// ```
    #[must_use]
    pub fn without_session_name(mut self) -> Self {
        self.change().session_name = None;
        self
    }

    /// Its inline session policy, if it has one.
    ///
    /// ```
    /// use rolecall_assume_role::Role;
    /// let role = Role::new("arn:aws:iam::444455556666:role/orders")?.policy(r#"{"Statement": []}"#)?;
    /// assert_eq!(role.inline_policy().map(|policy| policy.as_str()), Some(r#"{"Statement": []}"#));
    /// # Ok::<(), rolecall_core::InvalidParameter>(())
    /// ```
    pub fn inline_policy(&self) -> Option<&SessionPolicy> {
        self.parts().policy.as_ref()
    }

    /// What goes to STS; `default` is the session's name where the role has none of its own.
    pub(crate) fn request(&self, default: &SessionName) -> AssumeRoleRequest {
        let parts = self.parts().clone();
        let name = parts.session_name.unwrap_or_else(|| default.clone());
        let mut request = AssumeRoleRequest::new(parts.arn, name);
        request.external_id = parts.external_id;
        request.duration = parts.duration;
        request.tags = parts.tags;
        request.source_identity = parts.source_identity;
        request.policy = parts.policy;
        request.policy_arns = parts.policy_arns;
        request.provided_contexts = parts.provided_contexts;
        request
    }

    /// Of all of it, with keys of this process: who may choose a part cannot make it that of another role.
    fn hash_of_all(&self) -> u64 {
        static KEYS: OnceLock<RandomState> = OnceLock::new();
        *self.0.hash.get_or_init(|| KEYS.get_or_init(RandomState::new).hash_one(self.parts()))
    }
}

impl PartialEq for Role {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.parts() == other.parts()
    }
}

impl Eq for Role {}

impl Hash for Role {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash_of_all());
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Role").field(self.parts()).finish()
    }
}

#[cfg(test)]
mod tests;

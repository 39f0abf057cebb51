use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, OnceLock};

use rolecall_core::{
    ExternalId, InvalidParameter, MfaSerial, PolicyArn, ProvidedContext, RoleArn, SessionDuration,
    SessionName, SessionPolicy, SessionTags, SourceIdentity, limits,
};
use rolecall_sts::AssumeRoleRequest;

use crate::role_extras::{Extras, RareFields};

/// A role to assume: its ARN and the optional parameters of AssumeRole.
///
/// Each setter validates its value: a value that STS would reject is never sent.
///
/// Clones are cheap and share one allocation. Two roles are equal if they result in the same
/// request. The order of tags and policy ARNs does not matter. Inline policies are compared byte
/// for byte.
///
/// Setters consume the role and return it. The names of the accessors start with `get_`.
///
/// # Examples
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
/// assert_eq!((error.field, error.value.as_str()), ("role ARN", "orders"));
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
///
/// A role can be part of a configuration file, by serde. Serialization is lossless: a role with
/// provided contexts, which are short-lived secrets, fails to serialize. Unknown keys
/// are an error. A key whose value is `null` counts as absent.
///
/// ```
/// let role: rolecall_assume_role::Role = serde_json::from_str(r#"{
///     "arn": "arn:aws:iam::444455556666:role/orders",
///     "external_id": "shop-4711",
///     "duration_seconds": 900,
///     "tags": {"Tenant": "4711"},
///     "transitive_tag_keys": ["Tenant"]
/// }"#)?;
/// assert_eq!(role.get_external_id().map(|id| id.as_str()), Some("shop-4711"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, serde::Deserialize)]
#[serde(try_from = "crate::role_serde::RoleFile")]
pub struct Role(Arc<Inner>);

/// What a pool reads on every request comes first, beside the reference counts of the `Arc`: of
/// thousands of roles, each further cache line is a read from main memory.
#[derive(Clone)]
#[repr(C)]
struct Inner {
    /// Hash of the fields, computed once: a pool looks up the same role on every request.
    hash: OnceLock<u64>,
    fields: Fields,
}

/// The parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub(crate) struct Fields {
    pub(crate) session_name: Option<SessionName>,
    pub(crate) arn: RoleArn,
    pub(crate) external_id: Option<ExternalId>,
    pub(crate) duration: Option<SessionDuration>,
    pub(crate) extras: Extras,
}

impl Role {
    /// Creates a role with this ARN and no other parameters.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if `arn` is not the ARN of a role.
    pub fn new<A>(arn: A) -> Result<Self, InvalidParameter>
    where
        A: TryInto<RoleArn, Error: Into<InvalidParameter>>,
    {
        let arn = arn.try_into().map_err(Into::into)?;
        let fields = Fields {
            arn,
            external_id: None,
            session_name: None,
            duration: None,
            extras: Extras::default(),
        };
        Ok(Self(Arc::new(Inner { fields, hash: OnceLock::new() })))
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.0.fields
    }

    fn change(&mut self) -> &mut Fields {
        let inner = Arc::make_mut(&mut self.0);
        // The hash is that of the old fields, and a clone carries it along.
        inner.hash.take();
        &mut inner.fields
    }

    /// Sets the external id that the role's trust policy requires.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not valid.
    pub fn external_id<E>(mut self, id: E) -> Result<Self, InvalidParameter>
    where
        E: TryInto<ExternalId, Error: Into<InvalidParameter>>,
    {
        self.change().external_id = Some(id.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Sets the session name. Defaults to the session name of the chain.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not valid.
    pub fn session_name<N>(mut self, name: N) -> Result<Self, InvalidParameter>
    where
        N: TryInto<SessionName, Error: Into<InvalidParameter>>,
    {
        self.change().session_name = Some(name.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Sets the session duration, from 15 minutes to 12 hours. Defaults to one hour.
    ///
    /// The maximum is the `MaxSessionDuration` of the role, and one hour if the session of another
    /// role assumes it.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not from 900 to 43,200 whole seconds.
    pub fn duration<D>(mut self, duration: D) -> Result<Self, InvalidParameter>
    where
        D: TryInto<SessionDuration, Error: Into<InvalidParameter>>,
    {
        self.change().duration = Some(duration.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Adds a session tag. The trust policy must allow `sts:TagSession`.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the key or the value is not valid, if the key is already
    /// present, or if the role already has 50 tags.
    pub fn tag(
        mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidParameter> {
        let fields = self.change();
        fields.extras.tags = std::mem::take(&mut fields.extras.tags).tag(key, value)?;
        Ok(self)
    }

    /// Marks the tag with this key as transitive: all sessions that are assumed from this role's
    /// sessions inherit it.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the key is not valid, if it is already marked, or if the
    /// role already has 50 transitive tag keys.
    pub fn transitive_tag_key(mut self, key: impl Into<String>) -> Result<Self, InvalidParameter> {
        let fields = self.change();
        fields.extras.tags = std::mem::take(&mut fields.extras.tags).transitive(key)?;
        Ok(self)
    }

    /// Replaces all session tags and transitive tag keys.
    #[must_use]
    pub fn tags(mut self, tags: SessionTags) -> Self {
        self.change().extras.tags = tags;
        self
    }

    /// Sets the source identity, which all sessions that are assumed from this role's sessions
    /// inherit.
    ///
    /// The trust policy must allow `sts:SetSourceIdentity`.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not valid.
    pub fn source_identity<S>(mut self, identity: S) -> Result<Self, InvalidParameter>
    where
        S: TryInto<SourceIdentity, Error: Into<InvalidParameter>>,
    {
        self.change().extras.source_identity = Some(identity.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Sets an inline session policy, as JSON. Sessions may do only what both the role and this
    /// policy allow.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not valid, or if the policy and the policy ARNs
    /// together are longer than 2048 characters.
    pub fn policy<P>(mut self, policy: P) -> Result<Self, InvalidParameter>
    where
        P: TryInto<SessionPolicy, Error: Into<InvalidParameter>>,
    {
        self.change().extras.policy = Some(policy.try_into().map_err(Into::into)?);
        self.check_policy_text()
    }

    /// Adds a managed policy as a session policy, by its ARN.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not valid, if the role already has ten policy
    /// ARNs, or if the policy and the policy ARNs together are longer than 2048 characters.
    pub fn policy_arn<P>(mut self, arn: P) -> Result<Self, InvalidParameter>
    where
        P: TryInto<PolicyArn, Error: Into<InvalidParameter>>,
    {
        let arn = arn.try_into().map_err(Into::into)?;
        let arns = &self.fields().extras.policy_arns;
        if arns.len() == limits::MAX_POLICY_ARNS {
            let fault = format!("the role already has {}", arns.len());
            let rule = "at most 10 policy ARNs for each session";
            return Err(InvalidParameter::new("policy ARN", arn.as_str(), fault, rule));
        }
        // Kept sorted, so that equality and the hash do not depend on the order.
        let at = arns.partition_point(|held| *held < arn);
        self.change().extras.policy_arns.insert(at, arn);
        self.check_policy_text()
    }

    /// Checks the limit that the inline policy and the policy ARNs share.
    fn check_policy_text(self) -> Result<Self, InvalidParameter> {
        let RareFields { policy, policy_arns, .. } = &*self.fields().extras;
        let inline = policy.as_ref().map_or(0, |policy| policy.as_str().chars().count());
        let arns: usize = policy_arns.iter().map(|arn| arn.as_str().chars().count()).sum();
        if inline + arns <= limits::MAX_POLICY_TEXT {
            return Ok(self);
        }
        let fault = format!("together with the policy ARNs, it has {} characters", inline + arns);
        let rule = "at most 2048 characters in the session policy and the policy ARNs together";
        let shown = policy.as_ref().map_or("", SessionPolicy::as_str);
        Err(InvalidParameter::new("session policy", shown, fault, rule))
    }

    /// Sets the serial number of the calling user's MFA device.
    ///
    /// A [`ProvideMfaCode`](crate::ProvideMfaCode) provides the codes. A serial number without such
    /// a provider, or a provider without a serial number, is an error when the role is assumed.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not valid.
    pub fn mfa_serial<M>(mut self, serial: M) -> Result<Self, InvalidParameter>
    where
        M: TryInto<MfaSerial, Error: Into<InvalidParameter>>,
    {
        self.change().extras.mfa_serial = Some(serial.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Adds a context assertion of a trusted provider.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the role already has five context assertions.
    pub fn provided_context(mut self, context: ProvidedContext) -> Result<Self, InvalidParameter> {
        let contexts = self.fields().extras.provided_contexts.len();
        if contexts == limits::MAX_PROVIDED_CONTEXTS {
            let fault = format!("the role already has {contexts}");
            let rule = "at most 5 provided contexts for each session";
            let provider = context.provider_arn();
            return Err(InvalidParameter::new("provided context", provider, fault, rule));
        }
        self.change().extras.provided_contexts.push(context);
        Ok(self)
    }

    /// Returns the role's ARN.
    pub fn arn(&self) -> &RoleArn {
        &self.fields().arn
    }

    /// Returns the external id, if one is set.
    pub fn get_external_id(&self) -> Option<&ExternalId> {
        self.fields().external_id.as_ref()
    }

    /// Returns the session name, if one is set.
    pub fn get_session_name(&self) -> Option<&SessionName> {
        self.fields().session_name.as_ref()
    }

    /// Returns the requested session duration, if one is set.
    pub fn get_duration(&self) -> Option<SessionDuration> {
        self.fields().duration
    }

    /// Returns the session tags and the transitive tag keys.
    pub fn get_tags(&self) -> &SessionTags {
        &self.fields().extras.tags
    }

    /// Returns the source identity, if one is set.
    pub fn get_source_identity(&self) -> Option<&SourceIdentity> {
        self.fields().extras.source_identity.as_ref()
    }

    /// Returns the inline session policy, if one is set.
    pub fn get_policy(&self) -> Option<&SessionPolicy> {
        self.fields().extras.policy.as_ref()
    }

    /// Returns the managed session policies, sorted by ARN.
    pub fn get_policy_arns(&self) -> &[PolicyArn] {
        &self.fields().extras.policy_arns
    }

    /// Returns the serial number of the MFA device, if one is set.
    pub fn get_mfa_serial(&self) -> Option<&MfaSerial> {
        self.fields().extras.mfa_serial.as_ref()
    }

    /// Returns the context assertions.
    pub fn get_provided_contexts(&self) -> &[ProvidedContext] {
        &self.fields().extras.provided_contexts
    }

    /// Removes the session name. The session name of the chain applies instead.
    ///
    /// # Examples
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

    /// Builds the request. `default` is the session name if the role sets none.
    pub(crate) fn request(&self, default: &SessionName) -> AssumeRoleRequest {
        let fields = self.fields().clone();
        let name = fields.session_name.unwrap_or_else(|| default.clone());
        let mut request = AssumeRoleRequest::new(fields.arn, name);
        request.external_id = fields.external_id;
        request.duration = fields.duration;
        let extras = fields.extras.into_fields();
        request.tags = extras.tags;
        request.source_identity = extras.source_identity;
        request.policy = extras.policy;
        request.policy_arns = extras.policy_arns;
        request.provided_contexts = extras.provided_contexts;
        request
    }

    /// Hashes all fields with keys that are random for each process, so that a field that a
    /// tenant chooses cannot be crafted to collide.
    fn cached_hash(&self) -> u64 {
        static KEYS: OnceLock<RandomState> = OnceLock::new();
        *self.0.hash.get_or_init(|| KEYS.get_or_init(RandomState::new).hash_one(self.fields()))
    }
}

impl PartialEq for Role {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.fields() == other.fields()
    }
}

impl Eq for Role {}

impl Hash for Role {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.cached_hash());
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Role").field(self.fields()).finish()
    }
}

#[cfg(test)]
pub(crate) mod tests;

use rolecall_core::{ExternalId, InvalidParameter, RoleArn, SessionDuration, SessionName};
use rolecall_sts::AssumeRoleRequest;

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Role {
    arn: RoleArn,
    external_id: Option<ExternalId>,
    session_name: Option<SessionName>,
    duration: Option<SessionDuration>,
}

impl Role {
    /// The role with this ARN, and nothing else.
    pub fn new<A>(arn: A) -> Result<Self, InvalidParameter>
    where
        A: TryInto<RoleArn, Error: Into<InvalidParameter>>,
    {
        let arn = arn.try_into().map_err(Into::into)?;
        Ok(Self { arn, external_id: None, session_name: None, duration: None })
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
        request
    }
}

use rolecall_core::{ExternalId, RoleArn, SessionDuration, SessionName};

/// What AssumeRole is asked for.
///
/// ```
/// use rolecall_core::{ExternalId, RoleArn, SessionName};
/// use rolecall_sts::AssumeRoleRequest;
///
/// let role = RoleArn::parse("arn:aws:iam::444455556666:role/orders")?;
/// let mut request = AssumeRoleRequest::new(role, SessionName::parse("checkout")?);
/// request.external_id = Some(ExternalId::parse("shop-4711")?);
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssumeRoleRequest {
    /// `RoleArn`.
    pub role: RoleArn,
    /// `RoleSessionName`.
    pub session_name: SessionName,
    /// `ExternalId`.
    pub external_id: Option<ExternalId>,
    /// `DurationSeconds`; one hour when absent.
    pub duration: Option<SessionDuration>,
}

impl AssumeRoleRequest {
    /// With what is required.
    pub fn new(role: RoleArn, session_name: SessionName) -> Self {
        Self { role, session_name, external_id: None, duration: None }
    }
}

/// What AssumeRoleWithWebIdentity is asked for, beside the token.
///
/// ```
/// use rolecall_core::{RoleArn, SessionName};
/// use rolecall_sts::WebIdentityRequest;
///
/// let role = RoleArn::parse("arn:aws:iam::111122223333:role/checkout")?;
/// let request = WebIdentityRequest::new(role, SessionName::parse("checkout")?);
/// assert_eq!(request.duration, None);
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebIdentityRequest {
    /// `RoleArn`.
    pub role: RoleArn,
    /// `RoleSessionName`.
    pub session_name: SessionName,
    /// `DurationSeconds`; one hour when absent.
    pub duration: Option<SessionDuration>,
}

impl WebIdentityRequest {
    /// With what is required.
    pub fn new(role: RoleArn, session_name: SessionName) -> Self {
        Self { role, session_name, duration: None }
    }
}

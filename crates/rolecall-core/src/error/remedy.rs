/// What prevents a [`SessionError`](super::SessionError), where its hint is for programmers.
///
/// The hint of such an error names functions. A program whose users cannot change its code, such as
/// a command, shows a hint of its own, which names its settings.
///
/// # Examples
///
/// ```
/// use rolecall_core::{ErrorKind, Remedy, SessionError};
///
/// fn hint(error: &SessionError) -> Option<&str> {
///     match error.remedy() {
///         Some(Remedy::Region) => Some("use the option --region"),
///         _ => error.hint(),
///     }
/// }
///
/// let error = SessionError::new(ErrorKind::InvalidConfig, "no Region is set")
///     .with_hint("call ChainBuilder::region")
///     .with_remedy(Remedy::Region);
/// assert_eq!(hint(&error), Some("use the option --region"));
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Configure an identity, the base credentials.
    Identity,
    /// Set the Region of the STS endpoint.
    Region,
    /// Set a Region in the partition of the role.
    PartitionOfRole,
    /// Request a session of at most one hour, since the role is assumed by another role.
    RoleChainDuration,
    /// Provide the MFA code sooner.
    MfaCode,
    /// Fetch sessions on a Tokio runtime with timers that runs until the fetch has ended.
    Runtime,
}

//! The refresh mode of a cache entry.

/// When a cached session is refreshed.
///
/// # Examples
///
/// ```
/// use rolecall_cache::Refresh;
/// assert_eq!(Refresh::default(), Refresh::WhileUsed);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refresh {
    /// Refreshes a session in the background if it was returned to a caller at least once. An
    /// unused session expires without a refresh. The default.
    #[default]
    WhileUsed,
    /// Refreshes a session in the background whether or not it is used.
    Always,
    /// Does not refresh a session before it expires. The call after its expiration waits for the
    /// next one.
    ///
    /// Use this for sessions that a person authorizes, such as those of a role that requires an
    /// MFA code.
    Never,
}

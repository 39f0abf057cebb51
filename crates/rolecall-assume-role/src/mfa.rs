use std::fmt;

use async_trait::async_trait;
use rolecall_core::{MfaCode, MfaSerial, SessionError};

/// Provides MFA codes, from a person at a terminal or a hardware token.
///
/// A code is valid for one call, so each fetch asks for one. If the code does not arrive within two
/// minutes, the fetch fails with [`TokenUnavailable`](rolecall_core::ErrorKind::TokenUnavailable)
/// and the future of the provider is dropped. Sessions that need a code are not refreshed in the
/// background, since no person may be there: the first caller after the session expired waits.
///
/// # Examples
///
/// ```
/// use rolecall_assume_role::ProvideMfaCode;
/// use rolecall_core::{MfaCode, MfaSerial, SessionError};
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// #[async_trait::async_trait]
/// impl ProvideMfaCode for Fixed {
///     async fn provide_mfa_code(&self, _serial: &MfaSerial) -> Result<MfaCode, SessionError> {
///         Ok(MfaCode::parse("123456")?)
///     }
/// }
/// ```
#[async_trait]
pub trait ProvideMfaCode: fmt::Debug + Send + Sync + 'static {
    /// Returns the code that the device with this serial number shows now.
    ///
    /// # Errors
    ///
    /// Returns a [`SessionError`] if no code is available. The fetch fails with it.
    async fn provide_mfa_code(&self, serial: &MfaSerial) -> Result<MfaCode, SessionError>;
}

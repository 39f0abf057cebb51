use std::fmt;

use async_trait::async_trait;
use rolecall_core::{FetchError, MfaCode, MfaSerial};

/// Where MFA codes come from: a person at a terminal, a hardware token.
///
/// A code is good for one call, so each fetch asks for one, which must come within two minutes. The facade does not refresh
/// such a session ahead, since a person may have to be asked: the next caller after its end waits.
///
/// ```
/// use rolecall_assume_role::MfaCodes;
/// use rolecall_core::{FetchError, MfaCode, MfaSerial};
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// #[async_trait::async_trait]
/// impl MfaCodes for Fixed {
///     async fn code(&self, _serial: &MfaSerial) -> Result<MfaCode, FetchError> {
///         Ok(MfaCode::parse("123456")?)
///     }
/// }
/// ```
#[async_trait]
pub trait MfaCodes: fmt::Debug + Send + Sync + 'static {
    /// The code that this device shows now.
    async fn code(&self, serial: &MfaSerial) -> Result<MfaCode, FetchError>;
}

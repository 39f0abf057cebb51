use std::fmt;

use super::{InvalidParameter, REDACTED, limits, parse_from_text, text_parameter};

/// The serial number of an MFA device: the number of a hardware device, or the ARN of a virtual
/// device.
///
/// Has 9 to 256 characters: ASCII letters, digits and `_+=/:,.@-`.
///
/// # Examples
///
/// ```
/// use rolecall_core::MfaSerial;
/// assert!(MfaSerial::parse("arn:aws:iam::111122223333:mfa/ann").is_ok());
/// assert!(MfaSerial::parse("GAHT1234").is_err(), "8 characters");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MfaSerial(Box<str>);

text_parameter!(MfaSerial);

impl MfaSerial {
    /// Parses a serial number.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value has a wrong length or contains other characters.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        match limits::MFA_SERIAL.fault(value) {
            None => Ok(Self(value.into())),
            Some(fault) => {
                let rule = limits::MFA_SERIAL.rule();
                Err(InvalidParameter::new(limits::MFA_SERIAL.field, value, fault, rule))
            }
        }
    }
}

/// A code that an MFA device shows: six digits, valid for one call.
///
/// The code is a secret. Neither `Debug` nor an error contains it.
///
/// # Examples
///
/// ```
/// use rolecall_core::MfaCode;
/// let code = MfaCode::parse("123456")?;
/// assert_eq!(format!("{code:?}"), "MfaCode(***)");
/// assert!(!MfaCode::parse("12345x").unwrap_err().to_string().contains("12345x"));
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
// No `Display`, `AsRef<str>` or serde traits, unlike the other parameters: they would let a secret
// reach a log or a file by accident. `expose` is the one way to read the code.
#[derive(Clone, PartialEq, Eq)]
pub struct MfaCode(String);

parse_from_text!(MfaCode);

impl MfaCode {
    /// Parses a code.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not six digits.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        if value.len() == limits::MFA_CODE_DIGITS && value.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(value.to_owned()));
        }
        // The value is not shown, so the fault must tell about a line feed that was read with it.
        let fault = if value.trim() == value {
            "it is not 6 digits"
        } else {
            "it has leading or trailing white space"
        };
        Err(InvalidParameter::new("MFA code", REDACTED, fault, "6 digits"))
    }

    /// Returns the digits, which are a secret, for the request to STS.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MfaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MfaCode({REDACTED})")
    }
}

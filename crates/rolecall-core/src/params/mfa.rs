use std::fmt;

use super::{InvalidParameter, limits, parsed_text};

/// The serial number of an MFA device: a number for hardware, an ARN for virtual ones.
///
/// 9 to 256 characters of ASCII letters, digits and `_+=/:,.@-`.
///
/// ```
/// use rolecall_core::MfaSerial;
/// assert!(MfaSerial::parse("arn:aws:iam::111122223333:mfa/ann").is_ok());
/// assert!(MfaSerial::parse("GAHT1234").is_err(), "8 characters");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MfaSerial(String);

parsed_text!(MfaSerial);

impl MfaSerial {
    /// Parses a serial number.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        match limits::MFA_SERIAL.fault(value) {
            None => Ok(Self(value.to_owned())),
            Some(fault) => {
                let rule = limits::MFA_SERIAL.rule();
                Err(InvalidParameter::new(limits::MFA_SERIAL.field, value, fault, rule))
            }
        }
    }
}

/// What an MFA device shows: six digits, good for one call. Neither `Debug` nor an error shows them.
///
/// ```
/// use rolecall_core::MfaCode;
/// let code = MfaCode::parse("123456").unwrap();
/// assert_eq!(format!("{code:?}"), "MfaCode(***)");
/// assert!(!MfaCode::parse("12345x").unwrap_err().to_string().contains("12345x"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct MfaCode(String);

impl MfaCode {
    /// Parses a code.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        if value.len() == limits::MFA_CODE_DIGITS && value.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(value.to_owned()));
        }
        let fault = if value.trim() == value {
            "it is not 6 digits"
        } else {
            "there is white space around it"
        };
        Err(InvalidParameter::new("MFA code", "(not shown)", fault, "an MFA code is 6 digits"))
    }

    /// The digits, for the call to STS.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MfaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MfaCode(***)")
    }
}

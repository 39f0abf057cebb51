//! MFA: virtual devices, and the codes that they show. (RFC 6238: SHA-1, 30 seconds, six digits.)

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use rolecall_core::{MfaCode, MfaSerial};

use crate::sts::{constraint, invalid, optional};
use crate::wire::{Fault, Form};

const STEP_SECONDS: u64 = 30;

/// A virtual MFA device of a user.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) serial: String,
    seed: Vec<u8>,
    /// The step of the last code that was taken: each is good once.
    last: Option<u64>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("serial", &self.serial).finish_non_exhaustive()
    }
}

impl Device {
    pub(crate) fn new(serial: String, seed: Vec<u8>) -> Self {
        Self { serial, seed, last: None }
    }

    /// What it shows at this time.
    pub(crate) fn code(&self, now: SystemTime) -> String {
        code(&self.seed, step(now))
    }

    /// Whether a code is right, now or one step to either side, and was not taken before.
    fn take(&mut self, given: &str, now: SystemTime) -> bool {
        let now = step(now);
        let window = now.saturating_sub(1)..=now + 1;
        let fresh = |step: &u64| self.last.is_none_or(|last| *step > last);
        let found = window.filter(fresh).find(|step| code(&self.seed, *step) == given);
        self.last = found.or(self.last);
        found.is_some()
    }

    pub(crate) fn check(
        device: Option<&mut Self>,
        serial: &MfaSerial,
        given: &MfaCode,
        now: SystemTime,
    ) -> Result<(), Fault> {
        let failed =
            |message: &str, why: &str| Fault::new(403, "AccessDenied", message).because(why);
        let taken = device
            .filter(|device| device.serial == serial.as_str())
            .map(|device| device.take(given.expose(), now));
        match taken {
            None => Err(failed(
                "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is \
                 valid and associated with this user.",
                "the caller has no such MFA device",
            )),
            Some(true) => Ok(()),
            Some(false) => Err(failed(
                "MultiFactorAuthentication failed with invalid MFA one time pass code.",
                "the code is not that of the device now, or was taken before",
            )),
        }
    }
}

fn step(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / STEP_SECONDS
}

fn code(seed: &[u8], step: u64) -> String {
    let tag = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed), &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or(0) & 0x0f);
    let four = bytes.get(offset..offset + 4).and_then(|four| four.try_into().ok());
    let number = u32::from_be_bytes(four.unwrap_or_default()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// The device and code of a request; both or neither.
pub(crate) fn of_request(form: &mut Form) -> Result<Option<(MfaSerial, MfaCode)>, Fault> {
    let serial = optional(form, "SerialNumber", "serialNumber", MfaSerial::parse)?;
    let code = match form.take("TokenCode").map(|code| MfaCode::parse(&code)) {
        None => None,
        Some(Ok(code)) => Some(code),
        Some(Err(_)) => {
            return Err(constraint("", "tokenCode", "satisfy regular expression pattern: [\\d]*"));
        }
    };
    match (serial, code) {
        (None, None) => Ok(None),
        (Some(serial), Some(code)) => Ok(Some((serial, code))),
        _ => Err(invalid("SerialNumber and TokenCode must be given together")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// RFC 6238, appendix B, of whose eight digits these are the last six.
    #[test]
    fn totp_codes_match_rfc_6238() {
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(
                code(b"12345678901234567890", seconds / STEP_SECONDS),
                expected,
                "{seconds}"
            );
        }
    }

    #[test]
    fn totp_code_is_accepted_once_in_its_window() {
        let mut device = Device::new("x".into(), b"seed".to_vec());
        let now = UNIX_EPOCH + Duration::from_secs(3000);
        let shown = device.code(now);
        assert!(!device.take(&shown, now + Duration::from_secs(60)), "too late");
        assert!(device.take(&shown, now + Duration::from_secs(30)), "one step late");
        assert!(!device.take(&shown, now), "twice");
        assert!(
            device.take(&device.code(now + Duration::from_secs(60)), now + Duration::from_secs(60))
        );
    }
}

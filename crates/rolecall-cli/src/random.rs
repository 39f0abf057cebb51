//! Random values from the operating system.

use crate::error::Failure;

/// Returns `N` random bytes in hexadecimal digits.
pub(crate) fn hex<const N: usize>() -> Result<String, Failure> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::operation("the operating system has no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

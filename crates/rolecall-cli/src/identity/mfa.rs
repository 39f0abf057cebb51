//! MFA codes, from a prompt or from standard input.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use rolecall::params::{MfaCode, MfaSerial, ProvideMfaCode};
use rolecall::{ErrorKind, SessionError};
use zeroize::Zeroizing;

use crate::prompt;

/// Reads codes from the terminal, or one code from standard input.
#[derive(Debug)]
pub(super) struct Codes {
    from_stdin: bool,
    used: AtomicBool,
}

/// Returns a provider of codes. `from_stdin` is `true` for `--mfa-code -`.
pub(super) fn codes(from_stdin: bool) -> Codes {
    Codes { from_stdin, used: AtomicBool::new(false) }
}

#[async_trait]
impl ProvideMfaCode for Codes {
    async fn provide_mfa_code(&self, serial: &MfaSerial) -> Result<MfaCode, SessionError> {
        // Standard input ends after one code, and STS accepts a code only once.
        if self.from_stdin && self.used.swap(true, Ordering::Relaxed) {
            return Err(unavailable("the MFA code of standard input was already used"));
        }
        let text = match self.from_stdin {
            true => read_stdin().await?,
            false => ask(&format!("MFA code of {serial}: ")).await?,
        };
        Ok(MfaCode::parse(text.trim())?)
    }
}

async fn read_stdin() -> Result<Zeroizing<String>, SessionError> {
    let read = tokio::task::spawn_blocking(prompt::read_line).await;
    read.map_err(io::Error::other)
        .flatten()
        .map_err(|error| unavailable(&format!("cannot read standard input: {error}")))
}

async fn ask(question: &str) -> Result<Zeroizing<String>, SessionError> {
    let failed = |message: &str| {
        unavailable(message).with_hint("pass the code on standard input, with --mfa-code -")
    };
    if !io::stdin().is_terminal() {
        return Err(failed("there is no terminal to ask for the MFA code"));
    }
    let answer = prompt::ask(question).await;
    answer.map_err(|error| failed(&format!("cannot read from the terminal: {error}")))
}

fn unavailable(message: &str) -> SessionError {
    SessionError::new(ErrorKind::TokenUnavailable, message)
}

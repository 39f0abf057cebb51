//! Assumes a role that requires MFA, with a code that is typed at the terminal.
//!
//! ```sh
//! cargo run -p rolecall --example mfa -- \
//!     arn:aws:iam::111122223333:role/admin arn:aws:iam::111122223333:mfa/ann
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the output of a program")]

use std::io::stdin;

use rolecall::params::{MfaCode, MfaSerial, ProvideMfaCode};
use rolecall::provider::async_trait;
use rolecall::{ErrorKind, Role, SessionError};

/// Reads codes from standard input.
#[derive(Debug)]
struct Terminal;

#[async_trait]
impl ProvideMfaCode for Terminal {
    async fn provide_mfa_code(&self, serial: &MfaSerial) -> Result<MfaCode, SessionError> {
        eprintln!("MFA code of {serial}:");
        // Reading blocks until a person has typed the code. On a thread of the runtime, it would
        // stop all other tasks of that thread.
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            stdin().read_line(&mut line).map(|_| line)
        });
        match line.await {
            Ok(Ok(line)) => Ok(MfaCode::parse(line.trim())?),
            _ => Err(SessionError::new(ErrorKind::InvalidConfig, "no MFA code was entered")),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: mfa ROLE_ARN MFA_SERIAL";
    let role = Role::new(arguments.next().ok_or(usage)?)?;
    let role = role.mfa_serial(arguments.next().ok_or(usage)?)?;

    let chain = rolecall::from_env()?.assume_role_with_mfa(role, Terminal);
    println!("{}", chain.caller_identity().await?.principal);
    Ok(())
}

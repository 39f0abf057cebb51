//! The errors of the command, and their exit codes.

use std::fmt;
use std::io;
use std::process::ExitCode;

use rolecall::provider::Remedy;
use rolecall::{ErrorKind, SessionError};

use crate::cli::Color;
use crate::output::{self, message_lines, style};
use crate::stderr;

/// Why a command ends without its result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments are invalid: exit code 2.
    Usage { message: String, hint: Option<String> },
    /// The requested operation failed: exit code 1.
    Operation { message: String, hint: Option<String> },
    /// The program to run cannot be started: the exit code of shells in this case.
    Program { message: String, code: u8 },
    /// The reader of standard output is gone. It has what it wanted, as `head` does: exit code 0.
    /// Commands whose exit code is a verdict continue instead.
    Closed,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    pub(crate) fn operation(message: impl Into<String>) -> Self {
        Self::Operation { message: message.into(), hint: None }
    }

    /// Returns an error about an argument, whose text may contain a hint as the libraries write it.
    pub(crate) fn usage_of(error: &impl std::fmt::Display) -> Self {
        split_hint(&error.to_string(), Self::usage)
    }

    /// Returns an error of the operation, whose text may contain a hint as the libraries write it.
    pub(crate) fn operation_of(error: &impl std::fmt::Display) -> Self {
        split_hint(&error.to_string(), Self::operation)
    }

    /// Adds what a person should do.
    #[must_use]
    pub(crate) fn with_hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Usage { message, .. } => Self::Usage { message, hint: Some(text.into()) },
            Self::Operation { message, .. } => Self::Operation { message, hint: Some(text.into()) },
            Self::Program { .. } | Self::Closed => self,
        }
    }

    /// Returns the text of the error, for commands that continue.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Usage { message, .. }
            | Self::Operation { message, .. }
            | Self::Program { message, .. } => message,
            Self::Closed => "standard output is closed",
        }
    }

    /// Puts the hint and all lines of the message into one line.
    #[must_use]
    pub(crate) fn into_one_line(self) -> Self {
        let line = self.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        match self {
            Self::Usage { .. } => Self::usage(line),
            Self::Operation { .. } => Self::operation(line),
            Self::Program { code, .. } => Self::Program { message: line, code },
            Self::Closed => Self::Closed,
        }
    }

    /// Prints the error to standard error, and returns the exit code.
    pub(crate) fn report(self, color: Color) -> ExitCode {
        let (message, hint, code) = match self {
            Self::Closed => return ExitCode::SUCCESS,
            Self::Usage { message, hint } => (message, hint, 2),
            Self::Operation { message, hint } => (message, hint, 1),
            Self::Program { message, code } => (message, None, code),
        };
        let mut text = message_lines((style::ERROR, "error:"), &message);
        if let Some(hint) = hint {
            text.push_str(&message_lines((style::HINT, "hint:"), &hint));
        }
        // Standard error may be closed, too. The exit code still reports the failure.
        stderr::write(text, output::choice(color));
        ExitCode::from(code)
    }
}

fn split_hint(text: &str, failure: impl Fn(String) -> Failure) -> Failure {
    match text.split_once("; hint: ") {
        Some((message, hint)) => failure(message.to_owned()).with_hint(hint),
        None => failure(text.to_owned()),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { message, hint } | Self::Operation { message, hint } => match hint {
                Some(hint) => write!(f, "{message}; hint: {hint}"),
                None => f.write_str(message),
            },
            Self::Program { message, .. } => f.write_str(message),
            Self::Closed => f.write_str("standard output is closed"),
        }
    }
}

/// Returns the hint of this command for an error whose own hint is for programmers.
fn own_hint(error: &SessionError) -> Option<&'static str> {
    Some(match (error.remedy(), error.kind()) {
        (Some(Remedy::Identity), _) => {
            "set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY, or select a profile with --base profile:NAME"
        }
        (Some(Remedy::Region), _) => {
            "set AWS_REGION to the nearest Region, such as eu-west-1, or use --region"
        }
        (Some(Remedy::PartitionOfRole), _) => {
            "check the ARN of the role, or use --region with a Region of its partition"
        }
        (Some(Remedy::RoleChainDuration), _) => "use a duration of one hour or less",
        (Some(Remedy::MfaCode), _) => {
            "enter the code sooner, or pass it on standard input, with --mfa-code -"
        }
        (Some(Remedy::Runtime), _) => {
            "this is a fault of rolecall: run the command again with -vv, and report its output"
        }
        (None, ErrorKind::Throttled) => {
            "use fewer roles at once, request sessions of a longer duration, or request a higher \
             quota from AWS"
        }
        _ => return None,
    })
}

/// Returns the error with its causes and its hint, in one line.
pub(crate) fn report(error: &SessionError) -> String {
    Failure::from(error.clone()).to_string()
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        let text = error.report();
        // The hint stands in a line of its own.
        let message = match error.hint() {
            Some(hint) => text.replacen(&format!("; hint: {hint}"), "", 1),
            None => text,
        };
        let hint = own_hint(&error).or(error.hint()).map(str::to_owned);
        Self::Operation { message, hint }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::operation(format!("cannot write to standard output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_for_programmers_are_replaced() {
        let programmer = "call a_function() of Builder::new";
        let error = |kind| SessionError::new(kind, "the fact").with_hint(programmer);
        for remedy in [
            Remedy::Identity,
            Remedy::Region,
            Remedy::PartitionOfRole,
            Remedy::RoleChainDuration,
            Remedy::MfaCode,
            Remedy::Runtime,
        ] {
            let text = report(&error(ErrorKind::InvalidConfig).with_remedy(remedy));
            assert!(text.starts_with("the fact; hint: "), "{text}");
            assert!(!text.contains(programmer), "{text}");
        }
        assert!(!report(&error(ErrorKind::Throttled)).contains(programmer));
        let kept = report(&error(ErrorKind::Denied));
        assert_eq!(kept, format!("the fact; hint: {programmer}"));
        assert_eq!(report(&SessionError::new(ErrorKind::Denied, "the fact")), "the fact");
    }

    #[test]
    fn causes_stay_behind_the_message() {
        let cause = io::Error::other("refused");
        let error = SessionError::new(ErrorKind::InvalidConfig, "the fact")
            .with_hint("x")
            .with_remedy(Remedy::Region)
            .with_cause(&cause);
        let text = report(&error);
        assert!(text.starts_with("the fact: refused; hint: set AWS_REGION"), "{text}");
    }
}

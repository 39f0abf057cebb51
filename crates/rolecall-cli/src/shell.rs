//! The environment variables of a session, as text that a shell or a program reads.
//!
//! A value may contain any text: a session token comes from a server. It is quoted so that no value
//! ends its quotes, and refused where a format cannot express it.

use clap::ValueEnum;
use rolecall::Session;

use crate::error::Failure;
use crate::time::timestamp;

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";

/// The syntax of assignments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Syntax {
    /// Lines for `eval` in a POSIX shell: sh, bash, dash, zsh
    #[value(name = "export")]
    Posix,
    /// Lines for `source` in fish
    Fish,
    /// Lines for `Invoke-Expression` in PowerShell
    Powershell,
    /// A record for `from nuon | load-env` in Nushell
    Nushell,
    /// Lines NAME=value for an env file
    Dotenv,
}

/// Returns the variables of a session, as the AWS CLI exports them.
pub(crate) fn variables(session: &Session) -> Vec<(&'static str, String)> {
    let credentials = session.credentials();
    let mut variables = vec![
        (ACCESS_KEY_ID, credentials.access_key_id().to_owned()),
        (SECRET_ACCESS_KEY, credentials.secret_access_key().to_owned()),
    ];
    variables.extend(credentials.session_token().map(|token| (SESSION_TOKEN, token.to_owned())));
    variables.extend(session.expires_at().map(|time| (EXPIRATION, timestamp(time))));
    variables
}

/// Returns the line that removes the variables from a POSIX shell.
pub(crate) fn unset() -> String {
    format!("unset {ACCESS_KEY_ID} {SECRET_ACCESS_KEY} {SESSION_TOKEN} {EXPIRATION}")
}

/// Returns the line that removes variables, or `None` if the syntax has assignments only.
pub(crate) fn removal(syntax: Syntax, names: &[&str]) -> Option<String> {
    Some(match syntax {
        Syntax::Posix => format!("unset {}", names.join(" ")),
        Syntax::Fish => format!("set -e {}", names.join(" ")),
        Syntax::Powershell => {
            format!("Remove-Item Env:{} -ErrorAction SilentlyContinue", names.join(", Env:"))
        }
        Syntax::Nushell | Syntax::Dotenv => return None,
    })
}

/// Formats assignments of the variables.
pub(crate) fn assignments(
    syntax: Syntax,
    variables: &[(&'static str, String)],
) -> Result<String, Failure> {
    // No environment can hold a NUL.
    for (name, value) in variables {
        if value.contains('\0') {
            return Err(Failure::operation(format!("{name} contains a NUL character")));
        }
    }
    if syntax == Syntax::Nushell {
        let record: serde_json::Map<_, _> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        // JSON is NUON, too.
        return Ok(serde_json::Value::Object(record).to_string());
    }
    let lines = variables.iter().map(|(name, value)| assignment(syntax, name, value));
    Ok(lines.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

fn assignment(syntax: Syntax, name: &str, value: &str) -> Result<String, Failure> {
    Ok(match syntax {
        Syntax::Posix => format!("export {name}={}", quoted(value)),
        Syntax::Fish => {
            format!("set -gx {name} '{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
        }
        Syntax::Powershell => format!("$Env:{name} = '{}'", powershell(value)),
        Syntax::Nushell | Syntax::Dotenv => format!("{name}={}", dotenv(name, value)?),
    })
}

/// Quotes a word for a POSIX shell.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Doubles the characters that end a string in single quotes. PowerShell takes typographic quotes
/// for quotes, too.
fn powershell(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted
}

/// Returns the value as it is. Programs that read env files disagree on quotes and escapes, so that
/// only values that need neither have one meaning.
fn dotenv<'a>(name: &str, value: &'a str) -> Result<&'a str, Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/+=-_.:,@%".contains(c);
    match value.chars().all(is_plain) {
        true => Ok(value),
        false => Err(Failure::operation(format!(
            "{name} contains characters that have no common form in env files"
        ))
        .with_hint("use another --format")),
    }
}

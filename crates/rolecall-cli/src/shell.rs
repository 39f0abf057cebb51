//! The environment variables of a session, as text that a shell or a program reads.
//!
//! A value may contain any text: a session token comes from a server. It is quoted so that no value
//! ends its quotes, and refused where a format cannot express it.

use clap::ValueEnum;
use rolecall::Session;

use crate::error::Failure;
use crate::identity_variables::to_remove;
use crate::output::Output;
use crate::time::timestamp;

#[cfg(test)]
mod tests;

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";
const ACCOUNT_ID: &str = "AWS_ACCOUNT_ID";

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
    /// A record for `from json | load-env` in Nushell
    Nushell,
    /// Lines NAME=value for an env file
    Dotenv,
}

/// Returns the variables of a session, as the AWS CLI exports them, and the account, which SDKs use
/// for endpoints that are specific to one.
pub(crate) fn variables(session: &Session) -> Vec<(&'static str, String)> {
    let credentials = session.credentials();
    let mut variables = vec![
        (ACCESS_KEY_ID, credentials.access_key_id().to_owned()),
        (SECRET_ACCESS_KEY, credentials.secret_access_key().to_owned()),
    ];
    variables.extend(credentials.session_token().map(|token| (SESSION_TOKEN, token.to_owned())));
    variables.extend(session.expires_at().map(|time| (EXPIRATION, timestamp(time))));
    variables.extend(session.account().map(|account| (ACCOUNT_ID, account.to_string())));
    variables
}

/// Prints the lines that make these variables the only ones of an identity.
pub(crate) fn print(
    output: &mut Output,
    syntax: Syntax,
    variables: &[(&'static str, String)],
) -> Result<(), Failure> {
    let assignments = assignments(syntax, variables)?;
    let others = to_remove(variables);
    match removal(syntax, &others) {
        Some(line) => output.line(&line)?,
        None => {
            // What reads the text usually has the environment of this command.
            let is_set =
                |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let stay: Vec<&str> = others.into_iter().filter(is_set).collect();
            if let Some(note) = note_of_remaining(syntax, &stay) {
                output.note(&note);
            }
        }
    }
    output.line(&assignments)
}

/// Returns the line that removes the variables of all identities from a POSIX shell.
pub(crate) fn unset() -> String {
    unset_of(&to_remove(&[]))
}

fn unset_of(names: &[&str]) -> String {
    format!("unset {}", names.join(" "))
}

/// Returns the note on variables of other identities that a text of assignments leaves as they are.
fn note_of_remaining(syntax: Syntax, names: &[&str]) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let names = names.join(" ");
    let how = match syntax {
        Syntax::Nushell => format!("run `hide-env -i {names}`"),
        _ => format!("remove them from the environment that it is used in: {names}"),
    };
    Some(format!("this format cannot remove the variables of another identity; {how}"))
}

/// Returns the line that removes variables, or `None` if the syntax has assignments only.
fn removal(syntax: Syntax, names: &[&str]) -> Option<String> {
    Some(match syntax {
        Syntax::Posix => unset_of(names),
        Syntax::Fish => format!("set -e {}", names.join(" ")),
        Syntax::Powershell => {
            format!("Remove-Item Env:{} -ErrorAction SilentlyContinue", names.join(", Env:"))
        }
        Syntax::Nushell | Syntax::Dotenv => return None,
    })
}

/// Formats assignments of the variables.
fn assignments(syntax: Syntax, variables: &[(&'static str, String)]) -> Result<String, Failure> {
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
        // For `from json`: NUON, Nushell's own notation, has other escapes than JSON.
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
        Syntax::Powershell => format!("$Env:{name} = {}", powershell(value)),
        Syntax::Nushell | Syntax::Dotenv => format!("{name}={}", dotenv(name, value)?),
    })
}

/// Quotes a word for a POSIX shell.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns an expression in one line of printable ASCII: a string in single quotes, where only the
/// quote has a meaning, and the code units of all other characters.
///
/// PowerShell passes each line of a program's output to `Invoke-Expression` by itself, so that a
/// line break in quotes would begin a second command. It decodes the output with the code page of
/// the console, where the bytes of any other character may be those of a typographic quote, which
/// also ends a string.
fn powershell(value: &str) -> String {
    let mut expression = String::from("'");
    for c in value.chars() {
        match c {
            '\'' => expression.push_str("''"),
            ' '..='~' => expression.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    expression.push_str(&format!("'+[char]{unit}+'"));
                }
            }
        }
    }
    expression.push('\'');
    expression
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

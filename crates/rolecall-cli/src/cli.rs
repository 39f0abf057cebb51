//! The arguments of the command.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use rolecall::params::shown;

use crate::commands::{
    assume, completions, console, credential_process, doctor, exec, policy, reference, sandbox,
    scaffold, serve, token, whoami,
};
use crate::error::Failure;
use crate::output::{self, Output, printable};
use crate::stderr;

/// AWS sessions, tokens and IAM policies from a shell.
///
/// The commands start from the identity that the environment configures: access keys, a profile, a
/// web identity, or the credentials of a container or an instance. Exit status: 0 for success, 1 if
/// the requested operation failed, 2 for invalid arguments. A reader that closes the output early,
/// such as head, does not change it, except that policy simulate ends with 141 if no line before
/// was bad.
#[derive(Debug, Parser)]
#[command(name = "rolecall", version, propagate_version = false, max_term_width = 100)]
#[command(arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Parses the arguments of the process. If they are invalid, or ask for help, prints a text and
    /// returns the exit code.
    pub(crate) fn of_process() -> Result<Self, ExitCode> {
        // The help and the errors of the parser have colors as well, and are printed before the
        // option is known.
        let color = Color::find(std::env::args_os()).unwrap_or(Color::Auto);
        let parsed = Self::command().color(color.into()).try_get_matches().and_then(|matches| {
            let mut cli = Self::from_arg_matches(&matches)?;
            let source = matches.value_source("output");
            cli.global.is_output_set = source == Some(ValueSource::CommandLine);
            Ok(cli)
        });
        parsed.map_err(|error| print(error, color))
    }
}

/// Prints what the parser returns instead of arguments: the help, the version, or an error. Returns
/// the exit code.
fn print(error: clap::Error, color: Color) -> ExitCode {
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    if error.use_stderr() {
        let text = shorten_values(with_printable_values(error)).render().ansi().to_string();
        stderr::write(output::parser_message(&text), output::choice(color));
        return code;
    }
    match error.print().and_then(|()| io::stdout().flush()) {
        Ok(()) => code,
        // The help and the version are results, which must not get lost, for example on a full
        // disk.
        Err(fault) => Failure::from(fault).report(color),
    }
}

/// Escapes what a terminal would obey in the arguments that the error shows. The text as a whole
/// has colors.
fn with_printable_values(mut error: clap::Error) -> clap::Error {
    let shown: Vec<_> = error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in shown {
        let value = match value {
            ContextValue::String(text) => ContextValue::String(printable(&text)),
            ContextValue::Strings(texts) => {
                ContextValue::Strings(texts.iter().map(|text| printable(text)).collect())
            }
            _ => continue,
        };
        error.insert(kind, value);
    }
    error
}

/// Formats the values in an error of the parser as those in other errors: without secrets, and
/// shortened.
fn shorten_values(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue]
    {
        let Some(ContextValue::String(value)) = error.get(kind) else { continue };
        let shown = shown(value);
        if shown != *value {
            error.insert(kind, ContextValue::String(shown));
            // It repeats the value: `to pass '..' as a value, use '-- ..'`.
            error.remove(ContextKind::Suggested);
        }
    }
    error
}

/// Options of every command.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Format of the results
    #[arg(long, value_enum, global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: OutputFormat,
    /// Whether the format is that of an argument, and not the default.
    #[arg(skip)]
    pub(crate) is_output_set: bool,
    /// Print no progress and no notes, only results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to use colors; `auto` follows the terminal and NO_COLOR
    #[arg(long, value_enum, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Log to standard error; repeat for more (-vv, -vvv)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The format of results on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Table,
    Json,
    /// For code scanning; `policy check` only
    Sarif,
}

/// When colors are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// Returns the value of the option, as the parser finds it.
    fn find(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let is_option = |argument: &OsString| *argument != "--";
        let mut options = arguments.into_iter().skip(1).take_while(is_option);
        while let Some(argument) = options.next() {
            let value = match argument.to_str().and_then(|text| text.strip_prefix("--color")) {
                Some("") => options.next()?,
                Some(rest) => match rest.strip_prefix('=') {
                    Some(value) => OsString::from(value),
                    None => continue,
                },
                None => continue,
            };
            return Self::from_str(value.to_str()?, false).ok();
        }
        None
    }
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// The subcommands, in the order of the help: sessions, tokens and policies, then tools.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Whoami(whoami::Whoami),
    Assume(assume::Assume),
    CredentialProcess(credential_process::CredentialProcess),
    Exec(exec::Exec),
    Serve(serve::Serve),
    Console(console::Console),
    Token(token::Token),
    Policy(policy::Policy),
    Scaffold(scaffold::Scaffold),
    Doctor(doctor::Doctor),
    Sandbox(sandbox::Sandbox),
    Completions(completions::Completions),
    #[command(name = "__reference", hide = true)]
    Reference(reference::Reference),
}

impl Command {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        if !matches!(&self, Self::Policy(command) if command.has_sarif()) {
            output.require(&[OutputFormat::Table, OutputFormat::Json])?;
        }
        match self {
            Self::Whoami(command) => command.run(output),
            Self::Assume(command) => command.run(output),
            Self::CredentialProcess(command) => command.run(output),
            Self::Exec(command) => command.run(output),
            Self::Serve(command) => command.run(output),
            Self::Console(command) => command.run(output),
            Self::Token(command) => command.run(output),
            Self::Policy(command) => command.run(output),
            Self::Scaffold(command) => command.run(output),
            Self::Doctor(command) => command.run(output),
            Self::Sandbox(command) => command.run(output),
            Self::Completions(command) => command.run(output),
            Self::Reference(command) => command.run(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Adds the options whose names speak of secrets, each with its value.
    fn collect(command: &clap::Command, found: &mut BTreeSet<String>) {
        const WORDS: [&str; 7] =
            ["code", "credential", "key", "password", "pin", "secret", "token"];
        for argument in command.get_arguments() {
            let (Some(name), Some(values)) = (argument.get_long(), argument.get_value_names())
            else {
                continue;
            };
            if WORDS.iter().any(|word| name.split('-').any(|part| part == *word)) {
                found.insert(format!("{name} {}", values.join(" ")));
            }
        }
        command.get_subcommands().for_each(|command| collect(command, found));
    }

    /// Other users see arguments in the list of processes, and shells keep them in their history.
    #[test]
    fn no_option_takes_a_secret() {
        let mut found = BTreeSet::new();
        collect(&Cli::command(), &mut found);
        // The one value of the first is a dash. The second one is the name of a secret.
        let mut expected = vec!["mfa-code -", "secret NAME", "token-file FILE"];
        if cfg!(feature = "keyring") {
            expected.insert(2, "store-key PLACE");
        }
        assert_eq!(Vec::from_iter(found), expected);
        let mut command = vec!["rolecall", "assume", "arn:aws:iam::111122223333:role/deploy"];
        command.extend(["--mfa-serial", "GAHT12345678", "--mfa-code"]);
        let parse = |code| Cli::try_parse_from(command.iter().copied().chain([code]));
        assert!(parse("-").is_ok());
        assert!(parse("123456").is_err());
    }

    /// Returns each command with the words that lead to it.
    fn commands(words: &[&str], command: &clap::Command) -> Vec<(String, clap::Command)> {
        let words = [words, &[command.get_name()]].concat();
        let below = command.get_subcommands().flat_map(|command| commands(&words, command));
        std::iter::once((words.join(" "), command.clone())).chain(below).collect()
    }

    /// Returns the errors of the parser for a value in each place of each command.
    fn errors_about(value: &str) -> Vec<String> {
        let parse = |(words, arguments): (&str, &[&str])| {
            let result = Cli::try_parse_from(words.split(' ').chain(arguments.iter().copied()));
            result.err().map(|error| shorten_values(error).render().to_string())
        };
        let unknown = format!("--{value}");
        let mut errors = Vec::new();
        for (words, command) in commands(&[], &Cli::command()) {
            let options = command.get_arguments().filter(|it| it.get_action().takes_values());
            for name in options.filter_map(clap::Arg::get_long) {
                errors.extend(parse((&words, &[&format!("--{name}={value}")])));
            }
            let last = [&[value][..], &["--", value], &[unknown.as_str()]];
            errors.extend(last.into_iter().filter_map(|it| parse((&words, it))));
        }
        errors
    }

    #[test]
    fn errors_of_the_parser_show_no_secret() {
        for value in [
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3gifQ.c2lnbmF0dXJl",
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3Mi\nOiJodHRwczovL3gifQ.c2lnbmF0dXJl",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_SECRET_ACCESS_KEY='wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'",
            &format!("IQoJb3JpZ2luX2VjE{}==", "AQ//abcD3fg+".repeat(40)),
        ] {
            let secret = value.get(value.len() - 30..value.len() - 2).unwrap();
            let errors = errors_about(value);
            assert!(errors.len() > 100, "{}", errors.len());
            for error in errors {
                assert!(!error.contains(secret), "{error}");
            }
        }
    }

    #[test]
    fn errors_of_the_parser_show_the_start_of_values() {
        let errors = errors_about(&"a long value ".repeat(8_000));
        assert!(errors.len() > 100, "{}", errors.len());
        for error in errors {
            assert!(error.len() < 2_000, "{error}");
        }
        let error = Cli::try_parse_from(["rolecall", "whoami", "--region", "Frankfurt"]);
        let error = shorten_values(error.unwrap_err()).render().to_string();
        assert!(error.contains("invalid value 'Frankfurt' for '--region <REGION>'"), "{error}");
    }

    #[test]
    fn color_is_found_before_the_arguments_are_parsed() {
        for (arguments, color) in [
            ("rolecall --color never", Some(Color::Never)),
            ("rolecall assume x --color=always --quiet", Some(Color::Always)),
            ("rolecall exec x --color auto -- ls --color never", Some(Color::Auto)),
            ("rolecall exec x -- ls --color never", None),
            ("rolecall --color", None),
            ("rolecall --color=blue", None),
            ("rolecall --colors=never", None),
            ("--color=never", None),
        ] {
            let found = Color::find(arguments.split(' ').map(OsString::from));
            assert_eq!(found, color, "{arguments}");
        }
    }

    #[test]
    fn arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}

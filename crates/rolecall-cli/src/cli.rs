//! The arguments of the command.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    assume, completions, console, credential_process, doctor, exec, policy, reference, sandbox,
    scaffold, serve, token, whoami,
};
use crate::error::Failure;
use crate::output::Output;

/// AWS sessions, tokens and IAM policies from a shell.
///
/// The commands start from the identity that the environment configures: access keys, a profile, a
/// web identity, or the credentials of a container or an instance. Exit status: 0 for success, 1 if
/// the requested operation failed, 2 for invalid arguments. A reader that closes the output early,
/// such as head, changes nothing of it; policy simulate ends with 141 then, unless a line was bad.
#[derive(Debug, Parser)]
#[command(name = "rolecall", version, propagate_version = false, max_term_width = 100)]
#[command(arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Format of the results
    #[arg(long, value_enum, global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: OutputFormat,
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

    use clap::CommandFactory;

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

    #[test]
    fn arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}

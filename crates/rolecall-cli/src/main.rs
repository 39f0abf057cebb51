//! The command `rolecall`: AWS sessions, tokens and IAM policies from a shell, and credentials for
//! programs in any language.

mod cli;
mod commands;
mod completion;
mod config_files;
mod credentials;
mod endpoint;
mod error;
mod files;
mod identity;
mod identity_variables;
mod input;
mod jwt;
mod lints;
mod lock;
mod logging;
mod net;
mod output;
mod parameters;
mod private_files;
mod prompt;
mod random;
mod recursion;
mod reference;
mod runtime;
mod sandbox;
mod shell;
mod signals;
mod stderr;
mod store;
mod time;

use std::process::ExitCode;

use crate::cli::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    if let Some(code) = completion::answer() {
        return code;
    }
    let Cli { global, command } = match Cli::of_process() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    logging::install(global.verbose);
    let mut output = Output::new(&global);
    let result = command.run(&mut output).and_then(|code| output.finish().map(|()| code));
    let code = result.unwrap_or_else(|failure| failure.report(global.color));
    stderr::flush();
    code
}

//! The subcommands, one module each.

pub(crate) mod assume;
pub(crate) mod completions;
pub(crate) mod console;
pub(crate) mod credential_process;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod policy;
pub(crate) mod reference;
pub(crate) mod sandbox;
pub(crate) mod scaffold;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod whoami;

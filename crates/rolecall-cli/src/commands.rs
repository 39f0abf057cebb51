//! The subcommands, one module each.

pub(crate) mod assume;
pub(crate) mod console;
pub(crate) mod doctor;
pub(crate) mod whoami;
